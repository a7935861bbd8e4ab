//! The JSON Schema of the format, so that editors complete and check while a file is written.
//!
//! It is made of the declarations that the reader is made of, and says less: what depends on two places of a
//! file, or needs parsing (expressions, templates), only `portolan provider lint` knows.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Manifest, shape::Shape};

/// Definitions that refer to each other by name.
#[derive(Debug, Default)]
pub struct Schemas {
    named: BTreeMap<&'static str, Value>,
}

impl Schemas {
    /// A reference to a definition, which is made when it is first referred to.
    pub fn define(&mut self, name: &'static str, make: impl FnOnce(&mut Self) -> Value) -> Value {
        if !self.named.contains_key(name) {
            self.named.insert(name, Value::Null);
            let definition = make(self);
            self.named.insert(name, definition);
        }
        json!({"$ref": format!("#/$defs/{name}")})
    }
}

/// A schema with a description. Beside `$ref` one is allowed since draft 2019-09.
pub fn described(mut schema: Value, doc: &str) -> Value {
    if let Value::Object(fields) = &mut schema {
        fields.insert("description".to_owned(), Value::String(doc.trim().to_owned()));
    }
    schema
}

/// The schema of a table.
pub fn object(doc: &str, properties: Vec<(&'static str, Value, bool)>, tag: Option<(&str, &str)>) -> Value {
    let mut required: Vec<&str> = tag.iter().map(|(key, _)| *key).collect();
    let mut all = Map::new();
    if let Some((key, word)) = tag {
        all.insert(key.to_owned(), json!({"const": word}));
    }
    for (key, schema, needed) in properties {
        if needed {
            required.push(key);
        }
        all.insert(key.to_owned(), schema);
    }
    let mut object = json!({
        "type": "object",
        "description": doc.trim(),
        "properties": all,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

/// The schema of a whole manifest, as text.
#[must_use]
pub fn document() -> String {
    let mut schemas = Schemas::default();
    let root = Manifest::schema(&mut schemas);
    let whole = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A provider of Portolan",
        "$ref": root["$ref"],
        "$defs": schemas.named,
    });
    format!("{whole:#}\n")
}
