//! Orders by the hundred thousand: a page costs the same wherever it is, and nothing is found by going through all.
//!
//! The short form looks at how the statements would be carried out; the long one (`TEST_LONG=1`) has a million orders,
//! where going through them would show. Times are compared with one another and never with a clock.

use std::{
    env,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use portolan::{
    domain::order::list::{self, OrderBy, OrderFilter},
    entity::{order_reference, partner_update},
    kernel::{cursor::Cursor, page::PageArgs},
};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, QueryTrait, Statement, TransactionTrait};
use uuid::Uuid;

use super::Partners;
use crate::support::{bulk::copy, hub::beginning};

/// Ways that no page goes.
const DEAR: [&str; 4] = ["seqscan", "bitmapscan", "sort", "incremental_sort"];

/// Rows of a page.
const SIZE: u32 = 10;

/// What one does not see of a connection: the statements that were sent by it.
struct Watched {
    db: DatabaseConnection,
    sent: Arc<Mutex<Vec<Statement>>>,
}

impl Watched {
    async fn of(world: &Partners) -> Self {
        let file = world.hub.database.folder().join("portolan.db");
        let url = world.hub.database.url().unwrap_or_else(|| format!("sqlite://{}?mode=ro", file.display()));
        let mut db = Database::connect(url).await.unwrap();
        let sent = Arc::<Mutex<Vec<Statement>>>::default();
        let kept = Arc::clone(&sent);
        db.set_metric_callback(move |info| kept.lock().unwrap().push(info.statement.clone()));
        Self { db, sent }
    }

    /// How a statement would be carried out where that is possible without these ways, such as sorting or going through a
    /// whole table. A server with few rows would go them; it is told that they are dear.
    async fn plan(&self, statement: Statement, dear: &[&str]) -> String {
        let rows = if self.db.get_database_backend() == DbBackend::Postgres {
            let own = self.db.begin().await.unwrap();
            for way in dear {
                own.execute_unprepared(&format!("SET LOCAL enable_{way} = off")).await.unwrap();
            }
            let explained = Statement { sql: format!("EXPLAIN {}", statement.sql), ..statement };
            own.query_all_raw(explained).await.unwrap()
        } else {
            let explained = Statement { sql: format!("EXPLAIN QUERY PLAN {}", statement.sql), ..statement };
            self.db.query_all_raw(explained).await.unwrap()
        };
        let column = if self.db.get_database_backend() == DbBackend::Postgres { "QUERY PLAN" } else { "detail" };
        let steps: Vec<String> = rows.iter().map(|row| row.try_get("", column).unwrap()).collect();
        steps.join("; ")
    }

    /// The plans of what was sent since the last time.
    async fn plans(&self, dear: &[&str]) -> Vec<String> {
        let sent = std::mem::take(&mut *self.sent.lock().unwrap());
        let mut plans = Vec::new();
        for statement in sent {
            plans.push(self.plan(statement, dear).await);
        }
        self.sent.lock().unwrap().clear();
        plans
    }
}

/// An id as it stands in a statement.
fn literal(backend: DbBackend, id: Uuid) -> String {
    match backend {
        DbBackend::Postgres => format!("'{id}'::uuid"),
        _ => format!("x'{}'", id.simple()),
    }
}

/// Many orders of two partners: one in ten is of the first. Each was changed last in a second of its own.
async fn orders(world: &Partners, many: u64) -> OrderFilter {
    let (organization, integration) = world.partner("one").await;
    let (other, by_other) = world.partner("two").await;
    world.order(integration, "A").await;
    let backend = world.hub.app.hub().database.backend();
    let either = |one: Uuid, other: Uuid| {
        format!("CASE WHEN {{n}} % 10 = 0 THEN {} ELSE {} END", literal(backend, one), literal(backend, other))
    };
    let second = format!("((CAST({{n}} AS BIGINT) * 7919) % {many})");
    let base = beginning().format("%Y-%m-%d %H:%M:%S");
    let changed = match backend {
        DbBackend::Postgres => format!("'{base}+00'::timestamptz + {second} * interval '1 second'"),
        _ => format!("strftime('%Y-%m-%dT%H:%M:%S+00:00', '{base}', '+' || {second} || ' seconds')"),
    };
    let status = "CASE WHEN {n} % 25 = 0 THEN 'cancelled' WHEN {n} % 2 = 0 THEN 'new' ELSE 'approved' END";
    let (organizations, integrations) =
        (either(organization.uuid(), other.uuid()), either(integration.uuid(), by_other.uuid()));
    let columns = [
        ("id", "{id}"),
        ("number", "{n} + 1"),
        ("status", status),
        ("partner_organization_id", organizations.as_str()),
        ("partner_integration_id", integrations.as_str()),
        ("updated_at", changed.as_str()),
    ];
    copy(&world.hub, "orders", many, &columns).await;
    let called =
        [("order_id", "{id}"), ("kind", "'partner_order_id'"), ("value", "'copy ' || {n}"), ("identifies", "TRUE")];
    copy(&world.hub, "order_references", many, &called).await;
    OrderFilter { partner: Some(organization), integration: Some(integration), ..OrderFilter::default() }
}

/// Lets the server count. A file is as it is at its owner's, where nobody lets it count.
async fn counted(world: &Partners) {
    let db = world.hub.app.hub().database.writer();
    if db.get_database_backend() == DbBackend::Postgres {
        db.execute_unprepared("ANALYZE").await.unwrap();
    }
}

/// The cursor that stands behind so many parts of a thousand, in the order of the list.
fn cursor(order: OrderBy, many: u64, part: u64) -> Cursor {
    let descending = matches!(order, OrderBy::CreatedDescending | OrderBy::UpdatedDescending);
    let part = if descending { 1_000 - part } else { part };
    let at = many * part / 1_000;
    let changed = (beginning() + TimeDelta::seconds(i64::try_from(at).unwrap()), Uuid::nil());
    let id = Uuid::from_u128(0x0100_0000_0000_7000_8000_0000_0000_0000 + u128::from(at));
    match order {
        OrderBy::Created => Cursor::encode("orders", &id),
        OrderBy::CreatedDescending => Cursor::encode("orders newest", &id),
        OrderBy::Updated => Cursor::encode("orders changed", &changed),
        OrderBy::UpdatedDescending => Cursor::encode("orders changed last", &changed),
    }
    .unwrap()
}

/// Whether an index is entered at the cursor.
fn enters(order: OrderBy, plan: &str) -> bool {
    let by_id = matches!(order, OrderBy::Created | OrderBy::CreatedDescending);
    let key = if by_id { "id" } else { "updated_at" };
    let places = [format!("{key}>?"), format!("{key}<?"), format!("({key} >"), format!("({key} <")];
    let mut steps = plan.split("; ").filter(|step| !step.contains("Filter:"));
    steps.any(|step| places.iter().any(|place| step.contains(place.as_str())))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_orders_costs_the_same_at_the_start_in_the_middle_and_near_the_end() {
    let long = env::var_os("TEST_LONG").is_some_and(|value| value == "1");
    let (many, rounds) = if long { (1_000_000, 25) } else { (5_000, 9) };
    let world = Partners::start().await;
    let of = orders(&world, many).await;
    counted(&world).await;
    let (cx, watched) = (world.hub.cx(), Watched::of(&world).await);
    let all = OrderFilter::default();
    let with = |statuses: &[&str]| Some(statuses.iter().map(|status| (*status).to_owned()).collect());
    let filters = [
        ("all", all.clone()),
        ("one status", OrderFilter { statuses: with(&["new"]), ..all.clone() }),
        ("a rare status", OrderFilter { statuses: with(&["cancelled"]), ..all.clone() }),
        ("several statuses", OrderFilter { statuses: with(&["new", "cancelled"]), ..all.clone() }),
        ("a partner", OrderFilter { partner: of.partner, ..all.clone() }),
        ("an integration", OrderFilter { integration: of.integration, ..all.clone() }),
        ("a partner and a status", OrderFilter { partner: of.partner, statuses: with(&["new"]), ..all.clone() }),
    ];
    let mut failures = Vec::new();
    for order in [OrderBy::Created, OrderBy::CreatedDescending, OrderBy::Updated, OrderBy::UpdatedDescending] {
        for (name, filter) in &filters {
            let mut quickest = Vec::new();
            for part in [0, 500, 900] {
                let after = (part > 0).then(|| cursor(order, many, part));
                let args = PageArgs { after, before: None, size: SIZE, backward: false };
                let mut best = Duration::MAX;
                for _ in 0..rounds {
                    let began = Instant::now();
                    let page = list::read(&cx, &watched.db, filter, order, &args).await.unwrap();
                    best = best.min(began.elapsed());
                    assert_eq!(page.rows.len(), SIZE as usize, "{order:?}, {name}");
                }
                quickest.push(best);
                let mut plans = watched.plans(&DEAR).await;
                plans.dedup();
                for plan in plans {
                    let sorts = ["Sort", "TEMP B-TREE"].iter().any(|word| plan.contains(word));
                    let scans = ["Seq Scan", "SCAN orders"].iter().any(|word| plan.contains(word));
                    if sorts || scans || part > 0 && !enters(order, &plan) {
                        failures.push(format!("{order:?}, {name}, {part}: {plan}"));
                    }
                }
            }
            println!("{order:?}, {name}: {quickest:?}");
            // Of few rows the plans are what tells: a machine that is busy takes longer than any page.
            if long && quickest[1..].iter().any(|deep| *deep > quickest[0] * 3 + Duration::from_millis(2)) {
                failures.push(format!("{order:?}, {name}: {quickest:?}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    // By what identifies it, an order is looked up, and what there is of those is sorted.
    let called = |kind: Option<&str>| Some((kind.map(str::to_owned), "copy 77".to_owned()));
    let args = PageArgs { after: None, before: None, size: SIZE, backward: false };
    for filter in [
        OrderFilter { number: Some(78), ..all.clone() },
        OrderFilter { reference: called(None), ..all.clone() },
        OrderFilter { reference: called(Some("partner_order_id")), ..all.clone() },
        OrderFilter { reference: called(None), statuses: with(&["approved"]), ..all },
    ] {
        let page = list::read(&cx, &watched.db, &filter, OrderBy::Created, &args).await.unwrap();
        assert_eq!(page.rows.iter().map(|(_, row)| row.number).collect::<Vec<_>>(), [78], "{filter:?}");
        for plan in watched.plans(&["seqscan"]).await {
            let scans = ["Seq Scan", "SCAN order"].iter().any(|word| plan.contains(word));
            let by = ["orders_number", "order_references_"].iter().any(|index| plan.contains(index));
            assert!(by && !scans && !plan.contains("found (tenant_id=?)"), "{filter:?}: {plan}");
        }
    }
    watched.db.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_an_order_or_a_meaning_is_found_without_what_a_partner_ever_said() {
    let world = Partners::start().await;
    let (_, integration) = world.partner("one").await;
    world.order(integration, "A").await;
    world.says(integration, "A", "RECEIVED", 1).await;
    let state = "CASE WHEN {n} % 500 = 0 THEN 'WAITING' WHEN {n} % 501 = 0 THEN 'UNMAPPED' ELSE 'APPLIED' END";
    let changes =
        [("id", "{id}"), ("partner_order_id", "'copy ' || {n}"), ("dedupe_key", "'copy ' || {n}"), ("state", state)];
    copy(&world.hub, "partner_updates", 5_000, &changes).await;
    counted(&world).await;
    let (backend, watched) = (world.hub.app.hub().database.backend(), Watched::of(&world).await);
    let (tenant, now) = (world.hub.tenant.id, world.hub.cx().now());
    let called = order_reference::orders_called(tenant, Some("partner_order_id"), "A");
    for (statement, index) in [
        (partner_update::waiting_for(tenant, integration, "copy 500").build(backend), "partner_updates_waiting"),
        (partner_update::unmapped(tenant, integration, 200).build(backend), "partner_updates_unmapped"),
        (partner_update::same(tenant, integration, "copy 7").build(backend), "partner_updates_once"),
        (partner_update::forget(backend, now, 500), "partner_updates_settled"),
        (called.build(backend), "order_references_"),
    ] {
        let sql = statement.sql.clone();
        let plan = watched.plan(statement, &DEAR).await;
        let scans = ["Seq Scan", "SCAN partner_updates", "SCAN order_references"];
        assert!(plan.contains(index) && scans.iter().all(|scan| !plan.contains(scan)), "{sql}: {plan}");
    }
    let sent = partner_update::waiting_for(tenant, integration, "copy 500");
    assert_eq!(sent.all(&watched.db).await.unwrap().len(), 1);
    watched.db.close().await.unwrap();
}
