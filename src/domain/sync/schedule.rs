//! When streams are read by themselves.
//!
//! A schedule of the queue ([`domain::job::schedule`](crate::domain::job::schedule)) stands for each stream that may
//! be read: the integration is usable and may sync, and the stream is neither paused nor stopped. A chore compares the
//! two now and then and sets right what differs, so that no other concern needs to know of syncs. Each tick begins a
//! run, unless one is on its way.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Cause, Mode, SyncStream,
    plan::{self, Plan},
    run, stream,
};
use crate::{
    context::{Audit, Cx, Hub, NewJob, Txn, Work},
    domain::{
        alert::{self, Kind, NewAlert, Severity},
        integration::{Integration, call, may_be_used},
        job::schedule::{self, NewSchedule},
    },
    entity::{first::First, integration, sync_stream},
    event::{Changes, sync::SyncEvent},
    kernel::{
        error::{Error, Result, chain},
        id::{IntegrationId, SyncStreamId},
    },
    provider::manifest::stream::Stream,
};

/// Integrations that are looked at in one go.
const BATCH: u64 = 500;

/// Begins a run of a stream, if none is on its way.
#[derive(Debug, Serialize, Deserialize)]
pub struct TickSync {
    /// Which stream.
    pub stream: SyncStreamId,
}

impl Work for TickSync {
    const KIND: &'static str = "sync.tick";
}

/// Whether a stream is read by itself.
fn wanted(integration: &Integration, row: &SyncStream) -> bool {
    may_be_used(integration).is_ok() && integration.can_sync && !row.paused && row.stopped_at.is_none()
}

/// Sets the schedule of a stream as it should be, or ends it. Both rows are held; the stream's is written by the
/// caller. Says whether anything was different.
pub(super) async fn fit(txn: &Txn, integration: &Integration, own: &Stream, row: &mut SyncStream) -> Result<bool> {
    let plan = plan::of(integration, own, Some(row), txn.now());
    let rhythm = plan.as_ref().ok().and_then(Plan::rhythm).filter(|_| wanted(integration, row));
    let written = rhythm.as_ref().map(serde_json::to_value).transpose();
    let written = written.map_err(|error| Error::Internal("a rhythm could not be written", error.into()))?;
    if written == row.rhythm {
        return Ok(false);
    }
    let (kind, subject) = (Kind::UnreadableSetting, row.id.to_string());
    match plan {
        Ok(_) => alert::resolve(txn, kind, &subject).await?,
        Err(reason) => {
            let text = format!(
                "{} of {} is not read by schedule: its schedule cannot be read ({reason}); set it again",
                row.stream, integration.name
            );
            alert::raise(txn, NewAlert { kind, severity: Severity::Critical, subject, text }).await?;
        }
    }
    match rhythm {
        Some(rhythm) => {
            let (key, work) = (row.id.to_string(), NewJob::of(&TickSync { stream: row.id })?);
            // What was never read is read at once.
            let first = (row.last_run_id.is_none() && row.rhythm.is_none()).then(|| txn.now());
            schedule::set(txn, &NewSchedule { key, rhythm, work, first }).await?;
        }
        None => drop(schedule::end(txn, TickSync::KIND, &row.id.to_string()).await?),
    }
    row.rhythm = written;
    Ok(true)
}

/// Chooses how often a stream is read; nothing, to go by the integration and the provider's file.
pub async fn set(cx: &Cx, id: IntegrationId, key: &str, plan: Option<Plan>) -> Result<stream::Kept> {
    let plan = plan.map(|plan| plan.checked(cx.now())).transpose()?;
    let written = plan.as_ref().map(serde_json::to_value).transpose();
    let written = written.map_err(|error| Error::Internal("a schedule could not be written", error.into()))?;
    cx.write(async |txn| {
        let integration = stream::held_integration(txn, id).await?;
        let manifest = stream::manifest(cx, &integration)?;
        let own = stream::named(&manifest, key)?;
        let mut row = stream::held(txn, &integration, key).await?;
        let changes = Changes::new().field("schedule", &row.plan, &written);
        if !changes.is_empty() {
            row.plan = written.clone();
            fit(txn, &integration, own, &mut row).await?;
            stream::write(txn, &row).await?;
            let fact = SyncEvent::ScheduleSet { integration: id, stream: key.to_owned(), changes: changes.clone() };
            txn.emit(&fact)?;
            txn.audit(Audit::of(&fact).before(changes.side("from")).after(changes.side("to")))?;
        }
        Ok(stream::Kept { integration, streams: vec![row] })
    })
    .await
}

/// A tick: begins a run unless one is on its way, or the stream is not to be read any more.
pub async fn tick(cx: &Cx, id: SyncStreamId) -> Result<()> {
    let found = sync_stream::of(cx.tenant()?);
    let found = sea_orm::QueryFilter::filter(found, sea_orm::ColumnTrait::eq(&sync_stream::Column::Id, id));
    let found = found.first(cx.db()).await?;
    cx.write(async |txn| {
        let key = id.to_string();
        let gone = || schedule::end(txn, TickSync::KIND, &key);
        let Some(found) = &found else {
            gone().await?;
            return txn.finish();
        };
        let integration = match stream::held_integration(txn, found.integration_id).await {
            Err(Error::NotFound(_)) => {
                gone().await?;
                return txn.finish();
            }
            held => held?,
        };
        let row = stream::held(txn, &integration, &found.stream).await?;
        let manifest = call::manifest(cx, &integration);
        let own = manifest.as_ref().and_then(|manifest| stream::named(manifest, &found.stream).ok());
        if let Some(own) = own.filter(|_| wanted(&integration, &row))
            && run::active(txn, &row).await?.is_none()
        {
            run::begin(txn, &integration, row, own, Mode::Incremental, Cause::Schedule, false).await?;
        }
        txn.finish()
    })
    .await
}

/// Looks at every integration of the hub and sets schedules right. Says how many were wrong.
pub async fn sweep(hub: Arc<Hub>) -> Result<u64> {
    let (mut changed, mut after) = (0, None);
    loop {
        let page = integration::of_anybody(after, BATCH).all(hub.database.reader()).await?;
        let ids = page.iter().map(|integration| integration.id).collect();
        let rows = sync_stream::of_any(ids).all(hub.database.reader()).await?;
        for integration in &page {
            let cx = Cx::system(Arc::clone(&hub), "sync schedules", integration.tenant_id);
            if !differs(&cx, integration, &rows) {
                continue;
            }
            match right(&cx, integration.id).await {
                Ok(count) => changed += count,
                Err(Error::NotFound(_)) => {}
                Err(error) => {
                    let id = integration.id;
                    tracing::warn!(integration = %id, error = chain(&error), "schedules of syncs are not set");
                }
            }
        }
        after = page.last().map(|integration| integration.id);
        if (page.len() as u64) < BATCH {
            return Ok(changed);
        }
    }
}

/// Whether a schedule of an integration looks wrong.
fn differs(cx: &Cx, integration: &Integration, rows: &[SyncStream]) -> bool {
    let Some(manifest) = call::manifest(cx, integration) else { return false };
    let own = |stream: &Stream| {
        rows.iter().find(|row| row.integration_id == integration.id && row.stream == stream.key.as_str())
    };
    let usable = may_be_used(integration).is_ok() && integration.can_sync;
    let unlike = |stream: &Stream| match own(stream) {
        None => usable,
        Some(row) => {
            let plan = plan::of(integration, stream, Some(row), cx.now()).ok();
            let rhythm = plan.as_ref().and_then(Plan::rhythm).filter(|_| wanted(integration, row));
            rhythm.and_then(|rhythm| serde_json::to_value(rhythm).ok()) != row.rhythm
        }
    };
    let kept = |row: &SyncStream| manifest.streams.all().iter().any(|stream| stream.key.as_str() == row.stream);
    let left = |row: &&SyncStream| row.integration_id == integration.id && row.rhythm.is_some() && !kept(row);
    manifest.streams.all().iter().any(unlike) || rows.iter().any(|row| left(&row))
}

async fn right(cx: &Cx, id: IntegrationId) -> Result<u64> {
    cx.write(async |txn| {
        let integration = stream::held_integration(txn, id).await?;
        let Some(manifest) = call::manifest(cx, &integration) else { return Ok(0) };
        let mut changed = 0;
        for own in manifest.streams.all() {
            let mut row = stream::held(txn, &integration, own.key.as_str()).await?;
            if fit(txn, &integration, own, &mut row).await? {
                stream::write(txn, &row).await?;
                changed += 1;
            }
        }
        // Streams that the file has no more.
        for mut row in sync_stream::of_any(vec![id]).all(&**txn).await? {
            if row.rhythm.is_some() && stream::named(&manifest, &row.stream).is_err() {
                schedule::end(txn, TickSync::KIND, &row.id.to_string()).await?;
                row.rhythm = None;
                stream::write(txn, &row).await?;
                changed += 1;
            }
        }
        Ok(changed)
    })
    .await
}
