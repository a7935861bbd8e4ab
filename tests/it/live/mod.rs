//! Subscriptions as clients see them: over WebSockets, over event streams, and who is served by what.
//!
//! `feed` is about the log underneath, `gapless` about faults of whole servers, `tests/js/live.mjs` about
//! the clients that people use.

mod credentials;
mod cursors;
mod frames;
mod handshake;
mod patience;
mod protocol;
mod sharing;
mod stream;

use portolan::{event::Fact, graphql::live::Item};
use serde::Serialize;

use crate::support::TestHub;

/// Everything the caller may see, as it happens.
const FOLLOW: &str = "subscription { events { number cursor kind subject data } }";

/// The same, after a cursor.
const AFTER: &str = "subscription($after: String) { events(after: $after) { number cursor kind subject data } }";

/// What happened to the tenant, for these tests.
#[derive(Serialize)]
struct Tick {
    count: u64,
}

impl Fact for Tick {
    const TOPIC: &'static str = "tenant";

    fn kind(&self) -> &'static str {
        "test.ticked"
    }

    fn subject(&self) -> String {
        "clock".to_owned()
    }
}

/// Writes ticks, one a commit.
async fn tick(hub: &TestHub, counts: impl IntoIterator<Item = u64>) {
    for count in counts {
        hub.cx().write(async |txn| txn.emit(&Tick { count })).await.unwrap();
    }
}

/// The number of the last event of the first tenant.
async fn head(hub: &TestHub) -> i64 {
    hub.number_events().await;
    portolan::event::log::head(hub.cx().db(), hub.tenant.id).await.unwrap().number
}

/// The cursor of the last event of the first tenant.
async fn now(hub: &TestHub) -> String {
    Item::cursor_of(head(hub).await)
}

/// A counter of the metrics.
fn counted(hub: &TestHub, name: &str) -> u64 {
    let page = hub.app.metrics().page();
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap_or_else(|| {
        panic!("no {name} in {page}");
    });
    line.parse().unwrap()
}
