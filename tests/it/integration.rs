//! Integrations: the stories of the people who set them up.

mod ended;
mod live;
mod refused;
mod stories;
mod used;

pub use used::agree;

use serde_json::{Value, json};

use crate::support::{Reply, TestHub};

const CREATE: &str = "mutation($input: CreateIntegrationInput!) { createIntegration(input: $input) {
    integration { id name status enabled environment authMethod keyPrefix account lastTestedAt createdAt
        settings { name value } credential { method fields { name hint } keyPrefix }
        connectionConfig { domain endpoint version timeout }
        capabilities { canSync canPush canWebhook syncFrequency }
        warnings { kind message by } actions { key effect } }
    userErrors { code path message } } }";
const ONE: &str = "query($id: ID!) { integration(id: $id) { id name status enabled errorMessage account
    credential { fields { hint } refusedAt } } }";

/// A hub that asks its providers at that address.
async fn hub_of(settings: &[(String, String)]) -> TestHub {
    let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    TestHub::with(&settings).await
}

/// What a creation answers.
async fn create(hub: &TestHub, token: &str, input: Value) -> Value {
    hub.ask(token, CREATE, json!({ "input": input })).await.data()["createIntegration"].clone()
}

/// The integration that was made, with the assertion that it was.
async fn made(hub: &TestHub, token: &str, input: Value) -> Value {
    let payload = create(hub, token, input).await;
    assert_eq!(payload["userErrors"], json!([]), "{payload}");
    payload["integration"].clone()
}

/// What one is like now.
async fn one(hub: &TestHub, token: &str, id: &Value) -> Reply {
    hub.ask(token, ONE, json!({ "id": id })).await
}

/// Runs a mutation whose input has an id and perhaps more; gives its payload.
async fn change(hub: &TestHub, token: &str, name: &str, fields: &str, input: Value) -> Value {
    let kind = format!("{}{}Input", name[..1].to_uppercase(), &name[1..]);
    let document = format!(
        "mutation($input: {kind}!) {{ {name}(input: $input) {{ {fields} userErrors {{ code path message }} }} }}"
    );
    hub.ask(token, &document, json!({ "input": input })).await.data()[name].clone()
}

/// How many integrations there are.
async fn count(hub: &TestHub, token: &str) -> Value {
    hub.ask(token, "{ integrations { totalCount } }", Value::Null).await.data()["integrations"]["totalCount"].clone()
}
