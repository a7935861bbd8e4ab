//! The messages of `graphql-transport-ws`, in the order in which they may come and in every other.

use portolan::kernel::scope::Role;
use serde_json::{Value, json};

use super::{AFTER, FOLLOW, Tick, now, tick};
use crate::support::{
    served::Served,
    socket::{Socket, TEXT, framed},
};

const WHO: &str = "{ viewer { role } }";

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_in_time_is_hung_up_on() {
    let hub = Served::with(&[("PORTOLAN_LIVE_INIT_TIMEOUT", "300ms")]).await;
    let mut silent = Socket::open(hub.address).await;
    assert_eq!(silent.closed().await.0, 4408);
    // What is no `connection_init` does not put it off, and after one the time does not matter.
    let mut pings = Socket::open(hub.address).await;
    pings.say(&json!({ "type": "ping" })).await;
    assert_eq!(pings.message().await, json!({ "type": "pong" }));
    assert_eq!(pings.closed().await.0, 4408);
    let mut signed_in = Socket::signed_in(hub.address, &hub.token(Role::Viewer).await).await;
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    signed_in.is_quiet().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_out_of_order_close_the_socket_with_their_code() {
    let hub = Served::start().await;
    let token = hub.token(Role::Viewer).await;

    let mut early = Socket::open(hub.address).await;
    early.subscribe("1", WHO, json!({})).await;
    assert_eq!(early.closed().await.0, 4401, "before the acknowledgement nothing runs");

    let mut twice = Socket::signed_in(hub.address, &token).await;
    twice.say(&json!({ "type": "connection_init" })).await;
    assert_eq!(twice.closed().await.0, 4429);

    let mut same = Socket::signed_in(hub.address, &token).await;
    same.subscribe("x", FOLLOW, json!({})).await;
    same.subscribe("x", WHO, json!({})).await;
    let (code, reason) = same.closed().await;
    assert_eq!((code, reason.as_str()), (4409, "an operation with the id x is running"));

    let mut unknown = Socket::signed_in(hub.address, &token).await;
    unknown.complete("nobody").await;
    unknown.is_quiet().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_closes_the_socket_before_and_after_the_acknowledgement() {
    let hub = Served::start().await;
    let token = hub.token(Role::Viewer).await;
    let texts = [
        "",
        "hello",
        "{",
        "null",
        "[]",
        "{}",
        r#"{"type":null}"#,
        r#"{"type":1}"#,
        r#"{"type":"start","id":"1","payload":{"query":"{ viewer { role } }"}}"#,
        r#"{"type":"connection_ack"}"#,
        r#"{"type":"next","id":"1","payload":{}}"#,
        r#"{"type":"subscribe"}"#,
        r#"{"type":"subscribe","id":"1"}"#,
        r#"{"type":"subscribe","payload":{"query":"{ viewer { role } }"}}"#,
        r#"{"type":"subscribe","id":"","payload":{"query":"{ viewer { role } }"}}"#,
        r#"{"type":"subscribe","id":7,"payload":{"query":"{ viewer { role } }"}}"#,
        r#"{"type":"subscribe","id":"1","payload":[]}"#,
        r#"{"type":"subscribe","id":"1","payload":"{ viewer { role } }"}"#,
        r#"{"type":"subscribe","id":"1","payload":{}}"#,
        r#"{"type":"subscribe","id":"1","payload":{"query":{}}}"#,
        r#"{"type":"subscribe","id":"1","payload":{"query":"{ viewer { role } }","variables":[]}}"#,
        r#"{"type":"subscribe","id":"1","payload":{"query":"{ viewer { role } }","operationName":1}}"#,
        r#"{"type":"subscribe","id":"1","payload":{"query":"{ viewer { role } }","extensions":true}}"#,
        r#"{"type":"complete"}"#,
        r#"{"type":"complete","id":null}"#,
        r#"{"type":"ping","payload":"x"}"#,
        r#"{"type":"pong","payload":3}"#,
        r#"{"type":"connection_init","payload":[]}"#,
        r#"{"type":"ping","type":"pong"}"#,
    ];
    let deep = format!(r#"{{"type":"ping","payload":{{"a":{}}}}}"#, "[".repeat(200) + &"]".repeat(200));
    for text in texts.into_iter().chain([deep.as_str()]) {
        let mut first = Socket::open(hub.address).await;
        first.text(text).await;
        let (code, reason) = first.closed().await;
        assert_eq!(code, 4400, "{text}: {reason}");
        assert!(!reason.is_empty());
        let mut later = Socket::signed_in(hub.address, &token).await;
        later.text(text).await;
        assert_eq!(later.closed().await.0, 4400, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_heard_after_what_closed_the_socket() {
    let hub = Served::start().await;
    let token = hub.token(Role::SuperAdmin).await;
    let create = "mutation {
      createUser(input: { email: \"a@b.test\", name: \"A\", role: VIEWER }) { userErrors { code } }
    }";
    let mut socket = Socket::open(hub.address).await;
    let payload = json!({ "authorization": format!("Bearer {token}") });
    let messages = [
        json!({ "type": "subscribe", "id": "1", "payload": { "query": WHO } }),
        json!({ "type": "connection_init", "payload": payload }),
        json!({ "type": "subscribe", "id": "2", "payload": { "query": create } }),
    ];
    // In one piece, so that all of it is there when the first is refused.
    let bytes: Vec<u8> = messages.iter().flat_map(|message| framed(TEXT, message.to_string().as_bytes())).collect();
    socket.bytes(&bytes).await.unwrap();
    assert_eq!(socket.closed().await, (4401, "say connection_init first".to_owned()));
    let made = hub.ask(&token, create, json!({})).await;
    assert_eq!(made.user_codes("createUser"), [""; 0], "the mutation had not run");
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_and_mutations_are_answered_and_completed() {
    let hub = Served::start().await;
    let mut socket = Socket::signed_in(hub.address, &hub.token(Role::SuperAdmin).await).await;
    socket
        .subscribe("q", "query Who($no: Boolean = false) { viewer { role actor @include(if: $no) } }", json!({}))
        .await;
    assert_eq!(socket.next("q").await, json!({ "data": { "viewer": { "role": "SUPER_ADMIN" } } }));
    socket.completed("q").await;

    let create =
        "mutation($input: CreateUserInput!) { createUser(input: $input) { user { email } userErrors { code } } }";
    let input = json!({ "input": { "email": "new@example.test", "name": "New", "role": "VIEWER" } });
    // The id is free again, and the same may be asked again under it.
    for expected in [json!([]), json!([{ "code": "CONFLICT" }])] {
        socket.subscribe("q", create, input.clone()).await;
        assert_eq!(socket.next("q").await["data"]["createUser"]["userErrors"], expected);
        socket.completed("q").await;
    }
    socket.subscribe("odd \"id\" \u{1F600}", WHO, json!({})).await;
    assert_eq!(socket.next("odd \"id\" \u{1F600}").await["data"]["viewer"]["role"], "SUPER_ADMIN");
    socket.completed("odd \"id\" \u{1F600}").await;
    // A field that is refused is part of the answer: the operation ran.
    let mut viewer = Socket::signed_in(hub.address, &hub.token(Role::Viewer).await).await;
    viewer.subscribe("p", "{ users { totalCount } }", json!({})).await;
    let refused = viewer.next("p").await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "FORBIDDEN", "{refused}");
    viewer.completed("p").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_run_is_one_error_and_the_socket_goes_on() {
    let hub = Served::start().await;
    let mut socket = Socket::signed_in(hub.address, &hub.token(Role::Viewer).await).await;
    let cases: &[(&str, Value, &str)] = &[
        ("{", json!({}), "GRAPHQL_PARSE_FAILED"),
        ("subscription {", json!({}), "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { nothing }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { events { nothing } }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { events { id } again: events { id } }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { __typename }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { events @skip(if: true) { id } }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
        (
            "subscription($is: Boolean!) { events @include(if: $is) { id } }",
            json!({ "is": false }),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        ("subscription { ...F } fragment F on Subscription { events { id } }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
        ("query($first: Int!) { users(first: $first) { totalCount } }", json!({}), "BAD_USER_INPUT"),
        (
            "subscription($topics: [EventTopic!]) { events(topics: $topics) { id } }",
            json!({ "topics": ["TIME"] }),
            "BAD_USER_INPUT",
        ),
        (AFTER, json!({ "after": 7 }), "BAD_USER_INPUT"),
        (AFTER, json!({ "after": "nonsense" }), "BAD_USER_INPUT"),
        ("subscription { events(topics: [ACCESS]) { id } }", json!({}), "FORBIDDEN"),
        ("query A { viewer { role } } query B { viewer { role } }", json!({}), "OPERATION_RESOLUTION_FAILURE"),
    ];
    for (query, variables, code) in cases {
        socket.subscribe("1", query, variables.clone()).await;
        assert_eq!(socket.error("1").await, [*code], "{query}");
        socket.is_quiet().await;
    }
    socket.subscribe("1", &format!("{{ viewer {{ {} }} }}", "role ".repeat(10_000)), json!({})).await;
    assert_eq!(socket.error("1").await, ["QUERY_TOO_LARGE"]);
    // By a hash that nobody knows, which is no breach of the protocol.
    let hash = json!({ "persistedQuery": { "version": 1, "sha256Hash": "0".repeat(64) } });
    socket.say(&json!({ "type": "subscribe", "id": "1", "payload": { "extensions": hash } })).await;
    assert_eq!(socket.error("1").await, ["PERSISTED_QUERY_NOT_FOUND"]);
    socket.subscribe("1", WHO, json!({})).await;
    assert_eq!(socket.next("1").await["data"]["viewer"]["role"], "VIEWER");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_may_connect_and_gets_what_needs_no_credential() {
    let hub = Served::start().await;
    let mut socket = Socket::open(hub.address).await;
    socket.say(&json!({ "type": "connection_init", "payload": null })).await;
    let ack = socket.message().await;
    assert_eq!((&ack["type"], &ack["payload"]["expiresAt"]), (&json!("connection_ack"), &Value::Null));
    socket.subscribe("1", FOLLOW, json!({})).await;
    assert_eq!(socket.error("1").await, ["UNAUTHENTICATED"]);
    socket.subscribe("1", "{ __typename }", json!({})).await;
    assert_eq!(socket.next("1").await, json!({ "data": { "__typename": "Query" } }));
    socket.completed("1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pings_are_answered_at_any_time() {
    let hub = Served::start().await;
    let mut socket = Socket::open(hub.address).await;
    socket.say(&json!({ "type": "ping" })).await;
    assert_eq!(socket.message().await, json!({ "type": "pong" }));
    socket.say(&json!({ "type": "ping", "payload": { "time": 1 } })).await;
    assert_eq!(socket.message().await, json!({ "type": "pong" }));
    socket.say(&json!({ "type": "pong" })).await;
    socket.say(&json!({ "type": "pong", "payload": { "unasked": true } })).await;
    socket.init(&hub.token(Role::Viewer).await).await;
    socket.say(&json!({ "type": "ping", "payload": null })).await;
    assert_eq!(socket.message().await, json!({ "type": "pong" }));
    socket.is_quiet().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_complete_nothing_more_comes_and_the_id_is_free() {
    let hub = Served::start().await;
    let mut socket = Socket::signed_in(hub.address, &hub.token(Role::Admin).await).await;
    let begin = now(&hub).await;
    for round in 0..20 {
        // Each round begins where the first did: an item of the one before would be out of order.
        socket.subscribe("1", AFTER, json!({ "after": begin })).await;
        tick(&hub, [round]).await;
        for count in 0..=round {
            assert_eq!(socket.next("1").await["data"]["events"]["data"]["count"], count, "round {round}");
        }
        socket.complete("1").await;
        // Heard of, so that what happens from now on is none of its business.
        socket.is_quiet().await;
    }
    // Completed before it can have begun, and again something else under the same id.
    for _ in 0..20 {
        socket.subscribe("1", AFTER, json!({ "after": begin })).await;
        socket.complete("1").await;
        socket.subscribe("1", WHO, json!({})).await;
        loop {
            let said = socket.next("1").await;
            if said["data"]["viewer"]["role"] == "ADMIN" {
                break;
            }
            // What was said before the server heard of it.
            assert!(said["data"]["events"]["number"].is_string(), "{said}");
        }
        socket.completed("1").await;
    }
    socket.is_quiet().await;
    tick(&hub, [99]).await;
    socket.subscribe("last", WHO, json!({})).await;
    socket.next("last").await;
    socket.completed("last").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_runs_a_bounded_number_of_operations() {
    let hub = Served::with(&[("PORTOLAN_LIVE_OPERATIONS_PER_SOCKET", "3")]).await;
    let mut socket = Socket::signed_in(hub.address, &hub.token(Role::Viewer).await).await;
    let begin = now(&hub).await;
    tick(&hub, [1]).await;
    for id in ["1", "2", "3"] {
        socket.subscribe(id, AFTER, json!({ "after": begin })).await;
        socket.next(id).await;
    }
    for _ in 0..3 {
        socket.subscribe("4", WHO, json!({})).await;
        assert_eq!(socket.error("4").await, ["RATE_LIMITED"]);
    }
    socket.complete("2").await;
    socket.subscribe("4", WHO, json!({})).await;
    socket.next("4").await;
    socket.completed("4").await;
    tick(&hub, [2]).await;
    let mut served = [socket.message().await["id"].clone(), socket.message().await["id"].clone()];
    served.sort_by_key(ToString::to_string);
    assert_eq!(served, [json!("1"), json!("3")]);
    socket.is_quiet().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn items_of_several_subscriptions_come_in_the_order_of_each() {
    let hub = Served::start().await;
    let mut socket = Socket::signed_in(hub.address, &hub.token(Role::Admin).await).await;
    let begin = now(&hub).await;
    let others = "subscription($after: String) { events(after: $after, topics: [TENANT]) { data } }";
    socket.subscribe("a", AFTER, json!({ "after": begin })).await;
    socket.subscribe("b", others, json!({ "after": begin })).await;
    hub.cx().write(async |txn| (0..100).try_for_each(|count| txn.emit(&Tick { count }))).await.unwrap();
    let mut next = [0, 0];
    for _ in 0..200 {
        let message = socket.message().await;
        let which = usize::from(message["id"] == "b");
        assert_eq!(message["payload"]["data"]["events"]["data"]["count"], next[which], "{message}");
        next[which] += 1;
    }
    assert_eq!(next, [100, 100]);
}
