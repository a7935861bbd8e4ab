//! What can happen to webhooks that go out, and to the places where they go.
//!
//! Deliveries that ended alike in one commit are told in one event: with a hundred destinations the log would
//! otherwise be mostly about who has heard of it. Nothing of this is ever sent by webhook, or it would never end.

#![expect(missing_docs, reason = "the fields of a fact say what they are by their names")]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Changes, Fact};
use crate::kernel::{
    clock::Moment,
    id::{TenantId, WebhookDeliveryId, WebhookDestinationId},
};

/// Deliveries, by where they go.
pub type Deliveries = BTreeMap<WebhookDestinationId, Vec<WebhookDeliveryId>>;

/// Something that happened to deliveries, or to their destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum OutboundEvent {
    /// Webhooks go there from now on.
    DestinationCreated { destination: WebhookDestinationId, name: String, host: String, events: Vec<String> },
    /// Something about it is other than before.
    DestinationUpdated { destination: WebhookDestinationId, changes: Changes },
    /// Its secret is another; the one before signs as well until then.
    DestinationRotated { destination: WebhookDestinationId, overlap_until: Option<Moment> },
    /// Webhooks go there again.
    DestinationEnabled { destination: WebhookDestinationId, name: String },
    /// None go there until it is enabled.
    DestinationDisabled { destination: WebhookDestinationId, name: String, reason: String },
    /// It is gone.
    DestinationDeleted { destination: WebhookDestinationId, name: String },
    /// They arrived.
    Delivered { tenant: TenantId, deliveries: Deliveries },
    /// They did not arrive, and are tried again.
    Postponed { tenant: TenantId, deliveries: Deliveries },
    /// They did not arrive and are not tried any more.
    GivenUp { tenant: TenantId, deliveries: Deliveries },
    /// Somebody has them sent again.
    Requeued { tenant: TenantId, deliveries: Deliveries },
}

impl Fact for OutboundEvent {
    const TOPIC: &'static str = "outbound";

    fn kind(&self) -> &'static str {
        match self {
            Self::DestinationCreated { .. } => "outbound.destination_created",
            Self::DestinationUpdated { .. } => "outbound.destination_updated",
            Self::DestinationRotated { .. } => "outbound.destination_rotated",
            Self::DestinationEnabled { .. } => "outbound.destination_enabled",
            Self::DestinationDisabled { .. } => "outbound.destination_disabled",
            Self::DestinationDeleted { .. } => "outbound.destination_deleted",
            Self::Delivered { .. } => "outbound.delivered",
            Self::Postponed { .. } => "outbound.postponed",
            Self::GivenUp { .. } => "outbound.given_up",
            Self::Requeued { .. } => "outbound.requeued",
        }
    }

    /// The destination, or the tenant where it is about deliveries to several.
    fn subject(&self) -> String {
        match self {
            Self::DestinationCreated { destination, .. }
            | Self::DestinationUpdated { destination, .. }
            | Self::DestinationRotated { destination, .. }
            | Self::DestinationEnabled { destination, .. }
            | Self::DestinationDisabled { destination, .. }
            | Self::DestinationDeleted { destination, .. } => destination.to_string(),
            Self::Delivered { tenant, .. }
            | Self::Postponed { tenant, .. }
            | Self::GivenUp { tenant, .. }
            | Self::Requeued { tenant, .. } => tenant.to_string(),
        }
    }
}
