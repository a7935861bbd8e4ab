//! Everything that is sealed, in one table, so that keys rotate in one place. Only the concern that guards
//! secrets selects here.

use sea_orm::{DeleteMany, entity::prelude::*};

use crate::kernel::id::{SecretId, TenantId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "secrets")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SecretId,
    pub tenant_id: TenantId,
    /// The id of what the secret belongs to.
    pub owner: String,
    /// Which of the owner's secrets it is.
    pub name: String,
    pub key_version: i32,
    pub sealed: Vec<u8>,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// The secrets of the tenant.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// Every secret of the hub, for the checks of its operators.
pub fn of_hub() -> Select<Entity> {
    Entity::find()
}

/// The secrets of these owners, each of a tenant, for who opens those of many at once.
pub fn of_owners(owners: impl IntoIterator<Item = (TenantId, String)>) -> Select<Entity> {
    let pairs = owners.into_iter().map(|(tenant, owner)| (Value::from(tenant), Value::from(owner)));
    Entity::find().filter(super::pair::among([Column::TenantId, Column::Owner], pairs))
}

/// The tenant's secrets of one owner, to forget.
pub fn forget(tenant: TenantId, owner: &str) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.tenant_id.eq(tenant)).filter(COLUMN.owner.eq(owner))
}

/// All the tenant's secrets, to forget.
pub fn forget_all(tenant: TenantId) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.tenant_id.eq(tenant))
}
