//! Webhooks that came and were believed, byte by byte, and what became of them.
//!
//! Many arrive at once, so they are written by one statement. PostgreSQL is handed columns as arrays, so that its text
//! is the same however many there are; SQLite has none, and is given a row of values for each.

use sea_orm::{
    DbBackend, DeleteMany, FromQueryResult, QueryOrder, QuerySelect, Statement, UpdateMany, Value,
    entity::prelude::*,
    sea_query::{ArrayType, Expr},
};

use super::places::column;
use crate::kernel::{
    clock::Moment,
    id::{IntegrationId, TenantId, WebhookEventId, WebhookSourceId},
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_events")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: WebhookEventId,
    pub tenant_id: TenantId,
    pub source_id: WebhookSourceId,
    /// Whose it is, if all of it is of one integration.
    pub integration_id: Option<IntegrationId>,
    pub provider: String,
    pub arrived_at: DateTimeUtc,
    /// Who sent it.
    pub address: Option<String>,
    /// The parameters of the address, without secrets.
    pub query: String,
    /// Pairs of names and values, without secrets.
    pub headers: Json,
    pub body: Vec<u8>,
    /// What is the same when it is sent again.
    pub dedupe_key: String,
    /// How often it was.
    pub repeats: i64,
    pub status: Status,
    pub attempts: i32,
    /// When it is to be looked at.
    pub due_at: Option<DateTimeUtc>,
    /// What is wrong with it.
    pub reason: Option<String>,
    pub replays: i32,
    pub settled_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}

/// Where a webhook is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Status {
    /// It waits to be looked at, or to be looked at again.
    #[sea_orm(string_value = "RECEIVED")]
    Received,
    /// What it says has had its effect.
    #[sea_orm(string_value = "PROCESSED")]
    Processed,
    /// It was given up.
    #[sea_orm(string_value = "DEAD")]
    Dead,
}

impl Status {
    /// The name in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Received => "RECEIVED",
            Self::Processed => "PROCESSED",
            Self::Dead => "DEAD",
        }
    }
}

/// The webhooks of the tenant.
pub fn of(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(COLUMN.tenant_id.eq(tenant))
}

/// Said as the index says it, which does not serve a value that is filled in.
fn waits() -> Expr {
    Expr::cust("status = 'RECEIVED'")
}

/// The first of a source that are to be looked at, in the order in which they came.
pub fn due(tenant: TenantId, source: WebhookSourceId, now: Moment, most: u64) -> Select<Entity> {
    of(tenant)
        .filter(COLUMN.source_id.eq(source))
        .filter(waits())
        .filter(COLUMN.due_at.lte(now))
        .order_by_asc(Column::Id)
        .limit(most)
}

/// The one of a source that is to be looked at next.
pub fn next(tenant: TenantId, source: WebhookSourceId) -> Select<Entity> {
    of(tenant).filter(COLUMN.source_id.eq(source)).filter(waits()).order_by_asc(Column::DueAt).limit(1)
}

/// Some of the tenant's, to change columns of.
pub fn update_of(tenant: TenantId, ids: impl IntoIterator<Item = WebhookEventId>) -> UpdateMany<Entity> {
    Entity::update_many().filter(COLUMN.tenant_id.eq(tenant)).filter(COLUMN.id.is_in(ids))
}

/// Some of the tenant's have had their effect.
pub fn processed(
    tenant: TenantId,
    ids: impl IntoIterator<Item = WebhookEventId>,
    integration: Option<IntegrationId>,
    now: Moment,
) -> UpdateMany<Entity> {
    update_of(tenant, ids)
        .col_expr(Column::Status, Expr::value(Status::Processed))
        .col_expr(Column::IntegrationId, Expr::value(integration))
        .col_expr(Column::DueAt, Expr::value(None::<DateTimeUtc>))
        .col_expr(Column::Reason, Expr::value(None::<String>))
        .col_expr(Column::SettledAt, Expr::value(now))
}

/// Whose webhooks wait although they are due, of the whole hub.
#[derive(Clone, Copy, Debug, FromQueryResult)]
pub struct Waiting {
    pub tenant_id: TenantId,
    pub source_id: WebhookSourceId,
}

/// The sources of the whole hub with something to be looked at.
pub fn waiting(now: Moment) -> sea_orm::Selector<sea_orm::SelectModel<Waiting>> {
    Entity::find()
        .select_only()
        .columns([Column::TenantId, Column::SourceId])
        .distinct()
        .filter(waits())
        .filter(COLUMN.due_at.lte(now))
        .into_model::<Waiting>()
}

/// How many webhooks of a source are in a state.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Count {
    pub source_id: WebhookSourceId,
    pub status: Status,
    pub webhooks: i64,
    pub repeats: Option<i64>,
    pub last_at: Option<DateTimeUtc>,
}

/// How many webhooks the tenant's sources have, by state.
pub fn counts(tenant: TenantId, sources: &[WebhookSourceId]) -> sea_orm::Selector<sea_orm::SelectModel<Count>> {
    of(tenant)
        .filter(COLUMN.source_id.is_in(sources.iter().copied()))
        .select_only()
        .columns([Column::SourceId, Column::Status])
        .column_as(COLUMN.id.count(), "webhooks")
        .column_as(Expr::cust("CAST(SUM(repeats) AS BIGINT)"), "repeats")
        .column_as(COLUMN.arrived_at.max(), "last_at")
        .group_by(Column::SourceId)
        .group_by(Column::Status)
        .into_model::<Count>()
}

/// The oldest of the whole hub that came before a moment and do not wait any more; for retention.
pub fn old(before: Moment, most: u64) -> Select<Entity> {
    let columns = [Column::Id, Column::TenantId, Column::SourceId, Column::Status];
    let ids = Entity::find().select_only().columns(columns);
    ids.filter(COLUMN.id.lt(WebhookEventId::first_of(before)))
        .filter(COLUMN.status.ne(Status::Received))
        .order_by_asc(Column::Id)
        .limit(most)
}

/// Takes these of the whole hub away; for retention.
pub fn forget(ids: &[WebhookEventId]) -> DeleteMany<Entity> {
    Entity::delete_many().filter(COLUMN.id.is_in(ids.iter().copied()))
}

const COLUMNS: &str = "id, tenant_id, source_id, integration_id, provider, arrived_at, address, query, headers, body, \
                       dedupe_key, repeats, status, attempts, due_at, reason, replays, settled_at";

/// Those that came before count; who gives them back finds out which by the ids, which are those that are kept.
const AGAIN: &str = "ON CONFLICT (source_id, dedupe_key) \
                     DO UPDATE SET repeats = webhook_events.repeats + 1 + excluded.repeats RETURNING id";

/// Takes webhooks in that are to be looked at. Each has another key of its source. The ids of those that are kept come
/// back: of a webhook that came before, the one that it had then.
pub fn take_in(backend: DbBackend, rows: Vec<Model>) -> Statement {
    if backend == DbBackend::Postgres { by_columns(rows) } else { by_rows(rows) }
}

fn by_rows(rows: Vec<Model>) -> Statement {
    let (mut values, mut each) = (Vec::<Value>::with_capacity(18 * rows.len()), Vec::with_capacity(rows.len()));
    for row in rows {
        let of: [Value; 18] = [
            row.id.into(),
            row.tenant_id.into(),
            row.source_id.into(),
            row.integration_id.into(),
            row.provider.into(),
            row.arrived_at.into(),
            row.address.into(),
            row.query.into(),
            row.headers.into(),
            row.body.into(),
            row.dedupe_key.into(),
            row.repeats.into(),
            Status::Received.name().into(),
            row.attempts.into(),
            row.due_at.into(),
            row.reason.into(),
            row.replays.into(),
            row.settled_at.into(),
        ];
        values.extend(of);
        each.push("(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    }
    let sql = format!("INSERT INTO webhook_events ({COLUMNS}) VALUES {} {AGAIN}", each.join(", "));
    Statement::from_sql_and_values(DbBackend::Sqlite, sql, values)
}

fn by_columns(rows: Vec<Model>) -> Statement {
    let sql = format!(
        "INSERT INTO webhook_events ({COLUMNS}) \
         SELECT id, tenant, source, NULLIF(integration, '')::uuid, provider, arrived, NULLIF(address, ''), query, \
         headers::json, body, key, repeats, 'RECEIVED', 0, arrived, NULL, 0, NULL \
         FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], \
         $8::text[], $9::text[], $10::text[], $11::bigint[], $12::bytea[]) \
         AS came (id, tenant, source, integration, provider, arrived, address, query, headers, key, repeats, body) \
         {AGAIN}"
    );
    let text = ArrayType::String;
    let uuid = |id: Option<IntegrationId>| id.map(|id| id.uuid().to_string()).unwrap_or_default();
    let uuids = ArrayType::Uuid;
    let values = [
        column(uuids.clone(), rows.iter().map(|row| row.id)),
        column(uuids.clone(), rows.iter().map(|row| row.tenant_id)),
        column(uuids, rows.iter().map(|row| row.source_id)),
        column(text.clone(), rows.iter().map(|row| uuid(row.integration_id))),
        column(text.clone(), rows.iter().map(|row| row.provider.clone())),
        column(ArrayType::ChronoDateTimeUtc, rows.iter().map(|row| row.arrived_at)),
        column(text.clone(), rows.iter().map(|row| row.address.clone().unwrap_or_default())),
        column(text.clone(), rows.iter().map(|row| row.query.clone())),
        column(text.clone(), rows.iter().map(|row| row.headers.to_string())),
        column(text, rows.iter().map(|row| row.dedupe_key.clone())),
        column(ArrayType::BigInt, rows.iter().map(|row| row.repeats)),
        // Last, since the bodies are the bulk of it and are not copied.
        column(ArrayType::Bytes, rows.into_iter().map(|row| row.body)),
    ];
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}
