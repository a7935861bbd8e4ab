//! The database is away while a run reads: nothing is lost, nothing doubled, and the log says where it went on.

use std::time::Duration;

use sea_orm::{ConnectionTrait, Database};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    acme::Acme,
    kill::{records, started},
};
use crate::support::{
    cluster::Cluster,
    database::{TestDatabase, on_postgres},
    process::{Server, token, until},
};

const THINGS: usize = 1_500;

/// Lets a run read while the database goes away now and then.
async fn through(database: &TestDatabase, more: &[(&str, &str)], faults: usize, fault: impl AsyncFn()) {
    let acme = Acme::start().await;
    acme.has(0..THINGS, "first", 0);
    let settings = acme.settings();
    let mut settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    settings.push(("PORTOLAN_JOBS_LEASE", "3s"));
    settings.extend(more);
    let server = Server::with(database, &settings).await;
    let admin = token(database, "admin");
    let (id, run) = started(&server, &admin).await;
    let status = "query($id: ID!) { node(id: $id) { ... on SyncRun { status error progress { pages seen added } } } }";
    let now = async || {
        // Looking takes the server's time, too.
        sleep(Duration::from_millis(200)).await;
        let reply = server.wire().await.ask(&admin, status, json!({ "id": run })).await.ok()?;
        let body: Value = serde_json::from_str(&reply.text).ok()?;
        Some(body["data"]["node"].clone()).filter(Value::is_object)
    };
    for nth in 1..=faults {
        // Well into it, and further each time.
        let pages = i64::try_from(nth * 30).unwrap();
        until("it has come so far", async || {
            now().await.filter(|run| run["progress"]["pages"].as_i64() >= Some(pages))
        })
        .await;
        fault().await;
    }
    let ended = until("the run is over", async || {
        now().await.filter(|run| run["status"] != "RUNNING" && run["status"] != "QUEUED")
    })
    .await;
    assert_eq!(ended["status"], "SUCCEEDED", "{ended}");
    assert_eq!(ended["progress"]["seen"], THINGS, "no page was counted twice");
    assert_eq!(ended["progress"]["added"], THINGS);
    let expected: Vec<_> = acme.things().into_iter().map(|(id, thing)| (id, thing.text)).collect();
    assert_eq!(records(&server, &admin, &id).await, expected);
    let lines = "query($id: ID!) { syncLogs(filter: { runId: $id }, first: 100) { nodes { step message } } }";
    let lines = server.ask(&admin, lines, json!({ "id": run })).await.data()["syncLogs"]["nodes"].clone();
    let again = lines.as_array().unwrap().iter().filter(|line| line["step"] == "resume").count();
    println!("{faults} faults, it was taken up again {again} times: {ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_the_database_that_crashes_costs_a_run_nothing() {
    if !on_postgres() {
        return;
    }
    let Some(cluster) = Cluster::start() else {
        println!("left out: the programs of PostgreSQL are not here");
        return;
    };
    let database = TestDatabase::on(cluster.url()).await;
    through(&database, &[], 3, async || cluster.crash()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_somebody_holds_for_long_costs_a_run_nothing() {
    if on_postgres() {
        return;
    }
    let database = TestDatabase::create().await;
    let file = format!("sqlite:{}", database.folder().join("portolan.db").display());
    let hold = async || {
        let db = Database::connect(&file).await.unwrap();
        // One connection of the pool, the only one that is asked.
        until("it is held", async || db.execute_unprepared("BEGIN IMMEDIATE").await.ok()).await;
        sleep(Duration::from_secs(2)).await;
        db.execute_unprepared("ROLLBACK").await.unwrap();
        db.close().await.unwrap();
    };
    through(&database, &[("PORTOLAN_DATABASE_BUSY_TIMEOUT", "300ms")], 3, hold).await;
}
