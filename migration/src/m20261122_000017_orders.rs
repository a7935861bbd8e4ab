//! Orders and the partners with whom they are exchanged.
//!
//! A partner integration is an integration; its row here stands beside that one and has its id. Orders outlive the
//! integration they came by, so nothing leads from them there.

use sea_orm_migration::prelude::*;

use crate::columns::{MOMENT, id, index, of_tenant, optional, required};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Who partners are, and how each is reached.
async fn partners(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let text = ColumnType::Text;
    let mut organizations = Table::create();
    organizations
        .table(Alias::new("partner_organizations"))
        .col(id())
        .col(required("tenant_id", ColumnType::Uuid))
        .col(required("name", text.clone()))
        .col(required("kind", text.clone()))
        .col(required("contacts", ColumnType::Json))
        .col(required("active", ColumnType::Boolean))
        .col(required("created_by", text.clone()))
        .col(required("created_at", MOMENT))
        .col(required("updated_at", MOMENT))
        .foreign_key(&mut of_tenant("partner_organizations"));
    manager.create_table(organizations).await?;
    let whose = index("partner_organizations", "partner_organizations_of_tenant", &["tenant_id", "id"]);
    manager.create_index(whose.clone().unique().to_owned()).await?;

    let mut integrations = Table::create();
    integrations
        .table(Alias::new("partner_integrations"))
        .col(id())
        .col(required("tenant_id", ColumnType::Uuid))
        .col(required("partner_organization_id", ColumnType::Uuid))
        // As they were given; what is called stands with the integration.
        .col(optional("api_base_url", text.clone()))
        .col(optional("api_version", text.clone()))
        .col(required("authentication_type", text.clone()))
        // Where the partner is told, where it tells us, and what it wants to be told.
        .col(optional("destination_id", ColumnType::Uuid))
        .col(optional("source_id", ColumnType::Uuid))
        .col(required("webhook_events", ColumnType::Json))
        // When something last came from the partner, and what went wrong last.
        .col(optional("last_heard_at", MOMENT))
        .col(optional("last_error_at", MOMENT))
        .col(optional("last_error_message", text))
        // Up to which change of its records they were seen to.
        .col(required("records_seen", ColumnType::BigInteger))
        .col(required("created_at", MOMENT))
        .col(required("updated_at", MOMENT))
        .foreign_key(&mut of_tenant("partner_integrations"))
        .foreign_key(&mut to_organization("partner_integrations"))
        .foreign_key(
            ForeignKey::create()
                .name("fk_partner_integrations_integration")
                .from(Alias::new("partner_integrations"), (Alias::new("tenant_id"), Alias::new("id")))
                .to(Alias::new("integrations"), (Alias::new("tenant_id"), Alias::new("id")))
                .on_delete(ForeignKeyAction::Cascade),
        );
    manager.create_table(integrations).await?;
    let whose = index("partner_integrations", "partner_integrations_of_tenant", &["tenant_id", "id"]);
    manager.create_index(whose.clone().unique().to_owned()).await?;
    let of = ["tenant_id", "partner_organization_id", "id"];
    manager.create_index(index("partner_integrations", "partner_integrations_of_organization", &of)).await
}

fn to_organization(table: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(format!("fk_{table}_partner"))
        .from(Alias::new(table), (Alias::new("tenant_id"), Alias::new("partner_organization_id")))
        .to(Alias::new("partner_organizations"), (Alias::new("tenant_id"), Alias::new("id")))
        .to_owned()
}

/// Orders, their statuses and their numbers.
async fn orders(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let text = ColumnType::Text;
    let mut machines = Table::create();
    let mut tenant = required("tenant_id", ColumnType::Uuid);
    tenant.primary_key();
    machines
        .table(Alias::new("order_machines"))
        .col(tenant.clone())
        .col(required("statuses", ColumnType::Json))
        .col(required("transitions", ColumnType::Json))
        .col(required("updated_at", MOMENT))
        .foreign_key(&mut of_tenant("order_machines"));
    manager.create_table(machines).await?;
    let mut heads = Table::create();
    heads
        .table(Alias::new("order_heads"))
        .col(tenant)
        .col(required("number", ColumnType::BigInteger))
        .foreign_key(&mut of_tenant("order_heads"));
    manager.create_table(heads).await?;

    let mut orders = Table::create();
    orders
        .table(Alias::new("orders"))
        .col(id())
        .col(required("tenant_id", ColumnType::Uuid))
        .col(required("number", ColumnType::BigInteger))
        .col(required("status", text.clone()))
        // When it came to be so, by the clock of who said it; whose word that was.
        .col(optional("status_at", MOMENT))
        .col(optional("partner_status", text.clone()))
        .col(required("customer", ColumnType::Json))
        .col(required("lines", ColumnType::Json))
        .col(optional("currency", text.clone()))
        // In the smallest unit of the currency.
        .col(required("total", ColumnType::BigInteger))
        .col(required("addresses", ColumnType::Json))
        .col(optional("notes", text.clone()))
        .col(optional("partner_organization_id", ColumnType::Uuid))
        .col(optional("partner_integration_id", ColumnType::Uuid))
        // As the partner sent it, to tell whether it sends the same again.
        .col(optional("partner_body", ColumnType::Json))
        // How many lines its history has.
        .col(required("changes", ColumnType::Integer))
        .col(required("created_by", text.clone()))
        .col(required("created_at", MOMENT))
        .col(required("updated_at", MOMENT))
        .foreign_key(&mut of_tenant("orders"))
        .foreign_key(&mut to_organization("orders"));
    manager.create_table(orders).await?;
    for (name, columns) in [("orders_of_tenant", ["tenant_id", "id"]), ("orders_number", ["tenant_id", "number"])] {
        manager.create_index(index("orders", name, &columns).unique().to_owned()).await?;
    }
    for (name, columns) in [
        ("orders_by_status", ["tenant_id", "status", "id"]),
        ("orders_by_change", ["tenant_id", "updated_at", "id"]),
        ("orders_of_partner", ["tenant_id", "partner_organization_id", "id"]),
        ("orders_of_integration", ["tenant_id", "partner_integration_id", "id"]),
    ] {
        manager.create_index(index("orders", name, &columns)).await?;
    }
    Ok(())
}

/// What happened to orders, and what others call them.
async fn of_orders(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let text = ColumnType::Text;
    let mut changes = Table::create();
    changes
        .table(Alias::new("order_changes"))
        .col(id())
        .col(required("tenant_id", ColumnType::Uuid))
        .col(required("order_id", ColumnType::Uuid))
        // Its place in the history of the order, from 1.
        .col(required("number", ColumnType::Integer))
        .col(required("kind", text.clone()))
        .col(optional("from_status", text.clone()))
        .col(optional("to_status", text.clone()))
        .col(required("changes", ColumnType::Json))
        .col(optional("reason", text.clone()))
        .col(optional("partner_status", text.clone()))
        .col(optional("origin", ColumnType::Uuid))
        .col(required("actor", text.clone()))
        .col(required("happened_at", MOMENT))
        .col(required("at", MOMENT))
        .foreign_key(&mut of_order("order_changes"));
    manager.create_table(changes).await?;
    let of = index("order_changes", "order_changes_of", &["order_id", "number"]).unique().to_owned();
    manager.create_index(of).await?;
    manager.create_index(index("order_changes", "order_changes_of_tenant", &["tenant_id", "id"])).await?;

    let mut references = Table::create();
    references
        .table(Alias::new("order_references"))
        .col(required("tenant_id", ColumnType::Uuid))
        .col(required("order_id", ColumnType::Uuid))
        // Nil for what no partner gave.
        .col(required("partner_integration_id", ColumnType::Uuid))
        .col(required("kind", text.clone()))
        .col(required("value", text))
        .col(required("identifies", ColumnType::Boolean))
        .primary_key(
            Index::create()
                .col(Alias::new("order_id"))
                .col(Alias::new("partner_integration_id"))
                .col(Alias::new("kind")),
        )
        .foreign_key(&mut of_order("order_references"));
    manager.create_table(references).await?;
    let found = ["tenant_id", "kind", "value"];
    manager.create_index(index("order_references", "order_references_found", &found)).await?;
    let once = "CREATE UNIQUE INDEX order_references_once ON order_references \
                (tenant_id, partner_integration_id, kind, value) WHERE identifies";
    manager.get_connection().execute_unprepared(once).await?;
    Ok(())
}

/// A foreign key to an order of the same tenant; its rows go when the order goes.
fn of_order(table: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(format!("fk_{table}_order"))
        .from(Alias::new(table), (Alias::new("tenant_id"), Alias::new("order_id")))
        .to(Alias::new("orders"), (Alias::new("tenant_id"), Alias::new("id")))
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned()
}

/// A foreign key to a partner integration of the same tenant; its rows go when that goes.
fn of_partner(table: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(format!("fk_{table}_partner"))
        .from(Alias::new(table), (Alias::new("tenant_id"), Alias::new("partner_integration_id")))
        .to(Alias::new("partner_integrations"), (Alias::new("tenant_id"), Alias::new("id")))
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned()
}

/// What partners say of orders, and what their words mean.
async fn exchange(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let text = ColumnType::Text;
    let mut mappings = Table::create();
    mappings
        .table(Alias::new("status_mappings"))
        .col(id())
        .col(required("tenant_id", ColumnType::Uuid))
        .col(required("partner_integration_id", ColumnType::Uuid))
        .col(required("version", ColumnType::Integer))
        .col(required("state", text.clone()))
        // As it was given, and as it is used.
        .col(required("given", ColumnType::Json))
        .col(required("rules", ColumnType::Json))
        .col(required("findings", ColumnType::Json))
        .col(optional("simulation", ColumnType::Json))
        .col(required("shadow_seen", ColumnType::BigInteger))
        .col(required("shadow_differs", ColumnType::BigInteger))
        .col(required("created_by", text.clone()))
        .col(required("created_at", MOMENT))
        .col(optional("activated_at", MOMENT))
        .col(optional("retired_at", MOMENT))
        .foreign_key(&mut of_partner("status_mappings"));
    manager.create_table(mappings).await?;
    let once = index("status_mappings", "status_mappings_once", &["tenant_id", "partner_integration_id", "version"]);
    manager.create_index(once.clone().unique().to_owned()).await?;
    for state in ["ACTIVE", "SHADOW"] {
        let partial = format!(
            "CREATE UNIQUE INDEX status_mappings_one_{} ON status_mappings (partner_integration_id) \
             WHERE state = '{state}'",
            state.to_lowercase()
        );
        manager.get_connection().execute_unprepared(&partial).await?;
    }

    let mut updates = Table::create();
    updates
        .table(Alias::new("partner_updates"))
        .col(id())
        .col(required("tenant_id", ColumnType::Uuid))
        .col(required("partner_integration_id", ColumnType::Uuid))
        .col(optional("order_id", ColumnType::Uuid))
        .col(required("partner_order_id", text.clone()))
        .col(required("said", text.clone()))
        .col(optional("note", text.clone()))
        // By the partner's clock, and by ours.
        .col(required("happened_at", MOMENT))
        .col(required("received_at", MOMENT))
        .col(required("via", text.clone()))
        // What is the same when it is said again, and how often it was.
        .col(required("dedupe_key", text.clone()))
        .col(required("repeats", ColumnType::BigInteger))
        .col(required("state", text.clone()))
        .col(optional("reason", text.clone()))
        .col(optional("meant", text.clone()))
        .col(optional("from_status", text))
        .col(optional("mapping_version", ColumnType::Integer))
        .col(optional("settled_at", MOMENT))
        .foreign_key(&mut of_partner("partner_updates"));
    manager.create_table(updates).await?;
    let once = ["partner_integration_id", "dedupe_key"];
    manager.create_index(index("partner_updates", "partner_updates_once", &once).unique().to_owned()).await?;
    manager.create_index(index("partner_updates", "partner_updates_of_tenant", &["tenant_id", "id"])).await?;
    let of = ["tenant_id", "partner_integration_id", "id"];
    manager.create_index(index("partner_updates", "partner_updates_of_integration", &of)).await?;
    manager.create_index(index("partner_updates", "partner_updates_of_order", &["order_id", "happened_at"])).await?;
    let held = "CREATE INDEX partner_updates_held ON partner_updates (partner_integration_id, state, happened_at) \
                WHERE state IN ('WAITING', 'UNMAPPED', 'FORBIDDEN')";
    manager.get_connection().execute_unprepared(held).await?;

    let mut reader = Table::create();
    let mut key = required("id", ColumnType::SmallInteger);
    key.primary_key();
    reader.table(Alias::new("partner_reader")).col(key).col(required("position", ColumnType::BigInteger));
    manager.create_table(reader).await?;
    let here = "INSERT INTO partner_reader (id, position) SELECT 1, COALESCE(MAX(position), 0) FROM event_log";
    manager.get_connection().execute_unprepared(here).await?;
    Ok(())
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        partners(manager).await?;
        orders(manager).await?;
        of_orders(manager).await?;
        exchange(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = ["partner_reader", "partner_updates", "status_mappings", "order_references", "order_changes"];
        let rest = ["orders", "order_heads", "order_machines", "partner_integrations", "partner_organizations"];
        for table in tables.into_iter().chain(rest) {
            manager.drop_table(Table::drop().table(Alias::new(table)).to_owned()).await?;
        }
        Ok(())
    }
}
