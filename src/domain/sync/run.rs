//! Runs: how they begin, how people ask for them, and how they end.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use sea_orm::{EntityTrait, IntoActiveModel};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    Cause, Level, Mode, Status, SyncRun, SyncStream, absent,
    log::{self, Line},
    marks::Marks,
    schedule::TickSync,
    stream,
};
use crate::{
    context::{Audit, Cx, NewJob, Txn, Work},
    domain::{
        alert::{self, NewAlert, Severity},
        credential::token,
        integration::{Integration, may_be_used},
        job,
    },
    entity::{first::First, integration, rewrite::rewrite, sync_run as entity, tenant},
    event::{
        integration::IntegrationEvent,
        sync::{Counts, SyncEvent},
    },
    kernel::{
        clock::Moment,
        error::{Error, Result},
        id::{IntegrationId, SyncRunId},
        trace::Trace,
        zone::start_of_day,
    },
    provider::{
        manifest::stream::{Since, Stream},
        paging::Position,
    },
};

/// Runs that fail one after the other before the schedule stops.
const FAILURES: i32 = 3;

/// Of so many runs that ended the share that succeeded is told.
const OUTCOMES: usize = 100;

/// Does a run, or goes on with it.
#[derive(Debug, Serialize, Deserialize)]
pub struct RunSync {
    /// Which run.
    pub run: SyncRunId,
}

impl Work for RunSync {
    const KIND: &'static str = "sync.run";
    // A run counts itself how often it was tried since it last came on.
    const ATTEMPTS: i32 = 1_000_000;
}

impl RunSync {
    /// The job that does a run from where it is now. Each has a key of its own, so that it gets a new place in the line.
    pub(super) fn job(run: &SyncRun) -> Result<NewJob> {
        Ok(NewJob::of(&Self { run: run.id })?.unique(format!("{}{}", Self::keys(run.id), run.pages)))
    }

    /// How the keys of a run's jobs begin.
    pub(super) fn keys(run: SyncRunId) -> String {
        format!("{run}/")
    }
}

/// A run and what it belongs to, all of it held until the commit.
pub(super) struct Held {
    pub(super) integration: Integration,
    pub(super) stream: SyncStream,
    pub(super) run: SyncRun,
}

impl Held {
    /// Holds a run. Nothing, if it is gone.
    pub(super) async fn of(txn: &Txn, id: SyncRunId) -> Result<Option<Self>> {
        let tenant = txn.cx().tenant()?;
        let Some(found) = entity::one(tenant, id).first(&**txn).await? else { return Ok(None) };
        let integration = match stream::held_integration(txn, found.integration_id).await {
            Err(Error::NotFound(_)) => return Ok(None),
            held => held?,
        };
        let stream = stream::held(txn, &integration, &found.stream).await?;
        let run = entity::held(tenant, id).first(&**txn).await?;
        Ok(run.map(|run| Self { integration, stream, run }))
    }

    /// Writes the run and its stream.
    pub(super) async fn write(&self, txn: &Txn) -> Result<()> {
        if self.run.full_pass.is_some() && !self.run.status.is_active() {
            absent::forget(txn, &self.run).await?;
        }
        entity::Entity::update(rewrite(self.run.clone())).exec(&**txn).await?;
        stream::write(txn, &self.stream).await
    }

    /// What the run has done so far.
    pub(super) fn counts(&self) -> Counts {
        counts(&self.run)
    }
}

/// What a run has done so far, and what may be left.
#[must_use]
pub fn counts(run: &SyncRun) -> Counts {
    let rest = run.expected.map(|expected| (expected - run.seen).max(0)).filter(|_| run.status.is_active());
    Counts {
        pages: run.pages,
        seen: run.seen,
        added: run.added,
        updated: run.updated,
        unchanged: run.unchanged,
        deleted: run.deleted,
        failed: run.failed,
        rest,
    }
}

/// The run of a stream that is not over.
pub(super) async fn active(txn: &Txn, row: &SyncStream) -> Result<Option<SyncRun>> {
    Ok(entity::active(row.tenant_id, row.id).first(&**txn).await?)
}

/// Begins a run of a stream that is held and has none. With `reset` the watermark is forgotten, and also if the
/// integration's settings are others than when it was set: it may be another shop that is read now.
pub(super) async fn begin(
    txn: &Txn,
    integration: &Integration,
    mut row: SyncStream,
    own: &Stream,
    mode: Mode,
    cause: Cause,
    reset: bool,
) -> Result<SyncRun> {
    let read_with = digest(integration)?;
    if reset || row.read_with.as_ref().is_some_and(|before| *before != read_with) {
        row.watermark = None;
    }
    row.read_with = Some(read_with);
    let since = match own.since.get().filter(|_| mode == Mode::Incremental) {
        Some(since) if since.today => Some(no_later_than_today(txn, since, row.watermark).await?),
        Some(_) => row.watermark,
        None => None,
    };
    let mode = if mode == Mode::Incremental && since.is_none() { Mode::Full } else { mode };
    if since.is_none() {
        row.full_pass += 1;
    }
    let expected = if since.is_some() { row.last_seen } else { row.total };
    let started = row.last_run_id.is_some();
    let now = txn.now();
    let written = |error: serde_json::Error| Error::Internal("a run could not be written", error.into());
    let run = SyncRun {
        id: txn.id(),
        tenant_id: row.tenant_id,
        integration_id: row.integration_id,
        stream_id: row.id,
        stream: row.stream.clone(),
        mode,
        cause,
        status: Status::Queued,
        position: serde_json::to_value(Position::Start).map_err(written)?,
        marks: serde_json::to_value(Marks::default()).map_err(written)?,
        since,
        newest: None,
        keeps_cursor: mode == Mode::Backfill && !reset,
        full_pass: since.is_none().then_some(row.full_pass),
        absent_after: None,
        second_look: None,
        missing: None,
        approved: None,
        confirmed: None,
        held: None,
        expected: started.then_some(expected),
        seen: 0,
        added: 0,
        updated: 0,
        unchanged: 0,
        deleted: 0,
        failed: 0,
        pages: 0,
        bytes: 0,
        begun: 0,
        tries: 0,
        lines: 0,
        trace: Trace::begin(&*txn.cx().hub().chance).to_string(),
        error_class: None,
        error: None,
        requested_by: txn.cx().actor().to_string(),
        created_at: now,
        started_at: None,
        progressed_at: now,
        ended_at: None,
    };
    entity::Entity::insert(run.clone().into_active_model()).exec_without_returning(&**txn).await?;
    row.last_run_id = Some(run.id);
    stream::write(txn, &row).await?;
    txn.enqueue(RunSync::job(&run)?)?;
    txn.emit(&SyncEvent::RunQueued {
        integration: run.integration_id,
        stream: run.stream.clone(),
        run: run.id,
        mode: run.mode.name().to_owned(),
        cause: run.cause.name().to_owned(),
    })?;
    Ok(run)
}

/// From when on a stream is read that asks for all of today: from the watermark, but no later than from the beginning
/// of the day.
async fn no_later_than_today(txn: &Txn, since: &Since, watermark: Option<Moment>) -> Result<Moment> {
    let found = tenant::of(txn.cx().tenant()?).first(&**txn).await?.ok_or(Error::NotFound("tenant"))?;
    let today = start_of_day(txn.now(), &found.time_zone);
    // Who asks looks back a little before the moment that is given.
    let today = today + TimeDelta::from_std(since.overlap).unwrap_or_default();
    Ok(watermark.map_or(today, |watermark| watermark.min(today)))
}

/// What an integration is read with, as a digest.
fn digest(integration: &Integration) -> Result<String> {
    let settings = (&integration.environment, token::settings(&integration.settings));
    let written = serde_json::to_vec(&settings)
        .map_err(|error| Error::Internal("settings could not be written", error.into()))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(written)))
}

/// Reads a stream of an integration now, or all of them. Where a run is on its way, it is given.
pub async fn sync_now(cx: &Cx, id: IntegrationId, key: Option<&str>) -> Result<Vec<SyncRun>> {
    cx.write(async |txn| {
        let integration = may_sync(txn, id).await?;
        let manifest = stream::manifest(cx, &integration)?;
        let (mut runs, mut begun) = (Vec::new(), Vec::new());
        for own in stream::meant(&manifest, key)? {
            let row = stream::held(txn, &integration, own.key.as_str()).await?;
            match active(txn, &row).await? {
                Some(run) => runs.push(run),
                None if row.paused && key.is_some() => return Err(paused(own)),
                None if row.paused => {}
                None => {
                    begun.push(row.stream.clone());
                    runs.push(begin(txn, &integration, row, own, Mode::Incremental, Cause::Manual, false).await?);
                }
            }
        }
        if !begun.is_empty() {
            txn.audit(Audit::new("sync.asked", id).after(json!({ "streams": begun })))?;
        }
        Ok(runs)
    })
    .await
}

/// Reads everything of a stream again. With `reset` it begins to count changes anew from what it finds; else the next
/// run goes on where the last one was.
pub async fn backfill(cx: &Cx, id: IntegrationId, key: &str, reset: bool) -> Result<SyncRun> {
    cx.write(async |txn| {
        let integration = may_sync(txn, id).await?;
        let manifest = stream::manifest(cx, &integration)?;
        let own = stream::named(&manifest, key)?;
        let row = stream::held(txn, &integration, key).await?;
        if let Some(run) = active(txn, &row).await? {
            let reason = format!("{} reads this stream; cancel it or wait until it is over", run.id);
            return Err(Error::conflict("stream", reason));
        }
        if row.paused {
            return Err(paused(own));
        }
        let run = begin(txn, &integration, row, own, Mode::Backfill, Cause::Manual, reset).await?;
        let asked = json!({ "stream": key, "reset": reset, "run": run.id });
        txn.audit(Audit::new("sync.backfilled", id).after(asked))?;
        Ok(run)
    })
    .await
}

pub(super) fn paused(own: &Stream) -> Error {
    Error::conflict("stream", format!("{} is paused; resume it first", own.name))
}

/// An integration that may be read, held until the commit.
pub(super) async fn may_sync(txn: &Txn, id: IntegrationId) -> Result<Integration> {
    let integration = stream::held_integration(txn, id).await?;
    may_be_used(&integration)?;
    if !integration.can_sync {
        return Err(Error::conflict("integrationId", format!("{} may not sync (canSync is false)", integration.name)));
    }
    Ok(integration)
}

/// Ends a run before it is over. What it brought stays.
pub async fn cancel(cx: &Cx, id: SyncRunId) -> Result<SyncRun> {
    cx.write(async |txn| {
        let mut held = Held::of(txn, id).await?.ok_or(Error::NotFound("sync run"))?;
        if !held.run.status.is_active() {
            let reason = format!("this run is {} already", held.run.status.name());
            return Err(Error::conflict("id", reason));
        }
        cancelled(txn, &mut held, "somebody cancelled it").await?;
        txn.audit(Audit::new("sync.cancelled", held.run.integration_id).after(json!({ "run": id })))?;
        Ok(held.run)
    })
    .await
}

/// Notes that a run was ended from outside.
pub(super) async fn cancelled(txn: &Txn, held: &mut Held, reason: &str) -> Result<()> {
    held.run.status = Status::Cancelled;
    held.run.ended_at = Some(txn.now());
    held.run.error = Some(reason.to_owned());
    let line = Line::new(Level::Warn, "end", format!("cancelled: {reason}"), json!(held.counts()));
    log::write(txn, &mut held.run, vec![line]).await?;
    held.write(txn).await?;
    txn.emit(&SyncEvent::RunCancelled {
        integration: held.run.integration_id,
        stream: held.run.stream.clone(),
        run: held.run.id,
        counts: held.counts(),
        reason: reason.to_owned(),
    })
}

/// Notes that a run came to its end.
pub(super) async fn succeeded(txn: &Txn, held: &mut Held) -> Result<()> {
    let now = txn.now();
    let (run, row) = (&mut held.run, &mut held.stream);
    run.status = Status::Succeeded;
    run.ended_at = Some(now);
    if !run.keeps_cursor {
        // What says to be from the future must not hide what changes until then.
        row.watermark = row.watermark.max(run.newest.map(|newest| newest.min(now)));
    }
    row.last_seen = run.seen;
    row.last_synced_at = Some(now);
    row.failures = 0;
    let counts = counts(run);
    let took = now - run.started_at.unwrap_or(run.created_at);
    let text = format!(
        "{} read: {} added, {} updated, {} unchanged, {} deleted, {} not kept",
        run.seen, run.added, run.updated, run.unchanged, run.deleted, run.failed
    );
    let fields = json!({ "counts": counts, "bytes": run.bytes, "tookMs": took.num_milliseconds() });
    log::write(txn, run, vec![Line::new(Level::Info, "end", text, fields)]).await?;
    held.write(txn).await?;
    let update = integration::update_of(held.run.tenant_id, held.run.integration_id)
        .col_expr(integration::Column::LastSyncedAt, now.into())
        .col_expr(integration::Column::LastSuccessAt, now.into())
        .col_expr(integration::Column::LastSyncCount, held.run.seen.into())
        .col_expr(integration::Column::SyncOutcomes, outcomes(&held.integration, '+').into());
    update.exec(&**txn).await?;
    txn.emit(&SyncEvent::RunSucceeded {
        integration: held.run.integration_id,
        stream: held.run.stream.clone(),
        run: held.run.id,
        counts,
    })?;
    synced(txn, held, true)
}

/// Notes that a run was given up; after several the schedule stops.
pub(super) async fn failed(txn: &Txn, held: &mut Held, class: &str, reason: &str) -> Result<()> {
    let now = txn.now();
    let (run, row) = (&mut held.run, &mut held.stream);
    run.status = Status::Failed;
    run.ended_at = Some(now);
    run.error_class = Some(class.to_owned());
    run.error = Some(reason.to_owned());
    row.failures += 1;
    let fields = json!({ "class": class, "counts": counts(run) });
    let mut lines = vec![Line::new(Level::Error, "end", format!("failed: {reason}"), fields)];
    let stops = row.failures >= FAILURES && row.stopped_at.is_none();
    if stops {
        let why = format!("{} runs failed one after the other, the last one because: {reason}", row.failures);
        row.stopped_at = Some(now);
        row.stopped_because = Some(why.clone());
        row.rhythm = None;
        job::schedule::end(txn, TickSync::KIND, &row.id.to_string()).await?;
        lines.push(Line::new(Level::Error, "schedule", format!("the schedule stops: {why}"), json!({})));
        txn.emit(&SyncEvent::Stopped {
            integration: row.integration_id,
            stream: row.stream.clone(),
            reason: why.clone(),
        })?;
        let alert = NewAlert {
            kind: alert::Kind::SyncStopped,
            severity: Severity::Critical,
            subject: row.integration_id.to_string(),
            text: format!("{} of {} is not read until it is resumed: {why}", row.stream, held.integration.name),
        };
        alert::raise(txn, alert).await?;
    }
    log::write(txn, run, lines).await?;
    held.write(txn).await?;
    let update = integration::update_of(held.run.tenant_id, held.run.integration_id)
        .col_expr(integration::Column::LastErrorAt, now.into())
        .col_expr(integration::Column::ErrorClass, class.into())
        .col_expr(integration::Column::ErrorMessage, reason.into())
        .col_expr(integration::Column::FailedSyncCount, (held.integration.failed_sync_count + 1).into())
        .col_expr(integration::Column::SyncOutcomes, outcomes(&held.integration, '-').into());
    update.exec(&**txn).await?;
    txn.emit(&SyncEvent::RunFailed {
        integration: held.run.integration_id,
        stream: held.run.stream.clone(),
        run: held.run.id,
        counts: held.counts(),
        class: class.to_owned(),
        reason: reason.to_owned(),
    })?;
    synced(txn, held, false)
}

fn synced(txn: &Txn, held: &Held, succeeded: bool) -> Result<()> {
    let (integration, stream) = (held.run.integration_id, held.run.stream.clone());
    txn.emit(&IntegrationEvent::Synced { integration, stream, succeeded })
}

fn outcomes(integration: &Integration, next: char) -> String {
    let past = &integration.sync_outcomes;
    let mut outcomes: String = past.chars().skip((past.len() + 1).saturating_sub(OUTCOMES)).collect();
    outcomes.push(next);
    outcomes
}

/// Which share of the last runs of an integration succeeded; nothing before the first one ended.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "there are a hundred at most")]
pub fn success_rate(integration: &Integration) -> Option<f64> {
    let outcomes = &integration.sync_outcomes;
    let good = outcomes.chars().filter(|outcome| *outcome == '+').count();
    (!outcomes.is_empty()).then(|| good as f64 / outcomes.len() as f64)
}

/// How long a run took, or takes since it began.
#[must_use]
pub fn took(cx: &Cx, run: &SyncRun) -> Option<TimeDelta> {
    Some(run.ended_at.unwrap_or_else(|| cx.now()) - run.started_at?)
}

impl Mode {
    /// The name in events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Incremental => "INCREMENTAL",
            Self::Full => "FULL",
            Self::Backfill => "BACKFILL",
        }
    }
}

impl Cause {
    /// The name in events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Manual => "MANUAL",
            Self::Schedule => "SCHEDULE",
            Self::Webhook => "WEBHOOK",
        }
    }
}

impl Status {
    /// The name in events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
        }
    }
}
