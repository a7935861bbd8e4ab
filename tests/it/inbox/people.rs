//! People make sources, rotate their secrets, look at what came and follow it.

use chrono::TimeDelta;
use portolan::{kernel::scope::Role, provider::simulator::hook::How};
use serde_json::{Value, json};

use super::{Inbox, ask, by_source};
use crate::support::stream::Heard;

const ROTATE: &str = "mutation R($input: RotateWebhookSourceInput!) { rotateWebhookSource(input: $input) {
    source { overlapUntil secrets { name hint } } url secrets { name value } userErrors { code path message } } }";

#[tokio::test(flavor = "multi_thread")]
async fn secrets_before_a_rotation_count_until_the_overlap_is_over() {
    let inbox = Inbox::of("stripe").await;
    let admin = inbox.hub.token(Role::Admin).await;
    inbox.taken(&inbox.webhook()).await;
    let mut rotate = json!({ "input": { "id": inbox.made.source.id, "overlap": 3600,
        "secrets": [{ "name": "webhook_secret", "value": "whsec_anotherAnotherAnother" }] } });
    let done = ask(&inbox.hub, &admin, ROTATE, rotate.clone()).await["rotateWebhookSource"].clone();
    assert_eq!(done["userErrors"], json!([]));
    assert!(done["source"]["overlapUntil"].is_string());
    assert_eq!(done["source"]["secrets"][0]["hint"], "whsec_…ther");
    // The provider signs with the secret before for a while.
    inbox.taken(&inbox.webhook()).await;
    let again = ask(&inbox.hub, &admin, ROTATE, rotate.clone()).await["rotateWebhookSource"].clone();
    assert_eq!(again["userErrors"][0]["code"], "CONFLICT", "these are the secrets it has");
    inbox.hub.clock.advance(TimeDelta::hours(1));
    assert_eq!(inbox.send(&inbox.webhook()).await.status, 401);
    // Back to what the fake signs with, and at once.
    rotate["input"]["secrets"][0]["value"] = inbox.played.value("stripe", "webhook_secret").into();
    rotate["input"]["overlap"] = 0.into();
    assert_eq!(ask(&inbox.hub, &admin, ROTATE, rotate).await["rotateWebhookSource"]["userErrors"], json!([]));
    inbox.taken(&inbox.webhook()).await;
}

const CREATE: &str = "mutation C($input: CreateWebhookSourceInput!) { createWebhookSource(input: $input) {
    source { id url enabled secrets { name hint } } url secrets { name value } userErrors { code path message } } }";

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_ours_to_choose_is_made_and_shown_once() {
    let inbox = Inbox::of("mailchimp").await;
    let admin = inbox.hub.token(Role::Admin).await;
    let input = json!({ "input": { "integrationId": inbox.integration, "idempotencyKey": "k" } });
    let made = ask(&inbox.hub, &admin, CREATE, input.clone()).await["createWebhookSource"].clone();
    assert_eq!(made["userErrors"], json!([]));
    let (url, secret) = (made["url"].as_str().unwrap(), made["secrets"][0]["value"].as_str().unwrap());
    assert!(url.ends_with(&format!("?key={secret}")), "{url}");
    assert!(!made["source"].to_string().contains(secret), "{made}");
    let again = ask(&inbox.hub, &admin, CREATE, input).await["createWebhookSource"].clone();
    assert_eq!((&again["source"]["id"], &again["secrets"]), (&made["source"]["id"], &json!([])));
    // What carries the secret in its address is taken, and the secret is not kept.
    let (hub, now) = (&inbox.hub, inbox.hub.cx().now());
    let mut sent = inbox.played.webhooks("mailchimp", url.split('?').next().unwrap(), How::Right, 1, now).remove(0);
    sent.url.set_query(Some(&format!("key={secret}")));
    inbox.taken(&sent).await;
    let kept = super::kept(hub).await;
    assert!(!kept[0].query.contains(secret), "{}", kept[0].query);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_the_file_is_refused_with_the_reason() {
    let inbox = Inbox::of("stripe").await;
    let admin = inbox.hub.token(Role::Admin).await;
    let id = inbox.integration;
    for (input, path) in [
        (json!({ "integrationId": id }), json!(["input", "secrets"])),
        (json!({ "integrationId": id, "provider": "stripe" }), json!(["input", "provider"])),
        (json!({}), json!(["input", "provider"])),
        (json!({ "provider": "nobody" }), json!(["input", "provider"])),
        (json!({ "provider": "dhl_express" }), json!(["input", "provider"])),
        (
            json!({ "integrationId": id, "secrets": [{ "name": "webhook_secret", "value": "short" }] }),
            json!(["input", "secrets", "0"]),
        ),
        (
            json!({ "integrationId": id, "secrets": [{ "name": "other", "value": "x" }] }),
            json!(["input", "secrets", "0"]),
        ),
    ] {
        let refused = ask(&inbox.hub, &admin, CREATE, json!({ "input": input })).await["createWebhookSource"].clone();
        assert_eq!((&refused["source"], &refused["userErrors"][0]["path"]), (&Value::Null, &path), "{input}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_look_sees_names_and_who_may_read_webhooks_sees_all() {
    let inbox = Inbox::of("stripe").await;
    inbox.taken(&inbox.webhook()).await;
    inbox.send(&inbox.webhooks(How::WrongSecret, 1).remove(0)).await;
    inbox.work().await;
    let document = "query { webhookEvents { nodes { redactedBody rawBody items { normalised } } }
        webhookSources { nodes { refusals { reason rawBody } statistics { received verified refused processed } } } }";
    let admin = ask(&inbox.hub, &inbox.hub.token(Role::Admin).await, document, json!({})).await;
    let sent = String::from_utf8(inbox.kept().await[0].body.clone()).unwrap();
    assert_eq!(admin["webhookEvents"]["nodes"][0]["rawBody"], sent);
    assert_eq!(admin["webhookEvents"]["nodes"][0]["items"][0]["normalised"]["is"], "payment.succeeded");
    let statistics = json!({ "received": 2, "verified": 1, "refused": 1, "processed": 1 });
    assert_eq!(admin["webhookSources"]["nodes"][0]["statistics"], statistics);
    for role in [Role::Operator, Role::Viewer] {
        let reply = inbox.hub.ask(&inbox.hub.token(role).await, document, json!({})).await;
        assert!(!reply.text.contains("12500") && !reply.text.contains("pi_0001"), "{}", reply.text);
        assert_eq!(reply.codes(), ["FORBIDDEN", "FORBIDDEN", "FORBIDDEN"], "{}", reply.text);
        assert!(reply.json()["data"]["webhookEvents"]["nodes"][0]["redactedBody"].as_str().unwrap().contains("amount"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_followed_from_a_cursor_on() {
    let inbox = Inbox::of("stripe").await;
    let viewer = inbox.hub.token(Role::Viewer).await;
    for sent in inbox.webhooks(How::Right, 3) {
        inbox.taken(&sent).await;
    }
    inbox.work().await;
    let document = "subscription S($id: ID!, $after: String) { webhookEventReceived(sourceId: $id, after: $after) {
        cursor happening subject kind eventId replay dead webhook { status } } }";
    let mut variables = by_source(&inbox);
    let first = inbox.told().await[0].number - 1;
    variables["after"] = portolan::kernel::cursor::Cursor::encode("events", &first).unwrap().0.into();
    let mut stream = inbox.hub.follow(&viewer, document, variables).await;
    let mut heard = Vec::new();
    while heard.len() < 3 {
        if let Heard::Event(event) = stream.heard().await {
            let data: Value = serde_json::from_str(&event.data).unwrap();
            heard.push(data["data"]["webhookEventReceived"].clone());
        }
    }
    assert!(heard.iter().all(|item| item["happening"] == "payment.succeeded" && item["dead"] == false), "{heard:?}");
    assert_eq!(heard[0]["webhook"]["status"], "PROCESSED");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_webhooks_are_nobodys_business() {
    let inbox = Inbox::of("stripe").await;
    inbox.taken(&inbox.webhook()).await;
    inbox.work().await;
    let there = inbox.hub.another_tenant("elsewhere").await;
    let stranger = inbox.hub.token_of(&there, Role::Admin).await;
    let all =
        ask(&inbox.hub, &stranger, "{ webhookEvents { totalCount } webhookSources { totalCount } }", json!({})).await;
    assert_eq!(all, json!({ "webhookEvents": { "totalCount": 0 }, "webhookSources": { "totalCount": 0 } }));
    let replay = "mutation R($ids: [ID!]) { replayWebhookEvents(input: { ids: $ids }) { count userErrors { code } } }";
    let id = inbox.kept().await[0].id;
    let refused = ask(&inbox.hub, &stranger, replay, json!({ "ids": [id] })).await;
    assert_eq!(refused["replayWebhookEvents"]["userErrors"][0]["code"], "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_of_a_suspended_tenant_are_to_come_again() {
    let inbox = Inbox::of("stripe").await;
    let sent = inbox.webhook();
    // The tenant of whoever runs the hub cannot be suspended by them; here it is the only one.
    let db = inbox.hub.app.hub().database.writer();
    sea_orm::ConnectionTrait::execute_unprepared(db, "UPDATE tenants SET status = 'SUSPENDED'").await.unwrap();
    inbox.hub.clock.advance(TimeDelta::seconds(3));
    let reply = inbox.send(&sent).await;
    assert_eq!((reply.status.as_u16(), reply.header("retry-after")), (503, "3600"));
    assert!(inbox.kept().await.is_empty());
}

/// A provider's answer as its file has it.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_wants_to_hear_something_hears_it() {
    let inbox = Inbox::of("twilio").await;
    let reply = inbox.send(&inbox.webhook()).await;
    assert_eq!((reply.text.as_str(), reply.header("content-type")), ("<Response/>", "text/xml"));
}
