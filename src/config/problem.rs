//! Where a value came from, and what is wrong with it.
//!
//! Nothing stops at the first fault: a person who mends a file wants the whole list. Each
//! [`Problem`] is one line that can be read alone; it begins with its place and ends with what to
//! do, if that is known.

use std::{fmt, path::PathBuf};

/// The place a value was taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody gave it.
    Default,
    /// The settings file, at this line (from 1).
    File(PathBuf, usize),
    /// An environment variable.
    Env(String),
    /// A flag, without its dashes.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Env(name) => f.write_str(name),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// One thing wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where; nowhere in particular if several settings do not go together.
    pub source: Option<Source>,
    /// What.
    pub message: String,
}

impl Problem {
    /// A problem with what stands at one place.
    pub(super) fn at(source: &Source, message: impl Into<String>) -> Self {
        Self { source: Some(source.clone()), message: message.into() }
    }

    /// A problem between several settings; the message names them with their places.
    pub(super) fn between(message: impl Into<String>) -> Self {
        Self { source: None, message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(source) => write!(f, "{source}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// Everything wrong with the settings, one line each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Problems(pub Vec<Problem>);
