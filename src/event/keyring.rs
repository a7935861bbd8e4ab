//! What can happen to the keys of a tenant.

#![expect(missing_docs, reason = "the fields of a fact say what they are by their names")]

use serde::{Deserialize, Serialize};

use super::Fact;
use crate::kernel::id::TenantId;

/// A change of a tenant's keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum KeyringEvent {
    /// A new version seals from now on.
    KeyRotated { tenant: TenantId, version: i32 },
    /// An old version is gone.
    KeyDestroyed { tenant: TenantId, version: i32 },
}

impl Fact for KeyringEvent {
    const TOPIC: &'static str = "keyring";

    fn kind(&self) -> &'static str {
        match self {
            Self::KeyRotated { .. } => "key.rotated",
            Self::KeyDestroyed { .. } => "key.destroyed",
        }
    }

    fn subject(&self) -> String {
        match self {
            Self::KeyRotated { tenant, .. } | Self::KeyDestroyed { tenant, .. } => tenant.to_string(),
        }
    }
}
