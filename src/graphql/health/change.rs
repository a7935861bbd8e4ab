//! Having an integration looked at, now or at other intervals.

use async_graphql::{Context, InputObject, Object, SimpleObject};

use super::Health;
use crate::{
    domain::health::schedule,
    graphql::{
        attempt::attempt_of,
        context::Ask,
        error::{Result, UserError},
        guard::Needs,
        integration::Integration,
    },
    kernel::{id::IntegrationId, scope::Scope},
};

/// What to look at.
#[derive(InputObject)]
pub struct CheckHealthNowInput {
    /// Which integration of your tenant.
    integration_id: IntegrationId,
}

/// What came of looking.
#[derive(SimpleObject)]
pub struct CheckHealthNowPayload {
    /// What is known now, unless refused. One look need not change the verdict.
    health: Option<Health>,
    /// The integration as it is now.
    integration: Option<Integration>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// How often to look.
#[derive(InputObject)]
pub struct SetHealthScheduleInput {
    /// Which integration of your tenant.
    integration_id: IntegrationId,
    /// Seconds between two probes, from 10 to a day; left out, the hub's own interval.
    every_seconds: Option<i32>,
}

/// What came of choosing how often to look.
#[derive(SimpleObject)]
pub struct SetHealthSchedulePayload {
    /// What is known, with the next probe, unless refused.
    health: Option<Health>,
    /// The integration.
    integration: Option<Integration>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Looking after health.
#[derive(Default)]
pub struct HealthMutation;

#[Object]
impl HealthMutation {
    /// Has the provider of an integration asked now. What it says counts like any probe. Needs `INTEGRATION_RUN`.
    #[graphql(guard = "Needs(Scope::IntegrationRun)")]
    async fn check_health_now(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which integration.")] input: CheckHealthNowInput,
    ) -> Result<CheckHealthNowPayload> {
        let checked = schedule::check_now(ctx.cx(), input.integration_id).await;
        let (checked, user_errors) = attempt_of(ctx, "integrationId", checked)?;
        let (integration, health) = checked.unzip();
        Ok(CheckHealthNowPayload { health: health.map(Health), integration: integration.map(Integration), user_errors })
    }

    /// Chooses how often an integration is probed. Needs `INTEGRATION_WRITE`.
    #[graphql(guard = "Needs(Scope::IntegrationWrite)")]
    async fn set_health_schedule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which integration, and how often.")] input: SetHealthScheduleInput,
    ) -> Result<SetHealthSchedulePayload> {
        let set = schedule::set_schedule(ctx.cx(), input.integration_id, input.every_seconds).await;
        let (set, user_errors) = attempt_of(ctx, "integrationId", set)?;
        let (integration, health) = set.unzip();
        Ok(SetHealthSchedulePayload {
            health: health.map(Health),
            integration: integration.map(Integration),
            user_errors,
        })
    }
}
