//! Partners: what happens is taken to them, what they say is taken in, and what had no meaning is looked at again.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::handler::{Handler, Outcome, Task};
use crate::{
    context::Hub,
    domain::partner::{
        follow::{self as reader, Reached},
        mapping::version::ReapplyUpdates,
        update,
    },
    kernel::error::{Error, chain},
};

/// How often it looks by itself.
const LOOK: Duration = Duration::from_secs(1);

/// Reads the log until stopped.
pub async fn follow(hub: Arc<Hub>, stop: CancellationToken) {
    let woken = Arc::new(Notify::new());
    let heard = Arc::clone(&woken);
    // What is of no interest is passed over, too, while it is at hand.
    hub.feed.observe(Box::new(move |_| heard.notify_one()));
    let mut reached = Reached::default();
    while !stop.is_cancelled() {
        if !hub.clock_guard.state().may_schedule() {
            stop.run_until_cancelled(tokio::time::sleep(LOOK)).await;
            continue;
        }
        match reader::follow(&hub, &mut reached).await {
            Ok(reader::BATCH) => continue,
            Ok(_) => {}
            Err(error) => tracing::warn!(error = chain(&error), "events for partners wait, will try again"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = woken.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

impl Handler for ReapplyUpdates {
    const SLOTS: usize = 2;

    async fn run(self, task: Task) -> Outcome {
        match update::reapply(&task.cx, self.integration).await {
            // It is gone, and so is what waited.
            Ok(_) | Err(Error::NotFound(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
