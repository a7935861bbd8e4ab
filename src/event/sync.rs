//! What can happen to streams and to the runs that read them.

#![expect(missing_docs, reason = "the fields of a fact say what they are by their names")]

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Changes, Fact};
use crate::kernel::id::{IntegrationId, SyncLogId, SyncRunId};

/// What a run has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    pub pages: i64,
    pub seen: i64,
    pub added: i64,
    pub updated: i64,
    pub unchanged: i64,
    pub deleted: i64,
    pub failed: i64,
    /// How many records are still to come, as far as can be guessed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<i64>,
}

/// A change of a stream or of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum SyncEvent {
    /// A run is to begin.
    RunQueued { integration: IntegrationId, stream: String, run: SyncRunId, mode: String, cause: String },
    /// It began.
    RunStarted { integration: IntegrationId, stream: String, run: SyncRunId, counts: Counts },
    /// It read a page, or looked for what is gone.
    RunProgressed { integration: IntegrationId, stream: String, run: SyncRunId, counts: Counts },
    /// It came to its end.
    RunSucceeded { integration: IntegrationId, stream: String, run: SyncRunId, counts: Counts },
    /// It was given up.
    RunFailed {
        integration: IntegrationId,
        stream: String,
        run: SyncRunId,
        counts: Counts,
        class: String,
        reason: String,
    },
    /// Somebody ended it, or the integration is not used any more.
    RunCancelled { integration: IntegrationId, stream: String, run: SyncRunId, counts: Counts, reason: String },
    /// A run wrote a line.
    Logged {
        integration: IntegrationId,
        stream: String,
        run: SyncRunId,
        line: SyncLogId,
        level: String,
        step: String,
        message: String,
        fields: Value,
    },
    /// Nothing is read until it is resumed.
    Paused { integration: IntegrationId, stream: String },
    /// It is read again.
    Resumed { integration: IntegrationId, stream: String },
    /// Nothing is read on schedule any more, since runs failed again and again.
    Stopped { integration: IntegrationId, stream: String, reason: String },
    /// A pass held deletions back: it would have deleted too many records.
    DeletionsHeld { integration: IntegrationId, stream: String, run: SyncRunId, records: i64, of: i64 },
    /// Somebody confirmed deletions that were held back; the run makes them if the records are still missing.
    DeletionsConfirmed { integration: IntegrationId, stream: String, run: SyncRunId, records: i64 },
    /// No deletions are held back any more: `DELETED`, `SEEN_AGAIN` or `DISCARDED`.
    DeletionsReleased { integration: IntegrationId, stream: String, run: SyncRunId, records: i64, reason: String },
    /// It is read at other times.
    ScheduleSet { integration: IntegrationId, stream: String, changes: Changes },
}

impl Fact for SyncEvent {
    const TOPIC: &'static str = "sync";

    fn kind(&self) -> &'static str {
        match self {
            Self::RunQueued { .. } => "sync.run_queued",
            Self::RunStarted { .. } => "sync.run_started",
            Self::RunProgressed { .. } => "sync.run_progressed",
            Self::RunSucceeded { .. } => "sync.run_succeeded",
            Self::RunFailed { .. } => "sync.run_failed",
            Self::RunCancelled { .. } => "sync.run_cancelled",
            Self::Logged { .. } => "sync.logged",
            Self::Paused { .. } => "sync.paused",
            Self::Resumed { .. } => "sync.resumed",
            Self::Stopped { .. } => "sync.stopped",
            Self::DeletionsHeld { .. } => "sync.deletions_held",
            Self::DeletionsConfirmed { .. } => "sync.deletions_confirmed",
            Self::DeletionsReleased { .. } => "sync.deletions_released",
            Self::ScheduleSet { .. } => "sync.schedule_set",
        }
    }

    /// The integration: whoever follows one hears of everything that is read through it.
    fn subject(&self) -> String {
        match self {
            Self::RunQueued { integration, .. }
            | Self::RunStarted { integration, .. }
            | Self::RunProgressed { integration, .. }
            | Self::RunSucceeded { integration, .. }
            | Self::RunFailed { integration, .. }
            | Self::RunCancelled { integration, .. }
            | Self::Logged { integration, .. }
            | Self::Paused { integration, .. }
            | Self::Resumed { integration, .. }
            | Self::Stopped { integration, .. }
            | Self::DeletionsHeld { integration, .. }
            | Self::DeletionsConfirmed { integration, .. }
            | Self::DeletionsReleased { integration, .. }
            | Self::ScheduleSet { integration, .. } => integration.to_string(),
        }
    }
}
