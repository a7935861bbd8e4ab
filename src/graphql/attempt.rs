//! Refused attempts on credentials, keys and roles, on their way into the audit log.
//!
//! They are refused in two places: by the guard of a field, and by a rule of the domain that a mutation met
//! (nobody gives what they do not have). Both come by here with what the entry needs: the field is what was
//! tried, and the first id among its arguments is what it was tried on. What happens to an entry from here
//! on, and that there are never too many, is the business of [`Cx::refused`](crate::context::Cx::refused).

use async_graphql::{Context, Value};

use super::{
    context::Ask,
    error::{Result, UserError, outcome_of},
};
use crate::{
    context::{Attempt, Whose},
    kernel::{
        self,
        error::{Code, Error},
        id,
    },
};

/// Splits what a domain function answered into the two halves of a payload, and notes it if it was refused
/// for lack of right. What is not found is the input's `id`.
pub fn attempt<T>(ctx: &Context<'_>, result: kernel::Result<T>) -> Result<(Option<T>, Vec<UserError>)> {
    attempt_of(ctx, "id", result)
}

/// The same for an input that names what must be found in another field.
pub fn attempt_of<T>(ctx: &Context<'_>, field: &str, result: kernel::Result<T>) -> Result<(Option<T>, Vec<UserError>)> {
    if let Err(error) = &result {
        refused(ctx, error);
    }
    outcome_of(field, result)
}

/// Notes an attempt of somebody who is known and may not do this.
pub(super) fn refused(ctx: &Context<'_>, error: &Error) {
    let Ok(principal) = ctx.cx().principal() else { return };
    let reason = match error {
        error if error.code() != Code::Forbidden => return,
        Error::Refused(issues) => issues.first().map(|issue| issue.message.clone()).unwrap_or_default(),
        error => error.to_string(),
    };
    let field = ctx.field();
    let arguments = field.arguments().unwrap_or_default();
    let subject = arguments.iter().find_map(|(_, value)| first_id(value));
    let attempt = Attempt {
        whose: Whose::Tenant(principal.tenant),
        actor: ctx.cx().actor(),
        what: field.name().to_owned(),
        subject: subject.unwrap_or_else(|| principal.tenant.to_string()),
    };
    ctx.cx().refused(attempt, &reason);
}

/// The first id in a value.
fn first_id(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => {
            let known = id::split(text).is_some_and(|(prefix, _)| id::PREFIXES.contains(&prefix));
            known.then(|| text.clone())
        }
        Value::List(items) => items.iter().find_map(first_id),
        Value::Object(fields) => fields.values().find_map(first_id),
        _ => None,
    }
}
