//! Syncs in the API: streams, runs, what they write down, records.

pub mod change;
pub mod deletions;
pub mod follow;
pub mod log;
pub mod record;

use async_graphql::{Context, Enum, ID, InputObject, Json, Object, SimpleObject};
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde_json::Value;

use self::deletions::SyncHeldDeletions;
use super::{
    context::Ask,
    error::Result,
    guard::Needs,
    id,
    integration::{Integration, SyncFrequency},
    loader::{RunOf, StreamsOf},
    page::Connection,
};
use crate::{
    context::Cx,
    domain::{
        integration::{self, call},
        sync::{
            self, Cause, Mode, Status,
            list::{self, RunFilter},
            plan::{self, Plan},
            run,
        },
    },
    event::sync::Counts,
    kernel::{
        id::{IntegrationId, SyncRunId},
        scope::Scope,
    },
};

/// What a run reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Mode")]
pub enum SyncMode {
    /// What changed since the newest change that was seen.
    Incremental,
    /// Everything, since the provider cannot be asked otherwise or was never read.
    Full,
    /// Everything again, since somebody asked for it.
    Backfill,
}

/// Why there is a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Cause")]
pub enum SyncCause {
    /// Somebody asked for it.
    Manual,
    /// It was due.
    Schedule,
    /// The provider told of a change.
    Webhook,
}

/// Where a run is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Status")]
pub enum SyncStatus {
    /// It waits for its turn.
    Queued,
    /// It reads, or waits to ask the provider again.
    Running,
    /// It came to its end.
    Succeeded,
    /// It was given up; the reason stands beside it.
    Failed,
    /// It was ended before.
    Cancelled,
}

/// What a run has done so far.
#[derive(Clone, Copy, SimpleObject)]
pub struct SyncProgress {
    /// Pages that were read.
    pages: i32,
    /// Records that were seen.
    seen: i32,
    /// Records that are new.
    added: i32,
    /// Records that say something else now.
    updated: i32,
    /// Records that say what they said before.
    unchanged: i32,
    /// Records that are gone at the provider.
    deleted: i32,
    /// Elements that could not be kept as records.
    failed: i32,
    /// How many records are still to come, judging by what was there before; null if there is nothing to judge by, or
    /// the run is over.
    estimated_rest: Option<i32>,
}

/// A number of things, for the API.
fn number(count: i64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

impl From<Counts> for SyncProgress {
    fn from(counts: Counts) -> Self {
        Self {
            pages: number(counts.pages),
            seen: number(counts.seen),
            added: number(counts.added),
            updated: number(counts.updated),
            unchanged: number(counts.unchanged),
            deleted: number(counts.deleted),
            failed: number(counts.failed),
            estimated_rest: counts.rest.map(number),
        }
    }
}

/// A run that reads a stream.
#[derive(Clone)]
pub struct SyncRun(pub sync::SyncRun);

/// A run that reads a stream of an integration, page by page. Of a stream there is one at a time.
#[Object]
impl SyncRun {
    /// The global id, beginning with `srn_`.
    pub(super) async fn id(&self) -> ID {
        id::out(self.0.id)
    }

    /// The integration through which it reads.
    async fn integration_id(&self) -> ID {
        id::out(self.0.integration_id)
    }

    /// The key of the stream.
    async fn stream(&self) -> &str {
        &self.0.stream
    }

    /// What it reads.
    async fn mode(&self) -> SyncMode {
        self.0.mode.into()
    }

    /// Why there is this run.
    async fn cause(&self) -> SyncCause {
        self.0.cause.into()
    }

    /// Where it is in its life.
    async fn status(&self) -> SyncStatus {
        self.0.status.into()
    }

    /// Only what changed after that moment is asked for, with some overlap; null for everything.
    async fn since(&self) -> Option<DateTime<Utc>> {
        self.0.since
    }

    /// What it has done so far.
    async fn progress(&self) -> SyncProgress {
        run::counts(&self.0).into()
    }

    /// How many bytes of answers it has read, as a number in a string.
    async fn bytes(&self) -> String {
        self.0.bytes.to_string()
    }

    /// How long it took, or takes since it began, in milliseconds; null before.
    async fn took_ms(&self, ctx: &Context<'_>) -> Option<i32> {
        run::took(ctx.cx(), &self.0).map(|took| number(took.num_milliseconds()))
    }

    /// The class of the failure that ended it, such as `auth` or `unreadable`.
    async fn error_class(&self) -> Option<&str> {
        self.0.error_class.as_deref()
    }

    /// Why it failed or was cancelled.
    async fn error(&self) -> Option<&str> {
        self.0.error.as_deref()
    }

    /// Number of deletions that the run held back because they were too many. Null when it held none back.
    async fn held_deletions(&self) -> Option<i32> {
        self.0.held.map(number)
    }

    /// Number of deletions that somebody confirmed for this run. Null when none were.
    async fn confirmed_deletions(&self) -> Option<i32> {
        self.0.confirmed.map(number)
    }

    /// Its place among other calls, as `traceparent` has it: the provider was told the same.
    async fn trace(&self) -> &str {
        &self.0.trace
    }

    /// Who asked for it: an id, or a part of the program.
    async fn requested_by(&self) -> &str {
        &self.0.requested_by
    }

    /// When it was asked for.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it began.
    async fn started_at(&self) -> Option<DateTime<Utc>> {
        self.0.started_at
    }

    /// When it last came on.
    async fn progressed_at(&self) -> DateTime<Utc> {
        self.0.progressed_at
    }

    /// When it was over.
    async fn ended_at(&self) -> Option<DateTime<Utc>> {
        self.0.ended_at
    }
}

/// How often a stream is read: one of the two.
#[derive(SimpleObject)]
pub struct SyncSchedule {
    /// In a word.
    frequency: Option<SyncFrequency>,
    /// By a cron pattern.
    cron: Option<String>,
    /// The zone whose clocks count for the pattern.
    time_zone: Option<String>,
    /// Whether somebody chose this for the stream; else it is what the integration or the provider's file says.
    chosen: bool,
}

/// A stream of an integration.
#[derive(Clone)]
pub struct SyncStream {
    of: integration::Integration,
    own: crate::domain::provider::Stream,
    row: Option<sync::SyncStream>,
}

impl SyncStream {
    /// The streams of an integration, with what is known of them.
    pub(super) async fn of(ctx: &Context<'_>, of: &integration::Integration) -> Result<Vec<Self>> {
        let rows = ctx.loaders().load(StreamsOf(of.id)).await?.unwrap_or_default();
        Ok(Self::among(ctx.cx(), of, &rows))
    }

    /// The same with rows at hand.
    pub(super) fn among(cx: &Cx, of: &integration::Integration, rows: &[sync::SyncStream]) -> Vec<Self> {
        let Some(manifest) = call::manifest(cx, of) else { return Vec::new() };
        let row = |key: &str| rows.iter().find(|row| row.stream == key).cloned();
        let all = manifest.streams.all().iter();
        all.map(|own| Self { of: of.clone(), own: own.clone(), row: row(own.key.as_str()) }).collect()
    }
}

/// Something of a provider that is read regularly, and how far it was read.
#[Object]
impl SyncStream {
    /// The key by which it is chosen.
    async fn key(&self) -> &str {
        self.own.key.as_str()
    }

    /// The name for people.
    async fn name(&self) -> &str {
        &self.own.name
    }

    /// How often it is read.
    async fn schedule(&self, ctx: &Context<'_>) -> SyncSchedule {
        let now = ctx.cx().now();
        let chosen = plan::chosen(self.row.as_ref(), now).is_ok_and(|plan| plan.is_some());
        match plan::of(&self.of, &self.own, self.row.as_ref(), now) {
            Ok(Plan::Often(word)) => {
                SyncSchedule { frequency: SyncFrequency::of(&word), cron: None, time_zone: None, chosen }
            }
            Ok(Plan::Cron { pattern, zone }) => {
                SyncSchedule { frequency: None, cron: Some(pattern), time_zone: Some(zone), chosen }
            }
            Err(_) => SyncSchedule { frequency: None, cron: None, time_zone: None, chosen: true },
        }
    }

    /// Whether it is read on schedule at present: not if it is paused or stopped, or its integration is not used.
    async fn scheduled(&self) -> bool {
        self.row.as_ref().is_some_and(|row| row.rhythm.is_some())
    }

    /// Whether somebody paused it.
    async fn paused(&self) -> bool {
        self.row.as_ref().is_some_and(|row| row.paused)
    }

    /// Since when its schedule is stopped because runs failed.
    async fn stopped_at(&self) -> Option<DateTime<Utc>> {
        self.row.as_ref()?.stopped_at
    }

    /// Why its schedule is stopped.
    async fn stopped_because(&self) -> Option<&str> {
        self.row.as_ref()?.stopped_because.as_deref()
    }

    /// The newest change that was seen, by the provider's time: from there on the next run asks.
    async fn watermark(&self) -> Option<DateTime<Utc>> {
        self.row.as_ref()?.watermark
    }

    /// Records that are kept and not gone.
    async fn total_records(&self) -> i32 {
        self.row.as_ref().map_or(0, |row| number(row.total))
    }

    /// The number of the last change of a record, for `changedAfter` of `records`.
    async fn change_number(&self) -> String {
        self.row.as_ref().map_or(0, |row| row.change_number).to_string()
    }

    /// Runs that failed since one succeeded.
    async fn failures_in_row(&self) -> i32 {
        self.row.as_ref().map_or(0, |row| row.failures)
    }

    /// When it was last read to the end.
    async fn last_synced_at(&self) -> Option<DateTime<Utc>> {
        self.row.as_ref()?.last_synced_at
    }

    /// Deletions that wait for `confirmSyncDeletions`, because a pass would have deleted too many records. Null when
    /// there are none.
    async fn held_deletions(&self) -> Option<SyncHeldDeletions> {
        SyncHeldDeletions::held_by(self.row.as_ref()?)
    }

    /// The newest run; null before the first, or when it is not kept any more.
    async fn last_run(&self, ctx: &Context<'_>) -> Result<Option<SyncRun>> {
        let Some(id) = self.row.as_ref().and_then(|row| row.last_run_id) else { return Ok(None) };
        Ok(ctx.loaders().load(RunOf(id)).await?.map(SyncRun))
    }
}

/// Which runs; what is left out does not matter.
#[derive(InputObject, Default)]
pub struct SyncRunFilterInput {
    /// Of the stream with this key.
    stream: Option<String>,
    /// In one of these states.
    statuses: Option<Vec<SyncStatus>>,
    /// Of one of these modes.
    modes: Option<Vec<SyncMode>>,
}

/// Looking at syncs.
#[derive(Default)]
pub struct SyncQuery;

#[Object]
impl SyncQuery {
    /// The runs that read records, newest first. Needs `INTEGRATION_READ`.
    #[expect(clippy::too_many_arguments, reason = "they are those of a connection")]
    #[graphql(guard = "Needs(Scope::IntegrationRead)")]
    async fn sync_runs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of this integration; left out, of all.")] integration_id: Option<IntegrationId>,
        #[graphql(desc = "Which runs; left out, all.")] filter: Option<SyncRunFilterInput>,
        #[graphql(desc = "Items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items before this cursor.")] before: Option<String>,
        #[graphql(desc = "At most this many, from the start; 25 if left out, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "At most this many, from the end.")] last: Option<i32>,
    ) -> Result<Connection<SyncRun>> {
        let filter = filter.unwrap_or_default();
        let filter = RunFilter {
            integration: integration_id,
            stream: filter.stream,
            statuses: filter.statuses.map(|all| all.into_iter().map(Into::into).collect()),
            modes: filter.modes.map(|all| all.into_iter().map(Into::into).collect()),
        };
        if let Some(id) = integration_id {
            integration::get(ctx.cx(), id).await?;
        }
        let args = ctx.cx().page(after, before, first, last)?;
        let page = list::list(ctx.cx(), &filter, &args).await?;
        let counter = Box::new(move |cx: Cx| {
            let filter = filter.clone();
            Box::pin(async move { list::count(&cx, &filter).await }) as BoxFuture<'static, _>
        });
        Ok(Connection::new(page, SyncRun, counter))
    }
}

/// The runs an event may be about.
pub(super) fn run_of(data: &Value) -> Option<SyncRunId> {
    data["run"].as_str()?.parse().ok()
}

/// The streams of an integration after a change, as a payload has them.
pub(super) fn changed(cx: &Cx, kept: &sync::stream::Kept) -> (Integration, Vec<SyncStream>) {
    let all = SyncStream::among(cx, &kept.integration, &kept.streams);
    let meant = |stream: &SyncStream| kept.streams.iter().any(|row| row.stream == stream.own.key.as_str());
    (Integration(kept.integration.clone()), all.into_iter().filter(meant).collect())
}

/// Facts of a line or failure, as JSON.
pub(super) fn json(value: &Value) -> Json<Value> {
    Json(value.clone())
}
