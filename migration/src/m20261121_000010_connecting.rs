//! Ways to give an integration its credential: people on their way to a provider, links for outsiders, the operator's
//! own applications at providers.

use sea_orm_migration::prelude::*;

use crate::columns::{MOMENT, id, index, of_integration, of_tenant, optional, required};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let text = ColumnType::Text;
        let mut authorizations = Table::create();
        authorizations
            .table(Alias::new("authorizations"))
            .col(id())
            .col(required("tenant_id", ColumnType::Uuid))
            .col(required("integration_id", ColumnType::Uuid))
            .col(required("digest", ColumnType::Blob))
            .col(required("redirect_uri", text.clone()))
            .col(required("started_by", text.clone()))
            .col(required("created_at", MOMENT))
            .col(required("expires_at", MOMENT))
            .col(optional("used_at", MOMENT))
            .foreign_key(&mut of_tenant("authorizations"))
            .foreign_key(&mut of_integration("authorizations"));
        manager.create_table(authorizations).await?;
        let digest = index("authorizations", "authorizations_digest", &["digest"]).unique().to_owned();
        manager.create_index(digest).await?;
        manager.create_index(index("authorizations", "authorizations_old", &["expires_at"])).await?;

        let mut links = Table::create();
        links
            .table(Alias::new("connect_links"))
            .col(id())
            .col(required("tenant_id", ColumnType::Uuid))
            .col(required("integration_id", ColumnType::Uuid))
            .col(required("digest", ColumnType::Blob))
            .col(required("created_by", text.clone()))
            .col(required("created_at", MOMENT))
            .col(required("expires_at", MOMENT))
            .col(required("tries", ColumnType::Integer))
            .col(optional("used_at", MOMENT))
            .foreign_key(&mut of_tenant("connect_links"))
            .foreign_key(&mut of_integration("connect_links"));
        manager.create_table(links).await?;
        let digest = index("connect_links", "connect_links_digest", &["digest"]).unique().to_owned();
        manager.create_index(digest).await?;
        manager.create_index(index("connect_links", "connect_links_old", &["expires_at"])).await?;

        let mut apps = Table::create();
        apps.table(Alias::new("provider_apps"))
            .col(id())
            // The hub's own applications belong to no tenant that there is, so there is no foreign key.
            .col(required("tenant_id", ColumnType::Uuid))
            .col(required("provider", text.clone()))
            .col(required("hints", ColumnType::Json))
            .col(required("created_by", text))
            .col(required("created_at", MOMENT))
            .col(required("updated_at", MOMENT));
        manager.create_table(apps).await?;
        let app = index("provider_apps", "provider_apps_provider", &["tenant_id", "provider"]).unique().to_owned();
        manager.create_index(app).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["provider_apps", "connect_links", "authorizations"] {
            manager.drop_table(Table::drop().table(Alias::new(table)).to_owned()).await?;
        }
        Ok(())
    }
}
