//! Batched reads: what a hundred rows ask for one by one is read in one statement.
//!
//! A resolver asks for one thing by its key and waits. The keys of a kind are collected until the
//! operation can go no further without an answer; then each kind is read once, and everybody who waited
//! goes on. No timer decides when that is: [`drive`] sees it, because it polls the operation itself. So
//! the number of statements depends on the document alone, never on the number of rows or on how fast
//! the machine is, and nothing waits longer than it must.
//!
//! One set of loaders for each run, holding the caller's context: a loader can never see more than its
//! caller, and what it remembers ends with the run.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    future::poll_fn,
    hash::Hash,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures_util::{
    StreamExt,
    future::{BoxFuture, FutureExt, Shared},
    stream::FuturesUnordered,
};

mod exchange;

use tokio::sync::oneshot;

pub use self::exchange::{ActiveMappingOf, CountsOf, HistoryOf, OrderOf, OrganizationOf, ReferencesOf};

use super::error::Result;
use crate::{
    context::Cx,
    domain::{
        access::{
            agent::{self, Agent},
            membership::{self, Membership},
            user::{self, User},
        },
        credential::{self, Credential},
        health::{
            Health, HealthChange, HealthCheck,
            list::{self, HistoryPage},
            why::{self, Cause},
        },
        inbox::{self, WebhookItem, WebhookSource, list::Statistics},
        integration::action::{self, IntegrationAction},
        keyring::data_key::{self, TenantKey},
        outbound::{self, WebhookAttempt, WebhookDestination, WebhookMessage},
        sync::{self, SyncRun, SyncStream},
    },
    kernel::{
        self,
        error::Error,
        id::{
            AgentId, EventId, IntegrationId, SyncRunId, TenantId, UserId, WebhookDeliveryId, WebhookDestinationId,
            WebhookEventId, WebhookSourceId,
        },
        page::Page,
    },
};

/// Something that is read in batches by its key. Adding a kind is an impl of this.
pub trait Key: Clone + Eq + Hash + Send + Sync + 'static {
    /// What is found under the key.
    type Value: Clone + Send + Sync + 'static;

    /// Reads what the caller may see of the keys, in one statement.
    fn read(cx: &Cx, keys: Vec<Self>) -> impl Future<Output = Result<HashMap<Self, Self::Value>>> + Send;
}

/// The membership of a user in the caller's tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MembershipOf(pub UserId);

impl Key for MembershipOf {
    type Value = Membership;

    async fn read(cx: &Cx, keys: Vec<Self>) -> Result<HashMap<Self, Membership>> {
        let users: Vec<_> = keys.into_iter().map(|key| key.0).collect();
        let found = membership::of_users(cx, &users).await?;
        Ok(found.into_iter().map(|row| (Self(row.user_id), row)).collect())
    }
}

/// The newest key of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyOf(pub TenantId);

impl Key for KeyOf {
    type Value = TenantKey;

    async fn read(cx: &Cx, keys: Vec<Self>) -> Result<HashMap<Self, TenantKey>> {
        let tenants: Vec<_> = keys.into_iter().map(|key| key.0).collect();
        let found = data_key::newest_of(cx, &tenants).await?;
        Ok(found.into_iter().map(|row| (Self(row.tenant_id), row)).collect())
    }
}

/// The credential that an integration uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CredentialOf(pub IntegrationId);

impl Key for CredentialOf {
    type Value = Credential;

    async fn read(cx: &Cx, keys: Vec<Self>) -> Result<HashMap<Self, Credential>> {
        let ids: Vec<_> = keys.into_iter().map(|key| key.0).collect();
        let found = credential::of_integrations(cx, &ids).await?;
        Ok(found.into_iter().map(|row| (Self(row.integration_id), row)).collect())
    }
}

/// What an integration can be told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ActionsOf(pub IntegrationId);

impl Key for ActionsOf {
    type Value = Vec<IntegrationAction>;

    async fn read(cx: &Cx, keys: Vec<Self>) -> Result<HashMap<Self, Vec<IntegrationAction>>> {
        let ids: Vec<_> = keys.into_iter().map(|key| key.0).collect();
        let mut found: HashMap<Self, Vec<IntegrationAction>> = HashMap::new();
        for row in action::of_integrations(cx, &ids).await? {
            found.entry(Self(row.integration_id)).or_default().push(row);
        }
        Ok(found)
    }
}

/// What is known of the health of an integration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HealthOf(pub IntegrationId);

impl Key for HealthOf {
    type Value = Health;

    async fn read(cx: &Cx, keys: Vec<Self>) -> Result<HashMap<Self, Health>> {
        let ids: Vec<_> = keys.into_iter().map(|key| key.0).collect();
        let found = list::of_integrations(cx, &ids).await?;
        Ok(found.into_iter().map(|row| (Self(row.integration_id), row)).collect())
    }
}

/// The changes of its health that uptime is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HealthChangesOf(pub IntegrationId);

impl Key for HealthChangesOf {
    type Value = Vec<HealthChange>;

    async fn read(cx: &Cx, keys: Vec<Self>) -> Result<HashMap<Self, Vec<HealthChange>>> {
        let ids: Vec<_> = keys.into_iter().map(|key| key.0).collect();
        Ok(list::changes(cx, &ids).await?.into_iter().map(|(id, rows)| (Self(id), rows)).collect())
    }
}

/// How many checks of it are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HealthChecksOf(pub IntegrationId);

impl Key for HealthChecksOf {
    type Value = i64;

    async fn read(cx: &Cx, keys: Vec<Self>) -> Result<HashMap<Self, i64>> {
        let ids: Vec<_> = keys.into_iter().map(|key| key.0).collect();
        Ok(list::count(cx, &ids).await?.into_iter().map(|(id, count)| (Self(id), count)).collect())
    }
}

/// Why its health is as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CausesOf(pub IntegrationId);

impl Key for CausesOf {
    type Value = Vec<Cause>;

    async fn read(cx: &Cx, keys: Vec<Self>) -> Result<HashMap<Self, Vec<Cause>>> {
        let ids: Vec<_> = keys.into_iter().map(|key| key.0).collect();
        Ok(why::why(cx, &ids).await?.into_iter().map(|(id, chain)| (Self(id), chain)).collect())
    }
}

impl Key for HistoryPage {
    type Value = Page<HealthCheck>;

    async fn read(cx: &Cx, keys: Vec<Self>) -> Result<HashMap<Self, Page<HealthCheck>>> {
        Ok(list::history(cx, &keys).await?)
    }
}

/// How far the streams of an integration were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamsOf(pub IntegrationId);

impl Key for StreamsOf {
    type Value = Vec<SyncStream>;

    async fn read(cx: &Cx, keys: Vec<Self>) -> Result<HashMap<Self, Vec<SyncStream>>> {
        let ids: Vec<_> = keys.into_iter().map(|key| key.0).collect();
        let mut found: HashMap<Self, Vec<SyncStream>> = HashMap::new();
        for row in sync::stream::of_integrations(cx, &ids).await? {
            found.entry(Self(row.integration_id)).or_default().push(row);
        }
        Ok(found)
    }
}

/// A run that reads a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RunOf(pub SyncRunId);

impl Key for RunOf {
    type Value = SyncRun;

    async fn read(cx: &Cx, keys: Vec<Self>) -> Result<HashMap<Self, SyncRun>> {
        let ids: Vec<_> = keys.into_iter().map(|key| key.0).collect();
        Ok(sync::list::by_ids(cx, &ids).await?.into_iter().map(|row| (Self(row.id), row)).collect())
    }
}

/// What came to a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StatisticsOf(pub WebhookSourceId);

impl Key for StatisticsOf {
    type Value = Statistics;

    async fn read(cx: &Cx, keys: Vec<Self>) -> Result<HashMap<Self, Statistics>> {
        let ids: Vec<_> = keys.into_iter().map(|key| key.0).collect();
        let found = inbox::list::statistics(cx, &ids).await?;
        Ok(found.into_iter().map(|(id, statistics)| (Self(id), statistics)).collect())
    }
}

/// Where webhooks go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DestinationOf(pub WebhookDestinationId);

impl Key for DestinationOf {
    type Value = WebhookDestination;

    async fn read(cx: &Cx, keys: Vec<Self>) -> Result<HashMap<Self, WebhookDestination>> {
        let ids: Vec<_> = keys.into_iter().map(|key| key.0).collect();
        let found = outbound::list::destinations_by_ids(cx, &ids).await?;
        Ok(found.into_iter().map(|row| (Self(row.id), row)).collect())
    }
}

/// The attempts at a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AttemptsOf(pub WebhookDeliveryId);

impl Key for AttemptsOf {
    type Value = Vec<WebhookAttempt>;

    async fn read(cx: &Cx, keys: Vec<Self>) -> Result<HashMap<Self, Vec<WebhookAttempt>>> {
        let ids: Vec<_> = keys.into_iter().map(|key| key.0).collect();
        let mut found: HashMap<_, Vec<_>> = HashMap::new();
        for attempt in outbound::list::attempts(cx, &ids).await? {
            found.entry(Self(attempt.delivery_id)).or_default().push(attempt);
        }
        Ok(found)
    }
}

/// What a webhook says that goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MessageOf(pub EventId);

impl Key for MessageOf {
    type Value = WebhookMessage;

    async fn read(cx: &Cx, keys: Vec<Self>) -> Result<HashMap<Self, WebhookMessage>> {
        let ids: Vec<_> = keys.into_iter().map(|key| key.0).collect();
        let found = outbound::list::messages(cx, &ids).await?;
        Ok(found.into_iter().map(|row| (Self(row.id), row)).collect())
    }
}

/// Where a provider sends webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SourceOf(pub WebhookSourceId);

impl Key for SourceOf {
    type Value = WebhookSource;

    async fn read(cx: &Cx, keys: Vec<Self>) -> Result<HashMap<Self, WebhookSource>> {
        let ids: Vec<_> = keys.into_iter().map(|key| key.0).collect();
        let found = inbox::list::sources_by_ids(cx, &ids).await?;
        Ok(found.into_iter().map(|row| (Self(row.id), row)).collect())
    }
}

/// What a webhook says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ItemsOf(pub WebhookEventId);

impl Key for ItemsOf {
    type Value = Vec<WebhookItem>;

    async fn read(cx: &Cx, keys: Vec<Self>) -> Result<HashMap<Self, Vec<WebhookItem>>> {
        let ids: Vec<_> = keys.into_iter().map(|key| key.0).collect();
        let mut found: HashMap<_, Vec<_>> = HashMap::new();
        for item in inbox::list::items(cx, &ids).await? {
            found.entry(Self(item.webhook_id)).or_default().push(item);
        }
        Ok(found)
    }
}

impl Key for UserId {
    type Value = User;

    async fn read(cx: &Cx, keys: Vec<Self>) -> Result<HashMap<Self, User>> {
        Ok(user::by_ids(cx, &keys).await?.into_iter().map(|row| (row.id, row)).collect())
    }
}

impl Key for AgentId {
    type Value = Agent;

    async fn read(cx: &Cx, keys: Vec<Self>) -> Result<HashMap<Self, Agent>> {
        Ok(agent::by_ids(cx, &keys).await?.into_iter().map(|row| (row.id, row)).collect())
    }
}

/// The loaders of one run. Clones share what was read.
#[derive(Clone)]
pub struct Loaders {
    cx: Cx,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// For each kind of key, its [`Shelf`].
    shelves: HashMap<TypeId, Box<dyn Any + Send>>,
    /// Batches that collect keys, not started yet.
    waiting: Vec<BoxFuture<'static, ()>>,
}

/// What a read found.
type Found<K> = Result<Arc<HashMap<K, <K as Key>::Value>>>;

/// The outcome of a read that several wait for. Waiting for it does not start it.
type Batch<K> = Shared<oneshot::Receiver<Found<K>>>;

/// A batch that still takes keys.
type Open<K> = (Batch<K>, Arc<Mutex<Vec<K>>>);

/// What is known of one kind.
struct Shelf<K: Key> {
    /// Which batch answers for a key; a key is read once.
    batches: HashMap<K, Batch<K>>,
    open: Option<Open<K>>,
}

impl Loaders {
    /// Fresh loaders for a run by this caller.
    #[must_use]
    pub fn new(cx: &Cx) -> Self {
        Self { cx: cx.clone(), state: Arc::default() }
    }

    /// Forgets what was read: the next read sees what is there then.
    pub fn renew(&self) {
        locked(&self.state).shelves.clear();
    }

    /// What is found under the key.
    pub async fn load<K: Key>(&self, key: K) -> Result<Option<K::Value>> {
        let batch = self.join(&key);
        let found = batch.await.map_err(|error| Error::Internal("a batch of reads was dropped", error.into()))?;
        Ok(found?.get(&key).cloned())
    }

    /// What is counted under the key, nothing as nothing; for the total of a list that is read in batches.
    pub async fn count<K: Key<Value = i64>>(&self, key: K) -> kernel::error::Result<u64> {
        let count = self.load(key).await.map_err(|error| Error::Internal("a count failed", error.source()))?;
        Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default())
    }

    /// The batch that answers for the key.
    fn join<K: Key>(&self, key: &K) -> Batch<K> {
        let mut state = locked(&self.state);
        let State { shelves, waiting } = &mut *state;
        let fresh = || Box::new(Shelf::<K> { batches: HashMap::new(), open: None }) as Box<dyn Any + Send>;
        let kind = shelves.entry(TypeId::of::<K>()).or_insert_with(fresh);
        let Some(Shelf { batches, open }) = kind.downcast_mut::<Shelf<K>>() else {
            unreachable!("a shelf stands under the type of its keys")
        };
        if let Some(batch) = batches.get(key) {
            return batch.clone();
        }
        let (batch, keys) = open.get_or_insert_with(|| {
            let (found, batch) = oneshot::channel();
            let keys = Arc::<Mutex<Vec<K>>>::default();
            waiting.push(self.read(Arc::clone(&keys), found));
            (batch.shared(), keys)
        });
        locked(keys).push(key.clone());
        batches.insert(key.clone(), batch.clone());
        batch.clone()
    }

    /// A read of the keys that will have been collected when it starts.
    fn read<K: Key>(&self, keys: Arc<Mutex<Vec<K>>>, found: oneshot::Sender<Found<K>>) -> BoxFuture<'static, ()> {
        // What waits is held by the state, so it must not hold the state.
        let (cx, state) = (self.cx.clone(), Arc::downgrade(&self.state));
        Box::pin(async move {
            if let Some(state) = state.upgrade()
                && let Some(kind) = locked(&state).shelves.get_mut(&TypeId::of::<K>())
                && let Some(shelf) = kind.downcast_mut::<Shelf<K>>()
            {
                // Who comes from now on opens the next batch.
                shelf.open = None;
            }
            let keys = std::mem::take(&mut *locked(&keys));
            // Nobody waits any more if the operation was dropped.
            let _ = found.send(K::read(&cx, keys).await.map(Arc::new));
        })
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs an operation and, whenever it can go no further, the batches it waits for.
pub async fn drive<T>(loaders: &Loaders, operation: impl Future<Output = T>) -> T {
    let mut operation = pin!(operation);
    let mut reading = FuturesUnordered::new();
    poll_fn(|task| {
        while let Poll::Ready(Some(())) = reading.poll_next_unpin(task) {}
        let watch = Arc::new(Watch { woken: AtomicBool::new(false), task: task.waker().clone() });
        let waker = Waker::from(Arc::clone(&watch));
        if let Poll::Ready(outcome) = operation.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Poll::Ready(outcome);
        }
        // Woken while it was polled: it only paused, and is polled again before anything is read.
        if !watch.woken.load(Ordering::Acquire) {
            let ready = std::mem::take(&mut locked(&loaders.state).waiting);
            if !ready.is_empty() {
                reading.extend(ready);
                task.waker().wake_by_ref();
            }
        }
        Poll::Pending
    })
    .await
}

/// Passes a wake on, and remembers it.
struct Watch {
    woken: AtomicBool,
    task: Waker,
}

impl Wake for Watch {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}
