//! The handshake of a WebSocket, and who may make one.

use portolan::kernel::scope::Role;
use serde_json::json;

use super::{AFTER, now, tick};
use crate::support::{
    served::Served,
    socket::{PING, Said, Socket, framed, head},
    wire::Wire,
};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_handshake_is_refused_like_any_request_and_says_the_version() {
    let hub = Served::start().await;
    let good = head();
    let cases = [
        ("by POST", good.replace("GET", "POST") + "content-length: 0\r\n"),
        ("over HTTP/1.0", good.replace("HTTP/1.1", "HTTP/1.0")),
        ("without a key", good.replace("sec-websocket-key", "x-key")),
        ("with a key that is none", good.replace("dGhlIHNhbXBsZSBub25jZQ==", "not base64!")),
        ("with a key that is too short", good.replace("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZQ==")),
        ("without a version", good.replace("sec-websocket-version", "x-version")),
        ("of version 8", good.replace("version: 13", "version: 8")),
        ("without `Connection: upgrade`", good.replace("keep-alive, Upgrade", "keep-alive")),
    ];
    for (name, head) in cases {
        let (reply, _) = Socket::shake(hub.address, &head).await;
        reply.refused(400, "BAD_USER_INPUT");
        assert_eq!(reply.header("sec-websocket-version"), "13", "{name}");
    }
    let (reply, _) = Socket::shake(hub.address, &good.replace("websocket\r\n", "something-else\r\n")).await;
    assert_ne!(reply.status, 101, "what asks for no WebSocket gets none");
    let (reply, _) = Socket::shake(hub.address, &good.replace("websocket\r\n", "h2c, WebSocket\r\n")).await;
    assert_eq!(reply.status, 101, "names of protocols are told apart from others and by no case");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_speak_the_sub_protocol_is_told_so() {
    let hub = Served::start().await;
    for offered in ["sec-websocket-protocol: graphql-ws\r\n", ""] {
        let head = head().replace("sec-websocket-protocol: graphql-transport-ws\r\n", offered);
        let (reply, mut socket) = Socket::shake(hub.address, &head).await;
        assert_eq!((reply.status.as_u16(), reply.header("sec-websocket-protocol")), (101, ""));
        assert_eq!(socket.closed().await.0, 4406);
    }
    let head = head().replace("graphql-transport-ws", "graphql-ws, graphql-transport-ws");
    let (reply, mut socket) = Socket::shake(hub.address, &head).await;
    assert_eq!(reply.header("sec-websocket-protocol"), "graphql-transport-ws", "one of several is chosen");
    socket.is_quiet().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_origins_open_no_sockets() {
    let hub = Served::with(&[("PORTOLAN_HTTP_ALLOWED_ORIGINS", "https://console.example")]).await;
    let from = |origin: &str| format!("{}origin: {origin}\r\n", head());
    for origin in
        ["https://elsewhere.example", "null", "https://console.example.evil", "portolan", "http://portolan:81"]
    {
        let (reply, _) = Socket::shake(hub.address, &from(origin)).await;
        reply.refused(403, "FORBIDDEN");
    }
    for origin in ["https://console.example", "http://portolan", "https://portolan"] {
        let (reply, mut socket) = Socket::shake(hub.address, &from(origin)).await;
        assert_eq!(reply.status, 101, "{origin}: {}", reply.text);
        socket.is_quiet().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_in_the_handshake_signs_in() {
    let hub = Served::start().await;
    let token = hub.token(Role::Viewer).await;
    let with = |authorization: &str| format!("{}authorization: {authorization}\r\n", head());
    for wrong in ["Bearer ptl_nonsense", "Basic abc", "Bearer"] {
        let (reply, _) = Socket::shake(hub.address, &with(wrong)).await;
        reply.refused(401, "UNAUTHENTICATED");
        assert_eq!(reply.header("www-authenticate"), "Bearer realm=\"portolan\"");
    }
    let (reply, mut socket) = Socket::shake(hub.address, &with(&format!("Bearer {token}"))).await;
    assert_eq!(reply.status, 101);
    socket.say(&json!({ "type": "connection_init" })).await;
    assert_eq!(socket.message().await["type"], "connection_ack");
    socket.subscribe("v", "{ viewer { role } }", json!({})).await;
    assert_eq!(socket.next("v").await, json!({ "data": { "viewer": { "role": "VIEWER" } } }));
    socket.completed("v").await;
    socket.subscribe("e", AFTER, json!({ "after": now(&hub).await })).await;
    tick(&hub, [1]).await;
    assert_eq!(socket.next("e").await["data"]["events"]["kind"], "test.ticked");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_header_chooses_a_tenant_for_who_runs_the_hub_and_nobody_else() {
    let hub = Served::start().await;
    hub.another_tenant("other").await;
    let in_other = |token: &str| format!("{}authorization: Bearer {token}\r\nx-portolan-tenant: other\r\n", head());
    let (reply, mut socket) = Socket::shake(hub.address, &in_other(&hub.token(Role::SuperAdmin).await)).await;
    assert_eq!(reply.status, 101);
    socket.say(&json!({ "type": "connection_init" })).await;
    assert_eq!(socket.message().await["type"], "connection_ack");
    socket.subscribe("t", "{ viewer { tenant { slug } } }", json!({})).await;
    assert_eq!(socket.next("t").await["data"]["viewer"]["tenant"]["slug"], "other");
    let (reply, _) = Socket::shake(hub.address, &in_other(&hub.token(Role::Admin).await)).await;
    reply.refused(404, "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_come_with_the_handshake_are_heard() {
    let hub = Served::start().await;
    let mut wire = Wire::open(hub.address).await.unwrap();
    let mut bytes = format!("{}\r\n", head()).into_bytes();
    bytes.extend(framed(PING, b"early"));
    wire.bytes(&bytes).await.unwrap();
    assert_eq!(wire.reply().await.unwrap().status, 101);
    let mut socket = Socket::from(wire);
    assert_eq!(socket.heard().await, Said::Pong(b"early".to_vec()));
}
