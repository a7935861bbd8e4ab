//! New events, in memory, for who follows them on this node.
//!
//! ```text
//! writers, sequencer, bus ──announce──▶ follower ──▶ tails (by tenant) ──▶ inboxes of readers
//!                                          ▲ whatever is missing: read from the log
//! ```
//!
//! The **follower** is one task. It hands out events in the order of their positions and knows from the
//! positions whether one is missing; what is missing it reads from the log, which is the truth. So what is
//! announced may come late, twice, in disorder or never: it saves a read, nothing depends on it. Once a
//! second the follower looks whether the log is ahead of it.
//!
//! **Other nodes only hint.** What they say (over a [bus](super::bus)) makes the follower read the log, and nothing
//! else: it hands out what this process committed itself or read from its own database. So whoever can publish on the
//! bus can neither forge an event nor move a reader past one. A hint at a position that the log does not show is a lie or
//! of another log; after one, hints are worth no more than ten looks a second.
//!
//! If the log ends before the position of the follower (a backup was restored, or a standby took over that had not
//! received the last commits), the follower goes back to its end, and all readers read the log again.
//!
//! A **tail** is the end of one tenant's log, kept while anybody reads there: bounded by count and bytes. It
//! knows above which number it is complete, so a [`Reader`](super::Reader) that has read the log up to there
//! joins it without a hole or a double.
//!
//! An **inbox** is one reader's place at a tail, found by what the reader wants: an event that concerns one of
//! two thousand readers touches one. An inbox is bounded; a reader that does not empty it falls off and reads
//! the log again. Nothing here grows with how slow somebody is.
//!
//! The end of the log of **all** tenants is held, too, for parts of the program that read everything (`recent`).

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use sea_orm::DatabaseConnection;
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    Entry, Interest, log,
    recent::Recent,
    tail::{Inbox, Tail},
    warning::RateLimited,
};
use crate::kernel::{
    error::{Result, chain},
    id::TenantId,
};

/// Announced events that may wait for the follower; beyond them it reads the log.
const WAITING: usize = 4_096;

/// Events that the follower reads at a time; they are in memory as rows, as models and as facts until it is done.
const PAGE: u64 = 250;

/// How long the follower waits before it looks by itself.
const FLOOR: Duration = Duration::from_secs(1);

/// How long hints wake nobody after one that was not true.
const DISTRUST: Duration = Duration::from_millis(100);

/// The feed of this node. Clones are the same feed.
#[derive(Clone)]
pub struct Feed(Arc<Shared>);

/// Tells other nodes what was put into the log.
pub type Teller = Arc<dyn Fn(&[Entry]) + Send + Sync>;

/// Sees every event of the log as it passes this node.
pub type Observer = Box<dyn Fn(&Entry) + Send + Sync>;

struct Shared {
    tails: Mutex<HashMap<TenantId, Tail>>,
    recent: Mutex<Recent>,
    announced: Mutex<Vec<Entry>>,
    /// The position of the last event that passed.
    position: AtomicI64,
    /// The follower knows where it is: whatever is numbered from now on passes it.
    follows: AtomicBool,
    /// The log is worth a look: something may be there that was not announced.
    look: AtomicBool,
    /// How far the log has come, as far as other nodes say.
    hinted: AtomicI64,
    /// A hint was not true a moment ago: hints wait.
    distrusts: AtomicBool,
    untrue: RateLimited,
    arrived: Notify,
    written: Notify,
    bus: Mutex<Option<Teller>>,
    observers: Mutex<Vec<Observer>>,
}

impl Default for Feed {
    fn default() -> Self {
        Self(Arc::new(Shared {
            tails: Mutex::default(),
            recent: Mutex::default(),
            announced: Mutex::default(),
            position: AtomicI64::new(0),
            follows: AtomicBool::new(false),
            look: AtomicBool::new(true),
            hinted: AtomicI64::new(0),
            distrusts: AtomicBool::new(false),
            untrue: RateLimited::default(),
            arrived: Notify::new(),
            written: Notify::new(),
            bus: Mutex::default(),
            observers: Mutex::default(),
        }))
    }
}

impl Feed {
    /// Says that events were written that wait for the sequencer.
    pub fn wrote(&self) {
        self.0.written.notify_one();
    }

    /// Waits until events were written.
    pub(super) async fn written(&self) {
        self.0.written.notified().await;
    }

    /// Hands over events that this node put into the log, and tells the other nodes.
    pub fn announce(&self, entries: Vec<Entry>) {
        if entries.is_empty() {
            return;
        }
        let bus = held(&self.0.bus).clone();
        if let Some(bus) = bus {
            bus(&entries);
        }
        self.hear(entries);
    }

    /// Hands over events of which this process knows that they are committed; never what another node says.
    pub fn hear(&self, entries: Vec<Entry>) {
        let mut announced = held(&self.0.announced);
        if announced.len() + entries.len() <= WAITING {
            announced.extend(entries);
        } else {
            self.0.look.store(true, Ordering::Release);
        }
        drop(announced);
        self.0.arrived.notify_one();
    }

    /// Says that the log may be ahead of what this node knows.
    pub fn hint(&self) {
        self.0.look.store(true, Ordering::Release);
        self.0.arrived.notify_one();
    }

    /// Says that another node knows of events up to a position. If they have not passed here yet, the log is read.
    pub fn hint_at(&self, position: i64) {
        if position <= self.0.position.load(Ordering::Acquire) {
            return;
        }
        self.0.hinted.fetch_max(position, Ordering::AcqRel);
        if !self.0.distrusts.load(Ordering::Acquire) {
            self.0.arrived.notify_one();
        }
    }

    /// How other nodes are told.
    pub fn tell(&self, bus: Teller) {
        *held(&self.0.bus) = Some(bus);
    }

    /// Follows the log until stopped.
    pub async fn follow(self, db: DatabaseConnection, stop: CancellationToken) {
        let (mut at, mut trusts_at): (_, Option<Instant>) = (None, None);
        loop {
            if trusts_at.is_some_and(|moment| moment <= Instant::now()) {
                trusts_at = None;
                self.0.distrusts.store(false, Ordering::Release);
                self.0.look.store(true, Ordering::Release);
            }
            match self.catch_up(&db, &mut at).await {
                Ok(()) => {}
                Err(error) => {
                    self.0.look.store(true, Ordering::Release);
                    tracing::warn!(error = chain(&error), "the event log cannot be read, will try again");
                }
            }
            if trusts_at.is_none() && self.0.distrusts.load(Ordering::Acquire) {
                trusts_at = Some(Instant::now() + DISTRUST);
            }
            let floor = Instant::now() + FLOOR;
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.0.arrived.notified() => {}
                () = tokio::time::sleep_until(trusts_at.unwrap_or(floor)) => self.0.look.store(true, Ordering::Release),
            }
        }
    }

    /// Hands out everything beyond `at`.
    async fn catch_up(&self, db: &DatabaseConnection, at: &mut Option<i64>) -> Result<()> {
        let mut position = if let Some(position) = *at {
            position
        } else {
            let position = *at.insert(log::position(db).await?);
            self.0.follows.store(true, Ordering::Release);
            position
        };
        let mut look = self.0.look.swap(false, Ordering::AcqRel);
        let hinted = self.hinted();
        look |= hinted > position;
        let mut announced = std::mem::take(&mut *held(&self.0.announced));
        announced.sort_unstable_by_key(|entry| entry.position);
        for entry in announced {
            if entry.position == position + 1 {
                self.dispatch(&entry);
                position = entry.position;
            } else if entry.position > position {
                look = true;
                break;
            }
        }
        *at = Some(position);
        if !look {
            return Ok(());
        }
        loop {
            let entries = log::beyond(db, position, PAGE).await?;
            let full = entries.len() as u64 == PAGE;
            for entry in &entries {
                self.dispatch(entry);
                position = entry.position;
                *at = Some(position);
            }
            if entries.is_empty() {
                let end = log::position(db).await?;
                if end < position {
                    self.go_back(position, end);
                    *at = Some(end);
                    return Ok(());
                }
            }
            if !full {
                break;
            }
        }
        if hinted > position {
            // The log was read after the hint came, and whoever gives one has committed before.
            self.0.distrusts.store(true, Ordering::Release);
            if let Some(count) = self.0.untrue.occurred() {
                tracing::warn!(
                    hinted,
                    end = position,
                    count,
                    "hints named positions beyond the end of the event log and were ignored"
                );
            }
        }
        Ok(())
    }

    /// The position that was hinted at since the last look; 0 while hints wait.
    fn hinted(&self) -> i64 {
        if self.0.distrusts.load(Ordering::Acquire) { 0 } else { self.0.hinted.swap(0, Ordering::AcqRel) }
    }

    /// Goes back to the end of the log. Nothing that is held counts any more: readers read the log again.
    fn go_back(&self, from: i64, end: i64) {
        tracing::warn!(from, end, "the event log ends before what was read of it; reading goes on from its end");
        *held(&self.0.recent) = Recent::default();
        self.tails().values_mut().for_each(Tail::forget);
        self.0.position.store(end, Ordering::Release);
    }

    /// Shows every event that passes from now on. For what may miss one, such as wake-ups; who must not reads
    /// the log.
    pub fn observe(&self, observer: Observer) {
        held(&self.0.observers).push(observer);
    }

    /// Events of all tenants after a position, in order: what passed here of late without a look at the database, else
    /// what the log says. Who got as many as asked for asks again; who got fewer may wait for an observer.
    pub async fn beyond(&self, db: &DatabaseConnection, position: i64, most: usize) -> Result<Vec<Entry>> {
        let passed = held(&self.0.recent).beyond(position, most);
        if passed.is_empty() { log::beyond(db, position, most as u64).await } else { Ok(passed) }
    }

    fn dispatch(&self, entry: &Entry) {
        // First, so that it is there for whom an observer wakes.
        held(&self.0.recent).push(entry);
        for observer in &*held(&self.0.observers) {
            observer(entry);
        }
        if let Some(tail) = self.tails().get_mut(&entry.tenant_id) {
            tail.push(entry);
        }
        self.0.position.store(entry.position, Ordering::Release);
    }

    /// Whether whatever is numbered from now on will come to the tails. Before, they are complete nowhere.
    pub(super) fn follows(&self) -> bool {
        self.0.follows.load(Ordering::Acquire)
    }

    /// Keeps the tail of a tenant from now on.
    pub(super) fn pin(&self, tenant: TenantId) -> Pin {
        self.tails().entry(tenant).or_default().pins += 1;
        Pin { feed: self.clone(), tenant }
    }

    /// How many tenants are followed on this node.
    #[must_use]
    pub fn followed(&self) -> usize {
        self.tails().len()
    }

    fn tails(&self) -> MutexGuard<'_, HashMap<TenantId, Tail>> {
        held(&self.0.tails)
    }
}

/// A right to a tenant's tail: it is kept as long as this lives.
pub(super) struct Pin {
    feed: Feed,
    tenant: TenantId,
}

impl Pin {
    /// How far the tenant's log has come. Asked after the tail was pinned, it says above which number the tail
    /// is complete.
    pub(super) async fn head(&self, db: &DatabaseConnection) -> Result<log::Head> {
        // In this order: what is numbered after the look at the log passes a follower that was there before it.
        let follows = self.feed.follows();
        let head = log::head(db, self.tenant).await?;
        if follows && let Some(tail) = self.feed.tails().get_mut(&self.tenant) {
            tail.known(head.number);
        }
        Ok(head)
    }

    pub(super) fn is_followed(&self) -> bool {
        self.feed.follows()
    }

    /// A place at the tail for who has seen everything up to a number, unless that is too long ago.
    pub(super) fn join(&self, interest: &Interest, seen: i64) -> Option<Arc<Inbox>> {
        self.feed.tails().get_mut(&self.tenant)?.join(interest, seen)
    }

    /// Gives a place back.
    pub(super) fn leave(&self, interest: &Interest, inbox: &Arc<Inbox>) {
        if let Some(tail) = self.feed.tails().get_mut(&self.tenant) {
            tail.leave(interest, inbox);
        }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut tails = self.feed.tails();
        if let Some(tail) = tails.get_mut(&self.tenant) {
            tail.pins -= 1;
            if tail.pins == 0 {
                tails.remove(&self.tenant);
            }
        }
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("followed", &self.followed()).finish_non_exhaustive()
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
