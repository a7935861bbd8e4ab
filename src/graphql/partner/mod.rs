//! Partners in the API: organizations, how each is reached, and how the exchange goes.

pub mod change;
pub mod exchange;
pub mod follow;
pub mod mapping;
pub mod update;

use async_graphql::{Context, Enum, ID, Json, Object, SimpleObject};
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde_json::Value;

use super::{
    context::Ask,
    error::Result,
    guard::Needs,
    id,
    integration::SyncFrequency,
    loader::{ActiveMappingOf, CountsOf, DestinationOf, OrganizationOf, SourceOf},
    outbound::WebhookDelivery,
    page::Connection,
};
use crate::{
    context::Cx,
    domain::{
        inbox::source,
        outbound::partner::Way,
        partner::{
            self, list,
            monitor::{self, Counts},
            organization,
        },
    },
    kernel::{
        id::{IntegrationId, PartnerOrganizationId},
        scope::Scope,
    },
};

/// How it is proved to a partner who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum PartnerAuthenticationType {
    /// A key.
    ApiKey,
    /// A client with its secret, which buys tokens.
    #[graphql(name = "OAUTH2")]
    Oauth2,
    /// User and password.
    BasicAuth,
    /// A token, or a client with its secret that buys them.
    BearerToken,
}

impl PartnerAuthenticationType {
    const ALL: [Self; 4] = [Self::ApiKey, Self::Oauth2, Self::BasicAuth, Self::BearerToken];

    const fn word(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::Oauth2 => "oauth2",
            Self::BasicAuth => "basic_auth",
            Self::BearerToken => "bearer_token",
        }
    }

    fn of(word: &str) -> Self {
        Self::ALL.into_iter().find(|each| each.word() == word).unwrap_or(Self::ApiKey)
    }
}

/// By which way a partner is told of its orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum PartnerToldBy {
    /// By signed webhooks to its address.
    Webhook,
    /// By its own interface: by the action `notify_status` of its provider's file.
    Interface,
}

/// Somebody at a partner.
#[derive(SimpleObject)]
pub struct PartnerContact {
    /// The name for people.
    name: String,
    /// The email address.
    email: Option<String>,
    /// The telephone number.
    phone: Option<String>,
    /// What somebody does there.
    role: Option<String>,
}

/// An organization with which orders are exchanged.
#[derive(Clone)]
pub struct PartnerOrganization(pub partner::PartnerOrganization);

/// An organization with which orders are exchanged.
#[Object]
impl PartnerOrganization {
    /// The global id, beginning with `par_`.
    pub(super) async fn id(&self) -> ID {
        id::out(self.0.id)
    }

    /// The name for people.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What sort of partner it is: `partner_dealer`, `partner_energy`, `partner_installer`, or another.
    #[graphql(name = "type")]
    async fn kind(&self) -> &str {
        &self.0.kind
    }

    /// Whom to ask.
    async fn contacts(&self) -> Vec<PartnerContact> {
        let contact = |contact: organization::Contact| PartnerContact {
            name: contact.name,
            email: contact.email,
            phone: contact.phone,
            role: contact.role,
        };
        organization::contacts_of(&self.0).into_iter().map(contact).collect()
    }

    /// Whether anything is exchanged with it, and its tokens open anything.
    async fn active(&self) -> bool {
        self.0.active
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

/// A way to exchange orders and statuses with a partner.
#[derive(Clone)]
pub struct PartnerIntegration(pub partner::PartnerIntegration);

/// A way to exchange orders and statuses with a partner: an integration with its mapping, its webhooks and its rhythm.
/// The credential and the secret of webhooks are given and never shown.
#[Object]
impl PartnerIntegration {
    /// The global id, beginning with `int_`: the id of the integration that it is.
    async fn id(&self) -> ID {
        id::out(self.0.beside.id)
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.beside.created_at
    }

    /// The id of the organization whose it is.
    async fn partner_organization_id(&self) -> ID {
        id::out(self.0.beside.partner_organization_id)
    }

    /// The organization whose it is.
    async fn partner_organization(&self, ctx: &Context<'_>) -> Result<Option<PartnerOrganization>> {
        let found = ctx.loaders().load(OrganizationOf(self.0.beside.partner_organization_id)).await?;
        Ok(found.map(PartnerOrganization))
    }

    /// What it is called, such as `volvo_dealer_api`.
    async fn integration_name(&self) -> &str {
        &self.0.integration.name
    }

    /// The key of the provider whose file says how the partner is asked.
    async fn provider_key(&self) -> &str {
        &self.0.integration.provider
    }

    /// The address of the partner's interface, as it was given.
    async fn api_base_url(&self) -> Option<&str> {
        self.0.beside.api_base_url.as_deref()
    }

    /// Its version, as it was given.
    async fn api_version(&self) -> Option<&str> {
        self.0.beside.api_version.as_deref()
    }

    /// How it is proved to the partner who asks.
    async fn authentication_type(&self) -> PartnerAuthenticationType {
        PartnerAuthenticationType::of(&self.0.beside.authentication_type)
    }

    /// Where the partner is told of its orders by webhooks; null if it is not told by these.
    async fn webhook_url(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Ok(match self.way(ctx).await? {
            Way::Webhook(url) => Some(url),
            Way::Action(_) | Way::Nowhere => None,
        })
    }

    /// By which way the partner is told of its orders; null if it is not told of any.
    async fn told_by(&self, ctx: &Context<'_>) -> Result<Option<PartnerToldBy>> {
        if self.0.beside.webhook_events.as_array().is_none_or(Vec::is_empty) {
            return Ok(None);
        }
        Ok(match self.way(ctx).await? {
            Way::Webhook(_) => Some(PartnerToldBy::Webhook),
            Way::Action(_) => Some(PartnerToldBy::Interface),
            Way::Nowhere => None,
        })
    }

    /// What the partner is told of: `order_created`, `order_status_changed`, `order_` with a status,
    /// `installation_completed`, or `*`.
    async fn webhook_events(&self) -> Vec<&str> {
        self.0.beside.webhook_events.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// Where the partner sends webhooks, without what must stand in the address besides; null if nowhere.
    async fn webhook_source_url(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        match self.0.beside.source_id {
            Some(id) => Ok(ctx.loaders().load(SourceOf(id)).await?.map(|row| source::url(ctx.cx(), &row))),
            None => Ok(None),
        }
    }

    /// What the partner's statuses mean, as it was given: the version in use.
    async fn status_mapping(&self, ctx: &Context<'_>) -> Result<Option<Json<Value>>> {
        Ok(ctx.loaders().load(ActiveMappingOf(self.0.beside.id)).await?.map(|row| Json(row.given)))
    }

    /// Whether anything is exchanged by it.
    async fn is_active(&self) -> bool {
        self.0.integration.enabled
    }

    /// Whether the partner's orders are read regularly.
    async fn sync_enabled(&self) -> bool {
        self.0.integration.can_sync
    }

    /// How often the partner's orders are read, and how often it is told.
    async fn sync_frequency(&self) -> SyncFrequency {
        let word = self.0.integration.sync_frequency.as_deref();
        word.and_then(SyncFrequency::of).unwrap_or(SyncFrequency::RealTime)
    }

    /// When something last came from the partner: what it sent, or what was read.
    async fn last_sync_at(&self) -> Option<DateTime<Utc>> {
        monitor::last_sync(&self.0)
    }

    /// The share of what was exchanged within seven days that went well, in percent; null if nothing was.
    async fn success_rate(&self, ctx: &Context<'_>) -> Result<Option<f64>> {
        let counts = ctx.loaders().load(CountsOf(self.0.beside.id)).await?;
        Ok(counts.and_then(|counts| counts.success_rate()))
    }

    /// When something last went wrong.
    async fn last_error_at(&self) -> Option<DateTime<Utc>> {
        monitor::last_error(&self.0).map(|(at, _)| at)
    }

    /// What that was.
    async fn last_error_message(&self) -> Option<&str> {
        monitor::last_error(&self.0).and_then(|(_, message)| message)
    }
}

impl PartnerIntegration {
    /// By which way the partner is told.
    async fn way(&self, ctx: &Context<'_>) -> Result<Way> {
        let Some(id) = self.0.beside.destination_id else { return Ok(Way::Nowhere) };
        let found = ctx.loaders().load(DestinationOf(id)).await?;
        Ok(found.as_ref().map_or(Way::Nowhere, Way::of))
    }
}

/// How the exchange with a partner went.
#[derive(SimpleObject)]
pub struct PartnerAnalytics {
    /// Updates that came, each once.
    received: i32,
    /// How often one of them came again.
    repeated: i32,
    /// Those that had a meaning.
    mapped: i32,
    /// Those whose word means nothing yet.
    unmapped: i32,
    /// Those that may not follow the status of their order.
    conflicts: i32,
    /// Those that came too late to count.
    late: i32,
    /// Those that wait for their order.
    waiting: i32,
    /// Those that were given up.
    dead: i32,
    /// What it was told, by either way.
    sent: i32,
    /// What it is still to be told.
    pending: i32,
    /// What it could not be told, and is not tried any more.
    failed: i32,
    /// The share of what is over that went well, in percent; null if nothing is over.
    success_rate: Option<f64>,
    /// How many milliseconds after the partner's own time updates came: the middle one; null if none came.
    latency_p50: Option<f64>,
    /// The one that 95 of a hundred do not exceed.
    latency_p95: Option<f64>,
}

fn number(count: i64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "nothing takes centuries")]
fn millis(millis: i64) -> f64 {
    millis as f64
}

impl From<monitor::Analytics> for PartnerAnalytics {
    fn from(found: monitor::Analytics) -> Self {
        let counts: Counts = found.counts;
        let (p50, p95) = found.latency.unzip();
        Self {
            received: number(counts.received),
            repeated: number(counts.repeated),
            mapped: number(counts.mapped),
            unmapped: number(counts.unmapped),
            conflicts: number(counts.conflicts),
            late: number(counts.late),
            waiting: number(counts.waiting),
            dead: number(counts.dead),
            sent: number(counts.sent),
            pending: number(counts.pending),
            failed: number(counts.failed),
            success_rate: counts.success_rate(),
            latency_p50: p50.map(millis),
            latency_p95: p95.map(millis),
        }
    }
}

/// Looking at partners.
#[derive(Default)]
pub struct PartnerQuery;

#[Object]
impl PartnerQuery {
    /// The organizations with which orders are exchanged, oldest first. A partner sees its own. Needs `PARTNER_READ`.
    #[graphql(guard = "Needs(Scope::PartnerRead)")]
    async fn partner_organizations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items before this cursor.")] before: Option<String>,
        #[graphql(desc = "At most this many, from the start; 25 if left out, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "At most this many, from the end.")] last: Option<i32>,
    ) -> Result<Connection<PartnerOrganization>> {
        let args = ctx.cx().page(after, before, first, last)?;
        let page = organization::list(ctx.cx(), &args).await?;
        let counter =
            Box::new(|cx: Cx| Box::pin(async move { organization::count(&cx).await }) as BoxFuture<'static, _>);
        Ok(Connection::new(page, PartnerOrganization, counter))
    }

    /// The ways to exchange orders with partners, oldest first. A partner sees its own. Needs `PARTNER_READ`.
    #[graphql(guard = "Needs(Scope::PartnerRead)")]
    async fn partner_integrations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of this organization; left out, of all.")] partner_organization_id: Option<
            PartnerOrganizationId,
        >,
        #[graphql(desc = "Items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items before this cursor.")] before: Option<String>,
        #[graphql(desc = "At most this many, from the start; 25 if left out, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "At most this many, from the end.")] last: Option<i32>,
    ) -> Result<Connection<PartnerIntegration>> {
        let of = partner_organization_id;
        if let Some(id) = of {
            organization::get(ctx.cx(), id).await?;
        }
        let args = ctx.cx().page(after, before, first, last)?;
        let page = list::list(ctx.cx(), of, &args).await?;
        let counter =
            Box::new(move |cx: Cx| Box::pin(async move { list::count(&cx, of).await }) as BoxFuture<'static, _>);
        Ok(Connection::new(page, PartnerIntegration, counter))
    }

    /// One way to exchange orders with a partner. Needs `PARTNER_READ`.
    #[graphql(guard = "Needs(Scope::PartnerRead)")]
    async fn partner_integration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its global id.")] id: IntegrationId,
    ) -> Result<PartnerIntegration> {
        Ok(PartnerIntegration(list::get(ctx.cx(), id).await?))
    }

    /// How the exchange with a partner went. Needs `PARTNER_READ`.
    #[graphql(guard = "Needs(Scope::PartnerRead)")]
    async fn partner_analytics(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "By which partner integration.")] partner_integration_id: IntegrationId,
        #[graphql(desc = "Since when, at most a year ago; seven days ago if left out.")] since: Option<DateTime<Utc>>,
    ) -> Result<PartnerAnalytics> {
        Ok(monitor::analytics(ctx.cx(), partner_integration_id, since).await?.into())
    }

    /// What went, or goes, to a partner, by webhooks or by its own interface, newest first. Needs `PARTNER_READ`.
    #[graphql(guard = "Needs(Scope::PartnerRead)")]
    async fn partner_deliveries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "By which partner integration.")] partner_integration_id: IntegrationId,
        #[graphql(desc = "Items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items before this cursor.")] before: Option<String>,
        #[graphql(desc = "At most this many, from the start; 25 if left out, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "At most this many, from the end.")] last: Option<i32>,
    ) -> Result<Connection<WebhookDelivery>> {
        let id = partner_integration_id;
        let args = ctx.cx().page(after, before, first, last)?;
        let page = list::sent(ctx.cx(), id, &args).await?;
        let counter =
            Box::new(move |cx: Cx| Box::pin(async move { list::count_sent(&cx, id).await }) as BoxFuture<'static, _>);
        Ok(Connection::new(page, WebhookDelivery, counter))
    }
}
