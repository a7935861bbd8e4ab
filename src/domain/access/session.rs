//! Sessions of people: signing in, staying signed in, signing out.
//!
//! **What a session is.** Signing in makes a session and two tokens. The *access token* is a JWT of an
//! hour that names the session; every request looks the session up, so that revoking it counts at once.
//! The *refresh token* buys the next pair, once.
//!
//! **Reuse.** A refresh token that is used a second time was copied by somebody. The session is revoked,
//! with everything that came from it, because nobody can tell the copy from the original. One exception:
//! within ten seconds, and from the same client, the same answer is given again, since clients repeat
//! requests whose answer got lost. It is the same because a successor follows from its predecessor and a
//! secret of the hub; so however many refresh at once, one successor lives.
//!
//! **Where it acts.** A session acts in the tenant that was chosen for it, when it began or later; without a
//! choice, as [`standing`] says. A request that names a tenant acts there instead. A choice that is not the
//! person's any more is not silently replaced by another tenant: the person signs in again.
//!
//! **Where it is recorded.** What happens to a session is recorded in the tenant in which it acts, and nowhere else: a
//! tenant does not learn when and from where a person signs in to another one. If a session ends by a request in
//! another tenant, the entry leaves out the address of that request.
//!
//! **Who may end it.** The person, all of them; the operator of the hub, those of anybody. An administrator ends the
//! sessions of a member as far as they act in this tenant: those that act here end, and every other one that began by
//! then can no longer act here.
//!
//! **What is not told apart from outside**: an unknown address, a wrong password, a session that ended.

use chrono::TimeDelta;
use hmac::{Hmac, KeyInit, Mac};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect,
};
use serde_json::json;
use sha2::Sha256;

use super::{
    attempt_limit, jwt, membership as bond, password,
    refusal::{TurnedAway, noted},
    standing::{self, Standing},
};
use crate::{
    context::{Audit, Cx, Hub, Txn, Whose},
    domain::{
        keyring::{HUB, secret},
        tenant::{self, Tenant},
    },
    entity::{first::First, membership, refresh_token as refresh, session as entity, user},
    event::access::AccessEvent,
    kernel::{
        actor::{Actor, Caller, Principal},
        clock::Moment,
        error::{Error, Result},
        id::{SessionId, TenantId, UserId},
        input,
        scope::{Role, Scope},
        secret::Secret,
        token,
    },
};

pub use entity::Model as Session;

/// A lost answer may be asked for again this long.
const GRACE: TimeDelta = TimeDelta::seconds(10);

/// The name of the secret from which successors follow.
const SUCCESSION: &str = "refresh succession";

/// What a client gets when somebody signed in.
#[derive(Debug)]
pub struct Pair {
    /// Goes with every request.
    pub access: Secret,
    /// When that ends.
    pub access_until: Moment,
    /// Buys the next pair, once.
    pub refresh: Secret,
    /// When that ends.
    pub refresh_until: Moment,
    /// Whose it is.
    pub user: UserId,
}

/// From where somebody signs in.
#[derive(Clone, Debug, Default)]
pub struct Client {
    /// What the program calls itself.
    pub user_agent: Option<String>,
}

const REFUSED: Error = Error::Unauthenticated("the address or the password is wrong");
const ENDED: Error = Error::Unauthenticated("this session has ended; sign in again");

/// Signs somebody in by address and password, to act in the tenant that is chosen.
pub async fn sign_in(
    cx: &Cx,
    email: &str,
    password: Secret,
    chosen: Option<TenantId>,
    client: &Client,
) -> Result<Pair> {
    let user = noted(cx, "signIn", checked(cx, email, password).await)?;
    begin(cx, user, chosen, client).await
}

async fn checked(cx: &Cx, email: &str, password: Secret) -> Result<UserId, TurnedAway> {
    let email = input::email(email).map_err(|_| REFUSED)?;
    let attempt = attempt_limit::SIGN_IN.take(cx, &email).await?;
    match compared(cx, &email, password).await {
        Ok((Some(user), true)) => {
            attempt.succeeded(cx).await?;
            Ok(user)
        }
        Ok((known, _)) => {
            let claimed = known.map(|user| TurnedAway::claimed(REFUSED, user, "the password is wrong"));
            Err(claimed.unwrap_or_else(|| REFUSED.into()))
        }
        Err(error) => {
            // Nothing was compared.
            attempt.not_made(cx).await?;
            Err(error.into())
        }
    }
}

/// The account with that email address, if there is one, and whether the password is its own.
async fn compared(cx: &Cx, email: &str, password: Secret) -> Result<(Option<UserId>, bool)> {
    let known = user::by_email(email).first(cx.db()).await?;
    let hash = known.as_ref().and_then(|user| user.password_hash.clone());
    let fits = password::fits(cx.hub(), password, hash).await?;
    Ok((known.map(|user| user.id), fits))
}

/// Makes a session for somebody who has shown who they are.
pub(super) async fn begin(cx: &Cx, user: UserId, chosen: Option<TenantId>, client: &Client) -> Result<Pair> {
    let standing = standing::of_person(cx.db(), user, chosen).await?;
    let (now, hub) = (cx.now(), cx.hub());
    // Not taken for one of those that were ended at this instant.
    let begins = standing.sessions_ended_at.map_or(now, |ended| now.max(ended + TimeDelta::microseconds(1)));
    let session = Session {
        id: cx.id(),
        user_id: user,
        chosen_tenant: chosen,
        address: cx.request().address.map(|address| address.to_string()),
        user_agent: client.user_agent.clone(),
        created_at: begins,
        last_used_at: now,
        expires_at: now + hub.access.refresh_life,
        revoked_at: None,
        revoked_because: None,
    };
    let refresh = token::mint(token::Kind::Refresh, &*hub.chance);
    let acting = cx.with_caller(Caller { actor: Actor::User(user), principal: None });
    acting
        .write(async |txn| {
            entity::Entity::insert(session.clone().into_active_model()).exec_without_returning(&**txn).await?;
            add_refresh(txn, &session, &refresh).await?;
            let fact = AccessEvent::SignedIn { user, session: session.id };
            let tenant = standing.tenant.id;
            record_in(txn, tenant, Some(tenant), &fact)
        })
        .await?;
    pair(cx, &session, refresh).await
}

/// What came of a refresh token, decided in the transaction that commits it.
enum Refreshed {
    Next(Session, Secret),
    Refused,
    /// The token of a session that is over, for this reason.
    Over(Session, &'static str),
}

/// Buys the next pair of tokens.
pub async fn refresh(cx: &Cx, text: &str, client: &Client) -> Result<Pair> {
    if !token::well_formed(token::Kind::Refresh, text) {
        return Err(ENDED);
    }
    let key = succession(cx).await?;
    let outcome = cx
        .write(async |txn| {
            let found = refresh::by_digest(&token::digest(text)).lock_exclusive().first(&**txn).await?;
            let Some(used) = found else { return Ok(Refreshed::Refused) };
            let held = entity::by_id(used.session_id).lock_exclusive().first(&**txn).await?;
            let now = txn.now();
            let Some(session) = held.filter(|session| now < session.expires_at) else {
                return Ok(Refreshed::Refused);
            };
            if session.revoked_at.is_some() {
                return Ok(Refreshed::Over(session, "the session was ended"));
            }
            // Whoever is let in nowhere at present keeps the token for when that is over.
            standing::of_person(&**txn, session.user_id, None).await?;
            let next = successor(&key, text)?;
            match used.used_at {
                None => {
                    let mut row = used.into_active_model();
                    row.used_at = Set(Some(now));
                    row.update(&**txn).await?;
                    add_refresh(txn, &session, &next).await?;
                    let mut row = session.clone().into_active_model();
                    row.last_used_at = Set(now);
                    row.update(&**txn).await?;
                    Ok(Refreshed::Next(session, next))
                }
                Some(at) if now - at <= GRACE && same_client(cx, &session, client) && unused(txn, &next).await? => {
                    Ok(Refreshed::Next(session, next))
                }
                Some(_) => {
                    const TWICE: &str = "a refresh token was used twice";
                    end(txn, session.clone(), None, TWICE).await?;
                    Ok(Refreshed::Over(session, TWICE))
                }
            }
        })
        .await?;
    match outcome {
        Refreshed::Next(session, next) => pair(cx, &session, next).await,
        Refreshed::Refused => Err(ENDED),
        Refreshed::Over(session, reason) => {
            let whose = whose(cx.db(), &session).await?;
            let refusal = TurnedAway::of(ENDED, whose, Actor::Anonymous, session.id, reason);
            noted(cx, "refreshSession", Err(refusal))
        }
    }
}

/// Ends the caller's own session. Without one there is nothing to end.
pub async fn sign_out(cx: &Cx) -> Result<bool> {
    let Some(session) = cx.principal()?.session else { return Ok(false) };
    cx.write(async |txn| match entity::by_id(session).lock_exclusive().first(&**txn).await? {
        Some(session) if session.revoked_at.is_none() => {
            let here = txn.cx().tenant()?;
            end(txn, session, Some(here), "signed out").await.map(|()| true)
        }
        _ => Ok(false),
    })
    .await
}

/// Ends every session of a person; says how many. `here` is the tenant in which this is done, if it is in one.
pub(super) async fn end_all(txn: &Txn, user: UserId, here: Option<TenantId>, because: &'static str) -> Result<usize> {
    let open = open(txn, user).await?;
    let count = open.len();
    for session in open {
        end(txn, session, here, because).await?;
    }
    Ok(count)
}

/// Ends the sessions of a person of the tenant as far as they act in it; says how many ended. The operator of the hub
/// ends all of them.
pub async fn revoke_all(cx: &Cx, user: UserId) -> Result<usize> {
    const BECAUSE: &str = "revoked by an administrator";
    cx.write(async |txn| {
        let here = cx.tenant()?;
        let bond = membership::of(here).filter(membership::COLUMN.user_id.eq(user)).lock_exclusive();
        let bond = bond.first(&**txn).await?.ok_or(Error::NotFound("user"))?;
        let scopes = cx.principal()?.scopes;
        if !bond.role.scopes().within(scopes) {
            return Err(Error::forbidden("userId", "this person may do more than you; you cannot end the sessions"));
        }
        let mut ended = 0;
        if scopes.has(Scope::HubAdmin) {
            ended = end_all(txn, user, Some(here), BECAUSE).await?;
        } else {
            for session in open(txn, user).await? {
                if standing::acting(&**txn, user, session.chosen_tenant).await? == Some(here) {
                    end(txn, session, Some(here), BECAUSE).await?;
                    ended += 1;
                }
            }
        }
        bond::end_sessions(txn, bond, ended).await?;
        Ok(ended)
    })
    .await
}

/// The sessions of a person that have not ended, held until the commit.
async fn open(txn: &Txn, user: UserId) -> Result<Vec<Session>> {
    let open = entity::of_person(user).filter(entity::COLUMN.revoked_at.is_null());
    Ok(open.order_by_asc(entity::Column::Id).lock_exclusive().all(&**txn).await?)
}

/// In whose log it belongs that somebody tried to use a session.
async fn whose(db: &impl ConnectionTrait, session: &Session) -> Result<Whose> {
    let acting = standing::acting(db, session.user_id, session.chosen_tenant).await?;
    Ok(acting.map_or(Whose::Person(session.user_id), Whose::Tenant))
}

/// Chooses the tenant in which the caller's session acts from its next request on.
pub async fn choose(cx: &Cx, chosen: TenantId) -> Result<(Tenant, Role)> {
    let (Actor::User(user), Some(session)) = (cx.actor(), cx.principal()?.session) else {
        return Err(Error::NoPerson);
    };
    let standing = standing::of_person(cx.db(), user, Some(chosen)).await?;
    cx.write(async |txn| {
        let held = entity::by_id(session).lock_exclusive().first(&**txn).await?;
        let mut row = held.ok_or(Error::NotFound("session"))?.into_active_model();
        row.chosen_tenant = Set(Some(chosen));
        row.update(&**txn).await?;
        let fact = AccessEvent::TenantChosen { user, session };
        txn.emit_in(chosen, &fact)?;
        txn.audit_in(chosen, Audit::of(&fact).after(json!(fact)));
        Ok(())
    })
    .await?;
    Ok((standing.tenant, standing.role))
}

/// The tenants the caller may choose, with the role in each. Programs have the one they act in.
pub async fn choices(cx: &Cx) -> Result<Vec<(Tenant, Role)>> {
    let principal = cx.principal()?;
    if let Actor::User(user) = cx.actor() {
        return standing::choices(cx.db(), user).await;
    }
    Ok(vec![(tenant::get(cx, principal.tenant).await?, principal.role)])
}

/// Checks an access token and says who calls. `chosen` is a tenant named by the request.
pub(super) async fn authenticate(hub: &Hub, text: &str, chosen: Option<&str>) -> Result<Caller, TurnedAway> {
    let claims = jwt::read(hub, text).await?;
    let principal = again(hub, claims.user, claims.session, chosen).await?;
    let principal = Principal { expires_at: Some(claims.until), ..principal };
    Ok(Caller { actor: Actor::User(claims.user), principal: Some(principal) })
}

/// What a person whose access token was checked before may do now.
pub(super) async fn again(
    hub: &Hub,
    user: UserId,
    id: SessionId,
    chosen: Option<&str>,
) -> Result<Principal, TurnedAway> {
    const REFUSED: Error = Error::Unauthenticated("this token is not valid");
    let db = hub.database.reader();
    let session = entity::by_id(id).first(db).await?.filter(|session| session.user_id == user).ok_or(REFUSED)?;
    if session.revoked_at.is_some() {
        let (whose, actor) = (whose(db, &session).await?, Actor::User(user));
        return Err(TurnedAway::of(REFUSED, whose, actor, session.id, "the session was ended"));
    }
    if hub.clock.now() >= session.expires_at {
        return Err(REFUSED.into());
    }
    let Standing { tenant, role, home, sessions_ended_at } = match chosen {
        Some(name) => standing::of_person(db, user, Some(tenant::named(hub, name).await?.id)).await?,
        None => standing::of_person(db, user, session.chosen_tenant).await.map_err(|error| match error {
            Error::NotFound(_) => Error::Unauthenticated("the tenant of this session is not yours; sign in again"),
            error => error,
        })?,
    };
    if sessions_ended_at.is_some_and(|ended| session.created_at <= ended) {
        let (whose, actor) = (Whose::Tenant(home), Actor::User(user));
        return Err(TurnedAway::of(REFUSED, whose, actor, session.id, "the session was ended for this tenant"));
    }
    Ok(Principal {
        tenant: tenant.id,
        home,
        role,
        scopes: role.scopes(),
        partner: None,
        session: Some(id),
        token: None,
        expires_at: None,
    })
}

async fn pair(cx: &Cx, session: &Session, refresh: Secret) -> Result<Pair> {
    let until = (cx.now() + cx.hub().access.access_life).min(session.expires_at);
    let access = jwt::write(cx.hub(), session.user_id, session.id, until).await?;
    Ok(Pair { access, access_until: until, refresh, refresh_until: session.expires_at, user: session.user_id })
}

async fn add_refresh(txn: &Txn, session: &Session, text: &Secret) -> Result<()> {
    let row = refresh::Model {
        id: txn.id(),
        session_id: session.id,
        digest: token::digest(text.expose()).to_vec(),
        created_at: txn.now(),
        expires_at: session.expires_at,
        used_at: None,
    };
    refresh::Entity::insert(row.into_active_model()).exec_without_returning(&**txn).await?;
    Ok(())
}

async fn unused(txn: &Txn, text: &Secret) -> Result<bool> {
    let found = refresh::by_digest(&token::digest(text.expose())).first(&**txn).await?;
    Ok(found.is_some_and(|next| next.used_at.is_none()))
}

fn same_client(cx: &Cx, session: &Session, client: &Client) -> bool {
    let address = cx.request().address.map(|address| address.to_string());
    session.address == address && session.user_agent == client.user_agent
}

async fn end(txn: &Txn, session: Session, here: Option<TenantId>, because: &'static str) -> Result<()> {
    let (id, user) = (session.id, session.user_id);
    let acts_in = standing::acting(&**txn, user, session.chosen_tenant).await?;
    let mut row = session.into_active_model();
    row.revoked_at = Set(Some(txn.now()));
    row.revoked_because = Set(Some(because.to_owned()));
    row.update(&**txn).await?;
    match acts_in.or(here) {
        Some(tenant) => {
            let fact = AccessEvent::SignedOut { user, session: id, because: because.to_owned() };
            record_in(txn, tenant, here, &fact)
        }
        None => Ok(()),
    }
}

/// Records what happened in a tenant; the address only if it was done there, or in no other tenant.
pub(super) fn record_in(txn: &Txn, tenant: TenantId, here: Option<TenantId>, fact: &AccessEvent) -> Result<()> {
    let entry = Audit::of(fact).after(json!(fact));
    let elsewhere = here.is_some_and(|here| here != tenant);
    txn.emit_in(tenant, fact)?;
    txn.audit_in(tenant, if elsewhere { entry.without_origin() } else { entry });
    Ok(())
}

/// The secret from which successors follow; made when it is first needed.
async fn succession(cx: &Cx) -> Result<Secret> {
    let (hub, db) = (cx.hub(), cx.db());
    if let Some(known) = secret::get(hub, db, HUB, SUCCESSION, "key").await? {
        return Ok(known);
    }
    let made = token::mint(token::Kind::Refresh, &*hub.chance);
    let own = Cx::system(hub.clone(), "sessions", HUB);
    own.write(async |txn| secret::put_first(txn, HUB, SUCCESSION, "key", &made).await).await?;
    let kept = secret::get(hub, db, HUB, SUCCESSION, "key").await?;
    kept.ok_or_else(|| Error::Internal("the succession is gone", "it was made a moment ago".into()))
}

/// The refresh token that follows another one.
fn successor(key: &Secret, text: &str) -> Result<Secret> {
    let mac = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes());
    let mut mac = mac.map_err(|error| Error::Internal("a successor could not be made", error.to_string().into()))?;
    mac.update(text.as_bytes());
    let seed: [u8; 32] = mac.finalize().into_bytes().into();
    Ok(token::from_seed(token::Kind::Refresh, &seed))
}
