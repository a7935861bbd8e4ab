//! The serving loop against raw sockets.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::routing::{any, get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::*;

/// Longer than any test should take, on any machine.
const GENEROUS: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(100);
/// Time enough for one request, even if the machine pauses.
const HEAD: Duration = Duration::from_millis(500);
const ASK: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

fn limits() -> ServeLimits {
    let patience = Patience { head: GENEROUS, idle: GENEROUS, write: GENEROUS };
    ServeLimits { patience, drain: GENEROUS, ..ServeLimits::default() }
}

/// A server with a request that can be held.
struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    entered: Arc<Notify>,
    release: Arc<Notify>,
    counts: Arc<Mutex<HashMap<Notice, usize>>>,
    ended: JoinHandle<Drained>,
}

impl Server {
    async fn start(limits: ServeLimits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (enter, hold) = (Arc::clone(&entered), Arc::clone(&release));
        let app = Router::new()
            .route("/", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() }))
            .route("/large", get(|| async { vec![b'x'; 64 * 1024 * 1024] }))
            .route("/refuse", post(|| async { (http::StatusCode::PAYLOAD_TOO_LARGE, "too large") }))
            .route("/upgrade", any(upgrade))
            .route(
                "/hold",
                get(move || async move {
                    enter.notify_one();
                    hold.notified().await;
                    "held"
                }),
            );
        let counts = Arc::new(Mutex::new(HashMap::new()));
        let tally = Arc::clone(&counts);
        let counter = Arc::new(move |notice| {
            *tally.lock().unwrap_or_else(PoisonError::into_inner).entry(notice).or_default() += 1;
        });
        let ended = TaskTracker::new().spawn(serve(listener, app, limits, stop.clone(), counter));
        Self { address, stop, entered, release, counts, ended }
    }

    async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    fn count(&self, notice: Notice) -> usize {
        self.counts.lock().unwrap().get(&notice).copied().unwrap_or(0)
    }

    async fn until(&self, notice: Notice, count: usize) {
        within(async {
            while self.count(notice) < count {
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    async fn end(self) -> Drained {
        within(self.ended).await.unwrap()
    }
}

/// Echoes what comes after the upgrade.
async fn upgrade(request: Request<Body>) -> axum::response::Response {
    let upgraded = hyper::upgrade::on(request);
    TaskTracker::new().spawn(async move {
        let mut socket = TokioIo::new(upgraded.await.unwrap());
        let mut byte = [0];
        while socket.read_exact(&mut byte).await.is_ok() {
            socket.write_all(&byte).await.unwrap();
        }
    });
    let answer = axum::response::Response::builder().status(101);
    answer.header("connection", "upgrade").header("upgrade", "echo").body(Body::empty()).unwrap()
}

struct Client(TcpStream);

impl Client {
    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads up to and with the given text.
    async fn until(&mut self, end: &str) -> String {
        let mut text = String::new();
        within(async {
            while !text.ends_with(end) {
                text.push(char::from(self.0.read_u8().await.unwrap()));
            }
        })
        .await;
        text
    }

    /// Whatever comes until the connection closes, or is reset.
    async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        let _ = within(self.0.read_to_end(&mut bytes)).await;
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

async fn within<F: Future>(wait: F) -> F::Output {
    timeout(GENEROUS, wait).await.expect("it happens at some time")
}

#[tokio::test]
async fn a_request_is_answered_and_knows_its_peer() {
    let server = Server::start(limits()).await;
    let mut client = server.connect().await;
    for _ in 0..3 {
        client.send(ASK).await;
        assert!(client.until("127.0.0.1").await.starts_with("HTTP/1.1 200"));
    }
    assert_eq!(server.count(Notice::Opened), 1);
}

#[tokio::test]
async fn silence_and_half_a_header_are_closed_after_the_header_time() {
    let patience = Patience { head: SHORT, ..limits().patience };
    let server = Server::start(ServeLimits { patience, ..limits() }).await;
    for part in ["", "G", "GET / HTTP/1.1\r\nhost:", "PRI * HTTP/2.0\r\n\r\nSM"] {
        let mut client = server.connect().await;
        client.send(part).await;
        assert_eq!(client.rest().await, "", "{part:?}");
    }
    assert_eq!(server.count(Notice::Stuck), 4);
}

#[tokio::test]
async fn a_header_that_trickles_is_closed_all_the_same() {
    let patience = Patience { head: HEAD, ..limits().patience };
    let server = Server::start(ServeLimits { patience, ..limits() }).await;
    let mut client = server.connect().await;
    client.send(ASK).await;
    client.until("127.0.0.1").await;
    let trickle = async {
        while client.0.write_all(b"G").await.is_ok() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    within(trickle).await;
    assert_eq!(server.count(Notice::Stuck), 1);
}

#[tokio::test]
async fn an_idle_connection_outlives_the_header_time_but_not_the_idle_time() {
    let patience = Patience { head: HEAD, idle: HEAD * 6, ..limits().patience };
    let server = Server::start(ServeLimits { patience, ..limits() }).await;
    let mut client = server.connect().await;
    client.send(ASK).await;
    client.until("127.0.0.1").await;
    sleep(HEAD * 2).await;
    client.send(ASK).await;
    client.until("127.0.0.1").await;
    assert_eq!(client.rest().await, "");
    assert_eq!((server.count(Notice::Idle), server.count(Notice::Stuck)), (1, 0));
}

#[tokio::test]
async fn a_running_request_is_never_idle() {
    let patience = Patience { idle: SHORT, ..limits().patience };
    let server = Server::start(ServeLimits { patience, ..limits() }).await;
    let mut client = server.connect().await;
    client.send("GET /hold HTTP/1.1\r\nhost: x\r\n\r\n").await;
    within(server.entered.notified()).await;
    sleep(SHORT * 4).await;
    server.release.notify_one();
    client.until("held").await;
}

#[tokio::test]
async fn a_client_that_does_not_take_its_answer_is_given_up() {
    let patience = Patience { write: SHORT, ..limits().patience };
    let server = Server::start(ServeLimits { patience, ..limits() }).await;
    let mut client = server.connect().await;
    client.send("GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
    server.until(Notice::Stuck, 1).await;
    server.until(Notice::Closed, 1).await;
}

#[tokio::test]
async fn a_flood_of_headers_is_refused() {
    let server = Server::start(limits()).await;
    let many = "x: 1\r\n".repeat(65);
    let large = format!("x: {}\r\n", "x".repeat(17 * 1024));
    for flood in [many, large] {
        let mut client = server.connect().await;
        client.send(&format!("GET / HTTP/1.1\r\nhost: x\r\n{flood}\r\n")).await;
        assert!(client.rest().await.starts_with("HTTP/1.1 431"));
    }
}

#[tokio::test]
async fn an_answer_reaches_a_client_that_is_still_sending() {
    let server = Server::start(limits()).await;
    let mut client = server.connect().await;
    client.send("POST /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: 4000000\r\n\r\n").await;
    // First everything is sent, only then is anything read.
    client.send(&"x".repeat(4_000_000)).await;
    assert!(client.rest().await.ends_with("too large"));
}

#[tokio::test]
async fn connections_over_the_cap_of_their_address_are_closed() {
    let server = Server::start(ServeLimits { per_address: 2, ..limits() }).await;
    let (first, mut second) = (server.connect().await, server.connect().await);
    server.until(Notice::Opened, 2).await;
    assert_eq!(server.connect().await.rest().await, "");
    second.send(ASK).await;
    second.until("127.0.0.1").await;
    drop(first);
    server.until(Notice::Closed, 1).await;
    let mut third = server.connect().await;
    third.send(ASK).await;
    third.until("127.0.0.1").await;
    assert_eq!(server.count(Notice::Crowded), 1);
}

#[tokio::test]
async fn connections_over_the_total_wait_for_a_seat() {
    let server = Server::start(ServeLimits { connections: 1, ..limits() }).await;
    let first = server.connect().await;
    server.until(Notice::Opened, 1).await;
    let mut second = server.connect().await;
    second.send(ASK).await;
    assert!(timeout(SHORT, second.0.readable()).await.is_err());
    drop(first);
    second.until("127.0.0.1").await;
}

#[tokio::test]
async fn a_stop_lets_a_running_request_finish_and_closes_idle_connections_at_once() {
    let server = Server::start(limits()).await;
    let (mut busy, mut idle, mut fresh) = (server.connect().await, server.connect().await, server.connect().await);
    idle.send(ASK).await;
    idle.until("127.0.0.1").await;
    busy.send("GET /hold HTTP/1.1\r\nhost: x\r\n\r\n").await;
    within(server.entered.notified()).await;
    server.until(Notice::Opened, 3).await;
    server.stop.cancel();
    assert_eq!((idle.rest().await, fresh.rest().await), (String::new(), String::new()));
    assert!(TcpStream::connect(server.address).await.is_err());
    server.release.notify_one();
    let answer = busy.rest().await;
    assert!(answer.ends_with("held") && answer.contains("connection: close"), "{answer}");
    assert_eq!(server.end().await.dropped, 0);
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// Asks for one path over HTTP/2.
async fn ask_multiplexed(client: &mut Client, path: &str) {
    let length = u8::try_from(path.len()).unwrap();
    let head = [&[0x82, 0x86, 0x41, 1, b'x', 0x04, length], path.as_bytes()].concat();
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    client.0.write_all(&[frame(4, 0, 0, &[]), frame(1, 5, 1, &head)].concat()).await.unwrap();
}

/// Answers settings and pings until the connection closes; gives the data and whether good-bye was said.
async fn rest_multiplexed(client: &mut Client) -> (String, bool) {
    let (mut data, mut goodbye) = (String::new(), false);
    let reading = async {
        let mut head = [0; 9];
        while client.0.read_exact(&mut head).await.is_ok() {
            let mut payload = vec![0; usize::from(head[1]) * 256 + usize::from(head[2])];
            client.0.read_exact(&mut payload).await.unwrap();
            match (head[3], head[4] & 1) {
                (0, _) => data.push_str(str::from_utf8(&payload).unwrap()),
                (4, 0) => client.0.write_all(&frame(4, 1, 0, &[])).await.unwrap(),
                (6, 0) => client.0.write_all(&frame(6, 1, 0, &payload)).await.unwrap(),
                (7, _) => goodbye = true,
                _ => {}
            }
        }
    };
    within(reading).await;
    (data, goodbye)
}

#[tokio::test]
async fn over_http_2_a_stop_says_good_bye_and_finishes_what_runs() {
    let server = Server::start(limits()).await;
    let mut client = server.connect().await;
    ask_multiplexed(&mut client, "/hold").await;
    within(server.entered.notified()).await;
    server.stop.cancel();
    server.release.notify_one();
    assert_eq!(rest_multiplexed(&mut client).await, ("held".to_owned(), true));
    assert_eq!(server.end().await, Drained { drained: 1, dropped: 0 });
}

#[tokio::test]
async fn over_http_2_an_idle_connection_is_sent_good_bye() {
    let patience = Patience { idle: SHORT, ..limits().patience };
    let server = Server::start(ServeLimits { patience, ..limits() }).await;
    let mut client = server.connect().await;
    ask_multiplexed(&mut client, "/").await;
    assert_eq!(rest_multiplexed(&mut client).await, ("127.0.0.1".to_owned(), true));
    assert_eq!((server.count(Notice::Idle), server.count(Notice::Stuck)), (1, 0));
}

#[tokio::test]
async fn over_http_2_the_end_of_the_drain_time_drops_what_runs() {
    let server = Server::start(ServeLimits { drain: SHORT, ..limits() }).await;
    let mut client = server.connect().await;
    ask_multiplexed(&mut client, "/hold").await;
    within(server.entered.notified()).await;
    server.stop.cancel();
    assert_eq!(rest_multiplexed(&mut client).await.0, "");
    assert_eq!(server.end().await, Drained { drained: 0, dropped: 1 });
}

#[tokio::test]
async fn the_end_of_the_drain_time_drops_a_request_that_is_stuck() {
    let server = Server::start(ServeLimits { drain: SHORT, ..limits() }).await;
    let mut stuck = server.connect().await;
    stuck.send("GET /hold HTTP/1.1\r\nhost: x\r\n\r\n").await;
    within(server.entered.notified()).await;
    server.stop.cancel();
    assert_eq!(stuck.rest().await, "");
    assert_eq!(server.end().await, Drained { drained: 0, dropped: 1 });
}

#[tokio::test]
async fn an_upgraded_socket_keeps_its_seat_until_it_closes() {
    let server = Server::start(limits()).await;
    let mut client = server.connect().await;
    client.send("GET /upgrade HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n").await;
    assert!(client.until("\r\n\r\n").await.starts_with("HTTP/1.1 101"));
    server.stop.cancel();
    client.send("still here").await;
    client.until("still here").await;
    assert_eq!(server.count(Notice::Closed), 0);
    drop(client);
    assert_eq!(server.end().await, Drained { drained: 1, dropped: 0 });
}
