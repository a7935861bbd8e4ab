//! Keys: old ones are renewed, rotations of tenants' keys finished.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::handler::{Handler, Outcome, Task};
use crate::{
    context::{Cx, Hub, Work},
    domain::{
        access::attempt_limit,
        keyring::{data_key, erase, signing},
    },
    kernel::error::Result,
};

/// Gives the next data key to each tenant whose newest one is old.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RenewDataKeys {}

impl Work for RenewDataKeys {
    const KIND: &'static str = "keyring.renew";
}

impl Handler for RenewDataKeys {
    const SLOTS: usize = 1;

    async fn run(self, task: Task) -> Outcome {
        if !task.may_delete() {
            return Ok(());
        }
        let hub = task.cx.hub();
        if data_key::renew(hub).await? > 0 {
            // What the old keys sealed is sealed anew at once.
            hub.chores.notify_waiters();
        }
        Ok(())
    }
}

/// Seals anew what is sealed under older versions.
pub(super) async fn finish_rotations(hub: Arc<Hub>) -> Result<u64> {
    let mut sealed = 0;
    for tenant in data_key::unfinished(&hub).await? {
        sealed += data_key::finish(&Cx::system(Arc::clone(&hub), "key rotation", tenant)).await?;
    }
    Ok(sealed)
}

/// Erases destroyed and replaced keys from the files of the database.
pub(super) async fn erase_destroyed(hub: Arc<Hub>) -> Result<u64> {
    erase::erase(&hub).await
}

/// Forgets the data keys that were unwrapped a while ago, on this node.
pub(super) async fn forget_old(hub: Arc<Hub>) -> Result<u64> {
    hub.data_keys.forget_old(hub.clock.now());
    // Nothing was done that anybody would want to read about every minute.
    Ok(0)
}

/// Forgets attempts to sign in that no longer count.
pub(super) async fn forget_attempts(hub: Arc<Hub>) -> Result<u64> {
    attempt_limit::forget_old(&hub).await
}

/// Makes the next signing key when the present one has signed for long enough.
pub(super) async fn renew_signing_keys(hub: Arc<Hub>) -> Result<u64> {
    signing::renew(&hub).await
}
