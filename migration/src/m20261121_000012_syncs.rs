//! Syncs: the streams of integrations, the runs that read them, the records they bring, and what they write down.

use sea_orm_migration::prelude::*;

use crate::columns::{MOMENT, id, index, of_integration, of_tenant, optional, required};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// A foreign key to a stream of the same tenant; its rows go when the stream goes.
fn of_stream(table: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(format!("fk_{table}_stream"))
        .from(Alias::new(table), (Alias::new("tenant_id"), Alias::new("stream_id")))
        .to(Alias::new("sync_streams"), (Alias::new("tenant_id"), Alias::new("id")))
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned()
}

/// The streams, and how far each was read.
async fn streams(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let text = ColumnType::Text;
    let number = ColumnType::BigInteger;
    let mut streams = Table::create();
    streams
        .table(Alias::new("sync_streams"))
        .col(id())
        .col(required("tenant_id", ColumnType::Uuid))
        .col(required("integration_id", ColumnType::Uuid))
        .col(required("stream", text.clone()))
        // What somebody chose, and the rhythm that is set.
        .col(optional("plan", ColumnType::Json))
        .col(optional("rhythm", ColumnType::Json))
        .col(required("paused", ColumnType::Boolean))
        .col(optional("stopped_at", MOMENT))
        .col(optional("stopped_because", text.clone()))
        // The newest change that was seen: from there on the next run asks.
        .col(optional("watermark", MOMENT))
        // What the integration's settings were then: with others, other things may be read.
        .col(optional("read_with", text.clone()))
        .col(required("change_number", number.clone()))
        .col(required("full_pass", number.clone()))
        .col(required("total", number.clone()))
        .col(required("last_seen", number.clone()))
        .col(required("failures", ColumnType::Integer))
        .col(optional("last_run_id", ColumnType::Uuid))
        .col(optional("last_synced_at", MOMENT))
        .col(required("created_at", MOMENT))
        .col(required("updated_at", MOMENT))
        .foreign_key(&mut of_tenant("sync_streams"))
        .foreign_key(&mut of_integration("sync_streams"));
    manager.create_table(streams).await?;
    let own = index("sync_streams", "sync_streams_of_tenant", &["tenant_id", "id"]).unique().to_owned();
    manager.create_index(own).await?;
    let key = index("sync_streams", "sync_streams_key", &["tenant_id", "integration_id", "stream"]);
    manager.create_index(key.clone().unique().to_owned()).await?;
    Ok(())
}

/// The runs.
async fn runs(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let text = ColumnType::Text;
    let number = ColumnType::BigInteger;
    let mut runs = Table::create();
    runs.table(Alias::new("sync_runs"))
        .col(id())
        .col(required("tenant_id", ColumnType::Uuid))
        .col(required("integration_id", ColumnType::Uuid))
        .col(required("stream_id", ColumnType::Uuid))
        .col(required("stream", text.clone()))
        .col(required("mode", text.clone()))
        .col(required("cause", text.clone()))
        .col(required("status", text.clone()))
        .col(required("position", ColumnType::Json))
        .col(required("marks", ColumnType::Json))
        .col(optional("since", MOMENT))
        .col(optional("newest", MOMENT))
        .col(required("keeps_cursor", ColumnType::Boolean))
        // The number of the full pass, if it is one; and behind which id what is absent is looked for.
        .col(optional("full_pass", number.clone()))
        .col(optional("absent_after", text.clone()))
        .col(optional("expected", number.clone()))
        .col(required("seen", number.clone()))
        .col(required("added", number.clone()))
        .col(required("updated", number.clone()))
        .col(required("unchanged", number.clone()))
        .col(required("deleted", number.clone()))
        .col(required("failed", number.clone()))
        .col(required("pages", number.clone()))
        .col(required("bytes", number.clone()))
        // Since the last progress: how often it was taken up, and how often the provider failed.
        .col(required("begun", ColumnType::Integer))
        .col(required("tries", ColumnType::Integer))
        .col(required("lines", number.clone()))
        .col(required("trace", text.clone()))
        .col(optional("error_class", text.clone()))
        .col(optional("error", text.clone()))
        .col(required("requested_by", text.clone()))
        .col(required("created_at", MOMENT))
        .col(optional("started_at", MOMENT))
        .col(required("progressed_at", MOMENT))
        .col(optional("ended_at", MOMENT))
        .foreign_key(&mut of_tenant("sync_runs"))
        .foreign_key(&mut of_integration("sync_runs"))
        .foreign_key(&mut of_stream("sync_runs"));
    manager.create_table(runs).await?;
    let db = manager.get_connection();
    // One run of a stream at a time.
    let active = "CREATE UNIQUE INDEX sync_runs_active ON sync_runs (tenant_id, stream_id) \
                  WHERE status IN ('QUEUED', 'RUNNING')";
    db.execute_unprepared(active).await?;
    let silent = "CREATE INDEX sync_runs_silent ON sync_runs (progressed_at) WHERE status IN ('QUEUED', 'RUNNING')";
    db.execute_unprepared(silent).await?;
    let own = index("sync_runs", "sync_runs_of_tenant", &["tenant_id", "id"]).unique().to_owned();
    manager.create_index(own).await?;
    manager
        .create_index(index("sync_runs", "sync_runs_of_integration", &["tenant_id", "integration_id", "id"]))
        .await?;
    manager.create_index(index("sync_runs", "sync_runs_of_stream", &["tenant_id", "stream_id"])).await?;
    manager.create_index(index("sync_runs", "sync_runs_old", &["ended_at"])).await?;
    Ok(())
}

/// The records.
async fn records(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let text = ColumnType::Text;
    let number = ColumnType::BigInteger;
    let mut records = Table::create();
    records
        .table(Alias::new("records"))
        .col(required("tenant_id", ColumnType::Uuid))
        .col(required("integration_id", ColumnType::Uuid))
        .col(required("stream_id", ColumnType::Uuid))
        .col(required("external_id", text.clone()))
        .col(required("data", ColumnType::Json))
        .col(required("hash", ColumnType::Blob))
        .col(optional("updated_at", MOMENT))
        .col(required("full_pass", number.clone()))
        .col(optional("deleted_at", MOMENT))
        .col(required("change_number", number.clone()))
        .col(required("changed_at", MOMENT))
        .primary_key(Index::create().col(Alias::new("stream_id")).col(Alias::new("external_id")))
        .foreign_key(&mut of_tenant("records"))
        .foreign_key(&mut of_stream("records"));
    manager.create_table(records).await?;
    let changes = index("records", "records_changes", &["stream_id", "change_number"]).unique().to_owned();
    manager.create_index(changes).await?;
    manager.create_index(index("records", "records_of_tenant", &["tenant_id"])).await?;
    Ok(())
}

/// What runs write down: lines, and what could not be kept.
async fn written(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let text = ColumnType::Text;
    let number = ColumnType::BigInteger;
    let mut failures = Table::create();
    failures
        .table(Alias::new("sync_failures"))
        .col(id())
        .col(required("tenant_id", ColumnType::Uuid))
        .col(required("integration_id", ColumnType::Uuid))
        .col(required("stream_id", ColumnType::Uuid))
        .col(required("run_id", ColumnType::Uuid))
        .col(required("page", number.clone()))
        .col(optional("external_id", text.clone()))
        .col(required("reason", text.clone()))
        .col(required("data", ColumnType::Json))
        .col(required("at", MOMENT))
        .foreign_key(&mut of_tenant("sync_failures"))
        .foreign_key(&mut of_stream("sync_failures"));
    manager.create_table(failures).await?;
    let of_run = index("sync_failures", "sync_failures_of_run", &["tenant_id", "run_id", "id"]);
    manager.create_index(of_run).await?;
    // By these rows are found that go with their stream, here and below.
    manager.create_index(index("sync_failures", "sync_failures_of_stream", &["tenant_id", "stream_id"])).await?;

    let mut logs = Table::create();
    logs.table(Alias::new("sync_logs"))
        .col(id())
        .col(required("tenant_id", ColumnType::Uuid))
        .col(required("integration_id", ColumnType::Uuid))
        .col(required("stream_id", ColumnType::Uuid))
        .col(required("stream", text.clone()))
        .col(required("run_id", ColumnType::Uuid))
        .col(required("number", number))
        .col(required("level", text.clone()))
        .col(required("step", text.clone()))
        .col(required("message", text))
        .col(required("fields", ColumnType::Json))
        .col(required("at", MOMENT))
        .foreign_key(&mut of_tenant("sync_logs"))
        .foreign_key(&mut of_stream("sync_logs"));
    manager.create_table(logs).await?;
    for (name, columns) in [
        ("sync_logs_of_tenant", &["tenant_id", "id"][..]),
        ("sync_logs_of_integration", &["tenant_id", "integration_id", "id"]),
        ("sync_logs_of_run", &["tenant_id", "run_id", "id"]),
        ("sync_logs_of_stream", &["tenant_id", "stream_id"]),
    ] {
        manager.create_index(index("sync_logs", name, columns)).await?;
    }
    Ok(())
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut outcomes = required("sync_outcomes", ColumnType::Text);
        let outcomes = outcomes.default("");
        manager.alter_table(Table::alter().table(Alias::new("integrations")).add_column(outcomes).to_owned()).await?;
        streams(manager).await?;
        runs(manager).await?;
        records(manager).await?;
        written(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["sync_logs", "sync_failures", "records", "sync_runs", "sync_streams"] {
            manager.drop_table(Table::drop().table(Alias::new(table)).to_owned()).await?;
        }
        let back = Table::alter().table(Alias::new("integrations")).drop_column(Alias::new("sync_outcomes")).to_owned();
        manager.alter_table(back).await
    }
}
