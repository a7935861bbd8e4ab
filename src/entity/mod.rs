//! Tables, one file each, and the only safe ways to select from them.
//!
//! A model mirrors its table and knows no rule. Selecting begins with a function that takes the tenant
//! (`of`), so that a query without one cannot be written by accident: the bare `find` and its kin are
//! disallowed everywhere else. Tables that stand above tenants (users, the tenants themselves) say so
//! in their essay and offer selectors that name their reason.
//!
//! No output type of the API is derived from a model, so a new column is never public by itself.
#![expect(clippy::disallowed_methods, reason = "this is the home of the bare selectors")]
#![expect(missing_docs, reason = "columns are described by the migration that makes them")]

pub mod api_token;
pub mod audit_entry;
pub mod event;
pub mod idempotency_key;
pub mod job;
pub mod membership;
pub mod outbox;
pub mod page;
pub mod tenant;
pub mod user;
