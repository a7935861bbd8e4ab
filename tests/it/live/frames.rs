//! The protocol underneath: frames in pieces, frames that break its rules, and the end of a socket.

use portolan::kernel::scope::Role;
use serde_json::json;

use super::{AFTER, now, tick};
use crate::support::{
    database::TestDatabase,
    process::{Server, token},
    served::Served,
    socket::{CLOSE, PING, Said, Socket, TEXT, framed},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_breach_closes_the_socket_with_its_code() {
    let hub = Served::with(&[("PORTOLAN_LIVE_MAX_MESSAGE", "4KiB")]).await;
    let mut announced = vec![TEXT, 0xff];
    announced.extend(u64::MAX.to_be_bytes());
    let pieces = [framed(0x01, &[b'x'; 3_000]), framed(0x80, &[b'x'; 3_000])].concat();
    let cases = [
        ("a frame without a mask", vec![TEXT, 2, b'{', b'}'], 1002),
        ("reserved bits", framed(0xc1, b"{}"), 1002),
        ("a kind nobody knows", framed(0x83, b"{}"), 1002),
        ("a control frame in pieces", framed(0x09, b""), 1002),
        ("a long control frame", framed(PING, &[0; 126]), 1002),
        ("a piece of nothing", framed(0x80, b"x"), 1002),
        ("a message within another", [framed(0x01, b"{"), framed(TEXT, b"{}")].concat(), 1002),
        ("binary data", framed(0x82, b"{}"), 1003),
        ("text that is not UTF-8", framed(TEXT, &[b'"', 0xc3, 0x28, b'"']), 1007),
        ("text that is cut within a letter", framed(TEXT, &[0xe2, 0x82]), 1007),
        ("a message over the limit", framed(TEXT, &[b'x'; 5_000]), 1009),
        ("pieces over the limit together", pieces, 1009),
        ("a length that nobody sends", announced, 1009),
        ("half a close code", framed(CLOSE, &[3]), 1002),
        ("a close code that is not sent", framed(CLOSE, &[3, 237]), 1002),
    ];
    let token = hub.token(Role::Viewer).await;
    for (name, bytes, code) in cases {
        for signed_in in [false, true] {
            let mut socket =
                if signed_in { Socket::signed_in(hub.address, &token).await } else { Socket::open(hub.address).await };
            // What was said before it is answered.
            socket.say(&json!({ "type": "ping" })).await;
            socket.bytes(&bytes).await.unwrap();
            assert_eq!(socket.message().await, json!({ "type": "pong" }), "{name}");
            let (got, reason) = socket.closed().await;
            assert_eq!(got, code, "{name}: {reason}");
        }
    }
    let mut largest = Socket::signed_in(hub.address, &token).await;
    let ping = format!("{{\"type\":\"ping\"{}}}", " ".repeat(4_096 - 15));
    assert_eq!(ping.len(), 4_096);
    largest.text(&ping).await;
    assert_eq!(largest.message().await, json!({ "type": "pong" }), "the limit itself is fine");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_may_come_in_pieces_and_bytes_one_at_a_time() {
    let hub = Served::start().await;
    let mut socket = Socket::signed_in(hub.address, &hub.token(Role::Viewer).await).await;
    let ask =
        json!({ "type": "subscribe", "id": "1", "payload": { "query": "{ viewer { role } } # grüß" } }).to_string();
    // In a letter of two bytes too; controls may come between.
    let middle = ask.find('ü').unwrap() + 1;
    let (first, last) = ask.as_bytes().split_at(middle);
    socket.frame(0x01, first).await;
    socket.frame(PING, b"between").await;
    assert_eq!(socket.heard().await, Said::Pong(b"between".to_vec()));
    socket.frame(0x00, b"").await;
    socket.frame(0x80, last).await;
    assert_eq!(socket.next("1").await["data"]["viewer"]["role"], "VIEWER");
    socket.completed("1").await;

    for byte in framed(TEXT, ask.as_bytes()) {
        socket.bytes(&[byte]).await.unwrap();
    }
    assert_eq!(socket.next("1").await["data"]["viewer"]["role"], "VIEWER");
    socket.completed("1").await;

    let several: Vec<u8> = (0..50_u8).flat_map(|count| framed(PING, &[count])).collect();
    socket.bytes(&several).await.unwrap();
    for count in 0..50 {
        assert_eq!(socket.heard().await, Said::Pong(vec![count]));
    }
    // Half a frame is waited for, and holds up nothing but itself.
    let half = framed(TEXT, ask.as_bytes());
    socket.bytes(&half[..half.len() / 2]).await.unwrap();
    let mut other = Socket::signed_in(hub.address, &hub.token(Role::Viewer).await).await;
    other.is_quiet().await;
    socket.bytes(&half[half.len() / 2..]).await.unwrap();
    assert_eq!(socket.next("1").await["data"]["viewer"]["role"], "VIEWER");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_goodbye_is_answered_in_kind_and_its_subscriptions_end() {
    let hub = Served::start().await;
    let token = hub.token(Role::Viewer).await;
    let before = hub.app.hub().tasks.len();
    for (said, answered) in [(&b""[..], 1000), (&[3, 233], 1001), (&[0x11, 0x30, b'b', b'y', b'e'], 4400)] {
        let mut socket = Socket::signed_in(hub.address, &token).await;
        socket.subscribe("1", AFTER, json!({ "after": now(&hub).await })).await;
        tick(&hub, [1]).await;
        socket.next("1").await;
        socket.frame(CLOSE, said).await;
        assert_eq!(socket.heard().await, Said::Close(answered, String::new()));
        assert_eq!(socket.heard().await, Said::End);
    }
    // Neither did those whose connection merely broke.
    let mut broken = Socket::signed_in(hub.address, &token).await;
    broken.subscribe("1", AFTER, json!({ "after": now(&hub).await })).await;
    tick(&hub, [1]).await;
    broken.next("1").await;
    drop(broken);
    // The socket, its subscription and the group: all tasks end.
    hub.until(async || (hub.app.hub().tasks.len() <= before).then_some(())).await;
    assert_eq!(super::counted(&hub, "http_sockets_open"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_says_so_and_waits_for_nobody() {
    let database = TestDatabase::create().await;
    let mut server = Server::with(&database, &[("PORTOLAN_HTTP_DRAIN_TIMEOUT", "10m")]).await;
    let admin = token(&database, Role::Admin.name());
    let mut socket = Socket::signed_in(server.address, &admin).await;
    socket.subscribe("1", super::FOLLOW, json!({})).await;
    let mut silent = Socket::open(server.address).await;
    server.terminate();
    for socket in [&mut socket, &mut silent] {
        let (code, reason) = socket.closed().await;
        assert_eq!((code, reason.as_str()), (1001, "the server stops; come back with your cursor"));
    }
    // The drain time is ten minutes; who waits here less than that has not waited for it.
    assert_eq!(server.ended().await, Some(0));
    assert!(server.said().contains(r#""dropped":0"#), "{}", server.said());
}
