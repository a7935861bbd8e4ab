//! Elements of answers that could not be kept as records, with the reason.

use sea_orm::{DeleteMany, QueryOrder, QuerySelect, entity::prelude::*};

use crate::kernel::{
    clock::Moment,
    id::{IntegrationId, SyncFailureId, SyncRunId, SyncStreamId, TenantId},
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sync_failures")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SyncFailureId,
    pub tenant_id: TenantId,
    pub integration_id: IntegrationId,
    pub stream_id: SyncStreamId,
    pub run_id: SyncRunId,
    /// On which page it was, from 1.
    pub page: i64,
    pub external_id: Option<String>,
    pub reason: String,
    pub data: Json,
    pub at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// The failures of a tenant's run.
pub fn of_run(tenant: TenantId, run: SyncRunId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant)).filter(COLUMN.run_id.eq(run))
}

/// The oldest of the whole hub from before a moment, by their ids; the id tells the moment.
pub fn oldest(before: Moment, most: u64) -> Select<Entity> {
    let border = SyncFailureId::first_of(before);
    let ids = Entity::find().select_only().column(Column::Id).filter(COLUMN.id.lt(border));
    ids.order_by_asc(Column::Id).limit(most)
}

/// Those of the whole hub up to an id, to forget.
pub fn up_to(last: SyncFailureId) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.id.lte(last))
}
