//! What people see of health, and what they may do about it.

use chrono::TimeDelta;
use portolan::{
    config::{Config, Flags},
    kernel::clock::Moment,
    provider::simulator::Mood,
};
use serde_json::{Value, json};

use super::{Ward, connect, text};
use crate::support::stream::Heard;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_disabled_is_not_probed_and_nothing_is_known_of_it() {
    let mut ward = Ward::open().await;
    let id = ward.connect("stripe").await;
    assert_eq!(ward.round().await, 1);
    let input = json!({ "id": id.to_string() });
    ward.change("disableIntegration", "integration { id }", input.clone()).await;
    assert_eq!(ward.round().await, 0);
    let now = ward.of(id).await["health"].clone();
    assert_eq!((&now["verdict"], &now["nextCheckAt"]), (&json!("UNKNOWN"), &json!(null)), "{now}");
    assert_eq!(ward.round().await, 0);
    let refused = ward.change("checkHealthNow", "health { verdict }", json!({ "integrationId": id.to_string() })).await;
    assert_eq!(refused["userErrors"][0]["code"], "CONFLICT", "{refused}");
    ward.change("enableIntegration", "integration { id }", input).await;
    assert_eq!(ward.round().await, 1);
    assert_eq!(ward.verdict(id).await.0, "HEALTHY");
    assert_eq!(ward.changes().await, ["UNKNOWN>HEALTHY", "HEALTHY>UNKNOWN", "UNKNOWN>HEALTHY"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_counts_what_is_enabled() {
    let mut ward = Ward::open().await;
    for name in ["a", "b", "c"] {
        connect(&ward.hub, "stripe", name).await;
    }
    ward.connect("sendgrid").await;
    let query = "{ healthOverview { total healthy degraded down unknown } }";
    let now = ward.hub.ask(&ward.admin, query, Value::Null).await.data()["healthOverview"].clone();
    assert_eq!(now, json!({ "total": 4, "healthy": 0, "degraded": 0, "down": 0, "unknown": 4 }));
    ward.played.behave("sendgrid", Mood::Down, None);
    ward.rounds(3).await;
    let now = ward.hub.ask(&ward.admin, query, Value::Null).await.data()["healthOverview"].clone();
    assert_eq!(now, json!({ "total": 4, "healthy": 3, "degraded": 0, "down": 1, "unknown": 0 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_interval_is_the_integrations_own() {
    let mut ward = Ward::open().await;
    let id = ward.connect("stripe").await;
    ward.round().await;
    let set = async |ward: &Ward, every: Value| {
        let input = json!({ "integrationId": id.to_string(), "everySeconds": every });
        ward.change("setHealthSchedule", "health { everySeconds nextCheckAt }", input).await
    };
    for wrong in [0, 9, 86_401, -1] {
        let refused = set(&ward, json!(wrong)).await;
        assert_eq!(refused["userErrors"][0]["code"], "BAD_USER_INPUT", "{refused}");
        assert_eq!(refused["userErrors"][0]["path"], json!(["input", "everySeconds"]));
    }
    assert_eq!(set(&ward, json!(3_600)).await["health"]["everySeconds"], 3_600);
    // What was due by the old interval is still due then; from then on the new one counts.
    assert_eq!(ward.round().await, 1);
    for _ in 0..30 {
        assert_eq!(ward.round().await, 0);
    }
    ward.hub.clock.advance(TimeDelta::minutes(40));
    assert_eq!(ward.round().await, 1);
    // A shorter one counts at once.
    set(&ward, json!(10)).await;
    ward.hub.clock.advance(TimeDelta::seconds(11));
    assert_eq!(ward.prober.settle().await.unwrap(), 1);
    assert_eq!(set(&ward, json!(null)).await["health"]["everySeconds"], json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_is_probed_no_more_often_than_it_bears_or_as_the_operator_says() {
    let mut ward = Ward::with(&[("PORTOLAN_HEALTH_INTERVALS", "stripe=20m, twilio=30s")]).await;
    let mut ids = Vec::new();
    for provider in ["stripe", "twilio", "sendgrid", "dhl_express"] {
        ids.push(ward.connect(provider).await);
    }
    assert_eq!(ward.round().await, 4);
    let mut seconds = Vec::new();
    for id in ids {
        let health = ward.of(id).await["health"].clone();
        let at = |name: &str| text(&health[name]).parse::<Moment>().unwrap();
        seconds.push((at("nextCheckAt") - at("checkedAt")).num_seconds());
    }
    // A fifth more or less of: what is set for it, twice; what is set for all; what its file says.
    for (seconds, usual) in seconds.iter().zip([1_200, 30, 60, 900]) {
        assert!((usual * 8 / 10 - 1..=usual * 12 / 10).contains(seconds), "{seconds} of {usual}");
    }
    let wrong = Config::load(
        &Flags::default(),
        [("PORTOLAN_HEALTH_INTERVALS".to_owned(), "stripe=often".to_owned())],
        std::path::Path::new("."),
    );
    assert!(format!("{:?}", wrong.unwrap_err()).contains("stripe=often"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_by_hand_and_calls_count_like_probes() {
    let mut ward = Ward::open().await;
    let id = ward.connect("stripe").await;
    let input = json!({ "integrationId": id.to_string() });
    let now = ward.change("checkHealthNow", "health { verdict }", input.clone()).await;
    assert_eq!(now["health"]["verdict"], "HEALTHY", "{now}");
    ward.round().await;
    ward.played.behave("stripe", Mood::Down, None);
    let now = ward.change("checkHealthNow", "health { verdict }", input.clone()).await;
    assert_eq!(now["health"]["verdict"], "HEALTHY", "one is not enough: {now}");
    // Each call is tried three times, and each try is seen.
    let run = json!({ "integrationId": id.to_string(), "action": "get_payment_intent", "arguments": { "id": "pi_1" } });
    let refused = ward.change("runAction", "result", run).await;
    assert_eq!(refused["userErrors"][0]["code"], "PROVIDER_UNAVAILABLE", "{refused}");
    assert_eq!(ward.prober.settle().await.unwrap(), 0, "no probe was due");
    let now = ward.of(id).await;
    assert_eq!(now["health"]["verdict"], "DOWN", "{now}");
    let sources: Vec<_> =
        now["health"]["history"]["nodes"].as_array().unwrap().iter().map(|it| text(&it["source"])).collect();
    assert!(sources.contains(&"CALL") && sources.contains(&"MANUAL") && sources.contains(&"PROBE"), "{sources:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn why_tells_what_happened_in_order_of_time_and_uptime_how_long() {
    let mut ward = Ward::open().await;
    let id = ward.connect("stripe").await;
    ward.round().await;
    ward.hub.clock.advance(TimeDelta::seconds(1));
    let input = json!({ "id": id.to_string(), "name": "Other" });
    ward.change("updateIntegration", "integration { id }", input).await;
    ward.hub.clock.advance(TimeDelta::hours(6));
    ward.played.behave("stripe", Mood::Revoked, None);
    ward.rounds(3).await;
    ward.hub.clock.advance(TimeDelta::hours(6));
    let now = ward.of(id).await["health"].clone();
    let chain = now["why"].as_array().unwrap();
    let kinds: Vec<_> = chain.iter().map(|cause| text(&cause["kind"])).collect();
    assert_eq!(kinds, ["CONFIGURATION", "STATE", "CONFIGURATION", "CALL", "CALL", "CALL", "STATE"], "{chain:#?}");
    assert!(chain.windows(2).all(|pair| text(&pair[0]["at"]) <= text(&pair[1]["at"])), "{chain:#?}");
    assert!(text(&chain[2]["text"]).contains("name"), "{chain:#?}");
    assert!(chain[2]["actor"].is_string() && chain[2]["requestId"].is_string(), "{chain:#?}");
    let (call, state) = (&chain[5], &chain[6]);
    assert!(call["traceId"].is_string() && call["traceId"] == state["traceId"], "{chain:#?}");
    assert!(text(&state["text"]).starts_with("HEALTHY became DOWN"), "{chain:#?}");
    // Healthy for six hours, then down for six; before that nothing was known.
    let day = now["uptime"]["day"].as_f64().unwrap();
    assert!((49.0..51.0).contains(&day), "{now}");
    assert_eq!(now["uptime"]["day"], now["uptime"]["month"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn breaks_and_recoveries_are_followed() {
    let mut ward = Ward::open().await;
    ward.hub.app.follow();
    let id = ward.connect("stripe").await;
    ward.round().await;
    let query =
        "subscription($id: ID) { healthChanged(integrationId: $id) { from to axis reason errorClass latencyMs source
        integration { id } traceId } }";
    // What was before is in the log, so that it does not come through the stream.
    ward.hub.number_events().await;
    let mut stream = ward.hub.follow(&ward.admin, query, json!({ "id": id.to_string() })).await;
    // The stream has begun when it gives a sign of life or an item; what happens afterwards is in it.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    ward.played.behave("stripe", Mood::Throttling, None);
    ward.rounds(3).await;
    ward.played.behave("stripe", Mood::Well, None);
    ward.rounds(2).await;
    ward.hub.number_events().await;
    let mut items = Vec::new();
    while items.len() < 2 {
        match stream.heard().await {
            Heard::Event(event) => {
                let said: Value = serde_json::from_str(&event.data).unwrap();
                items.push(said["data"]["healthChanged"].clone());
            }
            Heard::End => panic!("it ended after {items:?}"),
            Heard::Comment | Heard::Retry(_) => {}
        }
    }
    assert_eq!((text(&items[0]["from"]), text(&items[0]["to"])), ("HEALTHY", "DEGRADED"), "{items:#?}");
    assert_eq!((text(&items[0]["axis"]), text(&items[0]["errorClass"])), ("QUOTA", "throttled"), "{items:#?}");
    assert_eq!((text(&items[1]["from"]), text(&items[1]["to"])), ("DEGRADED", "HEALTHY"), "{items:#?}");
    assert_eq!((&items[1]["axis"], &items[1]["reason"]), (&json!(null), &json!(null)), "{items:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_turned_page_by_page_and_forgotten_with_time() {
    let mut ward = Ward::with(&[("PORTOLAN_HEALTH_RETENTION", "1h")]).await;
    let id = ward.connect("stripe").await;
    ward.rounds(7).await;
    let query = "query($id: ID!, $after: String) { integration(id: $id) { health { history(first: 3, after: $after) {
        totalCount nodes { at } pageInfo { hasNextPage endCursor } } } } }";
    let (mut after, mut seen) = (Value::Null, Vec::new());
    loop {
        let page = ward.hub.ask(&ward.admin, query, json!({ "id": id.to_string(), "after": after })).await.data();
        let page = page["integration"]["health"]["history"].clone();
        assert_eq!(page["totalCount"], 7);
        seen.extend(page["nodes"].as_array().unwrap().iter().map(|node| text(&node["at"]).to_owned()));
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
    assert_eq!(seen.len(), 7);
    assert!(seen.windows(2).all(|pair| pair[0] > pair[1]), "newest first, each once: {seen:?}");
    ward.hub.clock.advance(TimeDelta::hours(1));
    ward.round().await;
    let gone = portolan::domain::health::watch::retain(ward.hub.app.hub().clone()).await.unwrap();
    assert_eq!(gone, 7);
    assert_eq!(ward.of(id).await["health"]["history"]["totalCount"], 1);
}
