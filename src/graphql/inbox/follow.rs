//! Following webhooks: what providers tell, as it is understood.

use async_graphql::{Context, ID, Object, Subscription};
use chrono::{DateTime, Utc};
use futures_util::{Stream, future};

use super::WebhookEvent;
use crate::{
    domain::inbox::list,
    event::{Entry, Interest},
    graphql::{
        context::Ask,
        error::Result,
        guard::Needs,
        live::{Item, follow},
    },
    kernel::{
        id::{WebhookEventId, WebhookSourceId},
        scope::Scope,
    },
};

/// Something that a provider told.
pub struct WebhookEventReceived(Entry);

/// Something that a provider told by a webhook, or a webhook that was given up.
#[Object]
impl WebhookEventReceived {
    /// Where to go on after this, in `after`.
    async fn cursor(&self) -> String {
        Item::cursor_of(self.0.number)
    }

    /// The place in your tenant's log of changes.
    async fn number(&self) -> String {
        self.0.number.to_string()
    }

    /// Whether the webhook was given up; then nothing is known of what it says.
    async fn dead(&self) -> bool {
        self.0.kind == "inbox.dead_lettered"
    }

    /// Why it was given up.
    async fn reason(&self) -> Option<&str> {
        self.0.data["reason"].as_str()
    }

    /// The source to which it came.
    async fn source_id(&self) -> Option<ID> {
        self.0.data["source"].as_str().map(ID::from)
    }

    /// The integration to which it belongs.
    async fn integration_id(&self) -> Option<ID> {
        self.0.data["integration"].as_str().map(ID::from)
    }

    /// The key of the provider.
    async fn provider_key(&self) -> Option<&str> {
        self.0.data["provider"].as_str()
    }

    /// The provider's id of what happened.
    async fn event_id(&self) -> Option<&str> {
        self.0.data["event"].as_str()
    }

    /// The provider's word for what happened, such as `payment_intent.succeeded`.
    async fn kind(&self) -> Option<&str> {
        self.0.data["said"].as_str()
    }

    /// Our word for what happened, such as `payment.succeeded`; null if we have none.
    async fn happening(&self) -> Option<&str> {
        self.0.data["is"].as_str()
    }

    /// The provider's id of what it happened to.
    async fn subject(&self) -> Option<&str> {
        self.0.data["about"].as_str()
    }

    /// When it happened, as the provider says; else when it was heard of.
    async fn happened_at(&self) -> Option<DateTime<Utc>> {
        serde_json::from_value(self.0.data["happenedAt"].clone()).ok()
    }

    /// Which replay of the webhook told it; 0 for the first time.
    async fn replay(&self) -> i32 {
        self.0.data["replay"].as_i64().and_then(|replay| i32::try_from(replay).ok()).unwrap_or_default()
    }

    /// When it was understood.
    async fn at(&self) -> DateTime<Utc> {
        self.0.at
    }

    /// The webhook as it is now; null if it is not kept any more.
    async fn webhook(&self, ctx: &Context<'_>) -> Result<Option<WebhookEvent>> {
        let id: Option<WebhookEventId> = self.0.data["webhook"].as_str().and_then(|id| id.parse().ok());
        let Some(id) = id else { return Ok(None) };
        Ok(list::by_ids(ctx.cx(), &[id]).await?.pop().map(WebhookEvent))
    }
}

/// Following webhooks.
#[derive(Default)]
pub struct InboxSubscription;

#[Subscription]
impl InboxSubscription {
    /// What providers tell by webhooks, each thing once and in the order in which it was understood: those after the
    /// cursor and then each as it comes. Needs `INTEGRATION_READ`.
    #[graphql(guard = "Needs(Scope::IntegrationRead)")]
    async fn webhook_event_received(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only what came to this source; left out, to all.")] source_id: Option<WebhookSourceId>,
        #[graphql(desc = "Go on after this cursor; left out, begin with what comes next.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<WebhookEventReceived>>> {
        let interest = Interest::of_topics(["inbox"]);
        let interest = match source_id {
            Some(id) => interest.about([id.to_string()]),
            None => interest,
        };
        follow(ctx, after, interest, |_, entry| {
            let told = matches!(&*entry.kind, "inbox.received" | "inbox.dead_lettered");
            future::ready(Ok(told.then_some(WebhookEventReceived(entry))))
        })
        .await
    }
}
