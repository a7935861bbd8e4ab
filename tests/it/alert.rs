//! Alerts: raised once, over once, seen by who follows them.

use futures_util::future::join_all;
use portolan::{
    domain::alert::{self, Kind, NewAlert, Severity},
    kernel::scope::Role,
};
use serde_json::json;

use crate::support::{served::Served, stream::Stream};

fn wrong(subject: &str) -> NewAlert {
    let (kind, severity) = (Kind::NeedsReauth, Severity::Critical);
    NewAlert { kind, severity, subject: subject.to_owned(), text: "Somebody has to connect it anew".to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_on_and_on_is_one_alert_until_it_is_over_and_both_ends_are_told() {
    let hub = Served::start().await;
    let viewer = hub.token(Role::Viewer).await;
    let follow = "subscription { alertRaised(severities: [CRITICAL]) { resolved alert { subject text resolvedAt } } }";
    let mut stream = hub.follow(&viewer, follow, json!({})).await;
    let cx = hub.cx();
    let raising = (0..10).map(|_| cx.write(async |txn| alert::raise(txn, wrong("int_x")).await));
    for raised in join_all(raising).await {
        raised.unwrap();
    }
    let begun = Stream::item(&stream.event().await);
    assert_eq!(begun["alertRaised"]["resolved"], false);
    assert_eq!(begun["alertRaised"]["alert"]["subject"], "int_x");
    let refused = cx.write(async |txn| {
        alert::resolve(txn, Kind::NeedsReauth, "int_x").await?;
        Err::<(), _>(portolan::kernel::error::Error::NotFound("test"))
    });
    refused.await.unwrap_err();
    for _ in 0..2 {
        cx.write(async |txn| alert::resolve(txn, Kind::NeedsReauth, "int_x").await).await.unwrap();
    }
    let over = Stream::item(&stream.event().await);
    assert_eq!(over["alertRaised"]["resolved"], true, "what was rolled back is no end, and it began once only");
    assert!(!over["alertRaised"]["alert"]["resolvedAt"].is_null());
    // What goes wrong again is another alert.
    cx.write(async |txn| alert::raise(txn, wrong("int_x")).await).await.unwrap();
    assert_eq!(Stream::item(&stream.event().await)["alertRaised"]["resolved"], false);
    let all = "{ alerts { totalCount nodes { subject since resolvedAt } } }";
    let all = hub.ask(&viewer, all, json!({})).await.data();
    assert_eq!(all["alerts"]["totalCount"], 2);
    let open = all["alerts"]["nodes"].as_array().unwrap().iter().filter(|alert| alert["resolvedAt"].is_null()).count();
    assert_eq!(open, 1, "{all}");
}
