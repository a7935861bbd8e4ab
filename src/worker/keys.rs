//! Finishes rotations of tenants' keys: seals anew what is sealed under older versions.

use std::sync::Arc;

use crate::{
    context::{Cx, Hub},
    domain::keyring::data_key,
    kernel::error::Result,
};

pub(super) async fn finish_rotations(hub: Arc<Hub>) -> Result<u64> {
    let mut sealed = 0;
    for tenant in data_key::unfinished(&hub).await? {
        sealed += data_key::finish(&Cx::system(Arc::clone(&hub), "key rotation", tenant)).await?;
    }
    Ok(sealed)
}
