//! Schemes that sign the fields of a form: Twilio's and Telr's.

use base64::{Engine, prelude::BASE64_STANDARD};
use http::header::CONTENT_TYPE;
use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use url::Url;

use super::{
    Received, Refusal, any, header,
    hmac::{LENIENT, mac, unhex},
    parameter, secrets,
};
use crate::provider::{
    manifest::webhook::{FieldDigest, Hash, UrlHmac},
    template::Values,
};

/// Most fields of a form.
const MAX_FIELDS: usize = 2_000;

/// The fields of a form, in their order.
pub(super) fn fields(body: &[u8]) -> Result<Vec<(String, String)>, Refusal> {
    let mut fields = Vec::new();
    for (name, value) in url::form_urlencoded::parse(body) {
        if fields.len() >= MAX_FIELDS {
            return Err(Refusal::Malformed("form".to_owned()));
        }
        fields.push((name.into_owned(), value.into_owned()));
    }
    Ok(fields)
}

/// Whether the body says that it is a form.
fn is_form(received: Received<'_>) -> bool {
    let kind = received.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Twilio: HMAC-SHA1 over the address, followed by names and values of the form in the order of names. A body
/// that is no form is covered by a hash in the address.
pub(super) fn url_hmac(scheme: &UrlHmac, received: Received<'_>, keys: &[&Values]) -> Result<(), Refusal> {
    let secrets = secrets(&scheme.secret, keys)?;
    let value = header(received.headers, scheme.header.0.as_str())?;
    let offered = LENIENT.decode(value).map_err(|_| Refusal::Malformed("signature".to_owned()))?;
    let mut signed = String::new();
    match parameter(received.url, &scheme.body_hash_parameter) {
        Ok(hash) => {
            let hash = unhex(&hash).ok_or_else(|| Refusal::Malformed("hash of the body".to_owned()))?;
            if !bool::from(Sha256::digest(received.body).as_slice().ct_eq(&hash)) {
                return Err(Refusal::Mismatch);
            }
        }
        Err(Refusal::Missing(_)) if is_form(received) => signed = sorted(&fields(received.body)?),
        Err(Refusal::Missing(_)) if received.body.is_empty() => {}
        // The signature would say nothing about the body.
        Err(Refusal::Missing(_)) => return Err(Refusal::Missing("hash of the body".to_owned())),
        Err(other) => return Err(other),
    }
    let addresses = spellings(received.url);
    any(secrets.iter().flat_map(|secret| {
        let signed = &signed;
        let offered = &offered;
        addresses.iter().map(move |address| {
            let right = mac(Hash::Sha1, secret.as_bytes(), &[address.as_bytes(), signed.as_bytes()]);
            bool::from(right.as_slice().ct_eq(offered))
        })
    }))
}

/// Names and values in the order of names; of equal pairs one.
pub(super) fn sorted(fields: &[(String, String)]) -> String {
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort();
    fields.dedup();
    fields.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]).collect()
}

/// An address with and without the port that its scheme has anyway: senders disagree.
fn spellings(url: &Url) -> Vec<String> {
    let plain = url.as_str().to_owned();
    let mut spellings = vec![plain];
    if let (None, Some(port), Some(host)) = (url.port(), url.port_or_known_default(), url.host_str()) {
        let whole = url.as_str();
        spellings.push(whole.replacen(host, &format!("{host}:{port}"), 1));
    }
    spellings
}

/// Telr: for each section a SHA-1 over the secret and the section's fields.
pub(super) fn field_digest(scheme: &FieldDigest, received: Received<'_>, keys: &[&Values]) -> Result<(), Refusal> {
    let secrets = secrets(&scheme.secret, keys)?;
    let fields = fields(received.body)?;
    let field = |name: &str| {
        let mut all = fields.iter().filter(|(key, _)| key == name);
        match (all.next(), all.next()) {
            (Some(_), Some(_)) => Err(Refusal::Malformed(format!("field {name}"))),
            (Some((_, value)), None) => Ok(Some(value.trim())),
            (None, _) => Ok(None),
        }
    };
    let mut sections = 0;
    for section in &scheme.sections {
        let Some(check) = field(&section.check)? else { continue };
        sections += 1;
        let offered = unhex(check).ok_or_else(|| Refusal::Malformed(format!("field {}", section.check)))?;
        let values: Vec<&str> =
            section.fields.iter().map(|name| field(name).map(Option::unwrap_or_default)).collect::<Result<_, _>>()?;
        any(secrets.iter().map(|secret| {
            let right = digest(scheme, secret, &values);
            bool::from(right.as_slice().ct_eq(&offered))
        }))?;
    }
    // A form without its first section is signed by nobody, whatever else it has.
    let first = scheme.sections.first().map(|section| field(&section.check)).transpose()?.flatten();
    if sections == 0 || first.is_none() { Err(Refusal::Missing("check field".to_owned())) } else { Ok(()) }
}

/// The hash of a section.
pub(super) fn digest(scheme: &FieldDigest, secret: &str, values: &[&str]) -> Vec<u8> {
    let mut text = secret.to_owned();
    for value in values {
        text.push_str(&scheme.separator);
        text.push_str(value);
    }
    match scheme.hash {
        Hash::Sha1 => Sha1::digest(text.as_bytes()).to_vec(),
        Hash::Sha256 => Sha256::digest(text.as_bytes()).to_vec(),
    }
}

/// The signature of Twilio's scheme.
pub(super) fn url_signature(secret: &str, url: &Url, fields: &[(String, String)]) -> String {
    BASE64_STANDARD.encode(mac(Hash::Sha1, secret.as_bytes(), &[url.as_str().as_bytes(), sorted(fields).as_bytes()]))
}
