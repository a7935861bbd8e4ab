//! What came is kept for its time.

use std::sync::Arc;

use super::refusal;
use crate::{
    context::{Cx, Hub},
    domain::keyring::HUB,
    entity::{webhook_event as entity, webhook_item},
    kernel::{error::Result, id::WebhookEventId},
};

/// Webhooks that go in one commit.
const BATCH: u64 = 500;

/// Forgets what is older than it is to be kept, unless it still waits. Says how many.
pub async fn forget_old(hub: Arc<Hub>) -> Result<u64> {
    let mut forgotten = refusal::forget_old(&hub).await?;
    let before = hub.clock.now() - hub.inbox.retention;
    let cx = Cx::system(Arc::clone(&hub), "inbox", HUB);
    loop {
        let some = cx
            .write(async |txn| {
                let old: Vec<WebhookEventId> = entity::old(before, BATCH).into_tuple().all(&**txn).await?;
                webhook_item::of_old(&old).exec(&**txn).await?;
                entity::forget(&old).exec(&**txn).await?;
                Ok(old.len() as u64)
            })
            .await?;
        forgotten += some;
        if some < BATCH {
            return Ok(forgotten);
        }
    }
}
