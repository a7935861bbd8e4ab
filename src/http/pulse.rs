//! What a connection is doing, and since when: the clock behind its time limits.
//!
//! A connection waits for the head of a request, runs requests, or is idle between them:
//!
//! ```text
//! accepted ──▶ head ──request──▶ running ──last answer sent──▶ idle ──first byte──▶ head
//! ```
//!
//! `head` may last a few seconds, so that half a header does not hold a connection; `idle` about a minute,
//! so that clients can keep theirs; `running` is bounded by whoever runs the request, and the time to take an
//! answer by [`unsent`](super::unsent). Beside these, a peer whose socket takes nothing is given up on after a while. The library's own
//! header timer starts as soon as a connection falls idle and so cannot tell the first two apart, and it
//! does not see a peer that never sends a first byte; therefore this one.
//!
//! Over HTTP/2 every frame looks like a first byte, and several requests run at once: after the first
//! request only `idle` counts there, and pings find out the dead.
//!
//! [`Wire`] reports the bytes, [`Answered`](super::unsent::Answered) the end of an answer and what of it waits; [`Pulse::overdue`] tells the connection's
//! task when it is time.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use super::seat::Seat;

/// The most that is read and thrown away after the last answer.
const LINGER: usize = 8 * 1024 * 1024;

/// How long a connection may take over what.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From the first byte of a request to the end of its headers; also from accepting to that end.
    pub head: Duration,
    /// Between requests.
    pub idle: Duration,
    /// Without taking a byte of what is being sent.
    pub write: Duration,
}

/// Why a connection's time is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// Nothing was asked for a while: say good-bye.
    Idle,
    /// A header did not end, or an answer is not taken: hang up.
    Stuck,
}

/// The state of one connection, shared by its task, its socket and its answers.
#[derive(Debug)]
pub struct Pulse {
    patience: Patience,
    beat: Mutex<Beat>,
}

#[derive(Debug)]
struct Beat {
    running: usize,
    waiting: Waiting,
    multiplexed: bool,
    /// Since when the peer takes nothing.
    blocked: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
enum Waiting {
    Head(Instant),
    Idle(Instant),
}

impl Pulse {
    /// Begins with a connection that was just accepted.
    pub fn new(patience: Patience) -> Arc<Self> {
        let waiting = Waiting::Head(Instant::now());
        let beat = Beat { running: 0, waiting, multiplexed: false, blocked: None };
        Arc::new(Self { patience, beat: Mutex::new(beat) })
    }

    /// Notes a request; it runs until what this returns is dropped.
    pub fn begin(self: &Arc<Self>, multiplexed: bool) -> Running {
        let mut beat = self.beat();
        beat.running += 1;
        beat.multiplexed = multiplexed;
        Running(Arc::clone(self))
    }

    /// Gives an idle connection, which was asked to close, no longer than a header may take.
    pub fn part(&self) {
        self.beat().waiting = Waiting::Head(Instant::now());
    }

    /// Resolves once the connection has taken longer over something than it may.
    ///
    /// To be polled whenever the connection was: what happens there moves the deadline.
    pub async fn overdue(&self) -> Overdue {
        let mut alarm = pin!(sleep_until(Instant::now() + self.patience.head));
        poll_fn(|cx| {
            loop {
                let now = Instant::now();
                let (at, why) = self.deadline(now);
                if at <= now {
                    return Poll::Ready(why);
                }
                // A later deadline is found out when the alarm goes; moving it each time would cost more.
                if at < alarm.deadline() || alarm.is_elapsed() {
                    alarm.as_mut().reset(at);
                }
                ready!(alarm.as_mut().poll(cx));
            }
        })
        .await
    }

    /// When to look again, and what is overdue by then if nothing happens.
    fn deadline(&self, now: Instant) -> (Instant, Overdue) {
        let beat = self.beat();
        let (at, why) = match beat.waiting {
            _ if beat.running > 0 => (now + self.patience.idle, Overdue::Idle),
            Waiting::Head(since) => (since + self.patience.head, Overdue::Stuck),
            Waiting::Idle(since) => (since + self.patience.idle, Overdue::Idle),
        };
        match beat.blocked.map(|since| since + self.patience.write) {
            Some(blocked) if blocked < at => (blocked, Overdue::Stuck),
            _ => (at, why),
        }
    }

    fn heard(&self) {
        let mut beat = self.beat();
        if beat.running == 0 && !beat.multiplexed && matches!(beat.waiting, Waiting::Idle(_)) {
            beat.waiting = Waiting::Head(Instant::now());
        }
    }

    fn wrote(&self, blocked: bool) {
        let mut beat = self.beat();
        beat.blocked = if blocked { beat.blocked.or_else(|| Some(Instant::now())) } else { None };
    }

    fn beat(&self) -> MutexGuard<'_, Beat> {
        self.beat.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is running.
#[derive(Debug)]
pub struct Running(Arc<Pulse>);

impl Drop for Running {
    fn drop(&mut self) {
        let mut beat = self.0.beat();
        beat.running -= 1;
        if beat.running == 0 {
            beat.waiting = Waiting::Idle(Instant::now());
        }
    }
}

/// A socket that tells its pulse what passes, and holds its seat for as long as it is open.
///
/// When it closes while the peer is still sending, as after a body that was refused, what is on its way is
/// read and thrown away for a moment. Closed over unread bytes, a connection is reset, and the reset
/// overtakes the answer: the caller would see a broken network instead of the reason.
#[derive(Debug)]
pub struct Wire {
    socket: TcpStream,
    pulse: Arc<Pulse>,
    closing: bool,
    discarded: usize,
    seat: Seat,
}

impl Wire {
    /// Ties a socket to its pulse and its seat.
    pub fn new(socket: TcpStream, pulse: Arc<Pulse>, seat: Seat) -> Self {
        Self { socket, pulse, closing: false, discarded: 0, seat }
    }

    /// Parts them again: a socket that was upgraded keeps its seat and has no pulse.
    pub fn into_parts(self) -> (TcpStream, Seat) {
        (self.socket, self.seat)
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let outcome = Pin::new(&mut self.socket).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.pulse.heard();
        }
        outcome
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.pulse.wrote(outcome.is_pending());
        outcome
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.socket).poll_write_vectored(cx, pieces);
        self.pulse.wrote(outcome.is_pending());
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.closing {
            ready!(Pin::new(&mut self.socket).poll_shutdown(cx))?;
            self.closing = true;
            self.pulse.part();
        }
        let mut waste = [0; 4 * 1024];
        while self.discarded < LINGER {
            let mut buf = ReadBuf::new(&mut waste);
            match Pin::new(&mut self.socket).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => self.discarded += buf.filled().len(),
                // Somebody who was still sending sends on for a while; an idle peer is not waited for.
                Poll::Pending if self.discarded > 0 => return Poll::Pending,
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In hours, so that no pause of the machine changes an outcome.
    const PATIENCE: Patience =
        Patience { head: Duration::from_hours(10), idle: Duration::from_hours(60), write: Duration::from_hours(30) };

    /// What is overdue first, in how many hours.
    fn next(pulse: &Pulse) -> (u64, Overdue) {
        let now = Instant::now();
        let (at, why) = pulse.deadline(now);
        (at.duration_since(now).as_secs().div_ceil(3_600), why)
    }

    #[test]
    fn a_head_has_little_time_and_an_idle_connection_more() {
        let pulse = Pulse::new(PATIENCE);
        assert_eq!(next(&pulse), (10, Overdue::Stuck));
        drop(pulse.begin(false));
        assert_eq!(next(&pulse), (60, Overdue::Idle));
        pulse.heard();
        assert_eq!(next(&pulse), (10, Overdue::Stuck));
    }

    #[test]
    fn a_running_request_is_not_idle() {
        let pulse = Pulse::new(PATIENCE);
        let (first, second) = (pulse.begin(true), pulse.begin(true));
        drop(first);
        assert!(
            pulse.deadline(Instant::now() + Duration::from_hours(1_000)).0
                > Instant::now() + Duration::from_hours(1_000)
        );
        drop(second);
        assert_eq!(next(&pulse), (60, Overdue::Idle));
    }

    #[test]
    fn frames_of_a_multiplexed_connection_are_no_heads() {
        let pulse = Pulse::new(PATIENCE);
        drop(pulse.begin(true));
        pulse.heard();
        assert_eq!(next(&pulse), (60, Overdue::Idle));
    }

    #[test]
    fn a_peer_that_takes_nothing_is_stuck_until_it_takes_something() {
        let pulse = Pulse::new(PATIENCE);
        let _running = pulse.begin(false);
        pulse.wrote(true);
        assert_eq!(next(&pulse), (30, Overdue::Stuck));
        pulse.wrote(false);
        assert_eq!(next(&pulse), (60, Overdue::Idle));
    }
}
