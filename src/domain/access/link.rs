//! Links that work once: to sign in, to accept an invitation, to set a new password.
//!
//! A link's token is said when it is made and kept as a digest. Making another one for the same purpose
//! makes the earlier one worthless. Using one, or failing to because it is too old, looks the same from
//! outside as using one that never was. The token stands behind the `#` of the address, which browsers keep
//! to themselves: it is in no log of a server or a proxy.
//!
//! An administrator makes links for people whose accounts the tenant looks after (see `user::changeable`): a link to
//! set a password is the account itself. When such a person joins another tenant, unused links end. Links to sign in
//! are made by the first start and on the command line only. Who signed in
//! by one and has no password yet may set one; who has one must know it, or be given a link for that.

use chrono::TimeDelta;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, IntoActiveModel, QuerySelect};

use super::{
    attempt_limit, password,
    refusal::{TurnedAway, noted},
    session::{self, Client, Pair},
    standing, user,
};
use crate::{
    context::{Cx, Hub, Txn, Whose},
    entity::{first::First, one_time_token as entity, session as sessions, user as person},
    event::access::AccessEvent,
    kernel::{
        actor::Actor,
        clock::Moment,
        error::{Error, Result},
        id::UserId,
        secret::Secret,
        token,
    },
};

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To sign in, once.
    SignIn,
    /// To set the first password.
    Activation,
    /// To set another password.
    PasswordReset,
}

impl Purpose {
    /// The name in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SignIn => "SIGN_IN",
            Self::Activation => "ACTIVATION",
            Self::PasswordReset => "PASSWORD_RESET",
        }
    }

    const fn life(self) -> TimeDelta {
        match self {
            Self::SignIn => TimeDelta::hours(24),
            Self::Activation => TimeDelta::days(7),
            Self::PasswordReset => TimeDelta::hours(1),
        }
    }
}

const REFUSED: Error = Error::Unauthenticated("this link was used, is too old, or never was");

/// The address that somebody opens to use a link.
#[must_use]
pub fn address(hub: &Hub, purpose: Purpose, token: &Secret) -> Secret {
    let page = match purpose {
        Purpose::SignIn => "sign-in",
        Purpose::Activation | Purpose::PasswordReset => "set-password",
    };
    Secret::from(format!("{}/#/{page}/{}", hub.access.base_url, token.expose()))
}

/// A link for a person of the tenant.
pub async fn make(cx: &Cx, user: UserId, purpose: Purpose) -> Result<(Secret, Moment)> {
    cx.write(async |txn| {
        user::changeable(txn, user).await?;
        insert(txn, user, purpose).await
    })
    .await
}

/// Adds the row; the first start uses it too.
pub(super) async fn insert(txn: &Txn, user: UserId, purpose: Purpose) -> Result<(Secret, Moment)> {
    let (text, now) = (token::mint(token::Kind::OneTime, &*txn.cx().hub().chance), txn.now());
    let row = entity::Model {
        id: txn.id(),
        user_id: user,
        purpose: purpose.name().to_owned(),
        digest: token::digest(text.expose()).to_vec(),
        created_at: now,
        expires_at: now + purpose.life(),
        used_at: None,
    };
    let until = row.expires_at;
    entity::forget(user, purpose.name()).exec(&**txn).await?;
    entity::Entity::insert(row.into_active_model()).exec_without_returning(&**txn).await?;
    let here = txn.cx().tenant()?;
    let fact = AccessEvent::LinkMade { user, purpose: purpose.name().to_owned() };
    session::record_in(txn, here, Some(here), &fact)?;
    Ok((text, until))
}

/// Signs somebody in by a link.
pub async fn sign_in(cx: &Cx, text: &str, client: &Client) -> Result<Pair> {
    let user = noted(cx, "signInWithLink", spend(cx, text, &[Purpose::SignIn], None).await)?;
    session::begin(cx, user, None, client).await
}

/// Sets a password by a link, ends every session, and signs in.
pub async fn set_password(cx: &Cx, text: &str, new: Secret, client: &Client) -> Result<Pair> {
    password::acceptable(new.expose()).map_err(|reason| Error::invalid("password", reason))?;
    // The link is looked at before the costly hash, and again where it is spent.
    let purposes = [Purpose::Activation, Purpose::PasswordReset];
    noted(cx, "setPassword", cx.write(async |txn| look(txn, text, &purposes).await).await?.map(drop))?;
    let hash = password::hash(cx.hub(), new).await?;
    let user = noted(cx, "setPassword", spend(cx, text, &purposes, Some(hash)).await)?;
    session::begin(cx, user, None, client).await
}

/// Changes the caller's own password, ends every session, and signs in again. Who has no password yet sets
/// the first one without `old`.
pub async fn change_password(cx: &Cx, old: Option<Secret>, new: Secret, client: &Client) -> Result<Pair> {
    let (Actor::User(user), Some(session)) = (cx.actor(), cx.principal()?.session) else {
        return Err(Error::NoPerson);
    };
    password::acceptable(new.expose()).map_err(|reason| Error::invalid("newPassword", reason))?;
    let known = person::by_id(user).first(cx.db()).await?.ok_or(Error::NotFound("user"))?;
    noted(cx, "changePassword", knows(cx, known, old).await)?;
    let hash = password::hash(cx.hub(), new).await?;
    let chosen = sessions::by_id(session).first(cx.db()).await?.and_then(|session| session.chosen_tenant);
    cx.write(async |txn| store(txn, user, hash.clone()).await).await?;
    session::begin(cx, user, chosen, client).await
}

/// Passes who knows the password as it is, and who has none.
async fn knows(cx: &Cx, known: person::Model, old: Option<Secret>) -> Result<(), TurnedAway> {
    let Some(hash) = known.password_hash else { return Ok(()) };
    let Some(old) = old else {
        return Err(Error::invalid("currentPassword", "say your password as it is now").into());
    };
    let attempt = attempt_limit::SIGN_IN.take(cx, &known.email).await?;
    match password::fits(cx.hub(), old, Some(hash)).await {
        Ok(true) => return Ok(attempt.succeeded(cx).await?),
        Ok(false) => {}
        Err(error) => {
            attempt.not_made(cx).await?;
            return Err(error.into());
        }
    }
    let refused = Error::invalid("currentPassword", "this is not your password");
    Err(TurnedAway::of(refused, Whose::Person(known.id), cx.actor(), known.id, "the current password is wrong"))
}

/// Keeps a new hash and ends every session that the old password opened.
async fn store(txn: &Txn, user: UserId, hash: String) -> Result<()> {
    let known = person::by_id(user).lock_exclusive().first(&**txn).await?.ok_or(Error::NotFound("user"))?;
    let mut row = known.into_active_model();
    row.password_hash = Set(Some(hash));
    row.password_changed_at = Set(Some(txn.now()));
    row.password_reset_requested_at = Set(None);
    row.update(&**txn).await?;
    // By a link nobody acts in a tenant yet: it counts where the person acts without a choice.
    let here = match txn.cx().tenant() {
        Ok(tenant) if txn.cx().actor() == Actor::User(user) => Some(tenant),
        _ => standing::acting(&**txn, user, None).await?,
    };
    session::end_all(txn, user, here, "the password changed").await?;
    match here {
        Some(here) => session::record_in(txn, here, Some(here), &AccessEvent::PasswordChanged { user }),
        None => Ok(()),
    }
}

/// A link that can be used for one of the purposes, held until the commit; or why there is none.
async fn look(txn: &Txn, text: &str, purposes: &[Purpose]) -> Result<Result<entity::Model, TurnedAway>> {
    if !token::well_formed(token::Kind::OneTime, text) {
        return Ok(Err(REFUSED.into()));
    }
    let found = entity::by_digest(&token::digest(text)).lock_exclusive().first(&**txn).await?;
    let Some(row) = found else { return Ok(Err(REFUSED.into())) };
    let reason = if row.used_at.is_some() {
        "the link was used before"
    } else if txn.now() >= row.expires_at {
        "the link is too old"
    } else if !purposes.iter().any(|purpose| purpose.name() == row.purpose) {
        "the link is for something else"
    } else {
        // Whoever is let in nowhere at present keeps the link for when that is over.
        standing::of_person(&**txn, row.user_id, None).await?;
        return Ok(Ok(row));
    };
    Ok(Err(TurnedAway::claimed(REFUSED, row.user_id, reason)))
}

/// Uses a link up, and keeps the new password if there is one.
async fn spend(cx: &Cx, text: &str, purposes: &[Purpose], hash: Option<String>) -> Result<UserId, TurnedAway> {
    cx.write(async |txn| {
        let row = match look(txn, text, purposes).await? {
            Ok(row) => row,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let user = row.user_id;
        let mut row = row.into_active_model();
        row.used_at = Set(Some(txn.now()));
        row.update(&**txn).await?;
        if let Some(hash) = &hash {
            store(txn, user, hash.clone()).await?;
        }
        Ok(Ok(user))
    })
    .await?
}
