//! Signatures, times, roles and the form of tokens; the rest needs a hub and is in `tests/it/issuer.rs`.

use std::fmt::Write;

use serde_json::json;

use super::*;
use crate::{
    domain::access::jwks::tests::read_known,
    kernel::{id::Id, scope::Role},
};

const ALL: [Algorithm; 3] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];

/// The signed texts of RFC 7515 (A.2, A.3) and RFC 8037 (A.4).
fn known(algorithm: Algorithm) -> (&'static str, &'static str) {
    match algorithm {
        Algorithm::Rs256 => (
            "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        ),
        Algorithm::Es256 => (
            "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
        Algorithm::EdDsa => (
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        ),
    }
}

fn checks(message: &str, signature: &str, algorithm: Algorithm, key: &DecodingKey) -> bool {
    let claims = json!({ "iss": "a", "sub": "a", "aud": "a", "exp": 1 });
    let parts = Parts {
        header: serde_json::from_value(json!({ "alg": "a" })).unwrap(),
        claims: serde_json::from_value(claims.clone()).unwrap(),
        all: claims,
        message,
        signature,
    };
    signed_by(&parts, algorithm, key)
}

#[test]
fn signatures_are_those_of_the_standard_and_of_no_other_key_or_algorithm() {
    for algorithm in ALL {
        let ((message, signature), key) = (known(algorithm), read_known(algorithm));
        assert!(checks(message, signature, algorithm, &key), "{algorithm:?}");
        assert!(!checks(&format!("{message}A"), signature, algorithm, &key));
        for at in [0, signature.len() / 2, signature.len() - 2] {
            let mut forged = signature.to_owned().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            assert!(!checks(message, std::str::from_utf8(&forged).unwrap(), algorithm, &key), "{algorithm:?} {at}");
        }
        for damaged in ["", "A", "!", &signature[4..], &format!("{signature}AAAA"), &"A".repeat(signature.len())] {
            assert!(!checks(message, damaged, algorithm, &key), "{algorithm:?} {damaged:.9}");
        }
        for other in ALL.into_iter().filter(|other| *other != algorithm) {
            assert!(!checks(message, signature, other, &key), "{algorithm:?} as {other:?}");
            assert!(!checks(message, signature, algorithm, &read_known(other)), "{algorithm:?} by {other:?}");
        }
    }
}

fn token(header: &str, claims: &str) -> String {
    format!("{}.{}.AAAA", BASE64_URL_SAFE_NO_PAD.encode(header), BASE64_URL_SAFE_NO_PAD.encode(claims))
}

#[test]
fn a_text_is_taken_apart_only_if_it_is_a_token() {
    let (header, claims) = (r#"{"alg":"RS256","kid":"a"}"#, r#"{"iss":"i","sub":"s","aud":["a"],"exp":5}"#);
    let good = token(header, claims);
    assert!(take_apart(&good).is_some());
    let mut bad = vec![
        String::new(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        format!("{good}."),
        format!(".{good}"),
        good.replace(".AAAA", "."),
        good.replace(".AAAA", ""),
        good.replace('.', ".."),
        format!("{good}.AAAA"),
        format!("{good}{}", "A".repeat(LONGEST)),
    ];
    let headers = [
        "",
        "[]",
        "null",
        r#"{"kid":"a"}"#,
        r#"{"alg":1}"#,
        r#"{"alg":"RS256","alg":"none"}"#,
        r#"{"alg":"RS256","kid":5}"#,
        r#"{"alg":"RS256","kid":["a"]}"#,
        r#"{"alg":"RS256","crit":["b64"],"b64":false}"#,
    ];
    bad.extend(headers.iter().map(|header| token(header, claims)));
    let claims = [
        "",
        "{}",
        r#"{"sub":"s","aud":"a","exp":5}"#,
        r#"{"iss":"i","aud":"a","exp":5}"#,
        r#"{"iss":"i","sub":"s","exp":5}"#,
        r#"{"iss":"i","sub":"s","aud":"a"}"#,
        r#"{"iss":"i","sub":"s","aud":"a","exp":null}"#,
        r#"{"iss":"i","sub":"s","aud":"a","exp":"5"}"#,
        r#"{"iss":"i","sub":"s","aud":"a","exp":[5]}"#,
        r#"{"iss":"i","sub":"s","aud":"a","exp":1e999}"#,
        r#"{"iss":"i","sub":"s","aud":{"a":1},"exp":5}"#,
        r#"{"iss":"i","sub":"s","aud":["a",1],"exp":5}"#,
        r#"{"iss":["i"],"sub":"s","aud":"a","exp":5}"#,
        r#"{"iss":"i","sub":5,"aud":"a","exp":5}"#,
        r#"{"iss":"i","sub":"s","aud":"a","exp":5,"exp":9}"#,
        r#"{"iss":"i","sub":"s","aud":"a","exp":5,"nbf":"1"}"#,
    ];
    bad.extend(claims.iter().map(|claims| token(header, claims)));
    let mut deep = String::new();
    (0..500).for_each(|_| write!(deep, "[").unwrap());
    bad.push(token(header, &deep));
    for text in bad {
        assert!(take_apart(&text).is_none(), "{text:.200}");
    }
}

#[test]
fn times_are_moments_and_clocks_may_differ_a_little() {
    let now = Moment::from_timestamp(1_800_000_000, 0).unwrap();
    let judged = |claims: &str| {
        let claims = serde_json::from_str::<Claims>(&format!(r#"{{"iss":"i","aud":"a",{claims}}}"#)).unwrap();
        timely(&claims, now)
    };
    let exp = |exp: &str| judged(&format!(r#""sub":"s","exp":{exp}"#));
    assert_eq!(exp("1800000600").map(|until| until.timestamp()), Ok(1_800_000_600));
    assert_eq!(exp("1800000600.9").map(|until| until.timestamp()), Ok(1_800_000_600));
    assert!(exp("1799999971").is_ok(), "29 seconds ago");
    for bad in ["1799999970", "0", "-1", "1e300", "-1e300", "1e20", "253402300800", "18446744073709551615"] {
        assert!(exp(bad).is_err(), "{bad}");
    }
    let nbf = |nbf: &str| judged(&format!(r#""sub":"s","exp":1800000600,"nbf":{nbf}"#)).is_ok();
    assert!(nbf("1799999999") && nbf("1800000030") && nbf("0") && nbf("null"));
    assert!(!nbf("1800000031") && !nbf("1e300") && !nbf("-5"));
    let sub = |sub: &str| judged(&format!(r#""exp":1800000600,"sub":{sub}"#)).is_ok();
    assert!(sub("\"auth0|5\"") && sub("\"株式会社\"") && !sub("\"\"") && !sub("\"a\\nb\""));
    assert!(sub(&format!("\"{}\"", "s".repeat(255))) && !sub(&format!("\"{}\"", "s".repeat(256))));
}

#[test]
fn roles_come_from_the_claim_that_was_named_and_from_values_letter_by_letter() {
    let now = Moment::from_timestamp(1_800_000_000, 0).unwrap();
    let issuer = |path: &[&str], default| Issuer {
        id: Id::new(uuid::Uuid::nil()),
        tenant_id: Id::new(uuid::Uuid::nil()),
        name: "test".to_owned(),
        iss: "https://idp.example.com".to_owned(),
        audience: "portolan".to_owned(),
        jwks_url: None,
        algorithm: Algorithm::Rs256,
        roles_claim: json!(path),
        role_map: json!({ "admins": "ADMIN", "ops": "OPERATOR", "look": "VIEWER", "root": "SUPER_ADMIN", "new": "LATER" }),
        default_role: default,
        created_by: "test".to_owned(),
        created_at: now,
        updated_at: now,
    };
    let flat = issuer(&["roles"], None);
    let of = |claims: Value| role(&flat, &claims);
    assert_eq!(of(json!({ "roles": ["look", "admins", "ops"] })), Some(Role::Admin));
    assert_eq!(of(json!({ "roles": "ops" })), Some(Role::Operator));
    for nothing in [
        json!({}),
        json!({ "roles": [] }),
        json!({ "roles": "no admins" }),
        json!({ "roles": "Admins" }),
        json!({ "roles": ["admins "] }),
        json!({ "roles": [["admins"]] }),
        json!({ "roles": { "admins": true } }),
        json!({ "roles": true }),
        json!({ "groups": ["admins"] }),
        json!({ "roles": "new" }),
    ] {
        assert_eq!(of(nothing.clone()), None, "{nothing}");
    }
    assert_eq!(of(json!({ "roles": "root" })), None, "whatever the database says");
    let deep = issuer(&["realm_access", "roles"], None);
    assert_eq!(role(&deep, &json!({ "realm_access": { "roles": ["ops"] } })), Some(Role::Operator));
    assert_eq!(role(&deep, &json!({ "realm_access.roles": ["ops"], "realm_access": ["roles"] })), None);
    let scope = issuer(&["scope"], None);
    assert_eq!(role(&scope, &json!({ "scope": "openid look" })), Some(Role::Viewer));
    let default = issuer(&["roles"], Some(Role::Viewer));
    assert_eq!(role(&default, &json!({ "roles": "unknown" })), Some(Role::Viewer));
    assert_eq!(role(&default, &json!({ "roles": "ops" })), Some(Role::Operator));
    assert_eq!(role(&issuer(&[], Some(Role::Viewer)), &json!("admins")), Some(Role::Viewer));
    assert_eq!(role(&issuer(&[], Some(Role::SuperAdmin)), &json!({})), None);
}
