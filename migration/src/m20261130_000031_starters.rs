//! The caller who started an authorization or made a link, with the credential, to be checked again at the end.

use sea_orm_migration::prelude::*;

use crate::columns::optional;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const TABLES: [&str; 2] = ["authorizations", "connect_links"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // What was started before is started again: it ends within half an hour anyway.
        for table in TABLES {
            let column = optional("starter", ColumnType::Json);
            let alter = Table::alter().table(Alias::new(table)).add_column(column).to_owned();
            manager.alter_table(alter).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in TABLES {
            let alter = Table::alter().table(Alias::new(table)).drop_column(Alias::new("starter")).to_owned();
            manager.alter_table(alter).await?;
        }
        Ok(())
    }
}
