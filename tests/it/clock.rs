//! A clock that is wrong for a while does no harm: nothing is deleted by it, and what it planned for another year is
//! planned anew.
#![expect(clippy::disallowed_methods, reason = "tests look at all rows")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::TimeDelta;
use portolan::{
    app::{App, World},
    config::{Config, Flags},
    context::{ClockState, Cx, Hub, NewJob},
    domain::{
        audit,
        event::retain,
        health::watch,
        job::schedule::{self, NewSchedule},
        keyring::{HUB, secret},
        outbound::{
            destination::{self, NewDestination},
            route::{self, Reached},
        },
        tenant,
    },
    entity::{data_key, event_head, health, job, schedule as schedules, signing_key, webhook_delivery},
    event::Fact,
    http::serve::Drained,
    kernel::{
        chance::SystemChance,
        clock::{Clock, Moment, SystemClock},
        id::TenantId,
        rhythm::Rhythm,
    },
    worker::clock::ClockWatch,
};
use sea_orm::{ConnectionTrait, EntityTrait, Statement};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    health::connect,
    support::{
        TestHub,
        database::{TestDatabase, on_postgres},
        hub::get,
        log::Log,
        process::until,
        served::Served,
        wire::Wire,
    },
};

const JUMP: TimeDelta = TimeDelta::days(400);
const LEASE: Duration = Duration::from_mins(1);

/// The machine's clock, set wrongly by a span.
#[derive(Clone, Default)]
struct Offset(Arc<AtomicI64>);

impl Offset {
    fn set(&self, by: TimeDelta) {
        self.0.store(by.num_microseconds().unwrap(), Ordering::SeqCst);
    }
}

impl Clock for Offset {
    fn now(&self) -> Moment {
        SystemClock.now() + TimeDelta::microseconds(self.0.load(Ordering::SeqCst))
    }
}

/// A node with all its workers, and a clock of its own.
struct Node {
    app: Arc<App>,
    clock: Offset,
    address: SocketAddr,
    stop: CancellationToken,
    serving: JoinSet<Drained>,
}

impl Node {
    async fn start(database: &TestDatabase, clock: Offset) -> Self {
        let mut settings = database.settings();
        settings.push(("PORTOLAN_ACCESS_AUDIT_RETENTION".to_owned(), "30d".to_owned()));
        let config = Config::load(&Flags::default(), settings, database.folder()).unwrap();
        let world = World { clock: Arc::new(clock.clone()), chance: Arc::new(SystemChance) };
        let app = Arc::new(App::start(&config, world).await.unwrap().0);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop, mut serving) = (listener.local_addr().unwrap(), CancellationToken::new(), JoinSet::new());
        let (served, stopped) = (Arc::clone(&app), stop.clone());
        serving.spawn(async move { served.serve(listener, stopped).await });
        Self { app, clock, address, stop, serving }
    }

    fn hub(&self) -> &Arc<Hub> {
        self.app.hub()
    }

    async fn readyz(&self) -> (u16, Value) {
        let reply = Wire::open(self.address).await.unwrap().get("/readyz").await.unwrap();
        (reply.status.as_u16(), reply.json())
    }

    async fn until_ready(&self) {
        until("the node is ready", async || (self.readyz().await.0 == 200).then_some(())).await;
    }

    async fn end(mut self) {
        self.stop.cancel();
        while self.serving.join_next().await.is_some() {}
        Arc::into_inner(self.app).unwrap().close().await;
    }
}

#[derive(Serialize)]
struct Happened {
    number: usize,
}

impl Fact for Happened {
    const TOPIC: &'static str = "integration";

    fn kind(&self) -> &'static str {
        "integration.updated"
    }

    fn subject(&self) -> String {
        "subject".to_owned()
    }
}

async fn happens(cx: &Cx, number: usize) {
    cx.write(async |txn| {
        txn.emit(&Happened { number })?;
        txn.audit(portolan::context::Audit::new("test.happened", "subject"))
    })
    .await
    .unwrap();
}

async fn count(hub: &Hub, table: &str) -> i64 {
    let db = hub.database.reader();
    let asked = Statement::from_string(db.get_database_backend(), format!("SELECT COUNT(*) FROM {table}"));
    db.query_one_raw(asked).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}

/// What a clock that is ahead would take away or replace.
async fn kept(hub: &Hub) -> Vec<i64> {
    let mut counts = Vec::new();
    for table in ["audit_entries", "events", "data_keys", "signing_keys", "secrets"] {
        counts.push(count(hub, table).await);
    }
    counts
}

/// The next ticks of the hub's own work.
async fn own_ticks(hub: &Hub) -> Vec<Moment> {
    let rows = schedules::of(HUB).all(hub.database.reader()).await.unwrap();
    rows.into_iter().filter_map(|row| row.next_at).collect()
}

async fn seal(hub: &Arc<Hub>, tenant: TenantId) {
    let cx = Cx::system(Arc::clone(hub), "test", tenant);
    cx.write(async |txn| secret::put(txn, tenant, "owner", "name", &"secret".to_owned().into()).await).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_clock_jumps_does_nothing_because_of_the_time_and_is_not_ready() {
    if !on_postgres() {
        return;
    }
    let database = TestDatabase::with_tables().await;
    let one = Node::start(&database, Offset::default()).await;
    let two = Node::start(&database, Offset::default()).await;
    one.until_ready().await;
    two.until_ready().await;
    let hub = two.hub();
    let home = tenant::named(hub, "default").await.unwrap();
    let cx = Cx::system(Arc::clone(hub), "test", home.id);
    for number in 0..5 {
        happens(&cx, number).await;
    }
    seal(hub, home.id).await;
    audit::sign(hub).await.unwrap();
    until("the hub's own work is planned", async || {
        (own_ticks(hub).await.len() == 2 && count(hub, "outbox").await == 0).then_some(())
    })
    .await;
    let before = kept(hub).await;

    one.clock.set(JUMP);
    let (status, said) = one.readyz().await;
    assert_eq!((status, &said["ready"], &said["clock"]), (503, &json!(false), &json!("wrong")));
    assert!((said["clockDeviationMs"].as_i64().unwrap() - JUMP.num_milliseconds()).abs() < 10_000, "{said}");
    let (status, said) = two.readyz().await;
    assert_eq!((status, &said["clock"]), (200, &json!("ok")));
    // Its workers look once a second, and its chores whenever they are kicked.
    for _ in 0..30 {
        one.hub().chores.notify_waiters();
        one.hub().jobs.notify_one();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(kept(hub).await, before);
    let latest = hub.clock.now() + TimeDelta::hours(25);
    assert!(own_ticks(hub).await.iter().all(|next| *next < latest));

    one.clock.set(TimeDelta::zero());
    one.until_ready().await;
    assert_eq!(one.readyz().await.1["clock"], "ok");
    one.clock.set(-JUMP);
    assert_eq!(one.readyz().await.1["clock"], "wrong");
    one.clock.set(TimeDelta::zero());
    assert_eq!(kept(hub).await, before);
    one.end().await;
    two.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_starts_with_a_wrong_clock_does_nothing_because_of_the_time() {
    if !on_postgres() {
        return;
    }
    let database = TestDatabase::with_tables().await;
    let wrong = Offset::default();
    wrong.set(JUMP);
    let node = Node::start(&database, wrong).await;
    let (hub, clock) = (Arc::clone(node.hub()), node.clock.clone());
    until("the clock was compared", async || (node.readyz().await.1["clockDeviationMs"] != 0).then_some(())).await;
    assert_eq!(node.readyz().await.0, 503);
    for _ in 0..20 {
        hub.chores.notify_waiters();
        hub.jobs.notify_one();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!((count(&hub, "jobs").await, own_ticks(&hub).await), (0, Vec::new()));
    clock.set(TimeDelta::zero());
    node.until_ready().await;
    let latest = SystemClock.now() + TimeDelta::hours(25);
    until("the hub's own work is planned by the right one", async || {
        let ticks = own_ticks(&hub).await;
        (ticks.len() == 2 && ticks.iter().all(|next| *next < latest)).then_some(())
    })
    .await;
    drop(hub);
    node.end().await;
}

#[tokio::test]
async fn what_a_wrong_clock_planned_for_another_year_is_planned_anew() {
    let (log, _guard) = Log::capture();
    let hub = TestHub::start().await;
    let (shared, cx) = (Arc::clone(hub.app.hub()), hub.cx());
    let every = Rhythm::every(900, 0).unwrap();
    let daily = Rhythm::cron("0 2 * * *", "Asia/Dubai", cx.now()).unwrap();
    let work = || NewJob::recorded("test.nothing".to_owned(), json!({}), 3);
    for (key, rhythm) in [("every", &every), ("daily", &daily)] {
        let new = NewSchedule { key: key.to_owned(), rhythm: rhythm.clone(), work: work(), first: Some(cx.now()) };
        cx.write(async |txn| schedule::set(txn, &new).await).await.unwrap();
    }
    connect(&hub, "stripe", "one").await;
    let new = NewDestination {
        name: "destination".to_owned(),
        url: "https://sink.example.com/".to_owned(),
        events: vec!["integration.updated".to_owned()],
        filter: None,
        with_key: false,
    };
    destination::create(&cx, new, None).await.unwrap();

    // Nobody looks after the clock.
    hub.clock.set(JUMP);
    schedule::tick(&shared).await.unwrap();
    watch::adopt(&shared).await.unwrap();
    cx.write(async |txn| txn.enqueue(work().unique("later").after(TimeDelta::seconds(90)))).await.unwrap();
    happens(&cx, 1).await;
    hub.number_events().await;
    route::route(&shared, &mut Reached::default()).await.unwrap();
    let acme = hub.another_tenant("acme").await;
    seal(&shared, acme.id).await;
    let running = portolan::domain::job::queue::take(&shared, "test.nothing", 1, "holder", TimeDelta::seconds(60));
    assert_eq!(running.await.unwrap().len(), 1);
    hub.clock.set(-JUMP);
    let now = hub.clock.now();
    assert!(schedule::next(&shared).await.unwrap().unwrap() > now + TimeDelta::days(300), "it stands in another year");

    ClockWatch::new(Arc::clone(&shared), LEASE).turn().await.unwrap();
    let db = shared.database.reader();
    for row in schedules::of(hub.tenant.id).all(db).await.unwrap() {
        let next = row.next_at.unwrap();
        let longest = if row.key == "every" { TimeDelta::seconds(900) } else { TimeDelta::days(1) };
        assert!(next > now && next <= now + longest, "{}: {next}", row.key);
    }
    for row in job::Entity::find().all(db).await.unwrap() {
        let runs = row.state == job::State::Running;
        assert!(runs || row.run_at <= now + TimeDelta::seconds(90), "{row:?}");
        assert!(row.leased_until.is_none_or(|until| until <= now + TimeDelta::seconds(60)), "{row:?}");
        if row.unique_key.as_deref() == Some("later") {
            assert_eq!(row.run_at, now + TimeDelta::seconds(90), "it still waits");
        }
    }
    assert!(health::Entity::find().all(db).await.unwrap().iter().all(|row| row.next_at <= now));
    let deliveries = webhook_delivery::Entity::find().all(db).await.unwrap();
    assert!(!deliveries.is_empty() && deliveries.iter().all(|row| row.next_at <= now), "{deliveries:?}");
    assert!(data_key::Entity::find().all(db).await.unwrap().iter().all(|row| row.created_at <= now));
    assert!(signing_key::Entity::find().all(db).await.unwrap().iter().all(|row| row.signs_from <= now));
    assert_eq!(log.with("a tick was planned too far ahead").len(), 2);
    assert_eq!(log.with("times that a wrong clock had written were set right").len(), 1);
}

#[tokio::test]
async fn what_is_planned_within_its_period_stays_for_clocks_that_are_a_little_apart_too() {
    let (log, _guard) = Log::capture();
    let hub = TestHub::start().await;
    let (shared, cx) = (Arc::clone(hub.app.hub()), hub.cx());
    let work = || NewJob::recorded("test.nothing".to_owned(), json!({}), 3);
    let rhythms = [
        ("minute", Rhythm::cron("* * * * *", "UTC", cx.now()).unwrap()),
        ("second", Rhythm::every(1, 0).unwrap()),
        ("day", Rhythm::every(86_400, 0).unwrap()),
        ("year", Rhythm::cron("0 0 1 1 *", "UTC", cx.now()).unwrap()),
    ];
    for (key, rhythm) in rhythms {
        let new = NewSchedule { key: key.to_owned(), rhythm, work: work(), first: Some(cx.now()) };
        cx.write(async |txn| schedule::set(txn, &new).await).await.unwrap();
    }
    connect(&hub, "stripe", "one").await;
    watch::adopt(&shared).await.unwrap();
    cx.write(async |txn| txn.enqueue(work().after(TimeDelta::days(3)))).await.unwrap();
    schedule::tick(&shared).await.unwrap();
    let planned = own_rows(&shared, hub.tenant.id).await;
    // The other node is half a minute behind.
    hub.clock.set(TimeDelta::seconds(-29));
    ClockWatch::new(Arc::clone(&shared), LEASE).turn().await.unwrap();
    assert_eq!(own_rows(&shared, hub.tenant.id).await, planned);
    assert!(log.with("planned").is_empty(), "{:?}", log.with("planned"));
}

async fn own_rows(hub: &Hub, tenant: TenantId) -> (Vec<Option<Moment>>, Vec<Moment>) {
    let db = hub.database.reader();
    let mut ticks = schedules::of(tenant).all(db).await.unwrap();
    ticks.sort_by_key(|row| row.id);
    let mut jobs = job::of(tenant).all(db).await.unwrap();
    jobs.sort_by_key(|row| row.id);
    (ticks.into_iter().map(|row| row.next_at).collect(), jobs.into_iter().map(|row| row.run_at).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_set_deletes_nothing_and_its_ticks_come_back_with_it() {
    let hub = Served::with(&[("PORTOLAN_ACCESS_AUDIT_RETENTION", "30d")]).await;
    let shared = Arc::clone(hub.app.hub());
    for number in 0..5 {
        happens(&hub.cx(), number).await;
    }
    seal(&shared, hub.tenant.id).await;
    audit::sign(&shared).await.unwrap();
    until("the hub's own work is planned", async || {
        (own_ticks(&shared).await.len() == 2 && shared.clock_guard.state() == ClockState::Reliable).then_some(())
    })
    .await;
    // Its first ticks begin some minutes later.
    let done = async || {
        hub.clock.advance(TimeDelta::minutes(11));
        until("the hub's own work is done", async || {
            shared.jobs.notify_one();
            (count(&shared, "jobs").await == 0 && (count(&shared, "outbox").await == 0)).then_some(())
        })
        .await;
    };
    done().await;
    let before = kept(&shared).await;

    hub.clock.set(JUMP);
    let said = hub.send(get("/readyz")).await;
    assert_eq!((said.status.as_u16(), &said.json()["clock"]), (200, &json!("unconfirmed")));
    let far = hub.clock.now() - TimeDelta::days(1);
    until("the ticks of the other year are over", async || {
        shared.chores.notify_waiters();
        own_ticks(&shared).await.iter().all(|next| *next > far).then_some(())
    })
    .await;
    done().await;
    assert_eq!(kept(&shared).await, before);

    hub.clock.set(-JUMP);
    let latest = hub.clock.now() + TimeDelta::hours(25);
    until("the ticks are of this year", async || {
        own_ticks(&shared).await.iter().all(|next| *next < latest).then_some(())
    })
    .await;
    assert_eq!(hub.send(get("/readyz")).await.json()["clock"], "ok");
    assert_eq!(kept(&shared).await, before);
}

#[tokio::test]
async fn an_event_of_a_wrong_clock_goes_with_those_around_it_and_no_sooner() {
    let hub = TestHub::start().await;
    let (shared, cx) = (Arc::clone(hub.app.hub()), hub.cx());
    let oldest = async || {
        hub.number_events().await;
        retain(Arc::clone(&shared)).await.unwrap();
        let head = event_head::of(hub.tenant.id).one(shared.database.reader()).await.unwrap().unwrap();
        head.number - head.oldest + 1
    };
    hub.clock.advance(TimeDelta::days(8));
    hub.clock.set(JUMP);
    happens(&cx, 1).await;
    hub.clock.set(-JUMP);
    happens(&cx, 2).await;
    happens(&cx, 3).await;
    assert_eq!(oldest().await, 3, "it is as young as what came after it");
    hub.clock.advance(TimeDelta::days(8));
    happens(&cx, 4).await;
    assert_eq!(oldest().await, 1, "and goes with it");
}
