//! What needs a connection: bodies without an end, heads without a measure, bytes that are no HTTP.

use std::{net::SocketAddr, time::Duration};

use portolan::kernel::scope::Role;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::support::TestHub;

/// Longer than any of this takes, on any machine.
const PATIENCE: Duration = Duration::from_secs(20);
const HEAD: &str = "POST /graphql HTTP/1.1\r\nhost: hub\r\ncontent-type: application/json\r\n";
const ASK: &str = "{\"query\":\"{ viewer { role } }\"}";

/// Sends the pieces while somebody takes them, and reads until the connection is closed.
async fn talk(address: SocketAddr, pieces: Vec<Vec<u8>>) -> String {
    let socket = TcpStream::connect(address).await.unwrap();
    let (mut from, mut to) = socket.into_split();
    let sending = async move {
        for piece in pieces {
            // The server may close before everything is sent; what it said is what counts.
            if to.write_all(&piece).await.is_err() {
                break;
            }
        }
        to
    };
    let mut heard = Vec::new();
    let reading = async {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            heard.extend_from_slice(&buffer[..read]);
        }
    };
    timeout(PATIENCE, async { tokio::join!(sending, reading) }).await.expect("the server hung up in time");
    String::from_utf8(heard).unwrap()
}

fn status(answer: &str) -> u16 {
    answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok()).unwrap_or(0)
}

/// The code of a refusal, with the assertion that it has the shape of one.
fn code(answer: &str) -> String {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let json: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
    let id = head.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap();
    assert_eq!(json["errors"][0]["extensions"]["requestId"], id);
    json["errors"][0]["extensions"]["code"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_misbehaves_is_answered_or_closed_and_the_next_one_served() {
    let hub = TestHub::start().await;
    let token = hub.token(Role::Admin).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let chunk = |size: usize| [format!("{size:x}\r\n").into_bytes(), vec![b' '; size], b"\r\n".to_vec()].concat();
    let kilo = 1024;
    let head = |more: &str| format!("{HEAD}{more}\r\n").into_bytes();
    let large = vec![b' '; 64 * kilo];
    // What is sent, and the status and code, where there is an answer at all.
    let cases: Vec<(&str, Vec<Vec<u8>>, u16, &str)> = vec![
        (
            "10 MB with their length",
            [vec![head("content-length: 10485760\r\n")], vec![large.clone(); 160]].concat(),
            413,
            "PAYLOAD_TOO_LARGE",
        ),
        (
            "10 MB announced",
            vec![head("content-length: 10485760\r\nexpect: 100-continue\r\n")],
            413,
            "PAYLOAD_TOO_LARGE",
        ),
        (
            "chunks without an end",
            [vec![head("transfer-encoding: chunked\r\n")], vec![chunk(64 * kilo); 400]].concat(),
            413,
            "PAYLOAD_TOO_LARGE",
        ),
        (
            "a chunk of 2^64 bytes",
            vec![head("transfer-encoding: chunked\r\n"), b"ffffffffffffffff1\r\n".to_vec()],
            400,
            "BAD_USER_INPUT",
        ),
        (
            "a chunk of no size",
            vec![head("transfer-encoding: chunked\r\n"), b"zz\r\n{}\r\n0\r\n\r\n".to_vec()],
            400,
            "BAD_USER_INPUT",
        ),
        ("no length and no chunks", vec![head("connection: close\r\n"), ASK.into()], 400, "BAD_USER_INPUT"),
        ("two lengths that differ", vec![head("content-length: 2\r\ncontent-length: 3\r\n"), b"{}".to_vec()], 400, ""),
        ("a length that is no number", vec![head("content-length: two\r\n"), b"{}".to_vec()], 400, ""),
        ("1,000 headers", vec![head(&"a: b\r\n".repeat(1_000))], 431, ""),
        ("a token of 1 MB", vec![head(&format!("authorization: Bearer {}\r\n", "A".repeat(1_000_000)))], 431, ""),
        (
            "an address of 100 KB",
            vec![format!("GET /graphql?query={} HTTP/1.1\r\n\r\n", "a".repeat(100_000)).into()],
            431,
            "",
        ),
        ("bytes that are no HTTP", vec![(0..=255).cycle().take(4 * kilo).collect()], 400, ""),
        ("a handshake of TLS", vec![b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(100)], 400, ""),
        ("a head of NULs", vec![vec![0; 4 * kilo]], 400, ""),
        ("a space before a colon", vec![head("a : b\r\ncontent-length: 0\r\n")], 400, ""),
        ("a version nobody knows", vec![b"GET / HTTP/9.9\r\n\r\n".to_vec()], 400, ""),
    ];
    let talking = async {
        for (name, pieces, wanted, wanted_code) in cases {
            let answer = talk(address, pieces).await;
            println!("{name:<32} {:>3} {}", status(&answer), answer.len());
            // An answer may be lost when the rest of what was sent meets a closed socket.
            assert!([wanted, 0].contains(&status(&answer)), "{name}: {answer:.300}");
            assert!(status(&answer) == wanted || wanted_code.is_empty(), "{name} got no answer");
            if !wanted_code.is_empty() {
                assert_eq!(code(&answer), wanted_code, "{name}");
            }
            let close =
                format!("authorization: Bearer {token}\r\ncontent-length: {}\r\nconnection: close\r\n", ASK.len());
            let next = talk(address, vec![head(&close), ASK.into()]).await;
            assert!(status(&next) == 200 && next.contains("\"role\":\"ADMIN\""), "after {name}: {next}");
        }
        stop.cancel();
    };
    let (drained, ()) = tokio::join!(hub.app.serve(listener, stop.clone()), talking);
    assert_eq!(drained.dropped, 0);
}
