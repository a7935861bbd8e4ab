//! Background work, enqueued in the transaction that needs it, and what is due again and again.
//!
//! Rows of the nil tenant are the hub's own, so neither table refers to the tenants.

use sea_orm_migration::prelude::*;

use crate::columns::{MOMENT, id, index, optional, required};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let text = ColumnType::Text;
        let mut jobs = Table::create();
        jobs.table(Alias::new("jobs"))
            .col(id())
            .col(required("tenant_id", ColumnType::Uuid))
            .col(required("kind", text.clone()))
            .col(optional("unique_key", text.clone()))
            .col(required("payload", ColumnType::Json))
            .col(required("state", text.clone()))
            .col(required("priority", ColumnType::SmallInteger))
            .col(required("turn", ColumnType::BigInteger))
            .col(required("run_at", MOMENT))
            .col(required("attempts", ColumnType::Integer))
            .col(required("max_attempts", ColumnType::Integer))
            .col(required("again", ColumnType::Boolean))
            .col(optional("holder", text.clone()))
            .col(optional("leased_until", MOMENT))
            .col(required("fence", ColumnType::BigInteger))
            .col(optional("last_error", text.clone()))
            .col(required("actor_kind", text.clone()))
            .col(required("actor", text.clone()))
            .col(required("request_id", text.clone()))
            .col(required("created_at", MOMENT))
            .col(required("updated_at", MOMENT));
        manager.create_table(jobs).await?;
        // In the order in which they are taken, found when they are due, numbered within their tenant, let go.
        let db = manager.get_connection();
        db.execute_unprepared("CREATE INDEX jobs_line ON jobs (state, kind, priority DESC, turn, id)").await?;
        manager.create_index(index("jobs", "jobs_due", &["state", "kind", "run_at"])).await?;
        manager.create_index(index("jobs", "jobs_turns", &["tenant_id", "state", "kind", "turn"])).await?;
        manager.create_index(index("jobs", "jobs_leases", &["state", "leased_until"])).await?;
        // The dead make room for the next of their key.
        let unique = "CREATE UNIQUE INDEX jobs_unique_key ON jobs (tenant_id, kind, unique_key) WHERE state <> 'DEAD'";
        db.execute_unprepared(unique).await?;

        let mut schedules = Table::create();
        schedules
            .table(Alias::new("schedules"))
            .col(id())
            .col(required("tenant_id", ColumnType::Uuid))
            .col(required("kind", text.clone()))
            .col(required("key", text))
            .col(required("payload", ColumnType::Json))
            .col(required("max_attempts", ColumnType::Integer))
            .col(required("rhythm", ColumnType::Json))
            .col(optional("next_at", MOMENT))
            .col(optional("last_at", MOMENT))
            .col(required("created_at", MOMENT))
            .col(required("updated_at", MOMENT));
        manager.create_table(schedules).await?;
        let key = index("schedules", "schedules_key", &["tenant_id", "kind", "key"]).unique().to_owned();
        manager.create_index(key).await?;
        manager.create_index(index("schedules", "schedules_due", &["next_at"])).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Alias::new("schedules")).to_owned()).await?;
        manager.drop_table(Table::drop().table(Alias::new("jobs")).to_owned()).await
    }
}
