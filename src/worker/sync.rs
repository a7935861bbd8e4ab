//! Syncs: runs are done, ticks begin them.

use chrono::TimeDelta;

use super::handler::{Handler, Outcome, Setback, Task};
use crate::domain::sync::{
    hint::{self, Followed, HintSync},
    run::RunSync,
    schedule::{self, TickSync},
    work::{self, Ended},
};

impl Handler for RunSync {
    const SLOTS: usize = 16;

    async fn run(self, task: Task) -> Outcome {
        match Box::pin(work::work(&task.cx, self.run, || task.stopping.is_cancelled())).await? {
            Ended::Settled => Ok(()),
            Ended::Interrupted => Err(Setback::Interrupted),
        }
    }
}

/// How long a hint waits for a run that reads.
const BUSY: TimeDelta = TimeDelta::seconds(5);

impl Handler for HintSync {
    async fn run(self, task: Task) -> Outcome {
        match hint::follow(&task.cx, &self).await? {
            Followed::Settled => Ok(()),
            Followed::Busy => Err(Setback::retry_after("a run is reading", BUSY)),
        }
    }
}

impl Handler for TickSync {
    async fn run(self, task: Task) -> Outcome {
        Ok(schedule::tick(&task.cx, self.stream).await?)
    }
}
