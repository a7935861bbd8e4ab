//! Order: within a subject one after the other, whatever fails and whoever sends.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use chrono::TimeDelta;
use portolan::{
    domain::outbound::{
        Status,
        route::{self, Reached},
    },
    worker::outbound::Sender,
};
use tokio::task::JoinSet;

use super::{Happened, Outbound, sink::Say};

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_after_a_failure_waits_and_other_subjects_go_on() {
    let world = Outbound::start().await;
    world.destination("some", &["*"]).await;
    world.sink.at("some", |came| Say::Status(if came.subject() == "int_a" { 500 } else { 200 }));
    world.happens(&["int_a", "int_a", "int_b", "int_b", "int_b"]).await;
    world.work().await;
    let of = |subject: &str| -> Vec<u64> {
        world.sink.came().iter().filter(|came| came.subject() == subject).map(super::sink::Came::number).collect()
    };
    assert_eq!(of("int_a"), [0], "the second one waits for the first");
    assert_eq!(of("int_b"), [2, 3, 4]);
    world.sink.at("some", |_| Say::Status(200));
    world.later(TimeDelta::seconds(6));
    world.work().await;
    assert_eq!(of("int_a"), [0, 0, 1]);
    assert!(world.statuses().await.iter().all(|status| *status == Status::Delivered));
}

/// Routers add behind heads while senders settle them, on several nodes: no line is left without a head, none has two.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_behind_when_lines_empty_and_fill_at_the_same_time() {
    const EVENTS: usize = 300;
    let world = Arc::new(Outbound::start().await);
    world.destination("one", &["*"]).await;
    world.destination("two", &["*"]).await;
    let written = Arc::new(AtomicUsize::new(0));
    let mut running = JoinSet::new();
    let (writer, count) = (Arc::clone(&world), Arc::clone(&written));
    running.spawn(async move {
        let cx = writer.hub.cx();
        for number in 0..EVENTS {
            // Few subjects, so that their lines empty all the time.
            let fact = Happened { subject: format!("int_{}", number % 3), number };
            cx.write(async |txn| txn.emit(&fact)).await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    for _ in 0..2 {
        let (reader, count) = (Arc::clone(&world), Arc::clone(&written));
        running.spawn(async move {
            let mut reached = Reached::default();
            loop {
                reader.hub.number_events().await;
                let done = count.load(Ordering::SeqCst) == EVENTS;
                let routed = route::route(reader.hub.app.hub(), &mut reached).await.unwrap();
                if done && routed.events == 0 {
                    return;
                }
            }
        });
        let node = Arc::clone(&world);
        running.spawn(async move {
            let mut sender = Sender::new(Arc::clone(node.hub.app.hub()));
            while node.sink.came().len() < 2 * EVENTS {
                sender.settle().await.unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        });
    }
    tokio::time::timeout(std::time::Duration::from_mins(5), running.join_all())
        .await
        .expect("something was left behind");
    world.work().await;
    let mut lines = BTreeMap::<_, Vec<u64>>::new();
    for came in world.sink.came() {
        if came.json()["data"]["topic"] == "integration" {
            lines.entry((came.path.clone(), came.subject())).or_default().push(came.number());
        }
    }
    assert_eq!(lines.len(), 6);
    for (line, numbers) in lines {
        assert!(numbers.is_sorted_by(|one, next| one < next), "{line:?} {numbers:?}");
        assert_eq!(numbers.len(), EVENTS / 3, "{line:?}");
    }
    assert!(world.statuses().await.iter().all(|status| *status == Status::Delivered));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_given_up_settles_nothing_and_its_webhook_goes_once_more() {
    let world = Outbound::start().await;
    let made = world.destination("some", &["*"]).await;
    world.happens(&["int_a", "int_a"]).await;
    world.route().await;
    let hub = world.hub.app.hub();
    let signers = portolan::domain::outbound::send::Signers::default();
    let of = [(made.destination.id, 5)];
    let first = portolan::domain::outbound::send::take(hub, &signers, &of).await.unwrap();
    assert_eq!(first.len(), 1, "only the head of a line is taken");
    assert!(portolan::domain::outbound::send::take(hub, &signers, &of).await.unwrap().is_empty());
    // It says nothing for longer than its lease; another one takes it, and is under way.
    world.later(TimeDelta::minutes(1));
    let second = portolan::domain::outbound::send::take(hub, &signers, &of).await.unwrap();
    assert_eq!(second[0].delivery.id, first[0].delivery.id);
    let late = portolan::domain::outbound::send::send(hub, first[0].clone()).await;
    portolan::domain::outbound::settle::settle(hub, &[late]).await.unwrap();
    assert_eq!(world.statuses().await, [Status::Pending, Status::Pending]);
    let right = portolan::domain::outbound::send::send(hub, second[0].clone()).await;
    portolan::domain::outbound::settle::settle(hub, &[right]).await.unwrap();
    assert_eq!(world.statuses().await, [Status::Delivered, Status::Pending]);
    world.work().await;
    let came: Vec<_> = world.sink.came().iter().map(super::sink::Came::number).collect();
    assert_eq!(came, [0, 0, 1]);
}
