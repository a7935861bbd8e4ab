//! What can happen to alerts.

#![expect(missing_docs, reason = "the fields of a fact say what they are by their names")]

use serde::{Deserialize, Serialize};

use super::Fact;
use crate::kernel::id::AlertId;

/// A change of an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum AlertEvent {
    /// Something should be looked at.
    Raised { alert: AlertId, about: String, severity: String, subject: String, text: String },
    /// It is over.
    Resolved { alert: AlertId, about: String, severity: String, subject: String },
}

impl Fact for AlertEvent {
    const TOPIC: &'static str = "alert";

    fn kind(&self) -> &'static str {
        match self {
            Self::Raised { .. } => "alert.raised",
            Self::Resolved { .. } => "alert.resolved",
        }
    }

    fn subject(&self) -> String {
        match self {
            Self::Raised { alert, .. } | Self::Resolved { alert, .. } => alert.to_string(),
        }
    }
}
