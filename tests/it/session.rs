//! Signing in, staying signed in, signing out.

use std::collections::BTreeSet;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use portolan::{domain::access::membership, kernel::scope::Role};
use serde_json::{Value, json};

use crate::support::{Reply, TestHub, records::Records};

const SIGN_IN: &str = "mutation($input: SignInInput!) { signIn(input: $input) {
    session { accessToken accessTokenExpiresAt refreshToken refreshTokenExpiresAt } userErrors { code } } }";
const REFRESH: &str = "mutation($input: RefreshSessionInput!) { refreshSession(input: $input) {
    session { accessToken refreshToken } userErrors { code } } }";
const CREATE_LINK: &str = "mutation($input: CreateLinkInput!) { createLink(input: $input) {
    token expiresAt userErrors { code path } } }";
const SET_PASSWORD: &str = "mutation($input: SetPasswordInput!) { setPassword(input: $input) {
    session { accessToken refreshToken } userErrors { code path message } } }";
const CHANGE_PASSWORD: &str = "mutation($input: ChangePasswordInput!) { changePassword(input: $input) {
    session { accessToken } userErrors { code path } } }";
const REVOKE: &str = "mutation($input: RevokeSessionsInput!) { revokeSessions(input: $input) {
    ended user { email } userErrors { code } } }";
const ME: &str = "{ viewer { kind actor role tenant { slug } } }";

const PASSWORD: &str = "correct horse battery";

/// Hashes that cost little, since tests are not about the cost.
const CHEAP: [(&str, &str); 3] = [
    ("PORTOLAN_ACCESS_PASSWORD_MEMORY", "64KiB"),
    ("PORTOLAN_ACCESS_PASSWORD_PASSES", "1"),
    ("PORTOLAN_GRAPHQL_COST_PER_MINUTE", "0"),
];

/// A hub with a person who has a password.
async fn with_ann() -> (TestHub, String, String) {
    let hub = TestHub::with(&CHEAP).await;
    let ann = hub.user_of(&hub.tenant, "ann@example.com", Role::Operator).await;
    let admin = hub.token(Role::Admin).await;
    let link = json!({ "input": { "userId": ann.id, "purpose": "ACTIVATION" } });
    let token = hub.ask(&admin, CREATE_LINK, link).await.data()["createLink"]["token"].clone();
    let set = json!({ "input": { "token": token, "password": PASSWORD } });
    hub.ask("", SET_PASSWORD, set).await.data();
    (hub, admin, ann.id.to_string())
}

fn credentials(password: &str) -> Value {
    json!({ "input": { "email": "Ann@example.com", "password": password, "userAgent": "test" } })
}

async fn sign_in(hub: &TestHub) -> Value {
    hub.ask("", SIGN_IN, credentials(PASSWORD)).await.data()["signIn"]["session"].clone()
}

async fn refresh(hub: &TestHub, token: &Value) -> Reply {
    hub.ask("", REFRESH, json!({ "input": { "refreshToken": token, "userAgent": "test" } })).await
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[tokio::test]
async fn somebody_invited_sets_a_password_and_signs_in() {
    let (hub, _, ann) = with_ann().await;
    let session = sign_in(&hub).await;
    let me = hub.ask(text(&session["accessToken"]), ME, json!({})).await.data();
    assert_eq!(
        me["viewer"],
        json!({ "kind": "USER", "actor": ann, "role": "OPERATOR", "tenant": { "slug": "default" } })
    );
    assert_eq!(session["accessTokenExpiresAt"], "2027-01-15T09:00:00+00:00");
    assert_eq!(session["refreshTokenExpiresAt"], "2027-01-22T08:00:00+00:00");
}

#[tokio::test]
async fn what_went_wrong_with_a_sign_in_is_not_told() {
    let (hub, ..) = with_ann().await;
    let mut answers = BTreeSet::new();
    for (email, password) in [
        ("ann@example.com", "wrong password"),
        ("nobody@example.com", PASSWORD),
        ("no address", PASSWORD),
        ("ann@example.com", ""),
    ] {
        let reply = hub.ask("", SIGN_IN, json!({ "input": { "email": email, "password": password } })).await;
        assert_eq!((reply.status.as_u16(), reply.codes()), (401, vec!["UNAUTHENTICATED".to_owned()]));
        answers.insert(reply.json()["errors"][0]["message"].to_string());
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    let huge = json!({ "input": { "email": "ann@example.com", "password": "x".repeat(200_000) } });
    assert_eq!(hub.ask("", SIGN_IN, huge).await.codes(), ["UNAUTHENTICATED"]);
}

#[tokio::test]
async fn who_fails_often_waits_and_a_success_forgets_it() {
    let (hub, ..) = with_ann().await;
    for _ in 0..5 {
        assert_eq!(hub.ask("", SIGN_IN, credentials("wrong password")).await.codes(), ["UNAUTHENTICATED"]);
    }
    assert_eq!(hub.ask("", SIGN_IN, credentials(PASSWORD)).await.codes(), ["RATE_LIMITED"]);
    hub.clock.advance(TimeDelta::minutes(2));
    assert_eq!(hub.ask("", SIGN_IN, credentials("wrong password")).await.codes(), ["UNAUTHENTICATED"]);
    assert_eq!(hub.ask("", SIGN_IN, credentials(PASSWORD)).await.codes(), ["RATE_LIMITED"], "one after each wait");
    hub.clock.advance(TimeDelta::minutes(2));
    sign_in(&hub).await;
    for _ in 0..5 {
        let forgotten = hub.ask("", SIGN_IN, credentials("wrong password")).await;
        assert_eq!(forgotten.codes(), ["UNAUTHENTICATED"], "forgotten");
    }
}

#[tokio::test]
async fn a_session_goes_on_by_refreshing_and_ends_when_its_time_is_over() {
    let (hub, ..) = with_ann().await;
    let mut session = sign_in(&hub).await;
    for _ in 0..6 {
        hub.clock.advance(TimeDelta::hours(24));
        assert_eq!(hub.ask(text(&session["accessToken"]), ME, json!({})).await.status, 401, "after its hour");
        session = refresh(&hub, &session["refreshToken"]).await.data()["refreshSession"]["session"].clone();
        assert_eq!(hub.ask(text(&session["accessToken"]), ME, json!({})).await.status, 200);
    }
    hub.clock.advance(TimeDelta::hours(24));
    assert_eq!(refresh(&hub, &session["refreshToken"]).await.codes(), ["UNAUTHENTICATED"]);
}

#[tokio::test]
async fn a_refresh_token_used_twice_ends_the_session() {
    let (hub, ..) = with_ann().await;
    let first = sign_in(&hub).await;
    let second = refresh(&hub, &first["refreshToken"]).await.data()["refreshSession"]["session"].clone();
    hub.clock.advance(TimeDelta::seconds(11));
    assert_eq!(refresh(&hub, &first["refreshToken"]).await.codes(), ["UNAUTHENTICATED"]);
    assert_eq!(refresh(&hub, &second["refreshToken"]).await.codes(), ["UNAUTHENTICATED"], "the whole family");
    for session in [&first, &second] {
        assert_eq!(hub.ask(text(&session["accessToken"]), ME, json!({})).await.status, 401);
    }
    assert!(Records::of(&hub).await.events.contains(&"session.ended".to_owned()));
}

#[tokio::test]
async fn a_lost_answer_may_be_asked_for_again_by_the_same_client_for_ten_seconds() {
    let (hub, ..) = with_ann().await;
    let first = sign_in(&hub).await;
    let once = refresh(&hub, &first["refreshToken"]).await.data();
    hub.clock.advance(TimeDelta::seconds(9));
    let again = refresh(&hub, &first["refreshToken"]).await.data();
    let token = |answer: &Value| answer["refreshSession"]["session"]["refreshToken"].clone();
    assert_eq!(token(&once), token(&again));
    let stranger = json!({ "input": { "refreshToken": first["refreshToken"], "userAgent": "another" } });
    assert_eq!(hub.ask("", REFRESH, stranger).await.codes(), ["UNAUTHENTICATED"]);
    assert_eq!(refresh(&hub, &token(&once)).await.codes(), ["UNAUTHENTICATED"], "the stranger ended it");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_refreshes_at_once_leave_one_live_token() {
    let (hub, ..) = with_ann().await;
    let session = sign_in(&hub).await;
    let asked = (0..200).map(|_| refresh(&hub, &session["refreshToken"]));
    let replies = futures_util::future::join_all(asked).await;
    let tokens: BTreeSet<_> =
        replies.iter().map(|reply| reply.data()["refreshSession"]["session"]["refreshToken"].to_string()).collect();
    assert_eq!(tokens.len(), 1, "every answer is the same");
    let next = serde_json::from_str::<Value>(tokens.first().unwrap()).unwrap();
    assert_eq!(refresh(&hub, &next).await.codes(), [""; 0]);
}

/// Two clients with a copy of one token, a hundred requests each: whoever comes second from elsewhere ends it.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_refreshes_from_two_clients_leave_nothing_alive() {
    let (hub, ..) = with_ann().await;
    let session = sign_in(&hub).await;
    let asked = (0..200).map(|at| {
        let agent = if at % 2 == 0 { "test" } else { "thief" };
        hub.ask("", REFRESH, json!({ "input": { "refreshToken": session["refreshToken"], "userAgent": agent } }))
    });
    let replies = futures_util::future::join_all(asked).await;
    let given: BTreeSet<_> = replies
        .iter()
        .filter_map(|reply| {
            reply.json()["data"]["refreshSession"]["session"]["refreshToken"].as_str().map(str::to_owned)
        })
        .collect();
    assert!(given.len() <= 1, "never two: {given:?}");
    assert!(replies.iter().any(|reply| reply.codes() == ["UNAUTHENTICATED"]));
    for token in given.into_iter().map(Value::from).chain([session["refreshToken"].clone()]) {
        assert_eq!(refresh(&hub, &token).await.codes(), ["UNAUTHENTICATED"]);
    }
    for reply in &replies {
        if let Some(access) = reply.json()["data"]["refreshSession"]["session"]["accessToken"].as_str() {
            assert_eq!(hub.ask(access, ME, json!({})).await.status, 401);
        }
    }
}

#[tokio::test]
async fn signing_out_revoking_and_a_new_password_end_sessions_at_once() {
    let (hub, admin, ann) = with_ann().await;
    let session = sign_in(&hub).await;
    let out = hub.ask(text(&session["accessToken"]), "mutation { signOut { ended } }", json!({})).await.data();
    assert_eq!(out["signOut"]["ended"], true);
    assert_eq!(hub.ask(text(&session["accessToken"]), ME, json!({})).await.status, 401);
    assert_eq!(refresh(&hub, &session["refreshToken"]).await.codes(), ["UNAUTHENTICATED"]);

    let (one, two) = (sign_in(&hub).await, sign_in(&hub).await);
    let ended = hub.ask(&admin, REVOKE, json!({ "input": { "userId": ann } })).await.data();
    // The session that set the password was never signed out.
    assert_eq!(
        ended["revokeSessions"],
        json!({ "ended": 3, "user": { "email": "ann@example.com" }, "userErrors": [] })
    );
    for session in [&one, &two] {
        assert_eq!(hub.ask(text(&session["accessToken"]), ME, json!({})).await.status, 401);
    }

    let session = sign_in(&hub).await;
    let access = text(&session["accessToken"]);
    let wrong = json!({ "input": { "currentPassword": "wrong", "newPassword": "another long password" } });
    assert_eq!(hub.ask(access, CHANGE_PASSWORD, wrong).await.user_codes("changePassword"), ["BAD_USER_INPUT"]);
    let short = json!({ "input": { "currentPassword": PASSWORD, "newPassword": "short" } });
    assert_eq!(hub.ask(access, CHANGE_PASSWORD, short).await.user_codes("changePassword"), ["BAD_USER_INPUT"]);
    let change = json!({ "input": { "currentPassword": PASSWORD, "newPassword": "another long password" } });
    let new = hub.ask(access, CHANGE_PASSWORD, change).await.data()["changePassword"]["session"].clone();
    assert_eq!(hub.ask(access, ME, json!({})).await.status, 401);
    assert_eq!(hub.ask(text(&new["accessToken"]), ME, json!({})).await.status, 200);
    assert_eq!(hub.ask("", SIGN_IN, credentials(PASSWORD)).await.codes(), ["UNAUTHENTICATED"]);
}

#[tokio::test]
async fn a_link_works_once_for_its_time_and_its_purpose() {
    let (hub, admin, ann) = with_ann().await;
    let make = json!({ "input": { "userId": ann, "purpose": "PASSWORD_RESET" } });
    let fresh = async || hub.ask(&admin, CREATE_LINK, make.clone()).await.data()["createLink"]["token"].clone();
    let set = |token: &Value| json!({ "input": { "token": token, "password": "a brand new password" } });
    let (old, new) = (fresh().await, fresh().await);
    assert_eq!(hub.ask("", SET_PASSWORD, set(&old)).await.codes(), ["UNAUTHENTICATED"], "a newer one was made");
    let sign_in =
        "mutation($input: SignInWithLinkInput!) { signInWithLink(input: $input) { session { accessToken } } }";
    let as_sign_in = hub.ask("", sign_in, json!({ "input": { "token": new } })).await;
    assert_eq!(as_sign_in.codes(), ["UNAUTHENTICATED"], "another purpose");
    let weak = json!({ "input": { "token": new, "password": "short" } });
    assert_eq!(hub.ask("", SET_PASSWORD, weak).await.user_codes("setPassword"), ["BAD_USER_INPUT"]);
    hub.ask("", SET_PASSWORD, set(&new)).await.data();
    assert_eq!(hub.ask("", SET_PASSWORD, set(&new)).await.codes(), ["UNAUTHENTICATED"], "used");
    let late = fresh().await;
    hub.clock.advance(TimeDelta::hours(1));
    assert_eq!(hub.ask("", SET_PASSWORD, set(&late)).await.codes(), ["UNAUTHENTICATED"], "too old");
}

#[tokio::test]
async fn a_person_of_several_tenants_chooses_one() {
    let (hub, ..) = with_ann().await;
    let other = hub.another_tenant("other").await;
    hub.user_of(&other, "ann@example.com", Role::Viewer).await;
    hub.another_tenant("third").await;
    let session = sign_in(&hub).await;
    let access = text(&session["accessToken"]);
    let there = hub.ask_in("other", access, ME).await.data();
    assert_eq!((&there["viewer"]["role"], &there["viewer"]["tenant"]["slug"]), (&json!("VIEWER"), &json!("other")));
    assert_eq!(hub.ask_in("third", access, ME).await.codes(), ["NOT_FOUND"]);
}

#[tokio::test]
async fn a_tenant_is_chosen_when_signing_in_and_later() {
    const SWITCH: &str = "mutation($id: ID!) { switchTenant(input: { tenantId: $id }) {
        tenant { slug } role userErrors { code path } } }";
    let (hub, ..) = with_ann().await;
    // Memberships sort by the time they began.
    hub.clock.advance(TimeDelta::milliseconds(1));
    let other = hub.another_tenant("other").await;
    hub.user_of(&other, "ann@example.com", Role::Viewer).await;
    let third = hub.another_tenant("third").await;
    let acting = async |access: &Value| {
        let me = hub.ask(text(access), ME, json!({})).await.data();
        text(&me["viewer"]["tenant"]["slug"]).to_owned()
    };
    let choosing = |id: &dyn std::fmt::Display| {
        let mut input = credentials(PASSWORD);
        input["input"]["tenantId"] = id.to_string().into();
        input
    };
    let there = hub.ask("", SIGN_IN, choosing(&other.id)).await.data()["signIn"]["session"].clone();
    assert_eq!(acting(&there["accessToken"]).await, "other");
    let next = refresh(&hub, &there["refreshToken"]).await.data()["refreshSession"]["session"].clone();
    assert_eq!(acting(&next["accessToken"]).await, "other", "the choice outlives the token");
    let access = text(&next["accessToken"]);
    assert_eq!(hub.ask_in("default", access, ME).await.data()["viewer"]["role"], "OPERATOR", "a request may differ");
    let listed = hub.ask(access, "{ viewer { tenants { slug } } }", json!({})).await.data();
    assert_eq!(listed["viewer"]["tenants"], json!([{ "slug": "default" }, { "slug": "other" }]));

    let switched = hub.ask(access, SWITCH, json!({ "id": hub.tenant.id })).await.data()["switchTenant"].clone();
    assert_eq!(switched, json!({ "tenant": { "slug": "default" }, "role": "OPERATOR", "userErrors": [] }));
    assert_eq!(acting(&next["accessToken"]).await, "default", "from the next request on");
    for foreign in [third.id.to_string(), "ten_00000000000000000000000000".to_owned()] {
        let refused = hub.ask(access, SWITCH, json!({ "id": foreign })).await.data()["switchTenant"].clone();
        assert_eq!(refused["userErrors"], json!([{ "code": "NOT_FOUND", "path": ["input", "tenantId"] }]));
        let refused = hub.ask("", SIGN_IN, choosing(&foreign)).await;
        assert_eq!(refused.user_codes("signIn"), ["NOT_FOUND"]);
    }
    assert_eq!(acting(&next["accessToken"]).await, "default");
    let program = hub.token(Role::Admin).await;
    assert_eq!(hub.ask(&program, SWITCH, json!({ "id": hub.tenant.id })).await.codes(), ["FORBIDDEN"]);
}

#[tokio::test]
async fn a_chosen_tenant_that_is_not_the_persons_any_more_is_not_silently_replaced() {
    let (hub, ..) = with_ann().await;
    let other = hub.another_tenant("other").await;
    hub.user_of(&other, "boss@example.com", Role::Admin).await;
    let ann = hub.user_of(&other, "ann@example.com", Role::Viewer).await;
    let mut input = credentials(PASSWORD);
    input["input"]["tenantId"] = other.id.to_string().into();
    let session = hub.ask("", SIGN_IN, input).await.data()["signIn"]["session"].clone();
    let access = text(&session["accessToken"]);
    let cx = hub.cx_of(&other);
    let bond = membership::of_users(&cx, &[ann.id]).await.unwrap().remove(0);
    membership::revoke(&cx, bond.id).await.unwrap();
    let refused = hub.ask(access, ME, json!({})).await;
    assert_eq!((refused.status.as_u16(), refused.codes()), (401, vec!["UNAUTHENTICATED".to_owned()]));
    assert_eq!(hub.ask_in("default", access, ME).await.data()["viewer"]["tenant"]["slug"], "default", "if it says so");
}

/// Clocks of nodes lie apart. A token that another node wrote a minute ahead of us, or behind, opens the door;
/// beyond its end it does so for half a minute and no longer.
#[tokio::test]
async fn clocks_a_minute_apart_lock_nobody_out_and_prolong_nothing_by_more_than_half_a_minute() {
    let (hub, ..) = with_ann().await;
    let status = async |access: &Value| hub.ask(text(access), ME, json!({})).await.status.as_u16();
    for skew in [-60, 60] {
        let session = sign_in(&hub).await;
        hub.clock.advance(TimeDelta::seconds(skew));
        assert_eq!(status(&session["accessToken"]).await, 200, "{skew} s");
        let next = refresh(&hub, &session["refreshToken"]).await.data();
        assert_eq!(status(&next["refreshSession"]["session"]["accessToken"]).await, 200);
        hub.clock.advance(TimeDelta::seconds(-skew));
    }
    let session = sign_in(&hub).await;
    hub.clock.advance(TimeDelta::hours(1) + TimeDelta::seconds(29));
    assert_eq!(status(&session["accessToken"]).await, 200);
    hub.clock.advance(TimeDelta::seconds(1));
    assert_eq!(status(&session["accessToken"]).await, 401);
    hub.clock.advance(TimeDelta::seconds(30));
    assert_eq!(status(&session["accessToken"]).await, 401, "a minute");

    let session = sign_in(&hub).await;
    hub.clock.advance(TimeDelta::days(7));
    assert_eq!(refresh(&hub, &session["refreshToken"]).await.codes(), ["UNAUTHENTICATED"], "sessions end on time");
}

#[tokio::test]
async fn a_token_that_was_tampered_with_opens_nothing() {
    let (hub, ..) = with_ann().await;
    let session = sign_in(&hub).await;
    let good = text(&session["accessToken"]).to_owned();
    let parts: Vec<_> = good.split('.').collect();
    let decoded = |part: &str| serde_json::from_slice::<Value>(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let encoded = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let (header, claims) = (decoded(parts[0]), decoded(parts[1]));
    let with_header = |name: &str, value: Value| {
        let mut changed = header.clone();
        changed[name] = value;
        format!("{}.{}.{}", encoded(&changed), parts[1], parts[2])
    };
    let with_claim = |name: &str, value: Value| {
        let mut changed = claims.clone();
        changed[name] = value;
        format!("{}.{}.{}", parts[0], encoded(&changed), parts[2])
    };
    let forged = [
        with_header("alg", json!("none")),
        format!("{}.{}.", encoded(&json!({ "alg": "none", "kid": header["kid"] })), parts[1]),
        with_header("alg", json!("HS256")),
        with_header("alg", json!("RS256")),
        with_header("kid", json!("../../etc/passwd")),
        with_header("kid", json!("https://example.com/jwks")),
        with_header("kid", json!("' OR 1=1 --")),
        with_header("kid", json!("sig_00000000000000000000000000")),
        with_header("jwk", json!({ "kty": "OKP", "crv": "Ed25519", "x": "AAAA" })),
        with_header("jku", json!("https://example.com/jwks")),
        with_claim("exp", json!(4_000_000_000_i64)),
        with_claim("exp", json!("4000000000")),
        with_claim("exp", json!(1e300)),
        with_claim("exp", Value::Null),
        with_claim("aud", json!(["portolan", "other"])),
        with_claim("iss", json!("someone")),
        with_claim("sub", json!("usr_00000000000000000000000000")),
        format!("{good}."),
        format!("{good}x"),
        format!(".{good}"),
        format!("{}.{}", parts[0], parts[1]),
        "a.b.c".to_owned(),
        "..".to_owned(),
        format!("{}.{}", "a".repeat(100_000), "b.c"),
    ];
    let mut answers = BTreeSet::new();
    for token in forged {
        let reply = hub.ask(&token, ME, json!({})).await;
        assert_eq!(reply.status, 401, "{token:.80}");
        let error = reply.json()["errors"][0].clone();
        answers.insert((error["message"].to_string(), error["extensions"]["code"].to_string()));
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(hub.ask(&good, ME, json!({})).await.status, 200);
}

#[tokio::test]
async fn no_password_and_no_token_is_in_any_record_or_table() {
    let (hub, ..) = with_ann().await;
    let session = sign_in(&hub).await;
    refresh(&hub, &session["refreshToken"]).await.data();
    let records = Records::of(&hub).await;
    for secret in [PASSWORD, text(&session["accessToken"]), text(&session["refreshToken"])] {
        assert!(!records.everything().contains(secret));
    }
}
