//! The end of one tenant's log in memory, and who waits there.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use futures_util::task::AtomicWaker;
use serde_json::Value;

use super::{Entry, Interest};

/// Events that a tail keeps for who joins.
const KEPT: usize = 512;

/// Bytes of facts that a tail keeps.
const KEPT_BYTES: usize = 512 * 1024;

/// Events that may wait for one reader.
const INBOX: usize = 256;

/// The end of a tenant's log.
#[derive(Default)]
pub(super) struct Tail {
    /// How many keep it.
    pub(super) pins: usize,
    kept: VecDeque<Entry>,
    bytes: usize,
    /// Above this number the tail was complete when somebody looked; unknown before.
    known: Option<i64>,
    /// The highest number that was given up.
    dropped: i64,
    /// Places by what they want: subjects, else topics, else everything.
    by_subject: HashMap<String, Vec<Place>>,
    by_topic: HashMap<&'static str, Vec<Place>>,
    of_all: Vec<Place>,
}

#[derive(Clone)]
struct Place {
    interest: Arc<Interest>,
    inbox: Arc<Inbox>,
}

impl Tail {
    /// Notes that it is complete above a number.
    pub(super) fn known(&mut self, number: i64) {
        self.known = Some(self.known.map_or(number, |known| known.min(number)));
    }

    /// Appends an event, and gives it to whoever wants it.
    pub(super) fn push(&mut self, entry: &Entry) {
        self.bytes += weight(entry);
        self.kept.push_back(Arc::clone(entry));
        while self.kept.len() > KEPT || self.bytes > KEPT_BYTES {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.bytes -= weight(&oldest);
            self.dropped = oldest.number;
        }
        for places in [self.by_subject.get_mut(&entry.subject), self.by_topic.get_mut(entry.topic.as_str())]
            .into_iter()
            .flatten()
            .chain([&mut self.of_all])
        {
            // Who does not keep up loses the place, not an event: it reads the log.
            places.retain(|place| !place.interest.wants(entry) || place.inbox.put(entry));
        }
    }

    /// Gives up everything that is kept, and lets every reader read the log again.
    pub(super) fn forget(&mut self) {
        let places = self.by_subject.values().chain(self.by_topic.values()).flatten().chain(&self.of_all);
        places.for_each(|place| place.inbox.close());
        *self = Self { pins: self.pins, ..Self::default() };
    }

    /// A place for who has seen everything up to a number.
    pub(super) fn join(&mut self, interest: &Interest, seen: i64) -> Option<Arc<Inbox>> {
        if seen < self.known?.max(self.dropped) {
            return None;
        }
        let missed = self.kept.iter().filter(|entry| entry.number > seen && interest.wants(entry));
        let inbox = Arc::new(Inbox::holding(missed.cloned().collect()));
        let place = Place { interest: Arc::new(interest.clone()), inbox: Arc::clone(&inbox) };
        match (interest.subjects(), interest.topics()) {
            (Some(subjects), _) => {
                for subject in subjects {
                    self.by_subject.entry(subject.clone()).or_default().push(place.clone());
                }
            }
            (None, Some(topics)) => {
                for topic in topics {
                    self.by_topic.entry(topic).or_default().push(place.clone());
                }
            }
            (None, None) => self.of_all.push(place),
        }
        Some(inbox)
    }

    /// Gives a place back.
    pub(super) fn leave(&mut self, interest: &Interest, inbox: &Arc<Inbox>) {
        let stays = |place: &Place| !Arc::ptr_eq(&place.inbox, inbox);
        match (interest.subjects(), interest.topics()) {
            (Some(subjects), _) => {
                for subject in subjects {
                    if let Some(places) = self.by_subject.get_mut(subject) {
                        places.retain(stays);
                        if places.is_empty() {
                            self.by_subject.remove(subject);
                        }
                    }
                }
            }
            (None, Some(topics)) => {
                for topic in topics {
                    if let Some(places) = self.by_topic.get_mut(topic) {
                        places.retain(stays);
                    }
                }
            }
            (None, None) => self.of_all.retain(stays),
        }
    }
}

/// About what an event takes in memory.
pub(super) fn weight(entry: &Entry) -> usize {
    256 + entry.subject.len() + of(&entry.data)
}

/// The same of facts, without making their text.
fn of(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 32,
        Value::String(text) => 32 + text.len(),
        Value::Array(values) => 32 + values.iter().map(of).sum::<usize>(),
        Value::Object(fields) => 32 + fields.iter().map(|(name, value)| 32 + name.len() + of(value)).sum::<usize>(),
    }
}

/// What waits for one reader.
pub(super) struct Inbox {
    state: Mutex<State>,
    waker: AtomicWaker,
}

struct State {
    queue: VecDeque<Entry>,
    /// More came than it holds: what follows is in the log only.
    fell_off: bool,
}

impl Inbox {
    fn holding(queue: VecDeque<Entry>) -> Self {
        Self { state: Mutex::new(State { queue, fell_off: false }), waker: AtomicWaker::new() }
    }

    /// Adds an event; no if there is no room, and from then on nothing is added.
    fn put(&self, entry: &Entry) -> bool {
        let mut state = self.state();
        if state.fell_off {
            return false;
        }
        state.fell_off = state.queue.len() >= INBOX;
        let fell_off = state.fell_off;
        if !fell_off {
            state.queue.push_back(Arc::clone(entry));
        }
        drop(state);
        self.waker.wake();
        !fell_off
    }

    /// Takes the place away, and with it what still waits.
    fn close(&self) {
        let mut state = self.state();
        state.queue.clear();
        state.fell_off = true;
        drop(state);
        self.waker.wake();
    }

    /// The next event; none when the reader fell off and has read what was still there.
    pub(super) fn poll(&self, task: &Context<'_>) -> Poll<Option<Entry>> {
        self.waker.register(task.waker());
        let mut state = self.state();
        match state.queue.pop_front() {
            Some(entry) => {
                // A burst does not keep its room.
                if state.queue.is_empty() && state.queue.capacity() > 8 {
                    state.queue = VecDeque::new();
                }
                Poll::Ready(Some(entry))
            }
            None if state.fell_off => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
