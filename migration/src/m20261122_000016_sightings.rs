//! Sightings: which records a full pass saw as they were.

use sea_orm_migration::prelude::*;

use crate::columns::{of_tenant, required};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut sightings = Table::create();
        sightings
            .table(Alias::new("sync_sightings"))
            .col(required("tenant_id", ColumnType::Uuid))
            .col(required("run_id", ColumnType::Uuid))
            .col(required("page", ColumnType::BigInteger))
            // Eight bytes for each record.
            .col(required("digests", ColumnType::Blob))
            .primary_key(Index::create().col(Alias::new("tenant_id")).col(Alias::new("run_id")).col(Alias::new("page")))
            .foreign_key(&mut of_tenant("sync_sightings"))
            .foreign_key(
                ForeignKey::create()
                    .name("fk_sync_sightings_run")
                    .from(Alias::new("sync_sightings"), (Alias::new("tenant_id"), Alias::new("run_id")))
                    .to(Alias::new("sync_runs"), (Alias::new("tenant_id"), Alias::new("id")))
                    .on_delete(ForeignKeyAction::Cascade),
            );
        manager.create_table(sightings).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Alias::new("sync_sightings")).to_owned()).await
    }
}
