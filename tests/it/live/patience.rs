//! Clients that do not read, do not answer, or ask for more than they read.

use std::time::{Duration, Instant};

use portolan::kernel::scope::Role;
use serde_json::json;
use tokio::time::timeout;

use super::{AFTER, Tick, counted, now};
use crate::support::{
    process::LIMIT,
    served::Served,
    socket::{PING, Said, Socket, framed},
};

/// Waits until so many sockets are open.
async fn open(hub: &Served, count: u64) {
    let begun = Instant::now();
    while counted(hub, "http_sockets_open") != count {
        assert!(begun.elapsed() < LIMIT, "{} are open", counted(hub, "http_sockets_open"));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_neither_reads_nor_answers_is_hung_up_on_and_who_answers_pings_is_not() {
    let hub = Served::with(&[("PORTOLAN_LIVE_PING_INTERVAL", "100ms"), ("PORTOLAN_LIVE_PATIENCE", "1s")]).await;
    let token = hub.token(Role::Viewer).await;
    let mut lively = Socket::signed_in(hub.address, &token).await;
    let mut dead = Socket::signed_in(hub.address, &token).await;
    let begun = Instant::now();
    let living = async {
        let mut pings = 0;
        while begun.elapsed() < Duration::from_secs(3) {
            if let Said::Ping(payload) = lively.heard().await {
                lively.frame(0x8a, &payload).await;
                pings += 1;
            }
        }
        pings
    };
    let pings = living.await;
    assert!(pings > 5, "{pings} pings in three seconds");
    open(&hub, 1).await;
    // It was pinged, and cut without a word.
    loop {
        match dead.heard().await {
            Said::Ping(_) => {}
            said => break assert_eq!(said, Said::End),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_and_does_not_read_is_not_listened_to_and_costs_a_bounded_amount() {
    let hub = Served::with(&[("PORTOLAN_LIVE_PATIENCE", "2s"), ("PORTOLAN_LIVE_PING_INTERVAL", "500ms")]).await;
    let mut socket = Socket::signed_in(hub.address, &hub.token(Role::Viewer).await).await;
    // Each is answered with as much; nothing of that is read.
    let pings: Vec<u8> = (0..512).flat_map(|_| framed(PING, &[b'x'; 125])).collect();
    let mut sent = 0;
    // The kernel takes some megabytes in either direction, then nobody takes anything.
    while let Ok(taken) = timeout(Duration::from_secs(1), socket.bytes(&pings)).await {
        if taken.is_err() {
            break;
        }
        sent += pings.len();
        assert!(sent < 256 * 1024 * 1024, "{sent} bytes were taken from a client that reads nothing");
    }
    println!("{sent} bytes were taken");
    open(&hub, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_slowly_is_not_hung_up_on_and_misses_nothing() {
    const COUNT: u64 = 4_000;
    let hub = Served::with(&[("PORTOLAN_LIVE_PING_INTERVAL", "300ms"), ("PORTOLAN_LIVE_PATIENCE", "2s")]).await;
    let cursor = now(&hub).await;
    for batch in 0..COUNT / 100 {
        hub.cx()
            .write(async |txn| (batch * 100..batch * 100 + 100).try_for_each(|count| txn.emit(&Tick { count })))
            .await
            .unwrap();
    }
    let mut socket = Socket::narrow(hub.address).await;
    socket.init(&hub.token(Role::Viewer).await).await;
    socket.subscribe("1", AFTER, json!({ "after": cursor })).await;
    let since = Instant::now();
    for count in 0..COUNT {
        // A ping that waits behind hundreds of items is answered later than the server waits for somebody who
        // takes nothing.
        if count % 10 == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(socket.next("1").await["data"]["events"]["data"]["count"], count);
    }
    assert!(since.elapsed() > Duration::from_secs(4));
    println!("read for {:?}", since.elapsed());
}
