//! Invitations: how people join a tenant.
//!
//! An account now names the tenant that founded it, whose administrators look after it while the person belongs to no
//! other tenant; for accounts that exist already, that is the tenant the person has belonged to for longest. A
//! membership names the time before which sessions of the person no longer act in the tenant. Links for a first password
//! are renamed, since they were called invitations.

use sea_orm_migration::prelude::*;

use crate::columns::{MOMENT, id, index, of_tenant, optional, required};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let text = ColumnType::Text;
        let mut invitations = Table::create();
        invitations
            .table(Alias::new("invitations"))
            .col(id())
            .col(required("tenant_id", ColumnType::Uuid))
            .col(required("email", text.clone()))
            .col(required("role", text.clone()))
            .col(required("digest", ColumnType::Blob))
            .col(required("created_by", text.clone()))
            .col(required("created_at", MOMENT))
            .col(required("expires_at", MOMENT))
            .col(optional("ended_at", MOMENT))
            // ACCEPTED, DECLINED or REVOKED, with the time above.
            .col(optional("outcome", text))
            .foreign_key(&mut of_tenant("invitations"));
        manager.create_table(invitations).await?;
        let digest = index("invitations", "invitations_digest", &["digest"]).unique().to_owned();
        manager.create_index(digest).await?;
        let of_tenant = index("invitations", "invitations_of_tenant", &["tenant_id", "id"]).unique().to_owned();
        manager.create_index(of_tenant).await?;
        manager.create_index(index("invitations", "invitations_of_email", &["email", "tenant_id"])).await?;

        let mut users = Table::alter();
        users.table(Alias::new("users")).add_column(optional("founding_tenant_id", ColumnType::Uuid));
        manager.alter_table(users).await?;
        let oldest = "UPDATE users SET founding_tenant_id = (SELECT tenant_id FROM memberships \
                      WHERE user_id = users.id ORDER BY id LIMIT 1)";
        manager.get_connection().execute_unprepared(oldest).await?;
        rename_links(manager, "INVITATION", "ACTIVATION").await?;

        let mut memberships = Table::alter();
        memberships.table(Alias::new("memberships")).add_column(optional("sessions_ended_at", MOMENT));
        manager.alter_table(memberships).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        rename_links(manager, "ACTIVATION", "INVITATION").await?;
        for (table, column) in [("memberships", "sessions_ended_at"), ("users", "founding_tenant_id")] {
            let mut altered = Table::alter();
            altered.table(Alias::new(table)).drop_column(Alias::new(column));
            manager.alter_table(altered).await?;
        }
        manager.drop_table(Table::drop().table(Alias::new("invitations")).to_owned()).await
    }
}

async fn rename_links(manager: &SchemaManager<'_>, from: &str, to: &str) -> Result<(), DbErr> {
    let sql = format!("UPDATE one_time_tokens SET purpose = '{to}' WHERE purpose = '{from}'");
    manager.get_connection().execute_unprepared(&sql).await?;
    Ok(())
}
