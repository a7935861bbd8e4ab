//! Servers are killed while webhooks go out: every event that was committed reaches each destination that works, at
//! least once, in order for each subject, and always under the same id.
//!
//! On PostgreSQL two servers share the work. `TEST_LONG=1` runs for ten minutes, `TEST_SEED` repeats a run's choices
//! (not its timing).

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use sea_orm::{ConnectionTrait, Database, Statement};
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::sink::{Came, Say, Sink};
use crate::support::{
    database::{TestDatabase, on_postgres},
    process::{Server, in_the_end, token, until},
    wire::Wire,
};

/// People who change something at once.
const WRITERS: usize = 6;

const SOUND: [&str; 2] = ["sound", "picky"];

/// Changes one agent again and again until told to stop.
async fn write(agent: String, admin: String, place: watch::Receiver<SocketAddr>, stop: watch::Receiver<bool>) -> usize {
    let change = "mutation U($input: UpdateAgentInput!) { updateAgent(input: $input) { userErrors { message } } }";
    let mut done = 0;
    let mut wire: Option<Wire> = None;
    for number in 0.. {
        if *stop.borrow() {
            break;
        }
        let input = json!({ "input": { "id": agent, "name": format!("agent {number}") } });
        let body = json!({ "query": change, "variables": input }).to_string();
        let at = *place.borrow();
        let attempt = async {
            let mut open = match wire.take() {
                Some(wire) => wire,
                None => Wire::open(at).await.ok()?,
            };
            let request = format!(
                "POST /graphql HTTP/1.1\r\nhost: portolan\r\ncontent-type: application/json\r\n\
                 authorization: Bearer {admin}\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            open.send(&request).await.ok()?;
            let reply = open.reply().await.ok()?;
            Some((open, reply))
        };
        match timeout(Duration::from_secs(5), attempt).await.ok().flatten() {
            Some((open, reply)) if reply.status == 200 => {
                (wire, done) = (Some(open), done + 1);
            }
            _ => sleep(Duration::from_millis(5)).await,
        }
    }
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn every_committed_event_reaches_each_destination_that_works_in_order_under_one_id() {
    let long = env::var_os("TEST_LONG").is_some_and(|value| value == "1");
    let given = env::var("TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs());
    println!("TEST_SEED={seed}");
    let mut chance = StdRng::seed_from_u64(seed);
    let database = TestDatabase::create().await;
    let sink = Sink::start().await;
    sink.at("dead", |_| Say::Status(500));
    // It refuses some at first.
    let met = Arc::new(Mutex::new(BTreeSet::new()));
    sink.at("picky", move |came| {
        let refused = came.id.bytes().map(u32::from).sum::<u32>() % 8 == 0;
        Say::Status(if refused && met.lock().unwrap().insert(came.id.clone()) { 503 } else { 200 })
    });
    let settings = [
        ("PORTOLAN_OUTGOING_ALLOW", "127.0.0.0/8"),
        ("PORTOLAN_OUTBOUND_SCHEDULE", "50ms,100ms,200ms,500ms,1s,2s,5s,5s,5s,5s,5s,5s"),
        ("PORTOLAN_OUTBOUND_TIMEOUT", "1s"),
        ("PORTOLAN_LOG_LEVEL", "warn"),
    ];
    let mut nodes = Vec::new();
    for name in ["one", "two"].iter().take(if on_postgres() { 2 } else { 1 }) {
        nodes.push(if on_postgres() {
            Server::node(&database, name, &settings).await
        } else {
            Server::with(&database, &settings).await
        });
    }
    let admin = token(&database, "admin");
    for path in SOUND.into_iter().chain(["dead"]) {
        destination(&nodes[0], &admin, &sink, path).await;
    }
    let (place, places) = watch::channel(nodes[0].address);
    let (stop, stopped) = watch::channel(false);
    let mut writers = JoinSet::new();
    for number in 0..WRITERS {
        let agent = agent(&nodes[0], &admin, number).await;
        writers.spawn(write(agent, admin.clone(), places.clone(), stopped.clone()));
    }
    let (begun, mut kills) = (Instant::now(), 0);
    let enough = Duration::from_secs(if long { 600 } else { 12 });
    while begun.elapsed() < enough {
        sleep(Duration::from_millis(chance.random_range(200..2_000))).await;
        let victim = chance.random_range(0..nodes.len());
        nodes[victim].kill9();
        kills += 1;
        place.send_replace(nodes[(victim + 1) % nodes.len()].address);
        nodes[victim].again().await;
    }
    stop.send_replace(true);
    let acknowledged: usize = writers.join_all().await.into_iter().sum();
    assert!(acknowledged > 50, "next to nothing was acknowledged");
    let query = "query W($filter: WebhookDeliveryFilterInput) { webhookDeliveries(filter: $filter) { totalCount } }";
    let all = until("all events are in the log", async || {
        let (waiting, events) = events(&database).await;
        (waiting == 0).then_some(events)
    })
    .await;
    // What was taken by servers that were killed is tried again in half a minute, and what is behind it then.
    in_the_end("everything reached who works", async || {
        sleep(Duration::from_millis(100)).await;
        let came: BTreeSet<_> = sink.came().into_iter().map(|came| (came.path, came.id)).collect();
        let whole = all.iter().all(|(id, _)| SOUND.iter().all(|path| came.contains(&((*path).to_owned(), id.clone()))));
        if whole { Ok(()) } else { Err(came.len()) }
    })
    .await;
    // Once more a while, so that whatever is still on its way comes too.
    sleep(Duration::from_secs(2)).await;
    let reply = nodes[0].ask(&admin, query, json!({ "filter": { "statuses": ["FAILED", "SKIPPED"] } })).await.data();
    println!("{acknowledged} acknowledged, {} events, {kills} kills, given up or skipped: {reply}", all.len());
    for path in SOUND {
        check(&sink.came_to(path), &all, path);
    }
}

/// Whether what came is all there is, in the order of the log for each subject, each always the same.
fn check(came: &[Came], all: &[(String, String)], path: &str) {
    let mut bodies = BTreeMap::new();
    let mut firsts = BTreeMap::<String, Vec<String>>::new();
    for one in came {
        let before = bodies.insert(one.id.clone(), one.body.clone());
        match before {
            None => firsts.entry(one.subject()).or_default().push(one.id.clone()),
            Some(before) => assert_eq!(before, one.body, "{path}: the same id says the same"),
        }
    }
    let mut expected = BTreeMap::<String, Vec<String>>::new();
    for (id, subject) in all {
        expected.entry(subject.clone()).or_default().push(id.clone());
    }
    assert_eq!(firsts, expected, "{path}: each came, in order");
    let twice = came.len() - bodies.len();
    println!("{path}: {} came, {twice} of them again", came.len());
}

/// How many events wait for their number, and the ids and subjects of those that destinations want, in order.
async fn events(database: &TestDatabase) -> (usize, Vec<(String, String)>) {
    let url = database.url().unwrap_or_else(|| format!("sqlite://{}/portolan.db", database.folder().display()));
    let db = Database::connect(url).await.unwrap();
    let backend = db.get_database_backend();
    let ask = async |sql: &str| db.query_all_raw(Statement::from_string(backend, sql)).await.unwrap();
    let waiting = ask("SELECT kind FROM outbox").await.len();
    let rows = ask("SELECT event_id, subject FROM events WHERE kind = 'agent.updated' ORDER BY position").await;
    let events = rows.iter().map(|row| {
        let id: portolan::kernel::id::EventId = row.try_get_by_index(0).unwrap();
        (id.to_string(), row.try_get_by_index(1).unwrap())
    });
    let events = events.collect();
    db.close().await.unwrap();
    (waiting, events)
}

async fn destination(node: &Server, admin: &str, sink: &Sink, path: &str) {
    let create = "mutation C($input: CreateWebhookDestinationInput!) {
        createWebhookDestination(input: $input) { destination { id } userErrors { message } } }";
    let url = format!("http://{}/{path}", sink.address);
    let input = json!({ "input": { "name": path, "url": url, "events": ["agent.updated"] } });
    let made = node.ask(admin, create, input).await.data();
    assert!(made["createWebhookDestination"]["destination"]["id"].is_string(), "{made}");
}

async fn agent(node: &Server, admin: &str, number: usize) -> String {
    let create = "mutation C($input: CreateAgentInput!) {
        createAgent(input: $input) { agent { id } userErrors { message } } }";
    let input = json!({ "input": { "name": format!("writer {number}"), "role": "VIEWER" } });
    let made: Value = node.ask(admin, create, input).await.data();
    made["createAgent"]["agent"]["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
}
