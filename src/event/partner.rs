//! What can happen to partners: their organisations, how they are reached, what their words mean, what they say.

#![expect(missing_docs, reason = "the fields of a fact say what they are by their names")]

use serde::{Deserialize, Serialize};

use super::{Changes, Fact};
use crate::kernel::id::{IntegrationId, OrderId, PartnerOrganizationId, PartnerUpdateId};

/// A change of what is known of partners.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum PartnerEvent {
    /// There is one more organisation.
    OrganizationCreated { partner: PartnerOrganizationId, name: String, organization_type: String },
    /// Something about one is other than before.
    OrganizationUpdated { partner: PartnerOrganizationId, changes: Changes },
    /// A partner can be reached from now on.
    IntegrationCreated { integration: IntegrationId, partner: PartnerOrganizationId, name: String },
    /// It is reached otherwise, or told of other things.
    IntegrationUpdated { integration: IntegrationId, partner: PartnerOrganizationId, changes: Changes },
    /// A version of what its words mean came a step further.
    MappingMoved {
        integration: IntegrationId,
        partner: PartnerOrganizationId,
        version: i32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        to: String,
    },
    /// It said something of an order.
    UpdateReceived {
        integration: IntegrationId,
        partner: PartnerOrganizationId,
        update: PartnerUpdateId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        order: Option<OrderId>,
        said: String,
        state: String,
    },
    /// Something it said was looked at once more, and has its effect now or is given up.
    UpdateSettled {
        integration: IntegrationId,
        partner: PartnerOrganizationId,
        update: PartnerUpdateId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        order: Option<OrderId>,
        said: String,
        from: String,
        to: String,
    },
}

impl Fact for PartnerEvent {
    const TOPIC: &'static str = "partner";

    fn kind(&self) -> &'static str {
        match self {
            Self::OrganizationCreated { .. } => "partner.organization_created",
            Self::OrganizationUpdated { .. } => "partner.organization_updated",
            Self::IntegrationCreated { .. } => "partner.integration_created",
            Self::IntegrationUpdated { .. } => "partner.integration_updated",
            Self::MappingMoved { .. } => "partner.mapping_moved",
            Self::UpdateReceived { .. } => "partner.update_received",
            Self::UpdateSettled { .. } => "partner.update_settled",
        }
    }

    fn subject(&self) -> String {
        match self {
            Self::OrganizationCreated { partner, .. } | Self::OrganizationUpdated { partner, .. } => {
                partner.to_string()
            }
            Self::IntegrationCreated { integration, .. }
            | Self::IntegrationUpdated { integration, .. }
            | Self::MappingMoved { integration, .. }
            | Self::UpdateReceived { integration, .. }
            | Self::UpdateSettled { integration, .. } => integration.to_string(),
        }
    }
}
