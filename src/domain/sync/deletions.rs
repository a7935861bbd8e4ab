//! Deletions that a pass concludes from absence: when they are held back, confirmed, discarded.
//!
//! A provider that answers with an empty or much shorter list, by mistake of its own or because the credential now
//! sees another account, looks just like one whose records were removed. So a pass that would mark more than a share
//! of the stream's records as deleted (`sync.max_deletion_percent`, and at least `sync.min_held_deletions` of them)
//! deletes nothing. It ends with its deletions held back, which the stream shows with their number, and an alert.
//! What a provider itself marks as deleted, record by record, is never held.
//!
//! **What ends it.** A later pass that would delete no more than usual: the records are there again, or most of them.
//! Or a person, who confirms or discards. To confirm gives a new pass the right to delete as many records, plus fewer
//! than are ever held: it reads the list again, so that nothing is deleted for what the provider answered hours ago,
//! and records that came back meanwhile stay. To discard takes back the alert until another pass finds the same.
//!
//! **What is kept where.** The decision ([`decide`](super::decide)) is a commit of its own, made after everything was
//! read and before anything is deleted: the run notes how many deletions it approved, or the run ends and the stream
//! notes how many are held. A process that is killed before finds the records as they were and decides again; one
//! that is killed afterwards goes on deleting what was approved. The records of a stream are written by one run at a
//! time, so the count cannot become wrong in between.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::json;

use super::{
    Cause, Level, Mode, SyncRun, SyncStream,
    log::Line,
    run::{self, Held},
    stream::{self, Kept},
};
use crate::{
    context::{Audit, Cx, SyncSettings, Txn},
    domain::alert::{self, NewAlert, Severity},
    entity::{first::First, rewrite::rewrite, sync_run, sync_stream},
    event::sync::SyncEvent,
    kernel::{
        error::{Error, Result},
        id::IntegrationId,
    },
};

/// Whether deletions are held back: they are many, a large share of the records that were there before, and not
/// confirmed.
pub(super) fn exceeds(missing: i64, before: i64, confirmed: i64, settings: SyncSettings) -> bool {
    let least = i64::from(settings.min_held_deletions);
    let share = i128::from(missing) * 100 > i128::from(before) * i128::from(settings.max_deletion_percent);
    missing >= least && share && missing - confirmed >= least
}

/// Holds deletions back.
pub(super) async fn hold(txn: &Txn, held: &mut Held, records: i64, of: i64, lines: &mut Vec<Line>) -> Result<()> {
    let (run, row) = (&mut held.run, &mut held.stream);
    run.held = Some(records);
    let known = row.held_records == Some(records);
    row.held_run_id = Some(run.id);
    row.held_records = Some(records);
    row.held_of = Some(of);
    row.held_at = row.held_at.or(Some(txn.now()));
    let text = format!(
        "{records} of {of} records are no longer listed, which is more than a pass deletes without confirmation; \
         nothing was deleted"
    );
    lines.push(Line::new(Level::Error, "absent", text.clone(), json!({ "held": records, "of": of })));
    if !known {
        txn.emit(&SyncEvent::DeletionsHeld {
            integration: row.integration_id,
            stream: row.stream.clone(),
            run: run.id,
            records,
            of,
        })?;
    }
    let alert = NewAlert {
        kind: alert::Kind::DeletionsHeld,
        severity: Severity::Critical,
        subject: row.integration_id.to_string(),
        text: format!(
            "{} of {}: {text}. Check the provider; if the records are really gone, confirm with confirmSyncDeletions",
            row.stream, held.integration.name
        ),
    };
    alert::raise(txn, alert).await
}

/// Notes that a stream holds no deletions back any more, if it did. The row is written by the caller.
pub(super) async fn release(txn: &Txn, row: &mut SyncStream, reason: &str) -> Result<bool> {
    let (Some(run), Some(records)) = (row.held_run_id, row.held_records) else { return Ok(false) };
    (row.held_run_id, row.held_records, row.held_of, row.held_at) = (None, None, None, None);
    txn.emit(&SyncEvent::DeletionsReleased {
        integration: row.integration_id,
        stream: row.stream.clone(),
        run,
        records,
        reason: reason.to_owned(),
    })?;
    // One alert stands for all streams of an integration.
    let others = sync_stream::holding(row.tenant_id, row.integration_id).filter(sync_stream::COLUMN.id.ne(row.id));
    if others.first(&**txn).await?.is_none() {
        alert::resolve(txn, alert::Kind::DeletionsHeld, &row.integration_id.to_string()).await?;
    }
    Ok(true)
}

/// Lets a new pass, or the one that is on its way, make the deletions that were held back, as far as it finds the
/// records missing, too.
pub async fn confirm(cx: &Cx, id: IntegrationId, key: &str) -> Result<(Kept, SyncRun)> {
    cx.write(async |txn| {
        let integration = run::may_sync(txn, id).await?;
        let manifest = stream::manifest(cx, &integration)?;
        let own = stream::named(&manifest, key)?;
        let row = stream::held(txn, &integration, key).await?;
        let records = row.held_records.ok_or_else(|| none_held(key))?;
        let mut pass = match run::active(txn, &row).await? {
            Some(pass) => pass,
            None if row.paused => return Err(run::paused(own)),
            None => run::begin(txn, &integration, row, own, Mode::Full, Cause::Manual, false).await?,
        };
        pass.confirmed = Some(records);
        sync_run::Entity::update(rewrite(pass.clone())).exec(&**txn).await?;
        let fact = SyncEvent::DeletionsConfirmed { integration: id, stream: key.to_owned(), run: pass.id, records };
        txn.emit(&fact)?;
        txn.audit(Audit::of(&fact).after(json!({ "stream": key, "run": pass.id, "records": records })))?;
        let streams = vec![stream::held(txn, &integration, key).await?];
        Ok((Kept { integration, streams }, pass))
    })
    .await
}

/// Discards the deletions that were held back: the records stay, until another pass finds them missing.
pub async fn discard(cx: &Cx, id: IntegrationId, key: &str) -> Result<Kept> {
    cx.write(async |txn| {
        let integration = stream::held_integration(txn, id).await?;
        let manifest = stream::manifest(cx, &integration)?;
        stream::named(&manifest, key)?;
        let mut row = stream::held(txn, &integration, key).await?;
        let (records, run) = (row.held_records, row.held_run_id);
        if !release(txn, &mut row, "DISCARDED").await? {
            return Err(none_held(key));
        }
        stream::write(txn, &row).await?;
        if let Some(mut pass) = run::active(txn, &row).await?.filter(|pass| pass.confirmed.is_some()) {
            pass.confirmed = None;
            sync_run::Entity::update(rewrite(pass)).exec(&**txn).await?;
        }
        let discarded = json!({ "stream": key, "run": run, "records": records });
        txn.audit(Audit::new("sync.deletions_discarded", id).before(discarded))?;
        Ok(Kept { integration, streams: vec![row] })
    })
    .await
}

fn none_held(key: &str) -> Error {
    Error::conflict("stream", format!("no deletions of {key:?} are held back"))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn deletions_are_held_back_if_they_are_many_a_large_share_and_not_confirmed() {
        let settings = SyncSettings {
            watchdog: TimeDelta::zero(),
            retention: TimeDelta::zero(),
            max_deletion_percent: 30,
            min_held_deletions: 50,
        };
        assert!(exceeds(4_360, 4_360, 0, settings));
        assert!(!exceeds(49, 49, 0, settings), "there are few");
        assert!(exceeds(50, 50, 0, settings));
        assert!(!exceeds(300, 1_000, 0, settings), "the share is just reached");
        assert!(exceeds(301, 1_000, 0, settings));
        assert!(!exceeds(4_360, 4_360, 4_360, settings), "as many were confirmed");
        assert!(!exceeds(4_409, 4_500, 4_360, settings), "a few more are no matter");
        assert!(exceeds(4_410, 4_500, 4_360, settings));
        assert!(!exceeds(100, 100, 0, SyncSettings { max_deletion_percent: 100, ..settings }));
    }
}
