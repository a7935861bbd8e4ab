//! Passwords: hashed with Argon2id, never stored themselves.
//!
//! A hash costs memory and time on purpose. [`PasswordHashing`](crate::context::PasswordHashing) bounds both: how many
//! hashes run at once, in which memory, and how many wait. A sign-in with an unknown email address takes as long as any
//! other one, because a hash is computed all the same.
//!
//! A stored hash names its own parameters and is verified with these, so that the settings may change at any time.

use argon2::{
    Algorithm, Argon2, Block, Params, RECOMMENDED_SALT_LEN, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};

use crate::{
    context::Hub,
    kernel::{
        error::{Error, Result, Source},
        secret::Secret,
    },
};

/// Minimum length of a new password in characters.
const SHORTEST: usize = 10;

/// Maximum length in bytes; longer texts are refused unread.
const LONGEST: usize = 1024;

/// The rule for new passwords, as it is told to people.
pub(super) const RULE: &str = "a password has 10 to 1024 characters";

/// Checks a new password.
pub(super) fn acceptable(password: &str) -> Result<(), String> {
    match (password.chars().count(), password.len()) {
        (_, bytes) if bytes > LONGEST => Err(format!("a password has at most {LONGEST} bytes")),
        (count, _) if count < SHORTEST => Err(format!("a password has at least {SHORTEST} characters")),
        _ => Ok(()),
    }
}

/// Hashes a password.
pub(super) async fn hash(hub: &Hub, password: Secret) -> Result<String> {
    let of = &hub.access;
    let unusable = |error: argon2::Error| Error::Internal("the password settings cannot be used", said(&error));
    let params = Params::new(of.password_memory_kib, of.password_passes, of.password_lanes, None).map_err(unusable)?;
    let mut salt = [0; RECOMMENDED_SALT_LEN];
    hub.chance.fill(&mut salt);
    let blocks = params.block_count();
    let work = move |memory: &mut [Block]| {
        let stored = ParamsString::try_from(&params).map_err(|error| said(&error))?;
        let recipe = Recipe { algorithm: Algorithm::Argon2id, version: Version::V0x13, params };
        let salt = Salt::new(&salt).map_err(|error| said(&error))?;
        let hash = PasswordHash {
            algorithm: recipe.algorithm.ident(),
            version: Some(recipe.version.into()),
            params: stored,
            hash: Some(recipe.output(&salt, Params::DEFAULT_OUTPUT_LEN, &password, memory)?),
            salt: Some(salt),
        };
        Ok(hash.to_string())
    };
    let made = hub.hashing.run(blocks, work).await?;
    made.map_err(|error| Error::Internal("a password could not be hashed", error))
}

/// Returns whether a password has that hash. Without a hash the answer is no, after as long a time.
pub(super) async fn fits(hub: &Hub, password: Secret, known: Option<String>) -> Result<bool> {
    if password.expose().len() > LONGEST {
        return Ok(false);
    }
    let Some(known) = known else {
        hash(hub, password).await?;
        return Ok(false);
    };
    let damaged = |error| Error::Internal("a password hash is damaged", error);
    let known = PasswordHash::new(&known).map_err(|error| damaged(said(&error)))?;
    let recipe = Recipe::of(&known).map_err(damaged)?;
    let blocks = recipe.params.block_count();
    let work = move |memory: &mut [Block]| {
        let (Some(salt), Some(expected)) = (&known.salt, &known.hash) else {
            return Err("it has no salt or no output".into());
        };
        // Outputs are compared in constant time.
        Ok(recipe.output(salt, expected.len(), &password, memory)? == *expected)
    };
    hub.hashing.run(blocks, work).await?.map_err(damaged)
}

/// How a hash is computed.
struct Recipe {
    algorithm: Algorithm,
    version: Version,
    params: Params,
}

impl Recipe {
    /// The one that a stored hash names.
    fn of(known: &PasswordHash) -> Result<Self, Source> {
        Ok(Self {
            algorithm: Algorithm::try_from(known.algorithm.as_str()).map_err(|error| said(&error))?,
            version: known.version.map_or(Ok(Version::default()), Version::try_from).map_err(|error| said(&error))?,
            params: Params::try_from(known).map_err(|error| said(&error))?,
        })
    }

    fn output(self, salt: &Salt, length: usize, password: &Secret, memory: &mut [Block]) -> Result<Output, Source> {
        let mut buffer = [0; Output::MAX_LENGTH];
        let out = buffer.get_mut(..length).ok_or("the output is too long")?;
        Argon2::new(self.algorithm, self.version, self.params)
            .hash_password_into_with_memory(password.expose().as_bytes(), salt, out, memory)
            .map_err(|error| said(&error))?;
        Output::new(out).map_err(|error| said(&error))
    }
}

/// What a library says of a failure; its errors are not all of the standard trait.
fn said(error: &impl std::fmt::Display) -> Source {
    error.to_string().into()
}
