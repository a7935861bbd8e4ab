//! The audit log: who did what to what, from where.
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
        manager.create_index(index("audit_entries", "audit_entries_of_tenant", &["tenant_id", "id"])).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Alias::new("audit_entries")).to_owned()).await
    }
}
