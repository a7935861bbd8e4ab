//! What time it is, for those who are told.
//!
//! Times are UTC with microseconds: that is what both databases can hold, so a value read back equals
//! the value written.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};

/// A moment, in UTC.
pub type Moment = DateTime<Utc>;

/// A source of time.
pub trait Clock: Send + Sync + 'static {
    /// The present moment, to the microsecond.
    fn now(&self) -> Moment;

    /// Time since some moment in the past, by a clock that nobody can set.
    fn elapsed(&self) -> Duration {
        static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);
        BEGINNING.elapsed()
    }

    /// Whether it runs by itself, so that it can be compared with the clocks of other machines.
    fn is_running(&self) -> bool {
        true
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the machine for the time")]
    fn now(&self) -> Moment {
        let now = Utc::now();
        DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now)
    }
}

/// A clock that moves when it is told to. Clones share the time.
#[derive(Clone, Debug)]
pub struct ManualClock {
    now: Arc<AtomicI64>,
    elapsed: Arc<AtomicI64>,
}

impl ManualClock {
    /// A clock that stands at `start`.
    #[must_use]
    pub fn at(start: Moment) -> Self {
        Self { now: Arc::new(AtomicI64::new(start.timestamp_micros())), elapsed: Arc::default() }
    }

    /// Lets time pass. A negative span sets the clock back.
    pub fn advance(&self, by: TimeDelta) {
        self.set(by);
        self.elapsed.fetch_add(by.num_microseconds().unwrap_or_default().max(0), Ordering::SeqCst);
    }

    /// Sets the clock by a span forward, or back for a negative one, while no time passes.
    pub fn set(&self, by: TimeDelta) {
        self.now.fetch_add(by.num_microseconds().unwrap_or_default(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        DateTime::from_timestamp_micros(self.now.load(Ordering::SeqCst)).unwrap_or_default()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_micros(self.elapsed.load(Ordering::SeqCst).unsigned_abs())
    }

    fn is_running(&self) -> bool {
        false
    }
}
