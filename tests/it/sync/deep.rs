//! Page ten thousand of a list costs what page one costs.

use std::time::{Duration, Instant};

use portolan::{
    domain::{
        health::list::{self, HISTORY, HistoryPage},
        sync::{log, record},
    },
    kernel::{cursor::Cursor, page::PageArgs},
    worker::prober::Prober,
};
use sea_orm::{ConnectionTrait, Statement};

use super::{acme::Acme, connected, well};
use crate::support::{TestHub, bulk::copy};

/// Rows of a page, and the page that is compared with the first.
const SIZE: u32 = 10;
const PAGE: u64 = 10_000;

/// The quickest of many: what the machine does besides only ever adds.
async fn quickest(work: impl AsyncFn()) -> Duration {
    let mut quickest = Duration::MAX;
    for _ in 0..25 {
        let began = Instant::now();
        work().await;
        quickest = quickest.min(began.elapsed());
    }
    quickest
}

fn page(after: Option<Cursor>) -> PageArgs {
    PageArgs { after, before: None, size: SIZE, backward: false }
}

/// The key of the last row before that page, in the order of the list.
async fn before_page(hub: &TestHub, sql: &str) -> sea_orm::QueryResult {
    let db = hub.app.hub().database.reader();
    let sql = format!("{sql} LIMIT 1 OFFSET {}", (PAGE - 1) * u64::from(SIZE) - 1);
    db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn page_ten_thousand_of_lines_checks_and_records_costs_what_page_one_costs() {
    let acme = Acme::start().await;
    acme.has(0..3, "first", 0);
    let (hub, integration) = connected(&acme).await;
    well(&hub, integration.id, "things").await;
    Prober::new(hub.app.hub().clone()).settle().await.unwrap();
    let many = PAGE * u64::from(SIZE) + 100;
    copy(&hub, "sync_logs", many, &[("id", "{id}")]).await;
    copy(&hub, "health_checks", many, &[("id", "{id}")]).await;
    copy(&hub, "records", many, &[("external_id", "'copy ' || {n}"), ("change_number", "{n} + 1000")]).await;
    let db = hub.app.hub().database.writer();
    db.execute_unprepared("ANALYZE").await.unwrap();

    let (cx, id) = (hub.cx(), integration.id);
    let row = record::row_of(&cx, id, "things").await.unwrap();
    let key = before_page(&hub, "SELECT id FROM sync_logs ORDER BY id DESC").await;
    let line = Cursor::encode("sync log", &key.try_get_by_index::<uuid::Uuid>(0).unwrap()).unwrap();
    let key = before_page(&hub, "SELECT id FROM health_checks ORDER BY id DESC").await;
    let check = Cursor::encode(HISTORY, &key.try_get_by_index::<uuid::Uuid>(0).unwrap()).unwrap();
    let key = before_page(&hub, "SELECT change_number FROM records ORDER BY change_number").await;
    let change = Cursor::encode("records", &key.try_get_by_index::<i64>(0).unwrap()).unwrap();

    let lines = async |filter: &log::LogFilter, after: Option<Cursor>| {
        let found = log::list(&cx, filter, &page(after)).await.unwrap();
        assert_eq!(found.rows.len(), SIZE as usize);
    };
    let checks = async |after: Option<Cursor>| {
        let wanted = HistoryPage::new(id, &page(after));
        let found = list::history(&cx, std::slice::from_ref(&wanted)).await.unwrap();
        assert_eq!(found[&wanted].rows.len(), SIZE as usize);
    };
    let records = async |after: Option<Cursor>| {
        let filter = record::RecordFilter::default();
        let found = record::list(&cx, row.as_ref(), &filter, &page(after)).await.unwrap();
        assert_eq!(found.rows.len(), SIZE as usize);
    };
    let all = log::LogFilter::default();
    let own = log::LogFilter { integration: Some(id), ..log::LogFilter::default() };
    let costs = [
        (
            "lines",
            quickest(async || lines(&all, None).await).await,
            quickest(async || lines(&all, Some(line.clone())).await).await,
        ),
        (
            "lines of an integration",
            quickest(async || lines(&own, None).await).await,
            quickest(async || lines(&own, Some(line.clone())).await).await,
        ),
        (
            "checks",
            quickest(async || checks(None).await).await,
            quickest(async || checks(Some(check.clone())).await).await,
        ),
        (
            "records",
            quickest(async || records(None).await).await,
            quickest(async || records(Some(change.clone())).await).await,
        ),
    ];
    for (name, first, deep) in costs {
        println!("{name}: page 1 in {first:?}, page {PAGE} in {deep:?}");
    }
    for (name, first, deep) in costs {
        assert!(deep < first * 3 + Duration::from_millis(2), "{name}: page 1 in {first:?}, page {PAGE} in {deep:?}");
    }
}
