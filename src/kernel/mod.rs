//! Words that every other room uses: ids, time, who acts, what may fail, pages.
//!
//! Nothing here knows of a database connection, a socket or a schema. Whatever needs the outside world
//! takes it from here as a trait ([`clock::Clock`], [`chance::Chance`]), so that a test can hold the
//! clock still and seed the dice.

pub mod actor;
pub mod chance;
pub mod clock;
pub mod cursor;
pub mod error;
pub mod id;
pub mod input;
pub mod measure;
pub mod money;
pub mod network;
pub mod page;
pub mod retry;
pub mod rhythm;
pub mod scope;
pub mod secret;
pub mod suggest;
pub mod token;
pub mod trace;
pub mod zone;

pub use actor::{Actor, Caller, Principal};
pub use error::{Code, Error, Issue, Result};
pub use id::Id;
pub use page::{Page, PageArgs};
pub use scope::{Role, Scope, Scopes};
