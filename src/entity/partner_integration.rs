//! What a partner integration has beside what every integration has. It has the id of its integration.

use sea_orm::{QuerySelect, UpdateMany, entity::prelude::*};

use crate::kernel::id::{IntegrationId, PartnerOrganizationId, TenantId, WebhookDestinationId, WebhookSourceId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "partner_integrations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: IntegrationId,
    pub tenant_id: TenantId,
    pub partner_organization_id: PartnerOrganizationId,
    pub api_base_url: Option<String>,
    pub api_version: Option<String>,
    /// In the words of the seed: `api_key`, `oauth2`, `basic_auth`, `bearer_token`.
    pub authentication_type: String,
    /// Where the partner is told.
    pub destination_id: Option<WebhookDestinationId>,
    /// Where it tells us.
    pub source_id: Option<WebhookSourceId>,
    /// What it wants to be told.
    pub webhook_events: Json,
    pub last_heard_at: Option<DateTimeUtc>,
    pub last_error_at: Option<DateTimeUtc>,
    pub last_error_message: Option<String>,
    /// Up to which change its records were seen to.
    pub records_seen: i64,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// The partner integrations of the tenant.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// One of them, held until the commit.
pub fn held(tenant: TenantId, id: IntegrationId) -> Select<Entity> {
    of(tenant).filter(COLUMN.id.eq(id)).lock_exclusive()
}

/// One of them, to change columns of.
pub fn update_of(tenant: TenantId, id: IntegrationId) -> UpdateMany<Entity> {
    Entity::update_many().filter(COLUMN.tenant_id.eq(tenant)).filter(COLUMN.id.eq(id))
}

/// Those of the whole hub by their ids; for who reads the log of all tenants.
pub fn of_hub(ids: impl IntoIterator<Item = IntegrationId>) -> Select<Entity> {
    Entity::find().filter(COLUMN.id.is_in(ids))
}

/// Whether the hub has any, for who removes what they may still need.
pub fn any() -> Select<Entity> {
    Entity::find().limit(1)
}

/// The ids of those of an organisation, for a condition on what belongs to them.
pub fn ids_of(tenant: TenantId, partner: PartnerOrganizationId) -> sea_orm::sea_query::SelectStatement {
    let own = of(tenant).filter(COLUMN.partner_organization_id.eq(partner));
    sea_orm::QueryTrait::into_query(own.select_only().column(Column::Id))
}
