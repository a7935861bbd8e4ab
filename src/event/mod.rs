//! Changes, as facts.
//!
//! Each concern has a file here with an enum of what can happen to it. A fact says what changed (from,
//! to, reason), never how to show it, and never holds a secret. A writer hands a fact to the write
//! transaction, which writes it in the same commit ([`write`]); readers follow the log. Nothing calls a
//! reader.
//!
//! ```text
//! transaction ──write──▶ (outbox ──sequencer──▶) log ──▶ feed ──▶ readers
//! ```
//!
//! The log is the truth. [`feed`] keeps its end in memory, [`Reader`] gives one follower every event that
//! interests it, once and in order, wherever it begins.

pub mod access;
pub mod alert;
pub mod bus;
pub mod catalogue;
pub mod exchange;
pub mod feed;
pub mod health;
pub mod inbox;
pub mod integration;
mod interest;
pub mod job;
pub mod keyring;
pub mod log;
pub mod order;
pub mod outbound;
pub mod partner;
mod reader;
mod recent;
pub mod sequencer;
pub mod sync;
mod tail;
pub mod tenant;
mod warning;
pub mod write;

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

pub use feed::Feed;
pub use interest::Interest;
pub use reader::{Next, Reader};

/// An event of the log, shared by whoever reads it.
pub type Entry = Arc<crate::entity::event::Model>;

/// Something that happened to one subject.
pub trait Fact: Serialize + Send + Sync {
    /// The concern, as subscribers name it.
    const TOPIC: &'static str;

    /// What happened: `topic.verb`, in the past tense.
    fn kind(&self) -> &'static str;

    /// The id of what it happened to.
    fn subject(&self) -> String;
}

/// The fields that a change touched, each with its value before and after.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Changes(Map<String, Value>);

impl Changes {
    /// Nothing touched yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a field, unless it stayed as it was.
    #[must_use]
    pub fn field<T: Serialize + PartialEq>(mut self, name: &str, from: &T, to: &T) -> Self {
        if from != to {
            self.0.insert(name.to_owned(), serde_json::json!({ "from": from, "to": to }));
        }
        self
    }

    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One side of the changes (`from` or `to`), for the audit log.
    #[must_use]
    pub fn side(&self, side: &str) -> Value {
        self.0.iter().map(|(name, change)| (name.clone(), change[side].clone())).collect::<Map<_, _>>().into()
    }
}
