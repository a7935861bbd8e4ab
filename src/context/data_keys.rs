//! Data keys that were unwrapped, kept in memory while they are in use.
//!
//! Unwrapping is cheap beside reading the row that holds the key; what is kept here spares the reading.
//! A key that is destroyed is forgotten on the node that destroys it; on the others it lingers without
//! harm, because nothing is sealed under a key whose row is not there.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{kernel::id::TenantId, vault::DataKey};

/// Beyond this many keys all are forgotten; those in use come back by themselves.
const MANY: usize = 10_000;

/// Unwrapped keys by tenant and version.
#[derive(Default)]
pub struct DataKeys(Mutex<HashMap<(TenantId, u32), DataKey>>);

impl DataKeys {
    /// The key, if it was unwrapped before.
    pub fn get(&self, tenant: TenantId, version: u32) -> Option<DataKey> {
        self.held().get(&(tenant, version)).cloned()
    }

    /// Keeps a key.
    pub fn remember(&self, tenant: TenantId, key: DataKey) {
        let mut held = self.held();
        if held.len() >= MANY {
            held.clear();
        }
        held.entry((tenant, key.version())).or_insert(key);
    }

    /// Forgets a key.
    pub fn forget(&self, tenant: TenantId, version: u32) {
        self.held().remove(&(tenant, version));
    }

    /// Forgets every key of a tenant.
    pub fn forget_all(&self, tenant: TenantId) {
        self.held().retain(|(whose, _), _| *whose != tenant);
    }

    fn held(&self) -> MutexGuard<'_, HashMap<(TenantId, u32), DataKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for DataKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKeys").finish_non_exhaustive()
    }
}
