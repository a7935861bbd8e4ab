//! What was sent by mistake is not sent back: errors name things and never repeat values.

use portolan::kernel::scope::Role;
use serde_json::{Value, json};

use super::clean;
use crate::support::{TestHub, hub::post};

/// Stands for a password that somebody put in the wrong place.
const SECRET: &str = "s3cr3tV4lue";

#[tokio::test]
async fn a_value_in_a_document_is_not_repeated_whatever_is_wrong_with_it() {
    let hub = TestHub::start().await;
    let token = hub.token(Role::SuperAdmin).await;
    let create =
        |input: &str| format!("mutation {{ createUser(input: {input}) {{ user {{ id }} userErrors {{ message }} }} }}");
    let documents = [
        format!("{{ users(first: \"{SECRET}\") {{ totalCount }} }}"),
        format!("{{ users(first: {SECRET}) {{ totalCount }} }}"),
        format!("{{ users(first: [\"{SECRET}\"]) {{ totalCount }} }}"),
        format!("{{ users(first: {{a: \"{SECRET}\"}}) {{ totalCount }} }}"),
        format!("{{ users(after: \"{SECRET}\") {{ totalCount }} }}"),
        format!("{{ users(after: {SECRET}) {{ totalCount }} }}"),
        format!("{{ users(first: 1, secret: \"{SECRET}\") {{ totalCount }} }}"),
        format!("{{ tenant(id: \"{SECRET}\") {{ id }} }}"),
        format!("{{ tenant(id: {SECRET}) {{ id }} }}"),
        format!("{{ tenant(id: \"{SECRET}) {{ id }} }}"),
        format!("{{ tenant(id: \"\"\"{SECRET}) {{ id }} }}"),
        format!("{{ __typename @include(if: \"{SECRET}\") }}"),
        format!("{{ __typename @nothing(if: \"{SECRET}\") }}"),
        format!("query($a: Int = \"{SECRET}\") {{ users(first: $a) {{ totalCount }} }}"),
        format!("query($a: Role = {SECRET}) {{ users(first: $a) {{ totalCount }} }}"),
        format!("# {SECRET}\n{{ broken"),
        create(&format!("\"{SECRET}\"")),
        create(&format!("{{email: \"a@b.c\", name: \"A\", role: \"{SECRET}\"}}")),
        create(&format!("{{email: \"a@b.c\", name: \"A\", role: {SECRET}}}")),
        create(&format!("{{email: \"{SECRET}\", name: \"A\", role: VIEWER}}")),
        create(&format!("{{email: {{a: \"{SECRET}\"}}, name: \"A\", role: VIEWER}}")),
        create(&format!("{{email: \"{SECRET}\"}}")),
        create(&format!("{{email: \"a@b.c\", name: \"{SECRET}\\n{SECRET}\", role: VIEWER}}")),
        create(&format!("{{email: \"a@b.c\", name: \"A\", role: VIEWER, idempotencyKey: \"{SECRET}\\n{SECRET}\"}}")),
        format!(
            "mutation {{ createApiToken(input: {{name: \"A\", role: VIEWER, expiresAt: \"{SECRET}\"}}) {{ token }} }}"
        ),
        format!("mutation {{ createApiToken(input: {{name: \"A\", role: VIEWER, scopes: [{SECRET}]}}) {{ token }} }}"),
        format!(
            "mutation {{ createTenant(input: {{slug: \"{SECRET}\", name: \"A\", settings: {{timeZone: \"{SECRET}\", currency: \"{SECRET}\", locale: \"{SECRET}\", dateFormat: \"{SECRET}\"}}}}) {{ userErrors {{ message }} }} }}"
        ),
    ];
    for document in documents {
        let reply = hub.ask(&token, &document, json!({})).await;
        let refused = !reply.codes().is_empty() || reply.text.contains("message");
        assert!(refused, "{document}: {}", reply.text);
        assert!(!reply.text.contains(SECRET), "{document}: {}", reply.text);
        clean(&document, &reply);
    }
}

#[tokio::test]
async fn a_value_of_a_variable_or_a_header_is_not_repeated_either() {
    let hub = TestHub::start().await;
    let token = hub.token(Role::SuperAdmin).await;
    let document = "query($i: Int, $s: String, $d: ID, $c: String) { users(first: $i, after: $c) { totalCount } tenant(id: $d) { id }
        a: users(after: $s) { totalCount } }";
    let values = [json!(SECRET), json!([SECRET]), json!({ "a": SECRET }), json!({ "a": [{ "b": SECRET }] })];
    for name in ["i", "s", "d", "c"] {
        for value in &values {
            let reply = hub.ask(&token, document, json!({ (name): value })).await;
            assert!(!reply.codes().is_empty() && !reply.text.contains(SECRET), "{name} {value}: {}", reply.text);
        }
    }
    let inputs =
        "mutation($input: CreateApiTokenInput!) { createApiToken(input: $input) { token userErrors { message } } }";
    for field in ["name", "role", "scopes", "expiresAt", "idempotencyKey"] {
        for value in [json!([[SECRET]]), json!({ "a": SECRET }), json!(format!("{SECRET}\n{SECRET}"))] {
            let mut input = json!({ "name": "A", "role": "VIEWER" });
            input[field] = value;
            let reply = hub.ask(&token, inputs, json!({ "input": input })).await;
            assert!(!reply.text.contains(SECRET), "{field}: {}", reply.text);
            assert_ne!(
                reply.json()["data"]["createApiToken"]["userErrors"],
                Value::Array(Vec::new()),
                "{}",
                reply.text
            );
        }
    }
    let reply = hub.send(post(SECRET, format!("{{\"{SECRET}"))).await;
    assert!(!reply.text.contains(SECRET), "{}", reply.text);
    for body in
        [format!("{{\"query\": {SECRET}}}"), SECRET.to_owned(), format!("{{\"{SECRET}\":1,\"{SECRET}\":\"{SECRET}\"}}")]
    {
        let reply = hub.send(post("", body.clone())).await;
        let values = reply.text.matches(SECRET).count();
        assert!(
            values == 0 || body.contains(":1,"),
            "only the name of a member that is there twice is said: {}",
            reply.text
        );
    }
}
