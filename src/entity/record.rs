//! Records that streams brought. A record that is gone at the provider stays, marked, for who follows changes.
//!
//! The statements that move many rows at once stand here as they are sent.

use sea_orm::{
    DbBackend, FromQueryResult, QuerySelect, Statement, UpdateMany,
    entity::prelude::*,
    sea_query::{Expr, OnConflict},
};

use crate::kernel::{
    clock::Moment,
    id::{IntegrationId, SyncStreamId, TenantId},
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "records")]
pub struct Model {
    pub tenant_id: TenantId,
    pub integration_id: IntegrationId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub stream_id: SyncStreamId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub external_id: String,
    pub data: Json,
    /// Digest of the data and of the provider's time.
    pub hash: Vec<u8>,
    /// When it last changed, as the provider says.
    pub updated_at: Option<DateTimeUtc>,
    /// The full pass that saw it last, where that matters.
    pub full_pass: i64,
    pub deleted_at: Option<DateTimeUtc>,
    /// Its place among the changes of the stream.
    pub change_number: i64,
    pub changed_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// The records of a tenant's stream.
pub fn of(tenant: TenantId, stream: SyncStreamId) -> Select<Entity> {
    Entity::find().filter(COLUMN.stream_id.eq(stream)).filter(COLUMN.tenant_id.eq(tenant))
}

/// What is known of a record, without what it says.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Known {
    pub external_id: String,
    pub hash: Vec<u8>,
    pub updated_at: Option<DateTimeUtc>,
    pub deleted_at: Option<DateTimeUtc>,
}

/// What is known of these records.
pub fn known(tenant: TenantId, stream: SyncStreamId, ids: &[&str]) -> sea_orm::Selector<sea_orm::SelectModel<Known>> {
    of(tenant, stream)
        .filter(COLUMN.external_id.is_in(ids.iter().copied()))
        .select_only()
        .columns([Column::ExternalId, Column::Hash, Column::UpdatedAt, Column::DeletedAt])
        .into_model::<Known>()
}

/// A record that is there already is replaced.
pub fn replaced() -> OnConflict {
    OnConflict::columns([Column::StreamId, Column::ExternalId])
        .update_columns([
            Column::Data,
            Column::Hash,
            Column::UpdatedAt,
            Column::FullPass,
            Column::DeletedAt,
            Column::ChangeNumber,
            Column::ChangedAt,
        ])
        .to_owned()
}

/// Notes that a full pass saw these.
pub fn seen(tenant: TenantId, stream: SyncStreamId, ids: &[&str], pass: i64) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::FullPass, Expr::value(pass))
        .filter(COLUMN.stream_id.eq(stream))
        .filter(COLUMN.tenant_id.eq(tenant))
        .filter(COLUMN.external_id.is_in(ids.iter().copied()))
}

/// Where to look for what a full pass did not see.
#[derive(Clone, Copy, Debug)]
pub struct Absent<'a> {
    pub tenant: TenantId,
    pub stream: SyncStreamId,
    /// The number of the pass.
    pub pass: i64,
    /// Behind this id.
    pub after: &'a str,
    /// The number of the last change so far.
    pub number: i64,
    pub now: Moment,
    pub most: u64,
}

/// Marks the first so many that the pass did not see as deleted, each with its number, and gives their ids.
pub fn mark_absent(backend: DbBackend, of: Absent<'_>) -> Statement {
    let sql = "UPDATE records SET deleted_at = $1, changed_at = $1, change_number = gone.number \
               FROM (SELECT external_id AS id, $2 + ROW_NUMBER() OVER (ORDER BY external_id) AS number FROM records \
                     WHERE stream_id = $3 AND tenant_id = $4 AND external_id > $5 AND full_pass < $6 \
                     AND deleted_at IS NULL ORDER BY external_id LIMIT $7) AS gone \
               WHERE records.stream_id = $3 AND records.external_id = gone.id RETURNING records.external_id";
    let most = i64::try_from(of.most).unwrap_or(i64::MAX);
    let values: [Value; 7] = [
        of.now.into(),
        of.number.into(),
        of.stream.into(),
        of.tenant.into(),
        of.after.into(),
        of.pass.into(),
        most.into(),
    ];
    Statement::from_sql_and_values(backend, sql, values)
}
