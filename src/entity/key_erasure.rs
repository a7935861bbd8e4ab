//! Notes that wrapped keys were destroyed or replaced, and that their bytes are still to be erased from the files of
//! the database. They are the hub's own.

use sea_orm::{DeleteMany, QuerySelect, entity::prelude::*};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "key_erasures")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
}

impl ActiveModelBehavior for ActiveModel {}

/// The ids of all of them.
pub fn of_hub() -> Select<Entity> {
    Entity::find().select_only().column(Column::Id)
}

/// Those that are done.
pub fn forget(ids: Vec<Uuid>) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.id.is_in(ids))
}
