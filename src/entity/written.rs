//! Statements of which the text is written once.
//!
//! To build a select over three tables, with each of their columns, takes longer than SQLite takes to answer it: some
//! 100 µs. Where each request passes, the text is kept, and only its values are new.

use std::sync::OnceLock;

use sea_orm::{DbBackend, Statement, Value};

/// The text of one statement on each database, from its first use on.
#[derive(Debug)]
pub struct Written {
    /// Builds it; the values in what it gives stand for others, which come in the same order.
    build: fn(DbBackend) -> Statement,
    sqlite: OnceLock<String>,
    postgres: OnceLock<String>,
}

impl Written {
    /// A text that is built as the function does.
    #[must_use]
    pub const fn new(build: fn(DbBackend) -> Statement) -> Self {
        Self { build, sqlite: OnceLock::new(), postgres: OnceLock::new() }
    }

    /// The statement, with its values.
    pub fn with(&self, backend: DbBackend, values: impl IntoIterator<Item = Value>) -> Statement {
        let kept = match backend {
            DbBackend::Postgres => &self.postgres,
            _ => &self.sqlite,
        };
        let text = kept.get_or_init(|| (self.build)(backend).sql);
        Statement::from_sql_and_values(backend, text, values)
    }
}
