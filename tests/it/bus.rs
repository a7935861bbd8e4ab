//! What other nodes say is only a hint: nobody who can publish on the bus, by accident or on purpose, makes a reader
//! miss an event or get one that the database does not have.

mod positions;

use std::{
    collections::BTreeSet,
    env,
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::Client;
use chrono::TimeDelta;
use futures_util::StreamExt;
use portolan::{
    domain::outbound::destination::{self, NewDestination},
    event::{Fact, Interest, Reader, log},
    worker::outbound::{self, Sender},
};
use sea_orm::{ConnectionTrait, Statement};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    outbound::sink::Sink,
    support::{
        TestHub,
        database::{TestDatabase, on_postgres},
        log::Log,
        nats::Nats,
        process::{LIMIT, until},
    },
};

/// Something that happened to a subject.
#[derive(Serialize)]
struct Happened {
    subject: String,
    number: usize,
}

impl Fact for Happened {
    const TOPIC: &'static str = "integration";

    fn kind(&self) -> &'static str {
        "integration.updated"
    }

    fn subject(&self) -> String {
        self.subject.clone()
    }
}

fn all() -> Interest {
    Interest::of_topics([Happened::TOPIC])
}

/// Servers for the tests, and a prefix that no other test has. None without NATS or PostgreSQL.
async fn place() -> Option<(String, String, Option<Nats>)> {
    if !on_postgres() {
        return None;
    }
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let prefix = format!("it{}x{}", std::process::id(), now.as_nanos());
    if let Ok(url) = env::var("TEST_NATS_URL") {
        return Some((url, prefix, None));
    }
    if let Some(nats) = Nats::start().await {
        return Some((nats.url(), prefix, Some(nats)));
    }
    println!("left out: no NATS (TEST_NATS_URL names a server, TEST_NATS_SERVER the program)");
    None
}

/// A hub that follows its log, sends webhooks to a path, and is on a bus.
struct Node {
    hub: TestHub,
    stop: CancellationToken,
}

impl Node {
    async fn start(url: &str, prefix: &str) -> Self {
        // Migrated here and not copied, so that each has an id of its own.
        let database = TestDatabase::create().await;
        let settings =
            [("PORTOLAN_NATS_URL", url), ("PORTOLAN_NATS_PREFIX", prefix), ("PORTOLAN_OUTGOING_ALLOW", "127.0.0.0/8")];
        let hub = TestHub::on(database, &settings).await;
        hub.number_events().await;
        hub.app.follow();
        let (stop, shared) = (CancellationToken::new(), hub.app.hub());
        shared.tasks.spawn(outbound::route(Arc::clone(shared), stop.clone()));
        shared.tasks.spawn(Sender::new(Arc::clone(shared)).run(stop.clone()));
        Self { hub, stop }
    }

    async fn destination(&self, sink: &Sink, path: &str) {
        let new = NewDestination {
            name: path.to_owned(),
            url: format!("http://{}/{path}", sink.address),
            events: vec![format!("{}.*", Happened::TOPIC)],
            filter: None,
            with_key: false,
        };
        destination::create(&self.hub.cx(), new, None).await.unwrap();
        // What happens later goes there.
        self.hub.clock.advance(TimeDelta::seconds(1));
    }

    async fn reader(&self) -> Reader {
        self.hub.number_events().await;
        self.hub.cx().events(all(), None).await.unwrap()
    }

    async fn happens(&self, number: usize) {
        let fact = Happened { subject: format!("subject {}", number % 20), number };
        self.hub.cx().write(async |txn| txn.emit(&fact)).await.unwrap();
    }

    async fn id(&self) -> Uuid {
        let db = self.hub.app.hub().database.reader();
        let asked = Statement::from_string(db.get_database_backend(), "SELECT hub_id FROM hub_identity");
        db.query_one_raw(asked).await.unwrap().unwrap().try_get_by_index(0).unwrap()
    }

    async fn end(self) {
        self.stop.cancel();
        self.hub.app.close().await;
    }
}

/// The numbers of the next so many events.
async fn numbers(reader: &mut Reader, count: usize) -> Vec<u64> {
    let mut numbers = Vec::with_capacity(count);
    for _ in 0..count {
        let entry = timeout(LIMIT, reader.next()).await.expect("an event came").unwrap();
        numbers.push(entry.data["number"].as_u64().unwrap());
    }
    numbers
}

/// Waits until a path got so many webhooks, and gives the numbers in them.
async fn arrived(sink: &Sink, path: &str, count: usize) -> BTreeSet<u64> {
    until("the webhooks arrived", async || (sink.came_to(path).len() >= count).then_some(())).await;
    let came = sink.came_to(path);
    assert_eq!(came.len(), count, "each once");
    came.iter().map(crate::outbound::sink::Came::number).collect()
}

#[tokio::test]
async fn two_hubs_on_one_nats_prefix_deliver_everything_live_and_as_webhooks() {
    const EACH: usize = 300;
    let Some((url, prefix, _nats)) = place().await else { return };
    let (log, _guard) = Log::capture();
    let sink = Sink::start().await;
    let nodes = [Node::start(&url, &prefix).await, Node::start(&url, &prefix).await];
    assert_ne!(nodes[0].id().await, nodes[1].id().await);
    for (node, path) in nodes.iter().zip(["one", "two"]) {
        node.destination(&sink, path).await;
    }
    let mut readers = Vec::new();
    for node in &nodes {
        readers.push(node.reader().await);
    }
    // The first is far ahead at first, then they take turns.
    for number in 0..EACH / 3 {
        nodes[0].happens(number).await;
    }
    for number in EACH / 3..EACH {
        nodes[0].happens(number).await;
        nodes[1].happens(number).await;
    }
    let expected: Vec<u64> = (0..EACH as u64).collect();
    assert_eq!(numbers(&mut readers[0], EACH).await, expected);
    assert_eq!(numbers(&mut readers[1], EACH - EACH / 3).await, expected[EACH / 3..]);
    assert_eq!(arrived(&sink, "one", EACH).await.into_iter().collect::<Vec<_>>(), expected);
    assert_eq!(arrived(&sink, "two", EACH - EACH / 3).await.into_iter().collect::<Vec<_>>(), expected[EACH / 3..]);
    // Both say so, and not for each message.
    let said = log.with("messages of another hub were ignored");
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said.iter().all(|line| line.contains("nats_prefix")), "{said:?}");
    for node in nodes {
        node.end().await;
    }
}

/// Messages that somebody could publish who is no node.
async fn forge(client: &Client, subject: &str, node: &Node, captured: &[Vec<u8>]) {
    let hub = node.hub.app.hub();
    let next = log::position(hub.database.reader()).await.unwrap() + 1;
    let forged = json!({
        "position": next, "tenant_id": node.hub.tenant.id, "number": 1_000_000, "event_id": "evt_01kb00000000000000000000",
        "topic": Happened::TOPIC, "kind": "integration.updated", "subject": "forged",
        "data": { "subject": "forged", "number": 666 }, "actor": "system:test", "request_id": "forged",
        "at": "2027-01-15T08:00:10Z",
    });
    let id = node.id().await;
    let mut messages: Vec<Vec<u8>> = Vec::new();
    for position in [next, next + 1, next + 1_000_000, i64::MAX, i64::MIN, 0, -1] {
        messages.push(json!({ "position": position, "events": [forged] }).to_string().into_bytes());
        messages.push(json!({ "hub": id, "position": position, "events": [forged] }).to_string().into_bytes());
        messages.push(json!({ "hub": id, "position": position }).to_string().into_bytes());
        messages.push(json!({ "hub": Uuid::from_u128(1), "position": position }).to_string().into_bytes());
    }
    messages.extend([b"".to_vec(), b"\xff\xfe\x00".to_vec(), b"{".to_vec(), vec![b'['; 100_000]]);
    for message in captured {
        messages.push(message.clone());
        // Altered: another position in a message that was good.
        let mut altered: Value = serde_json::from_slice(message).unwrap();
        altered["position"] = json!(altered["position"].as_i64().unwrap() + 1_000);
        messages.push(altered.to_string().into_bytes());
    }
    for message in messages {
        client.publish(subject.to_owned(), message.into()).await.unwrap();
    }
    client.flush().await.unwrap();
}

#[tokio::test]
async fn forged_altered_and_repeated_messages_reach_nobody_and_hold_nothing_up() {
    const ROUNDS: usize = 5;
    let Some((url, prefix, _nats)) = place().await else { return };
    let (log, _guard) = Log::capture();
    let sink = Sink::start().await;
    let node = Node::start(&url, &prefix).await;
    node.destination(&sink, "path").await;
    let mut reader = node.reader().await;
    let client = async_nats::connect(&url).await.unwrap();
    let subject = format!("{prefix}.events");
    let mut own = client.subscribe(subject.clone()).await.unwrap();
    client.flush().await.unwrap();

    // The node hears itself as soon as it has joined; what it says is captured.
    node.happens(0).await;
    assert_eq!(numbers(&mut reader, 1).await, [0]);
    let mut captured = Vec::new();
    let mut number = 1;
    while captured.len() < 3 {
        if let Ok(Some(message)) = timeout(Duration::from_millis(200), own.next()).await {
            let said: Value = serde_json::from_slice(&message.payload).unwrap();
            let fields: Vec<_> = said.as_object().unwrap().keys().cloned().collect();
            assert_eq!(fields, ["hub", "position"], "nothing of an event travels");
            captured.push(message.payload.to_vec());
        }
        node.happens(number).await;
        assert_eq!(numbers(&mut reader, 1).await, [number as u64]);
        number += 1;
    }
    for round in 0..ROUNDS {
        forge(&client, &subject, &node, &captured).await;
        // Sometimes the next event comes while they are looked at, sometimes after.
        tokio::time::sleep(Duration::from_millis(40 * round as u64)).await;
        node.happens(number).await;
        assert_eq!(numbers(&mut reader, 1).await, [number as u64]);
        number += 1;
    }
    let expected: BTreeSet<u64> = (0..number as u64).collect();
    assert_eq!(arrived(&sink, "path", number).await, expected);
    let listed: BTreeSet<_> = sink.came().iter().map(|came| came.id.clone()).collect();
    assert_eq!(listed.len(), number);
    assert!(sink.came().iter().all(|came| came.subject() != "forged"));
    for words in ["hints named positions beyond the end", "messages of another hub", "messages that are no hints"] {
        assert_eq!(log.with(words).len(), 1, "{words}");
    }
    node.end().await;
}

#[tokio::test]
async fn a_notification_of_a_far_position_moves_nobody() {
    if !on_postgres() {
        return;
    }
    let (log, _guard) = Log::capture();
    let hub = TestHub::start().await;
    hub.number_events().await;
    hub.app.follow();
    let mut reader = hub.cx().events(all(), None).await.unwrap();
    let happens = async |number: usize| {
        let fact = Happened { subject: "subject".to_owned(), number };
        hub.cx().write(async |txn| txn.emit(&fact)).await.unwrap();
    };
    happens(0).await;
    assert_eq!(numbers(&mut reader, 1).await, [0]);
    let db = hub.app.hub().database.writer();
    until("the hint was heard", async || {
        for said in ["9223372036854775807", "1000000", "-1", "no number", ""] {
            db.execute_unprepared(&format!("SELECT pg_notify('portolan_events', '{said}')")).await.unwrap();
        }
        (!log.with("hints named positions beyond the end").is_empty()).then_some(())
    })
    .await;
    for number in 1..20 {
        happens(number).await;
        assert_eq!(numbers(&mut reader, 1).await, [number as u64]);
    }
    hub.app.close().await;
}

#[tokio::test]
async fn hints_that_are_not_true_cause_few_reads() {
    let hub = TestHub::start().await;
    hub.number_events().await;
    hub.app.follow();
    let cx = hub.cx();
    let mut reader = cx.events(all(), None).await.unwrap();
    cx.write(async |txn| txn.emit(&Happened { subject: "subject".to_owned(), number: 0 })).await.unwrap();
    assert_eq!(numbers(&mut reader, 1).await, [0]);
    let feed = hub.app.hub().feed.clone();
    let begun = Instant::now();
    let before = statements(&hub);
    while begun.elapsed() < Duration::from_secs(2) {
        for _ in 0..100 {
            feed.hint_at(i64::MAX);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let caused = statements(&hub) - before;
    // Ten looks a second of two statements each; the sequencer's passes and the look at revoked credentials besides.
    println!("{caused} statements in two seconds of hints that are not true");
    assert!(caused < 120, "{caused}");
    hub.app.close().await;
}

/// How many SQL statements the app has made.
fn statements(hub: &TestHub) -> u64 {
    let page = hub.app.metrics().page();
    let counts = page.lines().filter(|line| line.contains("db_statement_duration_seconds_count"));
    counts.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}
