//! What partners send, and what comes of it.

use std::sync::Arc;

use chrono::TimeDelta;
use portolan::domain::partner::monitor;
use serde_json::json;

use super::{Partners, from_partner, refusals};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_order_is_the_same_and_another_under_its_id_is_a_conflict_that_says_where() {
    let world = Partners::start().await;
    let (_, partner) = world.partner("one").await;
    let fields = "order { id number } created";
    let first = world.done("createOrderFromPartner", fields, from_partner(partner, "A")).await;
    assert_eq!(first["created"], true);
    let again = world.done("createOrderFromPartner", fields, from_partner(partner, "A")).await;
    assert_eq!((again["created"].clone(), &again["order"]), (json!(false), &first["order"]));
    let mut other = from_partner(partner, "A");
    other["customer"]["name"] = json!("Bob");
    other["lines"][0]["unitPrice"] = json!("1.00");
    other["partnerExternalReferences"] = json!({ "dealer_group_id": "WEST" });
    let conflict = world.change("createOrderFromPartner", fields, other).await;
    let conflicts = |path: &str| (format!("input.{path}"), "CONFLICT".to_owned());
    assert_eq!(
        refusals(&conflict),
        [
            conflicts("customer.name"),
            conflicts("lines.0.unitPrice"),
            conflicts("partnerExternalReferences.dealer_group_id")
        ]
    );
    assert!(conflict["userErrors"][0]["message"].as_str().unwrap().contains("\"Bob\" now and was \"Ann\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_count_by_the_partners_clock_and_each_once() {
    let world = Partners::start().await;
    let (_, partner) = world.partner("one").await;
    let order = world.order(partner, "A").await;
    assert_eq!(world.says(partner, "A", "CONFIRMED", 10).await["state"], "APPLIED");
    let again = world.says(partner, "A", "CONFIRMED", 10).await;
    assert_eq!((again["state"].clone(), again["repeats"].clone()), (json!("APPLIED"), json!(1)));
    assert_eq!(world.says(partner, "A", "RECEIVED", 5).await["state"], "LATE");
    assert_eq!(world.says(partner, "A", "CONFIRMED", 15).await["state"], "UNCHANGED");
    assert_eq!(world.status(&order).await, "approved");
    // What is delivered was in progress before, of which we hear later.
    let early = world.says(partner, "A", "DELIVERED", 30).await;
    assert_eq!(early["state"], "FORBIDDEN");
    assert!(early["reason"].as_str().unwrap().contains("cannot become completed"), "{early}");
    assert_eq!(world.alerts().await, ["FORBIDDEN_STATUS"]);
    assert_eq!(world.says(partner, "A", "IN_PROGRESS", 20).await["state"], "APPLIED");
    assert_eq!(world.status(&order).await, "completed");
    assert!(world.alerts().await.is_empty());
    let history = world
        .ask("query($id: ID!) { order(id: $id) { history { to partnerStatus originId } } }", json!({ "id": order }))
        .await;
    let last = history["history"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last, json!({ "to": "completed", "partnerStatus": "DELIVERED", "originId": partner }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_without_a_meaning_waits_for_one() {
    let world = Partners::start().await;
    let (_, partner) = world.partner("one").await;
    let order = world.order(partner, "A").await;
    let said = world.says(partner, "A", "OK_BY_DEALER", 10).await;
    assert_eq!((said["state"].clone(), world.status(&order).await), (json!("UNMAPPED"), json!("new")));
    assert_eq!(world.alerts().await, ["UNMAPPED_STATUS"]);
    let mut mapping = super::mapping();
    mapping["partner_to_chargecars"]["OK_BY_DEALER"] = json!("approved");
    mapping["ignored"] = json!({ "ours": ["cancelled"] });
    let input = json!({ "partnerIntegrationId": partner, "mapping": mapping });
    let drafted = world.done("draftStatusMapping", "statusMapping { id }", input).await;
    let id = json!({ "id": drafted["statusMapping"]["id"] });
    let validated =
        world.done("validateStatusMapping", "statusMapping { state findings { severity path } }", id.clone()).await;
    assert_eq!(validated["statusMapping"]["state"], "VALIDATED", "{validated}");
    let fields = "statusMapping { simulation { updates differs differences { said was wouldBe orderId } } }";
    let simulated = world.done("simulateStatusMapping", fields, id.clone()).await;
    let expected = json!([{ "said": "OK_BY_DEALER", "was": "UNMAPPED", "wouldBe": "approved", "orderId": order }]);
    assert_eq!(simulated["statusMapping"]["simulation"]["differences"], expected);
    world.done("activateStatusMapping", "statusMapping { state }", id).await;
    world.reapply().await;
    assert_eq!(world.status(&order).await, "approved");
    assert!(world.alerts().await.is_empty());
    let diff =
        "query($partner: ID!) { statusMapping(partner: $partner) { mapping { version } diff { side word after } } }";
    let diff = world.ask(diff, json!({ "partner": partner })).await;
    assert_eq!(diff["diff"], json!([{ "side": "toOurs", "word": "OK_BY_DEALER", "after": "approved" }]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_of_an_unknown_order_waits_for_it_a_day() {
    let world = Partners::start().await;
    let (_, partner) = world.partner("one").await;
    for (status, minute) in [("IN_PROGRESS", 20), ("CONFIRMED", 10)] {
        assert_eq!(world.says(partner, "A", status, minute).await["state"], "WAITING");
    }
    assert_eq!(world.says(partner, "B", "CONFIRMED", 10).await["state"], "WAITING");
    let order = world.order(partner, "A").await;
    assert_eq!(world.status(&order).await, "in_progress");
    world.later(TimeDelta::hours(25));
    assert_eq!(monitor::give_up(Arc::clone(world.hub.app.hub())).await.unwrap(), 1);
    let dead = world
        .ask("{ partnerUpdates(filter: { states: [DEAD] }) { nodes { partnerOrderId reason } } }", json!(null))
        .await;
    assert_eq!(dead["nodes"][0]["partnerOrderId"], "B");
    assert!(dead["nodes"][0]["reason"].as_str().unwrap().contains("for a day"));
    assert_eq!(world.alerts().await, ["UNKNOWN_ORDER"]);
    let own = "query($id: ID!) { partnerIntegration(id: $id) { successRate lastErrorMessage lastSyncAt } }";
    let own = world.ask(own, json!({ "id": partner })).await;
    assert!(own["lastErrorMessage"].as_str().unwrap().contains("\"B\""), "{own}");
    assert!(own["lastSyncAt"].is_string());
    let analytics = "query($id: ID!) { partnerAnalytics(partnerIntegrationId: $id) {
        received mapped dead waiting successRate latencyP50 } }";
    let analytics = world.ask(analytics, json!({ "id": partner })).await;
    assert_eq!((&analytics["received"], &analytics["mapped"], &analytics["dead"]), (&json!(3), &json!(2), &json!(1)));
    assert_eq!(analytics["successRate"], 66.67);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_is_taken_up_when_its_order_comes_after_all() {
    let world = Partners::start().await;
    let (_, partner) = world.partner("one").await;
    for called in ["A", "B"] {
        world.says(partner, called, "CONFIRMED", 10).await;
    }
    world.later(TimeDelta::hours(25));
    let give_up = || monitor::give_up(Arc::clone(world.hub.app.hub()));
    assert_eq!(give_up().await.unwrap(), 2);
    let order = world.order(partner, "A").await;
    assert_eq!(world.status(&order).await, "approved");
    assert_eq!(world.alerts().await, ["UNKNOWN_ORDER"], "nobody knows B");
    world.order(partner, "B").await;
    assert_eq!(world.alerts().await, [""; 0]);
    // What was refused as it came is nobody's order, and what nobody asks for in a week is no alert any more.
    world.says(partner, "C", "CONFIRMED", 10).await;
    world.later(TimeDelta::hours(25));
    assert_eq!(give_up().await.unwrap(), 1);
    world.later(TimeDelta::days(6));
    assert_eq!(give_up().await.unwrap(), 0);
    assert_eq!(world.alerts().await, ["UNKNOWN_ORDER"]);
    world.later(TimeDelta::days(2));
    assert_eq!(give_up().await.unwrap(), 0);
    assert_eq!(world.alerts().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_of_an_order_is_seen_to_once_the_tenant_makes_it_or_says_that_it_is_called_so() {
    let world = Partners::start().await;
    let (_, partner) = world.partner("one").await;
    for called in ["A", "B"] {
        assert_eq!(world.says(partner, called, "CONFIRMED", 10).await["state"], "WAITING");
    }
    let references = |called: &str| json!([{ "kind": "partner_order_id", "value": called }]);
    let new = json!({ "customer": { "name": "Ann" }, "partnerIntegrationId": partner });
    let mut called = new.clone();
    called["references"] = references("A");
    let made = world.done("createOrder", "order { id }", called).await["order"]["id"].clone();
    let named = world.done("createOrder", "order { id }", new).await["order"]["id"].clone();
    world.done("updateOrder", "order { id }", json!({ "id": named, "references": references("B") })).await;
    world.work().await;
    for order in [made, named] {
        assert_eq!(world.status(order.as_str().unwrap()).await, "approved");
    }
    let waiting = world.ask("{ partnerUpdates(filter: { states: [WAITING] }) { totalCount } }", json!(null)).await;
    assert_eq!(waiting["totalCount"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_forbidden_and_is_too_late_now_raises_no_alert_any_more() {
    let world = Partners::start().await;
    let (_, partner) = world.partner("one").await;
    let order = world.order(partner, "A").await;
    assert_eq!(world.says(partner, "A", "DELIVERED", 30).await["state"], "FORBIDDEN");
    assert_eq!(world.alerts().await, ["FORBIDDEN_STATUS"]);
    world.moves(&order, "cancelled").await;
    world.work().await;
    assert_eq!(world.says(partner, "A", "DELIVERED", 30).await["state"], "LATE");
    assert!(world.alerts().await.is_empty(), "nothing is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_with_its_place_and_leaves_nothing() {
    let world = Partners::start().await;
    let (organization, partner) = world.partner("one").await;
    world.order(partner, "A").await;
    let input = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut input = json!({ "partnerIntegrationId": partner, "partnerOrderId": "A", "status": "CONFIRMED" });
        change(&mut input);
        input
    };
    let future = world.hub.cx().now() + TimeDelta::days(365);
    for (change, at) in [
        (input(&|input| input["status"] = json!("x".repeat(10_000))), "input.status"),
        (input(&|input| input["status"] = json!(" ")), "input.status"),
        (input(&|input| input["at"] = json!(future)), "input.at"),
        (input(&|input| input["partnerOrderId"] = json!("x".repeat(10_000))), "input.partnerOrderId"),
    ] {
        let payload = world.change("processPartnerStatusUpdate", "update { id }", change).await;
        assert_eq!(refusals(&payload), [(at.to_owned(), "BAD_USER_INPUT".to_owned())]);
        assert!(payload.to_string().len() < 1_000, "what is too long is not said back");
    }
    let updates = world.ask("{ partnerUpdates { totalCount } }", json!(null)).await;
    assert_eq!(updates["totalCount"], 0);
    // A mapping of the wrong shape, an organisation that is not there, and an event that there is not, in one answer.
    let mut bad = json!({
        "partnerOrganizationId": organization, "integrationName": "bad", "apiBaseUrl": "ftp://x",
        "authenticationType": "BASIC_AUTH", "apiCredentials": { "api_key": "example-partner-key" },
        "webhookUrl": "https://10.0.0.1/x", "webhookEvents": ["order_lost"], "webhookSecret": "short",
        "statusMapping": { "us_to_partner": { "new": 5, "lost": "X" }, "partner_to_us": [] },
    });
    let refused = world.change("createPartnerIntegration", "partnerIntegration { id }", bad.clone()).await;
    let paths: Vec<_> = refusals(&refused).into_iter().map(|(path, _)| path).collect();
    for path in [
        "input.authenticationType",
        "input.statusMapping.us_to_partner.new",
        "input.statusMapping.partner_to_us",
        "input.webhookUrl",
        "input.webhookEvents.0",
        "input.webhookSecret",
    ] {
        assert!(paths.contains(&path.to_owned()), "{path} in {paths:?}");
    }
    assert!(!refused.to_string().contains("example-partner-key"));
    let last = if organization.to_string().ends_with('0') { "1" } else { "0" };
    let text = organization.to_string();
    bad["partnerOrganizationId"] = json!(format!("{}{last}", &text[..text.len() - 1]));
    let unknown = world.change("createPartnerIntegration", "partnerIntegration { id }", bad).await;
    assert_eq!(refusals(&unknown), [("input.partnerOrganizationId".to_owned(), "NOT_FOUND".to_owned())]);
    let left = world.ask("{ integrations { totalCount } }", json!(null)).await;
    assert_eq!(left["totalCount"], 1, "nothing is half-made");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_exchanged_with_who_is_switched_off() {
    let world = Partners::start().await;
    let (organization, partner) = world.partner("one").await;
    world.order(partner, "A").await;
    let token = world.hub.partner_token(&world.hub.tenant, organization).await;
    world
        .done(
            "updatePartnerIntegration",
            "partnerIntegration { isActive }",
            json!({ "id": partner, "isActive": false }),
        )
        .await;
    let said = json!({ "partnerIntegrationId": partner, "partnerOrderId": "A", "status": "CONFIRMED" });
    let refused = world.change("processPartnerStatusUpdate", "update { id }", said.clone()).await;
    assert_eq!(refusals(&refused), [("input.partnerIntegrationId".to_owned(), "CONFLICT".to_owned())]);
    world
        .done("updatePartnerIntegration", "partnerIntegration { isActive }", json!({ "id": partner, "isActive": true }))
        .await;
    let input = json!({ "id": organization, "active": false });
    world.done("updatePartnerOrganization", "partnerOrganization { active }", input).await;
    let refused = world.change("processPartnerStatusUpdate", "update { id }", said).await;
    assert_eq!(refusals(&refused), [("input.partnerIntegrationId".to_owned(), "CONFLICT".to_owned())]);
    let shut = world.hub.ask(&token, "{ orders { nodes { id } } }", json!(null)).await;
    assert_eq!(shut.codes(), ["UNAUTHENTICATED"]);
}
