//! What can happen to a tenant.

#![expect(missing_docs, reason = "the fields of a fact say what they are by their names")]

use serde::{Deserialize, Serialize};

use super::{Changes, Fact};
use crate::kernel::id::TenantId;

/// A change of a tenant or its settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum TenantEvent {
    /// It was created.
    Created { tenant: TenantId, slug: String, name: String },
    /// Its name, slug or settings changed.
    Updated { tenant: TenantId, changes: Changes },
    /// Nobody of it is let in any more.
    Suspended { tenant: TenantId, reason: String },
    /// Everybody is let in again.
    Resumed { tenant: TenantId },
    /// It was deleted for good.
    Deleted { tenant: TenantId, slug: String },
}

impl Fact for TenantEvent {
    const TOPIC: &'static str = "tenant";

    fn kind(&self) -> &'static str {
        match self {
            Self::Created { .. } => "tenant.created",
            Self::Updated { .. } => "tenant.updated",
            Self::Suspended { .. } => "tenant.suspended",
            Self::Resumed { .. } => "tenant.resumed",
            Self::Deleted { .. } => "tenant.deleted",
        }
    }

    fn subject(&self) -> String {
        match self {
            Self::Created { tenant, .. }
            | Self::Updated { tenant, .. }
            | Self::Suspended { tenant, .. }
            | Self::Resumed { tenant }
            | Self::Deleted { tenant, .. } => tenant.to_string(),
        }
    }
}
