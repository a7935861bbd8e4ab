//! What a provider sends by itself: is it from the provider, and what does it say?
//!
//! Verification fails closed. A header that is missing, doubled or malformed, a secret that is not set, a time
//! that is too old, a body that the signature does not cover: all refuse. Signatures are compared in constant
//! time and always over the raw bytes as they came; nothing is parsed before it is known who sent it, except
//! what the scheme itself signs (a form's fields). Work grows with the body and with nothing else.
//!
//! A secret may be in rotation, so every check takes several [`Values`] and is content with one of them.
//!
//! | scheme | file | providers |
//! |---|---|---|
//! | `hmac_timestamped` | [`hmac`] | Stripe, TikTok |
//! | `hmac_body` in base64 | [`hmac`] | Shopify |
//! | `hmac_body` in hex, after `sha256=` | [`hmac`] | Facebook, Instagram, WhatsApp, Meta Ads |
//! | `hmac_body` over a prefix and the body | [`hmac`] | LinkedIn |
//! | `certificate` | [`certificate`] | PayPal |
//! | `ecdsa` | [`ecdsa`] | SendGrid |
//! | `url_hmac` | [`form`] | Twilio |
//! | `field_digest` | [`form`] | Telr |
//! | `shared_header`, `basic`, `url_secret` | [`shared`] | N-Genius, Pancake, Firmhouse, Mailchimp |
//! | `source_address` | [`shared`] | FedEx |
//! | `standard_webhooks` | [`hmac`] | partners, and our own |

pub mod carry;
pub mod certificate;
pub mod ecdsa;
pub mod event;
pub mod form;
pub mod handshake;
pub mod hmac;
pub mod part;
pub mod shared;
pub mod sign;
pub mod standard;

use std::net::IpAddr;

use http::HeaderMap;
use url::Url;

use self::certificate::Fetched;
use super::{
    manifest::webhook::Verify,
    template::{Place, Template, Values},
};
use crate::kernel::clock::Moment;

/// Longest header that has to do with a signature.
const MAX_HEADER: usize = 8 * 1024;

/// A webhook as it came.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// The address under which the provider knows us, with its parameters. Behind a proxy it is made of the
    /// public address, not of what arrived here.
    pub url: &'a Url,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body, byte by byte.
    pub body: &'a [u8],
    /// Who sent it.
    pub from: IpAddr,
}

/// Why a webhook is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// We have nothing to check it with.
    #[error("there is no secret to check it with")]
    NoSecret,
    /// Something to check is not there.
    #[error("it has no {0}")]
    Missing(String),
    /// Something to check is not as it should be.
    #[error("its {0} is malformed")]
    Malformed(String),
    /// It is too old, or from the future.
    #[error("it is older than is taken")]
    Stale,
    /// The signature is another.
    #[error("its signature is wrong")]
    Mismatch,
    /// It comes from elsewhere.
    #[error("it comes from an address that is not the provider's")]
    Foreign,
    /// The certificate is not at hand yet; fetch it from there and ask again.
    #[error("its certificate has to be fetched first")]
    Fetch(Url),
}

/// Whether the provider sent it. `keys` are the values with the secrets, the present ones first; `fetched` is
/// the certificate, once [`Refusal::Fetch`] has asked for it.
pub fn verify(
    scheme: &Verify,
    received: Received<'_>,
    keys: &[&Values],
    fetched: Option<Fetched<'_>>,
    now: Moment,
) -> Result<(), Refusal> {
    match scheme {
        Verify::HmacTimestamped(it) => hmac::timestamped(it, received, keys, now),
        Verify::HmacBody(it) => hmac::body(it, received, keys),
        Verify::StandardWebhooks(it) => hmac::standard(it, received, keys, now),
        Verify::Certificate(it) => certificate::verify(it, received, keys, fetched, now),
        Verify::Ecdsa(it) => ecdsa::verify(it, received, keys, now),
        Verify::UrlHmac(it) => form::url_hmac(it, received, keys),
        Verify::FieldDigest(it) => form::field_digest(it, received, keys),
        Verify::SharedHeader(it) => shared::header(it, received, keys),
        Verify::Basic(it) => shared::basic(it, received, keys),
        Verify::UrlSecret(it) => shared::url_secret(it, received, keys),
        Verify::SourceAddress(it) => shared::source_address(it, received, keys),
    }
}

/// The one header of that name.
fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Refusal> {
    let mut all = headers.get_all(name).iter();
    let value = all.next().ok_or_else(|| Refusal::Missing(format!("header {name}")))?;
    let malformed = || Refusal::Malformed(format!("header {name}"));
    if all.next().is_some() || value.len() > MAX_HEADER {
        return Err(malformed());
    }
    value.to_str().map(str::trim).map_err(|_| malformed())
}

/// The one parameter of that name.
fn parameter(url: &Url, name: &str) -> Result<String, Refusal> {
    let mut all = url.query_pairs().filter(|(key, _)| key == name);
    let (_, value) = all.next().ok_or_else(|| Refusal::Missing(format!("parameter {name}")))?;
    if all.next().is_some() { Err(Refusal::Malformed(format!("parameter {name}"))) } else { Ok(value.into_owned()) }
}

/// What a text stands for under each of the keys; refused if under none.
fn secrets(template: &Template, keys: &[&Values]) -> Result<Vec<String>, Refusal> {
    let filled = keys.iter().filter_map(|values| template.fill(values, Place::Value).ok());
    let secrets: Vec<String> = filled.map(|filled| filled.text).filter(|text| !text.is_empty()).collect();
    if secrets.is_empty() { Err(Refusal::NoSecret) } else { Ok(secrets) }
}

/// Whether one of several tries succeeds. All are made, so that time tells nothing about which one.
fn any(tries: impl Iterator<Item = bool>) -> Result<(), Refusal> {
    if tries.fold(false, |one, other| one | other) { Ok(()) } else { Err(Refusal::Mismatch) }
}

/// Seconds since 1970, not too far from now.
fn timely(text: &str, tolerance: std::time::Duration, now: Moment) -> Result<i64, Refusal> {
    let malformed = || Refusal::Malformed("time".to_owned());
    if text.is_empty() || text.len() > 12 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(malformed());
    }
    let time: i64 = text.parse().map_err(|_| malformed())?;
    let apart = now.timestamp().abs_diff(time);
    if apart > tolerance.as_secs() { Err(Refusal::Stale) } else { Ok(time) }
}

#[cfg(test)]
mod tests;
