//! Integrations in use: credentials from the nearest source, rotation with overlap, links for outsiders, people who
//! agree, lists that are followed.

use axum::{body::Body, http::Request};
use portolan::kernel::scope::Role;
use serde_json::{Value, json};

use super::{change, count, create, hub_of, made, one};
use crate::support::{
    TestHub,
    played::{Heard, Played, Said, Scripted, settings},
};

/// A server that plays Stripe and takes these keys.
async fn stripe(takes: &'static [&'static str]) -> Scripted {
    Scripted::start(move |heard: &Heard| {
        use base64::Engine;
        let sent = heard.authorization.as_deref().and_then(|it| it.strip_prefix("Basic ")).unwrap_or_default();
        let sent = base64::prelude::BASE64_STANDARD.decode(sent).unwrap_or_default();
        let key = String::from_utf8_lossy(&sent).trim_end_matches(':').to_owned();
        if takes.contains(&key.as_str()) {
            Said::json(200, &json!({ "object": "balance", "id": "pi_1", "available": [], "livemode": false, "by": key }))
        } else {
            Said::json(401, &json!({ "error": { "type": "invalid_request_error", "message": format!("Invalid API Key provided: {key}") } }))
        }
    })
    .await
}

const OLD: &str = "sk_test_OldOldOldOldOldOldOld01";
const NEW: &str = "sk_test_NewNewNewNewNewNewNew02";

fn key(key: &str) -> Value {
    json!({ "apiKey": { "key": key } })
}

async fn run(hub: &TestHub, token: &str, more: Value) -> Value {
    let mut input = json!({ "action": "get_payment_intent", "arguments": { "id": "pi_1" } });
    for (name, value) in more.as_object().unwrap() {
        input[name] = value.clone();
    }
    change(hub, token, "runAction", "result", input).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nearest_credential_is_used() {
    const KEYS: [&str; 4] = [
        "sk_test_DirectDirectDirect0001",
        "sk_test_VariablesVariables0002",
        "sk_test_WorkflowWorkflow000003",
        "sk_test_StoredStoredStored0004",
    ];
    let server = stripe(&KEYS).await;
    let hub = hub_of(&settings(server.address)).await;
    let admin = hub.token(Role::Admin).await;
    let stored = made(&hub, &admin, json!({ "provider": "stripe", "credentials": key(KEYS[3]) })).await;
    let variables = json!({ "stripe": { "api_key": KEYS[1] }, "workflow": { "stripe": { "apiKey": KEYS[2] } } });
    let workflow = json!({ "workflow": variables["workflow"] });
    let by = async |more: Value| run(&hub, &admin, more).await["result"]["by"].clone();
    let direct = json!({ "provider": "stripe", "credentials": key(KEYS[0]), "variables": variables });
    assert_eq!(by(direct).await, KEYS[0]);
    assert_eq!(by(json!({ "provider": "stripe", "variables": variables })).await, KEYS[1]);
    assert_eq!(by(json!({ "provider": "stripe", "variables": workflow })).await, KEYS[2]);
    assert_eq!(
        by(json!({ "provider": "stripe", "variables": { "stripeIntegrationId": stored["id"] } })).await,
        KEYS[3]
    );
    assert_eq!(by(json!({ "provider": "stripe" })).await, KEYS[3]);
    assert_eq!(by(json!({ "integrationId": stored["id"] })).await, KEYS[3]);
    // A part of a credential is refused, not passed over.
    let part =
        run(&hub, &admin, json!({ "provider": "twilio", "variables": { "twilio": { "auth_token": "x" } } })).await;
    assert_ne!(part["userErrors"], json!([]));
    // Of two that are stored one has to be named.
    made(&hub, &admin, json!({ "provider": "stripe", "credentials": key(KEYS[0]) })).await;
    let several = run(&hub, &admin, json!({ "provider": "stripe" })).await;
    assert!(
        several["userErrors"][0]["message"].as_str().unwrap().contains(stored["id"].as_str().unwrap()),
        "{several}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_credential_serves_where_the_new_one_is_not_known_yet_and_then_no_more() {
    let server = stripe(&[OLD]).await;
    let hub = hub_of(&settings(server.address)).await;
    let admin = hub.token(Role::Admin).await;
    let id = made(&hub, &admin, json!({ "provider": "stripe", "credentials": key(OLD) })).await["id"].clone();
    let fields = "integration { status credential { fields { hint } } }";
    let refused = change(&hub, &admin, "rotateCredentials", fields, json!({ "id": id, "credentials": key(NEW) })).await;
    assert_eq!(refused["userErrors"][0]["code"], "PROVIDER_REJECTED");
    assert!(!refused.to_string().contains(NEW), "{refused}");
    let input = json!({ "id": id, "credentials": key(NEW), "overlap": 600, "skipTest": true });
    let rotated = change(&hub, &admin, "rotateCredentials", fields, input).await;
    assert_eq!(rotated["integration"]["credential"]["fields"][0]["hint"], "sk_test_…ew02");
    assert_eq!(run(&hub, &admin, json!({ "integrationId": id })).await["result"]["by"], OLD);
    hub.clock.advance(chrono::TimeDelta::minutes(11));
    portolan::domain::credential::retire(hub.app.hub().clone()).await.unwrap();
    assert_eq!(run(&hub, &admin, json!({ "integrationId": id })).await["userErrors"][0]["code"], "PROVIDER_REJECTED");
}

#[tokio::test(flavor = "multi_thread")]
async fn rotations_tests_and_deletions_at_once_leave_one_credential_or_none() {
    let server = stripe(&[OLD, NEW]).await;
    let hub = hub_of(&settings(server.address)).await;
    let admin = hub.token(Role::Admin).await;
    let id = made(&hub, &admin, json!({ "provider": "stripe", "credentials": key(OLD) })).await["id"].clone();
    let rotate = || {
        change(&hub, &admin, "rotateCredentials", "integration { id }", json!({ "id": id, "credentials": key(NEW) }))
    };
    let anew = || {
        change(&hub, &admin, "reconnectIntegration", "integration { id }", json!({ "id": id, "credentials": key(OLD) }))
    };
    let test = || change(&hub, &admin, "testIntegration", "integration { id }", json!({ "id": id }));
    let all = futures_util::future::join_all((0..12).map(|at| async move {
        match at % 3 {
            0 => rotate().await,
            1 => anew().await,
            _ => test().await,
        }
    }))
    .await;
    for payload in all {
        assert_eq!(payload["userErrors"], json!([]), "{payload}");
    }
    assert_eq!(run(&hub, &admin, json!({ "integrationId": id })).await["userErrors"], json!([]));
    let (gone, late, again) = tokio::join!(
        change(&hub, &admin, "deleteIntegration", "deletedId", json!({ "id": id })),
        rotate(),
        change(&hub, &admin, "deleteIntegration", "deletedId", json!({ "id": id })),
    );
    let deleted = [&gone, &again].iter().filter(|payload| payload["deletedId"] == id).count();
    assert_eq!(deleted, 1, "{gone} {late} {again}");
    assert_eq!(count(&hub, &admin).await, 0);
    let left = portolan::entity::secret::of(hub.tenant.id);
    assert_eq!(sea_orm::PaginatorTrait::count(left, hub.app.hub().database.reader()).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outsider_gives_a_credential_by_a_link_once() {
    let server = stripe(&[OLD]).await;
    let hub = hub_of(&settings(server.address)).await;
    let admin = hub.token(Role::Admin).await;
    let new = json!({ "provider": "stripe", "name": "Shop", "credentials": key(NEW), "skipTest": true });
    let id = made(&hub, &admin, new).await["id"].clone();
    let link = async || {
        let made = change(&hub, &admin, "createConnectLink", "url expiresAt", json!({ "id": id })).await;
        made["url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
    };
    let form = async |token: &str| {
        let form = "query($t: String!) { connectForm(token: $t) { providerName integrationName authMethods { key } } }";
        hub.ask("", form, json!({ "t": token })).await.data()["connectForm"].clone()
    };
    let give = async |token: &str, with: &str| {
        change(&hub, "", "connectByLink", "connected", json!({ "token": token, "credentials": key(with) })).await
    };
    let token = link().await;
    let shown = form(&token).await;
    assert_eq!((&shown["providerName"], &shown["integrationName"]), (&json!("Stripe"), &json!("Shop")));
    // What the provider refuses does not use the link up.
    assert_eq!(give(&token, NEW).await["userErrors"][0]["code"], "PROVIDER_REJECTED");
    let both = tokio::join!(give(&token, OLD), give(&token, OLD));
    let connected = [&both.0, &both.1].iter().filter(|payload| payload["connected"] == true).count();
    assert_eq!(connected, 1, "{both:?}");
    assert_eq!(one(&hub, &admin, &id).await.data()["integration"]["status"], "ACTIVE");
    assert_eq!(form(&token).await, Value::Null);
    assert_eq!(give(&token, OLD).await["userErrors"][0]["code"], "NOT_FOUND");
    assert_eq!(give("ptc_nonsense", OLD).await["userErrors"][0]["code"], "NOT_FOUND");
    let late = link().await;
    hub.clock.advance(chrono::TimeDelta::minutes(31));
    assert_eq!(
        (form(&late).await, give(&late, OLD).await["userErrors"][0]["code"].clone()),
        (Value::Null, json!("NOT_FOUND"))
    );
}

/// Sends a person to the simulated provider, who agrees at once; gives the way back.
pub async fn agree(url: &str) -> String {
    let url: url::Url = url.parse().unwrap();
    let mut wire = crate::support::wire::Wire::open(url.socket_addrs(|| None).unwrap()[0]).await.unwrap();
    let head = format!(
        "GET {}?{} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        url.path(),
        url.query().unwrap_or_default()
    );
    wire.send(&head).await.unwrap();
    let back = wire.reply().await.unwrap().header("location").to_owned();
    back.split_once("/oauth/callback").map(|(_, rest)| format!("/oauth/callback{rest}")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_agrees_at_the_provider_once_for_one_integration() {
    let played = Played::start().await;
    let hub = hub_of(&played.settings()).await;
    let admin = hub.token(Role::Admin).await;
    let new = json!({ "provider": "meta_ads", "authMethod": "login", "settings": [{ "name": "ad_account", "value": played.value("meta_ads", "ad_account") }] });
    let integration = made(&hub, &admin, new).await;
    let id = integration["id"].clone();
    assert_eq!(integration["status"], "PENDING");
    let start = async || change(&hub, &admin, "startOAuth", "url", json!({ "id": id })).await;
    assert!(start().await["userErrors"][0]["message"].as_str().unwrap().contains("setProviderApp"));
    let fields: Vec<_> = ["client_id", "client_secret", "verify_token"]
        .iter()
        .map(|name| json!({ "name": name, "value": played.value("meta_ads", &format!("app.{name}")) }))
        .collect();
    let app = change(
        &hub,
        &admin,
        "setProviderApp",
        "providerApp { fields { name hint } }",
        json!({ "provider": "meta_ads", "fields": fields }),
    )
    .await;
    assert_eq!(app["userErrors"], json!([]), "{app}");
    let come_back = async |path: &str| {
        hub.send(Request::get(path).body(Body::empty()).unwrap()).await.header("location").to_owned()
    };

    let back = agree(start().await["url"].as_str().unwrap()).await;
    // Somebody who made the state up, or tampered with it.
    assert!(come_back("/oauth/callback?code=x&state=y").await.starts_with("/#/refused/"));
    assert!(come_back(&format!("{back}&state=z")).await.starts_with("/#/refused/"));
    assert_eq!(one(&hub, &admin, &id).await.data()["integration"]["status"], "PENDING");
    assert_eq!(come_back(&back).await, format!("/#/connected/{}", id.as_str().unwrap()));
    assert_eq!(one(&hub, &admin, &id).await.data()["integration"]["status"], "ACTIVE");
    assert!(come_back(&back).await.contains("used%20before"), "a state serves once");

    // Another issuer, a refusal by the person, and one who came too late.
    let back = agree(start().await["url"].as_str().unwrap()).await;
    assert!(come_back(&format!("{back}&iss=https%3A%2F%2Fevil.example")).await.contains("another%20issuer"));
    let state = |back: &str| back.split_once("state=").unwrap().1.split('&').next().unwrap().to_owned();
    let back = agree(start().await["url"].as_str().unwrap()).await;
    let said =
        come_back(&format!("/oauth/callback?error=access_denied&error_description=No&state={}", state(&back))).await;
    assert!(said.contains("No"), "{said}");
    let back = agree(start().await["url"].as_str().unwrap()).await;
    hub.clock.advance(chrono::TimeDelta::minutes(11));
    assert!(come_back(&back).await.contains("ten%20minutes"));
    // None of that took the credential away.
    assert_eq!(one(&hub, &admin, &id).await.data()["integration"]["status"], "ACTIVE");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_creation_twice_with_one_key_is_one_integration() {
    let server = stripe(&[OLD]).await;
    let hub = hub_of(&settings(server.address)).await;
    let admin = hub.token(Role::Admin).await;
    let new = json!({ "provider": "stripe", "credentials": key(OLD), "idempotencyKey": "one" });
    let all = futures_util::future::join_all((0..6).map(|_| made(&hub, &admin, new.clone()))).await;
    assert!(all.iter().all(|each| each["id"] == all[0]["id"]));
    assert_eq!(count(&hub, &admin).await, 1);
    let other = json!({ "provider": "stripe", "name": "Other", "credentials": key(OLD), "idempotencyKey": "one" });
    assert_eq!(create(&hub, &admin, other).await["userErrors"][0]["code"], "IDEMPOTENCY_KEY_REUSED");
}
