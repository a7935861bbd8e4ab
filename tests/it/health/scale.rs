//! How many integrations a node can look after. `TEST_LONG=1` asks ten thousand.

use std::{
    env, fs,
    time::{Duration, Instant},
};

use portolan::{
    app::{App, World},
    config::{Config, Flags},
    context::Cx,
    domain::tenant,
    worker::health::Prober,
};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::connect;
use crate::support::{
    TestHub,
    played::{Said, Scripted, settings},
};

/// Bytes of memory that this process has, and seconds that it has worked.
fn spent() -> (u64, f64) {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<_> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let ticks: u64 = fields.get(11..13).into_iter().flatten().filter_map(|field| field.parse::<u64>().ok()).sum();
    #[expect(clippy::cast_precision_loss, reason = "seconds of a test")]
    let seconds = ticks as f64 / 100.0;
    (memory.unwrap_or(0) * 1024, seconds)
}

/// The provider answers in this process, so that what is measured is all of it: both sides of each call.
#[tokio::test(flavor = "multi_thread")]
async fn every_integration_is_probed_within_its_interval() {
    let long = env::var("TEST_LONG").is_ok();
    let many: u64 = if long { 10_000 } else { 300 };
    let server =
        Scripted::start(|_| Said::json(200, &json!({ "object": "balance", "available": [], "livemode": false }))).await;
    let of = settings(server.address);
    let of: Vec<_> = of.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let hub = TestHub::with(&of).await;
    let first = connect(&hub, "stripe", "the first").await;
    copy(&hub, many).await;
    let mut environment = hub.database.settings();
    environment.extend(settings(server.address));
    let config = Config::load(&Flags::default(), environment, hub.database.folder()).unwrap();
    // Another program on the same database, with the machine's clock.
    let app = App::open(&config, World::default()).await.unwrap();
    let home = tenant::named(app.hub(), "default").await.unwrap();
    let cx = Cx::system(app.hub().clone(), "test", home.id);
    let (before, began) = (spent(), Instant::now());
    let stop = CancellationToken::new();
    let prober = tokio::spawn(Prober::new(app.hub().clone()).run(stop.clone()));
    let healthy = async || portolan::domain::health::list::overview(&cx).await.unwrap().healthy;
    let limit = Duration::from_secs(if long { 60 } else { 90 });
    let (mut top, mut done) = (0, 0);
    while done < i64::try_from(many).unwrap() && began.elapsed() < limit {
        tokio::time::sleep(Duration::from_millis(50)).await;
        (top, done) = (top.max(spent().0), healthy().await);
    }
    let took = began.elapsed().as_secs_f64();
    let worked = spent().1 - before.1;
    stop.cancel();
    prober.await.unwrap();
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = done as f64 / took;
    println!(
        "{done} of {many} integrations probed in {took:.1} s: {rate:.0} a second, {worked:.1} s of processor, {} MiB at most, {} MiB before",
        top >> 20,
        before.0 >> 20,
    );
    assert_eq!(done, i64::try_from(many).unwrap(), "within {limit:?}; the first is {first}");
    app.close().await;
}

/// Makes more integrations of one: the rows of the same key under ids of their own.
async fn copy(hub: &TestHub, many: u64) {
    use portolan::{
        context::Cx,
        domain::credential::given::Given,
        domain::integration::create::{self, NewIntegration},
    };
    let cx: Cx = hub.cx();
    let key = || Given::ApiKey { key: crate::support::played::example("stripe", "api_key").into(), prefix: None };
    let mut left = many - 1;
    while left > 0 {
        let at_once = left.min(16);
        let made = (0..at_once).map(|_| {
            let new = NewIntegration {
                provider: "stripe".to_owned(),
                name: Some("one of many".to_owned()),
                skip_test: true,
                ..NewIntegration::default()
            };
            create::create(&cx, new, Some(key()), None)
        });
        for outcome in futures_util::future::join_all(made).await {
            outcome.unwrap();
        }
        left -= at_once;
    }
    // Statistics, as a database that has been up for a while has them.
    let db = hub.app.hub().database.writer();
    db.execute_raw(Statement::from_string(db.get_database_backend(), "ANALYZE")).await.unwrap();
}
