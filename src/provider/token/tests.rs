//! Token calls as each provider wants them, and what their answers may be.

use serde_json::{Value, json};

use super::{NoToken, Pending, Purpose, authorize, call, challenge, read};
use crate::{
    kernel::{chance::SeededChance, clock::Moment, secret::Secret},
    provider::{
        catalogue::Catalogue,
        expression::Document,
        manifest::auth::{Auth, AuthorizationCode, TokenCall},
        request::Ready,
        template::Values,
    },
};

fn now() -> Moment {
    "2026-11-21T10:00:00Z".parse().unwrap()
}

fn method(provider: &str, key: &str) -> Auth {
    Catalogue::embedded().get(provider).unwrap().auth(key).unwrap().clone()
}

fn code(provider: &str, key: &str) -> AuthorizationCode {
    match method(provider, key) {
        Auth::AuthorizationCode(it) => *it,
        other => panic!("{}", other.word()),
    }
}

fn values() -> Values {
    let mut values = Values::default();
    for (name, value) in [
        ("client_id", "cid"),
        ("client_secret", "s&cret"),
        ("app.client_id", "app"),
        ("app.client_secret", "app-secret"),
        ("api_key", "QkFTRTY0"),
        ("code", "c0de"),
        ("access_token", "old-token"),
        ("refresh_token", "next"),
        ("code_verifier", "verifier"),
    ] {
        values.set_secret(name, Secret::from(value.to_owned()));
    }
    values
        .set("redirect_uri", "https://hub.example.com/oauth/callback")
        .set("version", "v25.0")
        .set("shop", "tea")
        .set("realm", "ni")
        .set("api", "https://api.example.com")
        .set("gateway", "https://gateway.example.com")
        .set("token_url", "https://auth.example.com/v1/oauth2/token");
    values
}

fn ready(of: &TokenCall, purpose: Purpose) -> (Ready, String) {
    let ready = call(of, purpose, &values()).unwrap().finish().unwrap();
    let body = String::from_utf8(ready.body.to_vec()).unwrap();
    assert!(ready.shown_body.is_none() || body.is_empty(), "a body with a secret is not shown");
    (ready, body)
}

#[test]
fn client_credentials_go_where_the_provider_wants_them() {
    let (ready, body) = ready(method("paypal", "client").token().unwrap(), Purpose::Credentials);
    assert_eq!(body, "grant_type=client_credentials");
    // Both parts are form-encoded before they are joined.
    assert_eq!(ready.headers["authorization"], "Basic Y2lkOnMlMjZjcmV0");
    assert!(ready.headers["authorization"].is_sensitive());

    let (ready, body) = self::ready(method("fedex", "project").token().unwrap(), Purpose::Credentials);
    assert_eq!(body, "client_id=cid&client_secret=s%26cret&grant_type=client_credentials");
    assert_eq!(ready.headers["content-type"], "application/x-www-form-urlencoded");
}

#[test]
fn the_odd_call_of_n_genius_is_made_as_documented() {
    let (ready, body) =
        ready(method("network_international", "service_account").token().unwrap(), Purpose::Credentials);
    assert_eq!(ready.url.as_str(), "https://gateway.example.com/identity/auth/access-token");
    assert_eq!(ready.headers["authorization"], "Basic QkFTRTY0");
    assert_eq!(ready.headers["content-type"], "application/vnd.ni-identity.v1+json");
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), json!({"realmName": "ni"}));
}

#[test]
fn a_code_is_changed_for_a_token_with_the_verifier() {
    let tiktok = code("tiktok", "login");
    let (_, body) = ready(&tiktok.token, Purpose::Code);
    assert_eq!(
        body,
        "client_key=app&client_secret=app-secret&code=c0de&code_verifier=verifier&grant_type=authorization_code\
         &redirect_uri=https%3A%2F%2Fhub.example.com%2Foauth%2Fcallback"
    );
    let (_, body) = ready(tiktok.refresh.get().unwrap(), Purpose::Refresh);
    assert_eq!(body, "client_key=app&client_secret=app-secret&grant_type=refresh_token&refresh_token=next");
}

#[test]
fn metas_exchange_is_a_get_whose_address_logs_hide() {
    let facebook = code("facebook", "login");
    let (ready, body) = ready(facebook.exchange.as_ref().unwrap(), Purpose::Exchange);
    assert_eq!(body, "");
    let pairs: Vec<(String, String)> = ready.url.query_pairs().into_owned().collect();
    let has = |name: &str, value: &str| pairs.contains(&(name.to_owned(), value.to_owned()));
    assert!(
        has("grant_type", "fb_exchange_token")
            && has("fb_exchange_token", "old-token")
            && has("client_secret", "app-secret")
    );
    assert!(!ready.shown_url.contains("old-token") && !ready.shown_url.contains("app-secret"), "{}", ready.shown_url);
}

#[test]
fn the_page_of_consent_has_state_and_challenge() {
    let chance = SeededChance::new(1);
    let tiktok = code("tiktok", "login");
    let pending = Pending::new(&tiktok.authorize, &chance);
    let url =
        authorize(&tiktok.authorize, "app", "https://hub.example.com/oauth/callback", &pending, &values()).unwrap();
    let pairs: std::collections::BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    assert_eq!(pairs["client_key"], "app");
    assert_eq!(pairs["scope"], "user.info.basic,video.list");
    assert_eq!(pairs["state"], pending.state.expose());
    assert_eq!(pairs["code_challenge"], challenge(pending.verifier.as_ref().unwrap().expose()));
    assert!(pending.state.expose().len() >= 43);
    let other = Pending::new(&tiktok.authorize, &chance);
    assert_ne!(other.state.expose(), pending.state.expose());
    assert_ne!(pending.verifier.unwrap().expose(), pending.state.expose());

    let linkedin = code("linkedin", "login");
    let plain = Pending::new(&linkedin.authorize, &chance);
    let url = authorize(&linkedin.authorize, "app", "https://hub.example.com/", &plain, &values()).unwrap();
    assert!(plain.verifier.is_none() && !url.as_str().contains("code_challenge"));
    let shopify = code("shopify", "install");
    let url = authorize(&shopify.authorize, "app", "https://hub.example.com/", &plain, &values()).unwrap();
    assert!(url.as_str().starts_with("https://tea.myshopify.com/admin/oauth/authorize?"));
}

/// The verifier and challenge of RFC 7636, appendix B.
#[test]
fn the_challenge_is_that_of_the_standard() {
    assert_eq!(challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

#[test]
fn answers_give_a_token_or_a_reason() {
    let tiktok = code("tiktok", "login");
    let of = |body: Value| read(&tiktok.token, &Document::from(body), now());
    let token =
        of(json!({"access_token": "act.1", "refresh_token": "rft.1", "expires_in": 86400, "open_id": "o-1"})).unwrap();
    assert_eq!(token.access.expose(), "act.1");
    assert_eq!(token.refresh.as_ref().unwrap().expose(), "rft.1");
    assert_eq!(token.set["open_id"], "o-1");
    assert_eq!(token.expires_at, Some(now() + chrono::TimeDelta::days(1)));
    assert_eq!(token.refresh_at(now()), Some(now() + chrono::TimeDelta::days(1) - chrono::TimeDelta::minutes(5)));
    let brief = of(json!({"access_token": "a", "expires_in": "60"})).unwrap();
    assert_eq!(brief.refresh_at(now()), Some(now() + chrono::TimeDelta::seconds(30)), "at half its life");
    let unsaid = of(json!({"access_token": "a"})).unwrap();
    assert_eq!(unsaid.expires_at, Some(now() + chrono::TimeDelta::days(1)), "as the file says");
    for (body, expected) in [
        (json!({}), NoToken::Missing),
        (json!({"access_token": ""}), NoToken::Missing),
        (json!({"access_token": null}), NoToken::Missing),
        (json!([]), NoToken::Missing),
        (json!({"access_token": "a\r\nx: y"}), NoToken::Unusable),
        (json!({"access_token": "a".repeat(20_000)}), NoToken::Unusable),
    ] {
        assert_eq!(of(body.clone()).unwrap_err(), expected, "{body}");
    }
    for odd in [json!(-5), json!(1e300), json!("soon"), json!(0), json!({})] {
        let token = of(json!({"access_token": "a", "expires_in": odd})).unwrap();
        assert_eq!(token.expires_at, Some(now() + chrono::TimeDelta::days(1)), "{odd}");
    }
    assert!(!format!("{token:?}").contains("act.1"));
}

#[test]
fn every_token_call_of_the_catalogue_can_be_made() {
    for manifest in Catalogue::embedded().iter() {
        for auth in &manifest.auth {
            let calls: Vec<(&TokenCall, Purpose)> = match auth {
                Auth::ClientCredentials(it) => vec![(&it.token, Purpose::Credentials)],
                Auth::AuthorizationCode(it) => std::iter::once((&it.token, Purpose::Code))
                    .chain(it.exchange.as_ref().map(|call| (call, Purpose::Exchange)))
                    .chain(it.refresh.get().map(|call| (call, Purpose::Refresh)))
                    .collect(),
                _ => Vec::new(),
            };
            let mut values = values();
            for environment in &manifest.environments {
                for (name, value) in environment.values.iter().flatten() {
                    values.set(name, value.as_str());
                }
            }
            for (call, purpose) in calls {
                let made = super::call(call, purpose, &values).and_then(super::Outgoing::finish);
                assert!(made.is_ok(), "{} {}: {made:?}", manifest.key, auth.key());
            }
        }
    }
}
