//! Following health: every change of a verdict.

use async_graphql::{Context, ID, Object, Subscription};
use chrono::{DateTime, Utc};
use futures_util::{Stream, future};

use super::{HealthAxis, HealthSource, HealthVerdict};
use crate::{
    domain::{health, integration},
    event::{Entry, Interest, health::Changed},
    graphql::{
        context::Ask,
        error::Result,
        guard::Needs,
        id,
        integration::Integration,
        live::{Item, follow},
    },
    kernel::{id::IntegrationId, scope::Scope},
};

/// A change of a verdict.
pub struct HealthChange {
    entry: Entry,
    changed: Changed,
}

impl HealthChange {
    /// The change that an event is, if it is one.
    fn of(entry: Entry) -> Option<Self> {
        let changed = (entry.kind == "health.changed").then(|| serde_json::from_value(entry.data.clone()).ok())??;
        Some(Self { entry, changed })
    }
}

/// A change of the verdict about an integration: a break, a recovery, or anything between.
#[Object]
impl HealthChange {
    /// Where to go on after this change, in `after`.
    async fn cursor(&self) -> String {
        Item::cursor_of(self.entry.number)
    }

    /// The place in your tenant's log of changes.
    async fn number(&self) -> String {
        self.entry.number.to_string()
    }

    /// The id of the integration.
    async fn integration_id(&self) -> ID {
        id::out(self.changed.integration)
    }

    /// The integration as it is now; null if it is gone.
    async fn integration(&self, ctx: &Context<'_>) -> Result<Option<Integration>> {
        let found = integration::by_ids(ctx.cx(), &[self.changed.integration]).await?;
        Ok(found.into_iter().next().map(Integration))
    }

    /// What the verdict was.
    async fn from(&self) -> Option<HealthVerdict> {
        health::Verdict::of(&self.changed.from).map(Into::into)
    }

    /// What it is.
    async fn to(&self) -> Option<HealthVerdict> {
        health::Verdict::of(&self.changed.to).map(Into::into)
    }

    /// The side that is to blame; null when it recovered.
    async fn axis(&self) -> Option<HealthAxis> {
        self.changed.axis.as_deref().and_then(health::Axis::of).map(Into::into)
    }

    /// Why, in a sentence; null when it recovered.
    async fn reason(&self) -> Option<&str> {
        self.changed.reason.as_deref()
    }

    /// The class of the failure, such as `auth` or `throttled`.
    async fn error_class(&self) -> Option<&str> {
        self.changed.class.as_deref()
    }

    /// How long the call took that was the last straw, in milliseconds.
    async fn latency_ms(&self) -> Option<i32> {
        self.changed.latency_ms.and_then(|ms| i32::try_from(ms).ok())
    }

    /// How it came to be seen; null where it was switched off.
    async fn source(&self) -> Option<HealthSource> {
        self.changed.source.as_deref().and_then(health::Source::of).map(Into::into)
    }

    /// The trace of that call.
    async fn trace_id(&self) -> Option<&str> {
        self.changed.trace_id.as_deref()
    }

    /// When.
    async fn at(&self) -> DateTime<Utc> {
        self.entry.at
    }
}

/// Following health.
#[derive(Default)]
pub struct HealthSubscription;

#[Subscription]
impl HealthSubscription {
    /// Every change of a verdict about your integrations, once and in order: those after the cursor, then each as it
    /// happens. Needs `INTEGRATION_READ`.
    #[graphql(guard = "Needs(Scope::IntegrationRead)")]
    async fn health_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this integration; left out, all.")] integration_id: Option<IntegrationId>,
        #[graphql(desc = "Begin after this cursor; left out, with what happens from now on.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<HealthChange>>> {
        let mut interest = Interest::of_topics(["health"]);
        if let Some(id) = integration_id {
            interest = interest.about([id.to_string()]);
        }
        follow(ctx, after, interest, |_, entry| future::ready(Ok(HealthChange::of(entry)))).await
    }
}
