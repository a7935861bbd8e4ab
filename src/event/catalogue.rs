//! Every kind of event, with what it is about and the facts it tells: for who is told of events and has to be told
//! before what they look like.
//!
//! The facts themselves are the enums beside this file; the list is written down once more, because an enum does not
//! say at run time what it consists of. A test holds the two against each other.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// A kind of event.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventKind {
    /// The concern.
    pub topic: String,
    /// What happened.
    pub kind: String,
    /// The same for people.
    pub about: String,
    /// The facts it tells, each with its form.
    facts: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Listed {
    event: Vec<EventKind>,
}

static KINDS: LazyLock<Vec<EventKind>> = LazyLock::new(|| {
    // That it can be read is tested.
    toml::from_str::<Listed>(include_str!("catalogue.toml")).map(|listed| listed.event).unwrap_or_default()
});

/// Every kind of event.
#[must_use]
pub fn kinds() -> &'static [EventKind] {
    &KINDS
}

impl EventKind {
    /// Facts as such an event could have them.
    #[must_use]
    pub fn example(&self) -> Value {
        self.facts.iter().map(|(name, form)| (name.clone(), example(name, form))).collect::<Map<_, _>>().into()
    }

    /// The JSON Schema of its facts.
    #[must_use]
    pub fn schema(&self) -> Value {
        let properties: Map<_, _> = self.facts.iter().map(|(name, form)| (name.clone(), schema(form))).collect();
        let required: Vec<_> =
            self.facts.iter().filter(|(_, form)| !form.ends_with('?')).map(|(name, _)| name).collect();
        json!({ "type": "object", "properties": properties, "required": required })
    }
}

fn example(name: &str, form: &str) -> Value {
    match form.trim_end_matches('?') {
        "integer" => json!(3),
        "number" => json!(1.5),
        "boolean" => json!(true),
        "array" => json!([]),
        "object" if name == "changes" => json!({ "name": { "from": "before", "to": "now" } }),
        "object" => json!({}),
        "moment" => json!("2026-11-21T18:00:00Z"),
        form => match form.strip_prefix("id:") {
            Some(prefix) => json!(format!("{prefix}_01j9z3n8k4e5v9x6w2t7r0y1pq")),
            None => json!(format!("some {name}")),
        },
    }
}

fn schema(form: &str) -> Value {
    let (bare, optional) = form.strip_suffix('?').map_or((form, false), |bare| (bare, true));
    let (kind, more) = match bare {
        "integer" | "number" | "boolean" | "array" => (bare, None),
        // Of what a provider or a person wrote nothing is known.
        "object" => return json!({}),
        "moment" => ("string", Some(("format", "date-time".to_owned()))),
        _ => (
            "string",
            bare.strip_prefix("id:").map(|prefix| ("pattern", format!("^{prefix}_[0-9a-hjkmnp-tv-z]{{26}}$"))),
        ),
    };
    let mut schema = Map::new();
    schema.insert("type".to_owned(), if optional { json!([kind, "null"]) } else { json!(kind) });
    schema.extend(more.map(|(name, value)| (name.to_owned(), Value::from(value))));
    schema.into()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    /// What the sources of this folder say: each arm of a `fn kind`.
    fn in_sources() -> BTreeSet<String> {
        let arm = regex::Regex::new(r#"=> "([a-z_]+\.[a-z_]+)""#).unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/event");
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let texts = files.filter(|path| path.extension().is_some_and(|it| it == "rs")).filter_map(|path| {
            let text = fs::read_to_string(path).unwrap();
            text.contains("impl Fact for").then_some(text)
        });
        texts.flat_map(|text| arm.captures_iter(&text).map(|found| found[1].to_owned()).collect::<Vec<_>>()).collect()
    }

    #[test]
    fn every_kind_of_the_sources_is_listed_and_no_other() {
        let listed: BTreeSet<_> = kinds().iter().map(|kind| kind.kind.clone()).collect();
        assert_eq!(listed, in_sources());
        assert_eq!(listed.len(), kinds().len(), "each once");
        assert!(listed.len() > 50);
    }

    #[test]
    fn every_example_is_as_its_schema_says() {
        for kind in kinds() {
            let schema = jsonschema::validator_for(&kind.schema()).unwrap();
            let example = kind.example();
            assert!(schema.is_valid(&example), "{} {example} {:?}", kind.kind, schema.validate(&example));
        }
    }
}
