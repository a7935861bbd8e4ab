//! Streams of integrations: what is read, how often, and how far it was read.

use sea_orm::{QueryOrder, QuerySelect, UpdateMany, entity::prelude::*, sea_query::OnConflict};

use crate::kernel::id::{IntegrationId, SyncRunId, SyncStreamId, TenantId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sync_streams")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SyncStreamId,
    pub tenant_id: TenantId,
    pub integration_id: IntegrationId,
    /// The key in the provider's file.
    pub stream: String,
    /// How often it is read, if somebody chose that.
    pub plan: Option<Json>,
    /// The rhythm that is set; nothing, if none is.
    pub rhythm: Option<Json>,
    pub paused: bool,
    pub stopped_at: Option<DateTimeUtc>,
    pub stopped_because: Option<String>,
    /// The newest change that was seen.
    pub watermark: Option<DateTimeUtc>,
    /// What the integration's settings were when it was last read, as a digest.
    pub read_with: Option<String>,
    /// The number of the last change of a record.
    pub change_number: i64,
    /// The number of the last full pass.
    pub full_pass: i64,
    /// Records that are kept.
    pub total: i64,
    /// Records that the last run saw.
    pub last_seen: i64,
    /// Runs that failed since one succeeded.
    pub failures: i32,
    pub last_run_id: Option<SyncRunId>,
    pub last_synced_at: Option<DateTimeUtc>,
    /// The run whose deletions wait for a confirmation.
    pub held_run_id: Option<SyncRunId>,
    /// How many they are.
    pub held_records: Option<i64>,
    /// Of how many records.
    pub held_of: Option<i64>,
    /// When a pass first held deletions back that are still waiting.
    pub held_at: Option<DateTimeUtc>,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// The streams of the tenant's integrations.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// One of them, held until the commit.
pub fn held(tenant: TenantId, id: SyncStreamId) -> Select<Entity> {
    of(tenant).filter(COLUMN.id.eq(id)).lock_exclusive()
}

/// One of them, to change columns of.
pub fn update_of(tenant: TenantId, id: SyncStreamId) -> UpdateMany<Entity> {
    Entity::update_many().filter(COLUMN.tenant_id.eq(tenant)).filter(COLUMN.id.eq(id))
}

/// The streams of these integrations of whomever, for the chore that sees to schedules.
pub fn of_any(integrations: Vec<IntegrationId>) -> Select<Entity> {
    Entity::find().filter(COLUMN.integration_id.is_in(integrations)).order_by_asc(Column::Id)
}

/// Those of an integration whose deletions wait for a confirmation.
pub fn holding(tenant: TenantId, integration: IntegrationId) -> Select<Entity> {
    of(tenant).filter(COLUMN.integration_id.eq(integration)).filter(COLUMN.held_at.is_not_null())
}

/// Somebody else made the same meanwhile.
pub fn made_meanwhile() -> OnConflict {
    OnConflict::columns([Column::TenantId, Column::IntegrationId, Column::Stream]).do_nothing().to_owned()
}
