//! How partners are told: by which action of their own interface instead of webhooks, and in which rounds.

use sea_orm_migration::prelude::*;

use crate::columns::optional;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const TABLE: &str = "webhook_destinations";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // The key of an action, and minutes from round to round.
        for column in [optional("action", ColumnType::Text), optional("every", ColumnType::Integer)] {
            let alter = Table::alter().table(Alias::new(TABLE)).add_column(column).to_owned();
            manager.alter_table(alter).await?;
        }
        // Partners that asked for rounds before there were any.
        let rounds = "UPDATE webhook_destinations SET every = (SELECT CASE i.sync_frequency \
                        WHEN 'every_15_minutes' THEN 15 WHEN 'hourly' THEN 60 WHEN 'daily' THEN 1440 END \
                        FROM integrations i WHERE i.id = webhook_destinations.partner_integration_id) \
                      WHERE partner_integration_id IS NOT NULL";
        manager.get_connection().execute_unprepared(rounds).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in ["every", "action"] {
            let alter = Table::alter().table(Alias::new(TABLE)).drop_column(Alias::new(column)).to_owned();
            manager.alter_table(alter).await?;
        }
        Ok(())
    }
}
