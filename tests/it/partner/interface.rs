//! Partners without an address for webhooks: each is told by its own interface, with its own credential.

use portolan::{
    domain::tenant::Tenant,
    kernel::{id::IntegrationId, scope::Role},
};
use serde_json::{Value, json};

use super::{Partners, SECRET, mapping};
use crate::outbound::sink::Say;

/// A partner that is reached at a path of the sink by its own interface, with what else is chosen.
async fn silent(world: &Partners, name: &str, more: Value) -> IntegrationId {
    silent_of(world, &world.admin, &world.hub.tenant, name, more).await
}

async fn silent_of(world: &Partners, token: &str, tenant: &Tenant, name: &str, more: Value) -> IntegrationId {
    let payload = world.change_as(token, "createPartnerIntegration", MADE, new(world, tenant, name, more).await).await;
    assert_eq!(payload["userErrors"], json!([]), "{payload}");
    // What happens later is told.
    world.later(chrono::TimeDelta::seconds(1));
    payload["partnerIntegration"]["id"].as_str().unwrap().parse().unwrap()
}

const MADE: &str = "partnerIntegration { id toldBy webhookUrl webhookEvents }";

async fn new(world: &Partners, tenant: &Tenant, name: &str, more: Value) -> Value {
    let organization = world.hub.partner_of(tenant, name).await;
    let mut input = json!({
        "partnerOrganizationId": organization, "integrationName": name,
        "apiBaseUrl": format!("http://{}/{name}", world.sink.address),
        "authenticationType": "API_KEY", "apiCredentials": { "api_key": format!("the-key-of-{name}") },
        "webhookEvents": ["*"], "statusMapping": mapping(),
    });
    with(&mut input, more);
    input
}

/// The same input with other fields besides.
fn with(input: &mut Value, more: Value) {
    if let (Value::Object(input), Value::Object(more)) = (input, more) {
        input.extend(more);
    }
}

/// What a partner was told of its orders: which, and the word for it.
fn told(world: &Partners, name: &str) -> Vec<(String, String)> {
    let (start, end) = (format!("{name}/v1/orders/"), "/status");
    let came = world.sink.came().into_iter().filter(|came| came.path.starts_with(&start));
    came.map(|came| {
        let order = came.path.strip_prefix(&start).unwrap().strip_suffix(end).unwrap().to_owned();
        (order, came.json()["status"].as_str().unwrap().to_owned())
    })
    .collect()
}

fn said(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(order, word)| ((*order).to_owned(), (*word).to_owned())).collect()
}

async fn deliveries(world: &Partners, partner: IntegrationId) -> Value {
    let ask = "query($id: ID!) { partnerDeliveries(partnerIntegrationId: $id) {
        nodes { id status lastStatus lastError nextAt attempts { status error message answer } } } }";
    world.ask(ask, json!({ "id": partner })).await["nodes"].clone()
}

async fn update(world: &Partners, partner: IntegrationId, change: Value) -> Value {
    let mut input = json!({ "id": partner });
    with(&mut input, change);
    let fields = "partnerIntegration { toldBy webhookUrl syncFrequency }";
    world.done("updatePartnerIntegration", fields, input).await["partnerIntegration"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_without_an_address_for_webhooks_is_told_by_its_own_interface() {
    let world = Partners::start().await;
    let one = silent(&world, "one", json!({})).await;
    let order = world.order(one, "A 1").await;
    world.moves(&order, "approved").await;
    assert_eq!(world.work().await, 1);
    let came = world.sink.came();
    assert_eq!((came.len(), came[0].path.as_str()), (1, "one/v1/orders/A%201/status"));
    let header = |name: &str| came[0].headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(header("x-api-key").as_deref(), Some("the-key-of-one"));
    assert!(header("idempotency-key").unwrap().starts_with("evt_") && header("traceparent").is_some());
    assert_eq!(header("webhook-signature"), None, "it is no webhook");
    let body = came[0].json();
    assert_eq!(body["status"], "CONFIRMED");
    assert_eq!(body["changed_at"].as_str().unwrap()[..10], *"2027-01-15");
    assert!(!came[0].body.is_empty() && !body.to_string().contains("usr_") && !body.to_string().contains("ten_"));
    let sent = deliveries(&world, one).await;
    assert_eq!(sent[0]["status"], "DELIVERED");
    assert_eq!((&sent[0]["lastStatus"], &sent[0]["lastError"]), (&json!(204), &Value::Null));
    let own = "query($id: ID!) { partnerIntegration(id: $id) { toldBy webhookUrl successRate } }";
    let own = world.ask(own, json!({ "id": one })).await;
    assert_eq!(own, json!({ "toldBy": "INTERFACE", "webhookUrl": null, "successRate": 100.0 }));
    let places = "{ webhookDestinations { nodes { url action everyMinutes events } } }";
    let places = world.ask(places, Value::Null).await["nodes"].clone();
    assert_eq!(places, json!([{ "url": "", "action": "notify_status", "everyMinutes": null, "events": ["*"] }]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_of_one_order_comes_in_order_and_each_once() {
    let world = Partners::start().await;
    let one = silent(&world, "one", json!({})).await;
    let (a, b) = (world.order(one, "A").await, world.order(one, "B").await);
    for status in ["approved", "in_progress", "completed"] {
        for order in [&a, &b] {
            world.later(chrono::TimeDelta::seconds(1));
            world.moves(order, status).await;
        }
    }
    assert_eq!(world.work().await, 6);
    assert_eq!(world.work().await, 0);
    for called in ["A", "B"] {
        let words: Vec<_> = told(&world, "one").into_iter().filter(|(order, _)| order == called).collect();
        assert_eq!(words, said(&[(called, "CONFIRMED"), (called, "IN_PROGRESS"), (called, "DELIVERED")]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_is_down_is_tried_again_on_schedule_and_what_follows_waits() {
    let world = Partners::with(&[("PORTOLAN_OUTBOUND_SCHEDULE", "10s,1m,10m")]).await;
    let one = silent(&world, "one", json!({})).await;
    let path = "one/v1/orders/A/status";
    let order = world.order(one, "A").await;
    let answer = r#"{"message":"out of order"}"#.to_owned();
    world.sink.at(path, move |_| Say::With(503, vec![("retry-after", "120".to_owned())], answer.clone()));
    world.moves(&order, "approved").await;
    world.moves(&order, "in_progress").await;
    assert_eq!(world.work().await, 1);
    assert_eq!(world.sink.came().len(), 1, "an attempt is one call");
    let sent = deliveries(&world, one).await;
    assert_eq!((&sent[0]["status"], &sent[1]["status"]), (&json!("PENDING"), &json!("PENDING")));
    // Both were made at one moment, in which neither is the newer one.
    let attempt = sent.as_array().unwrap().iter().find_map(|delivery| delivery["attempts"].get(0)).unwrap();
    assert_eq!((&attempt["status"], &attempt["error"]), (&json!(503), &json!("STATUS")));
    assert!(attempt["message"].as_str().unwrap().contains("out of order"), "{attempt}");
    world.later(chrono::TimeDelta::seconds(60));
    assert_eq!(world.work().await, 0, "it asked for two minutes");
    world.later(chrono::TimeDelta::seconds(61));
    world.sink.at(path, |_| Say::Status(200));
    assert_eq!(world.work().await, 2);
    let words = told(&world, "one");
    assert_eq!(words, said(&[("A", "CONFIRMED"), ("A", "CONFIRMED"), ("A", "IN_PROGRESS")]));
    let came = world.sink.came();
    assert_eq!(came[0].headers["idempotency-key"], came[1].headers["idempotency-key"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_gone_for_the_partner_ends_its_delivery_and_disables_nobody() {
    let world = Partners::start().await;
    let one = silent(&world, "one", json!({})).await;
    let (gone, other) = (world.order(one, "A").await, world.order(one, "B").await);
    world.sink.at("one/v1/orders/A/status", |_| Say::Status(410));
    world.moves(&gone, "approved").await;
    world.work().await;
    assert_eq!(deliveries(&world, one).await[0]["status"], "FAILED");
    world.later(chrono::TimeDelta::seconds(1));
    world.moves(&other, "approved").await;
    assert_eq!(world.work().await, 1);
    assert_eq!(deliveries(&world, one).await[0]["status"], "DELIVERED");
    assert!(world.alerts().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_is_not_told_what_it_said_itself_nor_what_is_anothers() {
    let world = Partners::start().await;
    let (one, two) = (silent(&world, "one", json!({})).await, silent(&world, "two", json!({})).await);
    let other = world.hub.another_tenant("other").await;
    let token = world.hub.token_of(&other, Role::Admin).await;
    silent_of(&world, &token, &other, "three", json!({})).await;
    let order = world.order(one, "A").await;
    world.order(two, "A").await;
    world.says(one, "A", "CONFIRMED", 60).await;
    assert_eq!(world.status(&order).await, "approved");
    assert_eq!(world.work().await, 0, "it said so itself");
    world.moves(&order, "in_progress").await;
    assert_eq!(world.work().await, 1);
    assert_eq!(told(&world, "one"), said(&[("A", "IN_PROGRESS")]));
    assert_eq!(world.sink.came().len(), 1);
    assert_eq!(deliveries(&world, two).await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_partner_has_no_id_for_is_not_told_and_somebody_sees_that() {
    let world = Partners::start().await;
    let one = silent(&world, "one", json!({})).await;
    let input = json!({ "customer": { "name": "Ann" }, "partnerIntegrationId": one });
    let order = world.done("createOrder", "order { id }", input).await["order"]["id"].as_str().unwrap().to_owned();
    assert_eq!(world.work().await, 0);
    let own = "query($id: ID!) { partnerIntegration(id: $id) { lastErrorMessage } }";
    let own = world.ask(own, json!({ "id": one })).await;
    assert!(own["lastErrorMessage"].as_str().unwrap().contains("has no partner_order_id"), "{own}");
    let refused = world.change("notifyPartnerStatusChange", "order { id }", json!({ "orderId": order })).await;
    assert_eq!(refused["userErrors"][0]["code"], "CONFLICT");
    let references = json!([{ "kind": "partner_order_id", "value": "A" }]);
    let named = world.change("updateOrder", "order { id }", json!({ "id": order, "references": references })).await;
    assert_eq!(named["userErrors"], json!([]), "{named}");
    world.done("notifyPartnerStatusChange", "order { id }", json!({ "orderId": order })).await;
    assert_eq!(world.work().await, 1);
    assert_eq!(told(&world, "one"), said(&[("A", "RECEIVED")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_partner_that_is_switched_off_is_told_when_it_is_on_again() {
    let world = Partners::start().await;
    let one = silent(&world, "one", json!({ "syncFrequency": "HOURLY" })).await;
    let order = world.order(one, "A").await;
    world.moves(&order, "approved").await;
    world.work().await;
    update(&world, one, json!({ "isActive": false })).await;
    world.later(chrono::TimeDelta::hours(2));
    assert_eq!(world.work().await, 0);
    assert_eq!(deliveries(&world, one).await[0]["status"], "PENDING");
    update(&world, one, json!({ "isActive": true })).await;
    assert_eq!(world.work().await, 1);
    assert_eq!(told(&world, "one"), said(&[("A", "CONFIRMED")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_moves_between_the_two_ways_loses_nothing_that_waits() {
    let world = Partners::start().await;
    let one = silent(&world, "one", json!({ "syncFrequency": "HOURLY", "webhookSecret": SECRET })).await;
    let order = world.order(one, "A").await;
    world.moves(&order, "approved").await;
    assert_eq!(world.work().await, 0, "the hour is not over");
    let url = format!("http://{}/hook", world.sink.address);
    let changed = update(&world, one, json!({ "webhookUrl": url })).await;
    assert_eq!((&changed["toldBy"], &changed["webhookUrl"]), (&json!("WEBHOOK"), &json!(url)));
    world.later(chrono::TimeDelta::hours(1));
    assert_eq!(world.work().await, 1);
    let came = world.sink.came_to("hook");
    assert_eq!((came.len(), came[0].signed_by(SECRET)), (1, 1));
    assert_eq!(came[0].json()["data"]["status"], "CONFIRMED");
    world.moves(&order, "in_progress").await;
    assert_eq!(world.work().await, 0);
    let changed = update(&world, one, json!({ "webhookUrl": null })).await;
    assert_eq!((&changed["toldBy"], &changed["webhookUrl"]), (&json!("INTERFACE"), &Value::Null));
    world.later(chrono::TimeDelta::hours(1));
    assert_eq!(world.work().await, 1);
    assert_eq!(told(&world, "one"), said(&[("A", "IN_PROGRESS")]));
    // Whoever wants to be told of nothing is not told, and is told again when it wants to be.
    assert_eq!(update(&world, one, json!({ "webhookEvents": [] })).await["toldBy"], Value::Null);
    world.moves(&order, "completed").await;
    world.later(chrono::TimeDelta::hours(1));
    assert_eq!(world.work().await, 0);
    assert_eq!(update(&world, one, json!({ "webhookEvents": ["*"] })).await["toldBy"], "INTERFACE");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_was_told_of_nothing_is_told_when_events_are_asked_for() {
    let world = Partners::start().await;
    let one = silent(&world, "one", json!({ "webhookEvents": [] })).await;
    let order = world.order(one, "A").await;
    world.moves(&order, "approved").await;
    assert_eq!(world.work().await, 0);
    assert_eq!(update(&world, one, json!({ "integrationName": "other" })).await["toldBy"], Value::Null);
    assert_eq!(update(&world, one, json!({ "webhookEvents": ["*"] })).await["toldBy"], "INTERFACE");
    world.later(chrono::TimeDelta::seconds(1));
    world.moves(&order, "in_progress").await;
    assert_eq!(world.work().await, 1);
    // Nothing has signed for it so far.
    let url = format!("http://{}/hook", world.sink.address);
    let input = json!({ "id": one, "webhookUrl": url });
    let refused = world.change("updatePartnerIntegration", "partnerIntegration { id }", input).await;
    assert_eq!(super::refusals(&refused), [("input.webhookSecret".to_owned(), "BAD_USER_INPUT".to_owned())]);
    let changed = update(&world, one, json!({ "webhookUrl": url, "webhookSecret": SECRET })).await;
    assert_eq!(changed["toldBy"], "WEBHOOK");
}

/// A file of a partner whose interface cannot be told anything.
fn mute() -> String {
    let file = include_str!("../../../src/provider/catalogue/custom_rest.toml");
    let file = file.replacen("key = \"custom_rest\"", "key = \"mute\"", 1).replacen("Custom REST", "Mute", 1);
    file.replacen("key = \"notify_status\"", "key = \"tell_something\"", 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_cannot_be_told_is_refused_if_it_is_to_be_told_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mute.toml"), mute()).unwrap();
    let world = Partners::with(&[("PORTOLAN_PROVIDERS_DIR", folder.path().to_str().unwrap())]).await;
    let asked = new(&world, &world.hub.tenant, "mute", json!({ "provider": "mute" })).await;
    let refused = world.change("createPartnerIntegration", MADE, asked.clone()).await;
    assert_eq!(super::refusals(&refused), [("input.webhookEvents".to_owned(), "BAD_USER_INPUT".to_owned())]);
    assert!(refused["userErrors"][0]["message"].as_str().unwrap().contains("notify_status"), "{refused}");
    let all = world.ask("{ integrations { totalCount } }", Value::Null).await;
    assert_eq!(all["totalCount"], 0);
    let mut quiet = asked.clone();
    quiet["webhookEvents"] = json!([]);
    let made = world.done("createPartnerIntegration", MADE, quiet).await["partnerIntegration"].clone();
    assert_eq!(made["toldBy"], Value::Null);
    let input = json!({ "id": made["id"], "webhookEvents": ["*"] });
    let refused = world.change("updatePartnerIntegration", "partnerIntegration { id }", input).await;
    assert_eq!(super::refusals(&refused), [("input.webhookEvents".to_owned(), "BAD_USER_INPUT".to_owned())]);
    let id = made["id"].as_str().unwrap().parse().unwrap();
    let url = format!("http://{}/hook", world.sink.address);
    let there = json!({ "webhookEvents": ["*"], "webhookUrl": url, "webhookSecret": SECRET });
    assert_eq!(update(&world, id, there).await["toldBy"], "WEBHOOK");
    let input = json!({ "id": id, "webhookUrl": null });
    let refused = world.change("updatePartnerIntegration", "partnerIntegration { id }", input).await;
    assert_eq!(super::refusals(&refused), [("input.webhookUrl".to_owned(), "BAD_USER_INPUT".to_owned())]);
    let nothing = json!({ "webhookUrl": null, "webhookEvents": [] });
    assert_eq!(update(&world, id, nothing).await["toldBy"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_place_of_such_a_partner_is_not_tried_with_a_webhook_about_nothing() {
    let world = Partners::start().await;
    silent(&world, "one", json!({})).await;
    let places = world.ask("{ webhookDestinations { nodes { id } } }", Value::Null).await;
    let input = json!({ "id": places["nodes"][0]["id"] });
    let refused = world.change("testWebhookDestination", "delivery { id }", input).await;
    assert_eq!(refused["userErrors"][0]["code"], "CONFLICT");
    assert!(world.sink.came().is_empty());
}
