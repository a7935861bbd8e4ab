//! What can happen to background work that somebody should know of. That it runs and is done is no event.

#![expect(missing_docs, reason = "the fields of a fact say what they are by their names")]

use serde::{Deserialize, Serialize};

use super::Fact;
use crate::kernel::id::JobId;

/// A change of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum JobEvent {
    /// It was given up.
    Died { job: JobId, work: String, reason: String, attempts: i32 },
    /// Somebody let it begin anew.
    Retried { job: JobId, work: String },
}

impl Fact for JobEvent {
    const TOPIC: &'static str = "job";

    fn kind(&self) -> &'static str {
        match self {
            Self::Died { .. } => "job.died",
            Self::Retried { .. } => "job.retried",
        }
    }

    fn subject(&self) -> String {
        match self {
            Self::Died { job, .. } | Self::Retried { job, .. } => job.to_string(),
        }
    }
}
