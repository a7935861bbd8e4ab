//! Signs as a provider does, for the simulator, the tests and our own webhooks.
//!
//! Made of the same file as the checks, but written the other way round. The private halves of the two schemes
//! with key pairs are made-up ones that are known to everybody; see `simulator/keys`.

use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::SecondsFormat;
use p256::{
    ecdsa::{DerSignature, SigningKey, signature::Signer},
    pkcs8::DecodePrivateKey,
};
use rsa::{RsaPrivateKey, pkcs1v15, sha2::Sha256 as RsaSha256, signature::SignatureEncoding};
use sha2::{Digest, Sha256};
use url::Url;

use super::{
    form,
    hmac::{hex, mac, standard_key},
};
use crate::{
    kernel::clock::Moment,
    provider::{
        auth,
        manifest::webhook::{Encoding, Hash, Verify},
        template::{Place, Template, Unfilled, Values},
    },
};

/// A webhook that is to be signed, and that a signature may add to.
#[derive(Clone, Debug)]
pub struct Unsigned {
    /// Where it goes.
    pub url: Url,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
    /// Its id.
    pub id: String,
}

/// Private keys in PEM (PKCS 8).
#[derive(Clone, Copy, Debug)]
pub struct PrivateKeys<'a> {
    /// For the certificate.
    pub rsa: &'a str,
    /// Where the certificate is.
    pub certificate_url: &'a str,
    /// For ECDSA.
    pub p256: &'a str,
}

/// Why something cannot be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsignable {
    /// A secret has no value.
    #[error(transparent)]
    Unfilled(#[from] Unfilled),
    /// A key is none.
    #[error("the key cannot be used")]
    Key,
}

/// Signs a webhook.
pub fn sign(
    scheme: &Verify,
    webhook: &mut Unsigned,
    values: &Values,
    keys: PrivateKeys<'_>,
    now: Moment,
) -> Result<(), Unsignable> {
    let fill = |template: &Template| template.fill(values, Place::Value).map(|filled| filled.text);
    let seconds = now.timestamp().to_string();
    let mut add = |name: &str, value: String| webhook.headers.push((name.to_owned(), value));
    match scheme {
        Verify::HmacTimestamped(it) => {
            let parts = [seconds.as_bytes(), b".", &webhook.body];
            let signature = hex(&mac(Hash::Sha256, fill(&it.secret)?.as_bytes(), &parts));
            add(it.header.0.as_str(), format!("{}={seconds},{}={signature}", it.timestamp, it.signature));
        }
        Verify::HmacBody(it) => {
            let prefix = it.body_prefix.as_deref().unwrap_or_default().as_bytes();
            let signature = mac(it.hash, fill(&it.secret)?.as_bytes(), &[prefix, &webhook.body]);
            let text = match it.encoding {
                Encoding::Hex => hex(&signature),
                Encoding::Base64 => BASE64_STANDARD.encode(signature),
            };
            add(it.header.0.as_str(), format!("{}{text}", it.header_prefix.as_deref().unwrap_or_default()));
        }
        Verify::StandardWebhooks(it) => {
            let key = standard_key(&fill(&it.secret)?).ok_or(Unsignable::Key)?;
            let parts = [webhook.id.as_bytes(), b".", seconds.as_bytes(), b".", &webhook.body];
            let signature = BASE64_STANDARD.encode(mac(Hash::Sha256, &key, &parts));
            add("webhook-id", webhook.id.clone());
            add("webhook-timestamp", seconds);
            add("webhook-signature", format!("v1,{signature}"));
        }
        Verify::Certificate(it) => {
            let time = now.to_rfc3339_opts(SecondsFormat::Secs, true);
            let signed = format!("{}|{time}|{}|{}", webhook.id, fill(&it.webhook_id)?, crc32fast::hash(&webhook.body));
            let key = RsaPrivateKey::from_pkcs8_pem(keys.rsa).map_err(|_| Unsignable::Key)?;
            let signature = pkcs1v15::SigningKey::<RsaSha256>::new(key).sign(signed.as_bytes());
            add(it.id_header.0.as_str(), webhook.id.clone());
            add(it.time_header.0.as_str(), time);
            add(it.signature_header.0.as_str(), BASE64_STANDARD.encode(signature.to_bytes()));
            add(it.certificate_header.0.as_str(), keys.certificate_url.to_owned());
            add(it.algorithm_header.0.as_str(), it.algorithm.clone());
        }
        Verify::Ecdsa(it) => {
            let key = SigningKey::from_pkcs8_pem(keys.p256).map_err(|_| Unsignable::Key)?;
            let signature: DerSignature = key.sign(&[seconds.as_bytes(), &webhook.body].concat());
            add(it.header.0.as_str(), BASE64_STANDARD.encode(signature.to_bytes()));
            add(it.timestamp_header.0.as_str(), seconds);
        }
        Verify::UrlHmac(it) => {
            let is_form = webhook.headers.iter().any(|(name, value)| name == "content-type" && value.contains("form"));
            let fields = if is_form { form::fields(&webhook.body).map_err(|_| Unsignable::Key)? } else { Vec::new() };
            if !is_form {
                let hash = hex(&Sha256::digest(&webhook.body));
                webhook.url.query_pairs_mut().append_pair(&it.body_hash_parameter, &hash);
            }
            let signature = form::url_signature(&fill(&it.secret)?, &webhook.url, &fields);
            webhook.headers.push((it.header.0.to_string(), signature));
        }
        Verify::FieldDigest(it) => {
            let secret = fill(&it.secret)?;
            let mut fields = form::fields(&webhook.body).map_err(|_| Unsignable::Key)?;
            for section in &it.sections {
                let value =
                    |name: &String| fields.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.trim());
                let values: Vec<&str> = section.fields.iter().map(value).collect();
                let check = hex(&form::digest(it, &secret, &values));
                fields.retain(|(name, _)| *name != section.check);
                fields.push((section.check.clone(), check));
            }
            webhook.body =
                url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into_bytes();
        }
        Verify::SharedHeader(it) => add(&fill(&it.name)?, fill(&it.value)?),
        Verify::Basic(it) => add("authorization", auth::basic(&fill(&it.username)?, &fill(&it.password)?)),
        Verify::UrlSecret(it) => {
            webhook.url.query_pairs_mut().append_pair(&it.parameter, &fill(&it.value)?);
        }
        Verify::SourceAddress(it) => {
            webhook.url.query_pairs_mut().append_pair(&it.parameter, &fill(&it.value)?);
        }
    }
    Ok(())
}
