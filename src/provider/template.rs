//! Texts with gaps, and what fills them.
//!
//! `https://{shop}.myshopify.com` has one gap; `{{` and `}}` are braces. A gap names a setting, a field of the
//! credential, or what the occasion gives: `{access_token}`, `{input.amount}`, `{since}`. Which names an
//! occasion knows is checked when the file is loaded; whether they have a value, when a request is built.
//!
//! What is filled in never changes what the text around it means: in a path it is percent-encoded, in a host
//! name only the letters of host names are taken, in a header no control character.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::Value;

use crate::kernel::secret::Secret;

/// A text with gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Gap(String),
}

/// Where the text goes, and so what may be filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Anywhere that encodes for itself: query, form, JSON.
    Value,
    /// A path of an address.
    Path,
    /// A header.
    Header,
    /// A whole address or its beginning; a gap in the host takes only letters of host names.
    Address,
}

/// A filled-in text.
#[derive(Clone, PartialEq, Eq)]
pub struct Filled {
    /// The text.
    pub text: String,
    /// Whether a secret is in it.
    pub secret: bool,
}

impl std::fmt::Debug for Filled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.secret { "Filled(…)" } else { &self.text })
    }
}

/// Why a text cannot be filled in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfilled {
    /// The name has no value.
    #[error("there is no value for `{0}`")]
    Missing(String),
    /// The value cannot stand there.
    #[error("the value of `{0}` cannot stand there")]
    Unfit(String),
}

impl Template {
    /// Reads a text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            plain.push_str(before);
            if let Some(after) = from.strip_prefix("{{") {
                plain.push('{');
                rest = after;
            } else if let Some(after) = from.strip_prefix("}}") {
                plain.push('}');
                rest = after;
            } else if let Some(after) = from.strip_prefix('{') {
                let Some((name, after)) = after.split_once('}') else {
                    return Err(format!("a gap is not closed; write `{{{}}}`, or `{{{{` for a brace", name_of(after)));
                };
                if !is_name(name) {
                    return Err(format!("{name:?} is no name; write a gap as `{{name}}`, or `{{{{` for a brace"));
                }
                if !plain.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                }
                parts.push(Part::Gap(name.to_owned()));
                rest = after;
            } else {
                return Err("a `}` closes nothing; write `}}` for a brace".to_owned());
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a text could be this one with its gaps filled in. A gap takes anything but `/`; one at the
    /// beginning takes anything.
    #[must_use]
    pub fn could_be(&self, text: &str) -> bool {
        fits(&self.parts, text, true)
    }

    /// What its gaps were filled with to give this text, if it could be.
    #[must_use]
    pub fn gaps_of(&self, text: &str) -> Option<BTreeMap<String, String>> {
        let mut gaps = BTreeMap::new();
        found(&self.parts, text, true, &mut gaps).then_some(gaps)
    }

    /// The names of its gaps.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Gap(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// Its only gap, if it is nothing else.
    #[must_use]
    pub fn lone(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Gap(name)] => Some(name),
            _ => None,
        }
    }

    /// The text as logs may show it: where a secret would stand is a mark.
    pub fn shown(&self, values: &Values, place: Place, mark: &str) -> Result<String, Unfilled> {
        let mut shown = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => shown.push_str(text),
                Part::Gap(name) => {
                    let (value, secret) = values.get(name).ok_or_else(|| Unfilled::Missing(name.clone()))?;
                    let fit = fit(&value, place, &shown).ok_or_else(|| Unfilled::Unfit(name.clone()))?;
                    shown.push_str(if secret { mark } else { &fit });
                }
            }
        }
        Ok(shown)
    }

    /// The text with its gaps filled in.
    pub fn fill(&self, values: &Values, place: Place) -> Result<Filled, Unfilled> {
        let mut filled = Filled { text: String::new(), secret: false };
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.text.push_str(text),
                Part::Gap(name) => {
                    let (value, secret) = values.get(name).ok_or_else(|| Unfilled::Missing(name.clone()))?;
                    filled.secret |= secret;
                    let fit = fit(&value, place, &filled.text).ok_or_else(|| Unfilled::Unfit(name.clone()))?;
                    filled.text.push_str(&fit);
                }
            }
        }
        Ok(filled)
    }
}

impl std::fmt::Display for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

fn fits(parts: &[Part], text: &str, first: bool) -> bool {
    match parts.split_first() {
        None => text.is_empty(),
        Some((Part::Text(plain), rest)) => {
            text.strip_prefix(plain.as_str()).is_some_and(|text| fits(rest, text, false))
        }
        Some((Part::Gap(_), rest)) => {
            let ends = text.char_indices().map(|(at, letter)| (at + letter.len_utf8(), letter));
            ends.take_while(|(_, letter)| first || *letter != '/').any(|(end, _)| fits(rest, &text[end..], false))
        }
    }
}

/// The same, and notes what stands in the gaps; the shortest that fits.
fn found(parts: &[Part], text: &str, first: bool, gaps: &mut BTreeMap<String, String>) -> bool {
    match parts.split_first() {
        None => text.is_empty(),
        Some((Part::Text(plain), rest)) => {
            text.strip_prefix(plain.as_str()).is_some_and(|text| found(rest, text, false, gaps))
        }
        Some((Part::Gap(name), rest)) => {
            let ends = text.char_indices().map(|(at, letter)| (at + letter.len_utf8(), letter));
            let mut ends = ends.take_while(|(_, letter)| first || *letter != '/');
            let Some((end, _)) = ends.find(|(end, _)| fits(rest, &text[*end..], false)) else { return false };
            gaps.insert(name.clone(), text[..end].to_owned());
            found(rest, &text[end..], false, gaps)
        }
    }
}

/// The beginning of a text that could be a name.
fn name_of(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.')).collect()
}

fn is_name(name: &str) -> bool {
    let starts = name.starts_with(|letter: char| letter.is_ascii_lowercase());
    starts && name_of(name) == name && !name.contains("..") && !name.ends_with('.')
}

/// A value as it may stand at a place, after the text that came before it.
fn fit<'a>(value: &'a str, place: Place, before: &str) -> Option<Cow<'a, str>> {
    match place {
        Place::Value => Some(Cow::Borrowed(value)),
        Place::Header => (!value.chars().any(char::is_control)).then_some(Cow::Borrowed(value)),
        // A value that is the whole beginning is an address of its own, which its setting has checked.
        Place::Address if before.is_empty() => (!value.chars().any(char::is_control)).then_some(Cow::Borrowed(value)),
        Place::Address if in_host(before) => {
            let host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
            let fits = !value.is_empty() && value.bytes().all(host) && !value.contains("..") && !value.starts_with('.');
            fits.then_some(Cow::Borrowed(value))
        }
        Place::Address | Place::Path => segment(value),
    }
}

/// Whether the text so far is within the host of an address.
fn in_host(before: &str) -> bool {
    before.split_once("://").is_none_or(|(_, rest)| !rest.contains(['/', '?', '#']))
}

/// A value as one part of a path: nothing in it can begin another, and it cannot mean "one up".
fn segment(value: &str) -> Option<Cow<'_, str>> {
    if matches!(value, "" | "." | "..") {
        return None;
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':' | b'@');
    if value.bytes().all(plain) {
        return Some(Cow::Borrowed(value));
    }
    let mut encoded = String::with_capacity(value.len() * 3);
    for byte in value.bytes() {
        if plain(byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.extend([byte >> 4, byte & 15].map(|half| char::from(b"0123456789ABCDEF"[usize::from(half)])));
        }
    }
    Some(Cow::Owned(encoded))
}

/// What gaps are filled with. Clones are cheap enough to be made for a request.
#[derive(Clone, Debug, Default)]
pub struct Values {
    plain: BTreeMap<String, String>,
    secret: BTreeMap<String, Secret>,
    input: Value,
}

impl Values {
    /// Sets what everybody may see.
    pub fn set(&mut self, name: &str, value: impl Into<String>) -> &mut Self {
        self.plain.insert(name.to_owned(), value.into());
        self
    }

    /// Sets what nobody may see.
    pub fn set_secret(&mut self, name: &str, value: Secret) -> &mut Self {
        self.secret.insert(name.to_owned(), value);
        self
    }

    /// Sets what `input.…` names.
    pub fn set_input(&mut self, input: Value) -> &mut Self {
        self.input = input;
        self
    }

    /// The value of a name, and whether it is a secret. An empty value is none.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<(Cow<'_, str>, bool)> {
        if let Some(path) = name.strip_prefix("input.") {
            return match self.input(path)? {
                Value::String(text) => Some((Cow::Borrowed(text), false)),
                Value::Number(number) => Some((Cow::Owned(number.to_string()), false)),
                Value::Bool(flag) => Some((Cow::Owned(flag.to_string()), false)),
                Value::Null | Value::Array(_) | Value::Object(_) => None,
            };
        }
        let secret = self.secret.get(name).map(|secret| (Cow::Borrowed(secret.expose()), true));
        secret
            .or_else(|| self.plain.get(name).map(|text| (Cow::Borrowed(text.as_str()), false)))
            .filter(|(text, _)| !text.is_empty())
    }

    /// A part of the input.
    #[must_use]
    pub fn input(&self, path: &str) -> Option<&Value> {
        path.split('.').try_fold(&self.input, |value, part| value.get(part))
    }

    /// Every secret, for those who must not let one out.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> + Clone {
        self.secret.values()
    }

    /// The names of all secrets.
    pub fn secret_names(&self) -> impl Iterator<Item = &str> {
        self.secret.keys().map(String::as_str)
    }

    /// Every setting that is no secret.
    pub fn plain(&self) -> impl Iterator<Item = (&str, &str)> {
        self.plain.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }
}

/// JSON with gaps in its texts.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    /// A text.
    Text(Template),
    /// A number, true or false.
    Fixed(Value),
    /// A list.
    List(Vec<Tree>),
    /// An object.
    Table(Vec<(String, Tree)>),
}

impl Tree {
    /// Every text in it.
    pub fn templates(&self) -> Vec<&Template> {
        match self {
            Self::Text(template) => vec![template],
            Self::Fixed(_) => Vec::new(),
            Self::List(items) => items.iter().flat_map(Self::templates).collect(),
            Self::Table(fields) => fields.iter().flat_map(|(_, item)| item.templates()).collect(),
        }
    }

    /// The JSON with its gaps filled in. A text that is one gap keeps the type of what fills it, and is left
    /// out together with its key when there is nothing. Also says whether a secret is in it.
    pub fn fill(&self, values: &Values) -> Result<(Option<Value>, bool), Unfilled> {
        Ok(match self {
            Self::Fixed(value) => (Some(value.clone()), false),
            Self::Text(template) => fill_text(template, values)?,
            Self::List(items) => {
                let mut secret = false;
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    let (value, is_secret) = item.fill(values)?;
                    secret |= is_secret;
                    list.extend(value);
                }
                (Some(Value::Array(list)), secret)
            }
            Self::Table(fields) => {
                let mut secret = false;
                let mut object = serde_json::Map::new();
                for (name, item) in fields {
                    let (value, is_secret) = item.fill(values)?;
                    secret |= is_secret;
                    object.extend(value.map(|value| (name.clone(), value)));
                }
                // An object whose every part was left out is left out itself.
                let empty = object.is_empty() && !fields.is_empty();
                ((!empty).then_some(Value::Object(object)), secret)
            }
        })
    }
}

fn fill_text(template: &Template, values: &Values) -> Result<(Option<Value>, bool), Unfilled> {
    match template.lone() {
        Some("input") => return Ok((Some(values.input.clone()).filter(|input| !input.is_null()), false)),
        Some(name) => {
            if let Some(path) = name.strip_prefix("input.") {
                return Ok((values.input(path).cloned().filter(|value| !value.is_null()), false));
            }
            if values.get(name).is_none() {
                return Ok((None, false));
            }
        }
        None => {}
    }
    match template.fill(values, Place::Value) {
        Ok(filled) => Ok((Some(Value::String(filled.text)), filled.secret)),
        Err(Unfilled::Missing(name)) if may_be_missing(&name) => Ok((None, false)),
        Err(error) => Err(error),
    }
}

/// Whether a request may do without a value: what the occasion gives, not what the connection has.
pub fn may_be_missing(name: &str) -> bool {
    name == "since" || name.starts_with("input.")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values() -> Values {
        let mut values = Values::default();
        values.set("shop", "tea").set("dir", "../../etc").set("line", "a\r\nx: y");
        values.set_secret("key", Secret::from("sk 1".to_owned()));
        values.set_input(json!({"to": "+49", "n": 3, "deep": {"x": [1]}, "nil": null}));
        values
    }

    fn fill(text: &str, place: Place) -> Result<String, Unfilled> {
        Template::parse(text).unwrap().fill(&values(), place).map(|filled| filled.text)
    }

    #[test]
    fn gaps_are_filled_and_braces_are_kept() {
        assert_eq!(fill("a{shop}b{{x}}", Place::Value).unwrap(), "ateab{x}");
        assert_eq!(fill("{input.n}", Place::Value).unwrap(), "3");
        assert_eq!(fill("{nobody}", Place::Value), Err(Unfilled::Missing("nobody".to_owned())));
    }

    #[test]
    fn a_value_cannot_leave_its_place() {
        assert_eq!(fill("/a/{dir}/b", Place::Path).unwrap(), "/a/..%2F..%2Fetc/b");
        assert_eq!(fill("https://{dir}.example.com", Place::Address), Err(Unfilled::Unfit("dir".to_owned())));
        assert_eq!(fill("https://{shop}.example.com", Place::Address).unwrap(), "https://tea.example.com");
        assert_eq!(fill("x {line}", Place::Header), Err(Unfilled::Unfit("line".to_owned())));
        assert_eq!(fill("https://h/{key}", Place::Address).unwrap(), "https://h/sk%201");
    }

    #[test]
    fn a_secret_is_known_to_be_one() {
        let filled = Template::parse("Bearer {key}").unwrap().fill(&values(), Place::Header).unwrap();
        assert!(filled.secret);
        assert_eq!(format!("{filled:?}"), "Filled(…)");
    }

    #[test]
    fn texts_that_are_no_templates_are_refused_with_what_to_write() {
        for (text, part) in [
            ("{", "not closed"),
            ("{shop", "`{shop}`"),
            ("}", "closes nothing"),
            ("{a b}", "no name"),
            ("{}", "no name"),
        ] {
            let reason = Template::parse(text).unwrap_err();
            assert!(reason.contains(part), "{text}: {reason}");
        }
    }

    #[test]
    fn a_lone_gap_keeps_the_type_and_what_is_absent_is_left_out() {
        let text = |text| Tree::Text(Template::parse(text).unwrap());
        let tree = Tree::Table(vec![
            ("n".to_owned(), text("{input.n}")),
            ("gone".to_owned(), text("{input.gone}")),
            ("deep".to_owned(), Tree::Table(vec![("y".to_owned(), text("{input.nil}"))])),
            ("list".to_owned(), Tree::List(vec![text("{shop}"), Tree::Fixed(json!(true)), text("{input.deep.x}")])),
        ]);
        assert_eq!(tree.fill(&values()).unwrap().0, Some(json!({"n": 3, "list": ["tea", true, [1]]})));
    }
}
