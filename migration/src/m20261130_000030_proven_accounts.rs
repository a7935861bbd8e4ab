//! The account at the provider that an integration's credential was proven to belong to.

use sea_orm_migration::prelude::*;

use crate::columns::{MOMENT, index, optional};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const TABLE: &str = "integrations";
const INDEX: &str = "ix_integrations_proven_account";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // The id of the account, and when the provider was last asked for it.
        for column in [optional("proven_account", ColumnType::Text), optional("account_asked_at", MOMENT)] {
            let alter = Table::alter().table(Alias::new(TABLE)).add_column(column).to_owned();
            manager.alter_table(alter).await?;
        }
        manager.create_index(index(TABLE, INDEX, &["provider", "proven_account"])).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_index(Index::drop().name(INDEX).table(Alias::new(TABLE)).to_owned()).await?;
        for column in ["account_asked_at", "proven_account"] {
            let alter = Table::alter().table(Alias::new(TABLE)).drop_column(Alias::new(column)).to_owned();
            manager.alter_table(alter).await?;
        }
        Ok(())
    }
}
