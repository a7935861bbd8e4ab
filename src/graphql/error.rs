//! How failures leave the API.
//!
//! Expected refusals of a mutation are data: `userErrors` with a code, a path into the input and a text.
//! Everything else is a top-level error with `extensions.code`. An internal failure is logged here, with
//! its whole chain, once; the client gets the code, and the endpoint adds the request id.
//!
//! [`ApiError`] has no `Display` on purpose: the engine turns anything printable into an error of its
//! own, text and all, and a database message would reach the client. Only through this file does an
//! error get out.

use std::sync::Arc;

use async_graphql::{Enum, ErrorExtensionValues, SimpleObject};

use super::live::Item;
use crate::kernel::{
    self,
    error::{Code, Error, Issue, Source, chain},
};

/// A failure on its way out.
#[derive(Clone)]
pub struct ApiError(Arc<Error>);

impl ApiError {
    /// The failure, as what lies behind another.
    pub(super) fn source(self) -> Source {
        Box::new(self.0)
    }
}

/// What resolvers return.
pub type Result<T, E = ApiError> = std::result::Result<T, E>;

impl<E: Into<Error>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self(Arc::new(error.into()))
    }
}

/// Extension of an error: the seconds after which the same request may succeed.
pub const RETRY_AFTER: &str = "retryAfter";

/// What clients read when the fault is ours.
pub const OURS: &str = "something went wrong on our side; the request id finds it in the log";

/// What clients read about a failure. What is ours to mend is logged here and not told.
pub fn told(error: &Error) -> String {
    let code = error.code().name();
    match error {
        Error::Internal(..) => {
            tracing::error!(code, error = chain(error), "a request failed on our side");
            OURS.to_owned()
        }
        Error::SecretUnreadable { row, .. } => {
            tracing::error!(code, row, error = chain(error), "a stored secret cannot be read");
            error.to_string()
        }
        Error::Unavailable(..) => {
            tracing::warn!(code, error = chain(error), "something a request needs is away");
            error.to_string()
        }
        Error::Refused(issues) => issues.first().map(|issue| issue.message.clone()).unwrap_or_default(),
        _ => error.to_string(),
    }
}

impl From<ApiError> for async_graphql::Error {
    fn from(ApiError(error): ApiError) -> Self {
        let mut failure = Self::new(told(&error));
        let extensions = failure.extensions.get_or_insert_with(ErrorExtensionValues::default);
        extensions.set("code", error.code().name());
        if let Some(seconds) = error.retry_after() {
            extensions.set(RETRY_AFTER, seconds);
        }
        if let Error::CursorExpired { oldest } = &*error {
            extensions.set("oldestCursor", Item::cursor_of(*oldest));
        }
        if let Error::Refused(issues) = &*error
            && let Some(issue) = issues.first()
            && !issue.path.is_empty()
        {
            extensions.set("argument", issue.path.join("."));
        }
        failure
    }
}

/// Why a mutation refused an input. The set is closed; new reasons get new values only with a new release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum UserErrorCode {
    /// A value is missing or malformed; correct it at the path named.
    BadUserInput,
    /// What the input names does not exist, or belongs to somebody else.
    NotFound,
    /// The change does not fit the present state; read it and decide again.
    Conflict,
    /// You may use this mutation, but not with this input.
    Forbidden,
    /// The idempotency key was used before with another input; use a fresh one.
    IdempotencyKeyReused,
    /// The provider refuses what was sent; the message says what it says.
    ProviderRejected,
    /// The provider cannot be asked at present; try again later.
    ProviderUnavailable,
}

/// One reason why a mutation refused an input. A mutation that answers with any has changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, SimpleObject)]
pub struct UserError {
    /// The name of the reason, for programs.
    pub code: UserErrorCode,
    /// Where in the input, outermost name first; empty when it concerns the whole.
    pub path: Vec<String>,
    /// The reason, for people.
    pub message: String,
}

impl UserError {
    fn new(issue: Issue) -> Self {
        let code = match issue.code {
            Code::NotFound => UserErrorCode::NotFound,
            Code::Conflict => UserErrorCode::Conflict,
            Code::Forbidden => UserErrorCode::Forbidden,
            Code::IdempotencyKeyReused => UserErrorCode::IdempotencyKeyReused,
            Code::ProviderRejected => UserErrorCode::ProviderRejected,
            Code::ProviderUnavailable => UserErrorCode::ProviderUnavailable,
            _ => UserErrorCode::BadUserInput,
        };
        let mut path = vec!["input".to_owned()];
        path.extend(issue.path);
        Self { code, path, message: issue.message }
    }
}

/// Splits what a domain function answered into the two halves of a payload. What is not found is the
/// input's `id`.
///
/// Mutations of credentials, keys and roles take [`attempt`](super::attempt::attempt) instead, which notes
/// refusals for lack of right.
pub fn outcome<T>(result: kernel::Result<T>) -> Result<(Option<T>, Vec<UserError>)> {
    outcome_of("id", result)
}

/// The same for an input that names what must be found in another field.
pub fn outcome_of<T>(field: &str, result: kernel::Result<T>) -> Result<(Option<T>, Vec<UserError>)> {
    match result {
        Ok(thing) => Ok((Some(thing), Vec::new())),
        Err(Error::Refused(issues)) => Ok((None, issues.into_iter().map(UserError::new).collect())),
        Err(error @ Error::NotFound(_)) => {
            let issue = Issue { code: Code::NotFound, ..Issue::at(field, error.to_string()) };
            Ok((None, vec![UserError::new(issue)]))
        }
        Err(error) => Err(error.into()),
    }
}
