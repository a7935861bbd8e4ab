//! The fault table: each provider's answers, and what they must be taken for.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Failure, MAX_SEEN, Reply, judge, read, retry_after};
use crate::{
    kernel::{clock::Moment, secret::Secret},
    provider::{
        catalogue::Catalogue,
        manifest::{Manifest, answer::Class},
    },
};

fn now() -> Moment {
    "2026-11-21T10:00:00Z".parse().unwrap()
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair =
        |(name, value): &(&str, &str)| (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
    pairs.iter().map(pair).collect()
}

fn class(manifest: &Manifest, status: u16, pairs: &[(&str, &str)], body: &str) -> Option<Class> {
    let headers = headers(pairs);
    let reply = Reply { status, headers: &headers, body: body.as_bytes() };
    judge(&manifest.errors, reply, now(), []).err().map(|failure| failure.class)
}

fn failure(key: &str, status: u16, pairs: &[(&str, &str)], body: &[u8]) -> Failure {
    let headers = headers(pairs);
    let catalogue = Catalogue::embedded();
    let errors = &catalogue.get(key).unwrap().errors;
    let secrets = [Secret::from("sk_live_0123456789".to_owned())];
    judge(errors, Reply { status, headers: &headers, body }, now(), &secrets).unwrap_err()
}

/// A provider, and what it answers: status, headers, body.
type Fault = (&'static str, u16, &'static [(&'static str, &'static str)], &'static str);

const HTML: &str = "<!doctype html><html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>";

/// What is the same for everybody, whatever the file says.
#[test]
fn faults_of_the_way_are_told_apart_for_every_provider() {
    for manifest in Catalogue::embedded().iter() {
        let key = &manifest.key;
        let of = |status, pairs: &[(&str, &str)], body: &str| class(manifest, status, pairs, body);
        for status in [500, 502, 503, 504, 520, 599] {
            assert_eq!(of(status, &[], HTML), Some(Class::Down), "{key} {status}");
            assert_eq!(of(status, &[], ""), Some(Class::Down), "{key} {status}");
        }
        assert_eq!(
            of(200, &[("content-type", "text/html")], HTML),
            Some(Class::Unreadable),
            "{key}: a page is no success"
        );
        assert_eq!(of(200, &[], "{\"id\": "), Some(Class::Unreadable), "{key}: half an answer");
        assert_eq!(of(200, &[], "\u{0}\u{1}"), Some(Class::Unreadable), "{key}: no JSON");
        assert_eq!(of(302, &[("location", "https://evil.example/")], ""), Some(Class::Unreadable), "{key}: moved");
        assert_eq!(of(204, &[], ""), None, "{key}: nothing to say is a success");
        for status in [401, 403, 429] {
            let waits = of(status, &[("retry-after", "7")], "");
            assert!(matches!(waits, Some(Class::Throttled | Class::Quota)), "{key} {status}: {waits:?}");
        }
    }
}

#[test]
fn a_throttled_refusal_is_never_a_refused_credential() {
    let throttled: &[Fault] = &[
        ("mailchimp", 403, &[("content-type", "text/html")], "<html>Forbidden</html>"),
        ("mailchimp", 403, &[], ""),
        (
            "facebook",
            403,
            &[],
            r#"{"error":{"message":"(#4) Application request limit reached","type":"OAuthException","code":4}}"#,
        ),
        (
            "facebook",
            400,
            &[],
            r#"{"error":{"message":"(#17) User request limit reached","type":"OAuthException","code":17,"error_subcode":2446079}}"#,
        ),
        (
            "meta_ads",
            400,
            &[],
            r#"{"error":{"message":"There have been too many calls","type":"OAuthException","code":80004}}"#,
        ),
        ("meta_ads", 400, &[], r#"{"error":{"code":613,"error_subcode":1487742,"message":"too many calls"}}"#),
        ("whatsapp", 400, &[], r#"{"error":{"message":"(#130429) Rate limit hit","code":130429}}"#),
        ("whatsapp", 400, &[], r#"{"error":{"message":"(#131056) pair rate limit hit","code":131056}}"#),
        ("shopify", 200, &[], r#"{"errors":[{"message":"Throttled","extensions":{"code":"THROTTLED"}}]}"#),
        ("shopify", 429, &[("retry-after", "2.0")], r#"{"errors":"Exceeded 2 calls per second for api client."}"#),
        ("twilio", 429, &[], r#"{"code":20429,"message":"Too Many Requests","status":429}"#),
        ("tiktok", 429, &[], r#"{"error":{"code":"rate_limit_exceeded","message":"x"}}"#),
        ("fedex", 403, &[], r#"{"errors":[{"code":"RATE.LIMIT","message":"Transaction limit exceeded"}]}"#),
        ("paypal", 429, &[], r#"{"name":"RATE_LIMIT_REACHED"}"#),
        ("stripe", 401, &[("retry-after", "1")], ""),
    ];
    let catalogue = Catalogue::embedded();
    for (key, status, pairs, body) in throttled {
        let found = class(catalogue.get(key).unwrap(), *status, pairs, body);
        assert_eq!(found, Some(Class::Throttled), "{key} {status} {body}");
    }
}

#[test]
fn failures_inside_a_success_are_found() {
    let hidden: &[(&str, &str, Class)] = &[
        (
            "aramex",
            r#"{"HasErrors":true,"Notifications":[{"Code":"ERR01","Message":"Invalid username or password"}]}"#,
            Class::Auth,
        ),
        (
            "aramex",
            r#"{"HasErrors":true,"Notifications":[{"Code":"ERR99","Message":"Weight is missing"}]}"#,
            Class::Invalid,
        ),
        ("aramex", r#"{"HasErrors":true,"Notifications":null}"#, Class::Invalid),
        ("telr", r#"{"error":{"message":"E01:Invalid request","note":"Authentication failed"}}"#, Class::Auth),
        ("telr", r#"{"error":{"message":"E05","note":"Amount"}}"#, Class::Invalid),
        ("pancake_pos", r#"{"success":false,"message":"Invalid api_key"}"#, Class::Auth),
        ("pancake_pos", r#"{"success":false}"#, Class::Invalid),
        ("firmhouse", r#"{"errors":[{"message":"Invalid project access token"}]}"#, Class::Auth),
        ("tiktok", r#"{"error":{"code":"access_token_invalid"}}"#, Class::Auth),
        ("tiktok", r#"{"error":"invalid_grant","error_description":"Authorization code is expired."}"#, Class::Auth),
        (
            "shopify",
            r#"{"errors":[{"message":"x","extensions":{"code":"ACCESS_DENIED"}}],"data":{}}"#,
            Class::Permission,
        ),
    ];
    let catalogue = Catalogue::embedded();
    for (key, body, expected) in hidden {
        assert_eq!(class(catalogue.get(key).unwrap(), 200, &[], body), Some(*expected), "{key} {body}");
    }
    let well: &[(&str, &str)] = &[
        ("aramex", r#"{"HasErrors":false,"Notifications":[]}"#),
        ("telr", r#"{"order":{"ref":"x"}}"#),
        ("pancake_pos", r#"{"success":true,"shops":[]}"#),
        ("tiktok", r#"{"data":{},"error":{"code":"ok","message":""}}"#),
        ("firmhouse", r#"{"data":{}}"#),
        ("shopify", r#"{"data":{"shop":{"id":1}}}"#),
    ];
    for (key, body) in well {
        assert_eq!(class(catalogue.get(key).unwrap(), 200, &[], body), None, "{key} {body}");
    }
}

#[test]
fn what_a_provider_says_is_kept_without_our_secrets() {
    let body =
        br#"{"error":{"message":"No such key: sk_live_0123456789\r\nin  test","code":"key_unknown","type":"x"}}"#;
    let found = failure("stripe", 401, &[("request-id", "req_1")], body);
    assert_eq!(found.message.as_deref(), Some("No such key: … in test"));
    assert_eq!(found.code.as_deref(), Some("key_unknown"));
    assert_eq!(found.request_id.as_deref(), Some("req_1"));
    let page = failure("stripe", 502, &[("content-type", "text/html")], HTML.as_bytes());
    assert_eq!(page.message.as_deref(), Some("the answer was a page, not JSON: 502 Bad Gateway"));
    let latin =
        failure("stripe", 200, &[("content-type", "application/json; charset=iso-8859-1")], b"{\"name\":\"Caf\xe9\"}");
    assert_eq!((latin.class, latin.message.as_deref()), (Class::Unreadable, Some("the answer was not text in UTF-8")));
    let wide: Vec<u8> = "{\"a\":1}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(failure("stripe", 200, &[], &wide).class, Class::Unreadable);
}

#[test]
fn a_byte_order_mark_does_not_hide_json() {
    assert!(read(b"\xef\xbb\xbf {\"a\":1}").is_some());
    assert!(read(b"").is_none() && read(b"   ").is_none() && read(b"hello").is_none());
}

#[test]
fn the_time_to_wait_is_read_and_never_too_far_away() {
    let after = |value: &str| {
        retry_after(&headers(&[("retry-after", value)]), now()).map(|until| (until - now()).num_seconds())
    };
    assert_eq!(after("7"), Some(7));
    assert_eq!(after("2.0"), Some(2));
    assert_eq!(after("Sat, 21 Nov 2026 10:01:00 GMT"), Some(60));
    assert_eq!(after("Sat, 21 Nov 2020 10:01:00 GMT"), Some(0));
    assert_eq!(after("99999999999999999999999"), Some(86_400));
    for nonsense in ["-1", "soon", "", "NaN", "inf"] {
        assert_eq!(after(nonsense), None, "{nonsense}");
    }
    let quota = failure("linkedin", 429, &[], br#"{"message":"x"}"#);
    assert_eq!(quota.until, "2026-11-22T00:00:00Z".parse().ok(), "a daily quota begins anew at midnight");
}

#[test]
fn deep_or_endless_bodies_are_bounded() {
    let deep = "[".repeat(200_000);
    assert!(read(deep.as_bytes()).is_none());
    let long = "x".repeat(2_000_000);
    let found = failure("stripe", 500, &[], long.as_bytes());
    assert!(found.message.unwrap().chars().count() <= MAX_SEEN);
}

#[test]
fn no_bytes_make_the_judge_panic() {
    use crate::kernel::chance::{Chance, SeededChance};

    let chance = SeededChance::new(3);
    let catalogue = Catalogue::embedded();
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        "\"error\"",
        ":",
        "\"errors\"",
        ",",
        "null",
        "1e999",
        "\"code\"",
        "\\u0000",
        "<title>",
        "\u{ff}",
        "true",
        "HasErrors",
    ];
    for manifest in catalogue.iter() {
        for _ in 0..100 {
            let mut dice = [0; 24];
            chance.fill(&mut dice);
            let body: String = dice.iter().map(|die| pieces[usize::from(*die) % pieces.len()]).collect();
            let status = 100 + u16::from(dice[0]) * 2;
            let _ = class(manifest, status, &[("retry-after", "x")], &body);
        }
    }
}
