//! One way to encrypt bytes under a key, bound to a place.
//!
//! Layout of what is sealed: one byte of format, the key's version in four, the nonce in twelve, the
//! ciphertext with its tag. Everything before the ciphertext is authenticated, and so is the place.

use aes_gcm::{
    Aes256Gcm, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use zeroize::{Zeroize, Zeroizing};

use crate::kernel::chance::Chance;

/// The form written today. Another one gets another number, and both stay readable.
const FORMAT: u8 = 1;

const VERSION: usize = 4;
const NONCE: usize = 12;
const TAG: usize = 16;
const HEADER: usize = 1 + VERSION + NONCE;

/// A key of 256 bits, with its version. It is wiped when dropped and never shown.
#[derive(Clone)]
pub struct Key {
    version: u32,
    bytes: Zeroizing<[u8; 32]>,
}

/// Where a secret belongs: whose it is, and in which cell it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The tenant, or nil for what is the hub's own.
    pub tenant: Uuid,
    /// The table.
    pub table: &'a str,
    /// The column.
    pub column: &'a str,
    /// The row.
    pub row: Uuid,
}

/// Why something does not open. One answer for all that could be told apart would serve an attacker no
/// less, but an operator more: these say only what the version in the open header says anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It was not written by this program, or was cut.
    #[error("this is not a sealed value")]
    Form,
    /// It was sealed under another version of the key.
    #[error("this was sealed under version {0} of the key")]
    Version(u32),
    /// It was changed, or belongs elsewhere.
    #[error("this was changed since it was sealed, or belongs elsewhere")]
    Broken,
}

impl Key {
    /// A new key.
    pub fn new(version: u32, chance: &dyn Chance) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        chance.fill(&mut *bytes);
        Self { version, bytes }
    }

    /// A key from its bytes, which must be 32.
    #[must_use]
    pub fn from_bytes(version: u32, bytes: &[u8]) -> Option<Self> {
        let bytes = Zeroizing::new(bytes.try_into().ok()?);
        Some(Self { version, bytes })
    }

    /// Which version it is.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// A digest by which the key is recognised, and from which nothing about it follows.
    #[must_use]
    pub fn check(&self) -> [u8; 16] {
        let digest = Sha256::new().chain_update(b"portolan key check 1").chain_update(*self.bytes).finalize();
        let mut check = [0; 16];
        check.copy_from_slice(&digest[..16]);
        check
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// Encrypts bytes for a place.
    pub fn seal(&self, place: Place<'_>, plain: &[u8], chance: &dyn Chance) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(HEADER + plain.len() + TAG);
        sealed.push(FORMAT);
        sealed.extend(self.version.to_be_bytes());
        let mut nonce = [0; NONCE];
        chance.fill(&mut nonce);
        sealed.extend(nonce);
        let payload = Payload { msg: plain, aad: &place.bound(&sealed) };
        match self.cipher().encrypt(&Nonce::from(nonce), payload) {
            Ok(ciphertext) => sealed.extend(ciphertext),
            Err(_) => unreachable!("only a plaintext of 64 GiB does not encrypt"),
        }
        sealed
    }

    /// Decrypts what was sealed for this place under this key.
    pub fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let version = version_of(sealed).ok_or(OpenError::Form)?;
        if version != self.version {
            return Err(OpenError::Version(version));
        }
        let (header, ciphertext) = sealed.split_at(HEADER);
        let nonce: [u8; NONCE] = header[1 + VERSION..].try_into().map_err(|_| OpenError::Form)?;
        let payload = Payload { msg: ciphertext, aad: &place.bound(header) };
        self.cipher().decrypt(&Nonce::from(nonce), payload).map(Zeroizing::new).map_err(|_| OpenError::Broken)
    }

    fn cipher(&self) -> Aes256Gcm {
        let mut key = aes_gcm::Key::<Aes256Gcm>::from(*self.bytes);
        let cipher = Aes256Gcm::new(&key);
        key.zeroize();
        cipher
    }
}

impl Place<'_> {
    /// Header and place as associated data; lengths go first, so no two places read alike.
    fn bound(&self, header: &[u8]) -> Vec<u8> {
        let parts =
            [header, self.tenant.as_bytes(), self.table.as_bytes(), self.column.as_bytes(), self.row.as_bytes()];
        let mut data = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
        for part in parts {
            data.extend((part.len() as u64).to_be_bytes());
            data.extend(part);
        }
        data
    }
}

/// The version of the key that a sealed value asks for.
#[must_use]
pub(super) fn version_of(sealed: &[u8]) -> Option<u32> {
    if sealed.len() < HEADER + TAG || sealed[0] != FORMAT {
        return None;
    }
    sealed[1..=VERSION].try_into().map(u32::from_be_bytes).ok()
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::chance::SeededChance;

    const PLACE: Place<'static> =
        Place { tenant: Uuid::from_u128(1), table: "secrets", column: "value", row: Uuid::from_u128(2) };

    fn sealed(plain: &[u8]) -> (Key, Vec<u8>) {
        let chance = SeededChance::new(7);
        let key = Key::new(3, &chance);
        let sealed = key.seal(PLACE, plain, &chance);
        (key, sealed)
    }

    #[test]
    fn what_was_sealed_opens_in_its_place() {
        for plain in [&b""[..], b"x", &[0xff; 10_000]] {
            let (key, sealed) = sealed(plain);
            assert_eq!(&*key.open(PLACE, &sealed).unwrap(), plain);
        }
    }

    #[test]
    fn no_flipped_bit_opens() {
        let (key, sealed) = sealed(b"shpat_0123456789");
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(key.open(PLACE, &changed).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn nothing_cut_or_lengthened_opens() {
        let (key, sealed) = sealed(b"secret");
        for length in 0..sealed.len() {
            assert!(key.open(PLACE, &sealed[..length]).is_err(), "{length}");
        }
        let longer = [&sealed[..], b"x"].concat();
        assert_eq!(key.open(PLACE, &longer), Err(OpenError::Broken));
    }

    #[test]
    fn nothing_opens_elsewhere() {
        let (key, sealed) = sealed(b"secret");
        let elsewhere = [
            Place { tenant: Uuid::from_u128(2), ..PLACE },
            Place { table: "secret", ..PLACE },
            Place { column: "valu", ..PLACE },
            Place { table: "secretsv", column: "alue", ..PLACE },
            Place { row: Uuid::from_u128(1), ..PLACE },
            Place { tenant: PLACE.row, row: PLACE.tenant, ..PLACE },
        ];
        for place in elsewhere {
            assert_eq!(key.open(place, &sealed), Err(OpenError::Broken), "{place:?}");
        }
    }

    #[test]
    fn another_version_is_named_and_another_key_opens_nothing() {
        let (key, sealed) = sealed(b"secret");
        let newer = Key { version: 4, ..key.clone() };
        assert_eq!(newer.open(PLACE, &sealed), Err(OpenError::Version(3)));
        let other = Key::new(3, &SeededChance::new(8));
        assert_eq!(other.open(PLACE, &sealed), Err(OpenError::Broken));
        assert_ne!(other.check(), key.check());
    }

    #[test]
    fn the_same_secret_is_never_sealed_alike() {
        let chance = SeededChance::new(9);
        let key = Key::new(1, &chance);
        assert_ne!(key.seal(PLACE, b"secret", &chance), key.seal(PLACE, b"secret", &chance));
    }

    #[test]
    fn a_key_does_not_show_itself() {
        let (key, _) = sealed(b"");
        assert_eq!(format!("{key:?}"), "Key(3)");
    }
}
