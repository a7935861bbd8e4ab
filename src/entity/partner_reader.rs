//! How far the log was read for partners: one row, held by who reads on.

use sea_orm::{QuerySelect, UpdateMany, entity::prelude::*, sea_query::Expr};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "partner_reader")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i16,
    /// Up to there everything has had its effect.
    pub position: i64,
}

impl ActiveModelBehavior for ActiveModel {}

/// The one row.
pub fn row() -> Select<Entity> {
    Entity::find().filter(COLUMN.id.eq(1))
}

/// The one row, held until the commit.
pub fn held() -> Select<Entity> {
    row().lock_exclusive()
}

/// Notes how far the log was read; never back.
pub fn moved(position: i64) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::Position, Expr::value(position))
        .filter(COLUMN.id.eq(1))
        .filter(COLUMN.position.lt(position))
}

/// Moves the position back; for one that lies beyond the end of the log.
pub fn moved_back(position: i64) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::Position, Expr::value(position))
        .filter(COLUMN.id.eq(1))
        .filter(COLUMN.position.gt(position))
}
