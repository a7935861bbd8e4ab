//! The id of this hub: one row, made here and never changed.
//!
//! Messages between nodes carry it, so that two hubs which share a NATS server and a prefix do not take each other's
//! messages for their own. A copy of a database has the id of its original.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use crate::columns::required;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        let mut key = required("id", ColumnType::SmallInteger);
        key.primary_key();
        table.table(Alias::new("hub_identity")).col(key).col(required("hub_id", ColumnType::Uuid));
        manager.create_table(table).await?;
        let random = match manager.get_database_backend() {
            DbBackend::Postgres => "gen_random_uuid()",
            _ => "randomblob(16)",
        };
        let row = format!("INSERT INTO hub_identity (id, hub_id) VALUES (1, {random})");
        manager.get_connection().execute_unprepared(&row).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Alias::new("hub_identity")).to_owned()).await
    }
}
