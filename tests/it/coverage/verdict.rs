//! What a caller must get, and whether it got it.
//!
//! Judging is apart from asking, so that it can be shown with made-up answers that a wrong one does not
//! pass. A refusal must come with its code at the root field and without data; an answer must come with
//! no error, except where a field further in has a guard of its own.

use portolan::kernel::error::Code;
use serde_json::{Value, json};

use super::{
    case::{Case, Foreign, Needs},
    principal::Principal,
    walk::{Slot, Walk},
};
use crate::support::Reply;

/// What a caller must get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The status of this code and no data: the credential opens nothing.
    TurnedAway(Code),
    /// No data, and this code at the root field.
    Refused(Code),
    /// Nothing to see: null or an empty list, and no error.
    Hidden,
    /// No error but these, at these paths further in.
    Answer(Vec<(&'static str, Code)>),
    /// The same, something to see, and no user error.
    Success(Vec<(&'static str, Code)>),
    /// The payload of a mutation that found nothing, with the way to the id in question if it is one.
    NothingFound(Option<Vec<String>>),
}

impl Expected {
    /// For a caller with things of its own tenant.
    pub fn of(case: &Case, who: &Principal) -> Self {
        if let Some(code) = who.turned_away() {
            return Self::TurnedAway(code);
        }
        let refusal = if who.scopes().is_some() { Code::Forbidden } else { Code::Unauthenticated };
        if !who.passes(case) {
            return match case.needs {
                Needs::Sight(_) if who.scopes().is_some() => Self::Hidden,
                _ => Self::Refused(refusal),
            };
        }
        let lacks = |scope| !who.scopes().is_some_and(|scopes| scopes.has(scope));
        let within = case.guarded.iter().filter(|(_, scope)| lacks(*scope)).map(|(path, _)| (*path, refusal)).collect();
        if who.is_all_powerful(case) { Self::Success(within) } else { Self::Answer(within) }
    }

    /// For a caller who passes the guard, with another tenant's id in that place (or in all of them).
    pub fn of_foreign(case: &Case, walk: &Walk, slot: Option<&Slot>) -> Self {
        match case.foreign(walk.mutates()) {
            Foreign::NotFound => Self::Refused(Code::NotFound),
            Foreign::UserError => Self::NothingFound(slot.map(|slot| slot.path.clone())),
            Foreign::Hidden => Self::Hidden,
        }
    }

    /// Compares; says what was got instead.
    pub fn judge(&self, walk: &Walk, reply: &Reply) -> Result<(), String> {
        let body = reply.json();
        let fits = match self {
            Self::TurnedAway(code) => {
                reply.status == code.status() && body.get("data").is_none() && reply.codes() == [code.name()]
            }
            Self::Refused(code) => {
                // A field that may be null leaves data with a null in it; the transport answers 200 to data.
                let nobody = *code == Code::Unauthenticated && body["data"].is_null();
                // On a stream, an error of the operation is an item.
                let status = if nobody && !walk.follows() { 401 } else { 200 };
                let at_root = |(path, found): &(String, String)| walk.keys.contains(path) && found == code.name();
                let errors = errors(&body);
                reply.status == status && !errors.is_empty() && errors.iter().all(at_root) && is_bare(&body["data"])
            }
            Self::Hidden => errors(&body).is_empty() && walk.keys.iter().all(|key| is_nothing(&body["data"][key])),
            Self::Answer(within) | Self::Success(within) => {
                let expected = within.iter().map(|(path, code)| ((*path).to_owned(), code.name().to_owned()));
                let shows = walk.keys.iter().all(|key| !is_nothing(&body["data"][key]));
                let done = walk.keys.iter().all(|key| user_errors(&body["data"][key]).is_empty());
                // A user error of a caller who may do less is a matter of the domain, not of the guard.
                let complete = within.is_empty() && !(walk.mutates() && matches!(self, Self::Answer(_)));
                reply.status == 200 && errors(&body) == expected.collect::<Vec<_>>() && (!complete || shows && done)
            }
            Self::NothingFound(path) => {
                reply.status == 200
                    && errors(&body).is_empty()
                    && walk.keys.iter().all(|key| found_nothing(&body["data"][key], path.as_deref()))
            }
        };
        if fits { Ok(()) } else { Err(format!("expected {self:?}, got {} {body}", reply.status.as_u16())) }
    }
}

/// The errors by place and code, once each: a list has the same one at each of its items.
fn errors(body: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for error in body["errors"].as_array().into_iter().flatten() {
        let path = error["path"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let code = error["extensions"]["code"].as_str().unwrap_or("none");
        let error = (path.collect::<Vec<_>>().join("."), code.to_owned());
        if !found.contains(&error) {
            found.push(error);
        }
    }
    found
}

fn user_errors(payload: &Value) -> &[Value] {
    payload["userErrors"].as_array().map_or(&[], Vec::as_slice)
}

/// Whether there is no data, or nothing but null under each key.
fn is_bare(data: &Value) -> bool {
    data.as_object().map_or(data.is_null(), |fields| fields.values().all(Value::is_null))
}

/// Whether a field shows nothing: null, an empty list, a list of nulls, a page without items.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().all(Value::is_null),
        Value::Object(fields) => ["nodes", "edges"].iter().any(|name| fields.get(*name) == Some(&json!([]))),
        _ => false,
    }
}

/// Whether a payload says that something was not found, and says nothing else.
fn found_nothing(payload: &Value, path: Option<&[String]>) -> bool {
    let errors = user_errors(payload);
    let names = |error: &Value| {
        let said: Vec<_> = error["path"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        // The user error may name the list that the id stands in.
        path.is_none_or(|path| said.len() > 1 && path.iter().map(String::as_str).collect::<Vec<_>>().starts_with(&said))
    };
    let rest = payload.as_object().into_iter().flatten().filter(|(name, _)| *name != "userErrors");
    !errors.is_empty()
        && errors.iter().all(|error| error["code"] == Code::NotFound.name() && names(error))
        && rest.into_iter().all(|(_, value)| value.is_null())
}
