//! Webhooks of an address that serves every tenant follow the account that the provider confirmed, and no setting.

use std::sync::Arc;

use chrono::TimeDelta;
use portolan::{
    context::Cx,
    domain::{
        credential::given::Given,
        health::{Source, probe},
        inbox::{
            Status, WebhookEvent,
            source::{self, NewSource},
        },
        integration::{
            self, Integration,
            change::{self, IntegrationChange},
            create::{self, Capabilities, NewIntegration},
            reconnect::{self, Takeover},
            test,
        },
        provider::Auth,
        tenant::{self, lifecycle},
    },
    kernel::{id::IntegrationId, scope::Role, secret::Secret},
    provider::{
        catalogue::Catalogue,
        simulator::{
            KEYS, Mood,
            hook::{Delivery, How},
        },
        template::Values,
        webhook::sign::{Unsigned, sign},
    },
};
use serde_json::json;

use super::{
    ask, request,
    shared::{hub_wide, kept, work},
};
use crate::support::{
    TestHub,
    played::{Played, example},
};

const OWN: &str = "shpat_0123456789abcdef0123456789abcdef";
const OTHER: &str = "shpat_ffffffffffffffffffffffffffffffff";
const FALSE: &str = "shpat_00000000000000000000000000000000";

/// A hub with two shops at the provider, `tea-house` and `coffee-house`, each with a token of its own.
async fn shops() -> (Played, TestHub) {
    let played = Played::start().await;
    assert_eq!(played.value("shopify", "admin_token"), OWN);
    played.account("shopify", &[("shop", "coffee-house"), ("admin_token", OTHER)]);
    let settings = played.settings();
    let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let hub = TestHub::with(&settings).await;
    (played, hub)
}

fn token(token: &str) -> Given {
    Given::ApiKey { key: Secret::from(token.to_owned()), prefix: None }
}

/// Connects a shop as a tenant would.
async fn shop(cx: &Cx, shop: &str, secret: &str, skip_test: bool) -> portolan::kernel::error::Result<Integration> {
    let new = NewIntegration {
        provider: "shopify".to_owned(),
        name: Some(shop.to_owned()),
        settings: vec![("shop".to_owned(), shop.to_owned())],
        skip_test,
        ..NewIntegration::default()
    };
    create::create(cx, new, Some(token(secret)), None).await
}

async fn into_shop(cx: &Cx, id: IntegrationId, shop: &str) -> Integration {
    let settings = vec![("shop".to_owned(), Some(shop.to_owned()))];
    change::update(cx, id, IntegrationChange { settings, ..IntegrationChange::default() }).await.unwrap()
}

/// A webhook of a shop, as the provider signs it for the application.
fn order(cx: &Cx, url: &str, shop: &str, id: &str) -> Delivery {
    let manifest = cx.hub().catalogue.get("shopify").unwrap().clone();
    let webhook = manifest.webhook.get().unwrap();
    let mut values = Values::default();
    values.set_secret("webhook_secret", Secret::from("shpss_0123456789abcdef0123456789abcdef".to_owned()));
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("x-shopify-topic", "orders/create".to_owned()),
        ("x-shopify-webhook-id", id.to_owned()),
        ("x-shopify-shop-domain", format!("{shop}.myshopify.com")),
        ("x-shopify-triggered-at", "2026-11-21T10:00:00Z".to_owned()),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value)).to_vec();
    let body = json!({ "id": 1, "name": id, "secret_of": shop }).to_string().into_bytes();
    let mut unsigned = Unsigned { url: url.parse().unwrap(), headers, body, id: id.to_owned() };
    sign(&webhook.verify, &mut unsigned, &values, KEYS, cx.now()).unwrap();
    Delivery { url: unsigned.url, headers: unsigned.headers, body: unsigned.body }
}

/// Sends a webhook of a shop, and says how many more each of these tenants has.
async fn arrives<const N: usize>(hub: &TestHub, url: &str, of: &str, id: &str, at: [&Cx; N]) -> [usize; N] {
    let mut before = [0; N];
    for (count, cx) in before.iter_mut().zip(at) {
        *count = kept(cx).await.len();
    }
    let reply = hub.send(request(&order(at[0], url, of, id))).await;
    assert!(reply.status.is_success(), "{} {}", reply.status, reply.text);
    work(hub).await;
    let mut more = [0; N];
    for (place, cx) in at.iter().enumerate() {
        more[place] = kept(cx).await.len() - before[place];
    }
    more
}

fn texts(rows: &[WebhookEvent]) -> String {
    rows.iter().map(|row| String::from_utf8_lossy(&row.body).into_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claimed_account_gets_no_webhooks() {
    let (_played, hub) = shops().await;
    let (operator, owner) = (hub.cx(), hub.cx_of(&hub.another_tenant("owner").await));
    let claimant_tenant = hub.another_tenant("claimant").await;
    let claimant = hub.cx_of(&claimant_tenant);
    let url = hub_wide(&operator, "shopify").await;
    let own = shop(&owner, "tea-house", OWN, false).await.unwrap();
    assert_eq!(own.proven_account.as_deref(), Some("tea-house"));

    // Claimed with a false credential that nobody asks the provider about, as the API has it.
    let admin = hub.token_of(&claimant_tenant, Role::Admin).await;
    let create = "mutation C($input: CreateIntegrationInput!) { createIntegration(input: $input) {
        integration { id status } userErrors { message } } }";
    let input = json!({
        "provider": "shopify", "skipTest": true, "credentials": { "apiKey": { "key": FALSE } },
        "settings": [{ "name": "shop", "value": "tea-house" }],
    });
    let made = ask(&hub, &admin, create, json!({ "input": input })).await;
    let claim: IntegrationId =
        made["createIntegration"]["integration"]["id"].as_str().unwrap_or_else(|| panic!("{made}")).parse().unwrap();
    assert_eq!(arrives(&hub, &url, "tea-house", "w1", [&owner, &claimant]).await, [1, 0]);

    // After the provider refused it.
    assert!(!test::test(&claimant, claim).await.unwrap().passed);
    assert_eq!(arrives(&hub, &url, "tea-house", "w2", [&owner, &claimant]).await, [1, 0]);

    // With a right credential of another shop, at the address of the claimed one and at its own.
    assert!(shop(&claimant, "tea-house", OTHER, false).await.is_err());
    let other = shop(&claimant, "coffee-house", OTHER, false).await.unwrap();
    assert_eq!(other.proven_account.as_deref(), Some("coffee-house"));
    let moved = into_shop(&claimant, other.id, "tea-house").await;
    assert_eq!(moved.proven_account, None);
    assert_eq!(arrives(&hub, &url, "tea-house", "w3", [&owner, &claimant]).await, [1, 0]);
    assert_eq!(arrives(&hub, &url, "coffee-house", "w4", [&owner, &claimant]).await, [0, 0]);
    assert!(!test::test(&claimant, other.id).await.unwrap().passed);
    assert_eq!(arrives(&hub, &url, "tea-house", "w5", [&owner, &claimant]).await, [1, 0]);

    // What is its own it gets, once the provider has said so.
    into_shop(&claimant, other.id, "coffee-house").await;
    assert!(test::test(&claimant, other.id).await.unwrap().passed);
    assert_eq!(arrives(&hub, &url, "coffee-house", "w6", [&owner, &claimant]).await, [0, 1]);
    let (own, others) = (kept(&owner).await, kept(&claimant).await);
    assert!(own.iter().chain(&others).all(|row| row.status == Status::Processed), "{own:?} {others:?}");
    assert!(!texts(&own).contains("coffee-house") && !texts(&others).contains("tea-house"));
    // The signature over the body of one account is not for tenants: the account stands outside of what is signed.
    let headers = own[0].headers.to_string();
    assert!(headers.contains(r#"["x-shopify-hmac-sha256","…"]"#), "{headers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_proven_an_account_gets_its_webhooks_while_in_good_standing() {
    let (played, hub) = shops().await;
    let (operator, north) = (hub.cx(), hub.cx_of(&hub.another_tenant("north").await));
    let agency = hub.cx_of(&hub.another_tenant("agency").await);
    let url = hub_wide(&operator, "shopify").await;
    let a = shop(&north, "tea-house", OWN, false).await.unwrap().id;
    let b = shop(&agency, "tea-house", OWN, false).await.unwrap().id;
    let mut number = 0;
    let mut arrive = async || {
        number += 1;
        arrives(&hub, &url, "tea-house", &format!("g{number}"), [&north, &agency]).await
    };
    assert_eq!(arrive().await, [1, 1], "both have proven the account");

    change::enable(&north, a, false).await.unwrap();
    assert_eq!(arrive().await, [0, 1], "disabled");
    change::enable(&north, a, true).await.unwrap();
    assert!(test::test(&north, a).await.unwrap().passed);
    assert_eq!(arrive().await, [1, 1]);

    let capabilities = Capabilities { can_webhook: Some(false), ..Capabilities::default() };
    change::update(&north, a, IntegrationChange { capabilities, ..IntegrationChange::default() }).await.unwrap();
    assert_eq!(arrive().await, [0, 1], "not allowed to take webhooks");
    let capabilities = Capabilities { can_webhook: Some(true), ..Capabilities::default() };
    change::update(&north, a, IntegrationChange { capabilities, ..IntegrationChange::default() }).await.unwrap();
    assert_eq!(arrive().await, [1, 1]);

    for how in [Takeover::AtOnce, Takeover::Overlap(TimeDelta::hours(1))] {
        reconnect::give(&north, a, token(FALSE), how, true).await.unwrap();
        assert_eq!(integration::get(&north, a).await.unwrap().proven_account, None);
        assert_eq!(arrive().await, [0, 1], "another credential that was not asked about");
        let again = reconnect::give(&north, a, token(OWN), Takeover::AtOnce, false).await.unwrap();
        assert_eq!(again.proven_account.as_deref(), Some("tea-house"));
        assert_eq!(arrive().await, [1, 1]);
    }
    // A credential that serves on beside a new one does not prove anything of the new one.
    reconnect::give(&north, a, token(FALSE), Takeover::Overlap(TimeDelta::hours(1)), true).await.unwrap();
    assert!(test::test(&north, a).await.unwrap().passed, "by the credential before");
    assert_eq!(arrive().await, [0, 1]);
    reconnect::give(&north, a, token(OWN), Takeover::AtOnce, false).await.unwrap();

    // The plan is not what proves the account.
    let settings = vec![("plan".to_owned(), Some("plus".to_owned()))];
    let changed = change::update(&north, a, IntegrationChange { settings, ..IntegrationChange::default() }).await;
    assert_eq!(changed.unwrap().proven_account.as_deref(), Some("tea-house"));
    assert_eq!(arrive().await, [1, 1]);

    played.behave("shopify", Mood::Revoked, None);
    assert!(!test::test(&north, a).await.unwrap().passed);
    played.behave("shopify", Mood::Well, None);
    assert_eq!(integration::get(&north, a).await.unwrap().proven_account, None);
    assert_eq!(arrive().await, [0, 1], "the credential was refused");
    reconnect::give(&north, a, token(OWN), Takeover::AtOnce, false).await.unwrap();
    assert_eq!(arrive().await, [1, 1]);

    let suspended = tenant::named(hub.app.hub(), "agency").await.unwrap().id;
    lifecycle::suspend(&operator, suspended, "unpaid").await.unwrap();
    assert_eq!(arrive().await, [1, 0], "suspended");
    lifecycle::resume(&operator, suspended).await.unwrap();
    assert_eq!(arrive().await, [1, 1]);

    change::delete(&agency, b).await.unwrap();
    assert_eq!(arrive().await, [1, 0], "deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_proves_an_account_that_nobody_tested_and_finds_when_it_is_lost() {
    let (played, hub) = shops().await;
    let north = hub.cx_of(&hub.another_tenant("north").await);
    let probed = async |id: IntegrationId| {
        let integration = integration::get(&north, id).await.unwrap();
        probe::ask(hub.app.hub(), &integration, None, Source::Probe).await.unwrap();
        integration::get(&north, id).await.unwrap().proven_account
    };
    let right = shop(&north, "tea-house", OWN, true).await.unwrap();
    let wrong = shop(&north, "tea-house", FALSE, true).await.unwrap();
    assert_eq!((right.proven_account.as_deref(), wrong.proven_account.as_deref()), (None, None));
    assert_eq!(probed(right.id).await.as_deref(), Some("tea-house"));
    assert_eq!(probed(wrong.id).await, None);
    // A provider that is away takes nothing from anybody; one that refuses does.
    played.behave("shopify", Mood::Down, None);
    assert_eq!(probed(right.id).await.as_deref(), Some("tea-house"));
    played.behave("shopify", Mood::Revoked, None);
    assert_eq!(probed(right.id).await, None);
    played.behave("shopify", Mood::Well, None);
    assert_eq!(probed(right.id).await.as_deref(), Some("tea-house"));
}

/// Another value of the form of an example.
fn other_of(example: &str) -> String {
    let at = example.rfind(|letter: char| letter.is_ascii_alphanumeric()).unwrap();
    let instead = if &example[at..=at] == "8" { "7" } else { "8" };
    format!("{}{instead}{}", &example[..at], &example[at + 1..])
}

#[tokio::test(flavor = "multi_thread")]
async fn every_provider_of_shared_addresses_proves_its_account_and_no_other() {
    let played = Played::start().await;
    let settings = played.settings();
    let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let hub = TestHub::with(&settings).await;
    let cx = hub.cx();
    let (mut by_credential, mut by_agreement) = (Vec::new(), Vec::new());
    for manifest in Catalogue::embedded().iter() {
        let Some((setting, _)) = manifest.account_proof() else { continue };
        let key = manifest.key.as_str();
        played.open(key);
        let own = played.value(key, setting);
        let foreign = other_of(&own);
        let method = manifest.auth.iter().find(|auth| !auth.fields().is_empty() && auth.token().is_none());
        let Some(method) = method else {
            by_agreement.push(key.to_owned());
            continue;
        };
        by_credential.push(key.to_owned());
        let field = method.fields()[0].name.as_str();
        let secret = other_of(&example(key, field));
        played.account(key, &[(setting, foreign.as_str()), (field, secret.as_str())]);
        let connect = async |tenant: &str, account: &str| {
            let cx = hub.cx_of(&hub.another_tenant(tenant).await);
            let mut values: Vec<_> = manifest
                .settings
                .all()
                .iter()
                .filter(|setting| setting.default.is_none())
                .filter_map(|setting| Some((setting.name.0.clone(), setting.example.clone()?)))
                .collect();
            values.retain(|(name, _)| name != setting);
            values.push((setting.to_owned(), account.to_owned()));
            let fields = method.fields().iter().map(|it| (it.name.0.clone(), Secret::from(it.example.clone())));
            let given = Given::Fields { method: method.key().0.clone(), values: fields.collect() };
            let new = NewIntegration {
                provider: key.to_owned(),
                settings: values,
                skip_test: true,
                ..NewIntegration::default()
            };
            let made = create::create(&cx, new, Some(given), None).await.unwrap();
            test::test(&cx, made.id).await.unwrap().integration.proven_account
        };
        let short = key.replace('_', "-");
        assert_eq!(connect(&format!("{short}-own"), &own).await.as_deref(), Some(own.as_str()), "{key}");
        assert_eq!(connect(&format!("{short}-claim"), &foreign).await, None, "{key}");
    }
    assert_eq!(by_credential, ["facebook", "meta_ads", "shopify", "whatsapp"]);
    // Of these the account comes with the agreement itself.
    assert_eq!(by_agreement, ["instagram", "linkedin", "tiktok"]);
    for manifest in Catalogue::embedded().iter().filter(|it| it.account_proof().is_none()) {
        let Some(webhook) = manifest.webhook.get() else { continue };
        let secrets = webhook.fields.iter().flatten();
        let secrets = secrets.map(|field| (field.name.0.clone(), Secret::from(field.example.clone()))).collect();
        let new = NewSource {
            provider: Some(manifest.key.0.clone()),
            integration: None,
            hub_wide: true,
            name: None,
            secrets,
        };
        let refused = source::create(&cx, new, None).await;
        assert!(refused.is_err(), "{}", manifest.key);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_came_with_an_agreement_is_proven_by_the_answer_of_the_provider() {
    let played = Played::start().await;
    let settings = played.settings();
    let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let hub = TestHub::with(&settings).await;
    let hub_of_all = Arc::clone(hub.app.hub());
    for key in ["instagram", "linkedin", "tiktok"] {
        let manifest = hub_of_all.catalogue.get(key).unwrap().clone();
        let (setting, _) = manifest.account_proof().unwrap();
        let own = played.value(key, setting);
        for (claimed, proven) in [(own.clone(), Some(own.clone())), (other_of(&own), None)] {
            let tenant = format!("{key}-{}", if proven.is_some() { "own" } else { "claim" });
            let cx = hub.cx_of(&hub.another_tenant(&tenant).await);
            let fields = manifest.app.iter().flatten();
            let fields: Vec<_> =
                fields.map(|field| (field.name.0.clone(), Secret::from(field.example.clone()))).collect();
            portolan::domain::credential::app::put(&cx, key, false, &fields).await.unwrap();
            let method = manifest.auth.iter().find(|auth| matches!(auth, Auth::AuthorizationCode(_))).unwrap();
            let new = NewIntegration {
                provider: key.to_owned(),
                auth_method: Some(method.key().0.clone()),
                settings: vec![(setting.to_owned(), claimed.clone())],
                ..NewIntegration::default()
            };
            let id = create::create(&cx, new, None, None).await.unwrap().id;
            let url = integration::authorize::start(&cx, id).await.unwrap();
            let back = crate::integration::agree(url.as_str()).await;
            let back = url::Url::parse(&format!("http://x{back}")).unwrap();
            let said = |name: &str| back.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
            let returned = integration::authorize::Returned {
                state: Some(said("state")),
                code: Some(Secret::from(said("code"))),
                ..integration::authorize::Returned::default()
            };
            let done = integration::authorize::finish(&cx, returned).await.unwrap();
            let now = done.settings[setting].as_str().unwrap().to_owned();
            // Where the token's answer says which account it is, the claim is overwritten.
            let proven = if now == own { Some(own.clone()) } else { proven };
            assert_eq!(done.proven_account, proven, "{key} {claimed}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_integration_that_may_not_take_webhooks_refuses_them() {
    let inbox = super::Inbox::of("shopify").await;
    let cx = inbox.hub.cx();
    let may = async |can_webhook: bool| {
        let capabilities = Capabilities { can_webhook: Some(can_webhook), ..Capabilities::default() };
        let change = IntegrationChange { capabilities, ..IntegrationChange::default() };
        change::update(&cx, inbox.integration, change).await.unwrap();
        inbox.hub.clock.advance(TimeDelta::seconds(3));
    };
    inbox.taken(&inbox.webhook()).await;
    inbox.work().await;
    may(false).await;
    assert_eq!(inbox.send(&inbox.webhook()).await.status, 404);
    // Nor does it get what came to an address for all of its tenant's integrations.
    let shared = super::make(&inbox.hub, &inbox.played, "shopify", None).await;
    let now = cx.now();
    let of_tenant = inbox.played.webhooks("shopify", shared.url.expose(), How::Right, 1, now).remove(0);
    assert!(inbox.hub.send(request(&of_tenant)).await.status.is_success());
    inbox.work().await;
    let rows = inbox.kept().await;
    let refused = rows.iter().find(|row| row.source_id == shared.source.id).unwrap();
    assert_eq!(refused.status, Status::Received);
    assert!(refused.reason.as_ref().unwrap().contains("canWebhook"), "{refused:?}");
    let new = NewSource {
        provider: None,
        integration: Some(inbox.integration),
        hub_wide: false,
        name: None,
        secrets: vec![("webhook_secret".to_owned(), Secret::from(inbox.played.value("shopify", "webhook_secret")))],
    };
    assert!(source::create(&cx, new.clone(), None).await.is_err());
    may(true).await;
    source::create(&cx, new, None).await.unwrap();
    inbox.taken(&inbox.webhook()).await;
    inbox.work().await;
    let counted = inbox.kept().await;
    let own = counted.iter().filter(|row| row.source_id == inbox.made.source.id);
    assert_eq!(own.map(|row| row.status).collect::<Vec<_>>(), [Status::Processed; 2]);
}
