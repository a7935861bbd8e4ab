//! What an operation costs, and where size and time end.

use axum::http::StatusCode;
use chrono::TimeDelta;
use portolan::kernel::scope::Role;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::support::{Reply, TestHub, hub::post, records::Records, request::With, text::many};

const UPDATE: &str =
    "mutation($input: UpdateTenantInput!) { updateTenant(input: $input) { tenant { name } userErrors { code } } }";

async fn with_cost(hub: &TestHub, token: &str, how: &str, query: &str, variables: Value) -> Reply {
    let body = json!({ "query": query, "variables": variables }).to_string();
    hub.send(post(token, body).with("x-portolan-cost", how)).await
}

/// The number behind a letter of a `RateLimit` header.
fn number(header: &str, letter: char) -> u64 {
    let part = header.split(';').find_map(|part| part.strip_prefix(letter)?.strip_prefix('='));
    part.unwrap_or_else(|| panic!("{header} has no {letter}")).parse().unwrap()
}

#[tokio::test]
async fn the_cost_is_said_on_demand_and_grows_with_the_page() {
    let hub = TestHub::start().await;
    let token = hub.token(Role::Admin).await;
    let list = |first: u32| format!("{{ users(first: {first}) {{ nodes {{ id membership {{ role }} }} }} }}");
    let mut costs = Vec::new();
    for first in [1, 10, 100] {
        let reply = with_cost(&hub, &token, "report", &list(first), json!({})).await;
        assert!(reply.data()["users"]["nodes"].is_array());
        let cost = reply.json()["extensions"]["cost"].clone();
        assert_eq!((&cost["limit"], &cost["restorePerSecond"]), (&json!(1000), &json!(333)));
        assert_eq!(cost["remaining"], number(reply.header("ratelimit"), 'r'));
        costs.push(cost["requested"].as_u64().unwrap());
    }
    assert!(costs[0] < costs[1] && costs[1] < costs[2] && costs[2] >= 200, "{costs:?}");
    let silent = hub.ask(&token, &list(1), json!({})).await;
    assert_eq!(silent.json().get("extensions"), None);

    // Parts add up, and too much is refused before anything is read.
    let page = |alias: char| format!("{alias}: users(first: 100) {{ nodes {{ id membership {{ user {{ id }} }} }} }}");
    let nested = &format!("{{ {} {} {} {} }}", page('a'), page('b'), page('c'), page('d'));
    let reply = hub.ask(&token, nested, json!({})).await;
    reply.refused(200, "QUERY_TOO_EXPENSIVE");
    let message = reply.json()["errors"][0]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("at most 1,000") && message.contains("the field "), "{message}");
}

#[tokio::test]
async fn a_dry_run_says_the_cost_and_changes_nothing() {
    let hub = TestHub::start().await;
    let token = hub.token(Role::Admin).await;
    let before = Records::of(&hub).await;
    let input = json!({ "input": { "id": hub.tenant.id.to_string(), "name": "Other" } });
    let dry = with_cost(&hub, &token, "dry-run", UPDATE, input.clone()).await;
    assert_eq!((dry.status, &dry.json()["data"]), (StatusCode::OK, &Value::Null));
    let cost = dry.json()["extensions"]["cost"]["requested"].as_u64().unwrap();
    assert!(cost > 10, "a write costs more than what it returns: {cost}");
    assert_eq!(Records::of(&hub).await, before);
    assert_eq!(number(dry.header("ratelimit"), 'r'), 20_000, "asking for the cost is free");
    let wet = with_cost(&hub, &token, "report", UPDATE, input).await;
    assert_eq!(wet.json()["extensions"]["cost"]["requested"], cost, "the forecast is what is charged");
    assert_eq!(number(wet.header("ratelimit"), 'r'), 20_000 - cost);

    // What would be refused is refused, run or not.
    let invalid = with_cost(&hub, &token, "dry-run", "{ nothing }", json!({})).await;
    invalid.refused(200, "GRAPHQL_VALIDATION_FAILED");
    with_cost(&hub, &token, "dry-run", UPDATE, json!({})).await.refused(200, "BAD_USER_INPUT");
    // A word nobody knows is no wish.
    let other = with_cost(&hub, &token, "please", "{ __typename }", json!({})).await;
    assert_eq!(other.json(), json!({ "data": { "__typename": "Query" } }));
}

#[tokio::test]
async fn a_tenant_that_spent_its_budget_waits_and_the_others_do_not() {
    let hub = TestHub::with(&[("PORTOLAN_GRAPHQL_COST_PER_MINUTE", "120")]).await;
    let token = hub.token(Role::Admin).await;
    let list = "{ users(first: 49) { nodes { id } } }";
    let ask = async || with_cost(&hub, &token, "report", list, json!({})).await;
    let first = ask().await;
    let cost = first.json()["extensions"]["cost"]["requested"].as_u64().unwrap();
    assert!((41..=60).contains(&cost), "two fit into 120 and three do not: {cost}");
    assert_eq!(first.header("ratelimit-policy"), "\"cost\";q=120;w=60");
    assert_eq!(number(first.header("ratelimit"), 'r'), 120 - cost);
    assert_eq!(number(first.header("ratelimit"), 't'), cost.div_ceil(2), "two come back each second");
    ask().await.data();

    let refused = ask().await;
    refused.refused(429, "RATE_LIMITED");
    let missing = 3 * cost - 120;
    let wait = missing.div_ceil(2);
    assert_eq!(refused.header("retry-after"), wait.to_string());
    assert_eq!(number(refused.header("ratelimit"), 't'), wait);
    assert_eq!(number(refused.header("ratelimit"), 'r'), 120 - 2 * cost, "a refusal costs nothing");

    let other = hub.another_tenant("other").await;
    let theirs = hub.token_of(&other, Role::Admin).await;
    with_cost(&hub, &theirs, "report", list, json!({})).await.data();

    hub.clock.advance(TimeDelta::seconds(i64::try_from(wait).unwrap() - 1));
    ask().await.refused(429, "RATE_LIMITED");
    hub.clock.advance(TimeDelta::seconds(1));
    ask().await.data();
    hub.clock.advance(TimeDelta::hours(1));
    let full = ask().await;
    assert_eq!(number(full.header("ratelimit"), 'r'), 120 - cost, "a budget does not pile up");
}

#[tokio::test]
async fn without_a_budget_nothing_is_said_of_one() {
    let hub = TestHub::with(&[("PORTOLAN_GRAPHQL_COST_PER_MINUTE", "0")]).await;
    let token = hub.token(Role::Admin).await;
    let reply = with_cost(&hub, &token, "report", "{ users { nodes { id } } }", json!({})).await;
    assert!(!reply.headers.contains_key("ratelimit") && !reply.headers.contains_key("ratelimit-policy"));
    assert_eq!(reply.json()["extensions"]["cost"]["remaining"], Value::Null);
}

#[tokio::test]
async fn an_answer_larger_than_the_limit_is_replaced_by_a_word_about_it() {
    let hub = TestHub::with(&[("PORTOLAN_GRAPHQL_MAX_RESPONSE", "2KiB")]).await;
    let token = hub.token(Role::Admin).await;
    let large = "{ __schema { types { name description } } }";
    let reply = hub.ask(&token, large, json!({})).await;
    reply.refused(200, "QUERY_TOO_EXPENSIVE");
    assert!(reply.text.len() < 2048 && reply.text.contains("at most 2048 are sent"), "{}", reply.text);
    assert_eq!(hub.ask(&token, "{ viewer { role } }", json!({})).await.data()["viewer"]["role"], "ADMIN");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_takes_too_long_ends_and_leaves_nothing_behind() {
    let hub = TestHub::with(&[("PORTOLAN_GRAPHQL_OPERATION_TIMEOUT", "100ms")]).await;
    let token = hub.token(Role::Admin).await;
    let input = json!({ "input": { "id": hub.tenant.id.to_string(), "name": "Late" } });
    let before = Records::of(&hub).await;
    // While somebody holds the row, on SQLite the only writer, the operation has to wait.
    let holder = hub.cx();
    let waited = holder.write(async |txn| {
        txn.execute_unprepared("UPDATE tenants SET name = name").await?;
        Ok(hub.ask(&token, UPDATE, input.clone()).await)
    });
    let waited = waited.await.unwrap();
    waited.refused(504, "TIMEOUT");
    assert!(waited.text.contains("longer than 100ms"), "{}", waited.text);
    assert_eq!(Records::of(&hub).await, before);
    let after = hub.ask(&token, UPDATE, input).await;
    assert_eq!(after.data()["updateTenant"]["tenant"]["name"], "Late", "who was cut off blocks nobody");
}

#[tokio::test]
async fn errors_beyond_the_limit_are_counted_and_not_shown() {
    let hub = TestHub::with(&[("PORTOLAN_GRAPHQL_MAX_ERRORS", "3")]).await;
    let token = hub.token(Role::Admin).await;
    let aliased = |field: &str| many(8, |at| format!("a{at}: {field} "));
    let none = "tenant(id: \"ten_00000000000000000000000000\") { id }";
    for (fields, code) in [(aliased(none), "NOT_FOUND"), (aliased("nothing"), "GRAPHQL_VALIDATION_FAILED")] {
        let reply = hub.ask(&token, &format!("{{ {fields} }}"), json!({})).await;
        assert_eq!(reply.codes(), [code; 4], "{}", reply.text);
        assert_eq!(reply.json()["errors"][3]["message"], "5 more errors are not shown");
        reply.well_formed();
    }
    let variables: Vec<_> = (0..8).map(|at| format!("$v{at}: Int!")).collect();
    let reply = hub.ask(&token, &format!("query({}) {{ __typename }}", variables.join(" ")), json!({})).await;
    assert_eq!(reply.codes(), ["BAD_USER_INPUT"; 3]);
}
