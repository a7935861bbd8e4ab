//! The servers that are measured, each a process of its own.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Stdio},
};

use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::{bounds, cores::on_its_core, hub};

/// With what every server is told that it is one.
const SERVE: &str = "--serve-";

/// The signing secret of all of them.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Single,
    Group,
    Taking,
    Portolan,
}

impl Target {
    pub(crate) const ALL: [Self; 4] = [Self::Single, Self::Group, Self::Taking, Self::Portolan];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Group => "group",
            Self::Taking => "taking",
            Self::Portolan => "portolan",
        }
    }

    /// The one that this process is to be, by its first argument.
    pub(crate) fn served(argument: &str) -> Option<Self> {
        let name = argument.strip_prefix(SERVE)?;
        Self::ALL.into_iter().find(|target| target.name() == name)
    }
}

/// Where they keep what came.
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

/// Is one of the servers until it is killed. It says where it listens, and on which path.
pub(crate) fn serve(target: Target) {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
        match target {
            Target::Single | Target::Group => bounds::serve(target == Target::Group).await,
            Target::Taking | Target::Portolan => hub::serve(target == Target::Portolan).await,
        }
    });
}

pub(crate) async fn listen() -> TcpListener {
    TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap()
}

/// A running server, with a database of its own.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) path: String,
    child: Child,
    postgres: Option<(String, String)>,
    _folder: TempDir,
}

impl Server {
    pub(crate) async fn start(target: Target, store: &Store) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = on_its_core(std::env::current_exe().unwrap());
        command.arg(format!("{SERVE}{}", target.name())).env_clear().env("PORTOLAN_DATA_DIR", folder.path());
        let mut postgres = None;
        if let Store::Postgres(server) = store {
            let name = format!("bench_{}_{}", std::process::id(), folder.path().file_name().unwrap().len());
            let admin = Database::connect(server).await.unwrap();
            admin.execute_unprepared(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.unwrap();
            admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
            admin.close().await.unwrap();
            let url = format!("{}/{name}", server.rsplit_once('/').unwrap().0);
            command.env("PORTOLAN_DATABASE_URL", url);
            command.env("PORTOLAN_MASTER_KEY", "1:Zm9yIHRlc3RzIG9ubHksIDMyIGJ5dGVzIG9mIHRoZW0=");
            postgres = Some((server.clone(), name));
        }
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (address, path) = line.trim().split_once(' ').unwrap();
        Self { address: address.parse().unwrap(), path: path.to_owned(), child, postgres, _folder: folder }
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
        let all: f64 =
            rows.iter().filter_map(|row| cpu_of(u32::try_from(row.try_get_by_index::<i32>(0).unwrap()).unwrap())).sum();
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
