//! Providers that send as fast as they are answered.

use std::{
    rc::Rc,
    time::{Duration, Instant, SystemTime},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use portolan::provider::{
    manifest::webhook::Hash,
    webhook::hmac::{mac, standard_key},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::LocalSet,
};

use crate::{
    servers::{SECRET, Server, Target},
    stores::Store,
};

/// How long a round is.
const ROUND: Duration = Duration::from_secs(5);

/// What was measured in a round.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) rate: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) cpu: f64,
    pub(crate) database: f64,
}

impl Figures {
    pub(crate) fn median(all: &[Self]) -> Self {
        let of = |value: fn(&Self) -> f64| {
            let mut values: Vec<f64> = all.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        Self {
            rate: of(|it| it.rate),
            p50: of(|it| it.p50),
            p99: of(|it| it.p99),
            cpu: of(|it| it.cpu),
            database: of(|it| it.database),
        }
    }
}

/// One round against a fresh server.
pub(crate) async fn run(target: Target, store: &Store, connections: usize) -> Figures {
    let server = Server::start(target, store).await;
    let key = Rc::new(standard_key(SECRET).unwrap());
    let (cpu, database) = (server.cpu(), server.database().await);
    let begun = Instant::now();
    let local = LocalSet::new();
    let senders: Vec<_> = (0..connections)
        .map(|number| local.spawn_local(send(server.address, server.path.clone(), Rc::clone(&key), number, begun)))
        .collect();
    let mut took: Vec<Duration> = Vec::new();
    local
        .run_until(async {
            for sender in senders {
                took.extend(sender.await.unwrap());
            }
        })
        .await;
    let seconds = begun.elapsed().as_secs_f64();
    let count = took.len() as f64;
    let (cpu, database) = (server.cpu() - cpu, server.database().await - database);
    server.end().await;
    took.sort_unstable();
    let at = |share: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
        let place = (count * share) as usize;
        took[place.min(took.len() - 1)].as_secs_f64() * 1_000.0
    };
    Figures { rate: count / seconds, p50: at(0.5), p99: at(0.99), cpu: cpu / count, database: database / count }
}

/// Sends one webhook after the other on one connection. Says how long each answer took.
async fn send(
    address: std::net::SocketAddr,
    path: String,
    key: Rc<Vec<u8>>,
    number: usize,
    begun: Instant,
) -> Vec<Duration> {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let (mut took, mut heard) = (Vec::new(), vec![0_u8; 4096]);
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs().to_string();
    while begun.elapsed() < ROUND {
        let id = format!("msg_{number}_{}", took.len());
        let body = format!(
            "{{\"type\":\"order.status_changed\",\"timestamp\":\"2026-11-21T10:00:00Z\",\"data\":{{\"id\":\"REF-{number}-{}\",\
             \"status\":\"IN_PROGRESS\",\"note\":\"{}\"}}}}",
            took.len(),
            "x".repeat(200)
        );
        let parts = [id.as_bytes(), b".", now.as_bytes(), b".", body.as_bytes()];
        let signature = BASE64_STANDARD.encode(mac(Hash::Sha256, &key, &parts));
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\nwebhook-id: {id}\r\n\
             webhook-timestamp: {now}\r\nwebhook-signature: v1,{signature}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let sent = Instant::now();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut read = 0;
        // Every answer fits, and has no body.
        loop {
            let more = socket.read(&mut heard[read..]).await.unwrap();
            assert!(more > 0, "hung up");
            read += more;
            if heard[..read].windows(4).any(|end| end == b"\r\n\r\n") {
                break;
            }
        }
        assert!(heard.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&heard[..read]));
        took.push(sent.elapsed());
    }
    took
}
