//! Refused attempts on credentials, keys and roles: noted, and never more than somebody can read.

use chrono::TimeDelta;
use portolan::{
    context::Refusals,
    domain::{
        access::{agent, session, token},
        audit,
        tenant::Tenant,
    },
    entity::audit_entry,
    kernel::scope::Role,
};
use sea_orm::QueryOrder;
use serde_json::{Value, json};

use crate::support::TestHub;

const ME: &str = "{ viewer { role } }";
const CREATE_TOKEN: &str = "mutation($role: Role!) { createApiToken(input: { name: \"a\", role: $role }) {
    userErrors { code } } }";
const SIGN_IN: &str = "mutation($email: String!, $password: String!) {
    signIn(input: { email: $email, password: $password }) { session { refreshToken } } }";
const PASSWORD: &str = "correct horse battery";

/// Hashes that cost little, and no budget to run out of.
const SETTINGS: [(&str, &str); 2] =
    [("PORTOLAN_ACCESS_PASSWORD_MEMORY", "64KiB"), ("PORTOLAN_GRAPHQL_COST_PER_MINUTE", "0")];

/// The entries about refusals in a tenant's log.
async fn refusals(hub: &TestHub, tenant: &Tenant) -> Vec<audit_entry::Model> {
    hub.settle().await;
    let db = hub.app.hub().database.reader();
    let all = audit_entry::of(tenant.id).order_by_asc(audit_entry::Column::Number).all(db).await.unwrap();
    all.into_iter().filter(|entry| entry.action.ends_with(".refused")).collect()
}

fn told(entry: &audit_entry::Model) -> (String, String, String, u64) {
    let after = entry.after.clone().unwrap_or_default();
    let reason = after["reason"].as_str().unwrap_or_default().to_owned();
    (entry.action.clone(), entry.actor.clone(), reason, after["times"].as_u64().unwrap_or_default())
}

/// A person with a password.
async fn ann(hub: &TestHub) -> portolan::domain::access::user::User {
    let ann = hub.user_of(&hub.tenant, "ann@example.com", Role::Operator).await;
    let session = hub.session_of(&hub.tenant, ann.id).await;
    let set = "mutation($p: String!) { changePassword(input: { newPassword: $p }) { session { accessToken } } }";
    hub.ask(&session, set, json!({ "p": PASSWORD })).await.data();
    ann
}

#[tokio::test]
async fn who_reaches_for_credentials_keys_and_roles_without_the_right_is_noted() {
    let hub = TestHub::with(&SETTINGS).await;
    let user = hub.user_of(&hub.tenant, "ann@example.com", Role::Viewer).await;
    let (id, viewer) = hub.new_token(&hub.tenant, Role::Viewer, None, None).await;
    let (tenant, person) = (hub.tenant.id.to_string(), user.id.to_string());
    let attempts = [
        (
            "createApiToken",
            "mutation { createApiToken(input: { name: \"a\", role: ADMIN }) { token } }".to_owned(),
            &tenant,
        ),
        ("rotateTenantKey", "mutation { rotateTenantKey(input: {}) { tenantKey { version } } }".to_owned(), &tenant),
        (
            "createLink",
            format!("mutation {{ createLink(input: {{ userId: \"{person}\", purpose: ACTIVATION }}) {{ token }} }}"),
            &person,
        ),
        (
            "revokeApiToken",
            format!("mutation {{ revokeApiToken(input: {{ id: \"{id}\" }}) {{ apiToken {{ id }} }} }}"),
            &id,
        ),
        (
            "deleteTenant",
            format!(
                "mutation {{ deleteTenant(input: {{ id: \"{tenant}\", confirmation: \"x\" }}) {{ tenant {{ id }} }} }}"
            ),
            &tenant,
        ),
    ];
    for (name, document, subject) in &attempts {
        assert_eq!(hub.ask(&viewer, document, json!({})).await.codes(), ["FORBIDDEN"], "{name}");
        let noted = refusals(&hub, &hub.tenant).await;
        let last = noted.last().unwrap();
        let (action, actor, reason, times) = told(last);
        assert_eq!((action, actor, times), (format!("{name}.refused"), id.clone(), 1));
        assert_eq!((&last.subject, last.actor_kind.as_str()), (*subject, "API_TOKEN"));
        assert!(reason.starts_with("this needs the scope"), "{reason}");
        assert_eq!(last.request_id.len(), 32);
    }
    assert_eq!(refusals(&hub, &hub.tenant).await.len(), attempts.len());
    // Reading settings is no such thing.
    let update =
        format!("mutation {{ updateTenant(input: {{ id: \"{tenant}\", name: \"a\" }}) {{ tenant {{ id }} }} }}");
    assert_eq!(hub.ask(&viewer, &update, json!({})).await.codes(), ["FORBIDDEN"]);
    assert_eq!(refusals(&hub, &hub.tenant).await.len(), attempts.len());
    assert_eq!(audit::verify(hub.app.hub(), hub.tenant.id).await.unwrap().broken, None);
}

#[tokio::test]
async fn who_gives_what_they_do_not_have_is_noted_though_nothing_else_is_left_of_it() {
    let hub = TestHub::with(&SETTINGS).await;
    let agent = hub.agent_of(&hub.tenant, "greedy", Role::Admin).await;
    let token = hub.agent_token(&hub.tenant, agent, Role::Admin).await;
    let refused = hub.ask(&token, CREATE_TOKEN, json!({ "role": "SUPER_ADMIN" })).await;
    assert_eq!(refused.user_codes("createApiToken"), ["FORBIDDEN"]);
    let noted = refusals(&hub, &hub.tenant).await;
    let (action, actor, reason, _) = told(&noted[0]);
    assert_eq!((action.as_str(), actor), ("createApiToken.refused", agent.to_string()));
    assert!(reason.contains("allows more than your own"), "{reason}");
    // What is only wrong is no attempt.
    let wrong = "mutation { createApiToken(input: { name: \"\", role: VIEWER }) { userErrors { code } } }";
    assert_eq!(hub.ask(&token, wrong, json!({})).await.user_codes("createApiToken"), ["BAD_USER_INPUT"]);
    assert_eq!(refusals(&hub, &hub.tenant).await.len(), 1);
}

#[tokio::test]
async fn wrong_passwords_and_used_up_tokens_are_noted_where_the_person_acts_and_nowhere_else() {
    let hub = TestHub::with(&SETTINGS).await;
    let (ann, other) = (ann(&hub).await, hub.another_tenant("other").await);
    // A person acts where the oldest membership is; of two in one millisecond, either may be that.
    hub.clock.advance(TimeDelta::seconds(1));
    hub.user_of(&other, "ann@example.com", Role::Viewer).await;
    let credentials = |password: &str| json!({ "email": "ann@example.com", "password": password });
    assert_eq!(hub.ask("", SIGN_IN, credentials("wrong")).await.codes(), ["UNAUTHENTICATED"]);
    let nobody = json!({ "email": "nobody@example.com", "password": "wrong" });
    assert_eq!(hub.ask("", SIGN_IN, nobody).await.codes(), ["UNAUTHENTICATED"]);
    let noted = refusals(&hub, &hub.tenant).await;
    assert_eq!(noted.len(), 1, "an account that is not there is nobody's");
    let expected = ("signIn.refused", "anonymous", "the password is wrong", 1);
    let (action, actor, reason, times) = told(&noted[0]);
    assert_eq!((action.as_str(), actor.as_str(), reason.as_str(), times), expected);
    assert_eq!(noted[0].subject, ann.id.to_string());
    assert_eq!(refusals(&hub, &other).await.len(), 0, "the other tenant does not learn of it");

    let refresh = "mutation($t: String!) { refreshSession(input: { refreshToken: $t }) { session { refreshToken } } }";
    let session = hub.ask("", SIGN_IN, credentials(PASSWORD)).await.data()["signIn"]["session"].clone();
    let token = json!({ "t": session["refreshToken"] });
    hub.ask("", refresh, token.clone()).await.data();
    hub.clock.advance(TimeDelta::seconds(11));
    assert_eq!(hub.ask("", refresh, token).await.codes(), ["UNAUTHENTICATED"]);
    let noted = refusals(&hub, &hub.tenant).await;
    let (action, _, reason, _) = told(noted.last().unwrap());
    assert_eq!((action.as_str(), reason.as_str()), ("refreshSession.refused", "a refresh token was used twice"));
    assert!(noted.last().unwrap().subject.starts_with("ses_"));
}

#[tokio::test]
async fn credentials_that_were_good_once_are_noted_by_their_ids() {
    let hub = TestHub::with(&SETTINGS).await;
    let (cx, tenant) = (hub.cx(), hub.tenant.clone());
    let (revoked_id, revoked) = hub.new_token(&tenant, Role::Viewer, None, None).await;
    token::revoke(&cx, revoked_id.parse().unwrap()).await.unwrap();
    let (expired_id, expired) = hub.new_token(&tenant, Role::Viewer, None, Some(TimeDelta::minutes(1))).await;
    let machine = hub.agent_of(&tenant, "off", Role::Viewer).await;
    let disabled = hub.agent_token(&tenant, machine, Role::Viewer).await;
    agent::enable(&cx, machine, false).await.unwrap();
    let user = hub.user_of(&tenant, "ann@example.com", Role::Viewer).await;
    let ended = hub.session_of(&tenant, user.id).await;
    session::revoke_all(&cx, user.id).await.unwrap();
    hub.clock.advance(TimeDelta::minutes(2));
    let cases = [
        (revoked, revoked_id, "the token was revoked"),
        (expired, expired_id, "the token has expired"),
        (disabled, machine.to_string(), "the agent is disabled"),
        (ended, user.id.to_string(), "the session was ended"),
    ];
    for (credential, who, why) in cases {
        let refused = hub.ask(&credential, ME, json!({})).await;
        assert_eq!((refused.status.as_u16(), refused.codes()), (401, vec!["UNAUTHENTICATED".to_owned()]));
        let noted = refusals(&hub, &tenant).await;
        let (action, actor, reason, _) = told(noted.last().unwrap());
        assert_eq!((action.as_str(), actor, reason.as_str()), ("credential.refused", who, why));
    }
    let before = refusals(&hub, &tenant).await.len();
    for nobodys in ["ptl_nonsense", "a.b.c"] {
        assert_eq!(hub.ask(nobodys, ME, json!({})).await.status, 401);
    }
    assert_eq!(refusals(&hub, &tenant).await.len(), before, "what was never good is nobody's attempt");
}

#[tokio::test]
async fn a_link_that_is_used_up_is_noted() {
    let hub = TestHub::with(&SETTINGS).await;
    let user = hub.user_of(&hub.tenant, "ann@example.com", Role::Viewer).await;
    let purpose = portolan::domain::access::link::Purpose::SignIn;
    let (link, _) = portolan::domain::access::link::make(&hub.cx(), user.id, purpose).await.unwrap();
    let sign_in = "mutation($t: String!) { signInWithLink(input: { token: $t }) { session { accessToken } } }";
    let token = json!({ "t": link.expose() });
    hub.ask("", sign_in, token.clone()).await.data();
    assert_eq!(hub.ask("", sign_in, token).await.codes(), ["UNAUTHENTICATED"]);
    let noted = refusals(&hub, &hub.tenant).await;
    let (action, _, reason, _) = told(&noted[0]);
    assert_eq!((action.as_str(), reason.as_str()), ("signInWithLink.refused", "the link was used before"));
    assert_eq!(noted[0].subject, user.id.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn however_often_somebody_is_refused_the_log_stays_short_and_the_count_is_true() {
    let hub = TestHub::with(&SETTINGS).await;
    let viewer = hub.token(Role::Viewer).await;
    let attempt = async || hub.ask(&viewer, CREATE_TOKEN, json!({ "role": "ADMIN" })).await.codes();
    for _ in 0..50 {
        assert_eq!(attempt().await, ["FORBIDDEN"]);
    }
    assert_eq!(refusals(&hub, &hub.tenant).await.len(), 1);
    hub.clock.advance(TimeDelta::minutes(1));
    assert_eq!(Refusals::flush(hub.app.hub(), false).await.unwrap(), 1);
    let times = async || refusals(&hub, &hub.tenant).await.iter().map(|entry| told(entry).3).collect::<Vec<_>>();
    assert_eq!(times().await, [1, 49]);
    attempt().await;
    // A stop writes what was counted.
    assert_eq!(Refusals::flush(hub.app.hub(), true).await.unwrap(), 1);
    assert_eq!(times().await.iter().sum::<u64>(), 51);

    // Ids that nobody has, a new one each time.
    let delete = "mutation($id: ID!) { deleteAgent(input: { id: $id }) { deletedId } }";
    let before = refusals(&hub, &hub.tenant).await.len();
    for _ in 0..200 {
        let id: portolan::kernel::id::AgentId = hub.cx().id();
        assert_eq!(hub.ask(&viewer, delete, json!({ "id": id })).await.codes(), ["FORBIDDEN"]);
    }
    assert_eq!(refusals(&hub, &hub.tenant).await.len() - before, 61);
    Refusals::flush(hub.app.hub(), true).await.unwrap();
    let noted = refusals(&hub, &hub.tenant).await;
    assert_eq!(told(noted.last().unwrap()).0, "several.refused");
    assert_eq!(noted[before..].iter().map(|entry| told(entry).3).sum::<u64>(), 200);
}

#[tokio::test]
async fn a_stop_writes_what_was_counted() {
    let hub = TestHub::with(&SETTINGS).await;
    let viewer = hub.token(Role::Viewer).await;
    for _ in 0..3 {
        hub.ask(&viewer, CREATE_TOKEN, json!({ "role": "ADMIN" })).await;
    }
    let hub = hub.restart(&SETTINGS).await;
    let times: Vec<_> = refusals(&hub, &hub.tenant).await.iter().map(|entry| told(entry).3).collect();
    assert_eq!(times, [1, 2]);
}

#[tokio::test]
async fn no_secret_that_was_tried_is_in_the_log() {
    let hub = TestHub::with(&SETTINGS).await;
    let ann = ann(&hub).await;
    let wrong = json!({ "email": "ann@example.com", "password": "hunter2 hunter2" });
    hub.ask("", SIGN_IN, wrong).await;
    let session = hub.session_of(&hub.tenant, ann.id).await;
    let change = "mutation { changePassword(input: { currentPassword: \"hunter2 hunter2\", newPassword: \"another password\" }) {
        userErrors { code } } }";
    hub.ask(&session, change, Value::Null).await;
    let noted = refusals(&hub, &hub.tenant).await;
    assert_eq!(
        noted.iter().map(|entry| told(entry).0).collect::<Vec<_>>(),
        ["signIn.refused", "changePassword.refused"]
    );
    assert!(!format!("{noted:?}").contains("hunter2"));
}
