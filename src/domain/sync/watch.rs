//! Looking after runs: those that nobody does any more are put back, those that ended long ago are forgotten.

use std::sync::Arc;

use sea_orm::{ColumnTrait, PaginatorTrait, QueryFilter};
use serde_json::json;

use super::{
    Level,
    log::{self, Line},
    run::{Held, RunSync},
};
use crate::{
    context::{Cx, Hub, Txn, Work, clock_guard::SLACK},
    domain::{job::State, keyring::HUB},
    entity::{job, sync_failure, sync_log, sync_run},
    kernel::{
        clock::Moment,
        error::Result,
        id::{SyncFailureId, SyncLogId, SyncRunId},
    },
};

/// Runs that are looked at in one go.
const BATCH: u64 = 1_000;

/// Puts back the runs that showed no progress for long and whose job is gone. Says how many.
pub async fn put_back(hub: Arc<Hub>) -> Result<u64> {
    let before = hub.clock.now() - hub.sync.watchdog;
    let mut count = 0;
    for run in sync_run::silent_since(before, BATCH).all(hub.database.reader()).await? {
        let cx = Cx::system(Arc::clone(&hub), "sync watchdog", run.tenant_id);
        count += u64::from(cx.write(async |txn| look(txn, run.id).await).await?);
    }
    Ok(count)
}

/// Sets right what a clock that was ahead has written of runs, so that the watchdog sees them. Says how many.
pub async fn recheck(hub: &Hub) -> Result<u64> {
    let now = hub.clock.now();
    Ok(sync_run::progressed_after(now + SLACK, now).exec(hub.database.writer()).await?.rows_affected)
}

async fn look(txn: &Txn, id: SyncRunId) -> Result<bool> {
    let Some(mut held) = Held::of(txn, id).await?.filter(|held| held.run.status.is_active()) else {
        return Ok(false);
    };
    let jobs = job::under_keys(held.run.tenant_id, RunSync::KIND, &RunSync::keys(id));
    if jobs.filter(job::COLUMN.state.ne(State::Dead)).count(&**txn).await? > 0 {
        return Ok(false);
    }
    let text = "nobody did it any more, so it was put back";
    let line = Line::new(Level::Warn, "watchdog", text, json!({ "since": held.run.progressed_at }));
    held.run.progressed_at = txn.now();
    log::write(txn, &mut held.run, vec![line]).await?;
    held.write(txn).await?;
    txn.enqueue(RunSync::job(&held.run)?)?;
    Ok(true)
}

/// Forgets runs that ended long ago, and what they wrote. Says how many rows that were.
pub async fn forget_old(hub: Arc<Hub>) -> Result<u64> {
    let before = hub.clock.now() - hub.sync.retention;
    let cx = Cx::system(hub, "old syncs", HUB);
    let mut gone = 0;
    loop {
        let some = cx.write(async |txn| forget_some(txn, before).await).await?;
        gone += some;
        if some == 0 {
            return Ok(gone);
        }
    }
}

/// Forgets some of each kind, so that no commit takes long, however much there is.
async fn forget_some(txn: &Txn, before: Moment) -> Result<u64> {
    let mut gone = 0;
    let lines: Vec<SyncLogId> = sync_log::oldest(before, BATCH).into_tuple().all(&**txn).await?;
    if let Some(last) = lines.last() {
        gone += sync_log::up_to(*last).exec(&**txn).await?.rows_affected;
    }
    let failures: Vec<SyncFailureId> = sync_failure::oldest(before, BATCH).into_tuple().all(&**txn).await?;
    if let Some(last) = failures.last() {
        gone += sync_failure::up_to(*last).exec(&**txn).await?.rows_affected;
    }
    let runs: Vec<SyncRunId> = sync_run::ended_before(before, BATCH).into_tuple().all(&**txn).await?;
    if !runs.is_empty() {
        gone += sync_run::remove(runs).exec(&**txn).await?.rows_affected;
    }
    Ok(gone)
}
