//! Keys, and the secrets they seal.
//!
//! **Who acts.** Concerns that hold something secret call [`secret::put`] inside the transaction that
//! needs it and [`secret::get`] where it is used; nobody else selects from the table of secrets. An
//! administrator rotates the tenant's key; whoever runs the hub rotates the master key. A data key also gives way
//! to the next by itself, once it has sealed often enough or lived for long enough.
//!
//! **How a key lives.** A tenant's first data key is made with its first secret. A rotation makes the next
//! version, which seals from then on; what was sealed before is sealed anew in batches while reads and
//! writes go on; when nothing is left under the old version, it is destroyed. Every step is recorded in
//! the rows themselves, so a rotation that was cut off goes on where it stopped.
//!
//! **What cannot happen.** A secret is never sealed under a key that is about to be destroyed: who seals
//! holds the key's row until the commit, and who destroys it waits, and then counts again.
//!
//! **Deleting a tenant** destroys its keys and forgets its secrets ([`shred`]). From then on none is made
//! for it, whoever was about to seal something. What destroyed keys left in the files is erased ([`erase`]).
//!
//! **The hub's own secrets** (its signing keys) belong to the nil tenant. It has no log of its own, so what
//! happens to its keys is no event.

pub mod data_key;
pub mod erase;
pub mod master;
pub mod secret;
pub mod signing;

use uuid::Uuid;

use crate::{
    context::Txn,
    entity,
    kernel::{
        error::{Error, Result, Source},
        id::TenantId,
    },
};

/// Whose the hub's own secrets are.
pub const HUB: TenantId = TenantId::new(Uuid::nil());

/// What is gone of a tenant that was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shredded {
    /// Data keys that were destroyed.
    pub keys: u64,
    /// Secrets that were forgotten.
    pub secrets: u64,
}

/// Destroys every key of a tenant and forgets its secrets. The caller holds the tenant's row, as deleted.
pub async fn shred(txn: &Txn, tenant: TenantId) -> Result<Shredded> {
    // Keys first: who seals holds one, and what they sealed is there when we have waited for them.
    let keys = entity::data_key::destroy_all(tenant).exec(&**txn).await?.rows_affected;
    let secrets = entity::secret::forget_all(tenant).exec(&**txn).await?.rows_affected;
    erase::owe(txn).await?;
    Ok(Shredded { keys, secrets })
}

/// A stored row does not open: it was damaged, or moved from its place.
fn damaged(row: String, error: impl Into<Source>) -> Error {
    Error::SecretUnreadable { row, source: error.into() }
}

fn lacking(version: u32) -> Source {
    format!("master key {version} is not in the ring").into()
}
