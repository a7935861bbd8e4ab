//! Records that streams brought. A record that is gone at the provider stays, marked, for who follows changes.
//!
//! The statements that move many rows at once stand here as they are sent.

use std::fmt::Write as _;

use sea_orm::{
    DbBackend, FromQueryResult, QueryOrder, QuerySelect, Statement, entity::prelude::*, sea_query::ArrayType,
};

use super::places::column;
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
    /// The full pass that wrote it last, or went on while it was written.
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

/// Ids as one value, however many there are, so that the statement is always the same.
fn list(ids: &[&str]) -> Value {
    serde_json::Value::from(ids).to_string().into()
}

/// What is known of these records.
///
/// PostgreSQL does not know how many ids there are, and of a table that it has not counted it does not know either: left
/// to choose it compares each record with each id. So it is told to look for one id after the other.
pub fn known(backend: DbBackend, tenant: TenantId, stream: SyncStreamId, ids: &[&str]) -> Statement {
    let sql = match backend {
        DbBackend::Postgres => {
            "SELECT external_id, hash, updated_at, deleted_at FROM json_array_elements_text($3::json) AS wanted (id) \
             CROSS JOIN LATERAL (SELECT * FROM records \
             WHERE stream_id = $1 AND tenant_id = $2 AND external_id = wanted.id LIMIT 1) AS found"
        }
        _ => {
            "SELECT external_id, hash, updated_at, deleted_at FROM records \
             WHERE stream_id = $1 AND tenant_id = $2 AND external_id IN (SELECT value FROM json_each($3))"
        }
    };
    Statement::from_sql_and_values(backend, sql, [stream.into(), tenant.into(), list(ids)])
}

/// What records have in common that are written together.
#[derive(Clone, Copy, Debug)]
pub struct Common {
    pub tenant: TenantId,
    pub integration: IntegrationId,
    pub stream: SyncStreamId,
    pub pass: i64,
    pub now: Moment,
}

/// A record to write.
#[derive(Clone, Debug)]
pub struct Put<'a> {
    pub external_id: &'a str,
    /// The data, as text.
    pub data: String,
    pub hash: Vec<u8>,
    pub updated_at: Option<Moment>,
    pub deleted: bool,
    pub change_number: i64,
}

/// What is written of a record that is there already.
const REPLACED: &str = "ON CONFLICT (stream_id, external_id) DO UPDATE SET data = excluded.data, hash = excluded.hash, \
                        updated_at = excluded.updated_at, full_pass = excluded.full_pass, \
                        deleted_at = excluded.deleted_at, change_number = excluded.change_number, \
                        changed_at = excluded.changed_at";

const COLUMNS: &str = "tenant_id, integration_id, stream_id, full_pass, changed_at, external_id, data, hash, updated_at, \
                       deleted_at, change_number";

/// Writes records, new ones and others in their place. On PostgreSQL all rows are one document beside what they have in
/// common, since there each value of a statement costs more than its bytes.
pub fn put(backend: DbBackend, common: Common, rows: Vec<Put<'_>>) -> Statement {
    let Common { tenant, integration, stream, pass, now } = common;
    if backend == DbBackend::Postgres {
        let mut values: Vec<Value> = vec![tenant.into(), integration.into(), stream.into(), pass.into(), now.into()];
        let rows = rows.into_iter().map(|row| {
            serde_json::json!({
                "id": row.external_id, "data": row.data, "hash": hex(&row.hash), "updated": row.updated_at,
                "gone": row.deleted, "number": row.change_number,
            })
        });
        values.push(rows.collect::<serde_json::Value>().to_string().into());
        // The data is a text within the document: only there PostgreSQL leaves it as it is.
        let sql = format!(
            "INSERT INTO records ({COLUMNS}) \
             SELECT $1, $2, $3, $4, $5, id, data::json, decode(hash, 'hex'), updated, \
             CASE WHEN gone THEN $5 END, number \
             FROM json_to_recordset($6::json) AS given \
             (id text, data text, hash text, updated timestamptz, gone boolean, number bigint) {REPLACED}"
        );
        return Statement::from_sql_and_values(backend, sql, values);
    }
    // Places without a number: a number is a name, and those are looked up one by one.
    let mut sql = format!("INSERT INTO records ({COLUMNS}) VALUES ");
    let mut values = Vec::with_capacity(rows.len() * 11);
    for (at, row) in rows.into_iter().enumerate() {
        if at > 0 {
            sql.push_str(", ");
        }
        sql.push_str("(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
        let of: [Value; 11] = [
            tenant.into(),
            integration.into(),
            stream.into(),
            pass.into(),
            now.into(),
            row.external_id.into(),
            row.data.into(),
            row.hash.into(),
            row.updated_at.into(),
            row.deleted.then_some(now).into(),
            row.change_number.into(),
        ];
        values.extend(of);
    }
    sql.push(' ');
    sql.push_str(REPLACED);
    Statement::from_sql_and_values(backend, sql, values)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Where to look for what a full pass may not have seen.
#[derive(Clone, Copy, Debug)]
pub struct Unmarked<'a> {
    pub tenant: TenantId,
    pub stream: SyncStreamId,
    /// The number of the pass.
    pub pass: i64,
    /// Behind this id.
    pub after: &'a str,
}

/// The ids of what is there and was not written by the pass, in order.
pub fn unmarked(of: Unmarked<'_>) -> Select<Entity> {
    let rows = self::of(of.tenant, of.stream).filter(COLUMN.external_id.gt(of.after));
    let rows = rows.filter(COLUMN.full_pass.lt(of.pass)).filter(COLUMN.deleted_at.is_null());
    rows.select_only().column(Column::ExternalId).order_by_asc(Column::ExternalId)
}

/// What is gone.
#[derive(Clone, Copy, Debug)]
pub struct Gone<'a> {
    pub tenant: TenantId,
    pub stream: SyncStreamId,
    pub ids: &'a [&'a str],
    /// The number of the last change so far.
    pub number: i64,
    pub now: Moment,
}

/// Marks what is gone as deleted, each with its number. Joined with a list, the database may look at each record of the
/// stream for it; so it is asked for the ids, and the number of each is looked up.
pub fn mark_gone(backend: DbBackend, of: Gone<'_>) -> Statement {
    let (place, among, ids) = match backend {
        DbBackend::Postgres => (
            "array_position($5::text[], external_id)",
            "= ANY ($5::text[])",
            column(ArrayType::String, of.ids.iter().copied()),
        ),
        _ => (
            "1 + (SELECT key FROM json_each($5) WHERE value = records.external_id)",
            "IN (SELECT value FROM json_each($5))",
            list(of.ids),
        ),
    };
    let sql = format!(
        "UPDATE records SET deleted_at = $1, changed_at = $1, change_number = $2 + {place} \
         WHERE stream_id = $3 AND tenant_id = $4 AND external_id {among}"
    );
    let values: [Value; 5] = [of.now.into(), of.number.into(), of.stream.into(), of.tenant.into(), ids];
    Statement::from_sql_and_values(backend, sql, values)
}
