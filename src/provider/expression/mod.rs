//! The one expression language: JMESPath, as the `jmespath` crate speaks it.
//!
//! It says where records lie in an answer, when an answer is a failure, how a record becomes ours, what a
//! workflow passes on and when an alert fires. Candidates were JMESPath and CEL. What decided:
//!
//! * *Fit.* Most of what is said here is a path into foreign JSON (`data.orders.edges[].node`), and a path
//!   through what is missing must be nothing, not an error. That is JMESPath; in CEL each step needs `has()`.
//! * *Bounds.* JMESPath has no loop that sees outside its element, so work grows with the data times the
//!   length of the expression, and both are known before anything runs. CEL's nested macros grow with a power
//!   of the data, and the `cel` crate has no cost limit.
//! * *Safety of the parser.* `cel` parses with ANTLR, where 125 bytes can take gigabytes (its issues 305 and
//!   306). The parser of `jmespath` is 470 lines of recursive descent that [`bounds`] keeps shallow.
//! * *Upkeep.* Both are kept. `jmespath` is the language's own implementation, passes the compliance suite of
//!   the standard and depends on serde only.
//!
//! What it lacks is added as functions ([`functions`]): arithmetic, splitting, letters' case, time. What it
//! cannot say is a comparison of an element with something outside its list; put that beside the elements
//! first.
//!
//! Expressions are compiled when they are loaded; a fault names its character. At run time nothing panics and
//! nothing is endless: a type that does not fit makes a condition false and a path empty.

mod bounds;
mod functions;
mod invert;

use std::sync::Arc;

use jmespath::{Context, ErrorReason, Rcvar, Variable, ast::Ast, interpret};
use serde_json::Value;

pub use functions::FUNCTIONS;

/// The most values that one evaluation may give.
const MAX_VALUES: usize = 2_000_000;

/// Deepest nesting of a result. Texts are parsed to 128; expressions may add some.
const MAX_DEPTH: usize = 256;

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Expression {
    text: Arc<str>,
    ast: Arc<Ast>,
}

/// What is wrong with the text of an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}, at character {at}")]
pub struct Fault {
    /// Where, counted from 1.
    pub at: usize,
    /// What, as a clause.
    pub message: String,
}

/// Why an expression gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoValue {
    /// A function met a type that it does not take.
    #[error("{0}")]
    Type(String),
    /// The result is larger than a result may be.
    #[error("the result is too large")]
    TooLarge,
}

impl Expression {
    /// Compiles a text.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        bounds::before_parsing(text)?;
        let ast = jmespath::parse(text).map_err(|error| fault(text, error.offset, &error.reason))?;
        bounds::after_parsing(&ast)?;
        Ok(Self { text: text.into(), ast: Arc::new(ast) })
    }

    /// The text it was compiled from.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it finds in a document.
    pub fn find(&self, document: &Document) -> Result<Document, NoValue> {
        let mut context = Context::new(&self.text, functions::runtime());
        interpret(&document.0, &self.ast, &mut context).map(Document).map_err(|error| match error.reason {
            ErrorReason::Parse(message) => NoValue::Type(message),
            ErrorReason::Runtime(reason) => NoValue::Type(reason.to_string()),
        })
    }

    /// What it finds, as JSON.
    pub fn value(&self, document: &Document) -> Result<Value, NoValue> {
        self.find(document)?.to_value()
    }

    /// Whether it finds something: not null, false or empty. What cannot be computed is not found.
    #[must_use]
    pub fn holds(&self, document: &Document) -> bool {
        self.find(document).is_ok_and(|found| found.0.is_truthy())
    }

    /// The text, number or boolean it finds, as text.
    #[must_use]
    pub fn text(&self, document: &Document) -> Option<String> {
        self.find(document).ok()?.as_text()
    }

    /// The text, number or boolean it finds, or those of the list it finds, as texts.
    #[must_use]
    pub fn texts(&self, document: &Document) -> Vec<String> {
        let Ok(found) = self.find(document) else { return Vec::new() };
        match &*found.0 {
            Variable::Array(items) => items.iter().cloned().filter_map(|item| Document(item).as_text()).collect(),
            _ => found.as_text().into_iter().collect(),
        }
    }

    /// The elements of the list it finds; one object counts as a list of one.
    #[must_use]
    pub fn list(&self, document: &Document) -> Option<Vec<Document>> {
        let found = self.find(document).ok()?;
        match &*found.0 {
            Variable::Array(items) => Some(items.iter().cloned().map(Document).collect()),
            Variable::Object(_) => Some(vec![found]),
            _ => None,
        }
    }

    /// Puts a value where this path would find it; false if this is not a plain path.
    pub fn put(&self, value: Value, into: &mut Value) -> bool {
        invert::put(&self.ast, value, into)
    }

    /// Puts a value at the first plain path of this expression.
    pub fn put_somewhere(&self, value: &Value, into: &mut Value) -> bool {
        invert::put_somewhere(&self.ast, value, into)
    }
}

/// The fault of a text, counted in characters.
fn fault(text: &str, offset: usize, reason: &ErrorReason) -> Fault {
    let message = match reason {
        ErrorReason::Parse(message) => message.clone(),
        ErrorReason::Runtime(reason) => reason.to_string(),
    };
    let before = text.char_indices().take_while(|(at, _)| *at < offset).count();
    Fault { at: before + 1, message }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl std::fmt::Display for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// A piece of JSON that expressions look into. Clones share it.
///
/// What providers answer and send becomes text in both databases by way of this, so it holds no NUL: PostgreSQL stores
/// none in a text. Each is replaced by U+FFFD, as bytes that are no UTF-8 are, since a record or a webhook that says
/// something odd is still to be kept.
#[derive(Clone, Debug)]
pub struct Document(Rcvar);

impl Document {
    /// The document of a text.
    pub fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        // In JSON a NUL can only be written as this escape.
        if std::str::from_utf8(bytes).is_ok_and(|text| text.contains("\\u0000")) {
            return serde_json::from_slice::<Value>(bytes).map(Self::from);
        }
        serde_json::from_slice::<Variable>(bytes).map(|variable| Self(Rcvar::new(variable)))
    }

    /// A document with nothing in it.
    #[must_use]
    pub fn null() -> Self {
        Self(Rcvar::new(Variable::Null))
    }

    /// A document that shows two: `parent` and `item`.
    #[must_use]
    pub fn pair(parent: &Self, item: &Self) -> Self {
        let fields = [("parent", parent), ("item", item)];
        let fields = fields.into_iter().map(|(name, document)| (name.to_owned(), document.0.clone())).collect();
        Self(Rcvar::new(Variable::Object(fields)))
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.0.is_null()
    }

    /// Text, number or boolean, as text.
    #[must_use]
    pub fn as_text(&self) -> Option<String> {
        match &*self.0 {
            Variable::String(text) => Some(text.clone()),
            Variable::Number(number) => Some(number.to_string()),
            Variable::Bool(flag) => Some(flag.to_string()),
            _ => None,
        }
    }

    /// The number, if it is one or is written as one.
    #[must_use]
    pub fn as_number(&self) -> Option<f64> {
        match &*self.0 {
            Variable::Number(number) => number.as_f64(),
            Variable::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
            _ => None,
        }
    }

    /// As JSON of the usual kind.
    pub fn to_value(&self) -> Result<Value, NoValue> {
        let mut left = MAX_VALUES;
        to_value(&self.0, 0, &mut left)
    }
}

impl From<Value> for Document {
    fn from(value: Value) -> Self {
        Self(Rcvar::new(from_value(value)))
    }
}

fn from_value(value: Value) -> Variable {
    match value {
        Value::Null => Variable::Null,
        Value::Bool(flag) => Variable::Bool(flag),
        Value::Number(number) => Variable::Number(number),
        Value::String(text) => Variable::String(storable(text)),
        Value::Array(items) => Variable::Array(items.into_iter().map(|item| Rcvar::new(from_value(item))).collect()),
        Value::Object(fields) => {
            let fields = fields.into_iter();
            Variable::Object(fields.map(|(name, item)| (storable(name), Rcvar::new(from_value(item)))).collect())
        }
    }
}

/// A text that both databases store.
#[must_use]
pub fn storable(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

/// Parts that are shared inside are written out here, which is where a small expression could make a large
/// result; so values are counted.
fn to_value(variable: &Variable, depth: usize, left: &mut usize) -> Result<Value, NoValue> {
    *left = left.checked_sub(1).ok_or(NoValue::TooLarge)?;
    if depth > MAX_DEPTH {
        return Err(NoValue::TooLarge);
    }
    Ok(match variable {
        Variable::Null | Variable::Expref(_) => Value::Null,
        Variable::Bool(flag) => Value::Bool(*flag),
        Variable::Number(number) => Value::Number(number.clone()),
        Variable::String(text) => Value::String(text.clone()),
        Variable::Array(items) => {
            Value::Array(items.iter().map(|item| to_value(item, depth + 1, left)).collect::<Result<_, _>>()?)
        }
        Variable::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, item)| Ok((name.clone(), to_value(item, depth + 1, left)?)))
                .collect::<Result<_, _>>()?,
        ),
    })
}

#[cfg(test)]
mod tests;
