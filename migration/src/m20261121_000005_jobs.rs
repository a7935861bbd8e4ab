//! Background work, enqueued in the transaction that needs it.

use sea_orm_migration::prelude::*;

use crate::columns::{MOMENT, id, index, of_tenant, optional, required};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let text = ColumnType::Text;
        let mut jobs = Table::create();
        jobs.table(Alias::new("jobs"))
            .col(id())
            .col(optional("tenant_id", ColumnType::Uuid))
            .col(required("kind", text.clone()))
            .col(optional("unique_key", text.clone()))
            .col(required("payload", ColumnType::Json))
            .col(required("state", text.clone()))
            .col(required("priority", ColumnType::SmallInteger))
            .col(required("run_at", MOMENT))
            .col(required("attempts", ColumnType::Integer))
            .col(required("max_attempts", ColumnType::Integer))
            .col(optional("leased_until", MOMENT))
            .col(required("fence", ColumnType::BigInteger))
            .col(optional("last_error", text))
            .col(required("created_at", MOMENT))
            .col(required("updated_at", MOMENT))
            .foreign_key(&mut of_tenant("jobs"));
        manager.create_table(jobs).await?;
        manager.create_index(index("jobs", "jobs_due", &["state", "run_at"])).await?;
        manager.create_index(index("jobs", "jobs_unique_key", &["kind", "unique_key"]).unique().to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Alias::new("jobs")).to_owned()).await
    }
}
