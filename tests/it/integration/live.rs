//! The list of integrations, followed: at every cursor it is what a fresh query says.

use std::{collections::BTreeMap, env, time::SystemTime};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{
    database::TestDatabase,
    process::{LIMIT, Server, token, until},
    sse::Sse,
};

const FOLLOW: &str = "subscription($f: IntegrationFilterInput) { integrationsLive(filter: $f) {
    cursor complete snapshot { id name status enabled } upserted { id name status enabled } removed } }";
const LIST: &str = "query($f: IntegrationFilterInput) { integrations(filter: $f, first: 100) {
    nodes { id name status enabled } } }";
const NEWEST: &str = "{ events(last: 1, topics: [INTEGRATION]) { nodes { number cursor kind } } }";

/// A list as a client keeps it.
struct Kept {
    filter: Value,
    rows: BTreeMap<String, String>,
    stream: Sse,
}

fn shown(row: &Value) -> (String, String) {
    (row["id"].as_str().unwrap().to_owned(), format!("{} {} {}", row["name"], row["status"], row["enabled"]))
}

impl Kept {
    async fn open(server: &Server, admin: &str, filter: Value) -> Self {
        let stream = Sse::open(server.address, admin, FOLLOW, json!({ "f": filter }), None).await.unwrap();
        let mut kept = Self { filter, rows: BTreeMap::new(), stream };
        while kept.next().await["complete"] != true {}
        kept
    }

    async fn next(&mut self) -> Value {
        let said = timeout(LIMIT, self.stream.next()).await.expect("a change came").unwrap().expect("it goes on");
        let change = said.json()["data"]["integrationsLive"].clone();
        assert!(change.is_object(), "{}", said.json());
        self.rows.extend(change["snapshot"].as_array().into_iter().flatten().map(shown));
        if change["upserted"].is_object() {
            self.rows.extend([shown(&change["upserted"])]);
        }
        if let Some(id) = change["removed"].as_str() {
            self.rows.remove(id);
        }
        change
    }

    /// Reads until that cursor, and holds what it has against a query.
    async fn reach(&mut self, server: &Server, admin: &str, cursor: &Value) {
        while self.next().await["cursor"] != *cursor {}
        let answer = server.ask(admin, LIST, json!({ "f": self.filter })).await.data();
        let asked: BTreeMap<_, _> = answer["integrations"]["nodes"].as_array().unwrap().iter().map(shown).collect();
        assert_eq!(self.rows, asked, "at {cursor} of {}", self.filter);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_followed_list_of_integrations_is_the_query_at_every_cursor() {
    let given = env::var("TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs());
    println!("TEST_SEED={seed}");
    let mut chance = StdRng::seed_from_u64(seed);
    let database = TestDatabase::create().await;
    let server = Server::with(&database, &[("PORTOLAN_GRAPHQL_COST_PER_MINUTE", "0")]).await;
    let admin = token(&database, "admin");
    let filters = [
        json!({}),
        json!({ "enabled": true }),
        json!({ "statuses": ["INACTIVE"] }),
        json!({ "search": "tea" }),
        json!({ "providers": ["stripe"], "enabled": false }),
    ];
    let mut followers = Vec::new();
    for filter in filters.clone() {
        followers.push(Kept::open(&server, &admin, filter).await);
    }
    let (mut ids, mut before) = (Vec::<String>::new(), 0);
    for step in 0..40 {
        let which = if ids.is_empty() { 0 } else { chance.random_range(0..6) };
        let at = if ids.is_empty() { 0 } else { chance.random_range(0..ids.len()) };
        let name = ["Tea house", "Green TEA", "Coffee", "Spices"][chance.random_range(0..4)];
        let (mutation, input, last) = match which {
            0 | 1 => {
                let provider = if chance.random_bool(0.5) { "stripe" } else { "sendgrid" };
                let key = if provider == "stripe" {
                    json!({ "apiKey": { "key": "sk_test_ExampleExampleExample01" } })
                } else {
                    json!({ "bearerToken": { "token": "SG.exampleexampleexample0.ExampleExampleExampleExampleExampleExample000" } })
                };
                let input = json!({ "provider": provider, "name": name, "credentials": key, "skipTest": true, "importCatalogue": false });
                ("createIntegration", input, "integration.created")
            }
            2 => {
                let name = format!("{name} {step}");
                ("updateIntegration", json!({ "id": ids[at], "name": name }), "integration.updated")
            }
            3 => ("disableIntegration", json!({ "id": ids[at] }), "integration.status_changed"),
            4 => ("enableIntegration", json!({ "id": ids[at] }), "integration.status_changed"),
            _ => ("deleteIntegration", json!({ "id": ids[at] }), "integration.deleted"),
        };
        let kind = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
        let fields = if mutation == "deleteIntegration" { "deletedId" } else { "integration { id }" };
        let document =
            format!("mutation($i: {kind}!) {{ {mutation}(input: $i) {{ {fields} userErrors {{ message path }} }} }}");
        let was = server.ask(&admin, NEWEST, Value::Null).await.data();
        let payload = server.ask(&admin, &document, json!({ "i": input })).await.data()[mutation].clone();
        assert_eq!(payload["userErrors"], json!([]), "{payload}");
        match mutation {
            "createIntegration" => ids.push(payload["integration"]["id"].as_str().unwrap().to_owned()),
            "deleteIntegration" => drop(ids.remove(at)),
            _ => {}
        }
        let enabling = matches!(mutation, "disableIntegration" | "enableIntegration");
        // Switching off what is off is no change.
        if enabling && !changes(&server, &admin, &was).await {
            continue;
        }
        let cursor = until("the change is in the log", async || {
            let newest = server.ask(&admin, NEWEST, Value::Null).await.data()["events"]["nodes"][0].clone();
            let number: i64 = newest["number"].as_str()?.parse().ok()?;
            (number > before && newest["kind"] == last).then(|| (number, newest["cursor"].clone()))
        })
        .await;
        before = cursor.0;
        for follower in &mut followers {
            follower.reach(&server, &admin, &cursor.1).await;
        }
        if step % 10 == 9 {
            // Whoever comes now begins with a snapshot of the same.
            let filter = filters[chance.random_range(0..filters.len())].clone();
            followers.push(Kept::open(&server, &admin, filter).await);
        }
    }
}

/// Whether something happened since; waits a little, since on PostgreSQL events are numbered afterwards.
async fn changes(server: &Server, admin: &str, was: &Value) -> bool {
    for _ in 0..20 {
        if server.ask(admin, NEWEST, Value::Null).await.data() != *was {
            return true;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    false
}
