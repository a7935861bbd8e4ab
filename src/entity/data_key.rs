//! The data keys of each tenant, wrapped. Rows of the nil tenant are the hub's own.

use sea_orm::{
    DeleteMany, QuerySelect, UpdateMany,
    entity::prelude::*,
    sea_query::{Expr, ExprTrait},
};

use crate::kernel::id::TenantId;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "data_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: TenantId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i32,
    pub master_version: i32,
    pub check_value: Vec<u8>,
    pub sealed: Vec<u8>,
    /// How many times it sealed.
    pub seals: i64,
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// The keys of the tenant.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// The keys of several tenants, for who may see them.
pub fn of_any(tenants: Vec<TenantId>) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.is_in(tenants))
}

/// Those wrapped under an older master key than `version`, of every tenant.
pub fn wrapped_before(version: i32) -> Select<Entity> {
    Entity::find().filter(COLUMN.master_version.lt(version))
}

/// Every key of the hub, for the checks of its operators.
pub fn of_hub() -> Select<Entity> {
    Entity::find()
}

/// The tenants that were given no key after that moment.
pub fn tenants_without_since(moment: DateTimeUtc) -> Select<Entity> {
    let newest = Expr::col(Column::CreatedAt).max();
    Entity::find().select_only().column(Column::TenantId).group_by(Column::TenantId).having(newest.lte(moment))
}

/// Lets keys of the whole hub be as old as now that are said to have been made after a moment.
pub fn made_after(moment: DateTimeUtc, now: DateTimeUtc) -> UpdateMany<Entity> {
    Entity::update_many().col_expr(Column::CreatedAt, Expr::value(now)).filter(COLUMN.created_at.gt(moment))
}

/// Counts seals under one key.
pub fn count_seals(tenant: TenantId, version: i32, seals: i64) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::Seals, Expr::col(Column::Seals).add(seals))
        .filter(COLUMN.tenant_id.eq(tenant))
        .filter(COLUMN.version.eq(version))
}

/// Destroys one key of the tenant.
pub fn destroy(tenant: TenantId, version: i32) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.tenant_id.eq(tenant)).filter(COLUMN.version.eq(version))
}

/// Removes every key of the hub, for who writes them again.
pub fn remove_all() -> DeleteMany<Entity> {
    Entity::delete_many()
}

/// Destroys every key of the tenant.
pub fn destroy_all(tenant: TenantId) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.tenant_id.eq(tenant))
}
