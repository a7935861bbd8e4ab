//! Source upon source: what was given, by whom, and what it is worth.
//!
//! Layers are added from the weakest to the strongest; for each setting the last one wins. Only the
//! winner is parsed, and only the winner's file is opened if it names one: an overridden value
//! cannot fail. Every text is wiped after use, since any of them may be a secret.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{
    problem::{Problem, Source},
    settings::SETTINGS,
    table::{Name, Setting},
    value::{Value, quoted},
};

/// Where each value came from, by key; a default is not listed.
pub(super) type Sources = BTreeMap<&'static str, Source>;

/// A value as it was given.
pub(super) struct Given {
    /// The name it was given by.
    pub(super) name: Name,
    /// What was written.
    pub(super) text: Zeroizing<String>,
    /// Where.
    pub(super) source: Source,
}

/// What was given so far, and what was wrong with it.
pub(super) struct Layers {
    cwd: PathBuf,
    given: BTreeMap<&'static str, Given>,
    sources: Sources,
    /// Everything wrong so far.
    pub(super) problems: Vec<Problem>,
}

impl Layers {
    /// Nothing given yet; files of secrets are looked for from `cwd`.
    pub(super) fn new(cwd: &Path) -> Self {
        Self { cwd: cwd.to_owned(), given: BTreeMap::new(), sources: Sources::new(), problems: Vec::new() }
    }

    /// Puts one source on top of the others.
    pub(super) fn add(&mut self, layer: impl IntoIterator<Item = Given>) {
        let mut fresh: BTreeMap<&str, Given> = BTreeMap::new();
        for given in layer {
            let Some(twin) = fresh.get(given.name.setting.key) else {
                fresh.insert(given.name.setting.key, given);
                continue;
            };
            let message = format!("{:?} and {:?} are both given; keep one of them", twin.name.text, given.name.text);
            self.problems.push(Problem::at(&given.source, message));
        }
        self.given.append(&mut fresh);
    }

    /// The value of a setting; nothing, and a problem noted, if what was given cannot be taken.
    pub(super) fn value<T: Value>(&mut self, key: &'static str) -> Option<T> {
        let setting = SETTINGS.iter().find(|setting| setting.key == key)?;
        let (source, text) = match self.given.remove(key) {
            None => (Source::Default, Ok(Zeroizing::new(setting.default.to_owned()))),
            Some(given) if given.name.points => (given.source, secret(&self.cwd, &given.text)),
            Some(given) => (given.source, Ok(given.text)),
        };
        match text.and_then(|text| parse(setting, &text)) {
            Ok(value) => {
                if source != Source::Default {
                    self.sources.insert(key, source);
                }
                Some(value)
            }
            Err(message) => {
                self.problems.push(Problem::at(&source, message));
                None
            }
        }
    }

    /// Where the values taken so far came from.
    pub(super) fn sources(&self) -> Sources {
        self.sources.clone()
    }
}

/// The value of a text, or a sentence about why there is none.
fn parse<T: Value>(setting: &Setting, text: &str) -> Result<T, String> {
    let reason = match T::parse(text) {
        Ok(value) if value.is_zero() && setting.zero.is_none() => "it must be more".to_owned(),
        Ok(value) => return Ok(value),
        Err(reason) => reason,
    };
    // What was given for a secret may be nearly right, and is therefore not repeated.
    let given = if setting.is_secret() { String::new() } else { format!(" {}", quoted(text)) };
    let expected = setting.kind.expected();
    Err(format!("{} cannot be{given}: {reason}; expected {expected}", setting.key))
}

/// What a file holds, without the newline at its end.
fn secret(cwd: &Path, path: &str) -> Result<Zeroizing<String>, String> {
    let held = fs::read_to_string(cwd.join(path))
        .map(Zeroizing::new)
        // Not even the path is repeated: a secret given in place of it would be.
        .map_err(|error| format!("cannot read the file that is named here: {error}"))?;
    match held.trim_end_matches(['\r', '\n']) {
        // Unset is said by not naming a file; an empty one is a mount that went wrong.
        "" => Err("the file that is named here is empty".to_owned()),
        text => Ok(Zeroizing::new(text.to_owned())),
    }
}
