//! The least a server can do: an outbox that is written and marked many rows at a time, and 64 signed calls under way.

use std::net::SocketAddr;

use bytes::Bytes;
use chrono::SecondsFormat;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use portolan::{
    kernel::clock::{Clock, SystemClock},
    provider::webhook::standard::Signer,
};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement, Value};
use serde_json::json;
use tokio::task::JoinSet;

use crate::server::ready;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Changes of one commit, calls under way, and marks of one commit.
const TOGETHER: usize = 32;
const AT_ONCE: usize = 64;
const MARKS: usize = 64;

async fn open() -> DatabaseConnection {
    let url = std::env::var("PORTOLAN_DATABASE_URL")
        .unwrap_or_else(|_| format!("sqlite://{}/bound.db?mode=rwc", std::env::var("PORTOLAN_DATA_DIR").unwrap()));
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    let db = Database::connect(options).await.unwrap();
    if db.get_database_backend() == DbBackend::Sqlite {
        db.execute_unprepared("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL").await.unwrap();
    }
    db
}

/// Makes the changes and sends them until killed.
pub(crate) async fn serve(sink: SocketAddr, destinations: usize, changes: usize) {
    let (writer, sender) = (open().await, open().await);
    let table = "CREATE TABLE outbox \
                 (id BIGINT PRIMARY KEY, destination BIGINT NOT NULL, body TEXT NOT NULL, done INT NOT NULL)";
    writer.execute_unprepared(table).await.unwrap();
    ready();
    tokio::join!(write(writer, destinations, changes), send(sender, sink));
}

async fn write(db: DatabaseConnection, destinations: usize, changes: usize) {
    let mut id = 0_i64;
    for first in (0..changes).step_by(TOGETHER) {
        let mut values: Vec<Value> = Vec::new();
        let mut rows = Vec::new();
        for number in first..changes.min(first + TOGETHER) {
            let body = json!({
                "type": "integration.updated",
                "timestamp": SystemClock.now().to_rfc3339_opts(SecondsFormat::Micros, true),
                "data": {
                    "subject": format!("int_{number}"), "number": number,
                    "text": "the tea of this shop is out of stock until next week, we are sorry",
                },
            })
            .to_string();
            for destination in 0..destinations {
                id += 1;
                let at = values.len();
                rows.push(format!("(${}, ${}, ${}, 0)", at + 1, at + 2, at + 3));
                values.extend::<[Value; 3]>([
                    id.into(),
                    i64::try_from(destination).unwrap().into(),
                    body.clone().into(),
                ]);
            }
        }
        let sql = format!("INSERT INTO outbox (id, destination, body, done) VALUES {}", rows.join(", "));
        let insert = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
        db.execute_raw(insert).await.unwrap();
    }
}

async fn send(db: DatabaseConnection, sink: SocketAddr) {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(AT_ONCE).build(connector);
    let mut running = JoinSet::new();
    let (mut last, mut done) = (0_i64, Vec::<i64>::new());
    loop {
        let sql = "SELECT id, destination, body FROM outbox WHERE id > $1 ORDER BY id LIMIT 256";
        let select = Statement::from_sql_and_values(db.get_database_backend(), sql, [last.into()]);
        let rows = db.query_all_raw(select).await.unwrap();
        let nothing = rows.is_empty();
        for row in rows {
            let (id, destination): (i64, i64) = (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap());
            let body: String = row.try_get_by_index(2).unwrap();
            last = id;
            if running.len() >= AT_ONCE {
                done.push(running.join_next().await.unwrap().unwrap());
            }
            let client = client.clone();
            running.spawn(async move {
                call(&client, &format!("http://{sink}/{destination}"), id, body).await;
                id
            });
            if done.len() >= MARKS {
                mark(&db, &mut done).await;
            }
        }
        if nothing {
            while let Some(ended) = running.join_next().await {
                done.push(ended.unwrap());
            }
            mark(&db, &mut done).await;
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
}

async fn call(client: &Client<HttpConnector, Full<Bytes>>, url: &str, id: i64, body: String) {
    let signer = Signer::new(&[SECRET.to_owned().into()], &[]).unwrap();
    let (id, second) = (format!("msg_{id}"), SystemClock.now().timestamp());
    let request = Request::post(url)
        .header("content-type", "application/json")
        .header("webhook-signature", signer.sign(&id, second, body.as_bytes()))
        .header("webhook-id", id)
        .header("webhook-timestamp", second)
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let answer = client.request(request).await.unwrap();
    assert!(answer.status().is_success());
    answer.into_body().collect().await.unwrap();
}

async fn mark(db: &DatabaseConnection, done: &mut Vec<i64>) {
    if done.is_empty() {
        return;
    }
    let gaps: Vec<_> = (1..=done.len()).map(|at| format!("${at}")).collect();
    let sql = format!("UPDATE outbox SET done = 1 WHERE id IN ({})", gaps.join(", "));
    let values = done.drain(..).map(Value::from);
    db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).await.unwrap();
}
