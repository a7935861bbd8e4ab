//! Event streams: `graphql-sse` in its mode of distinct connections.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Method, Request},
};
use chrono::TimeDelta;
use futures_util::future::join_all;
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use portolan::{graphql::live::Item, kernel::scope::Role};
use serde_json::{Value, json};
use tokio::{net::TcpStream, task::JoinSet};

use super::{AFTER, FOLLOW, Tick, head, now, tick};
use crate::support::{
    TestHub,
    hub::post,
    request::{With, encoded},
    served::Served,
    stream::{Heard, Stream},
    text::many,
};

const WHO: &str = "{ viewer { role } }";

fn asked(query: &str, variables: &Value) -> String {
    json!({ "query": query, "variables": variables }).to_string()
}

fn by_get(token: &str, query: &str) -> Request<Body> {
    let request = Request::builder().method(Method::GET).uri(format!("/graphql?query={}", encoded(query)));
    let request = request.header("authorization", format!("Bearer {token}")).header("accept", "text/event-stream");
    request.body(Body::empty()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn items_come_as_next_with_their_cursor_as_id_and_the_head_comes_at_once() {
    let hub = Served::start().await;
    let token = hub.token(Role::Viewer).await;
    let mut stream = hub.follow(&token, AFTER, json!({ "after": now(&hub).await })).await;
    assert_eq!(stream.status, 200);
    for (name, value) in [
        ("content-type", "text/event-stream; charset=utf-8"),
        ("cache-control", "private, no-cache, no-store"),
        ("x-accel-buffering", "no"),
        ("vary", "Accept, Authorization"),
    ] {
        assert_eq!(stream.header(name), value, "{name}");
    }
    assert_eq!(stream.heard().await, Heard::Retry(1_000), "before anything happened");
    for count in 0..3 {
        tick(&hub, [count]).await;
        let event = stream.event().await;
        let item = Stream::item(&event)["events"].clone();
        assert_eq!(item["data"]["count"], count);
        assert_eq!(event.id.as_deref(), item["cursor"].as_str());
    }
    let mut by_get =
        hub.open(by_get(&token, &AFTER.replace("after: $after", "after: null").replace("($after: String)", ""))).await;
    assert_eq!((by_get.status.as_u16(), by_get.heard().await), (200, Heard::Retry(1_000)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_comes_back_gets_what_it_missed_and_its_header_counts_before_the_argument() {
    let hub = Served::start().await;
    let token = hub.token(Role::Viewer).await;
    let begin = head(&hub).await;
    tick(&hub, 0..10).await;
    // A cursor that nobody can have been given yet would be ahead of the log.
    hub.number_events().await;
    let ask = async |query: &str, after: Option<String>, last: &str| {
        let request = post(&token, asked(query, &json!({ "after": after }))).with("accept", "text/event-stream");
        hub.open(request.with("last-event-id", last)).await
    };
    for after in [None, Some(Item::cursor_of(begin)), Some("nonsense".to_owned())] {
        let mut stream = ask(AFTER, after, &Item::cursor_of(begin + 7)).await;
        for count in 7..10 {
            assert_eq!(Stream::item(&stream.event().await)["events"]["data"]["count"], count);
        }
    }
    let mut live = ask(FOLLOW, None, &Item::cursor_of(begin + 10)).await;
    tick(&hub, [10]).await;
    assert_eq!(Stream::item(&live.event().await)["events"]["data"]["count"], 10, "then live");
    // An empty one is what a browser sends that has got nothing yet.
    let mut empty = ask(AFTER, Some(Item::cursor_of(begin)), "").await;
    assert_eq!(Stream::item(&empty.event().await)["events"]["data"]["count"], 0);
    for (last, code) in [("nonsense".to_owned(), "BAD_USER_INPUT"), (Item::cursor_of(begin + 1_000), "CURSOR_AHEAD")] {
        let mut stream = ask(AFTER, None, &last).await;
        assert_eq!((stream.status.as_u16(), stream.event().await.codes()), (200, vec![code.to_owned()]));
        stream.completed().await;
    }
    let mut query = ask(WHO, None, "nonsense").await;
    assert_eq!(Stream::item(&query.event().await)["viewer"]["role"], "VIEWER", "it means nothing to a query");
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_and_mutations_are_one_next_and_complete() {
    let hub = Served::start().await;
    let token = hub.token(Role::SuperAdmin).await;
    for mut stream in [hub.follow(&token, WHO, json!({})).await, hub.open(by_get(&token, WHO)).await] {
        let event = stream.event().await;
        assert_eq!((Stream::item(&event), &event.id), (json!({ "viewer": { "role": "SUPER_ADMIN" } }), &None));
        stream.completed().await;
    }
    let create = "mutation { createUser(input: { email: \"a@b.test\", name: \"A\", role: VIEWER }) { user { name } } }";
    hub.open(by_get(&token, create)).await.reply().await.refused(405, "METHOD_NOT_ALLOWED");
    let mut stream = hub.follow(&token, create, json!({})).await;
    assert_eq!(Stream::item(&stream.event().await)["createUser"]["user"]["name"], "A");
    stream.completed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_run_is_told_on_the_stream_and_what_the_request_lacks_by_a_status() {
    let hub = Served::start().await;
    let token = hub.token(Role::Viewer).await;
    let expensive = many(8, |nth| format!("p{nth}: users(first: 100) {{ nodes {{ membership {{ role }} }} }} "));
    let expensive = format!("{{ {expensive} }}");
    let on_the_stream: &[(&str, Value, &str)] = &[
        ("{", json!({}), "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { nothing }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { events { nothing } }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { __typename }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
        (AFTER, json!({ "after": 7 }), "BAD_USER_INPUT"),
        (AFTER, json!([]), "BAD_USER_INPUT"),
        ("", json!({}), "BAD_USER_INPUT"),
        ("subscription { events(topics: [ACCESS]) { id } }", json!({}), "FORBIDDEN"),
        (&expensive, json!({}), "QUERY_TOO_EXPENSIVE"),
        ("query A { viewer { role } } query B { viewer { role } }", json!({}), "OPERATION_RESOLUTION_FAILURE"),
    ];
    for (query, variables, code) in on_the_stream {
        let mut stream = hub.follow(&token, query, variables.clone()).await;
        assert_eq!((stream.status.as_u16(), stream.header("content-type")), (200, "text/event-stream; charset=utf-8"));
        let event = stream.event().await;
        assert_eq!(
            (event.kind.as_str(), event.codes(), &event.id),
            ("next", vec![(*code).to_owned()], &None),
            "{query}"
        );
        let id = event.json()["errors"][0]["extensions"]["requestId"].clone();
        assert_eq!(id, stream.header("x-request-id"), "{query}");
        stream.completed().await;
    }
    let mut stranger = hub.follow("", FOLLOW, json!({})).await;
    assert_eq!(stranger.event().await.codes(), ["UNAUTHENTICATED"]);
    stranger.completed().await;

    let streaming = |token: &str, body: &str| post(token, body.to_owned()).with("accept", "text/event-stream");
    let follow = asked(FOLLOW, &json!({}));
    let by_status = [
        (streaming("ptl_nonsense", &follow), 401, "UNAUTHENTICATED"),
        (streaming(&token, &follow).by("PUT"), 405, "METHOD_NOT_ALLOWED"),
        (streaming(&token, &follow).without("content-type"), 415, "UNSUPPORTED_MEDIA_TYPE"),
        (streaming(&token, &" ".repeat(2 * 1024 * 1024)), 413, "PAYLOAD_TOO_LARGE"),
        (post(&token, follow.clone()), 406, "NOT_ACCEPTABLE"),
        (post(&token, follow.clone()).with("accept", "text/event-stream;q=0, */*"), 406, "NOT_ACCEPTABLE"),
    ];
    for (request, status, code) in by_status {
        hub.open(request).await.reply().await.refused(status, code);
    }
    let poor = TestHub::with(&[("PORTOLAN_GRAPHQL_COST_PER_MINUTE", "1")]).await;
    let token = poor.token(Role::Viewer).await;
    let refused = async || {
        let stream = poor.follow(&token, WHO, json!({})).await;
        (stream.status == 429).then_some(stream)
    };
    poor.until(refused).await.reply().await.refused(429, "RATE_LIMITED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_on_which_nothing_happens_shows_that_it_lives() {
    let hub = Served::with(&[("PORTOLAN_LIVE_PING_INTERVAL", "100ms")]).await;
    let token = hub.token(Role::Viewer).await;
    let mut stream = hub.follow(&token, AFTER, json!({ "after": now(&hub).await })).await;
    assert_eq!(stream.heard().await, Heard::Retry(1_000));
    for count in 0..3 {
        assert_eq!(stream.heard().await, Heard::Comment);
        assert_eq!(stream.heard().await, Heard::Comment);
        tick(&hub, [count]).await;
        assert_eq!(Stream::item(&stream.event().await)["events"]["data"]["count"], count);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_cut_when_the_server_stops_even_one_that_is_never_empty() {
    let hub = Served::start().await;
    let token = hub.token(Role::Viewer).await;
    let begin = now(&hub).await;
    // A long way to read, so that something waits whenever the stream is looked at.
    for _ in 0..10 {
        hub.cx().write(async |txn| (0..100).try_for_each(|count| txn.emit(&Tick { count }))).await.unwrap();
    }
    let mut busy = hub.follow(&token, AFTER, json!({ "after": begin })).await;
    let mut idle = hub.follow(&token, FOLLOW, json!({})).await;
    busy.event().await;
    hub.stop();
    for stream in [&mut busy, &mut idle] {
        loop {
            match stream.heard().await {
                Heard::End => break,
                Heard::Event(event) => assert_eq!(event.kind, "next", "no `complete`: it is to be opened again"),
                Heard::Comment | Heard::Retry(_) => {}
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_credential_even_one_that_is_never_empty() {
    let hub = Served::start().await;
    let begin = now(&hub).await;
    for _ in 0..10 {
        hub.cx().write(async |txn| (0..100).try_for_each(|count| txn.emit(&Tick { count }))).await.unwrap();
    }
    let (_, token) = hub.new_token(&hub.tenant, Role::Viewer, None, Some(TimeDelta::milliseconds(300))).await;
    let mut stream = hub.follow(&token, AFTER, json!({ "after": begin })).await;
    let mut items = 0;
    let last = loop {
        let event = stream.event().await;
        if event.json()["errors"].is_array() {
            break event;
        }
        items += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    assert_eq!((last.kind.as_str(), last.codes()), ("next", vec!["UNAUTHENTICATED".to_owned()]));
    assert!(items < 1_000, "it ended before it was empty");
    stream.completed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_a_stream_full_is_given_up_and_comes_back_without_a_loss() {
    let hub = Served::with(&[("PORTOLAN_LIVE_PATIENCE", "300ms")]).await;
    let token = hub.token(Role::Viewer).await;
    let begin = now(&hub).await;
    let before = hub.app.hub().tasks.len();
    let mut stream = hub.follow(&token, AFTER, json!({ "after": begin })).await;
    for _ in 0..10 {
        hub.cx().write(async |txn| (0..100).try_for_each(|count| txn.emit(&Tick { count }))).await.unwrap();
    }
    // Nobody reads: it is ended, and what read the log for it leaves its group, which waits for others.
    hub.until(async || stream.is_over().then_some(())).await;
    hub.until(async || (hub.app.hub().tasks.len() <= before + 1).then_some(())).await;
    let mut got = 0;
    let mut last = begin;
    loop {
        match stream.heard().await {
            Heard::End => break,
            Heard::Event(event) => {
                assert_eq!(Stream::item(&event)["events"]["data"]["count"], got % 100);
                (got, last) = (got + 1, event.id.unwrap());
            }
            Heard::Comment | Heard::Retry(_) => {}
        }
    }
    let mut again = hub.follow(&token, AFTER, json!({ "after": last })).await;
    for count in got..1_000 {
        assert_eq!(Stream::item(&again.event().await)["events"]["data"]["count"], count % 100);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_of_http_2_carries_many_streams() {
    let hub = Served::start().await;
    let token = hub.token(Role::Viewer).await;
    let begin = now(&hub).await;
    let socket = TcpStream::connect(hub.address).await.unwrap();
    let (client, connection) =
        http2::handshake::<_, _, Full<bytes::Bytes>>(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
    let mut driving = JoinSet::new();
    driving.spawn(connection);
    let opened = (0..50).map(|_| {
        let mut client = client.clone();
        let request = Request::post(format!("http://{}/graphql", hub.address))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .header("accept", "text/event-stream")
            .body(Full::from(asked(AFTER, &json!({ "after": begin }))))
            .unwrap();
        async move {
            let (head, body) = client.send_request(request).await.unwrap().into_parts();
            Stream::new(head.status, head.headers, Body::new(body))
        }
    });
    let mut streams = join_all(opened).await;
    for count in 0..3 {
        tick(&hub, [count]).await;
        for stream in &mut streams {
            assert_eq!(Stream::item(&stream.event().await)["events"]["data"]["count"], count);
        }
    }
    drop((streams, client));
    driving.join_next().await.unwrap().unwrap().unwrap();
}
