//! A database for each test: a file, or a database on the server that `TEST_POSTGRES_URL` names.
//!
//! Most tests begin with the tables as this version has them. To make those takes longer than many a test, so they are
//! made once and copied.

use std::{
    env,
    io::{self, Write},
    path::Path,
    sync::{
        Once,
        atomic::{AtomicU32, Ordering},
    },
};

use portolan::{
    app::database_settings,
    config::{Config, Flags},
    context::database::migrate,
};
use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// A server has no folder where a key could be made, so it is given one.
pub const MASTER_KEY: &str = "1:Zm9yIHRlc3RzIG9ubHksIDMyIGJ5dGVzIG9mIHRoZW0=";

/// What the data folder has the database in.
const FILE: &str = "portolan.db";

/// The tables as this version has them, to be copied.
enum Tables {
    Bytes(Vec<u8>),
    /// The server, and the database there.
    Template(String, String),
}

impl Tables {
    async fn make() -> Self {
        let made = TestDatabase::create().await;
        let config = Config::load(&Flags::default(), made.settings(), made.folder()).unwrap();
        migrate(&database_settings(&config)).await.unwrap();
        let Some((server, name)) = made.server.clone() else {
            return Self::Bytes(std::fs::read(made.folder().join(FILE)).unwrap());
        };
        let admin = Database::connect(&server).await.unwrap();
        // Nobody knows which test is the last, so what is copied goes when other tests make theirs.
        let left = "SELECT datname FROM pg_database WHERE datname LIKE 'it\\_tables\\_%'";
        for row in admin.query_all_raw(Statement::from_string(DbBackend::Postgres, left)).await.unwrap() {
            let name: String = row.try_get_by_index(0).unwrap();
            if name.rsplit('_').next().is_some_and(|process| !Path::new("/proc").join(process).exists()) {
                let _ = admin.execute_unprepared(&format!("DROP DATABASE IF EXISTS {name}")).await;
            }
        }
        let copy = format!("it_tables_{}", std::process::id());
        admin.execute_unprepared(&format!("CREATE DATABASE {copy} TEMPLATE {name}")).await.unwrap();
        admin.close().await.unwrap();
        Self::Template(server, copy)
    }
}

/// A database that goes when its test ends.
pub struct TestDatabase {
    folder: TempDir,
    server: Option<(String, String)>,
}

/// Whether the tests run on PostgreSQL.
pub fn on_postgres() -> bool {
    static SAID: Once = Once::new();
    let wanted = env::var("TEST_DATABASE").is_ok_and(|name| name == "postgres");
    SAID.call_once(|| {
        if env::var("TEST_POSTGRES_URL").is_err() {
            // Straight to the terminal: what is printed is shown only when a test fails.
            let line = "left out: everything on PostgreSQL (TEST_POSTGRES_URL is not set; tests/all.sh sets it)";
            let _ = writeln!(io::stderr(), "{line}");
        }
    });
    wanted
}

impl TestDatabase {
    pub async fn create() -> Self {
        if !on_postgres() {
            return Self { folder: tempfile::tempdir().unwrap(), server: None };
        }
        Self::on(env::var("TEST_POSTGRES_URL").expect("TEST_DATABASE=postgres needs TEST_POSTGRES_URL")).await
    }

    /// One with every table.
    pub async fn with_tables() -> Self {
        static MADE: OnceCell<Tables> = OnceCell::const_new();
        match MADE.get_or_init(Tables::make).await {
            Tables::Bytes(bytes) => {
                let made = Self::create().await;
                std::fs::write(made.folder().join(FILE), bytes).unwrap();
                made
            }
            Tables::Template(server, name) => Self::made(server.clone(), &format!("TEMPLATE {name}")).await,
        }
    }

    /// One on a certain server.
    pub async fn on(server: String) -> Self {
        Self::made(server, "").await
    }

    async fn made(server: String, how: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let folder = tempfile::tempdir().unwrap();
        let name = format!("it_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let admin = Database::connect(&server).await.unwrap();
        admin.execute_unprepared(&format!("CREATE DATABASE {name} {how}")).await.unwrap();
        admin.close().await.unwrap();
        Self { folder, server: Some((server, name)) }
    }

    /// The folder for data, which is this test's own too.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The settings that lead here.
    pub fn settings(&self) -> Vec<(String, String)> {
        let mut settings = vec![("PORTOLAN_DATA_DIR".to_owned(), self.folder.path().display().to_string())];
        if let Some(url) = self.url() {
            settings.push(("PORTOLAN_DATABASE_URL".to_owned(), url));
            settings.push(("PORTOLAN_MASTER_KEY".to_owned(), MASTER_KEY.to_owned()));
            settings.push(("PORTOLAN_DATABASE_MAX_CONNECTIONS".to_owned(), "8".to_owned()));
            // Many tests share the machine, and one that waits its turn has not failed.
            settings.push(("PORTOLAN_DATABASE_CONNECT_TIMEOUT".to_owned(), "10s".to_owned()));
        }
        settings
    }

    /// The address on the server, if it is on one.
    pub fn url(&self) -> Option<String> {
        let (server, name) = self.server.as_ref()?;
        let (host, _) = server.rsplit_once('/')?;
        Some(format!("{host}/{name}"))
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Some((server, name)) = self.server.take() else { return };
        // Dropping cannot wait, so another thread does. A database left behind goes with its server.
        let gone = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                if let Ok(admin) = Database::connect(&server).await {
                    let _ = admin.execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)")).await;
                }
            });
        });
        let _ = gone.join();
    }
}
