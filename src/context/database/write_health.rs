//! Outcomes of the last writes: whether the database stores anything at present.
//!
//! A database can answer every query and store nothing: its disk is full, or it became a standby. Whoever sends
//! requests to this node has to hear of that. Each write transaction notes its outcome here. A failure of the storage
//! counts for [`FRESH`], even if other writes succeed meanwhile, because on a nearly full disk small ones do; after
//! that a success of the same age is taken as proof, and without one somebody has to try.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use crate::kernel::error::Result;

/// Time for which an outcome is taken to hold for the next write.
const FRESH: Duration = Duration::from_secs(5);

/// Never, as milliseconds since the beginning.
const NEVER: u64 = 0;

/// The times of the last failure and of the last success.
pub struct WriteHealth {
    began: Instant,
    failed: AtomicU64,
    succeeded: AtomicU64,
}

impl Default for WriteHealth {
    fn default() -> Self {
        Self { began: Instant::now(), failed: AtomicU64::new(NEVER), succeeded: AtomicU64::new(NEVER) }
    }
}

impl WriteHealth {
    /// Notes what a write came to. Failures that say nothing about the storage are not counted.
    pub fn note<T>(&self, outcome: &Result<T>) {
        let time = match outcome {
            Ok(_) => &self.succeeded,
            Err(error) if error.is_storage_failure() => &self.failed,
            Err(_) => return,
        };
        time.store(self.now(), Ordering::Relaxed);
    }

    /// Whether writes are stored; nothing if the last ones are too long ago to tell.
    pub(super) fn verdict(&self) -> Option<bool> {
        if self.fresh(&self.failed) {
            return Some(false);
        }
        self.fresh(&self.succeeded).then_some(true)
    }

    fn fresh(&self, time: &AtomicU64) -> bool {
        let at = time.load(Ordering::Relaxed);
        at != NEVER && u128::from(self.now().saturating_sub(at)) < FRESH.as_millis()
    }

    /// Milliseconds since the beginning, and one, so that none is [`NEVER`].
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).map_or(u64::MAX, |elapsed| elapsed.saturating_add(1))
    }
}

impl fmt::Debug for WriteHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteHealth").field("verdict", &self.verdict()).finish_non_exhaustive()
    }
}
