//! The settings in force, for people and programs: `portolan config show`.
//!
//! Values are taken from the configuration as it stands, so what is shown is what is used. Secrets
//! are shown as a mark, or as nothing if they are unset.

use serde_json::{Value as Json, json};

use super::{
    problem::Source,
    settings::{Config, SETTINGS},
};

/// A setting in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The key in the file.
    pub key: &'static str,
    /// What it is; a mark if it is secret, empty if it is unset.
    pub value: String,
    /// Where it came from.
    pub source: Source,
    /// What it would be if nobody gave it.
    pub default: &'static str,
    /// What it does.
    pub doc: &'static str,
}

impl Config {
    /// Every setting with its value and source, in the order of the reference.
    pub fn shown(&self) -> Vec<Shown> {
        let shown = |(setting, value): (&'static super::Setting, String)| Shown {
            key: setting.key,
            value,
            source: self.source(setting.key),
            default: setting.default,
            doc: setting.doc,
        };
        SETTINGS.iter().zip(self.texts()).map(shown).collect()
    }

    /// Where the value of a key came from.
    pub fn source(&self, key: &str) -> Source {
        self.sources.get(key).cloned().unwrap_or(Source::Default)
    }
}

/// One line per setting, in columns.
pub fn table(shown: &[Shown]) -> String {
    let head = ["KEY".to_owned(), "VALUE".to_owned(), "SOURCE".to_owned()];
    let rows = shown.iter().map(|row| {
        let value = if row.value.is_empty() { "-".to_owned() } else { row.value.clone() };
        [row.key.to_owned(), value, row.source.to_string()]
    });
    let rows: Vec<[String; 3]> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (keys, values) = (width(0), width(1));
    let line = |[key, value, source]: &[String; 3]| format!("{key:keys$}  {value:values$}  {source}\n");
    rows.iter().map(line).collect()
}

/// A list of objects; an unset value is null.
pub fn json(shown: &[Shown]) -> Json {
    let text = |text: &str| {
        if text.is_empty() { Json::Null } else { text.into() }
    };
    let object = |row: &Shown| {
        json!({
            "key": row.key,
            "value": text(&row.value),
            "source": row.source.to_string(),
            "default": text(row.default),
            "doc": row.doc,
        })
    };
    shown.iter().map(object).collect()
}
