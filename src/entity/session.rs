//! Sessions of people. They stand above tenants, as people do.

use sea_orm::entity::prelude::*;

use crate::kernel::id::{SessionId, UserId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SessionId,
    pub user_id: UserId,
    pub address: Option<String>,
    pub user_agent: Option<String>,
    pub created_at: DateTimeUtc,
    pub last_used_at: DateTimeUtc,
    pub expires_at: DateTimeUtc,
    pub revoked_at: Option<DateTimeUtc>,
    pub revoked_because: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}

/// The sessions of a person.
pub fn of_person(user: UserId) -> Select<Entity> {
    Entity::find().filter(COLUMN.user_id.eq(user))
}

/// The session with that id, before it is known whose it is.
pub fn by_id(session: SessionId) -> Select<Entity> {
    Entity::find_by_id(session)
}
