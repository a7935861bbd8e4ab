//! GraphQL over server-sent events: one operation, one connection (`graphql-sse`, distinct connections mode).
//!
//! Each `next` carries the cursor of its item as its `id`, so that a browser that reconnects sends it back as
//! `Last-Event-ID` and goes on where it was: the header counts before the operation's own `after`. A comment
//! every few seconds shows that the line holds. The stream ends with `complete`; what it ends for (an error of
//! the operation, a credential that was revoked) comes before as a `next` with errors. A stream that ends
//! without `complete` was cut, and is to be opened again: so it is when the server stops.
//!
//! **What cannot run** is told on the stream where plain HTTP would answer 400 (the document, the variables,
//! the cost): clients of event streams see nothing of other answers but their status, and try again what can
//! never work. What another try may mend, or what is wrong with the request rather than the operation, has its
//! status: 401, 405, 429, 503 and so on.
//!
//! The client sets the pace: items wait in a bounded queue that the connection empties; a subscriber whose
//! queue is full reads the log later. Who leaves it full for too long is given up.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{
    future::{BoxFuture, FutureExt},
    task::AtomicWaker,
};
use hyper::body::{Body as HttpBody, Frame};
use tokio::{
    sync::Notify,
    time::{Instant, Sleep, sleep_until, timeout},
};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{Door, graphql, negotiate::Media, watch::Watched};
use crate::{
    context::Cx,
    graphql::{
        endpoint::{Answer, Call, Fault, Outcome, Verdict},
        live::{Item, Offer, Sink, Subscription},
    },
    kernel::error::Code,
};

/// What may wait for a client: items and bytes.
const WAITING: (usize, usize) = (256, 256 * 1024);

/// The status whose reasons are told on the stream.
pub const TOLD: u16 = 400;

/// Proxies must not collect what they should pass on.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// How long a browser waits before it comes back, in milliseconds.
const RETRY: &[u8] = b"retry: 1000\n\n";

/// Runs an operation and streams what it gives.
pub async fn begin(door: &Door, cx: Cx, call: Call, resume: Option<String>) -> Response {
    let live = &door.settings.live;
    let pipe = Arc::new(Pipe::new(live.patience));
    let end = Arc::downgrade(&pipe);
    let (context, most) = (cx.clone(), live.sockets_per_caller);
    let close = move |reason: &'static str| {
        if let Some(pipe) = Weak::upgrade(&end) {
            pipe.fail(Answer::refused(&context, Fault::new(Code::Unauthenticated, reason)).body);
        }
    };
    // Before anything runs, so that nothing can happen to the credential unseen.
    let Some(watched) = door.watch.enter(&cx, most, Box::new(close)) else {
        let message = format!("a caller has at most {most} streams at once");
        let answer = Answer::refused(&cx, Fault::new(Code::RateLimited, message));
        return graphql::respond(Media::Json, Code::RateLimited.status(), answer);
    };
    let sink = || Arc::clone(&pipe) as Arc<dyn Sink>;
    let subscription = match door.endpoint.begin(&cx, call, resume, sink).await {
        Outcome::Answered(answer) => match answer.verdict {
            Verdict::Refused(code) if code.status() != TOLD => {
                return graphql::respond(Media::Json, code.status(), *answer);
            }
            _ => return whole(&answer.body),
        },
        Outcome::Failed(body) => return whole(&body),
        Outcome::Streaming(subscription) => subscription,
    };
    let stream = Stream {
        pipe,
        _subscription: subscription,
        _watched: watched,
        ping: live.ping,
        alarm: Box::pin(sleep_until(Instant::now() + live.ping)),
        expiry: expiry(&cx),
        stopping: Box::pin(door.stopping.clone().cancelled_owned()),
        cx,
    };
    answered(Body::new(stream))
}

/// Tells on a stream why nothing ran.
pub fn refused(answer: &Answer) -> Response {
    whole(&answer.body)
}

/// A stream of one answer. Its length is known, so it is counted before it is sent.
fn whole(body: &[u8]) -> Response {
    answered(Body::from([RETRY, &event(None, body, true)].concat()))
}

/// The timer of a credential that ends.
fn expiry(cx: &Cx) -> Option<Pin<Box<Sleep>>> {
    let at = cx.principal().ok()?.expires_at?;
    let left = (at - cx.now()).to_std().unwrap_or_default();
    Some(Box::pin(sleep_until(Instant::now() + left)))
}

fn answered(body: Body) -> Response {
    let mut response = (StatusCode::OK, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(Media::EventStream.content_type()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache, no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept, Authorization"));
    headers.insert(BUFFERING, HeaderValue::from_static("no"));
    response
}

/// What is on its way to one client.
struct Pipe {
    state: Mutex<State>,
    waker: AtomicWaker,
    room: Notify,
    /// How long there may be no room.
    patience: Duration,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Bytes>,
    bytes: usize,
    /// Nothing more comes.
    ended: bool,
    /// Nobody reads any more.
    gone: bool,
}

impl State {
    fn roomy(&self) -> bool {
        self.gone || self.ended || (self.waiting.len() <= WAITING.0 / 2 && self.bytes <= WAITING.1 / 2)
    }
}

impl Pipe {
    /// A new one, on which the word to browsers waits.
    fn new(patience: Duration) -> Self {
        let first = Bytes::from_static(RETRY);
        let state = State { bytes: first.len(), waiting: VecDeque::from([first]), ..State::default() };
        Self { state: Mutex::new(state), waker: AtomicWaker::new(), room: Notify::new(), patience }
    }

    fn put(&self, frame: Bytes, ends: bool) {
        let mut state = self.state();
        if state.ended {
            return;
        }
        state.bytes += frame.len();
        state.waiting.push_back(frame);
        state.ended = ends;
        drop(state);
        self.waker.wake();
        if ends {
            self.room.notify_waiters();
        }
    }

    /// Ends it where it is, for a client that takes nothing.
    fn give_up(&self) {
        let mut state = self.state();
        (state.waiting, state.bytes, state.ended) = (VecDeque::new(), 0, true);
        drop(state);
        self.waker.wake();
        self.room.notify_waiters();
    }

    async fn roomy(&self) {
        loop {
            let mut room = std::pin::pin!(self.room.notified());
            // Registered before looking, so that nothing falls between.
            room.as_mut().enable();
            if self.state().roomy() {
                return;
            }
            room.await;
        }
    }

    /// The only answer, and the end.
    fn last(&self, body: &[u8]) {
        self.put(event(None, body, true), true);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Pipe {
    fn offer(&self, item: &Arc<Item>) -> Offer {
        let state = self.state();
        if state.gone || state.ended {
            return Offer::Gone;
        }
        if state.waiting.len() >= WAITING.0 || state.bytes >= WAITING.1 {
            return Offer::Full;
        }
        drop(state);
        self.put(event(Some(&item.cursor()), &item.body, false), false);
        Offer::Taken
    }

    fn room(&self) -> BoxFuture<'_, ()> {
        async move {
            if timeout(self.patience, self.roomy()).await.is_err() {
                self.give_up();
            }
        }
        .boxed()
    }

    fn fail(&self, body: Bytes) {
        self.last(&body);
    }
}

/// One event, and the last one if nothing follows.
fn event(cursor: Option<&str>, body: &[u8], last: bool) -> Bytes {
    let mut frame = BytesMut::with_capacity(body.len() + 96);
    if let Some(cursor) = cursor {
        frame.put_slice(b"id: ");
        frame.put_slice(cursor.as_bytes());
        frame.put_u8(b'\n');
    }
    // JSON as it is written here has no line ends.
    frame.put_slice(b"event: next\ndata: ");
    frame.put_slice(body);
    frame.put_slice(b"\n\n");
    if last {
        frame.put_slice(b"event: complete\ndata: \n\n");
    }
    frame.freeze()
}

/// The body of an answer that streams.
struct Stream {
    pipe: Arc<Pipe>,
    _subscription: Subscription,
    _watched: Watched,
    ping: Duration,
    alarm: Pin<Box<Sleep>>,
    expiry: Option<Pin<Box<Sleep>>>,
    stopping: Pin<Box<WaitForCancellationFutureOwned>>,
    cx: Cx,
}

impl HttpBody for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.pipe.waker.register(task.waker());
        // Before what waits: a stream that is never empty has an end too.
        if self.expiry.as_mut().is_some_and(|expiry| expiry.as_mut().poll(task).is_ready()) {
            self.expiry = None;
            let fault = Fault::new(Code::Unauthenticated, "the credential has expired");
            self.pipe.fail(Answer::refused(&self.cx, fault).body);
        }
        if self.stopping.as_mut().poll(task).is_ready() {
            // What waits is still sent. The client comes back by itself, with its cursor, to whoever serves then.
            self.pipe.state().ended = true;
        }
        let mut state = self.pipe.state();
        if !state.waiting.is_empty() {
            let mut whole = BytesMut::with_capacity(state.bytes);
            state.waiting.drain(..).for_each(|frame| whole.put(frame));
            state.waiting = VecDeque::new();
            state.bytes = 0;
            drop(state);
            self.pipe.room.notify_waiters();
            let next = Instant::now() + self.ping;
            self.alarm.as_mut().reset(next);
            return Poll::Ready(Some(Ok(Frame::data(whole.freeze()))));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        drop(state);
        if self.alarm.as_mut().poll(task).is_ready() {
            let next = Instant::now() + self.ping;
            self.alarm.as_mut().reset(next);
            task.waker().wake_by_ref();
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b":\n\n")))));
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        let state = self.pipe.state();
        state.ended && state.waiting.is_empty()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.pipe.state().gone = true;
        self.pipe.room.notify_waiters();
    }
}
