//! Who is connected, and whether their credentials still hold.
//!
//! A request is checked once, at its beginning. A stream lasts, so its credential is looked at again: whenever
//! the log says that its rights may have changed, and every half minute in any case. Whose credential does not
//! hold any more, or holds with other rights, is closed and may come back under the rights it has now.
//!
//! Streams with one credential are looked up once, however many there are; a change concerns those whom it
//! names, not everybody who is connected. A stream is entered *before* anything runs for it, and a change is
//! looked at a moment after it is heard of: so a credential that was checked just before it was taken back is
//! found here by the look that follows.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    context::{Cx, Hub},
    domain::access::hold::{self, Hold},
    event::Entry,
    kernel::{
        actor::{Actor, Caller},
        clock::Moment,
        error::chain,
        id::{ApiTokenId, PartnerOrganizationId, SessionId, TenantId},
        scope::{Role, Scopes},
    },
};

/// How long a credential may go unseen.
const FLOOR: Duration = Duration::from_secs(30);

/// Changes that come close together are looked at together.
const TOGETHER: Duration = Duration::from_millis(200);

/// How long to wait when credentials cannot be looked at.
const AGAIN: Duration = Duration::from_secs(1);

/// Changes that are remembered one by one; beyond them everybody is looked at.
const REMEMBERED: usize = 256;

/// Closes a stream, and says why.
pub type Close = Box<dyn Fn(&'static str) + Send + Sync>;

/// The streams of this node.
#[derive(Default)]
pub struct Watch {
    entered: Mutex<HashMap<Who, Streams>>,
    next: AtomicU64,
    heard: Mutex<Heard>,
    changed: Notify,
}

/// Whose streams, and under which rights they began.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Who {
    actor: Actor,
    rights: Option<Rights>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Rights {
    session: Option<SessionId>,
    token: Option<ApiTokenId>,
    tenant: TenantId,
    home: TenantId,
    role: Role,
    scopes: Scopes,
    partner: Option<PartnerOrganizationId>,
}

struct Streams {
    caller: Arc<Caller>,
    /// When the first of them was let in.
    since: Moment,
    close: HashMap<u64, Close>,
}

/// Changes that were not looked at yet.
#[derive(Debug, Default)]
enum Heard {
    #[default]
    Nothing,
    Of(Vec<Entry>),
    Everything,
}

impl Heard {
    fn concerns(&self, caller: &Caller) -> bool {
        match self {
            Self::Nothing => false,
            Self::Of(entries) => entries.iter().any(|entry| hold::concerns(entry, caller)),
            Self::Everything => true,
        }
    }
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
        let rights = caller.principal.as_ref().map(|principal| Rights {
            session: principal.session,
            token: principal.token,
            tenant: principal.tenant,
            home: principal.home,
            role: principal.role,
            scopes: principal.scopes,
            partner: principal.partner,
        });
        let who = Who { actor: caller.actor.clone(), rights };
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut entered = self.entered();
        let streams = entered.entry(who.clone()).or_insert_with(|| Streams {
            caller: Arc::new(caller.clone()),
            since: cx.now(),
            close: HashMap::new(),
        });
        // Who has not signed in is bounded by the connections of its address.
        if rights.is_some() && streams.close.len() >= most {
            return None;
        }
        streams.close.insert(id, close);
        Some(Watched { watch: Arc::clone(self), who, id })
    }

    /// Hears of a change; looks again at those whom it concerns.
    pub fn hear(&self, entry: &Entry) {
        if !hold::may_change_rights(entry) {
            return;
        }
        let mut heard = held(&self.heard);
        match &mut *heard {
            Heard::Nothing => *heard = Heard::Of(vec![Arc::clone(entry)]),
            Heard::Of(entries) if entries.len() < REMEMBERED => entries.push(Arc::clone(entry)),
            Heard::Of(_) => *heard = Heard::Everything,
            Heard::Everything => {}
        }
        drop(heard);
        self.changed.notify_one();
    }

    /// Looks again and again, until stopped.
    pub async fn run(self: Arc<Self>, hub: Arc<Hub>, stop: CancellationToken) {
        let mut floor = Instant::now() + FLOOR;
        loop {
            let heard = tokio::select! {
                () = stop.cancelled() => return,
                () = sleep_until(floor) => {
                    floor = Instant::now() + FLOOR;
                    Heard::Everything
                }
                () = self.changed.notified() => {
                    sleep(TOGETHER).await;
                    std::mem::take(&mut *held(&self.heard))
                }
            };
            if !self.look(&hub, &heard).await {
                floor = Instant::now() + AGAIN;
            }
        }
    }

    /// Looks at those whom changes concern; whether all of them could be looked at.
    async fn look(&self, hub: &Hub, heard: &Heard) -> bool {
        let callers: Vec<_> = self
            .entered()
            .iter()
            .filter(|(who, streams)| who.rights.is_some() && heard.concerns(&streams.caller))
            .map(|(who, streams)| (who.clone(), Arc::clone(&streams.caller), streams.since))
            .collect();
        let mut complete = true;
        for (who, caller, since) in callers {
            let reason = match hold::of(hub, &caller, since).await {
                Ok(Hold::Holds) => continue,
                Ok(Hold::Changed) => "the rights of this credential changed; connect anew",
                Ok(Hold::Ended) => "the credential does not hold any more",
                Err(error) => {
                    // Nothing is known of this one then. What is wrong may concern it alone.
                    tracing::warn!(
                        error = chain(&error),
                        "a credential of streams cannot be looked at, will try again"
                    );
                    complete = false;
                    continue;
                }
            };
            // Taken out, so that who comes back at once is not taken for one of them.
            let ended = self.entered().remove(&who);
            ended.iter().flat_map(|streams| streams.close.values()).for_each(|close| close(reason));
        }
        complete
    }

    /// How many callers have streams.
    pub fn callers(&self) -> usize {
        self.entered().len()
    }

    fn entered(&self) -> MutexGuard<'_, HashMap<Who, Streams>> {
        held(&self.entered)
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

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
