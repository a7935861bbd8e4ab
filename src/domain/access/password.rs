//! Passwords: hashed with Argon2id, two at a time, never kept.
//!
//! A hash costs memory and time on purpose; more than two at once would let anybody who can reach the
//! sign-in use up both. Who signs in under an address that does not exist waits as long as everybody
//! else, because a hash is computed all the same.

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};

use crate::{
    context::Hub,
    kernel::{
        error::{Error, Result, Source},
        secret::Secret,
    },
};

/// The fewest characters of a new password.
const SHORTEST: usize = 10;

/// The most bytes; longer texts are not looked at.
const LONGEST: usize = 1024;

/// A rule for new passwords.
pub(super) fn acceptable(password: &str) -> Result<(), String> {
    match (password.chars().count(), password.len()) {
        (_, bytes) if bytes > LONGEST => Err(format!("a password has at most {LONGEST} bytes")),
        (count, _) if count < SHORTEST => Err(format!("a password has at least {SHORTEST} characters")),
        _ => Ok(()),
    }
}

/// Hashes a password.
pub(super) async fn hash(hub: &Hub, password: Secret) -> Result<String> {
    let argon = argon(hub)?;
    let mut salt = [0; 16];
    hub.chance.fill(&mut salt);
    let work = move || argon.hash_password_with_salt(password.expose().as_bytes(), &salt).map(|hash| hash.to_string());
    apart(hub, work).await?.map_err(|error| Error::Internal("a password could not be hashed", error.to_string().into()))
}

/// Whether a password is the one of that hash. Without a hash the answer is no, after as long a time.
pub(super) async fn fits(hub: &Hub, password: Secret, known: Option<String>) -> Result<bool> {
    if password.expose().len() > LONGEST {
        return Ok(false);
    }
    let Some(known) = known else {
        hash(hub, password).await?;
        return Ok(false);
    };
    let argon = argon(hub)?;
    let work = move || {
        let parsed = PasswordHash::new(&known).map_err(|error| error.to_string())?;
        Ok::<_, String>(argon.verify_password(password.expose().as_bytes(), &parsed).is_ok())
    };
    apart(hub, work).await?.map_err(|error| Error::Internal("a password hash is damaged", error.into()))
}

fn argon(hub: &Hub) -> Result<Argon2<'static>> {
    let of = &hub.access;
    let params = Params::new(of.password_memory_kib, of.password_passes, of.password_lanes, None);
    let params =
        params.map_err(|error| Error::Internal("the password settings cannot be used", error.to_string().into()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Runs the work where it holds nobody up, two at a time.
async fn apart<T: Send + 'static>(hub: &Hub, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let failed = |error: Source| Error::Internal("a password could not be looked at", error);
    let _turn = hub.hashing.acquire().await.map_err(|error| failed(error.into()))?;
    tokio::task::spawn_blocking(work).await.map_err(|error| failed(error.into()))
}
