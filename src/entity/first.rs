//! How many rows a statement gives at most, in the text of the statement.
//!
//! The library writes `LIMIT ?` and the number beside it. SQLite plans by what stands in a LIMIT, so to it a statement
//! whose LIMIT was given another value is another statement: it is prepared again at each use, whatever was kept of it.
//! That took 66 µs for the look-up of a token, 2 µs without. Through [`Bounded`] the number stands in the text.

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, EntityTrait, ExecResult, QueryResult, Select, Statement,
    entity::prelude::async_trait::async_trait, sea_query::Value,
};

/// How the bounds of a statement end that the library wrote.
const BOUND: &str = " LIMIT ?";

/// A connection to which queries go with their LIMIT written out. Their bounds are to be few: each is another text, and
/// not many texts are kept.
#[derive(Clone, Copy, Debug)]
pub struct Bounded<'a, C>(pub &'a C);

#[async_trait]
impl<C: ConnectionTrait> ConnectionTrait for Bounded<'_, C> {
    fn get_database_backend(&self) -> DbBackend {
        self.0.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.0.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.0.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.0.query_one_raw(written_out(statement)).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.0.query_all_raw(written_out(statement)).await
    }
}

/// The text and the values of a statement for SQLite, whose LIMIT is written out.
fn written_out(mut statement: Statement) -> Statement {
    if statement.db_backend == DbBackend::Sqlite
        && let Some(rest) = statement.sql.strip_suffix(BOUND)
        && let Some(values) = &mut statement.values
        && let Some(Value::BigUnsigned(Some(most))) = values.0.last()
    {
        statement.sql = format!("{rest} LIMIT {most}");
        values.0.pop();
    }
    statement
}

/// Queries of which the first row is read.
pub trait First: Sized {
    /// What a row is.
    type Row;

    /// The first row, if there is one.
    fn first<C: ConnectionTrait>(self, db: &C) -> impl Future<Output = Result<Option<Self::Row>, DbErr>> + Send;
}

impl<E: EntityTrait> First for Select<E> {
    type Row = E::Model;

    async fn first<C: ConnectionTrait>(self, db: &C) -> Result<Option<E::Model>, DbErr> {
        self.one(&Bounded(db)).await
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::{QuerySelect, QueryTrait};

    use super::*;
    use crate::{entity::api_token, kernel::id::TenantId};

    #[test]
    fn the_limit_stands_in_the_text_on_sqlite_and_is_the_only_change() {
        let tenant = TenantId::new(uuid::Uuid::nil());
        let select = || api_token::of(tenant).limit(1);
        for backend in [DbBackend::Sqlite, DbBackend::Postgres] {
            let before = select().build(backend);
            let after = written_out(before.clone());
            let places = |statement: &Statement| statement.values.as_ref().map_or(0, |values| values.0.len());
            if backend == DbBackend::Sqlite {
                assert_eq!(after.sql, before.sql.replace("LIMIT ?", "LIMIT 1"));
                assert_eq!(places(&after), places(&before) - 1);
            } else {
                assert_eq!(after, before);
            }
        }
    }
}
