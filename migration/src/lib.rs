//! The shape of the database, one file per change.
//!
//! The same migrations run on SQLite and PostgreSQL. They name tables and columns by text and import
//! nothing of the program, so that an old one keeps its meaning while the entities move on. While an
//! older program may still be running, a migration only adds. Each has a `down` that a test runs.

pub use sea_orm_migration::{MigratorTrait, prelude};

mod columns;
mod m20261121_000001_tenants;
mod m20261121_000002_access;
mod m20261121_000003_audit_entries;
mod m20261121_000004_event_log;
mod m20261121_000005_jobs;
mod m20261121_000006_idempotency_keys;
mod m20261121_000007_keys;
mod m20261121_000008_sign_in;

use sea_orm_migration::{MigrationTrait, async_trait};

/// Runs the migrations in order.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261121_000001_tenants::Migration),
            Box::new(m20261121_000002_access::Migration),
            Box::new(m20261121_000003_audit_entries::Migration),
            Box::new(m20261121_000004_event_log::Migration),
            Box::new(m20261121_000005_jobs::Migration),
            Box::new(m20261121_000006_idempotency_keys::Migration),
            Box::new(m20261121_000007_keys::Migration),
            Box::new(m20261121_000008_sign_in::Migration),
        ]
    }
}
