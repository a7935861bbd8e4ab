//! Subscriptions, executed once for everybody who asks the same.
//!
//! ```text
//!                        ┌─ group: one execution, one serialisation an event ─▶ sinks
//! feed ─▶ reader ─▶ stream of the engine
//!                        └─ replay: the same operation for one who is behind ──▶ its sink ─▶ joins the group
//! ```
//!
//! **A group** is a document, an operation, variables, and the authority that matters: tenant, role, scopes,
//! partner organisation. Whoever has all of these in common gets the same bytes. The group runs under that
//! authority alone: no resolver below a subscription can learn which of its members it serves.
//!
//! **A replay** runs the same operation for one subscriber from a number of the log on, until it has read all
//! there is. Then it asks the group to take it: the group keeps its last items and knows above which number
//! they are complete, so it hands over what came meanwhile, or says that it was too long and the replay goes
//! on. A subscriber begins with a replay if it brings a cursor or follows a list, which starts with a
//! snapshot. It comes back to one whenever its sink had no room. So nobody loses an item, nobody gets one
//! twice, and nothing is kept for who is slow but its place.
//!
//! The variable that holds the cursor is no part of the group, if it holds nothing else: after a restart a
//! thousand clients come back with a thousand cursors and are one group again.
//!
//! A **sink** is where items go, a socket or a stream. It takes an item or says that it has no room; it never
//! makes the group wait.

mod group;
mod list;
mod replay;
mod source;

use std::sync::{Arc, Weak};

use bytes::Bytes;
use futures_util::future::BoxFuture;

pub use group::{Groups, Subscription};
pub use list::ListChange;
pub(in crate::graphql) use source::Source;
pub use source::{follow, follow_list};

use crate::kernel::cursor::Cursor;

/// The name under which cursors of the event log are made.
pub const LOG: &str = "events";

/// One item of a subscription, the same for everybody in its group.
#[derive(Debug)]
pub struct Item {
    /// The event it comes from; for a snapshot, the event up to which it is complete.
    pub number: i64,
    /// The response as JSON.
    pub body: Bytes,
}

impl Item {
    /// Where to go on after this item.
    #[must_use]
    pub fn cursor(&self) -> String {
        Self::cursor_of(self.number)
    }

    /// The cursor of an event.
    #[must_use]
    pub fn cursor_of(number: i64) -> String {
        // A number can always be written.
        Cursor::encode(LOG, &number).map(|cursor| cursor.0).unwrap_or_default()
    }
}

/// What became of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// It is on its way.
    Taken,
    /// There is no room for it now.
    Full,
    /// Nobody is there any more.
    Gone,
}

/// Where the items of one subscription go.
pub trait Sink: Send + Sync + 'static {
    /// Takes an item if there is room. Never waits.
    fn offer(&self, item: &Arc<Item>) -> Offer;

    /// Waits until there is room, or nobody is there any more.
    fn room(&self) -> BoxFuture<'_, ()>;

    /// Ends the subscription with a response that carries errors.
    fn fail(&self, body: Bytes);
}

/// A group that others may still join.
type Known = Weak<group::Group>;
