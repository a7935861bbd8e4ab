//! What deleted integrations leave behind, removed in the background.
//!
//! An integration may have brought millions of records and checks. Whoever deletes it does not wait for them: the
//! commit takes its secrets and what little else there is, and marks the row, which from then on no selector finds.
//! A job removes the rest some at a time, each time a commit of its own, and at last the row: first the lines and runs,
//! which the lists of a tenant show until they are gone, then what is found by the integration alone. Cut off anywhere,
//! it goes on with what is left.

use std::time::{Duration, Instant};

use sea_orm::{ActiveModelTrait, ActiveValue::Set, ConnectionTrait, IntoActiveModel};
use serde::{Deserialize, Serialize};

use super::Integration;
use crate::{
    context::{Cx, Ending, NewJob, Txn, Work},
    entity::{estate, integration as entity},
    kernel::{error::Result, id::IntegrationId},
};

/// Rows that are removed in one commit.
const BATCH: u64 = 1_000;

/// How long one works at it before others may have a turn.
const SLICE: Duration = Duration::from_mins(1);

/// Removes what a deleted integration left behind.
#[derive(Debug, Serialize, Deserialize)]
pub struct RemoveIntegration {
    /// Which.
    pub integration: IntegrationId,
}

impl Work for RemoveIntegration {
    const KIND: &'static str = "integration.remove";
    // Whatever stands in its way ends some time.
    const ATTEMPTS: i32 = 1_000;
}

/// Marks an integration that is held as deleted, and has the rest removed.
pub(super) async fn begin(txn: &Txn, integration: Integration) -> Result<()> {
    let (tenant, id) = (integration.tenant_id, integration.id);
    for table in estate::GO_AT_ONCE {
        let all = estate::some_of_integration(txn.get_database_backend(), table, tenant, id, u64::from(u32::MAX));
        txn.execute_raw(all).await?;
    }
    let mut row = integration.into_active_model();
    row.deleted_at = Set(Some(txn.now()));
    row.updated_at = Set(txn.now());
    // Neither does it take a place, nor does anybody look after it.
    row.slot = Set(None);
    row.enabled = Set(false);
    (row.proven_account, row.account_asked_at) = (Set(None), Set(None));
    row.update(&**txn).await?;
    txn.enqueue(NewJob::of(&RemoveIntegration { integration: id })?.unique(id.to_string()))
}

/// Removes what is left of a deleted integration, until nothing is or others may have a turn.
pub async fn remove(cx: &Cx, id: IntegrationId, stopping: impl Fn() -> bool) -> Result<()> {
    let (tenant, began) = (cx.tenant()?, Instant::now());
    for table in estate::GO_LATER {
        loop {
            let over = stopping() || began.elapsed() > SLICE;
            let gone = cx
                .write(async |txn| {
                    let some = estate::some_of_integration(txn.get_database_backend(), table, tenant, id, BATCH);
                    if over {
                        txn.end(Ending::Later { at: txn.now(), reason: None })?;
                    }
                    Ok(txn.execute_raw(some).await?.rows_affected())
                })
                .await?;
            if over {
                return Ok(());
            }
            if gone == 0 {
                break;
            }
        }
    }
    cx.write(async |txn| {
        entity::remove(tenant, id).exec(&**txn).await?;
        txn.finish()
    })
    .await
}
