//! Servers are killed while a pass looks for missing records, decides, and deletes them.
//!
//! On PostgreSQL three servers share the work, on SQLite there is one. `TEST_SEED` repeats a run's choices (not its
//! timing).

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

const STREAM: &str = "query($id: ID!, $key: String!) {
    integration(id: $id) { syncStreams { key totalRecords changeNumber heldDeletions { records of } lastSyncedAt } }
    gone: records(integrationId: $id, stream: $key, filter: { deleted: true }) { totalCount }
    alerts(filter: { open: true, kinds: [DELETIONS_HELD] }) { totalCount } }";

struct Nodes {
    all: Vec<Server>,
    admin: String,
    integration: Value,
    chance: StdRng,
    _database: TestDatabase,
}

impl Nodes {
    async fn start(acme: &Acme, key: &str) -> Self {
        let given = env::var("TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs());
        println!("TEST_SEED={seed}");
        let database = TestDatabase::create().await;
        let settings = acme.settings();
        let mut settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        settings.push(("PORTOLAN_JOBS_LEASE", "3s"));
        let mut all = Vec::new();
        for name in ["one", "two", "three"].iter().take(if on_postgres() { 3 } else { 1 }) {
            all.push(if on_postgres() {
                Server::node(&database, name, &settings).await
            } else {
                Server::with(&database, &settings).await
            });
        }
        let admin = token(&database, "admin");
        let create = "mutation { createIntegration(input: { provider: \"acme\", skipTest: true,
            credentials: { bearerToken: { token: \"right\" } } }) { integration { id } userErrors { message } } }";
        let made = all[0].ask(&admin, create, Value::Null).await.data()["createIntegration"].clone();
        let integration = made["integration"]["id"].clone();
        assert!(integration.is_string(), "{made}");
        let mut nodes = Self { all, admin, integration, chance: StdRng::seed_from_u64(seed), _database: database };
        // What is scheduled is read once by itself, and then not this year.
        let seldom = "mutation($id: ID!, $key: String!) { setSyncSchedule(input: { integrationId: $id, stream: $key,
            schedule: { cron: { pattern: \"0 0 1 1 *\", timeZone: \"UTC\" } } }) { userErrors { message } } }";
        nodes.ask(seldom, json!({ "key": key })).await;
        let first = nodes.run(key, false, 0, async |_: &Self| {}).await;
        assert_eq!(first["status"], "SUCCEEDED", "{first}");
        nodes
    }

    async fn ask(&self, document: &str, mut variables: Value) -> Value {
        variables["id"] = self.integration.clone();
        self.all[0].ask(&self.admin, document, variables).await.data()
    }

    /// A stream as it is now, with how many of its records are marked as deleted, and the number of open alerts.
    async fn stream(&self, key: &str) -> (Value, u64, u64) {
        let found = self.ask(STREAM, json!({ "key": key })).await;
        let streams = found["integration"]["syncStreams"].as_array().unwrap();
        let stream = streams.iter().find(|stream| stream["key"] == key).unwrap().clone();
        let number = |value: &Value| value["totalCount"].as_u64().unwrap();
        (stream, number(&found["gone"]), number(&found["alerts"]))
    }

    /// Begins a run by a mutation; kills servers while it goes on, and waits until it is over.
    async fn run(&mut self, key: &str, confirm: bool, kills: usize, seen: impl AsyncFn(&Self)) -> Value {
        let now = "mutation($id: ID!, $key: String!) { syncNow(input: { integrationId: $id, stream: $key }) {
            runs { id } userErrors { message } } }";
        let confirmed = "mutation($id: ID!, $key: String!) { confirmSyncDeletions(input: { integrationId: $id,
            stream: $key }) { run { id } userErrors { message } } }";
        let answer = self.ask(if confirm { confirmed } else { now }, json!({ "key": key })).await;
        let run = if confirm { &answer["confirmSyncDeletions"]["run"] } else { &answer["syncNow"]["runs"][0] };
        let run = run["id"].clone();
        assert!(run.is_string(), "{answer}");
        for _ in 0..kills {
            sleep(Duration::from_millis(self.chance.random_range(20..500))).await;
            let node = self.chance.random_range(0..self.all.len());
            self.all[node].kill9();
            self.all[node].again().await;
            seen(self).await;
        }
        let status = "query($run: ID!) { node(id: $run) { ... on SyncRun { status error heldDeletions
            progress { pages seen deleted } } } }";
        in_the_end("the run is over", async || {
            sleep(Duration::from_millis(100)).await;
            let run = self.all[0].ask(&self.admin, status, json!({ "run": run })).await.data()["node"].clone();
            if run["status"] == "RUNNING" || run["status"] == "QUEUED" { Err(run) } else { Ok(run) }
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deletions_are_held_and_made_as_decided_however_often_servers_are_killed() {
    const THINGS: usize = 12_000;
    const LEFT: usize = 100;
    let acme = Acme::start().await;
    acme.pages_of(500);
    acme.has(0..THINGS, "first", 0);
    let mut nodes = Nodes::start(&acme, "things").await;
    assert_eq!(nodes.stream("things").await.0["totalRecords"], THINGS);
    for lost in LEFT..THINGS {
        acme.lose(&name(lost));
    }
    let unharmed = async |nodes: &Nodes| assert_eq!(nodes.stream("things").await.1, 0, "nothing is deleted");
    let held = nodes.run("things", false, 4, unharmed).await;
    assert_eq!((&held["status"], &held["heldDeletions"]), (&json!("SUCCEEDED"), &json!(THINGS - LEFT)), "{held}");
    let (stream, gone, alerts) = nodes.stream("things").await;
    let expected = json!({ "records": THINGS - LEFT, "of": THINGS });
    assert_eq!((&stream["heldDeletions"], gone), (&expected, 0), "{stream}");
    assert!(alerts >= 1);

    let made = nodes.run("things", true, 4, async |_: &Nodes| {}).await;
    assert_eq!((&made["status"], &made["heldDeletions"]), (&json!("SUCCEEDED"), &Value::Null), "{made}");
    assert_eq!(made["progress"]["deleted"], THINGS - LEFT, "{made}");
    let (stream, gone, _) = nodes.stream("things").await;
    assert_eq!((&stream["totalRecords"], &stream["heldDeletions"]), (&json!(LEFT), &Value::Null));
    assert_eq!(gone, (THINGS - LEFT) as u64);
    let changes = (THINGS + THINGS - LEFT).to_string();
    assert_eq!(stream["changeNumber"], changes, "each was added once and deleted once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_look_goes_on_where_a_server_was_killed() {
    const THINGS: usize = 1_500;
    let acme = Acme::numbered().await;
    acme.has(0..THINGS, "first", 0);
    let mut nodes = Nodes::start(&acme, "numbered").await;
    let mut done = false;
    acme.meanwhile(move |page, things| {
        // Answers take a little, so that kills come in between.
        std::thread::sleep(Duration::from_millis(15));
        if page == 6 && !done {
            done = true;
            for id in 0..200 {
                things.remove(&name(id));
            }
        }
    });
    let unharmed = async |nodes: &Nodes| assert_eq!(nodes.stream("numbered").await.1, 0, "nothing is deleted");
    let disturbed = nodes.run("numbered", false, 4, unharmed).await;
    assert_eq!((&disturbed["status"], &disturbed["progress"]["deleted"]), (&json!("SUCCEEDED"), &json!(0)));
    assert_eq!(disturbed["progress"]["seen"], THINGS, "{disturbed}");
    assert!(disturbed["progress"]["pages"].as_u64().unwrap() > 50, "it looked twice: {disturbed}");
    let next = nodes.run("numbered", false, 1, async |_: &Nodes| {}).await;
    assert_eq!((&next["progress"]["deleted"], &next["heldDeletions"]), (&json!(200), &Value::Null), "{next}");
    let (stream, gone, _) = nodes.stream("numbered").await;
    assert_eq!((stream["totalRecords"].as_u64(), gone), (Some(THINGS as u64 - 200), 200));
}
