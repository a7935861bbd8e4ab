//! Servers are killed while they read: in the end the records are what the provider has, each once.
//!
//! On PostgreSQL three servers share the work, on SQLite there is one. `TEST_LONG=1` runs the long form, `TEST_SEED`
//! repeats a run's choices (not its timing).

use std::{
    env,
    time::{Duration, SystemTime},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::acme::{Acme, name};
use crate::support::{
    database::{TestDatabase, on_postgres},
    process::{Server, in_the_end, token},
};

const THINGS: usize = 3_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_server_is_killed_goes_on_and_every_record_is_there_once() {
    let long = env::var_os("TEST_LONG").is_some_and(|value| value == "1");
    let given = env::var("TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs());
    println!("TEST_SEED={seed}");
    let mut chance = StdRng::seed_from_u64(seed);
    let acme = Acme::start().await;
    acme.has(0..THINGS, "first", 0);
    let database = TestDatabase::create().await;
    let settings = acme.settings();
    let mut settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    settings.push(("PORTOLAN_JOBS_LEASE", "3s"));
    let mut nodes = Vec::new();
    for name in ["one", "two", "three"].iter().take(if on_postgres() { 3 } else { 1 }) {
        nodes.push(if on_postgres() {
            Server::node(&database, name, &settings).await
        } else {
            Server::with(&database, &settings).await
        });
    }
    let admin = token(&database, "admin");
    let id = connected(&nodes[0], &admin).await;
    let (rounds, mut kills) = (if long { 12 } else { 2 }, 0);
    for round in 0..rounds {
        if round > 0 {
            for _ in 0..200 {
                acme.put(&name(chance.random_range(0..THINGS)), &format!("round {round}"), 0);
            }
            for _ in 0..50 {
                let gone = name(chance.random_range(0..THINGS));
                if acme.things().contains_key(&gone) {
                    acme.lose(&gone);
                }
            }
        }
        let run = begun(&nodes[0], &admin, &id).await;
        for _ in 0..3 {
            sleep(Duration::from_millis(chance.random_range(100..900))).await;
            let node = chance.random_range(0..nodes.len());
            nodes[node].kill9();
            kills += 1;
            nodes[node].again().await;
        }
        let status = "query($id: ID!) { node(id: $id) { ... on SyncRun { status error progress { pages seen } } } }";
        let ended = in_the_end("the run is over", async || {
            // Looking takes the servers' time, too.
            sleep(Duration::from_millis(100)).await;
            let run = nodes[0].ask(&admin, status, json!({ "id": run })).await.data()["node"].clone();
            if run["status"] == "RUNNING" || run["status"] == "QUEUED" { Err(run) } else { Ok(run) }
        })
        .await;
        assert_eq!(ended["status"], "SUCCEEDED", "{ended}");
        let there = acme.things();
        assert_eq!(ended["progress"]["seen"], there.len(), "a page that was kept was not read again");
        let kept = records(&nodes[0], &admin, &id).await;
        let expected: Vec<_> = there.iter().map(|(id, thing)| (id.clone(), thing.text.clone())).collect();
        assert_eq!(kept, expected, "round {round}");
        println!("round {round}: {ended}");
    }
    println!("{kills} servers were killed");
}

/// An integration that is read once by itself, and then not this year.
async fn connected(node: &Server, token: &str) -> Value {
    let create = "mutation { createIntegration(input: { provider: \"acme\",
        credentials: { bearerToken: { token: \"right\" } } }) { integration { id } userErrors { message } } }";
    let id = node.ask(token, create, Value::Null).await.data()["createIntegration"]["integration"]["id"].clone();
    assert!(id.is_string());
    let seldom = "mutation($id: ID!) { setSyncSchedule(input: { integrationId: $id, stream: \"things\",
        schedule: { cron: { pattern: \"0 0 1 1 *\", timeZone: \"UTC\" } } }) { userErrors { message } } }";
    node.ask(token, seldom, json!({ "id": id })).await;
    id
}

/// A run that begins now, or is on its way.
async fn begun(node: &Server, token: &str, id: &Value) -> Value {
    let now = "mutation($id: ID!) { syncNow(input: { integrationId: $id, stream: \"things\" }) { runs { id }
        userErrors { message } } }";
    node.ask(token, now, json!({ "id": id })).await.data()["syncNow"]["runs"][0]["id"].clone()
}

/// An integration and the run that reads it.
pub async fn started(node: &Server, token: &str) -> (Value, Value) {
    let id = connected(node, token).await;
    let run = begun(node, token, &id).await;
    (id, run)
}

/// The records that are not gone, by id, after the dense numbers of changes were checked.
pub async fn records(node: &Server, token: &str, id: &Value) -> Vec<(String, String)> {
    let page = "query($id: ID!, $after: String) { records(integrationId: $id, stream: \"things\", first: 100,
        after: $after) { nodes { externalId data deletedAt changeNumber } pageInfo { hasNextPage endCursor } } }";
    let (mut all, mut after) = (Vec::new(), Value::Null);
    loop {
        let found = node.ask(token, page, json!({ "id": id, "after": after })).await.data()["records"].clone();
        for record in found["nodes"].as_array().unwrap() {
            if record["deletedAt"].is_null() {
                let text = record["data"]["text"].as_str().unwrap().to_owned();
                all.push((record["externalId"].as_str().unwrap().to_owned(), text));
            }
        }
        after = found["pageInfo"]["endCursor"].clone();
        if found["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    all.sort();
    all
}
