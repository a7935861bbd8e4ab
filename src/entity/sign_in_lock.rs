//! How often signing in failed lately, by account and by address.

use sea_orm::{DeleteMany, entity::prelude::*};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sign_in_locks")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    pub failures: i32,
    pub failed_at: DateTimeUtc,
    pub locked_until: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}

/// The lock of an account or an address.
pub fn by_key(key: &str) -> Select<Entity> {
    Entity::find_by_id(key.to_owned())
}

/// Forgets a lock.
pub fn forget(key: &str) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.key.eq(key))
}

/// Forgets locks that nobody added to since `before`.
pub fn older_than(before: DateTimeUtc) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.failed_at.lt(before))
}
