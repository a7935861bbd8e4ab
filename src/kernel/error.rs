//! What can go wrong, in words that every layer shares.
//!
//! [`Error`] is the outcome of a domain function; [`Code`] is the closed list of names under which
//! outcomes leave the process. Clients branch on codes, so a code is never renamed and its meaning
//! never changes; `docs/errors.md` is generated from the texts here.
//!
//! Two kinds of failure are kept apart. A *refusal* is something the caller did or could mend: it
//! carries issues with a path and a text for people. An *internal* failure is ours: its chain goes to
//! the log, once, at the boundary that handles it, and the caller sees a code and a request id.
//! `Display` of an error says its own part only; [`chain`] joins the parts.

mod database;

use std::fmt;

/// Declares the codes once, with everything that is known about each.
macro_rules! codes {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $name:literal, $status:literal, retry: $retry:literal, remedy: $remedy:literal; )+) => {
        /// A stable name for one way in which a request can fail.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $( $(#[doc = $doc])+ $variant, )+ }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &[Self] = &[ $( Self::$variant, )+ ];

            /// The name clients see in `extensions.code`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )+ }
            }

            /// The HTTP status of a response that carries only this failure (deployed profile).
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $( Self::$variant => $status, )+ }
            }

            /// Whether the same request may succeed later without a change.
            #[must_use]
            pub const fn retry(self) -> bool {
                match self { $( Self::$variant => $retry, )+ }
            }

            /// What the caller can do about it.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $( Self::$variant => $remedy, )+ }
            }

            /// What it means, as the documentation says it.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $( Self::$variant => concat!($($doc),+), )+ }
            }
        }
    };
}

codes! {
    /// The document is not GraphQL.
    ParseFailed = "GRAPHQL_PARSE_FAILED", 400, retry: false, remedy: "Correct the syntax at the location named.";
    /// The document does not fit the schema.
    ValidationFailed = "GRAPHQL_VALIDATION_FAILED", 400, retry: false, remedy: "Compare the document with /schema.graphql.";
    /// An argument, variable or parameter is malformed.
    BadUserInput = "BAD_USER_INPUT", 400, retry: false, remedy: "Correct the value at the path named.";
    /// The operation to run cannot be told: none or several match.
    OperationResolutionFailure = "OPERATION_RESOLUTION_FAILURE", 400, retry: false, remedy: "Name one operation of the document in operationName.";
    /// The method does not fit the operation: only queries run over GET.
    MethodNotAllowed = "METHOD_NOT_ALLOWED", 405, retry: false, remedy: "Send the request with a method that the Allow header names.";
    /// None of the media types in Accept can be produced.
    NotAcceptable = "NOT_ACCEPTABLE", 406, retry: false, remedy: "Accept application/graphql-response+json or application/json.";
    /// The body has a media type that is not taken.
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE", 415, retry: false, remedy: "Send the body as application/json in UTF-8.";
    /// The body is larger than the server takes.
    PayloadTooLarge = "PAYLOAD_TOO_LARGE", 413, retry: false, remedy: "Send less at once; the limit is in the message.";
    /// The body did not arrive in time.
    RequestTimeout = "REQUEST_TIMEOUT", 408, retry: true, remedy: "Send the body without pauses.";
    /// The document names too many things: tokens, selections, aliases, directives or root fields.
    QueryTooLarge = "QUERY_TOO_LARGE", 400, retry: false, remedy: "Split the document; the limit is in the message.";
    /// The document is nested too deep.
    QueryTooDeep = "QUERY_TOO_DEEP", 400, retry: false, remedy: "Ask for less depth; the limit is in the message.";
    /// The document would touch too many objects.
    QueryTooExpensive = "QUERY_TOO_EXPENSIVE", 400, retry: false, remedy: "Ask for smaller pages or fewer nested lists.";
    /// The document id or hash is not known here.
    PersistedQueryNotFound = "PERSISTED_QUERY_NOT_FOUND", 400, retry: false, remedy: "Send the document together with its hash, or deploy the manifest.";
    /// This server does not take documents by hash from clients.
    PersistedQueryNotSupported = "PERSISTED_QUERY_NOT_SUPPORTED", 400, retry: false, remedy: "Send the whole document.";
    /// Only trusted documents run here.
    PersistedQueryRequired = "PERSISTED_QUERY_REQUIRED", 400, retry: false, remedy: "Send the documentId of a document in the deployed manifest.";
    /// No credential was sent, or it is malformed, expired or revoked.
    Unauthenticated = "UNAUTHENTICATED", 401, retry: false, remedy: "Send a valid token as Authorization: Bearer.";
    /// The credential is valid but may not do this.
    Forbidden = "FORBIDDEN", 403, retry: false, remedy: "Ask an administrator for the scope named in the message.";
    /// The tenant is suspended: none of its credentials opens anything until it is resumed.
    TenantSuspended = "TENANT_SUSPENDED", 403, retry: false, remedy: "Ask whoever runs the hub to resume the tenant.";
    /// There is no such thing, or it belongs to somebody else.
    NotFound = "NOT_FOUND", 404, retry: false, remedy: "Check the id and the tenant.";
    /// The change does not fit the present state.
    Conflict = "CONFLICT", 409, retry: false, remedy: "Read the present state and decide again.";
    /// The idempotency key was used before with another input.
    IdempotencyKeyReused = "IDEMPOTENCY_KEY_REUSED", 409, retry: false, remedy: "Use a fresh key for a new intent.";
    /// The events after this cursor are no longer kept.
    CursorExpired = "CURSOR_EXPIRED", 410, retry: false, remedy: "Read the present state, then follow from the cursor that the error names as oldestCursor.";
    /// The cursor is ahead of the log: it comes from another server, or from before a backup was put back.
    CursorAhead = "CURSOR_AHEAD", 409, retry: false, remedy: "Read the present state, then follow without a cursor.";
    /// Too much was asked in too short a time.
    RateLimited = "RATE_LIMITED", 429, retry: true, remedy: "Wait for the seconds in Retry-After.";
    /// The operation took longer than it may.
    Timeout = "TIMEOUT", 504, retry: true, remedy: "Ask for less, or try again later.";
    /// The provider refuses what was sent: the credential, the rights or the request.
    ProviderRejected = "PROVIDER_REJECTED", 422, retry: false, remedy: "Read what the provider says in the message and correct it there or here.";
    /// The provider cannot be reached, was asked too often, or gives no answer that can be read.
    ProviderUnavailable = "PROVIDER_UNAVAILABLE", 503, retry: true, remedy: "Try again later; the provider's own status page may tell more.";
    /// Something this server needs is not there at present.
    ServiceUnavailable = "SERVICE_UNAVAILABLE", 503, retry: true, remedy: "Try again after the seconds in Retry-After.";
    /// A stored secret does not open: it was damaged, or moved from its place in the database.
    SecretUnreadable = "SECRET_UNREADABLE", 500, retry: false, remedy: "Enter the secret again; the log names the row, which an operator may put back.";
    /// A fault of ours; the request id finds it in the log.
    Internal = "INTERNAL_SERVER_ERROR", 500, retry: true, remedy: "Report the request id.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One thing wrong with an input: where, what, and under which name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// The code clients branch on.
    pub code: Code,
    /// Path into the input, outermost first; empty when it concerns the whole.
    pub path: Vec<String>,
    /// A sentence for people.
    pub message: String,
}

impl Issue {
    /// An issue with one input field.
    pub fn at(path: &str, message: impl Into<String>) -> Self {
        Self { code: Code::BadUserInput, path: path.split('.').map(str::to_owned).collect(), message: message.into() }
    }
}

/// The failure of a domain function.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such thing for this caller.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// Nobody has signed in, or not validly.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// Signed in, but not allowed.
    #[error("this needs the scope {0}")]
    Forbidden(&'static str),
    /// Events after this number are gone; the oldest from which one can go on is given.
    #[error("events after this cursor are no longer kept")]
    CursorExpired {
        /// The oldest number after which everything is still there.
        oldest: i64,
    },
    /// The cursor says more than the log has.
    #[error("this cursor is ahead of the log")]
    CursorAhead,
    /// Signed in, but not as a person.
    #[error("only a person who signed in can do this")]
    NoPerson,
    /// The tenant of the credential is suspended.
    #[error("this tenant is suspended")]
    Suspended,
    /// Tried too often; after so many seconds it may be tried again.
    #[error("this was tried too often; try again in {0} seconds")]
    TooOften(u64),
    /// Refused: the input or the state does not allow it.
    #[error("the input was refused")]
    Refused(Vec<Issue>),
    /// Something needed is away for the moment.
    #[error("{0} is not available at present")]
    Unavailable(&'static str, #[source] Source),
    /// A stored secret or key was damaged, or moved from its place.
    #[error("a stored secret cannot be read; enter it again, or have an operator put it back")]
    SecretUnreadable {
        /// The row, for the log.
        row: String,
        /// Why it does not open.
        source: Source,
    },
    /// Ours to mend.
    #[error("{0}")]
    Internal(&'static str, #[source] Source),
}

/// The number of seconds after which to try again when something this server needs is away.
const AWAY: u64 = 5;

/// What lies behind a failure.
pub type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What a domain function returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// One refused field.
    pub fn invalid(path: &str, message: impl Into<String>) -> Self {
        Self::Refused(vec![Issue::at(path, message)])
    }

    /// A change that does not fit the present state.
    pub fn conflict(path: &str, message: impl Into<String>) -> Self {
        Self::Refused(vec![Issue { code: Code::Conflict, ..Issue::at(path, message) }])
    }

    /// Something the caller may not do with what it asked for, though it may use the field.
    pub fn forbidden(path: &str, message: impl Into<String>) -> Self {
        Self::Refused(vec![Issue { code: Code::Forbidden, ..Issue::at(path, message) }])
    }

    /// Nobody has signed in.
    pub const ANONYMOUS: Self = Self::Unauthenticated("sign in first: send a token as Authorization: Bearer");

    /// The seconds after which the same request may succeed, where they are known.
    #[must_use]
    pub const fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooOften(seconds) => Some(*seconds),
            Self::Unavailable(..) => Some(AWAY),
            _ => None,
        }
    }

    /// The code this failure has at the boundary.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::NotFound(_) => Code::NotFound,
            Self::Unauthenticated(_) => Code::Unauthenticated,
            Self::CursorExpired { .. } => Code::CursorExpired,
            Self::CursorAhead => Code::CursorAhead,
            Self::Forbidden(_) | Self::NoPerson => Code::Forbidden,
            Self::Suspended => Code::TenantSuspended,
            Self::TooOften(_) => Code::RateLimited,
            Self::Refused(issues) => issues.first().map_or(Code::BadUserInput, |issue| issue.code),
            Self::Unavailable(..) => Code::ServiceUnavailable,
            Self::SecretUnreadable { .. } => Code::SecretUnreadable,
            Self::Internal(..) => Code::Internal,
        }
    }
}

/// The parts of an error and its sources, joined for one log line. Libraries often repeat their source in
/// their own text; that is said once.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let part = source.to_string();
        if !text.ends_with(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        next = source.source();
    }
    text
}
