//! How often partners are told: at once, or at the end of each round of the frequency that they asked for.

use chrono::{DateTime, TimeDelta, Utc};
use portolan::kernel::id::IntegrationId;
use serde_json::{Value, json};

use super::{Partners, from_partner};
use crate::outbound::sink::Say;

/// A partner that is told by webhooks, or by its own interface, so often.
async fn partner(world: &Partners, name: &str, by_webhook: bool, frequency: &str) -> IntegrationId {
    let organization = world.hub.partner_of(&world.hub.tenant, name).await;
    let mut input = json!({
        "partnerOrganizationId": organization, "integrationName": name,
        "apiBaseUrl": format!("http://{}/{name}", world.sink.address), "authenticationType": "API_KEY",
        "apiCredentials": { "api_key": "example-partner-key" }, "webhookEvents": ["*"],
        "statusMapping": super::mapping(), "syncFrequency": frequency,
    });
    if by_webhook {
        input["webhookUrl"] = json!(format!("http://{}/{name}", world.sink.address));
    }
    let made = world.done("createPartnerIntegration", "partnerIntegration { id }", input).await;
    // What happens later is told.
    world.later(TimeDelta::seconds(1));
    made["partnerIntegration"]["id"].as_str().unwrap().parse().unwrap()
}

/// When everything that waits is told.
async fn due(world: &Partners, partner: IntegrationId) -> Vec<DateTime<Utc>> {
    let ask = "query($id: ID!) { partnerDeliveries(partnerIntegrationId: $id) { nodes { nextAt status } } }";
    let found = world.ask(ask, json!({ "id": partner })).await;
    let waits = found["nodes"].as_array().unwrap().iter().filter(|node| node["status"] == "PENDING");
    waits.filter_map(|node| node["nextAt"].as_str()?.parse().ok()).collect()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_is_told_at_the_end_of_each_round_of_its_frequency_by_either_way() {
    for (frequency, ends) in [
        ("REAL_TIME", None),
        ("EVERY_15_MINUTES", Some("2027-01-15T08:15:00Z")),
        ("HOURLY", Some("2027-01-15T09:00:00Z")),
        ("DAILY", Some("2027-01-16T00:00:00Z")),
    ] {
        let world = Partners::start().await;
        for by_webhook in [true, false] {
            let name = if by_webhook { "hook" } else { "call" };
            let partner = partner(&world, name, by_webhook, frequency).await;
            let (first, second) = (world.order(partner, "A").await, world.order(partner, "B").await);
            world.moves(&first, "approved").await;
            world.moves(&second, "approved").await;
            let Some(ends) = ends else {
                assert_eq!(world.work().await, 2, "{frequency} {name}");
                continue;
            };
            assert_eq!(world.work().await, 0, "{frequency} {name}");
            assert_eq!(due(&world, partner).await, [at(ends), at(ends)], "{frequency} {name}");
        }
        if let Some(ends) = ends {
            let now = world.hub.cx().now();
            world.later(at(ends) - now - TimeDelta::seconds(1));
            assert_eq!(world.work().await, 0, "{frequency}");
            world.later(TimeDelta::seconds(1));
            assert_eq!(world.work().await, 4, "{frequency}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_by_hand_goes_at_once_and_what_is_before_it_too() {
    let world = Partners::start().await;
    let partner = partner(&world, "call", false, "DAILY").await;
    let (order, other) = (world.order(partner, "A").await, world.order(partner, "B").await);
    world.moves(&order, "approved").await;
    world.moves(&order, "in_progress").await;
    world.moves(&other, "approved").await;
    assert_eq!(world.work().await, 0);
    world.done("notifyPartnerStatusChange", "order { id }", json!({ "orderId": order })).await;
    assert_eq!(world.work().await, 3, "the other order waits");
    let words: Vec<_> = world.sink.came().iter().map(|came| came.json()["status"].clone()).collect();
    assert_eq!(words, ["CONFIRMED", "IN_PROGRESS", "IN_PROGRESS"]);
    // So does what is sent again.
    let ask = "query($id: ID!) { partnerDeliveries(partnerIntegrationId: $id) { nodes { id status } } }";
    let sent = world.ask(ask, json!({ "id": partner })).await;
    let done = sent["nodes"].as_array().unwrap().iter().find(|node| node["status"] == "DELIVERED").unwrap();
    world.later(TimeDelta::minutes(1));
    world.moves(&order, "completed").await;
    assert_eq!(world.work().await, 0);
    world.done("resendDelivery", "delivery { id }", json!({ "id": done["id"] })).await;
    assert_eq!(world.work().await, 2);
    assert_eq!(due(&world, partner).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_to_be_told_more_often_does_not_wait_for_the_longer_round() {
    let world = Partners::start().await;
    let partner = partner(&world, "call", false, "DAILY").await;
    let order = world.order(partner, "A").await;
    world.moves(&order, "approved").await;
    assert_eq!(world.work().await, 0);
    let input = json!({ "id": partner, "syncFrequency": "HOURLY" });
    world.done("updatePartnerIntegration", "partnerIntegration { syncFrequency }", input).await;
    assert_eq!(due(&world, partner).await, [at("2027-01-15T09:00:00Z")]);
    // By the door of all integrations, it is learnt from the log.
    let input = json!({ "id": partner, "capabilities": { "syncFrequency": "REAL_TIME" } });
    world.done("updateIntegration", "integration { id }", input).await;
    assert_eq!(world.work().await, 1);
    let places = world.ask("{ webhookDestinations { nodes { everyMinutes } } }", Value::Null).await;
    assert_eq!(places["nodes"], json!([{ "everyMinutes": null }]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_tried_again_keeps_to_its_schedule_whatever_round_there_is() {
    let world = Partners::with(&[("PORTOLAN_OUTBOUND_SCHEDULE", "10s,1m")]).await;
    let partner = partner(&world, "call", false, "HOURLY").await;
    world.sink.at("call/v1/orders/A/status", |_| Say::Status(500));
    let order = world.done("createOrderFromPartner", "order { id }", from_partner(partner, "A")).await;
    world.moves(order["order"]["id"].as_str().unwrap(), "approved").await;
    world.work().await;
    world.later(TimeDelta::hours(1));
    assert_eq!(world.work().await, 1);
    let next = due(&world, partner).await[0];
    assert!(next < world.hub.cx().now() + TimeDelta::seconds(30), "{next}");
    // Somebody who asks for another round does not bring it forward.
    let input = json!({ "id": partner, "syncFrequency": "REAL_TIME" });
    world.done("updatePartnerIntegration", "partnerIntegration { syncFrequency }", input).await;
    assert_eq!(due(&world, partner).await, [next]);
}
