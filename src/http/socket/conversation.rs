//! One socket, from its handshake to its end.

use std::{
    cell::RefCell,
    collections::HashMap,
    io::ErrorKind,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep_until, timeout};

use super::{
    frame::{self, Breach, Decoder, Incoming},
    line::{self, Line, OnLine},
    message::Message,
};
use crate::{
    context::Cx,
    graphql::{
        endpoint::{Answer, Call, Fault, Outcome, Verdict},
        live::Subscription,
    },
    http::{Door, caller, params, watch::Watched},
    kernel::error::{Code, Error},
};

/// How much is read at a time.
const CHUNK: usize = 16 * 1024;

/// How long the last word may take.
const PARTING: Duration = Duration::from_secs(2);

thread_local! {
    /// What is read is looked at before anything else is read.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; CHUNK].into());
}

/// A running operation of a socket.
enum Running {
    /// It begins, or is one that answers once.
    Begun,
    /// It streams.
    Streams { _subscription: Subscription },
}

type Operations = Arc<Mutex<HashMap<Box<str>, Running>>>;

/// One socket.
pub(super) struct Conversation {
    door: Arc<Door>,
    cx: Cx,
    line: Arc<Line>,
    operations: Operations,
    acknowledged: bool,
    initialised: bool,
    /// Closes the socket when its credential does not hold any more.
    watched: Option<Watched>,
    heard: Instant,
    pinged: Instant,
}

impl Conversation {
    pub(super) fn new(door: Door, cx: Cx, line: Arc<Line>) -> Self {
        let now = Instant::now();
        Self {
            door: Arc::new(door),
            cx,
            line,
            operations: Operations::default(),
            acknowledged: false,
            initialised: false,
            watched: None,
            heard: now,
            pinged: now,
        }
    }

    /// Talks until one of the two ends it.
    pub(super) async fn run(mut self, first: &[u8]) {
        self.door.metrics.sockets.inc();
        self.talk(first).await;
        self.line.end();
        held(&self.operations).clear();
        self.door.metrics.sockets.dec();
    }

    async fn talk(&mut self, first: &[u8]) {
        let settings = Arc::clone(&self.door.settings);
        let live = &settings.live;
        let mut decoder = Decoder::new(live.max_message);
        let mut whole = Vec::new();
        let stopping = self.door.stopping.clone();
        let mut outcome = decoder.take(first, &mut whole);
        let mut alarm = Box::pin(sleep_until(self.heard + live.init_timeout));
        loop {
            if let Err(Breach(code, reason)) = outcome {
                self.line.close(code, reason);
            }
            for incoming in whole.drain(..) {
                self.hear(incoming).await;
            }
            if self.line.closing().is_some() {
                return last_word(&self.line).await;
            }
            if self.line.is_gone() {
                return;
            }
            outcome = Ok(());
            let writable = async {
                if self.line.waits() {
                    drop(self.line.stream.writable().await);
                } else {
                    self.line.wake.notified().await;
                }
            };
            tokio::select! {
                () = stopping.cancelled() => self.line.close(1001, "the server stops; come back with your cursor"),
                () = writable => self.line.flush(),
                readable = self.line.stream.readable() => {
                    if readable.is_err() {
                        return;
                    }
                    match read(&self.line, &mut decoder, &mut whole) {
                        Read::Bytes(taken) => {
                            self.heard = Instant::now();
                            outcome = taken;
                        }
                        Read::Nothing => {}
                        Read::End => return,
                    }
                }
                () = alarm.as_mut() => {
                    let next = self.tick();
                    alarm.as_mut().reset(next);
                }
            }
        }
    }

    /// Sees what time it is; says when to look again.
    fn tick(&mut self) -> Instant {
        let (now, live) = (Instant::now(), &self.door.settings.live);
        if !self.acknowledged {
            self.line.close(4408, "no connection_init in time");
        } else if now >= self.heard + live.patience {
            // What waits will not be read, so the last word will not either.
            self.line.end();
        } else if now >= self.pinged + live.ping {
            self.pinged = now;
            if !self.line.waits() {
                self.line.frame(&frame::ping());
            }
        }
        let expires = self.cx.principal().ok().and_then(|principal| principal.expires_at);
        let mut next = self.pinged + live.ping;
        if let Some(left) = expires.map(|at| at - self.cx.now()) {
            match left.to_std() {
                Ok(left) if !left.is_zero() => next = next.min(now + left),
                _ => self.line.close(4403, "the credential has expired"),
            }
        }
        next
    }

    async fn hear(&mut self, incoming: Incoming) {
        let text = match incoming {
            Incoming::Text(text) => text,
            Incoming::Ping(payload) => return self.line.frame(&frame::pong(&payload)),
            Incoming::Pong => return,
            Incoming::Close => return self.line.close(1000, ""),
        };
        let message = match Message::read(&text, &self.door.settings.params) {
            Ok(message) => message,
            Err(reason) => return self.line.close(4400, reason),
        };
        match message {
            Message::Init(payload) => self.init(&payload).await,
            Message::Ping(payload) => self.ping(payload).await,
            Message::Pong => {}
            Message::Subscribe { .. } if !self.acknowledged => self.line.close(4401, "say connection_init first"),
            Message::Subscribe { id, payload } => self.subscribe(id, payload),
            Message::Complete { id } => drop(held(&self.operations).remove(&*id)),
        }
    }

    async fn init(&mut self, payload: &Map<String, Value>) {
        if std::mem::replace(&mut self.initialised, true) {
            return self.line.close(4429, "connection_init was said already");
        }
        match self.identified(payload).await {
            Ok(Some(cx)) => self.cx = cx,
            Ok(None) => {}
            Err(_) => return self.line.close(4403, "the credential is not valid"),
        }
        if !self.watch() {
            return self.line.close(4429, "too many sockets of this caller");
        }
        self.acknowledged = true;
        let ack = json!({ "type": "connection_ack", "payload": self.until() }).to_string();
        self.line.text(&[ack.as_bytes()]);
        // The alarm goes at the end of the time for this; the times from then on are counted there.
        self.pinged = Instant::now();
    }

    /// Answers; with a credential in the payload, goes on under that one.
    async fn ping(&mut self, payload: Option<Map<String, Value>>) {
        let fresh = match &payload {
            Some(payload) if self.acknowledged => self.identified(payload).await,
            _ => Ok(None),
        };
        match fresh {
            Ok(Some(cx)) if same_rights(&self.cx, &cx) => {
                self.cx = cx;
                if !self.watch() {
                    return self.line.close(4429, "too many sockets of this caller");
                }
                let pong = json!({ "type": "pong", "payload": self.until() }).to_string();
                self.line.text(&[pong.as_bytes()]);
            }
            Ok(Some(_)) => self.line.close(4403, "the new credential has other rights; connect anew"),
            Ok(None) => self.line.text(&[br#"{"type":"pong"}"#]),
            Err(_) => self.line.close(4403, "the new credential is not valid"),
        }
    }

    /// Until when the credential holds.
    fn until(&self) -> Value {
        let expires = self.cx.principal().ok().and_then(|principal| principal.expires_at);
        json!({ "expiresAt": expires.map(|at| at.to_rfc3339()), "requestId": &*self.cx.request().id })
    }

    /// Has the socket closed when its credential is taken back.
    fn watch(&mut self) -> bool {
        let line = Arc::downgrade(&self.line);
        let close = move |reason| {
            if let Some(line) = line.upgrade() {
                line.close(4403, reason);
            }
        };
        // The place under the old credential is given up first: it is the same socket.
        self.watched = None;
        self.watched = self.door.watch.enter(&self.cx, self.door.settings.live.sockets_per_caller, Box::new(close));
        self.watched.is_some()
    }

    /// The context of who a payload says it is, if it says so.
    async fn identified(&self, payload: &Map<String, Value>) -> Result<Option<Cx>, Error> {
        let word = |wanted: &str| {
            let found = payload.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.and_then(|(_, value)| value.as_str())
        };
        let Some(authorization) = word("authorization") else { return Ok(None) };
        let tenant = word(caller::TENANT.as_str());
        caller::identify_by(&self.cx, authorization, tenant).await.map(Some)
    }

    fn subscribe(&self, id: String, payload: Map<String, Value>) {
        let id: Box<str> = id.into();
        let quoted: Box<str> = Value::from(&*id).to_string().into();
        let mut operations = held(&self.operations);
        if operations.contains_key(&id) {
            return self.line.close(4409, "an operation with this id is running");
        }
        if operations.len() >= self.door.settings.live.operations_per_socket {
            let most = self.door.settings.live.operations_per_socket;
            let fault = Fault::new(Code::RateLimited, format!("a socket runs at most {most} operations at once"));
            return line::error(&self.line, &quoted, &Answer::refused(&self.cx, fault).body);
        }
        operations.insert(id.clone(), Running::Begun);
        drop(operations);
        let begun = begin(Arc::clone(&self.door), self.cx.clone(), Arc::clone(&self.line), id, quoted, payload);
        let operations = Arc::clone(&self.operations);
        self.cx.hub().tasks.spawn(begun(operations));
    }
}

/// Runs one operation.
fn begin(
    door: Arc<Door>,
    cx: Cx,
    line: Arc<Line>,
    id: Box<str>,
    quoted: Box<str>,
    payload: Map<String, Value>,
) -> impl FnOnce(Operations) -> futures_util::future::BoxFuture<'static, ()> {
    move |operations| {
        Box::pin(async move {
            let sink = || {
                let (operations, id) = (Arc::downgrade(&operations), id.clone());
                let ended = move || {
                    if let Some(operations) = operations.upgrade() {
                        // Dropped outside the lock: ending a subscription may end others' waiting.
                        let ended = held(&operations).remove(&id);
                        drop(ended);
                    }
                };
                Arc::new(OnLine::new(Arc::clone(&line), quoted.clone(), ended)) as Arc<_>
            };
            let outcome = match params::check(payload, &door.settings.params) {
                Ok(params) => door.endpoint.begin(&cx, Call::from(params), None, sink).await,
                Err(error) => Outcome::Answered(Answer::refused(&cx, Fault::new(error.code, error.message))),
            };
            match outcome {
                Outcome::Streaming(subscription) => {
                    let mut operations = held(&operations);
                    // Completed while it began, or the socket is gone: dropped, it ends.
                    if let Some(running) = operations.get_mut(&id)
                        && !line.is_gone()
                    {
                        *running = Running::Streams { _subscription: subscription };
                    } else {
                        drop(operations);
                        drop(subscription);
                    }
                }
                Outcome::Answered(answer) => {
                    if held(&operations).remove(&id).is_some() {
                        match answer.verdict {
                            Verdict::Ran { .. } => line::answer(&line, &quoted, &answer.body),
                            Verdict::Refused(_) => line::error(&line, &quoted, &answer.body),
                        }
                    }
                }
                Outcome::Failed(body) => {
                    if held(&operations).remove(&id).is_some() {
                        line::error(&line, &quoted, &body);
                    }
                }
            }
        })
    }
}

/// Whether two callers get the same bytes: only then can one take the other's place.
fn same_rights(old: &Cx, new: &Cx) -> bool {
    let rights = |cx: &Cx| {
        let principal = cx.principal().ok()?;
        Some((principal.tenant, principal.home, principal.role, principal.scopes, principal.partner))
    };
    rights(old) == rights(new)
}

enum Read {
    Bytes(Result<(), Breach>),
    Nothing,
    End,
}

fn read(line: &Line, decoder: &mut Decoder, whole: &mut Vec<Incoming>) -> Read {
    BUFFER.with_borrow_mut(|buffer| match line.stream.try_read(buffer) {
        Ok(0) => Read::End,
        Ok(length) => Read::Bytes(decoder.take(&buffer[..length], whole)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Read::Nothing,
        Err(_) => Read::End,
    })
}

/// Writes what waits, then the last word, and waits a moment for the other side to hang up.
pub(super) async fn last_word(line: &Line) {
    let (code, reason) = line.closing().unwrap_or((1000, ""));
    let parting = async {
        while line.waits() && !line.is_gone() {
            if line.stream.writable().await.is_err() {
                return;
            }
            line.flush();
        }
        let frame = frame::close(code, reason);
        while let Err(error) = line.stream.try_write(&frame) {
            if error.kind() != ErrorKind::WouldBlock || line.stream.writable().await.is_err() {
                return;
            }
        }
        let mut waste = [0; 512];
        while line.stream.readable().await.is_ok() {
            match line.stream.try_read(&mut waste) {
                Ok(0) => return,
                Err(error) if error.kind() != ErrorKind::WouldBlock => return,
                _ => {}
            }
        }
    };
    let _ = timeout(PARTING, parting).await;
    line.end();
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
