//! Everything that a server leaves behind or shows: what it says, its figures, its folder, its database in every
//! form in which one can get at it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, Statement, Value};

use crate::support::database::TestDatabase;

/// A place, and what is there.
pub struct Place {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// Where to look.
pub struct Places<'a> {
    database: &'a TestDatabase,
    url: String,
    /// An account of this test's own on the database server.
    account: Option<String>,
    /// The folder of the PostgreSQL server, if it can be read from here, and the part of its log that was written
    /// last when the test began.
    server: Option<(PathBuf, String)>,
    /// What keeps the server from removing that log at its next checkpoint, for as long as it is open.
    held: Option<DatabaseConnection>,
    begun: SystemTime,
    /// What could not be looked at, and why.
    pub left_out: Vec<String>,
}

impl<'a> Places<'a> {
    /// To be made before the first secret is put in.
    pub async fn of(database: &'a TestDatabase) -> Self {
        let url = database.url().unwrap_or_else(|| {
            let file = database.folder().join("portolan.db");
            format!("sqlite://{}?mode=rwc", file.display())
        });
        let (begun, left_out) = (SystemTime::now(), Vec::new());
        let mut places = Self { database, url, account: None, server: None, held: None, begun, left_out };
        if database.url().is_some() {
            places.server = places.folder_of_the_server().await;
        }
        places
    }

    /// A connection, to be closed before files are read: a file of `SQLite` that is read and closed by a process
    /// takes the locks of that process with it.
    async fn connected<T>(&self, work: impl AsyncFnOnce(&DatabaseConnection) -> T) -> T {
        let options = ConnectOptions::new(&self.url).max_connections(1).to_owned();
        let db = sea_orm::Database::connect(options).await.unwrap();
        let outcome = work(&db).await;
        db.close().await.unwrap();
        outcome
    }

    /// Runs a statement past the hub.
    pub async fn execute(&self, sql: &str, values: Vec<Value>) {
        self.connected(async |db| {
            let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
            db.execute_raw(statement).await.unwrap();
        })
        .await;
    }

    /// An account of the database server with that password, and how to come in by it.
    pub async fn login(&mut self, password: &str) -> Option<String> {
        let (scheme, rest) =
            self.database.url()?.split_once("://").map(|(scheme, rest)| (scheme.to_owned(), rest.to_owned()))?;
        let (_, host) = rest.split_once('@')?;
        let name = host.rsplit_once('/')?.1;
        let create = format!("CREATE ROLE {name} LOGIN PASSWORD '{password}'");
        if let Err(error) = self.connected(async |db| db.execute_unprepared(&create).await).await {
            self.leave_out(&format!("the password of the database ({error})"));
            return None;
        }
        self.execute(&format!("GRANT ALL ON DATABASE {name} TO {name}"), vec![]).await;
        self.execute(&format!("GRANT ALL ON SCHEMA public TO {name}"), vec![]).await;
        self.account = Some(name.to_owned());
        Some(format!("{scheme}://{name}:{password}@{host}"))
    }

    /// Lets go of the log, and removes the account, with all that belongs to it.
    pub async fn logout(&mut self) {
        if let Some(held) = self.held.take() {
            held.close().await.unwrap();
        }
        if let Some(name) = self.account.take() {
            self.execute(&format!("DROP OWNED BY {name}"), vec![]).await;
            self.execute(&format!("DROP ROLE {name}"), vec![]).await;
        }
    }

    /// A place in the log of the server's own, as of one that follows it; it goes with the connection, and until then
    /// nothing behind it is removed, whatever other tests make the server write.
    pub async fn hold_the_log(&mut self) {
        if self.reads_files() {
            let mut options = ConnectOptions::new(&self.url);
            options.max_connections(1).min_connections(1).idle_timeout(None).max_lifetime(None);
            let held = sea_orm::Database::connect(options).await.unwrap();
            let place = "SELECT pg_create_physical_replication_slot(current_database(), true, true)";
            held.execute_unprepared(place).await.unwrap();
            self.held = Some(held);
        }
    }

    async fn folder_of_the_server(&mut self) -> Option<(PathBuf, String)> {
        let folder = self.texts("SHOW data_directory").await.ok().and_then(|mut texts| texts.pop());
        let log =
            self.texts("SELECT pg_walfile_name(pg_current_wal_lsn())").await.ok().and_then(|mut texts| texts.pop());
        match (folder.map(PathBuf::from), log) {
            (Some(folder), Some(log)) if fs::read_dir(folder.join("pg_wal")).is_ok() => Some((folder, log)),
            _ => {
                let why = "the files of PostgreSQL and its write-ahead log (they cannot be read from here; \
                           with the server that tests/all.sh starts, they can)";
                self.left_out.push(why.to_owned());
                None
            }
        }
    }

    async fn texts(&self, sql: &str) -> Result<Vec<String>, sea_orm::DbErr> {
        self.connected(async |db| {
            let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
            rows.into_iter().map(|row| row.try_get_by_index(0)).collect()
        })
        .await
    }

    /// All of it, as it is now.
    pub async fn look(&mut self) -> Vec<Place> {
        let mut found = Vec::new();
        match self.database.url() {
            None => self.tables_of_sqlite(&mut found).await,
            Some(_) => self.postgres(&mut found).await,
        }
        files(self.database.folder(), "data folder: ", SystemTime::UNIX_EPOCH, &mut found);
        found
    }

    /// Row by row: a value that crosses a page, or that was packed, is whole here.
    async fn tables_of_sqlite(&self, found: &mut Vec<Place>) {
        for table in self.texts("SELECT name FROM sqlite_master WHERE type = 'table'").await.unwrap() {
            let columns = self.texts(&format!("SELECT name FROM pragma_table_info('{table}')")).await.unwrap();
            let columns: Vec<_> = columns.iter().map(|column| format!("quote(\"{column}\")")).collect();
            let rows = self.texts(&format!("SELECT {} FROM \"{table}\"", columns.join(" || ' ' || "))).await.unwrap();
            found.push(Place { name: format!("table: {table}"), bytes: rows.join("\n").into_bytes() });
        }
    }

    async fn postgres(&mut self, found: &mut Vec<Place>) {
        let tables = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables \
                      WHERE schemaname NOT IN ('pg_catalog', 'information_schema')";
        for table in self.texts(tables).await.unwrap() {
            let rows = self.texts(&format!("SELECT t::text FROM {table} t")).await.unwrap();
            found.push(Place { name: format!("table: {table}"), bytes: rows.join("\n").into_bytes() });
        }
        let running = self.texts("SELECT coalesce(query, '') FROM pg_stat_activity").await.unwrap();
        found.push(Place { name: "running statements".to_owned(), bytes: running.join("\n").into_bytes() });
        let learned = self
            .texts("SELECT coalesce(most_common_vals::text, '') || coalesce(histogram_bounds::text, '') FROM pg_stats");
        found.push(Place { name: "statistics".to_owned(), bytes: learned.await.unwrap().join("\n").into_bytes() });
        match Command::new("pg_dump").arg(self.database.url().unwrap()).output() {
            Ok(dump) if dump.status.success() => {
                found.push(Place { name: "pg_dump".to_owned(), bytes: [dump.stdout, dump.stderr].concat() });
            }
            Ok(dump) => self.leave_out(&format!("pg_dump ({})", String::from_utf8_lossy(&dump.stderr).trim())),
            Err(error) => self.leave_out(&format!("pg_dump ({error})")),
        }
        let Some((folder, begun)) = self.server.clone() else { return };
        self.execute("CHECKPOINT", vec![]).await;
        let own = self.texts("SELECT oid::text FROM pg_database WHERE datname = current_database()").await.unwrap();
        files(&folder.join("base").join(&own[0]), "PostgreSQL file: ", self.begun, found);
        files(&folder.join("global"), "PostgreSQL file: global ", self.begun, found);
        // Segments are named in their order; those of before are none of ours. What is written goes on in the next one.
        let segments = fs::read_dir(folder.join("pg_wal")).unwrap().map(|entry| entry.unwrap().path());
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        let mut segments: Vec<_> =
            segments.filter(|path| name(path).len() == begun.len() && name(path) >= begun).collect();
        segments.sort();
        let mut whole = Vec::new();
        for segment in segments.iter().filter_map(|path| written(path, self.begun)) {
            without_heads(&segment, &mut whole);
        }
        found.push(Place { name: format!("write-ahead log: from {begun}"), bytes: without_zeros(&whole) });
        for name in ["server.log", "logfile", "log"] {
            let log = folder.join(name);
            if log.is_dir() {
                files(&log, "PostgreSQL log: ", self.begun, found);
            } else {
                read(&log, format!("PostgreSQL log: {name}"), self.begun, found);
            }
        }
    }

    /// Whether the files of a PostgreSQL server can be read from here.
    pub fn reads_files(&self) -> bool {
        self.server.is_some()
    }

    fn leave_out(&mut self, what: &str) {
        if !self.left_out.iter().any(|known| known == what) {
            self.left_out.push(what.to_owned());
        }
    }
}

/// A segment of the write-ahead log without the heads of its pages: what is written goes on after them, and would
/// otherwise be torn wherever a page ends. Pages are counted from its beginning, empty ones too.
fn without_heads(segment: &[u8], into: &mut Vec<u8>) {
    for (at, page) in segment.chunks(8_192).enumerate() {
        into.extend_from_slice(page.get(if at == 0 { 40 } else { 24 }..).unwrap_or_default());
    }
}

/// Every file of a folder, but the master key, which is the one that belongs there.
fn files(folder: &Path, prefix: &str, since: SystemTime, found: &mut Vec<Place>) {
    for entry in fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            files(&entry.path(), &format!("{prefix}{name}/"), since, found);
        } else if name != "master.key" {
            read(&entry.path(), format!("{prefix}{name}"), since, found);
        }
    }
}

/// A file, if it is still there and was written since then; without its empty pages, which are most of some.
fn read(path: &Path, name: String, since: SystemTime, found: &mut Vec<Place>) {
    if let Some(bytes) = written(path, since) {
        found.push(Place { name, bytes: without_zeros(&bytes) });
    }
}

/// What is in a file, if it was written since.
fn written(path: &Path, since: SystemTime) -> Option<Vec<u8>> {
    let written = fs::metadata(path).and_then(|about| about.modified()).is_ok_and(|written| written >= since);
    fs::read(path).ok().filter(|_| written)
}

/// Files are made larger than what is in them.
fn without_zeros(bytes: &[u8]) -> Vec<u8> {
    const PAGE: usize = 4096;
    bytes.chunks(PAGE).filter(|page| page[..] != [0; PAGE][..page.len()]).collect::<Vec<_>>().concat()
}
