//! Keys under which a caller may repeat a request without repeating its effect.

use sea_orm_migration::prelude::*;

use crate::columns::{MOMENT, index, of_tenant, optional, required};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let text = ColumnType::Text;
        let mut keys = Table::create();
        keys.table(Alias::new("idempotency_keys"))
            .col(required("tenant_id", ColumnType::Uuid))
            .col(required("key", text.clone()))
            .col(required("operation", text))
            .col(required("input_digest", ColumnType::Blob))
            .col(optional("subject", ColumnType::Uuid))
            .col(required("created_at", MOMENT))
            .primary_key(
                Index::create().name("pk_idempotency_keys").col(Alias::new("tenant_id")).col(Alias::new("key")),
            )
            .foreign_key(&mut of_tenant("idempotency_keys"));
        manager.create_table(keys).await?;
        manager.create_index(index("idempotency_keys", "idempotency_keys_age", &["created_at"])).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Alias::new("idempotency_keys")).to_owned()).await
    }
}
