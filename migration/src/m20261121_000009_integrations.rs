//! Integrations: connections to providers, their credentials, what was taken over of the catalogue.

use sea_orm_migration::prelude::*;

use crate::columns::{MOMENT, id, index, of_integration, of_tenant, optional, required};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
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
            // From then on nobody sees it; the row goes when everything that was its own is gone.
            .col(optional("deleted_at", MOMENT))
            .foreign_key(&mut of_tenant("integrations"));
        manager.create_table(integrations).await?;
        let own = index("integrations", "integrations_of_tenant", &["tenant_id", "id"]).unique().to_owned();
        manager.create_index(own).await?;
        let slot = index("integrations", "integrations_slot", &["tenant_id", "slot"]).unique().to_owned();
        manager.create_index(slot).await?;
        let provider = index("integrations", "integrations_of_provider", &["tenant_id", "provider", "id"]);
        manager.create_index(provider).await?;

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
        manager.create_index(index("credentials", "credentials_due", &["refresh_at"])).await?;

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

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["integration_actions", "credentials", "integrations"] {
            manager.drop_table(Table::drop().table(Alias::new(table)).to_owned()).await?;
        }
        Ok(())
    }
}
