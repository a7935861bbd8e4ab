//! SendGrid's scheme: ECDSA on P-256 with SHA-256 over time and body.

use base64::Engine;
use p256::{
    ecdsa::{DerSignature, VerifyingKey, signature::Verifier},
    pkcs8::DecodePublicKey,
};

use super::{Received, Refusal, any, header, hmac::LENIENT, secrets, timely};
use crate::{
    kernel::clock::Moment,
    provider::{manifest::webhook::Ecdsa, template::Values},
};

/// Whether the provider signed it.
pub(super) fn verify(scheme: &Ecdsa, received: Received<'_>, keys: &[&Values], now: Moment) -> Result<(), Refusal> {
    let texts = secrets(&scheme.public_key, keys)?;
    let time = header(received.headers, scheme.timestamp_header.0.as_str())?;
    let signature = header(received.headers, scheme.header.0.as_str())?;
    timely(time, scheme.tolerance, now)?;
    let malformed = || Refusal::Malformed("signature".to_owned());
    let signature = LENIENT.decode(signature).map_err(|_| malformed())?;
    let signature = DerSignature::from_bytes(&signature).map_err(|_| malformed())?;
    let known: Vec<VerifyingKey> = texts.iter().filter_map(|text| key(text)).collect();
    if known.is_empty() {
        return Err(Refusal::NoSecret);
    }
    let message = [time.as_bytes(), received.body].concat();
    any(known.iter().map(|key| key.verify(&message, &signature).is_ok()))
}

/// A public key, in base64 of DER, as a person pastes it: perhaps with the lines of PEM around it.
fn key(text: &str) -> Option<VerifyingKey> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
    let joined: String = lines.collect();
    VerifyingKey::from_public_key_der(&LENIENT.decode(joined).ok()?).ok()
}
