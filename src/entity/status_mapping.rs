//! Versions of what the words of a partner mean.

use sea_orm::{
    QueryOrder, QuerySelect, UpdateMany,
    entity::prelude::*,
    sea_query::{Expr, ExprTrait},
};

use crate::kernel::id::{IntegrationId, StatusMappingId, TenantId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "status_mappings")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: StatusMappingId,
    pub tenant_id: TenantId,
    pub partner_integration_id: IntegrationId,
    pub version: i32,
    pub state: State,
    /// As it was given.
    pub given: Json,
    /// As it is used.
    pub rules: Json,
    pub findings: Json,
    pub simulation: Option<Json>,
    /// Updates that it would have been asked about while it ran beside the one in use.
    pub shadow_seen: i64,
    /// Of these, those of which it says something else.
    pub shadow_differs: i64,
    pub created_by: String,
    pub created_at: DateTimeUtc,
    pub activated_at: Option<DateTimeUtc>,
    pub retired_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}

/// How far a version has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum State {
    #[sea_orm(string_value = "DRAFT")]
    Draft,
    #[sea_orm(string_value = "VALIDATED")]
    Validated,
    #[sea_orm(string_value = "SIMULATED")]
    Simulated,
    #[sea_orm(string_value = "SHADOW")]
    Shadow,
    #[sea_orm(string_value = "ACTIVE")]
    Active,
    #[sea_orm(string_value = "RETIRED")]
    Retired,
}

impl State {
    /// The name in events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Draft => "DRAFT",
            Self::Validated => "VALIDATED",
            Self::Simulated => "SIMULATED",
            Self::Shadow => "SHADOW",
            Self::Active => "ACTIVE",
            Self::Retired => "RETIRED",
        }
    }
}

/// The versions of the tenant.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// Those of a partner integration, the newest first.
pub fn of_integration(tenant: TenantId, integration: IntegrationId) -> Select<Entity> {
    of(tenant).filter(COLUMN.partner_integration_id.eq(integration)).order_by_desc(Column::Version)
}

/// Those of partner integrations that decide, or run beside.
pub fn in_use(tenant: TenantId, integrations: &[IntegrationId]) -> Select<Entity> {
    of(tenant)
        .filter(COLUMN.partner_integration_id.is_in(integrations.iter().copied()))
        .filter(COLUMN.state.is_in([State::Active, State::Shadow]))
}

/// One of them, held until the commit.
pub fn held(tenant: TenantId, id: StatusMappingId) -> Select<Entity> {
    of(tenant).filter(COLUMN.id.eq(id)).lock_exclusive()
}

/// Counts an update that a version saw beside the one in use.
pub fn shadowed(tenant: TenantId, id: StatusMappingId, differs: bool) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::ShadowSeen, Expr::col(Column::ShadowSeen).add(1))
        .col_expr(Column::ShadowDiffers, Expr::col(Column::ShadowDiffers).add(i64::from(differs)))
        .filter(COLUMN.tenant_id.eq(tenant))
        .filter(COLUMN.id.eq(id))
}
