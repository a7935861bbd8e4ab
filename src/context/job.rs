//! Background work, as the transaction sees it: enqueued in one commit with what needs it, ended in one commit
//! with what it did.
//!
//! **Work** is a type: its fields are the payload, its kind is a constant. Whoever needs it done enqueues it with
//! [`Txn::enqueue`](super::Txn::enqueue); the room `worker` has a file that does it.
//!
//! **The fence.** A job that runs is held under a lease with a number that grows each time somebody takes it. The
//! context of a job carries its [`Lease`], and every transaction begun through it looks, just before its commit,
//! whether the job still has that number, and holds its row until the commit. A worker whose lease was given to
//! another can therefore commit nothing, whatever it believes; not even part of its work.
//!
//! **Exactly once.** [`Txn::finish`](super::Txn::finish) makes the end of the job part of the commit in which its
//! effects are. Work that is cut off before runs again and finds nothing of itself.
//!
//! **Keys.** Of all work of a tenant and kind with one key, one job waits or runs. Enqueued again while it waits,
//! the newest payload counts; while it runs, it runs once more afterwards, since nobody knows what it has already
//! looked at.
//!
//! **Turns.** Jobs of one kind are taken by priority and then by turn. A tenant's next job has the turn after its
//! last one, but never one before those that are taken now; so a tenant with a hundred thousand jobs and one with a
//! single job alternate. A turn is given when a job is enqueued, so jobs that were enqueued long before they are due
//! come before those enqueued since.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use chrono::TimeDelta;
use sea_orm::{ConnectionTrait, EntityTrait, IntoActiveModel};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    entity::{
        first::First,
        job::{self as entity, State},
    },
    kernel::{
        clock::Moment,
        error::{Error, Result},
        id::{JobId, TenantId},
    },
};

/// Something to do in the background, with what is needed to know for it; never with a secret.
pub trait Work: Serialize + DeserializeOwned + Send + 'static {
    /// Names the kind: `concern.verb`.
    const KIND: &'static str;
    /// How often it is tried before it is dead.
    const ATTEMPTS: i32 = 5;
}

/// Work to do after the commit.
#[derive(Clone, Debug)]
pub struct NewJob {
    pub(super) kind: Cow<'static, str>,
    pub(super) payload: Value,
    pub(super) unique_key: Option<String>,
    pub(super) delay: TimeDelta,
    pub(super) priority: i16,
    pub(super) max_attempts: i32,
}

impl NewJob {
    /// To be done at once.
    pub fn of<W: Work>(work: &W) -> Result<Self> {
        let payload =
            serde_json::to_value(work).map_err(|error| Error::Internal("a job could not be written", error.into()))?;
        Ok(Self::new(W::KIND.into(), payload, W::ATTEMPTS))
    }

    /// As it was recorded elsewhere.
    #[must_use]
    pub fn recorded(kind: String, payload: Value, max_attempts: i32) -> Self {
        Self::new(kind.into(), payload, max_attempts)
    }

    fn new(kind: Cow<'static, str>, payload: Value, max_attempts: i32) -> Self {
        Self { kind, payload, unique_key: None, delay: TimeDelta::zero(), priority: 0, max_attempts }
    }

    /// Which kind of work it is.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// What there is to know for it.
    #[must_use]
    pub fn payload(&self) -> &Value {
        &self.payload
    }

    /// How often it is tried.
    #[must_use]
    pub fn max_attempts(&self) -> i32 {
        self.max_attempts
    }

    /// At most one job of the tenant and kind waits or runs under this key.
    #[must_use]
    pub fn unique(mut self, key: impl Into<String>) -> Self {
        self.unique_key = Some(key.into());
        self
    }

    /// Not before this span has passed.
    #[must_use]
    pub fn after(mut self, delay: TimeDelta) -> Self {
        self.delay = delay;
        self
    }

    /// Before all of its kind with a lower one; 0 is usual.
    #[must_use]
    pub fn priority(mut self, priority: i16) -> Self {
        self.priority = priority;
        self
    }

    /// Tried so often before it is dead, instead of as usual for its kind.
    #[must_use]
    pub fn attempts(mut self, most: i32) -> Self {
        self.max_attempts = most.max(1);
        self
    }
}

/// The right to do one job, until somebody else has it.
#[derive(Debug)]
pub struct Lease {
    /// Which job.
    pub job: JobId,
    /// The number of this taking.
    pub fence: i64,
    lost: CancellationToken,
    ended: AtomicBool,
}

impl Lease {
    /// The lease that was taken with that number.
    #[must_use]
    pub fn new(job: JobId, fence: i64) -> Self {
        Self { job, fence, lost: CancellationToken::new(), ended: AtomicBool::new(false) }
    }

    /// Somebody else has it: whoever works under it may stop.
    pub fn lose(&self) {
        self.lost.cancel();
    }

    /// Waits until somebody else has it.
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Whether somebody else has it, as far as is known here.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost.is_cancelled()
    }

    /// Whether the end of the job was committed under it.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    pub(super) fn committed(&self) {
        self.ended.store(true, Ordering::SeqCst);
    }
}

/// What becomes of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is done, and goes.
    Done,
    /// It is tried again.
    Later {
        /// When.
        at: Moment,
        /// Why, if it failed; what was only interrupted does not count as tried.
        reason: Option<String>,
    },
    /// It is given up, and kept with the reason.
    Dead {
        /// Why.
        reason: String,
    },
}

/// How far the line of each kind has come, as far as this node has seen. Where it knows nothing, whoever is first in
/// line tells.
#[derive(Debug, Default)]
pub struct Lines(Mutex<HashMap<String, i64>>);

impl Lines {
    /// Notes that a job of that kind was taken which had that turn.
    pub fn passed(&self, kind: &str, turn: i64) {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match turns.get_mut(kind) {
            Some(known) => *known = (*known).max(turn),
            None => drop(turns.insert(kind.to_owned(), turn)),
        }
    }

    fn reached(&self, kind: &str) -> i64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(kind).copied().unwrap_or_default()
    }
}

/// Writes new jobs in as few statements as there are tenants and kinds among them.
pub(super) async fn write(db: &impl ConnectionTrait, lines: &Lines, jobs: Vec<entity::Model>) -> Result<()> {
    if jobs.is_empty() {
        return Ok(());
    }
    let (mut turns, mut plain, mut keyed) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
    for mut row in jobs {
        let of = (row.tenant_id.uuid(), row.kind.clone());
        let next = match turns.get(&of) {
            Some(turn) => *turn,
            None => entity::next_turn(db, row.tenant_id, &row.kind).await?.max(lines.reached(&row.kind)),
        };
        row.turn = next;
        match &row.unique_key {
            None => {
                turns.insert(of, next + 1);
                plain.push(row.into_active_model());
            }
            // The last one under a key counts.
            Some(key) => {
                let replaced = keyed.insert((of.clone(), key.clone()), row.into_active_model());
                turns.insert(of, if replaced.is_some() { next } else { next + 1 });
            }
        }
    }
    if !plain.is_empty() {
        entity::Entity::insert_many(plain).exec_without_returning(db).await?;
    }
    if !keyed.is_empty() {
        let rows = keyed.into_values();
        entity::Entity::insert_many(rows).on_conflict(entity::enqueued_again()).exec_without_returning(db).await?;
    }
    Ok(())
}

/// Passes who still holds the lease, and holds the job's row until the commit.
pub(super) async fn hold(db: &impl ConnectionTrait, lease: &Lease) -> Result<()> {
    match entity::held_under(lease.job, lease.fence).first(db).await? {
        Some(_) => Ok(()),
        None => Err(gone(lease)),
    }
}

/// Ends the job, if the lease is still held.
pub(super) async fn end(db: &impl ConnectionTrait, lease: &Lease, ending: &Ending, now: Moment) -> Result<()> {
    let (job, fence) = (lease.job, lease.fence);
    let ended = match ending {
        // Whatever was enqueued under its key meanwhile is done next.
        Ending::Done => match entity::remove_done(job, fence).exec(db).await?.rows_affected {
            0 => entity::once_more(job, fence, None, now).exec(db).await?.rows_affected,
            removed => removed,
        },
        Ending::Later { at, reason } => {
            entity::put_back(job, fence, *at, reason.as_deref(), now).exec(db).await?.rows_affected
        }
        Ending::Dead { reason } => match entity::once_more(job, fence, Some(reason), now).exec(db).await?.rows_affected
        {
            0 => entity::bury(job, fence, reason, now).exec(db).await?.rows_affected,
            again => again,
        },
    };
    if ended == 0 { Err(gone(lease)) } else { Ok(()) }
}

fn gone(lease: &Lease) -> Error {
    lease.lose();
    let text = format!("{} was given to another worker", lease.job);
    Error::Unavailable("the lease of this job", text.into())
}

/// A row for work that was asked for.
pub(super) fn row(
    work: NewJob,
    id: JobId,
    tenant: TenantId,
    (actor_kind, actor): (&str, String),
    request: &str,
    now: Moment,
) -> entity::Model {
    entity::Model {
        id,
        tenant_id: tenant,
        kind: work.kind.into_owned(),
        unique_key: work.unique_key,
        payload: work.payload,
        state: State::Waiting,
        priority: work.priority,
        turn: 0,
        run_at: now + work.delay,
        attempts: 0,
        max_attempts: work.max_attempts,
        again: false,
        holder: None,
        leased_until: None,
        fence: 0,
        last_error: None,
        actor_kind: actor_kind.to_owned(),
        actor,
        request_id: request.to_owned(),
        created_at: now,
        updated_at: now,
    }
}
