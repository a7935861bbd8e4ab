//! Sockets that subscribe and count, and a publisher.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
    task::LocalSet,
    time::{sleep, sleep_until, timeout},
};

use crate::servers::{Server, Target};

/// How long a phase lasts.
const PHASE: Duration = Duration::from_secs(2);

/// Deliveries a second that are offered in the open loop.
const OFFERED: f64 = 10_000.0;

/// Handshakes under way at once.
const HANDSHAKES: usize = 64;

/// What is asked of a server.
pub(crate) struct Work {
    sockets: usize,
    documents: usize,
    own_topics: bool,
}

impl Work {
    pub(crate) fn one_topic(sockets: usize) -> Self {
        Self { sockets, documents: 1, own_topics: false }
    }

    pub(crate) fn documents(sockets: usize, documents: usize) -> Self {
        Self { sockets, documents, own_topics: false }
    }

    pub(crate) fn own_topics(sockets: usize) -> Self {
        Self { sockets, documents: 1, own_topics: true }
    }

    pub(crate) fn title(&self) -> String {
        match self {
            Self { own_topics: true, sockets, .. } => format!("{sockets} sockets, a topic each"),
            Self { documents: 1, sockets, .. } => format!("{sockets} sockets, one topic"),
            Self { documents, sockets, .. } => format!("{sockets} sockets, one topic, {documents} documents"),
        }
    }

    /// Events that one publish brings, and events that may be under way at once.
    fn pace(&self) -> (usize, usize) {
        if self.own_topics { (32, 256) } else { (1, 4) }
    }

    fn place(&self, socket: usize) -> usize {
        if self.own_topics { socket } else { 0 }
    }

    fn topics(&self) -> usize {
        if self.own_topics { self.sockets } else { 1 }
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
pub(crate) struct Figures {
    pub(crate) rate: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) cpu: f64,
    pub(crate) kib: f64,
    pub(crate) subscribe: f64,
}

impl Figures {
    pub(crate) fn median(of: &[Self]) -> Self {
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
    /// Sockets that have received anything at all.
    reached: Vec<bool>,
    phase: usize,
    /// When each event was published, by topic.
    published: Vec<Vec<Instant>>,
    waits: Vec<f64>,
    measures: bool,
}

struct Shared {
    tally: RefCell<Tally>,
    moved: Notify,
}

impl Shared {
    fn received(&self) -> usize {
        self.tally.borrow().received
    }

    fn begin(&self, measures: bool) {
        let mut tally = self.tally.borrow_mut();
        tally.received = 0;
        tally.published.iter_mut().for_each(Vec::clear);
        tally.phase += 1;
        tally.measures = measures;
    }

    /// Waits until so many deliveries have arrived.
    async fn arrived(&self, count: usize) {
        let arrives = async {
            while self.received() < count {
                self.moved.notified().await;
            }
        };
        let outcome = timeout(Duration::from_mins(1), arrives).await;
        assert!(outcome.is_ok(), "{} of {count} deliveries arrived", self.received());
    }

    /// Waits until nothing comes any more.
    async fn quiet(&self) {
        loop {
            let before = self.received();
            sleep(Duration::from_millis(300)).await;
            if self.received() == before {
                return;
            }
        }
    }
}

/// Measures one target with one work.
pub(crate) async fn run(target: Target, work: &Work) -> Figures {
    LocalSet::new().run_until(measured(target, work)).await
}

async fn measured(target: Target, work: &Work) -> Figures {
    let server = Server::start(target);
    let mut publisher = Publisher::new(&server).await;
    let tally =
        Tally { published: vec![Vec::new(); work.topics()], reached: vec![false; work.sockets], ..Tally::default() };
    let shared = Rc::new(Shared { tally: RefCell::new(tally), moved: Notify::new() });
    let before = server.resident();
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for chunk in (0..work.sockets).collect::<Vec<_>>().chunks(HANDSHAKES) {
        let opening = chunk.iter().map(|socket| open(&server, work.document(*socket), topic(work.place(*socket))));
        for (socket, stream) in chunk.iter().zip(futures_util::future::join_all(opening).await) {
            tasks.push(tokio::task::spawn_local(count(stream, *socket, work.place(*socket), Rc::clone(&shared))));
        }
    }
    everybody(&mut publisher, &shared, work).await;
    let subscribe = begun.elapsed().as_secs_f64();
    shared.quiet().await;
    let kib = (server.resident() - before) / work.sockets as f64;

    let (batch, window) = work.pace();
    let each = if work.own_topics { 1 } else { work.sockets };
    let mut next = 0;
    let mut places = move || {
        // A step that has no divisor in common with the number of topics spreads events over them.
        let of = |at: usize| (at * 7_919) % work.topics();
        next += batch;
        (next - batch..next).map(of).collect::<Vec<_>>()
    };

    // Closed loop, the first time as a warm-up.
    let (mut rate, mut cpu) = (0.0, 0.0);
    for span in [PHASE / 4, PHASE] {
        shared.begin(false);
        let (before, begun, mut sent) = (server.cpu(), Instant::now(), 0);
        while begun.elapsed() < span {
            while shared.received() + window * each < (sent + batch) * each {
                shared.moved.notified().await;
            }
            publisher.publish(&shared, &places()).await;
            sent += batch;
        }
        shared.arrived(sent * each).await;
        let deliveries = (sent * each) as f64;
        (rate, cpu) = (deliveries / begun.elapsed().as_secs_f64(), (server.cpu() - before) / deliveries);
    }

    // Open loop.
    shared.begin(true);
    let (begun, mut sent) = (Instant::now(), 0);
    while begun.elapsed() < PHASE || sent < 3 {
        let due = Duration::from_secs_f64((sent * each) as f64 / OFFERED);
        sleep_until((begun + due).into()).await;
        publisher.publish(&shared, &places()).await;
        sent += batch;
    }
    shared.arrived(sent * each).await;
    let mut waits = std::mem::take(&mut shared.tally.borrow_mut().waits);
    waits.sort_by(f64::total_cmp);
    for task in tasks {
        task.abort();
    }
    Figures { rate, p50: waits[waits.len() / 2], p99: waits[waits.len() * 99 / 100], cpu, kib, subscribe }
}

/// Publishes until every socket has received something: a subscription is acknowledged by nothing else.
async fn everybody(publisher: &mut Publisher, shared: &Shared, work: &Work) {
    let begun = Instant::now();
    loop {
        let missing: Vec<_> = {
            let tally = shared.tally.borrow();
            let missing = (0..work.sockets).filter(|socket| !tally.reached[*socket]);
            missing.map(|socket| work.place(socket)).collect()
        };
        if missing.is_empty() {
            return;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "{} sockets got nothing", missing.len());
        let missing = if work.own_topics { &missing[..] } else { &missing[..1] };
        for some in missing.chunks(32) {
            publisher.publish(shared, some).await;
        }
        let some_time = sleep(Duration::from_millis(50));
        tokio::pin!(some_time);
        while !shared.tally.borrow().reached.iter().all(|reached| *reached) {
            tokio::select! {
                () = shared.moved.notified() => {}
                () = &mut some_time => break,
            }
        }
    }
}

/// The name of a topic.
fn topic(place: usize) -> String {
    format!("topic{place}")
}

fn text_frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match text.len() {
        short @ 0..126 => frame.push(0x80 | u8::try_from(short).unwrap()),
        long => {
            frame.push(0x80 | 0x7e);
            frame.extend_from_slice(&u16::try_from(long).unwrap().to_be_bytes());
        }
    }
    // A mask of zeros leaves the text as it is.
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text.as_bytes());
    frame
}

/// A socket that has asked for its subscription.
async fn open(server: &Server, document: String, topic: String) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let head = "GET /graphql HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                sec-websocket-version: 13\r\nsec-websocket-key: MDEyMzQ1Njc4OTAxMjM0NQ==\r\n\
                sec-websocket-protocol: graphql-transport-ws\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "the handshake was refused");
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
    let who = json!({ "authorization": format!("Bearer {}", server.token) });
    let payload = if server.token.is_empty() { json!({}) } else { who };
    stream.write_all(&text_frame(&json!({ "type": "connection_init", "payload": payload }).to_string())).await.unwrap();
    let mut ack = [0; 512];
    let length = stream.read(&mut ack).await.unwrap();
    assert!(String::from_utf8_lossy(&ack[..length]).contains("connection_ack"));
    let payload = json!({ "query": document, "variables": { "subjects": [topic] } });
    let subscribe = json!({ "id": "1", "type": "subscribe", "payload": payload });
    stream.write_all(&text_frame(&subscribe.to_string())).await.unwrap();
    stream
}

/// Counts the frames of a socket.
async fn count(mut stream: TcpStream, socket: usize, place: usize, shared: Rc<Shared>) {
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
        if events == 0 {
            continue;
        }
        let mut tally = shared.tally.borrow_mut();
        tally.reached[socket] = true;
        if phase != tally.phase {
            (phase, seen) = (tally.phase, 0);
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
        shared.moved.notify_one();
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
    stream: TcpStream,
    count: u64,
}

impl Publisher {
    async fn new(server: &Server) -> Self {
        let stream = TcpStream::connect(server.publish).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, count: 0 }
    }

    /// Makes an event of each of these topics, and notes when. Returns when the server has taken them: Portolan has
    /// then committed them.
    async fn publish(&mut self, shared: &Shared, places: &[usize]) {
        let names: Vec<_> = places.iter().map(|place| topic(*place)).collect();
        let head = format!(
            "POST /publish?topics={}&number={} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
            names.join(","),
            self.count
        );
        self.count += places.len() as u64;
        let now = Instant::now();
        for place in places {
            shared.tally.borrow_mut().published[*place].push(now);
        }
        self.stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
            assert!(self.stream.read_buf(&mut answer).await.unwrap() > 0, "the publisher was cut off");
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }
}
