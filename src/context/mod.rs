//! Who asks, with what, in which commit.
//!
//! [`Hub`] is what `app` built: the database, the clock, the dice. [`Cx`] is one request, job or
//! command: the hub, the caller and the request id. [`Txn`] is one write: it commits when its work
//! succeeds, rolls back when it does not, and is the only type that can write an audit entry, emit an
//! event or enqueue a job. So a change, its event, its audit entry and the work it causes are one
//! commit, or nothing.
//!
//! What was refused is noted by [`Cx::refused`], outside any transaction, since there is none.
//!
//! The network is never awaited inside a transaction: `Txn` is not handed to anything that can reach it.

pub mod chain;
pub mod clock_guard;
mod cx;
mod data_keys;
pub mod database;
pub mod evidence;
mod hub;
pub mod intake;
pub mod issuer_keys;
mod job;
mod once;
mod password_hashing;
mod refusals;
mod turns;
mod txn;

pub use clock_guard::{ClockGuard, ClockState};
pub use cx::{Cx, RequestInfo};
pub use data_keys::DataKeys;
pub use database::Database;
pub use hub::{AccessSettings, EventSettings, HealthSettings, Hub, InboxSettings, OutboundSettings, SyncSettings};
pub use job::{Ending, Lease, Lines, NewJob, Work};
pub use once::Once;
pub use password_hashing::PasswordHashing;
pub use refusals::{Attempt, Refusals, Whose};
pub use turns::Turns;
pub use txn::{Audit, Txn};
