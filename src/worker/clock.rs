//! Watches the clock of this node, and sets right what a wrong one has planned. Why, and what follows from it, is said in
//! [`clock_guard`](crate::context::clock_guard).
//!
//! Next times are compared with what their periods allow at the start, every few minutes, and as soon as the clock was
//! set: on every node, so that what one of them planned for another year is found by the others.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;

use crate::{
    context::{
        ClockState, Hub,
        clock_guard::{Compared, MOST},
    },
    domain::{
        event,
        health::probe,
        job::{queue, schedule},
        keyring::{data_key, signing},
        outbound::settle,
        sync::watch as sync_watch,
    },
    kernel::error::{Result, chain},
};

/// How often the clock is compared.
pub(super) const COMPARED: Duration = Duration::from_secs(10);

/// How often next times are looked at.
const RECHECKED: Duration = Duration::from_mins(5);

/// How long to wait before asking a database again that did not tell its time.
const AGAIN: Duration = Duration::from_secs(1);

/// The longest answer that tells the time.
const SLOW: Duration = Duration::from_secs(5);

/// A hub that was silent for longer may have been started by a clock that is ahead.
const SILENT: TimeDelta = TimeDelta::days(1);

/// Watches the clock of one node.
#[derive(Debug)]
pub struct ClockWatch {
    hub: Arc<Hub>,
    lease: TimeDelta,
    /// What was said of it last.
    state: Option<ClockState>,
    rechecked: Option<Instant>,
}

impl ClockWatch {
    /// A watch of this node's clock, on which nobody relies until it was compared. Leases on jobs are as long as that.
    #[must_use]
    pub fn new(hub: Arc<Hub>, lease: Duration) -> Self {
        hub.clock_guard.begin();
        let lease = TimeDelta::from_std(lease).unwrap_or(TimeDelta::days(1));
        Self { hub, lease, state: None, rechecked: None }
    }

    /// Watches until stopped.
    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let wait = match self.turn().await {
                Ok(()) => COMPARED,
                Err(error) => {
                    tracing::warn!(error = chain(&error), "the clock of this node is not compared, will try again");
                    AGAIN
                }
            };
            stop.run_until_cancelled(tokio::time::sleep(wait)).await;
        }
    }

    /// Compares the clock, and looks at next times if there is a reason.
    pub async fn turn(&mut self) -> Result<()> {
        let mut was_set = self.compare().await?;
        let state = self.hub.clock_guard.state();
        if let Some(before) = self.state.replace(state).filter(|before| *before != state) {
            was_set = true;
            say(before, state, self.hub.clock_guard.deviation());
        } else if state != ClockState::Reliable && self.rechecked.is_none() {
            say(ClockState::Reliable, state, self.hub.clock_guard.deviation());
        }
        let due = self.rechecked.is_none_or(|at| at.elapsed() >= RECHECKED);
        if state.may_schedule() && (was_set || due) {
            self.recheck().await?;
            self.rechecked = Some(Instant::now());
        }
        Ok(())
    }

    /// Compares the clock with the database's, or with itself. Says whether it was set.
    async fn compare(&self) -> Result<bool> {
        let (hub, guard) = (&self.hub, &self.hub.clock_guard);
        let before = hub.clock.elapsed();
        // A clock that a test moves has nothing to do with a server's.
        let theirs = if hub.clock.is_running() { hub.database.time().await? } else { None };
        if let Some(theirs) = theirs {
            let took = hub.clock.elapsed().saturating_sub(before);
            if took <= SLOW {
                guard.measured(theirs, before + took / 2);
            }
            return Ok(false);
        }
        if self.rechecked.is_none() {
            self.compare_with_log().await?;
        }
        let compared = guard.compare();
        match compared {
            Compared::Same => {}
            Compared::Jumped(by) => {
                let seconds = by.num_seconds();
                tracing::warn!(
                    seconds,
                    "the clock of this machine was set; nothing is deleted because of the time for now"
                );
            }
            Compared::Returned => tracing::info!("the clock of this machine was set back to where it was"),
            Compared::Accepted => tracing::info!("the clock of this machine is relied on again, as it was set"),
        }
        Ok(compared != Compared::Same)
    }

    /// At the start without a server: compares the clock with the newest event.
    async fn compare_with_log(&self) -> Result<()> {
        let Some(newest) = event::newest_at(&self.hub.database).await? else { return Ok(()) };
        let silent = self.hub.clock.now() - newest;
        if silent < -MOST {
            let seconds = -silent.num_seconds();
            tracing::warn!(%newest, seconds, "the clock of this machine is behind the newest event; one of the two is wrong");
            self.hub.clock_guard.hold();
        } else if silent > SILENT {
            tracing::info!(%newest, "there was no event for long; nothing is deleted because of the time for an hour");
            self.hub.clock_guard.hold();
        }
        Ok(())
    }

    /// Sets right whatever lies further ahead than it can.
    async fn recheck(&self) -> Result<()> {
        let hub = &self.hub;
        let mut changed = schedule::recheck(hub).await?;
        changed += queue::recheck(hub, self.lease).await?;
        changed += probe::recheck(hub).await?;
        changed += sync_watch::recheck(hub).await?;
        changed += settle::recheck(hub).await?;
        changed += data_key::recheck(hub).await?;
        changed += signing::recheck(hub).await?;
        if changed > 0 {
            tracing::warn!(changed, "times that a wrong clock had written were set right");
            hub.jobs.notify_one();
        }
        Ok(())
    }
}

/// Says that the clock is relied on, or not any more.
fn say(before: ClockState, state: ClockState, deviation: TimeDelta) {
    let milliseconds = deviation.num_milliseconds();
    match state {
        ClockState::Reliable => tracing::info!(was = before.name(), "the clock of this node is relied on again"),
        ClockState::Unconfirmed => {
            tracing::warn!(
                milliseconds,
                "the clock of this node is not confirmed; nothing is deleted because of the time"
            );
        }
        ClockState::Wrong => tracing::error!(
            milliseconds,
            "the clock of this node differs from the database's; nothing is done because of the time until they agree"
        ),
    }
}
