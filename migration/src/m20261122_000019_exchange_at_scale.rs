//! Indexes for exchanging orders when there are very many.
//!
//! Each order of a list, alone and with what it is filtered by, is that of an index; and what is looked for at each
//! order or each update is found without going through all that a partner ever said.

use sea_orm_migration::prelude::*;

use crate::columns::index;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Indexes of tables by their columns.
const WHOLE: &[(&str, &str, &[&str])] = &[
    // Orders by their last change, of one status, one partner, one integration.
    ("orders", "orders_by_status_and_change", &["tenant_id", "status", "updated_at", "id"]),
    ("orders", "orders_of_partner_by_change", &["tenant_id", "partner_organization_id", "updated_at", "id"]),
    ("orders", "orders_of_integration_by_change", &["tenant_id", "partner_integration_id", "updated_at", "id"]),
    // Orders by what somebody calls them, whatever kind of reference that is.
    ("order_references", "order_references_by_value", &["tenant_id", "value", "order_id"]),
    // Updates that came to something, and those to be forgotten.
    ("partner_updates", "partner_updates_by_state", &["tenant_id", "state", "id"]),
    ("partner_updates", "partner_updates_settled", &["settled_at"]),
    // What went to one destination, newest first, and how much of it since a moment.
    ("webhook_deliveries", "webhook_deliveries_of_destination", &["tenant_id", "destination_id", "id"]),
];

/// Indexes of the few updates that wait or were given up. They say one state each: only what says the same uses them.
const PARTIAL: &[(&str, &str)] = &[
    (
        "partner_updates_waiting",
        "CREATE INDEX partner_updates_waiting ON partner_updates (partner_integration_id, partner_order_id) \
         WHERE state = 'WAITING'",
    ),
    (
        "partner_updates_dead",
        "CREATE INDEX partner_updates_dead ON partner_updates (partner_integration_id, partner_order_id) \
         WHERE state = 'DEAD'",
    ),
    (
        "partner_updates_unmapped",
        "CREATE INDEX partner_updates_unmapped ON partner_updates (partner_integration_id, happened_at, id) \
         WHERE state = 'UNMAPPED'",
    ),
];

/// The index that they replace, which nothing used.
const HELD: &str = "partner_updates_held";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, name, columns) in WHOLE {
            manager.create_index(index(table, name, columns)).await?;
        }
        for (_, create) in PARTIAL {
            manager.get_connection().execute_unprepared(create).await?;
        }
        manager.drop_index(Index::drop().name(HELD).table(Alias::new("partner_updates")).to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let held = "CREATE INDEX partner_updates_held ON partner_updates \
                    (partner_integration_id, state, happened_at) WHERE state IN ('WAITING', 'UNMAPPED', 'FORBIDDEN')";
        manager.get_connection().execute_unprepared(held).await?;
        for (name, _) in PARTIAL {
            manager.drop_index(Index::drop().name(*name).table(Alias::new("partner_updates")).to_owned()).await?;
        }
        for (table, name, _) in WHOLE {
            manager.drop_index(Index::drop().name(*name).table(Alias::new(*table)).to_owned()).await?;
        }
        Ok(())
    }
}
