//! What an integration can be told to do: the part of the provider's catalogue that was imported.

use sea_orm::{DeleteMany, entity::prelude::*};

use crate::kernel::id::{IntegrationActionId, IntegrationId, TenantId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "integration_actions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: IntegrationActionId,
    pub tenant_id: TenantId,
    pub integration_id: IntegrationId,
    pub key: String,
    pub name: String,
    pub description: String,
    pub effect: String,
    /// The JSON Schema of what it takes.
    pub input: Json,
    /// The JSON Schema of what it gives.
    pub output: Json,
    pub imported_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// The actions of the tenant's integrations.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// What was imported for an integration, to forget.
pub fn forget(tenant: TenantId, integration: IntegrationId) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.tenant_id.eq(tenant)).filter(COLUMN.integration_id.eq(integration))
}
