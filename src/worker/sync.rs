//! Syncs: runs are done, ticks begin them.

use super::handler::{Handler, Outcome, Setback, Task};
use crate::domain::sync::{
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

impl Handler for TickSync {
    async fn run(self, task: Task) -> Outcome {
        Ok(schedule::tick(&task.cx, self.stream).await?)
    }
}
