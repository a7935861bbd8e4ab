//! The least a server can do: check the signature, keep the webhook once, answer when it is on the disk.

use std::{path::Path, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use portolan::provider::{
    manifest::webhook::Hash,
    webhook::hmac::{mac, standard_key},
};
use sea_orm::sqlx::{
    self, PgPool, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::{hubs::listen, servers::SECRET};

const TABLE: &str = "CREATE TABLE inbox (source TEXT NOT NULL, id TEXT NOT NULL, body";

#[derive(Clone)]
enum Base {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

type Waiting = (String, Bytes, oneshot::Sender<bool>);

#[derive(Clone)]
struct Bound {
    base: Base,
    key: Arc<Vec<u8>>,
    group: Option<mpsc::UnboundedSender<Waiting>>,
}

impl Base {
    async fn open() -> Self {
        let key = "PRIMARY KEY (source, id))";
        if let Ok(url) = std::env::var("PORTOLAN_DATABASE_URL") {
            let pool = sqlx::postgres::PgPoolOptions::new().max_connections(64).connect(&url).await.unwrap();
            sqlx::raw_sql(sqlx::AssertSqlSafe(format!("{TABLE} BYTEA NOT NULL, {key}"))).execute(&pool).await.unwrap();
            return Self::Postgres(pool);
        }
        let folder = std::env::var("PORTOLAN_DATA_DIR").unwrap();
        let options = SqliteConnectOptions::new()
            .filename(Path::new(&folder).join("bound.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("{TABLE} BLOB NOT NULL, {key}"))).execute(&pool).await.unwrap();
        Self::Sqlite(pool)
    }

    async fn one(&self, id: &str, body: &[u8]) {
        let sql = "INSERT INTO inbox VALUES ('bench', $1, $2) ON CONFLICT DO NOTHING";
        match self {
            Self::Sqlite(pool) => drop(sqlx::query(sql).bind(id).bind(body).execute(pool).await.unwrap()),
            Self::Postgres(pool) => drop(sqlx::query(sql).bind(id).bind(body).execute(pool).await.unwrap()),
        }
    }

    async fn many(&self, batch: &[Waiting]) {
        match self {
            Self::Sqlite(pool) => {
                let mut transaction = pool.begin().await.unwrap();
                for (id, body, _) in batch {
                    let sql = "INSERT INTO inbox VALUES ('bench', ?, ?) ON CONFLICT DO NOTHING";
                    sqlx::query(sql).bind(id).bind(&body[..]).execute(&mut *transaction).await.unwrap();
                }
                transaction.commit().await.unwrap();
            }
            Self::Postgres(pool) => {
                let ids: Vec<&str> = batch.iter().map(|(id, ..)| id.as_str()).collect();
                let bodies: Vec<&[u8]> = batch.iter().map(|(_, body, _)| &body[..]).collect();
                let sql = "INSERT INTO inbox SELECT 'bench', * FROM UNNEST($1::text[], $2::bytea[]) \
                           ON CONFLICT DO NOTHING";
                sqlx::query(sql).bind(ids).bind(bodies).execute(pool).await.unwrap();
            }
        }
    }
}

/// Serves until killed.
pub(crate) async fn serve(group: bool) {
    let base = Base::open().await;
    let key = Arc::new(standard_key(SECRET).unwrap());
    let (sender, receiver) = mpsc::unbounded_channel();
    let bound = Bound { base: base.clone(), key, group: group.then_some(sender) };
    let router = Router::new().route("/hook", post(hook)).with_state(bound);
    let listener = listen(0).await;
    println!("{} /hook", listener.local_addr().unwrap());
    let listener = axum::serve::ListenerExt::tap_io(listener, |socket| drop(socket.set_nodelay(true)));
    tokio::select! {
        () = write(base, receiver), if group => {}
        ended = axum::serve(listener, router) => ended.unwrap(),
    }
}

fn verified(key: &[u8], headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let (id, time) = (header("webhook-id")?, header("webhook-timestamp")?);
    let given = BASE64_STANDARD.decode(header("webhook-signature")?.strip_prefix("v1,")?).ok()?;
    let right = mac(Hash::Sha256, key, &[id.as_bytes(), b".", time.as_bytes(), b".", body]);
    (given == right).then(|| id.to_owned())
}

async fn hook(State(bound): State<Bound>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let Some(id) = verified(&bound.key, &headers, &body) else { return StatusCode::UNAUTHORIZED };
    match &bound.group {
        None => bound.base.one(&id, &body).await,
        Some(group) => {
            let (answer, answered) = oneshot::channel();
            group.send((id, body, answer)).unwrap();
            assert!(answered.await.unwrap());
        }
    }
    StatusCode::OK
}

/// Writes what waits, two batches at a time on a server.
async fn write(base: Base, mut receiver: mpsc::UnboundedReceiver<Waiting>) {
    let places = Arc::new(Semaphore::new(if matches!(base, Base::Sqlite(_)) { 1 } else { 2 }));
    let mut writers = tokio::task::JoinSet::new();
    loop {
        let place = Arc::clone(&places).acquire_owned().await.unwrap();
        let mut batch = Vec::new();
        if receiver.recv_many(&mut batch, 256).await == 0 {
            return;
        }
        let base = base.clone();
        writers.spawn(async move {
            base.many(&batch).await;
            drop(place);
            for (_, _, answer) in batch {
                let _ = answer.send(true);
            }
        });
        while writers.try_join_next().is_some() {}
    }
}
