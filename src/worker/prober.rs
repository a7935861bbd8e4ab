//! The prober of a node: takes what is due, asks, notes what was said. What it promises is said in
//! [`domain::health`](crate::domain::health).
//!
//! One loop. It takes as many as there is room for, and not fewer than a few hundred at a time if so many are due;
//! it notes answers as soon as there are many, or a moment after the first; and it sleeps until something is due, a
//! call failed, the log tells of a change, or a few seconds have passed, after which it looks for integrations that
//! nobody watches yet.
//!
//! **Stopping.** Nothing more is taken; what is under way is dropped, and asked again when it is due next; what was said
//! is noted.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    task::{JoinError, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    context::Hub,
    domain::health::{
        Source, note,
        probe::{self, Due, Seen},
        traffic, watch,
    },
    event::Entry,
    kernel::{
        clock::Moment,
        error::{Result, chain},
    },
};

/// Answers that are noted in one commit at most.
const BATCH: usize = 500;

/// How long an answer waits for others.
const MOMENT: Duration = Duration::from_millis(100);

/// How often it looks for integrations that nobody watches yet, and takes away what calls have shown.
const LOOK: Duration = Duration::from_secs(5);

/// How long to wait after the database was away.
const AGAIN: Duration = Duration::from_secs(1);

/// Events that may wait for the prober.
const WAITING: usize = 1_000;

/// One node's prober.
pub struct Prober {
    hub: Arc<Hub>,
    shared: Arc<Shared>,
    running: JoinSet<Option<Seen>>,
    answers: Vec<Seen>,
    /// When the first of the answers came.
    first: Option<Instant>,
    /// When it last looked for what nobody watches.
    looked: Option<Instant>,
    /// Before that nothing is due, as far as is known.
    due: Option<Moment>,
}

/// What the prober shares with whoever wakes it.
#[derive(Default)]
struct Shared {
    /// Of what the log told; beyond the bound it is found by looking.
    told: Mutex<Vec<Entry>>,
    woken: Notify,
}

impl Prober {
    /// A prober of this node. It does nothing until it is run.
    #[must_use]
    pub fn new(hub: Arc<Hub>) -> Self {
        let shared = Arc::<Shared>::default();
        let heard = Arc::clone(&shared);
        hub.feed.observe(Box::new(move |entry| heard.hear(entry)));
        Self { hub, shared, running: JoinSet::new(), answers: Vec::new(), first: None, looked: None, due: None }
    }

    /// Asks and notes until stopped.
    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let wait = match self.turn().await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::warn!(error = chain(&error), "integrations cannot be probed, will try again");
                    AGAIN
                }
            };
            let hub = Arc::clone(&self.hub);
            tokio::select! {
                () = stop.cancelled() => {}
                Some(answer) = self.running.join_next() => self.hear(answer),
                () = self.shared.woken.notified() => {}
                () = hub.evidence.arrived.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
            while let Some(answer) = self.running.try_join_next() {
                self.hear(answer);
            }
        }
        self.running.shutdown().await;
        self.note().await;
    }

    /// Does whatever is due. Says how long there is nothing to do.
    async fn turn(&mut self) -> Result<Duration> {
        if !self.hub.clock_guard.state().may_schedule() {
            return Ok(AGAIN);
        }
        let told = std::mem::take(&mut *self.shared.told.lock().unwrap_or_else(PoisonError::into_inner));
        let stale = self.looked.is_none_or(|looked| looked.elapsed() >= LOOK);
        if stale || !told.is_empty() {
            self.looked = Some(Instant::now());
            self.look(&told).await?;
        }
        self.gather(traffic::take(&self.hub));
        let waited = self.first.is_some_and(|first| first.elapsed() >= MOMENT);
        if waited || self.answers.len() >= BATCH {
            self.note().await;
        }
        self.take().await?;
        let until = |due: Moment| (due - self.hub.clock.now()).to_std().unwrap_or_default();
        let full = self.running.len() >= self.hub.health.at_once;
        let due = self.due.filter(|_| !full).map_or(LOOK, until);
        let noting = self.first.map_or(LOOK, |first| MOMENT.saturating_sub(first.elapsed()));
        Ok(due.min(noting).min(LOOK))
    }

    /// Watches what is enabled, and hurries where the log told of a change.
    async fn look(&mut self, told: &[Entry]) -> Result<()> {
        watch::adopt(&self.hub).await?;
        for entry in told {
            watch::hurry(&self.hub, entry).await?;
        }
        self.due = None;
        Ok(())
    }

    /// Takes what is due, as far as there is room, and begins to ask. Says how many.
    async fn take(&mut self) -> Result<usize> {
        let (most, mut taken) = (self.hub.health.at_once, 0);
        while self.due.is_none_or(|due| due <= self.hub.clock.now()) {
            let room = most.saturating_sub(self.running.len());
            // Not for each that comes back: a commit for a quarter of them is enough.
            if room == 0 || (room < most / 4 && !self.running.is_empty()) {
                return Ok(taken);
            }
            let due = probe::take(&self.hub, room.min(BATCH)).await?;
            for Due { integration, at_hand } in due {
                let hub = Arc::clone(&self.hub);
                taken += 1;
                self.running.spawn(async move { probe::ask(&hub, &integration, at_hand, Source::Probe).await });
            }
            self.due = Some(probe::next(&self.hub).await?.unwrap_or(Moment::MAX_UTC));
        }
        Ok(taken)
    }

    fn hear(&mut self, answer: std::result::Result<Option<Seen>, JoinError>) {
        match answer {
            Ok(seen) => self.gather(seen),
            Err(error) if error.is_cancelled() => {}
            Err(error) => tracing::error!(%error, "a probe broke off"),
        }
    }

    fn gather(&mut self, seen: impl IntoIterator<Item = Seen>) {
        self.answers.extend(seen);
        if !self.answers.is_empty() {
            self.first.get_or_insert_with(Instant::now);
        }
    }

    /// Writes what was said. What cannot be written is dropped: the next probe comes anyway.
    async fn note(&mut self) {
        self.first = None;
        let mut answers = std::mem::take(&mut self.answers);
        while !answers.is_empty() {
            let batch: Vec<_> = answers.drain(..answers.len().min(BATCH)).collect();
            let count = batch.len();
            if let Err(error) = note::note(&self.hub, batch).await {
                tracing::warn!(error = chain(&error), count, "what integrations answered could not be noted");
            }
        }
    }

    /// Asks whatever is due and notes what is said, until nothing is. For who has no loop to wait for. Says how many
    /// were asked.
    pub async fn settle(&mut self) -> Result<usize> {
        let told = std::mem::take(&mut *self.shared.told.lock().unwrap_or_else(PoisonError::into_inner));
        self.look(&told).await?;
        let mut asked = 0;
        loop {
            let taken = self.take().await?;
            asked += taken;
            while let Some(answer) = self.running.join_next().await {
                self.hear(answer);
            }
            self.gather(traffic::take(&self.hub));
            self.note().await;
            if taken == 0 {
                return Ok(asked);
            }
        }
    }
}

impl Shared {
    fn hear(&self, entry: &Entry) {
        if watch::concerns(entry).is_none() {
            return;
        }
        {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.len() < WAITING {
                told.push(Arc::clone(entry));
            }
        }
        self.woken.notify_one();
    }
}

impl fmt::Debug for Prober {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prober").field("running", &self.running.len()).finish_non_exhaustive()
    }
}
