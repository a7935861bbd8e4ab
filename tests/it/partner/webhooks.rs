//! Webhooks both ways: a partner is told of what is its own, and tells us in the same form.

use axum::{body::Body, http::Request};
use portolan::{
    kernel::{id::IntegrationId, secret::Secret},
    provider::webhook::standard::Signer,
};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use super::{Partners, SECRET};

/// Where a partner sends webhooks.
async fn source(world: &Partners, partner: IntegrationId) -> String {
    let ask = "query($id: ID!) { partnerIntegration(id: $id) { webhookSourceUrl } }";
    let url = world.ask(ask, json!({ "id": partner })).await["webhookSourceUrl"].as_str().unwrap().to_owned();
    format!("/hooks/{}", url.rsplit_once('/').unwrap().1)
}

/// Sends a webhook to a source as a partner signs it.
async fn send(world: &Partners, path: &str, id: &str, body: &[u8]) -> u16 {
    let second = world.hub.cx().now().timestamp();
    let signer = Signer::new(&[Secret::from(SECRET.to_owned())], &[]).unwrap();
    let request = Request::post(path)
        .header("content-type", "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", second.to_string())
        .header("webhook-signature", signer.sign(id, second, body))
        .extension(axum::extract::ConnectInfo(std::net::SocketAddr::from(([127, 0, 0, 1], 1))))
        .body(Body::from(body.to_vec()))
        .unwrap();
    let status = world.hub.send(request).await.status.as_u16();
    world.hub.settle().await;
    status
}

/// Sees to what came to every source.
async fn process(world: &Partners) {
    use portolan::domain::{inbox::process, job::queue};
    let hub = world.hub.app.hub();
    for job in queue::take(hub, "inbox.process", 10, "nobody", chrono::TimeDelta::hours(1)).await.unwrap() {
        let source = job.payload["source"].as_str().unwrap().parse().unwrap();
        Box::pin(process::process(&queue::acting(hub, &job, "test"), source, || false)).await.unwrap();
    }
    world.follow().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_is_told_of_its_own_orders_in_its_words_and_not_of_what_it_said() {
    let world = Partners::start().await;
    let (_, one) = world.partner("one").await;
    let (_, two) = world.partner("two").await;
    let order = world.order(one, "A").await;
    world.order(two, "B").await;
    world.work().await;
    assert!(world.sink.came().is_empty(), "each made its order itself");
    world.moves(&order, "approved").await;
    assert_eq!(world.work().await, 1);
    let came = world.sink.came();
    assert_eq!((came.len(), came[0].path.as_str()), (1, "one"));
    assert_eq!(came[0].signed_by(SECRET), 1);
    let said = came[0].json();
    assert_eq!(
        (said["type"].clone(), said["data"]["status"].clone()),
        (json!("order.status_changed"), json!("CONFIRMED"))
    );
    assert_eq!((said["data"]["id"].clone(), said["data"]["our_status"].clone()), (json!("A"), json!("approved")));
    assert_eq!(said["data"]["references"]["partner_order_id"], "A");
    assert!(!said.to_string().contains("usr_") && !said.to_string().contains("ten_"));
    // What it says itself, it is not told; what has no word for it, neither, and somebody hears of that.
    let later = world.says(one, "A", "IN_PROGRESS", 100).await;
    assert_eq!(later["state"], "LATE", "somebody of the tenant decided later");
    world.moves(&order, "cancelled").await;
    assert_eq!(world.work().await, 0, "the first mapping says nothing of cancelled: it is not told");
    assert!(world.alerts().await.is_empty());
    let refused = world.change("notifyPartnerStatusChange", "order { id }", json!({ "orderId": order })).await;
    assert_eq!(refused["userErrors"][0]["code"], "CONFLICT");
    let next = world.order(one, "C").await;
    world.moves(&next, "approved").await;
    world.work().await;
    world.done("notifyPartnerStatusChange", "order { id }", json!({ "orderId": next })).await;
    assert_eq!(world.work().await, 1, "told once more by hand");
    let own = "query($id: ID!) { partnerIntegration(id: $id) { successRate }
        partnerDeliveries(partnerIntegrationId: $id) { totalCount nodes { status } } }";
    let data = world.hub.ask(&world.admin, own, json!({ "id": one })).await.data();
    assert_eq!(data["partnerDeliveries"]["totalCount"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_chooses_what_it_is_told_of() {
    let world = Partners::start().await;
    let (_, one) = world.partner("one").await;
    let events = json!(["order_created", "order_approved", "installation_completed"]);
    let input = json!({ "id": one, "webhookEvents": events });
    world.done("updatePartnerIntegration", "partnerIntegration { webhookEvents }", input).await;
    let order = json!({
        "customer": { "name": "Ann" }, "partnerIntegrationId": one,
        "references": [{ "kind": "partner_order_id", "value": "A" }],
    });
    let made = world.done("createOrder", "order { id }", order).await;
    let id = made["order"]["id"].as_str().unwrap();
    for status in ["approved", "in_progress", "completed"] {
        world.later(chrono::TimeDelta::seconds(1));
        world.moves(id, status).await;
    }
    world.work().await;
    let told: Vec<_> = world.sink.came().iter().map(|came| came.json()["data"]["our_status"].clone()).collect();
    assert_eq!(told, ["new", "approved", "completed"]);
    // It is a partner's: nobody makes it something else by another door.
    let destinations = world.ask("{ webhookDestinations { nodes { id } } }", Value::Null).await;
    let input = json!({ "id": destinations["nodes"][0]["id"], "events": ["*"] });
    let refused = world.change("updateWebhookDestination", "destination { id }", input).await;
    assert_eq!(refused["userErrors"][0]["code"], "CONFLICT");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_partner_sends_by_webhook_makes_its_order_and_moves_it() {
    let world = Partners::start().await;
    let (_, one) = world.partner("one").await;
    let path = source(&world, one).await;
    let at = |minute: u32| format!("2027-01-15T07:{minute:02}:00Z");
    let order = json!({
        "type": "order.created", "timestamp": at(0),
        "data": {
            "id": "W-1", "status": "RECEIVED", "customer": { "name": "Ann" }, "purchase_order_number": "PO-7",
            "lines": [{ "description": "Charging point", "quantity": 2, "unitPrice": "10.00" }], "currency": "EUR",
        },
    });
    let changed = |status: &str, minute: u32| json!({ "type": "order.status_changed", "timestamp": at(minute), "data": { "id": "W-1", "status": status } });
    for (id, body) in [
        ("msg_1", order.clone()),
        ("msg_3", changed("IN_PROGRESS", 20)),
        ("msg_2", changed("CONFIRMED", 10)),
        ("msg_2", changed("CONFIRMED", 10)),
        ("msg_1", order),
        ("msg_4", changed(&"x".repeat(10_000), 25)),
    ] {
        let status = send(&world, &path, id, body.to_string().as_bytes()).await;
        assert!(status < 300, "{status}");
    }
    process(&world).await;
    let found = world
        .ask(
            "{ orderByReference(kind: \"purchase_order_number\", value: \"PO-7\") { status total
               customer { name } partnerIntegrationId } }",
            Value::Null,
        )
        .await;
    let expected = json!({
        "status": "in_progress", "total": "20.00", "customer": { "name": "Ann" }, "partnerIntegrationId": one,
    });
    assert_eq!(found, expected);
    let dead =
        world.ask("{ partnerUpdates(filter: { states: [DEAD] }) { nodes { reason said via } } }", Value::Null).await;
    assert_eq!(dead["nodes"].as_array().unwrap().len(), 1, "{dead}");
    assert!(dead["nodes"][0]["reason"].as_str().unwrap().contains("at most 200 characters"));
    assert_eq!(dead["nodes"][0]["via"], "WEBHOOK");
    assert!(send(&world, &path, "msg_5", b"{}").await < 300, "it is signed, and says nothing");
}

/// Each is the other's partner, and what one is told the other hears.
#[tokio::test(flavor = "multi_thread")]
async fn two_that_are_each_others_partners_fall_quiet() {
    let world = Partners::start().await;
    let (_, left) = world.partner("left").await;
    let (_, right) = world.partner("right").await;
    let (to_left, to_right) = (source(&world, left).await, source(&world, right).await);
    let mine = world.order(left, "A").await;
    let theirs = world.order(right, "A").await;
    world.moves(&mine, "approved").await;
    let (mut passed, mut rounds) = (0, 0);
    loop {
        world.work().await;
        let came = world.sink.came();
        if came.len() == passed {
            break;
        }
        for one in &came[passed..] {
            // What leaves here by the left partner comes in by the right one, and the other way round.
            let path = if one.path == "left" { &to_right } else { &to_left };
            assert!(send(&world, path, &one.id, &one.body).await < 300);
        }
        passed = came.len();
        process(&world).await;
        rounds += 1;
        assert!(rounds < 5, "it goes on and on");
    }
    assert_eq!((passed, world.status(&theirs).await), (1, json!("approved")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_whose_integration_may_not_use_webhooks_is_sent_none() {
    let world = Partners::start().await;
    let (_, one) = world.partner("one").await;
    let order = world.order(one, "A").await;
    let may = async |can: bool| {
        let input = json!({ "id": one, "capabilities": { "canWebhook": can } });
        let fields = "integration { capabilities { canWebhook } }";
        let changed = world.done("updateIntegration", fields, input).await;
        assert_eq!(changed["integration"]["capabilities"]["canWebhook"], can);
    };
    let path = source(&world, one).await;
    may(false).await;
    world.moves(&order, "approved").await;
    assert_eq!(world.work().await, 0);
    assert!(world.sink.came().is_empty());
    let destinations = world.ask("{ webhookDestinations { nodes { id } } }", Value::Null).await;
    let input = json!({ "id": destinations["nodes"][0]["id"] });
    let tried = world.change("testWebhookDestination", "delivery { id }", input).await;
    assert_eq!(tried["userErrors"][0]["code"], "CONFLICT", "{tried}");
    world.later(chrono::TimeDelta::seconds(3));
    let body = json!({ "type": "order.status_changed", "data": { "id": "A", "status": "IN_PROGRESS" } }).to_string();
    assert_eq!(send(&world, &path, "msg_1", body.as_bytes()).await, 404, "nor may it send any");
    may(true).await;
    assert_eq!(world.work().await, 1, "what waited is sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_mapping_that_cannot_be_read_tells_a_partner_nothing_and_raises_an_alert() {
    let world = Partners::start().await;
    let (_, one) = world.partner("one").await;
    let order = world.order(one, "A").await;
    let writer = world.hub.app.hub().database.writer();
    writer.execute_unprepared("UPDATE status_mappings SET rules = '7'").await.unwrap();
    world.moves(&order, "approved").await;
    assert_eq!(world.work().await, 0);
    assert_eq!(world.alerts().await, ["UNREADABLE_SETTING"]);
}
