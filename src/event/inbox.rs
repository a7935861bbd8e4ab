//! What can happen to webhooks that come, and to the places where they come.

#![expect(missing_docs, reason = "the fields of a fact say what they are by their names")]

use serde::{Deserialize, Serialize};

use super::Fact;
use crate::kernel::{
    clock::Moment,
    id::{IntegrationId, WebhookEventId, WebhookSourceId},
};

/// Something that happened to webhooks of a source, or to the source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum InboxEvent {
    /// A provider can send webhooks there from now on.
    SourceCreated { source: WebhookSourceId, provider: String, integration: Option<IntegrationId>, name: String },
    /// Its secrets are others; those before count until then.
    SourceRotated { source: WebhookSourceId, overlap_until: Option<Moment> },
    /// It takes webhooks again.
    SourceEnabled { source: WebhookSourceId, name: String },
    /// It takes none until it is enabled.
    SourceDisabled { source: WebhookSourceId, name: String },
    /// It is gone.
    SourceDeleted { source: WebhookSourceId, provider: String, name: String },
    /// A provider told of something, and this is what. Where it says the same again there is no second one, unless
    /// somebody has it processed again, which `replay` counts.
    Received {
        source: WebhookSourceId,
        webhook: WebhookEventId,
        number: i32,
        provider: String,
        integration: Option<IntegrationId>,
        /// The provider's id of it.
        event: String,
        /// The provider's word for it.
        said: String,
        /// Our word for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        is: Option<String>,
        /// The id of what it happened to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        about: Option<String>,
        /// When it happened, or was heard of.
        happened_at: Moment,
        replay: i32,
    },
    /// Somebody has webhooks processed again.
    Replayed { source: WebhookSourceId, webhooks: u64 },
    /// A webhook was given up.
    DeadLettered { source: WebhookSourceId, webhook: WebhookEventId, reason: String },
}

impl Fact for InboxEvent {
    const TOPIC: &'static str = "inbox";

    fn kind(&self) -> &'static str {
        match self {
            Self::SourceCreated { .. } => "inbox.source_created",
            Self::SourceRotated { .. } => "inbox.source_rotated",
            Self::SourceEnabled { .. } => "inbox.source_enabled",
            Self::SourceDisabled { .. } => "inbox.source_disabled",
            Self::SourceDeleted { .. } => "inbox.source_deleted",
            Self::Received { .. } => "inbox.received",
            Self::Replayed { .. } => "inbox.replayed",
            Self::DeadLettered { .. } => "inbox.dead_lettered",
        }
    }

    /// The source: whoever follows one hears of everything that comes there.
    fn subject(&self) -> String {
        match self {
            Self::SourceCreated { source, .. }
            | Self::SourceRotated { source, .. }
            | Self::SourceEnabled { source, .. }
            | Self::SourceDisabled { source, .. }
            | Self::SourceDeleted { source, .. }
            | Self::Received { source, .. }
            | Self::Replayed { source, .. }
            | Self::DeadLettered { source, .. } => source.to_string(),
        }
    }
}
