//! Records that streams brought. A record that is gone at the provider stays, marked, for who follows changes.
//!
//! The statements that move many rows at once stand here as they are sent.

use std::fmt::Write as _;

use sea_orm::{DbBackend, FromQueryResult, Statement, entity::prelude::*};

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

/// Ids as one value, however many there are, so that the statement is always the same.
fn list(ids: &[&str]) -> Value {
    serde_json::Value::from(ids).to_string().into()
}

/// The records with the ids of the third value. PostgreSQL does not know how many there are, and of a table that it has
/// not counted it does not know either: left to choose it compares each record with each id. So it is told to look for
/// one id after the other.
const ONE_BY_ONE: &str = "json_array_elements_text($3::json) AS wanted (id) CROSS JOIN LATERAL ( \
                          SELECT ctid AS place, * FROM records \
                          WHERE stream_id = $1 AND tenant_id = $2 AND external_id = wanted.id LIMIT 1) AS found";

/// What is known of these records.
pub fn known(backend: DbBackend, tenant: TenantId, stream: SyncStreamId, ids: &[&str]) -> Statement {
    const WHAT: &str = "external_id, hash, updated_at, deleted_at";
    let sql = match backend {
        DbBackend::Postgres => format!("SELECT {WHAT} FROM {ONE_BY_ONE}"),
        _ => format!(
            "SELECT {WHAT} FROM records \
             WHERE stream_id = $1 AND tenant_id = $2 AND external_id IN (SELECT value FROM json_each($3))"
        ),
    };
    Statement::from_sql_and_values(backend, sql, [stream.into(), tenant.into(), list(ids)])
}

/// Notes that a full pass saw these. Their stream is held, so that none of them moves meanwhile.
pub fn seen(backend: DbBackend, tenant: TenantId, stream: SyncStreamId, ids: &[&str], pass: i64) -> Statement {
    let sql = match backend {
        DbBackend::Postgres => {
            format!(
                "UPDATE records SET full_pass = $4 WHERE tenant_id = $2 AND ctid = ANY(ARRAY(SELECT place FROM {ONE_BY_ONE}))"
            )
        }
        _ => "UPDATE records SET full_pass = $4 \
              WHERE stream_id = $1 AND tenant_id = $2 AND external_id IN (SELECT value FROM json_each($3))"
            .to_owned(),
    };
    Statement::from_sql_and_values(backend, sql, [stream.into(), tenant.into(), list(ids), pass.into()])
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
