//! The audit log: refused attempts are noted, how far each chain has come is signed, and what is too old is removed.

use std::sync::Arc;

use crate::{
    context::{Hub, Refusals},
    domain::audit,
    kernel::error::Result,
};

/// Signs how far each chain has come.
pub(super) async fn sign(hub: Arc<Hub>) -> Result<u64> {
    audit::sign(&hub).await
}

/// Writes how often what was refused was tried again.
pub(super) async fn note_refusals(hub: Arc<Hub>) -> Result<u64> {
    Refusals::flush(&hub, false).await
}

/// Removes what is older than the retention.
pub(super) async fn prune(hub: Arc<Hub>) -> Result<u64> {
    let retention = hub.access.audit_retention;
    audit::prune(&hub, retention).await
}
