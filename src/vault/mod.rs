//! Envelope encryption: master keys wrap data keys, data keys seal secrets.
//!
//! A [`Ring`] holds the master keys, by version, from the environment or a file. Each tenant has data keys
//! ([`DataKey`]), by version, stored wrapped under a master key. A secret is sealed under its tenant's
//! newest data key. All three steps are AES-256-GCM with a fresh random nonce of 96 bits.
//!
//! **Bound to its place.** What is encrypted is authenticated together with where it belongs: the format,
//! the tenant, table, column and row, and the version of the key ([`Place`]). A ciphertext moved to
//! another row or tenant does not open, nor does one whose version was edited.
//!
//! **Keys are picked by their version, never tried in turn.** Each key has a check value, a digest that
//! tells a wrong key from a damaged ciphertext without revealing anything about the key.
//!
//! **Nonces do not run out.** After 2^32 random nonces under one key a repetition becomes thinkable; a
//! data key is replaced long before, at [`MOST_SEALS`].
//!
//! This room knows bytes and keys, not tables: who stores what, and when keys change, is the domain's.
//! Not promised: protection from who can read the memory of the process.

mod data_key;
#[cfg(test)]
mod properties;
mod ring;
mod seal;

pub use data_key::{DataKey, MOST_SEALS, WrappedKey};
pub use ring::{MasterKey, Ring, RingError};
pub use seal::{Key, OpenError, Place};
