//! Runs that read a stream.

use sea_orm::{DeleteMany, QueryOrder, QuerySelect, UpdateMany, entity::prelude::*, sea_query::Expr};

use crate::kernel::{
    clock::Moment,
    id::{IntegrationId, SyncRunId, SyncStreamId, TenantId},
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sync_runs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SyncRunId,
    pub tenant_id: TenantId,
    pub integration_id: IntegrationId,
    pub stream_id: SyncStreamId,
    pub stream: String,
    pub mode: Mode,
    pub cause: Cause,
    pub status: Status,
    /// Where the reading stands, as the provider's paging has it.
    pub position: Json,
    /// What is remembered of pages, to tell that they come again.
    pub marks: Json,
    /// Only what changed after that moment is asked for.
    pub since: Option<DateTimeUtc>,
    /// The newest change that was seen so far.
    pub newest: Option<DateTimeUtc>,
    /// Whether its end leaves the stream's watermark alone.
    pub keeps_cursor: bool,
    /// The number of the full pass, if it is one.
    pub full_pass: Option<i64>,
    /// Behind which id what was absent is looked for; nothing before everything was read.
    pub absent_after: Option<String>,
    /// The way in which the second look goes; nothing during the first.
    pub second_look: Option<SecondLook>,
    /// Records that no look found, when they were last counted.
    pub missing: Option<i64>,
    /// Records that the run may mark as deleted; nothing before that was decided.
    pub approved: Option<i64>,
    /// Deletions that somebody confirmed for this run.
    pub confirmed: Option<i64>,
    /// Deletions that the run held back.
    pub held: Option<i64>,
    pub expected: Option<i64>,
    pub seen: i64,
    pub added: i64,
    pub updated: i64,
    pub unchanged: i64,
    pub deleted: i64,
    pub failed: i64,
    pub pages: i64,
    pub bytes: i64,
    /// How often it was taken up since the last progress.
    pub begun: i32,
    /// How often the provider failed since the last progress.
    pub tries: i32,
    /// Lines that it wrote.
    pub lines: i64,
    pub trace: String,
    pub error_class: Option<String>,
    pub error: Option<String>,
    pub requested_by: String,
    pub created_at: DateTimeUtc,
    pub started_at: Option<DateTimeUtc>,
    pub progressed_at: DateTimeUtc,
    pub ended_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}

/// What a run reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Mode {
    #[sea_orm(string_value = "INCREMENTAL")]
    Incremental,
    #[sea_orm(string_value = "FULL")]
    Full,
    #[sea_orm(string_value = "BACKFILL")]
    Backfill,
}

/// Why there is a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Cause {
    #[sea_orm(string_value = "MANUAL")]
    Manual,
    #[sea_orm(string_value = "SCHEDULE")]
    Schedule,
    #[sea_orm(string_value = "WEBHOOK")]
    Webhook,
}

/// The way in which the second look of a full pass goes through the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum SecondLook {
    /// From the beginning once more.
    #[sea_orm(string_value = "AGAIN")]
    Again,
    /// From the last page of the first look to the end of the list.
    #[sea_orm(string_value = "UP")]
    Up,
    /// From the end to the beginning, page by page.
    #[sea_orm(string_value = "DOWN")]
    Down,
}

/// Where a run is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Status {
    #[sea_orm(string_value = "QUEUED")]
    Queued,
    #[sea_orm(string_value = "RUNNING")]
    Running,
    #[sea_orm(string_value = "SUCCEEDED")]
    Succeeded,
    #[sea_orm(string_value = "FAILED")]
    Failed,
    #[sea_orm(string_value = "CANCELLED")]
    Cancelled,
}

impl Status {
    /// Those of a run that is not over.
    pub const ACTIVE: [Self; 2] = [Self::Queued, Self::Running];

    /// Whether the run is not over.
    #[must_use]
    pub fn is_active(self) -> bool {
        Self::ACTIVE.contains(&self)
    }
}

/// The runs of the tenant.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// One of them, held until the commit.
pub fn held(tenant: TenantId, id: SyncRunId) -> Select<Entity> {
    of(tenant).filter(COLUMN.id.eq(id)).lock_exclusive()
}

/// The run of a stream that is not over.
pub fn active(tenant: TenantId, stream: SyncStreamId) -> Select<Entity> {
    of(tenant).filter(COLUMN.stream_id.eq(stream)).filter(COLUMN.status.is_in(Status::ACTIVE))
}

/// Those of the whole hub that showed no progress since a moment, for the watchdog.
pub fn silent_since(moment: Moment, most: u64) -> Select<Entity> {
    Entity::find()
        .filter(COLUMN.status.is_in(Status::ACTIVE))
        .filter(COLUMN.progressed_at.lt(moment))
        .order_by_asc(Column::ProgressedAt)
        .limit(most)
}

/// Some of the whole hub that ended before a moment, by their ids.
pub fn ended_before(moment: Moment, most: u64) -> Select<Entity> {
    let ids = Entity::find().select_only().column(Column::Id).filter(COLUMN.ended_at.lt(moment));
    ids.order_by_asc(Column::EndedAt).limit(most)
}

/// Says that active runs of the whole hub showed progress now that are said to have shown some after a moment.
pub fn progressed_after(moment: Moment, now: Moment) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::ProgressedAt, Expr::value(now))
        .filter(COLUMN.ended_at.is_null())
        .filter(COLUMN.progressed_at.gt(moment))
}

/// These of the whole hub, to forget.
pub fn remove(ids: Vec<SyncRunId>) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.id.is_in(ids))
}

/// One of the tenant's.
pub fn one(tenant: TenantId, id: SyncRunId) -> Select<Entity> {
    of(tenant).filter(COLUMN.id.eq(id))
}
