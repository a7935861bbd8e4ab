//! What is due again and again, is due once for all nodes.

use std::{env, sync::Arc, time::Duration};

use chrono::TimeDelta;
use portolan::{
    context::NewJob,
    domain::{
        alert::{self, AlertFilter, Kind},
        job::schedule::{self, NewSchedule},
        keyring::{HUB, data_key, secret},
        tenant::{Tenant, lifecycle},
    },
    entity::schedule as stored,
    kernel::{clock::SystemClock, page::PageArgs, rhythm::Rhythm},
    worker::{self, runner::Settings},
};
use sea_orm::{ConnectionTrait, PaginatorTrait};

use super::{
    LEASE, Worker, another_node, done, jobs, open,
    work::{self, Ticked},
};
use crate::support::{TestHub, database::TestDatabase, records::Records};

async fn set(hub: &TestHub, tenant: &Tenant, key: &str, rhythm: Rhythm) {
    let work = NewJob::of(&Ticked {}).unwrap();
    let new = NewSchedule { key: key.to_owned(), rhythm, work, first: None };
    hub.cx_of(tenant).write(async |txn| schedule::set(txn, &new).await).await.unwrap();
}

fn seconds(seconds: u32) -> Rhythm {
    Rhythm::every(seconds, 0).unwrap()
}

/// The ticks that were done in a tenant, in microseconds.
async fn ticks(hub: &TestHub, tenant: &Tenant) -> Vec<i64> {
    let mut ticks: Vec<_> = done(hub, tenant).await.iter().map(|tick| tick.as_i64().unwrap()).collect();
    ticks.sort_unstable();
    ticks
}

#[tokio::test(flavor = "multi_thread")]
async fn each_tick_is_done_once_however_many_nodes_look() {
    let hub = TestHub::start().await;
    let other = another_node(&hub).await;
    let workers = [hub.app.hub(), other.hub()].map(Worker::of);
    let start = hub.cx().now();
    for key in ["one", "two", "three"] {
        set(&hub, &hub.tenant, key, seconds(60)).await;
    }
    for _ in 0..10 {
        hub.clock.advance(TimeDelta::seconds(60));
        let (one, two) = tokio::join!(schedule::tick(hub.app.hub()), schedule::tick(other.hub()));
        assert_eq!(one.unwrap().ticks + two.unwrap().ticks, 3);
        tokio::join!(workers[0].settle(), workers[1].settle());
    }
    let expected = (1..=10).flat_map(|at| [(start + TimeDelta::minutes(at)).timestamp_micros(); 3]);
    assert_eq!(ticks(&hub, &hub.tenant).await, expected.collect::<Vec<_>>());
    other.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_is_one_tick_and_the_grid_stays() {
    let hub = TestHub::start().await;
    let (worker, start) = (Worker::of(hub.app.hub()), hub.cx().now());
    set(&hub, &hub.tenant, "key", seconds(60)).await;
    hub.clock.advance(TimeDelta::seconds(60 * 60 + 30));
    worker.settle().await;
    assert_eq!(ticks(&hub, &hub.tenant).await, [(start + TimeDelta::seconds(60)).timestamp_micros()]);
    assert_eq!(schedule::next(hub.app.hub()).await.unwrap(), Some(start + TimeDelta::seconds(61 * 60)));
    // A clock that is set back brings nothing twice.
    hub.clock.advance(TimeDelta::hours(-1));
    assert_eq!(worker.settle().await, 0);
    hub.clock.advance(TimeDelta::hours(1));
    assert_eq!(worker.settle().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn setting_the_same_again_changes_nothing_another_rhythm_counts_at_once_and_one_can_be_ended() {
    let hub = TestHub::start().await;
    let start = hub.cx().now();
    set(&hub, &hub.tenant, "key", seconds(60)).await;
    hub.clock.advance(TimeDelta::seconds(30));
    set(&hub, &hub.tenant, "key", seconds(60)).await;
    assert_eq!(schedule::next(hub.app.hub()).await.unwrap(), Some(start + TimeDelta::seconds(60)));
    set(&hub, &hub.tenant, "key", Rhythm::cron("0 2 * * *", "Asia/Dubai", start).unwrap()).await;
    // Tests begin on 15 January 2027 at 08:00 UTC.
    let expected = start + TimeDelta::hours(14);
    assert_eq!(schedule::next(hub.app.hub()).await.unwrap(), Some(expected));
    let end = async || hub.cx().write(async |txn| schedule::end(txn, "test.ticked", "key").await).await.unwrap();
    assert_eq!((end().await, end().await), (true, false));
    assert_eq!(schedule::next(hub.app.hub()).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn ticks_do_not_pile_up_and_a_suspended_tenant_has_none() {
    let hub = TestHub::start().await;
    let acme = hub.another_tenant("acme").await;
    set(&hub, &hub.tenant, "key", seconds(60)).await;
    set(&hub, &acme, "key", seconds(60)).await;
    lifecycle::suspend(&hub.cx(), acme.id, "unpaid").await.unwrap();
    for _ in 0..30 {
        hub.clock.advance(TimeDelta::seconds(60));
        schedule::tick(hub.app.hub()).await.unwrap();
    }
    assert_eq!(jobs(&hub).await.len(), 10, "nobody does them, and no more wait");
    lifecycle::resume(&hub.cx(), acme.id).await.unwrap();
    hub.clock.advance(TimeDelta::seconds(60));
    Worker::of(hub.app.hub()).settle().await;
    assert_eq!((ticks(&hub, &hub.tenant).await.len(), ticks(&hub, &acme).await.len()), (10, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_follow_the_clock_do_each_second_once() {
    let long = env::var_os("TEST_LONG").is_some_and(|value| value == "1");
    let whole = Duration::from_secs(if long { 600 } else { 6 });
    let database = TestDatabase::create().await;
    let hub = TestHub::on(database, &[]).await;
    let nodes = [open(&hub.database, Arc::new(SystemClock)).await, open(&hub.database, Arc::new(SystemClock)).await];
    let workers = nodes.each_ref().map(|node| Worker::running(node.hub(), Settings { lease: LEASE, grace: LEASE }));
    let cx = portolan::context::Cx::system(nodes[0].hub().clone(), "test", hub.tenant.id);
    let work = NewJob::of(&Ticked {}).unwrap();
    let new = NewSchedule { key: "key".to_owned(), rhythm: seconds(1), work, first: None };
    cx.write(async |txn| schedule::set(txn, &new).await).await.unwrap();
    tokio::time::sleep(whole).await;
    cx.write(async |txn| schedule::end(txn, "test.ticked", "key").await.map(drop)).await.unwrap();
    hub.until(async || jobs(&hub).await.is_empty().then_some(())).await;
    for worker in workers {
        worker.stop().await;
    }
    let found = ticks(&hub, &hub.tenant).await;
    let grid: Vec<_> = found.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(grid.iter().all(|step| *step >= 1_000_000 && step % 1_000_000 == 0), "a tick twice, or off the grid");
    // A node that was kept from running for seconds misses ticks; none is done twice, and most are there.
    let missed: i64 = grid.iter().map(|step| step / 1_000_000 - 1).sum();
    println!("{} ticks in {} s on two nodes, each once; {missed} missed", found.len(), whole.as_secs());
    assert!(found.len() as u64 > whole.as_secs() / 2, "{found:?}");
    for node in nodes {
        node.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hubs_own_work_is_scheduled_once_and_renews_old_keys() {
    let hub = TestHub::start().await;
    let shared = hub.app.hub();
    for _ in 0..2 {
        worker::schedule_own(shared).await.unwrap();
    }
    assert_eq!(stored::of(HUB).count(shared.database.reader()).await.unwrap(), 2);
    let value = "secret".to_owned().into();
    hub.cx().write(async |txn| secret::put(txn, hub.tenant.id, "int_1", "token", &value).await).await.unwrap();
    let own = Worker::for_kinds(shared, worker::kinds(), Settings { lease: LEASE, grace: LEASE });
    own.settle().await;
    hub.clock.advance(TimeDelta::days(90));
    let before = Records::of(&hub).await;
    // The work of a tick begins up to a minute later.
    own.settle().await;
    hub.clock.advance(TimeDelta::minutes(15));
    own.settle().await;
    assert_eq!(Records::of(&hub).await.events[before.events.len()..], ["key.rotated"]);
    assert_eq!(data_key::unfinished(shared).await.unwrap(), [hub.tenant.id]);
    assert!(own.said().iter().all(|how| *how == "done"));
    assert_eq!(work::done(shared, hub.tenant.id).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_that_cannot_be_read_ends_with_an_alert_and_stops_nobody_else() {
    let hub = TestHub::start().await;
    let acme = hub.another_tenant("acme").await;
    set(&hub, &hub.tenant, "key", seconds(60)).await;
    set(&hub, &acme, "damaged", seconds(60)).await;
    set(&hub, &acme, "sound", seconds(60)).await;
    for (damaged, times) in [("'{\"every\": \"often\"}'", 1), ("'[]'", 2)] {
        let change = format!("UPDATE schedules SET rhythm = {damaged} WHERE \"key\" = 'damaged'");
        hub.app.hub().database.writer().execute_unprepared(&change).await.unwrap();
        hub.clock.advance(TimeDelta::seconds(60));
        Worker::of(hub.app.hub()).settle().await;
        assert_eq!((ticks(&hub, &hub.tenant).await.len(), ticks(&hub, &acme).await.len()), (times, times));
        let filter = AlertFilter { open: Some(true), ..AlertFilter::default() };
        let args = PageArgs { after: None, before: None, size: 10, backward: false };
        let open = alert::list(&hub.cx_of(&acme), &filter, &args).await.unwrap().rows;
        let open: Vec<_> = open.into_iter().map(|(_, alert)| (alert.kind, alert.subject)).collect();
        assert_eq!(open, [(Kind::UnreadableSetting, "damaged".to_owned())]);
        assert_eq!(alert::count(&hub.cx(), &filter).await.unwrap(), 0, "it is nobody else's");
        set(&hub, &acme, "damaged", Rhythm::every(3_600, 0).unwrap()).await;
    }
}
