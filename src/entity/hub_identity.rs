//! The id of this hub: one row, made by a migration and never changed.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "hub_identity")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i16,
    pub hub_id: Uuid,
}

impl ActiveModelBehavior for ActiveModel {}

/// The one row.
pub fn row() -> Select<Entity> {
    Entity::find().filter(COLUMN.id.eq(1))
}
