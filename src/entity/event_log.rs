//! How far the log of all tenants has come: one row.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "event_log")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i16,
    /// The position of the newest event.
    pub position: i64,
}

impl ActiveModelBehavior for ActiveModel {}

/// The one row.
pub fn row() -> Select<Entity> {
    Entity::find().filter(COLUMN.id.eq(1))
}
