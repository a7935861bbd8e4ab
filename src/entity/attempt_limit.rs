//! Attempts of a limited kind by one key, as a bucket that drains at a constant rate.
//!
//! The row holds one number: when the bucket will be empty, in milliseconds since 1970. An attempt moves it one
//! interval further; it is refused when that would be more than the bucket holds. No other row is needed for the wait,
//! and the whole step is one statement.

use sea_orm::{
    DeleteMany, UpdateMany,
    entity::prelude::*,
    sea_query::{ExprTrait, OnConflict, SimpleExpr},
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "attempt_limits")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    pub empty_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}

/// The buckets with these keys.
pub fn by_keys<'a>(keys: impl IntoIterator<Item = &'a str>) -> Select<Entity> {
    Entity::find().filter(COLUMN.key.is_in(keys))
}

/// Adds an attempt to a bucket whose last one lies at or before `latest`; the conflicting row of an insert.
pub fn adding(now: i64, interval: i64, latest: i64) -> OnConflict {
    let empty_at = || Expr::col((Entity, Column::EmptyAt));
    let begins: SimpleExpr = Expr::case(empty_at().gt(now), empty_at()).finally(now).into();
    OnConflict::column(Column::Key)
        .value(Column::EmptyAt, begins.add(interval))
        .action_and_where(empty_at().lte(latest))
        .to_owned()
}

/// Takes an attempt out of a bucket.
pub fn removing(key: &str, interval: i64) -> UpdateMany<Entity> {
    Entity::update_many().col_expr(Column::EmptyAt, Expr::col(Column::EmptyAt).sub(interval)).filter(COLUMN.key.eq(key))
}

/// Empties a bucket.
pub fn emptying(key: &str) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.key.eq(key))
}

/// Forgets buckets that have been empty since `before`.
pub fn empty_since(before: i64) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.empty_at.lt(before))
}
