//! Invitations: how people become members of a tenant.
//!
//! **Consent.** An administrator cannot make anybody a member. `inviteMember` makes an invitation and its link, which
//! works once, for seven days; the administrator hands the link over, since the hub sends no mail. The person accepts
//! or declines. Before that, the tenant has no effect on the account and learns nothing of it. Another invitation for
//! the same email address revokes the earlier one.
//!
//! **Accepting.** A signed-in person with the invited email address accepts with the link alone. Anybody else states a
//! name and a password with it. If there is no account with the address, it is created with both, and this tenant is
//! its founding tenant. If there is one, the password must be its own, and the name is ignored. The link is always
//! needed: an email address alone proves nothing, since nobody verified it.
//!
//! **What is not told.** The answer to `inviteMember` is the same whether or not there is an account with the address,
//! and so is the work that is done for it: accounts are looked up among the members of the tenant only. Whoever holds
//! the link and accepts with a password learns the difference only by creating the account.
//!
//! **Links for the account.** When a person joins another tenant, every unused link for a new password or a sign-in
//! ends: the administrators who made it no longer look after the account.

use chrono::TimeDelta;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QuerySelect,
};
use serde::Serialize;
use serde_json::json;

use super::{
    attempt_limit, may_grant, membership, password,
    refusal::{TurnedAway, noted},
    session::{self, Client, Pair},
    user::{self, RoleName},
};
use crate::{
    context::{Audit, Cx, Hub, Once, Txn, Whose},
    domain::tenant::{Status, Tenant},
    entity::{first::First, invitation as entity, one_time_token, page, tenant, user as person},
    event::access::AccessEvent,
    kernel::{
        actor::{Actor, Caller},
        clock::Moment,
        error::{Error, Result},
        id::{InvitationId, TenantId, UserId},
        input::{self, Check},
        page::{Page, PageArgs},
        scope::Role,
        secret::Secret,
        token,
    },
};

pub use entity::Model as Invitation;

/// Time for which an invitation can be accepted.
const LIFE: TimeDelta = TimeDelta::days(7);

/// The most invitations that a person is shown.
const SHOWN: u64 = 100;

const REFUSED: Error = Error::Unauthenticated("this invitation was used, revoked, is too old, or never was");
const WRONG: Error = Error::Unauthenticated(
    "this invitation cannot be accepted with this password; if you have an account, use its own",
);

/// Whom to invite.
#[derive(Clone, Debug, Serialize)]
pub struct NewInvitation {
    /// The email address of the person.
    pub email: String,
    /// The role in the caller's tenant.
    pub role: RoleName,
}

/// State of an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It can be accepted.
    Pending,
    /// It was accepted.
    Accepted,
    /// It was declined.
    Declined,
    /// It was revoked, or another one took its place.
    Revoked,
    /// It was not accepted in time.
    Expired,
}

/// Name and password of a person who accepts without having signed in.
#[derive(Debug)]
pub struct Acceptance {
    /// The name of a new account.
    pub name: Option<String>,
    /// The password of the account that exists, or of the new one.
    pub password: Option<Secret>,
}

/// A membership that began.
#[derive(Debug)]
pub struct Accepted {
    /// The tenant that was joined.
    pub tenant: Tenant,
    /// The role there.
    pub role: Role,
    /// The tokens of a new session there; none for a person who had one.
    pub session: Option<Pair>,
}

impl Invitation {
    /// Its state at that time.
    #[must_use]
    pub fn state(&self, now: Moment) -> State {
        match self.outcome.as_deref() {
            Some("ACCEPTED") => State::Accepted,
            Some("DECLINED") => State::Declined,
            Some(_) => State::Revoked,
            None if now < self.expires_at => State::Pending,
            None => State::Expired,
        }
    }
}

/// The address that the person opens.
#[must_use]
pub fn address(hub: &Hub, token: &Secret) -> Secret {
    Secret::from(format!("{}/#/invitation/{}", hub.access.base_url, token.expose()))
}

/// Those of the ids that belong to the tenant.
pub async fn by_ids(cx: &Cx, ids: &[InvitationId]) -> Result<Vec<Invitation>> {
    Ok(entity::of(cx.tenant()?).filter(entity::COLUMN.id.is_in(ids.iter().copied())).all(cx.db()).await?)
}

/// The invitations of the tenant.
pub async fn list(cx: &Cx, args: &PageArgs) -> Result<Page<Invitation>> {
    let all = entity::of(cx.tenant()?);
    page::by_key(cx.db(), "invitations", all, entity::Column::Id, |row| row.id.uuid(), args).await
}

/// Number of invitations of the tenant.
pub async fn count(cx: &Cx) -> Result<u64> {
    Ok(entity::of(cx.tenant()?).count(cx.db()).await?)
}

/// The open invitations to the person who calls, with the tenants that sent them.
pub async fn received(cx: &Cx) -> Result<Vec<(Invitation, Tenant)>> {
    let Actor::User(user) = cx.actor() else { return Ok(Vec::new()) };
    let Some(known) = person::by_id(user).first(cx.db()).await? else { return Ok(Vec::new()) };
    let open = entity::open_to(&known.email, cx.now()).limit(SHOWN).all(cx.db()).await?;
    let tenants = tenant::of_any(open.iter().map(|row| row.tenant_id).collect()).all(cx.db()).await?;
    let with_tenant = |row: Invitation| {
        let tenant = tenants.iter().find(|tenant| tenant.id == row.tenant_id)?;
        (tenant.state() == Status::Active).then(|| (row, tenant.clone()))
    };
    Ok(open.into_iter().filter_map(with_tenant).collect())
}

/// Invites somebody; gives the invitation and the secret of its link, which a repeated request does not get.
pub async fn invite(cx: &Cx, new: NewInvitation, key: Option<&str>) -> Result<(Invitation, Option<Secret>)> {
    let (id, secret) = cx
        .write(async |txn| {
            let ticket = match txn.once("inviteMember", key, &new).await? {
                Once::Repeated(id) => return Ok((id, None)),
                Once::First(ticket) => ticket,
            };
            let (tenant, now, role) = (cx.tenant()?, txn.now(), new.role.0);
            let mut check = Check::new();
            let email = check.take("email", input::email(&new.email));
            check.done()?;
            may_grant(cx, role, role.scopes())?;
            if person::of(tenant).filter(person::COLUMN.email.eq(&email)).count(&**txn).await? > 0 {
                return Err(membership::member_already());
            }
            for earlier in open(txn, tenant, &email).await? {
                end(txn, earlier, "REVOKED").await?;
            }
            let secret = token::mint(token::Kind::OneTime, &*cx.hub().chance);
            let row = Invitation {
                id: txn.id(),
                tenant_id: tenant,
                email,
                role,
                digest: token::digest(secret.expose()).to_vec(),
                created_by: cx.actor().to_string(),
                created_at: now,
                expires_at: now + LIFE,
                ended_at: None,
                outcome: None,
            };
            entity::Entity::insert(row.clone().into_active_model()).exec_without_returning(&**txn).await?;
            let fact = AccessEvent::InvitationCreated { invitation: row.id, email: row.email, role: role.to_string() };
            txn.emit(&fact)?;
            txn.audit(Audit::of(&fact).after(json!(fact)))?;
            ticket.created(txn, row.id).await?;
            Ok((row.id, Some(secret)))
        })
        .await?;
    let row = by_ids(cx, &[id]).await?.pop().ok_or(Error::NotFound("invitation"))?;
    Ok((row, secret))
}

/// Revokes an invitation of the tenant; one that has ended stays as it is.
pub async fn revoke(cx: &Cx, id: InvitationId) -> Result<Invitation> {
    cx.write(async |txn| {
        let found = entity::of(cx.tenant()?).filter(entity::COLUMN.id.eq(id)).lock_exclusive().first(&**txn).await?;
        let found = found.ok_or(Error::NotFound("invitation"))?;
        if found.ended_at.is_some() { Ok(found) } else { end(txn, found, "REVOKED").await }
    })
    .await
}

/// Declines an invitation by its link.
pub async fn decline(cx: &Cx, text: &str) -> Result<()> {
    let outcome = cx
        .write(async |txn| match look(txn, text).await? {
            Ok(found) => {
                end(txn, found, "DECLINED").await?;
                Ok(Ok(()))
            }
            Err(refusal) => Ok(Err(refusal)),
        })
        .await?;
    noted(cx, "declineInvitation", outcome)
}

/// Accepts an invitation by its link.
pub async fn accept(cx: &Cx, text: &str, with: Acceptance, client: &Client) -> Result<Accepted> {
    let outcome = match invited_caller(cx, text).await? {
        Some(caller) => {
            let joined = cx.write(async |txn| join(txn, text, Joining::Person(caller)).await).await?;
            joined.map(|(tenant, role)| (tenant, role, None))
        }
        None => with_password(cx, text, with, client).await,
    };
    let (tenant, role, session) = noted(cx, "acceptInvitation", outcome)?;
    let tenant = tenant::of_any(vec![tenant]).first(cx.db()).await?.ok_or(Error::NotFound("tenant"))?;
    Ok(Accepted { tenant, role, session })
}

/// The person who calls, if the invitation is for that person's email address.
async fn invited_caller(cx: &Cx, text: &str) -> Result<Option<UserId>> {
    let Actor::User(user) = cx.actor() else { return Ok(None) };
    let found = entity::by_digest(&token::digest(text)).first(cx.db()).await?;
    let known = person::by_id(user).first(cx.db()).await?;
    Ok(known.filter(|known| found.is_some_and(|found| found.email == known.email)).map(|known| known.id))
}

/// Accepts with a password: that of the account, or of the one that begins.
async fn with_password(
    cx: &Cx,
    text: &str,
    with: Acceptance,
    client: &Client,
) -> Result<(TenantId, Role, Option<Pair>), TurnedAway> {
    let found = match cx.write(async |txn| look(txn, text).await).await? {
        Ok(found) => found,
        Err(refusal) => return Err(refusal),
    };
    // Both are asked for in any case: what is missing must not tell whether there is an account.
    let mut check = Check::new();
    let name = check.take("name", input::name(&with.name.unwrap_or_default()));
    let secret = with.password.unwrap_or_else(|| Secret::from(String::new()));
    check.that(password::acceptable(secret.expose()).is_ok(), "password", password::RULE);
    check.done()?;
    let attempt = attempt_limit::SIGN_IN.take(cx, &found.email).await?;
    let joining = match joining(cx, &found, name, secret).await {
        Ok(joining) => joining,
        Err(error) => {
            attempt.not_made(cx).await?;
            return Err(error.into());
        }
    };
    let Some(joining) = joining else {
        let whose = Whose::Tenant(found.tenant_id);
        return Err(TurnedAway::of(WRONG, whose, Actor::Anonymous, found.id, "the password is wrong"));
    };
    let (Joining::Person(user) | Joining::Newcomer(user, ..)) = &joining;
    let user = *user;
    let acting = cx.with_caller(Caller { actor: Actor::User(user), principal: None });
    let (tenant, role) = acting.write(async |txn| join(txn, text, joining.clone()).await).await??;
    attempt.succeeded(cx).await?;
    let session = session::begin(cx, user, Some(tenant), client).await?;
    Ok((tenant, role, Some(session)))
}

/// The person who joins.
#[derive(Clone)]
enum Joining {
    /// Somebody with an account.
    Person(UserId),
    /// Somebody whose account begins, with this id, name and password hash.
    Newcomer(UserId, String, String),
}

/// Compares the password with that of the account, or hashes it for a new one; one hash in either case.
async fn joining(cx: &Cx, found: &Invitation, name: String, secret: Secret) -> Result<Option<Joining>> {
    match person::by_email(&found.email).first(cx.db()).await? {
        Some(known) => {
            let fits = password::fits(cx.hub(), secret, known.password_hash).await?;
            Ok(fits.then_some(Joining::Person(known.id)))
        }
        None => Ok(Some(Joining::Newcomer(cx.id(), name, password::hash(cx.hub(), secret).await?))),
    }
}

/// Makes somebody a member, and the invitation accepted.
async fn join(txn: &Txn, text: &str, who: Joining) -> Result<Result<(TenantId, Role), TurnedAway>> {
    let found = match look(txn, text).await? {
        Ok(found) => found,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let (tenant, role, email) = (found.tenant_id, found.role, found.email.clone());
    let user = match who {
        Joining::Person(user) => {
            // Held against whoever makes a link for the account at the same time.
            let known = person::by_id(user).lock_exclusive().first(&**txn).await?;
            known.filter(|known| known.email == email).ok_or(REFUSED)?;
            one_time_token::forget_all(user).exec(&**txn).await?;
            user
        }
        Joining::Newcomer(id, name, hash) => {
            let account = user::Account { id, email: email.clone(), name, password_hash: Some(hash) };
            match user::insert_in(txn, tenant, account).await {
                Ok(user) => user,
                // Somebody was quicker.
                Err(Error::Refused(_)) => return Err(WRONG),
                Err(error) => return Err(error),
            }
        }
    };
    end(txn, found, "ACCEPTED").await?;
    for other in open(txn, tenant, &email).await? {
        end(txn, other, "REVOKED").await?;
    }
    membership::insert_in(txn, tenant, user, role).await?;
    Ok(Ok((tenant, role)))
}

/// The open invitations of the tenant to an email address.
async fn open(txn: &Txn, tenant: TenantId, email: &str) -> Result<Vec<Invitation>> {
    let open = entity::of(tenant).filter(entity::COLUMN.email.eq(email)).filter(entity::COLUMN.ended_at.is_null());
    Ok(open.lock_exclusive().all(&**txn).await?)
}

/// An invitation that can be accepted or declined, held until the commit; or why there is none.
async fn look(txn: &Txn, text: &str) -> Result<Result<Invitation, TurnedAway>> {
    if !token::well_formed(token::Kind::OneTime, text) {
        return Ok(Err(REFUSED.into()));
    }
    let found = entity::by_digest(&token::digest(text)).lock_exclusive().first(&**txn).await?;
    let Some(row) = found else { return Ok(Err(REFUSED.into())) };
    let reason = match row.state(txn.now()) {
        State::Pending => {
            let tenant = tenant::of_any(vec![row.tenant_id]).first(&**txn).await?;
            match tenant.map(|tenant| tenant.state()) {
                Some(Status::Active) => return Ok(Ok(row)),
                // The link stays good for when that is over.
                Some(Status::Suspended) => return Err(Error::Suspended),
                _ => return Ok(Err(REFUSED.into())),
            }
        }
        State::Accepted => "the invitation was accepted before",
        State::Declined => "the invitation was declined",
        State::Revoked => "the invitation was revoked",
        State::Expired => "the invitation is too old",
    };
    Ok(Err(TurnedAway::of(REFUSED, Whose::Tenant(row.tenant_id), Actor::Anonymous, row.id, reason)))
}

/// Ends an invitation, with its event and its audit entry.
async fn end(txn: &Txn, found: Invitation, outcome: &'static str) -> Result<Invitation> {
    let (tenant, invitation, email) = (found.tenant_id, found.id, found.email.clone());
    let mut row = found.into_active_model();
    row.ended_at = Set(Some(txn.now()));
    row.outcome = Set(Some(outcome.to_owned()));
    let row = row.update(&**txn).await?;
    let fact = match outcome {
        "ACCEPTED" => AccessEvent::InvitationAccepted { invitation, email },
        "DECLINED" => AccessEvent::InvitationDeclined { invitation, email },
        _ => AccessEvent::InvitationRevoked { invitation, email },
    };
    txn.emit_in(tenant, &fact)?;
    txn.audit_in(tenant, Audit::of(&fact).after(json!(fact)));
    Ok(row)
}
