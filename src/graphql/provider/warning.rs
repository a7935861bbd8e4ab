//! Warnings in the API: a kind for programs, a sentence for people, and what it is about.

use async_graphql::{Enum, SimpleObject};

use crate::domain::provider::Warning;

/// What a warning is about.
#[derive(Clone, Copy, Debug, Enum, PartialEq, Eq)]
pub enum ProviderWarningKind {
    /// The version in use is over; calls may fail or be served by another.
    VersionEnded,
    /// The version in use ends within 90 days.
    VersionEndsSoon,
    /// The version that was chosen is not known any more; the usual one is used.
    VersionUnknown,
    /// Something about the provider that could not be confirmed.
    Unverified,
}

/// Something to know about a provider before it hurts.
#[derive(SimpleObject)]
pub struct ProviderWarning {
    /// What it is about.
    kind: ProviderWarningKind,
    /// The same in a sentence.
    message: String,
    /// The version it is about; null if it is about none.
    version: Option<String>,
    /// The last day of that version, such as `2027-10-01`; null if it is about none.
    ends_on: Option<String>,
    /// How many days are left until then; null if it is about none, or if it is over.
    days_left: Option<i32>,
    /// The version that lasts longest, if it lasts longer.
    instead: Option<String>,
}

impl From<Warning> for ProviderWarning {
    fn from(warning: Warning) -> Self {
        let message = warning.to_string();
        let plain = |kind| Self { kind, message, version: None, ends_on: None, days_left: None, instead: None };
        match warning {
            Warning::VersionEnds { version, on, days_left, instead } => Self {
                version: Some(version),
                ends_on: Some(on.to_string()),
                days_left: i32::try_from(days_left).ok(),
                instead,
                ..plain(ProviderWarningKind::VersionEndsSoon)
            },
            Warning::VersionEnded { version, on, instead } => Self {
                version: Some(version),
                ends_on: Some(on.to_string()),
                instead,
                ..plain(ProviderWarningKind::VersionEnded)
            },
            Warning::VersionUnknown { version } => {
                Self { version: Some(version), ..plain(ProviderWarningKind::VersionUnknown) }
            }
            Warning::Unverified { .. } => plain(ProviderWarningKind::Unverified),
        }
    }
}
