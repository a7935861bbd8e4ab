//! The master keys, by version.
//!
//! They are given as text: one or several `version:key` with a comma, a space or a line break between,
//! where a key is 32 bytes in base64 or hexadecimal. A single key without a version is version 1. The
//! highest version is the one to wrap under; the others only unwrap, until nothing is wrapped under them any
//! more.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use zeroize::{Zeroize, Zeroizing};

use super::seal::Key;
use crate::kernel::{chance::Chance, secret::Secret};

/// A master key.
pub type MasterKey = Key;

/// The master keys at hand.
#[derive(Clone, Debug)]
pub struct Ring {
    keys: BTreeMap<u32, MasterKey>,
    current: u32,
}

/// Why a text is not a key ring. The text itself is never repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// There is no key in it.
    #[error("there is no master key in it")]
    Empty,
    /// A version is not a number from 1 on.
    #[error("a master key begins with its version and a colon, such as 2:…; this one does not")]
    Version,
    /// The key of a version is not base64 or hexadecimal.
    #[error("master key {0} is neither base64 nor hexadecimal")]
    Text(u32),
    /// It has another length.
    #[error("master key {0} has {1} bytes; it must have 32")]
    Length(u32, usize),
    /// All its bytes are alike, so nobody made it at random.
    #[error("master key {0} is no key: all its bytes are alike")]
    Blank(u32),
    /// A version is given twice.
    #[error("master key {0} is given twice")]
    Twice(u32),
}

impl Ring {
    /// A ring of one key.
    #[must_use]
    pub fn of(key: MasterKey) -> Self {
        Self { current: key.version(), keys: BTreeMap::from([(key.version(), key)]) }
    }

    /// Reads a ring from its text.
    pub fn parse(text: &Secret) -> Result<Self, RingError> {
        let mut keys = BTreeMap::new();
        let pieces: Vec<_> =
            text.expose().split(|c: char| c == ',' || c.is_whitespace()).filter(|piece| !piece.is_empty()).collect();
        for piece in &pieces {
            let (version, key) = match piece.split_once(':') {
                Some((version, key)) => (version.parse().ok().filter(|n| *n > 0).ok_or(RingError::Version)?, key),
                None if pieces.len() == 1 => (1, *piece),
                None => return Err(RingError::Version),
            };
            if keys.insert(version, read(version, key)?).is_some() {
                return Err(RingError::Twice(version));
            }
        }
        let current = keys.keys().next_back().copied().ok_or(RingError::Empty)?;
        Ok(Self { keys, current })
    }

    /// A new key as text, in the form that [`Ring::parse`] reads.
    #[must_use]
    pub fn generate(version: u32, chance: &dyn Chance) -> Secret {
        let key = Key::new(version, chance);
        let mut text = BASE64_STANDARD.encode(key.bytes());
        let line = format!("{version}:{text}");
        text.zeroize();
        Secret::from(line)
    }

    /// The newest key.
    #[must_use]
    pub fn current(&self) -> &MasterKey {
        // The current version was found among the keys, and no key is ever taken out.
        &self.keys[&self.current]
    }

    /// The key of a version.
    #[must_use]
    pub fn get(&self, version: u32) -> Option<&MasterKey> {
        self.keys.get(&version)
    }

    /// The keys, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &MasterKey> {
        self.keys.values()
    }
}

fn read(version: u32, text: &str) -> Result<MasterKey, RingError> {
    let bytes =
        Zeroizing::new(unhex(text).or_else(|| BASE64_STANDARD.decode(text).ok()).ok_or(RingError::Text(version))?);
    let key = Key::from_bytes(version, &bytes).ok_or(RingError::Length(version, bytes.len()))?;
    if bytes.iter().all(|byte| *byte == bytes[0]) { Err(RingError::Blank(version)) } else { Ok(key) }
}

/// Pairs of hexadecimal digits. Such a text may be base64 too, but never of 32 bytes: that ends with a sign.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<_> = text.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>()?;
    let pairs = digits.chunks_exact(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).ok());
    (digits.len() % 2 == 0).then(|| pairs.collect())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::chance::SeededChance;

    fn parse(text: &str) -> Result<Ring, RingError> {
        Ring::parse(&Secret::from(text.to_owned()))
    }

    fn key(byte: u8) -> String {
        let mut bytes = [byte; 32];
        bytes[0] = !byte;
        BASE64_STANDARD.encode(bytes)
    }

    #[test]
    fn the_highest_version_wraps_and_all_are_found_by_version() {
        let ring = parse(&format!("2:{}\n1:{}\n", key(2), key(1))).unwrap();
        assert_eq!(ring.current().version(), 2);
        assert_eq!(ring.iter().map(Key::version).collect::<Vec<_>>(), [1, 2]);
        assert!(ring.get(3).is_none());
    }

    #[test]
    fn a_single_key_needs_no_version_and_may_be_hexadecimal() {
        assert_eq!(parse(&key(1)).unwrap().current().version(), 1);
        let hex = format!("{}{}", "00".repeat(31), "01");
        assert_eq!(parse(&hex).unwrap().current().version(), 1);
    }

    #[test]
    fn a_generated_key_is_read_back() {
        let chance = SeededChance::new(3);
        let text = Ring::generate(4, &chance);
        assert_eq!(Ring::parse(&text).unwrap().current().version(), 4);
    }

    #[test]
    fn what_is_no_key_is_refused_by_its_version() {
        assert_eq!(parse("").unwrap_err(), RingError::Empty);
        assert_eq!(parse(&format!("{} {}", key(1), key(2))).unwrap_err(), RingError::Version);
        assert_eq!(parse(&format!("0:{}", key(1))).unwrap_err(), RingError::Version);
        assert_eq!(parse("1:%%%").unwrap_err(), RingError::Text(1));
        assert_eq!(parse("3:c2hvcnQ=").unwrap_err(), RingError::Length(3, 5));
        assert_eq!(parse(&format!("3:{}", "ab".repeat(16))).unwrap_err(), RingError::Length(3, 16));
        assert_eq!(parse(&format!("2:{}", BASE64_STANDARD.encode([0; 32]))).unwrap_err(), RingError::Blank(2));
        assert_eq!(parse(&format!("1:{},1:{}", key(1), key(2))).unwrap_err(), RingError::Twice(1));
    }
}
