//! The audit log: refused attempts are noted, how far each chain has come is signed, and what is too old is removed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::handler::{Handler, Outcome, Task};
use crate::{
    context::{Hub, Refusals, Work},
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
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PruneAudit {}

impl Work for PruneAudit {
    const KIND: &'static str = "audit.prune";
}

impl Handler for PruneAudit {
    const SLOTS: usize = 1;

    async fn run(self, task: Task) -> Outcome {
        if !task.may_delete() {
            return Ok(());
        }
        let hub = task.cx.hub();
        let removed = audit::prune(hub, hub.access.audit_retention).await?;
        tracing::info!(removed, "the audit log was pruned");
        Ok(())
    }
}
