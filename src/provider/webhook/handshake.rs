//! What is answered when a provider asks, by GET, whether we are there.

use serde_json::json;
use url::Url;

use super::{Refusal, any, hmac, parameter, secrets, shared::same};
use crate::provider::{
    manifest::webhook::{Handshake, Hash},
    template::Values,
};

/// Longest challenge that is sent back.
const MAX_CHALLENGE: usize = 512;

/// An answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// The media type.
    pub media_type: &'static str,
    /// The body.
    pub body: String,
}

/// Answers a question of the provider.
pub fn answer(handshake: &Handshake, url: &Url, keys: &[&Values]) -> Result<Greeting, Refusal> {
    match handshake {
        Handshake::EchoChallenge(it) => {
            let tokens = secrets(&it.token, keys)?;
            let offered = parameter(url, &it.token_parameter)?;
            any(tokens.iter().map(|token| same(token, &offered)))?;
            let body = challenge(url, &it.challenge)?;
            Ok(Greeting { media_type: "text/plain; charset=utf-8", body })
        }
        Handshake::SignChallenge(it) => {
            let secret = secrets(&it.secret, keys)?.into_iter().next().ok_or(Refusal::NoSecret)?;
            let challenge = challenge(url, &it.challenge)?;
            let signed = hmac::hex(&hmac::mac(Hash::Sha256, secret.as_bytes(), &[challenge.as_bytes()]));
            let body = json!({it.challenge.as_str(): challenge, it.response.as_str(): signed}).to_string();
            Ok(Greeting { media_type: "application/json", body })
        }
        Handshake::Plain(_) => Ok(Greeting { media_type: "text/plain; charset=utf-8", body: "ok".to_owned() }),
    }
}

/// A challenge that can be sent back as it is.
fn challenge(url: &Url, name: &str) -> Result<String, Refusal> {
    let challenge = parameter(url, name)?;
    let fits = !challenge.is_empty()
        && challenge.len() <= MAX_CHALLENGE
        && challenge.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(challenge) } else { Err(Refusal::Malformed(format!("parameter {name}"))) }
}
