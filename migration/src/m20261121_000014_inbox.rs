//! Webhooks in: where providers send them, what came, what it says, and what was not believed.
//!
//! Rows of the nil tenant are the hub's own, so no foreign key leads to `tenants`. Nor does one lead from what came to
//! where it came in: what came is kept for its time, whatever becomes of its source, and taking it in is to cost one
//! look into one index.

use sea_orm_migration::prelude::*;

use crate::columns::{MOMENT, id, index, optional, required};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Where providers send webhooks.
async fn sources(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let text = ColumnType::Text;
    let number = ColumnType::BigInteger;
    let mut sources = Table::create();
    sources
        .table(Alias::new("webhook_sources"))
        .col(id())
        .col(required("tenant_id", ColumnType::Uuid))
        .col(required("provider", text.clone()))
        .col(optional("integration_id", ColumnType::Uuid))
        .col(required("name", text.clone()))
        // The digest of the address finds it; the address itself is for people.
        .col(required("digest", ColumnType::Blob))
        .col(required("address", text.clone()))
        .col(required("enabled", ColumnType::Boolean))
        // Whether webhooks of other tenants' integrations come here, too.
        .col(required("hub_wide", ColumnType::Boolean))
        .col(required("hints", ColumnType::Json))
        // Until then the secrets before count as well.
        .col(optional("overlap_until", MOMENT))
        .col(required("refused", number.clone()))
        // What the comparison with records has shown: up to when, how many changes, of how many nothing was heard.
        .col(required("compared_to", MOMENT))
        .col(required("compared", number.clone()))
        .col(required("missed", number))
        .col(required("created_by", text))
        .col(required("created_at", MOMENT))
        .col(required("updated_at", MOMENT));
    manager.create_table(sources).await?;
    let digest = index("webhook_sources", "webhook_sources_digest", &["digest"]).unique().to_owned();
    manager.create_index(digest).await?;
    manager.create_index(index("webhook_sources", "webhook_sources_of_tenant", &["tenant_id", "id"])).await?;
    manager.create_index(index("webhook_sources", "webhook_sources_of_integration", &["integration_id"])).await?;
    Ok(())
}

/// What came.
async fn events(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let text = ColumnType::Text;
    let mut events = Table::create();
    events
        .table(Alias::new("webhook_events"))
        .col(id())
        .col(required("tenant_id", ColumnType::Uuid))
        .col(required("source_id", ColumnType::Uuid))
        .col(optional("integration_id", ColumnType::Uuid))
        .col(required("provider", text.clone()))
        .col(required("arrived_at", MOMENT))
        .col(optional("address", text.clone()))
        .col(required("query", text.clone()))
        .col(required("headers", ColumnType::Json))
        .col(required("body", ColumnType::Blob))
        // What is the same when it is sent again, and how often it was.
        .col(required("dedupe_key", text.clone()))
        .col(required("repeats", ColumnType::BigInteger))
        .col(required("status", text.clone()))
        .col(required("attempts", ColumnType::Integer))
        .col(optional("due_at", MOMENT))
        .col(optional("reason", text))
        .col(required("replays", ColumnType::Integer))
        .col(optional("settled_at", MOMENT));
    manager.create_table(events).await?;
    let once = index("webhook_events", "webhook_events_once", &["source_id", "dedupe_key"]).unique().to_owned();
    manager.create_index(once).await?;
    manager.create_index(index("webhook_events", "webhook_events_of_tenant", &["tenant_id", "id"])).await?;
    manager.create_index(index("webhook_events", "webhook_events_of_source", &["source_id", "id"])).await?;
    let waiting = "CREATE INDEX webhook_events_waiting ON webhook_events (source_id, due_at) WHERE status = 'RECEIVED'";
    manager.get_connection().execute_unprepared(waiting).await?;
    Ok(())
}

/// What it says, and what was not believed.
async fn said(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let text = ColumnType::Text;
    let mut items = Table::create();
    items
        .table(Alias::new("webhook_items"))
        .col(required("webhook_id", ColumnType::Uuid))
        .col(required("number", ColumnType::Integer))
        .col(required("tenant_id", ColumnType::Uuid))
        .col(required("source_id", ColumnType::Uuid))
        .col(optional("integration_id", ColumnType::Uuid))
        .col(required("event_key", text.clone()))
        .col(required("kind", text.clone()))
        .col(optional("happening", text.clone()))
        .col(optional("subject", text.clone()))
        .col(required("at", MOMENT))
        .col(required("normalised", text.clone()))
        .primary_key(Index::create().col(Alias::new("webhook_id")).col(Alias::new("number")));
    manager.create_table(items).await?;
    let once =
        index("webhook_items", "webhook_items_once", &["tenant_id", "source_id", "event_key"]).unique().to_owned();
    manager.create_index(once).await?;
    let about = index("webhook_items", "webhook_items_about", &["integration_id", "subject", "at"]);
    manager.create_index(about).await?;
    manager.create_index(index("webhook_items", "webhook_items_of_tenant", &["tenant_id"])).await?;

    let mut refusals = Table::create();
    refusals
        .table(Alias::new("webhook_refusals"))
        .col(id())
        .col(required("tenant_id", ColumnType::Uuid))
        .col(required("source_id", ColumnType::Uuid))
        .col(required("at", MOMENT))
        .col(optional("address", text.clone()))
        .col(required("reason", text.clone()))
        .col(required("query", text))
        .col(required("headers", ColumnType::Json))
        .col(required("body", ColumnType::Blob))
        .col(required("size", ColumnType::BigInteger));
    manager.create_table(refusals).await?;
    manager.create_index(index("webhook_refusals", "webhook_refusals_of_source", &["source_id", "id"])).await?;
    manager.create_index(index("webhook_refusals", "webhook_refusals_of_tenant", &["tenant_id"])).await?;
    Ok(())
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sources(manager).await?;
        events(manager).await?;
        said(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["webhook_refusals", "webhook_items", "webhook_events", "webhook_sources"] {
            manager.drop_table(Table::drop().table(Alias::new(table)).to_owned()).await?;
        }
        Ok(())
    }
}
