//! Groups: who asks the same is served by one execution.
//!
//! A group is one task. It owns its members and its last items, and everything that concerns them (joining,
//! leaving, delivering) happens there, one after the other: no lock is held while a thousand sockets are
//! written to, and joining falls between two items or not at all. A group ends when nobody holds it.

use std::{
    collections::{HashMap, VecDeque},
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use async_graphql::Response;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::Instrument;

use super::{
    Item, Known, Offer, Sink,
    source::{Begin, Opened, Source},
};
use crate::{
    context::Cx,
    graphql::{
        endpoint::{Answer, Endpoint, Fault, Operation},
        error::OURS,
        loader::{Loaders, drive},
    },
    kernel::{
        actor::{Actor, Caller, Principal},
        error::Code,
        id::{PartnerOrganizationId, TenantId},
        scope::{Role, Scopes},
    },
};

/// Items that a group keeps for who joins, and their bytes.
const KEPT: (usize, usize) = (64, 256 * 1024);

/// Members that are served before others get a turn.
const TURN: usize = 128;

/// What the members of a group have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    authority: Option<Authority>,
    document: Box<str>,
    operation: Option<String>,
    variables: Box<str>,
}

/// What may be seen depends on this and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Authority {
    tenant: TenantId,
    home: TenantId,
    role: Role,
    scopes: Scopes,
    partner: Option<PartnerOrganizationId>,
}

impl Key {
    fn of(cx: &Cx, operation: &Operation) -> Self {
        let authority = cx.principal().ok().map(|principal| Authority {
            tenant: principal.tenant,
            home: principal.home,
            role: principal.role,
            scopes: principal.scopes,
            partner: principal.partner,
        });
        let apart = operation.resume().variable_of_its_own();
        let variables: serde_json::Map<_, _> = operation
            .variables
            .iter()
            .filter(|(name, _)| Some(name.as_str()) != apart)
            .map(|(name, value)| (name.to_string(), serde_json::to_value(value).unwrap_or_default()))
            .collect();
        Self {
            authority,
            document: operation.prepared.text().into(),
            operation: operation.name.clone(),
            variables: serde_json::Value::Object(variables).to_string().into(),
        }
    }

    /// A caller with the authority of the group, who is nobody in particular.
    fn caller(&self) -> Caller {
        let principal = self.authority.map(|authority| Principal {
            tenant: authority.tenant,
            home: authority.home,
            role: authority.role,
            scopes: authority.scopes,
            partner: authority.partner,
            session: None,
            token: None,
            expires_at: None,
        });
        Caller { actor: Actor::System("feed"), principal }
    }
}

/// The groups of this node.
#[derive(Default)]
pub struct Groups {
    known: Mutex<HashMap<Key, Known>>,
    next: AtomicU64,
}

/// One execution and whom it serves.
pub(super) struct Group {
    key: Key,
    groups: Arc<Groups>,
    pub(super) cx: Cx,
    commands: mpsc::UnboundedSender<Command>,
    state: watch::Receiver<State>,
}

/// Whether a group can be joined.
#[derive(Clone, Debug, Default)]
enum State {
    #[default]
    Opening,
    Open {
        snapshots: bool,
    },
    Ended(Bytes),
}

enum Command {
    Join { member: Member, joined: oneshot::Sender<bool> },
    Leave(u64),
}

struct Member {
    subscriber: Arc<Subscriber>,
    /// Up to which number it has everything; none for who takes what comes from now on.
    seen: Option<i64>,
}

/// One who is served: from its group, or on its way back to it.
pub(super) struct Subscriber {
    id: u64,
    pub(super) group: Arc<Group>,
    pub(super) sink: Arc<dyn Sink>,
    gone: AtomicBool,
}

impl Subscriber {
    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }
}

/// A running subscription; dropped, it ends.
pub struct Subscription(Arc<Subscriber>);

impl Drop for Subscription {
    fn drop(&mut self) {
        self.0.gone.store(true, Ordering::Relaxed);
        let _ = self.0.group.commands.send(Command::Leave(self.0.id));
    }
}

impl Groups {
    /// How many groups there are.
    pub fn count(&self) -> usize {
        self.known().len()
    }

    /// Serves a sink with an operation, from a number of the log on if one is given.
    pub(in crate::graphql) async fn subscribe(
        self: &Arc<Self>,
        endpoint: &Arc<Endpoint>,
        cx: &Cx,
        operation: Operation,
        from: Option<i64>,
        sink: Arc<dyn Sink>,
    ) -> Result<Subscription, Bytes> {
        let group = self.find(endpoint, cx, &operation);
        let snapshots = group.open().await?;
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let subscriber = Arc::new(Subscriber { id, group, sink, gone: AtomicBool::new(false) });
        let begin = match from {
            Some(number) => Some(Begin::After(number)),
            None if snapshots || operation.resume().brings_one(&operation.variables) => Some(Begin::Cursor),
            None => None,
        };
        match begin {
            Some(begin) => {
                let replay = endpoint.clone().replay(Arc::clone(&subscriber), operation, begin);
                cx.hub().tasks.spawn(replay);
            }
            None => drop(subscriber.join(None).await),
        }
        Ok(Subscription(subscriber))
    }

    fn find(self: &Arc<Self>, endpoint: &Arc<Endpoint>, cx: &Cx, operation: &Operation) -> Arc<Group> {
        let key = Key::of(cx, operation);
        // Declared before the lock and so dropped after it: the last one to let go of a group takes the lock.
        let ended;
        let mut known = self.known();
        match known.get(&key).and_then(Known::upgrade) {
            Some(group) if !group.commands.is_closed() => return group,
            group => ended = group,
        }
        let (commands, orders) = mpsc::unbounded_channel();
        let (changes, state) = watch::channel(State::Opening);
        let cx = cx.with_caller(key.caller());
        let group = Arc::new(Group { key: key.clone(), groups: Arc::clone(self), cx: cx.clone(), commands, state });
        known.insert(key, Arc::downgrade(&group));
        drop(known);
        let run = Run {
            endpoint: Arc::clone(endpoint),
            operation: operation.clone(),
            cx: cx.clone(),
            members: Vec::new(),
            kept: VecDeque::new(),
            bytes: 0,
            complete_above: i64::MAX,
            done: 0,
        };
        // What goes wrong here is found by the request that the group began with, as its answers say.
        let span = tracing::info_span!("request", request.id = %cx.request().id);
        cx.hub().tasks.spawn(run.run(orders, changes).instrument(span));
        drop(ended);
        group
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Key, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let mut known = self.groups.known();
        // A successor may stand under the same key already.
        if known.get(&self.key).is_some_and(|group| group.strong_count() == 0) {
            known.remove(&self.key);
        }
    }
}

impl Group {
    /// Waits until the group runs; whether who begins is given a snapshot. Errors are the response.
    async fn open(&self) -> Result<bool, Bytes> {
        let mut state = self.state.clone();
        match state.wait_for(|state| !matches!(state, State::Opening)).await.as_deref() {
            Ok(State::Open { snapshots }) => Ok(*snapshots),
            Ok(State::Ended(body)) => Err(body.clone()),
            Ok(State::Opening) | Err(_) => Err(ours(&self.cx)),
        }
    }
}

impl Subscriber {
    /// Takes a place in the group with everything up to a number, or from now on. No if the group no longer
    /// has what came since.
    pub(super) async fn join(self: &Arc<Self>, seen: Option<i64>) -> bool {
        let (joined, answer) = oneshot::channel();
        let member = Member { subscriber: Arc::clone(self), seen };
        // What cannot be sent is dropped, and the answer with it.
        let _ = self.group.commands.send(Command::Join { member, joined });
        if let Ok(joined) = answer.await {
            return joined;
        }
        // The group ended with an error, which it told only whom it knew.
        self.sink.fail(self.group.open().await.err().unwrap_or_else(|| ours(&self.group.cx)));
        true
    }
}

/// The task of a group.
struct Run {
    endpoint: Arc<Endpoint>,
    operation: Operation,
    cx: Cx,
    members: Vec<Member>,
    kept: VecDeque<Arc<Item>>,
    bytes: usize,
    /// Every item after this number was kept.
    complete_above: i64,
    /// The number of the last item.
    done: i64,
}

impl Run {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Command>, state: watch::Sender<State>) {
        let loaders = Loaders::new(&self.cx);
        let source = Arc::new(Source::new(Begin::Now, loaders.clone()));
        let mut opened = source.watch();
        let mut responses = self.endpoint.stream(&self.cx, &self.operation, &loaders, &source);
        loop {
            let mut step = pin!(AssertUnwindSafe(drive(&loaders, responses.next())).catch_unwind());
            let response = loop {
                tokio::select! {
                    biased;
                    change = opened.changed(), if matches!(*state.borrow(), State::Opening) => {
                        if change.is_ok() {
                            let Opened { at, snapshots } = *opened.borrow_and_update();
                            self.done = at.unwrap_or_default();
                            self.complete_above = self.done;
                            self.endpoint.opened(&self.operation);
                            state.send_replace(State::Open { snapshots });
                        }
                    }
                    order = orders.recv() => match order {
                        Some(order) => self.obey(order),
                        None => return,
                    },
                    response = step.as_mut() => break response,
                }
            };
            match response {
                Ok(Some(response)) if source.opened().at.is_some() && !source.failed() => {
                    self.deliver(source.current(), response).await;
                }
                outcome => {
                    let body = self.last_word(outcome.ok().flatten());
                    orders.close();
                    state.send_replace(State::Ended(body.clone()));
                    for member in &self.members {
                        member.subscriber.sink.fail(body.clone());
                    }
                    return;
                }
            }
        }
    }

    /// What is told to whoever was served when it cannot go on.
    fn last_word(&self, response: Option<Response>) -> Bytes {
        if let Some(response) = response {
            return self.endpoint.body(&self.cx, &self.operation, response);
        }
        tracing::error!(code = Code::Internal.name(), "a subscription ended or panicked");
        ours(&self.cx)
    }

    fn obey(&mut self, order: Command) {
        match order {
            Command::Leave(id) => {
                if let Some(at) = self.members.iter().position(|member| member.subscriber.id == id) {
                    self.members.swap_remove(at);
                }
            }
            Command::Join { mut member, joined } => {
                let seen = *member.seen.get_or_insert(self.done);
                if seen < self.complete_above {
                    let _ = joined.send(false);
                    return;
                }
                let _ = joined.send(true);
                if member.subscriber.is_gone() {
                    return;
                }
                for item in self.kept.iter().filter(|item| item.number > seen) {
                    match member.subscriber.sink.offer(item) {
                        Offer::Taken => member.seen = Some(item.number),
                        Offer::Full => return self.send_back(member),
                        Offer::Gone => return,
                    }
                }
                self.members.push(member);
            }
        }
    }

    async fn deliver(&mut self, number: i64, response: Response) {
        let body = self.endpoint.body(&self.cx, &self.operation, response);
        let item = Arc::new(Item { number, body });
        self.endpoint.executed(self.members.len());
        self.done = number;
        self.bytes += item.body.len();
        self.kept.push_back(Arc::clone(&item));
        while self.kept.len() > KEPT.0 || self.bytes > KEPT.1 {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.bytes -= oldest.body.len();
            self.complete_above = oldest.number;
        }
        let mut at = 0;
        let mut served = 0;
        while let Some(member) = self.members.get_mut(at) {
            served += 1;
            if served % TURN == 0 {
                tokio::task::yield_now().await;
            }
            if member.seen.is_some_and(|seen| seen >= number) {
                at += 1;
                continue;
            }
            match member.subscriber.sink.offer(&item) {
                Offer::Taken => {
                    member.seen = Some(number);
                    at += 1;
                }
                Offer::Gone => drop(self.members.swap_remove(at)),
                Offer::Full => {
                    let member = self.members.swap_remove(at);
                    self.send_back(member);
                }
            }
        }
    }

    /// Lets a member that had no room read the log by itself until it has caught up.
    fn send_back(&self, member: Member) {
        let begin = Begin::After(member.seen.unwrap_or(self.done));
        let replay = self.endpoint.clone().replay(member.subscriber, self.operation.clone(), begin);
        self.cx.hub().tasks.spawn(replay);
    }
}

pub(super) fn ours(cx: &Cx) -> Bytes {
    Answer::refused(cx, Fault::new(Code::Internal, OURS)).body
}
