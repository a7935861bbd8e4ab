//! Places for values in statements that are written by hand and have many.
//!
//! A server knows a place by its number. SQLite takes a number for a name, which is looked up among all the others: of
//! thousands that costs more than the statement. There a place is a bare mark, and values go where they stand, so they
//! are put in the order of the text.

use sea_orm::{DbBackend, Statement, Value, sea_query::ArrayType};

/// The values of a statement that is being written.
#[derive(Debug)]
pub struct Places {
    backend: DbBackend,
    values: Vec<Value>,
}

impl Places {
    /// None so far.
    #[must_use]
    pub const fn of(backend: DbBackend) -> Self {
        Self { backend, values: Vec::new() }
    }

    /// The place of the next value.
    pub fn put(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        match self.backend {
            DbBackend::Postgres => format!("${}", self.values.len()),
            _ => "?".to_owned(),
        }
    }

    /// The places of several, with commas between them.
    pub fn list(&mut self, values: impl IntoIterator<Item = impl Into<Value>>) -> String {
        values.into_iter().map(|value| self.put(value)).collect::<Vec<_>>().join(", ")
    }

    /// The statement.
    pub fn statement(self, sql: impl Into<String>) -> Statement {
        Statement::from_sql_and_values(self.backend, sql, self.values)
    }
}

/// A column of many rows as one value. What is not there is an empty text, since an array has no gaps.
pub fn column<T: Into<Value>>(kind: ArrayType, of: impl Iterator<Item = T>) -> Value {
    Value::Array(kind, Some(Box::new(of.map(Into::into).collect())))
}
