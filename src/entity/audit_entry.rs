//! The audit log. Rows are only ever added, and removed by retention alone.

use sea_orm::{DeleteMany, entity::prelude::*};

use crate::kernel::id::{AuditEntryId, TenantId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_entries")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AuditEntryId,
    pub tenant_id: TenantId,
    /// Its place in the tenant's chain, from 1 without holes.
    pub number: i64,
    /// A digest of this entry and of the hash before it.
    pub hash: Vec<u8>,
    pub at: DateTimeUtc,
    pub actor_kind: String,
    pub actor: String,
    pub address: Option<String>,
    pub request_id: String,
    pub action: String,
    pub subject: String,
    pub before: Option<Json>,
    pub after: Option<Json>,
}

impl ActiveModelBehavior for ActiveModel {}

/// The entries of the tenant.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// The entries of the tenant up to a number, for retention.
pub fn up_to(tenant: TenantId, number: i64) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.tenant_id.eq(tenant)).filter(COLUMN.number.lte(number))
}
