//! What came is kept for its time.

use std::{collections::BTreeSet, sync::Arc};

use super::{Status, dead, refusal};
use crate::{
    context::{Cx, Hub},
    domain::keyring::HUB,
    entity::{webhook_event as entity, webhook_item},
    kernel::{
        error::Result,
        id::{TenantId, WebhookEventId, WebhookSourceId},
    },
};

/// A webhook that goes, and where it came to.
type Old = (WebhookEventId, TenantId, WebhookSourceId, Status);

/// The ids of all, and where those came to that were given up.
fn sorted(old: Vec<Old>) -> (Vec<WebhookEventId>, BTreeSet<(TenantId, WebhookSourceId)>) {
    let dead = old.iter().filter(|(.., status)| *status == Status::Dead);
    let dead = dead.map(|(_, tenant, source, _)| (*tenant, *source)).collect();
    (old.into_iter().map(|(id, ..)| id).collect(), dead)
}

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
                let old: Vec<Old> = entity::old(before, BATCH).into_tuple().all(&**txn).await?;
                let (old, dead) = sorted(old);
                webhook_item::of_old(&old).exec(&**txn).await?;
                entity::forget(&old).exec(&**txn).await?;
                for (tenant, source) in dead {
                    dead::resolve(txn, tenant, source).await?;
                }
                Ok(old.len() as u64)
            })
            .await?;
        forgotten += some;
        if some < BATCH {
            return Ok(forgotten);
        }
    }
}
