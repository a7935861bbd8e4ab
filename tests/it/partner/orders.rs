//! Orders: numbers, amounts, statuses, references.

use futures_util::future::join_all;
use portolan::kernel::scope::Role;
use serde_json::{Value, json};

use super::{Partners, refusals};

const ORDER: &str = "order { id number status currency total lines { quantity unitPrice total } notes
    history { kind from to reason } }";

fn new() -> Value {
    json!({
        "customer": { "name": "Ann" }, "currency": "EUR",
        "lines": [
            { "description": "Charging point", "quantity": 3, "unitPrice": "0.10" },
            { "kind": "VEHICLE", "description": "EX30", "unitPrice": "45000.00" },
        ],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_numbered_densely_within_their_tenant_also_when_many_are_made_at_once() {
    let world = Partners::start().await;
    let bad = json!({ "customer": { "name": "" }, "lines": [{ "description": "X", "quantity": 0 }] });
    let refused = world.change("createOrder", ORDER, bad).await;
    let paths: Vec<_> = refusals(&refused).into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["input.customer.name", "input.lines.0.quantity"]);
    let made = join_all((0..12).map(|_| world.done("createOrder", ORDER, new()))).await;
    let mut numbers: Vec<_> = made.iter().map(|made| made["order"]["number"].as_i64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=12).collect::<Vec<_>>());
    assert_eq!(made[0]["order"]["total"], "45000.30");
    assert_eq!(made[0]["order"]["lines"][0]["total"], "0.30");
    let other = world.hub.another_tenant("elsewhere").await;
    let token = world.hub.token_of(&other, Role::Admin).await;
    let made = world.change_as(&token, "createOrder", ORDER, new()).await;
    assert_eq!(made["order"]["number"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn statuses_follow_one_another_as_the_tenant_says_and_each_is_history() {
    let world = Partners::start().await;
    let made = world.done("createOrder", ORDER, new()).await;
    let id = made["order"]["id"].clone();
    let to = |status: &str| json!({ "id": id, "status": status, "reason": "a test" });
    let skipped = world.change("changeOrderStatus", ORDER, to("completed")).await;
    assert_eq!(refusals(&skipped), [("input.status".to_owned(), "CONFLICT".to_owned())]);
    assert!(skipped["userErrors"][0]["message"].as_str().unwrap().contains("approved, cancelled may follow"));
    let unknown = world.change("changeOrderStatus", ORDER, to("lost")).await;
    assert_eq!(refusals(&unknown), [("input.status".to_owned(), "BAD_USER_INPUT".to_owned())]);
    for status in ["approved", "in_progress", "completed"] {
        world.done("changeOrderStatus", ORDER, to(status)).await;
    }
    assert_eq!(refusals(&world.change("changeOrderStatus", ORDER, to("cancelled")).await).len(), 1);
    let machine = json!({
        "statuses": ["new", "done"], "transitions": [{ "from": "new", "to": ["done"] }],
    });
    let refused = world.change("setOrderStatusMachine", "machine { statuses }", machine).await;
    assert_eq!(refusals(&refused), [("input.statuses".to_owned(), "CONFLICT".to_owned())], "an order is completed");
    let machine = json!({
        "statuses": ["new", "approved", "in_progress", "completed", "cancelled", "returned"],
        "transitions": [
            { "from": "new", "to": ["approved", "cancelled"] }, { "from": "approved", "to": ["in_progress"] },
            { "from": "in_progress", "to": ["completed"] }, { "from": "completed", "to": ["returned"] },
        ],
    });
    world.done("setOrderStatusMachine", "machine { statuses }", machine).await;
    let moved = world.done("changeOrderStatus", ORDER, to("returned")).await;
    let history = moved["order"]["history"].as_array().unwrap();
    let ways: Vec<_> = history.iter().map(|line| (line["from"].as_str(), line["to"].as_str())).collect();
    assert_eq!(
        ways,
        [
            (None, Some("new")),
            (Some("new"), Some("approved")),
            (Some("approved"), Some("in_progress")),
            (Some("in_progress"), Some("completed")),
            (Some("completed"), Some("returned")),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_that_identifies_belongs_to_one_order_and_says_to_which() {
    let world = Partners::start().await;
    let (_, partner) = world.partner("one").await;
    let (_, other) = world.partner("two").await;
    let with = |partner: Value, called: &str| {
        let mut order = new();
        order["partnerIntegrationId"] = partner;
        order["references"] = json!([
            { "kind": "partner_order_id", "value": called }, { "kind": "purchase_order_number", "value": "PO-1" },
        ]);
        order
    };
    let first = world.done("createOrder", ORDER, with(json!(partner), "A")).await;
    let twice = world.change("createOrder", ORDER, with(json!(partner), "A")).await;
    assert_eq!(refusals(&twice), [("input.references.partner_order_id".to_owned(), "CONFLICT".to_owned())]);
    let id = first["order"]["id"].as_str().unwrap();
    assert!(twice["userErrors"][0]["message"].as_str().unwrap().contains(id));
    // Other partners have ids of their own, and several orders one purchase.
    world.done("createOrder", ORDER, with(json!(other), "A")).await;
    world.done("createOrder", ORDER, with(json!(partner), "B")).await;
    let ask = "{ orderByReference(kind: \"purchase_order_number\", value: \"PO-1\") { id } }";
    let several = world.hub.ask(&world.admin, ask, Value::Null).await;
    assert_eq!(several.codes(), ["BAD_USER_INPUT"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_followed_is_what_is_listed() {
    let world = Partners::start().await;
    world.hub.app.follow();
    let live = "subscription { ordersLive(filter: { statuses: [\"new\"] }) {
        complete snapshot { number } upserted { number status } removed } }";
    let first = world.done("createOrder", ORDER, new()).await;
    let mut stream = world.hub.follow(&world.admin, live, Value::Null).await;
    let item = stream.event().await.json()["data"]["ordersLive"].clone();
    assert_eq!(item["snapshot"], json!([{ "number": 1 }]));
    world.done("createOrder", ORDER, new()).await;
    let mut item = stream.event().await.json()["data"]["ordersLive"].clone();
    // What is in the snapshot may come once more behind it.
    while item["upserted"]["number"] == 1 {
        item = stream.event().await.json()["data"]["ordersLive"].clone();
    }
    assert_eq!(item["upserted"], json!({ "number": 2, "status": "new" }));
    world.moves(first["order"]["id"].as_str().unwrap(), "approved").await;
    let item = stream.event().await.json()["data"]["ordersLive"].clone();
    assert_eq!(item["removed"], first["order"]["id"]);
}
