//! The keys of outside issuers: fetched, read, kept for a while.
//!
//! **How long they count.** For ten minutes after they were fetched; the next request after that fetches them
//! again. A key id that is not among them makes them be fetched sooner, since issuers rotate; but whatever
//! comes of it, an issuer is asked at most once in thirty seconds, by one request while the others wait.
//!
//! **When an issuer is away,** keys that were seen go on counting until they are an hour old. People are not
//! locked out by a short outage of somebody else's server; and who keeps us from hearing that a key was
//! withdrawn gains an hour and no more. After that, and for a key id never seen, nobody can say whether a
//! token is good: the answer is that the issuer is not available, which clients try again, and not that the token is
//! bad, upon which they would throw it away.
//!
//! **Who asks** does not matter to the asking: it is a task of its own. Otherwise somebody who hangs up at the
//! right moment could spend each attempt that the limit allows.
//!
//! **What is a key.** One public key of the algorithm that was pinned, for signatures, with an id that no other has,
//! RSA with 2048 to 4096 bits. What is published beside such keys is passed over; what was published with its
//! private half is nobody's secret and passed over too. Nothing that a token says is ever fetched or taken for a key.

#[cfg(test)]
pub(super) mod tests;

use std::{collections::HashMap, sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use jsonwebtoken::DecodingKey;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use super::issuer::{Algorithm, Issuer};
use crate::{
    context::{
        Hub,
        issuer_keys::{KeySet, Origin, Slot},
    },
    kernel::{
        error::{Error, Result, chain},
        id::IssuerId,
    },
    provider::client::{Call, CallError, Client},
};

/// How long keys count after they were fetched.
const FRESH: TimeDelta = TimeDelta::minutes(10);

/// How much longer when they cannot be fetched.
const GRACE: TimeDelta = TimeDelta::minutes(50);

/// How soon an issuer is asked again.
const AGAIN: TimeDelta = TimeDelta::seconds(30);

/// How long each of the two calls may take, and the most that may come.
const WITHIN: Duration = Duration::from_secs(4);
const MOST: usize = 256 * 1024;

/// The most keys that are looked at, and the longest id of one.
const KEYS: usize = 100;
const ID: usize = 255;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The call came to nothing.
    #[error("the {0} could not be fetched: {1}")]
    Call(&'static str, #[source] CallError),
    /// The answer was none.
    #[error("the {0} could not be fetched: the answer had the status {1}")]
    Status(&'static str, u16),
    /// The answer was something else, from that line and column on.
    #[error("what came is not a {0}, from line {1}, column {2} on")]
    NotJson(&'static str, usize, usize),
    /// The discovery document is of another issuer.
    #[error("the discovery document is of another issuer")]
    OtherIssuer,
}

/// What an issuer published.
#[derive(Debug)]
pub struct Published {
    /// Where.
    pub jwks_url: String,
    /// All of its keys.
    pub keys: Vec<PublishedKey>,
}

/// A key that an issuer published.
#[derive(Debug)]
pub struct PublishedKey {
    /// Its id.
    pub id: Option<String>,
    /// Its kind, as the issuer says it.
    pub kind: Option<String>,
    /// Why it cannot be used; nothing if it can.
    pub unusable: Option<&'static str>,
    key: Option<DecodingKey>,
}

/// The key of an issuer with that id; nothing if the issuer has none.
pub(super) async fn key(hub: &Arc<Hub>, issuer: &Issuer, id: &str) -> Result<Option<DecodingKey>> {
    let (slot, origin) = (hub.issuer_keys.slot(issuer.id), origin(issuer));
    if let Some(key) = fresh(hub, &slot, &origin, id) {
        return Ok(Some(key));
    }
    ask(hub, issuer.id, &slot, &origin, id).await;
    let away = || Err(Error::Unavailable("the issuer of this token", "its keys were not fetched".into()));
    let Some(known) = slot.known(&origin) else { return away() };
    let age = hub.clock.now() - known.fetched_at;
    match known.keys.get(id) {
        Some(key) if age <= FRESH + GRACE => Ok(Some(key.clone())),
        None if age <= FRESH => Ok(None),
        _ => away(),
    }
}

fn origin(issuer: &Issuer) -> Origin {
    Origin { iss: issuer.iss.clone(), jwks_url: issuer.jwks_url.clone(), algorithm: issuer.algorithm }
}

fn fresh(hub: &Hub, slot: &Slot, origin: &Origin, id: &str) -> Option<DecodingKey> {
    let known = slot.known(origin).filter(|known| hub.clock.now() - known.fetched_at <= FRESH);
    known?.keys.get(id).cloned()
}

/// Asks the issuer, unless somebody did a moment ago. Returns when there is nothing more to wait for.
async fn ask(hub: &Arc<Hub>, issuer: IssuerId, slot: &Arc<Slot>, origin: &Origin, id: &str) {
    let mut asked = Arc::clone(&slot.asked).lock_owned().await;
    let now = hub.clock.now();
    let lately = asked.as_ref().is_some_and(|(from, at)| from == origin && now - *at < AGAIN);
    if lately || fresh(hub, slot, origin, id).is_some() {
        return;
    }
    *asked = Some((origin.clone(), now));
    let (client, slot, origin) = (hub.client.clone(), Arc::clone(slot), origin.clone());
    let task = hub.tasks.spawn(async move {
        match fetch(&client, &origin).await {
            Ok(published) => {
                let usable = published.keys.into_iter().filter_map(|key| key.id.zip(key.key));
                slot.keep(KeySet { origin, fetched_at: now, keys: usable.collect() });
            }
            Err(error) => tracing::warn!(%issuer, error = chain(&error), "the keys of an issuer were not fetched"),
        }
        // Held until now, so that the others wait for what comes of it.
        drop(asked);
    });
    if let Err(error) = task.await {
        tracing::error!(%issuer, error = chain(&error), "fetching the keys of an issuer broke off");
    }
}

/// Fetches what an issuer publishes now.
pub(super) async fn published(client: &Client, issuer: &Issuer) -> Result<Published, FetchError> {
    fetch(client, &origin(issuer)).await
}

async fn fetch(client: &Client, origin: &Origin) -> Result<Published, FetchError> {
    #[derive(Deserialize)]
    struct Discovery {
        issuer: String,
        jwks_uri: String,
    }
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    let jwks_url = if let Some(url) = &origin.jwks_url {
        url.clone()
    } else {
        let url = format!("{}/.well-known/openid-configuration", origin.iss.trim_end_matches('/'));
        let found: Discovery = get(client, "discovery document", url).await?;
        if found.issuer != origin.iss {
            return Err(FetchError::OtherIssuer);
        }
        found.jwks_uri
    };
    let set: Set = get(client, "key set", jwks_url.clone()).await?;
    Ok(Published { jwks_url, keys: read(set.keys, origin.algorithm) })
}

async fn get<T: for<'de> Deserialize<'de>>(client: &Client, what: &'static str, url: String) -> Result<T, FetchError> {
    let call = Call { within: WITHIN, most: MOST, ..Call::get(what, url) };
    let reply = client.send(call).await.map_err(|error| FetchError::Call(what, error))?;
    if reply.status.as_u16() != 200 {
        return Err(FetchError::Status(what, reply.status.as_u16()));
    }
    // The library's own text repeats what came, however long it is.
    serde_json::from_slice(&reply.body).map_err(|error| FetchError::NotJson(what, error.line(), error.column()))
}

/// Sorts out which keys can be used.
fn read(keys: Vec<Value>, algorithm: Algorithm) -> Vec<PublishedKey> {
    let mut read: Vec<_> = keys.into_iter().take(KEYS).map(|key| read_one(key, algorithm)).collect();
    let mut times = HashMap::<String, u32>::new();
    for id in read.iter().filter(|key| key.key.is_some()).filter_map(|key| key.id.clone()) {
        *times.entry(id).or_default() += 1;
    }
    for key in &mut read {
        if key.key.is_some() && key.id.as_ref().is_some_and(|id| times[id] > 1) {
            (key.unusable, key.key) = (Some("another key has the same id"), None);
        }
    }
    read
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<IgnoredAny>,
}

fn read_one(key: Value, algorithm: Algorithm) -> PublishedKey {
    let Ok(jwk) = serde_json::from_value::<Jwk>(key) else {
        return PublishedKey { id: None, kind: None, unusable: Some("it is not a JSON Web Key"), key: None };
    };
    let (unusable, key) = match usable(&jwk, algorithm) {
        Ok(key) => (None, Some(key)),
        Err(reason) => (Some(reason), None),
    };
    let short = |text: String| text.chars().take(ID).collect();
    PublishedKey { id: jwk.kid.map(short), kind: Some(short(jwk.kty)), unusable, key }
}

fn usable(jwk: &Jwk, algorithm: Algorithm) -> Result<DecodingKey, &'static str> {
    const DAMAGED: &str = "its numbers cannot be read";
    let (kind, curve) = match algorithm {
        Algorithm::Rs256 => ("RSA", None),
        Algorithm::Es256 => ("EC", Some("P-256")),
        Algorithm::EdDsa => ("OKP", Some("Ed25519")),
    };
    if jwk.kty != kind || curve.is_some_and(|curve| jwk.crv.as_deref() != Some(curve)) {
        return Err("it is of another kind than the algorithm needs");
    }
    // Ed25519 is the later name of the one curve that we take under the name EdDSA.
    let named = |name: &str| name == algorithm.name() || algorithm == Algorithm::EdDsa && name == "Ed25519";
    if jwk.alg.as_deref().is_some_and(|name| !named(name)) {
        return Err("it is for another algorithm");
    }
    let verifies = jwk.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
    if jwk.r#use.as_deref().is_some_and(|usage| usage != "sig") || !verifies {
        return Err("it is not for signatures");
    }
    if jwk.d.is_some() {
        return Err("its private half was published too");
    }
    if jwk.kid.as_ref().is_none_or(|id| id.is_empty() || id.chars().count() > ID) {
        return Err("it has no id that could be used");
    }
    let number = |text: &Option<String>| {
        let bytes = text.as_ref().and_then(|text| BASE64_URL_SAFE_NO_PAD.decode(text).ok());
        bytes.filter(|bytes| !bytes.is_empty()).ok_or(DAMAGED)
    };
    match algorithm {
        Algorithm::Rs256 => {
            let (modulus, exponent) = (number(&jwk.n)?, number(&jwk.e)?);
            let modulus = &modulus[modulus.iter().take_while(|byte| **byte == 0).count()..];
            let bits = modulus.first().map_or(0, |first| modulus.len() * 8 - first.leading_zeros() as usize);
            let odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
            match bits {
                ..2048 => Err("it has less than 2048 bits"),
                2048..=4096 if odd(modulus) && odd(&exponent) && exponent != [1] && exponent.len() <= 4 => {
                    Ok(DecodingKey::from_rsa_raw_components(modulus, &exponent))
                }
                2048..=4096 => Err(DAMAGED),
                _ => Err("it has more than 4096 bits"),
            }
        }
        Algorithm::Es256 => match (number(&jwk.x)?.len(), number(&jwk.y)?.len(), &jwk.x, &jwk.y) {
            (32, 32, Some(x), Some(y)) => DecodingKey::from_ec_components(x, y).map_err(|_| DAMAGED),
            _ => Err(DAMAGED),
        },
        Algorithm::EdDsa => match (number(&jwk.x)?.len(), &jwk.x) {
            (32, Some(x)) => DecodingKey::from_ed_components(x).map_err(|_| DAMAGED),
            _ => Err(DAMAGED),
        },
    }
}
