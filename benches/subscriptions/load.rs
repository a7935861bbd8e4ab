//! Sockets that subscribe and count, and a publisher.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
    task::LocalSet,
};

use crate::servers::{Server, Target};

/// Events that may be under way at once.
const UNDER_WAY: usize = 4;

/// How long a phase lasts.
const PHASE: Duration = Duration::from_millis(1_500);

/// What is asked of a server.
pub struct Work {
    sockets: usize,
    documents: usize,
    own_topics: bool,
}

impl Work {
    pub fn one_topic(sockets: usize) -> Self {
        Self { sockets, documents: 1, own_topics: false }
    }

    pub fn documents(sockets: usize, documents: usize) -> Self {
        Self { sockets, documents, own_topics: false }
    }

    pub fn own_topics(sockets: usize) -> Self {
        Self { sockets, documents: 1, own_topics: true }
    }

    pub fn title(&self) -> String {
        match self {
            Self { own_topics: true, sockets, .. } => format!("{sockets} sockets, a topic each"),
            Self { documents: 1, sockets, .. } => format!("{sockets} sockets, one topic"),
            Self { documents, sockets, .. } => format!("{sockets} sockets, one topic, {documents} documents"),
        }
    }

    fn document(&self, socket: usize) -> String {
        // Documents differ in their names, which is enough to make them different.
        let name = socket % self.documents;
        format!(
            "subscription S{name}($subjects: [ID!]) {{ events(subjects: $subjects) {{ number cursor kind subject actor at data }} }}"
        )
    }
}

/// What was measured.
#[derive(Clone, Copy, Default)]
pub struct Figures {
    pub rate: f64,
    pub p50: f64,
    pub p99: f64,
    pub cpu: f64,
    pub kib: f64,
    pub subscribe: f64,
}

impl Figures {
    pub fn median(of: &[Self]) -> Self {
        let middle = |figure: fn(&Self) -> f64| {
            let mut figures: Vec<_> = of.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures[figures.len() / 2]
        };
        Self {
            rate: middle(|it| it.rate),
            p50: middle(|it| it.p50),
            p99: middle(|it| it.p99),
            cpu: middle(|it| it.cpu),
            kib: middle(|it| it.kib),
            subscribe: middle(|it| it.subscribe),
        }
    }
}

/// What the sockets have received.
#[derive(Default)]
struct Tally {
    received: usize,
    wanted: usize,
    /// When each event was published, by topic.
    published: Vec<Vec<Instant>>,
    waits: Vec<f64>,
    measures: bool,
}

struct Shared {
    tally: RefCell<Tally>,
    moved: Notify,
}

/// Measures one target with one work.
pub async fn run(target: Target, work: &Work) -> Figures {
    LocalSet::new().run_until(measured(target, work)).await
}

async fn measured(target: Target, work: &Work) -> Figures {
    let server = Server::start(target);
    let mut publisher = Publisher::new(target, &server).await;
    let topics = publisher.topics(if work.own_topics { work.sockets } else { 1 }).await;
    let shared = Rc::new(Shared { tally: RefCell::default(), moved: Notify::new() });
    shared.tally.borrow_mut().published = vec![Vec::new(); topics.len()];
    let before = server.resident();
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for chunk in (0..work.sockets).collect::<Vec<_>>().chunks(200) {
        let opening = chunk.iter().map(|socket| {
            let place = if work.own_topics { *socket } else { 0 };
            open(&server, work.document(*socket), topics[place].clone(), target)
        });
        for (socket, stream) in chunk.iter().zip(futures_util::future::join_all(opening).await) {
            let place = if work.own_topics { *socket } else { 0 };
            tasks.push(tokio::task::spawn_local(count(stream, place, Rc::clone(&shared))));
        }
    }
    // The last subscribe has been sent; an event that reaches everybody tells that all were taken.
    let of_all = if work.own_topics { topics.len() } else { 1 };
    for place in 0..of_all {
        publisher.publish(&shared, place, &topics[place]).await;
    }
    let everybody = async {
        while shared.tally.borrow().received < work.sockets {
            // Who subscribed after that event gets the next one.
            if tokio::time::timeout(Duration::from_millis(100), shared.moved.notified()).await.is_err()
                && shared.tally.borrow().received < work.sockets
                && !work.own_topics
            {
                shared.tally.borrow_mut().received = 0;
                publisher.publish(&shared, 0, &topics[0]).await;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), everybody).await.expect("everybody subscribed");
    let subscribe = begun.elapsed().as_secs_f64();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let kib = (server.resident() - before) / work.sockets as f64;

    // Closed loop.
    reset(&shared);
    let (cpu, begun) = (server.cpu(), Instant::now());
    let each = if work.own_topics { 1 } else { work.sockets };
    let mut sent = 0;
    while begun.elapsed() < PHASE {
        while shared.tally.borrow().received + UNDER_WAY * each <= sent * each {
            shared.moved.notified().await;
        }
        let place = sent % topics.len();
        publisher.publish(&shared, place, &topics[place]).await;
        sent += 1;
    }
    all_received(&shared, sent * each).await;
    let (took, used) = (begun.elapsed().as_secs_f64(), server.cpu() - cpu);
    let deliveries = (sent * each) as f64;

    // Open loop: 10,000 deliveries a second are offered.
    reset(&shared);
    shared.tally.borrow_mut().measures = true;
    let pause = Duration::from_secs_f64(each as f64 / 10_000.0);
    let (begun, mut sent) = (Instant::now(), 0);
    while begun.elapsed() < PHASE || sent < 3 {
        tokio::time::sleep_until((begun + pause * u32::try_from(sent).unwrap()).into()).await;
        let place = sent % topics.len();
        publisher.publish(&shared, place, &topics[place]).await;
        sent += 1;
    }
    all_received(&shared, sent * each).await;
    let mut waits = std::mem::take(&mut shared.tally.borrow_mut().waits);
    waits.sort_by(f64::total_cmp);
    for task in tasks {
        task.abort();
    }
    Figures {
        rate: deliveries / took,
        p50: waits[waits.len() / 2],
        p99: waits[waits.len() * 99 / 100],
        cpu: used / deliveries,
        kib,
        subscribe,
    }
}

fn reset(shared: &Shared) {
    let mut tally = shared.tally.borrow_mut();
    tally.received = 0;
    tally.published.iter_mut().for_each(Vec::clear);
    tally.wanted += 1;
}

async fn all_received(shared: &Shared, all: usize) {
    let arrives = async {
        while shared.tally.borrow().received < all {
            shared.moved.notified().await;
        }
    };
    let arrived = tokio::time::timeout(Duration::from_secs(60), arrives).await;
    assert!(arrived.is_ok(), "{} of {all} deliveries arrived", shared.tally.borrow().received);
}

fn text_frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match text.len() {
        short @ 0..126 => frame.push(0x80 | u8::try_from(short).unwrap()),
        long => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&u16::try_from(long).unwrap().to_be_bytes());
        }
    }
    // A mask of zeros leaves the text as it is.
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text.as_bytes());
    frame
}

/// A socket that has asked for its subscription.
async fn open(server: &Server, document: String, subjects: Value, target: Target) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let head = "GET /graphql HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                sec-websocket-version: 13\r\nsec-websocket-key: MDEyMzQ1Njc4OTAxMjM0NQ==\r\n\
                sec-websocket-protocol: graphql-transport-ws\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        stream.read_buf(&mut answer).await.unwrap();
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
    let payload = match target {
        Target::Portolan => json!({ "authorization": format!("Bearer {}", server.token) }),
        _ => json!({}),
    };
    stream.write_all(&text_frame(&json!({ "type": "connection_init", "payload": payload }).to_string())).await.unwrap();
    let mut ack = [0; 512];
    let length = stream.read(&mut ack).await.unwrap();
    assert!(String::from_utf8_lossy(&ack[..length]).contains("connection_ack"));
    let kind = if target == Target::Plain { document.replace("ID!", "String!") } else { document };
    let payload = json!({ "query": kind, "variables": { "subjects": subjects } });
    let subscribe = json!({ "id": "1", "type": "subscribe", "payload": payload });
    stream.write_all(&text_frame(&subscribe.to_string())).await.unwrap();
    stream
}

/// Counts the frames of a socket.
async fn count(mut stream: TcpStream, place: usize, shared: Rc<Shared>) {
    let mut rest = Vec::with_capacity(4_096);
    let (mut phase, mut seen) = (0, 0);
    loop {
        match stream.read_buf(&mut rest).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let (mut at, mut events) = (0, 0);
        while let Some((length, text)) = frame(&rest[at..]) {
            events += usize::from(text);
            at += length;
        }
        rest.drain(..at);
        let mut tally = shared.tally.borrow_mut();
        if phase != tally.wanted {
            (phase, seen) = (tally.wanted, 0);
        }
        for _ in 0..events {
            if tally.measures
                && let Some(at) = tally.published[place].get(seen)
            {
                let wait = at.elapsed().as_secs_f64() * 1_000.0;
                tally.waits.push(wait);
            }
            seen += 1;
        }
        tally.received += events;
        drop(tally);
        if events > 0 {
            shared.moved.notify_one();
        }
    }
}

/// The length of a whole frame, and whether it is a text.
fn frame(bytes: &[u8]) -> Option<(usize, bool)> {
    let (head, length) = match bytes {
        [_, short @ 0..126, ..] => (2, usize::from(*short)),
        [_, 126, a, b, ..] => (4, usize::from(u16::from_be_bytes([*a, *b]))),
        _ => return None,
    };
    (bytes.len() >= head + length).then_some((head + length, bytes[0] & 0x0f == 1))
}

/// Who makes events happen.
struct Publisher {
    target: Target,
    stream: TcpStream,
    token: String,
    count: u64,
}

impl Publisher {
    async fn new(target: Target, server: &Server) -> Self {
        let stream = TcpStream::connect(server.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { target, stream, token: server.token.clone(), count: 0 }
    }

    /// What subscribers name to get the events of one topic.
    async fn topics(&mut self, count: usize) -> Vec<Value> {
        let mut topics = Vec::new();
        for number in 0..count {
            topics.push(match self.target {
                Target::Portolan => {
                    let create = "mutation($e: String!) { createUser(input: { email: $e, name: \"A\", role: VIEWER }) { user { id } } }";
                    let answer = self.ask(create, json!({ "e": format!("u{number}@example.com") })).await;
                    json!([answer["data"]["createUser"]["user"]["id"]])
                }
                _ => json!([format!("topic{number}")]),
            });
        }
        topics
    }

    /// Makes one event, and notes when.
    async fn publish(&mut self, shared: &Shared, place: usize, topic: &Value) {
        self.count += 1;
        shared.tally.borrow_mut().published[place].push(Instant::now());
        if self.target == Target::Portolan {
            let update = "mutation($id: ID!, $n: String!) { updateUser(input: { id: $id, name: $n }) { userErrors { message } } }";
            let answer = self.ask(update, json!({ "id": topic[0], "n": format!("Name {}", self.count) })).await;
            assert_eq!(answer["data"]["updateUser"]["userErrors"], json!([]), "{answer}");
            return;
        }
        let name = topic[0].as_str().unwrap();
        let head = format!(
            "POST /publish?topic={name}&number={} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
            self.count
        );
        self.stream.write_all(head.as_bytes()).await.unwrap();
        self.answer().await;
    }

    async fn ask(&mut self, query: &str, variables: Value) -> Value {
        let body = json!({ "query": query, "variables": variables }).to_string();
        let head = format!(
            "POST /graphql HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            self.token,
            body.len()
        );
        self.stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        serde_json::from_slice(&self.answer().await).unwrap()
    }

    async fn answer(&mut self) -> Vec<u8> {
        let mut answer = Vec::new();
        loop {
            self.stream.read_buf(&mut answer).await.unwrap();
            let Some(end) = answer.windows(4).position(|end| end == b"\r\n\r\n") else { continue };
            let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
            let length = head
                .split("content-length: ")
                .nth(1)
                .map_or(0, |rest| rest.split("\r\n").next().unwrap().parse::<usize>().unwrap());
            if answer.len() >= end + 4 + length {
                return answer.split_off(end + 4);
            }
        }
    }
}
