//! Access tokens as JWTs: written by us, read by us.
//!
//! The algorithm is ours to choose, never the token's: `EdDSA`, under a key of the hub that the header names
//! by its id. Nothing else in the header is looked at, and nothing it names is fetched. Times are compared
//! with the clock of the context; since the node that wrote a token may have another time than the one that
//! reads it, a token is good for half a minute beyond its end, and nobody minds if it was written in the
//! future. What ends for another reason (a revoked session) ends at once.

use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};

use crate::{
    context::Hub,
    domain::keyring::signing,
    kernel::{
        clock::Moment,
        error::{Error, Result},
        id::{SessionId, SigningKeyId, UserId},
        secret::Secret,
    },
};

/// Whom the tokens are for.
const AUDIENCE: &str = "portolan";

/// How far the clocks of two nodes may lie apart without anybody noticing.
const LEEWAY: TimeDelta = TimeDelta::seconds(30);

/// No token of ours is longer.
const LONGEST: usize = 2048;

/// Whatever is wrong with a token, this is what is said.
pub(super) const REFUSED: Error = Error::Unauthenticated("this token is not valid");

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: UserId,
    sid: SessionId,
    iat: i64,
    exp: i64,
}

/// What a token says, once it was checked.
pub(super) struct Read {
    pub(super) user: UserId,
    pub(super) session: SessionId,
    pub(super) until: Moment,
}

/// Writes a token.
pub(super) async fn write(
    hub: &std::sync::Arc<Hub>,
    user: UserId,
    session: SessionId,
    until: Moment,
) -> Result<Secret> {
    let key = signing::current(hub).await?;
    let header = Header { kid: Some(key.id.to_string()), ..Header::new(Algorithm::EdDSA) };
    let claims = Claims {
        iss: hub.access.issuer.clone(),
        aud: AUDIENCE.to_owned(),
        sub: user,
        sid: session,
        iat: hub.clock.now().timestamp(),
        exp: until.timestamp(),
    };
    let text = encode(&header, &claims, &EncodingKey::from_ed_der(&key.pkcs8()));
    text.map(Secret::from).map_err(|error| Error::Internal("a token could not be written", error.into()))
}

/// Checks a token.
pub(super) async fn read(hub: &Hub, text: &str) -> Result<Read> {
    if text.len() > LONGEST {
        return Err(REFUSED);
    }
    let header = decode_header(text).map_err(|_| REFUSED)?;
    let id = header.kid.and_then(|kid| kid.parse::<SigningKeyId>().ok()).ok_or(REFUSED)?;
    let public = signing::public(hub, id).await?.ok_or(REFUSED)?;
    let mut rules = Validation::new(Algorithm::EdDSA);
    rules.set_audience(&[AUDIENCE]);
    rules.set_issuer(&[&hub.access.issuer]);
    rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    // By our own clock, below.
    rules.validate_exp = false;
    let token = decode::<Claims>(text, &DecodingKey::from_ed_der(&public), &rules).map_err(|_| REFUSED)?;
    let until = Moment::from_timestamp(token.claims.exp, 0).ok_or(REFUSED)?;
    if hub.clock.now() >= until + LEEWAY {
        return Err(REFUSED);
    }
    Ok(Read { user: token.claims.sub, session: token.claims.sid, until })
}
