//! The stories of the people who asked for this, as they told them.

use portolan::kernel::scope::Role;
use serde_json::{Value, json};

use super::{change, count, create, hub_of, made, one};
use crate::support::played::{Played, Said, Scripted, settings};

#[tokio::test(flavor = "multi_thread")]
async fn a_shopify_integration_is_made_as_the_story_tells() {
    let played = Played::start().await;
    let hub = hub_of(&played.settings()).await;
    let admin = hub.token(Role::Admin).await;
    let integration = made(
        &hub,
        &admin,
        json!({
            "provider": "shopify",
            "name": "Main Store",
            "credentials": { "apiKey": { "key": played.value("shopify", "admin_token"), "keyPrefix": "shpat_" } },
            "connection": { "domain": "tea-house.myshopify.com", "version": "2024-01", "timeout": 30000 },
            "capabilities": { "canSync": true, "canPush": false, "canWebhook": true, "syncFrequency": "HOURLY" },
        }),
    )
    .await;
    assert_eq!(integration["name"], "Main Store");
    assert_eq!(integration["status"], "ACTIVE");
    assert_eq!(integration["keyPrefix"], "shpat_");
    assert_eq!(integration["credential"]["fields"][0]["hint"], "shpat_…cdef");
    assert_eq!(integration["connectionConfig"]["domain"], "tea-house.myshopify.com");
    assert_eq!(integration["connectionConfig"]["timeout"], 30000);
    assert_eq!(
        integration["capabilities"],
        json!({
        "canSync": true, "canPush": false, "canWebhook": true, "syncFrequency": "HOURLY" })
    );
    // The version of the story ended long ago; what is used in its place is said.
    assert_eq!(integration["warnings"][0]["kind"], "VERSION_UNKNOWN");
    assert_eq!(integration["connectionConfig"]["version"], "2026-10");
    assert!(!integration["lastTestedAt"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_circuly_integration_is_made_as_the_story_tells() {
    let played = Played::start().await;
    let hub = hub_of(&played.settings()).await;
    let admin = hub.token(Role::Operator).await;
    let integration = made(
        &hub,
        &admin,
        json!({
            "provider": "circuly",
            "name": "Circuly Subscriptions",
            "credentials": { "bearerToken": { "token": played.value("circuly", "fixed_token") } },
            "connection": { "endpoint": "https://api.circuly.io/api/2025-01" },
            "capabilities": { "canSync": true, "canPush": false, "syncFrequency": "DAILY" },
        }),
    )
    .await;
    assert_eq!(integration["status"], "ACTIVE");
    assert_eq!(integration["environment"], "live");
    assert_eq!(integration["connectionConfig"]["endpoint"], "https://api.circuly.io/api/2025-01");
    assert_eq!(integration["capabilities"]["syncFrequency"], "DAILY");
}

/// A server that plays Pancake POS with these shops.
async fn pancake(shops: Value) -> Scripted {
    Scripted::start(move |heard| {
        if heard.query.get("api_key").map(String::as_str) == Some("the-right-key") && heard.path.ends_with("/shops") {
            Said::json(200, &json!({ "success": true, "shops": shops }))
        } else {
            Said::json(200, &json!({ "success": false, "message": "Invalid api_key" }))
        }
    })
    .await
}

const ACCOUNTS: &str = "accounts { key name settings { name value } } integration { id name settings { name value } }";

fn key() -> Value {
    json!({ "apiKey": { "key": "the-right-key" } })
}

#[tokio::test(flavor = "multi_thread")]
async fn one_shop_is_connected_at_once_under_its_own_name() {
    let server =
        pancake(json!([{ "id": 123, "name": "Shop thời trang", "avatar_url": "https://x", "pages": [] }])).await;
    let hub = hub_of(&settings(server.address)).await;
    let admin = hub.token(Role::Admin).await;
    let input = json!({ "provider": "pancake_pos", "credentials": key(), "description": "My fashion store" });
    let found = change(&hub, &admin, "discoverAccounts", ACCOUNTS, input).await;
    assert_eq!(found["userErrors"], json!([]));
    assert_eq!(found["integration"]["name"], "Shop thời trang");
    assert_eq!(found["integration"]["settings"], json!([{ "name": "shop_id", "value": "123" }]));
    // Another store of the same tenant is another integration; making it directly does the same.
    let other = made(&hub, &admin, json!({ "provider": "pancake_pos", "credentials": key() })).await;
    assert_eq!(other["name"], "Shop thời trang");
    assert_eq!(count(&hub, &admin).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_three_shops_one_is_chosen() {
    let shops = json!([{ "id": 1, "name": "One" }, { "id": 2, "name": "Two" }, { "id": 3, "name": "Three" }]);
    let server = pancake(shops).await;
    let hub = hub_of(&settings(server.address)).await;
    let admin = hub.token(Role::Admin).await;
    let found =
        change(&hub, &admin, "discoverAccounts", ACCOUNTS, json!({ "provider": "pancake_pos", "credentials": key() }))
            .await;
    assert_eq!(found["integration"], Value::Null);
    let names: Vec<_> = found["accounts"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["One", "Two", "Three"]);
    assert_eq!(count(&hub, &admin).await, 0);
    // Whoever does not choose is told the choices.
    let refused = create(&hub, &admin, json!({ "provider": "pancake_pos", "credentials": key() })).await;
    assert_eq!(refused["userErrors"][0]["path"], json!(["input", "account"]));
    assert!(refused["userErrors"][0]["message"].as_str().unwrap().contains("2 (Two)"), "{refused}");
    let chosen = json!({ "provider": "pancake_pos", "credentials": key(), "account": "2" });
    let integration = made(&hub, &admin, chosen).await;
    assert_eq!((&integration["name"], &integration["settings"][0]["value"]), (&json!("Two"), &json!("2")));
    let wrong = json!({ "provider": "pancake_pos", "credentials": key(), "account": "9" });
    assert_eq!(create(&hub, &admin, wrong).await["userErrors"][0]["path"], json!(["input", "account"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_shop_that_is_said() {
    let server = pancake(json!([])).await;
    let hub = hub_of(&settings(server.address)).await;
    let admin = hub.token(Role::Admin).await;
    let input = json!({ "provider": "pancake_pos", "credentials": key() });
    for refused in
        [change(&hub, &admin, "discoverAccounts", ACCOUNTS, input.clone()).await, create(&hub, &admin, input).await]
    {
        assert_eq!(refused["userErrors"][0]["code"], "PROVIDER_REJECTED");
        assert!(refused["userErrors"][0]["message"].as_str().unwrap().contains("no account"), "{refused}");
    }
    assert_eq!(count(&hub, &admin).await, 0);
}

fn meta_ads(played: &Played) -> Value {
    json!({
        "provider": "meta_ads",
        "credentials": { "bearerToken": { "token": played.value("meta_ads", "access_token_value") } },
        "settings": [{ "name": "ad_account", "value": played.value("meta_ads", "ad_account") }],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_meta_ads_is_refused_and_told_which_is_there() {
    let played = Played::start().await;
    let hub = hub_of(&played.settings()).await;
    let admin = hub.token(Role::Admin).await;
    let first = made(&hub, &admin, meta_ads(&played)).await;
    let second = create(&hub, &admin, meta_ads(&played)).await;
    assert_eq!(second["userErrors"][0]["code"], "CONFLICT");
    assert!(second["userErrors"][0]["message"].as_str().unwrap().contains(first["id"].as_str().unwrap()), "{second}");
    // Of another tenant it is none of their business.
    let other = hub.another_tenant("other").await;
    made(&hub, &hub.token_of(&other, Role::Admin).await, meta_ads(&played)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_meta_ads_made_at_the_same_instant_one_is_there() {
    let played = Played::start().await;
    let hub = hub_of(&played.settings()).await;
    let admin = hub.token(Role::Admin).await;
    let all = futures_util::future::join_all((0..8).map(|_| create(&hub, &admin, meta_ads(&played)))).await;
    let made = all.iter().filter(|payload| !payload["integration"].is_null()).count();
    let refused: Vec<_> = all.iter().filter_map(|payload| payload["userErrors"][0]["code"].as_str()).collect();
    assert_eq!((made, refused), (1, vec!["CONFLICT"; 7]));
    assert_eq!(count(&hub, &admin).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn connecting_anew_keeps_id_and_history() {
    let played = Played::start().await;
    let hub = hub_of(&played.settings()).await;
    let admin = hub.token(Role::Admin).await;
    let stripe = json!({ "apiKey": { "key": played.value("stripe", "api_key") } });
    let integration = made(&hub, &admin, json!({ "provider": "stripe", "credentials": stripe })).await;
    played.behave("stripe", portolan::provider::simulator::Mood::Revoked, None);
    let id = json!({ "id": integration["id"] });
    let tested =
        change(&hub, &admin, "testIntegration", "integration { status } test { success errorClass }", id).await;
    assert_eq!(tested["test"], json!({ "success": false, "errorClass": "auth" }));
    assert_eq!(tested["integration"]["status"], "NEEDS_REAUTH");
    let alerts = "query($s: ID) { alerts(filter: { open: true, subject: $s }) { nodes { kind severity text } } }";
    let open = hub.ask(&admin, alerts, json!({ "s": integration["id"] })).await.data();
    assert_eq!(open["alerts"]["nodes"][0]["kind"], "NEEDS_REAUTH", "{open}");
    assert_eq!(open["alerts"]["nodes"].as_array().unwrap().len(), 1);
    // A credential that does not work either changes nothing.
    let input = json!({ "id": integration["id"], "credentials": stripe });
    let refused = change(&hub, &admin, "reconnectIntegration", "integration { id }", input.clone()).await;
    assert_eq!(refused["userErrors"][0]["code"], "PROVIDER_REJECTED", "{refused}");
    assert_eq!(one(&hub, &admin, &integration["id"]).await.data()["integration"]["status"], "NEEDS_REAUTH");
    played.behave("stripe", portolan::provider::simulator::Mood::Well, None);
    let again = change(&hub, &admin, "reconnectIntegration", "integration { id status createdAt }", input).await;
    assert_eq!((&again["integration"]["id"], &again["integration"]["status"]), (&integration["id"], &json!("ACTIVE")));
    assert_eq!(again["integration"]["createdAt"], integration["createdAt"]);
    let open = hub.ask(&admin, alerts, json!({ "s": integration["id"] })).await.data();
    assert_eq!(open["alerts"]["nodes"], json!([]), "it is over");
    hub.number_events().await;
    let events = "query($s: [ID!]) { events(subjects: $s) { nodes { kind } } }";
    let events = hub.ask(&admin, events, json!({ "s": [integration["id"]] })).await.data();
    let kinds: Vec<_> =
        events["events"]["nodes"].as_array().unwrap().iter().map(|it| it["kind"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "integration.created",
            "integration.catalogue_imported",
            "integration.status_changed",
            "integration.tested",
            "integration.status_changed",
            "integration.reconnected",
            "integration.status_changed",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn disabling_stops_use_at_once_and_enabling_starts_it() {
    let played = Played::start().await;
    let hub = hub_of(&played.settings()).await;
    let admin = hub.token(Role::Admin).await;
    let credentials = json!({ "apiKey": { "key": played.value("stripe", "api_key") } });
    let id = made(&hub, &admin, json!({ "provider": "stripe", "credentials": credentials })).await["id"].clone();
    let run = async || {
        let input = json!({ "integrationId": id, "action": "get_payment_intent", "arguments": { "id": "pi_1" } });
        change(&hub, &admin, "runAction", "result", input).await
    };
    assert_ne!(run().await["result"], Value::Null);
    let off = change(&hub, &admin, "disableIntegration", "integration { status enabled }", json!({ "id": id })).await;
    assert_eq!(off["integration"], json!({ "status": "INACTIVE", "enabled": false }));
    assert_eq!(run().await["userErrors"][0]["code"], "CONFLICT");
    let on = change(&hub, &admin, "enableIntegration", "integration { status enabled }", json!({ "id": id })).await;
    assert_eq!(on["integration"], json!({ "status": "ACTIVE", "enabled": true }));
    assert_ne!(run().await["result"], Value::Null);
}
