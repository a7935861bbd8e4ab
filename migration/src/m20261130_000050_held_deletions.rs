//! Deletions that wait for a confirmation, and the second look of a full pass.

use sea_orm_migration::prelude::*;

use crate::columns::{MOMENT, optional};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

fn columns() -> Vec<(&'static str, Vec<ColumnDef>)> {
    let number = || ColumnType::BigInteger;
    vec![
        (
            "sync_streams",
            vec![
                optional("held_run_id", ColumnType::Uuid),
                optional("held_records", number()),
                optional("held_of", number()),
                optional("held_at", MOMENT),
            ],
        ),
        (
            "sync_runs",
            vec![
                optional("second_look", ColumnType::Text),
                optional("missing", number()),
                optional("approved", number()),
                optional("confirmed", number()),
                optional("held", number()),
            ],
        ),
    ]
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, columns) in columns() {
            for column in columns {
                let alter = Table::alter().table(Alias::new(table)).add_column(column).to_owned();
                manager.alter_table(alter).await?;
            }
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, columns) in columns() {
            for column in columns {
                let name = Alias::new(column.get_column_name());
                manager.alter_table(Table::alter().table(Alias::new(table)).drop_column(name).to_owned()).await?;
            }
        }
        Ok(())
    }
}
