//! Signed places in the audit chains.

use sea_orm::{DeleteMany, entity::prelude::*};

use crate::kernel::id::{SigningKeyId, TenantId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_checkpoints")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: TenantId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i64,
    pub hash: Vec<u8>,
    pub at: DateTimeUtc,
    pub key_id: SigningKeyId,
    pub signature: Vec<u8>,
    /// When the entries up to here were removed because they were old.
    pub pruned_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}

/// The checkpoints of the tenant.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// The checkpoints of the tenant before a number, for retention.
pub fn before(tenant: TenantId, number: i64) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.tenant_id.eq(tenant)).filter(COLUMN.number.lt(number))
}
