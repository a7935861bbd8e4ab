//! Who is connected, and whether their credentials still hold.
//!
//! A request is checked once, at its beginning. A stream lasts, so its credential is looked at again: whenever
//! the log says that somebody's rights changed, and every half minute in any case. Whose credential does not
//! hold any more, or holds with other rights, is closed and may come back under the rights it has now.
//!
//! Streams with one credential are looked up once, however many there are.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    context::{Cx, Hub},
    domain::access::hold::{self, Hold},
    event::Entry,
    kernel::{
        actor::{Actor, Caller},
        clock::Moment,
        error::chain,
        id::{ApiTokenId, SessionId, TenantId},
    },
};

/// How long a credential may go unseen.
const FLOOR: Duration = Duration::from_secs(30);

/// Changes that come close together are looked at together.
const TOGETHER: Duration = Duration::from_millis(200);

/// Closes a stream, and says why.
pub type Close = Box<dyn Fn(&'static str) + Send + Sync>;

/// The streams of this node.
#[derive(Default)]
pub struct Watch {
    entered: Mutex<HashMap<Who, Streams>>,
    next: AtomicU64,
    changed: Notify,
}

/// Whose streams.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Who {
    actor: Actor,
    session: Option<SessionId>,
    token: Option<ApiTokenId>,
    tenant: Option<TenantId>,
}

struct Streams {
    caller: Arc<Caller>,
    /// When the first of them was let in.
    since: Moment,
    close: HashMap<u64, Close>,
}

/// A place among those who are watched; given back when dropped.
pub struct Watched {
    watch: Arc<Watch>,
    who: Who,
    id: u64,
}

impl Watch {
    /// Watches a stream, unless its caller has that many already. Strangers are counted by address.
    pub fn enter(self: &Arc<Self>, cx: &Cx, most: usize, close: Close) -> Option<Watched> {
        let caller = cx.caller();
        let principal = caller.principal.as_ref();
        let who = Who {
            actor: caller.actor.clone(),
            session: principal.and_then(|principal| principal.session),
            token: principal.and_then(|principal| principal.token),
            tenant: principal.map(|principal| principal.tenant),
        };
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut entered = self.entered();
        let streams = entered.entry(who.clone()).or_insert_with(|| Streams {
            caller: Arc::new(caller.clone()),
            since: cx.now(),
            close: HashMap::new(),
        });
        // Who has not signed in is bounded by the connections of its address.
        if principal.is_some() && streams.close.len() >= most {
            return None;
        }
        streams.close.insert(id, close);
        Some(Watched { watch: Arc::clone(self), who, id })
    }

    /// Hears of a change; looks again if it may concern somebody's rights.
    pub fn hear(&self, entry: &Entry) {
        if matches!(entry.topic.as_str(), "access" | "tenant") {
            self.changed.notify_one();
        }
    }

    /// Looks again and again, until stopped.
    pub async fn run(self: Arc<Self>, hub: Arc<Hub>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.changed.notified() => tokio::time::sleep(TOGETHER).await,
                () = tokio::time::sleep(FLOOR) => {}
            }
            self.look(&hub).await;
        }
    }

    async fn look(&self, hub: &Hub) {
        let callers: Vec<_> = self
            .entered()
            .iter()
            .filter(|(_, streams)| streams.caller.principal.is_some() && !streams.close.is_empty())
            .map(|(who, streams)| (who.clone(), Arc::clone(&streams.caller), streams.since))
            .collect();
        for (who, caller, since) in callers {
            let reason = match hold::of(hub, &caller, since).await {
                Ok(Hold::Holds) => continue,
                Ok(Hold::Changed) => "the rights of this credential changed; connect anew",
                Ok(Hold::Ended) => "the credential does not hold any more",
                Err(error) => {
                    // Nothing is known then; the next look finds out.
                    tracing::warn!(error = chain(&error), "credentials of streams cannot be looked at");
                    return;
                }
            };
            if let Some(streams) = self.entered().get(&who) {
                streams.close.values().for_each(|close| close(reason));
            }
        }
    }

    /// How many callers have streams.
    pub fn callers(&self) -> usize {
        self.entered().keys().collect::<HashSet<_>>().len()
    }

    fn entered(&self) -> MutexGuard<'_, HashMap<Who, Streams>> {
        self.entered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let mut entered = self.watch.entered();
        if let Some(streams) = entered.get_mut(&self.who) {
            let gone = streams.close.remove(&self.id);
            if streams.close.is_empty() {
                entered.remove(&self.who);
            }
            drop(entered);
            drop(gone);
        }
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("callers", &self.callers()).finish_non_exhaustive()
    }
}
