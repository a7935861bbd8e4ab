//! The event log: what writers put down, and what readers read.
//!
//! `events` is the log itself: append-only, with a position over all tenants and a number for each tenant,
//! both in the order in which the rows became visible. `event_heads` and `event_log` hold how far the two
//! have come, and what retention has left. `outbox` is where writers of PostgreSQL put events down in the
//! transaction of a change, to be numbered once they are visible; SQLite needs none.
//!
//! **Why `events` is not partitioned** on PostgreSQL, so far. A position stands for a time, so ranges of positions would
//! do, and dropping one is far cheaper than deleting: of 500,000 events, 250,000 went in 4.7 s in batches of 1,000, with
//! 86 MB of log and 24 MB more for the vacuum afterwards; dropping their four partitions took 1.0 s and 0.1 MB. But
//! every unique index would have to hold the position, so the database would no longer refuse the same number
//! twice for a tenant, which is the last guard of what subscribers rely on; and a page is read by tenant
//! and number, which no partition is ruled out by (a page of 256 took 1.1 to 1.8 ms from one table and 1.8 to 3.3 ms from
//! eight partitions). Deleting costs 19 us and half a kilobyte of log an event, in the background: less than
//! writing it did. Where thousands of events a second are kept for a week, this should be decided again.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use crate::columns::{MOMENT, index, optional, required};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut outbox = Table::create();
        outbox
            .table(Alias::new("outbox"))
            .col(ColumnDef::new(Alias::new("position")).big_integer().not_null().auto_increment().primary_key());
        facts(&mut outbox);
        manager.create_table(outbox).await?;

        // Of SQLite's integers only this spelling is the row's own address, which makes appending cheap.
        let position = match manager.get_database_backend() {
            DbBackend::Sqlite => ColumnType::Integer,
            _ => ColumnType::BigInteger,
        };
        let mut events = Table::create();
        events
            .table(Alias::new("events"))
            .col(required("position", position).primary_key())
            .col(required("number", ColumnType::BigInteger));
        facts(&mut events);
        manager.create_table(events).await?;
        manager.create_index(index("events", "events_number", &["tenant_id", "number"]).unique().to_owned()).await?;
        manager.create_index(index("events", "events_event_id", &["event_id"])).await?;

        let mut heads = Table::create();
        heads
            .table(Alias::new("event_heads"))
            .col(required("tenant_id", ColumnType::Uuid).primary_key())
            .col(required("number", ColumnType::BigInteger))
            .col(required("oldest", ColumnType::BigInteger));
        manager.create_table(heads).await?;

        let mut log = Table::create();
        log.table(Alias::new("event_log"))
            .col(required("id", ColumnType::SmallInteger).primary_key())
            .col(required("position", ColumnType::BigInteger));
        manager.create_table(log).await?;
        let first = Query::insert()
            .into_table(Alias::new("event_log"))
            .columns([Alias::new("id"), Alias::new("position")])
            .values_panic([1.into(), 0.into()])
            .to_owned();
        manager.exec_stmt(first).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["event_log", "event_heads", "events", "outbox"] {
            manager.drop_table(Table::drop().table(Alias::new(table)).to_owned()).await?;
        }
        Ok(())
    }
}

/// What is known of an event from the moment it is written.
fn facts(table: &mut TableCreateStatement) {
    let text = ColumnType::Text;
    table
        .col(required("event_id", ColumnType::Uuid))
        .col(required("tenant_id", ColumnType::Uuid))
        .col(required("topic", text.clone()))
        .col(required("kind", text.clone()))
        .col(required("subject", text.clone()))
        .col(required("data", ColumnType::Json))
        .col(required("actor", text.clone()))
        .col(optional("request_id", text))
        .col(required("at", MOMENT));
}
