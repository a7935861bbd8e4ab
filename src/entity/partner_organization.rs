//! Organisations with which a tenant exchanges orders. They are never deleted, only switched off: orders name them.

use sea_orm::{QuerySelect, entity::prelude::*};

use crate::kernel::id::{PartnerOrganizationId, TenantId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "partner_organizations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PartnerOrganizationId,
    pub tenant_id: TenantId,
    pub name: String,
    /// What sort of partner it is, in the tenant's words.
    pub kind: String,
    pub contacts: Json,
    pub active: bool,
    pub created_by: String,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// The organisations of the tenant.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// One of them, held until the commit.
pub fn held(tenant: TenantId, id: PartnerOrganizationId) -> Select<Entity> {
    of(tenant).filter(COLUMN.id.eq(id)).lock_exclusive()
}
