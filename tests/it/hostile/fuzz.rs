//! Random changes to requests that are fine: whatever comes out, the answer is a proper one.
//!
//! The changes are seeded, so a failure can be repeated: its message has the number and the request.

use portolan::kernel::scope::Role;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use super::clean;
use crate::support::{TestHub, hub::post};

/// How many changed requests are sent.
const ROUNDS: u64 = 2_000;

/// What is put in beside random bytes: what grammars care about.
const PIECES: [&str; 30] = [
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "\"",
    "\\",
    ":",
    ",",
    "$",
    "@",
    "!",
    "...",
    "#",
    "\n",
    "\0",
    "null",
    "-1",
    "1e9",
    "\u{feff}",
    "\u{202e}",
    "🚢",
    "on",
    "query",
    "mutation",
    "fragment",
    "__typename",
    "\\u0000",
    "\"\"\"",
];

fn requests() -> Vec<Value> {
    vec![
        json!({ "query": "{ viewer { role tenant { id settings { timeZone } } scopes } }" }),
        json!({
            "query": "query A($first: Int = 2, $after: String) { users(first: $first, after: $after) { ...Page } } fragment Page on UserConnection { totalCount pageInfo { hasNextPage endCursor } edges { cursor node { id email membership { role user { name } } } } }",
            "variables": { "first": 3, "after": null }, "operationName": "A",
        }),
        json!({
            "query": "query($ids: [ID!]!, $yes: Boolean!) { nodes(ids: $ids) { __typename ... on User @include(if: $yes) { email } ... on Tenant { slug } } }",
            "variables": { "ids": ["usr_00000000000000000000000000", "ten_00000000000000000000000000"], "yes": true },
        }),
        json!({
            "query": "mutation($input: CreateUserInput!) { createUser(input: $input) { user { id } userErrors { code path message } } }",
            "variables": { "input": { "email": "ann@example.com", "name": "Ann", "role": "VIEWER", "idempotencyKey": "k" } },
        }),
        json!({ "query": "mutation { createApiToken(input: { name: \"A\", role: VIEWER, scopes: [TENANT_READ], expiresAt: \"2030-01-01T00:00:00Z\" }) { token apiToken { hint scopes } userErrors { code } } }" }),
        json!({ "query": "{ __schema { queryType { name } types { name kind fields(includeDeprecated: true) { name } } } }" }),
        json!({ "query": "{ a: tenant(id: \"\"\"ten_x\"\"\") { id } }", "extensions": { "persistedQuery": { "version": 1, "sha256Hash": "ab" } } }),
    ]
}

/// Flips, puts in, takes out or doubles a few bytes.
fn changed(bytes: &mut Vec<u8>, dice: &mut StdRng) {
    for _ in 0..dice.random_range(1..=4) {
        if bytes.is_empty() {
            return;
        }
        let at = dice.random_range(0..bytes.len());
        let until = (at + dice.random_range(1..=12)).min(bytes.len());
        match dice.random_range(0..6) {
            0 => bytes[at] ^= 1 << dice.random_range(0..8),
            1 => bytes.insert(at, dice.random()),
            2 => drop(bytes.drain(at..until)),
            3 => drop(bytes.splice(at..at, PIECES[dice.random_range(0..PIECES.len())].bytes())),
            4 => {
                let copy = bytes[at..until].to_vec();
                let place = dice.random_range(0..bytes.len());
                bytes.splice(place..place, copy);
            }
            _ => bytes.swap(at, until - 1),
        }
    }
}

#[tokio::test]
async fn a_request_changed_at_random_gets_a_proper_answer() {
    let hub = TestHub::with(&[("PORTOLAN_GRAPHQL_COST_PER_MINUTE", "0")]).await;
    let token = hub.token(Role::SuperAdmin).await;
    let requests = requests();
    let mut counts = std::collections::BTreeMap::<String, u32>::new();
    for round in 0..ROUNDS {
        let mut dice = StdRng::seed_from_u64(round);
        let mut request = requests[dice.random_range(0..requests.len())].clone();
        // Half of the changes are inside the document, where the JSON around it stays whole.
        let body = if dice.random_bool(0.5) {
            let mut text = request["query"].as_str().unwrap().as_bytes().to_vec();
            changed(&mut text, &mut dice);
            request["query"] = String::from_utf8_lossy(&text).into();
            request.to_string().into_bytes()
        } else {
            let mut body = request.to_string().into_bytes();
            changed(&mut body, &mut dice);
            body
        };
        let shown = String::from_utf8_lossy(&body).into_owned();
        let reply = hub.send(post(&token, body)).await;
        let name = format!("round {round}: {shown}");
        assert!(reply.status.as_u16() < 500, "{name}: {}", reply.text);
        reply.well_formed();
        clean(&name, &reply);
        let outcome = reply.codes().first().cloned().unwrap_or_else(|| "ran".to_owned());
        *counts.entry(outcome).or_default() += 1;
    }
    println!("{counts:?}");
    assert!(counts.len() >= 4 && counts["ran"] > 10, "the changes were not of many kinds: {counts:?}");
    assert_eq!(hub.ask(&token, "{ viewer { role } }", json!({})).await.data()["viewer"]["role"], "SUPER_ADMIN");
}
