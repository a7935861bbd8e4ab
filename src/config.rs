//! Settings: what an operator may choose, and where.
//!
//! Every setting is declared once, in `config/settings.rs`; the rest of this folder is machinery. A
//! value comes from its default, the settings file, the environment or a flag, each stronger than
//! the one before, and knows which. [`Config::load`] reads all four once, at the start; from then
//! on settings are plain fields of plain structs, and nothing changes them.
//!
//! Nothing is ignored. An unknown key or variable, a value of the wrong kind, a secret given twice,
//! two settings that do not go together: each is a [`Problem`] that names its place, and all are
//! reported at once. A server with a problem does not start.
//!
//! Secrets can be given by a file that holds them, are never flags, and never shown. Not promised:
//! reloading; a change takes a restart, which the drain makes harmless.
//!
//! | file | |
//! |---|---|
//! | `settings` | the table of all settings, and their choices |
//! | `table` | the registry and the macro behind the table |
//! | `value`, `measure`, `url` | types of settings, each with one parser |
//! | `file`, `environment`, `flags` | the three sources |
//! | `layers` | puts the sources on top of each other and reads values from them |
//! | `check` | rules between settings |
//! | `problem` | what is wrong, and where |
//! | `shown`, `reference` | settings in force; page and schema made from the registry |

mod check;
mod environment;
mod file;
mod flags;
mod layers;
mod measure;
mod problem;
mod reference;
mod settings;
mod shown;
mod table;
mod url;
mod value;

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use self::layers::Layers;
pub use self::{
    environment::environment,
    flags::Flags,
    measure::Size,
    problem::{Problem, Problems, Source},
    reference::{json_schema, reference},
    settings::{
        Access, Config, Database, Environment, Graphql, Http, HttpStatus, Log, LogFormat, SETTINGS, Server, Switch,
        TOPICS, TrustedDocuments,
    },
    shown::{Shown, json, table},
    table::{PREFIX, Setting, Topic},
    url::{Origin, Url},
    value::{Kind, REDACTED, Value},
};

/// The variable that names the settings file.
pub const CONFIG_ENV: &str = "PORTOLAN_CONFIG";

/// Read by `build.rs`; says nothing to the program that was built, which may well run in the same shell.
const BUILD_ENV: &str = "PORTOLAN_PLAYGROUND_DIST";

/// Read by commands that are clients of a running hub; a server in the same shell has no use for them.
pub const CLIENT_ENV: Client = Client { url: "PORTOLAN_URL", token: "PORTOLAN_TOKEN" };

/// The variables of clients.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Where the hub is.
    pub url: &'static str,
    /// What opens it.
    pub token: &'static str,
}

/// The settings file that is read if none is named.
pub const DEFAULT_FILE: &str = "portolan.toml";

impl Config {
    /// Reads and checks all settings.
    ///
    /// Of `env` only what begins with [`PREFIX`] is looked at; [`environment`] gives that of the
    /// process. The settings file and files of secrets are looked for from `cwd`.
    pub fn load(flags: &Flags, env: impl IntoIterator<Item = (String, String)>, cwd: &Path) -> Result<Self, Problems> {
        let ours = env.into_iter().filter(|(name, _)| name.starts_with(PREFIX));
        let env: BTreeMap<_, _> = ours.map(|(name, text)| (name, Zeroizing::new(text))).collect();
        let named = match (&flags.config, env.get(CONFIG_ENV)) {
            (Some(path), _) => Some((path.clone(), Source::Flag("config".to_owned()))),
            (None, Some(path)) => Some((PathBuf::from(path.as_str()), Source::Env(CONFIG_ENV.to_owned()))),
            (None, None) => None,
        };

        let mut layers = Layers::new(cwd);
        add_file(&mut layers, cwd, named);
        let (given, problems) = environment::read(env);
        layers.problems.extend(problems);
        layers.add(given);
        layers.add(flags.given());

        let config = Self::read(&mut layers);
        let mut problems = layers.problems;
        problems.extend(config.iter().flat_map(check::check));
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(Problems(problems)),
        }
    }
}

/// Adds the settings file: the named one, which must exist, or the default one, which may.
fn add_file(layers: &mut Layers, cwd: &Path, named: Option<(PathBuf, Source)>) {
    let must_exist = named.is_some();
    let default = || (PathBuf::from(DEFAULT_FILE), Source::File(DEFAULT_FILE.into(), 1));
    let (path, source) = named.unwrap_or_else(default);
    match file::read(cwd, &path) {
        Ok(layer) => {
            layers.problems.extend(layer.problems);
            layers.add(layer.given);
        }
        Err(error) if error.kind() == ErrorKind::NotFound && !must_exist => {}
        Err(error) => {
            let message = format!("cannot read the settings file {}: {error}", path.display());
            layers.problems.push(Problem::at(&source, message));
        }
    }
}

#[cfg(test)]
mod tests;
