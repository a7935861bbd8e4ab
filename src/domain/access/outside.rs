//! Tokens of outside issuers, checked.
//!
//! **Who is asked.** What a token says in `iss` chooses among the issuers that tenants registered, and nothing
//! else in it chooses anything: not the algorithm, which was pinned, nor a key, which comes from the
//! issuer's own set by its id. Headers that bring a key or name a place to fetch one from (`jwk`, `jku`, `x5u`)
//! are not read. Everything that can be checked without the issuer is checked first.
//!
//! **What must be there.** `iss`, `aud` with the audience that was registered (among others, if it is a list),
//! `exp`, `sub`; `nbf` counts if it is there. Thirty seconds of difference between the issuer's clock and
//! ours are forgiven.
//!
//! **What it opens.** The tenant that registered the issuer, with the most powerful of the roles that its claims are
//! mapped to. A request that names another tenant is refused. Records call the caller by the issuer's
//! id and the subject.
//!
//! **From outside** every refusal looks the same; the reason is in the log, at the level `debug`.
//!
//! Not promised: that such a token can be revoked. It is good until it ends, or until the tenant changes
//! or deletes the issuer, which counts from the next request on.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use jsonwebtoken::{Algorithm as Family, DecodingKey, crypto};
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::{Number, Value};

use super::{
    issuer::{Algorithm, Issuer},
    jwks,
    jwt::REFUSED,
};
use crate::{
    context::Hub,
    domain::tenant::{self, Status, Tenant},
    entity::{first::First, issuer as entity, tenant as home},
    kernel::{
        actor::{Actor, Caller, Principal},
        clock::Moment,
        error::{Code, Error, Result},
        id::IssuerId,
        scope::Role,
    },
};

/// No token is longer.
const LONGEST: usize = 8 * 1024;

/// No subject is longer, as OpenID has it.
const LONGEST_SUBJECT: usize = 255;

/// By how much the clocks may differ.
const LEEWAY: TimeDelta = TimeDelta::seconds(30);

/// The end of the year 9999; later moments cannot be written.
const LAST: i64 = 253_402_300_799;

/// A token that was taken apart, and not checked yet.
struct Parts<'a> {
    header: Header,
    claims: Claims,
    /// The claims again, for those whose names only the tenant knows.
    all: Value,
    message: &'a str,
    signature: &'a str,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: Number,
    nbf: Option<Number>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn has(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Many(many) => many.iter().any(|one| one == audience),
        }
    }
}

/// Who issued a token, as it says itself. Worth no more than to choose who checks it.
pub(super) fn issuer_of(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Issued {
        iss: String,
    }
    if text.len() > LONGEST {
        return None;
    }
    json::<Issued>(text.split('.').nth(1)?).map(|claims| claims.iss)
}

/// Checks a token and says who calls. `chosen` is a tenant named by the request.
pub(super) async fn authenticate(hub: &Arc<Hub>, text: &str, chosen: Option<&str>) -> Result<Caller> {
    let parts = take_apart(text).ok_or_else(|| refused("it is not a token"))?;
    let issuer = registered(hub, &parts, chosen).await?;
    let until = timely(&parts.claims, hub.clock.now()).map_err(refused)?;
    let role = role(&issuer, &parts.all).ok_or_else(|| refused("none of its roles is mapped"))?;
    let home = home::of_any(vec![issuer.tenant_id]).first(hub.database.reader()).await?;
    let home = home.filter(Tenant::lives).ok_or_else(|| refused("its tenant is gone"))?;
    let id = parts.header.kid.as_deref().ok_or_else(|| refused("it names no key"))?;
    let key = jwks::key(hub, &issuer, id).await?.ok_or_else(|| refused("its issuer has no such key"))?;
    if !signed_by(&parts, issuer.algorithm, &key) {
        return Err(refused("its signature is wrong"));
    }
    // Only who has shown that it is theirs hears how the tenant is.
    if home.state() == Status::Suspended {
        return Err(Error::Suspended);
    }
    Ok(Caller {
        actor: Actor::Outside(issuer.id, parts.claims.sub.into()),
        principal: Some(Principal {
            tenant: issuer.tenant_id,
            home: issuer.tenant_id,
            role,
            scopes: role.scopes(),
            partner: None,
            session: None,
            token: None,
            expires_at: Some(until),
        }),
    })
}

/// Whether what an issuer vouched for at a moment still counts: it is registered as it was then, and its tenant
/// is served.
pub(super) async fn holds(hub: &Hub, id: IssuerId, since: Moment) -> Result<bool> {
    let db = hub.database.reader();
    let Some(issuer) = entity::by_id(id).first(db).await? else { return Ok(false) };
    let home = home::of_any(vec![issuer.tenant_id]).first(db).await?;
    Ok(issuer.updated_at <= since && home.is_some_and(|home| home.state() == Status::Active))
}

fn refused(reason: &'static str) -> Error {
    tracing::debug!(reason, "a token was refused");
    REFUSED
}

fn take_apart(text: &str) -> Option<Parts<'_>> {
    if text.len() > LONGEST {
        return None;
    }
    let (message, signature) = text.rsplit_once('.')?;
    let (header, claims) = message.split_once('.')?;
    let (header, all) = (json::<Header>(header)?, json::<Value>(claims)?);
    // Nothing is known here that could be critical.
    if header.crit.is_some() || signature.is_empty() {
        return None;
    }
    // Read from the text and not from the value: a claim that is there twice is refused.
    Some(Parts { header, claims: json(claims)?, all, message, signature })
}

/// Reads a part of a token. No claim contains NUL, which PostgreSQL does not store; it can only be written in JSON as
/// this escape.
fn json<T: DeserializeOwned>(part: &str) -> Option<T> {
    const NUL: &[u8] = b"\\u0000";
    let text = BASE64_URL_SAFE_NO_PAD.decode(part).ok()?;
    if text.windows(NUL.len()).any(|window| window == NUL) {
        return None;
    }
    serde_json::from_slice(&text).ok()
}

/// The one issuer whose token this can be.
async fn registered(hub: &Hub, parts: &Parts<'_>, chosen: Option<&str>) -> Result<Issuer> {
    let tenant = match chosen {
        Some(name) => match tenant::named(hub, name).await {
            Err(error) if error.code() == Code::NotFound => return Err(refused("it names an unknown tenant")),
            found => Some(found?.id),
        },
        None => None,
    };
    let mut fitting = entity::by_iss(&parts.claims.iss).all(hub.database.reader()).await?;
    fitting.retain(|issuer| {
        issuer.iss == parts.claims.iss
            && parts.header.alg == issuer.algorithm.name()
            && parts.claims.aud.has(&issuer.audience)
            && tenant.is_none_or(|tenant| issuer.tenant_id == tenant)
    });
    match fitting.pop() {
        Some(issuer) if fitting.is_empty() => Ok(issuer),
        Some(_) => Err(refused("it is for several tenants, and the request names none")),
        None => Err(refused("no issuer with its name, audience and algorithm is registered")),
    }
}

/// Checks what needs no key; says when the token ends.
fn timely(claims: &Claims, now: Moment) -> Result<Moment, &'static str> {
    let until = moment(&claims.exp).ok_or("its end is no moment")?;
    if now >= until + LEEWAY {
        return Err("it has ended");
    }
    if let Some(from) = &claims.nbf {
        let from = moment(from).ok_or("its beginning is no moment")?;
        if now + LEEWAY < from {
            return Err("it has not begun");
        }
    }
    let length = claims.sub.chars().count();
    if !(1..=LONGEST_SUBJECT).contains(&length) || claims.sub.contains(char::is_control) {
        return Err("its subject cannot be recorded");
    }
    Ok(until)
}

/// Seconds since 1970; a fraction is cut off.
fn moment(number: &Number) -> Option<Moment> {
    let seconds = match (number.as_i64(), number.as_f64()) {
        (Some(whole), _) => whole,
        (None, Some(float)) => i64::try_from(std::time::Duration::try_from_secs_f64(float).ok()?.as_secs()).ok()?,
        (None, None) => return None,
    };
    (0..=LAST).contains(&seconds).then(|| Moment::from_timestamp(seconds, 0)).flatten()
}

/// The most powerful role that the claims are mapped to.
fn role(issuer: &Issuer, claims: &Value) -> Option<Role> {
    let path = issuer.claim_path();
    let found = path.iter().try_fold(claims, |claims, name| claims.get(name)).filter(|_| !path.is_empty());
    let values: Vec<&str> = match found {
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
        // Scopes are one text with spaces between; in any other claim a space is part of the value.
        Some(Value::String(text)) if path == ["scope"] || path == ["scp"] => text.split(' ').collect(),
        Some(Value::String(text)) => vec![text],
        _ => Vec::new(),
    };
    let map = issuer.mapped_roles();
    let mapped = map.iter().filter(|(value, _)| values.contains(&value.as_str())).map(|(_, role)| *role);
    let strongest = Role::ALL.iter().copied().find(|role| mapped.clone().any(|mapped| mapped == *role));
    // Checked when it was saved; the database has the last word on nothing that opens the whole hub.
    strongest.or(issuer.default_role).filter(|role| super::issuer::MAY_GIVE.contains(role))
}

fn signed_by(parts: &Parts<'_>, algorithm: Algorithm, key: &DecodingKey) -> bool {
    let family = match algorithm {
        Algorithm::Rs256 => Family::RS256,
        Algorithm::Es256 => Family::ES256,
        Algorithm::EdDsa => Family::EdDSA,
    };
    crypto::verify(parts.signature, parts.message.as_bytes(), key, family).unwrap_or(false)
}
