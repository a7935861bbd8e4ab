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

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend};
use serde_json::Value;

use super::{
    Cx, chain,
    job::{self, Ending, NewJob},
};
use crate::{
    entity::{self, audit_entry},
    event::{
        Fact,
        write::{self, Draft, Written},
    },
    kernel::{
        clock::Moment,
        error::{Error, Result},
        id::{Id, TenantId},
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
    jobs: Vec<entity::job::Model>,
    ending: Option<Ending>,
}

/// An entry for the audit log: what was done to what, and how it looked before and after.
#[derive(Clone, Debug)]
pub struct Audit {
    action: Cow<'static, str>,
    subject: String,
    before: Option<Value>,
    after: Option<Value>,
    origin: bool,
}

impl Audit {
    /// Something was done to the subject.
    #[must_use]
    pub fn new(action: impl Into<Cow<'static, str>>, subject: impl fmt::Display) -> Self {
        Self { action: action.into(), subject: subject.to_string(), before: None, after: None, origin: true }
    }

    /// The entry that goes with an event.
    #[must_use]
    pub fn of(fact: &impl Fact) -> Self {
        Self::new(fact.kind(), fact.subject())
    }

    /// Leaves out the address of the request, in a tenant in which the request does not act.
    #[must_use]
    pub fn without_origin(mut self) -> Self {
        self.origin = false;
        self
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
            address: request.address.filter(|_| entry.origin).map(|address| address.to_string()),
            request_id: request.id.to_string(),
            action: entry.action.into_owned(),
            subject: entry.subject,
            before: entry.before,
            after: entry.after,
        };
        self.pending(|pending| pending.audit.push(row));
    }

    /// Enqueues work of the caller's tenant.
    pub fn enqueue(&self, work: NewJob) -> Result<()> {
        self.enqueue_in(self.cx.tenant()?, work);
        Ok(())
    }

    /// Enqueues work of another tenant, for who runs the whole hub.
    pub fn enqueue_in(&self, tenant: TenantId, work: NewJob) {
        let (actor, request) = (self.cx.actor(), &self.cx.request().id);
        let row = job::row(work, self.id(), tenant, (actor.kind(), actor.to_string()), request, self.now());
        self.pending(|pending| pending.jobs.push(row));
    }

    /// Makes the end of the job that runs here part of this commit: what it did and that it is done are one.
    pub fn finish(&self) -> Result<()> {
        self.end(Ending::Done)
    }

    /// Makes what becomes of the job that runs here part of this commit.
    pub fn end(&self, ending: Ending) -> Result<()> {
        if self.cx.lease().is_none() {
            return Err(Error::Internal("a job cannot be ended here", "this context is of no job".into()));
        }
        self.pending(|pending| pending.ending = Some(ending));
        Ok(())
    }

    fn pending<T>(&self, with: impl FnOnce(&mut Pending) -> T) -> T {
        with(&mut self.pending.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) async fn commit(self) -> Result<()> {
        let pending = self.pending(std::mem::take);
        let written = write::write(&self.inner, pending.events).await?;
        let enqueued = !pending.jobs.is_empty();
        job::write(&self.inner, &self.cx.hub().lines, pending.jobs).await?;
        let ended = pending.ending.is_some();
        if let Some(lease) = self.cx.lease() {
            match pending.ending {
                Some(ending) => job::end(&self.inner, lease, &ending, self.now()).await?,
                None => job::hold(&self.inner, lease).await?,
            }
        }
        // Last, because it makes writers of the tenant wait until the commit.
        let silent = matches!(written, Written::Nothing) && !enqueued && pending.audit.is_empty();
        chain::append(&self.inner, pending.audit).await?;
        if silent && self.inner.get_database_backend() == DbBackend::Postgres {
            // PostgreSQL answers COMMIT after a failed statement with success and rolls back. Any statement fails then.
            self.inner.execute_unprepared("SELECT 1").await?;
        }
        self.inner.commit().await?;
        if let Some(lease) = self.cx.lease().filter(|_| ended) {
            lease.committed();
        }
        if enqueued {
            self.cx.hub().jobs.notify_one();
        }
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
