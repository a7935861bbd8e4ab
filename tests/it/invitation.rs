//! Joining a tenant, and the limits of its administrators over people who belong to other tenants too.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use futures_util::future::join_all;
use portolan::{
    domain::access::{
        link::{self, Purpose},
        membership,
        session::Client,
    },
    entity::{audit_entry, event},
    kernel::{actor::Actor, scope::Role},
};
use serde_json::{Value, json};

use crate::support::{Reply, TestHub, records::Records};

const INVITE: &str = "mutation($email: String!, $role: Role!, $key: String) {
    inviteMember(input: { email: $email, role: $role, idempotencyKey: $key }) {
        invitation { id email role state createdBy endedAt } token url userErrors { code path message } } }";
const ACCEPT: &str = "mutation($input: AcceptInvitationInput!) { acceptInvitation(input: $input) {
    tenantSlug role session { accessToken } userErrors { code path } } }";
const DECLINE: &str = "mutation($token: String!) { declineInvitation(input: { token: $token }) {
    declined userErrors { code path } } }";
const REVOKE: &str = "mutation($id: ID!) { revokeInvitation(input: { id: $id }) {
    invitation { state } userErrors { code path } } }";
const RECEIVED: &str = "{ viewer { invitations { tenantName role } tenants { slug } } }";
const STATES: &str = "{ invitations { nodes { email state } } }";
const SIGN_IN: &str = "mutation($email: String!, $password: String!, $tenant: ID) {
    signIn(input: { email: $email, password: $password, tenantId: $tenant }) { session { accessToken refreshToken } } }";
const REVOKE_SESSIONS: &str = "mutation($id: ID!) { revokeSessions(input: { userId: $id }) {
    ended userErrors { code path } } }";
const CREATE_LINK: &str = "mutation($id: ID!) { createLink(input: { userId: $id, purpose: PASSWORD_RESET }) {
    token userErrors { code } } }";
const SET: &str = "mutation($token: String!) { setPassword(input: { token: $token, password: \"a third password\" }) {
    session { accessToken } } }";
const ME: &str = "{ viewer { actor role tenant { slug } } }";

const PASSWORD: &str = "correct horse battery";

/// Hashes that cost little, since tests are not about the cost.
const CHEAP: [(&str, &str); 2] =
    [("PORTOLAN_ACCESS_PASSWORD_MEMORY", "64KiB"), ("PORTOLAN_GRAPHQL_COST_PER_MINUTE", "0")];

async fn invite(hub: &TestHub, admin: &str, email: &str) -> Value {
    // Lists are in the order of creation, which is open within one millisecond.
    hub.clock.advance(TimeDelta::milliseconds(1));
    let variables = json!({ "email": email, "role": "OPERATOR" });
    hub.ask(admin, INVITE, variables).await.data()["inviteMember"].clone()
}

async fn accept(hub: &TestHub, as_who: &str, token: &Value, name: Option<&str>, password: Option<&str>) -> Reply {
    let input = json!({ "input": { "token": token, "name": name, "password": password } });
    hub.ask(as_who, ACCEPT, input).await
}

async fn sign_in(hub: &TestHub, email: &str, password: &str, tenant: Option<&str>) -> Reply {
    hub.ask("", SIGN_IN, json!({ "email": email, "password": password, "tenant": tenant })).await
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// A person of the first tenant who has a password.
async fn ann(hub: &TestHub) -> String {
    let ann = hub.user_of(&hub.tenant, "ann@example.com", Role::Viewer).await;
    let (token, _) = link::make(&hub.cx(), ann.id, Purpose::PasswordReset).await.unwrap();
    link::set_password(&hub.cx(), token.expose(), PASSWORD.to_owned().into(), &Client::default()).await.unwrap();
    // This tenant is the first one of the person; of two memberships in one millisecond, either may be.
    hub.clock.advance(TimeDelta::milliseconds(1));
    ann.id.to_string()
}

#[tokio::test]
async fn a_newcomer_becomes_a_member_by_accepting_and_not_before() {
    let hub = TestHub::with(&CHEAP).await;
    let admin = hub.token(Role::Admin).await;
    let before = Records::of(&hub).await;
    let made = invite(&hub, &admin, " Bob@Example.com ").await;
    assert_eq!(made["userErrors"], json!([]));
    assert_eq!(made["invitation"]["email"], "bob@example.com");
    assert_eq!(made["invitation"]["state"], "PENDING");
    assert_eq!(text(&made["url"]), format!("http://127.0.0.1:8080/#/invitation/{}", text(&made["token"])));
    let new = Records::of(&hub).await.since(&before);
    assert_eq!((new.events.clone(), new.audit), (vec!["invitation.created".to_owned()], new.events));
    let users = hub.ask(&admin, "{ users { nodes { email } } }", json!({})).await.data();
    assert_eq!(users["users"]["nodes"].as_array().unwrap().len(), 1, "the administrator of the first start");

    let short = accept(&hub, "", &made["token"], None, Some("short")).await.data()["acceptInvitation"].clone();
    assert_eq!(
        short["userErrors"],
        json!([
            { "code": "BAD_USER_INPUT", "path": ["input", "name"] },
            { "code": "BAD_USER_INPUT", "path": ["input", "password"] },
        ])
    );
    let before = Records::of(&hub).await;
    let joined = accept(&hub, "", &made["token"], Some("Bob"), Some(PASSWORD)).await.data();
    let joined = joined["acceptInvitation"].clone();
    assert_eq!((&joined["tenantSlug"], &joined["role"]), (&json!("default"), &json!("OPERATOR")));
    let me = hub.ask(text(&joined["session"]["accessToken"]), ME, json!({})).await.data()["viewer"].clone();
    assert_eq!((&me["role"], &me["tenant"]["slug"]), (&json!("OPERATOR"), &json!("default")));
    let new = Records::of(&hub).await.since(&before);
    let expected = ["user.created", "invitation.accepted", "membership.granted", "session.started"];
    assert_eq!(
        (new.events.as_slice(), new.audit.as_slice()),
        (&expected.map(str::to_owned)[..], &expected.map(str::to_owned)[..])
    );
    let db = hub.app.hub().database.reader();
    let entries = audit_entry::of(hub.tenant.id).all(db).await.unwrap();
    let by_bob = entries.iter().filter(|entry| entry.actor == text(&me["actor"])).count();
    assert_eq!(by_bob, 4, "the entries name the person as the actor");

    let again = accept(&hub, "", &made["token"], Some("Bob"), Some(PASSWORD)).await;
    assert_eq!(again.codes(), ["UNAUTHENTICATED"]);
    let member = invite(&hub, &admin, "bob@example.com").await;
    assert_eq!((&member["userErrors"][0]["code"], &member["token"]), (&json!("CONFLICT"), &Value::Null));
    sign_in(&hub, "bob@example.com", PASSWORD, None).await.data();
}

#[tokio::test]
async fn somebody_with_an_account_accepts_when_signed_in_or_with_its_password() {
    let hub = TestHub::with(&CHEAP).await;
    let ann = ann(&hub).await;
    let (other, third) = (hub.another_tenant("other").await, hub.another_tenant("third").await);
    let session = sign_in(&hub, "ann@example.com", PASSWORD, None).await.data()["signIn"]["session"].clone();
    let access = text(&session["accessToken"]);
    let made = invite(&hub, &hub.token_of(&other, Role::Admin).await, "ann@example.com").await;
    let shown = hub.ask(access, RECEIVED, json!({})).await.data()["viewer"].clone();
    assert_eq!(shown["invitations"], json!([{ "tenantName": "other", "role": "OPERATOR" }]));
    assert_eq!(shown["tenants"], json!([{ "slug": "default" }]));
    assert_eq!(hub.ask_in("other", access, ME).await.codes(), ["NOT_FOUND"]);
    let joined = accept(&hub, access, &made["token"], None, None).await.data()["acceptInvitation"].clone();
    assert_eq!((&joined["tenantSlug"], &joined["session"]), (&json!("other"), &Value::Null));
    let shown = hub.ask(access, RECEIVED, json!({})).await.data()["viewer"].clone();
    assert_eq!(shown, json!({ "invitations": [], "tenants": [{ "slug": "default" }, { "slug": "other" }] }));
    assert_eq!(hub.ask_in("other", access, ME).await.data()["viewer"]["role"], "OPERATOR");

    let made = invite(&hub, &hub.token_of(&third, Role::Admin).await, "ann@example.com").await;
    let wrong = accept(&hub, "", &made["token"], Some("Ann"), Some("wrong password")).await;
    assert_eq!(wrong.codes(), ["UNAUTHENTICATED"]);
    let joined = accept(&hub, "", &made["token"], Some("Impostor"), Some(PASSWORD)).await.data();
    let session = text(&joined["acceptInvitation"]["session"]["accessToken"]).to_owned();
    let me = hub.ask(&session, ME, json!({})).await.data()["viewer"].clone();
    assert_eq!(me, json!({ "actor": ann, "role": "OPERATOR", "tenant": { "slug": "third" } }));
    let name = "query($id: ID!) { node(id: $id) { ... on User { name } } }";
    let name = hub.ask(&hub.token(Role::Admin).await, name, json!({ "id": ann })).await.data();
    assert_eq!(name["node"]["name"], "Somebody", "the account stays as it is");
}

/// Whoever holds the link may try passwords of the account; so they are counted like any others.
#[tokio::test]
async fn guesses_by_an_invitation_are_limited() {
    let hub = TestHub::with(&CHEAP).await;
    ann(&hub).await;
    let other = hub.another_tenant("other").await;
    let made = invite(&hub, &hub.token_of(&other, Role::Admin).await, "ann@example.com").await;
    for _ in 0..5 {
        let wrong = accept(&hub, "", &made["token"], Some("Ann"), Some("wrong password")).await;
        assert_eq!(wrong.codes(), ["UNAUTHENTICATED"]);
    }
    assert_eq!(accept(&hub, "", &made["token"], Some("Ann"), Some(PASSWORD)).await.codes(), ["RATE_LIMITED"]);
}

#[tokio::test]
async fn an_invitation_ends_by_being_declined_revoked_replaced_or_too_old() {
    let hub = TestHub::with(&CHEAP).await;
    let admin = hub.token(Role::Admin).await;
    let refused = async |token: &Value, why: &str| {
        assert_eq!(accept(&hub, "", token, Some("A"), Some(PASSWORD)).await.codes(), ["UNAUTHENTICATED"], "{why}");
        assert_eq!(hub.ask("", DECLINE, json!({ "token": token })).await.codes(), ["UNAUTHENTICATED"], "{why}");
    };
    let declined = invite(&hub, &admin, "a@example.com").await;
    let done = hub.ask("", DECLINE, json!({ "token": declined["token"] })).await.data();
    assert_eq!(done["declineInvitation"]["declined"], true);
    refused(&declined["token"], "declined").await;

    let revoked = invite(&hub, &admin, "b@example.com").await;
    let id = json!({ "id": revoked["invitation"]["id"] });
    for _ in 0..2 {
        let done = hub.ask(&admin, REVOKE, id.clone()).await.data()["revokeInvitation"].clone();
        assert_eq!(done, json!({ "invitation": { "state": "REVOKED" }, "userErrors": [] }));
    }
    refused(&revoked["token"], "revoked").await;

    let first = invite(&hub, &admin, "c@example.com").await;
    let second = invite(&hub, &admin, "c@example.com").await;
    refused(&first["token"], "replaced").await;

    let late = invite(&hub, &admin, "d@example.com").await;
    let states = hub.ask(&admin, STATES, json!({})).await.data()["invitations"]["nodes"].clone();
    let of = |email: &str| {
        let nodes = states.as_array().unwrap().iter();
        nodes.filter(|node| node["email"] == email).map(|node| text(&node["state"]).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((of("a@example.com"), of("b@example.com")), (vec!["DECLINED".to_owned()], vec!["REVOKED".to_owned()]));
    assert_eq!(of("c@example.com"), ["REVOKED", "PENDING"]);
    hub.clock.advance(TimeDelta::days(7));
    refused(&late["token"], "too old").await;
    refused(&second["token"], "too old").await;
    assert_eq!(accept(&hub, "", &json!("nonsense"), Some("A"), Some(PASSWORD)).await.codes(), ["UNAUTHENTICATED"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_accept_at_once_one_becomes_a_member() {
    let hub = TestHub::with(&CHEAP).await;
    let admin = hub.token(Role::Admin).await;
    let made = invite(&hub, &admin, "bob@example.com").await;
    let replies = join_all((0..5).map(|_| accept(&hub, "", &made["token"], Some("Bob"), Some(PASSWORD)))).await;
    let joined = replies.iter().filter(|reply| reply.codes().is_empty()).count();
    assert_eq!(joined, 1, "{:?}", replies.iter().map(Reply::codes).collect::<Vec<_>>());
    let members = hub.ask(&admin, "{ users { nodes { email } } }", json!({})).await.data();
    let bobs = members["users"]["nodes"].as_array().unwrap().iter().filter(|node| node["email"] == "bob@example.com");
    assert_eq!(bobs.count(), 1);
}

#[tokio::test]
async fn a_repeated_invitation_is_made_once_and_its_link_is_said_once() {
    let hub = TestHub::with(&CHEAP).await;
    let admin = hub.token(Role::Admin).await;
    let variables = json!({ "email": "bob@example.com", "role": "VIEWER", "key": "once" });
    let first = hub.ask(&admin, INVITE, variables.clone()).await.data()["inviteMember"].clone();
    let again = hub.ask(&admin, INVITE, variables).await.data()["inviteMember"].clone();
    assert_eq!(again["invitation"], first["invitation"]);
    assert_eq!((&again["token"], &again["url"]), (&Value::Null, &Value::Null));
}

/// The answers are alike, and so is the work behind them.
#[tokio::test]
async fn an_administrator_does_not_learn_which_addresses_have_an_account() {
    let hub = TestHub::with(&CHEAP).await;
    ann(&hub).await;
    let other = hub.another_tenant("other").await;
    let admin = hub.token_of(&other, Role::Admin).await;
    let own = hub.user_of(&other, "own@example.com", Role::Viewer).await;
    let count = || -> u64 {
        let page = hub.app.metrics().page();
        let lines = page.lines().filter(|line| line.starts_with("db_statement_duration_seconds_count"));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    };
    // What is done once by a hub is done before.
    invite(&hub, &admin, "first@example.com").await;
    let update = "mutation($id: ID!, $email: String!) { updateUser(input: { id: $id, email: $email }) {
        user { email } userErrors { code path message } } }";
    let (mut answers, mut costs) = (BTreeSet::new(), BTreeSet::new());
    for email in ["ann@example.com", "bob@example.com"] {
        hub.settle().await;
        let before = count();
        let mut made = invite(&hub, &admin, email).await;
        costs.insert(count() - before);
        for varying in ["/token", "/url", "/invitation/id", "/invitation/email"] {
            *made.pointer_mut(varying).unwrap() = Value::Null;
        }
        let changed = hub.ask(&admin, update, json!({ "id": own.id, "email": email })).await.data();
        answers.insert((made.to_string(), changed.to_string()));
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(costs.len(), 1, "{costs:?} statements");
    assert!(answers.iter().all(|(_, changed)| changed.contains("FORBIDDEN")), "{answers:?}");
}

#[tokio::test]
async fn an_invitation_of_another_address_is_not_accepted_by_the_session_alone() {
    let hub = TestHub::with(&CHEAP).await;
    ann(&hub).await;
    let other = hub.another_tenant("other").await;
    let session = sign_in(&hub, "ann@example.com", PASSWORD, None).await.data()["signIn"]["session"].clone();
    let made = invite(&hub, &hub.token_of(&other, Role::Admin).await, "bob@example.com").await;
    let refused = accept(&hub, text(&session["accessToken"]), &made["token"], None, None).await;
    assert_eq!(refused.user_codes("acceptInvitation"), ["BAD_USER_INPUT", "BAD_USER_INPUT"]);
}

/// Administrators who made links for the account cannot use them to reach a tenant that the person joins.
#[tokio::test]
async fn joining_another_tenant_ends_links_that_the_first_one_made() {
    let hub = TestHub::with(&CHEAP).await;
    let id = ann(&hub).await;
    let (admin, other) = (hub.token(Role::Admin).await, hub.another_tenant("other").await);
    let made = hub.ask(&admin, CREATE_LINK, json!({ "id": id })).await.data()["createLink"].clone();
    let invitation = invite(&hub, &hub.token_of(&other, Role::Admin).await, "ann@example.com").await;
    accept(&hub, "", &invitation["token"], Some("Ann"), Some(PASSWORD)).await.data();
    assert_eq!(hub.ask("", SET, json!({ "token": made["token"] })).await.codes(), ["UNAUTHENTICATED"]);
    let refused = hub.ask(&admin, CREATE_LINK, json!({ "id": id })).await;
    assert_eq!(refused.user_codes("createLink"), ["FORBIDDEN"]);
    let operator = hub.token(Role::SuperAdmin).await;
    assert_eq!(hub.ask(&operator, CREATE_LINK, json!({ "id": id })).await.user_codes("createLink"), [""; 0]);
}

/// Ann in two tenants, with a session in each; their tenant, their ids, and an administrator of the other.
async fn in_two_tenants() -> (TestHub, String, [String; 2], String) {
    let hub = TestHub::with(&CHEAP).await;
    let id = ann(&hub).await;
    let other = hub.another_tenant("other").await;
    hub.user_of(&other, "ann@example.com", Role::Viewer).await;
    let mut sessions = Vec::new();
    for tenant in [hub.tenant.id, other.id] {
        let signed_in = sign_in(&hub, "ann@example.com", PASSWORD, Some(&tenant.to_string())).await.data();
        sessions.push(text(&signed_in["signIn"]["session"]["accessToken"]).to_owned());
    }
    let admin = hub.token_of(&other, Role::Admin).await;
    (hub, id, sessions.try_into().unwrap(), admin)
}

#[tokio::test]
async fn an_administrator_ends_sessions_as_far_as_they_act_in_the_tenant() {
    let (hub, id, [here, there], admin) = in_two_tenants().await;
    assert_eq!(hub.ask_in("other", &here, ME).await.status, 200);
    let ended = hub.ask(&admin, REVOKE_SESSIONS, json!({ "id": id })).await.data()["revokeSessions"].clone();
    assert_eq!(ended, json!({ "ended": 1, "userErrors": [] }));
    assert_eq!(hub.ask(&there, ME, json!({})).await.status, 401);
    assert_eq!(hub.ask(&here, ME, json!({})).await.data()["viewer"]["tenant"]["slug"], "default", "goes on there");
    assert_eq!(hub.ask_in("other", &here, ME).await.status, 401, "and acts here no more");
    assert_eq!(hub.ask(&there, ME, json!({})).await.status, 401);
    // Who signs in anew is let in, at the same instant too.
    let other = portolan::domain::tenant::named(hub.app.hub(), "other").await.unwrap().id.to_string();
    let again = sign_in(&hub, "ann@example.com", PASSWORD, Some(&other)).await.data()["signIn"]["session"].clone();
    assert_eq!(hub.ask(text(&again["accessToken"]), ME, json!({})).await.status, 200);
}

#[tokio::test]
async fn an_administrator_does_not_end_the_sessions_of_somebody_who_may_do_more() {
    let hub = TestHub::with(&CHEAP).await;
    let root = hub.user_of(&hub.tenant, "root@example.com", Role::SuperAdmin).await;
    let session = hub.session_of(&hub.tenant, root.id).await;
    let admin = hub.token(Role::Admin).await;
    let refused = hub.ask(&admin, REVOKE_SESSIONS, json!({ "id": root.id })).await;
    assert_eq!(refused.user_codes("revokeSessions"), ["FORBIDDEN"]);
    assert_eq!(hub.ask(&session, ME, json!({})).await.status, 200);
}

#[tokio::test]
async fn a_tenant_sees_what_happened_in_it_and_not_where_else_a_person_signs_in() {
    let (hub, _, [here, _], _) = in_two_tenants().await;
    let other = portolan::domain::tenant::named(hub.app.hub(), "other").await.unwrap();
    let db = hub.app.hub().database.reader();
    let seen = async || {
        hub.number_events().await;
        let entries = audit_entry::of(other.id).all(db).await.unwrap();
        let events = event::of(other.id).all(db).await.unwrap();
        let actions =
            entries.iter().map(|entry| entry.action.clone()).chain(events.into_iter().map(|event| event.kind));
        actions.filter(|kind| kind.starts_with("session.") || kind.contains("refused")).collect::<Vec<_>>()
    };
    let before = seen().await;
    assert_eq!(before, ["session.started", "session.started"], "one session acts there: an entry and an event");
    sign_in(&hub, "ann@example.com", PASSWORD, Some(&hub.tenant.id.to_string())).await.data();
    assert_eq!(sign_in(&hub, "ann@example.com", "wrong password", None).await.codes(), ["UNAUTHENTICATED"]);
    hub.ask(&here, "mutation { signOut { ended } }", json!({})).await.data();
    hub.settle().await;
    assert_eq!(seen().await, before);
}

/// A new password ends the sessions everywhere; each tenant reads of its own, and only the one in which it was done
/// reads from where.
#[tokio::test]
async fn a_session_that_ends_from_elsewhere_is_recorded_without_the_address() {
    let (hub, id, ..) = in_two_tenants().await;
    let other = portolan::domain::tenant::named(hub.app.hub(), "other").await.unwrap();
    let user: portolan::kernel::id::UserId = id.parse().unwrap();
    let session = sign_in(&hub, "ann@example.com", PASSWORD, None).await.data()["signIn"]["session"].clone();
    let cx = hub.cx();
    let caller = portolan::domain::access::identify(&cx, text(&session["accessToken"]), None).await.unwrap();
    assert_eq!(caller.actor, Actor::User(user));
    let request = portolan::context::RequestInfo { id: "here".into(), address: Some([10, 9, 8, 7].into()) };
    let cx = portolan::context::Cx::new(hub.app.hub().clone(), caller, request);
    let (old, new) = (PASSWORD.to_owned().into(), "another password".to_owned().into());
    link::change_password(&cx, Some(old), new, &Client::default()).await.unwrap();
    let db = hub.app.hub().database.reader();
    let ended = async |tenant| {
        let entries = audit_entry::of(tenant).all(db).await.unwrap();
        let mut ended: Vec<_> = entries.into_iter().filter(|entry| entry.action == "session.ended").collect();
        ended.retain(|entry| entry.request_id == "here");
        ended.into_iter().map(|entry| entry.address).collect::<Vec<_>>()
    };
    assert_eq!(ended(other.id).await, [None]);
    let here = ended(hub.tenant.id).await;
    assert!(here.len() >= 2 && here.iter().all(|address| address.as_deref() == Some("10.9.8.7")), "{here:?}");
}

#[tokio::test]
async fn a_person_changes_the_own_name_everywhere() {
    let (hub, id, [here, _], admin) = in_two_tenants().await;
    let rename = "mutation($name: String!) { updateProfile(input: { name: $name }) {
        user { name } userErrors { code path } } }";
    let renamed = hub.ask(&here, rename, json!({ "name": "Ann Other" })).await.data();
    assert_eq!(renamed["updateProfile"]["user"]["name"], "Ann Other");
    let seen = hub.ask(&admin, "query($id: ID!) { node(id: $id) { ... on User { name } } }", json!({ "id": id })).await;
    assert_eq!(seen.data()["node"]["name"], "Ann Other");
    let refused = hub.ask(&here, rename, json!({ "name": " " })).await;
    assert_eq!(refused.user_codes("updateProfile"), ["BAD_USER_INPUT"]);
    assert_eq!(hub.ask(&admin, rename, json!({ "name": "A" })).await.codes(), ["FORBIDDEN"], "a program has no name");
}

/// Somebody who was taken out of the only tenant has an account and no place; an invitation gives one.
#[tokio::test]
async fn somebody_without_a_tenant_joins_by_an_invitation() {
    let hub = TestHub::with(&CHEAP).await;
    let id = ann(&hub).await;
    let bond = membership::of_users(&hub.cx(), &[id.parse().unwrap()]).await.unwrap().remove(0);
    membership::revoke(&hub.cx(), bond.id).await.unwrap();
    assert_eq!(sign_in(&hub, "ann@example.com", PASSWORD, None).await.codes(), ["UNAUTHENTICATED"]);
    let other = hub.another_tenant("other").await;
    let made = invite(&hub, &hub.token_of(&other, Role::Admin).await, "ann@example.com").await;
    let joined = accept(&hub, "", &made["token"], Some("Ann"), Some(PASSWORD)).await.data();
    assert_eq!(joined["acceptInvitation"]["tenantSlug"], "other");
    sign_in(&hub, "ann@example.com", PASSWORD, None).await.data();
}
