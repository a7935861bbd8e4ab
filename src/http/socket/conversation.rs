//! One socket, from its handshake to its end.

use std::{borrow::Cow, cell::RefCell, io::ErrorKind, sync::Arc, time::Duration};

use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::Instrument;

use super::{
    frame::{self, Breach, Decoder, Incoming},
    line::{self, Line},
    message::Message,
    operations::{Operations, Refused, quoted},
};
use crate::{
    context::Cx,
    graphql::{
        endpoint::{Answer, Call, Fault, Outcome},
        error::told,
    },
    http::{Door, caller, params, watch::Watched},
    kernel::error::{Code, Error},
};

/// How much is read at a time.
const CHUNK: usize = 16 * 1024;

/// Messages that were read at once, beyond which their list is not kept.
const BURST: usize = 16;

/// How long the last word may take.
const PARTING: Duration = Duration::from_secs(2);

const EXPIRED: &str = "the credential has expired";

thread_local! {
    /// What is read is looked at before anything else is read.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; CHUNK].into());
}

/// A close code and why.
type Reason = (u16, Cow<'static, str>);

/// One socket.
pub(super) struct Conversation {
    door: Arc<Door>,
    cx: Cx,
    line: Arc<Line>,
    operations: Arc<Operations>,
    acknowledged: bool,
    initialised: bool,
    /// Closes the socket when its credential does not hold any more.
    watched: Option<Watched>,
    opened: Instant,
    /// When the client last said something, or took what was waiting for it.
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
            operations: Arc::default(),
            acknowledged: false,
            initialised: false,
            watched: None,
            opened: now,
            heard: now,
            pinged: now,
        }
    }

    /// Talks until one of the two ends it.
    pub(super) async fn run(mut self, first: Vec<u8>) {
        self.door.metrics.sockets.inc();
        self.talk(first).await;
        self.line.end();
        self.operations.clear();
        self.door.metrics.sockets.dec();
    }

    async fn talk(&mut self, first: Vec<u8>) {
        // From the handshake on, so that nothing can happen to a credential between the two unseen.
        if self.cx.principal().is_ok() {
            self.watch();
        }
        let mut decoder = Decoder::new(self.door.settings.live.max_message);
        let mut whole = Vec::new();
        let stopping = self.door.stopping.clone();
        let mut outcome = decoder.take(&first, &mut whole);
        drop(first);
        let mut alarm = Box::pin(sleep_until(self.due()));
        let mut parted = false;
        loop {
            for incoming in whole.drain(..) {
                if self.line.is_closing() {
                    break;
                }
                parted |= matches!(incoming, Incoming::Close(_));
                // Boxed, so that a silent socket does not keep room for what happens while it speaks: finding out
                // who it is takes several times as much as all the rest.
                Box::pin(self.hear(incoming)).await;
            }
            if whole.capacity() > BURST {
                whole = Vec::new();
            }
            if let Err(Breach(code, reason)) = outcome {
                self.line.close(code, reason);
            }
            if self.line.is_closing() {
                return Box::pin(last_word(&self.line, (!parted).then_some(decoder))).await;
            }
            if self.line.is_gone() {
                return;
            }
            outcome = Ok(());
            // What moves the time further away is found out when the alarm goes.
            let due = self.due();
            if due < alarm.deadline() || alarm.is_elapsed() {
                alarm.as_mut().reset(due);
            }
            tokio::select! {
                () = stopping.cancelled() => self.line.close(1001, "the server stops; come back with your cursor"),
                () = self.line.wake.notified() => {}
                _ = self.line.stream.writable(), if self.line.waits() => {
                    if self.line.flush() {
                        self.heard = Instant::now();
                    }
                }
                // Who does not take what it asked for is not listened to.
                readable = self.line.stream.readable(), if !self.line.owes() => {
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
                () = alarm.as_mut() => self.tick(),
            }
        }
    }

    /// When to look at the time again.
    fn due(&self) -> Instant {
        let live = &self.door.settings.live;
        let next = if self.acknowledged {
            (self.pinged + live.ping).min(self.heard + live.patience)
        } else {
            self.opened + live.init_timeout
        };
        let left = self.left().map(|left| Instant::now() + left);
        left.map_or(next, |left| left.min(next))
    }

    /// How long the credential still holds, if it ends at all.
    fn left(&self) -> Option<Duration> {
        let expires = self.cx.principal().ok()?.expires_at?;
        Some((expires - self.cx.now()).to_std().unwrap_or_default())
    }

    fn has_expired(&self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }

    /// Sees what time it is.
    fn tick(&mut self) {
        let (now, live) = (Instant::now(), &self.door.settings.live);
        if self.has_expired() {
            self.line.close(4403, EXPIRED);
        } else if !self.acknowledged {
            self.line.close(4408, "no connection_init in time");
        } else if now >= self.heard + live.patience {
            // What waits will not be read, so the last word will not either.
            self.line.end();
        } else if now >= self.pinged + live.ping {
            self.pinged = now;
            self.line.frame(&frame::ping());
        }
    }

    async fn hear(&mut self, incoming: Incoming) {
        let text = match incoming {
            Incoming::Text(text) => text,
            Incoming::Ping(payload) => return self.line.frame(&frame::pong(&payload)),
            Incoming::Pong => return,
            Incoming::Close(code) => return self.line.close(code, ""),
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
            // The alarm may be late, or the clock may have been set.
            Message::Subscribe { .. } if self.has_expired() => self.line.close(4403, EXPIRED),
            Message::Subscribe { id, payload } => self.subscribe(&id, payload),
            Message::Complete { id } => self.operations.complete(&id),
        }
    }

    async fn init(&mut self, payload: &Map<String, Value>) {
        if std::mem::replace(&mut self.initialised, true) {
            return self.line.close(4429, "connection_init was said already");
        }
        match self.identified(payload).await {
            Ok(Some(cx)) => self.cx = cx,
            Ok(None) => {}
            Err((code, reason)) => return self.line.close(code, reason),
        }
        if !self.watch() {
            return;
        }
        self.acknowledged = true;
        let ack = json!({ "type": "connection_ack", "payload": self.until() }).to_string();
        self.line.text(&[ack.as_bytes()]);
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
                if self.watch() {
                    let pong = json!({ "type": "pong", "payload": self.until() }).to_string();
                    self.line.text(&[pong.as_bytes()]);
                }
            }
            Ok(Some(_)) => self.line.close(4403, "the new credential has other rights; connect anew"),
            Ok(None) => self.line.text(&[br#"{"type":"pong"}"#]),
            Err((code, reason)) => self.line.close(code, reason),
        }
    }

    /// Until when the credential holds.
    fn until(&self) -> Value {
        let expires = self.cx.principal().ok().and_then(|principal| principal.expires_at);
        json!({ "expiresAt": expires.map(|at| at.to_rfc3339()), "requestId": &*self.cx.request().id })
    }

    /// Has the socket closed when its credential is taken back. Closes it if its caller has too many.
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
        if self.watched.is_none() {
            self.line.close(4429, "too many sockets of this caller");
        }
        self.watched.is_some()
    }

    /// The context of who a payload says it is, if it says so.
    async fn identified(&self, payload: &Map<String, Value>) -> Result<Option<Cx>, Reason> {
        let (authorization, tenant) = (word(payload, "authorization")?, word(payload, caller::TENANT.as_str())?);
        let Some(authorization) = authorization else {
            // Who comes with a header chooses there; half of a choice would be another one than was meant.
            return match tenant {
                Some(_) if self.cx.principal().is_ok() => {
                    Err((4400, "x-portolan-tenant goes with an authorization beside it".into()))
                }
                _ => Ok(None),
            };
        };
        caller::identify_by(&self.cx, authorization, tenant).await.map(Some).map_err(|error| match error {
            Error::Unavailable(..) | Error::SecretUnreadable { .. } | Error::Internal(..) => {
                told(&error);
                (1013, "credentials cannot be checked now; try again".into())
            }
            _ => (4403, "the credential is not valid".into()),
        })
    }

    fn subscribe(&self, id: &str, payload: Map<String, Value>) {
        let most = self.door.settings.live.operations_per_socket;
        let run = match self.operations.enter(&self.line, id, most) {
            Ok(run) => run,
            Err(Refused::Taken) => return self.line.close(4409, format!("an operation with the id {id} is running")),
            Err(Refused::Many) => {
                let fault = Fault::new(Code::RateLimited, format!("a socket runs at most {most} operations at once"));
                return line::error(&self.line, &quoted(id), &Answer::refused(&self.cx, fault).body);
            }
        };
        let (door, cx, operations) = (Arc::clone(&self.door), self.cx.clone(), Arc::clone(&self.operations));
        let tenant = cx.tenant().ok().map(tracing::field::display);
        let span = tracing::info_span!("request", request.id = %cx.request().id, tenant);
        let begin = async move {
            let outcome = match params::check(payload, &door.settings.params) {
                Ok(params) => {
                    let sink = Arc::clone(&run);
                    door.endpoint.begin(&cx, Call::from(params), None, || sink).await
                }
                Err(error) => Outcome::Answered(Box::new(Answer::refused(&cx, Fault::new(error.code, error.message)))),
            };
            operations.begun(&run, outcome);
        };
        self.cx.hub().tasks.spawn(begin.instrument(span));
    }
}

/// A word of a payload, said once or not at all.
fn word<'a>(payload: &'a Map<String, Value>, wanted: &str) -> Result<Option<&'a str>, Reason> {
    let mut said = payload.iter().filter(|(name, value)| name.eq_ignore_ascii_case(wanted) && !value.is_null());
    match (said.next(), said.next()) {
        (None, _) => Ok(None),
        (Some((_, Value::String(word))), None) => Ok(Some(word)),
        // Who believes to have said who it is must hear that it has not.
        _ => Err((4403, format!("{wanted} is one text").into())),
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

/// Writes what waits, then the last word, and waits a moment for the other side's, which comes through the
/// decoder. Without one, it was said already.
pub(super) async fn last_word(line: &Line, decoder: Option<Decoder>) {
    let (code, reason) = line.closing().unwrap_or((1000, Cow::default()));
    let parting = async {
        while line.waits() && !line.is_gone() {
            if line.stream.writable().await.is_err() {
                return;
            }
            line.flush();
        }
        let frame = frame::close(code, &reason);
        let mut rest = frame.as_slice();
        while !rest.is_empty() {
            match line.stream.try_write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if line.stream.writable().await.is_err() {
                        return;
                    }
                }
                Err(_) => return,
            }
        }
        let Some(mut decoder) = decoder else { return };
        let (mut whole, mut readable) = (Vec::new(), true);
        while line.stream.readable().await.is_ok() {
            match read(line, &mut decoder, &mut whole) {
                Read::End => return,
                // What is no protocol is thrown away: over unread bytes the last word would be lost.
                Read::Bytes(taken) => readable &= taken.is_ok(),
                Read::Nothing => {}
            }
            let parted = whole.drain(..).any(|incoming| matches!(incoming, Incoming::Close(_)));
            if parted && readable {
                return;
            }
        }
    };
    let _ = timeout(PARTING, parting).await;
    line.end();
}
