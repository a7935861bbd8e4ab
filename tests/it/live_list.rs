//! Lists that are followed: a snapshot, then changes that fit it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{
    database::TestDatabase,
    process::{LIMIT, Server, token},
    sse::Sse,
};

const FOLLOW: &str = "subscription($role: Role, $after: String) { usersLive(role: $role, after: $after) {
    cursor complete snapshot { id name membership { role } } upserted { id name membership { role } } removed
} }";
const CREATE: &str = "mutation($e: String!, $r: Role!) { createUser(input: { email: $e, name: \"A\", role: $r }) {
    user { id membership { id } } userErrors { message } } }";
const RENAME: &str =
    "mutation($id: ID!, $n: String!) { updateUser(input: { id: $id, name: $n }) { userErrors { message } } }";

/// A list as a client keeps it.
#[derive(Default, Debug)]
struct Kept {
    rows: BTreeMap<String, String>,
    pages: usize,
    cursor: String,
}

impl Kept {
    fn apply(&mut self, change: &Value) -> bool {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut put = |row: &Value| {
            let shown = format!("{} {}", text(&row["name"]), text(&row["membership"]["role"]));
            self.rows.insert(text(&row["id"]), shown);
        };
        for row in change["snapshot"].as_array().into_iter().flatten() {
            put(row);
        }
        if change["upserted"].is_object() {
            put(&change["upserted"]);
        }
        if let Some(id) = change["removed"].as_str() {
            self.rows.remove(id);
        }
        self.pages += usize::from(change["snapshot"].is_array());
        self.cursor = text(&change["cursor"]);
        change["complete"] == true
    }
}

async fn next(stream: &mut Sse) -> Value {
    let said = timeout(LIMIT, stream.next()).await.expect("a change came").unwrap().expect("the stream goes on");
    let response = said.json();
    assert!(response.get("errors").is_none(), "{response}");
    response["data"]["usersLive"].clone()
}

/// What the query says, kept the same way.
async fn asked(server: &Server, admin: &str) -> BTreeMap<String, String> {
    let mut kept = Kept::default();
    let mut after = Value::Null;
    loop {
        let query = "query($a: String) { users(first: 100, after: $a) {
            nodes { id name membership { role } } pageInfo { hasNextPage endCursor } } }";
        let users = server.ask(admin, query, json!({ "a": after })).await.data()["users"].clone();
        kept.apply(&json!({ "snapshot": users["nodes"], "cursor": "" }));
        if users["pageInfo"]["hasNextPage"] != true {
            return kept.rows;
        }
        after = users["pageInfo"]["endCursor"].clone();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_followed_is_what_the_query_says_however_it_changed_meanwhile() {
    let database = TestDatabase::create().await;
    let server = Server::with(&database, &[("PORTOLAN_GRAPHQL_COST_PER_MINUTE", "0")]).await;
    let admin = token(&database, "super-admin");
    let create = async |number: usize, role: &str| {
        let variables = json!({ "e": format!("person{number}@example.com"), "r": role });
        server.ask(&admin, CREATE, variables).await.data()["createUser"]["user"].clone()
    };
    let mut ids = Vec::new();
    for number in 0..120 {
        ids.push(create(number, "VIEWER").await["id"].clone());
    }
    let mut stream = Sse::open(server.address, &admin, FOLLOW, json!({}), None).await.unwrap();
    // Changed while the pages may be on their way.
    for (number, id) in ids.iter().take(20).enumerate() {
        server.ask(&admin, RENAME, json!({ "id": id, "n": format!("New {number}") })).await;
    }
    let last = create(1_000, "OPERATOR").await["id"].as_str().unwrap().to_owned();
    let mut kept = Kept::default();
    while !kept.apply(&next(&mut stream).await) || !kept.rows.contains_key(&last) {}
    assert_eq!(kept.pages, 2);
    assert_eq!(kept.rows, asked(&server, &admin).await);

    // Away for a while, and back with the cursor: no snapshot, and nothing is missing.
    drop(stream);
    let newest = create(1_001, "VIEWER").await["id"].as_str().unwrap().to_owned();
    let mut stream = Sse::open(server.address, &admin, FOLLOW, json!({ "after": kept.cursor }), None).await.unwrap();
    while !kept.apply(&next(&mut stream).await) || !kept.rows.contains_key(&newest) {}
    assert_eq!(kept.pages, 2, "no snapshot");
    assert_eq!(kept.rows, asked(&server, &admin).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_stops_matching_the_filter_is_a_removal_and_one_that_begins_to_is_there() {
    let database = TestDatabase::create().await;
    let server = Server::start(&database).await;
    let admin = token(&database, "super-admin");
    let create = async |email: &str, role: &str| {
        let variables = json!({ "e": email, "r": role });
        server.ask(&admin, CREATE, variables).await.data()["createUser"]["user"].clone()
    };
    let change = async |user: &Value, role: &str| {
        let query = "mutation($id: ID!, $r: Role!) { updateMembership(input: { id: $id, role: $r }) {
            userErrors { message } } }";
        let reply = server.ask(&admin, query, json!({ "id": user["membership"]["id"], "r": role })).await;
        assert_eq!(reply.data()["updateMembership"]["userErrors"], json!([]));
    };
    let (viewer, operator) = (create("v@example.com", "VIEWER").await, create("o@example.com", "OPERATOR").await);
    let variables = json!({ "role": "OPERATOR" });
    let mut stream = Sse::open(server.address, &admin, FOLLOW, variables, None).await.unwrap();
    let mut kept = Kept::default();
    while !kept.apply(&next(&mut stream).await) {}
    let ids = |kept: &Kept| kept.rows.keys().cloned().collect::<Vec<_>>();
    assert_eq!(ids(&kept), [operator["id"].as_str().unwrap()]);
    change(&viewer, "OPERATOR").await;
    while kept.rows.len() < 2 {
        kept.apply(&next(&mut stream).await);
    }
    change(&operator, "VIEWER").await;
    while kept.rows.len() > 1 {
        kept.apply(&next(&mut stream).await);
    }
    assert_eq!(ids(&kept), [viewer["id"].as_str().unwrap()]);
}
