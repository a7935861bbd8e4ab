//! What it takes to do work of one kind: a file here that says how, and how many at once.
//!
//! A handler is given what was enqueued and a [`Task`]. Its context acts in the tenant, as whoever caused the work;
//! whatever it writes is committed only while the lease is held. It ends its job with `txn.finish()` in the
//! transaction of its last effect, so that both are one commit:
//!
//! ```text
//! async fn run(self, task: Task) -> Outcome {
//!     let fetched = fetch(&task.cx, &self).await?;               // the network, outside of any transaction
//!     task.cx.write(async |txn| { keep(txn, &fetched).await?; txn.finish() }).await?;
//!     Ok(())
//! }
//! ```
//!
//! One that has nothing to write just returns. Long work writes as it goes, a commit for each piece, notes in it how
//! far it came, and looks at [`Task::stopping`] between two pieces.

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use futures_util::{FutureExt, future::BoxFuture};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    context::{Cx, Work},
    domain::job::{Job, queue, schedule},
    kernel::{clock::Moment, error::Error, retry::Retry},
};

/// Does work of one kind.
pub trait Handler: Work {
    /// Jobs of the kind that one node does at once.
    const SLOTS: usize = 8;
    /// The longest that one may take; then it counts as failed.
    const LIMIT: Duration = Duration::from_mins(10);
    /// How long to wait after failures.
    const RETRY: Retry = Retry::USUAL;

    /// Does it.
    fn run(self, task: Task) -> impl Future<Output = Outcome> + Send;
}

/// One job that runs.
#[derive(Clone, Debug)]
pub struct Task {
    /// Acts in the job's tenant, as whoever caused the job, under its lease.
    pub cx: Cx,
    /// Which attempt this is, from 1.
    pub attempt: i32,
    /// Whether it is the last one: if this fails, the job is dead.
    pub last: bool,
    /// For which tick of a schedule it was enqueued, if for one.
    pub tick: Option<Moment>,
    /// Says that the node is about to stop.
    pub stopping: CancellationToken,
}

impl Task {
    /// Whether this may delete something because of the time. What may not is left for the next tick.
    #[must_use]
    pub fn may_delete(&self) -> bool {
        let clock = self.cx.hub().clock_guard.state();
        if !clock.may_delete() {
            tracing::warn!(
                clock = clock.name(),
                "work was left for the next time: the clock of this node is not confirmed"
            );
        }
        clock.may_delete()
    }
}

/// How work ended.
pub type Outcome = Result<(), Setback>;

/// Why work is not done.
#[derive(Debug, thiserror::Error)]
pub enum Setback {
    /// It failed, and may succeed when it is tried again.
    #[error("{reason}")]
    Retry {
        /// What went wrong, for people.
        reason: String,
        /// When to try again; as usual for the kind, if nothing is said.
        after: Option<TimeDelta>,
        /// What lies behind, for the log.
        source: Option<Error>,
    },
    /// It failed, and trying again is no use.
    #[error("{reason}")]
    Fail {
        /// What went wrong, for people.
        reason: String,
    },
    /// It stopped because the node stops; what was done is noted.
    #[error("interrupted")]
    Interrupted,
}

impl Setback {
    /// It may succeed later.
    pub fn retry(reason: impl Into<String>) -> Self {
        Self::Retry { reason: reason.into(), after: None, source: None }
    }

    /// It may succeed after that span.
    pub fn retry_after(reason: impl Into<String>, after: TimeDelta) -> Self {
        Self::Retry { reason: reason.into(), after: Some(after), source: None }
    }

    /// Trying again is no use.
    pub fn fail(reason: impl Into<String>) -> Self {
        Self::Fail { reason: reason.into() }
    }
}

/// Errors are tried again, unless the author says otherwise.
impl From<Error> for Setback {
    fn from(error: Error) -> Self {
        let after = match &error {
            Error::TooOften(seconds) => i64::try_from(*seconds).ok().and_then(TimeDelta::try_seconds),
            _ => None,
        };
        Self::Retry { reason: queue::reason_of(&error), after, source: Some(error) }
    }
}

/// A kind of work, as the runner knows it.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// Jobs at once on one node.
    pub slots: usize,
    pub(super) limit: Duration,
    pub(super) retry: Retry,
    run: fn(Value, Task) -> BoxFuture<'static, Outcome>,
}

impl Kind {
    /// The kind that this handler does.
    #[must_use]
    pub const fn of<H: Handler>() -> Self {
        Self { name: H::KIND, slots: H::SLOTS, limit: H::LIMIT, retry: H::RETRY, run: run::<H> }
    }

    /// Does a job of the kind, within its time. A handler that panics has failed.
    pub(super) async fn attempt(&self, job: &Job, cx: Cx, stopping: CancellationToken) -> (Outcome, Duration) {
        let tick = job.unique_key.as_deref().and_then(schedule::tick_of);
        let last = job.attempts >= job.max_attempts;
        let task = Task { cx, attempt: job.attempts, last, tick, stopping };
        let begun = Instant::now();
        let work = AssertUnwindSafe((self.run)(job.payload.clone(), task)).catch_unwind();
        let outcome = match tokio::time::timeout(self.limit, work).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Setback::retry("the program failed while it did this (a panic); the log says more")),
            Err(_) => Err(Setback::retry(format!("it took longer than {} seconds", self.limit.as_secs()))),
        };
        (outcome, begun.elapsed())
    }
}

fn run<H: Handler>(payload: Value, task: Task) -> BoxFuture<'static, Outcome> {
    Box::pin(async move {
        match serde_json::from_value::<H>(payload) {
            Ok(work) => work.run(task).await,
            Err(error) => Err(Setback::fail(format!("what was enqueued cannot be read: {error}"))),
        }
    })
}
