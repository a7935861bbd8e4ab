//! Agents: machine users, and what their tokens open.

use portolan::{
    entity::{audit_entry, event},
    kernel::scope::{Role, Scope},
};
use sea_orm::QueryOrder;
use serde_json::{Value, json};

use crate::support::TestHub;

const CREATE: &str = "mutation($input: CreateAgentInput!) { createAgent(input: $input) {
    agent { id name description role scopes enabled createdBy } userErrors { code path message } } }";
const UPDATE: &str = "mutation($input: UpdateAgentInput!) { updateAgent(input: $input) {
    agent { name description role scopes } userErrors { code path } } }";
const DISABLE: &str = "mutation($id: ID!) { disableAgent(input: { id: $id }) {
    agent { enabled disabledAt } userErrors { code path } } }";
const ENABLE: &str = "mutation($id: ID!) { enableAgent(input: { id: $id }) {
    agent { enabled disabledAt } userErrors { code path } } }";
const DELETE: &str = "mutation($id: ID!) { deleteAgent(input: { id: $id }) { deletedId userErrors { code path } } }";
const TOKEN: &str = "mutation($input: CreateApiTokenInput!) { createApiToken(input: $input) {
    token apiToken { id role scopes agent { id } } userErrors { code path } } }";
const ME: &str = "{ viewer { kind actor role scopes } }";

/// An agent made through the API.
async fn made(hub: &TestHub, admin: &str, role: &str, scopes: Value) -> String {
    let input = json!({ "input": { "name": "Poller", "role": role, "scopes": scopes } });
    let made = hub.ask(admin, CREATE, input).await.data()["createAgent"].clone();
    made["agent"]["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
}

/// A token of an agent, made through the API.
async fn token(hub: &TestHub, admin: &str, agent: &str, role: &str) -> String {
    let input = json!({ "input": { "name": "its token", "role": role, "agentId": agent } });
    let made = hub.ask(admin, TOKEN, input).await.data()["createApiToken"].clone();
    made["token"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
}

#[tokio::test]
async fn what_an_agent_does_with_any_of_its_tokens_is_done_by_the_agent() {
    let hub = TestHub::start().await;
    let admin = hub.token(Role::Admin).await;
    let agent = made(&hub, &admin, "ADMIN", Value::Null).await;
    for at in 0..2 {
        let token = token(&hub, &admin, &agent, "ADMIN").await;
        let me = hub.ask(&token, ME, json!({})).await.data();
        assert_eq!((&me["viewer"]["kind"], &me["viewer"]["actor"]), (&json!("AGENT"), &json!(agent)));
        let invite = "mutation($email: String!) { inviteMember(input: { email: $email, role: VIEWER }) {
            invitation { id } userErrors { code } } }";
        hub.ask(&token, invite, json!({ "email": format!("ann{at}@example.com") })).await.data();
    }
    let db = hub.app.hub().database.reader();
    let entries = audit_entry::of(hub.tenant.id).order_by_desc(audit_entry::Column::Number).all(db).await.unwrap();
    let done: Vec<_> = entries.iter().filter(|entry| entry.actor == agent).collect();
    assert_eq!((done.len(), done[0].actor_kind.as_str()), (2, "AGENT"));
    hub.number_events().await;
    let events = event::of(hub.tenant.id).all(db).await.unwrap();
    assert_eq!(events.iter().filter(|event| event.actor == agent).count(), 2);
}

#[tokio::test]
async fn a_disabled_agents_tokens_open_nothing_until_it_is_enabled() {
    let hub = TestHub::start().await;
    let admin = hub.token(Role::Admin).await;
    let agent = made(&hub, &admin, "OPERATOR", Value::Null).await;
    let tokens = [token(&hub, &admin, &agent, "OPERATOR").await, token(&hub, &admin, &agent, "VIEWER").await];
    let id = json!({ "id": agent });
    let disabled = hub.ask(&admin, DISABLE, id.clone()).await.data()["disableAgent"]["agent"].clone();
    assert_eq!(disabled["enabled"], false);
    for token in &tokens {
        let refused = hub.ask(token, ME, json!({})).await;
        assert_eq!((refused.status.as_u16(), refused.codes()), (401, vec!["UNAUTHENTICATED".to_owned()]));
    }
    let again = hub.ask(&admin, DISABLE, id.clone()).await.data()["disableAgent"]["agent"].clone();
    assert_eq!(again, disabled, "disabling twice changes nothing");
    let enabled = hub.ask(&admin, ENABLE, id).await.data()["enableAgent"]["agent"].clone();
    assert_eq!(enabled, json!({ "enabled": true, "disabledAt": null }));
    for token in &tokens {
        assert_eq!(hub.ask(token, ME, json!({})).await.status, 200);
    }
}

#[tokio::test]
async fn what_is_taken_from_an_agent_is_gone_with_its_next_request() {
    let hub = TestHub::start().await;
    let admin = hub.token(Role::Admin).await;
    let agent = made(&hub, &admin, "ADMIN", Value::Null).await;
    let token = token(&hub, &admin, &agent, "ADMIN").await;
    let me = async || hub.ask(&token, ME, json!({})).await.data()["viewer"].clone();
    assert_eq!(me().await["role"], "ADMIN");
    assert_eq!(hub.ask(&token, "{ users { totalCount } }", json!({})).await.codes(), [""; 0]);

    let narrow = json!({ "input": { "id": agent, "scopes": ["TENANT_READ", "AUDIT_READ"] } });
    hub.ask(&admin, UPDATE, narrow).await.data();
    assert_eq!(me().await["scopes"], json!(["TENANT_READ", "AUDIT_READ"]));
    assert_eq!(hub.ask(&token, "{ users { totalCount } }", json!({})).await.codes(), ["FORBIDDEN"]);

    let lower = json!({ "input": { "id": agent, "role": "VIEWER" } });
    hub.ask(&admin, UPDATE, lower).await.data();
    let seen = me().await;
    assert_eq!((&seen["role"], &seen["scopes"]), (&json!("VIEWER"), &json!(["TENANT_READ"])));
    let listed = hub.ask(&admin, "{ apiTokens { nodes { role scopes agent { id } } } }", json!({})).await.data();
    let own = listed["apiTokens"]["nodes"].as_array().unwrap().iter().find(|token| token["agent"]["id"] == agent);
    assert_eq!(own.unwrap()["role"], "ADMIN", "what it was made with");
    assert_eq!(own.unwrap()["scopes"], json!(["TENANT_READ"]), "what is left of it");

    let back = json!({ "input": { "id": agent, "role": "ADMIN", "scopes": null } });
    let back = hub.ask(&admin, UPDATE, back).await.data()["updateAgent"].clone();
    assert_eq!(back["userErrors"], json!([]));
    assert_eq!(hub.ask(&token, "{ users { totalCount } }", json!({})).await.codes(), [""; 0]);
}

#[tokio::test]
async fn a_token_has_no_more_than_its_agent() {
    let hub = TestHub::start().await;
    let admin = hub.token(Role::Admin).await;
    let agent = made(&hub, &admin, "VIEWER", Value::Null).await;
    let above = json!({ "input": { "name": "more", "role": "ADMIN", "agentId": agent } });
    let refused = hub.ask(&admin, TOKEN, above).await.data()["createApiToken"]["userErrors"].clone();
    assert_eq!(refused, json!([{ "code": "BAD_USER_INPUT", "path": ["input", "role"] }]));
    let other = hub.another_tenant("other").await;
    let foreign = hub.agent_of(&other, "theirs", Role::Viewer).await;
    let foreign = json!({ "input": { "name": "theirs", "role": "VIEWER", "agentId": foreign } });
    let refused = hub.ask(&admin, TOKEN, foreign).await.data()["createApiToken"]["userErrors"].clone();
    assert_eq!(refused, json!([{ "code": "NOT_FOUND", "path": ["input", "agentId"] }]));
}

#[tokio::test]
async fn nobody_makes_changes_or_acts_as_an_agent_that_may_do_more_than_they() {
    let hub = TestHub::start().await;
    let admin = hub.token(Role::Admin).await;
    let root = hub.agent_of(&hub.tenant, "root", Role::SuperAdmin).await.to_string();
    let own = made(&hub, &admin, "OPERATOR", Value::Null).await;
    let attempts = [
        (CREATE, "createAgent", json!({ "input": { "name": "A", "role": "SUPER_ADMIN" } })),
        (UPDATE, "updateAgent", json!({ "input": { "id": root, "name": "mine" } })),
        (UPDATE, "updateAgent", json!({ "input": { "id": own, "role": "SUPER_ADMIN" } })),
        (TOKEN, "createApiToken", json!({ "input": { "name": "a", "role": "VIEWER", "agentId": root } })),
        (DISABLE, "disableAgent", json!({ "id": root })),
        (DELETE, "deleteAgent", json!({ "id": root })),
    ];
    for (document, name, variables) in attempts {
        assert_eq!(hub.ask(&admin, document, variables).await.user_codes(name), ["FORBIDDEN"], "{name}");
    }
    // Narrowed, the same role gives less.
    let few = [Scope::AccessRead, Scope::AccessWrite];
    let (_, narrow) = hub.new_token(&hub.tenant, Role::Admin, Some(&few), None).await;
    let all = json!({ "input": { "name": "A", "role": "ADMIN" } });
    assert_eq!(hub.ask(&narrow, CREATE, all).await.user_codes("createAgent"), ["FORBIDDEN"]);
    let same = json!({ "input": { "name": "A", "role": "ADMIN", "scopes": ["ACCESS_READ"] } });
    assert_eq!(hub.ask(&narrow, CREATE, same).await.user_codes("createAgent"), [""; 0]);
}

#[tokio::test]
async fn a_deleted_agent_takes_its_tokens_along_and_leaves_its_name_in_the_log() {
    let hub = TestHub::start().await;
    let admin = hub.token(Role::Admin).await;
    let agent = made(&hub, &admin, "OPERATOR", Value::Null).await;
    let token = token(&hub, &admin, &agent, "OPERATOR").await;
    let gone = hub.ask(&admin, DELETE, json!({ "id": agent })).await.data();
    assert_eq!(gone["deleteAgent"]["deletedId"], agent);
    assert_eq!(hub.ask(&token, ME, json!({})).await.status, 401);
    assert_eq!(hub.ask(&admin, DELETE, json!({ "id": agent })).await.user_codes("deleteAgent"), ["NOT_FOUND"]);
    let log = "query($id: ID!) { auditLog(filter: { subject: $id }, last: 1) { nodes { action before } }
        node(id: $id) { id } agents { totalCount } }";
    let left = hub.ask(&admin, log, json!({ "id": agent })).await.data();
    let last = &left["auditLog"]["nodes"][0];
    assert_eq!(last["action"], "agent.deleted");
    assert_eq!((&last["before"]["name"], &last["before"]["tokens"]), (&json!("Poller"), &json!(1)));
    assert_eq!((&left["node"], &left["agents"]["totalCount"]), (&Value::Null, &json!(0)));
}

#[tokio::test]
async fn there_is_no_way_in_for_an_agent_but_its_tokens() {
    let hub = TestHub::start().await;
    let admin = hub.token(Role::Admin).await;
    let agent = made(&hub, &admin, "ADMIN", Value::Null).await;
    let link = "mutation($id: ID!) { createLink(input: { userId: $id, purpose: ACTIVATION }) { token } }";
    let refused = hub.ask(&admin, link, json!({ "id": agent })).await;
    assert_eq!(refused.codes(), ["BAD_USER_INPUT"], "{}", refused.text);
    let sign_in =
        "mutation($email: String!) { signIn(input: { email: $email, password: \"\" }) { session { accessToken } } }";
    for email in [agent.clone(), "Poller".to_owned(), format!("{agent}@localhost")] {
        assert_eq!(hub.ask("", sign_in, json!({ "email": email })).await.codes(), ["UNAUTHENTICATED"]);
    }
    let token = token(&hub, &admin, &agent, "ADMIN").await;
    let change =
        "mutation { changePassword(input: { newPassword: \"correct horse battery\" }) { session { accessToken } } }";
    assert_eq!(hub.ask(&token, change, json!({})).await.codes(), ["FORBIDDEN"]);
}
