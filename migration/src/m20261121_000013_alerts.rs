//! Alerts: what somebody should look at, until it is over.

use sea_orm_migration::prelude::*;

use crate::columns::{MOMENT, id, index, of_tenant, optional, required};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let text = ColumnType::Text;
        let mut alerts = Table::create();
        alerts
            .table(Alias::new("alerts"))
            .col(id())
            .col(required("tenant_id", ColumnType::Uuid))
            .col(required("kind", text.clone()))
            .col(required("severity", text.clone()))
            .col(required("subject", text.clone()))
            .col(required("text", text))
            .col(required("raised_at", MOMENT))
            .col(optional("resolved_at", MOMENT))
            .foreign_key(&mut of_tenant("alerts"));
        manager.create_table(alerts).await?;
        // What goes wrong on and on is one alert.
        let open = "CREATE UNIQUE INDEX alerts_open ON alerts (tenant_id, subject, kind) WHERE resolved_at IS NULL";
        manager.get_connection().execute_unprepared(open).await?;
        manager.create_index(index("alerts", "alerts_newest", &["tenant_id", "id"])).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Alias::new("alerts")).to_owned()).await
    }
}
