//! Hints: somebody knows that there is something new at a provider.
//!
//! A hint is a job of its own, one for a stream at a time, a moment after the first of many. What it begins is an
//! ordinary run: so what a webhook told and what a poll found go through the same rules, and neither can undo what is
//! newer. A run that is reading already may have passed what is new; the hint waits for its end and begins another.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::{Cause, Mode, Status, run, stream};
use crate::{
    context::{Cx, NewJob, Txn, Work},
    domain::integration::{Integration, call, may_be_used},
    kernel::{
        error::{Error, Result},
        id::IntegrationId,
    },
    provider::manifest::{Manifest, stream::About},
};

/// How long the first hint waits for others.
const MOMENT: TimeDelta = TimeDelta::seconds(1);

/// Reads a stream because there is something new in it.
#[derive(Debug, Serialize, Deserialize)]
pub struct HintSync {
    /// Of which integration.
    pub integration: IntegrationId,
    /// The key of the stream.
    pub stream: String,
}

impl Work for HintSync {
    const KIND: &'static str = "sync.hint";
    // It waits for a run as long as that takes.
    const ATTEMPTS: i32 = 1_000_000;
}

/// The keys of the streams that have what it is about.
pub fn streams(manifest: &Manifest, about: About) -> impl Iterator<Item = &str> {
    manifest.streams.all().iter().filter(move |own| own.about == about).map(|own| own.key.as_str())
}

/// Leaves a hint for an integration of the caller's tenant. Whether it may sync is looked at when the hint is followed.
pub fn leave(txn: &Txn, integration: IntegrationId, stream: &str) -> Result<()> {
    let hint = HintSync { integration, stream: stream.to_owned() };
    txn.enqueue(NewJob::of(&hint)?.unique(format!("{integration}/{stream}")).after(MOMENT))
}

/// Whether hints to an integration would be followed.
#[must_use]
pub fn is_followed(integration: &Integration) -> bool {
    may_be_used(integration).is_ok() && integration.can_sync
}

/// What came of following a hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followed {
    /// A run was begun, or one that has not begun to read will find what is new, or nobody wants it.
    Settled,
    /// A run is reading.
    Busy,
}

/// Follows a hint.
pub async fn follow(cx: &Cx, hint: &HintSync) -> Result<Followed> {
    cx.write(async |txn| {
        let integration = match stream::held_integration(txn, hint.integration).await {
            Err(Error::NotFound(_)) => return txn.finish().map(|()| Followed::Settled),
            held => held?,
        };
        let manifest = call::manifest(cx, &integration).filter(|_| is_followed(&integration));
        let own = manifest.as_ref().and_then(|manifest| stream::named(manifest, &hint.stream).ok());
        let Some(own) = own else { return txn.finish().map(|()| Followed::Settled) };
        let row = stream::held(txn, &integration, &hint.stream).await?;
        let active = run::active(txn, &row).await?;
        if active.as_ref().is_some_and(|run| run.status != Status::Queued) {
            return Ok(Followed::Busy);
        }
        if active.is_none() && !row.paused && row.stopped_at.is_none() {
            run::begin(txn, &integration, row, own, Mode::Incremental, Cause::Webhook, false).await?;
        }
        txn.finish().map(|()| Followed::Settled)
    })
    .await
}
