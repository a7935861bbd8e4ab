//! Telling syncs what to do.

use async_graphql::{Context, Enum, InputObject, Object, OneofObject, SimpleObject};

use super::{SyncRun, SyncStream, changed};
use crate::{
    domain::sync::{
        plan::Plan,
        run, schedule,
        stream::{self, Kept},
    },
    graphql::{
        attempt::{attempt, attempt_of},
        context::Ask,
        error::{Result, UserError},
        guard::Needs,
        integration::{Integration, SyncFrequency},
    },
    kernel::{
        self,
        id::{IntegrationId, SyncRunId},
        scope::Scope,
    },
};

/// What to read now.
#[derive(InputObject)]
pub struct SyncNowInput {
    /// The integration.
    integration_id: IntegrationId,
    /// The key of the stream; left out, all of them that are not paused.
    stream: Option<String>,
}

/// What came of asking to read.
#[derive(SimpleObject)]
pub struct SyncNowPayload {
    /// The runs: new ones, and those that were on their way.
    runs: Option<Vec<SyncRun>>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// What not to read any more.
#[derive(InputObject)]
pub struct PauseSyncInput {
    /// The integration.
    integration_id: IntegrationId,
    /// The key of the stream; left out, all of them.
    stream: Option<String>,
}

/// What to read again.
#[derive(InputObject)]
pub struct ResumeSyncInput {
    /// The integration.
    integration_id: IntegrationId,
    /// The key of the stream; left out, all of them.
    stream: Option<String>,
}

/// What came of pausing.
#[derive(SimpleObject)]
pub struct PauseSyncPayload {
    /// The integration, unless refused.
    integration: Option<Integration>,
    /// The streams that are paused, unless refused.
    streams: Option<Vec<SyncStream>>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// What came of resuming.
#[derive(SimpleObject)]
pub struct ResumeSyncPayload {
    /// The integration, unless refused.
    integration: Option<Integration>,
    /// The streams that are read again, unless refused.
    streams: Option<Vec<SyncStream>>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Which run to end.
#[derive(InputObject)]
pub struct CancelSyncRunInput {
    /// The run.
    id: SyncRunId,
}

/// What came of ending a run.
#[derive(SimpleObject)]
pub struct CancelSyncRunPayload {
    /// The run, unless refused.
    run: Option<SyncRun>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// What becomes of the newest change that was seen, from which the next run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum BackfillMode {
    /// It stays: the next run goes on where the last one was.
    KeepCursor,
    /// It is forgotten, and counted anew from what is found.
    Reset,
}

/// What to read all over again.
#[derive(InputObject)]
pub struct BackfillInput {
    /// The integration.
    integration_id: IntegrationId,
    /// The key of the stream.
    stream: String,
    /// What becomes of the newest change that was seen.
    mode: BackfillMode,
}

/// What came of asking for everything again.
#[derive(SimpleObject)]
pub struct BackfillPayload {
    /// The run, unless refused.
    run: Option<SyncRun>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// A cron pattern.
#[derive(InputObject)]
pub struct SyncCronInput {
    /// Minute, hour, day, month, day of the week.
    pattern: String,
    /// The zone whose clocks count, by its IANA name.
    time_zone: String,
}

/// How often to read.
#[derive(OneofObject)]
pub enum SyncScheduleInput {
    /// In a word.
    Frequency(SyncFrequency),
    /// By a pattern.
    Cron(SyncCronInput),
}

/// When to read a stream.
#[derive(InputObject)]
pub struct SetSyncScheduleInput {
    /// The integration.
    integration_id: IntegrationId,
    /// The key of the stream.
    stream: String,
    /// How often; null to go by the integration and the provider's file.
    schedule: Option<SyncScheduleInput>,
}

/// What came of choosing when to read.
#[derive(SimpleObject)]
pub struct SetSyncSchedulePayload {
    /// The stream, unless refused.
    stream: Option<SyncStream>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Telling syncs what to do.
#[derive(Default)]
pub struct SyncMutation;

/// What a mutation of streams answers.
type Streams = (Option<Integration>, Option<Vec<SyncStream>>, Vec<UserError>);

fn streams(ctx: &Context<'_>, kept: kernel::Result<Kept>) -> Result<Streams> {
    let (kept, user_errors) = attempt_of(ctx, "integrationId", kept)?;
    let (integration, streams) = kept.map(|kept| changed(ctx.cx(), &kept)).unzip();
    Ok((integration, streams, user_errors))
}

#[Object]
impl SyncMutation {
    /// Reads a stream now, or all of an integration. Needs `INTEGRATION_RUN`.
    #[graphql(guard = "Needs(Scope::IntegrationRun)")]
    async fn sync_now(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to read.")] input: SyncNowInput,
    ) -> Result<SyncNowPayload> {
        let runs = run::sync_now(ctx.cx(), input.integration_id, input.stream.as_deref()).await;
        let (runs, user_errors) = attempt_of(ctx, "integrationId", runs)?;
        Ok(SyncNowPayload { runs: runs.map(|runs| runs.into_iter().map(SyncRun).collect()), user_errors })
    }

    /// Reads streams no more until they are resumed; a run that is on its way goes on to its end. Needs
    /// `INTEGRATION_RUN`.
    #[graphql(guard = "Needs(Scope::IntegrationRun)")]
    async fn pause_sync(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What not to read any more.")] input: PauseSyncInput,
    ) -> Result<PauseSyncPayload> {
        let kept = stream::pause(ctx.cx(), input.integration_id, input.stream.as_deref()).await;
        let (integration, streams, user_errors) = streams(ctx, kept)?;
        Ok(PauseSyncPayload { integration, streams, user_errors })
    }

    /// Reads streams again that were paused, or whose schedule was stopped because runs failed. Needs
    /// `INTEGRATION_RUN`.
    #[graphql(guard = "Needs(Scope::IntegrationRun)")]
    async fn resume_sync(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to read again.")] input: ResumeSyncInput,
    ) -> Result<ResumeSyncPayload> {
        let kept = stream::resume(ctx.cx(), input.integration_id, input.stream.as_deref()).await;
        let (integration, streams, user_errors) = streams(ctx, kept)?;
        Ok(ResumeSyncPayload { integration, streams, user_errors })
    }

    /// Ends a run before it is over. What it brought stays. Needs `INTEGRATION_RUN`.
    #[graphql(guard = "Needs(Scope::IntegrationRun)")]
    async fn cancel_sync_run(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which run.")] input: CancelSyncRunInput,
    ) -> Result<CancelSyncRunPayload> {
        let (run, user_errors) = attempt(ctx, run::cancel(ctx.cx(), input.id).await)?;
        Ok(CancelSyncRunPayload { run: run.map(SyncRun), user_errors })
    }

    /// Reads everything of a stream again. Needs `INTEGRATION_RUN`.
    #[graphql(guard = "Needs(Scope::IntegrationRun)")]
    async fn backfill(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to read again.")] input: BackfillInput,
    ) -> Result<BackfillPayload> {
        let reset = input.mode == BackfillMode::Reset;
        let run = run::backfill(ctx.cx(), input.integration_id, &input.stream, reset).await;
        let (run, user_errors) = attempt_of(ctx, "integrationId", run)?;
        Ok(BackfillPayload { run: run.map(SyncRun), user_errors })
    }

    /// Chooses how often a stream is read. Needs `INTEGRATION_RUN`.
    #[graphql(guard = "Needs(Scope::IntegrationRun)")]
    async fn set_sync_schedule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which stream, and how often.")] input: SetSyncScheduleInput,
    ) -> Result<SetSyncSchedulePayload> {
        let plan = input.schedule.map(|schedule| match schedule {
            SyncScheduleInput::Frequency(frequency) => Plan::Often(frequency.word().to_owned()),
            SyncScheduleInput::Cron(SyncCronInput { pattern, time_zone: zone }) => Plan::Cron { pattern, zone },
        });
        let kept = schedule::set(ctx.cx(), input.integration_id, &input.stream, plan).await;
        let (_, streams, user_errors) = streams(ctx, kept)?;
        Ok(SetSyncSchedulePayload { stream: streams.and_then(|mut all| all.pop()), user_errors })
    }
}
