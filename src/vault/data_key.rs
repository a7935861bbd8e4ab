//! Data keys: one tenant's keys, stored wrapped under a master key.

use uuid::Uuid;

use super::seal::{Key, OpenError, Place, version_of};
use crate::kernel::chance::Chance;

/// Seals after which a data key is replaced. At 2^28 random nonces the odds of two alike are one in 2^41;
/// the standard's limit is 2^32.
pub const MOST_SEALS: i64 = 1 << 28;

/// A tenant's key, in the clear, in memory.
#[derive(Clone, Debug)]
pub struct DataKey {
    tenant: Uuid,
    key: Key,
}

/// A tenant's key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey {
    /// Which version of the tenant's key it is.
    pub version: u32,
    /// Which master key it is wrapped under.
    pub master: u32,
    /// By which the key is recognised.
    pub check: [u8; 16],
    /// The key, sealed.
    pub sealed: Vec<u8>,
}

/// The cell that a wrapped key is bound to; its row is the tenant and its version.
fn place(tenant: Uuid, version: u32) -> (Uuid, u128) {
    (tenant, u128::from(version))
}

impl DataKey {
    /// A new key for a tenant.
    #[must_use]
    pub fn new(tenant: Uuid, version: u32, chance: &dyn Chance) -> Self {
        Self { tenant, key: Key::new(version, chance) }
    }

    /// Which version it is.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.key.version()
    }

    /// Wraps it under a master key.
    #[must_use]
    pub fn wrap(&self, master: &Key, chance: &dyn Chance) -> WrappedKey {
        let (tenant, row) = place(self.tenant, self.version());
        let at = Place { tenant, table: "data_keys", column: "sealed", row: Uuid::from_u128(row) };
        let sealed = master.seal(at, self.key.bytes(), chance);
        WrappedKey { version: self.version(), master: master.version(), check: self.key.check(), sealed }
    }

    /// Unwraps a tenant's key.
    pub fn unwrap(tenant: Uuid, wrapped: &WrappedKey, master: &Key) -> Result<Self, OpenError> {
        let (tenant, row) = place(tenant, wrapped.version);
        let at = Place { tenant, table: "data_keys", column: "sealed", row: Uuid::from_u128(row) };
        let bytes = master.open(at, &wrapped.sealed)?;
        let key = Key::from_bytes(wrapped.version, &bytes).ok_or(OpenError::Form)?;
        if key.check() != wrapped.check {
            return Err(OpenError::Broken);
        }
        Ok(Self { tenant, key })
    }

    /// Seals a secret of the tenant for a cell.
    #[must_use]
    pub fn seal(&self, table: &str, column: &str, row: Uuid, plain: &[u8], chance: &dyn Chance) -> Vec<u8> {
        self.key.seal(Place { tenant: self.tenant, table, column, row }, plain, chance)
    }

    /// Opens a secret of the tenant from its cell.
    pub fn open(
        &self,
        table: &str,
        column: &str,
        row: Uuid,
        sealed: &[u8],
    ) -> Result<zeroize::Zeroizing<Vec<u8>>, OpenError> {
        self.key.open(Place { tenant: self.tenant, table, column, row }, sealed)
    }

    /// The version of the key that a sealed value asks for.
    pub fn version_of(sealed: &[u8]) -> Result<u32, OpenError> {
        version_of(sealed).ok_or(OpenError::Form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::chance::SeededChance;

    const TENANT: Uuid = Uuid::from_u128(5);

    #[test]
    fn a_wrapped_key_opens_for_its_tenant_version_and_master_only() {
        let chance = SeededChance::new(1);
        let (master, other) = (Key::new(1, &chance), Key::new(1, &chance));
        let key = DataKey::new(TENANT, 2, &chance);
        let wrapped = key.wrap(&master, &chance);
        let opened = DataKey::unwrap(TENANT, &wrapped, &master).unwrap();
        let sealed = key.seal("secrets", "value", TENANT, b"secret", &chance);
        assert_eq!(&*opened.open("secrets", "value", TENANT, &sealed).unwrap(), b"secret");

        assert!(DataKey::unwrap(Uuid::from_u128(6), &wrapped, &master).is_err());
        assert!(DataKey::unwrap(TENANT, &wrapped, &other).is_err());
        assert!(DataKey::unwrap(TENANT, &WrappedKey { version: 3, ..wrapped.clone() }, &master).is_err());
        assert!(DataKey::unwrap(TENANT, &WrappedKey { check: [0; 16], ..wrapped }, &master).is_err());
    }
}
