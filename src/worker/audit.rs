//! The audit log: how far each chain has come is signed, and what is too old is removed.

use std::sync::Arc;

use crate::{context::Hub, domain::audit, kernel::error::Result};

/// Signs how far each chain has come.
pub(super) async fn sign(hub: Arc<Hub>) -> Result<u64> {
    audit::sign(&hub).await
}

/// Removes what is older than the retention.
pub(super) async fn prune(hub: Arc<Hub>) -> Result<u64> {
    let retention = hub.access.audit_retention;
    audit::prune(&hub, retention).await
}
