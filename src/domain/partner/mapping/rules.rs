//! Rules of a mapping, read from the JSON in which people give them.
//!
//! ```json
//! { "chargecars_to_partner": { "new": "RECEIVED" }, "partner_to_chargecars": { "RECEIVED": "new" },
//!   "ignored": { "ours": ["cancelled"], "partner": ["ON_HOLD"] },
//!   "partner_transitions": { "RECEIVED": ["CONFIRMED"] } }
//! ```
//!
//! The first two are needed; what stands before `_to_partner` is whatever the tenant calls itself.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::kernel::error::Issue;

/// Most words on one side.
const MOST: usize = 200;

/// The longest word of a partner.
pub const LONGEST_WORD: usize = 200;

/// Most that is shown of a word.
const SHOWN: usize = 60;

/// What the words of a partner mean.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rules {
    /// The partner's word for each status of ours.
    pub to_partner: BTreeMap<String, String>,
    /// Our status for each word of the partner.
    pub to_ours: BTreeMap<String, String>,
    /// Statuses of ours that the partner is not told.
    pub ignored_ours: BTreeSet<String>,
    /// Words of the partner that change nothing.
    pub ignored_partner: BTreeSet<String>,
    /// Which words of the partner follow which, as far as that is known.
    pub partner_transitions: BTreeMap<String, BTreeSet<String>>,
    /// The keys under which both sides were given, for paths.
    pub keys: (String, String),
}

/// What a word of a partner means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning<'a> {
    /// This status of ours.
    Status(&'a str),
    /// Nothing, on purpose.
    Ignored,
    /// Nobody said.
    Unknown,
}

/// What a status of ours is to a partner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word<'a> {
    /// It says so.
    Said(&'a str),
    /// It is not told, on purpose.
    Ignored,
    /// Nobody said.
    Unknown,
}

impl Rules {
    /// What a word of the partner means.
    #[must_use]
    pub fn meaning(&self, said: &str) -> Meaning<'_> {
        match self.to_ours.get(said) {
            Some(status) => Meaning::Status(status),
            None if self.ignored_partner.contains(said) => Meaning::Ignored,
            None => Meaning::Unknown,
        }
    }

    /// The partner's word for a status of ours.
    #[must_use]
    pub fn word(&self, status: &str) -> Word<'_> {
        match self.to_partner.get(status) {
            Some(word) => Word::Said(word),
            None if self.ignored_ours.contains(status) => Word::Ignored,
            None => Word::Unknown,
        }
    }

    /// Every word of the partner that is named anywhere.
    #[must_use]
    pub fn partner_words(&self) -> BTreeSet<&str> {
        let sides = self.to_ours.keys().chain(self.to_partner.values()).chain(&self.ignored_partner);
        let ways = self.partner_transitions.iter().flat_map(|(from, to)| std::iter::once(from).chain(to));
        sides.chain(ways).map(String::as_str).collect()
    }
}

/// As much of a word as is shown.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

/// A word as it is kept, or why it is none.
pub fn word(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err("a status must not be empty".to_owned()),
        1..=LONGEST_WORD if text.chars().any(char::is_control) => {
            Err("a status must not contain control characters".to_owned())
        }
        1..=LONGEST_WORD => Ok(text.to_owned()),
        count => Err(format!("a status has at most {LONGEST_WORD} characters; this one has {count}")),
    }
}

/// Reads rules below a path. Whatever is not as it should be is named by its path.
pub fn read(path: &str, json: &Value) -> Result<Rules, Vec<Issue>> {
    let mut reader = Reader { issues: Vec::new() };
    let Some(fields) = json.as_object() else {
        return Err(vec![Issue::at(
            path,
            "a mapping is an object with two objects: ours_to_partner and partner_to_ours",
        )]);
    };
    let named = |fits: &dyn Fn(&str) -> bool| -> Vec<&String> { fields.keys().filter(|key| fits(key)).collect() };
    let there = named(&|key| key.ends_with("_to_partner"));
    let back = named(&|key| key.starts_with("partner_to_"));
    let mut rules = Rules::default();
    for (found, example, into) in
        [(&there, "chargecars_to_partner", &mut rules.keys.0), (&back, "partner_to_chargecars", &mut rules.keys.1)]
    {
        match found[..] {
            [only] => into.clone_from(only),
            [] => reader.wrong(path, format!("one side is missing; it is called like {example:?}")),
            _ => reader.wrong(path, format!("one side is given {} times: {example:?} or alike", found.len())),
        }
    }
    for (key, value) in fields {
        let at = format!("{path}.{}", shown(key));
        match key.as_str() {
            _ if *key == rules.keys.0 => rules.to_partner = reader.pairs(&at, value),
            _ if *key == rules.keys.1 => rules.to_ours = reader.pairs(&at, value),
            "ignored" => {
                let sides = reader.object(&at, value).cloned().unwrap_or_default();
                for (side, words) in &sides {
                    let at = format!("{at}.{}", shown(side));
                    match side.as_str() {
                        "ours" => rules.ignored_ours = reader.words(&at, words),
                        "partner" => rules.ignored_partner = reader.words(&at, words),
                        _ => reader.wrong(&at, "there are \"ours\" and \"partner\""),
                    }
                }
            }
            "partner_transitions" => {
                for (from, to) in reader.object(&at, value).cloned().unwrap_or_default() {
                    let at = format!("{at}.{}", shown(&from));
                    let to = reader.words(&at, &to);
                    rules.partner_transitions.insert(from, to);
                }
            }
            key if key.ends_with("_to_partner") || key.starts_with("partner_to_") => {}
            _ => reader.wrong(&at, "there is \"ignored\" and \"partner_transitions\" beside the two sides"),
        }
    }
    if reader.issues.is_empty() { Ok(rules) } else { Err(reader.issues) }
}

struct Reader {
    issues: Vec<Issue>,
}

impl Reader {
    fn wrong(&mut self, path: &str, message: impl Into<String>) {
        self.issues.push(Issue::at(path, message));
    }

    fn object<'a>(&mut self, path: &str, value: &'a Value) -> Option<&'a Map<String, Value>> {
        let found = value.as_object();
        match found {
            None => self.wrong(path, "it is an object"),
            Some(object) if object.len() > MOST => self.wrong(path, format!("it has at most {MOST} entries")),
            Some(_) => {}
        }
        found.filter(|object| object.len() <= MOST)
    }

    fn text(&mut self, path: &str, value: &Value) -> Option<String> {
        let Some(text) = value.as_str() else {
            self.wrong(path, "a status is a text");
            return None;
        };
        match word(text) {
            Ok(word) => Some(word),
            Err(reason) => {
                self.wrong(path, reason);
                None
            }
        }
    }

    fn pairs(&mut self, path: &str, value: &Value) -> BTreeMap<String, String> {
        let mut pairs = BTreeMap::new();
        for (from, to) in self.object(path, value).into_iter().flatten() {
            let at = format!("{path}.{}", shown(from));
            let to = self.text(&at, to);
            match (word(from), to) {
                (Ok(from), Some(to)) => {
                    if pairs.insert(from, to).is_some() {
                        self.wrong(&at, "it is there twice, with other spaces");
                    }
                }
                (Err(reason), _) => self.wrong(&at, reason),
                (Ok(_), None) => {}
            }
        }
        pairs
    }

    fn words(&mut self, path: &str, value: &Value) -> BTreeSet<String> {
        let Some(items) = value.as_array().filter(|items| items.len() <= MOST) else {
            self.wrong(path, format!("it is a list of at most {MOST} statuses"));
            return BTreeSet::new();
        };
        let each = items.iter().enumerate();
        each.filter_map(|(at, item)| self.text(&format!("{path}.{at}"), item)).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As the seed has it, word for word.
    #[test]
    fn the_mapping_of_the_seed_is_read() {
        let rules = read(
            "statusMapping",
            &json!({
                "chargecars_to_partner": {
                  "new": "RECEIVED",
                  "approved": "CONFIRMED",
                  "in_progress": "IN_PROGRESS",
                  "completed": "DELIVERED"
                },
                "partner_to_chargecars": {
                  "RECEIVED": "new",
                  "CONFIRMED": "approved",
                  "IN_PROGRESS": "in_progress",
                  "DELIVERED": "completed"
                }
            }),
        )
        .unwrap();
        assert_eq!(rules.meaning("DELIVERED"), Meaning::Status("completed"));
        assert_eq!(rules.word("approved"), Word::Said("CONFIRMED"));
        assert_eq!(rules.meaning("LOST"), Meaning::Unknown);
    }

    #[test]
    fn each_fault_is_named_by_its_path() {
        let wrong = |json: Value| {
            let mut paths: Vec<_> =
                read("m", &json).unwrap_err().into_iter().map(|issue| issue.path.join(".")).collect();
            paths.sort();
            paths.dedup();
            paths
        };
        assert_eq!(wrong(json!([])), ["m"]);
        assert_eq!(wrong(json!({})), ["m"]);
        let sides = |there: Value, back: Value| json!({ "us_to_partner": there, "partner_to_us": back });
        assert_eq!(wrong(sides(json!({ "new": 5 }), json!("x"))), ["m.partner_to_us", "m.us_to_partner.new"]);
        assert_eq!(
            wrong(sides(json!({ "new": "" }), json!({ "A": ["new"] }))),
            ["m.partner_to_us.A", "m.us_to_partner.new"]
        );
        let mut more = sides(json!({}), json!({}));
        more["ignored"] = json!({ "theirs": [], "ours": [5] });
        more["other"] = json!(1);
        assert_eq!(wrong(more), ["m.ignored.ours.0", "m.ignored.theirs", "m.other"]);
        assert_eq!(wrong(json!({ "a_to_partner": {}, "b_to_partner": {}, "partner_to_a": {} })), ["m"]);
        assert_eq!(wrong(sides(json!({ "new": "x".repeat(201) }), json!({}))), ["m.us_to_partner.new"]);
    }
}
