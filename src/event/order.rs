//! What can happen to orders, and to the statuses they can have.

#![expect(missing_docs, reason = "the fields of a fact say what they are by their names")]

use serde::{Deserialize, Serialize};

use super::{Changes, Fact};
use crate::kernel::{
    clock::Moment,
    id::{IntegrationId, OrderId, PartnerOrganizationId, TenantId},
};

/// A change of an order. `origin` is the partner integration by which it came, if a partner said it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum OrderEvent {
    /// It was made.
    Created {
        order: OrderId,
        number: i64,
        status: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        partner: Option<PartnerOrganizationId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        integration: Option<IntegrationId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<IntegrationId>,
    },
    /// What is known of it changed.
    Updated {
        order: OrderId,
        number: i64,
        changes: Changes,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        partner: Option<PartnerOrganizationId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        integration: Option<IntegrationId>,
    },
    /// It has another status.
    StatusChanged {
        order: OrderId,
        number: i64,
        from: String,
        to: String,
        happened_at: Moment,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        partner: Option<PartnerOrganizationId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        integration: Option<IntegrationId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<IntegrationId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        partner_status: Option<String>,
    },
    /// The statuses that orders can have are others, or change otherwise.
    MachineSet { tenant: TenantId, changes: Changes },
}

impl Fact for OrderEvent {
    const TOPIC: &'static str = "order";

    fn kind(&self) -> &'static str {
        match self {
            Self::Created { .. } => "order.created",
            Self::Updated { .. } => "order.updated",
            Self::StatusChanged { .. } => "order.status_changed",
            Self::MachineSet { .. } => "order.machine_set",
        }
    }

    fn subject(&self) -> String {
        match self {
            Self::Created { order, .. } | Self::Updated { order, .. } | Self::StatusChanged { order, .. } => {
                order.to_string()
            }
            Self::MachineSet { tenant, .. } => tenant.to_string(),
        }
    }
}
