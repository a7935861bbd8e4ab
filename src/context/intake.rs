//! Webhooks on their way into the database, and the doors by which they come.
//!
//! **The queue.** Whoever took a webhook in puts it here with a place for the answer, and waits. It is bounded by
//! number and by bytes: what does not fit is refused at once, so that a flood costs others time and not the process its
//! memory. Who takes them out again, and how, is the business of the domain.
//!
//! **The doors.** What is needed to check the webhooks of a source (its row, the provider's file, opened secrets) is
//! kept for two seconds: that is how long another node may take to hear of a change. The node where it was made
//! forgets it at once.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::TimeDelta;
use quick_cache::sync::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::{
    entity::{integration, webhook_event, webhook_source},
    kernel::{
        clock::Moment,
        error::Result,
        id::{TenantId, WebhookSourceId},
    },
    provider::{manifest::Manifest, template::Values},
};

/// Doors that are kept.
const DOORS: usize = 4_096;

/// How long one is kept.
const KEPT: TimeDelta = TimeDelta::seconds(2);

/// How the webhooks of a source are checked.
#[derive(Clone, Debug)]
pub struct Door {
    /// The source.
    pub source: webhook_source::Model,
    /// The integration whose webhooks come there, if it is for one.
    pub integration: Option<integration::Model>,
    /// The provider's file.
    pub manifest: Arc<Manifest>,
    /// The values with the secrets, those in use first.
    pub keys: Vec<Values>,
    /// When they were read.
    pub at: Moment,
}

/// What became of a webhook that was put into the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is in the database.
    New,
    /// It was there already, which is counted.
    Repeated,
}

/// A webhook that waits to be written.
#[derive(Debug)]
pub struct Arrival {
    /// As it will be kept.
    pub row: webhook_event::Model,
    /// Who waits for it to be durable.
    pub answer: oneshot::Sender<Result<Taken>>,
}

/// There are too many already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

#[derive(Default)]
struct Waiting {
    arrivals: VecDeque<Arrival>,
    bytes: usize,
}

/// The queue and the doors.
pub struct Intake {
    doors: Cache<Vec<u8>, Arc<Door>>,
    waiting: Mutex<Waiting>,
    writers: Arc<Semaphore>,
    most: usize,
    most_bytes: usize,
    /// Sources with something new, of which nobody was told yet.
    touched: Mutex<BTreeMap<WebhookSourceId, TenantId>>,
    teller: Arc<Semaphore>,
}

impl Intake {
    /// An empty one for so many webhooks and bytes, written by so many at once.
    #[must_use]
    pub fn new(most: usize, most_bytes: usize, writers: usize) -> Self {
        Self {
            doors: Cache::new(DOORS),
            waiting: Mutex::default(),
            writers: Arc::new(Semaphore::new(writers)),
            most,
            most_bytes,
            touched: Mutex::default(),
            teller: Arc::new(Semaphore::new(1)),
        }
    }

    /// The door with that digest, if it was read lately.
    #[must_use]
    pub fn door(&self, digest: &[u8], now: Moment) -> Option<Arc<Door>> {
        self.doors.get(digest).filter(|door| door.at <= now && now < door.at + KEPT)
    }

    /// Keeps a door.
    pub fn keep(&self, door: &Arc<Door>) {
        self.doors.insert(door.source.digest.clone(), Arc::clone(door));
    }

    /// Forgets a door that was changed.
    pub fn forget(&self, digest: &[u8]) {
        self.doors.remove(digest);
    }

    /// Puts a webhook into the queue.
    pub fn push(&self, arrival: Arrival) -> std::result::Result<(), Full> {
        let mut waiting = self.waiting();
        let bytes = waiting.bytes + arrival.row.body.len();
        // One that is larger than all of the room still has a way in.
        if waiting.arrivals.len() >= self.most || (bytes > self.most_bytes && !waiting.arrivals.is_empty()) {
            return Err(Full);
        }
        waiting.bytes = bytes;
        waiting.arrivals.push_back(arrival);
        Ok(())
    }

    /// Takes the first so many out.
    #[must_use]
    pub fn take(&self, most: usize) -> Vec<Arrival> {
        let mut waiting = self.waiting();
        let count = waiting.arrivals.len().min(most);
        let taken: Vec<_> = waiting.arrivals.drain(..count).collect();
        waiting.bytes -= taken.iter().map(|arrival| arrival.row.body.len()).sum::<usize>();
        taken
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting().arrivals.is_empty()
    }

    /// The right to be one of those that write; nothing if there are enough.
    #[must_use]
    pub fn writer(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.writers).try_acquire_owned().ok()
    }

    /// Notes that a source has something new.
    pub fn touch(&self, source: WebhookSourceId, tenant: TenantId) {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner).insert(source, tenant);
    }

    /// The sources with something new; from now on somebody else tells of what is new after them.
    #[must_use]
    pub fn touched(&self) -> BTreeMap<WebhookSourceId, TenantId> {
        std::mem::take(&mut *self.touched.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether there is any.
    #[must_use]
    pub fn has_touched(&self) -> bool {
        !self.touched.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// The right to tell of what is new; nothing if somebody does.
    #[must_use]
    pub fn teller(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.teller).try_acquire_owned().ok()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake").field("waiting", &self.waiting().arrivals.len()).finish_non_exhaustive()
    }
}
