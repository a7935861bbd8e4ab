//! Checks at the end of something that takes time whether the caller who started it could start it now.
//!
//! An authorization at a provider, a link for an outsider, a run that reads for hours: between the beginning and the end
//! a token may be revoked, a session ended, a role taken away, a tenant suspended. Whatever ends later than it begins
//! keeps a [`Starter`] and asks at its end, before it calls anybody and before it commits, whether the starter could
//! begin the same now. What cannot be read is not allowed.

use sea_orm::{ColumnTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{outside, refusal::TurnedAway, session, standing, token};
use crate::{
    context::{Cx, Hub},
    domain::{
        keyring::HUB,
        tenant::{Status, Tenant},
    },
    entity::{agent, first::First, tenant as tenants},
    kernel::{
        actor::Actor,
        clock::Moment,
        error::{Error, Result},
        id::{ApiTokenId, SessionId, TenantId},
        scope::{Scope, Scopes},
    },
};

/// The caller who started something, with the credential, as it is stored beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Starter {
    kind: String,
    actor: String,
    session: Option<SessionId>,
    token: Option<ApiTokenId>,
    at: Moment,
}

impl Starter {
    /// The caller of a context.
    #[must_use]
    pub fn of(cx: &Cx) -> Self {
        let principal = cx.caller().principal.as_ref();
        Self {
            session: principal.and_then(|principal| principal.session),
            token: principal.and_then(|principal| principal.token),
            ..Self::actor(&cx.actor(), cx.now())
        }
    }

    /// An actor whose credential was not stored.
    #[must_use]
    pub fn actor(actor: &Actor, at: Moment) -> Self {
        Self { kind: actor.kind().to_owned(), actor: actor.to_string(), session: None, token: None, at }
    }

    /// The form in which it is stored.
    pub fn stored(&self) -> Result<Value> {
        serde_json::to_value(self).map_err(|error| Error::Internal("a starter could not be written", error.into()))
    }

    /// Reads the stored form; nothing if it is missing or cannot be read.
    #[must_use]
    pub fn recorded(stored: Option<&Value>) -> Option<Self> {
        Self::deserialize(stored?).ok()
    }

    /// The reason why the starter could not begin now what needs that scope in the tenant; nothing if it could.
    pub async fn barred(&self, hub: &Hub, tenant: TenantId, scope: Scope) -> Result<Option<&'static str>> {
        const INVALID: &str = "the credential with which this was started is not valid any more";
        const FORBIDDEN: &str = "whoever started this may not do so any more";
        if !served(hub, tenant).await? {
            return Ok(Some("the tenant is suspended"));
        }
        let scopes = match self.scopes(hub, tenant).await.map_err(TurnedAway::into_error) {
            Ok(scopes) => scopes,
            Err(error @ (Error::Unavailable(..) | Error::Internal(..))) => return Err(error),
            Err(_) => None,
        };
        Ok(match scopes {
            None => Some(INVALID),
            Some(scopes) if scopes.has(scope) => None,
            Some(_) => Some(FORBIDDEN),
        })
    }

    /// What the starter may do in the tenant now; nothing if it is nobody any more.
    async fn scopes(&self, hub: &Hub, tenant: TenantId) -> Result<Option<Scopes>, TurnedAway> {
        let (db, chosen) = (hub.database.reader(), tenant.to_string());
        if self.kind == Actor::System("").kind() {
            return Ok(Some(Scopes::all()));
        }
        let scopes = match (Actor::recorded(&self.kind, &self.actor), self.session, self.token) {
            (_, _, Some(id)) | (Some(Actor::ApiToken(id)), ..) => token::again(hub, id, Some(&chosen)).await?.scopes,
            (Some(Actor::User(user)), Some(id), _) => session::again(hub, user, id, Some(&chosen)).await?.scopes,
            (Some(Actor::User(user)), ..) => standing::of_person(db, user, Some(tenant)).await?.role.scopes(),
            (Some(Actor::Agent(id)), ..) => {
                let found = agent::of(tenant).filter(agent::COLUMN.id.eq(id)).first(db).await?;
                return Ok(found.filter(|agent| agent.disabled_at.is_none()).map(|_| Scopes::all()));
            }
            // Its claims were in a token that nobody keeps.
            (Some(Actor::Outside(issuer, _)), ..) => {
                return Ok(outside::holds(hub, issuer, self.at).await?.then(Scopes::all));
            }
            _ => return Ok(None),
        };
        Ok(Some(scopes))
    }
}

/// Whether a tenant is served; the hub itself always is.
async fn served(hub: &Hub, tenant: TenantId) -> Result<bool> {
    if tenant == HUB {
        return Ok(true);
    }
    let found = tenants::of(tenant).first(hub.database.reader()).await?;
    Ok(found.as_ref().map(Tenant::state) == Some(Status::Active))
}
