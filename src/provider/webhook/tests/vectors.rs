//! Signatures that others made: published by vendors, or by `openssl`.

use serde_json::Value;

use super::{Refusal, examples, hook, now, plain, secret};

/// The vector of the Standard Webhooks libraries.
#[test]
fn the_published_vector_of_standard_webhooks_is_accepted() {
    let (_, webhook) = hook("custom_rest");
    let sent = plain(
        "https://hub.example.com/",
        &[
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        ],
        br#"{"test": 2432232314}"#,
    );
    let values = secret("webhook_secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let then = "2021-02-25T15:02:10Z".parse().unwrap();
    assert_eq!(sent.check(&webhook.verify, &[&values], then), Ok(()));
    assert_eq!(sent.check(&webhook.verify, &[&values], now()), Err(Refusal::Stale));
}

/// The example of Twilio's documentation.
#[test]
fn the_published_vector_of_twilio_is_accepted() {
    let (_, webhook) = hook("twilio");
    let body = "Digits=1234&To=%2B18005551212&From=%2B14158675309&Caller=%2B14158675309&CallSid=CA1234567890ABCDE";
    let sent = plain(
        "https://mycompany.com/myapp.php?foo=1&bar=2",
        &[
            ("content-type", "application/x-www-form-urlencoded"),
            ("x-twilio-signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ],
        body.as_bytes(),
    );
    let values = secret("auth_token", "12345");
    assert_eq!(sent.check(&webhook.verify, &[&values], now()), Ok(()));
}

/// Made with `openssl dgst -sha256 -hmac`, apart from our own code.
#[test]
fn signatures_made_elsewhere_are_accepted() {
    let (_, stripe) = hook("stripe");
    let sent = plain(
        "https://hub.example.com/",
        &[(
            "stripe-signature",
            "t=1795255200,v0=00,v1=00ff,v1=15f0cd627ab47993de2be7398141013c511b2a0c576634ea02569ca779f7c06d",
        )],
        br#"{"id":"evt_1","type":"payment_intent.succeeded"}"#,
    );
    assert_eq!(sent.check(&stripe.verify, &[&secret("webhook_secret", "whsec_test")], now()), Ok(()));
    let (_, shopify) = hook("shopify");
    let sent = plain(
        "https://hub.example.com/",
        &[("x-shopify-hmac-sha256", "1GxccvotnkOedTjSm8S0m/VA3yAUKshyqT52ccNYHj4=")],
        br#"{"id":1}"#,
    );
    assert_eq!(sent.check(&shopify.verify, &[&secret("webhook_secret", "shpss_test")], now()), Ok(()));
    let (_, meta) = hook("facebook");
    let sent = plain(
        "https://hub.example.com/",
        &[("x-hub-signature-256", "sha256=d1d02b11c28c076bd4abb31ab2494638d3a0de4e358a7786e8e71c1cf60ac802")],
        br#"{"object":"page"}"#,
    );
    assert_eq!(sent.check(&meta.verify, &[&secret("app.client_secret", "app_test")], now()), Ok(()));
    let (_, linkedin) = hook("linkedin");
    let sent = plain(
        "https://hub.example.com/",
        &[("x-li-signature", "100f85355f11a0960963bcf84f629adf262dd050fdab72df24754972d852274f")],
        br#"{"type":"x"}"#,
    );
    assert_eq!(sent.check(&linkedin.verify, &[&secret("app.client_secret", "li_test")], now()), Ok(()));
    let (_, telr) = hook("telr");
    let body = b"tran_store=1&tran_ref=2&tran_status=A&tran_check=d0a2a63a986c80046de4f1564d92006d0836de0e";
    let sent = plain("https://hub.example.com/", &[("content-type", "application/x-www-form-urlencoded")], body);
    assert_eq!(sent.check(&telr.verify, &[&secret("webhook_secret", "telr_test")], now()), Ok(()));
}

/// What the vendors' own SDKs signed with the made-up secrets of our files: `node tests/js/signatures.mjs make`.
/// The other way round, what our simulator signs, the same script has the SDKs verify.
#[test]
fn what_the_vendors_sdks_signed_is_accepted() {
    let signed: Vec<Value> = serde_json::from_str(include_str!("sdk.json")).unwrap();
    assert!(signed.len() >= 5);
    for one in &signed {
        let text = |name: &str| one[name].as_str().unwrap();
        let headers: Vec<(&str, &str)> = one["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        let (manifest, webhook) = hook(text("provider"));
        let values = examples(&manifest);
        let sent = plain(text("url"), &headers, text("body").as_bytes());
        assert_eq!(sent.check(&webhook.verify, &[&values], now()), Ok(()), "{}", text("provider"));
        let tampered = plain(text("url"), &headers, text("body").replace('1', "2").as_bytes());
        assert!(tampered.check(&webhook.verify, &[&values], now()).is_err(), "{}", text("provider"));
    }
}
