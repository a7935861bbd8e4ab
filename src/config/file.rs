//! The settings file: TOML with one table per topic.
//!
//! Numbers and booleans are turned into text and arrays into lists with commas, so that the parsers
//! of `value.rs` see what they would see in the environment. Keys that mean nothing are errors: a
//! setting that is misspelt and silently ignored is worse than a server that does not start.
//!
//! A file that is not TOML at all is reported for its syntax only, since what was understood of the
//! rest is a guess. Messages quote keys, never lines: a line may hold a secret.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use zeroize::Zeroizing;

use super::{
    layers::Given,
    problem::{Problem, Source},
    settings::{SETTINGS, TOPICS},
    table::{Name, Spelling, names},
};
use crate::kernel::suggest::did_you_mean;

/// What a file gives, and what is wrong with it, both in the order of its lines.
#[derive(Default)]
pub(super) struct Layer {
    pub(super) given: Vec<Given>,
    pub(super) problems: Vec<Problem>,
}

/// Reads the file at `path`, as seen from `cwd`.
pub(super) fn read(cwd: &Path, path: &Path) -> std::io::Result<Layer> {
    let text = Zeroizing::new(fs::read_to_string(cwd.join(path))?);
    Ok(understand(path, &text))
}

/// Reads the text of the file at `path`.
fn understand(path: &Path, text: &str) -> Layer {
    let (table, faults) = DeTable::parse_recoverable(text);
    let mut reader = Reader {
        path: path.to_owned(),
        text,
        names: names(SETTINGS, Spelling::Key).collect(),
        layer: Layer::default(),
    };
    for fault in &faults {
        let source = reader.source(fault.span().unwrap_or_default());
        reader.layer.problems.push(Problem::at(&source, fault.message()));
    }
    if faults.is_empty() {
        reader.table("", table.get_ref());
    }
    reader.layer.problems.sort_by_key(|problem| match problem.source {
        Some(Source::File(_, line)) => line,
        _ => 0,
    });
    reader.layer
}

/// A walk through one file.
struct Reader<'a> {
    path: PathBuf,
    text: &'a str,
    names: Vec<Name>,
    layer: Layer,
}

impl Reader<'_> {
    /// The place of a span.
    fn source(&self, span: Range<usize>) -> Source {
        let before = self.text.as_bytes().iter().take(span.start);
        Source::File(self.path.clone(), 1 + before.filter(|byte| **byte == b'\n').count())
    }

    /// Reads the keys of a table, whose own keys begin with `prefix`.
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (part, value) in table {
            let key = format!("{prefix}{}", part.get_ref());
            let source = self.source(part.span());
            let inner = format!("{key}.");
            let is_topic = TOPICS.iter().any(|topic| topic.prefix == inner);
            let name = self.names.iter().find(|name| name.text == key).cloned();
            match (value.get_ref(), name) {
                (DeValue::Table(table), _) if is_topic => self.table(&inner, table),
                (value, Some(name)) => self.setting(name, value, source),
                (_, None) if is_topic => {
                    let message = format!("{key:?} is a table of settings, not one of them");
                    self.layer.problems.push(Problem::at(&source, message));
                }
                (_, None) => self.unknown(&key, &source),
            }
        }
    }

    /// Takes what was given for a setting.
    fn setting(&mut self, name: Name, value: &DeValue<'_>, source: Source) {
        if let Some(text) = text(value) {
            self.layer.given.push(Given { name, text: Zeroizing::new(text), source });
        } else {
            let expected = name.setting.kind.expected();
            let kind = value.type_str();
            let message = format!("{} cannot be of type {kind}; expected {expected}", name.text);
            self.layer.problems.push(Problem::at(&source, message));
        }
    }

    /// Notes a key that means nothing.
    fn unknown(&mut self, key: &str, source: &Source) {
        let topics = TOPICS.iter().map(|topic| topic.prefix.trim_end_matches('.'));
        let hint = did_you_mean(key, self.names.iter().map(|name| name.text.as_str()).chain(topics));
        self.layer.problems.push(Problem::at(source, format!("unknown key {key:?}{hint}")));
    }
}

/// A value as it would be written in the environment, if it could be.
fn text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Boolean(on) => Some(on.to_string()),
        DeValue::Float(float) => Some(float.as_str().to_owned()),
        DeValue::Integer(integer) => {
            i128::from_str_radix(integer.as_str(), integer.radix()).ok().map(|integer| integer.to_string())
        }
        DeValue::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(Spanned::get_ref).map(text).collect();
            items.map(|items| items.join(","))
        }
        DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let layer = understand(Path::new("portolan.toml"), text);
        layer.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_misspelt_key_names_its_file_and_line() {
        let text = "listen = \"127.0.0.1:1\"\n\n[graphql]\nmax_dephts = 3\n";
        assert_eq!(
            problems(text),
            ["portolan.toml:4: unknown key \"graphql.max_dephts\" (did you mean \"graphql.max_depth\"?)"]
        );
    }

    #[test]
    fn a_misspelt_topic_is_one_problem() {
        let text = "[grahpql]\nmax_depth = 3\nmax_tokens = 4\n";
        assert_eq!(problems(text), ["portolan.toml:1: unknown key \"grahpql\" (did you mean \"graphql\"?)"]);
    }

    #[test]
    fn problems_come_in_the_order_of_the_lines() {
        let lines = problems("zzz = 1\n[http]\nyyy = 1\n[database]\nxxx = 1\n");
        let numbers: Vec<&str> = lines.iter().filter_map(|line| line.split(':').nth(1)).collect();
        assert_eq!(numbers, ["1", "3", "5"]);
    }

    #[test]
    fn a_fault_of_syntax_does_not_quote_the_line() {
        let lines = problems("[database]\nurl = \"postgres://u:hunter2@db\n");
        assert!(lines[0].starts_with("portolan.toml:2: "), "{lines:?}");
        assert!(!lines.concat().contains("hunter2"), "{lines:?}");
    }

    #[test]
    fn native_values_are_read_as_text() {
        let text = "graphql.max_depth = 0x1_0\nhttp.trusted_proxies = [\"10.0.0.1\", \"::1\"]\n";
        let layer = understand(Path::new("portolan.toml"), text);
        let texts: Vec<&str> = layer.given.iter().map(|given| given.text.as_str()).collect();
        assert_eq!(texts, ["16", "10.0.0.1,::1"]);
    }

    #[test]
    fn a_table_is_not_a_value_and_a_value_is_not_a_table() {
        let lines = problems("http = 1\nlisten.port = 1\nenv = 2026-01-01\n");
        assert_eq!(
            lines,
            [
                "portolan.toml:1: \"http\" is a table of settings, not one of them",
                "portolan.toml:2: listen cannot be of type table; expected an address and port such as 127.0.0.1:8080",
                "portolan.toml:3: env cannot be of type datetime; expected one of development, production",
            ]
        );
    }
}
