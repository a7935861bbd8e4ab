//! The context of one request, job or command.

use std::{net::IpAddr, sync::Arc};

use sea_orm::DatabaseConnection;

use super::{Hub, Lease, Txn};
use crate::{
    event::{Interest, Reader},
    kernel::{
        actor::{Actor, Caller, Principal},
        clock::Moment,
        error::{Error, Result},
        id::{Id, TenantId},
        page::{PageArgs, PageBounds},
        scope::Scope,
    },
};

/// What is known of a request beside its content.
#[derive(Clone, Debug)]
pub struct RequestInfo {
    /// Found again in logs, events, audit entries and error answers.
    pub id: Arc<str>,
    /// Where it came from, if from outside.
    pub address: Option<IpAddr>,
}

/// Who asks, with what.
#[derive(Clone, Debug)]
pub struct Cx {
    hub: Arc<Hub>,
    caller: Arc<Caller>,
    request: RequestInfo,
    lease: Option<Arc<Lease>>,
}

impl Cx {
    /// A context for a checked caller.
    #[must_use]
    pub fn new(hub: Arc<Hub>, caller: Caller, request: RequestInfo) -> Self {
        Self { hub, caller: Arc::new(caller), request, lease: None }
    }

    /// The context of a job: whatever it writes is committed only while the lease is held.
    #[must_use]
    pub fn under(self, lease: Arc<Lease>) -> Self {
        Self { lease: Some(lease), ..self }
    }

    /// A context for a part of the program itself. It acts in `tenant`.
    #[must_use]
    pub fn system(hub: Arc<Hub>, part: &'static str, tenant: TenantId) -> Self {
        let request = RequestInfo { id: hub.chance.uuid(hub.clock.now()).simple().to_string().into(), address: None };
        Self::new(hub, Caller::system(part, tenant), request)
    }

    /// The same request by another caller: the door uses it once it knows who knocked.
    #[must_use]
    pub fn with_caller(&self, caller: Caller) -> Self {
        Self { caller: Arc::new(caller), ..self.clone() }
    }

    /// The lease of the job that runs here, if one does.
    #[must_use]
    pub fn lease(&self) -> Option<&Arc<Lease>> {
        self.lease.as_ref()
    }

    /// The shared means.
    #[must_use]
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Who asks.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Who it is, for records.
    #[must_use]
    pub fn actor(&self) -> Actor {
        self.caller.actor.clone()
    }

    /// The checked credential, or `Unauthenticated`.
    pub fn principal(&self) -> Result<&Principal> {
        self.caller.principal.as_ref().ok_or(Error::ANONYMOUS)
    }

    /// The tenant in which the caller acts, or `Unauthenticated`.
    pub fn tenant(&self) -> Result<TenantId> {
        Ok(self.principal()?.tenant)
    }

    /// Passes only callers with that scope.
    pub fn needs(&self, scope: Scope) -> Result<()> {
        if self.principal()?.scopes.has(scope) { Ok(()) } else { Err(Error::Forbidden(scope.name())) }
    }

    /// The request.
    #[must_use]
    pub fn request(&self) -> &RequestInfo {
        &self.request
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.hub.clock.now()
    }

    /// A new id.
    #[must_use]
    pub fn id<K>(&self) -> Id<K> {
        self.hub.chance.id(self.now())
    }

    /// A connection for reading. Writing goes through [`Cx::write`].
    #[must_use]
    pub fn db(&self) -> &DatabaseConnection {
        self.hub.database.reader()
    }

    /// Follows the events of the caller's tenant: those after a number, or those that come from now on.
    pub async fn events(&self, interest: Interest, after: Option<i64>) -> Result<Reader> {
        Reader::open(&self.hub.feed, self.db().clone(), self.tenant()?, interest, after).await
    }

    /// Checked page arguments.
    pub fn page(
        &self,
        after: Option<String>,
        before: Option<String>,
        first: Option<i32>,
        last: Option<i32>,
    ) -> Result<PageArgs> {
        let bounds: PageBounds = self.hub.pages;
        PageArgs::new(bounds, after, before, first, last)
    }

    /// Runs `work` in one transaction: commits when it succeeds, rolls back when it fails or is dropped.
    pub async fn write<T>(&self, work: impl AsyncFnOnce(&Txn) -> Result<T>) -> Result<T> {
        let outcome = self.attempt(work).await;
        self.hub.database.write_health().note(&outcome);
        outcome
    }

    async fn attempt<T>(&self, work: impl AsyncFnOnce(&Txn) -> Result<T>) -> Result<T> {
        let txn = Txn::begin(self.clone()).await?;
        let outcome = work(&txn).await?;
        txn.commit().await?;
        Ok(outcome)
    }
}
