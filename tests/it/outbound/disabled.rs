//! Destinations that are gone, dead or switched off, and what they missed.

use chrono::TimeDelta;
use portolan::domain::{
    alert::{self, AlertFilter, Kind},
    outbound::{Status, again, destination, list},
};

use super::{Outbound, sink::Say};

async fn open(world: &Outbound) -> Vec<Kind> {
    let cx = world.hub.cx();
    let args = cx.page(None, None, None, None).unwrap();
    let filter = AlertFilter { open: Some(true), ..AlertFilter::default() };
    alert::list(&cx, &filter, &args).await.unwrap().rows.into_iter().map(|(_, row)| row.kind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_gone_is_disabled_and_gets_what_it_missed_when_it_is_recovered() {
    let world = Outbound::start().await;
    let made = world.destination("gone", &["integration.*"]).await;
    let (id, cx, began) = (made.destination.id, world.hub.cx(), world.hub.cx().now());
    world.sink.at("gone", |_| Say::Status(410));
    world.happens(&["int_a"]).await;
    world.work().await;
    let found = list::destination(&cx, id).await.unwrap();
    assert!(!found.enabled && found.disabled_because.unwrap().contains("410"));
    assert_eq!(open(&world).await, [Kind::DestinationDisabled]);
    world.happens(&["int_a", "int_b", "int_a"]).await;
    assert_eq!(world.work().await, 0);
    assert_eq!(world.statuses().await, [Status::Failed, Status::Skipped, Status::Skipped, Status::Skipped]);
    again::recover(&cx, id, began).await.unwrap_err();
    world.sink.at("gone", |_| Say::Status(200));
    world.sink.forget();
    destination::enable(&cx, id).await.unwrap();
    assert!(open(&world).await.is_empty());
    assert_eq!(world.work().await, 0, "nobody asked for it yet");
    assert_eq!(again::recover(&cx, id, began).await.unwrap(), 4);
    world.work().await;
    let of: Vec<_> =
        world.sink.came().iter().filter(|one| one.subject() == "int_a").map(super::sink::Came::number).collect();
    assert_eq!(of, [0, 0, 2], "in order");
    assert!(world.statuses().await.iter().all(|status| *status == Status::Delivered));
    assert_eq!(again::recover(&cx, id, began).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_half_of_its_time_there_is_an_alert_and_after_all_of_it_the_destination_is_disabled() {
    let world = Outbound::with(&[("PORTOLAN_OUTBOUND_DISABLE_AFTER", "10h")]).await;
    let made = world.destination("dead", &["integration.*"]).await;
    world.sink.at("dead", |_| Say::Status(500));
    world.happens(&["int_a"]).await;
    world.work().await;
    assert!(open(&world).await.is_empty());
    for (hours, alerts) in [(6, [Kind::Undelivered]), (5, [Kind::DestinationDisabled])] {
        world.later(TimeDelta::hours(hours));
        world.work().await;
        assert_eq!(open(&world).await, alerts);
    }
    let found = list::destination(&world.hub.cx(), made.destination.id).await.unwrap();
    assert!(!found.enabled && found.failing_since.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_destination_is_left_alone_for_a_while_and_then_tried_with_one() {
    let world = Outbound::start().await;
    world.destination("dead", &["integration.*"]).await;
    world.sink.at("dead", |_| Say::Status(500));
    let subjects: Vec<_> = (0..40).map(|number| format!("int_{number}")).collect();
    world.happens(&subjects.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let first = world.work().await;
    assert!(first <= 16, "{first} attempts at a dead destination");
    world.later(TimeDelta::minutes(6));
    assert_eq!(world.work().await, 1);
    world.sink.at("dead", |_| Say::Status(200));
    world.later(TimeDelta::minutes(6));
    world.work().await;
    assert!(world.statuses().await.iter().all(|status| *status == Status::Delivered));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_to_be_left_alone_is() {
    let world = Outbound::start().await;
    world.destination("busy", &["integration.*"]).await;
    world.sink.at("busy", |_| Say::With(429, vec![("retry-after", "600".to_owned())], String::new()));
    world.happens(&["int_a"]).await;
    world.work().await;
    world.happens(&["int_b"]).await;
    world.later(TimeDelta::minutes(9));
    assert_eq!(world.work().await, 0, "nothing else is sent either");
    world.sink.at("busy", |_| Say::Status(200));
    world.later(TimeDelta::minutes(2));
    assert_eq!(world.work().await, 2);
}
