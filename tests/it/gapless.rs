//! Subscribers get every committed event once and in order, whatever breaks.
//!
//! Writers of this process dawdle before they commit and roll back now and then. Server processes are killed
//! and started again, connections of the database are cut, PostgreSQL crashes and recovers (in the long form, which
//! has a server of its own for that), NATS is stopped, wiped and started. Subscribers come and go at random, each time to any of the servers, with nothing but the id of the last event they got. At
//! the end each has exactly what the log has, and the log has exactly what was committed.
//!
//! `TEST_LONG=1` runs the long form, `TEST_SEED` repeats a run's choices (not its timing).
#![expect(clippy::disallowed_methods, reason = "tests wait for their own tasks")]

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use portolan::{
    app::{App, World},
    config::{Config, Flags},
    context::Cx,
    domain::tenant,
    event::{Fact, log, sequencer},
    kernel::error::Error,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use sea_orm::{ConnectionTrait, Database};
use serde::Serialize;
use serde_json::json;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::support::{
    cluster::Cluster,
    database::{TestDatabase, on_postgres},
    nats::Nats,
    process::{self, LIMIT, Server},
    sse::Sse,
};

const FOLLOW: &str = "subscription { events { number kind data } }";

const SETTINGS: &[(&str, &str)] = &[
    ("PORTOLAN_GRAPHQL_COST_PER_MINUTE", "0"),
    ("PORTOLAN_LOG_LEVEL", "warn"),
    // Cut connections are found out quickly.
    ("PORTOLAN_DATABASE_CONNECT_TIMEOUT", "2s"),
];

#[derive(Serialize)]
struct Tick {
    name: String,
}

impl Fact for Tick {
    const TOPIC: &'static str = "tenant";

    fn kind(&self) -> &'static str {
        "test.ticked"
    }

    fn subject(&self) -> String {
        self.name.clone()
    }
}

/// How long a run is.
struct Size {
    events: usize,
    writers: usize,
    subscribers: usize,
    faults: usize,
}

/// What is made to break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Killed,
    Cut,
    Crashed,
    Nats,
}

fn is_long() -> bool {
    env::var_os("TEST_LONG").is_some_and(|value| value == "1")
}

fn size() -> Size {
    if is_long() {
        Size { events: 20_000, writers: 16, subscribers: 12, faults: 40 }
    } else {
        Size { events: 1_600, writers: 16, subscribers: 6, faults: 6 }
    }
}

fn seeded() -> StdRng {
    let given = env::var("TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs());
    println!("TEST_SEED={seed}");
    StdRng::seed_from_u64(seed)
}

/// Writes until its share is committed; what it committed is noted.
async fn writer(cx: Cx, number: usize, share: usize, mut chance: StdRng, committed: Arc<Mutex<BTreeSet<String>>>) {
    for count in 0..share {
        let name = format!("{number}-{count}");
        loop {
            let dawdle = if on_postgres() { chance.random_range(0..20) } else { chance.random_range(0..2) };
            let fails = chance.random_range(0..10) == 0;
            let written = tick(&cx, &name, dawdle, fails).await;
            match written {
                Ok(()) => {
                    committed.lock().unwrap().insert(name);
                    break;
                }
                Err(Error::Refused(_)) => {}
                // The connection was cut, perhaps in the commit: whether it is there, the log knows.
                Err(_) if is_there(&cx, &name).await => {
                    committed.lock().unwrap().insert(name);
                    break;
                }
                Err(_) => {}
            }
        }
    }
}

/// Emits one event, and rolls back if told.
async fn tick(cx: &Cx, name: &str, dawdle: u64, fails: bool) -> Result<(), Error> {
    let tick = Tick { name: name.to_owned() };
    cx.write(async |txn| {
        txn.emit(&tick)?;
        sleep(Duration::from_millis(dawdle)).await;
        if fails { Err(Error::invalid("input", "rolled back")) } else { Ok(()) }
    })
    .await
}

/// Whether an event was committed, asked until somebody answers.
async fn is_there(cx: &Cx, name: &str) -> bool {
    let sql = format!(
        "SELECT count(*) FROM (SELECT subject FROM events WHERE subject = '{name}' \
         UNION ALL SELECT subject FROM outbox WHERE subject = '{name}') AS found"
    );
    let begun = Instant::now();
    while begun.elapsed() < LIMIT {
        let statement = sea_orm::Statement::from_string(cx.hub().database.backend(), sql.clone());
        if let Ok(Some(row)) = cx.hub().database.writer().query_one_raw(statement).await {
            return row.try_get_by_index::<i64>(0).unwrap() > 0;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("the database does not answer");
}

/// What a subscriber got, and how often it came back.
#[derive(Default)]
struct Got {
    numbers: Vec<i64>,
    subjects: Vec<String>,
    visits: usize,
}

/// Follows at one server after the other, from where it was, until it has the last event.
async fn subscriber(
    servers: Vec<SocketAddr>,
    token: String,
    first: String,
    mut last: watch::Receiver<Option<i64>>,
    mut chance: StdRng,
) -> Got {
    let (mut got, mut cursor) = (Got::default(), first);
    let complete = |got: &Got, last: Option<i64>| last.is_some() && got.numbers.last().copied() == last;
    loop {
        let address = servers[chance.random_range(0..servers.len())];
        let Ok(mut stream) = Sse::open(address, &token, FOLLOW, json!({}), Some(&cursor)).await else {
            sleep(Duration::from_millis(20)).await;
            continue;
        };
        got.visits += 1;
        let most = chance.random_range(1..400);
        for _ in 0..most {
            let said = tokio::select! {
                said = stream.next() => said,
                () = sleep(Duration::from_millis(500)) => break,
            };
            let Ok(Some(said)) = said else { break };
            if said.kind != "next" {
                break;
            }
            let event = &said.json()["data"]["events"];
            let Some(number) = event["number"].as_str() else { break };
            got.numbers.push(number.parse().unwrap());
            got.subjects.push(event["data"]["name"].as_str().unwrap_or_default().to_owned());
            cursor = said.id.expect("an event has its cursor");
            if complete(&got, *last.borrow_and_update()) {
                return got;
            }
        }
        if complete(&got, *last.borrow_and_update()) {
            return got;
        }
    }
}

/// Cuts every connection to a database but our own question.
async fn cut(database: &TestDatabase) {
    let Some(url) = database.url() else { return };
    let db = Database::connect(url).await.unwrap();
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let _ = db.execute_unprepared(sql).await;
    let _ = db.close().await;
}

#[expect(clippy::too_many_lines, reason = "it is one story")]
async fn storm(mut nats: Option<Nats>) {
    let Size { events, writers, subscribers, faults } = size();
    // A build for tests, on a machine that does other things too.
    let patience = LIMIT * u32::try_from(1 + events / 1_000).unwrap();
    let mut chance = seeded();
    let cluster = (is_long() && on_postgres()).then(Cluster::start).flatten();
    let database = match &cluster {
        Some(cluster) => TestDatabase::on(cluster.url()).await,
        None => TestDatabase::create().await,
    };
    let mut kinds = vec![Fault::Killed, Fault::Killed, Fault::Cut];
    kinds.extend(nats.as_ref().map(|_| Fault::Nats));
    kinds.extend(cluster.as_ref().map(|_| Fault::Crashed));
    let url = nats.as_ref().map(Nats::url);
    let mut settings = SETTINGS.to_vec();
    if let Some(url) = &url {
        settings.push(("PORTOLAN_NATS_URL", url));
    }
    let mut nodes = vec![Server::node(&database, "one", &settings).await];
    if on_postgres() {
        nodes.push(Server::node(&database, "two", &settings).await);
    }
    let token = process::token(&database, "super-admin");

    // A third node in this process, whose transactions can be held up.
    let mut own = database.settings();
    own.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    own.retain(|(name, _)| name != "PORTOLAN_DATABASE_MAX_CONNECTIONS");
    own.push(("PORTOLAN_DATABASE_MAX_CONNECTIONS".to_owned(), "20".to_owned()));
    let config = Config::load(&Flags::default(), own, database.folder()).unwrap();
    let app = App::open(&config, World::default()).await.unwrap();
    if on_postgres() {
        while !sequencer::pass(app.hub().database.writer()).await.unwrap().is_empty() {}
    }
    app.follow();
    let home = tenant::named(app.hub(), "default").await.unwrap();
    let cx = Cx::system(app.hub().clone(), "test", home.id);
    let begin = log::head(cx.db(), home.id).await.unwrap().number;
    let first = portolan::graphql::live::Item::cursor_of(begin);

    let started = Instant::now();
    let addresses: Vec<_> = nodes.iter().map(|node| node.address).collect();
    let (end, ended) = watch::channel(None);
    let mut following = Vec::new();
    for _ in 0..subscribers {
        let chance = StdRng::seed_from_u64(chance.random());
        following.push(tokio::spawn(subscriber(
            addresses.clone(),
            token.clone(),
            first.clone(),
            ended.clone(),
            chance,
        )));
    }
    let committed = Arc::new(Mutex::new(BTreeSet::new()));
    let mut writing = Vec::new();
    for number in 0..writers {
        let chance = StdRng::seed_from_u64(chance.random());
        writing.push(tokio::spawn(writer(cx.clone(), number, events / writers, chance, Arc::clone(&committed))));
    }

    // One fault after the other, spread over the writing.
    let mut done = BTreeMap::new();
    for fault in 1..=faults {
        let due = events * fault / (faults + 1);
        process::until("enough was written", async || (committed.lock().unwrap().len() >= due).then_some(())).await;
        let kind = kinds[chance.random_range(0..kinds.len())];
        match kind {
            Fault::Killed => {
                let node = chance.random_range(0..nodes.len());
                nodes[node].kill9();
                sleep(Duration::from_millis(chance.random_range(0..300))).await;
                nodes[node].again().await;
            }
            Fault::Cut => cut(&database).await,
            Fault::Crashed => tokio::task::block_in_place(|| cluster.as_ref().unwrap().crash()),
            Fault::Nats => {
                let nats = nats.as_mut().unwrap();
                nats.stop();
                sleep(Duration::from_millis(chance.random_range(0..1_500))).await;
                nats.again().await;
            }
        }
        *done.entry(kind).or_insert(0) += 1;
    }
    for writer in writing {
        timeout(patience, writer).await.expect("writers finish").unwrap();
    }
    let last = process::until("everything is numbered", async || {
        if on_postgres() && !sequencer::pass(app.hub().database.writer()).await.ok()?.is_empty() {
            return None;
        }
        Some(log::head(cx.db(), home.id).await.ok()?.number)
    })
    .await;
    let wrote = started.elapsed();
    end.send_replace(Some(last));

    let committed = committed.lock().unwrap().clone();
    let mut visits = 0;
    for subscriber in following {
        let got = timeout(patience, subscriber).await.expect("a subscriber gets everything").unwrap();
        visits += got.visits;
        assert_eq!(got.numbers, (begin + 1..=last).collect::<Vec<_>>(), "dense, in order, each once");
        let ticks: Vec<_> = got.subjects.iter().filter(|name| !name.is_empty()).collect();
        let known: BTreeSet<_> = ticks.iter().map(|name| (*name).clone()).filter(|name| name.contains('-')).collect();
        assert_eq!(known, committed, "what was committed, and nothing that was rolled back");
        // Each writer waited for its last commit before the next: causes before effects.
        let mut of_writer = BTreeMap::new();
        for (writer, count) in ticks.iter().filter_map(|name| name.split_once('-')) {
            let count: usize = count.parse().unwrap();
            assert!(of_writer.insert(writer, count).is_none_or(|before| before < count));
        }
    }
    println!(
        "{} events by {writers} writers in {:.1} s, faults {done:?}, {subscribers} subscribers with {visits} visits, \
         all complete {:.1} s after the last commit",
        last - begin,
        wrote.as_secs_f64(),
        started.elapsed().saturating_sub(wrote).as_secs_f64(),
    );
    app.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn subscribers_get_every_event_once_and_in_order_whatever_breaks() {
    storm(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn subscribers_get_every_event_once_and_in_order_whatever_breaks_with_nats_between_the_nodes() {
    if !on_postgres() {
        return;
    }
    match Nats::start().await {
        Some(nats) => storm(Some(nats)).await,
        None => println!("left out: nats-server is not installed (TEST_NATS_SERVER names it)"),
    }
}
