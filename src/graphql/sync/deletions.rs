//! Deletions that wait for a confirmation, in the API.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::{SyncRun, SyncStream, changed, number};
use crate::{
    domain::sync::{self, deletions},
    graphql::{
        attempt::attempt_of,
        context::Ask,
        error::{Result, UserError},
        guard::Needs,
        loader::RunOf,
    },
    kernel::{
        id::{IntegrationId, SyncRunId},
        scope::Scope,
    },
};

/// Deletions of a stream that wait for a confirmation.
pub struct SyncHeldDeletions {
    run: SyncRunId,
    records: i64,
    of: i64,
    since: DateTime<Utc>,
}

impl SyncHeldDeletions {
    /// Those of a stream, if it has any.
    pub(super) fn held_by(row: &sync::SyncStream) -> Option<Self> {
        Some(Self { run: row.held_run_id?, records: row.held_records?, of: row.held_of?, since: row.held_at? })
    }
}

/// Deletions that a full pass did not make, because the provider no longer lists an unusually large share of the
/// stream's records. They wait until somebody confirms or discards them, or a later pass finds the records again.
#[Object]
impl SyncHeldDeletions {
    /// Number of records that the provider no longer lists.
    async fn records(&self) -> i32 {
        number(self.records)
    }

    /// Number of records that the stream had before the pass.
    async fn of(&self) -> i32 {
        number(self.of)
    }

    /// Time at which a pass first held back deletions that are still waiting.
    async fn since(&self) -> DateTime<Utc> {
        self.since
    }

    /// Latest run that held them back. Null when it is no longer kept.
    async fn run(&self, ctx: &Context<'_>) -> Result<Option<SyncRun>> {
        Ok(ctx.loaders().load(RunOf(self.run)).await?.map(SyncRun))
    }
}

/// Stream whose deletions to confirm.
#[derive(InputObject)]
pub struct ConfirmSyncDeletionsInput {
    /// The integration.
    integration_id: IntegrationId,
    /// The key of the stream.
    stream: String,
}

/// Result of confirming deletions.
#[derive(SimpleObject)]
pub struct ConfirmSyncDeletionsPayload {
    /// The stream, unless refused. It holds the deletions until the run has made them.
    stream: Option<SyncStream>,
    /// The run that makes the deletions, unless refused.
    run: Option<SyncRun>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Stream whose deletions to discard.
#[derive(InputObject)]
pub struct DiscardSyncDeletionsInput {
    /// The integration.
    integration_id: IntegrationId,
    /// The key of the stream.
    stream: String,
}

/// Result of discarding deletions.
#[derive(SimpleObject)]
pub struct DiscardSyncDeletionsPayload {
    /// The stream, unless refused.
    stream: Option<SyncStream>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Confirming and discarding deletions.
#[derive(Default)]
pub struct DeletionMutation;

#[Object]
impl DeletionMutation {
    /// Confirms deletions that a pass held back. A new run reads the list again and deletes the records that are still
    /// missing, as many as were held back; if a run is already on its way, that one does. Needs
    /// `INTEGRATION_RUN`.
    #[graphql(guard = "Needs(Scope::IntegrationRun)")]
    async fn confirm_sync_deletions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Stream whose deletions to confirm.")] input: ConfirmSyncDeletionsInput,
    ) -> Result<ConfirmSyncDeletionsPayload> {
        let confirmed = deletions::confirm(ctx.cx(), input.integration_id, &input.stream).await;
        let (confirmed, user_errors) = attempt_of(ctx, "integrationId", confirmed)?;
        let (kept, run) = confirmed.unzip();
        let stream = kept.and_then(|kept| changed(ctx.cx(), &kept).1.pop());
        Ok(ConfirmSyncDeletionsPayload { stream, run: run.map(SyncRun), user_errors })
    }

    /// Discards deletions that a pass held back: the records stay and the alert is resolved, until another pass finds
    /// as many records missing. Needs `INTEGRATION_RUN`.
    #[graphql(guard = "Needs(Scope::IntegrationRun)")]
    async fn discard_sync_deletions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Stream whose deletions to discard.")] input: DiscardSyncDeletionsInput,
    ) -> Result<DiscardSyncDeletionsPayload> {
        let discarded = deletions::discard(ctx.cx(), input.integration_id, &input.stream).await;
        let (kept, user_errors) = attempt_of(ctx, "integrationId", discarded)?;
        let stream = kept.and_then(|kept| changed(ctx.cx(), &kept).1.pop());
        Ok(DiscardSyncDeletionsPayload { stream, user_errors })
    }
}
