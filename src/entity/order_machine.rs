//! Which statuses the orders of a tenant can have, where it chose others than the usual ones.

use sea_orm::{entity::prelude::*, sea_query::OnConflict};

use crate::kernel::id::TenantId;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "order_machines")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: TenantId,
    /// Names, the first one where orders begin.
    pub statuses: Json,
    /// To which ones each may change.
    pub transitions: Json,
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// The tenant's own, if it has one.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// In place of the one before.
pub fn replaced() -> OnConflict {
    OnConflict::column(Column::TenantId)
        .update_columns([Column::Statuses, Column::Transitions, Column::UpdatedAt])
        .to_owned()
}
