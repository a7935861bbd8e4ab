//! From a commit to a subscriber: on one node, and between nodes by each way there is.
//!
//! `cargo bench --bench bus` prints the median and the 99th percentile from the end of a commit to the event at a
//! reader, and from the beginning of its transaction; then, for a burst, the CPU that all nodes together use for an
//! event. Without `TEST_POSTGRES_URL` only SQLite is measured, without `TEST_NATS_URL` no NATS. `hinted` is what
//! the product does: a message says how far the log has come, and every node reads the rest. In `carried` the events
//! travel in the message, authenticated by HMAC-SHA256, and no node reads them.
//! All nodes live in this process, which measures their work and leaves out what a network adds.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a benchmark fails by panicking, prints figures, and waits for its own tasks"
)]

use std::{
    env, fs,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use portolan::{
    app::{App, World},
    config::{Config, Flags},
    context::Cx,
    domain::tenant,
    entity::event,
    event::{Entry, Fact, Feed, Interest, Reader, log, sequencer},
    provider::{manifest::webhook::Hash, webhook::hmac::mac},
};
use sea_orm::{ConnectionTrait, Database};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// Events that are timed one by one, and how long to wait between two.
const TIMED: (usize, Duration) = (300, Duration::from_millis(10));

/// Events of the burst, how many come with a commit, and the nodes that follow.
const BURST: (usize, usize, usize) = (20_000, 20, 4);

/// Set in the environment of a test run, not one that users have.
const MASTER_KEY: &str = "1:Zm9yIHRlc3RzIG9ubHksIDMyIGJ5dGVzIG9mIHRoZW0=";

#[derive(Serialize)]
struct Tick {
    count: usize,
    filling: String,
}

impl Fact for Tick {
    const TOPIC: &'static str = "tenant";

    fn kind(&self) -> &'static str {
        "bench.ticked"
    }

    fn subject(&self) -> String {
        "somebody".to_owned()
    }
}

fn tick(count: usize) -> Tick {
    Tick { count, filling: "x".repeat(200) }
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    OneNode,
    Notify,
    Carried,
    Hinted,
}

/// Nodes on one database.
struct Nodes {
    apps: Vec<App>,
    stop: CancellationToken,
    cx: Cx,
}

impl Nodes {
    async fn start(way: Way, count: usize, folder: &std::path::Path, url: Option<&str>) -> Self {
        let mut settings = vec![("PORTOLAN_DATA_DIR".to_owned(), folder.display().to_string())];
        if let Some(url) = url {
            settings.push(("PORTOLAN_DATABASE_URL".to_owned(), url.to_owned()));
            settings.push(("PORTOLAN_MASTER_KEY".to_owned(), MASTER_KEY.to_owned()));
            settings.push(("PORTOLAN_DATABASE_MAX_CONNECTIONS".to_owned(), "4".to_owned()));
        }
        if way == Way::Hinted {
            settings.push(("PORTOLAN_NATS_URL".to_owned(), env::var("TEST_NATS_URL").unwrap()));
            settings.push(("PORTOLAN_NATS_PREFIX".to_owned(), format!("bench{}", std::process::id())));
        }
        let config = Config::load(&Flags::default(), settings, folder).unwrap();
        let mut apps = vec![App::start(&config, World::default()).await.unwrap().0];
        for _ in 1..count {
            apps.push(App::open(&config, World::default()).await.unwrap());
        }
        if url.is_some() {
            while !sequencer::pass(apps[0].hub().database.writer()).await.unwrap().is_empty() {}
        }
        let stop = CancellationToken::new();
        for app in &apps {
            if way == Way::Carried { carried(app, stop.clone()).await } else { app.follow() }
        }
        let home = tenant::named(apps[0].hub(), "default").await.unwrap();
        let cx = Cx::system(apps[0].hub().clone(), "bench", home.id);
        // Buses take a moment to be joined.
        sleep(Duration::from_secs(2)).await;
        Self { apps, stop, cx }
    }

    async fn reader(&self, node: usize) -> Reader {
        let hub = self.apps[node].hub();
        let tenant = self.cx.tenant().unwrap();
        let db = hub.database.reader().clone();
        let interest = Interest::of_topics(["tenant"]);
        Reader::open(&hub.feed, db, tenant, interest, None).await.unwrap()
    }

    async fn write(&self, counts: std::ops::Range<usize>) {
        self.cx.write(async |txn| counts.into_iter().try_for_each(|count| txn.emit(&tick(count)))).await.unwrap();
    }

    async fn end(self) {
        self.stop.cancel();
        drop(self.cx);
        for app in self.apps {
            app.close().await;
        }
    }
}

/// A message with events, and the code that proves who wrote it.
#[derive(Serialize, Deserialize)]
struct Carried {
    events: Vec<event::Model>,
    code: Vec<u8>,
}

fn code(events: &[event::Model]) -> Vec<u8> {
    mac(Hash::Sha256, b"a key of thirty-two bytes, or so", &[&serde_json::to_vec(events).unwrap()])
}

/// What a node would do if events travelled in messages.
async fn carried(app: &App, stop: CancellationToken) {
    let client = async_nats::connect(env::var("TEST_NATS_URL").unwrap()).await.unwrap();
    let subject = format!("carried{}", std::process::id());
    let (feed, db): (Feed, _) = (app.hub().feed.clone(), app.hub().database.writer().clone());
    tokio::spawn(feed.clone().follow(app.hub().database.reader().clone(), stop.clone()));
    tokio::spawn(sequencer::run(db, feed.clone(), stop.clone()));
    let (say, mut said) = mpsc::unbounded_channel();
    feed.tell(Arc::new(move |entries: &[Entry]| {
        let _ = say.send(entries.to_vec());
    }));
    let mut heard = client.subscribe(subject.clone()).await.unwrap();
    tokio::spawn(async move {
        while let Some(entries) = said.recv().await {
            for entries in entries.chunks(100) {
                let events: Vec<event::Model> = entries.iter().map(|entry| (**entry).clone()).collect();
                let message = serde_json::to_vec(&Carried { code: code(&events), events }).unwrap();
                client.publish(subject.clone(), message.into()).await.unwrap();
            }
        }
    });
    tokio::spawn(async move {
        while let Some(message) = heard.next().await {
            let carried: Carried = serde_json::from_slice(&message.payload).unwrap();
            assert_eq!(code(&carried.events), carried.code);
            feed.hear(carried.events.into_iter().map(Arc::new).collect());
        }
    });
}

/// CPU of this process so far, in microseconds.
fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) * 10_000.0
}

fn percentiles(mut waits: Vec<f64>) -> String {
    waits.sort_by(f64::total_cmp);
    format!("{:>6.2} / {:<6.2}", waits[waits.len() / 2], waits[waits.len() * 99 / 100])
}

async fn measure(title: &str, way: Way, url: Option<&str>) {
    let folder = tempfile::tempdir().unwrap();
    let count = if way == Way::OneNode { 1 } else { 2 };
    let nodes = Nodes::start(way, count, folder.path(), url).await;
    let mut reader = nodes.reader(count - 1).await;
    let (tell, mut told) = mpsc::unbounded_channel();
    let reading = tokio::spawn(async move {
        for _ in 0..TIMED.0 {
            reader.next().await.unwrap();
            tell.send(Instant::now()).unwrap();
        }
    });
    sleep(Duration::from_millis(500)).await;
    let (mut since_end, mut since_begin) = (Vec::new(), Vec::new());
    for count in 0..TIMED.0 {
        let begun = Instant::now();
        nodes.write(count..count + 1).await;
        let ended = Instant::now();
        let came = timeout(Duration::from_secs(30), told.recv()).await.unwrap().unwrap();
        since_end.push(came.saturating_duration_since(ended).as_secs_f64() * 1_000.0);
        since_begin.push((came - begun).as_secs_f64() * 1_000.0);
        sleep(TIMED.1).await;
    }
    reading.await.unwrap();
    let (ended, begun) = (percentiles(since_end), percentiles(since_begin));
    nodes.end().await;
    println!("{title:<28} {ended}   {begun}");
}

async fn burst(title: &str, way: Way, url: &str) {
    let folder = tempfile::tempdir().unwrap();
    let (events, batch, count) = BURST;
    let nodes = Nodes::start(way, count, folder.path(), Some(url)).await;
    let mut reading = Vec::new();
    for node in 0..count {
        let mut reader = nodes.reader(node).await;
        reading.push(tokio::spawn(async move {
            for _ in 0..events {
                reader.next().await.unwrap();
            }
        }));
    }
    sleep(Duration::from_millis(500)).await;
    let (used, begun) = (cpu(), Instant::now());
    for at in 0..events / batch {
        nodes.write(at * batch..(at + 1) * batch).await;
    }
    for reading in reading {
        timeout(Duration::from_mins(1), reading).await.unwrap().unwrap();
    }
    let (took, used) = (begun.elapsed().as_secs_f64(), cpu() - used);
    let head = log::head(nodes.cx.db(), nodes.cx.tenant().unwrap()).await.unwrap().number;
    assert!(head >= i64::try_from(events).unwrap());
    nodes.end().await;
    println!("{title:<28} {:>8.1} us CPU an event   {:>8.0} events/s", used / events as f64, events as f64 / took);
}

/// A database of its own on the server.
async fn database(server: &str, number: usize) -> String {
    let name = format!("bench_{}_{number}", std::process::id());
    let admin = Database::connect(server).await.unwrap();
    admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
    admin.close().await.unwrap();
    format!("{}/{name}", server.rsplit_once('/').unwrap().0)
}

async fn gone(server: &str, url: &str) {
    let admin = Database::connect(server).await.unwrap();
    let name = url.rsplit('/').next().unwrap();
    admin.execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
}

#[tokio::main]
async fn main() {
    println!("{:<28} {:^15}   {:^15}", "p50 / p99 in ms", "since commit", "since begin");
    measure("SQLite, one node", Way::OneNode, None).await;
    let Ok(server) = env::var("TEST_POSTGRES_URL") else { return };
    let mut ways = vec![("PostgreSQL, one node", Way::OneNode), ("PostgreSQL, NOTIFY", Way::Notify)];
    if env::var("TEST_NATS_URL").is_ok() {
        ways.extend([("PostgreSQL, NATS, carried", Way::Carried), ("PostgreSQL, NATS, hinted", Way::Hinted)]);
    }
    for (number, (title, way)) in ways.iter().enumerate() {
        let url = database(&server, number).await;
        measure(title, *way, Some(&url)).await;
        gone(&server, &url).await;
    }
    println!("\n{} events to {} nodes, {} a commit", BURST.0, BURST.2, BURST.1);
    // In turn, twice: machines have moods.
    for round in 0..2 {
        for (number, (title, way)) in ways.iter().enumerate().skip(1) {
            let url = database(&server, 10 + 10 * round + number).await;
            burst(title, *way, &url).await;
            gone(&server, &url).await;
        }
    }
}
