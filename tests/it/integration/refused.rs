//! What is refused when an integration is set up: with field, cause and remedy, and nothing is left behind.

use std::time::Duration;

use portolan::{kernel::scope::Role, provider::simulator::Mood};
use serde_json::{Value, json};

use super::{change, count, create, hub_of, made};
use crate::support::{
    TestHub,
    played::{Played, Said, Scripted, settings},
};

fn stripe(played: &Played) -> Value {
    json!({ "provider": "stripe", "credentials": { "apiKey": { "key": played.value("stripe", "api_key") } } })
}

/// The paths and codes of what was refused.
fn refusals(payload: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let errors = payload["userErrors"].as_array().unwrap();
    let path = |error: &Value| error["path"].as_array().unwrap()[1..].iter().map(text).collect::<Vec<_>>().join(".");
    errors.iter().map(|error| (path(error), text(&error["code"]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_the_providers_file_is_said_by_field_and_nobody_is_asked() {
    let server = Scripted::start(|_| panic!("nobody is asked")).await;
    let hub = hub_of(&settings(server.address)).await;
    let admin = hub.token(Role::Admin).await;
    let key = "sk_test_ExampleExampleExample01";
    let fields = |values: Value| json!({ "fields": { "method": "secret_key", "values": values } });
    let cases = [
        (json!({ "provider": "strip", "credentials": { "apiKey": { "key": key } } }), "provider"),
        (json!({ "provider": "stripe" }), "credentials"),
        (json!({ "provider": "stripe", "authMethod": "nonsense" }), "authMethod"),
        (
            json!({ "provider": "stripe", "credentials": { "basicAuth": { "username": "a", "password": "b" } } }),
            "credentials.basicAuth",
        ),
        (json!({ "provider": "stripe", "credentials": { "apiKey": { "key": "hunter2" } } }), "credentials.apiKey.key"),
        (
            json!({ "provider": "stripe", "credentials": { "apiKey": { "key": format!(" {key}") } } }),
            "credentials.apiKey.key",
        ),
        (
            json!({ "provider": "stripe", "credentials": { "apiKey": { "key": key, "keyPrefix": "pk_" } } }),
            "credentials.apiKey.keyPrefix",
        ),
        (json!({ "provider": "stripe", "credentials": fields(json!([])) }), "credentials"),
        (
            json!({ "provider": "stripe", "credentials": fields(json!([{ "name": "api_key", "value": key }, { "name": "more", "value": "x" }])) }),
            "credentials.fields.values.1",
        ),
        (
            json!({ "provider": "stripe", "credentials": { "apiKey": { "key": key } }, "environment": "moon" }),
            "environment",
        ),
        (
            json!({ "provider": "stripe", "credentials": { "apiKey": { "key": key } }, "settings": [{ "name": "colour", "value": "red" }] }),
            "settings.colour",
        ),
        (
            json!({ "provider": "stripe", "credentials": { "apiKey": { "key": key } }, "connection": { "timeout": 5 } }),
            "connection.timeout",
        ),
        (
            json!({ "provider": "stripe", "credentials": { "apiKey": { "key": key } }, "connection": { "endpoint": "https://evil.example" } }),
            "connection.endpoint",
        ),
        (
            json!({ "provider": "shopify", "credentials": { "apiKey": { "key": "shpat_0123456789abcdef0123456789abcdef" } }, "connection": { "domain": "evil.example" } }),
            "connection.domain",
        ),
        (
            json!({ "provider": "shopify", "credentials": { "apiKey": { "key": "shpat_0123456789abcdef0123456789abcdef" } } }),
            "settings.shop",
        ),
        (json!({ "provider": "stripe", "name": "x".repeat(500), "credentials": { "apiKey": { "key": key } } }), "name"),
        (json!({ "provider": "stripe", "name": "a\u{202e}b", "credentials": { "apiKey": { "key": key } } }), "name"),
        (
            json!({ "provider": "stripe", "credentials": { "apiKey": { "key": key } }, "metadata": { "a": "x".repeat(20_000) } }),
            "metadata",
        ),
    ];
    for (input, path) in cases {
        let payload = create(&hub, &admin, input.clone()).await;
        let found = refusals(&payload);
        assert_eq!(found.first().map(|(path, _)| path.as_str()), Some(path), "{input} {payload}");
        assert_eq!(found[0].1, "BAD_USER_INPUT", "{payload}");
        assert!(!payload.to_string().contains("hunter2"), "{payload}");
    }
    // Everything that is wrong is said at once.
    let payload = create(
        &hub,
        &admin,
        json!({ "provider": "stripe", "name": "", "environment": "moon", "credentials": { "apiKey": { "key": "x" } } }),
    )
    .await;
    let paths: Vec<_> = refusals(&payload).into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["name", "credentials.apiKey.key", "environment"]);
    assert_eq!(count(&hub, &admin).await, 0);
    assert!(server.heard().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_any_script_are_taken_as_they_are() {
    let played = Played::start().await;
    let hub = hub_of(&played.settings()).await;
    let admin = hub.token(Role::Admin).await;
    for name in ["متجر الشاي", "茶屋 🍵", "<b>bold</b> & \"quoted\"", "O'Neill; DROP TABLE integrations"] {
        let mut input = stripe(&played);
        input["name"] = json!(name);
        assert_eq!(made(&hub, &admin, input).await["name"], name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_inward_are_refused_and_never_dialled() {
    let tripwire = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    tripwire.set_nonblocking(true).unwrap();
    let port = tripwire.local_addr().unwrap().port();
    // Providers are asked for real here, so the guard is the only thing in the way.
    let hub = TestHub::start().await;
    let admin = hub.token(Role::Admin).await;
    for address in [
        format!("https://127.0.0.1:{port}"),
        format!("https://localhost:{port}"),
        format!("https://[::1]:{port}"),
        format!("https://[::ffff:127.0.0.1]:{port}"),
        format!("https://2130706433:{port}"),
        format!("https://0x7f.1:{port}"),
        format!("http://127.0.0.1:{port}"),
        "https://169.254.169.254/latest".to_owned(),
        "https://10.0.0.1/v1".to_owned(),
        format!("https://user@127.0.0.1:{port}/"),
    ] {
        let input = json!({ "provider": "custom_rest", "settings": [{ "name": "base_url", "value": address }],
            "credentials": { "apiKey": { "key": "some-long-enough-key" } } });
        let payload = create(&hub, &admin, input).await;
        assert_eq!(payload["integration"], Value::Null, "{address}");
        assert!(refusals(&payload)[0].0.starts_with("settings"), "{address} {payload}");
    }
    assert_eq!(count(&hub, &admin).await, 0);
    assert!(tripwire.accept().is_err(), "nobody was dialled");
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_with_control_characters_are_not_saved() {
    let hub = TestHub::start().await;
    let admin = hub.token(Role::Admin).await;
    for address in [
        "https://api.exa\tmple.com/v1",
        "https://api.example.com/v1\n",
        "https://api.example.com/\rv1",
        "\thttps://api.example.com",
        "https://api.example.com/v 1",
        "https://api.example.com/\u{7f}",
    ] {
        let input = json!({ "provider": "custom_rest", "settings": [{ "name": "base_url", "value": address }],
            "credentials": { "apiKey": { "key": "some-long-enough-key" } } });
        let payload = create(&hub, &admin, input).await;
        assert_eq!(payload["integration"], Value::Null, "{address:?}");
        let refusals = refusals(&payload);
        assert!(refusals.iter().any(|(path, _)| path.starts_with("settings")), "{address:?} {payload}");
    }
    assert_eq!(count(&hub, &admin).await, 0);

    let destination = "mutation($url: String!) { createWebhookDestination(input: { name: \"A\", url: $url, events: [\"*\"] }) \
        { destination { id } userErrors { code path } } }";
    let issuer = "mutation($url: String!) { createIssuer(input: { name: \"A\", iss: $url, audience: \"a\", algorithm: RS256, \
        defaultRole: VIEWER }) { issuer { id } userErrors { code path } } }";
    for (mutation, document) in [("createWebhookDestination", destination), ("createIssuer", issuer)] {
        for address in ["https://exa\tmple.com/x", "https://example.com/\rx", "https://example.com/\nx"] {
            let reply = hub.ask(&admin, document, json!({ "url": address })).await;
            assert_eq!(reply.user_codes(mutation), ["BAD_USER_INPUT"], "{address:?} {}", reply.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_address_is_not_described_to_a_tenant() {
    let hub = TestHub::start().await;
    let admin = hub.token(Role::Admin).await;
    for address in ["https://127.0.0.1/v1", "https://10.0.0.1/v1", "https://169.254.169.254/latest", "https://[::1]/v1"]
    {
        let input = json!({ "provider": "custom_rest", "settings": [{ "name": "base_url", "value": address }],
            "credentials": { "apiKey": { "key": "some-long-enough-key" } } });
        let said = create(&hub, &admin, input).await.to_string();
        assert!(said.contains("not allowed"), "{said}");
        for class in ["loopback", "private", "metadata", "link-local", "not public", "unspecified"] {
            assert!(!said.contains(class), "{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_wrong_in_its_own_way_is_told_apart() {
    let played = Played::start().await;
    let hub = hub_of(&played.settings()).await;
    let admin = hub.token(Role::Admin).await;
    for (mood, code) in [
        (Mood::Revoked, "PROVIDER_REJECTED"),
        (Mood::Down, "PROVIDER_UNAVAILABLE"),
        (Mood::Garbled, "PROVIDER_UNAVAILABLE"),
        (Mood::Throttling, "PROVIDER_UNAVAILABLE"),
    ] {
        played.behave("stripe", mood, None);
        let payload = create(&hub, &admin, stripe(&played)).await;
        assert_eq!(refusals(&payload), [("credentials".to_owned(), code.to_owned())], "{mood:?} {payload}");
        assert!(payload["userErrors"][0]["message"].as_str().unwrap().starts_with("Stripe "), "{payload}");
    }
    assert_eq!(count(&hub, &admin).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_inside_a_200_and_an_answer_that_never_comes_are_refusals_too() {
    let inside = Scripted::start(|_| {
        Said::json(200, &json!({ "success": false, "message": "Invalid api_key hunter2-hunter2" }))
    })
    .await;
    let hub = hub_of(&settings(inside.address)).await;
    let admin = hub.token(Role::Admin).await;
    let input = json!({ "provider": "pancake_pos", "credentials": { "apiKey": { "key": "hunter2-hunter2" } },
        "settings": [{ "name": "shop_id", "value": "1" }] });
    let payload = create(&hub, &admin, input.clone()).await;
    assert_eq!(payload["userErrors"][0]["code"], "PROVIDER_REJECTED");
    assert!(payload["userErrors"][0]["message"].as_str().unwrap().contains("Invalid api_key"), "{payload}");
    assert!(!payload.to_string().contains("hunter2"), "the provider's words without our secret: {payload}");
    let silent = Scripted::start(|_| Said { after: Duration::from_mins(10), ..Said::json(200, &json!({})) }).await;
    let mut all = settings(silent.address);
    all.push(("PORTOLAN_GRAPHQL_OPERATION_TIMEOUT".to_owned(), "2s".to_owned()));
    let hub = hub_of(&all).await;
    let admin = hub.token(Role::Admin).await;
    let payload = create(&hub, &admin, input).await;
    assert_eq!(payload["userErrors"][0]["code"], "PROVIDER_UNAVAILABLE", "{payload}");
    assert_eq!(count(&hub, &admin).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_only_be_read_does_not_write_and_arguments_are_held_against_the_schema() {
    let played = Played::start().await;
    let hub = hub_of(&played.settings()).await;
    let admin = hub.token(Role::Admin).await;
    let mut input = stripe(&played);
    input["capabilities"] = json!({ "canPush": false });
    let id = made(&hub, &admin, input).await["id"].clone();
    let run = async |action: &str, arguments: Value| {
        let input = json!({ "integrationId": id, "action": action, "arguments": arguments });
        change(&hub, &admin, "runAction", "result", input).await
    };
    let refused = run("create_customer", json!({ "email": "ann@example.com" })).await;
    assert!(refused["userErrors"][0]["message"].as_str().unwrap().contains("canPush"), "{refused}");
    let unknown = run("get_payment_intend", json!({})).await;
    assert!(unknown["userErrors"][0]["message"].as_str().unwrap().contains("get_payment_intent"), "{unknown}");
    let missing = run("get_payment_intent", json!({})).await;
    assert!(refusals(&missing)[0].0.starts_with("arguments"), "{missing}");
    let wrong = run("get_payment_intent", json!({ "id": 5 })).await;
    assert_eq!(refusals(&wrong)[0].0, "arguments.id", "{wrong}");
    let right = run("get_payment_intent", json!({ "id": "pi_1" })).await;
    assert_eq!(right["result"]["object"], "payment_intent", "{right}");
}
