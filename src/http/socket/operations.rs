//! The operations of one socket.
//!
//! What runs is known by the id that its client gave it. The id is free again as soon as the client says
//! `complete`, while what ran under it takes a moment to notice. So an entry remembers which [`Run`] it belongs
//! to, and a run speaks only while the entry is its own. A run that was told to stop and has not done so yet
//! counts towards the limit all the same: asking and taking back again and again is not free.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::Value;

use super::line::{self, Line};
use crate::graphql::{
    endpoint::{Outcome, Verdict},
    live::{Item, Offer, Sink, Subscription},
};

/// What runs on one socket.
#[derive(Default)]
pub(super) struct Operations {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    running: HashMap<Arc<str>, Running>,
    /// Runs that were told to stop before they had begun to stream or answer.
    leaving: usize,
}

struct Running {
    run: Arc<Run>,
    /// None while it begins, and for what answers once.
    subscription: Option<Subscription>,
}

/// One run of an operation; where the items of a subscription go.
pub(super) struct Run {
    line: Arc<Line>,
    operations: Weak<Operations>,
    /// The client's id, as JSON.
    id: Arc<str>,
    /// The client wants to hear no more of it.
    over: AtomicBool,
}

/// Why an operation cannot begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Its id is in use.
    Taken,
    /// As many run as may.
    Many,
}

impl Operations {
    /// Makes an entry for an operation that begins.
    pub(super) fn enter(self: &Arc<Self>, line: &Arc<Line>, id: &str, most: usize) -> Result<Arc<Run>, Refused> {
        let id = quoted(id);
        let mut table = self.table();
        if table.running.contains_key(&id) {
            return Err(Refused::Taken);
        }
        if table.running.len() + table.leaving >= most {
            return Err(Refused::Many);
        }
        let (line, operations) = (Arc::clone(line), Arc::downgrade(self));
        let run = Arc::new(Run { line, operations, id: Arc::clone(&id), over: AtomicBool::new(false) });
        table.running.insert(id, Running { run: Arc::clone(&run), subscription: None });
        Ok(run)
    }

    /// Stops what runs under an id, if anything does.
    pub(super) fn complete(&self, id: &str) {
        let mut table = self.table();
        let Some(running) = table.running.remove(&quoted(id)) else { return };
        table.leaving += usize::from(running.subscription.is_none());
        drop(table);
        running.run.line.hush(&running.run.over);
    }

    /// Stops everything.
    pub(super) fn clear(&self) {
        let running = std::mem::take(&mut self.table().running);
        drop(running);
    }

    /// Notes that an operation has begun to stream, or gives its answer.
    pub(super) fn begun(&self, run: &Arc<Run>, outcome: Outcome) {
        let mut table = self.table();
        if !table.is_of(run) {
            table.leaving -= usize::from(run.over.load(Ordering::Relaxed));
            return;
        }
        if let Outcome::Streaming(subscription) = outcome {
            if let Some(running) = table.running.get_mut(&run.id) {
                running.subscription = Some(subscription);
            }
            return;
        }
        // The id is free before its client reads that it is.
        table.running.remove(&run.id);
        drop(table);
        match outcome {
            Outcome::Answered(answer) => match answer.verdict {
                Verdict::Ran { .. } => line::answer(&run.line, &run.id, &answer.body),
                Verdict::Refused(_) => line::error(&run.line, &run.id, &answer.body),
            },
            Outcome::Failed(body) => line::error(&run.line, &run.id, &body),
            Outcome::Streaming(_) => {}
        }
    }

    /// Ends a run with errors, unless its client has ended it.
    fn fail(&self, run: &Run, body: &Bytes) {
        let mut table = self.table();
        if table.running.get(&run.id).is_none_or(|running| !std::ptr::eq(Arc::as_ptr(&running.run), run)) {
            return;
        }
        let ended = table.running.remove(&run.id);
        drop(table);
        line::error(&run.line, &run.id, body);
        drop(ended);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn is_of(&self, run: &Arc<Run>) -> bool {
        self.running.get(&run.id).is_some_and(|running| Arc::ptr_eq(&running.run, run))
    }
}

impl Sink for Run {
    fn offer(&self, item: &Arc<Item>) -> Offer {
        let pieces: [&[u8]; 5] = [br#"{"id":"#, self.id.as_bytes(), br#","type":"next","payload":"#, &item.body, b"}"];
        self.line.offer(&pieces, &self.over)
    }

    fn room(&self) -> BoxFuture<'_, ()> {
        self.line.room()
    }

    fn fail(&self, body: Bytes) {
        if let Some(operations) = self.operations.upgrade() {
            operations.fail(self, &body);
        }
    }
}

/// An id as it stands in messages.
pub(super) fn quoted(id: &str) -> Arc<str> {
    Value::from(id).to_string().into()
}
