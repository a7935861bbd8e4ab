//! Takes jobs and does them.
//!
//! One loop for all kinds. It asks in one statement which kinds have something due, takes as many as there are hands
//! for the kind, and sleeps until somebody enqueues something here, another node says that it has too much, a hand
//! gets free that was missing, the next job or tick is due, or a second has passed.
//!
//! Beside it two small loops: one says every quarter of a lease that the jobs which run here are alive (and stops
//! those that were given to somebody else); the other takes jobs from workers that say nothing any more, and counts.
//!
//! **With a wrong clock** nothing is taken, no tick is enqueued and no lease of others ends; what runs here is kept.
//!
//! **Stopping.** Nothing more is taken; what runs is told, and has the time of grace to end. What does not is cut
//! off and put back, so that another node goes on at once.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::handler::{Kind, Outcome, Setback};
use crate::{
    context::{Cx, Hub, Lease},
    domain::{
        alert,
        job::{Count, Job, list, queue, schedule, wake},
        keyring::HUB,
    },
    kernel::{
        clock::Moment,
        error::{Result, chain},
        id::JobId,
    },
};

/// How long to sleep at most.
const FLOOR: Duration = Duration::from_secs(1);

/// Jobs that are taken in one statement at most.
const BATCH: usize = 50;

/// How often jobs are counted.
const COUNTED: Duration = Duration::from_secs(15);

/// How long somebody whose commit came through takes to hear of it.
const MOMENT: Duration = Duration::from_millis(200);

/// How often other nodes are told at most.
const TOLD: Duration = Duration::from_millis(100);

/// How a node does jobs.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a job belongs to a worker that says nothing.
    pub lease: Duration,
    /// How long jobs may go on when the node stops.
    pub grace: Duration,
}

/// Something that operators want to see.
#[derive(Debug)]
pub enum Notice<'a> {
    /// A job ended.
    Ended {
        /// Its kind.
        kind: &'static str,
        /// How: `done`, `retried`, `dead`, `interrupted` or `lost`.
        how: &'static str,
        /// After how long.
        took: Duration,
    },
    /// How many there are, by kind and state.
    Counted {
        /// Of every kind in the database.
        counts: &'a [Count],
        /// When they were counted.
        at: Moment,
    },
}

/// Hears notices.
pub type Observer = Arc<dyn Fn(Notice<'_>) + Send + Sync>;

/// One node's worker.
pub struct Runner {
    hub: Arc<Hub>,
    kinds: Vec<Kind>,
    /// Its name among the workers of all nodes.
    holder: String,
    settings: Settings,
    observer: Observer,
    stop: CancellationToken,
    /// Cuts off what still runs.
    cut: CancellationToken,
    running: Mutex<HashMap<JobId, (&'static str, Arc<Lease>)>>,
    /// A hand that was missing is free.
    freed: Notify,
    tasks: TaskTracker,
    told: Mutex<Option<Instant>>,
}

/// What one look at the queue came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turn {
    /// Jobs and ticks that were taken.
    pub taken: u64,
    /// When something is due next.
    next: Option<Moment>,
    /// Whether more is due than there are hands for.
    short: bool,
}

impl Runner {
    /// A worker for these kinds. It does nothing until it is run.
    #[must_use]
    pub fn new(
        hub: Arc<Hub>,
        kinds: Vec<Kind>,
        settings: Settings,
        observer: Observer,
        stop: CancellationToken,
    ) -> Arc<Self> {
        let holder = hub.chance.uuid(hub.clock.now()).simple().to_string();
        Arc::new(Self {
            hub,
            kinds,
            holder,
            settings,
            observer,
            stop,
            cut: CancellationToken::new(),
            running: Mutex::default(),
            freed: Notify::new(),
            tasks: TaskTracker::new(),
            told: Mutex::default(),
        })
    }

    /// Takes and does jobs until stopped, and then until what runs has ended or the time of grace is over.
    pub async fn run(self: Arc<Self>) {
        let over = CancellationToken::new();
        let beside = TaskTracker::new();
        beside.spawn(Arc::clone(&self).stay_alive(over.clone()));
        beside.spawn(Arc::clone(&self).look_after(over.clone()));
        beside.spawn(wake::listen(Arc::clone(&self.hub), over.clone()));
        while !self.stop.is_cancelled() {
            let wait = match self.turn().await {
                Ok(turn) => self.pause(turn),
                Err(error) => {
                    tracing::warn!(error = chain(&error), "jobs cannot be taken, will try again");
                    FLOOR
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = self.hub.jobs.notified() => {}
                () = self.freed.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.tasks.close();
        if tokio::time::timeout(self.settings.grace, self.tasks.wait()).await.is_err() {
            tracing::warn!(jobs = self.tasks.len(), "jobs are cut off and put back");
            self.cut.cancel();
            self.tasks.wait().await;
        }
        over.cancel();
        beside.close();
        beside.wait().await;
    }

    fn pause(&self, turn: Turn) -> Duration {
        let until = turn.next.map_or(FLOOR, |next| (next - self.hub.clock.now()).to_std().unwrap_or_default());
        // What is due and could not be taken waits for a hand, or for its tenant.
        if until.is_zero() { FLOOR } else { until.min(FLOOR) }
    }

    /// Raises alerts for schedules that ended because they cannot be read.
    async fn tell_unreadable(&self, ended: Vec<schedule::Unreadable>) -> Result<()> {
        for schedule::Unreadable { tenant, kind, key, reason } in ended {
            tracing::error!(%tenant, kind, key, reason, "schedule unreadable");
            if tenant == HUB {
                continue;
            }
            let text = format!("the schedule of {kind} for {key} has ended: {reason}; set it again");
            let (kind, severity) = (alert::Kind::UnreadableSetting, alert::Severity::Critical);
            let alert = alert::NewAlert { kind, severity, subject: key, text };
            let cx = Cx::system(Arc::clone(&self.hub), "schedule", tenant);
            cx.write(async |txn| alert::raise(txn, alert.clone()).await).await?;
        }
        Ok(())
    }

    /// Enqueues the ticks that are due, and takes and begins as many jobs as there are hands for.
    pub async fn turn(self: &Arc<Self>) -> Result<Turn> {
        if !self.hub.clock_guard.state().may_schedule() {
            return Ok(Turn::default());
        }
        let mut turn = Turn { next: schedule::next(&self.hub).await?, ..Turn::default() };
        if turn.next.is_some_and(|next| next <= self.hub.clock.now()) {
            let ticked = schedule::tick(&self.hub).await?;
            turn.taken += ticked.ticks;
            self.tell_unreadable(ticked.unreadable).await?;
            turn.next = schedule::next(&self.hub).await?;
        }
        let names: Vec<_> = self.kinds.iter().map(|kind| kind.name).collect();
        for (name, at) in queue::due(&self.hub, &names).await? {
            if at > self.hub.clock.now() {
                turn.next = Some(turn.next.map_or(at, |next| next.min(at)));
                continue;
            }
            if let Some(kind) = self.kinds.iter().find(|kind| kind.name == name) {
                let (taken, short) = self.take(*kind).await?;
                turn.taken += taken;
                turn.short |= short;
            }
        }
        if turn.short {
            self.tell().await;
        }
        Ok(turn)
    }

    /// Takes jobs of a kind until there are no more or no hand is free. Says how many, and whether hands were missing.
    async fn take(self: &Arc<Self>, kind: Kind) -> Result<(u64, bool)> {
        let (mut taken, lease) = (0, self.lease());
        loop {
            let free = kind.slots.saturating_sub(self.busy(kind.name)).min(BATCH);
            if free == 0 {
                return Ok((taken, true));
            }
            let jobs = queue::take(&self.hub, kind.name, free as u64, &self.holder, lease).await?;
            let count = jobs.len();
            taken += count as u64;
            for job in jobs {
                self.begin(kind, job);
            }
            if count < free {
                return Ok((taken, false));
            }
        }
    }

    fn lease(&self) -> TimeDelta {
        TimeDelta::from_std(self.settings.lease).unwrap_or(TimeDelta::MAX)
    }

    fn busy(&self, kind: &str) -> usize {
        self.running().values().filter(|(name, _)| *name == kind).count()
    }

    /// Whether it was stopped and has seen it: no more is taken.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.tasks.is_closed()
    }

    /// How many jobs run here.
    #[must_use]
    pub fn busy_with(&self) -> usize {
        self.running().len()
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<JobId, (&'static str, Arc<Lease>)>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(self: &Arc<Self>, kind: Kind, job: Job) {
        let cx = queue::acting(&self.hub, &job, kind.name);
        let Some(lease) = cx.lease().cloned() else { return };
        self.running().insert(job.id, (kind.name, Arc::clone(&lease)));
        let own = Arc::clone(self);
        self.tasks.spawn(async move {
            own.work(kind, &job, &cx, &lease).await;
            let left = {
                let mut running = own.running();
                running.remove(&job.id);
                running.values().filter(|(name, _)| *name == kind.name).count()
            };
            // Not for each hand: half of them are taken with one statement.
            if left <= kind.slots / 2 {
                own.freed.notify_one();
            }
        });
    }

    /// Does one job and ends it.
    async fn work(&self, kind: Kind, job: &Job, cx: &Cx, lease: &Arc<Lease>) {
        let attempt = kind.attempt(job, cx.clone(), self.stop.clone());
        let (outcome, took) = tokio::select! {
            biased;
            () = lease.lost() => (Ok(()), Duration::ZERO),
            () = self.cut.cancelled() => (Err(Setback::Interrupted), Duration::ZERO),
            ended = attempt => ended,
        };
        let how = match self.end(kind, job, cx, outcome).await {
            Ok(how) => how,
            Err(_) if lease.is_lost() => "lost",
            Err(error) => {
                // Its lease runs out, and somebody takes it again.
                tracing::warn!(job = %job.id, kind = kind.name, error = chain(&error), "the end of a job is not noted");
                "lost"
            }
        };
        (self.observer)(Notice::Ended { kind: kind.name, how, took });
    }

    /// Notes what became of a job. Says how it ended.
    async fn end(&self, kind: Kind, job: &Job, cx: &Cx, outcome: Outcome) -> Result<&'static str> {
        let lease = cx.lease();
        let (ended, lost) = (lease.is_some_and(|lease| lease.has_ended()), lease.is_some_and(|lease| lease.is_lost()));
        let (reason, wait) = match outcome {
            // The commit of what it did ended it.
            _ if ended => return Ok("done"),
            _ if lost => {
                tracing::warn!(job = %job.id, kind = kind.name, "a job was given to another worker");
                return Ok("lost");
            }
            Ok(()) => return queue::done(cx).await.map(|()| "done"),
            Err(Setback::Interrupted) => return queue::interrupted(cx).await.map(|()| "interrupted"),
            Err(Setback::Fail { reason }) => (reason, None),
            Err(Setback::Retry { reason, after, source }) => {
                if let Some(error) = source {
                    tracing::debug!(job = %job.id, kind = kind.name, error = chain(&error), "an attempt failed");
                }
                (reason, Some(after.unwrap_or_else(|| kind.retry.wait(job.attempts, &*self.hub.chance))))
            }
        };
        let again = queue::failed(cx, job, &reason, wait).await?;
        let (id, attempt) = (job.id, job.attempts);
        if again {
            tracing::info!(job = %id, kind = kind.name, attempt, reason, "a job failed, and is tried again");
        } else {
            tracing::warn!(job = %id, kind = kind.name, attempt, reason, "a job is dead");
        }
        Ok(if again { "retried" } else { "dead" })
    }

    /// Lets other nodes know that more is due than there are hands for here.
    async fn tell(&self) {
        {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.is_some_and(|at| at.elapsed() < TOLD) {
                return;
            }
            *told = Some(Instant::now());
        }
        if let Err(error) = wake::tell(&self.hub).await {
            tracing::debug!(error = chain(&error), "other nodes are not told of jobs");
        }
    }

    /// Prolongs the leases of what runs here, and stops what was given to somebody else.
    async fn stay_alive(self: Arc<Self>, over: CancellationToken) {
        let beat = self.settings.lease / 4;
        while over.run_until_cancelled(tokio::time::sleep(beat)).await.is_some() {
            if let Err(error) = self.beat().await {
                tracing::warn!(error = chain(&error), "leases on jobs are not prolonged, will try again");
            }
        }
    }

    /// Prolongs the leases once.
    pub async fn beat(&self) -> Result<()> {
        let held: Vec<_> = self.running().values().map(|(_, lease)| Arc::clone(lease)).collect();
        let jobs = held.iter().map(|lease| lease.job).collect();
        let kept = queue::keep(&self.hub, &self.holder, jobs, self.lease()).await?;
        let gone: Vec<_> = held.into_iter().filter(|lease| !kept.contains(&lease.job)).collect();
        if gone.is_empty() {
            return Ok(());
        }
        // A job that ended at this very moment is not there either; who ended it is about to know.
        tokio::time::sleep(MOMENT).await;
        gone.iter().filter(|lease| !lease.has_ended()).for_each(|lease| lease.lose());
        Ok(())
    }

    /// Takes jobs from workers that are gone, and counts.
    async fn look_after(self: Arc<Self>, over: CancellationToken) {
        let mut counted: Option<Instant> = None;
        loop {
            let relied_on = self.hub.clock_guard.state().may_schedule();
            let freed = if relied_on { queue::let_go(&self.hub).await } else { Ok(0) };
            match freed {
                Ok(0) => {}
                Ok(count) => {
                    tracing::warn!(count, "jobs were taken from workers that were not heard of any more");
                    self.hub.jobs.notify_one();
                }
                Err(error) => tracing::warn!(error = chain(&error), "leases on jobs are not looked at, will try again"),
            }
            if counted.is_none_or(|at| at.elapsed() >= COUNTED) {
                counted = Some(Instant::now());
                match list::counts(&self.hub).await {
                    Ok(counts) => (self.observer)(Notice::Counted { counts: &counts, at: self.hub.clock.now() }),
                    Err(error) => tracing::warn!(error = chain(&error), "jobs are not counted"),
                }
            }
            if over.run_until_cancelled(tokio::time::sleep(self.settings.lease / 12)).await.is_none() {
                return;
            }
        }
    }

    /// Takes and does whatever is due, until nothing is. For who has no loop to wait for.
    pub async fn settle(self: &Arc<Self>) -> Result<u64> {
        let mut taken = 0;
        loop {
            // Asked before looking: what ends between the look and the question may have made something due.
            let idle = self.running().is_empty();
            let turn = self.turn().await?;
            taken += turn.taken;
            if idle && turn.taken == 0 {
                return Ok(taken);
            }
            let ended = self.freed.notified();
            if self.running().is_empty() {
                continue;
            }
            // A job may take a while, and others may become due meanwhile.
            tokio::select! {
                () = ended => {}
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
            }
        }
    }
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner").field("holder", &self.holder).finish_non_exhaustive()
    }
}
