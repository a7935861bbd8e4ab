//! Orders.

use sea_orm::{QuerySelect, entity::prelude::*};

use crate::kernel::id::{IntegrationId, OrderId, PartnerOrganizationId, TenantId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "orders")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: OrderId,
    pub tenant_id: TenantId,
    /// Dense within the tenant, from 1.
    pub number: i64,
    pub status: String,
    /// When it came to be so, by the clock of who said it.
    pub status_at: Option<DateTimeUtc>,
    /// The word of the partner who said it, if one did.
    pub partner_status: Option<String>,
    pub customer: Json,
    pub lines: Json,
    pub currency: Option<String>,
    /// In the smallest unit of the currency.
    pub total: i64,
    pub addresses: Json,
    pub notes: Option<String>,
    pub partner_organization_id: Option<PartnerOrganizationId>,
    pub partner_integration_id: Option<IntegrationId>,
    /// As the partner sent it.
    pub partner_body: Option<Json>,
    /// How many lines its history has.
    pub changes: i32,
    pub created_by: String,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// The orders of the tenant.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// One of them, held until the commit.
pub fn held(tenant: TenantId, id: OrderId) -> Select<Entity> {
    of(tenant).filter(COLUMN.id.eq(id)).lock_exclusive()
}
