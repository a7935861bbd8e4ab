//! Work that nobody waits for.
//!
//! A chore takes no input, finds out itself what is left to do, and may run twice or on several nodes at
//! once: it looks at the rows, not at a plan. So a chore that was cut off is simply run again. Each runs
//! when it is kicked and at its own interval, and says what it did.

mod audit;
mod keys;
mod tenants;

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    context::Hub,
    domain::event,
    kernel::error::{Result, chain},
};

/// Starts the chores; they end when `stop` is cancelled.
pub fn start(hub: &Arc<Hub>, stop: &CancellationToken) {
    repeat(hub, stop, "renew data keys", Duration::from_hours(1), keys::renew_data_keys);
    repeat(hub, stop, "finish key rotations", Duration::from_secs(20), keys::finish_rotations);
    repeat(hub, stop, "forget unwrapped keys", Duration::from_mins(1), keys::forget_old);
    repeat(hub, stop, "renew signing keys", Duration::from_hours(1), keys::renew_signing_keys);
    repeat(hub, stop, "note refused attempts", Duration::from_mins(1), audit::note_refusals);
    repeat(hub, stop, "sign the audit log", Duration::from_hours(1), audit::sign);
    repeat(hub, stop, "prune the event log", Duration::from_mins(10), event::retain);
    repeat(hub, stop, "prune the audit log", Duration::from_hours(24), audit::prune);
    repeat(hub, stop, "remove deleted tenants", Duration::from_mins(5), tenants::empty_deleted);
}

/// Runs a chore now and then.
fn repeat<F>(hub: &Arc<Hub>, stop: &CancellationToken, name: &'static str, every: Duration, chore: fn(Arc<Hub>) -> F)
where
    F: Future<Output = Result<u64>> + Send + 'static,
{
    let (hub, stop) = (Arc::clone(hub), stop.clone());
    let tasks = hub.tasks.clone();
    tasks.spawn(async move {
        loop {
            match chore(Arc::clone(&hub)).await {
                Ok(0) => {}
                Ok(done) => tracing::info!(chore = name, done, "{name}: {done} done"),
                Err(error) => tracing::warn!(chore = name, error = chain(&error), "{name}: failed, will try again"),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = hub.chores.notified() => {}
                () = tokio::time::sleep(every) => {}
            }
        }
    });
}
