//! Notes that wrapped keys were destroyed or replaced, whose old bytes are still to be erased from the files.

use sea_orm_migration::prelude::*;

use crate::columns::id;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(Table::create().table(Alias::new("key_erasures")).col(id()).to_owned()).await?;
        // Keys that were destroyed before there were notes: erased after the first start.
        let first = match manager.get_database_backend() {
            sea_orm::DbBackend::Postgres => "'00000000-0000-0000-0000-000000000001'",
            _ => "x'00000000000000000000000000000001'",
        };
        let insert = format!("INSERT INTO key_erasures (id) VALUES ({first})");
        manager.get_connection().execute_unprepared(&insert).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Alias::new("key_erasures")).to_owned()).await
    }
}
