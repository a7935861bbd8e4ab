//! What is not at the provider any more: what is kept, and a complete full pass did not see.
//!
//! A record that a pass writes bears the number of the pass. One that it finds as it was is not written for that; of its
//! id a digest is noted, all of a page in one row, and when everything was read those that bear an earlier number are
//! held against the digests, a window at a time. A million records are eight megabytes of digests.
//!
//! Two ids with one digest would leave a record there that is gone. Of a million that is one in thirty million, and not
//! twice in a row, since a digest is different for each run.

use sea_orm::{ConnectionTrait, EntityTrait, IntoActiveModel, QuerySelect};
use sha2::{Digest, Sha256};

use super::{SyncRun, SyncStream, record::count};
use crate::{
    context::{Cx, Txn},
    entity::{
        record::{self as entity, Gone, Unmarked},
        sync_sighting,
    },
    kernel::{error::Result, id::SyncRunId},
};

/// Records that are looked at in one commit.
const WINDOW: u64 = 5_000;

/// Records that are marked in one statement.
const BATCH: usize = 500;

/// Pages whose digests are read at once.
const PAGES: u64 = 200;

/// What tells the id of a record apart in a run.
fn digest(run: SyncRunId, id: &str) -> [u8; 8] {
    let digest = Sha256::new().chain_update(run.to_string()).chain_update(id).finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    first
}

/// Notes which records the page of a full pass found as they were.
pub(super) async fn note(txn: &Txn, run: &SyncRun, ids: &[&str]) -> Result<()> {
    let digests = ids.iter().flat_map(|id| digest(run.id, id)).collect();
    let row = sync_sighting::Model { tenant_id: run.tenant_id, run_id: run.id, page: run.pages + 1, digests };
    sync_sighting::Entity::insert(row.into_active_model()).exec_without_returning(&**txn).await?;
    Ok(())
}

/// Forgets that once the run is over.
pub(super) async fn forget(txn: &Txn, run: &SyncRun) -> Result<()> {
    sync_sighting::forget(run.tenant_id, run.id).exec(&**txn).await?;
    Ok(())
}

/// What a full pass found as it was, all of it.
#[derive(Debug)]
pub(super) struct Seen {
    run: SyncRunId,
    digests: Vec<[u8; 8]>,
}

impl Seen {
    /// Reads it. The pages of the run are kept, all of them.
    pub(super) async fn of(cx: &Cx, run: &SyncRun) -> Result<Self> {
        let (mut digests, mut page) = (Vec::new(), 0);
        loop {
            let rows = sync_sighting::of_run(run.tenant_id, run.id, page, PAGES).all(cx.db()).await?;
            let Some(last) = rows.last() else { break };
            page = last.page;
            digests.extend(rows.iter().flat_map(|row| row.digests.as_chunks::<8>().0));
        }
        digests.sort_unstable();
        Ok(Self { run: run.id, digests })
    }

    fn has(&self, id: &str) -> bool {
        self.digests.binary_search(&digest(self.run, id)).is_ok()
    }
}

/// Marks what the pass did not see of the next records as deleted. Says how many, and behind which id to go on; nothing,
/// if there are no more.
pub(super) async fn mark(
    txn: &Txn,
    row: &mut SyncStream,
    pass: i64,
    seen: &Seen,
    after: &str,
) -> Result<(i64, Option<String>)> {
    let of = Unmarked { tenant: row.tenant_id, stream: row.id, pass, after };
    let ids: Vec<String> = entity::unmarked(of).limit(WINDOW).into_tuple().all(&**txn).await?;
    let gone: Vec<&str> = ids.iter().map(String::as_str).filter(|id| !seen.has(id)).collect();
    let backend = txn.get_database_backend();
    for some in gone.chunks(BATCH) {
        let of = Gone { tenant: row.tenant_id, stream: row.id, ids: some, number: row.change_number, now: txn.now() };
        txn.execute_raw(entity::mark_gone(backend, of)).await?;
        row.change_number += count(some.len());
    }
    row.total -= count(gone.len());
    let full = ids.len() as u64 == WINDOW;
    Ok((count(gone.len()), ids.last().filter(|_| full).cloned()))
}
