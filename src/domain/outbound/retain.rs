//! What is over is kept for its time.

use std::sync::Arc;

use sea_orm::ConnectionTrait;

use crate::{
    context::{Cx, Hub},
    domain::keyring::HUB,
    entity::{webhook_attempt, webhook_delivery, webhook_message},
    kernel::{error::Result, id::EventId},
};

/// Messages that go in one commit.
const BATCH: u64 = 200;

/// Forgets messages for which nobody waits and that are older than they are to be kept, with their deliveries and the
/// attempts at them. Says how many.
pub async fn forget_old(hub: Arc<Hub>) -> Result<u64> {
    let border = EventId::first_of(hub.clock.now() - hub.outbound.retention);
    let cx = Cx::system(hub, "outbound retention", HUB);
    let mut forgotten = 0;
    loop {
        let some = cx
            .write(async |txn| {
                let old: Vec<EventId> = webhook_message::old(border, BATCH).into_tuple().all(&**txn).await?;
                if old.is_empty() {
                    return Ok(0);
                }
                txn.execute_raw(webhook_attempt::forget(txn.get_database_backend(), &old)).await?;
                webhook_delivery::of_messages(&old).exec(&**txn).await?;
                webhook_message::forget(&old).exec(&**txn).await?;
                Ok(old.len() as u64)
            })
            .await?;
        forgotten += some;
        if some < BATCH {
            return Ok(forgotten);
        }
    }
}
