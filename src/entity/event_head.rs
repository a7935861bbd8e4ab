//! How far each tenant's log has come, and from where it is still kept.

use sea_orm::{UpdateMany, entity::prelude::*};

use crate::kernel::id::TenantId;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "event_heads")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: TenantId,
    /// The number of the newest event.
    pub number: i64,
    /// The number of the oldest event that is kept; one more than `number` when none is.
    pub oldest: i64,
}

impl ActiveModelBehavior for ActiveModel {}

/// The head of the tenant's log.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// Notes from which number on a tenant's events are kept.
pub fn keeps_from(tenant: TenantId, number: i64) -> UpdateMany<Entity> {
    Entity::update_many().col_expr(Column::Oldest, Expr::value(number)).filter(COLUMN.tenant_id.eq(tenant))
}
