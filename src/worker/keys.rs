//! Keys: old ones are renewed, rotations of tenants' keys finished.

use std::sync::Arc;

use crate::{
    context::{Cx, Hub},
    domain::keyring::{data_key, signing},
    kernel::error::Result,
};

/// Gives the next data key to each tenant whose newest one is old.
pub(super) async fn renew_data_keys(hub: Arc<Hub>) -> Result<u64> {
    data_key::renew(&hub).await
}

/// Seals anew what is sealed under older versions.
pub(super) async fn finish_rotations(hub: Arc<Hub>) -> Result<u64> {
    let mut sealed = 0;
    for tenant in data_key::unfinished(&hub).await? {
        sealed += data_key::finish(&Cx::system(Arc::clone(&hub), "key rotation", tenant)).await?;
    }
    Ok(sealed)
}

/// Forgets the data keys that were unwrapped a while ago, on this node.
pub(super) async fn forget_old(hub: Arc<Hub>) -> Result<u64> {
    hub.data_keys.forget_old(hub.clock.now());
    // Nothing was done that anybody would want to read about every minute.
    Ok(0)
}

/// Makes the next signing key when the present one has signed for long enough.
pub(super) async fn renew_signing_keys(hub: Arc<Hub>) -> Result<u64> {
    signing::renew(&hub).await
}
