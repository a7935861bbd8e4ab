//! Health: whether the connections to providers work, and if not, why.
//!
//! **Who acts.** On each node a prober (the room `worker` has its loop) takes what is due ([`probe::take`]), asks the
//! providers ([`probe::ask`]) and writes what they said ([`note::note`]). What calls of others show is judged the same
//! way ([`traffic`]). People read ([`list`], [`why`]), have one looked at now, or choose how often it is
//! ([`schedule`]).
//!
//! **How it lives.** A row for each integration holds the verdict, five sides and what the verdict follows from; [`judge`]
//! says how. Each check is a row, kept for a while; each change of the verdict is a row that stays, and uptime is
//! computed from those alone. A change is one commit: the rows, the event, what the integration says of its last
//! error, and an alert that is raised or resolved.
//!
//! **Why probes are no jobs.** Ten thousand integrations once a minute would be ten thousand jobs enqueued, taken and
//! ended, each with a commit of its own; and a probe that is lost is worth nothing a minute later. So whoever
//! probes takes a few hundred in one commit, by moving on when they are due next, reads what their calls need in a
//! few statements for all of them, and notes their answers in one commit.
//! Nodes pass over what another is taking, so that each is asked by one.
//!
//! **What fails.** A node that dies makes the probes it had taken late by one interval, and nothing else. Evidence of
//! calls is kept in memory and lost with it ([`context::evidence`](crate::context::evidence)). What cannot be
//! written is dropped: the next probe comes anyway.
//!
//! **Who is not asked.** Integrations that are disabled are not watched, and nothing is known of them. One whose
//! credential was refused for good is down until somebody connects it anew; its provider is not asked, since
//! some lock out who knocks too often. One that waits for its first credential is not asked either.
//!
//! **What health does not do**: change who may use an integration. It says what is wrong; a refused key may be a slip of
//! the provider's, and only a person knows. The status moves in one case: an integration in ERROR, because a test
//! failed, is ACTIVE again when it has recovered.

pub mod judge;
pub mod list;
pub mod note;
pub mod probe;
pub mod schedule;
pub mod traffic;
pub mod watch;
pub mod why;

use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use crate::{
    context::{Cx, Txn},
    domain::integration::Integration,
    entity::{first::First, health as entity},
    kernel::{
        clock::Moment,
        error::Result,
        id::{IntegrationId, TenantId},
    },
};

pub use crate::entity::{
    health::{Axis, Model as Health, Side, Verdict},
    health_change::Model as HealthChange,
    health_check::{Model as HealthCheck, Source},
};

impl Verdict {
    /// The one of that name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        [Self::Unknown, Self::Healthy, Self::Degraded, Self::Down].into_iter().find(|each| each.name() == name)
    }

    /// The name in events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Healthy => "HEALTHY",
            Self::Degraded => "DEGRADED",
            Self::Down => "DOWN",
        }
    }

    /// How bad it is; what is not known is not bad.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Healthy => 1,
            Self::Degraded => 2,
            Self::Down => 3,
        }
    }
}

impl Axis {
    /// The one of that name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        [Self::Credential, Self::Reachability, Self::Quota, Self::Permission, Self::Freshness]
            .into_iter()
            .find(|each| each.name() == name)
    }

    /// The name in events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Credential => "CREDENTIAL",
            Self::Reachability => "REACHABILITY",
            Self::Quota => "QUOTA",
            Self::Permission => "PERMISSION",
            Self::Freshness => "FRESHNESS",
        }
    }
}

impl Source {
    /// The one of that name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        [Self::Probe, Self::Manual, Self::Call, Self::Sync, Self::Webhook].into_iter().find(|each| each.name() == name)
    }

    /// The name in events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Probe => "PROBE",
            Self::Manual => "MANUAL",
            Self::Call => "CALL",
            Self::Sync => "SYNC",
            Self::Webhook => "WEBHOOK",
        }
    }

    /// In words.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Probe => "a probe",
            Self::Manual => "a test by hand",
            Self::Call => "a call",
            Self::Sync => "reading records",
            Self::Webhook => "a webhook",
        }
    }
}

/// What is known of an integration of which nothing is known yet.
#[must_use]
pub fn unknown(integration: &Integration, now: Moment) -> Health {
    beginning(integration.id, integration.tenant_id, integration.enabled, now)
}

fn beginning(integration_id: IntegrationId, tenant_id: TenantId, watched: bool, now: Moment) -> Health {
    Health {
        integration_id,
        tenant_id,
        watched,
        verdict: Verdict::Unknown,
        since: now,
        axis: None,
        reason: None,
        class: None,
        credential: Side::Unknown,
        reachability: Side::Unknown,
        quota: Side::Unknown,
        permission: Side::Unknown,
        freshness: Side::Unknown,
        failures: 0,
        troubles: 0,
        successes: 0,
        latency: None,
        baseline: None,
        samples: 0,
        improved_at: None,
        asked_at: None,
        checked_at: None,
        next_at: now,
        every: None,
    }
}

/// The health of an integration, held until the commit; made if the prober has not come by yet.
async fn held(txn: &Txn, integration: &Integration) -> Result<Health> {
    let first = unknown(integration, txn.now()).into_active_model();
    entity::Entity::insert(first).on_conflict(entity::there()).try_insert().exec_without_returning(&**txn).await?;
    let found = entity::held([integration.id]).filter(entity::COLUMN.tenant_id.eq(integration.tenant_id));
    found.first(&**txn).await?.ok_or(crate::kernel::error::Error::NotFound("integration"))
}

/// The health of one integration of the tenant; what is not known yet is unknown.
pub async fn get(cx: &Cx, integration: &Integration) -> Result<Health> {
    let found = list::of_integrations(cx, &[integration.id]).await?.pop();
    Ok(found.unwrap_or_else(|| unknown(integration, integration.created_at)))
}
