//! Forgotten passwords, and first ones.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use portolan::kernel::scope::Role;
use serde_json::{Value, json};

use crate::support::{TestHub, records::Records};

const REQUEST: &str = "mutation($email: String!) { requestPasswordReset(input: { email: $email }) {
    accepted userErrors { code path } } }";
const CHANGE: &str = "mutation($input: ChangePasswordInput!) { changePassword(input: $input) {
    session { accessToken } userErrors { code path } } }";
const LINK: &str = "mutation($input: CreateLinkInput!) { createLink(input: $input) { token url } }";
const SET: &str =
    "mutation($token: String!) { setPassword(input: { token: $token, password: \"correct horse battery\" }) {
    session { accessToken } userErrors { code } } }";
const ASKED: &str = "query($id: ID!) { node(id: $id) { ... on User { passwordResetRequestedAt } } }";

/// Hashes that cost little, since tests are not about the cost.
const CHEAP: [(&str, &str); 1] = [("PORTOLAN_ACCESS_PASSWORD_MEMORY", "64KiB")];

#[tokio::test]
async fn who_forgot_a_password_is_shown_to_the_administrators_who_hand_over_a_link() {
    let hub = TestHub::with(&CHEAP).await;
    let admin = hub.token(Role::Admin).await;
    let ann = hub.user_of(&hub.tenant, "ann@example.com", Role::Viewer).await;
    let other = hub.another_tenant("other").await;
    let before = Records::of(&hub).await;
    let asked_for = hub.ask("", REQUEST, json!({ "email": "Ann@Example.com" })).await.data();
    assert_eq!(asked_for["requestPasswordReset"], json!({ "accepted": true, "userErrors": [] }));
    hub.settle().await;
    let new = Records::of(&hub).await.since(&before);
    assert_eq!(
        (new.events, new.audit),
        (vec!["password.reset_requested".to_owned()], vec!["password.reset_requested".to_owned()])
    );
    let asked = async || hub.ask(&admin, ASKED, json!({ "id": ann.id })).await.data()["node"].clone();
    assert!(asked().await["passwordResetRequestedAt"].is_string());
    let stranger = hub.token_of(&other, Role::Admin).await;
    assert_eq!(hub.ask(&stranger, ASKED, json!({ "id": ann.id })).await.data()["node"], Value::Null);

    let input = json!({ "input": { "userId": ann.id, "purpose": "PASSWORD_RESET" } });
    let link = hub.ask(&admin, LINK, input).await.data()["createLink"].clone();
    let (token, url) = (link["token"].as_str().unwrap(), link["url"].as_str().unwrap());
    assert_eq!(url, format!("http://127.0.0.1:8080/#/set-password/{token}"));
    hub.ask("", SET, json!({ "token": token })).await.data();
    assert_eq!(asked().await["passwordResetRequestedAt"], Value::Null, "it is settled");
}

#[tokio::test]
async fn the_answer_to_a_request_tells_nothing_and_costs_the_same() {
    let hub = TestHub::with(&CHEAP).await;
    hub.user_of(&hub.tenant, "ann@example.com", Role::Viewer).await;
    let mut answers = BTreeSet::new();
    for email in ["ann@example.com", "nobody@example.com"] {
        let reply = hub.ask("", REQUEST, json!({ "email": email })).await;
        answers.insert((reply.status.as_u16(), reply.text.clone()));
        hub.settle().await;
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    let wrong = hub.ask("", REQUEST, json!({ "email": "nobody" })).await.data();
    assert_eq!(
        wrong["requestPasswordReset"]["userErrors"],
        json!([{ "code": "BAD_USER_INPUT", "path": ["input", "email"] }])
    );
}

/// The answer is given before anybody looks for the account: what happens before it is the same.
#[tokio::test]
async fn before_the_answer_nobody_looks_for_the_account() {
    let hub = TestHub::with(&CHEAP).await;
    hub.user_of(&hub.tenant, "ann@example.com", Role::Viewer).await;
    let count = || -> u64 {
        let page = hub.app.metrics().page();
        let lines = page.lines().filter(|line| line.starts_with("db_statement_duration_seconds_count"));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    };
    let mut costs = BTreeSet::new();
    for email in ["ann@example.com", "nobody@example.com"] {
        let before = count();
        // The test runs on one thread, so what was spawned waits until the answer is here.
        hub.ask("", REQUEST, json!({ "email": email })).await.data();
        costs.insert(count() - before);
        hub.settle().await;
    }
    assert_eq!(costs.len(), 1, "{costs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_for_an_account_are_few_whether_there_is_one_or_not() {
    let hub = TestHub::with(&CHEAP).await;
    hub.user_of(&hub.tenant, "ann@example.com", Role::Viewer).await;
    for email in ["ann@example.com", "nobody@example.com"] {
        let asked = (0..20).map(|_| hub.ask("", REQUEST, json!({ "email": email })));
        let replies = futures_util::future::join_all(asked).await;
        let taken = replies.iter().filter(|reply| reply.codes().is_empty()).count();
        let late = replies.iter().filter(|reply| reply.codes() == ["RATE_LIMITED"]).count();
        assert_eq!((taken, late), (2, 18), "{email}");
    }
    hub.settle().await;
    let asked = Records::of(&hub).await.events.iter().filter(|kind| *kind == "password.reset_requested").count();
    assert_eq!(asked, 2);
    hub.clock.advance(TimeDelta::minutes(10));
    hub.ask("", REQUEST, json!({ "email": "ann@example.com" })).await.data();
    assert_eq!(hub.ask("", REQUEST, json!({ "email": "ann@example.com" })).await.codes(), ["RATE_LIMITED"]);
    // Failing to sign in and asking for a password are counted apart.
    let sign_in =
        "mutation { signIn(input: { email: \"ann@example.com\", password: \"x\" }) { session { accessToken } } }";
    assert_eq!(hub.ask("", sign_in, json!({})).await.codes(), ["UNAUTHENTICATED"]);
}

#[tokio::test]
async fn who_signed_in_by_a_link_sets_the_first_password_and_the_second_needs_it() {
    let hub = TestHub::with(&CHEAP).await;
    let ann = hub.user_of(&hub.tenant, "ann@example.com", Role::Viewer).await;
    let session = hub.session_of(&hub.tenant, ann.id).await;
    let new = |old: Option<&str>, new: &str| json!({ "input": { "currentPassword": old, "newPassword": new } });
    let first = hub.ask(&session, CHANGE, new(None, "correct horse battery")).await.data()["changePassword"].clone();
    let session = first["session"]["accessToken"].as_str().unwrap();
    let refused = hub.ask(session, CHANGE, new(None, "another password")).await.data()["changePassword"].clone();
    assert_eq!(refused["userErrors"], json!([{ "code": "BAD_USER_INPUT", "path": ["input", "currentPassword"] }]));
    let changed = new(Some("correct horse battery"), "another password");
    assert_eq!(hub.ask(session, CHANGE, changed).await.user_codes("changePassword"), [""; 0]);
}
