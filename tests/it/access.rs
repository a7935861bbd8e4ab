//! Who may come in, and what they may do.

use chrono::TimeDelta;
use portolan::{
    domain::access::membership,
    kernel::scope::{Role, Scope},
};
use serde_json::json;

use crate::support::{TestHub, records::Records};

const CREATE_USER: &str = "mutation($input: CreateUserInput!) { createUser(input: $input) {
    user { id email name membership { id role } } userErrors { code path message } } }";
const INVITE: &str = "mutation($input: InviteMemberInput!) { inviteMember(input: $input) {
    invitation { id } userErrors { code path } } }";
const CREATE_TOKEN: &str = "mutation($input: CreateApiTokenInput!) { createApiToken(input: $input) {
    token apiToken { id hint role scopes createdBy } userErrors { code path } } }";
const REVOKE_TOKEN: &str = "mutation($input: RevokeApiTokenInput!) { revokeApiToken(input: $input) {
    apiToken { revokedAt } userErrors { code } } }";
const UPDATE_MEMBERSHIP: &str = "mutation($input: UpdateMembershipInput!) { updateMembership(input: $input) {
    membership { role user { email } } userErrors { code path } } }";
const REVOKE_MEMBERSHIP: &str = "mutation($input: RevokeMembershipInput!) { revokeMembership(input: $input) {
    revokedId userErrors { code path } } }";
const UPDATE_USER: &str = "mutation($input: UpdateUserInput!) { updateUser(input: $input) {
    user { email name } userErrors { code path } } }";
const ME: &str = "{ viewer { kind actor role scopes expiresAt tenant { slug } } }";

#[tokio::test]
async fn a_person_whom_the_operator_creates_is_a_member_and_the_log_says_so() {
    let hub = TestHub::start().await;
    let admin = hub.token(Role::SuperAdmin).await;
    let before = Records::of(&hub).await;
    let input = json!({ "input": { "email": " Ann@Example.com ", "name": "Ann", "role": "OPERATOR" } });
    let user = hub.ask(&admin, CREATE_USER, input).await.data()["createUser"]["user"].clone();
    assert_eq!(user["email"], "ann@example.com");
    assert_eq!(user["membership"]["role"], "OPERATOR");
    let new = Records::of(&hub).await.since(&before);
    assert_eq!(new.events, ["user.created", "membership.granted"]);
    assert_eq!(new.audit, ["user.created", "membership.granted"]);
}

#[tokio::test]
async fn every_mistake_of_an_input_is_named_at_once_and_nothing_is_written() {
    let hub = TestHub::start().await;
    let admin = hub.token(Role::SuperAdmin).await;
    let before = Records::of(&hub).await;
    let input = json!({ "input": { "email": "nobody", "name": " ", "role": "VIEWER" } });
    let reply = hub.ask(&admin, CREATE_USER, input).await;
    let errors = reply.data()["createUser"]["userErrors"].clone();
    assert_eq!(errors[0]["path"], json!(["input", "email"]));
    assert_eq!(errors[1]["path"], json!(["input", "name"]));
    assert_eq!(reply.data()["createUser"]["user"], json!(null));
    assert_eq!(Records::of(&hub).await, before);
}

#[tokio::test]
async fn the_operator_adds_an_account_as_it_is() {
    let hub = TestHub::start().await;
    let other = hub.another_tenant("other").await;
    let known = hub.user_of(&other, "ann@example.com", Role::Viewer).await;
    let admin = hub.token(Role::SuperAdmin).await;
    let input = json!({ "input": { "email": "ann@example.com", "name": "Impostor", "role": "VIEWER" } });
    let joined = hub.ask(&admin, CREATE_USER, input.clone()).await.data()["createUser"]["user"].clone();
    assert_eq!(joined["id"], known.id.to_string());
    assert_eq!(joined["name"], "Somebody");
    assert_eq!(hub.ask(&admin, CREATE_USER, input).await.user_codes("createUser"), ["CONFLICT"]);
}

#[tokio::test]
async fn nobody_gives_more_than_they_have() {
    let hub = TestHub::start().await;
    let admin = hub.token(Role::Admin).await;
    let input = json!({ "input": { "email": "ann@example.com", "role": "SUPER_ADMIN" } });
    assert_eq!(hub.ask(&admin, INVITE, input).await.user_codes("inviteMember"), ["FORBIDDEN"]);
    let input = json!({ "input": { "name": "mine", "role": "SUPER_ADMIN" } });
    assert_eq!(hub.ask(&admin, CREATE_TOKEN, input).await.user_codes("createApiToken"), ["FORBIDDEN"]);
    // A token narrowed to two scopes cannot make one with all of its role.
    let few = [Scope::AccessRead, Scope::AccessWrite];
    let (_, narrow) = hub.new_token(&hub.tenant, Role::Admin, Some(&few), None).await;
    let all = json!({ "input": { "name": "all", "role": "ADMIN" } });
    assert_eq!(hub.ask(&narrow, CREATE_TOKEN, all).await.user_codes("createApiToken"), ["FORBIDDEN"]);
    let same = json!({ "input": { "name": "same", "role": "ADMIN", "scopes": ["ACCESS_READ"] } });
    assert_eq!(hub.ask(&narrow, CREATE_TOKEN, same).await.user_codes("createApiToken"), [""; 0]);
}

#[tokio::test]
async fn a_token_is_shown_once_and_only_its_digest_is_kept() {
    let hub = TestHub::start().await;
    let admin = hub.token(Role::Admin).await;
    let input = json!({ "input": { "name": "ci", "role": "VIEWER", "idempotencyKey": "once" } });
    let made = hub.ask(&admin, CREATE_TOKEN, input.clone()).await.data()["createApiToken"].clone();
    let token = made["token"].as_str().unwrap();
    assert!(token.starts_with("ptl_"));
    assert_eq!(hub.ask(token, ME, json!({})).await.data()["viewer"]["role"], "VIEWER");
    let again = hub.ask(&admin, CREATE_TOKEN, input).await.data()["createApiToken"].clone();
    assert_eq!(again["apiToken"]["id"], made["apiToken"]["id"]);
    assert_eq!(again["token"], json!(null));
    let records = Records::of(&hub).await;
    assert!(!records.everything().contains(&token[8..40]), "the token is in an event or an audit entry");
}

#[tokio::test]
async fn a_token_opens_nothing_once_revoked_or_expired() {
    let hub = TestHub::start().await;
    let admin = hub.token(Role::Admin).await;
    let (id, token) = hub.new_token(&hub.tenant, Role::Viewer, None, Some(TimeDelta::hours(1))).await;
    assert_eq!(hub.ask(&token, ME, json!({})).await.status, 200);
    hub.clock.advance(TimeDelta::hours(1));
    assert_eq!(hub.ask(&token, ME, json!({})).await.codes(), ["UNAUTHENTICATED"]);
    hub.clock.advance(TimeDelta::minutes(-1));
    assert_eq!(hub.ask(&token, ME, json!({})).await.status, 200);
    let revoke = json!({ "input": { "id": id } });
    let at = hub.ask(&admin, REVOKE_TOKEN, revoke.clone()).await.data();
    assert_eq!(hub.ask(&token, ME, json!({})).await.codes(), ["UNAUTHENTICATED"]);
    let again = hub.ask(&admin, REVOKE_TOKEN, revoke).await.data();
    assert_eq!(again, at, "revoking twice changes nothing");
}

#[tokio::test]
async fn a_narrowed_token_has_only_its_scopes() {
    let hub = TestHub::start().await;
    let (_, token) = hub.new_token(&hub.tenant, Role::Admin, Some(&[Scope::TenantRead]), None).await;
    let me = hub.ask(&token, ME, json!({})).await.data();
    assert_eq!(me["viewer"]["scopes"], json!(["TENANT_READ"]));
    assert_eq!(hub.ask(&token, "{ users { totalCount } }", json!({})).await.codes(), ["FORBIDDEN"]);
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let hub = TestHub::start().await;
    let other = hub.another_tenant("other").await;
    let ann = hub.user_of(&other, "ann@example.com", Role::Admin).await;
    let admin = hub.token_of(&other, Role::Admin).await;
    let membership = |reply: serde_json::Value| reply["users"]["nodes"][0]["membership"]["id"].clone();
    let id = membership(hub.ask(&admin, "{ users { nodes { membership { id } } } }", json!({})).await.data());
    let demote = json!({ "input": { "id": id, "role": "VIEWER" } });
    let revoke = json!({ "input": { "id": id } });
    assert_eq!(hub.ask(&admin, UPDATE_MEMBERSHIP, demote.clone()).await.user_codes("updateMembership"), ["CONFLICT"]);
    assert_eq!(hub.ask(&admin, REVOKE_MEMBERSHIP, revoke.clone()).await.user_codes("revokeMembership"), ["CONFLICT"]);
    hub.user_of(&other, "bob@example.com", Role::Admin).await;
    let demoted = hub.ask(&admin, UPDATE_MEMBERSHIP, demote).await.data();
    assert_eq!(demoted["updateMembership"]["membership"]["role"], "VIEWER");
    assert_eq!(demoted["updateMembership"]["membership"]["user"]["email"], ann.email);
    assert_eq!(hub.ask(&admin, REVOKE_MEMBERSHIP, revoke).await.data()["revokeMembership"]["revokedId"], id);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_administrators_cannot_demote_each_other_at_the_same_instant() {
    let hub = TestHub::start().await;
    for round in 0..10 {
        let tenant = hub.another_tenant(&format!("round-{round}")).await;
        hub.user_of(&tenant, &format!("a{round}@example.com"), Role::Admin).await;
        hub.user_of(&tenant, &format!("b{round}@example.com"), Role::Admin).await;
        let admin = hub.token_of(&tenant, Role::Admin).await;
        let users = hub.ask(&admin, "{ users { nodes { membership { id } } } }", json!({})).await.data();
        let ids: Vec<_> = (0..2).map(|at| users["users"]["nodes"][at]["membership"]["id"].clone()).collect();
        let demote = |id: &serde_json::Value| json!({ "input": { "id": id, "role": "VIEWER" } });
        let (one, two) = tokio::join!(
            hub.ask(&admin, UPDATE_MEMBERSHIP, demote(&ids[0])),
            hub.ask(&admin, UPDATE_MEMBERSHIP, demote(&ids[1]))
        );
        let refused = [one, two].iter().filter(|reply| !reply.user_codes("updateMembership").is_empty()).count();
        assert_eq!(refused, 1, "round {round}");
    }
}

#[tokio::test]
async fn an_administrator_changes_only_accounts_that_the_tenant_founded_and_has_alone() {
    let hub = TestHub::start().await;
    let other = hub.another_tenant("other").await;
    let own = hub.user_of(&hub.tenant, "own@example.com", Role::Viewer).await;
    let shared = hub.user_of(&hub.tenant, "shared@example.com", Role::Viewer).await;
    hub.user_of(&other, "shared@example.com", Role::Viewer).await;
    let admin = hub.token(Role::Admin).await;
    let rename = |id: &dyn std::fmt::Display| json!({ "input": { "id": id.to_string(), "name": "New" } });
    let renamed = hub.ask(&admin, UPDATE_USER, rename(&own.id)).await.data();
    assert_eq!(renamed["updateUser"]["user"]["name"], "New");
    assert_eq!(hub.ask(&admin, UPDATE_USER, rename(&shared.id)).await.user_codes("updateUser"), ["FORBIDDEN"]);
    let operator = hub.token(Role::SuperAdmin).await;
    assert_eq!(hub.ask(&operator, UPDATE_USER, rename(&shared.id)).await.user_codes("updateUser"), [""; 0]);
    // Whether another account has the address is told to the operator alone.
    for email in ["shared@example.com", "nobody@example.com"] {
        let change = json!({ "input": { "id": own.id, "email": email } });
        assert_eq!(hub.ask(&admin, UPDATE_USER, change).await.user_codes("updateUser"), ["FORBIDDEN"], "{email}");
    }
    let taken = json!({ "input": { "id": own.id, "email": "shared@example.com" } });
    assert_eq!(hub.ask(&operator, UPDATE_USER, taken).await.user_codes("updateUser"), ["CONFLICT"]);
    // Here the account is a guest, also when it is a member of no other tenant any more.
    let cx = hub.cx_of(&other);
    let guest = hub.user_of(&other, "guest@example.com", Role::Viewer).await;
    hub.user_of(&hub.tenant, "guest@example.com", Role::Viewer).await;
    hub.user_of(&other, "keeper@example.com", Role::Admin).await;
    let bond = membership::of_users(&cx, &[guest.id]).await.unwrap().remove(0);
    membership::revoke(&cx, bond.id).await.unwrap();
    assert_eq!(hub.ask(&admin, UPDATE_USER, rename(&guest.id)).await.user_codes("updateUser"), ["FORBIDDEN"]);
}

#[tokio::test]
async fn a_change_that_changes_nothing_leaves_no_trace() {
    let hub = TestHub::start().await;
    let own = hub.user_of(&hub.tenant, "own@example.com", Role::Viewer).await;
    let admin = hub.token(Role::Admin).await;
    let before = Records::of(&hub).await;
    let same = json!({ "input": { "id": own.id, "name": own.name } });
    hub.ask(&admin, UPDATE_USER, same).await.data();
    assert_eq!(Records::of(&hub).await, before);
}

#[tokio::test]
async fn only_who_runs_the_hub_acts_in_another_tenant() {
    let hub = TestHub::start().await;
    hub.another_tenant("other").await;
    let (admin, operator) = (hub.token(Role::Admin).await, hub.token(Role::SuperAdmin).await);
    let there = hub.ask_in("other", &operator, ME).await.data();
    assert_eq!(there["viewer"]["tenant"]["slug"], "other");
    assert_eq!(hub.ask_in("other", &admin, ME).await.codes(), ["NOT_FOUND"]);
    assert_eq!(hub.ask_in("nowhere", &admin, ME).await.codes(), ["NOT_FOUND"]);
    assert_eq!(hub.ask_in("default", &admin, ME).await.data()["viewer"]["tenant"]["slug"], "default");
}

#[tokio::test]
async fn the_last_use_of_a_token_is_noted_at_most_once_a_minute() {
    let hub = TestHub::start().await;
    let admin = hub.token(Role::Admin).await;
    let last = async || {
        let list = hub.ask(&admin, "{ apiTokens { nodes { lastUsedAt } } }", json!({})).await.data();
        list["apiTokens"]["nodes"][0]["lastUsedAt"].clone()
    };
    last().await;
    let noted = hub.until(async || Some(last().await).filter(|at| !at.is_null())).await;
    hub.clock.advance(TimeDelta::seconds(59));
    assert_eq!(last().await, noted);
    hub.clock.advance(TimeDelta::seconds(2));
    hub.until(async || Some(last().await).filter(|at| *at != noted)).await;
}

#[tokio::test]
async fn nobody_takes_over_the_account_of_somebody_who_may_do_more() {
    let hub = TestHub::start().await;
    let root = hub.user_of(&hub.tenant, "root@example.com", Role::SuperAdmin).await;
    let (admin, operator) = (hub.token(Role::Admin).await, hub.token(Role::SuperAdmin).await);
    let link = "mutation($id: ID!) { createLink(input: { userId: $id, purpose: PASSWORD_RESET }) {
        token userErrors { code } } }";
    let update = "mutation($id: ID!) { updateUser(input: { id: $id, email: \"mine@example.com\" }) {
        user { email } userErrors { code } } }";
    for (name, document) in [("createLink", link), ("updateUser", update)] {
        let id = json!({ "id": root.id });
        assert_eq!(hub.ask(&admin, document, id.clone()).await.user_codes(name), ["FORBIDDEN"], "{name}");
        assert!(hub.ask(&operator, document, id).await.user_codes(name).is_empty(), "{name}");
    }
}
