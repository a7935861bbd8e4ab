//! Probes a second, beside bare calls of reqwest to the same simulator, in turn, in one run.
//!
//! `cargo bench --bench health [-- INTEGRATIONS]` lets a hub probe that many integrations of Stripe once a round, and
//! `benches/caller` make as many calls, both with as many under way at once as the hub has by default. Simulator, hub
//! and caller are processes of their own; simulator and callers have a core each (`taskset`, where it is there). For
//! the hub it counts until the answers are noted in its database. With `TEST_POSTGRES_URL` that is a PostgreSQL too;
//! what that server works is not counted among the hub's.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a benchmark fails by panicking, prints figures, and waits for its own tasks"
)]

#[path = "hubs/mod.rs"]
mod hubs;

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use portolan::{
    domain::{
        credential::given::Given,
        integration::create::{self, NewIntegration},
    },
    kernel::clock::SystemClock,
    provider::{
        catalogue::Catalogue,
        simulator::{Fake, serve::Simulator},
    },
    worker::prober::Prober,
};
use sea_orm::{ConnectionTrait, Database, Statement};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use hubs::{block_on, listen, start};

/// Integrations that are probed, if it is not said.
const MANY: usize = 3_000;

/// Rounds that are counted; one before them warms up.
const ROUNDS: usize = 3;

/// As many probes are under way at once.
const AT_ONCE: usize = 256;

/// The share of the bare calls that is the goal.
const GOAL: f64 = 0.7;

/// The credential that the simulator takes for right.
const KEY: &str = "sk_test_ExampleExampleExample01";

/// Set in the environment of a test run, not one that users have.
const MASTER_KEY: &str = "1:Zm9yIHRlc3RzIG9ubHksIDMyIGJ5dGVzIG9mIHRoZW0=";

fn main() {
    let given: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let number = |at: usize| given.get(at).and_then(|text| text.parse().ok());
    match given.first().map(String::as_str) {
        Some("--simulate") => block_on(simulate()),
        Some("--hub") => block_on(hub(given[1].parse().unwrap(), number(2).unwrap())),
        _ => compare(number(0).unwrap_or(MANY)),
    }
}

/// Plays Stripe to whoever asks, as often as they like.
async fn simulate() {
    let listener = listen(0).await;
    let address = listener.local_addr().unwrap();
    let stripe =
        Catalogue::embedded().iter().filter(|manifest| manifest.key.as_str() == "stripe").cloned().collect::<Vec<_>>();
    let simulator = Simulator::new(stripe, format!("http://{address}").parse().unwrap(), Arc::new(SystemClock));
    simulator.with("stripe", Fake::open).unwrap();
    println!("{address}");
    simulator.serve(listener).await.unwrap();
}

/// A hub that probes all its integrations once whenever it is told to; says what that took.
async fn hub(simulator: SocketAddr, many: usize) {
    let settings = [
        ("PORTOLAN_OUTGOING_ALLOW", simulator.to_string()),
        ("PORTOLAN_OUTGOING_SIMULATOR", format!("http://{simulator}")),
        ("PORTOLAN_HEALTH_INTERVAL", "12h".to_owned()),
    ];
    let (app, cx) = start(settings).await;
    let each = |_| {
        let key = Given::ApiKey { key: KEY.to_owned().into(), prefix: None };
        let new = NewIntegration {
            provider: "stripe".to_owned(),
            name: Some("one of many".to_owned()),
            skip_test: true,
            ..NewIntegration::default()
        };
        create::create(&cx, new, Some(key), None)
    };
    for part in (0..many).collect::<Vec<_>>().chunks(8) {
        for made in futures_util::future::join_all(part.iter().map(each)).await {
            made.unwrap();
        }
    }
    let db = app.hub().database.writer();
    let run = async |sql: &str| db.execute_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
    run("ANALYZE").await;
    println!("ready");
    for line in std::io::stdin().lines() {
        line.unwrap();
        // Due at once, all of them.
        run("UPDATE health SET next_at = '2020-01-01 00:00:00+00:00'").await;
        let count = async || {
            let counted = Statement::from_string(db.get_database_backend(), "SELECT COUNT(*) FROM health_checks");
            let row = app.hub().database.reader().query_one_raw(counted).await.unwrap().unwrap();
            usize::try_from(row.try_get_by_index::<i64>(0).unwrap()).unwrap()
        };
        let (goal, stop) = (count().await + many, CancellationToken::new());
        let (began, before) = (Instant::now(), worked());
        let probing = tokio::spawn(Prober::new(app.hub().clone()).run(stop.clone()));
        while count().await < goal {
            sleep(Duration::from_millis(20)).await;
        }
        println!("{} {}", began.elapsed().as_secs_f64(), worked() - before);
        stop.cancel();
        probing.await.unwrap();
    }
}

/// Seconds that this process has worked.
fn worked() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// A process of this run.
struct Part {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Part {
    fn start(core: usize, program: PathBuf, arguments: &[&str], environment: &[(&str, String)]) -> Self {
        let mut command = if Command::new("taskset").arg("--version").output().is_ok() {
            let mut command = Command::new("taskset");
            command.args(["-c", &core.to_string()]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.args(arguments).env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// What it says of a round: seconds, and seconds of processor.
    fn figures(&mut self) -> (f64, f64) {
        let line = self.line();
        let (took, worked) = line.split_once(' ').unwrap();
        (took.parse().unwrap(), worked.parse().unwrap())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Who makes bare calls, built when it is not there.
fn caller() -> PathBuf {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/caller/Cargo.toml");
    // Beside the folder of the profile in which this was built: …/release/deps/health.
    let target = env::current_exe().unwrap().ancestors().nth(2).unwrap().join("caller");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "--manifest-path", manifest, "--target-dir"])
        .arg(&target)
        .status();
    assert!(built.unwrap().success(), "the caller could not be built");
    target.join("release/caller")
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn compare(many: usize) {
    let own = env::current_exe().unwrap();
    let mut simulator = Part::start(0, own.clone(), &["--simulate"], &[]);
    let address = simulator.line();
    let url = format!("http://{address}/stripe/api.stripe.com/v1/balance");
    println!("{many} probes a round, the median of {ROUNDS} rounds; the goal is {GOAL} of the bare calls");
    println!("{:<12} {:>10} {:>8} {:>16}", "", "a second", "ratio", "CPU us for each");
    for (name, server) in [("SQLite", None), ("PostgreSQL", env::var("TEST_POSTGRES_URL").ok())] {
        if name == "PostgreSQL" && server.is_none() {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let database = server.map(|server| new_database(&server));
        let mut environment = vec![("PORTOLAN_DATA_DIR", folder.path().display().to_string())];
        if let Some((_, url)) = &database {
            environment.push(("PORTOLAN_DATABASE_URL", url.clone()));
            environment.push(("PORTOLAN_MASTER_KEY", MASTER_KEY.to_owned()));
        }
        let mut hub = Part::start(1, own.clone(), &["--hub", &address, &many.to_string()], &environment);
        assert_eq!(hub.line(), "ready");
        let (mut bare, mut probes) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let of_caller =
                Part::start(1, caller(), &[&url, KEY, &many.to_string(), &AT_ONCE.to_string()], &[]).figures();
            writeln!(hub.child.stdin.as_mut().unwrap(), "go").unwrap();
            let of_hub = hub.figures();
            if round > 0 {
                bare.push(of_caller);
                probes.push(of_hub);
            }
        }
        let each = |figures: &[(f64, f64)]| {
            let rate = median(figures.iter().map(|(took, _)| many as f64 / took).collect());
            (rate, median(figures.iter().map(|(_, worked)| worked * 1e6 / many as f64).collect()))
        };
        let ((bare, bare_cpu), (rate, cpu)) = (each(&bare), each(&probes));
        println!("{:<12} {bare:>10.0} {:>8} {bare_cpu:>16.0}", "reqwest", "1");
        println!("{name:<12} {rate:>10.0} {:>8.2} {cpu:>16.0}", rate / bare);
        drop(hub);
        if let Some((server, url)) = database {
            block_on(async {
                let admin = Database::connect(server).await.unwrap();
                let name = url.rsplit('/').next().unwrap();
                admin.execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
            });
        }
    }
}

/// A database of its own on the server: the server, and where it is.
fn new_database(server: &str) -> (String, String) {
    let name = format!("bench_{}", std::process::id());
    block_on(async {
        let admin = Database::connect(server).await.unwrap();
        admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
    });
    (server.to_owned(), format!("{}/{name}", server.rsplit_once('/').unwrap().0))
}
