//! Records a second of a sync into the database, beside bare batched inserts of the same rows by sqlx, in turn, in one
//! run; and of a sync that finds everything as it was.
//!
//! `cargo bench --bench sync [-- RECORDS]`. The provider is a process of its own and has its pages ready. The bound
//! writes into a table with the same columns and indexes, without foreign keys, a page in a commit as the sync does, in
//! the way that is known to be fast: rows of values on SQLite, arrays on PostgreSQL. A sync asks for pages, reads them,
//! extracts, compares, and keeps with the records its place, counts, log and events. With `TEST_POSTGRES_URL` both run
//! there too.
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
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, extract::RawQuery};
use bytes::Bytes;
use portolan::{
    app::App,
    context::Cx,
    domain::{
        credential::given::Given,
        integration::create::{self, NewIntegration},
        sync::{Status, list, run},
    },
    kernel::id::IntegrationId,
    worker::{
        self,
        runner::{Runner, Settings},
    },
};
use sea_orm::{
    ConnectionTrait, Database, Statement,
    sqlx::{
        self, AssertSqlSafe, Connection, Executor, PgConnection, QueryBuilder, Sqlite, SqliteConnection,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
    },
};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use hubs::{block_on, listen, start};

/// Records of a round, if it is not said; and of a page.
const MANY: usize = 50_000;
const PAGE: usize = 500;

/// Rounds that are counted; one before them warms up.
const ROUNDS: usize = 3;

/// Set in the environment of a test run, not one that users have.
const MASTER_KEY: &str = "1:Zm9yIHRlc3RzIG9ubHksIDMyIGJ5dGVzIG9mIHRoZW0=";

/// The provider's file.
const FILE: &str = r#"
key = "acme"
name = "Acme"
description = "Has a great many things."
category = "commerce"
docs = "https://example.com"
per_tenant = "many"
version = "none"
settings = "none"
discovery = "none"
webhook = "none"

[[environments]]
key = "live"
label = "Live"
sandbox = false
base_url = "https://api.acme.example"

[[auth]]
kind = "bearer_token"
key = "token"
label = "Token"
fields = [{ name = "token", label = "Token", example = "right" }]
inject = [{ into = "bearer", token = "{token}" }]

[probe]
by = "request"
request = { path = "/me" }
example = { id = "1" }

[errors]
message = "error"

[[limits]]
shape = "adaptive"
start = 2
most = 10

[paging]
by = "cursor"
parameter = "after"
next = "next"
size = { parameter = "limit", most = 500 }

[[streams]]
key = "things"
name = "Things"
about = "product"
request = { path = "/things" }
records = "things"
id = "id"
updated_at = "at"
since = "none"
schedule = "hourly"
deletions = "unknown"
example = { id = "1", at = 1795255200, text = "a" }

[[actions]]
key = "me"
name = "Who am I"
description = "Says who asks."
effect = "read"
request = { path = "/me" }
input = { type = "object" }
output = { type = "object" }
example = { id = "1" }
"#;

fn main() {
    let given: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match given.first().map(String::as_str) {
        Some("--provide") => block_on(provide(given[1].parse().unwrap())),
        first => block_on(compare(first.and_then(|text| text.parse().ok()).unwrap_or(MANY))),
    }
}

fn counted(number: usize) -> i64 {
    i64::try_from(number).unwrap()
}

fn id(number: usize) -> String {
    format!("thing_{number:08}")
}

/// What a record says: an order of a small shop, a good three hundred bytes.
fn data(number: usize) -> String {
    format!(
        "{{\"at\":{},\"currency\":\"EUR\",\"customer\":{{\"city\":\"Rotterdam\",\"email\":\"customer{number}@example.com\",\
         \"name\":\"Customer {number}\"}},\"id\":\"{}\",\"lines\":[{{\"price\":1999,\"quantity\":2,\"sku\":\"A-{}\"}},\
         {{\"price\":499,\"quantity\":1,\"sku\":\"B-{}\"}}],\"status\":\"paid\",\"text\":\"as ever\",\"total\":4497}}",
        1_795_255_200 + number,
        id(number),
        number % 97,
        number % 89,
    )
}

/// Gives so many records to whoever asks, in pages that are ready.
async fn provide(many: usize) {
    let pages: Vec<Bytes> = (0..many)
        .step_by(PAGE)
        .map(|from| {
            let things: Vec<_> = (from..many.min(from + PAGE)).map(data).collect();
            let next = from + PAGE;
            let next = if next < many { format!("\"{}\"", next / PAGE) } else { "null".to_owned() };
            format!("{{\"things\":[{}],\"next\":{next}}}", things.join(",")).into()
        })
        .collect();
    let pages = Arc::new(pages);
    let router = Router::new().fallback(move |RawQuery(query): RawQuery| {
        let query = query.unwrap_or_default();
        let after = query.split('&').find_map(|pair| pair.strip_prefix("after="));
        let page = pages[after.map_or(0, |page| page.parse::<usize>().unwrap())].clone();
        async move { ([("content-type", "application/json")], page) }
    });
    let listener = listen(0).await;
    println!("{}", listener.local_addr().unwrap());
    axum::serve(listener, router).await.unwrap();
}

/// The provider, as a process of its own.
struct Provider {
    child: Child,
    address: String,
}

impl Provider {
    fn start(many: usize) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        let mut child = command.args(["--provide", &many.to_string()]).stdout(Stdio::piped()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { child, address: address.trim_end().to_owned() }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Seconds that this process has worked.
fn worked() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Records a second, and microseconds of processor for each.
struct Figures(Vec<(f64, f64)>);

impl Figures {
    async fn measure(&mut self, counted: bool, many: usize, work: impl Future<Output = ()>) {
        let (began, before) = (Instant::now(), worked());
        work.await;
        if counted {
            let (took, cpu) = (began.elapsed().as_secs_f64(), worked() - before);
            self.0.push((many as f64 / took, cpu * 1e6 / many as f64));
        }
    }

    fn print(&self, name: &str, of: f64) -> f64 {
        let rate = median(self.0.iter().map(|(rate, _)| *rate).collect());
        let cpu = median(self.0.iter().map(|(_, cpu)| *cpu).collect());
        let ratio = if of > 0.0 { rate / of } else { 1.0 };
        println!("{name:<24} {rate:>12.0} {ratio:>8.2} {cpu:>16.1}");
        rate
    }
}

/// Who writes bare rows.
enum Bound {
    File(SqliteConnection),
    Server(PgConnection),
}

impl Bound {
    /// Beside the hub's table, with its columns and indexes.
    async fn beside(app: &App, folder: &Path, url: Option<&str>) -> Self {
        if let Some(url) = url {
            let mut db = PgConnection::connect(url).await.unwrap();
            db.execute("CREATE TABLE bound (LIKE records INCLUDING ALL)").await.unwrap();
            return Self::Server(db);
        }
        let options = SqliteConnectOptions::new()
            .filename(folder.join("bound.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(false);
        let mut db = SqliteConnection::connect_with(&options).await.unwrap();
        let (reader, sql) = (app.hub().database.reader(), "SELECT sql FROM sqlite_master WHERE tbl_name = 'records'");
        let made = Statement::from_string(reader.get_database_backend(), sql);
        for row in reader.query_all_raw(made).await.unwrap() {
            if let Some(sql) = row.try_get_by_index::<Option<String>>(0).unwrap() {
                db.execute(AssertSqlSafe(sql.replace("\"records\"", "\"bound\""))).await.unwrap();
            }
        }
        Self::File(db)
    }

    async fn write(&mut self, many: usize) {
        let (whose, stream, now) = (Uuid::from_u128(1), Uuid::from_u128(rand::random()), app_time());
        for from in (0..many).step_by(PAGE) {
            let numbers: Vec<_> = (from..many.min(from + PAGE)).collect();
            let hash = |number: usize| Sha256::digest(data(number))[..16].to_vec();
            match self {
                Self::File(db) => {
                    let mut txn = db.begin_with("BEGIN IMMEDIATE").await.unwrap();
                    let mut insert = QueryBuilder::<Sqlite>::new(
                        "INSERT INTO bound (tenant_id, integration_id, stream_id, external_id, data, hash, updated_at, \
                         full_pass, deleted_at, change_number, changed_at) ",
                    );
                    insert.push_values(numbers, |mut row, number| {
                        row.push_bind(whose).push_bind(whose).push_bind(stream).push_bind(id(number));
                        row.push_bind(data(number)).push_bind(hash(number)).push_bind(now).push_bind(1_i64);
                        row.push("NULL").push_bind(counted(number)).push_bind(now);
                    });
                    insert.build().execute(&mut *txn).await.unwrap();
                    txn.commit().await.unwrap();
                }
                Self::Server(db) => {
                    let mut txn = db.begin().await.unwrap();
                    let insert = sqlx::query(
                        "INSERT INTO bound (tenant_id, integration_id, stream_id, external_id, data, hash, updated_at, \
                         full_pass, deleted_at, change_number, changed_at) SELECT $1, $1, $2, id, data::json, hash, $3, \
                         1, NULL, number, $3 FROM unnest($4::text[], $5::text[], $6::bytea[], $7::bigint[]) \
                         AS given (id, data, hash, number)",
                    );
                    let insert = insert.bind(whose).bind(stream).bind(now);
                    let insert = insert.bind(numbers.iter().copied().map(id).collect::<Vec<_>>());
                    let insert = insert.bind(numbers.iter().copied().map(data).collect::<Vec<_>>());
                    let insert = insert.bind(numbers.iter().copied().map(hash).collect::<Vec<_>>());
                    let insert = insert.bind(numbers.iter().copied().map(counted).collect::<Vec<_>>());
                    insert.execute(&mut *txn).await.unwrap();
                    txn.commit().await.unwrap();
                }
            }
        }
    }
}

fn app_time() -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp(1_795_255_200, 0).unwrap()
}

/// Reads the stream of an integration to its end.
async fn sync(cx: &Cx, node: &Arc<Runner>, id: IntegrationId, many: usize, added: bool) {
    let begun = run::sync_now(cx, id, Some("things")).await.unwrap().remove(0);
    loop {
        node.settle().await.unwrap();
        let run = list::get(cx, begun.id).await.unwrap();
        if run.status == Status::Succeeded {
            assert_eq!(if added { run.added } else { run.unchanged }, i64::try_from(many).unwrap(), "{run:?}");
            return;
        }
        assert!(run.status.is_active(), "{run:?}");
    }
}

async fn compare(many: usize) {
    let provider = Provider::start(many);
    println!(
        "{many} records a round in pages of {PAGE}, the median of {ROUNDS} rounds; the goals are 0.6 of the bound,"
    );
    println!("and for unchanged records three times what added ones reach");
    println!("{:<24} {:>12} {:>8} {:>16}", "", "records/s", "ratio", "CPU us for each");
    Box::pin(on("SQLite", &provider, many, None)).await;
    if let Ok(server) = env::var("TEST_POSTGRES_URL") {
        let name = format!("bench_{}", std::process::id());
        let admin = Database::connect(&server).await.unwrap();
        admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
        let url = format!("{}/{name}", server.rsplit_once('/').unwrap().0);
        Box::pin(on("PostgreSQL", &provider, many, Some(&url))).await;
        admin.execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
    }
}

async fn on(name: &str, provider: &Provider, many: usize, url: Option<&str>) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("providers")).unwrap();
    fs::write(folder.path().join("providers/acme.toml"), FILE).unwrap();
    let mut settings = vec![
        ("PORTOLAN_DATA_DIR", folder.path().display().to_string()),
        ("PORTOLAN_PROVIDERS_DIR", folder.path().join("providers").display().to_string()),
        ("PORTOLAN_OUTGOING_ALLOW", provider.address.clone()),
        ("PORTOLAN_OUTGOING_SIMULATOR", format!("http://{}", provider.address)),
    ];
    if let Some(url) = url {
        settings.push(("PORTOLAN_DATABASE_URL", url.to_owned()));
        settings.push(("PORTOLAN_MASTER_KEY", MASTER_KEY.to_owned()));
    }
    let (app, cx) = start(settings).await;
    app.follow();
    let held = Settings { lease: Duration::from_mins(1), grace: Duration::from_mins(1) };
    let node = Runner::new(app.hub().clone(), worker::kinds(), held, Arc::new(|_| {}), CancellationToken::new());
    let mut bound = Bound::beside(&app, folder.path(), url).await;
    let (mut bare, mut added, mut unchanged) = (Figures(Vec::new()), Figures(Vec::new()), Figures(Vec::new()));
    for round in 0..=ROUNDS {
        let new = NewIntegration {
            provider: "acme".to_owned(),
            name: Some(format!("round {round}")),
            skip_test: true,
            ..NewIntegration::default()
        };
        let given = Given::Bearer("right".to_owned().into());
        let integration = create::create(&cx, new, Some(given), None).await.unwrap();
        node.settle().await.unwrap();
        bare.measure(round > 0, many, bound.write(many)).await;
        added.measure(round > 0, many, Box::pin(sync(&cx, &node, integration.id, many, true))).await;
        unchanged.measure(round > 0, many, Box::pin(sync(&cx, &node, integration.id, many, false))).await;
    }
    let of = bare.print(&format!("{name}, bound"), 0.0);
    let rate = added.print(&format!("{name}, added"), of);
    unchanged.print(&format!("{name}, unchanged"), rate);
    drop(cx);
    app.close().await;
}
