//! The small parts: texts, numbers, times, names, and the texts that are compiled when they are read.

use std::{collections::BTreeMap, time::Duration};

use chrono::NaiveDate;
use regex::RegexBuilder;
use serde_json::{Map, Number, Value, json};
use toml::de::DeValue;

use super::{
    reader::{Node, Reader},
    schema::Schemas,
    shape::Shape,
};
use crate::{
    kernel::measure,
    provider::{
        expression::Expression,
        template::{Template, Tree},
    },
};

/// A text of the file, or a note of what else it is.
fn text<'a, T: Shape>(node: &Node<'a>, reader: &mut Reader) -> Option<&'a str> {
    let DeValue::String(text) = node.value else {
        reader.wrong::<T>(node);
        return None;
    };
    if text.trim().is_empty() {
        reader.problem(node.line, format!("{} is empty; write {}", node.name(), T::expected()));
        return None;
    }
    Some(text)
}

/// A text that a rule makes into something, or a note of the reason why not.
fn made<T: Shape>(node: &Node<'_>, reader: &mut Reader, rule: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
    let text = text::<T>(node, reader)?;
    match rule(text) {
        Ok(it) => Some(it),
        Err(reason) => {
            reader.problem(node.line, format!("{} cannot be {text:?}: {reason}", node.name()));
            None
        }
    }
}

/// Declares what is written as a text.
macro_rules! text_shape {
    ($type:ty, $expected:literal, $example:literal, $schema:tt, $rule:expr) => {
        impl Shape for $type {
            const IS_TEXT: bool = true;

            fn read(node: &Node<'_>, reader: &mut Reader) -> Option<Self> {
                made(node, reader, $rule)
            }

            fn expected() -> String {
                $expected.to_owned()
            }

            fn example() -> String {
                $example.to_owned()
            }

            fn schema(_: &mut Schemas) -> Value {
                json!($schema)
            }
        }
    };
}

text_shape!(String, "a text", "\"…\"", {"type": "string", "minLength": 1}, |text| Ok(text.to_owned()));

text_shape!(Expression, "an expression (JMESPath)", "'data.id'", {"type": "string", "minLength": 1}, |text| {
    Expression::parse(text).map_err(|fault| fault.to_string())
});

text_shape!(Template, "a text with gaps such as {name}", "\"…{name}…\"", {"type": "string", "minLength": 1}, Template::parse);

text_shape!(Duration, "a duration", "\"30s\"", {"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$"}, |text| {
    let duration = measure::duration(text).map_err(|reason| format!("{reason}; write \"250ms\", \"30s\", \"5m\", \"12h\" or \"7d\""))?;
    if duration.is_zero() { Err("it must be longer than nothing".to_owned()) } else { Ok(duration) }
});

/// A name by which other parts of the file refer to something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(pub String);

impl Name {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

text_shape!(Name, "a name in lower case", "\"some_name\"", {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,62}$"}, |text| {
    let letters = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    let fits = text.starts_with(|letter: char| letter.is_ascii_lowercase()) && text.chars().all(letters) && text.len() <= 63;
    if fits { Ok(Name(text.to_owned())) } else { Err("a name has lower-case letters, digits and _, and begins with a letter".to_owned()) }
});

/// The name of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header(pub http::HeaderName);

text_shape!(Header, "the name of a header", "\"X-Some-Header\"", {"type": "string", "pattern": "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"}, |text| {
    let name = http::HeaderName::try_from(text).map_err(|_| "a header has letters, digits and - only".to_owned())?;
    let framing = ["host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"];
    if framing.contains(&name.as_str()) { Err("this header is the transport's own".to_owned()) } else { Ok(Header(name)) }
});

/// A rule for the form of a text. It is matched against the whole text, in time linear in its length.
#[derive(Clone, Debug)]
pub struct Pattern(regex::Regex);

impl Pattern {
    /// Whether a text has the form.
    #[must_use]
    pub fn fits(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// The part of a text that the first group takes.
    #[must_use]
    pub fn part<'a>(&self, text: &'a str) -> Option<&'a str> {
        self.0.captures(text)?.get(1).map(|part| part.as_str())
    }

    /// As it is written for other programs.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

text_shape!(Pattern, "a regular expression for the whole text", "'^[a-z]+$'", {"type": "string", "pattern": "^\\^.*\\$$"}, |text| {
    if !text.starts_with('^') || !text.ends_with('$') || text.ends_with("\\$") {
        return Err("begin it with ^ and end it with $, since it is for the whole text".to_owned());
    }
    let built = RegexBuilder::new(text).size_limit(1 << 18).dfa_size_limit(1 << 18).nest_limit(16).build();
    built.map(Pattern).map_err(|error| error.to_string().lines().last().unwrap_or("it is no expression").trim().to_owned())
});

/// An address that people open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link(pub String);

text_shape!(Link, "an https address", "\"https://…\"", {"type": "string", "pattern": "^https://"}, |text| {
    let url = url::Url::parse(text).map_err(|error| error.to_string())?;
    if text.chars().any(char::is_control) {
        Err("it has no control characters".to_owned())
    } else if url.scheme() == "https" { Ok(Link(text.to_owned())) } else { Err("it begins with https://".to_owned()) }
});

/// An address with gaps, to which requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(pub Template);

text_shape!(Address, "an https address, with gaps if need be", "\"https://api.example.com\"", {"type": "string", "pattern": "^(https://|\\{)"}, |text| {
    let template = Template::parse(text)?;
    let whole_gap = template.lone().is_some();
    if !whole_gap && !text.starts_with("https://") {
        return Err("it begins with https://, or is one gap that a setting of type url fills".to_owned());
    }
    let plain = text.strip_prefix("https://").unwrap_or_default();
    if !whole_gap && (plain.is_empty() || plain.starts_with('/') || plain.contains(['@', '?', '#', ' ']) || plain.ends_with('/')) {
        return Err("it is a scheme, a host and perhaps the beginning of a path, without / at the end".to_owned());
    }
    Ok(Address(template))
});

/// A whole address with gaps, such as that of a token call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(pub Template);

text_shape!(Endpoint, "an https address with its path", "\"https://example.com/oauth/token\"", {"type": "string", "pattern": "^(https://|\\{)"}, |text| {
    let template = Template::parse(text)?;
    if !text.starts_with("https://") && !text.starts_with('{') {
        return Err("it begins with https://, or with a gap that a setting of type url fills".to_owned());
    }
    let host = text.strip_prefix("https://").unwrap_or(text);
    if host.is_empty() || host.starts_with('/') || text.contains(['@', '#', ' ', '?']) {
        return Err("it is a scheme, a host and a path; give parameters apart".to_owned());
    }
    Ok(Endpoint(template))
});

/// A path with gaps, below an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(pub Template);

text_shape!(Path, "a path that begins with /", "\"/v1/things\"", {"type": "string", "pattern": "^/"}, |text| {
    let template = Template::parse(text)?;
    if !text.starts_with('/') {
        return Err("it begins with /".to_owned());
    }
    if text.contains(['?', '#', ' ']) || text.contains("/../") || text.starts_with("//") {
        return Err("it is a path only; give parameters in `query`".to_owned());
    }
    Ok(Path(template))
});

impl Shape for bool {
    fn read(node: &Node<'_>, reader: &mut Reader) -> Option<Self> {
        let read = node.value.as_bool();
        if read.is_none() {
            reader.wrong::<Self>(node);
        }
        read
    }

    fn expected() -> String {
        "true or false".to_owned()
    }

    fn example() -> String {
        "true".to_owned()
    }

    fn schema(_: &mut Schemas) -> Value {
        json!({"type": "boolean"})
    }
}

/// A whole number from one on.
impl Shape for u32 {
    fn read(node: &Node<'_>, reader: &mut Reader) -> Option<Self> {
        let number =
            node.value.as_integer().and_then(|integer| Self::from_str_radix(integer.as_str(), integer.radix()).ok());
        let number = number.filter(|number| *number > 0);
        if number.is_none() {
            reader.wrong::<Self>(node);
        }
        number
    }

    fn expected() -> String {
        "a whole number from 1 to 4294967295".to_owned()
    }

    fn example() -> String {
        "10".to_owned()
    }

    fn schema(_: &mut Schemas) -> Value {
        json!({"type": "integer", "minimum": 1, "maximum": u32::MAX})
    }
}

/// A status of HTTP.
impl Shape for u16 {
    fn read(node: &Node<'_>, reader: &mut Reader) -> Option<Self> {
        let number =
            node.value.as_integer().and_then(|integer| Self::from_str_radix(integer.as_str(), integer.radix()).ok());
        let status = number.filter(|number| (100..=599).contains(number));
        if status.is_none() {
            reader.wrong::<Self>(node);
        }
        status
    }

    fn expected() -> String {
        "a status from 100 to 599".to_owned()
    }

    fn example() -> String {
        "200".to_owned()
    }

    fn schema(_: &mut Schemas) -> Value {
        json!({"type": "integer", "minimum": 100, "maximum": 599})
    }
}

/// A day, written as TOML writes one.
impl Shape for NaiveDate {
    fn read(node: &Node<'_>, reader: &mut Reader) -> Option<Self> {
        let date = node
            .value
            .as_datetime()
            .and_then(|moment| moment.date)
            .and_then(|date| Self::from_ymd_opt(i32::from(date.year), u32::from(date.month), u32::from(date.day)));
        if date.is_none() {
            reader.wrong::<Self>(node);
        }
        date
    }

    fn expected() -> String {
        "a day".to_owned()
    }

    fn example() -> String {
        "2027-12-31".to_owned()
    }

    fn schema(_: &mut Schemas) -> Value {
        json!({"type": "string", "format": "date"})
    }
}

/// Any JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Json(pub Value);

impl Shape for Json {
    fn read(node: &Node<'_>, reader: &mut Reader) -> Option<Self> {
        json_of(node.value).map(Self).or_else(|| {
            reader.wrong::<Self>(node);
            None
        })
    }

    fn expected() -> String {
        "a table, list, text, number, true or false".to_owned()
    }

    fn example() -> String {
        "{ }".to_owned()
    }

    fn schema(_: &mut Schemas) -> Value {
        json!({})
    }
}

/// A value of TOML as JSON. TOML has no null; the text `"null"` within quotes stays a text.
fn json_of(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Integer(integer) => Value::Number(i64::from_str_radix(integer.as_str(), integer.radix()).ok()?.into()),
        DeValue::Float(float) => Value::Number(Number::from_f64(float.as_str().replace('_', "").parse().ok()?)?),
        DeValue::Datetime(moment) => Value::String(moment.to_string()),
        DeValue::Array(items) => Value::Array(items.iter().map(|item| json_of(item.get_ref())).collect::<Option<_>>()?),
        DeValue::Table(table) => Value::Object(
            table
                .iter()
                .map(|(name, item)| Some((name.get_ref().to_string(), json_of(item.get_ref())?)))
                .collect::<Option<Map<_, _>>>()?,
        ),
    })
}

/// JSON with gaps.
impl Shape for Tree {
    fn read(node: &Node<'_>, reader: &mut Reader) -> Option<Self> {
        match node.value {
            DeValue::String(text) => match Template::parse(text) {
                Ok(template) => Some(Self::Text(template)),
                Err(reason) => {
                    reader.problem(node.line, format!("{} cannot be {text:?}: {reason}", node.name()));
                    None
                }
            },
            DeValue::Array(_) => {
                let items = node.items(reader)?;
                let read: Vec<Option<Self>> = items.iter().map(|item| Self::read(item, reader)).collect();
                read.into_iter().collect::<Option<Vec<_>>>().map(Self::List)
            }
            DeValue::Table(_) => {
                let entries = node.entries(reader)?;
                let read: Vec<Option<(String, Self)>> = entries
                    .into_iter()
                    .map(|(name, item)| Self::read(&item, reader).map(|item| (name, item)))
                    .collect();
                read.into_iter().collect::<Option<Vec<_>>>().map(Self::Table)
            }
            other => json_of(other).map(Self::Fixed).or_else(|| {
                reader.wrong::<Self>(node);
                None
            }),
        }
    }

    fn expected() -> String {
        "a table, list, number or text with gaps".to_owned()
    }

    fn example() -> String {
        "{ name = \"{gap}\" }".to_owned()
    }

    fn schema(_: &mut Schemas) -> Value {
        json!({})
    }
}

/// Texts with gaps by name, as in a query.
pub type Templates = BTreeMap<String, Template>;
