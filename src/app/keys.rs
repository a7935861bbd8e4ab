//! Where the master keys come from.
//!
//! From the settings, or, for the embedded database, from a file in the data folder that is made at the
//! first start. A key is never made for a database that has secrets already, nor for one on a server: a
//! key that nobody kept would make the secrets worthless with the machine.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use super::database_settings;
use crate::{
    config::Config,
    context::{Database, database::Place},
    domain::keyring::master,
    kernel::{chance::Chance, error::Error, secret::Secret},
    vault::{Ring, RingError},
};

/// The file beside the embedded database.
const FILE: &str = "master.key";

/// Why there are no keys to work with.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// None was given where none is made.
    #[error("with a database on a server, set PORTOLAN_MASTER_KEY or PORTOLAN_MASTER_KEY_FILE")]
    Missing,
    /// What was given is not a key ring.
    #[error("{place} holds no usable key")]
    Ring {
        /// The setting or the file.
        place: String,
        /// What is wrong with it.
        source: RingError,
    },
    /// The file is gone, and the database was used with it.
    #[error("{} is missing, and what the database holds was sealed with it", .0.display())]
    Lost(PathBuf),
    /// The file cannot be read or made.
    #[error("{place} cannot be used")]
    File {
        /// Which.
        place: String,
        /// Why.
        source: std::io::Error,
    },
    /// They are not the keys of this database.
    #[error("these are not the keys of this database")]
    Other(#[from] Error),
}

/// The keys, and the file in which one was made now.
pub(super) struct Found {
    pub(super) ring: Ring,
    pub(super) made: Option<PathBuf>,
}

/// The keys that the settings give. This needs no database, so that nobody connects to one, or makes a file for
/// one, without a key that can be used.
pub(super) fn given(config: &Config) -> Result<Option<Ring>, KeysError> {
    match (&config.server.master_key, database_settings(config).place) {
        (Some(text), _) => parse("master_key", text).map(Some),
        (None, Place::Server(_)) => Err(KeysError::Missing),
        (None, Place::File(_)) => match fs::read_to_string(file(config)) {
            Ok(text) => parse(&file(config).display().to_string(), &Secret::from(text)).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(KeysError::File { place: file(config).display().to_string(), source }),
        },
    }
}

/// Checks that the keys are those of the database; makes the first one if none was given. If they are not, the
/// connections are given back, so that nothing lies beside an embedded database that was not there before.
pub(super) async fn find(
    given: Option<Ring>,
    config: &Config,
    database: &Database,
    chance: &dyn Chance,
) -> Result<Found, KeysError> {
    let found = fitting(given, config, database, chance).await;
    if found.is_err() {
        database.close().await;
    }
    found
}

async fn fitting(
    given: Option<Ring>,
    config: &Config,
    database: &Database,
    chance: &dyn Chance,
) -> Result<Found, KeysError> {
    let found = match given {
        Some(ring) => Found { ring, made: None },
        None => first(&file(config), database, chance).await?,
    };
    master::check(database, &found.ring).await?;
    Ok(found)
}

/// Passes keys with which a start would go on; makes none. Without a database, what can be said without one.
pub async fn check(config: &Config, database: Option<&Database>) -> Result<(), KeysError> {
    match (given(config)?, database) {
        (Some(ring), Some(database)) => Ok(master::check(database, &ring).await?),
        (None, Some(database)) if master::in_use(database).await? => Err(KeysError::Lost(file(config))),
        _ => Ok(()),
    }
}

fn file(config: &Config) -> PathBuf {
    config.server.data_dir.join(FILE)
}

/// Makes the first key of a database that has sealed nothing yet.
async fn first(path: &Path, database: &Database, chance: &dyn Chance) -> Result<Found, KeysError> {
    if master::in_use(database).await? {
        return Err(KeysError::Lost(path.to_owned()));
    }
    let failed = |source| KeysError::File { place: path.display().to_string(), source };
    let text = Ring::generate(1, chance);
    match write(path, &text) {
        Ok(()) => Ok(Found { ring: parse("the new key", &text)?, made: Some(path.to_owned()) }),
        // Another process made it at the same moment; then that one counts.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let text = Secret::from(fs::read_to_string(path).map_err(failed)?);
            Ok(Found { ring: parse(&path.display().to_string(), &text)?, made: None })
        }
        Err(error) => Err(failed(error)),
    }
}

/// Writes the key where nobody else reads it, whole or not at all.
fn write(path: &Path, text: &Secret) -> std::io::Result<()> {
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    writeln!(file, "{}", text.expose())?;
    file.sync_all()?;
    // A link, unlike a rename, does not replace what somebody else has put there.
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    linked
}

fn parse(place: &str, text: &Secret) -> Result<Ring, KeysError> {
    Ring::parse(text).map_err(|source| KeysError::Ring { place: place.to_owned(), source })
}
