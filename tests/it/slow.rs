//! Who does not read loses nothing and costs nobody anything.
#![expect(clippy::disallowed_methods, reason = "tests wait for their own tasks")]

use std::{
    env, fs,
    ops::Range,
    time::{Duration, Instant},
};

use portolan::{
    app::{App, World},
    config::{Config, Flags},
    context::Cx,
    domain::tenant,
    event::Fact,
};
use serde::Serialize;
use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::support::{
    database::TestDatabase,
    process::{LIMIT, Server, token},
    sse::Sse,
};

const FOLLOW: &str = "subscription { events(topics: [TENANT]) { number data } }";

/// Growth of the server's memory that is let pass.
const MOST_KIB: u64 = 50 * 1024;

#[derive(Serialize)]
struct Tick {
    count: usize,
    filling: String,
}

impl Fact for Tick {
    const TOPIC: &'static str = "tenant";

    fn kind(&self) -> &'static str {
        "test.ticked"
    }

    fn subject(&self) -> String {
        "somebody".to_owned()
    }
}

/// What it holds, or has held at most (`VmRSS`, `VmHWM`).
fn memory(server: &Server, what: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find(|line| line.strip_prefix(what).is_some_and(|rest| rest.starts_with(':'))).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Reads ticks until it has seen all; they are in order.
async fn all(mut stream: Sse, ticks: usize) -> Duration {
    let begun = Instant::now();
    for expected in 0..ticks {
        let said = timeout(LIMIT, stream.next()).await.expect("an event came").unwrap().expect("the stream goes on");
        assert_eq!(said.json()["data"]["events"]["data"]["count"], expected);
    }
    begun.elapsed()
}

/// Writes ticks, a hundred in a commit.
async fn tick(cx: &Cx, counts: Range<usize>) {
    for batch in counts.step_by(100) {
        let fill = |at: usize| Tick { count: batch + at, filling: "x".repeat(4_000) };
        cx.write(async |txn| (0..100).try_for_each(|at| txn.emit(&fill(at)))).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_nothing_for_a_while_gets_everything_afterwards_and_the_server_holds_nothing_for_it() {
    let long = env::var_os("TEST_LONG").is_some_and(|value| value == "1");
    let (ticks, asleep) = if long { (50_000, Duration::from_secs(30)) } else { (3_000, Duration::from_secs(3)) };
    let database = TestDatabase::create().await;
    let server = Server::start(&database).await;
    let admin = token(&database, "admin");
    let config = Config::load(&Flags::default(), database.settings(), database.folder()).unwrap();
    let app = App::open(&config, World::default()).await.unwrap();
    app.follow();
    let home = tenant::named(app.hub(), "default").await.unwrap();
    let cx = Cx::system(app.hub().clone(), "test", home.id);

    let open = async || Sse::open(server.address, &admin, FOLLOW, json!({}), None).await.unwrap();
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(open().await);
    }
    let sleeper = open().await;
    // Together the events are more than the kernel holds for a socket. Everybody is live before they begin.
    sleep(Duration::from_millis(500)).await;
    let before = memory(&server, "VmRSS");
    // It reads on its own time, however long the others take: who takes nothing for `live.patience` is cut off.
    let sleeper = tokio::spawn(async move {
        sleep(asleep).await;
        all(sleeper, ticks).await
    });
    let reading: Vec<_> = others.into_iter().map(|stream| tokio::spawn(all(stream, ticks))).collect();
    let begun = Instant::now();
    tick(&cx, 0..ticks).await;
    for others in reading {
        timeout(4 * LIMIT, others).await.expect("the others are not held up").unwrap();
    }
    let passed = begun.elapsed();
    let caught_up = timeout(asleep + 4 * LIMIT, sleeper).await.expect("nothing is lost").unwrap();
    let grown = memory(&server, "VmHWM").saturating_sub(before);
    println!(
        "{ticks} events passed the others in {:.1} s; the server grew by {grown} KiB at most; \
         the sleeper had caught up {:.1} s after it woke",
        passed.as_secs_f64(),
        caught_up.as_secs_f64()
    );
    assert!(grown < MOST_KIB, "the server grew by {grown} KiB");
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_nothing_for_too_long_is_cut_off_and_goes_on_behind_its_cursor() {
    const ROUND: usize = 3_000;
    let database = TestDatabase::create().await;
    let server =
        Server::with(&database, &[("PORTOLAN_LIVE_PATIENCE", "1s"), ("PORTOLAN_LIVE_PING_INTERVAL", "1s")]).await;
    let admin = token(&database, "admin");
    let config = Config::load(&Flags::default(), database.settings(), database.folder()).unwrap();
    let app = App::open(&config, World::default()).await.unwrap();
    let home = tenant::named(app.hub(), "default").await.unwrap();
    let cx = Cx::system(app.hub().clone(), "test", home.id);

    let (mut stream, mut last, mut seen, mut written) = (None, None::<String>, 0, 0);
    // More than the kernel holds for a socket, and nobody takes it for longer each time, until that is too long.
    let mut asleep = Duration::from_secs(2);
    let cut = loop {
        assert!(asleep < LIMIT, "nobody was cut off");
        let mut open = match stream.take() {
            Some(open) => open,
            None => Sse::open(server.address, &admin, FOLLOW, json!({}), None).await.unwrap(),
        };
        tick(&cx, written..written + ROUND).await;
        written += ROUND;
        sleep(asleep).await;
        asleep *= 2;
        while seen < written {
            let Ok(Some(said)) = timeout(LIMIT, open.next()).await.expect("an event, or the end") else { break };
            assert_eq!(said.json()["data"]["events"]["data"]["count"], seen);
            (last, seen) = (said.id, seen + 1);
        }
        if seen < written {
            break seen;
        }
        stream = Some(open);
    };
    let mut again = Sse::open(server.address, &admin, FOLLOW, json!({}), last.as_deref()).await.unwrap();
    for expected in cut..written {
        let said = timeout(LIMIT, again.next()).await.expect("an event came").unwrap().expect("the stream goes on");
        assert_eq!(said.json()["data"]["events"]["data"]["count"], expected);
    }
    app.close().await;
}
