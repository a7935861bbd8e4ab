//! Tokens that work once: sign-in links, invitations, password resets. Never the token, only its digest.

use sea_orm::{DeleteMany, entity::prelude::*};

use crate::kernel::id::{OneTimeTokenId, UserId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "one_time_tokens")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: OneTimeTokenId,
    pub user_id: UserId,
    pub purpose: String,
    pub digest: Vec<u8>,
    pub created_at: DateTimeUtc,
    pub expires_at: DateTimeUtc,
    pub used_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}

/// The token with that digest, before it is known whose it is.
pub fn by_digest(digest: &[u8]) -> Select<Entity> {
    Entity::find().filter(COLUMN.digest.eq(digest))
}

/// Every token of a person, to forget when others must no longer act on the account.
pub fn forget_all(user: UserId) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.user_id.eq(user))
}

/// The tokens of a person for a purpose, to forget when a newer one is made.
pub fn forget(user: UserId, purpose: &str) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.user_id.eq(user)).filter(COLUMN.purpose.eq(purpose))
}
