//! The shape of the database, one file per change.
//!
//! The same migrations run on SQLite and PostgreSQL. They name tables and columns by text and import
//! nothing of the program, so that an old one keeps its meaning while the entities move on. While an
//! older program may still be running, a migration only adds. Each has a `down` that a test runs.
//!
//! Each is one transaction together with the note that it was made, on both databases: a program killed
//! in the middle of one finds nothing of it when it is started again.

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
mod m20261121_000009_integrations;
mod m20261121_000010_connecting;
mod m20261121_000011_health;
mod m20261121_000012_syncs;
mod m20261121_000013_alerts;
mod m20261121_000014_inbox;
mod m20261121_000015_outbound;
mod m20261122_000016_sightings;
mod m20261122_000017_orders;
mod m20261122_000018_told;
mod m20261122_000019_exchange_at_scale;
mod m20261130_000020_write_probe;
mod m20261130_000030_proven_accounts;
mod m20261130_000031_starters;
mod m20261130_000035_attempt_limits;
mod m20261130_000040_hub_identity;
mod m20261130_000050_held_deletions;
mod m20261130_000051_key_erasures;
mod m20261130_000052_invitations;

use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait};

/// Runs the migrations in order.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            whole(m20261121_000001_tenants::Migration),
            whole(m20261121_000002_access::Migration),
            whole(m20261121_000003_audit_entries::Migration),
            whole(m20261121_000004_event_log::Migration),
            whole(m20261121_000005_jobs::Migration),
            whole(m20261121_000006_idempotency_keys::Migration),
            whole(m20261121_000007_keys::Migration),
            whole(m20261121_000008_sign_in::Migration),
            whole(m20261121_000009_integrations::Migration),
            whole(m20261121_000010_connecting::Migration),
            whole(m20261121_000011_health::Migration),
            whole(m20261121_000012_syncs::Migration),
            whole(m20261121_000013_alerts::Migration),
            whole(m20261121_000014_inbox::Migration),
            whole(m20261121_000015_outbound::Migration),
            whole(m20261122_000016_sightings::Migration),
            whole(m20261122_000017_orders::Migration),
            whole(m20261122_000018_told::Migration),
            whole(m20261122_000019_exchange_at_scale::Migration),
            whole(m20261130_000020_write_probe::Migration),
            whole(m20261130_000030_proven_accounts::Migration),
            whole(m20261130_000031_starters::Migration),
            whole(m20261130_000035_attempt_limits::Migration),
            whole(m20261130_000040_hub_identity::Migration),
            whole(m20261130_000050_held_deletions::Migration),
            whole(m20261130_000051_key_erasures::Migration),
            whole(m20261130_000052_invitations::Migration),
        ]
    }
}

/// A migration that is made whole or not at all. The library sees to that on PostgreSQL only.
struct Whole<M>(M);

fn whole(migration: impl MigrationTrait + 'static) -> Box<dyn MigrationTrait> {
    Box::new(Whole(migration))
}

impl<M: MigrationName> MigrationName for Whole<M> {
    fn name(&self) -> &str {
        self.0.name()
    }
}

#[async_trait::async_trait]
impl<M: MigrationTrait> MigrationTrait for Whole<M> {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        self.0.up(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        self.0.down(manager).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
