//! What partners do not tell is read: their orders are records like any, and then orders with statuses.

use std::sync::{Arc, Mutex};

use portolan::{
    domain::sync::{Status, list, run},
    kernel::id::IntegrationId,
};
use serde_json::{Value, json};

use super::{Partners, mapping};
use crate::outbound::sink::Say;

/// A partner that tells nothing and is asked: what it has is played by the sink.
async fn asked(world: &Partners) -> (IntegrationId, Arc<Mutex<Vec<Value>>>) {
    let has = Arc::new(Mutex::new(Vec::new()));
    let shown = Arc::clone(&has);
    world.sink.at("v1/orders", move |_| {
        let orders = shown.lock().unwrap().clone();
        let body = json!({ "total": orders.len(), "orders": orders });
        Say::With(200, vec![("content-type", "application/json".to_owned())], body.to_string())
    });
    let organization = world.hub.partner_of(&world.hub.tenant, "asked").await;
    let input = json!({
        "partnerOrganizationId": organization, "integrationName": "asked",
        "apiBaseUrl": format!("http://{}/v1", world.sink.address), "authenticationType": "API_KEY",
        "apiCredentials": { "api_key": "example-partner-key" }, "statusMapping": mapping(), "syncEnabled": true,
    });
    let made = world.done("createPartnerIntegration", "partnerIntegration { id syncEnabled }", input).await;
    assert_eq!(made["partnerIntegration"]["syncEnabled"], true);
    (made["partnerIntegration"]["id"].as_str().unwrap().parse().unwrap(), has)
}

/// Reads the partner's orders, and takes what they say.
async fn read(world: &Partners, partner: IntegrationId) {
    let begun = run::sync_now(&world.hub.cx(), partner, Some("orders")).await.unwrap();
    let node = crate::sync::node(world.hub.app.hub());
    for _ in 0..60 {
        node.settle().await.unwrap();
        let run = list::get(&world.hub.cx(), begun[0].id).await.unwrap();
        if !run.status.is_active() {
            assert_eq!((run.status, &run.error), (Status::Succeeded, &None), "{run:?}");
            return world.follow().await;
        }
        world.later(chrono::TimeDelta::minutes(2));
    }
    panic!("the run is never over");
}

fn said(id: &str, status: &str, minute: u32) -> Value {
    json!({
        "id": id, "status": status, "updated_at": format!("2027-01-15T07:{minute:02}:00Z"),
        "customer_name": format!("Customer {id}"), "purchase_order_number": format!("PO-{id}"),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_are_read_from_a_partner_are_made_once_and_moved_as_it_says() {
    let world = Partners::start().await;
    let (partner, has) = asked(&world).await;
    *has.lock().unwrap() = vec![said("A", "RECEIVED", 1), said("B", "CONFIRMED", 2)];
    read(&world, partner).await;
    let orders = || async {
        let ask = "{ orders { nodes { status customer { name } partnerExternalReferences } } }";
        let found = world.ask(ask, Value::Null).await;
        let mut found: Vec<_> = found["nodes"].as_array().unwrap().clone();
        found.sort_by_key(|order| order["customer"]["name"].as_str().unwrap().to_owned());
        found
    };
    let first = orders().await;
    assert_eq!(first.len(), 2, "{first:?}");
    assert_eq!(first[1]["customer"]["name"], "Customer B");
    assert_eq!(first[1]["status"], "approved");
    assert!(first[1].to_string().contains("PO-B"), "{first:?}");
    // The same once more says nothing new; what changed moves its order, by the partner's own time.
    read(&world, partner).await;
    assert_eq!(orders().await, first);
    *has.lock().unwrap() = vec![said("A", "CONFIRMED", 3), said("B", "IN_PROGRESS", 4)];
    read(&world, partner).await;
    let moved: Vec<_> = orders().await.iter().map(|order| order["status"].clone()).collect();
    assert_eq!(moved, ["approved", "in_progress"]);
    let ask = "query($id: ID!) { partnerIntegration(id: $id) { lastSyncAt }
        partnerUpdates(filter: { partnerIntegrationId: $id }) { nodes { via state } } }";
    let data = world.hub.ask(&world.admin, ask, json!({ "id": partner })).await.data();
    assert!(data["partnerIntegration"]["lastSyncAt"].is_string());
    let updates = data["partnerUpdates"]["nodes"].as_array().unwrap();
    assert!(updates.iter().all(|update| update["via"] == "SYNC"), "{updates:?}");
    // It is a partner's order: somebody of the tenant moves it, and a partner without an address is asked, not told.
    world.work().await;
    assert!(world.sink.came().iter().all(|came| came.path == "v1/orders"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_is_asked_with_the_credential_that_it_was_given_last() {
    let world = Partners::start().await;
    let (partner, _) = asked(&world).await;
    let proved = |name: &str| {
        let came = world.sink.came();
        came.last().unwrap().headers.get(name).map(|value| value.to_str().unwrap().to_owned())
    };
    read(&world, partner).await;
    assert_eq!(proved("x-api-key").as_deref(), Some("example-partner-key"));
    let fields = "partnerIntegration { authenticationType }";
    let another = |kind: &str, credentials: Value| json!({ "id": partner, "authenticationType": kind, "apiCredentials": credentials, "test": true });
    // One that is refused, or is none of that type, changes nothing.
    world.sink.at("v1/orders", |_| Say::Status(401));
    for input in [
        another("BEARER_TOKEN", json!({ "token": "a-token-of-theirs" })),
        another("BEARER_TOKEN", json!({ "api_key": "a-token-of-theirs" })),
        another("BEARER_TOKEN", Value::Null),
        another("API_KEY", json!({})),
    ] {
        let refused = world.change("updatePartnerIntegration", fields, input).await;
        assert_eq!(refused["partnerIntegration"], Value::Null, "{refused}");
        assert!(!refused.to_string().contains("a-token-of-theirs"), "{refused}");
    }
    let ask = "query($id: ID!) { partnerIntegration(id: $id) { authenticationType } }";
    let own = || world.ask(ask, json!({ "id": partner }));
    assert_eq!(own().await["authenticationType"], "API_KEY");
    let none = |_: &_| {
        let body = json!({ "total": 0, "orders": [] }).to_string();
        Say::With(200, vec![("content-type", "application/json".to_owned())], body)
    };
    world.sink.at("v1/orders", none);
    read(&world, partner).await;
    assert_eq!(proved("x-api-key").as_deref(), Some("example-partner-key"));
    let input = another("BEARER_TOKEN", json!({ "token": "a-token-of-theirs" }));
    world.done("updatePartnerIntegration", fields, input).await;
    assert_eq!(own().await["authenticationType"], "BEARER_TOKEN");
    read(&world, partner).await;
    assert_eq!(proved("authorization").as_deref(), Some("Bearer a-token-of-theirs"));
    assert_eq!(proved("x-api-key"), None);
}
