//! Cursors that cannot be followed are errors, the same over every transport.

use chrono::TimeDelta;
use portolan::{domain::event::retain, graphql::live::Item, kernel::scope::Role};
use serde_json::{Value, json};

use super::{AFTER, head, tick};
use crate::support::{served::Served, socket::Socket};

const QUERY: &str = "query($after: String) { events(after: $after) { nodes { number } } }";

/// The code and the oldest cursor that each transport tells about a cursor.
async fn told(hub: &Served, token: &str, cursor: &str) -> Vec<(String, Value)> {
    let variables = json!({ "after": cursor });
    let error = |errors: &Value| {
        let extensions = &errors[0]["extensions"];
        (extensions["code"].as_str().unwrap().to_owned(), extensions["oldestCursor"].clone())
    };
    let query = hub.ask(token, QUERY, variables.clone()).await.json();
    let mut socket = Socket::signed_in(hub.address, token).await;
    socket.subscribe("1", AFTER, variables.clone()).await;
    let message = socket.message().await;
    assert_eq!(message["type"], "error", "{message}");
    socket.is_quiet().await;
    let mut stream = hub.follow(token, AFTER, variables).await;
    let event = stream.event().await;
    stream.completed().await;
    vec![error(&query["errors"]), error(&message["payload"]), error(&event.json()["errors"])]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_is_too_old_or_ahead_is_told_by_query_socket_and_stream_alike() {
    let hub = Served::start().await;
    let token = hub.token(Role::Viewer).await;
    tick(&hub, 0..5).await;
    let old = head(&hub).await;
    hub.clock.advance(TimeDelta::days(8));
    tick(&hub, [5]).await;
    head(&hub).await;
    assert!(retain(hub.app.hub().clone()).await.unwrap() > 0);

    let expired = ("CURSOR_EXPIRED".to_owned(), json!(Item::cursor_of(old)));
    assert_eq!(told(&hub, &token, &Item::cursor_of(old - 1)).await, vec![expired; 3]);
    let ahead = ("CURSOR_AHEAD".to_owned(), Value::Null);
    assert_eq!(told(&hub, &token, &Item::cursor_of(old + 100)).await, vec![ahead; 3]);
    let nonsense = ("BAD_USER_INPUT".to_owned(), Value::Null);
    assert_eq!(told(&hub, &token, "bm9uc2Vuc2U").await, vec![nonsense; 3]);

    // From the oldest cursor that was named, everything that is kept comes.
    let mut socket = Socket::signed_in(hub.address, &token).await;
    socket.subscribe("1", AFTER, json!({ "after": Item::cursor_of(old) })).await;
    assert_eq!(socket.next("1").await["data"]["events"]["data"]["count"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_is_the_same_over_every_transport() {
    let hub = Served::start().await;
    let token = hub.token(Role::Viewer).await;
    let begin = Item::cursor_of(head(&hub).await);
    tick(&hub, 0..6).await;
    head(&hub).await;

    let mut socket = Socket::signed_in(hub.address, &token).await;
    socket.subscribe("1", AFTER, json!({ "after": begin })).await;
    let first = socket.next("1").await["data"]["events"].clone();
    let mut stream = hub.follow(&token, AFTER, json!({ "after": first["cursor"] })).await;
    let event = stream.event().await;
    let second = event.json()["data"]["events"].clone();
    assert_eq!(event.id.as_deref(), second["cursor"].as_str());
    let page = "query($after: String) { events(after: $after, first: 1) { edges { cursor node { cursor data } } } }";
    let edge = hub.ask(&token, page, json!({ "after": event.id })).await.data()["events"]["edges"][0].clone();
    assert_eq!(edge["cursor"], edge["node"]["cursor"]);
    socket.complete("1").await;
    socket.subscribe("2", AFTER, json!({ "after": edge["cursor"] })).await;
    let fourth = loop {
        let message = socket.message().await;
        if message["id"] == "2" {
            break message["payload"]["data"]["events"].clone();
        }
    };
    let counts = [&first, &second, &edge["node"], &fourth].map(|event| event["data"]["count"].as_u64());
    assert_eq!(counts, [Some(0), Some(1), Some(2), Some(3)]);
}
