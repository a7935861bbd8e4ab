//! Secrets with which we sign what we send: those of a destination, sealed under its id.
//!
//! They are made here and shown once. After a rotation those before sign as well for a while, since whoever checks
//! learns of the new ones later.

use crate::{
    context::{Cx, Hub, Txn},
    domain::keyring::secret,
    kernel::{
        error::{Error, Result},
        id::TenantId,
        secret::Secret,
    },
    provider::webhook::standard::{self, Signer},
};

/// The names under which they are sealed: the shared secret, the private key, and those before a rotation.
const SHARED: &str = "secret";
const KEY: &str = "key";
const SHARED_BEFORE: &str = "secret before";
const KEY_BEFORE: &str = "key before";

/// Secrets that were made a moment ago.
#[derive(Clone, Debug)]
pub struct New {
    /// The shared secret, to be shown once.
    pub shared: Secret,
    /// The private key and its public half.
    pub key: Option<(Secret, String)>,
}

impl New {
    /// Makes a shared secret, and a key if there is to be one.
    #[must_use]
    pub fn make(cx: &Cx, with_key: bool) -> Self {
        let chance = &*cx.hub().chance;
        Self { shared: standard::new_secret(chance), key: with_key.then(|| standard::new_key(chance)) }
    }

    /// The public half of the key.
    #[must_use]
    pub fn public(&self) -> Option<String> {
        self.key.as_ref().map(|(_, public)| public.clone())
    }
}

/// Seals secrets of an owner in place of those it has. Those before sign as well, if they are to.
pub async fn put(txn: &Txn, tenant: TenantId, owner: &str, new: &New, before_counts: bool) -> Result<()> {
    let hub = txn.cx().hub();
    let before = if before_counts {
        let shared = secret::get(hub, &**txn, tenant, owner, SHARED).await?;
        (shared, secret::get(hub, &**txn, tenant, owner, KEY).await?)
    } else {
        (None, None)
    };
    secret::forget(txn, tenant, owner).await?;
    secret::put(txn, tenant, owner, SHARED, &new.shared).await?;
    if let Some((private, _)) = &new.key {
        secret::put(txn, tenant, owner, KEY, private).await?;
    }
    for (name, value) in [(SHARED_BEFORE, before.0), (KEY_BEFORE, before.1)] {
        if let Some(value) = value {
            secret::put(txn, tenant, owner, name, &value).await?;
        }
    }
    Ok(())
}

/// What signs for an owner now.
pub async fn open(hub: &Hub, tenant: TenantId, owner: &str, before_counts: bool) -> Result<Signer> {
    let shared = of(hub, tenant, owner, [SHARED, SHARED_BEFORE], before_counts).await?;
    let keys = of(hub, tenant, owner, [KEY, KEY_BEFORE], before_counts).await?;
    let signer = Signer::new(&shared, &keys).filter(|_| !shared.is_empty());
    signer.ok_or_else(|| Error::Internal("a webhook cannot be signed", "its secret is missing or damaged".into()))
}

async fn of(hub: &Hub, tenant: TenantId, owner: &str, names: [&str; 2], both: bool) -> Result<Vec<Secret>> {
    let mut found = Vec::new();
    for name in names.into_iter().take(if both { 2 } else { 1 }) {
        found.extend(secret::get(hub, hub.database.reader(), tenant, owner, name).await?);
    }
    Ok(found)
}

/// Forgets the secrets of an owner.
pub async fn forget(txn: &Txn, tenant: TenantId, owner: &str) -> Result<()> {
    secret::forget(txn, tenant, owner).await
}
