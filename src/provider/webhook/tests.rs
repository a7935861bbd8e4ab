//! Signatures: the vendors' own forms are accepted, whatever is changed is refused, and nothing panics.

mod vectors;

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use url::Url;

use super::{
    Received, Refusal,
    certificate::Fetched,
    event, handshake,
    sign::{PrivateKeys, Unsigned, sign},
    verify,
};
use crate::{
    kernel::{
        chance::{Chance, SeededChance},
        clock::Moment,
        secret::Secret,
    },
    provider::{
        catalogue::Catalogue,
        manifest::{
            Manifest,
            auth::Auth,
            webhook::{BodyFormat, Happening, Verify, Webhook},
        },
        request,
        template::Values,
    },
};

const KEYS: PrivateKeys<'_> = PrivateKeys {
    rsa: include_str!("../simulator/keys/rsa.pem"),
    certificate_url: "https://api.paypal.com/v1/notifications/certs/CERT-1",
    p256: include_str!("../simulator/keys/p256.pem"),
};
const CERTIFICATE: &str = include_str!("../simulator/keys/certificate.pem");

/// A webhook in the hands of whoever sends it.
#[derive(Clone, Debug)]
struct Delivery {
    url: Url,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    from: IpAddr,
}

impl Delivery {
    fn headers(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value.as_bytes())) {
                map.append(name, value);
            }
        }
        map
    }

    fn check(&self, scheme: &Verify, keys: &[&Values], now: Moment) -> Result<(), Refusal> {
        let headers = self.headers();
        let received = Received { url: &self.url, headers: &headers, body: &self.body, from: self.from };
        let at: Url = KEYS.certificate_url.parse().unwrap();
        verify(scheme, received, keys, Some(Fetched { from: &at, pem: CERTIFICATE.as_bytes() }), now)
    }
}

fn now() -> Moment {
    "2026-11-21T10:00:00Z".parse().unwrap()
}

/// Every secret with the made-up value that its file has.
fn examples(manifest: &Manifest) -> Values {
    let mut values = Values::default();
    for setting in manifest.settings.all() {
        if let Some(text) = setting.default.as_ref().or(setting.example.as_ref()) {
            values.set(setting.name.as_str(), text.as_str());
        }
    }
    let fields = manifest.auth.iter().flat_map(Auth::fields);
    let hook = manifest.webhook.get().and_then(|webhook| webhook.fields.as_deref()).unwrap_or_default();
    for field in fields.chain(hook) {
        values.set_secret(field.name.as_str(), Secret::from(field.example.clone()));
    }
    for field in manifest.app.iter().flatten() {
        values.set_secret(&format!("app.{}", field.name), Secret::from(field.example.clone()));
    }
    values
}

/// The example of a file, signed as the provider signs.
fn delivery(webhook: &Webhook, values: &Values) -> Delivery {
    let sent = &webhook.example;
    let (kind, body) = match webhook.format {
        BodyFormat::Json => ("application/json", sent.body.0.to_string()),
        BodyFormat::Form => ("application/x-www-form-urlencoded", request::form(&sent.body.0)),
    };
    let mut headers = vec![("content-type".to_owned(), kind.to_owned())];
    for (name, value) in sent.headers.iter().flatten() {
        // The scheme sets this one itself.
        if name != "webhook-id" {
            headers.push((name.to_ascii_lowercase(), value.clone()));
        }
    }
    let url = "https://hub.example.com/hooks/src_1?x=1".parse().unwrap();
    let mut unsigned = Unsigned { url, headers, body: body.into_bytes(), id: "msg_0001".to_owned() };
    sign(&webhook.verify, &mut unsigned, values, KEYS, now()).unwrap();
    let from = if let Verify::SourceAddress(_) = webhook.verify { [20, 65, 16, 22] } else { [203, 0, 113, 9] };
    Delivery { url: unsigned.url, headers: unsigned.headers, body: unsigned.body, from: from.into() }
}

fn providers() -> Vec<std::sync::Arc<Manifest>> {
    Catalogue::embedded().iter().filter(|manifest| manifest.webhook.get().is_some()).cloned().collect()
}

#[test]
fn every_providers_own_form_is_accepted_and_says_what_happened() {
    let mut schemes = std::collections::BTreeSet::new();
    for manifest in providers() {
        let webhook = manifest.webhook.get().unwrap();
        schemes.insert(webhook.verify.word());
        let values = examples(&manifest);
        let sent = delivery(webhook, &values);
        assert_eq!(sent.check(&webhook.verify, &[&values], now()), Ok(()), "{}", manifest.key);
        let headers = sent.headers();
        let received = Received { url: &sent.url, headers: &headers, body: &sent.body, from: sent.from };
        let events = event::read(webhook, received).unwrap();
        assert!(events.iter().any(|event| event.is.is_some()), "{}", manifest.key);
    }
    assert_eq!(schemes.len(), 11, "every scheme is used: {schemes:?}");
}

/// Whether the scheme's signature covers the body.
fn covers_the_body(scheme: &Verify) -> bool {
    !matches!(scheme, Verify::SharedHeader(_) | Verify::Basic(_) | Verify::UrlSecret(_) | Verify::SourceAddress(_))
}

/// The delivery with one thing changed, in each way that must be refused.
fn mutations(scheme: &Verify, sent: &Delivery) -> Vec<(&'static str, Delivery)> {
    let original: Vec<&str> = vec![
        "content-type",
        "x-shopify-topic",
        "x-shopify-webhook-id",
        "x-shopify-shop-domain",
        "x-shopify-triggered-at",
    ];
    let proof = |name: &str| !original.contains(&name);
    let each = |change: &dyn Fn(&mut String)| {
        let mut changed = sent.clone();
        changed.headers.iter_mut().filter(|(name, _)| proof(name)).for_each(|(_, value)| change(value));
        let url: Vec<(String, String)> =
            changed.url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        changed.url.set_query(None);
        for (name, mut value) in url {
            if name == "key" {
                change(&mut value);
            }
            changed.url.query_pairs_mut().append_pair(&name, &value);
        }
        if let Verify::FieldDigest(it) = scheme {
            let mut fields: Vec<(String, String)> = url::form_urlencoded::parse(&changed.body).into_owned().collect();
            fields
                .iter_mut()
                .filter(|(name, _)| it.sections.iter().any(|section| section.check == *name))
                .for_each(|(_, value)| change(value));
            changed.body =
                url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into_bytes();
        }
        changed
    };
    let mut all = vec![
        ("everything that proves is empty", each(&|value| value.clear())),
        (
            "the last letter is another",
            each(&|value| {
                let last = value.pop().unwrap_or('a');
                value.push(if last == 'A' { 'B' } else { 'A' });
                // The end of base64 may be padding; change an inner letter too.
                let inner = value.len() / 2;
                let letter = value.as_bytes()[inner];
                value.replace_range(inner..=inner, if letter == b'a' { "b" } else { "a" });
            }),
        ),
        ("it is cut", each(&|value| value.truncate(value.len() / 2))),
        ("something is added", each(&|value| value.push_str("00"))),
        ("it is nonsense", each(&|value| *value = "\u{ff}\u{fe}%%%".to_owned())),
        ("it is very long", each(&|value| *value = "A".repeat(20_000))),
        ("letters are turned round", each(&|value| *value = value.chars().rev().collect())),
    ];
    let mut bare = sent.clone();
    bare.headers.retain(|(name, _)| !proof(name));
    bare.url.set_query(None);
    if let Verify::FieldDigest(_) = scheme {
        bare.body = b"tran_ref=1&tran_status=A".to_vec();
    }
    all.push(("nothing proves it", bare));
    let mut doubled = sent.clone();
    let again: Vec<_> = doubled.headers.iter().filter(|(name, _)| proof(name)).cloned().collect();
    doubled.headers.extend(again);
    if let Some((_, value)) = sent.url.query_pairs().find(|(name, _)| name == "key") {
        doubled.url.query_pairs_mut().append_pair("key", &value);
    }
    if let Verify::FieldDigest(_) = scheme {
        doubled.body.extend_from_slice(b"&tran_check=00");
    }
    all.push(("what proves comes twice", doubled));
    if covers_the_body(scheme) {
        let mut longer = sent.clone();
        longer.body.extend_from_slice(if sent.body.starts_with(b"{") || sent.body.starts_with(b"[") {
            b" "
        } else {
            b"&tran_amount=9"
        });
        all.push(("the body is longer", longer));
        let mut other = sent.clone();
        let at = other.body.len() / 3;
        other.body[at] ^= 1;
        all.push(("one bit of the body is another", other));
        let mut empty = sent.clone();
        empty.body.clear();
        all.push(("the body is empty", empty));
    }
    if let Verify::SourceAddress(_) = scheme {
        let mut elsewhere = sent.clone();
        elsewhere.from = [203, 0, 113, 9].into();
        all.push(("it comes from elsewhere", elsewhere));
    }
    if let Verify::UrlHmac(_) = scheme {
        let mut elsewhere = sent.clone();
        elsewhere.url = "https://hub.example.com/hooks/src_2?x=1".parse().unwrap();
        all.push(("it was for another address", elsewhere));
    }
    all
}

#[test]
fn whatever_is_changed_is_refused() {
    for manifest in providers() {
        let webhook = manifest.webhook.get().unwrap();
        let values = examples(&manifest);
        let sent = delivery(webhook, &values);
        let mut changes = 0;
        for (what, changed) in mutations(&webhook.verify, &sent) {
            assert!(changed.check(&webhook.verify, &[&values], now()).is_err(), "{}: {what}", manifest.key);
            changes += 1;
        }
        // With no secret, with another, and with one that is empty.
        let mut other = Values::default();
        assert_eq!(sent.check(&webhook.verify, &[&other], now()), Err(Refusal::NoSecret), "{}", manifest.key);
        assert_eq!(sent.check(&webhook.verify, &[], now()), Err(Refusal::NoSecret), "{}", manifest.key);
        for name in [
            "webhook_secret",
            "webhook_value",
            "webhook_password",
            "auth_token",
            "app.client_secret",
            "webhook_id",
            "verification_key",
        ] {
            other.set_secret(name, Secret::from("another-secret-0123456789".to_owned()));
        }
        other.set("webhook_header", "X-Portolan-Key").set("webhook_user", "portolan");
        assert!(sent.check(&webhook.verify, &[&other], now()).is_err(), "{}", manifest.key);
        // While a secret is changed, both are good.
        assert_eq!(sent.check(&webhook.verify, &[&other, &values], now()), Ok(()), "{}", manifest.key);
        assert!(changes + 3 >= 10, "{}: {changes}", manifest.key);
    }
}

#[test]
fn what_is_too_old_or_too_early_is_refused_where_the_scheme_has_a_time() {
    let timed = ["stripe", "tiktok", "sendgrid", "custom_rest"];
    for manifest in providers() {
        if !timed.contains(&manifest.key.as_str()) {
            continue;
        }
        let webhook = manifest.webhook.get().unwrap();
        let values = examples(&manifest);
        let sent = delivery(webhook, &values);
        let tolerance = match &webhook.verify {
            Verify::HmacTimestamped(it) => it.tolerance,
            Verify::Ecdsa(it) => it.tolerance,
            Verify::StandardWebhooks(it) => it.tolerance,
            other => panic!("{}", other.word()),
        };
        for (apart, good) in [(tolerance, true), (tolerance + std::time::Duration::from_secs(1), false)] {
            for moment in [now() + apart, now() - apart] {
                let verdict = sent.check(&webhook.verify, &[&values], moment);
                assert_eq!(verdict.is_ok(), good, "{} {moment}: {verdict:?}", manifest.key);
            }
        }
    }
}

fn hook(key: &str) -> (std::sync::Arc<Manifest>, Webhook) {
    let manifest = Catalogue::embedded().get(key).unwrap().clone();
    let webhook = manifest.webhook.get().unwrap().clone();
    (manifest, webhook)
}

fn secret(name: &str, value: &str) -> Values {
    let mut values = Values::default();
    values.set_secret(name, Secret::from(value.to_owned()));
    values
}

fn plain(url: &str, headers: &[(&str, &str)], body: &[u8]) -> Delivery {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Delivery { url: url.parse().unwrap(), headers, body: body.to_vec(), from: [203, 0, 113, 9].into() }
}

#[test]
fn a_certificate_is_fetched_from_the_provider_only() {
    let (manifest, webhook) = hook("paypal");
    let values = examples(&manifest);
    let sent = delivery(&webhook, &values);
    let headers = sent.headers();
    let received = Received { url: &sent.url, headers: &headers, body: &sent.body, from: sent.from };
    let at: Url = KEYS.certificate_url.parse().unwrap();
    assert_eq!(verify(&webhook.verify, received, &[&values], None, now()), Err(Refusal::Fetch(at.clone())));
    for address in [
        "http://api.paypal.com/v1/certs/1",
        "https://api.paypal.com.evil.example/v1/certs/1",
        "https://evil.example/api.paypal.com",
        "https://api.paypal.com@evil.example/",
        "https://api.paypal.com:8443/v1/certs/1",
        "https://api.paypal.com/v1/certs/1?redirect=https://evil.example",
        "https://169.254.169.254/latest",
        "file:///etc/passwd",
        "",
    ] {
        let mut moved = sent.clone();
        moved
            .headers
            .iter_mut()
            .filter(|(name, _)| name == "paypal-cert-url")
            .for_each(|(_, value)| *value = address.to_owned());
        let headers = moved.headers();
        let received = Received { url: &moved.url, headers: &headers, body: &moved.body, from: moved.from };
        let verdict = verify(&webhook.verify, received, &[&values], None, now());
        assert!(!matches!(verdict, Ok(()) | Err(Refusal::Fetch(_))), "{address}: {verdict:?}");
    }
    for pem in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", KEYS.rsa] {
        let verdict =
            verify(&webhook.verify, received, &[&values], Some(Fetched { from: &at, pem: pem.as_bytes() }), now());
        assert!(verdict.is_err(), "{pem}");
    }
    let late = "2200-01-01T00:00:00Z".parse().unwrap();
    let fetched = Some(Fetched { from: &at, pem: CERTIFICATE.as_bytes() });
    assert_eq!(verify(&webhook.verify, received, &[&values], fetched, late), Err(Refusal::Stale));
}

#[test]
fn a_body_of_json_is_covered_by_its_hash_in_twilios_scheme() {
    let (manifest, webhook) = hook("twilio");
    let values = examples(&manifest);
    let url: Url = "https://hub.example.com/hooks/1".parse().unwrap();
    let mut unsigned = Unsigned {
        url,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: b"{\"a\":1}".to_vec(),
        id: "1".to_owned(),
    };
    sign(&webhook.verify, &mut unsigned, &values, KEYS, now()).unwrap();
    let mut sent =
        Delivery { url: unsigned.url, headers: unsigned.headers, body: unsigned.body, from: [203, 0, 113, 9].into() };
    assert_eq!(sent.check(&webhook.verify, &[&values], now()), Ok(()));
    sent.body = b"{\"a\":2}".to_vec();
    assert_eq!(sent.check(&webhook.verify, &[&values], now()), Err(Refusal::Mismatch));
    sent.url.set_query(None);
    assert!(sent.check(&webhook.verify, &[&values], now()).is_err(), "a body without a hash is covered by nothing");
}

#[test]
fn questions_are_answered_only_to_those_who_know_the_token() {
    let (manifest, webhook) = hook("facebook");
    let values = examples(&manifest);
    let handshake = webhook.handshake.get().unwrap();
    let ask = |query: &str| {
        let url: Url = format!("https://hub.example.com/hooks/1?{query}").parse().unwrap();
        handshake::answer(handshake, &url, &[&values]).map(|greeting| greeting.body)
    };
    let token = "hub.mode=subscribe&hub.verify_token=example-verify-token";
    assert_eq!(ask(&format!("{token}&hub.challenge=1158201444")), Ok("1158201444".to_owned()));
    assert_eq!(ask("hub.verify_token=wrong&hub.challenge=1"), Err(Refusal::Mismatch));
    assert!(ask(token).is_err());
    assert!(ask(&format!("{token}&hub.challenge=%3Cscript%3E%0A")).is_err());
    assert!(ask(&format!("{token}&hub.challenge={}", "1".repeat(600))).is_err());
    assert!(ask(&format!("{token}&hub.challenge=1&hub.challenge=2")).is_err());

    let (manifest, webhook) = hook("linkedin");
    let values = examples(&manifest);
    let url: Url = "https://hub.example.com/?challengeCode=890e4665-4dfe-4ab1-b689-ed553bceeed0".parse().unwrap();
    let greeting = handshake::answer(webhook.handshake.get().unwrap(), &url, &[&values]).unwrap();
    let body: Value = serde_json::from_str(&greeting.body).unwrap();
    assert_eq!(body["challengeCode"], "890e4665-4dfe-4ab1-b689-ed553bceeed0");
    assert_eq!(body["challengeResponse"].as_str().map(str::len), Some(64));
}

#[test]
fn no_bytes_make_a_check_or_a_reading_panic() {
    let chance = SeededChance::new(5);
    for manifest in providers() {
        let webhook = manifest.webhook.get().unwrap();
        let values = examples(&manifest);
        let sent = delivery(webhook, &values);
        for _ in 0..200 {
            let mut changed = sent.clone();
            let mut dice = [0; 64];
            chance.fill(&mut dice);
            let which = usize::from(dice[0]) % changed.headers.len();
            let value = &mut changed.headers[which].1;
            match dice[1] % 4 {
                0 => *value = String::from_utf8_lossy(&dice[2..34]).into_owned(),
                1 => value.truncate(usize::from(dice[2]) % (value.len() + 1)),
                2 => value.push_str(&String::from_utf8_lossy(&dice[2..8])),
                _ => changed.body = dice[..usize::from(dice[2]) % 64].to_vec(),
            }
            if changed.headers != sent.headers || changed.body != sent.body {
                let _ = changed.check(&webhook.verify, &[&values], now());
            }
            let headers = changed.headers();
            let received = Received { url: &changed.url, headers: &headers, body: &changed.body, from: changed.from };
            let _ = event::read(webhook, received);
        }
    }
}

#[test]
fn work_grows_with_the_body_and_not_with_what_is_offered_beside_it() {
    let body = vec![b'x'; 256 << 10];
    let sign = |key: &str, value: String| {
        let (_, webhook) = hook(key);
        let headers: Vec<(&str, &str)> = match key {
            "stripe" => vec![("stripe-signature", &value)],
            _ => vec![("webhook-id", "m"), ("webhook-timestamp", "1795255200"), ("webhook-signature", &value)],
        };
        let sent = plain("https://hub.example.com/x", &headers, &body);
        let values = examples(&hook(key).0);
        // The best of several, so that a busy machine counts little.
        let times = (0..5).map(|_| {
            let began = std::time::Instant::now();
            assert_eq!(sent.check(&webhook.verify, &[&values], now()), Err(Refusal::Mismatch), "{key}");
            began.elapsed()
        });
        times.min().unwrap()
    };
    let hex = "00".repeat(32);
    let stripe = |count: usize| sign("stripe", format!("t=1795255200{}", format!(",v1={hex}").repeat(count)));
    let base = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let standard = |count: usize| sign("custom_rest", format!("v1,{base} ").repeat(count));
    for (one, many) in [(stripe(1), stripe(100)), (standard(1), standard(100))] {
        assert!(many < one * 4, "{one:?} for one, {many:?} for a hundred");
    }
}

#[test]
fn what_proves_is_compared_in_constant_time_only() {
    for (name, text) in [
        ("hmac", include_str!("hmac.rs")),
        ("form", include_str!("form.rs")),
        ("shared", include_str!("shared.rs")),
        ("handshake", include_str!("handshake.rs")),
    ] {
        assert!(text.contains("ct_eq") || text.contains("same("), "{name} compares otherwise");
        let plain =
            ["== offered", "== &offered", "== right", "offered ==", "right ==", "== token", "token ==", "secret =="];
        for pattern in plain {
            assert!(!text.contains(pattern), "{name} compares with `{pattern}`");
        }
    }
}

#[test]
fn events_are_told_apart_and_nothing_is_lost() {
    let (_, webhook) = hook("whatsapp");
    let body = br#"{"entry":[{"id":"1","changes":[{"value":{"metadata":{"phone_number_id":"42"},
        "messages":[{"id":"wamid.A","timestamp":"1795255200"},{"id":"wamid.B","timestamp":"1795255201"}],
        "statuses":[{"id":"wamid.C","status":"read","timestamp":"1795255202"},{"id":"wamid.D","status":"novel","timestamp":"1"}]}}]}]}"#;
    let url: Url = "https://hub.example.com/".parse().unwrap();
    let headers = HeaderMap::new();
    let received = Received { url: &url, headers: &headers, body, from: [127, 0, 0, 1].into() };
    let events = event::read(&webhook, received).unwrap();
    let told: Vec<_> = events
        .iter()
        .map(|event| (event.id.as_str(), event.is.map(Happening::as_str), event.account.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            ("wamid.A.received", Some("message.received"), Some("42")),
            ("wamid.B.received", Some("message.received"), Some("42")),
            ("wamid.C.read", Some("message.read"), Some("42")),
            ("wamid.D.novel", None, Some("42")),
        ]
    );
}
