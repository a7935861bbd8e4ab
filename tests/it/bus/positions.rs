//! No stored position stays beyond the end of the log.

use std::sync::Arc;

use chrono::TimeDelta;
use portolan::{
    domain::{
        outbound::{
            destination::{self, NewDestination},
            route::{self, Reached},
        },
        partner::follow::{self, Reached as PartnerReached},
    },
    entity::{partner_reader, webhook_router},
    event::log,
    kernel::error::Code,
};
use sea_orm::ConnectionTrait;

use super::{Happened, all, numbers};
use crate::support::{TestHub, log::Log, process::until};

async fn happens(hub: &TestHub, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let fact = Happened { subject: format!("subject {number}"), number };
        hub.cx().write(async |txn| txn.emit(&fact)).await.unwrap();
    }
    hub.number_events().await;
}

async fn end(hub: &TestHub) -> i64 {
    log::position(hub.app.hub().database.reader()).await.unwrap()
}

async fn run(hub: &TestHub, sql: &str) {
    hub.app.hub().database.writer().execute_unprepared(sql).await.unwrap();
}

/// Reads the log to its end. Says how many deliveries were made.
async fn route(hub: &TestHub, reached: &mut Reached) -> usize {
    let mut made = 0;
    loop {
        let routed = route::route(hub.app.hub(), reached).await.unwrap();
        made += routed.deliveries;
        if routed.events == 0 {
            return made;
        }
    }
}

#[tokio::test]
async fn a_router_position_beyond_the_end_of_the_log_is_moved_back_at_the_start_and_while_running() {
    const SAID: &str = "position of the webhook router was beyond the end";
    let (said, _guard) = Log::capture();
    let hub = TestHub::start().await;
    let new = NewDestination {
        name: "destination".to_owned(),
        url: "https://sink.example.com/".to_owned(),
        events: vec!["integration.*".to_owned()],
        filter: None,
        with_key: false,
    };
    destination::create(&hub.cx(), new, None).await.unwrap();
    hub.clock.advance(TimeDelta::seconds(1));
    let stored = async || webhook_router::row().one(hub.app.hub().database.reader()).await.unwrap().unwrap().position;
    happens(&hub, 0..3).await;
    assert_eq!(route(&hub, &mut Reached::default()).await, 3);
    assert_eq!(stored().await, end(&hub).await);

    // At the start of a node.
    run(&hub, "UPDATE webhook_router SET position = position + 1000").await;
    let mut reached = Reached::default();
    assert_eq!(route(&hub, &mut reached).await, 0);
    assert_eq!(stored().await, end(&hub).await);
    assert_eq!(said.with(SAID).len(), 1);
    happens(&hub, 3..6).await;
    assert_eq!(route(&hub, &mut reached).await, 3);

    // While it runs and there is nothing to read.
    run(&hub, "UPDATE webhook_router SET position = position + 1000").await;
    assert_eq!(route(&hub, &mut reached).await, 0);
    assert_eq!(stored().await, end(&hub).await);
    assert_eq!(said.with(SAID).len(), 2);

    // While it runs and there is something: nothing of it is lost, and what another node put on its way is not doubled.
    let mut other = Reached::default();
    assert_eq!(route(&hub, &mut other).await, 0);
    happens(&hub, 6..8).await;
    assert_eq!(route(&hub, &mut other).await, 2);
    run(&hub, "UPDATE webhook_router SET position = position + 1000").await;
    happens(&hub, 8..10).await;
    assert_eq!(route(&hub, &mut reached).await, 2);
    assert_eq!(stored().await, end(&hub).await);
    assert_eq!(said.with(SAID).len(), 3);
    assert_eq!(route(&hub, &mut other).await, 0);

    // One that is right stays, and is not spoken of.
    happens(&hub, 10..11).await;
    assert_eq!(route(&hub, &mut Reached::default()).await, 1);
    assert_eq!(said.with(SAID).len(), 3);
}

#[tokio::test]
async fn a_partner_position_beyond_the_end_of_the_log_is_moved_back_at_the_start_and_while_running() {
    const SAID: &str = "position of the partner reader was beyond the end";
    let (said, _guard) = Log::capture();
    let hub = TestHub::start().await;
    let shared = Arc::clone(hub.app.hub());
    let stored = async || partner_reader::row().one(shared.database.reader()).await.unwrap().unwrap().position;
    happens(&hub, 0..3).await;
    let follow = async |reached: &mut PartnerReached| while follow::follow(&shared, reached).await.unwrap() > 0 {};
    run(&hub, "UPDATE partner_reader SET position = position + 1000").await;
    let mut reached = PartnerReached::default();
    follow(&mut reached).await;
    assert_eq!((stored().await, said.with(SAID).len()), (end(&hub).await, 1));
    run(&hub, "UPDATE partner_reader SET position = position + 1000").await;
    follow(&mut reached).await;
    assert_eq!((stored().await, said.with(SAID).len()), (end(&hub).await, 2));
    happens(&hub, 3..4).await;
    follow(&mut reached).await;
    assert_eq!(said.with(SAID).len(), 2);
}

#[tokio::test]
async fn a_follower_ahead_of_the_log_goes_back_and_its_readers_are_told() {
    let (said, _guard) = Log::capture();
    let hub = TestHub::start().await;
    hub.number_events().await;
    hub.app.follow();
    let mut reader = hub.cx().events(all(), None).await.unwrap();
    happens(&hub, 0..5).await;
    assert_eq!(numbers(&mut reader, 5).await, [0, 1, 2, 3, 4]);
    // As by a standby that had not received the last three commits.
    let end = end(&hub).await;
    run(&hub, &format!("DELETE FROM events WHERE position > {}", end - 3)).await;
    run(&hub, "UPDATE event_log SET position = position - 3").await;
    let tenant = hub.tenant.id;
    run(&hub, "UPDATE event_heads SET number = number - 3").await;
    until("the follower went back", async || {
        (!said.with("the event log ends before what was read of it").is_empty()).then_some(())
    })
    .await;
    let told = tokio::time::timeout(crate::support::process::LIMIT, reader.next()).await.unwrap();
    assert_eq!(told.unwrap_err().code(), Code::CursorAhead);
    let mut reader = hub.cx().events(all(), None).await.unwrap();
    happens(&hub, 5..8).await;
    assert_eq!(numbers(&mut reader, 3).await, [5, 6, 7]);
    let head = log::head(hub.app.hub().database.reader(), tenant).await.unwrap();
    assert_eq!(reader.seen(), head.number);
    hub.app.close().await;
}
