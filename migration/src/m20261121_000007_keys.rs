//! Keys and what they seal.
//!
//! Rows of the nil tenant are the hub's own, so no foreign key leads to `tenants`; whoever deletes a
//! tenant deletes its keys, and with them the meaning of everything they sealed.

use sea_orm_migration::prelude::*;

use crate::columns::{MOMENT, id, index, optional, required};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let text = ColumnType::Text;
        let mut masters = Table::create();
        masters
            .table(Alias::new("master_keys"))
            .col(required("version", ColumnType::Integer).primary_key().to_owned())
            .col(required("check_value", ColumnType::Blob))
            .col(required("created_at", MOMENT));
        manager.create_table(masters).await?;

        let mut data_keys = Table::create();
        data_keys
            .table(Alias::new("data_keys"))
            .col(required("tenant_id", ColumnType::Uuid))
            .col(required("version", ColumnType::Integer))
            .col(required("master_version", ColumnType::Integer))
            .col(required("check_value", ColumnType::Blob))
            .col(required("sealed", ColumnType::Blob))
            .col(required("seals", ColumnType::BigInteger))
            .col(required("created_at", MOMENT))
            .primary_key(Index::create().name("pk_data_keys").col(Alias::new("tenant_id")).col(Alias::new("version")));
        manager.create_table(data_keys).await?;
        manager.create_index(index("data_keys", "data_keys_master", &["master_version"])).await?;

        let mut secrets = Table::create();
        secrets
            .table(Alias::new("secrets"))
            .col(id())
            .col(required("tenant_id", ColumnType::Uuid))
            .col(required("owner", text.clone()))
            .col(required("name", text))
            .col(required("key_version", ColumnType::Integer))
            .col(required("sealed", ColumnType::Blob))
            .col(required("created_at", MOMENT))
            .col(required("updated_at", MOMENT));
        manager.create_table(secrets).await?;
        let of_owner = index("secrets", "secrets_of_owner", &["tenant_id", "owner", "name"]).unique().to_owned();
        manager.create_index(of_owner).await?;
        manager.create_index(index("secrets", "secrets_of_key", &["tenant_id", "key_version", "id"])).await?;

        let mut signing = Table::create();
        signing
            .table(Alias::new("signing_keys"))
            .col(id())
            .col(required("algorithm", ColumnType::Text))
            .col(required("public_key", ColumnType::Blob))
            .col(required("created_at", MOMENT))
            .col(required("signs_from", MOMENT))
            .col(optional("retired_at", MOMENT));
        manager.create_table(signing).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["signing_keys", "secrets", "data_keys", "master_keys"] {
            manager.drop_table(Table::drop().table(Alias::new(table)).to_owned()).await?;
        }
        Ok(())
    }
}
