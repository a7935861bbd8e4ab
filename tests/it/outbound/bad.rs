//! Destinations that answer what they should not.

use std::time::{Duration, Instant};

use portolan::domain::outbound::{Status, destination, list};

use super::{Outbound, sink::Say};

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed_inward_or_elsewhere() {
    let world = Outbound::start().await;
    world.destination("moved", &["integration.*"]).await;
    let inward = format!("http://{}/secret", world.sink.address);
    world.sink.at("moved", move |_| Say::With(307, vec![("location", inward.clone())], String::new()));
    world.happens(&["int_a"]).await;
    world.work().await;
    assert!(world.sink.came_to("secret").is_empty());
    let delivery = world.deliveries().await.remove(0);
    assert_eq!((delivery.status, delivery.last_error.as_deref()), (Status::Pending, Some("REDIRECT")));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_answer_without_end_4_kib_are_kept_and_the_status_counts() {
    let world = Outbound::start().await;
    for path in ["slow", "large"] {
        world.destination(path, &["integration.*"]).await;
    }
    world.sink.at("slow", |_| Say::Endless(Duration::from_millis(200), 10));
    world.sink.at("large", |_| Say::Endless(Duration::ZERO, 1 << 20));
    world.happens(&["int_a"]).await;
    let began = Instant::now();
    world.work().await;
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert_eq!(world.statuses().await, [Status::Delivered, Status::Delivered]);
    let ids: Vec<_> = world.deliveries().await.iter().map(|row| row.id).collect();
    let attempts = list::attempts(&world.hub.cx(), &ids).await.unwrap();
    let kept: Vec<_> = attempts.iter().map(|attempt| attempt.answer.len()).collect();
    assert!(kept.contains(&4096) && kept.iter().all(|size| *size <= 4096), "{kept:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_answer_in_time_has_not_taken_it() {
    let world = Outbound::with(&[("PORTOLAN_OUTBOUND_TIMEOUT", "300ms")]).await;
    world.destination("late", &["integration.*"]).await;
    world.sink.at("late", |_| Say::Late(Duration::from_secs(30), 200));
    world.happens(&["int_a"]).await;
    world.work().await;
    let delivery = world.deliveries().await.remove(0);
    assert_eq!((delivery.status, delivery.last_error.as_deref()), (Status::Pending, Some("TIMEOUT")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_inside_is_refused_when_it_is_saved_and_when_it_is_called() {
    let world = Outbound::start().await;
    for url in ["http://10.0.0.1/x", "https://169.254.169.254/latest", "ftp://example.com", "x"] {
        let new = destination::NewDestination { url: url.to_owned(), ..world.plain("x") };
        destination::create(&world.hub.cx(), new, None).await.unwrap_err();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_says_how_it_went_and_leaves_the_order_alone() {
    let world = Outbound::start().await;
    let made = world.destination("some", &["integration.*"]).await;
    let (cx, id) = (world.hub.cx(), made.destination.id);
    let tried = destination::test(&cx, id).await.unwrap();
    assert_eq!((tried.delivery.status, tried.attempt.status), (Status::Delivered, Some(204)));
    assert_eq!(world.sink.came()[0].json()["type"], "webhook.test");
    assert_eq!(world.sink.came()[0].signed_by(made.secret.unwrap().expose()), 1);
    world.sink.at("some", |_| Say::Status(500));
    let tried = destination::test(&cx, id).await.unwrap();
    assert_eq!((tried.delivery.status, tried.attempt.error.as_deref()), (Status::Failed, Some("STATUS")));
    destination::delete(&cx, id).await.unwrap();
    assert!(world.deliveries().await.is_empty());
    destination::test(&cx, id).await.unwrap_err();
}
