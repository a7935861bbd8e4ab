//! Attempts that were refused, as entries of the audit log.
//!
//! What was refused changed nothing, so there is no commit that its entry could be part of. It is written by
//! a transaction of its own once the answer is on its way: how long an answer takes tells nothing, and a
//! refusal is no dearer than it was.
//!
//! **Bounded.** Whoever is refused decides how often, so the log must not grow with it. The first attempt by
//! somebody at something is an entry at once. Repetitions are counted, and written as one entry with their
//! number after a minute, then after two, four, and so on up to an hour; after an hour of silence it begins
//! anew. Whoever tries many different things gets sixty entries in a minute; the rest is counted under the
//! name `several.refused`.
//!
//! **Not promised**: that a count outlives a crash of this node. Each node counts for itself.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::TimeDelta;
use sea_orm::QueryOrder;
use serde_json::json;

use super::{Audit, Cx, Hub, RequestInfo};
use crate::{
    entity::{first::First, membership},
    kernel::{
        actor::{Actor, Caller},
        clock::Moment,
        error::{Result, chain},
        id::{TenantId, UserId},
    },
};

/// Repetitions are counted this long before they are written.
const FIRST: TimeDelta = TimeDelta::minutes(1);

/// And never longer than this, which is also the silence after which an attempt is forgotten.
const LONGEST: TimeDelta = TimeDelta::hours(1);

/// Entries of one actor in a minute.
const MOST: u32 = 60;

/// Attempts that are told apart at once. Beyond it those that were silent lately are forgotten, and if there
/// are none, new ones are only logged.
const MANY: usize = 10_000;

/// In whose log an attempt is noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Whose {
    /// The tenant's.
    Tenant(TenantId),
    /// That of the tenant in which the person acts without a choice; other tenants do not learn of it.
    Person(UserId),
}

/// What was tried and by whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// In whose log it belongs.
    pub whose: Whose,
    /// Who tried, as far as is known.
    pub actor: Actor,
    /// What was tried; the entry's action is this and `.refused`.
    pub what: String,
    /// The id of what it was tried on.
    pub subject: String,
}

/// Attempts of the last while.
#[derive(Default)]
pub struct Refusals(Mutex<State>);

#[derive(Default)]
struct State {
    windows: HashMap<Attempt, Window>,
    /// How many entries an actor caused since that moment.
    actors: HashMap<(Whose, String), (Moment, u32)>,
}

/// A while in which repetitions of an attempt are counted.
struct Window {
    until: Moment,
    wait: TimeDelta,
    more: u64,
    reason: String,
    request: RequestInfo,
}

/// An entry to write.
#[derive(Debug)]
struct Entry {
    attempt: Attempt,
    reason: String,
    times: u64,
    request: RequestInfo,
}

impl Refusals {
    /// Counts an attempt; gives the entry to write, if it is time for one.
    fn count(&self, mut attempt: Attempt, reason: &str, request: &RequestInfo, now: Moment) -> Option<Entry> {
        let state = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.windows.contains_key(&attempt) {
            let (since, caused) = state.actors.entry((attempt.whose, attempt.actor.to_string())).or_insert((now, 0));
            if now - *since >= FIRST {
                (*since, *caused) = (now, 0);
            }
            if *caused >= MOST {
                attempt = Attempt { what: "several".to_owned(), subject: attempt.actor.to_string(), ..attempt };
            }
            *caused = caused.saturating_add(1);
        }
        if state.windows.len() >= MANY {
            state.windows.retain(|_, window| window.more > 0 || now < window.until);
        }
        if !state.windows.contains_key(&attempt) && state.windows.len() >= MANY {
            tracing::warn!(attempt = ?attempt, "too many attempts are refused; this one is noted here alone");
            return None;
        }
        let (reason, request) = (reason.to_owned(), request.clone());
        let known = state.windows.get_mut(&attempt);
        match known {
            Some(window) if now < window.until => {
                (window.more, window.reason, window.request) = (window.more + 1, reason, request);
                None
            }
            Some(window) => {
                let times = window.more + 1;
                window.roll(now);
                Some(Entry { attempt, reason, times, request })
            }
            None => {
                let window = Window {
                    until: now + FIRST,
                    wait: FIRST,
                    more: 0,
                    reason: reason.clone(),
                    request: request.clone(),
                };
                state.windows.insert(attempt.clone(), window);
                Some(Entry { attempt, reason, times: 1, request })
            }
        }
    }

    /// What was counted in whiles that are over by that moment. Where long nothing was, the attempt is
    /// forgotten.
    fn due(&self, now: Moment, all: bool) -> Vec<Entry> {
        let state = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.actors.retain(|_, (since, _)| now - *since < FIRST);
        let mut due = Vec::new();
        state.windows.retain(|attempt, window| {
            if now < window.until && !all {
                return true;
            }
            let times = window.more;
            if times > 0 {
                let (reason, request) = (window.reason.clone(), window.request.clone());
                due.push(Entry { attempt: attempt.clone(), reason, times, request });
                window.roll(now);
            }
            now < window.until + LONGEST
        });
        due
    }

    /// Writes what was counted and is due; with `all`, what is not due yet too. Says how many entries.
    pub async fn flush(hub: &Arc<Hub>, all: bool) -> Result<u64> {
        let due = hub.refusals.due(hub.clock.now(), all);
        let entries = due.len() as u64;
        for entry in due {
            entry.write(hub).await?;
        }
        Ok(entries)
    }
}

impl Window {
    /// Begins the next while, twice as long.
    fn roll(&mut self, now: Moment) {
        self.wait = (self.wait * 2).min(LONGEST);
        self.until = now + self.wait;
        self.more = 0;
    }
}

impl Entry {
    async fn write(self, hub: &Arc<Hub>) -> Result<()> {
        let Attempt { whose, actor, what, subject } = self.attempt;
        let cx = Cx::new(Arc::clone(hub), Caller { actor, principal: None }, self.request);
        cx.write(async |txn| {
            let tenant = match whose {
                Whose::Tenant(tenant) => Some(tenant),
                Whose::Person(user) => {
                    let longest = membership::of_person(user).order_by_asc(membership::Column::Id);
                    longest.first(&**txn).await?.map(|bond| bond.tenant_id)
                }
            };
            if let Some(tenant) = tenant {
                let entry = Audit::new(format!("{what}.refused"), &subject);
                txn.audit_in(tenant, entry.after(json!({ "reason": self.reason, "times": self.times })));
            }
            Ok(())
        })
        .await
    }
}

impl Cx {
    /// Notes that something was refused.
    pub fn refused(&self, attempt: Attempt, reason: &str) {
        let hub = self.hub();
        let Some(entry) = hub.refusals.count(attempt, reason, self.request(), self.now()) else { return };
        let writing = Arc::clone(hub);
        hub.tasks.spawn(async move {
            if let Err(error) = entry.write(&writing).await {
                tracing::warn!(error = chain(&error), "a refused attempt was not noted in the audit log");
            }
        });
    }
}

impl fmt::Debug for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusals").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn attempt(at: u128) -> Attempt {
        let whose = Whose::Tenant(TenantId::new(Uuid::nil()));
        let subject = UserId::new(Uuid::from_u128(at)).to_string();
        Attempt { whose, actor: Actor::Anonymous, what: "signIn".to_owned(), subject }
    }

    /// Counts one attempt at that second; says how many times its entry stands for.
    fn count(refusals: &Refusals, attempt: Attempt, second: i64) -> Option<u64> {
        let request = RequestInfo { id: "test".into(), address: None };
        let now = Moment::from_timestamp(second, 0).unwrap();
        refusals.count(attempt, "no", &request, now).map(|entry| entry.times)
    }

    fn due(refusals: &Refusals, second: i64) -> Vec<u64> {
        let entries = refusals.due(Moment::from_timestamp(second, 0).unwrap(), false);
        entries.into_iter().map(|entry| entry.times).collect()
    }

    #[test]
    fn the_first_attempt_is_an_entry_and_repetitions_are_counted() {
        let refusals = Refusals::default();
        assert_eq!(count(&refusals, attempt(1), 0), Some(1));
        for second in 1..60 {
            assert_eq!(count(&refusals, attempt(1), second), None);
        }
        assert_eq!(count(&refusals, attempt(2), 30), Some(1), "something else");
        assert_eq!(count(&refusals, attempt(1), 60), Some(60), "after a minute");
        assert_eq!(count(&refusals, attempt(1), 179), None, "then after two");
        assert_eq!(count(&refusals, attempt(1), 180), Some(2));
    }

    #[test]
    fn what_was_counted_is_written_without_another_attempt_and_silence_is_forgotten() {
        let refusals = Refusals::default();
        count(&refusals, attempt(1), 0);
        count(&refusals, attempt(1), 1);
        assert_eq!(due(&refusals, 59), [0; 0]);
        assert_eq!(due(&refusals, 60), [1]);
        assert_eq!(due(&refusals, 180 + 3599), [0; 0]);
        assert_eq!(refusals.0.lock().unwrap().windows.len(), 1);
        assert_eq!(due(&refusals, 180 + 3600), [0; 0]);
        assert!(refusals.0.lock().unwrap().windows.is_empty(), "as if it had never been");
    }

    #[test]
    fn a_day_of_the_same_attempt_is_some_thirty_entries_however_often_it_is_made() {
        for pause in [1, 61, 150, 600] {
            let refusals = Refusals::default();
            let mut entries = 0;
            for second in (0..86_400).step_by(10) {
                entries += due(&refusals, second).len();
                let attempts = (second..second + 10).filter(|second| second % pause == 0);
                entries += attempts.filter(|second| count(&refusals, attempt(1), *second).is_some()).count();
            }
            assert!((20..=32).contains(&entries), "{entries} with a pause of {pause}");
        }
    }

    #[test]
    fn many_different_attempts_of_one_actor_are_counted_together() {
        let refusals = Refusals::default();
        let entries: Vec<_> = (0..1000).filter_map(|at| count(&refusals, attempt(at), 1)).collect();
        assert_eq!(entries, [1; 61], "sixty, and one that stands for the rest");
        let rest: Vec<_> = due(&refusals, 61);
        assert_eq!(rest, [939]);
        assert_eq!(count(&refusals, attempt(5000), 62), Some(1), "a minute later there is room again");
    }
}
