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
    invitation::Invitation,
    issuer::Issuer,
    job::Job,
    order::Order,
    outbound::{WebhookDelivery, WebhookDestination},
    partner::{PartnerOrganization, mapping::StatusMapping, update::PartnerUpdate},
    provider::Provider,
    sync::SyncRun,
    tenant::Tenant,
};
use crate::{
    context::Cx,
    domain::{
        access::{agent, invitation, issuer, membership, token, user},
        alert, audit,
        credential::app,
        event, inbox,
        integration::{self, action},
        job, order, outbound, partner, provider, sync, tenant,
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
    /// An invitation to join a tenant.
    Invitation(Invitation),
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
    /// An order.
    Order(Order),
    /// An organization with which orders are exchanged.
    PartnerOrganization(PartnerOrganization),
    /// What a partner said of an order.
    PartnerUpdate(PartnerUpdate),
    /// A version of what the words of a partner mean.
    StatusMapping(StatusMapping),
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

/// Adds the objects of one kind that the caller may read, by id.
macro_rules! add {
    ($found:ident, $cx:ident, $ids:ident, $kind:ident, $scope:ident, $by_ids:path) => {
        let wanted = of_kind::<kind::$kind>($cx, $ids, Scope::$scope);
        if !wanted.is_empty() {
            let rows = $by_ids($cx, &wanted).await?.into_iter();
            $found.extend(rows.map(|row| (row.id.to_string(), Node::$kind($kind(row)))));
        }
    };
}

/// The objects with these ids that the caller may read, by id.
async fn read(cx: &Cx, ids: &[ID]) -> Result<HashMap<String, Node>> {
    let mut found = HashMap::new();
    add!(found, cx, ids, Tenant, TenantRead, tenant::by_ids);
    add!(found, cx, ids, User, AccessRead, user::by_ids);
    add!(found, cx, ids, Membership, AccessRead, membership::by_ids);
    add!(found, cx, ids, Invitation, AccessRead, invitation::by_ids);
    add!(found, cx, ids, Agent, AccessRead, agent::by_ids);
    add!(found, cx, ids, ApiToken, AccessRead, token::by_ids);
    add!(found, cx, ids, Issuer, AccessRead, issuer::by_ids);
    add!(found, cx, ids, AuditEntry, AuditRead, audit::by_ids);
    add!(found, cx, ids, Integration, IntegrationRead, integration::by_ids);
    add!(found, cx, ids, IntegrationAction, IntegrationRead, action::by_ids);
    add!(found, cx, ids, ProviderApp, IntegrationRead, app::by_ids);
    add!(found, cx, ids, SyncRun, IntegrationRead, sync::list::by_ids);
    add!(found, cx, ids, WebhookSource, IntegrationRead, inbox::list::sources_by_ids);
    add!(found, cx, ids, WebhookEvent, IntegrationRead, inbox::list::by_ids);
    add!(found, cx, ids, WebhookDestination, IntegrationRead, outbound::list::destinations_by_ids);
    add!(found, cx, ids, WebhookDelivery, IntegrationRead, outbound::list::by_ids);
    add!(found, cx, ids, Order, OrderRead, order::list::by_ids);
    add!(found, cx, ids, PartnerOrganization, PartnerRead, partner::organization::by_ids);
    add!(found, cx, ids, PartnerUpdate, PartnerRead, partner::list::updates_by_ids);
    add!(found, cx, ids, StatusMapping, PartnerRead, partner::list::mappings_by_ids);
    add!(found, cx, ids, Job, JobRead, job::list::by_ids);
    add!(found, cx, ids, Alert, AlertRead, alert::by_ids);
    // Which events may be read depends on what they are about.
    let events: Vec<_> = ids.iter().filter_map(|id| id.parse::<Id<kind::Event>>().ok()).collect();
    if !events.is_empty() {
        let rows = event::by_ids(cx, &events).await?;
        found.extend(rows.into_iter().map(|row| (row.event_id.to_string(), Node::Event(Event(row)))));
    }
    // Providers belong to no tenant; everybody may see them.
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
