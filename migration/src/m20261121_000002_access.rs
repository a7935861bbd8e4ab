//! Who may come in: users, their memberships in tenants, agents, API tokens.
//!
//! Users stand above tenants, because one person may work for several; a membership carries the role.

use sea_orm_migration::prelude::*;

use crate::columns::{MOMENT, id, index, of_tenant, optional, required};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let text = ColumnType::Text;
        let mut users = Table::create();
        users
            .table(Alias::new("users"))
            .col(id())
            .col(required("email", text.clone()))
            .col(required("name", text.clone()))
            .col(optional("password_hash", text.clone()))
            .col(optional("password_changed_at", MOMENT))
            .col(optional("password_reset_requested_at", MOMENT))
            .col(required("created_at", MOMENT))
            .col(required("updated_at", MOMENT));
        manager.create_table(users).await?;
        manager.create_index(index("users", "users_email", &["email"]).unique().to_owned()).await?;

        let mut memberships = Table::create();
        memberships
            .table(Alias::new("memberships"))
            .col(id())
            .col(required("tenant_id", ColumnType::Uuid))
            .col(required("user_id", ColumnType::Uuid))
            .col(required("role", text.clone()))
            .col(required("created_at", MOMENT))
            .col(required("updated_at", MOMENT))
            .foreign_key(&mut of_tenant("memberships"))
            .foreign_key(
                ForeignKey::create()
                    .name("fk_memberships_user")
                    .from(Alias::new("memberships"), Alias::new("user_id"))
                    .to(Alias::new("users"), Alias::new("id"))
                    .on_delete(ForeignKeyAction::Cascade),
            );
        manager.create_table(memberships).await?;
        manager
            .create_index(index("memberships", "memberships_of_user", &["user_id", "tenant_id"]).unique().to_owned())
            .await?;
        manager
            .create_index(index("memberships", "memberships_of_tenant", &["tenant_id", "id"]).unique().to_owned())
            .await?;

        let mut agents = Table::create();
        agents
            .table(Alias::new("agents"))
            .col(id())
            .col(required("tenant_id", ColumnType::Uuid))
            .col(required("name", text.clone()))
            .col(optional("description", text.clone()))
            .col(required("role", text.clone()))
            .col(optional("scopes", ColumnType::Json))
            .col(required("created_by", text.clone()))
            .col(required("created_at", MOMENT))
            .col(required("updated_at", MOMENT))
            .col(optional("disabled_at", MOMENT))
            .foreign_key(&mut of_tenant("agents"));
        manager.create_table(agents).await?;
        // What a foreign key that includes the tenant refers to.
        manager.create_index(index("agents", "agents_of_tenant", &["tenant_id", "id"]).unique().to_owned()).await?;

        let mut tokens = Table::create();
        tokens
            .table(Alias::new("api_tokens"))
            .col(id())
            .col(required("tenant_id", ColumnType::Uuid))
            .col(optional("agent_id", ColumnType::Uuid))
            .col(required("name", text.clone()))
            .col(required("digest", ColumnType::Blob))
            .col(required("hint", text.clone()))
            .col(required("role", text.clone()))
            .col(optional("scopes", ColumnType::Json))
            // Of a partner; organisations are never deleted.
            .col(optional("partner_organization_id", ColumnType::Uuid))
            .col(required("created_by", text))
            .col(required("created_at", MOMENT))
            .col(optional("expires_at", MOMENT))
            .col(optional("last_used_at", MOMENT))
            .col(optional("revoked_at", MOMENT))
            .foreign_key(&mut of_tenant("api_tokens"))
            .foreign_key(
                ForeignKey::create()
                    .name("fk_api_tokens_agent")
                    .from(Alias::new("api_tokens"), (Alias::new("tenant_id"), Alias::new("agent_id")))
                    .to(Alias::new("agents"), (Alias::new("tenant_id"), Alias::new("id")))
                    .on_delete(ForeignKeyAction::Cascade),
            );
        manager.create_table(tokens).await?;
        manager.create_index(index("api_tokens", "api_tokens_digest", &["digest"]).unique().to_owned()).await?;
        manager
            .create_index(index("api_tokens", "api_tokens_of_tenant", &["tenant_id", "id"]).unique().to_owned())
            .await?;
        manager.create_index(index("api_tokens", "api_tokens_of_agent", &["tenant_id", "agent_id"])).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["api_tokens", "agents", "memberships", "users"] {
            manager.drop_table(Table::drop().table(Alias::new(table)).to_owned()).await?;
        }
        Ok(())
    }
}
