//! Erasing from the files what was deleted from a table.
//!
//! A database that deletes a row leaves its bytes where they were until something else needs the place. For keys that
//! is not enough. [`Database::rewrite`] makes PostgreSQL write a table into a new file, with nothing in it but the
//! rows that are there; on SQLite, where deleted content is overwritten with zeros (`secure_delete`),
//! [`Database::empty_log`] moves what was written into the file and empties the write-ahead log, in which earlier
//! pages may still be.
//!
//! Both report an error if somebody still reads the old state; then they are to be called again later. The logs and
//! copies of PostgreSQL (WAL, archives, standbys, backups) are out of reach from here.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::Database;
use crate::kernel::error::{Error, Result};

/// Number of checks for readers of the old state, and the pause between two checks.
const LOOKS: (u32, Duration) = (20, Duration::from_millis(100));

/// Whether a rewritten table would still hold rows that were deleted before a transaction: PostgreSQL keeps what the
/// oldest transaction may see that writes in any database of the server, or that reads in this one, and what standbys
/// and replication slots ask for. Readers are seen here only if this role may see them.
const OLDER: &str = "SELECT pg_snapshot_xmin(pg_current_snapshot()) <= $1::text::xid8 \
                     OR EXISTS (SELECT 1 FROM pg_stat_activity \
                     WHERE (datname = current_database() OR datname IS NULL) AND pid <> pg_backend_pid() \
                     AND age(backend_xmin) > age($1::text::xid8::xid)) \
                     OR EXISTS (SELECT 1 FROM pg_replication_slots WHERE age(xmin) > age($1::text::xid8::xid))";

impl Database {
    /// Moves what stands in SQLite's write-ahead log into the file, and empties the log. Nothing on PostgreSQL.
    pub async fn empty_log(&self) -> Result<()> {
        if self.backend() != DbBackend::Sqlite {
            return Ok(());
        }
        let asked = Statement::from_string(DbBackend::Sqlite, "PRAGMA wal_checkpoint(TRUNCATE)");
        let row = self.writer().query_one_raw(asked).await?;
        match row.map(|row| row.try_get_by_index::<i64>(0)).transpose()? {
            Some(0) => Ok(()),
            _ => Err(busy()),
        }
    }

    /// Makes PostgreSQL write a table into a new file, so that nothing is left of deleted and replaced rows. Nothing
    /// on SQLite. Who reads or writes the table meanwhile waits for it.
    pub async fn rewrite(&self, table: &'static str) -> Result<()> {
        if self.backend() != DbBackend::Postgres {
            return Ok(());
        }
        // What an open transaction may still see would be copied along.
        let own = "SELECT pg_current_xact_id()::text";
        let now: String = self.one(Statement::from_string(DbBackend::Postgres, own)).await?;
        let mut looks = 0;
        while self.one(Statement::from_sql_and_values(DbBackend::Postgres, OLDER, [now.clone().into()])).await? {
            looks += 1;
            if looks >= LOOKS.0 {
                return Err(busy());
            }
            tokio::time::sleep(LOOKS.1).await;
        }
        let file = Statement::from_string(DbBackend::Postgres, format!("SELECT pg_relation_filenode('{table}')::int8"));
        let before: i64 = self.one(file.clone()).await?;
        self.writer().execute_unprepared(&format!("VACUUM (FULL) {table}")).await?;
        // Who may not do this is warned, but not refused.
        if self.one::<i64>(file).await? == before {
            let reason = format!("the role of the hub does not own the table {table}");
            return Err(Error::Unavailable("rewriting a table", reason.into()));
        }
        Ok(())
    }

    async fn one<T: sea_orm::TryGetable>(&self, statement: Statement) -> Result<T> {
        let row = self.writer().query_one_raw(statement).await?;
        let row = row.ok_or_else(|| Error::Internal("a question has no answer", "no row".into()))?;
        Ok(row.try_get_by_index(0)?)
    }
}

fn busy() -> Error {
    Error::Unavailable("erasing destroyed keys", "an older state of the database is still being read".into())
}
