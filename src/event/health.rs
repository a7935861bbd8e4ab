//! What can happen to the health of integrations.

#![expect(missing_docs, reason = "the fields of a fact say what they are by their names")]

use serde::{Deserialize, Serialize};

use super::Fact;
use crate::kernel::id::IntegrationId;

/// A change of the verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Changed {
    pub integration: IntegrationId,
    pub from: String,
    pub to: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub axis: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
}

/// Something that happened to the health of an integration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum HealthEvent {
    /// It is healthy, degraded, down, or it is not known.
    Changed(Changed),
    /// Somebody had its provider asked.
    Checked { integration: IntegrationId, good: bool, message: Option<String> },
    /// It is probed in another interval; none stands for the usual one.
    Scheduled { integration: IntegrationId, from_seconds: Option<i32>, to_seconds: Option<i32> },
}

impl Fact for HealthEvent {
    const TOPIC: &'static str = "health";

    fn kind(&self) -> &'static str {
        match self {
            Self::Changed(_) => "health.changed",
            Self::Checked { .. } => "health.checked",
            Self::Scheduled { .. } => "health.scheduled",
        }
    }

    fn subject(&self) -> String {
        match self {
            Self::Changed(Changed { integration, .. })
            | Self::Checked { integration, .. }
            | Self::Scheduled { integration, .. } => integration.to_string(),
        }
    }
}
