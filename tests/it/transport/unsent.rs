//! Clients that do not read what they asked for: what they cost, and when they are given up.
//!
//! Over HTTP/2 a client decides how much it is sent, so one with a window of zero makes responses wait for as long as
//! the server lets them. Memory is read from the process itself. Figures of a run are printed.

use std::{fs, net::SocketAddr, time::Duration};

use axum::http::{Request, StatusCode};
use bytes::Bytes;
use h2::{
    RecvStream,
    client::{Builder, SendRequest},
};
use serde_json::json;
use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::support::{
    database::TestDatabase,
    process::{LIMIT, Server, until},
    wire::head,
};

/// A query with a large answer that belongs to its request alone.
const LARGE: &str = "{ __schema { types { name description fields(includeDeprecated: true) { name description \
    args { name description type { name kind ofType { name kind } } } type { name kind ofType { name kind } } } \
    inputFields { name description type { name kind ofType { name kind } } } enumValues { name description } } } }";

/// Memory in use, in KiB.
fn memory(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A counter of the server.
async fn counted(server: &Server, name: &str) -> u64 {
    let page = server.wire().await.get("/metrics").await.unwrap().text;
    let line = page.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {page}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// A client of HTTP/2 whose streams are sent `window` bytes that it did not read yet.
async fn client(address: SocketAddr, window: u32, running: &mut JoinSet<()>) -> SendRequest<Bytes> {
    let socket = TcpStream::connect(address).await.unwrap();
    let (client, connection) = Builder::new().initial_window_size(window).handshake(socket).await.unwrap();
    running.spawn(async move {
        // It answers pings for as long as the server keeps it.
        let _ = connection.await;
    });
    client
}

/// Asks for something, and reads no more than the head of the answer.
async fn asked(
    client: &mut SendRequest<Bytes>,
    request: Request<()>,
    body: Option<String>,
) -> (StatusCode, RecvStream) {
    *client = client.clone().ready().await.unwrap();
    let (answer, mut send) = client.send_request(request, body.is_none()).unwrap();
    if let Some(body) = body {
        send.send_data(Bytes::from(body), true).unwrap();
    }
    let answer = timeout(LIMIT, answer).await.unwrap().unwrap();
    (answer.status(), answer.into_body())
}

fn schema() -> Request<()> {
    Request::get("http://portolan/schema.graphql").body(()).unwrap()
}

/// Asks for the large answer.
async fn large(client: &mut SendRequest<Bytes>) -> (StatusCode, RecvStream) {
    let request = Request::post("http://portolan/graphql").header("content-type", "application/json").body(()).unwrap();
    asked(client, request, Some(json!({ "query": LARGE }).to_string())).await
}

#[tokio::test]
async fn clients_with_windows_of_zero_cost_little_memory_and_lose_their_streams() {
    const CONNECTIONS: usize = 100;
    const STREAMS: usize = 100;
    // What one address may make wait, twice `http.unsent_per_address`, and what 100 connections cost by themselves.
    // Without a bound, 10,000 copies of the schema were 2 GiB.
    const MOST: u64 = 2 * 16 * 1024 + 16 * 1024;

    let database = TestDatabase::create().await;
    let server = Server::with(&database, &[("PORTOLAN_HTTP_WRITE_TIMEOUT", "20s")]).await;
    let length = server.wire().await.get("/schema.graphql").await.unwrap().text.len();
    let before = memory(&server);
    let mut running = JoinSet::new();
    let mut clients = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let mut client = client(server.address, 0, &mut running).await;
        clients.spawn(async move {
            let (mut bodies, mut refused) = (Vec::new(), 0);
            for _ in 0..STREAMS {
                let (status, body) = asked(&mut client, schema(), None).await;
                if body.is_end_stream() {
                    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "only a refusal has no body to wait for");
                    refused += 1;
                } else {
                    bodies.push(body);
                }
            }
            (client, bodies, refused)
        });
    }
    let held: Vec<_> = clients.join_all().await;
    let during = memory(&server);
    let waiting: usize = held.iter().map(|(_, bodies, _)| bodies.len()).sum();
    let refused: usize = held.iter().map(|(.., refused)| refused).sum();
    println!(
        "{CONNECTIONS} × {STREAMS} streams of {length} bytes each: {waiting} waited, {refused} were refused, \
         {before} → {during} KiB"
    );
    assert!(during.saturating_sub(before) < MOST, "{before} → {during} KiB");

    for (_client, bodies, _) in held {
        for mut body in bodies {
            let end = timeout(LIMIT, body.data()).await.expect("the stream is ended");
            assert!(end.is_some_and(|data| data.is_err()), "nothing can be sent, so it ends with a reset");
        }
    }
    assert!(counted(&server, "http_responses_stalled_total").await > 0);
    // The same address is served again.
    assert_eq!(server.wire().await.get("/schema.graphql").await.unwrap().text.len(), length);
}

#[tokio::test]
async fn a_slow_client_that_keeps_reading_gets_its_whole_answer() {
    const TIMES: usize = 50;
    let database = TestDatabase::create().await;
    // Far less than the whole takes, and far more than a piece of it.
    let server = Server::with(&database, &[("PORTOLAN_HTTP_WRITE_TIMEOUT", "3s")]).await;
    let whole = server.wire().await.get("/schema.graphql").await.unwrap().text;

    let mut running = JoinSet::new();
    let mut client = client(server.address, 4 * 1024, &mut running).await;
    let begun = Instant::now();
    let (status, mut body) = asked(&mut client, schema(), None).await;
    assert_eq!(status, StatusCode::OK);
    let mut read = Vec::new();
    while let Some(data) = timeout(LIMIT, body.data()).await.unwrap() {
        let data = data.unwrap();
        read.extend_from_slice(&data);
        sleep(Duration::from_millis(100)).await;
        body.flow_control().release_capacity(data.len()).unwrap();
    }
    assert!(read == whole.as_bytes(), "{} of {} bytes", read.len(), whole.len());
    assert!(begun.elapsed() > Duration::from_secs(4), "it took longer than any one piece may");

    // Over HTTP/1.1 the kernel takes some megabytes for a client, so it asks for more than that at once.
    let mut wire = server.wire().await;
    wire.send(&"GET /schema.graphql HTTP/1.1\r\nhost: portolan\r\n\r\n".repeat(TIMES)).await.unwrap();
    let (mut socket, mut left) = (wire.into_inner(), TIMES * whole.len());
    let mut buffer = vec![0; 256 * 1024];
    while left > 0 {
        sleep(Duration::from_millis(100)).await;
        let count = timeout(LIMIT, socket.read(&mut buffer)).await.unwrap().unwrap();
        assert!(count > 0, "it was closed with {left} bytes to go");
        left = left.saturating_sub(count);
    }
}

#[tokio::test]
async fn answers_that_wait_for_one_connection_are_bounded_in_bytes() {
    const BOUND: usize = 1024 * 1024;
    let database = TestDatabase::create().await;
    let settings = [("PORTOLAN_HTTP_UNSENT_PER_CONNECTION", "1MiB"), ("PORTOLAN_HTTP_WRITE_TIMEOUT", "10s")];
    let server = Server::with(&database, &settings).await;
    let length = server.ask("", LARGE, json!({})).await.text.len();
    assert!(length > 100_000 && length < BOUND, "{length}");

    let mut running = JoinSet::new();
    let mut client = client(server.address, 0, &mut running).await;
    let mut held = Vec::new();
    let refused = loop {
        let (status, body) = large(&mut client).await;
        if status != StatusCode::OK {
            break status;
        }
        held.push(body);
        assert!(held.len() * length <= 2 * BOUND, "no bound is in sight");
    };
    assert_eq!(refused, StatusCode::SERVICE_UNAVAILABLE);
    println!("{} answers of {length} bytes waited before one was refused", held.len());
    // Another connection is served.
    assert!(server.ask("", LARGE, json!({})).await.status.is_success());
    // The stalled ones are reset, and this one is served again.
    for body in &mut held {
        assert!(timeout(LIMIT, body.data()).await.unwrap().is_some_and(|data| data.is_err()));
    }
    until("there is room again", async || (large(&mut client).await.0 == StatusCode::OK).then_some(())).await;
}

#[tokio::test]
async fn over_http_1_clients_that_do_not_read_cost_little_memory_and_are_closed() {
    const CONNECTIONS: usize = 20;
    let database = TestDatabase::create().await;
    let server = Server::with(&database, &[("PORTOLAN_HTTP_WRITE_TIMEOUT", "5s")]).await;
    server.wire().await.get("/schema.graphql").await.unwrap();
    let before = memory(&server);
    // Together more than the kernel takes for a connection.
    let requests = "GET /schema.graphql HTTP/1.1\r\nhost: portolan\r\n\r\n".repeat(60);
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut wire = server.wire().await;
        wire.send(&requests).await.unwrap();
        held.push(wire);
    }
    let mut most = before;
    until("all of them are closed", async || {
        most = most.max(memory(&server));
        (counted(&server, "http_connections_open").await == 1).then_some(())
    })
    .await;
    println!("{CONNECTIONS} clients that do not read: {before} → {most} KiB");
    assert!(most.saturating_sub(before) < 16 * 1024, "{before} → {most} KiB");
}

#[tokio::test]
async fn over_http_1_answers_that_wait_for_one_address_are_bounded_in_bytes() {
    const BOUND: usize = 1024 * 1024;
    let database = TestDatabase::create().await;
    let settings = [
        ("PORTOLAN_HTTP_UNSENT_PER_CONNECTION", "1MiB"),
        ("PORTOLAN_HTTP_UNSENT_PER_ADDRESS", "1MiB"),
        ("PORTOLAN_HTTP_WRITE_TIMEOUT", "15s"),
    ];
    let server = Server::with(&database, &settings).await;
    let length = server.ask("", LARGE, json!({})).await.text.len();

    // Each asks for more than the kernel takes for it, so one answer waits for each, until there is no more room.
    let body = json!({ "query": LARGE }).to_string();
    let request = format!("{}\r\n{body}", head("", body.len()));
    let mut held = Vec::new();
    let refused = until("a request is refused", async || {
        if held.len() < 8 {
            let mut wire = server.wire().await;
            wire.send(&request.repeat(8 * BOUND / length)).await.unwrap();
            held.push(wire);
        }
        sleep(Duration::from_millis(500)).await;
        let reply = server.ask("", "{ __typename }", json!({})).await;
        (reply.status == StatusCode::SERVICE_UNAVAILABLE).then_some(reply)
    })
    .await;
    assert_eq!((refused.codes(), refused.header("retry-after")), (vec!["SERVICE_UNAVAILABLE".to_owned()], "1"));
    assert!(!refused.header("x-request-id").is_empty());
    println!("refused after {} clients with answers of {length} bytes each", held.len());

    // They are closed without having read a byte, and there is room again.
    until("there is room again", async || {
        server.ask("", "{ __typename }", json!({})).await.status.is_success().then_some(())
    })
    .await;
    until("all of them are closed", async || (counted(&server, "http_connections_open").await == 1).then_some(()))
        .await;
}
