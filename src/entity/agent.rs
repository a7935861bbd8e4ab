//! Agents: machine users of a tenant. They cannot sign in; they have tokens.

use sea_orm::entity::prelude::*;

use crate::kernel::{
    id::{AgentId, TenantId},
    scope::Role,
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "agents")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AgentId,
    pub tenant_id: TenantId,
    pub name: String,
    pub description: Option<String>,
    pub role: Role,
    /// Names of the scopes the agent is narrowed to; null means all of its role.
    pub scopes: Option<Json>,
    pub created_by: String,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
    pub disabled_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}

/// The agents of the tenant.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}
