//! The write transaction.
//!
//! What it records (events, audit entries, jobs) is collected while the work runs and written in one
//! statement for each kind just before the commit, so that a change of ten rows costs three statements
//! more, not thirty, and the locks on the busiest tables are held for the shortest time.

use std::{
    borrow::Cow,
    fmt,
    ops::Deref,
    sync::{Mutex, PoisonError},
};

use chrono::TimeDelta;
use sea_orm::{DatabaseTransaction, EntityTrait, IntoActiveModel};
use serde::Serialize;
use serde_json::Value;

use super::{Cx, chain};
use crate::{
    entity::{audit_entry, job},
    event::{
        Fact,
        write::{self, Draft, Written},
    },
    kernel::{
        clock::Moment,
        error::{Error, Result},
        id::{Id, JobId, TenantId},
    },
};

/// One write: everything in it happens, or nothing does.
pub struct Txn {
    cx: Cx,
    inner: DatabaseTransaction,
    pending: Mutex<Pending>,
}

#[derive(Default)]
struct Pending {
    events: Vec<Draft>,
    audit: Vec<audit_entry::Model>,
    jobs: Vec<job::Model>,
}

/// An entry for the audit log: what was done to what, and how it looked before and after.
#[derive(Clone, Debug)]
pub struct Audit {
    action: Cow<'static, str>,
    subject: String,
    before: Option<Value>,
    after: Option<Value>,
}

impl Audit {
    /// Something was done to the subject.
    #[must_use]
    pub fn new(action: impl Into<Cow<'static, str>>, subject: impl fmt::Display) -> Self {
        Self { action: action.into(), subject: subject.to_string(), before: None, after: None }
    }

    /// The entry that goes with an event.
    #[must_use]
    pub fn of(fact: &impl Fact) -> Self {
        Self::new(fact.kind(), fact.subject())
    }

    /// How it looked before; never a secret.
    #[must_use]
    pub fn before(mut self, value: Value) -> Self {
        self.before = Some(value);
        self
    }

    /// How it looks now; never a secret.
    #[must_use]
    pub fn after(mut self, value: Value) -> Self {
        self.after = Some(value);
        self
    }
}

/// Work to do after the commit.
#[derive(Clone, Debug)]
pub struct NewJob {
    kind: &'static str,
    payload: Value,
    unique_key: Option<String>,
    delay: TimeDelta,
    priority: i16,
    max_attempts: i32,
}

impl NewJob {
    /// A job of that kind, to run at once.
    pub fn new(kind: &'static str, payload: &impl Serialize) -> Result<Self> {
        let payload = serde_json::to_value(payload)
            .map_err(|error| Error::Internal("a job could not be written", error.into()))?;
        Ok(Self { kind, payload, unique_key: None, delay: TimeDelta::zero(), priority: 0, max_attempts: 3 })
    }

    /// At most one job of the kind waits under this key.
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
}

impl Txn {
    pub(super) async fn begin(cx: Cx) -> Result<Self> {
        let inner = cx.hub().database.begin().await?;
        Ok(Self { cx, inner, pending: Mutex::default() })
    }

    /// The context of the request that writes.
    #[must_use]
    pub fn cx(&self) -> &Cx {
        &self.cx
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.cx.now()
    }

    /// A new id.
    #[must_use]
    pub fn id<K>(&self) -> Id<K> {
        self.cx.id()
    }

    /// Emits an event of the caller's tenant.
    pub fn emit(&self, fact: &impl Fact) -> Result<()> {
        self.emit_in(self.cx.tenant()?, fact)
    }

    /// Emits an event of another tenant, for who runs the whole hub.
    pub fn emit_in(&self, tenant: TenantId, fact: &impl Fact) -> Result<()> {
        let draft = Draft::new(fact, self.id(), tenant, &self.cx.actor(), &self.cx.request().id, self.now())?;
        self.pending(|pending| pending.events.push(draft));
        Ok(())
    }

    /// Adds an audit entry of the caller's tenant.
    pub fn audit(&self, entry: Audit) -> Result<()> {
        self.audit_in(self.cx.tenant()?, entry);
        Ok(())
    }

    /// Adds an audit entry of another tenant, for who runs the whole hub.
    pub fn audit_in(&self, tenant: TenantId, entry: Audit) {
        let (actor, request) = (self.cx.actor(), self.cx.request());
        let row = audit_entry::Model {
            id: self.id(),
            tenant_id: tenant,
            // The chain gives both at the commit.
            number: 0,
            hash: Vec::new(),
            at: self.now(),
            actor_kind: actor.kind().to_owned(),
            actor: actor.to_string(),
            address: request.address.map(|address| address.to_string()),
            request_id: request.id.to_string(),
            action: entry.action.into_owned(),
            subject: entry.subject,
            before: entry.before,
            after: entry.after,
        };
        self.pending(|pending| pending.audit.push(row));
    }

    /// Enqueues work of the caller's tenant.
    pub fn enqueue(&self, work: NewJob) -> Result<JobId> {
        let (id, now) = (self.id(), self.now());
        let row = job::Model {
            id,
            tenant_id: Some(self.cx.tenant()?),
            kind: work.kind.to_owned(),
            unique_key: work.unique_key,
            payload: work.payload,
            state: "WAITING".to_owned(),
            priority: work.priority,
            run_at: now + work.delay,
            attempts: 0,
            max_attempts: work.max_attempts,
            leased_until: None,
            fence: 0,
            last_error: None,
            created_at: now,
            updated_at: now,
        };
        self.pending(|pending| pending.jobs.push(row));
        Ok(id)
    }

    fn pending<T>(&self, with: impl FnOnce(&mut Pending) -> T) -> T {
        with(&mut self.pending.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) async fn commit(self) -> Result<()> {
        let pending = self.pending(std::mem::take);
        let written = write::write(&self.inner, pending.events).await?;
        if !pending.jobs.is_empty() {
            let rows = pending.jobs.into_iter().map(IntoActiveModel::into_active_model);
            job::Entity::insert_many(rows).exec_without_returning(&self.inner).await?;
        }
        // Last, because it makes writers of the tenant wait until the commit.
        chain::append(&self.inner, pending.audit).await?;
        self.inner.commit().await?;
        match written {
            Written::Nothing => {}
            Written::Logged(entries) => self.cx.hub().feed.announce(entries),
            Written::Waiting => self.cx.hub().feed.wrote(),
        }
        Ok(())
    }
}

/// Statements of the work run on the transaction itself.
impl Deref for Txn {
    type Target = DatabaseTransaction;

    fn deref(&self) -> &DatabaseTransaction {
        &self.inner
    }
}

impl fmt::Debug for Txn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Txn").field("request", &self.cx.request().id).finish_non_exhaustive()
    }
}
