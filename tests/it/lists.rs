//! Lists: pages, cursors, and what they cost the database.

use portolan::kernel::scope::Role;
use serde_json::{Value, json};

use crate::support::TestHub;

const USERS: &str = "query($first: Int, $after: String, $last: Int, $before: String) {
    users(first: $first, after: $after, last: $last, before: $before) {
        nodes { email } edges { cursor } totalCount
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

async fn with_users(count: usize) -> (TestHub, String) {
    let hub = TestHub::start().await;
    let token = hub.token(Role::Admin).await;
    for at in 1..count {
        hub.clock.advance(chrono::TimeDelta::milliseconds(1));
        hub.user_of(&hub.tenant, &format!("user{at:03}@example.com"), Role::Viewer).await;
    }
    (hub, token)
}

fn emails(page: &Value) -> Vec<String> {
    let nodes = page["users"]["nodes"].as_array().unwrap();
    nodes.iter().map(|node| node["email"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn pages_in_either_direction_show_every_row_once_and_in_order() {
    let (hub, token) = with_users(23).await;
    let all = emails(&hub.ask(&token, USERS, json!({ "first": 100 })).await.data());
    assert_eq!(all.len(), 23);

    let (mut forward, mut after) = (Vec::new(), Value::Null);
    loop {
        let page = hub.ask(&token, USERS, json!({ "first": 5, "after": after })).await.data();
        let info = page["users"]["pageInfo"].clone();
        assert_eq!(info["hasPreviousPage"], json!(!after.is_null()));
        assert_eq!(page["users"]["totalCount"], 23);
        forward.extend(emails(&page));
        after = info["endCursor"].clone();
        if info["hasNextPage"] == json!(false) {
            break;
        }
    }
    assert_eq!(forward, all);

    let (mut backward, mut before) = (Vec::new(), Value::Null);
    loop {
        let page = hub.ask(&token, USERS, json!({ "last": 5, "before": before })).await.data();
        let info = page["users"]["pageInfo"].clone();
        assert_eq!(info["hasNextPage"], json!(!before.is_null()));
        backward.splice(0..0, emails(&page));
        before = info["startCursor"].clone();
        if info["hasPreviousPage"] == json!(false) {
            break;
        }
    }
    assert_eq!(backward, all);
}

#[tokio::test]
async fn rows_that_come_while_somebody_turns_pages_are_neither_doubled_nor_lost() {
    let (hub, token) = with_users(10).await;
    let first = hub.ask(&token, USERS, json!({ "first": 5 })).await.data();
    hub.clock.advance(chrono::TimeDelta::milliseconds(1));
    hub.user_of(&hub.tenant, "late@example.com", Role::Viewer).await;
    let after = first["users"]["pageInfo"]["endCursor"].clone();
    let rest = emails(&hub.ask(&token, USERS, json!({ "first": 100, "after": after })).await.data());
    assert_eq!(rest.len(), 6);
    assert_eq!(rest.last().unwrap(), "late@example.com");
    assert!(emails(&first).iter().all(|email| !rest.contains(email)));
}

#[tokio::test]
async fn arguments_of_a_page_that_make_no_sense_are_refused() {
    let (hub, token) = with_users(2).await;
    let cases = [
        json!({ "first": 1, "last": 1 }),
        json!({ "first": -1 }),
        json!({ "first": 101 }),
        json!({ "last": 101 }),
        json!({ "after": "nonsense" }),
        json!({ "before": "" }),
    ];
    for variables in cases {
        let reply = hub.ask(&token, USERS, variables.clone()).await;
        assert_eq!(reply.codes(), ["BAD_USER_INPUT"], "{variables}");
    }
    let none = hub.ask(&token, USERS, json!({ "first": 0 })).await.data();
    assert_eq!(emails(&none), [""; 0]);
    let tokens = hub.ask(&token, "{ apiTokens { edges { cursor } } }", json!({})).await.data();
    let foreign = json!({ "after": tokens["apiTokens"]["edges"][0]["cursor"] });
    assert_eq!(hub.ask(&token, USERS, foreign).await.codes(), ["BAD_USER_INPUT"], "a cursor of another list");
}

/// Statements that a query costs, by the counter that operators see.
async fn statements(hub: &TestHub, token: &str, query: &str) -> u64 {
    let count = || -> u64 {
        let page = hub.app.metrics().page();
        let lines = page.lines().filter(|line| line.starts_with("db_statement_duration_seconds_count"));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    };
    // The first run may note the use of the token.
    hub.ask(token, query, json!({})).await.data();
    hub.settle().await;
    let before = count();
    hub.ask(token, query, json!({})).await.data();
    hub.settle().await;
    count() - before
}

#[tokio::test]
async fn the_number_of_statements_of_a_list_does_not_depend_on_its_rows() {
    let query = "{ users(first: 100) { nodes { email membership { role user { name membership { id } } } } } }";
    let (small, one) = with_users(1).await;
    let (large, hundred) = with_users(100).await;
    let (few, many) = (statements(&small, &one, query).await, statements(&large, &hundred, query).await);
    println!("statements for 1 row: {few}, for 100 rows: {many}");
    assert_eq!(few, many);
    assert!((1..=6).contains(&many), "{many}");
}

#[tokio::test]
async fn the_agents_of_a_list_of_tokens_are_read_at_once() {
    let hub = TestHub::start().await;
    let token = hub.token(Role::Admin).await;
    let query = "{ apiTokens { nodes { scopes agent { name } } } }";
    let plain = statements(&hub, &token, "{ apiTokens { nodes { id } } }").await;
    for _ in 0..5 {
        let agent = hub.agent_of(&hub.tenant, "many", Role::Viewer).await;
        hub.agent_token(&hub.tenant, agent, Role::Viewer).await;
    }
    let listed = hub.ask(&token, query, json!({})).await.data();
    let agents = listed["apiTokens"]["nodes"].as_array().unwrap().iter().filter(|node| node["agent"]["name"] == "many");
    assert_eq!(agents.count(), 5);
    assert_eq!(statements(&hub, &token, query).await, plain + 1);
}

#[tokio::test]
async fn the_whole_list_is_counted_only_when_asked() {
    let (hub, token) = with_users(3).await;
    let plain = statements(&hub, &token, "{ users { nodes { id } } }").await;
    let counted = statements(&hub, &token, "{ users { nodes { id } totalCount } }").await;
    assert_eq!(counted, plain + 1);
}

#[tokio::test]
async fn nodes_come_in_the_order_asked_for_with_null_for_what_is_not_there() {
    let (hub, token) = with_users(3).await;
    let users = hub
        .ask(
            &token,
            "{ users { nodes { id membership { id } } } apiTokens { nodes { id } } viewer { tenant { id } } }",
            json!({}),
        )
        .await
        .data();
    let (user, other) = (users["users"]["nodes"][0].clone(), users["users"]["nodes"][1]["id"].clone());
    let tenant = users["viewer"]["tenant"]["id"].clone();
    let ids = json!([
        other,
        "usr_nonsense",
        user["membership"]["id"],
        user["id"],
        users["apiTokens"]["nodes"][0]["id"],
        user["id"],
        tenant
    ]);
    let query = "query($ids: [ID!]!) { nodes(ids: $ids) { id __typename } }";
    let found = hub.ask(&token, query, json!({ "ids": ids })).await.data();
    let answered: Vec<_> = found["nodes"].as_array().unwrap().iter().map(|node| node["id"].clone()).collect();
    let mut expected = ids.as_array().unwrap().clone();
    expected[1] = Value::Null;
    assert_eq!(answered, expected);
}
