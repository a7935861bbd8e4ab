//! JSON Schemas inside a file: what an action takes and gives.
//!
//! They are compiled when the file is read, so a schema that is none is refused by its line. A schema refers to
//! nothing outside itself; its patterns run in time linear in the text, as all of the file's do.

use std::sync::Arc;

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

use super::{
    leaf::Json,
    reader::{Node, Reader},
    schema::Schemas,
    shape::Shape,
};

/// Most faults that are told at once.
const MAX_FAULTS: usize = 20;

/// Longest fault.
const MAX_FAULT: usize = 300;

/// A JSON Schema.
#[derive(Clone, Debug)]
pub struct Schema(pub Value, Arc<Validator>);

/// What does not fit a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Where, as a path such as `amount.value`; empty for the whole.
    pub path: String,
    /// What, as a clause.
    pub message: String,
}

impl Schema {
    /// Compiles a schema; the reason if it is none.
    pub fn compile(schema: Value) -> Result<Self, String> {
        let options = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true)
            .with_pattern_options(PatternOptions::regex().size_limit(1 << 18).dfa_size_limit(1 << 18))
            .offline();
        match options.build(&schema) {
            Ok(validator) => Ok(Self(schema, Arc::new(validator))),
            Err(error) => Err(short(&error.to_string())),
        }
    }

    /// What does not fit. What was given is not repeated at length.
    #[must_use]
    pub fn misfits(&self, value: &Value) -> Vec<Misfit> {
        let all = self.1.iter_errors(value).take(MAX_FAULTS);
        all.map(|error| Misfit {
            path: error.instance_path().as_str().trim_start_matches('/').replace('/', "."),
            message: short(&error.masked().to_string()),
        })
        .collect()
    }

    /// Names at the top of a value of which the schema knows nothing.
    pub fn unknown<'a>(&self, value: &'a Value) -> impl Iterator<Item = &'a str> {
        let known = self.0.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        let open = self.0.get("additionalProperties").is_some() || self.0.get("patternProperties").is_some();
        let names = value.as_object().into_iter().flat_map(|fields| fields.keys());
        names.filter(move |name| !open && !known.contains_key(*name)).map(String::as_str)
    }
}

fn short(text: &str) -> String {
    text.chars().take(MAX_FAULT).collect()
}

impl Shape for Schema {
    fn read(node: &Node<'_>, reader: &mut Reader) -> Option<Self> {
        let value = Json::read(node, reader)?.0;
        match Self::compile(value) {
            Ok(schema) => Some(schema),
            Err(reason) => {
                reader.problem(
                    node.line,
                    format!("{} is no JSON Schema: {reason}; write `type = \"object\"` and `properties`", node.name()),
                );
                None
            }
        }
    }

    fn expected() -> String {
        "a JSON Schema".to_owned()
    }

    fn example() -> String {
        "{ type = \"object\", properties = { } }".to_owned()
    }

    fn schema(_: &mut Schemas) -> Value {
        serde_json::json!({"type": "object"})
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Schema {
        let properties = json!({
            "to": {"type": "string", "pattern": "^[+][0-9]+$"},
            "lines": {"type": "array", "items": {"type": "object", "required": ["sku"]}},
        });
        Schema::compile(json!({"type": "object", "required": ["to"], "properties": properties})).unwrap()
    }

    #[test]
    fn what_does_not_fit_is_named_by_its_path_without_what_was_given() {
        assert!(schema().misfits(&json!({"to": "+49"})).is_empty());
        let misfits = schema().misfits(&json!({"to": "hunter2", "lines": [{"sku": 1}, {}]}));
        let paths: Vec<_> = misfits.iter().map(|misfit| misfit.path.as_str()).collect();
        assert_eq!(paths, ["lines.1", "to"]);
        assert!(!format!("{misfits:?}").contains("hunter2"), "{misfits:?}");
        assert_eq!(schema().unknown(&json!({"to": "+1", "too": 1})).collect::<Vec<_>>(), ["too"]);
    }

    #[test]
    fn what_is_no_schema_or_reaches_outside_is_refused() {
        for wrong in [
            json!({"type": "objekt"}),
            json!({"properties": 3}),
            json!({"type": "string", "pattern": "("}),
            json!({"$ref": "https://example.com/schema.json"}),
            json!({"$ref": "file:///etc/passwd"}),
        ] {
            assert!(Schema::compile(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
