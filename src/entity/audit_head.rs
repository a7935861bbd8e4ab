//! The newest entry of each tenant's audit chain. Its row is held by who adds to the chain.

use sea_orm::{DeleteMany, entity::prelude::*};

use crate::kernel::id::TenantId;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_heads")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: TenantId,
    pub number: i64,
    pub hash: Vec<u8>,
}

impl ActiveModelBehavior for ActiveModel {}

/// The head of the tenant's chain.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find_by_id(tenant)
}

/// Every head, for the signer of checkpoints.
pub fn of_hub() -> Select<Entity> {
    Entity::find()
}

/// Forgets the head of a chain of which nothing is left.
pub fn forget(tenant: TenantId) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.tenant_id.eq(tenant))
}
