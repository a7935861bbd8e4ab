//! Records that are no longer at the provider: stored, and not found by a complete full pass.
//!
//! A record that a pass writes bears the number of the pass. One that it finds unchanged is not written for that; a
//! digest of its id is noted, all of a page in one row. When everything was read, the records that bear an earlier
//! number are compared with the digests, a window at a time. A million records are eight megabytes of digests.
//!
//! Two ids with one digest would leave a record there that is gone. Of a million that is one in thirty million, and
//! not twice in a row, since a digest is different for each run.
//!
//! # When a missing record is gone
//!
//! **Where a position names a record** (cursor, keyset) or the whole list is one answer, one look is enough: what is
//! removed elsewhere in the list does not move the place where the reading goes on.
//!
//! **Where a position counts** (page number, offset), records that are removed while the list is read move the others
//! to the front, past the reader: with 150 removals, 150 records that exist were marked as deleted. There the run
//! looks a second time before it ends, and only what neither look found is missing.
//!
//! The second look reads the pages **backward**, from the last to the first. Records that are removed meanwhile move
//! the others toward the pages that are still to be read, so removals never hide a record from it, however many:
//! going from page n to page n - 1, a record moves from one side of the reader to the other only by being on the page
//! that is read. What can hide a record from it are insertions in front of it, and those never hide one from the
//! first look, which goes forward, by the same argument. So a record that exists is missed by both only if removals
//! hid it from the first look and insertions from the second, each just at the seam of two pages and within the same
//! run. A record that moves to the front because it was changed may be missed by the first look and is found by the
//! second, which reads the front last.
//!
//! Two other ways were considered. *Missing in two full passes in a row* needs no further requests, but both passes
//! fail for the same cause: a shop that removes more than a page per pass hides the same record twice. *Reading the
//! seam again* (each page once more after the next one) proves as much as the backward look, but doubles the requests
//! of every pass. The backward look is made only when a record is missing, which most passes never see.
//!
//! An address of the next page (`link_header`, `next_url`) may count or not; there the second look goes forward
//! again. A second look that cannot be completed decides nothing: the records stay, and the next pass looks again.
//!
//! Whether what is missing may then be deleted without asking is decided in [`deletions`](super::deletions).

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

/// What a full pass found as it was, in all its looks.
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

/// Counts the records that the pass has not seen. Nothing else writes to a stream's records while its run lasts, so
/// the count still holds when a transaction acts on it.
pub(super) async fn missing(cx: &Cx, run: &SyncRun, pass: i64, seen: &Seen) -> Result<i64> {
    let (mut after, mut missing) = (String::new(), 0);
    loop {
        let of = Unmarked { tenant: run.tenant_id, stream: run.stream_id, pass, after: &after };
        let ids: Vec<String> = entity::unmarked(of).limit(WINDOW).into_tuple().all(cx.db()).await?;
        missing += ids.iter().filter(|id| !seen.has(id)).count();
        match ids.into_iter().next_back() {
            Some(last) => after = last,
            None => return Ok(count(missing)),
        }
    }
}

/// Marks what the pass did not see of the next records as deleted. Says how many, and behind which id to go on;
/// nothing, if there are no more.
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
