//! The database: SQLite in the data folder, or PostgreSQL, by one behaviour.
//!
//! **`SQLite`** has one writer and a pool of readers over a write-ahead log. Whoever writes begins with
//! IMMEDIATE and so waits for its turn instead of failing half-way; `synchronous=FULL` makes a commit
//! durable before it is acknowledged. The bundled library is asserted at the start, because a file may
//! outlive the program that wrote it but must not be opened by one with a known log fault.
//!
//! **PostgreSQL** has one pool. Three time-outs are set on each connection, so that neither a runaway
//! statement nor a transaction somebody forgot can hold the others up.
//!
//! **Failing storage.** `SQLite` rolls a transaction back by itself when its disk is full or failing; the driver's own
//! ROLLBACK then fails, and the driver goes on counting a transaction that is not there. Every later transaction would
//! be a savepoint inside it, whose release commits nothing. So a pooled connection that counts a transaction while
//! nobody holds it is closed and replaced before it is lent again ([`idle`]), and each write transaction begins with
//! BEGIN and ends with COMMIT. What the last writes came to is kept in [`WriteHealth`], for readiness.
//!
//! Migrations run on a connection of their own without those time-outs, and under a lock, since several
//! processes may start at once: an advisory lock on PostgreSQL, a locked file beside the `SQLite` file.

mod erase;
mod planner;
mod write_health;

use std::{
    fmt,
    fs::{self, File, Permissions},
    io::ErrorKind,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;

use migration::{Migrator, MigratorTrait, prelude::SchemaManager};
use sea_orm::{
    AccessMode, ConnectOptions, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    IsolationLevel, RuntimeErr, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
    sqlx::{
        self, ConnectOptions as _, Connection, PgConnection,
        pool::PoolConnectionMetadata,
        postgres::PgConnectOptions,
        sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous},
    },
};

use crate::kernel::{
    clock::Moment,
    error::{Error, Result, Source},
    secret::Secret,
};

pub use write_health::WriteHealth;

/// The oldest `SQLite` library that may open a data file.
const OLDEST_SQLITE: (u32, u32, u32) = (3, 51, 3);

/// The lock under which one node migrates; the number spells "prtl".
const MIGRATION_LOCK: i64 = 0x7072_746c;

/// The pause before a locked `SQLite` file is opened again.
const OPEN_AGAIN: Duration = Duration::from_millis(10);

/// A write of one row that nobody reads.
const PROBE: &str = "INSERT INTO write_probe (id, at) VALUES (1, CURRENT_TIMESTAMP) \
                     ON CONFLICT (id) DO UPDATE SET at = CURRENT_TIMESTAMP";

/// Where the data is.
#[derive(Clone, Debug)]
pub enum Place {
    /// An `SQLite` file.
    File(PathBuf),
    /// A PostgreSQL server.
    Server(Secret),
}

/// How to reach it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the data is.
    pub place: Place,
    /// Connections to PostgreSQL.
    pub max_connections: u32,
    /// Reading connections to `SQLite`.
    pub readers: u32,
    /// How long to wait for a free connection.
    pub acquire_timeout: Duration,
    /// How long `SQLite` waits for a lock of another process.
    pub busy_timeout: Duration,
    /// The longest statement on PostgreSQL.
    pub statement_timeout: Duration,
    /// The longest wait for a lock on PostgreSQL.
    pub lock_timeout: Duration,
    /// The longest pause inside a transaction on PostgreSQL.
    pub idle_transaction_timeout: Duration,
}

/// An observer of statements: how long one took, and whether it failed.
pub type Observer = Arc<dyn Fn(Duration, bool) + Send + Sync>;

/// Connections for reading and for writing.
#[derive(Clone)]
pub struct Database {
    reader: DatabaseConnection,
    writer: DatabaseConnection,
    write_health: Arc<WriteHealth>,
}

impl Database {
    /// Connects; migrates nothing.
    pub async fn connect(settings: &Settings, observer: Observer) -> Result<Self> {
        let (mut reader, mut writer) = match &settings.place {
            Place::File(_) => {
                let writer = open(settings, sqlite(settings, 1, false)?).await?;
                assert_sqlite(&writer).await?;
                (open(settings, sqlite(settings, settings.readers, true)?).await?, writer)
            }
            Place::Server(url) => {
                let pool = open(settings, postgres(settings, url)?).await?;
                (pool.clone(), pool)
            }
        };
        for connection in [&mut reader, &mut writer] {
            let observer = Arc::clone(&observer);
            connection.set_metric_callback(move |info| observer(info.elapsed, info.failed));
        }
        Ok(Self { reader, writer, write_health: Arc::default() })
    }

    /// For reading.
    #[must_use]
    pub fn reader(&self) -> &DatabaseConnection {
        &self.reader
    }

    /// For single statements that are nobody's change, such as the time of a token's last use.
    #[must_use]
    pub fn writer(&self) -> &DatabaseConnection {
        &self.writer
    }

    /// Which of the two it is.
    #[must_use]
    pub fn backend(&self) -> DbBackend {
        self.reader.get_database_backend()
    }

    /// Outcomes of the last writes.
    pub(super) fn write_health(&self) -> &WriteHealth {
        &self.write_health
    }

    /// Whether writes are stored: judged by the last ones, or by one made for the purpose when there were none.
    pub async fn writable(&self) -> Result<()> {
        match self.write_health.verdict() {
            Some(true) => return Ok(()),
            Some(false) => {
                return Err(Error::Unavailable("the database's storage", "a write failed a moment ago".into()));
            }
            None => {}
        }
        let outcome = self.writer.execute_unprepared(PROBE).await.map(|_| ()).map_err(Error::from);
        self.write_health.note(&outcome);
        outcome
    }

    /// A transaction for writing.
    pub(super) async fn begin(&self) -> Result<DatabaseTransaction> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        Ok(self.writer.begin_with_options(options).await?)
    }

    /// A view that stands still, for who reads in several steps what others change meanwhile.
    pub async fn snapshot(&self) -> Result<DatabaseTransaction> {
        // A transaction of SQLite that only reads is one by nature.
        let (level, mode) = match self.backend() {
            DbBackend::Postgres => (Some(IsolationLevel::RepeatableRead), Some(AccessMode::ReadOnly)),
            _ => (None, None),
        };
        Ok(self.reader.begin_with_config(level, mode).await?)
    }

    /// Whether it answers and has every migration this program knows.
    pub async fn ready(&self) -> Result<()> {
        // Not asked of the migrator, which would make its own table first.
        let mut made = Vec::new();
        if self.has_table("seaql_migrations").await? {
            let asked = Statement::from_string(self.backend(), "SELECT version FROM seaql_migrations");
            for row in self.reader.query_all_raw(asked).await? {
                made.push(row.try_get_by_index::<String>(0)?);
            }
        }
        let known = Migrator::migrations();
        match known.iter().filter(|migration| !made.iter().any(|name| name == migration.name())).count() {
            0 => Ok(()),
            missing => Err(Error::Unavailable("the schema", format!("{missing} migrations are missing").into())),
        }
    }

    /// What time it is by the clock of the server. Nothing, if there is no server.
    pub async fn time(&self) -> Result<Option<Moment>> {
        if self.backend() != DbBackend::Postgres {
            return Ok(None);
        }
        let asked = Statement::from_string(DbBackend::Postgres, "SELECT clock_timestamp()");
        Ok(self.reader.query_one_raw(asked).await?.map(|row| row.try_get_by_index(0)).transpose()?)
    }

    /// Whether it has a table; a new one has none. Asked where a failure must not be taken for a no.
    pub async fn has_table(&self, table: &str) -> Result<bool> {
        Ok(SchemaManager::new(&self.reader).has_table(table).await?)
    }

    /// Gives the connections back.
    pub async fn close(&self) {
        // Nothing is left to do with a connection that does not close: the process is about to end.
        let _ = self.reader.close_by_ref().await;
        let _ = self.writer.close_by_ref().await;
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({:?})", self.backend())
    }
}

/// Brings the schema to where this program needs it; says how many migrations ran.
pub async fn migrate(settings: &Settings) -> Result<usize> {
    with_migrator(settings, async |db| {
        let pending = Migrator::get_pending_migrations(db).await?.len();
        Migrator::up(db, None).await?;
        planner::tell(db).await?;
        Ok(pending)
    })
    .await
}

/// Takes the last `steps` migrations back, or all of them.
pub async fn migrate_down(settings: &Settings, steps: Option<u32>) -> Result<()> {
    with_migrator(settings, async |db| Ok(Migrator::down(db, steps).await?)).await
}

async fn with_migrator<T>(settings: &Settings, work: impl AsyncFnOnce(&DatabaseConnection) -> Result<T>) -> Result<T> {
    let patient = Settings {
        statement_timeout: Duration::ZERO,
        lock_timeout: Duration::ZERO,
        idle_transaction_timeout: Duration::ZERO,
        max_connections: 2,
        ..settings.clone()
    };
    match &patient.place {
        Place::File(path) => {
            let options = sqlite(&patient, 1, false)?;
            let _turn = take_turn(path.with_extension("lock")).await?;
            let db = open(&patient, options).await?;
            let outcome = work(&db).await;
            db.close().await?;
            outcome
        }
        Place::Server(url) => {
            let db = open(&patient, postgres(&patient, url)?).await?;
            let turn = db.begin().await?;
            turn.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")).await?;
            let outcome = work(&db).await;
            turn.rollback().await?;
            db.close().await?;
            outcome
        }
    }
}

/// Waits until no other process migrates the same file; the turn ends when the file is dropped.
async fn take_turn(lock: PathBuf) -> Result<File> {
    let taken = tokio::task::spawn_blocking(move || {
        let file = File::options().create(true).truncate(false).write(true).open(lock)?;
        file.lock()?;
        Ok::<_, std::io::Error>(file)
    });
    let unavailable = |error: Source| Error::Unavailable("the lock beside the data file", error);
    taken.await.map_err(|error| unavailable(error.into()))?.map_err(|error| unavailable(error.into()))
}

async fn open(settings: &Settings, mut options: ConnectOptions) -> Result<DatabaseConnection> {
    options
        .acquire_timeout(settings.acquire_timeout)
        .connect_timeout(settings.acquire_timeout)
        // Statements hold what people typed; neither the log nor a span gets them.
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        // A broken connection shows itself at its next use; asking first would double the round trips.
        .test_before_acquire_if_idle_for(Duration::from_secs(5));
    let until = Instant::now() + settings.busy_timeout;
    loop {
        let error = match sea_orm::Database::connect(options.clone()).await {
            Ok(db) => return Ok(db),
            Err(error) => error,
        };
        let error = match &settings.place {
            Place::Server(url) => why_not(url, settings.acquire_timeout).await.unwrap_or(error).into(),
            Place::File(_) => Error::from(error),
        };
        // The last connection to an SQLite file locks it while it removes the log; whoever opens it meanwhile is
        // refused at once, whatever the busy timeout.
        let again = matches!(settings.place, Place::File(_)) && error.is_lock_failure() && Instant::now() < until;
        if !again {
            return Err(error);
        }
        tokio::time::sleep(OPEN_AGAIN).await;
    }
}

/// Why the server cannot be reached. A pool keeps trying while nobody answers and then says only that time
/// is up; one attempt without it says what stands in the way.
async fn why_not(url: &Secret, limit: Duration) -> Option<DbErr> {
    let options: PgConnectOptions = url.expose().parse().ok()?;
    let attempt = tokio::time::timeout(limit, PgConnection::connect_with(&options)).await.ok()?;
    Some(DbErr::Conn(RuntimeErr::SqlxError(Arc::new(attempt.err()?))))
}

fn sqlite(settings: &Settings, connections: u32, read_only: bool) -> Result<ConnectOptions> {
    let Place::File(path) = &settings.place else {
        return Err(Error::Internal("this is not a file", "wrong place".into()));
    };
    make_private(path).map_err(|error| Error::Unavailable("the data folder", error.into()))?;
    let (path, busy) = (path.clone(), settings.busy_timeout);
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(connections).min_connections(1).idle_timeout(None).max_lifetime(None).map_sqlx_sqlite_opts(
        move |_| {
            let options = SqliteConnectOptions::new()
                .filename(&path)
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(busy)
                .foreign_keys(true)
                .disable_statement_logging();
            // What is deleted is overwritten with zeros: destroyed keys leave nothing behind.
            if read_only { options.pragma("query_only", "ON") } else { options.pragma("secure_delete", "ON") }
        },
    );
    options.map_sqlx_sqlite_before_acquire(idle::<SqliteConnection>);
    Ok(options)
}

/// Whether a pooled connection is outside any transaction, as the driver counts; one that is not is replaced. Dropped
/// transactions are rolled back before a connection returns to its pool, so one that is left could not be.
fn idle<C: Connection>(connection: &mut C, _: PoolConnectionMetadata) -> BoxFuture<'_, sqlx::Result<bool>> {
    let idle = !connection.is_in_transaction();
    if !idle {
        tracing::warn!("a database connection was replaced: its last transaction could not be rolled back");
    }
    Box::pin(std::future::ready(Ok(idle)))
}

/// Makes the data file, readable by its owner alone; takes the rights of others from one that is there. `SQLite` gives
/// the files beside it the same rights.
fn make_private(path: &Path) -> std::io::Result<()> {
    const OTHERS: u32 = 0o007;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    match File::options().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let mode = fs::metadata(path)?.permissions().mode();
            if mode & OTHERS == 0 { Ok(()) } else { fs::set_permissions(path, Permissions::from_mode(mode & !OTHERS)) }
        }
        outcome => outcome.map(drop),
    }
}

fn postgres(settings: &Settings, url: &Secret) -> Result<ConnectOptions> {
    // Read here, and not given to the library, which repeats it, password and all, in its errors and spans.
    let server = PgConnectOptions::from_str(url.expose()).map_err(|_| {
        let advice = "its URL cannot be read; a character such as / or # in a password is written as %2F or %23";
        Error::Unavailable("the database", advice.into())
    })?;
    let mut options = ConnectOptions::new("postgres://");
    let timeouts = [
        ("statement_timeout", settings.statement_timeout),
        ("lock_timeout", settings.lock_timeout),
        ("idle_in_transaction_session_timeout", settings.idle_transaction_timeout),
    ]
    .map(|(name, span)| (name, span.as_millis().to_string()));
    let server = server.application_name("portolan").options(timeouts).disable_statement_logging();
    options
        .max_connections(settings.max_connections)
        .min_connections(1)
        .map_sqlx_postgres_opts(move |_| server.clone())
        .map_sqlx_postgres_before_acquire(idle::<PgConnection>);
    Ok(options)
}

async fn assert_sqlite(db: &DatabaseConnection) -> Result<()> {
    let row = db.query_one_raw(Statement::from_string(DbBackend::Sqlite, "SELECT sqlite_version()")).await?;
    let version: String = row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default();
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if found >= OLDEST_SQLITE {
        Ok(())
    } else {
        Err(Error::Unavailable("a sound SQLite library", format!("found {version}").into()))
    }
}
