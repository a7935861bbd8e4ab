//! Everything that is a tenant's own, for when a tenant is deleted; and everything that is an integration's.
//!
//! A table with a column `tenant_id` is in one of the first two lists, one with a column `integration_id` in one of the
//! others; a test compares them with the database.

use sea_orm::{DbBackend, Statement};

use crate::kernel::id::{IntegrationId, TenantId};

/// The tables that are emptied, in an order in which nothing still refers to what goes.
pub const TABLES: &[&str] = &[
    "partner_updates",
    "status_mappings",
    "order_references",
    "order_changes",
    "orders",
    "order_heads",
    "order_machines",
    "partner_integrations",
    "partner_organizations",
    "webhook_items",
    "webhook_refusals",
    "webhook_events",
    "webhook_sources",
    "webhook_attempts",
    "webhook_deliveries",
    "webhook_messages",
    "webhook_destinations",
    "sync_logs",
    "sync_failures",
    "sync_sightings",
    "records",
    "sync_runs",
    "sync_streams",
    "alerts",
    "health_checks",
    "health_changes",
    "health",
    "connect_links",
    "authorizations",
    "integration_actions",
    "credentials",
    "integrations",
    "provider_apps",
    "secrets",
    "data_keys",
    "jobs",
    "schedules",
    "outbox",
    "events",
    "event_heads",
    "idempotency_keys",
    "issuers",
    "api_tokens",
    "agents",
    "invitations",
    "memberships",
];

/// The tables that outlive the tenant: its audit log, for as long as it is kept.
pub const KEPT: &[&str] = &["audit_entries", "audit_heads", "audit_checkpoints"];

/// Removes at most so many rows of the tenant from one of the tables.
///
/// The place of a row serves as its key, since each table has another primary key. Where a table is
/// partitioned, rows of several partitions can have the same place; the tenant is asked for once more, so
/// that only its own can go.
pub fn some_of(backend: DbBackend, table: &'static str, tenant: TenantId, most: u64) -> Statement {
    let sql = match backend {
        DbBackend::Postgres => format!(
            "DELETE FROM {table} WHERE tenant_id = $1 \
             AND ctid = ANY (ARRAY (SELECT ctid FROM {table} WHERE tenant_id = $1 LIMIT {most}))"
        ),
        _ => format!(
            "DELETE FROM {table} WHERE tenant_id = ?1 \
             AND rowid IN (SELECT rowid FROM {table} WHERE tenant_id = ?1 LIMIT {most})"
        ),
    };
    Statement::from_sql_and_values(backend, sql, [tenant.into()])
}

/// What an integration has little of: it goes in the commit that deletes the integration. So do its credentials, whose
/// secrets are not found by the integration.
pub const GO_AT_ONCE: &[&str] = &["connect_links", "authorizations", "integration_actions", "health"];

/// What it may have any number of: it goes afterwards, and then the streams that all but the last two belong to.
pub const GO_LATER: &[&str] =
    &["sync_logs", "sync_failures", "sync_runs", "records", "sync_streams", "health_checks", "health_changes"];

/// What the inbox sees to: it closes the sources of deleted integrations, and keeps what came for its time.
pub const STAYS: &[&str] = &["webhook_sources", "webhook_events", "webhook_items"];

/// Those of what goes later that are found by their stream.
const OF_STREAMS: &[&str] = &["sync_logs", "sync_failures", "sync_runs", "records"];

/// Removes at most so many rows of an integration from one of the tables.
pub fn some_of_integration(
    backend: DbBackend,
    table: &'static str,
    tenant: TenantId,
    integration: IntegrationId,
    most: u64,
) -> Statement {
    let own = if OF_STREAMS.contains(&table) {
        "stream_id IN (SELECT id FROM sync_streams WHERE tenant_id = $1 AND integration_id = $2)"
    } else {
        "integration_id = $2"
    };
    let some = format!("FROM {table} WHERE tenant_id = $1 AND {own} LIMIT {most}");
    let sql = match backend {
        DbBackend::Postgres => {
            format!("DELETE FROM {table} WHERE tenant_id = $1 AND ctid = ANY (ARRAY (SELECT ctid {some}))")
        }
        _ => format!("DELETE FROM {table} WHERE tenant_id = $1 AND rowid IN (SELECT rowid {some})"),
    };
    Statement::from_sql_and_values(backend, sql, [tenant.into(), integration.into()])
}
