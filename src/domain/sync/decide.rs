//! The decision that follows when a full pass has read everything: what is missing is looked for once more, deleted, or
//! held back.

use serde_json::json;

use super::{
    Level, SyncRun,
    absent::{self, Seen},
    deletions,
    log::Line,
    look,
    page::{self, Next},
};
use crate::{
    context::Cx,
    entity::sync_run::SecondLook,
    kernel::{
        error::{Error, Result},
        id::SyncRunId,
    },
    provider::{
        manifest::paging::Paging,
        paging::{self, Position},
    },
};

/// Decides what becomes of the records that the pass has not found: they are looked for once more, deleted, or held.
pub(super) async fn decide(cx: &Cx, run: &SyncRun, paging: Option<&Paging>, seen: &Seen) -> Result<Next> {
    let missing = match run.full_pass {
        Some(pass) => absent::missing(cx, run, pass, seen).await?,
        None => 0,
    };
    cx.write(async |txn| {
        let Some(mut held) = page::going(txn, run.id).await? else { return Ok(Next::Over) };
        let found = held.run.missing.map_or(0, |before| before - missing);
        if held.run.second_look.is_some() {
            held.run.seen += found;
            held.run.unchanged += found;
        } else if missing > 0 && looks_again(&mut held.run, paging)? {
            held.run.missing = Some(missing);
            let text = format!("{missing} records were not found; the list is read once more to be sure");
            let line = Line::new(Level::Info, "absent", text, json!({ "missing": missing }));
            page::progressed(txn, &mut held, vec![line], 0).await?;
            return page::going_on(txn, held).await;
        }
        held.run.missing = Some(missing);
        let mut lines = Vec::new();
        if found > 0 {
            let text = format!("{found} of the records that were not found are there after all");
            lines.push(Line::new(Level::Info, "absent", text, json!({ "found": found })));
        }
        let before = held.stream.total - held.run.added;
        let confirmed = held.run.confirmed.unwrap_or(0);
        if deletions::exceeds(missing, before, confirmed, cx.hub().sync) {
            deletions::hold(txn, &mut held, missing, before, &mut lines).await?;
            page::progressed(txn, &mut held, lines, 0).await?;
            return page::over(txn, held).await;
        }
        if missing == 0 {
            deletions::release(txn, &mut held.stream, "SEEN_AGAIN").await?;
            page::progressed(txn, &mut held, lines, 0).await?;
            return page::over(txn, held).await;
        }
        held.run.approved = Some(missing);
        page::progressed(txn, &mut held, lines, 0).await?;
        page::going_on(txn, held).await
    })
    .await
}

/// Begins the second look, if the way of paging needs one. One page is one answer: nothing moved while it was read.
fn looks_again(run: &mut SyncRun, paging: Option<&Paging>) -> Result<bool> {
    if look::position(run)? == Position::Start {
        return Ok(false);
    }
    let look = match paging::SecondLook::of(paging) {
        paging::SecondLook::Unneeded => return Ok(false),
        paging::SecondLook::Again => SecondLook::Again,
        paging::SecondLook::Backward => SecondLook::Up,
    };
    let written = |error: serde_json::Error| Error::Internal("a position could not be written", error.into());
    if look == SecondLook::Again {
        run.position = serde_json::to_value(Position::Start).map_err(written)?;
    }
    run.marks = serde_json::to_value(look::marks(run).anew()).map_err(written)?;
    run.second_look = Some(look);
    run.absent_after = None;
    Ok(true)
}

/// Ends a pass whose second look could not be completed. Nothing is deleted; the next pass looks again.
pub(super) async fn undecided(cx: &Cx, id: SyncRunId, reason: &str) -> Result<Next> {
    // In a box, as are others below: the futures would be too much for a stack.
    Box::pin(cx.write(async |txn| {
        let Some(held) = page::going(txn, id).await? else { return Ok(Next::Over) };
        Box::pin(page::undecided(txn, held, reason)).await
    }))
    .await
}
