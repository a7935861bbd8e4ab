//! What people have done: an integration looked at now, or at other intervals.

use chrono::TimeDelta;
use serde_json::json;

use super::{Health, Source, get, held, note, probe};
use crate::{
    context::{Audit, Cx},
    domain::integration::{self, Integration, Status},
    event::health::HealthEvent,
    kernel::{
        error::{Error, Result},
        id::IntegrationId,
    },
};

/// Seconds between probes that may be chosen.
const SPANS: std::ops::RangeInclusive<i32> = 10..=24 * 60 * 60;

/// Has the provider of an integration asked now, and what it says judged like any probe.
pub async fn check_now(cx: &Cx, id: IntegrationId) -> Result<(Integration, Health)> {
    let integration = integration::get(cx, id).await?;
    if !integration.enabled {
        let message = format!("{} is disabled; enable it first", integration.name);
        return Err(Error::conflict("integrationId", message));
    }
    if integration.status == Status::Pending && crate::domain::credential::current(cx, &integration).await?.is_none() {
        let message = format!("{} has no credential yet; connect it first", integration.name);
        return Err(Error::conflict("integrationId", message));
    }
    cx.write(async |txn| held(txn, &integration).await.map(drop)).await?;
    let seen = probe::ask(cx.hub(), &integration, None, Source::Manual).await;
    let Some(seen) = seen else {
        return Err(Error::Unavailable("the provider", "nothing could be learned from it".into()));
    };
    let message = seen.observation.message.clone();
    let good = seen.observation.class.is_none() && message.is_none();
    note::note(cx.hub(), vec![seen]).await?;
    cx.write(async |txn| {
        let fact = HealthEvent::Checked { integration: id, good, message: message.clone() };
        txn.emit(&fact)?;
        txn.audit(Audit::of(&fact).after(json!({ "good": good, "message": message })))
    })
    .await?;
    let integration = integration::get(cx, id).await?;
    let health = get(cx, &integration).await?;
    Ok((integration, health))
}

/// Chooses how often an integration is probed; nothing stands for as often as the others.
pub async fn set_schedule(cx: &Cx, id: IntegrationId, every: Option<i32>) -> Result<(Integration, Health)> {
    if every.is_some_and(|seconds| !SPANS.contains(&seconds)) {
        let message = format!("it is between {} and {} seconds", SPANS.start(), SPANS.end());
        return Err(Error::invalid("everySeconds", message));
    }
    let integration = integration::get(cx, id).await?;
    let health = cx
        .write(async |txn| {
            let mut row = held(txn, &integration).await?;
            if row.every == every {
                return Ok(row);
            }
            let from = std::mem::replace(&mut row.every, every);
            let span = every.map_or_else(
                || probe::usual(cx.hub(), &integration.provider),
                |seconds| TimeDelta::seconds(seconds.into()),
            );
            // What would be late by the new interval is due by it.
            row.next_at = row.next_at.min(txn.now() + span);
            let fact = HealthEvent::Scheduled { integration: id, from_seconds: from, to_seconds: every };
            txn.emit(&fact)?;
            txn.audit(Audit::of(&fact).before(json!({ "every": from })).after(json!({ "every": every })))?;
            note::write(txn, vec![row.clone()], Vec::new()).await?;
            Ok(row)
        })
        .await?;
    Ok((integration, health))
}
