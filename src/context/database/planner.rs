//! What SQLite is told about tables that it has not looked at.
//!
//! Without figures SQLite takes ten rows for what an index finds by its first column, whatever the column. Almost every
//! statement here names the tenant besides what it is about, and on a laptop there is one tenant: an index that begins
//! with the tenant finds everything. So a page of five hundred records, looked for by tenant, stream and id, was found
//! by going through all records of the tenant, and a sync became slower with each page. PostgreSQL counts by itself.
//!
//! So it is told that a tenant has a hundred thousand rows of each table. That is looked after at each start, since a
//! program may be killed between a migration and this. What was counted really, by `ANALYZE`, stays as it is.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use crate::kernel::error::{Error, Result};

/// The indexes that begin with the tenant, each with what is said of it: of a million rows a tenant has a hundred
/// thousand; each further column leaves ten, and the last of a unique index one.
const INDEXES: &str = r#"
SELECT known.tbl_name AS tbl, known.name AS idx, CASE
    WHEN MAX(list."unique") = 0 THEN '1000000 100000' || replace(hex(zeroblob(COUNT(*) - 1)), '00', ' 10')
    WHEN COUNT(*) = 1 THEN '1000000 1'
    ELSE '1000000 100000' || replace(hex(zeroblob(COUNT(*) - 2)), '00', ' 10') || ' 1'
  END AS stat
FROM sqlite_master AS known
JOIN pragma_index_list(known.tbl_name) AS list ON list.name = known.name
JOIN pragma_index_info(known.name) AS part
WHERE known.type = 'index' AND list.partial = 0
GROUP BY known.tbl_name, known.name
HAVING MAX(CASE WHEN part.seqno = 0 THEN part.name END) = 'tenant_id'
"#;

/// Those of which nothing is known.
const UNKNOWN: &str = "idx NOT IN (SELECT idx FROM sqlite_stat1 WHERE idx IS NOT NULL)";

/// Tells SQLite what to expect, as far as it does not know.
pub(super) async fn tell(db: &DatabaseConnection) -> Result<()> {
    if db.get_database_backend() != DbBackend::Sqlite || knows(db).await? {
        return Ok(());
    }
    // The figures have a table once something was analysed; a table that comes and goes makes open connections look.
    db.execute_unprepared(&format!(
        "BEGIN IMMEDIATE; \
         ANALYZE tenants; DELETE FROM sqlite_stat1 WHERE tbl = 'tenants'; \
         INSERT INTO sqlite_stat1 (tbl, idx, stat) SELECT tbl, idx, stat FROM ({INDEXES}) WHERE {UNKNOWN}; \
         CREATE TABLE told (id INTEGER); DROP TABLE told; \
         COMMIT"
    ))
    .await?;
    Ok(())
}

async fn knows(db: &DatabaseConnection) -> Result<bool> {
    let is =
        async |sql: String| Ok::<_, Error>(db.query_one_raw(Statement::from_string(DbBackend::Sqlite, sql)).await?);
    let figures = is("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'".to_owned()).await?.is_some();
    Ok(figures && is(format!("SELECT 1 FROM ({INDEXES}) WHERE {UNKNOWN} LIMIT 1")).await?.is_none())
}
