//! Data keys that were unwrapped, kept in memory while they are in use.
//!
//! Unwrapping is cheap beside reading the row that holds the key; what is kept here spares the reading.
//! A key that is destroyed is forgotten on the node that destroys it. On the others it lingers for minutes
//! at most, without harm: a secret is opened only if its row is there, and those went with the key.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::TimeDelta;

use crate::{
    kernel::{clock::Moment, id::TenantId},
    vault::DataKey,
};

/// Beyond this many keys all are forgotten; those in use come back by themselves.
const MANY: usize = 10_000;

/// A key is kept this long, however often it is used; then its row is read again.
const KEPT: TimeDelta = TimeDelta::minutes(5);

/// Unwrapped keys by tenant and version, each with the moment it was unwrapped.
#[derive(Default)]
pub struct DataKeys(Mutex<HashMap<(TenantId, u32), (DataKey, Moment)>>);

impl DataKeys {
    /// The key, if it was unwrapped a short while ago.
    pub fn get(&self, tenant: TenantId, version: u32, now: Moment) -> Option<DataKey> {
        let held = self.held();
        held.get(&(tenant, version)).filter(|(_, since)| now - since < KEPT).map(|(key, _)| key.clone())
    }

    /// Keeps a key.
    pub fn remember(&self, tenant: TenantId, key: DataKey, now: Moment) {
        let mut held = self.held();
        if held.len() >= MANY {
            held.clear();
        }
        held.insert((tenant, key.version()), (key, now));
    }

    /// Forgets the keys whose time is over. Says how many.
    pub fn forget_old(&self, now: Moment) -> u64 {
        let mut held = self.held();
        let before = held.len();
        held.retain(|_, (_, since)| now - *since < KEPT);
        (before - held.len()) as u64
    }

    /// Forgets a key.
    pub fn forget(&self, tenant: TenantId, version: u32) {
        self.held().remove(&(tenant, version));
    }

    /// Forgets every key of a tenant.
    pub fn forget_all(&self, tenant: TenantId) {
        self.held().retain(|(whose, _), _| *whose != tenant);
    }

    fn held(&self) -> MutexGuard<'_, HashMap<(TenantId, u32), (DataKey, Moment)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for DataKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKeys").finish_non_exhaustive()
    }
}
