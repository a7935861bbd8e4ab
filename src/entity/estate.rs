//! Everything that is a tenant's own, for when a tenant is deleted.
//!
//! A table with a column `tenant_id` is in one of the two lists; a test compares them with the database.

use sea_orm::{DbBackend, Statement};

use crate::kernel::id::TenantId;

/// The tables that are emptied, in an order in which nothing still refers to what goes.
pub const TABLES: &[&str] = &[
    "webhook_items",
    "webhook_refusals",
    "webhook_events",
    "webhook_sources",
    "sync_logs",
    "sync_failures",
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
