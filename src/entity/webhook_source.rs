//! Where providers send webhooks. What comes to one may be of integrations of other tenants, where one application at
//! the provider serves many.

use sea_orm::{QueryOrder, QuerySelect, UpdateMany, entity::prelude::*, sea_query::ExprTrait};

use crate::kernel::id::{IntegrationId, TenantId, WebhookSourceId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_sources")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: WebhookSourceId,
    pub tenant_id: TenantId,
    /// The key of the provider's file.
    pub provider: String,
    /// The integration whose webhooks come here, if all are of one.
    pub integration_id: Option<IntegrationId>,
    pub name: String,
    /// The SHA-256 of the address.
    pub digest: Vec<u8>,
    /// The last part of its URL.
    pub address: String,
    pub enabled: bool,
    /// Whether webhooks of other tenants' integrations come here, too.
    pub hub_wide: bool,
    /// What may be seen of each secret, by name.
    pub hints: Json,
    /// Until then the secrets before count as well.
    pub overlap_until: Option<DateTimeUtc>,
    /// Webhooks that were not believed.
    pub refused: i64,
    /// Changes of records were compared with what was heard up to that moment.
    pub compared_to: DateTimeUtc,
    pub compared: i64,
    pub missed: i64,
    pub created_by: String,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// The sources of the tenant.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// Those by which a tenant's webhooks are read: its own, and those that serve every tenant.
pub fn serving(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant).or(COLUMN.hub_wide.eq(true)))
}

/// One of them, held until the commit.
pub fn held(tenant: TenantId, id: WebhookSourceId) -> Select<Entity> {
    of(tenant).filter(COLUMN.id.eq(id)).lock_exclusive()
}

/// One of them, to change columns of.
pub fn update_of(tenant: TenantId, id: WebhookSourceId) -> UpdateMany<Entity> {
    Entity::update_many().filter(COLUMN.tenant_id.eq(tenant)).filter(COLUMN.id.eq(id))
}

/// Whoever's it is that has this address; for what comes from outside, which knows no tenant.
pub fn at(digest: &[u8]) -> Select<Entity> {
    Entity::find().filter(COLUMN.digest.eq(digest.to_vec()))
}

/// Those of the whole hub behind an id, in order, for chores that look at each.
pub fn of_anybody(after: Option<WebhookSourceId>, most: u64) -> Select<Entity> {
    let all = Entity::find().order_by_asc(Column::Id).limit(most);
    match after {
        Some(after) => all.filter(COLUMN.id.gt(after)),
        None => all,
    }
}
