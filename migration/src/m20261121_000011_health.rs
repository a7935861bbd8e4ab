//! Health of integrations: what is known now, each check, each change of the verdict.
//!
//! `health` is one row for each integration; who probes finds by `health_due` what is due. `health_checks` and
//! `health_changes` are append-only and read by keyset, newest first; their ids sort by time.
//!
//! **Why `health_checks` is not partitioned** on PostgreSQL: its primary key is the id, which begins with the time, so that
//! what retention takes away is one end of one index and goes in batches; what is said of `events` holds here too.

use sea_orm_migration::prelude::*;

use crate::columns::{MOMENT, id, index, of_integration, of_tenant, optional, required};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let (text, number) = (ColumnType::Text, ColumnType::BigInteger);
        let mut health = Table::create();
        health
            .table(Alias::new("health"))
            .col(required("integration_id", ColumnType::Uuid).primary_key())
            .col(required("tenant_id", ColumnType::Uuid))
            // Whether it is probed: the integration is enabled.
            .col(required("watched", ColumnType::Boolean))
            .col(required("verdict", text.clone()))
            .col(required("since", MOMENT))
            // Why it is no better: the side that is bad, in a sentence, and the class of the failure.
            .col(optional("axis", text.clone()))
            .col(optional("reason", text.clone()))
            .col(optional("class", text.clone()))
            .col(required("credential", text.clone()))
            .col(required("reachability", text.clone()))
            .col(required("quota", text.clone()))
            .col(required("permission", text.clone()))
            .col(required("freshness", text.clone()))
            // In a row: that failed, that were not as they should be, that were.
            .col(required("failures", ColumnType::Integer))
            .col(required("troubles", ColumnType::Integer))
            .col(required("successes", ColumnType::Integer))
            // Microseconds: of the last probe, and as it usually is, learned from so many.
            .col(optional("latency", number.clone()))
            .col(optional("baseline", number.clone()))
            .col(required("samples", ColumnType::Integer))
            .col(optional("improved_at", MOMENT))
            // When somebody set out to ask, when an answer was noted, when it is asked next, how often in seconds.
            .col(optional("asked_at", MOMENT))
            .col(optional("checked_at", MOMENT))
            .col(required("next_at", MOMENT))
            .col(optional("every", ColumnType::Integer))
            .foreign_key(&mut of_tenant("health"))
            .foreign_key(&mut of_integration("health"));
        manager.create_table(health).await?;
        manager.create_index(index("health", "health_due", &["watched", "next_at"])).await?;
        manager.create_index(index("health", "health_of_tenant", &["tenant_id", "verdict"])).await?;

        let mut checks = Table::create();
        checks
            .table(Alias::new("health_checks"))
            .col(id())
            .col(required("tenant_id", ColumnType::Uuid))
            .col(required("integration_id", ColumnType::Uuid))
            .col(required("at", MOMENT))
            .col(required("source", text.clone()))
            .col(required("good", ColumnType::Boolean))
            .col(optional("class", text.clone()))
            .col(optional("message", text.clone()))
            .col(optional("latency", number.clone()))
            .col(optional("trace", text.clone()))
            .foreign_key(&mut of_tenant("health_checks"))
            .foreign_key(&mut of_integration("health_checks"));
        manager.create_table(checks).await?;
        let own = &["tenant_id", "integration_id", "id"];
        manager.create_index(index("health_checks", "health_checks_of", own)).await?;
        // Of the many that are good, `why` wants none.
        let bad = "CREATE INDEX health_checks_bad ON health_checks (tenant_id, integration_id, id) WHERE NOT good";
        manager.get_connection().execute_unprepared(bad).await?;

        let mut changes = Table::create();
        changes
            .table(Alias::new("health_changes"))
            .col(id())
            .col(required("tenant_id", ColumnType::Uuid))
            .col(required("integration_id", ColumnType::Uuid))
            .col(required("at", MOMENT))
            .col(required("before", text.clone()))
            .col(required("after", text.clone()))
            .col(optional("axis", text.clone()))
            .col(optional("reason", text.clone()))
            .col(optional("class", text.clone()))
            .col(optional("latency", number))
            .col(optional("source", text.clone()))
            .col(optional("trace", text))
            .foreign_key(&mut of_tenant("health_changes"))
            .foreign_key(&mut of_integration("health_changes"));
        manager.create_table(changes).await?;
        manager.create_index(index("health_changes", "health_changes_of", own)).await?;
        // The chain of causes reads the log by what it is about.
        manager.create_index(index("events", "events_subject", &["tenant_id", "subject", "number"])).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_index(Index::drop().name("events_subject").table(Alias::new("events")).to_owned()).await?;
        for table in ["health_changes", "health_checks", "health"] {
            manager.drop_table(Table::drop().table(Alias::new(table)).to_owned()).await?;
        }
        Ok(())
    }
}
