//! Webhooks in, in the API: where they come, what came, what it says.

pub mod change;
pub mod follow;
pub mod replay;

use async_graphql::{Context, Enum, ID, InputObject, Json, Object, SimpleObject};
use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde_json::Value;

use super::{
    context::Ask,
    error::Result,
    guard::Needs,
    id,
    loader::{ItemsOf, StatisticsOf},
    page::Connection,
    provider::Provider,
};
use crate::{
    context::Cx,
    domain::{
        inbox::{
            self, Status,
            list::{self, WebhookFilter},
            reconcile, refusal, source,
        },
        integration, provider,
    },
    kernel::{
        id::{IntegrationId, WebhookSourceId},
        scope::Scope,
    },
};

/// Where a webhook is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Status")]
pub enum WebhookEventStatus {
    /// It waits to be processed, or to be processed again.
    Received,
    /// What it says has had its effect.
    Processed,
    /// It was given up; the reason stands beside it.
    Dead,
}

/// A number of things, for the API.
fn number(count: i64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// What came to a source.
#[derive(SimpleObject)]
pub struct WebhookStatistics {
    /// All that came: those that were believed, those that came again, and those that were refused.
    received: i32,
    /// Those that were believed, each once.
    verified: i32,
    /// Those that were not believed.
    refused: i32,
    /// How often one of them came again.
    duplicates: i32,
    /// Those that wait to be processed.
    waiting: i32,
    /// Those that had their effect.
    processed: i32,
    /// Those that were given up.
    failed: i32,
    /// When the last one came that was believed.
    last_triggered_at: Option<DateTime<Utc>>,
}

/// What may be seen of a secret of a source.
#[derive(SimpleObject)]
pub struct WebhookSecretHint {
    /// Its name.
    name: String,
    /// What may be seen, such as `whsec_…9f2c`.
    hint: String,
}

/// A header of a webhook.
#[derive(SimpleObject)]
pub struct WebhookHeader {
    /// Its name, in small letters.
    name: String,
    /// Its value; `…` where it is a secret.
    value: String,
}

fn headers(kept: &Value) -> Vec<WebhookHeader> {
    let pairs: Vec<(String, String)> = serde_json::from_value(kept.clone()).unwrap_or_default();
    pairs.into_iter().map(|(name, value)| WebhookHeader { name, value }).collect()
}

/// Where a provider sends webhooks.
#[derive(Clone)]
pub struct WebhookSource(pub inbox::WebhookSource);

/// Where a provider sends webhooks: an address that nobody can guess, and the secrets with which they are checked.
#[Object]
impl WebhookSource {
    /// The global id, beginning with `whs_`.
    pub(super) async fn id(&self) -> ID {
        id::out(self.0.id)
    }

    /// The name for people.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The key of the provider.
    async fn provider_key(&self) -> &str {
        &self.0.provider
    }

    /// The provider; null if it is not in the catalogue of this hub any more.
    async fn provider(&self, ctx: &Context<'_>) -> Option<Provider> {
        provider::get(ctx.cx(), &self.0.provider).map(Provider)
    }

    /// The integration whose webhooks come here; null if they say themselves whose they are.
    async fn integration_id(&self) -> Option<ID> {
        self.0.integration_id.map(id::out)
    }

    /// Whether webhooks of other tenants' integrations come here, too. Each tenant gets those of the accounts that its
    /// integrations have proven.
    async fn hub_wide(&self) -> bool {
        self.0.hub_wide
    }

    /// The address to paste at the provider. Where a secret has to stand in it, that was shown when it was made, and is
    /// not shown again.
    async fn url(&self, ctx: &Context<'_>) -> String {
        source::url(ctx.cx(), &self.0)
    }

    /// What a person has to do at the provider so that it sends.
    async fn setup(&self, ctx: &Context<'_>) -> Option<String> {
        let manifest = provider::get(ctx.cx(), &self.0.provider)?;
        manifest.webhook.get().map(|webhook| webhook.setup.clone())
    }

    /// Whether it takes webhooks.
    async fn enabled(&self) -> bool {
        self.0.enabled
    }

    /// Its secrets, each with what may be seen of it.
    async fn secrets(&self) -> Vec<WebhookSecretHint> {
        let hints = self.0.hints.as_object().into_iter().flatten();
        let shown = hints.filter_map(|(name, hint)| Some((name.clone(), hint.as_str()?.to_owned())));
        shown.map(|(name, hint)| WebhookSecretHint { name, hint }).collect()
    }

    /// Until when the secrets before the last rotation count as well.
    async fn overlap_until(&self, ctx: &Context<'_>) -> Option<DateTime<Utc>> {
        self.0.overlap_until.filter(|until| *until > ctx.cx().now())
    }

    /// What came here, of what is kept (`inbox.retention`).
    async fn statistics(&self, ctx: &Context<'_>) -> Result<WebhookStatistics> {
        let of = ctx.loaders().load(StatisticsOf(self.0.id)).await?.unwrap_or_default();
        Ok(WebhookStatistics {
            received: number(of.verified + of.duplicates + self.0.refused),
            verified: number(of.verified),
            refused: number(self.0.refused),
            duplicates: number(of.duplicates),
            waiting: number(of.waiting),
            processed: number(of.processed),
            failed: number(of.failed),
            last_triggered_at: of.last_at,
        })
    }

    /// Which share of the changes that records show was not told by a webhook, from 0 to 1. Null where it is not
    /// known: the provider's webhooks do not get lost, nothing was compared yet, or the source is for no single
    /// integration.
    async fn missed_event_rate(&self) -> Option<f64> {
        reconcile::missed_rate(&self.0)
    }

    /// The newest webhooks that were not believed. They are kept for a week, and nothing acts on them.
    #[graphql(complexity = "10 + child_complexity * 10")]
    async fn refusals(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 10, desc = "At most this many, 100 at most.")] first: i32,
    ) -> Result<Vec<WebhookRefusal>> {
        let most = u64::try_from(first).unwrap_or_default();
        Ok(refusal::newest(ctx.cx(), self.0.id, most).await?.into_iter().map(WebhookRefusal).collect())
    }

    /// Who made it: an id, or a part of the program.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it was last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }
}

/// A webhook that was not believed.
pub struct WebhookRefusal(inbox::WebhookRefusal);

/// A webhook that was not believed.
#[Object]
impl WebhookRefusal {
    /// Its id, beginning with `whr_`.
    async fn id(&self) -> ID {
        id::out(self.0.id)
    }

    /// When it came.
    async fn at(&self) -> DateTime<Utc> {
        self.0.at
    }

    /// The address of who sent it.
    async fn address(&self) -> Option<&str> {
        self.0.address.as_deref()
    }

    /// Why it was not believed.
    async fn reason(&self) -> &str {
        &self.0.reason
    }

    /// Its headers.
    async fn headers(&self) -> Vec<WebhookHeader> {
        headers(&self.0.headers)
    }

    /// The parameters of the address; `…` where there is a secret.
    async fn query(&self) -> &str {
        &self.0.query
    }

    /// How many bytes its body had.
    async fn size(&self) -> i32 {
        number(self.0.size)
    }

    /// The beginning of its body as it came; what is no text is replaced. Needs `WEBHOOK_READ`.
    #[graphql(guard = "Needs(Scope::WebhookRead)")]
    async fn raw_body(&self) -> Option<String> {
        Some(String::from_utf8_lossy(&self.0.body).into_owned())
    }
}

/// Something that happened, told by a webhook.
pub struct WebhookItem(inbox::WebhookItem);

/// Something that happened, told by a webhook, in our words.
#[Object]
impl WebhookItem {
    /// The provider's id of it; a digest where it has none.
    async fn event_id(&self) -> &str {
        &self.0.event_key
    }

    /// The provider's word for what happened, such as `payment_intent.succeeded`.
    async fn kind(&self) -> &str {
        &self.0.kind
    }

    /// Our word for what happened, such as `payment.succeeded`; null if we have none.
    async fn happening(&self) -> Option<&str> {
        self.0.happening.as_deref()
    }

    /// The provider's id of what it happened to.
    async fn subject(&self) -> Option<&str> {
        self.0.subject.as_deref()
    }

    /// The integration to which it belongs.
    async fn integration_id(&self) -> Option<ID> {
        self.0.integration_id.map(id::out)
    }

    /// When it happened, as the provider says; else when it was heard of.
    async fn at(&self) -> DateTime<Utc> {
        self.0.at
    }

    /// All that the provider says of it, with what we made of it. Needs `WEBHOOK_READ`.
    #[graphql(guard = "Needs(Scope::WebhookRead)")]
    async fn normalised(&self) -> Option<Json<Value>> {
        serde_json::from_str(&self.0.normalised).ok().map(Json)
    }
}

/// A webhook that came and was believed.
#[derive(Clone)]
pub struct WebhookEvent(pub inbox::WebhookEvent);

/// A webhook that came and was believed, and what became of it.
#[Object]
impl WebhookEvent {
    /// The global id, beginning with `whe_`.
    pub(super) async fn id(&self) -> ID {
        id::out(self.0.id)
    }

    /// The source to which it came; one that serves every tenant may be another tenant's.
    async fn source_id(&self) -> ID {
        id::out(self.0.source_id)
    }

    /// The key of the provider.
    async fn provider_key(&self) -> &str {
        &self.0.provider
    }

    /// The integration to which all of it belongs; null if it belongs to several, or that is not known yet.
    async fn integration_id(&self) -> Option<ID> {
        self.0.integration_id.map(id::out)
    }

    /// When it came first.
    async fn arrived_at(&self) -> DateTime<Utc> {
        self.0.arrived_at
    }

    /// The address of who sent it.
    async fn address(&self) -> Option<&str> {
        self.0.address.as_deref()
    }

    /// Where it is in its life.
    async fn status(&self) -> WebhookEventStatus {
        self.0.status.into()
    }

    /// Why it does not work, if it does not.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// How often processing it failed.
    async fn attempts(&self) -> i32 {
        self.0.attempts
    }

    /// When it will be processed; null if it does not wait.
    async fn due_at(&self) -> Option<DateTime<Utc>> {
        self.0.due_at
    }

    /// When it had its effect or was given up.
    async fn settled_at(&self) -> Option<DateTime<Utc>> {
        self.0.settled_at
    }

    /// How often it came again.
    async fn repeats(&self) -> i32 {
        number(self.0.repeats)
    }

    /// How often somebody had it processed again.
    async fn replays(&self) -> i32 {
        self.0.replays
    }

    /// What it says, in our words; empty before it was processed, and where another webhook said it before.
    async fn items(&self, ctx: &Context<'_>) -> Result<Vec<WebhookItem>> {
        let found = ctx.loaders().load(ItemsOf(self.0.id)).await?.unwrap_or_default();
        Ok(found.into_iter().map(WebhookItem).collect())
    }

    /// Its headers.
    async fn headers(&self) -> Vec<WebhookHeader> {
        headers(&self.0.headers)
    }

    /// The parameters of the address; `…` where there is a secret.
    async fn query(&self) -> &str {
        &self.0.query
    }

    /// How many bytes its body has.
    async fn size(&self) -> i32 {
        i32::try_from(self.0.body.len()).unwrap_or(i32::MAX)
    }

    /// Its body without what it says: the names in it, with `…` for each value. Null if it is no JSON.
    async fn redacted_body(&self) -> Option<String> {
        list::redacted(&self.0.body)
    }

    /// Its body as it came; what is no text is replaced. Needs `WEBHOOK_READ`.
    #[graphql(guard = "Needs(Scope::WebhookRead)")]
    async fn raw_body(&self) -> Option<String> {
        Some(String::from_utf8_lossy(&self.0.body).into_owned())
    }

    /// Its body byte by byte, in base64. Needs `WEBHOOK_READ`.
    #[graphql(guard = "Needs(Scope::WebhookRead)")]
    async fn raw_bytes(&self) -> Option<String> {
        Some(BASE64_STANDARD.encode(&self.0.body))
    }
}

/// Which webhooks; what is left out does not matter.
#[derive(InputObject, Default)]
pub struct WebhookEventFilterInput {
    /// Those that came to this source.
    source_id: Option<WebhookSourceId>,
    /// Those of this integration.
    integration_id: Option<IntegrationId>,
    /// In one of these states.
    statuses: Option<Vec<WebhookEventStatus>>,
    /// Those that came at that moment or later.
    from: Option<DateTime<Utc>>,
    /// Those that came before that moment.
    to: Option<DateTime<Utc>>,
}

impl From<WebhookEventFilterInput> for WebhookFilter {
    fn from(input: WebhookEventFilterInput) -> Self {
        Self {
            source: input.source_id,
            integration: input.integration_id,
            statuses: input.statuses.map(|all| all.into_iter().map(Into::into).collect()),
            from: input.from,
            to: input.to,
        }
    }
}

/// Looking at webhooks.
#[derive(Default)]
pub struct InboxQuery;

#[Object]
impl InboxQuery {
    /// Where providers send you webhooks, oldest first. Needs `INTEGRATION_READ`.
    #[graphql(guard = "Needs(Scope::IntegrationRead)")]
    async fn webhook_sources(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those of this integration; left out, all.")] integration_id: Option<IntegrationId>,
        #[graphql(desc = "Items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items before this cursor.")] before: Option<String>,
        #[graphql(desc = "At most this many, from the start; 25 if left out, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "At most this many, from the end.")] last: Option<i32>,
    ) -> Result<Connection<WebhookSource>> {
        if let Some(id) = integration_id {
            integration::get(ctx.cx(), id).await?;
        }
        let args = ctx.cx().page(after, before, first, last)?;
        let page = list::sources(ctx.cx(), integration_id, &args).await?;
        let counter = Box::new(move |cx: Cx| {
            Box::pin(async move { list::count_sources(&cx, integration_id).await }) as BoxFuture<'static, _>
        });
        Ok(Connection::new(page, WebhookSource, counter))
    }

    /// The webhooks that came and were believed, newest first. Needs `INTEGRATION_READ`.
    #[graphql(guard = "Needs(Scope::IntegrationRead)")]
    async fn webhook_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which webhooks; left out, all.")] filter: Option<WebhookEventFilterInput>,
        #[graphql(desc = "Items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items before this cursor.")] before: Option<String>,
        #[graphql(desc = "At most this many, from the start; 25 if left out, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "At most this many, from the end.")] last: Option<i32>,
    ) -> Result<Connection<WebhookEvent>> {
        let filter = WebhookFilter::from(filter.unwrap_or_default());
        list::check(ctx.cx(), &filter).await?;
        let args = ctx.cx().page(after, before, first, last)?;
        let page = list::list(ctx.cx(), &filter, &args).await?;
        let counter = Box::new(move |cx: Cx| {
            let filter = filter.clone();
            Box::pin(async move { list::count(&cx, &filter).await }) as BoxFuture<'static, _>
        });
        Ok(Connection::new(page, WebhookEvent, counter))
    }
}
