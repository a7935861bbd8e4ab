//! Keys under which requests were made, with what came of them.

use sea_orm::{DeleteMany, entity::prelude::*};

use crate::kernel::id::TenantId;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: TenantId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    pub operation: String,
    pub input_digest: Vec<u8>,
    /// What the request created.
    pub subject: Option<Uuid>,
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// The record of one key.
pub fn of(tenant: TenantId, key: &str) -> Select<Entity> {
    Entity::find_by_id((tenant, key.to_owned()))
}

/// Forgets the keys of the tenant that are older than `before`.
pub fn older_than(tenant: TenantId, before: DateTimeUtc) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.tenant_id.eq(tenant)).filter(COLUMN.created_at.lt(before))
}
