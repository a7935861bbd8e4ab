//! Rows by the hundred thousand: copies that the database makes by itself of one row that is there.

use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::TestHub;

/// Rows of one statement.
const AT_ONCE: usize = 2_500;

/// Copies a row of a table so many times. `changes` says what each copy has instead, by columns; `{n}` in it stands for
/// the number of the copy, from 1, and `{id}` for a new id that sorts by that number.
pub async fn copy(hub: &TestHub, table: &str, many: u64, changes: &[(&str, &str)]) {
    let db = hub.app.hub().database.writer();
    let backend = db.get_database_backend();
    let sql = match backend {
        DbBackend::Postgres => format!(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = '{table}'"
        ),
        _ => format!("SELECT name FROM pragma_table_info('{table}')"),
    };
    let columns = db.query_all_raw(Statement::from_string(backend, sql)).await.unwrap();
    let columns: Vec<String> = columns.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
    // A UUIDv7 of the distant past whose random part counts.
    let id = match backend {
        DbBackend::Postgres => "('01000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid",
        _ => "unhex('01000000000070008000' || printf('%012x', n))",
    };
    let value = |column: &String| match changes.iter().find(|(name, _)| name == column) {
        Some((_, change)) => change.replace("{id}", id).replace("{n}", "n"),
        None => format!("one.\"{column}\""),
    };
    let values: Vec<_> = columns.iter().map(value).collect();
    let quoted: Vec<_> = columns.iter().map(|column| format!("\"{column}\"")).collect();
    // A server lets no statement last long, so many rows are copied in several.
    for from in (1..=many).step_by(AT_ONCE) {
        let to = many.min(from + AT_ONCE as u64 - 1);
        let sql = format!(
            "WITH RECURSIVE counted(n) AS (SELECT {from} UNION ALL SELECT n + 1 FROM counted WHERE n < {to}) \
             INSERT INTO {table} ({}) SELECT {} FROM counted CROSS JOIN (SELECT * FROM {table} LIMIT 1) AS one",
            quoted.join(", "),
            values.join(", ")
        );
        db.execute_unprepared(&sql).await.unwrap();
    }
}

/// How many rows a table has.
pub async fn rows(hub: &TestHub, table: &str) -> i64 {
    let db = hub.app.hub().database.reader();
    let counted = Statement::from_string(db.get_database_backend(), format!("SELECT COUNT(*) FROM {table}"));
    db.query_one_raw(counted).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}
