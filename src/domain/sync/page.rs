//! One page of a run, kept in one commit.

use serde_json::json;

use super::{
    Level, Status, SyncRun,
    absent::{self, Seen},
    deletions, failure,
    log::{self, Line},
    look,
    record::{self, count},
    run::{self, Held},
};
use crate::{
    context::{Cx, Txn},
    domain::integration::may_be_used,
    entity::{integration, sync_run::SecondLook},
    event::sync::SyncEvent,
    kernel::{
        error::{Error, Result},
        id::SyncRunId,
    },
    provider::{
        connector::Paged,
        manifest::{
            paging::Paging,
            stream::{Deletions, Stream},
        },
    },
};

/// How it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// There is more to do; so the run stands now.
    More(Box<SyncRun>),
    /// The run is over, and its job with it.
    Over,
}

/// Keeps a page.
pub(super) async fn keep(cx: &Cx, id: SyncRunId, own: &Stream, paging: Option<&Paging>, paged: &Paged) -> Result<Next> {
    cx.write(async |txn| {
        let Some(mut held) = going(txn, id).await? else { return Ok(Next::Over) };
        let absence_counts = own.deletions == Deletions::Absent;
        let merged = record::merge(txn, &mut held.stream, &held.run, &paged.records, absence_counts).await?;
        let run = &mut held.run;
        run.pages += 1;
        // What a second look finds again was counted by the first.
        let first = run.second_look.is_none();
        run.seen += if first { count(paged.records.len() + paged.unfit.len()) } else { merged.added };
        run.added += merged.added;
        run.updated += merged.updated;
        run.unchanged += if first { merged.unchanged } else { 0 };
        run.deleted += merged.deleted;
        run.failed += count(paged.unfit.len());
        run.bytes += count(paged.received);
        run.newest = run.newest.max(paged.records.iter().filter_map(|record| record.updated_at).max());
        failure::keep(txn, run, &paged.unfit).await?;
        let mut lines = vec![Line::new(
            Level::Info,
            "page",
            format!("page {}: {} records{}", run.pages, paged.records.len(), if first { "" } else { " (second look)" }),
            json!({
                "page": run.pages, "look": if first { 1 } else { 2 }, "records": paged.records.len(),
                "added": merged.added, "updated": merged.updated, "unchanged": merged.unchanged,
                "deleted": merged.deleted, "bytes": paged.received,
            }),
        )];
        if let Some(unfit) = paged.unfit.first() {
            let text = format!("{} elements are no records; of the first one: {}", paged.unfit.len(), unfit.reason);
            lines.push(Line::new(Level::Warn, "page", text, json!({ "page": run.pages, "failed": paged.unfit.len() })));
        }
        progressed(txn, &mut held, lines, merged.added - merged.deleted).await?;
        if look::leaves_gap(&held.run, paging, paged) {
            return Box::pin(undecided(txn, held, "the provider gave fewer records than before")).await;
        }
        let onward = look::onward(&held.run, paging, paged)?;
        match &onward.position {
            Some(next) => {
                let mut marks = look::marks(&held.run);
                let written =
                    |error: serde_json::Error| Error::Internal("a position could not be written", error.into());
                // Going back, positions only become smaller; and a page that moved is no page that comes again.
                if onward.look != Some(SecondLook::Down)
                    && let Err(reason) = marks.pass(&paged.records, next)
                {
                    run::failed(txn, &mut held, "unreadable", reason).await?;
                    txn.finish()?;
                    return Ok(Next::Over);
                }
                if first {
                    marks.followed(paged.records.len() + paged.unfit.len());
                }
                held.run.marks = serde_json::to_value(&marks).map_err(written)?;
                held.run.position = serde_json::to_value(next).map_err(written)?;
                held.run.second_look = onward.look;
            }
            // Where something could not be read, nothing can be said to be absent.
            None if absence_counts && held.run.full_pass.is_some() && held.run.failed == 0 => {
                held.run.absent_after = Some(String::new());
            }
            None => return over(txn, held).await,
        }
        going_on(txn, held).await
    })
    .await
}

/// Deletes some of what a full pass did not see, after that was decided.
pub(super) async fn forget_absent(cx: &Cx, id: SyncRunId, seen: &Seen) -> Result<Next> {
    cx.write(async |txn| {
        let Some(mut held) = going(txn, id).await? else { return Ok(Next::Over) };
        let (Some(after), Some(pass)) = (held.run.absent_after.clone(), held.run.full_pass) else {
            return over(txn, held).await;
        };
        let (gone, next) = absent::mark(txn, &mut held.stream, pass, seen, &after).await?;
        held.run.deleted += gone;
        let mut lines = Vec::new();
        if gone > 0 {
            let text = format!("{gone} records are not there any more");
            lines.push(Line::new(Level::Info, "absent", text, json!({ "deleted": gone })));
        }
        progressed(txn, &mut held, lines, -gone).await?;
        held.run.absent_after.clone_from(&next);
        if next.is_none() {
            let reason = if held.run.confirmed.is_some() { "DELETED" } else { "SEEN_AGAIN" };
            deletions::release(txn, &mut held.stream, reason).await?;
            return over(txn, held).await;
        }
        going_on(txn, held).await
    })
    .await
}

/// Ends a pass whose second look cannot be completed: what is missing stays.
pub(super) async fn undecided(txn: &Txn, mut held: Held, reason: &str) -> Result<Next> {
    let missing = held.run.missing.unwrap_or_default();
    let text = format!("{missing} records were not found, but stay, since the list could not be read again: {reason}");
    let line = Line::new(Level::Warn, "absent", text, json!({ "missing": missing }));
    progressed(txn, &mut held, vec![line], 0).await?;
    over(txn, held).await
}

/// A run that goes on, held. If it was ended meanwhile, or may not go on, its job ends with this commit.
pub(super) async fn going(txn: &Txn, id: SyncRunId) -> Result<Option<Held>> {
    let Some(mut held) = Held::of(txn, id).await? else {
        txn.finish()?;
        return Ok(None);
    };
    if held.run.status != Status::Running {
        txn.finish()?;
        return Ok(None);
    }
    if let Some(reason) = unusable(&held) {
        run::cancelled(txn, &mut held, &reason).await?;
        txn.finish()?;
        return Ok(None);
    }
    Ok(Some(held))
}

/// Why an integration is not read any more, if it is not.
pub(super) fn unusable(held: &Held) -> Option<String> {
    match may_be_used(&held.integration) {
        Err(Error::Refused(issues)) => Some(issues.first().map(|issue| issue.message.clone()).unwrap_or_default()),
        Err(error) => Some(error.to_string()),
        Ok(()) if !held.integration.can_sync => Some("the integration may not sync any more".to_owned()),
        Ok(()) => None,
    }
}

/// Notes that something was done.
pub(super) async fn progressed(txn: &Txn, held: &mut Held, lines: Vec<Line>, more: i64) -> Result<()> {
    let run = &mut held.run;
    run.progressed_at = txn.now();
    (run.begun, run.tries) = (0, 0);
    log::write(txn, run, lines).await?;
    if more != 0 {
        held.integration.total_records += more;
        integration::update_of(run.tenant_id, run.integration_id)
            .col_expr(integration::Column::TotalRecords, held.integration.total_records.into())
            .exec(&**txn)
            .await?;
    }
    txn.emit(&SyncEvent::RunProgressed {
        integration: run.integration_id,
        stream: run.stream.clone(),
        run: run.id,
        counts: run::counts(run),
    })
}

pub(super) async fn going_on(txn: &Txn, held: Held) -> Result<Next> {
    held.write(txn).await?;
    Ok(Next::More(Box::new(held.run)))
}

pub(super) async fn over(txn: &Txn, mut held: Held) -> Result<Next> {
    run::succeeded(txn, &mut held).await?;
    txn.finish()?;
    Ok(Next::Over)
}
