//! Health in the API: whether an integration works, how it did, and why.

pub mod change;
pub mod follow;

use async_graphql::{Context, Enum, Object, SimpleObject};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;

use super::{
    context::Ask,
    error::Result,
    guard::Needs,
    loader::{CausesOf, HealthChangesOf, HealthChecksOf},
    page::Connection,
};
use crate::{
    context::Cx,
    domain::health::{
        self,
        list::{self, HistoryPage},
        why,
    },
    kernel::scope::Scope,
};

/// Whether an integration works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "health::Verdict")]
pub enum HealthVerdict {
    /// Nothing is known: it was not looked at yet, or is disabled.
    Unknown,
    /// It works.
    Healthy,
    /// It works, but not as it should.
    Degraded,
    /// It does not work.
    Down,
}

/// A side of an integration's health that is mended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "health::Axis")]
pub enum HealthAxis {
    /// Whether the credential is right. If not, connect the integration anew.
    Credential,
    /// Whether the provider answers, and as fast as usual. If not, wait.
    Reachability,
    /// Whether there is allowance left. If not, ask less or wait.
    Quota,
    /// Whether the credential may do what is needed. If not, grant it at the provider.
    Permission,
    /// Whether what was read is of the age it should be. If not, look at the runs.
    Freshness,
}

/// How a side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "health::Side")]
pub enum HealthSide {
    /// Nothing is known of it.
    Unknown,
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
}

/// How it came that something was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "health::Source")]
pub enum HealthSource {
    /// The hub asked, as it does now and then.
    Probe,
    /// Somebody had it tested.
    Manual,
    /// A call that was made for another reason.
    Call,
    /// Records were read.
    Sync,
    /// A webhook came that is from the provider.
    Webhook,
}

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "why::Kind")]
pub enum HealthCauseKind {
    /// What is known of the integration was changed.
    Configuration,
    /// Something became of its credential.
    Credential,
    /// A call failed.
    Call,
    /// The verdict changed.
    State,
}

/// The sides of an integration's health.
#[derive(SimpleObject)]
pub struct HealthAxes {
    /// Whether the credential is right.
    credential: HealthSide,
    /// Whether the provider answers, and as fast as usual.
    reachability: HealthSide,
    /// Whether there is allowance left.
    quota: HealthSide,
    /// Whether the credential may do what is needed.
    permission: HealthSide,
    /// Whether what was read is of the age it should be.
    freshness: HealthSide,
}

/// The share of the time in which an integration worked, in percent. Time in which nothing was known of it does not
/// count; null if that is all of it.
#[derive(SimpleObject)]
pub struct HealthUptime {
    /// Of the last 24 hours.
    day: Option<f64>,
    /// Of the last 7 days.
    week: Option<f64>,
    /// Of the last 30 days.
    month: Option<f64>,
}

/// Something that happened to an integration.
#[derive(SimpleObject)]
pub struct HealthCause {
    /// What kind of thing.
    kind: HealthCauseKind,
    /// When.
    at: DateTime<Utc>,
    /// What, in a sentence.
    text: String,
    /// Through whom, if through somebody: an id, or a part of the program.
    actor: Option<String>,
    /// The request in which it was, if in one: it is in the audit log too.
    request_id: Option<String>,
    /// The trace of the call, if it was one.
    trace_id: Option<String>,
}

impl From<why::Cause> for HealthCause {
    fn from(cause: why::Cause) -> Self {
        Self {
            kind: cause.kind.into(),
            at: cause.at,
            text: cause.text,
            actor: cause.actor,
            request_id: cause.request,
            trace_id: cause.trace,
        }
    }
}

/// A look at an integration.
pub struct HealthCheck(health::HealthCheck);

/// One look at an integration: what was seen.
#[Object]
impl HealthCheck {
    /// When.
    async fn at(&self) -> DateTime<Utc> {
        self.0.at
    }

    /// How it came.
    async fn source(&self) -> HealthSource {
        self.0.source.into()
    }

    /// Whether everything was as it should be.
    async fn good(&self) -> bool {
        self.0.good
    }

    /// The class of the failure, such as `auth` or `throttled`, if there was one.
    async fn error_class(&self) -> Option<&str> {
        self.0.class.as_deref()
    }

    /// What was wrong, in a sentence.
    async fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }

    /// How long the call took, in milliseconds; of probes alone.
    async fn latency_ms(&self) -> Option<i32> {
        self.0.latency.map(in_ms)
    }

    /// The trace of the call, which the provider was told too.
    async fn trace_id(&self) -> Option<&str> {
        self.0.trace.as_deref()
    }
}

fn in_ms(micros: i64) -> i32 {
    i32::try_from(micros / 1_000).unwrap_or(i32::MAX)
}

/// What is known of the health of an integration.
pub struct Health(pub health::Health);

/// Whether an integration works, and if not, why.
#[Object]
impl Health {
    /// The verdict.
    async fn verdict(&self) -> HealthVerdict {
        self.0.verdict.into()
    }

    /// Since when it is so.
    async fn since(&self) -> DateTime<Utc> {
        self.0.since
    }

    /// Why it is no better, in a sentence.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// The side that is to blame; null while nothing is.
    async fn axis(&self) -> Option<HealthAxis> {
        self.0.axis.map(Into::into)
    }

    /// The class of the failure behind it, such as `auth` or `throttled`.
    async fn error_class(&self) -> Option<&str> {
        self.0.class.as_deref()
    }

    /// Each side by itself.
    async fn axes(&self) -> HealthAxes {
        HealthAxes {
            credential: self.0.credential.into(),
            reachability: self.0.reachability.into(),
            quota: self.0.quota.into(),
            permission: self.0.permission.into(),
            freshness: self.0.freshness.into(),
        }
    }

    /// How long the last probe took, in milliseconds.
    async fn latency_ms(&self) -> Option<i32> {
        self.0.latency.map(in_ms)
    }

    /// How long a probe usually takes, in milliseconds.
    async fn baseline_ms(&self) -> Option<i32> {
        self.0.baseline.map(in_ms)
    }

    /// When it was last looked at.
    async fn checked_at(&self) -> Option<DateTime<Utc>> {
        self.0.checked_at
    }

    /// When it is probed next; null while it is disabled.
    async fn next_check_at(&self) -> Option<DateTime<Utc>> {
        self.0.watched.then_some(self.0.next_at)
    }

    /// Seconds between two probes, where somebody chose them; null for the hub's own interval.
    async fn every_seconds(&self) -> Option<i32> {
        self.0.every
    }

    /// How much of the time it worked, degraded or not.
    async fn uptime(&self, ctx: &Context<'_>) -> Result<HealthUptime> {
        let changes = ctx.loaders().load(HealthChangesOf(self.0.integration_id)).await?.unwrap_or_default();
        let of = |span| list::uptime(self.0.verdict, &changes, ctx.cx().now(), span);
        Ok(HealthUptime { day: of(TimeDelta::days(1)), week: of(TimeDelta::days(7)), month: of(list::MONTH) })
    }

    /// Each look at it, newest first.
    async fn history(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most this many; 25 if left out, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "Items after this cursor, which are older.")] after: Option<String>,
    ) -> Result<Connection<HealthCheck>> {
        let id = self.0.integration_id;
        let args = ctx.cx().page(after, None, first, None)?;
        let empty = || crate::kernel::page::Page { rows: Vec::new(), has_previous: false, has_next: false };
        let page = ctx.loaders().load(HistoryPage::new(id, &args)).await?.unwrap_or_else(empty);
        // Of many integrations they are counted together, like their pages are read.
        let loaders = ctx.loaders().clone();
        let counter = Box::new(move |_: Cx| {
            let loaders = loaders.clone();
            Box::pin(async move { loaders.count(HealthChecksOf(id)).await }) as BoxFuture<'static, _>
        });
        Ok(Connection::new(page, HealthCheck, counter))
    }

    /// What happened to it, in order of time: changes, credentials, calls that failed, and what became of it. It begins
    /// a day before the present verdict did.
    async fn why(&self, ctx: &Context<'_>) -> Result<Vec<HealthCause>> {
        let chain = ctx.loaders().load(CausesOf(self.0.integration_id)).await?.unwrap_or_default();
        Ok(chain.into_iter().map(Into::into).collect())
    }
}

/// How many integrations work.
#[derive(SimpleObject)]
pub struct HealthOverview {
    /// All that are enabled.
    total: i32,
    /// Those that work.
    healthy: i32,
    /// Those that work, but not as they should.
    degraded: i32,
    /// Those that do not work.
    down: i32,
    /// Those of which nothing is known yet.
    unknown: i32,
}

/// Looking at health.
#[derive(Default)]
pub struct HealthQuery;

#[Object]
impl HealthQuery {
    /// How many of your enabled integrations work. Needs `INTEGRATION_READ`.
    #[graphql(guard = "Needs(Scope::IntegrationRead)")]
    async fn health_overview(&self, ctx: &Context<'_>) -> Result<HealthOverview> {
        let found = list::overview(ctx.cx()).await?;
        let number = |count: i64| i32::try_from(count).unwrap_or(i32::MAX);
        Ok(HealthOverview {
            total: number(found.total),
            healthy: number(found.healthy),
            degraded: number(found.degraded),
            down: number(found.down),
            unknown: number(found.unknown),
        })
    }
}
