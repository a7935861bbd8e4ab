//! The row that readiness writes to see whether writes are stored.

use sea_orm_migration::prelude::*;

use crate::columns::{MOMENT, required};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const TABLE: &str = "write_probe";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table.table(Alias::new(TABLE));
        table.col(required("id", ColumnType::Integer).primary_key());
        table.col(required("at", MOMENT));
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Alias::new(TABLE)).to_owned()).await
    }
}
