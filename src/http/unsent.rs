//! Bounds on response bytes that wait to be sent, and on the time they wait.
//!
//! A response is made faster than a slow client takes it, and what is not taken stays in memory. Over HTTP/2 a
//! client decides that by itself: its flow-control window may be zero for as long as it answers pings. Two bounds
//! hold for every response, over both versions of HTTP:
//!
//! * **Time.** A response is sent in pieces of [`PIECE`] bytes. A client has [`UnsentLimits::write`] to take each
//!   one, which is a minimum rate of about 500 bytes a second with the default; any client that keeps it gets its
//!   whole response. After that time the stream is reset (HTTP/2) or the connection closed (HTTP/1.1). A response
//!   that waits for its own body, as an event stream does between two events, is not measured, and a body of
//!   unknown length has [`UnsentLimits::stream`] instead.
//! * **Bytes.** What waits is counted for each connection, each client address and the process. Over a bound of
//!   [`UnsentLimits`], new requests of that scope are refused with 503 before they run; a response that would take
//!   the scope over twice its bound is dropped, and a 503 without a body sent instead, for which nothing waits. While
//!   a scope is over its bound, its clients have only [`PRESSED`] for each piece, so that stalled responses make room.
//!   Over the bound of the process, addresses for which nothing waits are still served.
//!
//! Counted is what a response holds alone: its whole buffer, until the last piece of it is written to the socket, and
//! [`OVERHEAD`] for its task, stream and headers. Bodies that all responses share (the schema, the embedded pages)
//! carry [`Shared`] and count no buffer. Of a body of unknown length each frame is counted once it is made; how many
//! such responses there are is bounded elsewhere, by caller.
//!
//! [`Unsent`] is the server's, [`Responses`] a connection's, [`Pending`] one request's. One task looks at all of
//! them about once a second ([`Unsent::reset_stalled`]), so a response costs no timer.

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{body::Body, response::Response};
use bytes::{Buf, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    pulse::Running,
    seat::{Counter, Notice},
};

/// The largest piece in which a response is handed to the connection. HTTP/2 sends no larger frame by default.
pub const PIECE: usize = 16 * 1024;

/// Time for each piece while its scope is over its bound.
const PRESSED: Duration = Duration::from_secs(5);

/// Bytes that a response holds besides its body while it waits. Measured: 5.5 KiB over HTTP/2.
const OVERHEAD: usize = 6 * 1024;

/// Marks a response whose body is shared by all responses of its kind and takes no memory of its own.
#[derive(Clone, Copy, Debug)]
pub struct Shared;

/// Bounds on what waits to be sent.
#[derive(Clone, Copy, Debug)]
pub struct UnsentLimits {
    /// Longest time for a client to take one piece.
    pub write: Duration,
    /// The same for a body of unknown length, such as an event stream.
    pub stream: Duration,
    /// Bytes for one connection.
    pub per_connection: usize,
    /// Bytes for all connections of one address, unless it is a trusted proxy.
    pub per_address: usize,
    /// Bytes in all.
    pub total: usize,
}

/// What waits to be sent by a server.
pub struct Unsent {
    limits: UnsentLimits,
    bytes: AtomicUsize,
    addresses: Mutex<HashMap<IpAddr, Arc<AtomicUsize>>>,
    connections: Mutex<BTreeMap<u64, Weak<Responses>>>,
    counter: Counter,
}

impl Unsent {
    /// A server for which nothing waits.
    pub fn new(limits: UnsentLimits, counter: Counter) -> Arc<Self> {
        Arc::new(Self {
            limits,
            bytes: AtomicUsize::new(0),
            addresses: Mutex::default(),
            connections: Mutex::default(),
            counter,
        })
    }

    /// Begins with a connection; an address that is not capped is none.
    pub fn connection(self: &Arc<Self>, address: Option<IpAddr>) -> Arc<Responses> {
        let counted = address.map(|address| (address, Arc::clone(locked(&self.addresses).entry(address).or_default())));
        let mut connections = locked(&self.connections);
        let id = connections.last_key_value().map_or(0, |(last, _)| last + 1);
        let responses = Arc::new(Responses {
            unsent: Arc::clone(self),
            id,
            address: counted,
            bytes: AtomicUsize::new(0),
            waiting: Mutex::default(),
            close: CancellationToken::new(),
        });
        connections.insert(id, Arc::downgrade(&responses));
        responses
    }

    /// Ends responses whose client took nothing for too long; looks again and again.
    pub async fn reset_stalled(&self) -> Infallible {
        let shortest = self.limits.write.min(self.limits.stream).min(PRESSED);
        let interval = (shortest / 4).clamp(Duration::from_millis(10), Duration::from_secs(1));
        loop {
            sleep(interval).await;
            // Upgraded under the lock and looked at without it: to drop the last handle takes the lock again.
            let open: Vec<_> = locked(&self.connections).values().filter_map(Weak::upgrade).collect();
            let now = Instant::now();
            for responses in open {
                responses.end_stalled(now);
            }
        }
    }
}

impl std::fmt::Debug for Unsent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unsent").field("limits", &self.limits).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// What waits to be sent on one connection.
#[derive(Debug)]
pub struct Responses {
    unsent: Arc<Unsent>,
    id: u64,
    address: Option<(IpAddr, Arc<AtomicUsize>)>,
    bytes: AtomicUsize,
    waiting: Mutex<Waiting>,
    close: CancellationToken,
}

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    responses: BTreeMap<u64, Sending>,
}

/// One response that is being sent.
#[derive(Debug)]
struct Sending {
    /// Time at which the client last took a piece, or at which there was something for it again.
    since: Instant,
    /// Pieces that are not written to the socket yet.
    queued: usize,
    /// Whether the response waits for its own body and not for the client.
    idle: bool,
    patience: Duration,
    /// Ends its stream, over HTTP/2. Without it, or when that did not help, the connection is closed.
    reset: Option<Weak<Notify>>,
}

impl Responses {
    /// Resolves when the connection has to be closed because its client takes nothing.
    pub async fn stalled(&self) {
        self.close.cancelled().await;
    }

    /// Whether the scopes of this connection hold no more than `times` their bounds, with `more` bytes added.
    fn fits(&self, more: usize, times: usize) -> bool {
        let limits = &self.unsent.limits;
        let own = self.bytes.load(Relaxed);
        let address = self.address.as_ref().map_or(own, |(_, bytes)| bytes.load(Relaxed));
        let capped = self.address.is_some();
        // A single response is served whatever its size, if nothing else waits.
        let connection = own == 0 || own.saturating_add(more) <= limits.per_connection.saturating_mul(times);
        let address_fits =
            !capped || address == 0 || address.saturating_add(more) <= limits.per_address.saturating_mul(times);
        let times = if address == 0 { 2 } else { times };
        connection
            && address_fits
            && self.unsent.bytes.load(Relaxed).saturating_add(more) <= limits.total.saturating_mul(times)
    }

    fn add(&self, bytes: usize) {
        self.scopes(|scope| _ = scope.fetch_add(bytes, Relaxed));
    }

    fn release(&self, bytes: usize) {
        self.scopes(|scope| _ = scope.fetch_sub(bytes, Relaxed));
    }

    fn scopes(&self, change: impl Fn(&AtomicUsize)) {
        change(&self.bytes);
        change(&self.unsent.bytes);
        if let Some((_, bytes)) = &self.address {
            change(bytes);
        }
    }

    /// Ends the responses that have stalled for too long.
    fn end_stalled(&self, now: Instant) {
        let pressed = self.bytes.load(Relaxed) > 0 && !self.fits(0, 1);
        let (mut streams, mut close) = (Vec::new(), false);
        for response in locked(&self.waiting).responses.values_mut() {
            let patience = if pressed { response.patience.min(PRESSED) } else { response.patience };
            let waits = response.queued > 0 || !response.idle;
            if !waits || now.saturating_duration_since(response.since) < patience {
                continue;
            }
            if let Some(reset) = response.reset.take().and_then(|reset| reset.upgrade()) {
                // What is queued below goes with the stream. If it does not, the connection goes next.
                response.since = now;
                streams.push(reset);
            } else {
                close = true;
            }
        }
        for reset in streams {
            (self.unsent.counter)(Notice::Stalled);
            reset.notify_one();
        }
        if close {
            self.close.cancel();
        }
    }
}

impl Drop for Responses {
    fn drop(&mut self) {
        locked(&self.unsent.connections).remove(&self.id);
        if let Some((address, bytes)) = self.address.take() {
            let mut addresses = locked(&self.unsent.addresses);
            // Ours and the one in the map.
            if Arc::strong_count(&bytes) == 2 {
                addresses.remove(&address);
            }
        }
    }
}

/// One request and the response to it, from the head of the one to the last byte of the other.
#[derive(Debug)]
pub struct Pending {
    responses: Arc<Responses>,
    id: u64,
    held: AtomicUsize,
    _running: Running,
}

impl Pending {
    /// Begins with a request.
    pub fn new(responses: &Arc<Responses>, running: Running) -> Arc<Self> {
        let mut waiting = locked(&responses.waiting);
        let id = waiting.next;
        waiting.next += 1;
        drop(waiting);
        Arc::new(Self { responses: Arc::clone(responses), id, held: AtomicUsize::new(0), _running: running })
    }

    /// Whether the request may run: whether nothing of its connection, address or process is over its bound.
    pub fn admitted(&self) -> bool {
        self.responses.fits(0, 1)
    }

    /// Counts a response that is ready. Nothing is counted, and it is not to be sent, if there is no room for it.
    #[must_use]
    pub fn hold(&self, response: &Response) -> bool {
        let bytes = cost(response);
        let fits = self.responses.fits(bytes, 2);
        if fits {
            self.responses.add(bytes);
            self.held.fetch_add(bytes, Relaxed);
        }
        fits
    }

    fn note(&self, change: impl FnOnce(&mut Sending)) {
        if let Some(response) = locked(&self.responses.waiting).responses.get_mut(&self.id) {
            change(response);
        }
    }

    /// Notes that there is a piece for the client.
    fn queued(&self) {
        self.note(|response| {
            if response.queued == 0 {
                response.since = Instant::now();
            }
            response.queued += 1;
            response.idle = false;
        });
    }

    /// Notes that the client took a piece.
    fn taken(&self) {
        self.note(|response| {
            response.since = Instant::now();
            response.queued = response.queued.saturating_sub(1);
        });
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.responses.release(*self.held.get_mut());
        locked(&self.responses.waiting).responses.remove(&self.id);
    }
}

/// The body of a response, in pieces that are measured and counted.
#[derive(Debug)]
pub struct Answered {
    body: Body,
    /// What is left of the frame that the body gave last.
    left: Bytes,
    /// Bytes of that frame if it is counted by itself, because the length of the body is not known.
    counted: usize,
    whole: bool,
    pending: Arc<Pending>,
}

impl Answered {
    /// Ties a request to the body that answers it; `reset` ends its stream.
    pub fn new(body: Body, pending: Arc<Pending>, reset: Option<Weak<Notify>>) -> Self {
        let whole = body.size_hint().exact().is_some();
        let limits = &pending.responses.unsent.limits;
        let patience = if whole { limits.write } else { limits.stream };
        let response = Sending { since: Instant::now(), queued: 0, idle: false, patience, reset };
        locked(&pending.responses.waiting).responses.insert(pending.id, response);
        Self { body, left: Bytes::new(), counted: 0, whole, pending }
    }
}

impl HttpBody for Answered {
    type Data = Piece;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Piece>, axum::Error>>> {
        let this = &mut *self;
        while this.left.is_empty() {
            let polled = Pin::new(&mut this.body).poll_frame(cx);
            if polled.is_pending() {
                this.pending.note(|response| response.idle = true);
            }
            match ready!(polled) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.left = data,
                    Err(frame) => match frame.into_trailers() {
                        Ok(trailers) => return Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                        // There is no other kind of frame.
                        Err(_) => continue,
                    },
                },
            }
            if !this.whole {
                this.counted = this.left.len();
                this.pending.responses.add(this.counted);
            }
        }
        let data = this.left.split_to(this.left.len().min(PIECE));
        // The buffer is freed with the last piece that was cut from it.
        let counted = if this.left.is_empty() { std::mem::take(&mut this.counted) } else { 0 };
        this.pending.queued();
        Poll::Ready(Some(Ok(Frame::data(Piece { data, counted, pending: Arc::clone(&this.pending) }))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, left) = (self.body.size_hint(), u64::try_from(self.left.len()).unwrap_or(u64::MAX));
        let (lower, upper) = (hint.lower(), hint.upper());
        if let Some(upper) = upper {
            hint.set_upper(upper.saturating_add(left));
        }
        hint.set_lower(lower.saturating_add(left));
        hint
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        self.pending.responses.release(self.counted);
    }
}

/// A part of a response on its way to the client; dropped once it is written to the socket.
#[derive(Debug)]
pub struct Piece {
    data: Bytes,
    counted: usize,
    pending: Arc<Pending>,
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.data.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.data.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.data.advance(count);
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.pending.responses.release(self.counted);
        self.pending.taken();
    }
}

/// Bytes that a response holds while it waits, as far as that is known before it is sent.
fn cost(response: &Response) -> usize {
    match response.body().size_hint().exact() {
        None | Some(0) => 0,
        Some(_) if response.extensions().get::<Shared>().is_some() => OVERHEAD,
        Some(length) => usize::try_from(length).unwrap_or(usize::MAX).saturating_add(OVERHEAD),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
