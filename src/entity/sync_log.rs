//! Lines that runs wrote. Their ids begin with their time, so a span of time is a span of ids.

use sea_orm::{DeleteMany, QueryOrder, QuerySelect, entity::prelude::*};

use crate::kernel::{
    clock::Moment,
    id::{IntegrationId, SyncLogId, SyncRunId, SyncStreamId, TenantId},
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sync_logs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SyncLogId,
    pub tenant_id: TenantId,
    pub integration_id: IntegrationId,
    pub stream_id: SyncStreamId,
    pub stream: String,
    pub run_id: SyncRunId,
    /// Its place among the lines of its run, from 1.
    pub number: i64,
    pub level: Level,
    pub step: String,
    pub message: String,
    pub fields: Json,
    pub at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Level {
    #[sea_orm(string_value = "INFO")]
    Info,
    #[sea_orm(string_value = "WARN")]
    Warn,
    #[sea_orm(string_value = "ERROR")]
    Error,
}

/// The lines of the tenant.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// The oldest of the whole hub from before a moment, by their ids; the id tells the moment.
pub fn oldest(before: Moment, most: u64) -> Select<Entity> {
    let ids = Entity::find().select_only().column(Column::Id).filter(COLUMN.id.lt(first_at(before)));
    ids.order_by_asc(Column::Id).limit(most)
}

/// Those of the whole hub up to an id, to forget.
pub fn up_to(last: SyncLogId) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.id.lte(last))
}

/// The least id that a line of that moment can have.
#[must_use]
pub fn first_at(moment: Moment) -> SyncLogId {
    let millis = u64::try_from(moment.timestamp_millis()).unwrap_or_default();
    SyncLogId::new(Uuid::from_u128(u128::from(millis) << 80))
}
