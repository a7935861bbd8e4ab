//! Limits of attempts to sign in and of requests for a new password.
//!
//! Takes the place of `sign_in_locks`, which stays for an older program that may still be running.

use sea_orm_migration::prelude::*;

use crate::columns::{index, required};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut limits = Table::create();
        limits
            .table(Alias::new("attempt_limits"))
            .col(required("key", ColumnType::Text).primary_key().to_owned())
            .col(required("empty_at", ColumnType::BigInteger));
        manager.create_table(limits).await?;
        manager.create_index(index("attempt_limits", "attempt_limits_empty_at", &["empty_at"])).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Alias::new("attempt_limits")).to_owned()).await
    }
}
