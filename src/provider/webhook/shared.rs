//! Schemes without a signature: a value that both sides know, or where the sender sits.
//!
//! None of these covers the body: whoever learns the value can say anything. Files that use them therefore ask
//! for reconciliation, and the domain confirms what matters by asking the provider.

use std::net::IpAddr;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{Received, Refusal, any, header as one, parameter, secrets};
use crate::provider::{
    auth::read_basic,
    manifest::webhook::{BasicVerify, SharedHeader, SourceAddress, UrlSecret},
    template::Values,
};

/// Whether two texts are the same, in a time that tells neither their contents nor their length.
pub(super) fn same(one: &str, other: &str) -> bool {
    bool::from(Sha256::digest(one.as_bytes()).as_slice().ct_eq(Sha256::digest(other.as_bytes()).as_slice()))
}

/// A header with a fixed value.
pub(super) fn header(scheme: &SharedHeader, received: Received<'_>, keys: &[&Values]) -> Result<(), Refusal> {
    let names = secrets(&scheme.name, keys)?;
    let values = secrets(&scheme.value, keys)?;
    let name = names.first().ok_or(Refusal::NoSecret)?;
    let name = http::HeaderName::try_from(name.as_str()).map_err(|_| Refusal::NoSecret)?;
    let offered = one(received.headers, name.as_str())?;
    any(values.iter().map(|value| same(value, offered)))
}

/// User and password.
pub(super) fn basic(scheme: &BasicVerify, received: Received<'_>, keys: &[&Values]) -> Result<(), Refusal> {
    let names = secrets(&scheme.username, keys)?;
    let passwords = secrets(&scheme.password, keys)?;
    let value = one(received.headers, "authorization")?;
    let (username, password) =
        read_basic(value).ok_or_else(|| Refusal::Malformed("header authorization".to_owned()))?;
    any(names.iter().zip(&passwords).map(|(name, secret)| same(name, &username) & same(secret, &password)))
}

/// A secret in the address.
pub(super) fn url_secret(scheme: &UrlSecret, received: Received<'_>, keys: &[&Values]) -> Result<(), Refusal> {
    let values = secrets(&scheme.value, keys)?;
    let offered = parameter(received.url, &scheme.parameter)?;
    any(values.iter().map(|value| same(value, &offered)))
}

/// The address of the sender, and a secret in the address beside.
pub(super) fn source_address(scheme: &SourceAddress, received: Received<'_>, keys: &[&Values]) -> Result<(), Refusal> {
    let values = secrets(&scheme.value, keys)?;
    let from = received.from.to_canonical();
    if !scheme.networks.iter().filter_map(|text| Network::parse(text)).any(|network| network.has(from)) {
        return Err(Refusal::Foreign);
    }
    let offered = parameter(received.url, &scheme.parameter)?;
    any(values.iter().map(|value| same(value, &offered)))
}

/// A network of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// Reads `203.0.113.0/24`, or a single address.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(all);
        (bits <= all).then_some(Self { address, bits })
    }

    /// Whether an address is in it.
    #[must_use]
    pub fn has(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - self.bits).unwrap_or(0);
                u32::from(own) & mask == u32::from(other) & mask
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - self.bits).unwrap_or(0);
                u128::from(own) & mask == u128::from(other) & mask
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses_and_no_others() {
        let has = |network: &str, address: &str| Network::parse(network).unwrap().has(address.parse().unwrap());
        assert!(has("20.65.16.22/31", "20.65.16.22") && has("20.65.16.22/31", "20.65.16.23"));
        assert!(!has("20.65.16.22/31", "20.65.16.24") && !has("20.65.16.22/31", "20.65.16.21"));
        assert!(has("10.0.0.1", "10.0.0.1") && !has("10.0.0.1", "10.0.0.2"));
        assert!(has("0.0.0.0/0", "9.9.9.9") && !has("0.0.0.0/0", "::1"));
        assert!(has("2001:db8::/32", "2001:db8:1::1") && !has("2001:db8::/32", "2001:db9::1"));
        for text in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "x", "10.0.0.1/-1"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
