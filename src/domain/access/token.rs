//! API tokens: made, checked, revoked.
//!
//! The text of a token leaves once, in the answer to its creation; stored is its digest, so neither a
//! stolen database nor an administrator can use it. Checking one is a single indexed read for each
//! request, which is what makes a revocation count from the next request on. Every failed check looks
//! the same from outside: whether a token was mistyped, expired or revoked is nobody's business.
//!
//! A token of its own carries a role. A token of an agent is one of several ways in for that agent: it
//! allows what both allow, and what is done with it is done by the agent.
//!
//! A repeated creation (same idempotency key) answers with the same token's record but not with its
//! text: that was said once.

use chrono::TimeDelta;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QuerySelect,
};
use serde::Serialize;
use serde_json::json;

use super::{
    agent::{self, Agent},
    may_grant, narrowed,
    refusal::TurnedAway,
    user::RoleName,
};
use crate::{
    context::{Audit, Cx, Hub, Once, Whose},
    domain::tenant::{self, Status, Tenant},
    entity::{api_token as entity, first::First, page, partner_organization},
    event::access::AccessEvent,
    kernel::{
        actor::{Actor, Caller, Principal},
        clock::Moment,
        error::{Code, Error, Issue, Result},
        id::{AgentId, ApiTokenId, PartnerOrganizationId, TenantId},
        input::{self, Check},
        page::{Page, PageArgs},
        scope::{Role, Scope, Scopes},
        secret::Secret,
        token,
    },
};

pub use entity::Model as ApiToken;

/// The last use is noted this often at most; the list shows minutes, and a write for each request would
/// cost more than the request.
const USE_NOTED_EVERY: TimeDelta = TimeDelta::minutes(1);

/// A token to be.
#[derive(Clone, Debug, Serialize)]
pub struct NewApiToken {
    /// For people.
    pub name: String,
    /// What it may do at most.
    pub role: RoleName,
    /// Narrows the role; none means all of it.
    pub scopes: Option<Vec<String>>,
    /// When it ends; never, if left out.
    pub expires_at: Option<Moment>,
    /// The agent it is for; none for a token of its own.
    pub agent: Option<AgentId>,
    /// The organisation it is bound to; for the role of a partner, and for no other.
    pub partner: Option<PartnerOrganizationId>,
}

impl ApiToken {
    /// What the token allows by itself; if it is an agent's, no more than the agent may do.
    #[must_use]
    pub fn allowed(&self) -> Scopes {
        narrowed::allowed(self.role, self.scopes.as_ref())
    }

    /// Whether it opens the door at that moment.
    #[must_use]
    pub fn valid_at(&self, now: Moment) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// Those of the ids that belong to the tenant.
pub async fn by_ids(cx: &Cx, ids: &[ApiTokenId]) -> Result<Vec<ApiToken>> {
    Ok(entity::of(cx.tenant()?).filter(entity::COLUMN.id.is_in(ids.iter().copied())).all(cx.db()).await?)
}

/// The tokens of the tenant.
pub async fn list(cx: &Cx, args: &PageArgs) -> Result<Page<ApiToken>> {
    page::by_key(cx.db(), "apiTokens", entity::of(cx.tenant()?), entity::Column::Id, |token| token.id.uuid(), args)
        .await
}

/// How many there are.
pub async fn count(cx: &Cx) -> Result<u64> {
    Ok(entity::of(cx.tenant()?).count(cx.db()).await?)
}

/// Makes a token; its text comes with the first answer only.
pub async fn create(cx: &Cx, new: NewApiToken, key: Option<&str>) -> Result<(ApiToken, Option<Secret>)> {
    let (id, secret) = cx
        .write(async |txn| {
            let ticket = match txn.once("createApiToken", key, &new).await? {
                Once::Repeated(id) => return Ok((id, None)),
                Once::First(ticket) => ticket,
            };
            let (role, now) = (new.role.0, txn.now());
            let mut check = Check::new();
            let name = check.take("name", input::name(&new.name));
            let scopes = new.scopes.as_ref().map(|names| check.take("scopes", narrowed::read(role, names)));
            check.that(new.expires_at.is_none_or(|end| end > now), "expiresAt", "a token must end in the future");
            let bound = new.partner.is_some();
            let of_partner = role == Role::Partner;
            check.that(bound || !of_partner, "partnerOrganizationId", "a partner's token is bound to its organization");
            check.that(of_partner || !bound, "role", "a token of a partner organization has the role PARTNER");
            check.done()?;
            if let Some(partner) = new.partner {
                let found = partner_organization::of(cx.tenant()?).filter(partner_organization::COLUMN.id.eq(partner));
                found.first(&**txn).await?.ok_or_else(|| not_found("partnerOrganizationId"))?;
            }
            let wanted = scopes.unwrap_or(role.scopes());
            match new.agent {
                Some(id) => {
                    let agent = agent::held(txn, "agentId", id).await?;
                    if !role.scopes().within(agent.role.scopes()) {
                        let reason = format!("the agent has the role {}, and its tokens have no more", agent.role);
                        return Err(Error::invalid("role", reason));
                    }
                    may_grant(cx, role, wanted.and(agent.allowed()))?;
                }
                None => may_grant(cx, role, wanted)?,
            }
            let secret = token::mint(token::Kind::Api, &*cx.hub().chance);
            let row = ApiToken {
                id: txn.id(),
                tenant_id: cx.tenant()?,
                agent_id: new.agent,
                name,
                digest: token::digest(secret.expose()).to_vec(),
                hint: token::hint(&secret),
                role,
                scopes: scopes.map(narrowed::stored),
                partner_organization_id: new.partner,
                created_by: cx.actor().to_string(),
                created_at: now,
                expires_at: new.expires_at,
                last_used_at: None,
                revoked_at: None,
            };
            entity::Entity::insert(row.clone().into_active_model()).exec_without_returning(&**txn).await?;
            let fact = AccessEvent::ApiTokenCreated {
                api_token: row.id,
                name: row.name.clone(),
                role: role.to_string(),
                agent: row.agent_id,
            };
            txn.emit(&fact)?;
            txn.audit(Audit::of(&fact).after(shown(&row)))?;
            ticket.created(txn, row.id).await?;
            Ok((row.id, Some(secret)))
        })
        .await?;
    let row = by_ids(cx, &[id]).await?.pop().ok_or(Error::NotFound("API token"))?;
    Ok((row, secret))
}

fn shown(token: &ApiToken) -> serde_json::Value {
    json!({
        "name": token.name, "hint": token.hint, "role": token.role.name(), "scopes": token.scopes,
        "expiresAt": token.expires_at, "agent": token.agent_id, "partner": token.partner_organization_id,
    })
}

fn not_found(path: &str) -> Error {
    let message = Error::NotFound("partner organization").to_string();
    Error::Refused(vec![Issue { code: Code::NotFound, ..Issue::at(path, message) }])
}

/// Revokes a token; from the next request on it opens nothing. Revoking twice is no fault.
pub async fn revoke(cx: &Cx, id: ApiTokenId) -> Result<ApiToken> {
    cx.write(async |txn| {
        let before = entity::of(cx.tenant()?)
            .filter(entity::COLUMN.id.eq(id))
            .lock_exclusive()
            .first(&**txn)
            .await?
            .ok_or(Error::NotFound("API token"))?;
        if before.revoked_at.is_some() {
            return Ok(before);
        }
        let (name, mut row) = (before.name.clone(), before.into_active_model());
        row.revoked_at = Set(Some(txn.now()));
        let after = row.update(&**txn).await?;
        let fact = AccessEvent::ApiTokenRevoked { api_token: id, name };
        txn.emit(&fact)?;
        txn.audit(Audit::of(&fact))?;
        Ok(after)
    })
    .await
}

/// Checks a token's text and says who calls. `chosen` is a tenant named by the request.
pub(super) async fn authenticate(hub: &Hub, text: &str, chosen: Option<&str>) -> Result<Caller, TurnedAway> {
    const REFUSED: Error = Error::Unauthenticated("this token is not valid");
    if !token::well_formed(token::Kind::Api, text) {
        return Err(REFUSED.into());
    }
    let found = entity::by_digest(hub.database.reader(), &token::digest(text)).await?;
    let Some((row, home, agent)) = living(found) else { return Err(REFUSED.into()) };
    let actor = agent.as_ref().map_or(Actor::ApiToken(row.id), |agent| Actor::Agent(agent.id));
    let principal = principal(hub, &row, &home, agent.as_ref(), chosen).await?;
    note_use(hub, &row, hub.clock.now());
    Ok(Caller { actor, principal: Some(principal) })
}

/// What a token that was checked before may do now.
pub(super) async fn again(hub: &Hub, id: ApiTokenId, chosen: Option<&str>) -> Result<Principal, TurnedAway> {
    match living(entity::by_id(hub.database.reader(), id).await?) {
        Some((row, home, agent)) => principal(hub, &row, &home, agent.as_ref(), chosen).await,
        None => Err(Error::Unauthenticated("this token is not valid").into()),
    }
}

/// What was found, if its tenant is not deleted.
fn living(found: Option<entity::Held>) -> Option<(ApiToken, Tenant, Option<Agent>)> {
    let entity::Held { token, tenant, agent } = found?;
    Some((token, tenant.filter(Tenant::lives)?, agent))
}

/// What a token may do now.
async fn principal(
    hub: &Hub,
    row: &ApiToken,
    home: &Tenant,
    agent: Option<&Agent>,
    chosen: Option<&str>,
) -> Result<Principal, TurnedAway> {
    if let Some(reason) = shut(row, agent, hub.clock.now()) {
        let actor = agent.map_or(Actor::ApiToken(row.id), |agent| Actor::Agent(agent.id));
        let refused = Error::Unauthenticated("this token is not valid");
        return Err(TurnedAway::of(refused, Whose::Tenant(row.tenant_id), actor, row.id, reason));
    }
    if home.state() == Status::Suspended {
        return Err(Error::Suspended.into());
    }
    if let Some(partner) = row.partner_organization_id {
        let found = partner_organization::of(row.tenant_id).filter(partner_organization::COLUMN.id.eq(partner));
        if !found.first(hub.database.reader()).await?.is_some_and(|found| found.active) {
            let refused = Error::Unauthenticated("this token is not valid");
            let reason = "the partner organisation is not active";
            return Err(TurnedAway::of(refused, Whose::Tenant(row.tenant_id), Actor::ApiToken(row.id), row.id, reason));
        }
    }
    let (role, scopes) = match agent {
        Some(agent) => (narrowed::lesser(row.role, agent.role), row.allowed().and(agent.allowed())),
        None => (row.role, row.allowed()),
    };
    Ok(Principal {
        tenant: elsewhere(hub, row, scopes, chosen).await?.unwrap_or(row.tenant_id),
        home: row.tenant_id,
        role,
        scopes,
        partner: row.partner_organization_id,
        session: None,
        token: Some(row.id),
        expires_at: row.expires_at,
    })
}

/// Why a token opens nothing at that moment.
fn shut(token: &ApiToken, agent: Option<&Agent>, now: Moment) -> Option<&'static str> {
    if token.revoked_at.is_some() {
        Some("the token was revoked")
    } else if !token.valid_at(now) {
        Some("the token has expired")
    } else if !agent.is_none_or(Agent::enabled) {
        Some("the agent is disabled")
    } else {
        None
    }
}

/// The tenant the request chose, if it is not the token's own. Only who runs the hub may choose; for
/// everybody else other tenants do not exist.
async fn elsewhere(hub: &Hub, row: &ApiToken, scopes: Scopes, chosen: Option<&str>) -> Result<Option<TenantId>> {
    let Some(chosen) = chosen else {
        return Ok(None);
    };
    let tenant = tenant::named(hub, chosen).await?.id;
    if tenant == row.tenant_id || scopes.has(Scope::HubAdmin) {
        Ok(Some(tenant))
    } else {
        Err(Error::NotFound("tenant"))
    }
}

fn note_use(hub: &Hub, row: &ApiToken, now: Moment) {
    if row.last_used_at.is_some_and(|last| now - last < USE_NOTED_EVERY) {
        return;
    }
    let (id, database) = (row.id, hub.database.clone());
    hub.tasks.spawn(async move {
        // Only a convenience is lost when this fails, and the next use tries again.
        if let Err(error) = entity::used(id, now, now - USE_NOTED_EVERY).exec(database.writer()).await {
            tracing::debug!(token = %id, error = %error, "the last use of a token was not noted");
        }
    });
}
