//! Sorts failures of the database by what a caller can do about them.
//!
//! * **Refused by the data**: a unique or foreign key forbids the change. The caller corrects the input.
//! * **Busy**: a lock, a deadlock or a time-out. The same request may succeed at once.
//! * **Away**: the server cannot be reached, is starting, stopping or out of connections. The same request may succeed
//!   later.
//! * **Cannot store**: the disk is full, reading or writing fails, or the database only reads. Nothing can be written
//!   until an operator acts, which is why readiness asks for this class in particular.
//! * **Everything else** is a fault of ours.

use sea_orm::{
    DbErr, RuntimeErr, SqlErr,
    sqlx::{self, error::DatabaseError},
};

use super::Error;

/// A class of failures of the database that pass without a change of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outage {
    Busy,
    Away,
    CannotStore,
}

impl Outage {
    /// The thing that is not available, as the message names it.
    const fn thing(self) -> &'static str {
        match self {
            Self::Busy => "the database, which is busy,",
            Self::Away => "the database",
            Self::CannotStore => "the database's storage",
        }
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => {
                return Self::conflict("input", "this exists already");
            }
            Some(SqlErr::ForeignKeyConstraintViolation(_)) => {
                return Self::conflict(
                    "input",
                    "this refers to something that is gone, or something else still refers to it",
                );
            }
            _ => {}
        }
        match outage(&error) {
            Some(outage) => Self::Unavailable(outage.thing(), error.into()),
            None => Self::Internal("the database refused a statement", error.into()),
        }
    }
}

impl Error {
    /// Whether the database cannot store anything at present: its disk is full, failing or read-only.
    #[must_use]
    pub fn is_storage_failure(&self) -> bool {
        self.outage() == Some(Outage::CannotStore)
    }

    /// Whether a lock of another connection, a deadlock or a time limit of the database ended it.
    #[must_use]
    pub fn is_lock_failure(&self) -> bool {
        self.outage() == Some(Outage::Busy)
    }

    fn outage(&self) -> Option<Outage> {
        let Self::Unavailable(_, source) = self else { return None };
        source.downcast_ref::<DbErr>().and_then(outage)
    }
}

fn outage(error: &DbErr) -> Option<Outage> {
    let source = match error {
        DbErr::Conn(RuntimeErr::SqlxError(source))
        | DbErr::Exec(RuntimeErr::SqlxError(source))
        | DbErr::Query(RuntimeErr::SqlxError(source)) => source,
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => return Some(Outage::Away),
        _ => return None,
    };
    match &**source {
        sqlx::Error::Database(refused) => {
            let known = refused.code().and_then(|code| coded(&code, is_sqlite(&**refused)));
            // Whoever cannot connect is told why in the log; for the caller the database is away.
            known.or(matches!(error, DbErr::Conn(_)).then_some(Outage::Away))
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Some(Outage::Away),
        _ => matches!(error, DbErr::Conn(_)).then_some(Outage::Away),
    }
}

fn is_sqlite(refused: &dyn DatabaseError) -> bool {
    refused.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some()
}

/// The class of a code: SQLSTATE of PostgreSQL, extended result code of `SQLite`.
fn coded(code: &str, sqlite: bool) -> Option<Outage> {
    if sqlite {
        // The low byte is the primary result code.
        return match code.parse::<u32>().ok()? & 0xff {
            // BUSY, LOCKED.
            5 | 6 => Some(Outage::Busy),
            // READONLY, IOERR, FULL, CANTOPEN.
            8 | 10 | 13 | 14 => Some(Outage::CannotStore),
            _ => None,
        };
    }
    match code {
        // Serialization failure, deadlock, lock not available, statement and idle-in-transaction time-outs.
        "40001" | "40P01" | "55P03" | "57014" | "25P03" => Some(Outage::Busy),
        // Too many connections; shutting down, crashed, starting, database dropped, idle session ended.
        "53300" | "57P01" | "57P02" | "57P03" | "57P04" | "57P05" => Some(Outage::Away),
        // Read-only transaction: a standby, or a server that was told to only read.
        "25006" => Some(Outage::CannotStore),
        // Connection exceptions; insufficient resources (disk, memory); system errors (I/O).
        _ => match code.get(..2)? {
            "08" => Some(Outage::Away),
            "53" | "58" => Some(Outage::CannotStore),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_of_storage_is_told_from_one_of_the_network_and_one_of_ours() {
        for (code, sqlite, class) in [
            ("13", true, Some(Outage::CannotStore)),
            ("778", true, Some(Outage::CannotStore)),
            ("1032", true, Some(Outage::CannotStore)),
            ("5", true, Some(Outage::Busy)),
            ("517", true, Some(Outage::Busy)),
            ("11", true, None),
            ("1", true, None),
            ("53100", false, Some(Outage::CannotStore)),
            ("58030", false, Some(Outage::CannotStore)),
            ("25006", false, Some(Outage::CannotStore)),
            ("57P01", false, Some(Outage::Away)),
            ("08006", false, Some(Outage::Away)),
            ("53300", false, Some(Outage::Away)),
            ("40P01", false, Some(Outage::Busy)),
            ("42601", false, None),
            ("25P02", false, None),
        ] {
            assert_eq!(coded(code, sqlite), class, "{code}");
        }
    }
}
