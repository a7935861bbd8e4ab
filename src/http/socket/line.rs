//! The way out of a socket.
//!
//! Whoever has something for a client writes it here, from whatever task it runs in: if nothing waits and the
//! kernel takes it, it is gone at once, without waking the socket's own task. What the kernel does not take
//! waits, up to a bound and one message; the socket's task writes it when there is room. An item of a subscription that does
//! not fit is not kept: its subscriber reads the log later. Answers always fit, because each was asked for and
//! those are bounded.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io::ErrorKind,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::{net::TcpStream, sync::Notify};

use super::frame;
use crate::{
    graphql::live::{Item, Offer, Sink},
    http::seat::Seat,
};

/// What may wait for a client: messages and bytes.
const WAITING: (usize, usize) = (256, 256 * 1024);

thread_local! {
    /// Frames are put together here: most are gone before the next one is made.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A socket, for who writes to it.
pub(super) struct Line {
    pub(super) stream: TcpStream,
    out: Mutex<Out>,
    /// The socket's task has something to do: write, or end.
    pub(super) wake: Notify,
    /// There is room again, or it is over.
    room: Notify,
    gone: AtomicBool,
    _seat: Seat,
}

#[derive(Default)]
struct Out {
    waiting: VecDeque<Bytes>,
    bytes: usize,
    /// Say this when everything else is said, and end.
    closing: Option<(u16, &'static str)>,
}

impl Line {
    pub(super) fn new(stream: TcpStream, seat: Seat) -> Arc<Self> {
        Arc::new(Self {
            stream,
            out: Mutex::default(),
            wake: Notify::new(),
            room: Notify::new(),
            gone: AtomicBool::new(false),
            _seat: seat,
        })
    }

    /// Sends a whole frame.
    pub(super) fn frame(&self, frame: &[u8]) {
        self.put(frame, true);
    }

    /// Sends a text of pieces.
    pub(super) fn text(&self, pieces: &[&[u8]]) {
        self.pieces(pieces, true);
    }

    fn pieces(&self, pieces: &[&[u8]], always: bool) -> Offer {
        SCRATCH.with_borrow_mut(|frame| {
            frame.clear();
            frame::text_head(pieces.iter().map(|piece| piece.len()).sum(), frame);
            for piece in pieces {
                frame.extend_from_slice(piece);
            }
            let offer = self.put(frame, always);
            if frame.capacity() > 64 * 1024 {
                *frame = Vec::new();
            }
            offer
        })
    }

    fn put(&self, frame: &[u8], always: bool) -> Offer {
        if self.is_gone() {
            return Offer::Gone;
        }
        let mut out = self.out();
        if out.closing.is_some() {
            return Offer::Gone;
        }
        let mut rest = frame;
        if out.waiting.is_empty() {
            match self.stream.try_write(frame) {
                Ok(written) if written == frame.len() => return Offer::Taken,
                Ok(written) => rest = &frame[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => {
                    drop(out);
                    self.end();
                    return Offer::Gone;
                }
            }
        } else if !always && (out.waiting.len() >= WAITING.0 || out.bytes >= WAITING.1) {
            return Offer::Full;
        }
        out.bytes += rest.len();
        out.waiting.push_back(Bytes::copy_from_slice(rest));
        drop(out);
        self.wake.notify_one();
        Offer::Taken
    }

    /// Says a last word and ends once it is written.
    pub(super) fn close(&self, code: u16, reason: &'static str) {
        self.out().closing.get_or_insert((code, reason));
        self.wake.notify_one();
    }

    /// Whether something waits to be written.
    pub(super) fn waits(&self) -> bool {
        !self.out().waiting.is_empty()
    }

    /// What to say last, once nothing else waits.
    pub(super) fn closing(&self) -> Option<(u16, &'static str)> {
        self.out().closing
    }

    /// Writes what the kernel takes.
    pub(super) fn flush(&self) {
        let mut out = self.out();
        while let Some(front) = out.waiting.front_mut() {
            match self.stream.try_write(front) {
                Ok(written) => {
                    let whole = written == front.len();
                    if whole {
                        out.waiting.pop_front();
                    } else {
                        let _ = front.split_to(written);
                    }
                    out.bytes -= written;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => {
                    drop(out);
                    return self.end();
                }
            }
        }
        let roomy = out.waiting.len() <= WAITING.0 / 2 && out.bytes <= WAITING.1 / 2;
        if out.waiting.is_empty() {
            out.waiting = VecDeque::new();
        }
        drop(out);
        if roomy {
            self.room.notify_waiters();
        }
    }

    /// Nobody is there any more.
    pub(super) fn end(&self) {
        self.gone.store(true, Ordering::Release);
        self.room.notify_waiters();
        self.wake.notify_one();
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    fn has_room(&self) -> bool {
        let out = self.out();
        out.waiting.len() <= WAITING.0 / 2 && out.bytes <= WAITING.1 / 2
    }

    fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One subscription of a socket.
pub(super) struct OnLine {
    line: Arc<Line>,
    /// The id as JSON.
    id: Box<str>,
    /// Told when it ends by itself.
    ended: Box<dyn Fn() + Send + Sync>,
}

impl OnLine {
    pub(super) fn new(line: Arc<Line>, id: Box<str>, ended: impl Fn() + Send + Sync + 'static) -> Self {
        Self { line, id, ended: Box::new(ended) }
    }
}

impl Sink for OnLine {
    fn offer(&self, item: &Arc<Item>) -> Offer {
        let pieces: [&[u8]; 5] = [br#"{"id":"#, self.id.as_bytes(), br#","type":"next","payload":"#, &item.body, b"}"];
        self.line.pieces(&pieces, false)
    }

    fn room(&self) -> BoxFuture<'_, ()> {
        async move {
            loop {
                let room = self.line.room.notified();
                let mut room = std::pin::pin!(room);
                // Registered before looking, so that nothing falls between.
                room.as_mut().enable();
                if self.line.is_gone() || self.line.has_room() {
                    return;
                }
                room.await;
            }
        }
        .boxed()
    }

    fn fail(&self, body: Bytes) {
        error(&self.line, &self.id, &body);
        (self.ended)();
    }
}

/// Ends an operation with the errors of a response.
pub(super) fn error(line: &Line, id: &str, body: &[u8]) {
    #[derive(Deserialize)]
    struct Failed<'a> {
        #[serde(borrow)]
        errors: &'a RawValue,
    }
    let errors = serde_json::from_slice::<Failed<'_>>(body).map_or("[]", |failed| failed.errors.get());
    line.text(&[br#"{"id":"#, id.as_bytes(), br#","type":"error","payload":"#, errors.as_bytes(), b"}"]);
}

/// Gives an answer, and ends the operation.
pub(super) fn answer(line: &Line, id: &str, body: &[u8]) {
    line.text(&[br#"{"id":"#, id.as_bytes(), br#","type":"next","payload":"#, body, b"}"]);
    complete(line, id);
}

/// Ends an operation.
pub(super) fn complete(line: &Line, id: &str) {
    line.text(&[br#"{"id":"#, id.as_bytes(), br#","type":"complete"}"#]);
}
