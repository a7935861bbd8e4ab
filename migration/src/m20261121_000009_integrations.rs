//! Integrations: connections to providers, their credentials, what was imported of the catalogue, people on
//! their way to a provider, links for outsiders, the operator's own applications at providers.

use sea_orm_migration::prelude::*;

use crate::columns::{MOMENT, id, index, of_tenant, optional, required};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// A foreign key to an integration of the same tenant; its rows go when the integration goes.
fn of_integration(table: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(format!("fk_{table}_integration"))
        .from(Alias::new(table), (Alias::new("tenant_id"), Alias::new("integration_id")))
        .to(Alias::new("integrations"), (Alias::new("tenant_id"), Alias::new("id")))
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned()
}

/// The integrations themselves.
async fn integrations(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let text = ColumnType::Text;
    let mut integrations = Table::create();
    integrations
        .table(Alias::new("integrations"))
        .col(id())
        .col(required("tenant_id", ColumnType::Uuid))
        .col(required("provider", text.clone()))
        .col(required("category", text.clone()))
        // The provider's key where a tenant may have one connection, else null: a unique index holds it.
        .col(optional("slot", text.clone()))
        .col(required("name", text.clone()))
        .col(optional("description", text.clone()))
        .col(required("environment", text.clone()))
        .col(required("auth_method", text.clone()))
        .col(required("settings", ColumnType::Json))
        .col(required("metadata", ColumnType::Json))
        .col(required("status", text.clone()))
        .col(required("enabled", ColumnType::Boolean))
        .col(optional("account", text.clone()))
        .col(optional("timeout_ms", ColumnType::BigInteger))
        .col(required("can_sync", ColumnType::Boolean))
        .col(required("can_push", ColumnType::Boolean))
        .col(required("can_webhook", ColumnType::Boolean))
        .col(optional("sync_frequency", text.clone()))
        .col(optional("last_synced_at", MOMENT))
        .col(optional("last_tested_at", MOMENT))
        .col(optional("last_success_at", MOMENT))
        .col(optional("last_error_at", MOMENT))
        .col(optional("error_class", text.clone()))
        .col(optional("error_message", text.clone()))
        .col(required("total_records", ColumnType::BigInteger))
        .col(required("last_sync_count", ColumnType::BigInteger))
        .col(required("failed_sync_count", ColumnType::BigInteger))
        .col(required("created_by", text.clone()))
        .col(required("created_at", MOMENT))
        .col(required("updated_at", MOMENT))
        .foreign_key(&mut of_tenant("integrations"));
    manager.create_table(integrations).await?;
    let own = index("integrations", "integrations_of_tenant", &["tenant_id", "id"]).unique().to_owned();
    manager.create_index(own).await?;
    let slot = index("integrations", "integrations_slot", &["tenant_id", "slot"]).unique().to_owned();
    manager.create_index(slot).await?;
    let provider = index("integrations", "integrations_of_provider", &["tenant_id", "provider", "id"]);
    manager.create_index(provider).await
}

/// What proves who asks; one of each integration is in use.
async fn credentials(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let text = ColumnType::Text;
    let mut credentials = Table::create();
    credentials
        .table(Alias::new("credentials"))
        .col(id())
        .col(required("tenant_id", ColumnType::Uuid))
        .col(required("integration_id", ColumnType::Uuid))
        .col(required("auth_method", text.clone()))
        // True for the one in use, null for those before it: a unique index holds that there is one.
        .col(optional("current", ColumnType::Boolean))
        .col(optional("serves_until", MOMENT))
        .col(required("hints", ColumnType::Json))
        .col(optional("key_prefix", text.clone()))
        .col(required("token_number", ColumnType::BigInteger))
        .col(required("refreshable", ColumnType::Boolean))
        .col(optional("token_expires_at", MOMENT))
        .col(optional("refresh_at", MOMENT))
        .col(optional("leased_until", MOMENT))
        .col(required("fence", ColumnType::BigInteger))
        .col(required("failures", ColumnType::Integer))
        .col(optional("retry_at", MOMENT))
        .col(optional("refused_at", MOMENT))
        .col(optional("refused_because", text.clone()))
        .col(required("created_by", text.clone()))
        .col(required("created_at", MOMENT))
        .col(required("updated_at", MOMENT))
        .foreign_key(&mut of_tenant("credentials"))
        .foreign_key(&mut of_integration("credentials"));
    manager.create_table(credentials).await?;
    let one = index("credentials", "credentials_current", &["tenant_id", "integration_id", "current"]);
    manager.create_index(one.clone().unique().to_owned()).await?;
    manager.create_index(index("credentials", "credentials_due", &["refresh_at"])).await
}

/// What was taken over of the providers' catalogues.
async fn actions(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let text = ColumnType::Text;
    let mut actions = Table::create();
    actions
        .table(Alias::new("integration_actions"))
        .col(id())
        .col(required("tenant_id", ColumnType::Uuid))
        .col(required("integration_id", ColumnType::Uuid))
        .col(required("key", text.clone()))
        .col(required("name", text.clone()))
        .col(required("description", text.clone()))
        .col(required("effect", text.clone()))
        .col(required("input", ColumnType::Json))
        .col(required("output", ColumnType::Json))
        .col(required("imported_at", MOMENT))
        .foreign_key(&mut of_tenant("integration_actions"))
        .foreign_key(&mut of_integration("integration_actions"));
    manager.create_table(actions).await?;
    let key = index("integration_actions", "integration_actions_key", &["tenant_id", "integration_id", "key"]);
    manager.create_index(key.clone().unique().to_owned()).await
}

/// People on their way to a provider.
async fn authorizations(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
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
    manager.create_index(index("authorizations", "authorizations_old", &["expires_at"])).await
}

/// Links for outsiders.
async fn links(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let text = ColumnType::Text;
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
    manager.create_index(index("connect_links", "connect_links_old", &["expires_at"])).await
}

/// Applications at providers, of tenants and of the hub.
async fn apps(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let text = ColumnType::Text;
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

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        integrations(manager).await?;
        credentials(manager).await?;
        actions(manager).await?;
        authorizations(manager).await?;
        links(manager).await?;
        apps(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in
            ["provider_apps", "connect_links", "authorizations", "integration_actions", "credentials", "integrations"]
        {
            manager.drop_table(Table::drop().table(Alias::new(table)).to_owned()).await?;
        }
        Ok(())
    }
}
