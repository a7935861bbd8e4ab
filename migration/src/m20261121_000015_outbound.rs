//! Webhooks out: where they go, what they say, and what became of each.
//!
//! A message outlives the event that it tells of, so nothing leads from here into the log but a number.

use sea_orm_migration::prelude::*;

use crate::columns::{MOMENT, id, index, of_tenant, optional, required};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Where webhooks go.
async fn destinations(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let text = ColumnType::Text;
    let mut destinations = Table::create();
    destinations
        .table(Alias::new("webhook_destinations"))
        .col(id())
        .col(required("tenant_id", ColumnType::Uuid))
        .col(required("name", text.clone()))
        .col(required("url", text.clone()))
        // Kinds of events, with wildcards; the topics that who chose them may read; what else must hold.
        .col(required("patterns", ColumnType::Json))
        .col(required("topics", ColumnType::Json))
        .col(optional("filter", text.clone()))
        .col(required("enabled", ColumnType::Boolean))
        .col(optional("disabled_at", MOMENT))
        .col(optional("disabled_because", text.clone()))
        // Since when nothing arrives, how many attempts failed in a row, and until when nothing is tried.
        .col(optional("failing_since", MOMENT))
        .col(required("failures", ColumnType::Integer))
        .col(optional("paused_until", MOMENT))
        // What may be seen of the secret; it is another one at each version.
        .col(required("hint", text.clone()))
        .col(optional("public_key", text.clone()))
        .col(required("secret_version", ColumnType::Integer))
        .col(optional("overlap_until", MOMENT))
        .col(required("created_by", text))
        .col(required("created_at", MOMENT))
        .col(required("updated_at", MOMENT))
        .foreign_key(&mut of_tenant("webhook_destinations"));
    manager.create_table(destinations).await?;
    // What leads here names the tenant too, so that nothing can point across tenants.
    let whose = index("webhook_destinations", "webhook_destinations_of_tenant", &["tenant_id", "id"]);
    manager.create_index(whose.clone().unique().to_owned()).await
}

/// What they say, once for all who hear it.
async fn messages(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let text = ColumnType::Text;
    let mut messages = Table::create();
    messages
        .table(Alias::new("webhook_messages"))
        .col(id())
        .col(required("tenant_id", ColumnType::Uuid))
        .col(required("topic", text.clone()))
        .col(required("kind", text.clone()))
        .col(required("subject", text.clone()))
        .col(required("at", MOMENT))
        .col(required("body", text))
        .foreign_key(&mut of_tenant("webhook_messages"));
    manager.create_table(messages).await?;
    manager.create_index(index("webhook_messages", "webhook_messages_of_tenant", &["tenant_id", "id"])).await
}

/// What became of each.
async fn deliveries(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let text = ColumnType::Text;
    let mut deliveries = Table::create();
    deliveries
        .table(Alias::new("webhook_deliveries"))
        .col(id())
        .col(required("tenant_id", ColumnType::Uuid))
        .col(required("destination_id", ColumnType::Uuid))
        .col(required("message_id", ColumnType::Uuid))
        // The place of its event in the log, and within which key that is the order.
        .col(required("position", ColumnType::BigInteger))
        .col(required("key", text.clone()))
        .col(required("kind", text.clone()))
        .col(required("status", text.clone()))
        .col(required("head", ColumnType::Boolean))
        .col(required("next_at", MOMENT))
        // What somebody began under an older number counts no more.
        .col(required("fence", ColumnType::BigInteger))
        .col(required("attempts", ColumnType::Integer))
        .col(optional("last_status", ColumnType::Integer))
        .col(optional("last_error", text))
        .col(optional("last_latency", ColumnType::BigInteger))
        .col(required("created_at", MOMENT))
        .col(optional("settled_at", MOMENT))
        .foreign_key(&mut of_destination("webhook_deliveries"));
    manager.create_table(deliveries).await?;
    let once = index("webhook_deliveries", "webhook_deliveries_once", &["destination_id", "message_id"]);
    manager.create_index(once.clone().unique().to_owned()).await?;
    manager.create_index(index("webhook_deliveries", "webhook_deliveries_of_tenant", &["tenant_id", "id"])).await?;
    manager.create_index(index("webhook_deliveries", "webhook_deliveries_of_message", &["message_id"])).await?;
    let due = "CREATE INDEX webhook_deliveries_due ON webhook_deliveries (destination_id, next_at) \
               WHERE head AND status = 'PENDING'";
    let line = "CREATE INDEX webhook_deliveries_line ON webhook_deliveries (destination_id, key, position) \
                WHERE status = 'PENDING'";
    for partial in [due, line] {
        manager.get_connection().execute_unprepared(partial).await?;
    }
    let mut attempts = Table::create();
    attempts
        .table(Alias::new("webhook_attempts"))
        .col(id())
        .col(required("tenant_id", ColumnType::Uuid))
        .col(required("destination_id", ColumnType::Uuid))
        .col(required("delivery_id", ColumnType::Uuid))
        .col(required("at", MOMENT))
        .col(optional("status", ColumnType::Integer))
        .col(optional("error", ColumnType::Text))
        .col(optional("message", ColumnType::Text))
        .col(required("latency", ColumnType::BigInteger))
        // The beginning of the answer.
        .col(required("answer", ColumnType::Blob))
        .col(required("trace", ColumnType::Text))
        .foreign_key(&mut of_destination("webhook_attempts"));
    manager.create_table(attempts).await?;
    manager.create_index(index("webhook_attempts", "webhook_attempts_of", &["delivery_id", "id"])).await?;
    manager.create_index(index("webhook_attempts", "webhook_attempts_whose", &["destination_id"])).await
}

/// A foreign key to a destination of the same tenant; its rows go when the destination goes.
fn of_destination(table: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(format!("fk_{table}_destination"))
        .from(Alias::new(table), (Alias::new("tenant_id"), Alias::new("destination_id")))
        .to(Alias::new("webhook_destinations"), (Alias::new("tenant_id"), Alias::new("id")))
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned()
}

/// How far the log was read: one row, held by who reads on.
async fn router(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut router = Table::create();
    let mut key = required("id", ColumnType::SmallInteger);
    key.primary_key();
    router.table(Alias::new("webhook_router")).col(key).col(required("position", ColumnType::BigInteger));
    manager.create_table(router).await?;
    let here = "INSERT INTO webhook_router (id, position) SELECT 1, COALESCE(MAX(position), 0) FROM event_log";
    manager.get_connection().execute_unprepared(here).await?;
    Ok(())
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        destinations(manager).await?;
        messages(manager).await?;
        deliveries(manager).await?;
        router(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = ["webhook_router", "webhook_attempts", "webhook_deliveries", "webhook_messages"];
        for table in tables.into_iter().chain(["webhook_destinations"]) {
            manager.drop_table(Table::drop().table(Alias::new(table)).to_owned()).await?;
        }
        Ok(())
    }
}
