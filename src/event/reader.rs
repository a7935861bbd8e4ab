//! A reader of one tenant's events: every event that interests, once, in order, from a number on.
//!
//! ```text
//!             page of the log ──▶ … ──▶ caught up ──join──▶ live, from memory
//!                   ▲                                            │
//!                   └──────────── fell off its inbox ────────────┘
//! ```
//!
//! A reader begins by pinning the tenant's tail and only then asks how far the log has come: what it does not
//! find in the log will come through the tail. It reads pages until it has seen as much as the tail is
//! complete above, and joins. The same happens when it was too slow. It never skips: what retention took away
//! while it read is an error.

use std::{collections::VecDeque, fmt, future::poll_fn, sync::Arc, time::Duration};

use sea_orm::DatabaseConnection;

use super::{Entry, Feed, Interest, feed::Pin, log, tail::Inbox};
use crate::kernel::{error::Result, id::TenantId};

/// Events that are read at a time.
const PAGE: usize = 256;

/// How long to wait for a node that does not follow the log yet.
const BEGINNING: Duration = Duration::from_millis(20);

/// Follows one tenant's events.
pub struct Reader {
    db: DatabaseConnection,
    tenant: TenantId,
    interest: Interest,
    pin: Pin,
    /// Everything up to here was given, or is of no interest.
    seen: i64,
    state: State,
}

enum State {
    /// Reads the log: what was read, and up to which number.
    Behind { page: VecDeque<Entry>, through: i64 },
    /// Gets what comes.
    Live(Arc<Inbox>),
}

/// What a reader has.
pub enum Next {
    /// An event.
    Entry(Entry),
    /// Nothing more in the log for now; everything up to this number was given.
    CaughtUp(i64),
}

impl Reader {
    /// Begins after a number, or with what comes from now on.
    pub async fn open(
        feed: &Feed,
        db: DatabaseConnection,
        tenant: TenantId,
        interest: Interest,
        after: Option<i64>,
    ) -> Result<Self> {
        let pin = feed.pin(tenant);
        let head = pin.head(&db).await?;
        let seen = after.unwrap_or(head.number);
        head.check(seen)?;
        let state = State::Behind { page: VecDeque::new(), through: seen };
        Ok(Self { db, tenant, interest, pin, seen, state })
    }

    /// Up to which number everything was given.
    #[must_use]
    pub fn seen(&self) -> i64 {
        self.seen
    }

    /// The next event, waiting for it.
    pub async fn next(&mut self) -> Result<Entry> {
        loop {
            match &mut self.state {
                State::Live(inbox) => {
                    let inbox = Arc::clone(inbox);
                    match poll_fn(|task| inbox.poll(task)).await {
                        Some(entry) if entry.number <= self.seen => {}
                        Some(entry) => {
                            self.seen = entry.number;
                            return Ok(entry);
                        }
                        None => self.fall_behind(),
                    }
                }
                State::Behind { .. } => {
                    if let Next::Entry(entry) = self.read().await? {
                        return Ok(entry);
                    }
                    match self.pin.join(&self.interest, self.seen) {
                        Some(inbox) => self.state = State::Live(inbox),
                        // The node has only begun.
                        None if !self.pin.is_followed() => tokio::time::sleep(BEGINNING).await,
                        None => {}
                    }
                }
            }
        }
    }

    /// The next event of the log, without waiting for what is not there yet.
    pub async fn read(&mut self) -> Result<Next> {
        loop {
            if let State::Live(_) = self.state {
                self.fall_behind();
            }
            let State::Behind { page, through } = &mut self.state else { continue };
            if let Some(entry) = page.pop_front() {
                self.seen = entry.number;
                return Ok(Next::Entry(entry));
            }
            self.seen = self.seen.max(*through);
            let head = self.pin.head(&self.db).await?;
            head.check(self.seen)?;
            if self.seen == head.number {
                return Ok(Next::CaughtUp(self.seen));
            }
            let span = (self.seen, head.number);
            let read = log::page(&self.db, self.tenant, &self.interest, span, PAGE as u64).await?;
            // Retention may have come between the two looks.
            log::head(&self.db, self.tenant).await?.check(self.seen)?;
            *through = match read.last() {
                Some(last) if read.len() == PAGE => last.number,
                _ => head.number,
            };
            *page = read.into();
        }
    }

    fn fall_behind(&mut self) {
        if let State::Live(inbox) = &self.state {
            self.pin.leave(&self.interest, inbox);
        }
        self.state = State::Behind { page: VecDeque::new(), through: self.seen };
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let State::Live(inbox) = &self.state {
            self.pin.leave(&self.interest, inbox);
        }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("tenant", &self.tenant).field("seen", &self.seen).finish_non_exhaustive()
    }
}
