//! What webhooks say, in our words: each thing that happened once, whichever webhook said it first.

use sea_orm::{DeleteMany, QuerySelect, entity::prelude::*, sea_query::OnConflict};

use crate::kernel::id::{IntegrationId, TenantId, WebhookEventId, WebhookSourceId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_items")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub webhook_id: WebhookEventId,
    /// Its place in the webhook, from 0.
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i32,
    pub tenant_id: TenantId,
    pub source_id: WebhookSourceId,
    pub integration_id: Option<IntegrationId>,
    /// What is the same when the provider tells of it again.
    pub event_key: String,
    /// The provider's word.
    pub kind: String,
    /// Our word.
    pub happening: Option<String>,
    /// The id of what it happened to.
    pub subject: Option<String>,
    /// When it happened, or was heard of.
    pub at: DateTimeUtc,
    /// All of it, as JSON, byte by byte the same each time.
    pub normalised: String,
}

impl ActiveModelBehavior for ActiveModel {}

/// What the tenant's webhooks say.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// What these webhooks of the tenant say.
pub fn of_webhooks(tenant: TenantId, webhooks: &[WebhookEventId]) -> Select<Entity> {
    of(tenant).filter(COLUMN.webhook_id.is_in(webhooks.iter().copied()))
}

/// Which of their items these webhooks of the tenant were the first to tell, as webhook and number.
pub fn first_told(tenant: TenantId, webhooks: &[WebhookEventId]) -> Select<Entity> {
    of_webhooks(tenant, webhooks).select_only().columns([Column::WebhookId, Column::Number])
}

/// What these webhooks of the tenant say, to forget.
pub fn forget(tenant: TenantId, webhooks: &[WebhookEventId]) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.tenant_id.eq(tenant)).filter(COLUMN.webhook_id.is_in(webhooks.iter().copied()))
}

/// What these webhooks of the whole hub say; for retention.
pub fn of_old(webhooks: &[WebhookEventId]) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.webhook_id.is_in(webhooks.iter().copied()))
}

/// It was told before.
pub fn known() -> OnConflict {
    OnConflict::columns([Column::TenantId, Column::SourceId, Column::EventKey]).do_nothing().to_owned()
}
