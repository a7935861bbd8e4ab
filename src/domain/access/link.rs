//! Links that work once: to sign in, to accept an invitation, to set a new password.
//!
//! A link's token is said when it is made and kept as a digest. Making another one for the same purpose
//! makes the earlier one worthless. Using one, or failing to because it is too old, looks the same from
//! outside as using one that never was.
//!
//! An administrator makes links for people who belong to no other tenant: a link to set a password is the
//! account itself.

use chrono::TimeDelta;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, IntoActiveModel, QuerySelect};

use super::{
    password,
    session::{self, Client, Pair},
    user,
};
use crate::{
    context::{Cx, Txn},
    entity::{one_time_token as entity, user as person},
    event::access::AccessEvent,
    kernel::{
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
    Invitation,
    /// To set another password.
    PasswordReset,
}

impl Purpose {
    /// The name in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SignIn => "SIGN_IN",
            Self::Invitation => "INVITATION",
            Self::PasswordReset => "PASSWORD_RESET",
        }
    }

    const fn life(self) -> TimeDelta {
        match self {
            Self::SignIn => TimeDelta::hours(24),
            Self::Invitation => TimeDelta::days(7),
            Self::PasswordReset => TimeDelta::hours(1),
        }
    }
}

const REFUSED: Error = Error::Unauthenticated("this link was used, is too old, or never was");

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
    let fact = AccessEvent::LinkMade { user, purpose: purpose.name().to_owned() };
    session::record(txn, user, &fact).await?;
    Ok((text, until))
}

/// Signs somebody in by a link.
pub async fn sign_in(cx: &Cx, text: &str, client: &Client) -> Result<Pair> {
    let user = cx.write(async |txn| spend(txn, text, &[Purpose::SignIn]).await).await?;
    session::begin(cx, user, client).await
}

/// Sets a password by a link, ends every session, and signs in.
pub async fn set_password(cx: &Cx, text: &str, new: Secret, client: &Client) -> Result<Pair> {
    password::acceptable(new.expose()).map_err(|reason| Error::invalid("password", reason))?;
    // The link is looked at before the costly hash, and again where it is spent.
    let purposes = [Purpose::Invitation, Purpose::PasswordReset];
    cx.write(async |txn| look(txn, text, &purposes).await.map(drop)).await?;
    let hash = password::hash(cx.hub(), new).await?;
    let user = cx
        .write(async |txn| {
            let user = spend(txn, text, &purposes).await?;
            store(txn, user, hash.clone()).await?;
            Ok(user)
        })
        .await?;
    session::begin(cx, user, client).await
}

/// Changes the caller's own password, ends every session, and signs in again.
pub async fn change_password(cx: &Cx, old: Secret, new: Secret, client: &Client) -> Result<Pair> {
    let crate::kernel::Actor::User(user) = cx.actor() else {
        return Err(Error::invalid("currentPassword", "only people have passwords"));
    };
    password::acceptable(new.expose()).map_err(|reason| Error::invalid("newPassword", reason))?;
    let known = person::by_id(user).one(cx.db()).await?.ok_or(Error::NotFound("user"))?;
    super::lock::open(cx, &known.email).await?;
    if !password::fits(cx.hub(), old, known.password_hash).await? {
        super::lock::failed(cx, &known.email).await?;
        return Err(Error::invalid("currentPassword", "this is not your password"));
    }
    let hash = password::hash(cx.hub(), new).await?;
    cx.write(async |txn| store(txn, user, hash.clone()).await).await?;
    session::begin(cx, user, client).await
}

/// Keeps a new hash and ends every session that the old password opened.
async fn store(txn: &Txn, user: UserId, hash: String) -> Result<()> {
    let known = person::by_id(user).lock_exclusive().one(&**txn).await?.ok_or(Error::NotFound("user"))?;
    let mut row = known.into_active_model();
    row.password_hash = Set(Some(hash));
    row.password_changed_at = Set(Some(txn.now()));
    row.update(&**txn).await?;
    session::end_all(txn, user, "the password changed").await?;
    session::record(txn, user, &AccessEvent::PasswordChanged { user }).await
}

async fn look(txn: &Txn, text: &str, purposes: &[Purpose]) -> Result<entity::Model> {
    if !token::well_formed(token::Kind::OneTime, text) {
        return Err(REFUSED);
    }
    let found = entity::by_digest(&token::digest(text)).lock_exclusive().one(&**txn).await?;
    let usable = |row: &entity::Model| {
        row.used_at.is_none()
            && txn.now() < row.expires_at
            && purposes.iter().any(|purpose| purpose.name() == row.purpose)
    };
    found.filter(usable).ok_or(REFUSED)
}

async fn spend(txn: &Txn, text: &str, purposes: &[Purpose]) -> Result<UserId> {
    let row = look(txn, text, purposes).await?;
    let user = row.user_id;
    let mut row = row.into_active_model();
    row.used_at = Set(Some(txn.now()));
    row.update(&**txn).await?;
    Ok(user)
}
