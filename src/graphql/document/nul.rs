//! NUL (U+0000) in the text that clients send.
//!
//! PostgreSQL stores no NUL in a text and SQLite does, so what one database would take, the other would fail on.
//! Every text of a request is therefore searched before anything runs: the variables by [`coerce`](super::coerce()),
//! what is written in the document by [`usage`](super::usage()), the keys and the values of JSON alike. Nothing behind
//! these two has to think of it.

use async_graphql::Value;

/// What is said of a text with a NUL in it.
pub(super) const RULE: &str = "must not contain NUL (U+0000)";

/// Path to the first text with a NUL, or to the object with such a key. The nesting of values is bounded before.
pub(super) fn find(value: &Value) -> Option<Vec<String>> {
    let inside = |step: String, value: &Value| {
        let below = find(value)?;
        Some(std::iter::once(step).chain(below).collect())
    };
    match value {
        Value::String(text) => text.contains('\0').then(Vec::new),
        Value::List(items) => items.iter().enumerate().find_map(|(index, item)| inside(index.to_string(), item)),
        Value::Object(fields) => {
            fields.iter().find_map(
                |(key, value)| {
                    if key.contains('\0') { Some(Vec::new()) } else { inside(key.to_string(), value) }
                },
            )
        }
        _ => None,
    }
}
