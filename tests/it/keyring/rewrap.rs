//! A rotation of the master key: how much it asks of the database, and that it goes on where it was cut off.

use std::time::Duration;

use portolan::{
    app::{App, World},
    config::{Config, Flags},
    context::Cx,
    domain::keyring::{master, secret},
    entity::data_key,
    kernel::{chance::SeededChance, id::Id, secret::Secret},
    vault::DataKey,
};
use sea_orm::{EntityTrait, IntoActiveModel, PaginatorTrait, QuerySelect, TransactionTrait};
use uuid::Uuid;

use super::{OTHER_KEY, put, read};
use crate::support::{TestHub, database::MASTER_KEY, hub::beginning};

/// Gives so many tenants a key under the hub's master key. The tenants need not be there for that.
pub async fn make_keys(hub: &TestHub, from: u128, count: u128) {
    let chance = SeededChance::new(5);
    let rows = (from..from + count).map(|at| {
        let tenant = Uuid::from_u128(at);
        let wrapped = DataKey::new(tenant, 1, &chance).wrap(hub.app.hub().ring.current(), &chance);
        data_key::Model {
            tenant_id: Id::new(tenant),
            version: 1,
            master_version: i32::try_from(wrapped.master).unwrap(),
            check_value: wrapped.check.to_vec(),
            sealed: wrapped.sealed,
            seals: 1,
            created_at: beginning(),
        }
        .into_active_model()
    });
    let rows: Vec<_> = rows.collect();
    for part in rows.chunks(500) {
        let insert = data_key::Entity::insert_many(part.iter().cloned());
        insert.exec_without_returning(hub.app.hub().database.writer()).await.unwrap();
    }
}

/// Statements since the hub started.
fn statements(hub: &TestHub) -> u64 {
    let page = hub.app.metrics().page();
    let counts = page.lines().filter(|line| line.starts_with("db_statement_duration_seconds_count"));
    counts.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
}

async fn with_both(keys: u128) -> TestHub {
    let hub = TestHub::with(&[("PORTOLAN_MASTER_KEY", MASTER_KEY)]).await;
    put(&hub, hub.tenant.id, "int_1", "one").await;
    make_keys(&hub, 1_000, keys).await;
    hub.restart(&[("PORTOLAN_MASTER_KEY", &format!("{MASTER_KEY} 2:{OTHER_KEY}"))]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_of_the_master_key_takes_two_statements_for_each_two_hundred_keys() {
    let hub = with_both(1_199).await;
    let before = statements(&hub);
    let rotated = master::rotate(&hub.cx()).await.unwrap();
    assert_eq!((rotated.wrapped, rotated.broken), (1_200, vec![]));
    let taken = statements(&hub) - before;
    // Six times find and write; once more find nothing; count what is left; note twice that old forms are to be erased.
    println!("{taken} statements");
    assert!((16..=16 + 2).contains(&taken), "{taken}");
    assert_eq!(master::verify(hub.app.hub()).await.unwrap().broken, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_of_the_master_key_goes_on_where_it_was_cut_off() {
    let hub = with_both(2_000).await;
    let db = hub.app.hub().database.reader();
    let left = async || data_key::wrapped_before(2).count(db).await.unwrap();
    // What was cut off while it committed may be there a moment later: the locks wait for it.
    let settled = async || {
        let txn = hub.app.hub().database.writer().begin().await.unwrap();
        let rows = data_key::wrapped_before(2).lock_exclusive().all(&txn).await.unwrap();
        txn.rollback().await.unwrap();
        rows.len() as u64
    };
    let mut cuts = 0;
    while left().await > 600 {
        let before = left().await;
        // Dropped in the middle of whatever it does, as soon as it has done something.
        let cx = hub.cx();
        tokio::select! {
            _ = master::rotate(&cx) => {}
            () = async { while left().await == before { tokio::time::sleep(Duration::from_micros(200)).await } } => {}
        }
        assert!(left().await < before);
        cuts += 1;
    }
    let rest = settled().await;
    let both = [hub.cx(), hub.cx()];
    let (one, two) = tokio::join!(master::rotate(&both[0]), master::rotate(&both[1]));
    let done = one.unwrap().wrapped + two.unwrap().wrapped;
    println!("cut off {cuts} times, {rest} keys left for the last two at once");
    assert_eq!((done, left().await), (rest, 0), "each key is wrapped once");
    assert_eq!(master::verify(hub.app.hub()).await.unwrap().broken, Vec::<String>::new());
    let hub = hub.restart(&[("PORTOLAN_MASTER_KEY", &format!("2:{OTHER_KEY}"))]).await;
    assert_eq!(read(&hub, hub.tenant.id, "int_1").await.as_deref(), Some("one"), "the old one is not needed");
    assert_eq!(master::verify(hub.app.hub()).await.unwrap().keys, 2_001);
}

#[tokio::test]
async fn a_key_that_does_not_open_is_named_and_keeps_no_other_from_being_wrapped() {
    let hub = with_both(300).await;
    let db = hub.app.hub().database.writer();
    let damaged = data_key::of(Id::new(Uuid::from_u128(1_001))).one(db).await.unwrap().unwrap();
    let cut = damaged.sealed[..20].to_vec();
    crate::support::tamper::set::<data_key::Entity>(db, &damaged, data_key::Column::Sealed, cut.into()).await;
    let rotated = master::rotate(&hub.cx()).await.unwrap();
    assert_eq!(rotated.wrapped, 300);
    assert_eq!(rotated.broken, [format!("key 1 of {}", damaged.tenant_id)]);
    let status = master::status(hub.app.hub()).await.unwrap();
    assert_eq!(status.iter().map(|of| of.wraps).collect::<Vec<_>>(), [1, 300], "and it is told what still needs it");
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_may_be_given_the_new_key_one_after_the_other() {
    let hub = TestHub::with(&[("PORTOLAN_MASTER_KEY", MASTER_KEY)]).await;
    put(&hub, hub.tenant.id, "int_1", "one").await;
    let (late, fresh) = (hub.another_tenant("late").await.id, hub.another_tenant("fresh").await.id);
    let mut settings = hub.database.settings();
    settings.retain(|(name, _)| name != "PORTOLAN_MASTER_KEY");
    settings.push(("PORTOLAN_MASTER_KEY".to_owned(), format!("{MASTER_KEY} 2:{OTHER_KEY}")));
    let config = Config::load(&Flags::default(), settings, hub.database.folder()).unwrap();
    let (node, _) = App::start(&config, World::default()).await.unwrap();

    // Who has both goes on with the one that everybody has.
    let value = Secret::from("two".to_owned());
    let cx = Cx::system(node.hub().clone(), "test", late);
    cx.write(async |txn| secret::put(txn, late, "int_2", "token", &value).await).await.unwrap();
    assert_eq!(read(&hub, late, "int_2").await.as_deref(), Some("two"), "the other server has only the old key");
    let wraps = async || {
        let status = master::status(node.hub()).await.unwrap();
        status.iter().map(|of| (of.version, of.current, of.wraps)).collect::<Vec<_>>()
    };
    assert_eq!(wraps().await, [(1, true, 2), (2, false, 0)]);

    // Once a rotation has begun, the new one wraps.
    master::rotate(&cx).await.unwrap();
    cx.write(async |txn| secret::put(txn, fresh, "int_3", "token", &value).await).await.unwrap();
    assert_eq!(wraps().await, [(1, false, 0), (2, true, 3)]);
    node.close().await;
}
