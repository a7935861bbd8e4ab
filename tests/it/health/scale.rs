//! How many integrations a node can look after. `TEST_LONG=1` asks ten thousand.

use std::{
    env,
    time::{Duration, Instant},
};

use portolan::domain::health::list;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::json;

use crate::support::{
    TestHub,
    played::{Said, Scripted, settings},
    process::Server,
    spent::Spent,
};

/// The hub is the program in a process of its own; this one plays the provider and looks on.
#[tokio::test(flavor = "multi_thread")]
async fn every_integration_is_probed_within_its_interval() {
    let long = env::var("TEST_LONG").is_ok();
    let many: u64 = if long { 10_000 } else { 300 };
    let provider =
        Scripted::start(|_| Said::json(200, &json!({ "object": "balance", "available": [], "livemode": false }))).await;
    let of = settings(provider.address);
    let of: Vec<_> = of.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let hub = TestHub::with(&of).await;
    copy(&hub, many).await;
    // What the log tells later is a reason to ask again.
    hub.number_events().await;
    let server = Server::with(&hub.database, &of).await;
    let (cx, began, before) = (hub.cx(), Instant::now(), Spent::by(server.id()));
    let limit = Duration::from_secs(if long { 60 } else { 90 });
    let mut done = 0;
    while done < i64::try_from(many).unwrap() && began.elapsed() < limit {
        tokio::time::sleep(Duration::from_millis(if long { 500 } else { 50 })).await;
        done = list::overview(&cx).await.unwrap().healthy;
    }
    let (took, after) = (began.elapsed().as_secs_f64(), Spent::by(server.id()));
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = done as f64 / took;
    println!(
        "{done} of {many} integrations probed in {took:.1} s: {rate:.0} a second, {:.1} s of processor, {} MiB at most, {} MiB before",
        after.worked - before.worked,
        after.most,
        before.most,
    );
    assert_eq!(done, i64::try_from(many).unwrap(), "within {limit:?}");
    if took < 40.0 {
        assert_eq!(u64::try_from(provider.heard().len()).unwrap(), many, "each was asked once");
    }
}

/// Makes so many integrations of one key.
async fn copy(hub: &TestHub, many: u64) {
    use portolan::{
        context::Cx,
        domain::credential::given::Given,
        domain::integration::create::{self, Capabilities, NewIntegration},
    };
    let cx: Cx = hub.cx();
    let key = || Given::ApiKey { key: crate::support::played::example("stripe", "api_key").into(), prefix: None };
    let mut left = many;
    while left > 0 {
        let at_once = left.min(16);
        let made = (0..at_once).map(|_| {
            let new = NewIntegration {
                provider: "stripe".to_owned(),
                name: Some("one of many".to_owned()),
                skip_test: true,
                // What is measured is probing.
                capabilities: Capabilities { can_sync: Some(false), ..Capabilities::default() },
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
