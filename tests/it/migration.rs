//! The shape of the database: up, down, up again, and the entities fit it.

use portolan::{
    app::database_settings,
    config::{Config, Flags},
    context::database::{self, Database},
    entity,
    kernel::id::TenantId,
};
use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, Select, Statement};
use uuid::Uuid;

use crate::support::database::TestDatabase;

async fn tables(db: &Database) -> Vec<String> {
    let sql = match db.backend() {
        DbBackend::Postgres => {
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1"
        }
        _ => "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY 1",
    };
    let rows = db.reader().query_all_raw(Statement::from_string(db.backend(), sql)).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

async fn readable<E: EntityTrait>(db: &Database, select: Select<E>) {
    select.one(db.reader()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_go_up_and_down_and_up_again_and_every_entity_fits() {
    let place = TestDatabase::create().await;
    let config = Config::load(&Flags::default(), place.settings(), place.folder()).unwrap();
    let settings = database_settings(&config);

    let made = database::migrate(&settings).await.unwrap();
    assert!(made >= 6);
    assert_eq!(database::migrate(&settings).await.unwrap(), 0, "a second run has nothing to do");
    let db = Database::connect(&settings, std::sync::Arc::new(|_, _| ())).await.unwrap();
    let full = tables(&db).await;
    db.ready().await.unwrap();

    database::migrate_down(&settings, None).await.unwrap();
    assert_eq!(tables(&db).await, ["seaql_migrations"], "down leaves nothing behind");
    assert!(db.ready().await.is_err(), "a database without its tables is not ready");

    assert_eq!(database::migrate(&settings).await.unwrap(), made);
    assert_eq!(tables(&db).await, full);

    let tenant = TenantId::new(Uuid::nil());
    readable(&db, entity::tenant::of(tenant)).await;
    readable(&db, entity::user::of(tenant)).await;
    readable(&db, entity::membership::of(tenant)).await;
    readable(&db, entity::api_token::of(tenant)).await;
    readable(&db, entity::audit_entry::of(tenant)).await;
    readable(&db, entity::outbox::of(tenant)).await;
    readable(&db, entity::event::of(tenant)).await;
    readable(&db, entity::event_head::of(tenant)).await;
    readable(&db, entity::event_log::row()).await;
    readable(&db, entity::job::of(tenant)).await;
    readable(&db, entity::webhook_destination::of(tenant)).await;
    readable(&db, entity::webhook_delivery::of(tenant)).await;
    readable(&db, entity::partner_integration::of(tenant)).await;
    readable(&db, entity::schedule::of(tenant)).await;
    readable(&db, entity::idempotency_key::of(tenant, "key")).await;
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_nodes_may_start_on_an_empty_database_at_once() {
    let place = TestDatabase::create().await;
    let config = Config::load(&Flags::default(), place.settings(), place.folder()).unwrap();
    let starts = (0..4).map(|_| portolan::app::App::start(&config, portolan::app::World::default()));
    let started = futures_util::future::join_all(starts).await;
    let mut first = 0;
    for outcome in started {
        let (app, prepared) = outcome.unwrap();
        first += usize::from(prepared.tenant.is_some());
        app.close().await;
    }
    assert_eq!(first, 1, "one of them made the tenant");
}
