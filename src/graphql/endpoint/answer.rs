//! What goes back: bytes, and what a transport needs to choose a status.
//!
//! Here every error gets its code and the request id, errors beyond the limit are cut with a word about
//! how many, and an answer larger than the limit is replaced by an error that says so.

use async_graphql::{PathSegment, Pos, Response, ServerError, Value};
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, json};

use super::Rate;
use crate::{
    context::Cx,
    graphql::error::{OURS, RETRY_AFTER},
    kernel::error::Code,
};

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It ran. The data may be null, and there may be errors.
    Ran {
        /// Whether there is data.
        data: bool,
        /// Whether there are errors.
        errors: bool,
    },
    /// It did not run, for this reason.
    Refused(Code),
}

impl Answer {
    /// The code that all errors share, if they share one.
    #[must_use]
    pub fn only_code(&self) -> Option<Code> {
        let first = *self.codes.first()?;
        self.codes.iter().all(|code| *code == first).then_some(first)
    }
}

impl Verdict {
    pub(super) const fn outcome(self) -> &'static str {
        match self {
            Self::Ran { errors: false, .. } => "ok",
            Self::Ran { data: true, .. } => "partial",
            Self::Ran { data: false, .. } => "failed",
            Self::Refused(_) => "refused",
        }
    }
}

/// One reason why a call did not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The code clients branch on.
    pub code: Code,
    /// A sentence for people.
    pub message: String,
    /// Where in the document.
    pub position: Option<Pos>,
    /// Which argument or variable.
    pub argument: Option<String>,
    /// Seconds after which the same call may succeed, where they are known.
    pub retry_after: Option<u64>,
}

impl Fault {
    /// A reason that concerns the whole call.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), position: None, argument: None, retry_after: None }
    }
}

/// What goes back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The response as JSON.
    pub body: Bytes,
    /// How the call ended.
    pub verdict: Verdict,
    /// What is left of the caller's budget.
    pub rate: Option<Rate>,
    /// What the operation cost.
    pub cost: u64,
    /// The codes of the errors.
    pub codes: Vec<Code>,
    /// Seconds after which the same call may succeed, where they are known.
    pub retry_after: Option<u64>,
    draft: Option<Draft>,
}

/// An answer that is not bytes yet.
#[derive(Clone, Debug, Default)]
struct Draft {
    data: Option<Value>,
    errors: Vec<ServerError>,
    more: usize,
    extensions: Map<String, serde_json::Value>,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<serde_json::Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    extensions: &'a Map<String, serde_json::Value>,
}

impl Answer {
    /// A call that did not run.
    #[must_use]
    pub fn refused(cx: &Cx, fault: Fault) -> Self {
        Self::refused_all(cx, vec![fault])
    }

    /// A call that did not run, for several reasons.
    #[must_use]
    pub fn refused_all(cx: &Cx, faults: Vec<Fault>) -> Self {
        let codes: Vec<_> = faults.iter().map(|fault| fault.code).collect();
        let retry_after = faults.iter().filter_map(|fault| fault.retry_after).max();
        let errors: Vec<_> = faults.into_iter().map(|fault| shown(cx, fault)).collect();
        let body = json!({ "errors": errors }).to_string().into();
        let verdict = Verdict::Refused(codes.first().copied().unwrap_or(Code::Internal));
        Self { body, verdict, rate: None, cost: 0, codes, retry_after, draft: None }
    }

    /// A call that the engine ran.
    pub(super) fn ran(response: Response, most: usize) -> Self {
        let verdict = Verdict::Ran { data: response.data != Value::Null, errors: !response.errors.is_empty() };
        let mut draft = Draft { data: Some(response.data), errors: response.errors, ..Draft::default() };
        draft.cut(most, Code::BadUserInput);
        Self::draft(draft, verdict)
    }

    /// A call whose document does not fit the schema.
    pub(super) fn invalid(response: Response, most: usize) -> Self {
        let mut draft = Draft { errors: response.errors, ..Draft::default() };
        draft.cut(most, Code::ValidationFailed);
        Self::draft(draft, Verdict::Refused(Code::ValidationFailed))
    }

    fn draft(draft: Draft, verdict: Verdict) -> Self {
        let codes = draft.errors.iter().map(code_of).collect();
        let retry_after = draft.errors.iter().filter_map(retry_after_of).max();
        Self { body: Bytes::new(), verdict, rate: None, cost: 0, codes, retry_after, draft: Some(draft) }
    }

    pub(super) fn with_rate(mut self, rate: Option<Rate>) -> Self {
        self.rate = rate;
        self
    }

    /// Notes the cost, and says it in the answer if a report of (cost, limit) is wanted.
    pub(super) fn with_cost(mut self, cost: u64, report: Option<(u64, u64)>) -> Self {
        self.cost = cost;
        if let (Some(draft), Some((requested, limit))) = (&mut self.draft, report) {
            let rate = self.rate;
            let report = json!({
                "requested": requested, "limit": limit,
                "remaining": rate.map(|rate| rate.remaining), "restorePerSecond": rate.map(|rate| rate.limit / 60),
            });
            draft.extensions.insert("cost".to_owned(), report);
        }
        self
    }

    /// Turns a draft into bytes.
    pub(super) fn sealed(mut self, cx: &Cx, most: usize) -> Self {
        let Some(draft) = self.draft.take() else { return self };
        let mut errors: Vec<_> = draft.errors.iter().map(|error| dressed(cx, error)).collect();
        if draft.more > 0 {
            errors.push(json!({ "message": format!("{} more errors are not shown", draft.more), "extensions": { "code": code_of(&draft.errors[0]).name(), "requestId": &*cx.request().id } }));
        }
        let body = Body { data: draft.data.as_ref(), errors, extensions: &draft.extensions };
        match serde_json::to_vec(&body) {
            Ok(bytes) if bytes.len() <= most => {
                self.body = bytes.into();
                self
            }
            Ok(bytes) => {
                let fault = Fault::new(
                    Code::QueryTooExpensive,
                    format!(
                        "the operation ran, but its answer has {} bytes; at most {most} are sent: ask for smaller pages",
                        bytes.len()
                    ),
                );
                Self { rate: self.rate, cost: self.cost, ..Self::refused(cx, fault) }
            }
            Err(error) => {
                tracing::error!(code = Code::Internal.name(), error = %error, "an answer could not be written");
                Self::refused(cx, Fault::new(Code::Internal, OURS))
            }
        }
    }
}

impl Draft {
    /// Gives every error a code, and keeps the first few.
    fn cut(&mut self, most: usize, otherwise: Code) {
        self.more = self.errors.len().saturating_sub(most);
        self.errors.truncate(most);
        for error in &mut self.errors {
            let extensions = error.extensions.get_or_insert_default();
            if extensions.get("code").is_none() {
                // The engine's own words: a value that its scalar refused, or a document it found wrong.
                extensions.set("code", otherwise.name());
                error.message = discreet(&error.message);
            }
        }
    }
}

/// The engine's words without the values it repeats: a value in a document may be a secret in the wrong
/// place, and answers are kept in more logs than requests. Names stay, cut to a length that can be read.
fn discreet(message: &str) -> String {
    const SHOWN: usize = 300;
    /// After these words a value follows, to the end of the message or nearly so.
    const BEFORE_VALUES: [&str; 3] = [", found ", " the value \"", " value \""];
    let end = BEFORE_VALUES.iter().filter_map(|words| message.find(words)).min().unwrap_or(message.len());
    let kept = &message[..end];
    let mut text: String = kept.chars().take(SHOWN).collect();
    if text.len() < kept.len() {
        text.push('…');
    } else if end < message.len() {
        text.push_str(match &message[end..end + 2] {
            ", " => ", found another value",
            _ => " that value",
        });
    }
    text
}

fn retry_after_of(error: &ServerError) -> Option<u64> {
    match error.extensions.as_ref()?.get(RETRY_AFTER)? {
        Value::Number(seconds) => seconds.as_u64(),
        _ => None,
    }
}

fn code_of(error: &ServerError) -> Code {
    let named = error.extensions.as_ref().and_then(|extensions| extensions.get("code"));
    let name = match named {
        Some(Value::String(name)) => name.as_str(),
        _ => "",
    };
    Code::ALL.iter().copied().find(|code| code.name() == name).unwrap_or(Code::Internal)
}

fn dressed(cx: &Cx, error: &ServerError) -> serde_json::Value {
    let mut extensions = serde_json::to_value(&error.extensions).unwrap_or_default();
    extensions["requestId"] = (*cx.request().id).into();
    let mut shown = json!({ "message": error.message, "extensions": extensions });
    if !error.locations.is_empty() {
        shown["locations"] = error.locations.iter().map(place).collect();
    }
    if !error.path.is_empty() {
        shown["path"] = error
            .path
            .iter()
            .map(|segment| match segment {
                PathSegment::Field(name) => json!(name),
                PathSegment::Index(index) => json!(index),
            })
            .collect();
    }
    shown
}

fn shown(cx: &Cx, fault: Fault) -> serde_json::Value {
    let mut extensions = json!({ "code": fault.code.name(), "requestId": &*cx.request().id });
    if let Some(argument) = fault.argument {
        extensions["argument"] = argument.into();
    }
    if let Some(seconds) = fault.retry_after {
        extensions[RETRY_AFTER] = seconds.into();
    }
    let mut shown = json!({ "message": fault.message, "extensions": extensions });
    if let Some(position) = fault.position {
        shown["locations"] = json!([place(&position)]);
    }
    shown
}

fn place(position: &Pos) -> serde_json::Value {
    json!({ "line": position.line, "column": position.column })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_not_repeated_and_names_are() {
        let cases = [
            (r#"Expected input type "Int", found "s3cr3t"."#, r#"Expected input type "Int", found another value"#),
            (
                r#"Failed to parse "Role": Enumeration type does not contain value "s3cr3t"."#,
                r#"Failed to parse "Role": Enumeration type does not contain that value"#,
            ),
            (
                r#"Invalid value for argument "role", enumeration type "Role" does not contain the value "s3cr3t""#,
                r#"Invalid value for argument "role", enumeration type "Role" does not contain that value"#,
            ),
            (
                r#"Unknown field "nmae" on type "Tenant". Did you mean "name"?"#,
                r#"Unknown field "nmae" on type "Tenant". Did you mean "name"?"#,
            ),
        ];
        for (engine, told) in cases {
            assert_eq!(discreet(engine), told);
        }
    }

    #[test]
    fn a_long_name_is_cut() {
        let told = discreet(&format!("Unknown field \"{}\"", "ä".repeat(20_000)));
        assert_eq!(told.chars().count(), 301);
        assert!(told.ends_with('…'));
    }
}
