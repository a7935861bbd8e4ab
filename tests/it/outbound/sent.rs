//! What is sent: to whom, signed with what, saying what.

use chrono::TimeDelta;
use portolan::{
    domain::outbound::{
        Status, again,
        destination::{self, NewDestination},
        list,
    },
    kernel::scope::{Role, Scope},
};
use serde_json::json;

use super::{Outbound, sink::Say};

#[tokio::test(flavor = "multi_thread")]
async fn an_event_reaches_who_wants_it_signed_and_nobody_else() {
    let world = Outbound::start().await;
    let wants = world.destination("wants", &["integration.*"]).await;
    world.destination("other", &["job.*", "integration.created"]).await;
    world.happens(&["int_a"]).await;
    assert_eq!(world.work().await, 1);
    let came = world.sink.came();
    assert_eq!(came.len(), 1);
    let came = &came[0];
    assert_eq!(came.path, "wants");
    assert_eq!(came.signatures.len(), 1);
    assert_eq!(came.signed_by(wants.secret.unwrap().expose()), 1);
    assert!(came.headers.contains_key("traceparent"));
    let said = came.json();
    assert_eq!(said["type"], "integration.updated");
    assert_eq!(said["data"]["event"], came.id);
    assert_eq!(said["data"]["subject"], "int_a");
    assert_eq!(said["data"]["facts"]["subject"], "int_a");
    let [delivery] = &world.deliveries().await[..] else { panic!("one delivery") };
    assert_eq!((delivery.status, delivery.attempts, delivery.last_status), (Status::Delivered, 1, Some(204)));
    let attempts = list::attempts(&world.hub.cx(), &[delivery.id]).await.unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!(world.work().await, 0, "nothing is sent twice, nor what is told about it");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_tried_again_on_schedule_with_the_same_id_and_given_up_at_last() {
    let world = Outbound::with(&[("PORTOLAN_OUTBOUND_SCHEDULE", "10s,1m")]).await;
    world.destination("down", &["*"]).await;
    world.sink.at("down", |_| Say::With(500, vec![], "out of order".to_owned()));
    world.happens(&["int_a"]).await;
    assert_eq!(world.work().await, 1);
    assert_eq!(world.statuses().await, [Status::Pending]);
    assert_eq!(world.work().await, 0, "not before it is time");
    world.later(TimeDelta::seconds(12));
    assert_eq!(world.work().await, 1);
    world.later(TimeDelta::seconds(70));
    assert_eq!(world.work().await, 1);
    assert_eq!(world.statuses().await, [Status::Failed]);
    world.later(TimeDelta::days(1));
    assert_eq!(world.work().await, 0);
    let came = world.sink.came();
    assert!(came.iter().all(|one| one.id == came[0].id) && came.len() == 3);
    assert!(came[0].timestamp < came[2].timestamp, "each attempt has its own time");
    let delivery = world.deliveries().await.remove(0);
    let attempts = list::attempts(&world.hub.cx(), &[delivery.id]).await.unwrap();
    assert_eq!(attempts.len(), 3);
    assert!(attempts.iter().all(|one| one.status == Some(500) && one.answer == b"out of order"));
    // Somebody has it sent again: with the same id.
    world.sink.at("down", |_| Say::Status(200));
    again::resend(&world.hub.cx(), delivery.id).await.unwrap();
    assert_eq!(world.work().await, 1);
    assert_eq!(world.statuses().await, [Status::Delivered]);
    assert_eq!(world.sink.came()[3].id, came[0].id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_looks_into_the_body() {
    let world = Outbound::start().await;
    let filter = Some("data.facts.number > `1`".to_owned());
    world.make(NewDestination { filter, ..world.plain("some") }).await;
    world.happens(&["int_a", "int_b", "int_c", "int_d"]).await;
    world.work().await;
    let numbers: std::collections::BTreeSet<_> = world.sink.came().iter().map(super::sink::Came::number).collect();
    assert_eq!(numbers, [2, 3].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn while_secrets_rotate_both_sign_and_then_one() {
    let world = Outbound::start().await;
    let made = world.make(NewDestination { with_key: true, ..world.plain("keys") }).await;
    let (before, cx) = (made.secret.unwrap(), world.hub.cx());
    let rotated = destination::rotate(&cx, made.destination.id, TimeDelta::hours(1)).await.unwrap();
    assert_ne!(rotated.destination.public_key, made.destination.public_key);
    let now = rotated.secret.unwrap();
    world.happens(&["int_a"]).await;
    world.work().await;
    let came = world.sink.came().into_iter().find(|came| came.json()["data"]["subject"] == "int_a").unwrap();
    assert_eq!(came.signatures.len(), 4, "{:?}", came.signatures);
    assert_eq!((came.signed_by(before.expose()), came.signed_by(now.expose())), (1, 1));
    world.later(TimeDelta::hours(2));
    world.happens(&["int_b"]).await;
    world.work().await;
    let came = world.sink.came().into_iter().find(|came| came.json()["data"]["subject"] == "int_b").unwrap();
    assert_eq!(came.signatures.len(), 2);
    assert_eq!((came.signed_by(before.expose()), came.signed_by(now.expose())), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_sent_what_who_asked_for_it_may_not_read() {
    let world = Outbound::start().await;
    let hub = &world.hub;
    let scopes = [Scope::IntegrationRead, Scope::IntegrationWrite];
    let (_, token) = hub.new_token(&hub.tenant, Role::Admin, Some(&scopes), None).await;
    let document = "mutation Make($input: CreateWebhookDestinationInput!) {
        createWebhookDestination(input: $input) { destination { id } secret userErrors { code path } } }";
    let url = format!("http://{}/some", world.sink.address);
    let refused = json!({ "input": { "name": "x", "url": url, "events": ["access.*"] } });
    let refused = hub.ask(&token, document, refused).await.data();
    assert_eq!(refused["createWebhookDestination"]["userErrors"][0]["path"], json!(["input", "events"]));
    let all = json!({ "input": { "name": "x", "url": url, "events": ["*"] } });
    let made = hub.ask(&token, document, all).await.data();
    assert!(made["createWebhookDestination"]["secret"].as_str().unwrap().starts_with("whsec_"), "{made}");
    // Nor does who may not read it send elsewhere what others may.
    let everything = world.destination("everything", &["user.*"]).await.destination.id;
    let elsewhere = "mutation Move($input: UpdateWebhookDestinationInput!) {
        updateWebhookDestination(input: $input) { destination { id } userErrors { code path } } }";
    let input = json!({ "input": { "id": everything, "url": format!("http://{}/mine", world.sink.address) } });
    let refused = hub.ask(&token, elsewhere, input).await.data();
    assert_eq!(refused["updateWebhookDestination"]["userErrors"][0]["code"], "FORBIDDEN");
    destination::delete(&hub.cx(), everything).await.unwrap();
    world.later(TimeDelta::seconds(1));
    hub.user_of(&hub.tenant, "somebody@example.test", Role::Viewer).await;
    world.happens(&["int_a"]).await;
    world.work().await;
    let came = world.sink.came();
    assert!(came.iter().all(|one| one.json()["data"]["topic"] == "integration"), "{came:?}");
    assert_eq!(came.len(), 1);
}
