//! The serving loop: from a listening socket to requests, within limits, to an orderly end.
//!
//! Each connection is one task. It is accepted when a [seat](super::seat) is free, spoken to in HTTP/1.1 or
//! HTTP/2 as its first bytes tell, and watched by its [pulse](super::pulse). Over the limits it is refused
//! in the cheapest way: too many headers by a 431, too many connections by closing, silence by hanging up.
//! Errors of `accept` that concern one caller are passed over; those that concern us, such as no file
//! descriptors left, make the loop wait a little longer each time instead of spinning or giving up.
//!
//! The end comes in two steps. *Soft*: the listener closes, so that a balancer goes elsewhere; idle
//! connections close at once, the others after the requests they are running. *Hard*, after
//! [`ServeLimits::drain`]: what is left is dropped. A socket that was upgraded belongs to whoever upgraded
//! it. That task has to follow the same stop token; here its seat is waited for, but it cannot be cut.
//!
//! What of its answers a client does not take is bounded in bytes and time by [`unsent`](super::unsent). Each
//! request of HTTP/2 runs in a task of its own; when its client takes nothing for too long, that task is dropped,
//! which resets the stream and leaves the others of the connection alone.
//!
//! Not promised: TLS (a proxy's), fairness between connections (the scheduler's), and a limit on how long a
//! request runs or its body takes (the handlers').

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Version};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::pulse::{Overdue, Patience, Pulse, Wire};
use super::seat::{Counter, Notice, Seat, Seats};
use super::unsent::{Answered, Pending, Unsent, UnsentLimits};

/// The library takes no smaller buffer.
const SMALLEST_BUFFER: usize = 8_192;
/// First and longest wait after `accept` failed.
const RETRY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// How long dropped tasks have to notice.
const CUT: Duration = Duration::from_secs(1);

tokio::task_local! {
    /// Ends the task of a request over HTTP/2, and with it its stream.
    static RESET: Arc<Notify>;
}

/// What a connection may cost.
#[derive(Clone, Debug)]
pub struct ServeLimits {
    /// How long it may take over what.
    pub patience: Patience,
    /// Header lines of a request (HTTP/1.1).
    pub headers: usize,
    /// Bytes of all headers of a request; over HTTP/1.1 no less than 8 KiB.
    pub header_bytes: u32,
    /// Requests at once on one connection (HTTP/2).
    pub streams: u32,
    /// Between pings, and for the answer to one (HTTP/2).
    pub ping: Duration,
    /// Connections in all; further ones wait to be accepted.
    pub connections: u32,
    /// Connections from one address; further ones are closed.
    pub per_address: usize,
    /// Addresses that are not capped: proxies that stand for many callers.
    pub uncapped: Vec<IpAddr>,
    /// How long running requests have to finish once stopped.
    pub drain: Duration,
    /// What may wait to be sent, and for how long.
    pub unsent: UnsentLimits,
}

impl Default for ServeLimits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            patience: Patience { head: seconds(10), idle: seconds(60), write: seconds(30) },
            headers: 64,
            header_bytes: 16 * 1024,
            streams: 100,
            ping: seconds(20),
            connections: 10_000,
            per_address: 200,
            uncapped: Vec::new(),
            drain: seconds(25),
            unsent: UnsentLimits {
                write: seconds(30),
                stream: seconds(90),
                per_connection: 8 * 1024 * 1024,
                per_address: 16 * 1024 * 1024,
                total: 128 * 1024 * 1024,
            },
        }
    }
}

/// How the connections ended that were open when the server was stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// By themselves, in time.
    pub drained: usize,
    /// Cut.
    pub dropped: usize,
}

/// Serves `app` until `stop` is cancelled and the connections have ended.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    limits: ServeLimits,
    stop: CancellationToken,
    counter: Counter,
) -> Drained {
    let unsent = Unsent::new(limits.unsent, Arc::clone(&counter));
    tokio::select! {
        drained = serve_with(listener, app, limits, stop, counter, &unsent) => drained,
        never = unsent.reset_stalled() => match never {},
    }
}

async fn serve_with(
    listener: TcpListener,
    app: Router,
    limits: ServeLimits,
    stop: CancellationToken,
    counter: Counter,
    unsent: &Arc<Unsent>,
) -> Drained {
    let (tasks, cut) = (TaskTracker::new(), CancellationToken::new());
    let host = Arc::new(Host {
        app,
        http: protocol(&limits, Tracked { tasks: tasks.clone(), cut: cut.clone() }),
        patience: limits.patience,
        counter: Arc::clone(&counter),
        unsent: Arc::clone(unsent),
        stop,
    });
    let seats = Seats::new(limits.connections, limits.per_address, limits.uncapped, counter);
    let accepting = async {
        while let Some((socket, peer, seat)) = next(&listener, &seats, &host.counter).await {
            tasks.spawn(cut.clone().run_until_cancelled_owned(Arc::clone(&host).connection(socket, peer, seat)));
        }
    };
    host.stop.run_until_cancelled(accepting).await;
    drop(listener);

    let open = seats.occupied();
    tasks.close();
    let ended = timeout(limits.drain, async { tokio::join!(seats.all_left(), tasks.wait()) }).await;
    let dropped = if ended.is_ok() { 0 } else { seats.occupied() };
    cut.cancel();
    // A task that blocks its thread never notices; it ends with the process.
    let _ = timeout(CUT, tasks.wait()).await;
    Drained { drained: open.saturating_sub(dropped), dropped }
}

/// The next connection that may sit.
async fn next(listener: &TcpListener, seats: &Arc<Seats>, counter: &Counter) -> Option<(TcpStream, SocketAddr, Seat)> {
    let mut permit = seats.vacancy().await?;
    let mut wait = RETRY.0;
    loop {
        match listener.accept().await {
            Ok((socket, peer)) => {
                if let Some(seat) = seats.take(permit, peer.ip()) {
                    return Some((socket, peer, seat));
                }
                drop(socket);
                permit = seats.vacancy().await?;
            }
            // The caller went away before it was its turn.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => {}
            Err(error) => {
                counter(Notice::AcceptFailed);
                tracing::warn!(%error, wait_ms = wait.as_millis(), "http.accept.failed");
                sleep(wait).await;
                wait = (wait * 2).min(RETRY.1);
            }
        }
    }
}

/// What all connections share.
struct Host {
    app: Router,
    http: auto::Builder<Tracked>,
    patience: Patience,
    counter: Counter,
    unsent: Arc<Unsent>,
    stop: CancellationToken,
}

impl Host {
    /// One connection, from its first byte to its last.
    async fn connection(self: Arc<Self>, socket: TcpStream, peer: SocketAddr, seat: Seat) {
        // Answers are written whole; waiting to fill a packet would only delay them. Failing is harmless.
        let _ = socket.set_nodelay(true);
        let pulse = Pulse::new(self.patience);
        let responses = self.unsent.connection(seat.address());
        let wire = TokioIo::new(Wire::new(socket, Arc::clone(&pulse), seat));
        let service = service_fn(|request: Request<Incoming>| {
            let pending = Pending::new(&responses, pulse.begin(request.version() == Version::HTTP_2));
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(Arc::clone(&pending));
            let answer = self.app.clone().call(request);
            async move {
                let answer = answer.await?;
                let reset = RESET.try_with(Arc::downgrade).ok();
                Ok::<_, Infallible>(answer.map(|body| Answered::new(body, pending, reset)))
            }
        });
        let mut conversation = pin!(self.http.serve_connection_with_upgrades(wire, service));
        let mut parting = false;
        loop {
            tokio::select! {
                biased;
                // How a client broke off is its own affair.
                _ = conversation.as_mut() => return,
                () = responses.stalled() => {
                    (self.counter)(Notice::Stuck);
                    return;
                }
                () = self.stop.cancelled(), if !parting => parting = true,
                why = pulse.overdue() => match why {
                    Overdue::Idle => (self.counter)(Notice::Idle),
                    Overdue::Stuck => {
                        (self.counter)(Notice::Stuck);
                        return;
                    }
                },
            }
            pulse.part();
            conversation.as_mut().graceful_shutdown();
        }
    }
}

/// The protocols, set up once.
fn protocol(limits: &ServeLimits, tracked: Tracked) -> auto::Builder<Tracked> {
    let buffer = usize::try_from(limits.header_bytes).unwrap_or(usize::MAX);
    let mut http = auto::Builder::new(tracked);
    http.http1()
        .timer(TokioTimer::new())
        // The pulse keeps this time, see there.
        .header_read_timeout(None)
        .max_headers(limits.headers)
        .max_buf_size(buffer.max(SMALLEST_BUFFER));
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(limits.header_bytes)
        .keep_alive_interval(limits.ping)
        .keep_alive_timeout(limits.ping);
    http
}

/// Runs the requests of HTTP/2 where they are waited for, and can be cut.
#[derive(Clone)]
struct Tracked {
    tasks: TaskTracker,
    cut: CancellationToken,
}

impl<F> Executor<F> for Tracked
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, request: F) {
        let reset = Arc::new(Notify::new());
        let request = RESET.scope(Arc::clone(&reset), request);
        self.tasks.spawn(self.cut.clone().run_until_cancelled_owned(async move {
            tokio::select! {
                biased;
                () = reset.notified() => {}
                () = request => {}
            }
        }));
    }
}

#[cfg(test)]
mod tests;
