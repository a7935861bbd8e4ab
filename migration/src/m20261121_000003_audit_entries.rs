//! The audit log: who did what to what, from where; numbered and chained for each tenant.
//!
//! No foreign key leads out of it: an entry outlives everything it speaks of.

use sea_orm_migration::prelude::*;

use crate::columns::{MOMENT, id, index, optional, required};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let text = ColumnType::Text;
        let mut entries = Table::create();
        entries
            .table(Alias::new("audit_entries"))
            .col(id())
            .col(required("tenant_id", ColumnType::Uuid))
            .col(required("number", ColumnType::BigInteger))
            .col(required("hash", ColumnType::Blob))
            .col(required("at", MOMENT))
            .col(required("actor_kind", text.clone()))
            .col(required("actor", text.clone()))
            .col(optional("address", text.clone()))
            .col(required("request_id", text.clone()))
            .col(required("action", text.clone()))
            .col(required("subject", text))
            .col(optional("before", ColumnType::Json))
            .col(optional("after", ColumnType::Json));
        manager.create_table(entries).await?;
        let of_tenant = index("audit_entries", "audit_entries_of_tenant", &["tenant_id", "number"]).unique().to_owned();
        manager.create_index(of_tenant).await?;

        let mut heads = Table::create();
        heads
            .table(Alias::new("audit_heads"))
            .col(required("tenant_id", ColumnType::Uuid))
            .col(required("number", ColumnType::BigInteger))
            .col(required("hash", ColumnType::Blob))
            .primary_key(Index::create().name("pk_audit_heads").col(Alias::new("tenant_id")));
        manager.create_table(heads).await?;

        let mut checkpoints = Table::create();
        checkpoints
            .table(Alias::new("audit_checkpoints"))
            .col(required("tenant_id", ColumnType::Uuid))
            .col(required("number", ColumnType::BigInteger))
            .col(required("hash", ColumnType::Blob))
            .col(required("at", MOMENT))
            .col(required("key_id", ColumnType::Uuid))
            .col(required("signature", ColumnType::Blob))
            .col(optional("pruned_at", MOMENT))
            .primary_key(
                Index::create().name("pk_audit_checkpoints").col(Alias::new("tenant_id")).col(Alias::new("number")),
            );
        manager.create_table(checkpoints).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["audit_checkpoints", "audit_heads", "audit_entries"] {
            manager.drop_table(Table::drop().table(Alias::new(table)).to_owned()).await?;
        }
        Ok(())
    }
}
