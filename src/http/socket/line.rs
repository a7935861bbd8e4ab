//! The way out of a socket.
//!
//! Whoever has something for a client writes it here, from whatever task it runs in: if nothing waits and the
//! kernel takes it, it is gone at once, without waking the socket's own task. What the kernel does not take
//! waits, up to a bound and one message; the socket's task writes it when there is room. An item of a
//! subscription that does not fit is not kept: its subscriber reads the log later. What the client asked for
//! (answers, pongs) is kept in any case; in return nothing more is heard from a client that owes us so much
//! reading.

use std::{
    borrow::Cow,
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
use crate::{graphql::live::Offer, http::seat::Seat};

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
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// How much of that the client asked for, in messages and bytes.
    owed: (usize, usize),
    /// Say this when everything else is said, and end.
    closing: Option<(u16, Cow<'static, str>)>,
}

/// What is left of a frame.
struct Waiting {
    rest: Bytes,
    owed: bool,
}

/// Why something is written.
#[derive(Clone, Copy)]
enum Cause<'a> {
    /// The client asked for it.
    Asked,
    /// It happened; not to be said any more once this is set.
    Happened(&'a AtomicBool),
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
        self.put(frame, Cause::Asked);
    }

    /// Sends a text of pieces.
    pub(super) fn text(&self, pieces: &[&[u8]]) {
        self.pieces(pieces, Cause::Asked);
    }

    /// Sends an item if there is room, and unless it is over for its operation.
    pub(super) fn offer(&self, pieces: &[&[u8]], over: &AtomicBool) -> Offer {
        self.pieces(pieces, Cause::Happened(over))
    }

    fn pieces(&self, pieces: &[&[u8]], cause: Cause<'_>) -> Offer {
        SCRATCH.with_borrow_mut(|frame| {
            frame.clear();
            frame::text_head(pieces.iter().map(|piece| piece.len()).sum(), frame);
            for piece in pieces {
                frame.extend_from_slice(piece);
            }
            let offer = self.put(frame, cause);
            if frame.capacity() > 64 * 1024 {
                *frame = Vec::new();
            }
            offer
        })
    }

    fn put(&self, frame: &[u8], cause: Cause<'_>) -> Offer {
        if self.is_gone() {
            return Offer::Gone;
        }
        let mut out = self.out();
        if out.closing.is_some() {
            return Offer::Gone;
        }
        let owed = match cause {
            Cause::Asked => true,
            Cause::Happened(over) if over.load(Ordering::Relaxed) => return Offer::Gone,
            Cause::Happened(_) => false,
        };
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
        } else if !owed && (out.waiting.len() >= WAITING.0 || out.bytes >= WAITING.1) {
            return Offer::Full;
        }
        out.bytes += rest.len();
        if owed {
            out.owed = (out.owed.0 + 1, out.owed.1 + rest.len());
        }
        out.waiting.push_back(Waiting { rest: Bytes::copy_from_slice(rest), owed });
        drop(out);
        self.wake.notify_one();
        Offer::Taken
    }

    /// No item of the operation is said from now on.
    pub(super) fn hush(&self, over: &AtomicBool) {
        let _out = self.out();
        over.store(true, Ordering::Relaxed);
    }

    /// Says a last word and ends once it is written.
    pub(super) fn close(&self, code: u16, reason: impl Into<Cow<'static, str>>) {
        self.out().closing.get_or_insert_with(|| (code, reason.into()));
        self.wake.notify_one();
    }

    /// Whether something waits to be written.
    pub(super) fn waits(&self) -> bool {
        !self.out().waiting.is_empty()
    }

    /// Whether more waits that the client asked for than it may ask for without reading.
    pub(super) fn owes(&self) -> bool {
        let owed = self.out().owed;
        owed.0 >= WAITING.0 || owed.1 >= WAITING.1
    }

    /// What to say last, once nothing else waits.
    pub(super) fn closing(&self) -> Option<(u16, Cow<'static, str>)> {
        self.out().closing.clone()
    }

    /// Whether it is about to end.
    pub(super) fn is_closing(&self) -> bool {
        self.out().closing.is_some()
    }

    /// Writes what the kernel takes; whether it took anything.
    pub(super) fn flush(&self) -> bool {
        let mut out = self.out();
        let Out { waiting, bytes, owed, .. } = &mut *out;
        let mut took = false;
        while let Some(front) = waiting.front_mut() {
            match self.stream.try_write(&front.rest) {
                Ok(written) => {
                    took |= written > 0;
                    *bytes -= written;
                    let whole = written == front.rest.len();
                    if front.owed {
                        *owed = (owed.0 - usize::from(whole), owed.1 - written);
                    }
                    if whole {
                        waiting.pop_front();
                    } else {
                        let _ = front.rest.split_to(written);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => {
                    drop(out);
                    self.end();
                    return took;
                }
            }
        }
        let roomy = waiting.len() <= WAITING.0 / 2 && *bytes <= WAITING.1 / 2;
        if waiting.is_empty() {
            *waiting = VecDeque::new();
        }
        drop(out);
        if roomy {
            self.room.notify_waiters();
        }
        took
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

    /// Waits until there is room for items, or it is over.
    pub(super) fn room(&self) -> BoxFuture<'_, ()> {
        async move {
            loop {
                let room = self.room.notified();
                let mut room = std::pin::pin!(room);
                // Registered before looking, so that nothing falls between.
                room.as_mut().enable();
                if self.is_gone() || self.has_room() {
                    return;
                }
                room.await;
            }
        }
        .boxed()
    }

    fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
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
    line.text(&[br#"{"id":"#, id.as_bytes(), br#","type":"complete"}"#]);
}
