//! A process that holds leases is killed; another node takes its jobs over within the lease.
//!
//! The process is this very binary, told by its environment to run a worker until it is killed.

use std::{
    env,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use portolan::{
    app::{App, World},
    config::{Config, Flags},
    context::Cx,
    domain::{job::State, tenant},
    kernel::clock::SystemClock,
    worker::runner::Settings,
};
use serde_json::Value;

use super::{Worker, chore, done, jobs, open, work::How};
use crate::support::{TestHub, database::TestDatabase, process::until};

/// Under which name the child is told where the database is: `NAME=VALUE` pairs, one on a line.
const TOLD: &str = "TEST_JOBS_CHILD";

/// Short, so that the test is.
const LEASE: Duration = Duration::from_secs(3);

const SETTINGS: Settings = Settings { lease: LEASE, grace: Duration::from_secs(5) };

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_in_a_process_of_its_own() {
    // Only what the test below starts is told anything.
    let Ok(told) = env::var(TOLD) else { return };
    let settings: Vec<_> = told.lines().filter_map(|line| line.split_once('=')).collect();
    let settings = settings.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>();
    let folder = env::temp_dir();
    let config = Config::load(&Flags::default(), settings, &folder).unwrap();
    let app = App::open(&config, World::default()).await.unwrap();
    let worker = Worker::running(app.hub(), SETTINGS);
    // Whoever started it kills it; nobody is left behind if that fails.
    tokio::time::sleep(Duration::from_mins(2)).await;
    worker.stop().await;
}

fn launch(database: &TestDatabase) -> Child {
    let told: Vec<_> = database.settings().into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    Command::new(env::current_exe().unwrap())
        .args(["jobs::kill::a_worker_in_a_process_of_its_own", "--exact", "--nocapture"])
        .env(TOLD, told.join("\n"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_jobs_of_a_killed_process_are_taken_over_within_the_lease_and_done_once() {
    let hub = TestHub::on(TestDatabase::create().await, &[]).await;
    let here = open(&hub.database, Arc::new(SystemClock)).await;
    let home = tenant::named(here.hub(), "default").await.unwrap();
    let cx = Cx::system(here.hub().clone(), "test", home.id);
    let mut child = launch(&hub.database);
    // Four of these keep all hands of the child busy; the others wait behind them.
    cx.write(async |txn| (0..4).try_for_each(|n| txn.enqueue(chore(n, How::Hang)))).await.unwrap();
    until("the child has taken them", async || {
        let running = jobs(&hub).await.iter().filter(|job| job.state == State::Running).count();
        (running == 4).then_some(())
    })
    .await;
    cx.write(async |txn| (4..8).try_for_each(|n| txn.enqueue(chore(n, How::Finish)))).await.unwrap();
    // It is heard of for longer than a lease, so nobody takes them from it.
    tokio::time::sleep(LEASE + Duration::from_secs(1)).await;
    assert_eq!(jobs(&hub).await.iter().filter(|job| job.fence == 1).count(), 4);
    child.kill().unwrap();
    child.wait().unwrap();
    let killed = Instant::now();
    let worker = Worker::running(here.hub(), SETTINGS);
    until("they are done", async || jobs(&hub).await.is_empty().then_some(())).await;
    println!(
        "the jobs of a killed process were done after {:.1} s; its lease was {LEASE:?}",
        killed.elapsed().as_secs_f64()
    );
    worker.stop().await;
    let mut numbers: Vec<_> = done(&hub, &home).await.into_iter().filter_map(|n: Value| n.as_u64()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..8).collect::<Vec<_>>(), "each once");
    here.close().await;
}
