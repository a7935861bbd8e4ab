//! Signatures with a shared secret over time and body.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

use super::{Received, Refusal, any, header, secrets, timely};
use crate::{
    kernel::clock::Moment,
    provider::{
        manifest::webhook::{Encoding, Hash, HmacBody, HmacTimestamped, StandardWebhooks},
        template::Values,
    },
};

/// Most signatures that one header may offer.
const MAX_OFFERED: usize = 16;

/// Base64 as senders write it: with or without padding, but with nothing left over.
pub(super) const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The HMAC of several parts in a row.
#[must_use]
pub fn mac(hash: Hash, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    fn of<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else { unreachable!("a key of HMAC has any length") };
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().to_vec()
    }
    match hash {
        Hash::Sha1 => of::<Hmac<Sha1>>(key, parts),
        Hash::Sha256 => of::<Hmac<Sha256>>(key, parts),
    }
}

/// Whether one of the offered signatures is the right one under one of the keys. What is signed is gone through
/// once for each of our keys, however many signatures are offered; all are compared, in constant time.
fn fits<K: AsRef<[u8]>>(hash: Hash, keys: &[K], parts: &[&[u8]], offered: &[Vec<u8>]) -> Result<(), Refusal> {
    use subtle::ConstantTimeEq;
    let right: Vec<Vec<u8>> = keys.iter().map(|key| mac(hash, key.as_ref(), parts)).collect();
    any(right.iter().flat_map(|right| offered.iter().map(|one| bool::from(right.as_slice().ct_eq(one)))))
}

/// The bytes of a signature.
fn decode(text: &str, encoding: Encoding) -> Option<Vec<u8>> {
    match encoding {
        Encoding::Hex => unhex(text),
        Encoding::Base64 => LENIENT.decode(text).ok(),
    }
}

/// The bytes of hex digits.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect())?
}

/// Hex digits of bytes.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|half| char::from(b"0123456789abcdef"[usize::from(half)]))
        .collect()
}

/// `t=…,v1=…`
pub(super) fn timestamped(
    scheme: &HmacTimestamped,
    received: Received<'_>,
    keys: &[&Values],
    now: Moment,
) -> Result<(), Refusal> {
    let secrets = secrets(&scheme.secret, keys)?;
    let name = scheme.header.0.as_str();
    let value = header(received.headers, name)?;
    let (mut time, mut offered) = (None, Vec::<Vec<u8>>::new());
    for part in value.split(',') {
        let Some((key, value)) = part.trim().split_once('=') else { continue };
        if key == scheme.timestamp {
            if time.replace(value).is_some() {
                return Err(Refusal::Malformed(format!("header {name}")));
            }
        } else if key == scheme.signature && offered.len() < MAX_OFFERED {
            offered.extend(unhex(value));
        }
    }
    let time = time.ok_or_else(|| Refusal::Missing("time".to_owned()))?;
    timely(time, scheme.tolerance, now)?;
    if offered.is_empty() {
        return Err(Refusal::Malformed("signature".to_owned()));
    }
    let parts = [time.as_bytes(), b".", received.body];
    fits(Hash::Sha256, &secrets, &parts, &offered)
}

/// A signature over the body.
pub(super) fn body(scheme: &HmacBody, received: Received<'_>, keys: &[&Values]) -> Result<(), Refusal> {
    let secrets = secrets(&scheme.secret, keys)?;
    let name = scheme.header.0.as_str();
    let malformed = || Refusal::Malformed(format!("header {name}"));
    let value = header(received.headers, name)?;
    let value = match &scheme.header_prefix {
        Some(prefix) => value.strip_prefix(prefix.as_str()).ok_or_else(malformed)?,
        None => value,
    };
    let offered = decode(value, scheme.encoding).filter(|bytes| !bytes.is_empty()).ok_or_else(malformed)?;
    let prefix = scheme.body_prefix.as_deref().unwrap_or_default().as_bytes();
    let parts = [prefix, received.body];
    fits(scheme.hash, &secrets, &parts, &[offered])
}

/// The scheme of standardwebhooks.com.
pub(super) fn standard(
    scheme: &StandardWebhooks,
    received: Received<'_>,
    keys: &[&Values],
    now: Moment,
) -> Result<(), Refusal> {
    let secrets = secrets(&scheme.secret, keys)?;
    let id = header(received.headers, "webhook-id")?;
    let time = header(received.headers, "webhook-timestamp")?;
    let value = header(received.headers, "webhook-signature")?;
    // A dot in the id would let the parts be cut elsewhere.
    if id.is_empty() || id.contains('.') {
        return Err(Refusal::Malformed("header webhook-id".to_owned()));
    }
    timely(time, scheme.tolerance, now)?;
    let offered: Vec<Vec<u8>> = value
        .split_ascii_whitespace()
        .filter_map(|one| one.strip_prefix("v1,"))
        .take(MAX_OFFERED)
        .filter_map(|one| LENIENT.decode(one).ok())
        .collect();
    if offered.is_empty() {
        return Err(Refusal::Malformed("header webhook-signature".to_owned()));
    }
    let keys: Vec<Vec<u8>> = secrets.iter().filter_map(|secret| standard_key(secret)).collect();
    if keys.is_empty() {
        return Err(Refusal::NoSecret);
    }
    let parts = [id.as_bytes(), b".", time.as_bytes(), b".", received.body];
    fits(Hash::Sha256, &keys, &parts, &offered)
}

/// The bytes of a key written as base64, with or without `whsec_`.
#[must_use]
pub fn standard_key(secret: &str) -> Option<Vec<u8>> {
    LENIENT.decode(secret.strip_prefix("whsec_").unwrap_or(secret)).ok().filter(|key| !key.is_empty())
}
