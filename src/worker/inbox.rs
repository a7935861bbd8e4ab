//! Webhooks: what came is seen to, and what was missed is looked for.

use super::handler::{Handler, Outcome, Setback, Task};
use crate::domain::inbox::{
    process::{self, ProcessInbox},
    reconcile::{self, ReconcileInbox},
};

impl Handler for ProcessInbox {
    async fn run(self, task: Task) -> Outcome {
        let ended = process::process(&task.cx, self.source, || task.stopping.is_cancelled()).await?;
        if ended { Ok(()) } else { Err(Setback::Interrupted) }
    }
}

impl Handler for ReconcileInbox {
    const SLOTS: usize = 4;

    async fn run(self, task: Task) -> Outcome {
        Ok(reconcile::reconcile(&task.cx, self.source).await?)
    }
}
