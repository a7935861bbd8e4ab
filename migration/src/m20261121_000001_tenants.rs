//! Tenants and their settings.
//!
//! A deleted tenant's row stays for as long as its audit log: it is what the log belongs to.

use sea_orm_migration::prelude::*;

use crate::columns::{MOMENT, id, index, optional, required};

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
            .col(required("date_format", text.clone()))
            .col(required("created_at", MOMENT))
            .col(required("updated_at", MOMENT))
            .col(optional("suspended_at", MOMENT))
            .col(optional("suspension_reason", text))
            .col(optional("deleted_at", MOMENT))
            .col(optional("emptied_at", MOMENT));
        manager.create_table(tenants).await?;
        manager.create_index(index("tenants", "tenants_slug", &["slug"]).unique().to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Alias::new("tenants")).to_owned()).await
    }
}
