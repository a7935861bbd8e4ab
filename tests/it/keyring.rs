//! Keys and the secrets they seal.

mod damage;
mod erased;
mod limits;
mod meanwhile;
mod rewrap;
mod start;

use std::fs;

use portolan::{
    app::{App, KeysError, StartError, World},
    config::{Config, Flags},
    domain::keyring::{data_key, master, secret},
    entity,
    kernel::{id::TenantId, secret::Secret},
};
use sea_orm::PaginatorTrait;

use crate::support::{
    TestHub,
    database::{MASTER_KEY, TestDatabase, on_postgres},
    records::Records,
};

/// Another key than the tests' own.
const OTHER_KEY: &str = "YW5vdGhlciBrZXkgb2YgdGhpcnR5LXR3byBieXRlcy4=";

async fn put(hub: &TestHub, tenant: TenantId, owner: &str, value: &str) {
    let value = Secret::from(value.to_owned());
    hub.cx().write(async |txn| secret::put(txn, tenant, owner, "token", &value).await).await.unwrap();
}

async fn read(hub: &TestHub, tenant: TenantId, owner: &str) -> Option<String> {
    let (hub, db) = (hub.app.hub(), hub.app.hub().database.reader());
    secret::get(hub, db, tenant, owner, "token").await.unwrap().map(|secret| secret.expose().to_owned())
}

/// Every row of the tables of keys and secrets, as the database shows it.
async fn dump(hub: &TestHub) -> String {
    let db = hub.app.hub().database.reader();
    let (keys, secrets) =
        (entity::data_key::of_hub().all(db).await.unwrap(), entity::secret::of(hub.tenant.id).all(db).await.unwrap());
    format!("{keys:?}{secrets:?}")
}

#[tokio::test]
async fn a_secret_is_read_back_replaced_and_forgotten_and_never_stored_in_the_clear() {
    let hub = TestHub::start().await;
    let tenant = hub.tenant.id;
    put(&hub, tenant, "int_1", "shpat_first").await;
    put(&hub, tenant, "int_2", "shpat_other").await;
    put(&hub, tenant, "int_1", "shpat_second").await;
    assert_eq!(read(&hub, tenant, "int_1").await.as_deref(), Some("shpat_second"));
    assert_eq!(read(&hub, tenant, "int_2").await.as_deref(), Some("shpat_other"));
    assert_eq!(read(&hub, tenant, "int_3").await, None);
    let stored = dump(&hub).await;
    for plain in ["shpat_first", "shpat_second", "shpat_other"] {
        assert!(!stored.contains(&format!("{:?}", plain.as_bytes()).trim_matches(['[', ']']).to_owned()));
    }
    hub.cx().write(async |txn| secret::forget(txn, tenant, "int_1").await).await.unwrap();
    assert_eq!(read(&hub, tenant, "int_1").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_key_rotates_while_secrets_are_written_and_read() {
    let hub = TestHub::start().await;
    let tenant = hub.tenant.id;
    for at in 0..250 {
        put(&hub, tenant, &format!("int_{at}"), &format!("value {at}")).await;
    }
    let before = Records::of(&hub).await;
    let rotated = data_key::rotate(&hub.cx(), None).await.unwrap();
    assert_eq!(rotated.version, 2);
    let cx = hub.cx();
    let writing = async {
        for at in 250..300 {
            put(&hub, tenant, &format!("int_{at}"), &format!("value {at}")).await;
            assert_eq!(read(&hub, tenant, "int_0").await.as_deref(), Some("value 0"));
        }
    };
    // Two nodes may finish the same rotation.
    let (first, second, ()) = tokio::join!(data_key::finish(&cx), data_key::finish(&cx), writing);
    assert_eq!(first.unwrap() + second.unwrap(), 250);
    data_key::finish(&cx).await.unwrap();
    for at in 0..300 {
        assert_eq!(read(&hub, tenant, &format!("int_{at}")).await, Some(format!("value {at}")));
    }
    let db = hub.app.hub().database.reader();
    let keys = entity::data_key::of(tenant).all(db).await.unwrap();
    assert_eq!(keys.iter().map(|key| key.version).collect::<Vec<_>>(), [2], "the old version is gone");
    let new = Records::of(&hub).await.since(&before);
    assert_eq!(new.events, ["key.rotated", "key.destroyed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rotations_and_writes_at_once_lose_no_secret() {
    let hub = TestHub::start().await;
    let tenant = hub.tenant.id;
    put(&hub, tenant, "int_0", "value 0").await;
    let rotating = async {
        for _ in 0..8 {
            data_key::rotate(&hub.cx(), None).await.unwrap();
            data_key::finish(&hub.cx()).await.unwrap();
        }
    };
    let writing = async {
        for at in 0..100 {
            put(&hub, tenant, &format!("int_{}", at % 20), &format!("value {at}")).await;
        }
    };
    tokio::join!(rotating, writing);
    data_key::finish(&hub.cx()).await.unwrap();
    for at in 80..100 {
        assert_eq!(read(&hub, tenant, &format!("int_{}", at % 20)).await, Some(format!("value {at}")));
    }
    assert_eq!(entity::data_key::of(tenant).count(hub.app.hub().database.reader()).await.unwrap(), 1);
}

#[tokio::test]
async fn the_master_key_rotates_and_the_old_one_is_not_needed_any_more() {
    let database = TestDatabase::create().await;
    let old = MASTER_KEY;
    let hub = TestHub::on(database, &[("PORTOLAN_MASTER_KEY", old)]).await;
    let tenant = hub.tenant.id;
    put(&hub, tenant, "int_1", "one").await;
    let both = format!("{old} 2:{OTHER_KEY}");
    let hub = hub.restart(&[("PORTOLAN_MASTER_KEY", &both)]).await;
    assert_eq!(read(&hub, tenant, "int_1").await.as_deref(), Some("one"));
    assert_eq!(master::rotate(&hub.cx()).await.unwrap().wrapped, 1);
    assert_eq!(master::rotate(&hub.cx()).await.unwrap().wrapped, 0, "a second run has nothing to do");
    let status = master::status(hub.app.hub()).await.unwrap();
    assert_eq!(
        status.iter().map(|of| (of.version, of.current, of.wraps)).collect::<Vec<_>>(),
        [(1, false, 0), (2, true, 1)]
    );
    let new = format!("2:{OTHER_KEY}");
    let hub = hub.restart(&[("PORTOLAN_MASTER_KEY", &new)]).await;
    assert_eq!(read(&hub, tenant, "int_1").await.as_deref(), Some("one"));
}

fn config(database: &TestDatabase, key: Option<&str>) -> Config {
    let mut settings = database.settings();
    settings.retain(|(name, _)| name != "PORTOLAN_MASTER_KEY");
    settings.extend(key.map(|key| ("PORTOLAN_MASTER_KEY".to_owned(), key.to_owned())));
    Config::load(&Flags::default(), settings, database.folder()).unwrap()
}

async fn refused(database: &TestDatabase, key: Option<&str>) -> String {
    match App::start(&config(database, key), World::default()).await {
        Err(error @ StartError::Keys(_)) => portolan::kernel::error::chain(&error),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it started"),
    }
}

#[tokio::test]
async fn a_start_without_the_right_keys_stops_and_says_which() {
    let database = TestDatabase::create().await;
    for (key, word) in [
        ("1:c2hvcnQ=", "has 5 bytes"),
        ("!", "neither base64"),
        ("3:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "key 3 is no key"),
    ] {
        let text = refused(&database, Some(key)).await;
        assert!(text.contains(word), "{text}");
        assert!(!text.contains(key), "the key is in the message");
    }
    let hub = TestHub::on(database, &[("PORTOLAN_MASTER_KEY", MASTER_KEY)]).await;
    put(&hub, hub.tenant.id, "int_1", "one").await;
    let before = dump(&hub).await;
    let wrong = refused(&hub.database, Some(OTHER_KEY)).await;
    assert!(wrong.contains("master key 1 is not the one that was used before"), "{wrong}");
    let lacking = refused(&hub.database, Some(&format!("2:{OTHER_KEY}"))).await;
    assert!(lacking.contains("master key 1 is not in the ring"), "{lacking}");
    assert_eq!(dump(&hub).await, before);
}

#[tokio::test]
async fn a_key_is_made_for_the_embedded_database_only_and_never_twice() {
    let database = TestDatabase::create().await;
    if on_postgres() {
        let text = refused(&database, None).await;
        assert!(text.contains("PORTOLAN_MASTER_KEY"), "{text}");
        return;
    }
    let (app, prepared) = App::start(&config(&database, None), World::default()).await.unwrap();
    let file = prepared.made_key.unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let left: Vec<_> = fs::read_dir(file.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains(".new")), "{left:?}");
    let sealed = Secret::from("one".to_owned());
    let cx = portolan::context::Cx::system(app.hub().clone(), "test", prepared.tenant.unwrap().id);
    cx.write(async |txn| secret::put(txn, txn.cx().tenant()?, "int_1", "token", &sealed).await).await.unwrap();
    app.close().await;

    let (app, again) = App::start(&config(&database, None), World::default()).await.unwrap();
    assert_eq!(again.made_key, None);
    app.close().await;

    fs::remove_file(&file).unwrap();
    let text = refused(&database, None).await;
    assert!(text.contains("is missing"), "{text}");
    assert!(matches!(
        App::start(&config(&database, None), World::default()).await,
        Err(StartError::Keys(KeysError::Lost(_)))
    ));
}

#[tokio::test]
async fn what_is_recorded_of_keys_holds_no_key() {
    let hub = TestHub::start().await;
    put(&hub, hub.tenant.id, "int_1", "shpat_canary").await;
    data_key::rotate(&hub.cx(), None).await.unwrap();
    data_key::finish(&hub.cx()).await.unwrap();
    let records = Records::of(&hub).await;
    assert!(!records.everything().contains("canary"));
}
