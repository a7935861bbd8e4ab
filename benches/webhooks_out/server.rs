//! The servers that are measured, each a process of its own that waits for a word before it begins.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};
use tempfile::TempDir;

use crate::{bound, hub};

/// With what every server is told that it is one.
const SERVE: &str = "--serve-";

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Bound,
    Portolan,
}

impl Target {
    pub(crate) const ALL: [Self; 2] = [Self::Bound, Self::Portolan];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bound => "bound",
            Self::Portolan => "portolan",
        }
    }

    /// The one that this process is to be, by its first argument.
    pub(crate) fn served(argument: &str) -> Option<Self> {
        let name = argument.strip_prefix(SERVE)?;
        Self::ALL.into_iter().find(|target| target.name() == name)
    }
}

/// Where they keep what they send.
pub(crate) enum Store {
    Sqlite,
    Postgres(String),
}

impl Store {
    pub(crate) fn all() -> Vec<Self> {
        let mut all = vec![Self::Sqlite];
        all.extend(std::env::var("TEST_POSTGRES_URL").ok().map(Self::Postgres));
        all
    }

    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }
}

/// Is one of the servers until it is killed: told where the sink is, how many destinations there are and how many
/// changes.
pub(crate) fn serve(target: Target, words: &[String]) {
    let [sink, destinations, changes]: &[String; 3] = words.try_into().unwrap();
    let (sink, destinations, changes) =
        (sink.parse().unwrap(), destinations.parse().unwrap(), changes.parse().unwrap());
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
        match target {
            Target::Bound => bound::serve(sink, destinations, changes).await,
            Target::Portolan => hub::serve(sink, destinations, changes).await,
        }
    });
}

/// Says that everything is there, and waits for the word.
pub(crate) fn ready() {
    println!("ready");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
}

/// A running server, with a database of its own.
pub(crate) struct Server {
    child: Child,
    postgres: Option<(String, String)>,
    _folder: TempDir,
}

fn has_cores() -> bool {
    let cores = std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
    cores && Command::new("taskset").arg("--version").output().is_ok()
}

/// Moves this process, the sink, to the core that belongs to it.
pub(crate) fn take_own_core() {
    if has_cores() {
        let own = std::process::id().to_string();
        assert!(Command::new("taskset").args(["-cp", "0", &own]).output().unwrap().status.success());
    }
}

fn on_its_core(program: PathBuf) -> Command {
    if !has_cores() {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", "1"]).arg(program);
    command
}

impl Server {
    pub(crate) async fn start(
        target: Target,
        store: &Store,
        sink: SocketAddr,
        destinations: usize,
        changes: usize,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = on_its_core(std::env::current_exe().unwrap());
        command.arg(format!("{SERVE}{}", target.name()));
        command.args([sink.to_string(), destinations.to_string(), changes.to_string()]);
        command.env_clear().env("PORTOLAN_DATA_DIR", folder.path());
        let mut postgres = None;
        if let Store::Postgres(server) = store {
            let name = format!("bench_out_{}", std::process::id());
            let admin = Database::connect(server).await.unwrap();
            admin.execute_unprepared(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.unwrap();
            admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
            admin.close().await.unwrap();
            command.env("PORTOLAN_DATABASE_URL", format!("{}/{name}", server.rsplit_once('/').unwrap().0));
            command.env("PORTOLAN_MASTER_KEY", "1:Zm9yIHRlc3RzIG9ubHksIDMyIGJ5dGVzIG9mIHRoZW0=");
            postgres = Some((server.clone(), name));
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready");
        Self { child, postgres, _folder: folder }
    }

    /// Says the word.
    pub(crate) fn go(&mut self) {
        self.child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    }

    /// CPU it used so far, in microseconds.
    pub(crate) fn cpu(&self) -> f64 {
        cpu_of(self.child.id()).unwrap()
    }

    /// CPU that those used so far who serve it in PostgreSQL, in microseconds.
    pub(crate) async fn database(&self) -> f64 {
        let Some((server, name)) = &self.postgres else { return 0.0 };
        let admin = Database::connect(server).await.unwrap();
        let sql = format!("SELECT pid FROM pg_stat_activity WHERE datname = '{name}'");
        let rows = admin.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap();
        let pid = |row: &sea_orm::QueryResult| u32::try_from(row.try_get_by_index::<i32>(0).unwrap()).unwrap();
        let all: f64 = rows.iter().filter_map(|row| cpu_of(pid(row))).sum();
        admin.close().await.unwrap();
        all
    }

    /// Ends it, and its database.
    pub(crate) async fn end(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        if let Some((server, name)) = &self.postgres {
            let admin = Database::connect(server).await.unwrap();
            admin.execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
            admin.close().await.unwrap();
        }
    }
}

fn cpu_of(process: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields: Vec<_> = stat.rsplit(") ").next()?.split(' ').collect();
    let ticks: f64 = fields[11].parse::<f64>().ok()? + fields[12].parse::<f64>().ok()?;
    Some(ticks * 10_000.0)
}
