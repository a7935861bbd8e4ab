//! Walks the TOML of a manifest, and keeps what is wrong with it.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    problem::{Line, Problem},
    shape::Shape,
};
use crate::kernel::suggest::did_you_mean;

/// A key that a table may have.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// What it says.
    pub doc: &'static str,
}

impl Key {
    /// The first sentence of what it says.
    pub fn summary(&self) -> &'static str {
        let doc = self.doc.trim();
        doc.split_once(". ").map_or(doc, |(first, _)| first).trim_end_matches('.')
    }
}

/// A value of the file, with its place.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    /// The value.
    pub value: &'a DeValue<'a>,
    /// The line on which its key, or the value itself, stands.
    pub line: Line,
    /// The way to it: `streams[1].id`.
    pub path: String,
}

impl<'a> Node<'a> {
    fn inner(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// The way to it, as it is said to people.
    pub fn name(&self) -> String {
        if self.path.is_empty() { "the file".to_owned() } else { format!("`{}`", self.path) }
    }

    /// The elements of a list.
    pub fn items(&self, reader: &Reader) -> Option<Vec<Node<'a>>> {
        let DeValue::Array(items) = self.value else { return None };
        let node = |(at, item): (usize, &'a Spanned<DeValue<'a>>)| Node {
            value: item.get_ref(),
            line: reader.line(&item.span()),
            path: format!("{}[{}]", self.path, at + 1),
        };
        Some(items.iter().enumerate().map(node).collect())
    }

    /// The entries of a table.
    pub fn entries(&self, reader: &Reader) -> Option<Vec<(String, Node<'a>)>> {
        let DeValue::Table(table) = self.value else { return None };
        let node = |(key, value): (&'a Spanned<_>, &'a Spanned<DeValue<'a>>)| {
            let key: &Spanned<std::borrow::Cow<'a, str>> = key;
            let name = key.get_ref().to_string();
            let node = Node { value: value.get_ref(), line: reader.line(&key.span()), path: self.inner(&name) };
            (name, node)
        };
        let mut entries: Vec<_> = table.iter().map(node).collect();
        entries.sort_by_key(|(_, node)| node.line);
        Some(entries)
    }
}

/// A walk through one file.
#[derive(Debug)]
pub struct Reader {
    /// Where lines end.
    ends: Vec<usize>,
    /// What was wrong so far.
    pub problems: Vec<Problem>,
}

impl Reader {
    /// A walk through this text.
    pub fn new(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect();
        Self { ends, problems: Vec::new() }
    }

    /// The line on which a span begins.
    pub fn line(&self, span: &Range<usize>) -> Line {
        let before = self.ends.partition_point(|end| *end < span.start);
        Line(u32::try_from(1 + before).unwrap_or(u32::MAX))
    }

    /// Notes a problem.
    pub fn problem(&mut self, line: Line, message: impl Into<String>) {
        self.problems.push(Problem { line, message: message.into() });
    }

    /// Notes that a value is of the wrong kind.
    pub fn wrong<T: Shape>(&mut self, node: &Node<'_>) {
        let kind = match node.value.type_str() {
            "string" => "a text",
            "array" => "a list",
            "integer" | "float" => "a number",
            "boolean" => "true or false",
            "datetime" => "a date",
            other => other,
        };
        let last = last(&node.path);
        self.problem(
            node.line,
            format!(
                "{} is {kind}, but must be {}; write {}",
                node.name(),
                T::expected(),
                assignment(last, &T::example())
            ),
        );
    }
}

/// The last name of a path, without an index.
fn last(path: &str) -> &str {
    let last = path.rsplit('.').next().unwrap_or(path);
    last.split('[').next().unwrap_or(last)
}

/// How a key is given a value.
pub fn assignment(key: &str, example: &str) -> String {
    match example.strip_prefix("[table]") {
        Some(_) => format!("a table [… {key}]"),
        None => format!("`{key} = {example}`"),
    }
}

/// A table whose keys are being taken.
#[derive(Debug)]
pub struct Taken<'a> {
    /// The table.
    pub node: Node<'a>,
    table: &'a DeTable<'a>,
    entries: Vec<(String, Node<'a>)>,
}

impl<'a> Taken<'a> {
    /// Begins with a table; notes a problem with anything else.
    pub fn begin<T: Shape>(node: &Node<'a>, reader: &mut Reader) -> Option<Self> {
        let DeValue::Table(table) = node.value else {
            reader.wrong::<T>(node);
            return None;
        };
        let entries = node.entries(reader)?;
        Some(Self { node: node.clone(), table, entries })
    }

    /// The value under a key.
    pub fn get(&self, key: &str) -> Option<Node<'a>> {
        self.table
            .contains_key(key)
            .then(|| self.entries.iter().find(|(name, _)| name == key))?
            .map(|(_, node)| node.clone())
    }

    /// What stands under a key, which must be there unless its absence means something.
    pub fn take<T: Shape>(&self, reader: &mut Reader, key: Key) -> Option<T> {
        match self.get(key.name) {
            Some(node) => T::read(&node, reader),
            None => T::absent().or_else(|| {
                self.lacks::<T>(reader, key);
                None
            }),
        }
    }

    /// What stands under a key, or a default.
    pub fn take_or<T: Shape>(&self, reader: &mut Reader, key: Key, default: impl FnOnce() -> T) -> Option<T> {
        match self.get(key.name) {
            Some(node) => T::read(&node, reader),
            None => Some(default()),
        }
    }

    fn lacks<T: Shape>(&self, reader: &mut Reader, key: Key) {
        let write = assignment(key.name, &T::example());
        let message = format!("{} lacks `{}`; write {write} ({})", self.node.name(), key.name, key.summary());
        reader.problem(self.node.line, message);
    }

    /// Notes the keys that mean nothing here.
    pub fn finish(&self, reader: &mut Reader, keys: &[Key], tag: Option<&str>) {
        for (name, node) in &self.entries {
            if tag == Some(name.as_str()) || keys.iter().any(|key| key.name == name) {
                continue;
            }
            let known = keys.iter().map(|key| key.name).chain(tag);
            let hint = did_you_mean(name, known.clone());
            let hint =
                if hint.is_empty() { format!("; keys here: {}", known.collect::<Vec<_>>().join(", ")) } else { hint };
            reader.problem(node.line, format!("unknown key `{name}` in {}{hint}", self.node.name()));
        }
    }
}
