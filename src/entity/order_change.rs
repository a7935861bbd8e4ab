//! What happened to orders.

use sea_orm::{QueryOrder, entity::prelude::*};

use crate::kernel::id::{IntegrationId, OrderChangeId, OrderId, TenantId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "order_changes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: OrderChangeId,
    pub tenant_id: TenantId,
    pub order_id: OrderId,
    /// Its place in the history of the order, from 1.
    pub number: i32,
    pub kind: Kind,
    pub from_status: Option<String>,
    pub to_status: Option<String>,
    /// Other fields that changed, from what to what.
    pub changes: Json,
    pub reason: Option<String>,
    /// The word of the partner from whom it came.
    pub partner_status: Option<String>,
    /// The partner integration by which it came, if it came from a partner.
    pub origin: Option<IntegrationId>,
    pub actor: String,
    /// By the clock of who said it.
    pub happened_at: DateTimeUtc,
    pub at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// What kind of change it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Kind {
    #[sea_orm(string_value = "CREATED")]
    Created,
    #[sea_orm(string_value = "UPDATED")]
    Updated,
    #[sea_orm(string_value = "STATUS_CHANGED")]
    StatusChanged,
}

/// What happened to these orders of the tenant, in order.
pub fn of_orders(tenant: TenantId, orders: &[OrderId]) -> Select<Entity> {
    Entity::find()
        .filter(COLUMN.tenant_id.eq(tenant))
        .filter(COLUMN.order_id.is_in(orders.iter().copied()))
        .order_by_asc(Column::OrderId)
        .order_by_asc(Column::Number)
}
