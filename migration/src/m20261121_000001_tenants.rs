//! Tenants and their settings.

use sea_orm_migration::prelude::*;

use crate::columns::{MOMENT, id, index, required};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let text = ColumnType::Text;
        let mut tenants = Table::create();
        tenants
            .table(Alias::new("tenants"))
            .col(id())
            .col(required("slug", text.clone()))
            .col(required("name", text.clone()))
            .col(required("status", text.clone()))
            .col(required("time_zone", text.clone()))
            .col(required("locale", text.clone()))
            .col(required("currency", text.clone()))
            .col(required("date_format", text))
            .col(required("created_at", MOMENT))
            .col(required("updated_at", MOMENT));
        manager.create_table(tenants).await?;
        manager.create_index(index("tenants", "tenants_slug", &["slug"]).unique().to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Alias::new("tenants")).to_owned()).await
    }
}
