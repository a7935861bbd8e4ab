//! The event log: what writers put down, and what readers read.
//!
//! `outbox` is filled inside the transaction of a change. `events` is the log itself, append-only and
//! numbered without holes for each tenant.

use sea_orm_migration::prelude::*;

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

        let mut events = Table::create();
        events.table(Alias::new("events")).col(required("number", ColumnType::BigInteger));
        facts(&mut events);
        events.primary_key(Index::create().name("pk_events").col(Alias::new("tenant_id")).col(Alias::new("number")));
        manager.create_table(events).await?;
        manager.create_index(index("events", "events_event_id", &["event_id"]).unique().to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["events", "outbox"] {
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
