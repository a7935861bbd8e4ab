//! Signing in: sessions with their refresh tokens, links that work once, locks, outside issuers.

use sea_orm_migration::prelude::*;

use crate::columns::{MOMENT, id, index, of_tenant, optional, required};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

fn of_user(table: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(format!("fk_{table}_user"))
        .from(Alias::new(table), Alias::new("user_id"))
        .to(Alias::new("users"), Alias::new("id"))
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned()
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let text = ColumnType::Text;
        let mut sessions = Table::create();
        sessions
            .table(Alias::new("sessions"))
            .col(id())
            .col(required("user_id", ColumnType::Uuid))
            // The person's choice; not tenant_id, because a session is no row of a tenant.
            .col(optional("chosen_tenant", ColumnType::Uuid))
            .col(optional("address", text.clone()))
            .col(optional("user_agent", text.clone()))
            .col(required("created_at", MOMENT))
            .col(required("last_used_at", MOMENT))
            .col(required("expires_at", MOMENT))
            .col(optional("revoked_at", MOMENT))
            .col(optional("revoked_because", text.clone()))
            .foreign_key(&mut of_user("sessions"));
        manager.create_table(sessions).await?;
        manager.create_index(index("sessions", "sessions_of_user", &["user_id", "id"])).await?;

        let mut refresh = Table::create();
        refresh
            .table(Alias::new("refresh_tokens"))
            .col(id())
            .col(required("session_id", ColumnType::Uuid))
            .col(required("digest", ColumnType::Blob))
            .col(required("created_at", MOMENT))
            .col(required("expires_at", MOMENT))
            .col(optional("used_at", MOMENT))
            .foreign_key(
                ForeignKey::create()
                    .name("fk_refresh_tokens_session")
                    .from(Alias::new("refresh_tokens"), Alias::new("session_id"))
                    .to(Alias::new("sessions"), Alias::new("id"))
                    .on_delete(ForeignKeyAction::Cascade),
            );
        manager.create_table(refresh).await?;
        let digest = index("refresh_tokens", "refresh_tokens_digest", &["digest"]).unique().to_owned();
        manager.create_index(digest).await?;
        manager.create_index(index("refresh_tokens", "refresh_tokens_of_session", &["session_id"])).await?;

        let mut links = Table::create();
        links
            .table(Alias::new("one_time_tokens"))
            .col(id())
            .col(required("user_id", ColumnType::Uuid))
            .col(required("purpose", text.clone()))
            .col(required("digest", ColumnType::Blob))
            .col(required("created_at", MOMENT))
            .col(required("expires_at", MOMENT))
            .col(optional("used_at", MOMENT))
            .foreign_key(&mut of_user("one_time_tokens"));
        manager.create_table(links).await?;
        let digest = index("one_time_tokens", "one_time_tokens_digest", &["digest"]).unique().to_owned();
        manager.create_index(digest).await?;

        let mut locks = Table::create();
        locks
            .table(Alias::new("sign_in_locks"))
            .col(required("key", text.clone()).primary_key().to_owned())
            .col(required("failures", ColumnType::Integer))
            .col(required("failed_at", MOMENT))
            .col(optional("locked_until", MOMENT));
        manager.create_table(locks).await?;

        let mut issuers = Table::create();
        issuers
            .table(Alias::new("issuers"))
            .col(id())
            .col(required("tenant_id", ColumnType::Uuid))
            .col(required("name", text.clone()))
            .col(required("iss", text.clone()))
            .col(required("audience", text.clone()))
            .col(optional("jwks_url", text.clone()))
            .col(required("algorithm", text.clone()))
            .col(required("roles_claim", ColumnType::Json))
            .col(required("role_map", ColumnType::Json))
            .col(optional("default_role", text.clone()))
            .col(required("created_by", text))
            .col(required("created_at", MOMENT))
            .col(required("updated_at", MOMENT))
            .foreign_key(&mut of_tenant("issuers"));
        manager.create_table(issuers).await?;
        let issuer = index("issuers", "issuers_iss", &["iss", "audience"]).unique().to_owned();
        manager.create_index(issuer).await?;
        manager.create_index(index("issuers", "issuers_of_tenant", &["tenant_id", "id"]).unique().to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["issuers", "sign_in_locks", "one_time_tokens", "refresh_tokens", "sessions"] {
            manager.drop_table(Table::drop().table(Alias::new(table)).to_owned()).await?;
        }
        Ok(())
    }
}
