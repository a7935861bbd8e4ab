//! Killed at any moment, the program keeps what it acknowledged, and leaves nothing half done.
//!
//! Several clients send mutations to a real process; again and again it is killed (SIGKILL, as the kernel
//! does when memory is short) or asked to stop (SIGTERM), and started again. A client whose connection
//! breaks does not know whether its mutation had its effect, so it sends the same one again with the same
//! idempotency key, until it is acknowledged. At the end the [books](ledger) are read from the database.
//!
//! What is *not* shown here: the loss of power. A killed process leaves its writes to the operating system,
//! which completes them; whether they survive that system is the matter of `synchronous=FULL`, `fsync`
//! and the disk.
//!
//! `TEST_LONG=1` runs the long form, `TEST_SEED` repeats a run's choices (not its timing).

mod ledger;
mod load;

use std::{
    env,
    time::{Duration, Instant, SystemTime},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use self::{
    ledger::Ledger,
    load::{Client, Stage, Told},
};
use crate::support::{
    database::{TestDatabase, on_postgres},
    process::{self, LIMIT, Server},
};

/// How many clients send at once.
const CLIENTS: usize = 8;

/// The clients' limits are not what is tried here.
const UNLIMITED: &[(&str, &str)] = &[("PORTOLAN_GRAPHQL_COST_PER_MINUTE", "0"), ("PORTOLAN_LOG_LEVEL", "warn")];

/// How the server ends, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Killed,
    Stopped,
}

/// Mutations and ends; more of both in the long form.
fn size(short: (usize, usize), long: (usize, usize)) -> (usize, usize) {
    if env::var_os("TEST_LONG").is_some_and(|value| value == "1") { long } else { short }
}

/// A generator whose seed is printed, so that a run's choices can be had again.
fn seeded() -> (u64, StdRng) {
    let given = env::var("TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs());
    println!("TEST_SEED={seed}");
    (seed, StdRng::seed_from_u64(seed))
}

/// Runs the load over all ends of the server, and says what the clients were told. After the last end nobody
/// asks again, so that some outcomes stay unknown.
async fn storm(database: &TestDatabase, ending: Ending, mutations: usize, ends: usize) -> Told {
    let (seed, mut chance) = seeded();
    let mut server = Server::with(database, UNLIMITED).await;
    let admin = process::token(database, "super-admin");
    let (stage, stages) = watch::channel(Stage::Up(server.address));
    let (count, mut counted) = watch::channel(0_usize);
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let client = Client::new(seed, number, &admin, stages.clone(), count.clone(), server.address).await;
        clients.spawn(client.run());
    }
    let begun = Instant::now();
    for end in 1..=ends {
        // On average as many as make the wished number over all ends, and all of them before the last one.
        let more = if end == ends { 0 } else { chance.random_range(1..=2 * mutations / ends) };
        let enough = if end == ends { mutations } else { *counted.borrow() + more };
        // What is returned holds a lock that the clients need, so it is let go at once.
        let reached = timeout(LIMIT, counted.wait_for(|count| *count >= enough)).await.is_ok();
        assert!(reached, "no mutation is acknowledged any more: {}", server.said());
        // Anywhere within a mutation, of which one takes a few milliseconds.
        sleep(Duration::from_micros(chance.random_range(0..8_000))).await;
        if ending == Ending::Killed {
            stage.send_replace(Stage::Down);
            server.kill9();
        } else {
            server.terminate();
            stage.send_replace(Stage::Down);
            assert_eq!(server.ended().await, Some(0), "{}", server.said());
        }
        if end < ends {
            server.again().await;
            stage.send_replace(Stage::Up(server.address));
        }
    }
    stage.send_replace(Stage::Over);
    let mut told = Told::default();
    while let Some(client) = clients.join_next().await {
        told.add(client.unwrap());
    }
    println!(
        "{} on {}: {} mutations acknowledged, {ends} ends, {} outcomes unknown, of these {} turned out done when asked \
         again and {} were never cleared up; {:.1} s",
        format!("{ending:?}").to_lowercase(),
        if on_postgres() { "PostgreSQL" } else { "SQLite" },
        told.acknowledged.len(),
        told.unknown,
        told.repeated,
        told.open.len(),
        begun.elapsed().as_secs_f64(),
    );
    assert!(told.acknowledged.len() >= mutations);
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_nine_loses_no_acknowledged_mutation_and_leaves_none_half_done() {
    let (mutations, kills) = size((1_000, 50), (10_000, 1_000));
    let database = TestDatabase::create().await;
    let told = storm(&database, Ending::Killed, mutations, kills).await;
    assert!(told.unknown > 0, "no kill met a mutation under way, so nothing was tried");
    Ledger::read(&database).await.agrees_with(&told);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_leaves_no_effect_without_its_answer() {
    let (mutations, stops) = size((400, 10), (4_000, 100));
    let database = TestDatabase::create().await;
    let told = storm(&database, Ending::Stopped, mutations, stops).await;
    // A request may meet a connection that is just being closed; then it was not begun.
    assert_eq!(told.repeated, 0, "an effect had no answer");
    let ledger = Ledger::read(&database).await;
    ledger.agrees_with(&told);
    assert_eq!(ledger.unacknowledged(&told), 0, "an effect had no answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_killed_at_any_moment_can_be_started_again() {
    let (rounds, _) = size((10, 0), (100, 0));
    let (_, mut chance) = seeded();
    let database = TestDatabase::create().await;
    let begun = Instant::now();
    drop(Server::start(&database).await);
    let whole = begun.elapsed();
    let mut unfinished = 0;
    for _ in 0..rounds {
        let database = TestDatabase::create().await;
        let mut server = Server::spawn(&database, &[]);
        sleep(whole.mul_f64(chance.random())).await;
        server.kill9();
        unfinished += usize::from(!server.said().contains("listens on"));
        server.again().await;
        server.kill9();
        let ledger = Ledger::read(&database).await;
        ledger.agrees_with(&Told::default());
        assert_eq!(ledger.tenants_and_people(), (1, 1), "the tenant and its administrator");
    }
    println!("{rounds} first starts killed, {unfinished} of them before they served");
}
