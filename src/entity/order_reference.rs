//! What others call an order.

use sea_orm::{DeleteMany, QueryOrder, QuerySelect, entity::prelude::*, sea_query::OnConflict};

use crate::kernel::id::{IntegrationId, OrderId, TenantId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "order_references")]
pub struct Model {
    pub tenant_id: TenantId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub order_id: OrderId,
    /// By which partner integration it is called so; nil if by none.
    #[sea_orm(primary_key, auto_increment = false)]
    pub partner_integration_id: IntegrationId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: String,
    pub value: String,
    /// Whether no other order of that integration is called so.
    pub identifies: bool,
}

impl ActiveModelBehavior for ActiveModel {}

/// The references of the tenant's orders.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// Those of these orders, by kind.
pub fn of_orders(tenant: TenantId, orders: &[OrderId]) -> Select<Entity> {
    of(tenant)
        .filter(COLUMN.order_id.is_in(orders.iter().copied()))
        .order_by_asc(Column::OrderId)
        .order_by_asc(Column::Kind)
}

/// The orders that are called so, for a condition on orders.
pub fn orders_called(tenant: TenantId, kind: Option<&str>, value: &str) -> Select<Entity> {
    let select = of(tenant).filter(COLUMN.value.eq(value)).select_only().column(Column::OrderId);
    match kind {
        Some(kind) => select.filter(COLUMN.kind.eq(kind)),
        None => select,
    }
}

/// Some of an order's, to forget.
pub fn forget(tenant: TenantId, order: OrderId, integration: IntegrationId, kinds: &[&str]) -> DeleteMany<Entity> {
    Entity::delete_many()
        .filter(COLUMN.tenant_id.eq(tenant))
        .filter(COLUMN.order_id.eq(order))
        .filter(COLUMN.partner_integration_id.eq(integration))
        .filter(COLUMN.kind.is_in(kinds.iter().copied()))
}

/// In place of the one before.
pub fn replaced() -> OnConflict {
    OnConflict::columns([Column::OrderId, Column::PartnerIntegrationId, Column::Kind])
        .update_columns([Column::Value, Column::Identifies])
        .to_owned()
}
