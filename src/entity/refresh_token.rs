//! Refresh tokens: never the token, only its digest. Used ones stay, so that a second use is recognised.

use sea_orm::entity::prelude::*;

use crate::kernel::id::{RefreshTokenId, SessionId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "refresh_tokens")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RefreshTokenId,
    pub session_id: SessionId,
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
