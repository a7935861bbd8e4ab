//! Tenants: what deleted ones left behind is removed.

use std::sync::Arc;

use crate::{context::Hub, domain::tenant::removal, kernel::error::Result};

/// Removes the rows of deleted tenants.
pub(super) async fn empty_deleted(hub: Arc<Hub>) -> Result<u64> {
    removal::empty(&hub).await
}
