//! Destroyed and replaced keys are erased from the files of the database, not only from its tables.

use std::{collections::HashSet, fs};

use aho_corasick::AhoCorasick;
use portolan::{
    app::App,
    domain::keyring::{data_key, erase, master, shred},
    entity,
    kernel::{id::TenantId, scope::Role},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{OTHER_KEY, put, rewrap::make_keys};
use crate::support::{
    TestHub,
    database::{MASTER_KEY, TestDatabase, on_postgres},
    played::settings,
    process::{Server, run_on, token, until},
};

/// Bytes of a key that are looked for together; shorter pieces occur by chance.
const PIECE: usize = 12;

/// How many pieces of wrapped keys stand in some bytes; a piece begins every twelve bytes of a key.
fn count<'a>(bytes: &[u8], keys: impl IntoIterator<Item = &'a Vec<u8>>) -> usize {
    let pieces: Vec<_> = keys.into_iter().flat_map(|key| key.chunks_exact(PIECE)).collect();
    AhoCorasick::new(pieces).unwrap().find_overlapping_iter(bytes).count()
}

async fn connect(database: &TestDatabase) -> DatabaseConnection {
    let url = database.url().unwrap_or_else(|| format!("sqlite://{}/portolan.db", database.folder().display()));
    Database::connect(url).await.unwrap()
}

/// All bytes of the database's files: of SQLite everything in the folder, of PostgreSQL those of every table and index.
async fn files(database: &TestDatabase) -> Vec<u8> {
    if !on_postgres() {
        let names = ["portolan.db", "portolan.db-wal", "portolan.db-shm"];
        return names.iter().flat_map(|name| fs::read(database.folder().join(name)).unwrap_or_default()).collect();
    }
    let db = connect(database).await;
    db.execute_unprepared("CHECKPOINT").await.unwrap();
    let all = "SELECT pg_read_binary_file(pg_relation_filepath(oid)) FROM pg_class \
               WHERE relkind IN ('r', 'i', 't', 'm') AND relnamespace <> 'pg_catalog'::regnamespace \
               AND pg_relation_filepath(oid) IS NOT NULL AND pg_relation_size(oid) > 0";
    let rows = db.query_all_raw(Statement::from_string(DbBackend::Postgres, all)).await.unwrap();
    let bytes = rows.iter().flat_map(|row| row.try_get_by_index::<Vec<u8>>(0).unwrap()).collect();
    db.close().await.unwrap();
    bytes
}

/// The wrapped keys of tenants, as they are stored now.
async fn wrapped(hub: &TestHub, tenant: TenantId) -> Vec<Vec<u8>> {
    let rows = entity::data_key::of(tenant).all(hub.app.hub().database.reader()).await.unwrap();
    rows.into_iter().map(|row| row.sealed).collect()
}

/// Stops a hub, and gives back what it leaves on the disk.
async fn stopped(hub: TestHub) -> TestDatabase {
    let TestHub { app, database, .. } = hub;
    App::close(app).await;
    database
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_tenant_was_deleted_and_the_hub_stopped_no_file_holds_its_key() {
    let hub = TestHub::start().await;
    let root = hub.token(Role::SuperAdmin).await;
    let (acme, other) = (hub.another_tenant("acme").await, hub.another_tenant("other").await);
    for at in 0..20 {
        // Each seal counts in the row of the key, and so writes it anew.
        put(&hub, acme.id, &format!("int_{at}"), "first").await;
        put(&hub, other.id, &format!("int_{at}"), "first").await;
    }
    let (gone, stays) = (wrapped(&hub, acme.id).await, wrapped(&hub, other.id).await);
    assert_eq!((gone.len(), stays.len()), (1, 1));
    assert!(count(&files(&hub.database).await, &gone) >= 1, "the search finds a key that is there");
    let delete = "mutation($id: ID!) { deleteTenant(input: { id: $id, confirmation: \"acme\" }) {
        tenant { status } userErrors { code } } }";
    let deleted = hub.ask(&root, delete, json!({ "id": acme.id })).await.data()["deleteTenant"].clone();
    assert_eq!(deleted["tenant"]["status"], "DELETED", "{deleted}");
    let database = stopped(hub).await;
    let files = files(&database).await;
    assert_eq!(count(&files, &gone), 0);
    assert!(count(&files, &stays) >= 1, "the keys of others stay");
}

/// Tables of many pages, whose rows grew and moved.
#[tokio::test(flavor = "multi_thread")]
async fn of_very_many_keys_those_that_were_destroyed_are_erased_and_the_others_stay() {
    const MANY: u128 = 1_200;
    let hub = TestHub::start().await;
    make_keys(&hub, 1_000, MANY).await;
    let mut chance = StdRng::seed_from_u64(7);
    let tenant = |at: u128| TenantId::new(Uuid::from_u128(1_000 + at));
    let all = entity::data_key::of_hub().all(hub.app.hub().database.reader()).await.unwrap();
    // Counts of other lengths: rows change their size, and pages are split.
    hub.cx()
        .write(async |txn| {
            for at in 0..MANY {
                let seals = [1, 300, 70_000, 5_000_000_000][usize::try_from(at % 4).unwrap()];
                entity::data_key::count_seals(tenant(at), 1, seals).exec(&**txn).await?;
            }
            Ok(())
        })
        .await
        .unwrap();
    let mut destroyed = HashSet::new();
    while destroyed.len() < 700 {
        let one = tenant(chance.random_range(0..MANY));
        if destroyed.insert(one) {
            hub.cx().write(async |txn| shred(txn, one).await).await.unwrap();
        }
    }
    let (gone, stay): (Vec<_>, Vec<_>) = all.into_iter().partition(|row| destroyed.contains(&row.tenant_id));
    let (gone, stay): (Vec<_>, Vec<_>) =
        (gone.into_iter().map(|row| row.sealed).collect(), stay.into_iter().map(|row| row.sealed).collect());
    println!("before: {} pieces of destroyed keys", count(&files(&hub.database).await, &gone));
    assert!(erased(&hub).await >= 700);
    assert_eq!(erased(&hub).await, 0, "once is enough");
    let left = entity::data_key::of_hub().all(hub.app.hub().database.reader()).await.unwrap();
    assert_eq!(left.len(), stay.len());
    assert!(left.iter().all(|row| !destroyed.contains(&row.tenant_id)));
    assert_eq!(master::verify(hub.app.hub()).await.unwrap().broken, Vec::<String>::new());
    let files = files(&stopped(hub).await).await;
    assert_eq!(count(&files, &gone), 0);
    assert!(count(&files, &stay) >= stay.len() * (stay[0].len() / PIECE));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_erases_the_form_in_which_keys_were_wrapped_before() {
    let hub = TestHub::with(&[("PORTOLAN_MASTER_KEY", MASTER_KEY)]).await;
    let tenant = hub.tenant.id;
    put(&hub, tenant, "int_1", "one").await;
    let first = wrapped(&hub, tenant).await;
    data_key::rotate(&hub.cx(), None).await.unwrap();
    data_key::finish(&hub.cx()).await.unwrap();
    let second = wrapped(&hub, tenant).await;
    assert_eq!(second.len(), 1);
    assert!(erased(&hub).await >= 1);
    let hub = hub.restart(&[("PORTOLAN_MASTER_KEY", &format!("{MASTER_KEY} 2:{OTHER_KEY}"))]).await;
    assert_eq!(count(&files(&hub.database).await, &first), 0, "a destroyed version");
    assert!(master::rotate(&hub.cx()).await.unwrap().wrapped >= 1);
    let third = wrapped(&hub, tenant).await;
    assert!(erased(&hub).await >= 1);
    let files = files(&stopped(hub).await).await;
    assert_eq!(count(&files, &second), 0, "the form under the older master key");
    assert!(count(&files, &third) >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_still_reads_is_erased_once_they_have_ended() {
    let hub = TestHub::with(&[("PORTOLAN_DATABASE_BUSY_TIMEOUT", "100ms")]).await;
    erased(&hub).await;
    let acme = hub.another_tenant("acme").await;
    put(&hub, acme.id, "int_1", "first").await;
    let gone = wrapped(&hub, acme.id).await;
    let old = hub.app.hub().database.snapshot().await.unwrap();
    let rows = entity::data_key::of(acme.id).all(&old).await.unwrap();
    assert_eq!(rows.len(), 1);
    hub.cx().write(async |txn| shred(txn, acme.id).await).await.unwrap();
    assert!(erase::erase(hub.app.hub()).await.is_err(), "its copy would be copied along");
    assert_eq!(entity::data_key::of(acme.id).all(&old).await.unwrap(), rows, "who reads sees what was");
    old.rollback().await.unwrap();
    assert_eq!(erased(&hub).await, 1);
    assert_eq!(count(&files(&stopped(hub).await).await, &gone), 0);
}

/// Erases, again if an older state of the database is still read; says how many notes were settled.
async fn erased(hub: &TestHub) -> u64 {
    until("the keys are erased", async || erase::erase(hub.app.hub()).await.ok()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_was_killed_erases_the_keys_after_its_next_start() {
    let database = TestDatabase::create().await;
    // Nobody is asked whether the credential is right.
    let nowhere = settings("127.0.0.1:9".parse().unwrap());
    let nowhere: Vec<_> = nowhere.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut server = Server::with(&database, &nowhere).await;
    let root = token(&database, "super-admin");
    for round in 0..4_u64 {
        let slug = format!("acme-{round}");
        let create = "mutation($slug: String!) { createTenant(input: { slug: $slug, name: $slug }) {
            tenant { id } userErrors { message } } }";
        let made = server.ask(&root, create, json!({ "slug": slug })).await.data()["createTenant"].clone();
        let id = made["tenant"]["id"].clone();
        let own = run_on(&database, &["token", "create", "--tenant", &slug, "--role", "admin"]).stdout;
        let connect_it = "mutation { createIntegration(input: { provider: \"stripe\", skipTest: true,
            credentials: { apiKey: { key: \"sk_test_ExampleExampleExample01\" } } }) {
            integration { id } userErrors { path message } } }";
        let made = server.ask(own.trim(), connect_it, Value::Null).await;
        assert!(made.text.contains("int_"), "{}", made.text);
        let db = connect(&database).await;
        let tenant: TenantId = id.as_str().unwrap().parse().unwrap();
        let gone: Vec<_> =
            entity::data_key::of(tenant).all(&db).await.unwrap().into_iter().map(|row| row.sealed).collect();
        assert_eq!(gone.len(), 1);
        let delete = "mutation($id: ID!, $slug: String!) { deleteTenant(input: { id: $id, confirmation: $slug }) {
            tenant { status } userErrors { code } } }";
        let asked = server.ask(&root, delete, json!({ "id": id, "slug": slug }));
        // Killed at another moment each time: before, within and after the commit.
        let _ = tokio::time::timeout(std::time::Duration::from_millis(8 * round), asked).await;
        server.kill9();
        server.again().await;
        server.ask(&root, delete, json!({ "id": id, "slug": slug })).await;
        until("nothing is left to erase", async || {
            let sql = Statement::from_string(db.get_database_backend(), "SELECT COUNT(*) FROM key_erasures");
            let left: i64 = db.query_one_raw(sql).await.unwrap().unwrap().try_get_by_index(0).unwrap();
            (left == 0).then_some(())
        })
        .await;
        db.close().await.unwrap();
        server.terminate();
        assert_eq!(server.ended().await, Some(0));
        assert_eq!(count(&files(&database).await, &gone), 0, "round {round}");
        server.again().await;
    }
}
