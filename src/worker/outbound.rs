//! Webhooks out, on a node: one task reads the log, another sends. What they promise is said in
//! [`domain::outbound`](crate::domain::outbound).
//!
//! **The sender** asks which destinations wait for something that is due, gives each a share of the free places in
//! turn, takes as much, and notes answers together: those that came until it gets to it. More is taken than there are
//! places, so that sending goes on while the database is busy. A destination has little under way at first and while it
//! fails or is slow, and more as it answers quickly. An attempt that takes longer than a second gives its place back, so
//! that a destination which never answers takes none from others for longer than that. What finds no place for long is
//! given back, before it is somebody else's to take.
//!
//! **Stopping.** Nothing more is taken; what found no place is given back; what is under way ends or runs out of time,
//! and is noted.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chrono::TimeDelta;
use tokio::{
    sync::{Notify, Semaphore},
    task::{Id, JoinSet},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    context::Hub,
    domain::outbound::{
        WebhookDelivery,
        route::{self, Reached},
        send::{self, Answered, Parcel, Signers},
        settle,
    },
    kernel::{
        error::{Result, chain},
        id::WebhookDestinationId,
    },
};

/// How often it looks by itself.
const LOOK: Duration = Duration::from_secs(1);

/// How long to wait after the database was away.
const AGAIN: Duration = Duration::from_secs(1);

/// After so long an attempt does not count against the places any more, and its destination is slow.
const SLOW: Duration = Duration::from_secs(1);

/// Attempts under way in all, for each place.
const OVER: usize = 4;

/// Deliveries that are taken, for each place.
const AHEAD: usize = 4;

/// What one destination may have of them where no other waits; a share is left for whoever comes.
const ALONE: usize = AHEAD - 1;

/// How long one waits for a place. It is shorter than what is left of its time when an attempt has had all it may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Places that a destination has at first.
const FIRST: usize = 8;

/// Destinations from which is taken in one statement.
const AT_A_TIME: usize = 200;

/// Destinations whose pace is remembered.
const REMEMBERED: usize = 10_000;

/// Answers that are noted in one commit at most.
const BATCH: usize = 500;

/// How long an answer waits for others.
const MOMENT: Duration = Duration::from_millis(3);

/// Reads the log until stopped.
pub async fn route(hub: Arc<Hub>, stop: CancellationToken) {
    let woken = Arc::new(Notify::new());
    let heard = Arc::clone(&woken);
    // What is of no interest is passed over, too, while it is at hand.
    hub.feed.observe(Box::new(move |_| heard.notify_one()));
    let mut reached = Reached::default();
    while !stop.is_cancelled() {
        if !hub.clock_guard.state().may_schedule() {
            stop.run_until_cancelled(tokio::time::sleep(AGAIN)).await;
            continue;
        }
        let wait = match route::route(&hub, &mut reached).await {
            Ok(routed) if routed.more => continue,
            Ok(_) => LOOK,
            Err(error) => {
                tracing::warn!(error = chain(&error), "events wait to be sent as webhooks, will try again");
                AGAIN
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = woken.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Hears how each attempt ended, `DELIVERED` or the class of what went wrong, and how long it took.
pub type Observer = Arc<dyn Fn(&'static str, Duration) + Send + Sync>;

/// How a destination takes what it is sent, on this node.
struct Pace {
    /// Attempts under way.
    running: usize,
    /// How many there may be.
    allowed: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self { running: 0, allowed: FIRST }
    }
}

/// What became of something that was taken.
enum Sent {
    Answered(Box<Answered>),
    NoPlace(Box<WebhookDelivery>),
}

/// Sends as soon as there is a place.
async fn attempt(hub: Arc<Hub>, places: Arc<Semaphore>, slow: Arc<AtomicUsize>, parcel: Parcel) -> Sent {
    let Ok(Ok(place)) = timeout(PATIENCE, places.acquire()).await else {
        return Sent::NoPlace(Box::new(parcel.delivery));
    };
    let mut sending = std::pin::pin!(send::send(&hub, parcel));
    if let Ok(answered) = timeout(SLOW, sending.as_mut()).await {
        return Sent::Answered(Box::new(answered));
    }
    drop(place);
    slow.fetch_add(1, Ordering::Relaxed);
    let answered = sending.await;
    slow.fetch_sub(1, Ordering::Relaxed);
    Sent::Answered(Box::new(answered))
}

/// One node's sender of webhooks.
pub struct Sender {
    hub: Arc<Hub>,
    signers: Signers,
    paces: HashMap<WebhookDestinationId, Pace>,
    places: Arc<Semaphore>,
    /// What was taken: it waits for a place, or is under way.
    running: JoinSet<Sent>,
    /// Attempts under way that gave their places back.
    slow: Arc<AtomicUsize>,
    /// Where each goes.
    begun: HashMap<Id, WebhookDestinationId>,
    answers: Vec<Answered>,
    /// What found no place.
    unsent: Vec<WebhookDelivery>,
    first: Option<Instant>,
    /// Which destination was the last to get places.
    turn: Option<WebhookDestinationId>,
    observer: Option<Observer>,
}

impl Sender {
    /// A sender of this node. It does nothing until it is run.
    #[must_use]
    pub fn new(hub: Arc<Hub>) -> Self {
        let places = Arc::new(Semaphore::new(hub.outbound.at_once.max(1)));
        Self {
            hub,
            signers: Signers::default(),
            paces: HashMap::new(),
            places,
            running: JoinSet::new(),
            slow: Arc::default(),
            begun: HashMap::new(),
            answers: Vec::new(),
            unsent: Vec::new(),
            first: None,
            turn: None,
            observer: None,
        }
    }

    /// The same, with somebody who hears of each attempt.
    #[must_use]
    pub fn observed_by(self, observer: Observer) -> Self {
        Self { observer: Some(observer), ..self }
    }

    /// Sends and notes until stopped.
    pub async fn run(mut self, stop: CancellationToken) {
        let hub = Arc::clone(&self.hub);
        while !stop.is_cancelled() {
            let wait = match self.pass().await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::warn!(error = chain(&error), "webhooks cannot be sent, will try again");
                    AGAIN
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                Some(ended) = self.running.join_next_with_id() => self.hear(ended),
                () = hub.deliveries.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
            self.gather();
        }
        self.places.close();
        while let Some(ended) = self.running.join_next_with_id().await {
            self.hear(ended);
        }
        if let Err(error) = self.note().await {
            tracing::warn!(error = chain(&error), "what destinations answered could not be noted; it is sent again");
        }
    }

    fn gather(&mut self) {
        while let Some(ended) = self.running.try_join_next_with_id() {
            self.hear(ended);
        }
    }

    /// Does whatever is due. Says how long there is nothing to do.
    async fn pass(&mut self) -> Result<Duration> {
        let waited = self.first.is_some_and(|first| first.elapsed() >= MOMENT) || !self.unsent.is_empty();
        if waited || self.answers.len() >= BATCH || (self.running.is_empty() && !self.answers.is_empty()) {
            self.note().await?;
        }
        let due = self.take().await?;
        let noting = self.first.map_or(LOOK, |first| MOMENT.saturating_sub(first.elapsed()));
        Ok(due.min(noting).min(LOOK))
    }

    /// How much more may be taken.
    fn room(&self) -> usize {
        let most = self.hub.outbound.at_once.max(1);
        let quick = self.running.len().saturating_sub(self.slow.load(Ordering::Relaxed));
        (most * AHEAD).saturating_sub(quick).min((most * (AHEAD + OVER)).saturating_sub(self.running.len()))
    }

    /// Takes what is due, as far as there is room, and begins to send. Says when something is due next.
    async fn take(&mut self) -> Result<Duration> {
        if !self.hub.clock_guard.state().may_schedule() {
            return Ok(AGAIN);
        }
        let most = self.hub.outbound.at_once.max(1);
        loop {
            let room = self.room();
            // Not for each that comes back: a commit for as many as there are places is enough.
            if room == 0 || (room < most && !self.running.is_empty()) {
                return Ok(LOOK);
            }
            let now = self.hub.clock.now();
            let mut next = None;
            let mut ready = Vec::new();
            let lines = send::lines(&self.hub).await?;
            let share = if lines.len() == 1 { most * ALONE } else { most };
            for line in lines {
                let due = line.paused_until.map_or(line.due, |until| until.max(line.due));
                if due > now {
                    next = next.map_or(Some(due), |next: chrono::DateTime<_>| Some(next.min(due)));
                    continue;
                }
                let pace = self.paces.get(&line.id);
                let allowed = if line.failures >= settle::TRIP { 1 } else { pace.map_or(FIRST, |pace| pace.allowed) };
                let free = allowed.min(share).saturating_sub(pace.map_or(0, |pace| pace.running));
                if free > 0 {
                    ready.push((line.id, free));
                }
            }
            let shares = self.shares(ready, room);
            if shares.is_empty() {
                let until = next.map(|next| (next - now).max(TimeDelta::zero()).to_std().unwrap_or_default());
                return Ok(until.unwrap_or(LOOK));
            }
            let parcels = send::take(&self.hub, &self.signers, &shares).await?;
            if parcels.is_empty() {
                return Ok(MOMENT);
            }
            for parcel in parcels {
                let destination = parcel.destination.id;
                self.paces.entry(destination).or_default().running += 1;
                let (hub, places) = (Arc::clone(&self.hub), Arc::clone(&self.places));
                let task = self.running.spawn(attempt(hub, places, Arc::clone(&self.slow), parcel));
                self.begun.insert(task.id(), destination);
            }
        }
    }

    /// Gives the room to those that are ready, to each as much as to the others, beginning behind who was last.
    fn shares(
        &mut self,
        mut ready: Vec<(WebhookDestinationId, usize)>,
        room: usize,
    ) -> Vec<(WebhookDestinationId, usize)> {
        ready.sort_unstable_by_key(|(id, _)| *id);
        let first = self.turn.map_or(0, |last| ready.partition_point(|(id, _)| *id <= last));
        let count = ready.len();
        ready.rotate_left(first.min(count));
        let mut shares: Vec<_> = ready.iter().take(room.min(AT_A_TIME)).map(|(id, _)| (*id, 0)).collect();
        let mut left = room;
        while left > 0 {
            let before = left;
            for (share, (_, free)) in shares.iter_mut().zip(&ready) {
                if left > 0 && share.1 < *free {
                    share.1 += 1;
                    left -= 1;
                }
            }
            if left == before {
                break;
            }
        }
        self.turn = shares.last().map(|(id, _)| *id);
        shares
    }

    fn hear(&mut self, ended: std::result::Result<(Id, Sent), tokio::task::JoinError>) {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let Some(destination) = self.begun.remove(&id) else { return };
        if self.paces.len() > REMEMBERED {
            self.paces.retain(|_, pace| pace.running > 0);
        }
        let most = self.hub.outbound.at_once.max(1);
        let pace = self.paces.entry(destination).or_default();
        pace.running = pace.running.saturating_sub(1);
        match ended {
            Ok((_, Sent::Answered(answer))) => {
                let quick = answer.latency < SLOW && answer.arrived();
                pace.allowed =
                    if quick { (pace.allowed + 1).min(most * ALONE) } else { (pace.allowed.min(most) / 2).max(1) };
                if let Some(observer) = &self.observer {
                    observer(answer.error.as_ref().map_or("DELIVERED", |(class, _)| *class), answer.latency);
                }
                self.answers.push(*answer);
                self.first.get_or_insert_with(Instant::now);
            }
            Ok((_, Sent::NoPlace(delivery))) => self.unsent.push(*delivery),
            Err(error) => {
                pace.allowed = (pace.allowed.min(most) / 2).max(1);
                tracing::error!(%error, "an attempt to send a webhook broke off");
            }
        }
    }

    /// Writes what was answered. What cannot be written is kept and written later, as long as there is room for it.
    async fn note(&mut self) -> Result<()> {
        self.first = None;
        // What cannot be given back is somebody's once its time is over.
        let unsent = std::mem::take(&mut self.unsent);
        send::give_back(&self.hub, &unsent).await?;
        while !self.answers.is_empty() {
            let batch: Vec<_> = self.answers.drain(..self.answers.len().min(BATCH)).collect();
            if let Err(error) = settle::settle(&self.hub, &batch).await {
                if self.answers.len() < BATCH {
                    self.answers.extend(batch);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Sends whatever is due and notes what is answered, until nothing is. For who has no loop to wait for. Says how
    /// many attempts were made.
    pub async fn settle(&mut self) -> Result<usize> {
        let mut made = 0;
        loop {
            self.take().await?;
            if self.running.is_empty() {
                return Ok(made);
            }
            while let Some(ended) = self.running.join_next_with_id().await {
                self.hear(ended);
            }
            made += self.answers.len();
            self.note().await?;
        }
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("running", &self.running.len()).finish_non_exhaustive()
    }
}
