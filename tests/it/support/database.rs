//! A database for each test: a file, or a database on the server that `TEST_POSTGRES_URL` names.

use std::{
    env,
    io::{self, Write},
    sync::{
        Once,
        atomic::{AtomicU32, Ordering},
    },
};

use sea_orm::{ConnectionTrait, Database};
use tempfile::TempDir;

/// A server has no folder where a key could be made, so it is given one.
pub const MASTER_KEY: &str = "1:Zm9yIHRlc3RzIG9ubHksIDMyIGJ5dGVzIG9mIHRoZW0=";

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

    /// One on a certain server.
    pub async fn on(server: String) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let folder = tempfile::tempdir().unwrap();
        let name = format!("it_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let admin = Database::connect(&server).await.unwrap();
        admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
        admin.close().await.unwrap();
        Self { folder, server: Some((server, name)) }
    }

    /// The folder for data, which is this test's own too.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The settings that lead here.
    pub fn settings(&self) -> Vec<(String, String)> {
        let mut settings = vec![("PORTOLAN_DATA_DIR".to_owned(), self.folder.path().display().to_string())];
        if let Some(url) = self.url() {
            settings.push(("PORTOLAN_DATABASE_URL".to_owned(), url));
            settings.push(("PORTOLAN_MASTER_KEY".to_owned(), MASTER_KEY.to_owned()));
            settings.push(("PORTOLAN_DATABASE_MAX_CONNECTIONS".to_owned(), "8".to_owned()));
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
