//! PayPal's scheme: an RSA signature with a certificate that has to be fetched.
//!
//! Signed is `id|time|webhook id|CRC32 of the body`. The checksum is no protection by itself: whoever has a
//! signed transmission can make another body with the same checksum. It is PayPal's scheme all the same, and
//! what we can do is bind each part: the webhook id is ours, the id is the dedupe key, and the certificate
//! comes from a host of PayPal over TLS, carries PayPal's name and is valid now.

use base64::Engine;
use chrono::{DateTime, Utc};
use rsa::{
    RsaPublicKey,
    pkcs1v15::{Signature, VerifyingKey},
    pkcs8::DecodePublicKey,
    sha2::Sha256,
    signature::Verifier,
};
use url::Url;
use x509_cert::{
    Certificate as X509,
    der::{Decode, Encode, referenced::OwnedToRef},
};

use super::{Received, Refusal, any, header, hmac::LENIENT, secrets};
use crate::{
    kernel::clock::Moment,
    provider::{manifest::webhook::FetchedCertificate, template::Values},
};

/// Largest certificate chain.
const MAX_CHAIN: usize = 64 * 1024;

/// A certificate chain in PEM, and where it was fetched.
#[derive(Clone, Copy, Debug)]
pub struct Fetched<'a> {
    /// From there.
    pub from: &'a Url,
    /// The chain.
    pub pem: &'a [u8],
}

/// Whether the provider signed it.
pub(super) fn verify(
    scheme: &FetchedCertificate,
    received: Received<'_>,
    keys: &[&Values],
    fetched: Option<Fetched<'_>>,
    now: Moment,
) -> Result<(), Refusal> {
    let webhooks = secrets(&scheme.webhook_id, keys)?;
    let part = |name: &crate::provider::manifest::leaf::Header| header(received.headers, name.0.as_str());
    let algorithm = part(&scheme.algorithm_header)?;
    if !algorithm.eq_ignore_ascii_case(&scheme.algorithm) {
        return Err(Refusal::Malformed("algorithm".to_owned()));
    }
    let (id, time) = (part(&scheme.id_header)?, part(&scheme.time_header)?);
    if id.is_empty() || id.contains('|') || time.contains('|') {
        return Err(Refusal::Malformed("id or time".to_owned()));
    }
    let moment =
        DateTime::parse_from_rfc3339(time).map_err(|_| Refusal::Malformed("time".to_owned()))?.with_timezone(&Utc);
    if let Some(tolerance) = scheme.tolerance {
        let apart = now.signed_duration_since(moment).num_seconds().unsigned_abs();
        if apart > tolerance.as_secs() {
            return Err(Refusal::Stale);
        }
    }
    let signature =
        LENIENT.decode(part(&scheme.signature_header)?).map_err(|_| Refusal::Malformed("signature".to_owned()))?;
    let signature =
        Signature::try_from(signature.as_slice()).map_err(|_| Refusal::Malformed("signature".to_owned()))?;
    let address = address(scheme, part(&scheme.certificate_header)?)?;
    let Some(fetched) = fetched.filter(|fetched| *fetched.from == address) else { return Err(Refusal::Fetch(address)) };
    let key = key(scheme, fetched.pem, now)?;
    let checksum = crc32fast::hash(received.body);
    any(webhooks
        .iter()
        .map(|webhook| key.verify(format!("{id}|{time}|{webhook}|{checksum}").as_bytes(), &signature).is_ok()))
}

/// The address of the certificate, if it is the provider's.
fn address(scheme: &FetchedCertificate, text: &str) -> Result<Url, Refusal> {
    let url = Url::parse(text).map_err(|_| Refusal::Malformed("address of the certificate".to_owned()))?;
    let plain = url.username().is_empty() && url.password().is_none() && url.port().is_none() && url.query().is_none();
    let host = url.host_str().unwrap_or_default();
    let known = scheme.hosts.iter().any(|known| known == host);
    // The address was parsed, so it has no `..` any more.
    let below = scheme.path.as_ref().is_none_or(|path| url.path().starts_with(path.as_str()));
    if url.scheme() == "https" && plain && known && below { Ok(url) } else { Err(Refusal::Foreign) }
}

/// The first certificate of a chain. (The crate's own reader of chains panics over an empty one.)
fn first(pem: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(pem).ok()?;
    let (_, after) = text.split_once("-----BEGIN CERTIFICATE-----")?;
    let (inner, _) = after.split_once("-----END CERTIFICATE-----")?;
    let joined: String = inner.split_ascii_whitespace().collect();
    LENIENT.decode(joined).ok()
}

/// The key of the first certificate of a chain, if it is valid now and carries the right name.
fn key(scheme: &FetchedCertificate, pem: &[u8], now: Moment) -> Result<VerifyingKey<Sha256>, Refusal> {
    let malformed = || Refusal::Malformed("certificate".to_owned());
    if pem.len() > MAX_CHAIN {
        return Err(malformed());
    }
    let certificate = first(pem).and_then(|der| X509::from_der(&der).ok()).ok_or_else(malformed)?.tbs_certificate;
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    let validity = &certificate.validity;
    let from = validity.not_before.to_unix_duration().as_secs();
    let to = validity.not_after.to_unix_duration().as_secs();
    if seconds < from || seconds > to {
        return Err(Refusal::Stale);
    }
    if let Some(subject) = &scheme.subject
        && !certificate.subject.to_string().split([',', '+']).any(|part| part.trim() == format!("CN={subject}"))
    {
        return Err(Refusal::Foreign);
    }
    let key = certificate.subject_public_key_info.owned_to_ref().to_der().map_err(|_| malformed())?;
    let key = RsaPublicKey::from_public_key_der(&key).map_err(|_| malformed())?;
    Ok(VerifyingKey::new(key))
}
