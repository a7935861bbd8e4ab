//! Where a server that is measured keeps its data: a folder that goes with it, or a new database on a server.

use std::{fs, process::Command};

use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};
use tempfile::TempDir;

/// Which database.
pub(crate) enum Store {
    Sqlite,
    Postgres(String),
}

impl Store {
    /// SQLite, and the server of `TEST_POSTGRES_URL` where that is set.
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

/// A place for one server, empty at first.
pub(crate) struct Place {
    folder: TempDir,
    /// The server and the name of the database there.
    postgres: Option<(String, String)>,
}

impl Place {
    pub(crate) async fn make(store: &Store) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let Store::Postgres(server) = store else { return Self { folder, postgres: None } };
        let name = format!("bench_{}", std::process::id());
        on(server, &[&dropped(&name), &format!("CREATE DATABASE {name}")]).await;
        Self { folder, postgres: Some((server.clone(), name)) }
    }

    /// Tells a server where to keep its data, and nothing else.
    pub(crate) fn tell(&self, command: &mut Command) {
        command.env_clear().env("PORTOLAN_DATA_DIR", self.folder.path());
        if let Some((server, name)) = &self.postgres {
            command.env("PORTOLAN_DATABASE_URL", format!("{}/{name}", server.rsplit_once('/').unwrap().0));
            command.env("PORTOLAN_MASTER_KEY", "1:Zm9yIHRlc3RzIG9ubHksIDMyIGJ5dGVzIG9mIHRoZW0=");
        }
    }

    /// CPU that those used so far who serve it in PostgreSQL, in microseconds.
    pub(crate) async fn cpu(&self) -> f64 {
        let Some((server, name)) = &self.postgres else { return 0.0 };
        let admin = Database::connect(server).await.unwrap();
        let sql = format!("SELECT pid FROM pg_stat_activity WHERE datname = '{name}'");
        let rows = admin.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap();
        let pid = |row: &sea_orm::QueryResult| u32::try_from(row.try_get_by_index::<i32>(0).unwrap()).unwrap();
        let all = rows.iter().filter_map(|row| cpu_of(pid(row))).sum();
        admin.close().await.unwrap();
        all
    }

    /// Takes the database away; the folder goes by itself.
    pub(crate) async fn end(self) {
        if let Some((server, name)) = &self.postgres {
            on(server, &[&dropped(name)]).await;
        }
    }
}

fn dropped(name: &str) -> String {
    format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")
}

async fn on(server: &str, statements: &[&str]) {
    let admin = Database::connect(server).await.unwrap();
    for statement in statements {
        admin.execute_unprepared(statement).await.unwrap();
    }
    admin.close().await.unwrap();
}

/// CPU that a process used so far, in microseconds; none if it is gone.
pub(crate) fn cpu_of(process: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields: Vec<_> = stat.rsplit(") ").next()?.split(' ').collect();
    let ticks: f64 = fields[11].parse::<f64>().ok()? + fields[12].parse::<f64>().ok()?;
    Some(ticks * 10_000.0)
}
