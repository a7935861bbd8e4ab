//! Any object by its global id.
//!
//! An id that is unknown, foreign, malformed, or of a kind the caller may not read, gives null: from
//! outside they look the same, so ids cannot be probed. Ids are read in one statement for each kind,
//! however many are asked for.

use std::collections::HashMap;

use super::{
    access::{ApiToken, Membership, User},
    agent::Agent,
    alert::Alert,
    audit::AuditEntry,
    context::Ask,
    error::Result,
    event::Event,
    guard::SignedIn,
    inbox::{WebhookEvent, WebhookSource},
    integration::{Integration, action::IntegrationAction, credential::ProviderApp},
    issuer::Issuer,
    job::Job,
    outbound::{WebhookDelivery, WebhookDestination},
    provider::Provider,
    sync::SyncRun,
    tenant::Tenant,
};
use crate::{
    context::Cx,
    domain::{
        access::{agent, issuer, membership, token, user},
        alert, audit,
        credential::app,
        event, inbox,
        integration::{self, action},
        job, outbound, provider, sync, tenant,
    },
    kernel::{
        error::Error,
        id::{Id, Kind, ProviderId, kind},
        scope::Scope,
    },
};
use async_graphql::{Context, ID, Interface, Object};

/// An object with a global id.
#[derive(Clone, Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "The global id."))]
pub enum Node {
    /// A tenant.
    Tenant(Tenant),
    /// A person.
    User(User),
    /// The bond of a person to a tenant.
    Membership(Membership),
    /// A machine user.
    Agent(Agent),
    /// An API token.
    ApiToken(ApiToken),
    /// An outside issuer of tokens.
    Issuer(Issuer),
    /// An entry of the audit log.
    AuditEntry(AuditEntry),
    /// A change that was recorded.
    Event(Event),
    /// Something to be done in the background.
    Job(Job),
    /// What should be looked at.
    Alert(Alert),
    /// A provider that can be connected.
    Provider(Provider),
    /// A connection to a provider.
    Integration(Integration),
    /// Something that an integration can be told to do.
    IntegrationAction(IntegrationAction),
    /// An application at a provider.
    ProviderApp(ProviderApp),
    /// A run that reads a stream.
    SyncRun(SyncRun),
    /// Where a provider sends webhooks.
    WebhookSource(WebhookSource),
    /// A webhook that came.
    WebhookEvent(WebhookEvent),
    /// Where webhooks go.
    WebhookDestination(WebhookDestination),
    /// A webhook that goes, or went, to one destination.
    WebhookDelivery(WebhookDelivery),
}

/// The most ids that one `nodes` takes.
const MOST: usize = 100;

/// Reading by global id.
#[derive(Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// The object with that id, or null. Needs the scope that reading its kind needs.
    #[graphql(guard = "SignedIn")]
    async fn node(&self, ctx: &Context<'_>, #[graphql(desc = "A global id.")] id: ID) -> Result<Option<Node>> {
        Ok(read(ctx.cx(), std::slice::from_ref(&id)).await?.remove(id.as_str()))
    }

    /// The objects with those ids, in that order, null where there is none. At most 100. Needs the scope that
    /// reading their kinds needs.
    #[graphql(guard = "SignedIn")]
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Global ids.")] ids: Vec<ID>,
    ) -> Result<Vec<Option<Node>>> {
        if ids.len() > MOST {
            return Err(Error::invalid(
                "ids",
                format!("at most {MOST} ids are taken at once; these are {}", ids.len()),
            )
            .into());
        }
        let found = read(ctx.cx(), &ids).await?;
        Ok(ids.iter().map(|id| found.get(id.as_str()).cloned()).collect())
    }
}

/// Where webhooks go, and those that go there.
async fn outbound_nodes(cx: &Cx, ids: &[ID]) -> Result<HashMap<String, Node>> {
    let mut found = HashMap::new();
    let destinations = of_kind::<kind::WebhookDestination>(cx, ids, Scope::IntegrationRead);
    if !destinations.is_empty() {
        let rows = outbound::list::destinations_by_ids(cx, &destinations).await?;
        let rows = rows.into_iter();
        found.extend(rows.map(|row| (row.id.to_string(), Node::WebhookDestination(WebhookDestination(row)))));
    }
    let deliveries = of_kind::<kind::WebhookDelivery>(cx, ids, Scope::IntegrationRead);
    if !deliveries.is_empty() {
        let rows = outbound::list::by_ids(cx, &deliveries).await?;
        found.extend(rows.into_iter().map(|row| (row.id.to_string(), Node::WebhookDelivery(WebhookDelivery(row)))));
    }
    Ok(found)
}

/// What the caller may see of the ids, by id.
async fn read(cx: &Cx, ids: &[ID]) -> Result<HashMap<String, Node>> {
    let mut found = HashMap::new();
    let tenants = of_kind::<kind::Tenant>(cx, ids, Scope::TenantRead);
    if !tenants.is_empty() {
        found.extend(
            tenant::by_ids(cx, &tenants).await?.into_iter().map(|row| (row.id.to_string(), Node::Tenant(Tenant(row)))),
        );
    }
    let users = of_kind::<kind::User>(cx, ids, Scope::AccessRead);
    if !users.is_empty() {
        found
            .extend(user::by_ids(cx, &users).await?.into_iter().map(|row| (row.id.to_string(), Node::User(User(row)))));
    }
    let memberships = of_kind::<kind::Membership>(cx, ids, Scope::AccessRead);
    if !memberships.is_empty() {
        found.extend(
            membership::by_ids(cx, &memberships)
                .await?
                .into_iter()
                .map(|row| (row.id.to_string(), Node::Membership(Membership(row)))),
        );
    }
    let integrations = of_kind::<kind::Integration>(cx, ids, Scope::IntegrationRead);
    if !integrations.is_empty() {
        let rows = integration::by_ids(cx, &integrations).await?;
        found.extend(rows.into_iter().map(|row| (row.id.to_string(), Node::Integration(Integration(row)))));
    }
    let actions = of_kind::<kind::IntegrationAction>(cx, ids, Scope::IntegrationRead);
    if !actions.is_empty() {
        let rows = action::by_ids(cx, &actions).await?;
        found.extend(rows.into_iter().map(|row| (row.id.to_string(), Node::IntegrationAction(IntegrationAction(row)))));
    }
    let apps = of_kind::<kind::ProviderApp>(cx, ids, Scope::IntegrationRead);
    if !apps.is_empty() {
        let rows = app::by_ids(cx, &apps).await?;
        found.extend(rows.into_iter().map(|row| (row.id.to_string(), Node::ProviderApp(ProviderApp(row)))));
    }
    let runs = of_kind::<kind::SyncRun>(cx, ids, Scope::IntegrationRead);
    if !runs.is_empty() {
        let rows = sync::list::by_ids(cx, &runs).await?;
        found.extend(rows.into_iter().map(|row| (row.id.to_string(), Node::SyncRun(SyncRun(row)))));
    }
    let sources = of_kind::<kind::WebhookSource>(cx, ids, Scope::IntegrationRead);
    if !sources.is_empty() {
        let rows = inbox::list::sources_by_ids(cx, &sources).await?;
        found.extend(rows.into_iter().map(|row| (row.id.to_string(), Node::WebhookSource(WebhookSource(row)))));
    }
    let webhooks = of_kind::<kind::WebhookEvent>(cx, ids, Scope::IntegrationRead);
    if !webhooks.is_empty() {
        let rows = inbox::list::by_ids(cx, &webhooks).await?;
        found.extend(rows.into_iter().map(|row| (row.id.to_string(), Node::WebhookEvent(WebhookEvent(row)))));
    }
    found.extend(outbound_nodes(cx, ids).await?);
    let agents = of_kind::<kind::Agent>(cx, ids, Scope::AccessRead);
    if !agents.is_empty() {
        let rows = agent::by_ids(cx, &agents).await?;
        found.extend(rows.into_iter().map(|row| (row.id.to_string(), Node::Agent(Agent(row)))));
    }
    let tokens = of_kind::<kind::ApiToken>(cx, ids, Scope::AccessRead);
    if !tokens.is_empty() {
        found.extend(
            token::by_ids(cx, &tokens)
                .await?
                .into_iter()
                .map(|row| (row.id.to_string(), Node::ApiToken(ApiToken(row)))),
        );
    }
    let issuers = of_kind::<kind::Issuer>(cx, ids, Scope::AccessRead);
    if !issuers.is_empty() {
        let rows = issuer::by_ids(cx, &issuers).await?;
        found.extend(rows.into_iter().map(|row| (row.id.to_string(), Node::Issuer(Issuer(row)))));
    }
    let entries = of_kind::<kind::AuditEntry>(cx, ids, Scope::AuditRead);
    if !entries.is_empty() {
        let rows = audit::by_ids(cx, &entries).await?;
        found.extend(rows.into_iter().map(|row| (row.id.to_string(), Node::AuditEntry(AuditEntry(row)))));
    }
    let jobs = of_kind::<kind::Job>(cx, ids, Scope::JobRead);
    if !jobs.is_empty() {
        let rows = job::list::by_ids(cx, &jobs).await?;
        found.extend(rows.into_iter().map(|row| (row.id.to_string(), Node::Job(Job(row)))));
    }
    let alerts = of_kind::<kind::Alert>(cx, ids, Scope::AlertRead);
    if !alerts.is_empty() {
        let rows = alert::by_ids(cx, &alerts).await?;
        found.extend(rows.into_iter().map(|row| (row.id.to_string(), Node::Alert(Alert(row)))));
    }
    // Which events may be read depends on what they are about.
    let events: Vec<_> = ids.iter().filter_map(|id| id.parse::<Id<kind::Event>>().ok()).collect();
    if !events.is_empty() {
        let rows = event::by_ids(cx, &events).await?;
        found.extend(rows.into_iter().map(|row| (row.event_id.to_string(), Node::Event(Event(row)))));
    }
    // Providers are nobody's, and everybody's to see.
    let providers: Vec<ProviderId> = ids.iter().filter_map(|id| id.parse().ok()).collect();
    if !providers.is_empty() {
        let rows = provider::by_ids(cx, &providers);
        found.extend(rows.into_iter().map(|row| (provider::id(&row).to_string(), Node::Provider(Provider(row)))));
    }
    Ok(found)
}

/// Those of the ids that are of the kind, if the caller may read the kind.
fn of_kind<K: Kind>(cx: &Cx, ids: &[ID], scope: Scope) -> Vec<Id<K>> {
    if !cx.caller().may(scope) {
        return Vec::new();
    }
    ids.iter().filter_map(|id| id.parse().ok()).collect()
}
