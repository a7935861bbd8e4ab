//! What SQLite is told about tables that it has not looked at.
//!
//! Without figures SQLite takes ten rows for what an index finds by its first column, whatever the column. Almost every
//! statement here names the tenant besides what it is about, and on a laptop there is one tenant: an index that begins
//! with the tenant finds everything. So a page of five hundred records, looked for by tenant, stream and id, was found
//! by going through all records of the tenant, and a sync became slower with each page. PostgreSQL counts by itself.
//!
//! After migrations it is told that a tenant has a hundred thousand rows of each table. What was counted really, by
//! `ANALYZE`, would take the place of that, and would do as well.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend};

use crate::kernel::error::Result;

/// Of a million rows a tenant has a hundred thousand; each further column leaves ten, and the last of a unique index
/// one. A table that comes and goes makes open connections look at it.
const TOLD: &str = r#"
BEGIN IMMEDIATE;
ANALYZE tenants;
DELETE FROM sqlite_stat1;
INSERT INTO sqlite_stat1 (tbl, idx, stat)
SELECT known.tbl_name, known.name, CASE
    WHEN MAX(list."unique") = 0 THEN '1000000 100000' || replace(hex(zeroblob(COUNT(*) - 1)), '00', ' 10')
    WHEN COUNT(*) = 1 THEN '1000000 1'
    ELSE '1000000 100000' || replace(hex(zeroblob(COUNT(*) - 2)), '00', ' 10') || ' 1'
  END
FROM sqlite_master AS known
JOIN pragma_index_list(known.tbl_name) AS list ON list.name = known.name
JOIN pragma_index_info(known.name) AS part
WHERE known.type = 'index' AND list.partial = 0
GROUP BY known.tbl_name, known.name
HAVING MAX(CASE WHEN part.seqno = 0 THEN part.name END) = 'tenant_id';
CREATE TABLE told (id INTEGER);
DROP TABLE told;
COMMIT;
"#;

/// Tells SQLite what to expect.
pub(super) async fn tell(db: &DatabaseConnection) -> Result<()> {
    if db.get_database_backend() == DbBackend::Sqlite {
        db.execute_unprepared(TOLD).await?;
    }
    Ok(())
}
