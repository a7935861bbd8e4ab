//! A PostgreSQL server whose disk is full, or that only reads.

use axum::http::StatusCode;
use sea_orm::{ConnectionTrait, Database};

use super::{Known, UNLIMITED, readiness};
use crate::support::{
    cluster::Cluster,
    database::{TestDatabase, on_postgres},
    faulty_disk::FaultyDisk,
    process::{Server, token, until},
};

async fn ready_again(server: &Server) {
    until("the server is ready again", async || {
        readiness(server).await.is_some_and(|(status, _)| status == StatusCode::OK).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_of_postgresql_refuses_writes_by_code_and_turns_readiness_red() {
    if !on_postgres() {
        return;
    }
    // Tables grow there; the write-ahead log, without which PostgreSQL ends at once, has room.
    let Some(disk) = FaultyDisk::over("/base/") else {
        println!("left out: there is no C compiler");
        return;
    };
    let Some(cluster) = Cluster::with(&disk.environment()) else {
        println!("left out: PostgreSQL's programs are not here");
        return;
    };
    let database = TestDatabase::on(cluster.url()).await;
    let mut server = Server::with(&database, &[UNLIMITED, ("PORTOLAN_LOG_LEVEL", "error")]).await;
    let admin = token(&database, "admin");
    let mut known = Known::default();
    disk.fill();
    let mut count = 0;
    while known.refused.len() < 10 {
        count += 1;
        assert!(count < 10_000, "the disk was never full");
        known.make(&server, &admin, &format!("full {count}")).await;
    }
    let (status, ready) = readiness(&server).await.unwrap();
    assert_eq!((status, &ready["storage"]), (StatusCode::SERVICE_UNAVAILABLE, &"failing".into()), "{ready}");
    disk.repair();
    ready_again(&server).await;
    for count in 0..100 {
        assert!(known.make(&server, &admin, &format!("after {count}")).await);
    }
    server.kill9();
    server.again().await;
    known.agrees(&server, &admin).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_that_only_reads_refuses_writes_by_code_and_turns_readiness_red() {
    if !on_postgres() {
        return;
    }
    let database = TestDatabase::create().await;
    let server = Server::with(&database, &[UNLIMITED]).await;
    let admin = token(&database, "admin");
    let mut known = Known::default();
    assert!(known.make(&server, &admin, "before").await);
    let url = database.url().unwrap();
    let name = url.rsplit('/').next().unwrap();
    // In another database of the server, as this one's connections are ended.
    let operator = Database::connect(std::env::var("TEST_POSTGRES_URL").unwrap()).await.unwrap();
    // Counts for connections that are opened from now on, so those that are open are ended.
    let others = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' \
                          AND pid <> pg_backend_pid()"
    );
    for (reads_only, stored) in [("on", false), ("off", true)] {
        let told = format!("ALTER DATABASE {name} SET default_transaction_read_only = {reads_only}");
        operator.execute_unprepared(&told).await.unwrap();
        operator.execute_unprepared(&others).await.unwrap();
        let mut count = 0;
        until("writes are refused, or stored again", async || {
            count += 1;
            let made = known.make(&server, &admin, &format!("{reads_only} {count}")).await;
            (made == stored).then_some(())
        })
        .await;
        if stored {
            ready_again(&server).await;
        } else {
            until("readiness is red because of the storage", async || {
                let (status, ready) = readiness(&server).await?;
                (status == StatusCode::SERVICE_UNAVAILABLE && ready["storage"] == "failing").then_some(())
            })
            .await;
        }
    }
    operator.close().await.unwrap();
    known.agrees(&server, &admin).await;
}
