//! The rules, one file per concern.
//!
//! Every function begins with the context and speaks the words of `kernel`. Imports between concerns run
//! one way: a concern may call those before it in the list of modules here, never those after; what an
//! earlier concern must cause in a later one, the later one learns by following the event log.
//!
//! Fields of the API are guarded by scopes before they get here; what is checked here is *whose*: each
//! statement begins with a tenant-scoped selector, so a foreign id is not found.

pub mod keyring;

pub mod tenant;

pub mod access;

pub mod alert;
pub mod audit;
pub mod event;
pub mod job;

pub mod provider;

pub mod credential;

pub mod integration;

pub mod health;
pub mod sync;

pub mod inbox;
pub mod outbound;
