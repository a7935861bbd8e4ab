//! What the words of partners mean, in versions.

use async_graphql::{Context, Enum, ID, InputObject, Json, Object, SimpleObject};
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::{
    context::Cx,
    domain::partner::{
        self, Stage, list,
        mapping::{
            Severity,
            simulate::{self, Simulation},
            version::{self, differences},
        },
    },
    graphql::{
        attempt::{attempt, attempt_of},
        context::Ask,
        error::{Result, UserError},
        guard::Needs,
        id,
        page::Connection,
    },
    kernel::{
        id::{IntegrationId, StatusMappingId},
        scope::Scope,
    },
};

/// How far a version has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Stage")]
pub enum StatusMappingState {
    /// It was written down.
    Draft,
    /// Nothing stands in its way.
    Validated,
    /// It was held against what came.
    Simulated,
    /// It runs beside the one in use.
    Shadow,
    /// It decides.
    Active,
    /// It decides no more, or never did.
    Retired,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Severity")]
pub enum StatusMappingSeverity {
    /// It cannot be used so.
    Fault,
    /// Something does not come back as it went.
    Loss,
    /// Worth knowing.
    Note,
}

/// Something that was found in a mapping.
#[derive(SimpleObject)]
pub struct StatusMappingFinding {
    /// How bad it is.
    severity: StatusMappingSeverity,
    /// Where in the mapping, outermost name first.
    path: Vec<String>,
    /// What, for people.
    message: String,
}

/// An update of which a version would make something else.
#[derive(SimpleObject)]
pub struct StatusMappingEffect {
    /// The id of the update.
    update_id: ID,
    /// The id of the order, if it is known.
    order_id: Option<ID>,
    /// The partner's id of the order.
    partner_order_id: String,
    /// The partner's word.
    said: String,
    /// What came of it: our status, `UNMAPPED`, `IGNORED`, or `FORBIDDEN` with our status.
    was: String,
    /// What would have come of it.
    would_be: String,
}

/// What a version would have made of what came.
#[derive(SimpleObject)]
pub struct StatusMappingSimulation {
    /// Updates that were looked at.
    updates: i32,
    /// Those of which it would make something else.
    differs: i32,
    /// The newest of these, at most 200.
    differences: Vec<StatusMappingEffect>,
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

impl From<Simulation> for StatusMappingSimulation {
    fn from(found: Simulation) -> Self {
        let effect = |found: simulate::Difference| StatusMappingEffect {
            update_id: id::out(found.update),
            order_id: found.order.map(id::out),
            partner_order_id: found.partner_order_id,
            said: found.said,
            was: found.was,
            would_be: found.would_be,
        };
        Self {
            updates: count(found.updates),
            differs: count(found.differs),
            differences: found.differences.into_iter().map(effect).collect(),
        }
    }
}

/// A word or a status that two versions treat otherwise.
#[derive(SimpleObject)]
pub struct StatusMappingDifference {
    /// Where: `toPartner`, `toOurs`, `ignoredOurs` or `ignoredPartner`.
    side: String,
    /// The word or the status.
    word: String,
    /// What it was; null if nothing was said.
    before: Option<String>,
    /// What it is; null if nothing is said.
    after: Option<String>,
}

/// A version of what the words of a partner mean.
#[derive(Clone)]
pub struct StatusMapping(pub partner::StatusMapping);

/// A version of what the words of a partner mean: drafted, validated, simulated, run beside the one in use, activated,
/// retired.
#[Object]
impl StatusMapping {
    /// The global id, beginning with `smp_`.
    pub(in crate::graphql) async fn id(&self) -> ID {
        id::out(self.0.id)
    }

    /// Of which partner integration.
    async fn partner_integration_id(&self) -> ID {
        id::out(self.0.partner_integration_id)
    }

    /// The number of the version, from 1.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// How far it has come.
    async fn state(&self) -> StatusMappingState {
        self.0.state.into()
    }

    /// The mapping as it was given.
    async fn mapping(&self) -> Json<Value> {
        Json(self.0.given.clone())
    }

    /// Statuses of yours that the partner is not told, those included of which a first mapping said nothing.
    async fn ignored_statuses(&self) -> Result<Vec<String>> {
        Ok(self.0.rules()?.ignored_ours.into_iter().collect())
    }

    /// What was found when it was last looked at, the worst first.
    async fn findings(&self) -> Vec<StatusMappingFinding> {
        let found = self.0.found().into_iter();
        found
            .map(|finding| StatusMappingFinding {
                severity: finding.severity.into(),
                path: finding.path,
                message: finding.message,
            })
            .collect()
    }

    /// What it would have made of what came; null if it was not simulated.
    async fn simulation(&self) -> Option<StatusMappingSimulation> {
        self.0.simulated().map(Into::into)
    }

    /// Updates that it saw beside the one in use.
    async fn shadow_seen(&self) -> i32 {
        i32::try_from(self.0.shadow_seen).unwrap_or(i32::MAX)
    }

    /// Those of which it would have made something else.
    async fn shadow_differs(&self) -> i32 {
        i32::try_from(self.0.shadow_differs).unwrap_or(i32::MAX)
    }

    /// Who drafted it: an id, or a part of the program.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }

    /// When.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// Since when it decides, or decided.
    async fn activated_at(&self) -> Option<DateTime<Utc>> {
        self.0.activated_at
    }

    /// Since when it does not.
    async fn retired_at(&self) -> Option<DateTime<Utc>> {
        self.0.retired_at
    }
}

/// What somebody looks at and holds against another.
#[derive(SimpleObject)]
pub struct StatusMappingComparison {
    /// The version.
    mapping: StatusMapping,
    /// Where it differs from the other one; from the version before, if none was named.
    diff: Vec<StatusMappingDifference>,
}

/// Looking at mappings.
#[derive(Default)]
pub struct MappingQuery;

#[Object]
impl MappingQuery {
    /// A version of what the words of a partner mean, and where it differs from another; null if there is none. Needs
    /// `PARTNER_READ`.
    #[graphql(guard = "Needs(Scope::PartnerRead)")]
    async fn status_mapping(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "By which partner integration.")] partner: IntegrationId,
        #[graphql(desc = "Its number; left out, the one in use.")] version: Option<i32>,
        #[graphql(desc = "The number of the one to hold it against; left out, the one before.")] against: Option<i32>,
    ) -> Result<Option<StatusMappingComparison>> {
        let Some(row) = list::version(ctx.cx(), partner, version).await? else { return Ok(None) };
        let other = match against {
            Some(against) => list::version(ctx.cx(), partner, Some(against)).await?,
            None => list::before(ctx.cx(), &row).await?,
        };
        let before = other.map(|other| other.rules()).transpose()?.unwrap_or_default();
        let diff = differences(&before, &row.rules()?).into_iter().map(|found| StatusMappingDifference {
            side: found.side.to_owned(),
            word: found.word,
            before: found.before,
            after: found.after,
        });
        let diff = diff.collect();
        Ok(Some(StatusMappingComparison { mapping: StatusMapping(row), diff }))
    }

    /// All versions of what the words of a partner mean, newest first. Needs `PARTNER_READ`.
    #[graphql(guard = "Needs(Scope::PartnerRead)")]
    async fn status_mappings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "By which partner integration.")] partner: IntegrationId,
        #[graphql(desc = "Items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items before this cursor.")] before: Option<String>,
        #[graphql(desc = "At most this many, from the start; 25 if left out, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "At most this many, from the end.")] last: Option<i32>,
    ) -> Result<Connection<StatusMapping>> {
        list::get(ctx.cx(), partner).await?;
        let args = ctx.cx().page(after, before, first, last)?;
        let page = list::versions(ctx.cx(), partner, &args).await?;
        let counter = Box::new(move |cx: Cx| {
            Box::pin(async move { list::count_versions(&cx, partner).await }) as BoxFuture<'static, _>
        });
        Ok(Connection::new(page, StatusMapping, counter))
    }
}

/// What the words of a partner are to mean.
#[derive(InputObject)]
pub struct DraftStatusMappingInput {
    /// By which partner integration.
    partner_integration_id: IntegrationId,
    /// An object with one object for each way: `chargecars_to_partner` and `partner_to_chargecars`, whatever you call
    /// yourself; `ignored` with `ours` and `partner`; and `partner_transitions`, if the partner says what follows what.
    mapping: Json<Value>,
}

/// What came of drafting a version.
#[derive(SimpleObject)]
pub struct DraftStatusMappingPayload {
    /// The version, unless refused.
    status_mapping: Option<StatusMapping>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Which version to validate.
#[derive(InputObject)]
pub struct ValidateStatusMappingInput {
    /// Which version.
    id: StatusMappingId,
}

/// What came of validating a version.
#[derive(SimpleObject)]
pub struct ValidateStatusMappingPayload {
    /// The version with what was found, unless refused. That it has faults is no refusal.
    status_mapping: Option<StatusMapping>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Which version to simulate, and on how much.
#[derive(InputObject)]
pub struct SimulateStatusMappingInput {
    /// Which version.
    id: StatusMappingId,
    /// On how many of the last updates, at most 5,000.
    #[graphql(default = 1000)]
    last: i32,
}

/// What came of simulating a version.
#[derive(SimpleObject)]
pub struct SimulateStatusMappingPayload {
    /// The version with what was found, unless refused.
    status_mapping: Option<StatusMapping>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Which version to run beside the one in use.
#[derive(InputObject)]
pub struct ShadowStatusMappingInput {
    /// Which version.
    id: StatusMappingId,
}

/// What came of running a version beside.
#[derive(SimpleObject)]
pub struct ShadowStatusMappingPayload {
    /// The version, unless refused.
    status_mapping: Option<StatusMapping>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Which version is to decide.
#[derive(InputObject)]
pub struct ActivateStatusMappingInput {
    /// Which version.
    id: StatusMappingId,
}

/// What came of activating a version.
#[derive(SimpleObject)]
pub struct ActivateStatusMappingPayload {
    /// The version, unless refused.
    status_mapping: Option<StatusMapping>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Which version to retire.
#[derive(InputObject)]
pub struct RetireStatusMappingInput {
    /// Which version.
    id: StatusMappingId,
}

/// What came of retiring a version.
#[derive(SimpleObject)]
pub struct RetireStatusMappingPayload {
    /// The version, unless refused.
    status_mapping: Option<StatusMapping>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Changing mappings.
#[derive(Default)]
pub struct MappingMutation;

#[Object]
impl MappingMutation {
    /// Drafts another version of what the words of a partner mean. Needs `PARTNER_WRITE`.
    #[graphql(guard = "Needs(Scope::PartnerWrite)")]
    async fn draft_status_mapping(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What they are to mean.")] input: DraftStatusMappingInput,
    ) -> Result<DraftStatusMappingPayload> {
        let drafted = version::draft(ctx.cx(), input.partner_integration_id, &input.mapping.0).await;
        let (row, user_errors) = attempt_of(ctx, "partnerIntegrationId", drafted)?;
        Ok(DraftStatusMappingPayload { status_mapping: row.map(StatusMapping), user_errors })
    }

    /// Looks for what stands in the way of a version, and what it loses. Needs `PARTNER_WRITE`.
    #[graphql(guard = "Needs(Scope::PartnerWrite)")]
    async fn validate_status_mapping(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which version.")] input: ValidateStatusMappingInput,
    ) -> Result<ValidateStatusMappingPayload> {
        let (row, user_errors) = attempt(ctx, version::validate(ctx.cx(), input.id).await)?;
        Ok(ValidateStatusMappingPayload { status_mapping: row.map(StatusMapping), user_errors })
    }

    /// Holds a version that was validated against the last updates. Needs `PARTNER_WRITE`.
    #[graphql(guard = "Needs(Scope::PartnerWrite)")]
    async fn simulate_status_mapping(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which version, and on how many.")] input: SimulateStatusMappingInput,
    ) -> Result<SimulateStatusMappingPayload> {
        let last = u64::try_from(input.last).unwrap_or_default();
        let (row, user_errors) = attempt(ctx, version::simulate(ctx.cx(), input.id, last).await)?;
        Ok(SimulateStatusMappingPayload { status_mapping: row.map(StatusMapping), user_errors })
    }

    /// Lets a version that was simulated run beside the one in use, which goes on to decide. Needs `PARTNER_WRITE`.
    #[graphql(guard = "Needs(Scope::PartnerWrite)")]
    async fn shadow_status_mapping(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which version.")] input: ShadowStatusMappingInput,
    ) -> Result<ShadowStatusMappingPayload> {
        let (row, user_errors) = attempt(ctx, version::shadow(ctx.cx(), input.id).await)?;
        Ok(ShadowStatusMappingPayload { status_mapping: row.map(StatusMapping), user_errors })
    }

    /// Lets a version that was simulated decide; the one before is retired, and what waited for a meaning is looked at
    /// again. Needs `PARTNER_WRITE`.
    #[graphql(guard = "Needs(Scope::PartnerWrite)")]
    async fn activate_status_mapping(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which version.")] input: ActivateStatusMappingInput,
    ) -> Result<ActivateStatusMappingPayload> {
        let (row, user_errors) = attempt(ctx, version::activate(ctx.cx(), input.id).await)?;
        Ok(ActivateStatusMappingPayload { status_mapping: row.map(StatusMapping), user_errors })
    }

    /// Retires a version that does not decide. Needs `PARTNER_WRITE`.
    #[graphql(guard = "Needs(Scope::PartnerWrite)")]
    async fn retire_status_mapping(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which version.")] input: RetireStatusMappingInput,
    ) -> Result<RetireStatusMappingPayload> {
        let (row, user_errors) = attempt(ctx, version::retire(ctx.cx(), input.id).await)?;
        Ok(RetireStatusMappingPayload { status_mapping: row.map(StatusMapping), user_errors })
    }
}
