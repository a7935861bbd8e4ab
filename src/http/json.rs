//! JSON from strangers: read strictly, or not at all.
//!
//! Text is checked before it is parsed: UTF-8 without a byte order mark, nested no deeper than allowed and
//! with no more values, which one pass over the bytes can tell, so that no depth of brackets ever becomes a
//! depth of stack, and no megabyte of tiny members a second of work.
//! The parser then refuses an object that names a member twice, at every level: two readers that disagree on
//! which of the two counts are how a check is walked around.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Why a text was not read.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// Nothing is there.
    #[error("is empty")]
    Empty,
    /// It begins with a byte order mark.
    #[error("begins with a byte order mark")]
    Mark,
    /// It is not UTF-8.
    #[error("is not UTF-8")]
    Encoding,
    /// It is nested deeper than allowed.
    #[error("is nested deeper than {0} levels")]
    Deep(usize),
    /// It holds more values than allowed.
    #[error("has more than {0} values")]
    Many(usize),
    /// It is not JSON, or names a member twice.
    #[error("is not valid JSON: {0}")]
    Syntax(#[from] serde_json::Error),
}

/// How much of a name is said when it is there twice.
const SHOWN: usize = 60;

/// Reads one JSON value that is nested at most `nesting` levels deep and holds at most `values`.
pub fn read(bytes: &[u8], nesting: usize, values: usize) -> Result<Value, JsonError> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(JsonError::Mark);
    }
    let text = str::from_utf8(bytes).map_err(|_| JsonError::Encoding)?;
    if text.trim_ascii().is_empty() {
        return Err(JsonError::Empty);
    }
    within(bytes, nesting, values)?;
    Ok(serde_json::from_str::<Strict>(text)?.0)
}

/// Refuses brackets that nest too deep and commas that separate too much, both outside strings.
fn within(bytes: &[u8], nesting: usize, values: usize) -> Result<(), JsonError> {
    let (mut depth, mut commas, mut quoted, mut escaped) = (0_usize, 0_usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'[' | b'{' => {
                depth += 1;
                if depth > nesting {
                    return Err(JsonError::Deep(nesting));
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' => {
                commas += 1;
                if commas >= values {
                    return Err(JsonError::Many(values));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// A value in which no object names a member twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Build.deserialize(deserializer).map(Self)
    }
}

/// Builds a value, piece by piece.
struct Build;

impl<'de> DeserializeSeed<'de> for Build {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Build {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                let shown: String = name.escape_debug().take(SHOWN).collect();
                let more = if name.len() > shown.len() { "…" } else { "" };
                return Err(A::Error::custom(format_args!("the member `{shown}{more}` appears twice")));
            }
            let value = members.next_value_seed(Self)?;
            object.insert(name, value);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        read(bytes, 4, 8).unwrap_err().to_string()
    }

    #[test]
    fn every_kind_of_value_is_read_as_it_was_sent() {
        let text = r#" {"a":[null,true,-1,18446744073709551615,1.5,"\u00e9\n"],"b":{"a":{}}} "#;
        let value = json!({"a": [null, true, -1, u64::MAX, 1.5, "é\n"], "b": {"a": {}}});
        assert_eq!(read(text.as_bytes(), 4, 8).unwrap(), value);
    }

    #[test]
    fn text_that_is_not_json_in_utf_8_is_refused_with_the_reason() {
        assert_eq!(refusal(b""), "is empty");
        assert_eq!(refusal(b" \n"), "is empty");
        assert_eq!(refusal(b"\xef\xbb\xbf{}"), "begins with a byte order mark");
        assert_eq!(refusal(b"{\"a\":\"\xff\"}"), "is not UTF-8");
        for bytes in ["{ \"not a JSON", "{} {}", "{'a':1}", "[1,]", "NaN", "1e999", "\"\\ud800\""] {
            assert!(refusal(bytes.as_bytes()).starts_with("is not valid JSON"), "{bytes}");
        }
    }

    #[test]
    fn depth_is_counted_outside_of_strings_only() {
        assert!(read(b"[[[[]]]]", 4, 8).is_ok());
        assert_eq!(refusal(b"[[[[[]]]]]"), "is nested deeper than 4 levels");
        assert!(read(br#"["\"[[[[[", "{{{{{", [[], []], {}]"#, 4, 8).is_ok());
    }

    #[test]
    fn a_bomb_is_refused_before_it_is_parsed() {
        let bomb = "[".repeat(1_000_000);
        assert_eq!(refusal(bomb.as_bytes()), "is nested deeper than 4 levels");
    }

    #[test]
    fn values_are_counted_outside_of_strings_only() {
        assert!(read(br#"[1,2,3,{"a":1,"b":[1,2,",,,,,,"]}]"#, 4, 8).is_ok());
        assert_eq!(refusal(b"[1,2,3,4,5,6,7,8,9]"), "has more than 8 values");
        assert_eq!(refusal(",".repeat(1_000_000).as_bytes()), "has more than 8 values");
    }

    #[test]
    fn a_long_name_is_cut_when_it_is_there_twice() {
        let long = "ä".repeat(10_000);
        let said = refusal(format!("{{\"{long}\":1,\"{long}\":1}}").as_bytes());
        assert!(said.contains("…` appears twice") && said.chars().count() < 150, "{said}");
    }

    #[test]
    fn a_member_named_twice_is_refused_at_every_level() {
        assert!(refusal(br#"{"a":1,"a":1}"#).contains("`a` appears twice"));
        assert!(refusal(br#"[{"b":{"a":1,"\u0061":2}}]"#).contains("`a` appears twice"));
    }
}
