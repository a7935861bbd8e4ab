//! One server for each embedded database.
//!
//! Two servers on one `SQLite` file would both run every schedule and send every webhook: what divides work between
//! nodes needs PostgreSQL. So a server locks a file beside the database for as long as it runs, with its process id
//! in it. The kernel gives the lock back when the process ends, however it ends. Commands that read, or make a token,
//! take no lock and work beside a server.

use std::{
    fs::{File, TryLockError},
    io::{ErrorKind, Read, Seek, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::database_settings;
use crate::{config::Config, context::database::Place};

/// Why the folder is not this server's.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another server has it.
    #[error("another server (process {process}) uses {}; stop it first, or set data_dir elsewhere", .database.display())]
    InUse {
        /// Its process id, as it wrote it down.
        process: String,
        /// The database file.
        database: PathBuf,
    },
    /// The file cannot be made or locked.
    #[error("{} cannot be locked", .0.display())]
    File(PathBuf, #[source] std::io::Error),
}

/// The right to serve from an embedded database; given back when dropped.
#[derive(Debug)]
pub struct FolderLock {
    path: PathBuf,
    locked: File,
    /// Content of the file before the lock was taken; empty for a new file.
    before: String,
}

impl FolderLock {
    /// Takes the lock of a configuration's database; nothing for one on a server, which nodes share.
    pub fn take(config: &Config) -> Result<Option<Self>, FolderError> {
        let Place::File(database) = database_settings(config).place else { return Ok(None) };
        let path = database.with_extension("pid");
        match locked(&path) {
            Ok(Ok((locked, before))) => Ok(Some(Self { path, locked, before })),
            Ok(Err(process)) => Err(FolderError::InUse { process, database }),
            Err(error) => Err(FolderError::File(path, error)),
        }
    }

    /// Gives the lock back and leaves its file as it was, after a start that failed and is to leave nothing behind.
    pub fn withdraw(mut self) {
        // Removed while it is locked; whoever opened it meanwhile finds that it is another file than the one at its path.
        let outcome =
            if self.before.is_empty() { std::fs::remove_file(&self.path) } else { say(&mut self.locked, &self.before) };
        if let Err(error) = outcome {
            tracing::warn!(%error, path = %self.path.display(), "the lock file was not put back");
        }
    }
}

/// The locked file with our process id in it and what it said before, or the id that another process wrote.
fn locked(path: &Path) -> std::io::Result<Result<(File, String), String>> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    loop {
        let mut file = File::options().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)?;
        let lock = file.try_lock();
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        match lock {
            Ok(()) if is_at(&file, path)? => {
                say(&mut file, &format!("{}\n", std::process::id()))?;
                return Ok(Ok((file, text)));
            }
            // It was removed between opening and locking.
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Err(text.trim().to_owned())),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// Writes the whole content of the file.
fn say(file: &mut File, text: &str) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(text.as_bytes())
}

/// Whether an open file is the one at a path.
fn is_at(file: &File, path: &Path) -> std::io::Result<bool> {
    let open = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
