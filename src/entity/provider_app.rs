//! The operator's own applications at providers: the hub's, which serve every tenant, and those of tenants
//! that brought their own.

use sea_orm::entity::prelude::*;

use crate::kernel::id::{ProviderAppId, TenantId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "provider_apps")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ProviderAppId,
    /// The tenant, or the hub itself.
    pub tenant_id: TenantId,
    pub provider: String,
    /// What may be seen of each field, by name.
    pub hints: Json,
    pub created_by: String,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// The applications of the tenant, or of the hub.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// The applications of these, the hub or tenants, at these providers, for who calls for many at once.
pub fn of_hub(whose: Vec<TenantId>, providers: Vec<String>) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.is_in(whose)).filter(COLUMN.provider.is_in(providers))
}
