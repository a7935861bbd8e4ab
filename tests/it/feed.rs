//! The event log and its readers: every committed event, once, in order, wherever one begins.
#![expect(clippy::disallowed_methods, reason = "tests wait for their own tasks")]

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use portolan::{
    context::Cx,
    domain::event::retain,
    event::{
        Entry, Fact, Interest, Reader, log, sequencer,
        write::{self, Draft},
    },
    kernel::error::{Code, Error},
};
use serde::Serialize;
use tokio::{sync::Barrier, time::timeout};

use crate::support::{TestHub, database::on_postgres, process::LIMIT};

/// Something that happened, for these tests.
#[derive(Serialize)]
struct Tick {
    writer: u64,
    count: u64,
}

impl Fact for Tick {
    const TOPIC: &'static str = "tenant";

    fn kind(&self) -> &'static str {
        "test.ticked"
    }

    fn subject(&self) -> String {
        format!("writer {}", self.writer)
    }
}

fn all() -> Interest {
    Interest::of_topics(["tenant"])
}

/// Writes one tick after a pause inside the transaction; rolls back if told.
async fn tick(cx: &Cx, writer: u64, count: u64, pause: Duration, fails: bool) -> bool {
    let written = cx
        .write(async |txn| {
            txn.emit(&Tick { writer, count })?;
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            if fails { Err(Error::invalid("input", "rolled back")) } else { Ok(()) }
        })
        .await;
    assert_eq!(written.is_err(), fails, "{written:?}");
    !fails
}

/// A dice that gives the same throws in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// What a tick said.
fn said(entry: &Entry) -> (u64, u64) {
    (entry.data["writer"].as_u64().unwrap(), entry.data["count"].as_u64().unwrap())
}

async fn next(reader: &mut Reader) -> Entry {
    timeout(LIMIT, reader.next()).await.expect("an event came").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_that_come_and_go_get_every_committed_event_once_in_order_while_writers_dawdle_and_roll_back() {
    const WRITERS: u64 = 16;
    const EACH: u64 = 60;
    let hub = Arc::new(TestHub::start().await);
    // What the start wrote is numbered, so that it is not taken for what comes from now on.
    hub.number_events().await;
    hub.app.follow();
    let begin = log::head(hub.cx().db(), hub.tenant.id).await.unwrap().number;
    let committed = Arc::new(AtomicU64::new(0));
    let done = Arc::new(AtomicBool::new(false));
    let barrier = Arc::new(Barrier::new(usize::try_from(WRITERS).unwrap()));
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let (hub, committed, barrier) = (Arc::clone(&hub), Arc::clone(&committed), Arc::clone(&barrier));
        writers.push(tokio::spawn(async move {
            barrier.wait().await;
            let (cx, mut dice) = (hub.cx(), Dice(writer));
            for count in 0..EACH {
                let pause = Duration::from_millis(if on_postgres() { dice.below(8) } else { dice.below(2) });
                if tick(&cx, writer, count, pause, dice.below(10) == 0).await {
                    committed.fetch_add(1, Ordering::SeqCst);
                }
            }
        }));
    }
    let mut readers = Vec::new();
    for reader in 0..12_u64 {
        let (hub, committed, done) = (Arc::clone(&hub), Arc::clone(&committed), Arc::clone(&done));
        readers.push(tokio::spawn(async move {
            let (cx, mut dice) = (hub.cx(), Dice(100 + reader));
            let (mut seen, mut got) = (begin, Vec::new());
            let complete =
                |got: &Vec<Entry>| done.load(Ordering::SeqCst) && got.len() as u64 == committed.load(Ordering::SeqCst);
            while !complete(&got) {
                // Comes back where it was, and stays for a while.
                let mut stream = cx.events(all(), Some(seen)).await.unwrap();
                for _ in 0..dice.below(60) {
                    let Ok(entry) = timeout(Duration::from_millis(200), stream.next()).await else { break };
                    let entry = entry.unwrap();
                    seen = entry.number;
                    got.push(entry);
                }
                if dice.below(3) == 0 {
                    tokio::time::sleep(Duration::from_millis(dice.below(30))).await;
                }
            }
            got
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    let committed = committed.load(Ordering::SeqCst);
    for reader in readers {
        let got = timeout(LIMIT, reader).await.expect("a reader got everything").unwrap();
        let numbers: Vec<_> = got.iter().map(|entry| entry.number).collect();
        let expected: Vec<_> = (begin + 1..=begin + i64::try_from(committed).unwrap()).collect();
        assert_eq!(numbers, expected, "dense, in order, no double");
        let mut last = HashMap::new();
        for entry in &got {
            let (writer, count) = said(entry);
            // A writer's next tick follows from its last: causes come before effects.
            assert!(last.insert(writer, count).is_none_or(|before| before < count));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_stays_open_holds_back_its_own_events_and_nobody_elses() {
    if !on_postgres() {
        return;
    }
    let hub = TestHub::start().await;
    hub.number_events().await;
    hub.app.follow();
    let cx = hub.cx();
    let mut stream = cx.events(all(), None).await.unwrap();
    let (wrote, go) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let slow = {
        let (cx, wrote, go) = (cx.clone(), Arc::clone(&wrote), Arc::clone(&go));
        tokio::spawn(async move {
            cx.write(async |txn| {
                // Emitting waits for the end of the work; this is put down at its beginning.
                let (tenant, now) = (cx.tenant()?, txn.now());
                let tick = Tick { writer: 1, count: 1 };
                let draft = Draft::new(&tick, txn.id(), tenant, &cx.actor(), &cx.request().id, now)?;
                write::write(&**txn, vec![draft]).await?;
                wrote.notify_one();
                go.notified().await;
                Ok(())
            })
            .await
        })
    };
    wrote.notified().await;
    for count in 0..20 {
        tick(&cx, 2, count, Duration::ZERO, false).await;
        assert_eq!(said(&next(&mut stream).await), (2, count));
    }
    go.notify_one();
    slow.await.unwrap().unwrap();
    assert_eq!(said(&next(&mut stream).await), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_fell_behind_reads_the_log_and_is_live_again_without_a_hole() {
    let hub = TestHub::start().await;
    hub.number_events().await;
    hub.app.follow();
    let cx = hub.cx();
    let mut slow = cx.events(all(), None).await.unwrap();
    tick(&cx, 0, 0, Duration::ZERO, false).await;
    assert_eq!(said(&next(&mut slow).await), (0, 0), "it is live");
    // More than an inbox and a tail hold.
    for batch in 0..8 {
        cx.write(async |txn| (0..100).try_for_each(|count| txn.emit(&Tick { writer: 1, count: batch * 100 + count })))
            .await
            .unwrap();
    }
    for count in 0..800 {
        assert_eq!(said(&next(&mut slow).await), (1, count));
    }
    tick(&cx, 2, 0, Duration::ZERO, false).await;
    assert_eq!(said(&next(&mut slow).await), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_reader_gets_what_interests_it_of_its_own_tenant() {
    let hub = TestHub::start().await;
    hub.number_events().await;
    hub.app.follow();
    let other = hub.another_tenant("other").await;
    let (ours, theirs) = (hub.cx(), hub.cx_of(&other));
    let mut everything = ours.events(Interest::default(), None).await.unwrap();
    let mut one = ours.events(all().about(["writer 7".to_owned()]), None).await.unwrap();
    let mut nothing = ours.events(Interest::of_topics(["access"]), None).await.unwrap();
    for writer in 0..10 {
        tick(&theirs, writer, 1, Duration::ZERO, false).await;
        tick(&ours, writer, 2, Duration::ZERO, false).await;
    }
    for writer in 0..10 {
        assert_eq!(said(&next(&mut everything).await), (writer, 2));
    }
    assert_eq!(said(&next(&mut one).await), (7, 2));
    assert!(timeout(Duration::from_millis(100), one.next()).await.is_err());
    assert!(timeout(Duration::from_millis(100), nothing.next()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_is_kept_while_somebody_follows_and_no_longer() {
    let hub = TestHub::start().await;
    hub.number_events().await;
    hub.app.follow();
    let feed = &hub.app.hub().feed;
    assert_eq!(feed.followed(), 0);
    let first = hub.cx().events(all(), None).await.unwrap();
    let second = hub.cx().events(all(), None).await.unwrap();
    assert_eq!(feed.followed(), 1);
    drop(first);
    assert_eq!(feed.followed(), 1);
    drop(second);
    assert_eq!(feed.followed(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_is_too_old_or_from_the_future_is_an_error_and_never_silence() {
    let hub = TestHub::start().await;
    hub.number_events().await;
    hub.app.follow();
    let cx = hub.cx();
    // More than a reader reads at a time.
    cx.write(async |txn| (0..300).try_for_each(|count| txn.emit(&Tick { writer: 0, count }))).await.unwrap();
    hub.number_events().await;
    let head = log::head(cx.db(), hub.tenant.id).await.unwrap();
    assert_eq!(cx.events(all(), Some(head.number + 1)).await.unwrap_err().code(), Code::CursorAhead);
    let mut early = cx.events(all(), Some(0)).await.unwrap();
    early.next().await.unwrap();

    hub.clock.advance(chrono::TimeDelta::days(8));
    tick(&cx, 1, 0, Duration::ZERO, false).await;
    hub.number_events().await;
    assert!(retain(hub.app.hub().clone()).await.unwrap() > 0);
    let kept = log::head(cx.db(), hub.tenant.id).await.unwrap();
    assert_eq!((kept.number, kept.oldest), (head.number + 1, head.number + 1));
    let expired = cx.events(all(), Some(head.number - 1)).await.unwrap_err();
    assert!(matches!(expired, Error::CursorExpired { oldest } if oldest == head.number), "{expired:?}");
    // The oldest that is named is good.
    let mut from_there = cx.events(all(), Some(head.number)).await.unwrap();
    assert_eq!(said(&next(&mut from_there).await), (1, 0));
    // Who was reading when it went is told too.
    let overtaken = async {
        loop {
            if let Err(error) = early.next().await {
                return error;
            }
        }
    };
    assert_eq!(timeout(LIMIT, overtaken).await.unwrap().code(), Code::CursorExpired);
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_by_size_keeps_the_newest() {
    let hub = TestHub::with(&[("PORTOLAN_EVENTS_MOST", "100")]).await;
    let cx = hub.cx();
    for batch in 0..5 {
        cx.write(async |txn| (0..100).try_for_each(|count| txn.emit(&Tick { writer: batch, count }))).await.unwrap();
    }
    hub.number_events().await;
    retain(hub.app.hub().clone()).await.unwrap();
    let head = log::head(cx.db(), hub.tenant.id).await.unwrap();
    assert_eq!(head.oldest, head.number - 99);
}

#[tokio::test(flavor = "multi_thread")]
async fn passes_of_several_nodes_at_once_number_every_event_once() {
    if !on_postgres() {
        return;
    }
    let hub = Arc::new(TestHub::start().await);
    let other = hub.another_tenant("other").await;
    hub.number_events().await;
    let db = hub.app.hub().database.writer().clone();
    let before = log::position(&db).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let passes = (0..4).map(|_| {
        let (db, stop) = (db.clone(), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut moved = Vec::new();
            loop {
                let last = stop.load(Ordering::SeqCst);
                let batch = sequencer::pass(&db).await.unwrap();
                if batch.is_empty() && last {
                    return moved;
                }
                moved.extend(batch);
            }
        })
    });
    let passes: Vec<_> = passes.collect();
    let writes = (0..8_u64).map(|writer| {
        let cx = if writer % 2 == 0 { hub.cx() } else { hub.cx_of(&other) };
        async move {
            for count in 0..25 {
                tick(&cx, writer, count, Duration::ZERO, false).await;
            }
        }
    });
    futures_util::future::join_all(writes).await;
    stop.store(true, Ordering::SeqCst);
    let mut positions = BTreeSet::new();
    let mut numbers = BTreeMap::<_, BTreeSet<_>>::new();
    for pass in passes {
        let moved = pass.await.unwrap();
        assert!(moved.windows(2).all(|pair| pair[0].position < pair[1].position), "a pass is in order");
        for entry in moved {
            assert!(positions.insert(entry.position));
            assert!(numbers.entry(entry.tenant_id).or_default().insert(entry.number));
        }
    }
    assert_eq!(positions, (before + 1..=before + 200).collect());
    for of_tenant in numbers.values() {
        let (first, last) = (of_tenant.first().unwrap(), of_tenant.last().unwrap());
        assert_eq!(of_tenant.len(), 100);
        assert_eq!(last - first, 99, "dense");
    }
}
