//! What calls to providers show, besides what they were made for.
//!
//! Whoever calls a provider for an integration leaves here how it went; who looks after health takes it away and
//! judges it like a probe. So an integration that is used is known to be broken before the next probe.
//!
//! **Bounded and lossy by design.** It is memory of this process, for a few thousand calls: what does not fit is dropped,
//! and what is there when the process dies is lost. Nothing depends on it: the next probe comes anyway.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::sync::Notify;

use super::Hub;
use crate::{
    kernel::{
        clock::Moment,
        id::{IntegrationId, TenantId},
    },
    provider::{
        connector::{Called, Observer, Purpose},
        manifest::answer::Class,
    },
};

/// Calls that are remembered until somebody takes them away.
const MOST: usize = 4_096;

/// What a call was for, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Somebody tested the integration.
    Test,
    /// A stream was read.
    Stream,
    /// It called us: a webhook came that is from it.
    Webhook,
    /// Anything else.
    Call,
}

/// How a call went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Whose integration.
    pub tenant: TenantId,
    /// Which.
    pub integration: IntegrationId,
    /// What it was for.
    pub errand: Errand,
    /// When it began.
    pub at: Moment,
    /// How long it took.
    pub took: Duration,
    /// The class of the failure, if it was one.
    pub class: Option<Class>,
    /// What the provider said about it.
    pub message: Option<String>,
    /// The id of its trace.
    pub trace: String,
}

/// Calls of the last moments.
#[derive(Default)]
pub struct Collector {
    calls: Mutex<Vec<Evidence>>,
    /// Something is to be looked at soon.
    pub arrived: Notify,
}

impl Collector {
    /// Takes everything away.
    pub fn take(&self) -> Vec<Evidence> {
        std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Leaves evidence.
    pub fn push(&self, evidence: Evidence) {
        let failed = evidence.class.is_some();
        {
            let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
            if calls.len() >= MOST {
                return;
            }
            calls.push(evidence);
        }
        // That something works is no reason to hurry.
        if failed {
            self.arrived.notify_one();
        }
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").finish_non_exhaustive()
    }
}

/// Leaves evidence of every call that is made for an integration.
pub struct Witness {
    hub: Weak<Hub>,
    tenant: TenantId,
    integration: IntegrationId,
}

impl Witness {
    /// One for this integration.
    #[must_use]
    pub fn of(hub: &Arc<Hub>, tenant: TenantId, integration: IntegrationId) -> Arc<Self> {
        Arc::new(Self { hub: Arc::downgrade(hub), tenant, integration })
    }
}

impl Observer for Witness {
    fn called(&self, call: &Called<'_>) {
        let Some(hub) = self.hub.upgrade() else { return };
        let errand = match call.purpose {
            Purpose::Probe => Errand::Test,
            Purpose::Stream(_) => Errand::Stream,
            // Whether a token can be bought is known by its own rows.
            Purpose::Token => return,
            Purpose::Discovery | Purpose::Action(_) => Errand::Call,
        };
        hub.evidence.push(Evidence {
            tenant: self.tenant,
            integration: self.integration,
            errand,
            at: call.at,
            took: call.took,
            class: call.failure.map(|failure| failure.class),
            message: call.failure.and_then(|failure| failure.message.clone()),
            trace: call.trace.id(),
        });
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witness").field("integration", &self.integration).finish_non_exhaustive()
    }
}
