//! Webhooks out, in the API: where they go, what became of each, what was answered.

pub mod change;
pub mod follow;

use async_graphql::{Context, Enum, ID, InputObject, Json, Object, SimpleObject};
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde_json::Value;

use super::{
    context::Ask,
    error::Result,
    event::Topic,
    guard::Needs,
    id,
    loader::{AttemptsOf, DestinationOf, MessageOf},
    page::Connection,
};
use crate::{
    context::Cx,
    domain::outbound::{
        self, Status, catalogue,
        list::{self, DeliveryFilter},
    },
    kernel::{
        id::{EventId, WebhookDestinationId},
        scope::Scope,
    },
};

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Status")]
pub enum WebhookDeliveryStatus {
    /// It waits to be sent, for its turn or for the next attempt.
    Pending,
    /// The destination has it.
    Delivered,
    /// It was tried as often as the schedule says.
    Failed,
    /// The destination was disabled when it happened.
    Skipped,
}

/// Where webhooks go.
#[derive(Clone)]
pub struct WebhookDestination(pub outbound::WebhookDestination);

/// Where webhooks go: a URL, the kinds of events that go there, and the secret that signs them.
#[Object]
impl WebhookDestination {
    /// The global id, beginning with `whd_`.
    pub(super) async fn id(&self) -> ID {
        id::out(self.0.id)
    }

    /// The name for people.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Where webhooks go; empty for a partner that is told by its own interface.
    async fn url(&self) -> &str {
        &self.0.url
    }

    /// The action of the partner's own interface by which it is told instead of by webhooks; null if it is not.
    async fn action(&self) -> Option<&str> {
        self.0.action.as_deref()
    }

    /// How many minutes there are from round to round, if what happens is told at the end of a round only; null if it is
    /// told at once.
    async fn every_minutes(&self) -> Option<i32> {
        self.0.every
    }

    /// Kinds of events that go there; a star stands for the rest.
    async fn events(&self) -> Vec<&str> {
        self.0.patterns.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// The expression that must hold for the body besides; null if nothing must.
    async fn filter(&self) -> Option<&str> {
        self.0.filter.as_deref()
    }

    /// Whether anything is sent.
    async fn enabled(&self) -> bool {
        self.0.enabled
    }

    /// Since when it is disabled.
    async fn disabled_at(&self) -> Option<DateTime<Utc>> {
        self.0.disabled_at
    }

    /// Why it is disabled.
    async fn disabled_because(&self) -> Option<&str> {
        self.0.disabled_because.as_deref()
    }

    /// Since when nothing arrives; null if it does.
    async fn failing_since(&self) -> Option<DateTime<Utc>> {
        self.0.failing_since
    }

    /// Attempts that failed in a row.
    async fn failures(&self) -> i32 {
        self.0.failures
    }

    /// Until when it is left alone after failures, or because it asked for that.
    async fn paused_until(&self) -> Option<DateTime<Utc>> {
        self.0.paused_until
    }

    /// What may be seen of the secret, such as `whsec_a1…9f2=`; empty if there is none.
    async fn secret_hint(&self) -> &str {
        &self.0.hint
    }

    /// With what the signature `v1a` can be checked; null if there is none.
    async fn public_key(&self) -> Option<&str> {
        self.0.public_key.as_deref()
    }

    /// Until when the secret before signs as well.
    async fn overlap_until(&self) -> Option<DateTime<Utc>> {
        self.0.overlap_until
    }

    /// Who made it.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it was changed last.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }
}

/// An attempt to deliver a webhook.
pub struct WebhookAttempt(pub outbound::WebhookAttempt);

/// An attempt to deliver a webhook.
#[Object]
impl WebhookAttempt {
    /// The id, beginning with `att_`.
    async fn id(&self) -> ID {
        id::out(self.0.id)
    }

    /// When it was made.
    async fn at(&self) -> DateTime<Utc> {
        self.0.at
    }

    /// The status that was answered; null if nothing was.
    async fn status(&self) -> Option<i32> {
        self.0.status
    }

    /// What went wrong: `STATUS`, `REDIRECT`, `TIMEOUT`, `DNS`, `CONNECT`, `TLS`, `REFUSED`, `MALFORMED` or `BROKEN`; of
    /// a call to a partner's interface also `DOWN` without an answer, `UNREADABLE` for one that makes no sense, and
    /// `UNMADE` if the call could not be made; null if nothing did.
    async fn error(&self) -> Option<&str> {
        self.0.error.as_deref()
    }

    /// The same for people.
    async fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }

    /// How many milliseconds it took.
    async fn latency(&self) -> f64 {
        millis(self.0.latency)
    }

    /// The trace in which it was sent, as `traceparent` said it.
    async fn trace_id(&self) -> &str {
        &self.0.trace
    }

    /// The first 4 KiB of the answer; what is no text is replaced. Needs `WEBHOOK_READ`.
    #[graphql(guard = "Needs(Scope::WebhookRead)")]
    async fn answer(&self) -> Option<String> {
        Some(String::from_utf8_lossy(&self.0.answer).into_owned())
    }
}

#[expect(clippy::cast_precision_loss, reason = "nothing takes centuries")]
fn millis(micros: i64) -> f64 {
    micros as f64 / 1_000.0
}

/// A webhook that goes, or went, to one destination.
#[derive(Clone)]
pub struct WebhookDelivery(pub outbound::WebhookDelivery);

/// A webhook that goes, or went, to one destination.
#[Object]
impl WebhookDelivery {
    /// The global id, beginning with `dlv_`.
    pub(super) async fn id(&self) -> ID {
        id::out(self.0.id)
    }

    /// The event that it tells of: its `webhook-id`, the same however often it is sent.
    async fn event_id(&self) -> ID {
        id::out(self.0.message_id)
    }

    /// The kind of the event, which is the `type` of the webhook.
    async fn kind(&self) -> &str {
        &self.0.kind
    }

    /// The id of what it happened to. Webhooks about the same are sent in order.
    async fn subject(&self) -> &str {
        &self.0.key
    }

    /// Where it goes.
    async fn destination_id(&self) -> ID {
        id::out(self.0.destination_id)
    }

    /// Where it goes.
    async fn destination(&self, ctx: &Context<'_>) -> Result<Option<WebhookDestination>> {
        Ok(ctx.loaders().load(DestinationOf(self.0.destination_id)).await?.map(WebhookDestination))
    }

    /// What became of it.
    async fn status(&self) -> WebhookDeliveryStatus {
        self.0.status.into()
    }

    /// How many attempts were made since it began, or was begun anew.
    async fn attempt_count(&self) -> i32 {
        self.0.attempts
    }

    /// The status that was answered last.
    async fn last_status(&self) -> Option<i32> {
        self.0.last_status
    }

    /// What went wrong last.
    async fn last_error(&self) -> Option<&str> {
        self.0.last_error.as_deref()
    }

    /// How many milliseconds the last attempt took.
    async fn last_latency(&self) -> Option<f64> {
        self.0.last_latency.map(millis)
    }

    /// When it is tried next; null if it is over, or waits for one about the same.
    async fn next_at(&self) -> Option<DateTime<Utc>> {
        (self.0.status == Status::Pending && self.0.head).then_some(self.0.next_at)
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it was over; null while it waits.
    async fn settled_at(&self) -> Option<DateTime<Utc>> {
        self.0.settled_at
    }

    /// Every attempt, the first one first.
    async fn attempts(&self, ctx: &Context<'_>) -> Result<Vec<WebhookAttempt>> {
        let found = ctx.loaders().load(AttemptsOf(self.0.id)).await?.unwrap_or_default();
        Ok(found.into_iter().map(WebhookAttempt).collect())
    }

    /// What is sent, word for word. Needs `WEBHOOK_READ`.
    #[graphql(guard = "Needs(Scope::WebhookRead)")]
    async fn body(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Ok(ctx.loaders().load(MessageOf(self.0.message_id)).await?.map(|message| message.body))
    }
}

/// Which deliveries; what is left out does not matter.
#[derive(InputObject, Default)]
pub struct WebhookDeliveryFilterInput {
    /// To this destination.
    destination_id: Option<WebhookDestinationId>,
    /// Of this event.
    event_id: Option<EventId>,
    /// In one of these states.
    statuses: Option<Vec<WebhookDeliveryStatus>>,
    /// Of one of these kinds of events.
    kinds: Option<Vec<String>>,
    /// About this id.
    subject: Option<String>,
    /// Made at that moment or later.
    from: Option<DateTime<Utc>>,
    /// Made before that moment.
    to: Option<DateTime<Utc>>,
}

impl From<WebhookDeliveryFilterInput> for DeliveryFilter {
    fn from(input: WebhookDeliveryFilterInput) -> Self {
        Self {
            destination: input.destination_id,
            event: input.event_id,
            statuses: input.statuses.map(|all| all.into_iter().map(Into::into).collect()),
            kinds: input.kinds,
            subject: input.subject,
            from: input.from,
            to: input.to,
        }
    }
}

/// A kind of event that webhooks can be about.
#[derive(SimpleObject)]
pub struct WebhookEventKind {
    /// The `type` of the webhook, and the name to ask for it by.
    name: String,
    /// The topic, which decides who may read it.
    topic: Topic,
    /// What it is about.
    description: String,
    /// A webhook as it could be.
    example: Json<Value>,
    /// The JSON Schema (2020-12) of its body.
    schema: Json<Value>,
}

/// Looking at webhooks that go out.
#[derive(Default)]
pub struct OutboundQuery;

#[Object]
impl OutboundQuery {
    /// Every kind of event that webhooks can be about and that you may read. Needs `INTEGRATION_READ`.
    #[graphql(guard = "Needs(Scope::IntegrationRead)")]
    async fn webhook_event_types(&self, ctx: &Context<'_>) -> Result<Vec<WebhookEventKind>> {
        let kinds = catalogue::kinds(ctx.cx())?.into_iter().filter_map(|kind| {
            Some(WebhookEventKind {
                name: kind.kind.clone(),
                topic: Topic::of(&kind.topic)?,
                description: format!("{}.", kind.about),
                example: Json(catalogue::example(kind)),
                schema: Json(catalogue::schema(kind)),
            })
        });
        Ok(kinds.collect())
    }

    /// Where your webhooks go, oldest first. Needs `INTEGRATION_READ`.
    #[graphql(guard = "Needs(Scope::IntegrationRead)")]
    async fn webhook_destinations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items before this cursor.")] before: Option<String>,
        #[graphql(desc = "At most this many, from the start; 25 if left out, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "At most this many, from the end.")] last: Option<i32>,
    ) -> Result<Connection<WebhookDestination>> {
        let args = ctx.cx().page(after, before, first, last)?;
        let page = list::destinations(ctx.cx(), &args).await?;
        let counter = Box::new(move |cx: Cx| {
            Box::pin(async move { list::count_destinations(&cx).await }) as BoxFuture<'static, _>
        });
        Ok(Connection::new(page, WebhookDestination, counter))
    }

    /// Your webhooks that go out, with what became of them, newest first. Needs `INTEGRATION_READ`.
    #[graphql(guard = "Needs(Scope::IntegrationRead)")]
    async fn webhook_deliveries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which deliveries; left out, all.")] filter: Option<WebhookDeliveryFilterInput>,
        #[graphql(desc = "Items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items before this cursor.")] before: Option<String>,
        #[graphql(desc = "At most this many, from the start; 25 if left out, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "At most this many, from the end.")] last: Option<i32>,
    ) -> Result<Connection<WebhookDelivery>> {
        let filter = DeliveryFilter::from(filter.unwrap_or_default());
        list::check(ctx.cx(), &filter).await?;
        let args = ctx.cx().page(after, before, first, last)?;
        let page = list::deliveries(ctx.cx(), &filter, &args).await?;
        let counter = Box::new(move |cx: Cx| {
            let filter = filter.clone();
            Box::pin(async move { list::count(&cx, &filter).await }) as BoxFuture<'static, _>
        });
        Ok(Connection::new(page, WebhookDelivery, counter))
    }
}
