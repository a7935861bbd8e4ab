//! Whether the clock of this node can be relied on.
//!
//! What is done because of the time (schedules, retention, renewal of keys, leases) is done by the clock of the machine.
//! A clock that is set wrongly, if only for seconds, would delete what is to be kept, and plan the next time of
//! everything for the wrong year. So each node compares its clock with another one, and asks here before it acts.
//!
//! * **PostgreSQL**: with the clock of the database, which all nodes share, measured every ten seconds; between two
//!   measurements with the time that has passed since the last one by the monotonic clock. So a jump is noticed at the
//!   next question, and not at the next measurement. A node whose clock differs by more than [`MOST`] does nothing
//!   because of the time, and is not ready. It goes on when the clocks agree again.
//! * **SQLite**: there is no other clock. The clock is compared with the time that has passed by the monotonic clock,
//!   and at the start with the newest event of the log. After a jump nothing is deleted because of the time until the
//!   clock was set back, or went on for an hour: a laptop that slept jumps too. Schedules go on meanwhile.
//!
//! A clock that nobody watches (commands, and tests that run no worker) is relied on.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::TimeDelta;

use crate::kernel::clock::{Clock, Moment};

/// The largest difference from the clock that it is compared with.
pub const MOST: TimeDelta = TimeDelta::seconds(30);

/// How far the clocks of two nodes may be apart that are both relied on.
pub const SLACK: TimeDelta = TimeDelta::seconds(60);

/// How long a clock that jumped goes on before it is relied on again.
const HOLD: Duration = Duration::from_hours(1);

/// How far a clock can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockState {
    /// It is as it should be.
    Reliable,
    /// It was set, and nothing says whether rightly: nothing is deleted because of the time.
    Unconfirmed,
    /// It differs from the database's: nothing is done because of the time.
    Wrong,
}

impl ClockState {
    /// Whether work may begin because its time has come.
    #[must_use]
    pub fn may_schedule(self) -> bool {
        self != Self::Wrong
    }

    /// Whether something may be deleted, or given up for good, because its time is over.
    #[must_use]
    pub fn may_delete(self) -> bool {
        self == Self::Reliable
    }

    /// Its name for people and tools.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reliable => "ok",
            Self::Unconfirmed => "unconfirmed",
            Self::Wrong => "wrong",
        }
    }
}

/// What a comparison of the clock with itself showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// Nothing new.
    Same,
    /// It was set by so much.
    Jumped(TimeDelta),
    /// It is back where it was.
    Returned,
    /// It went on for long enough as it was set.
    Accepted,
}

/// Watches a clock.
pub struct ClockGuard {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// It is to be watched, and was not compared with anything yet.
    awaited: bool,
    reference: Option<Reference>,
    /// By how much it was set, and when that was seen.
    jump: Option<(TimeDelta, Duration)>,
    /// Somebody asked while it differed, since the last comparison.
    noticed: bool,
    /// Until then it is not relied on, whatever is seen.
    held_until: Option<Duration>,
}

/// What time it was by another clock, and what the monotonic clock showed then.
#[derive(Clone, Copy)]
struct Reference {
    at: Moment,
    elapsed: Duration,
    /// Whether it is the database's.
    of_database: bool,
}

impl Reference {
    /// What time it is, by the reference.
    fn now(&self, elapsed: Duration) -> Moment {
        let passed = TimeDelta::from_std(elapsed.saturating_sub(self.elapsed)).unwrap_or_default();
        self.at.checked_add_signed(passed).unwrap_or(self.at)
    }
}

impl ClockGuard {
    /// A guard of a clock that is not watched yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    /// Begins to watch: until the clock is compared for the first time it is not relied on.
    pub fn begin(&self) {
        self.state_mut().awaited = true;
    }

    /// Waits until the clock was compared for the first time.
    pub async fn compared(&self) {
        while self.state_mut().awaited {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until work may begin because its time has come.
    pub async fn may_schedule(&self) {
        self.compared().await;
        while !self.state().may_schedule() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// How far the clock can be relied on now.
    pub fn state(&self) -> ClockState {
        let mut state = self.state_mut();
        if state.awaited {
            return ClockState::Wrong;
        }
        let Some(reference) = state.reference else { return ClockState::Reliable };
        let elapsed = self.clock.elapsed();
        if (self.clock.now() - reference.now(elapsed)).abs() > MOST {
            state.noticed = true;
            return if reference.of_database { ClockState::Wrong } else { ClockState::Unconfirmed };
        }
        match state.held_until {
            Some(until) if elapsed < until => ClockState::Unconfirmed,
            _ => ClockState::Reliable,
        }
    }

    /// By how much the clock is ahead of what it is compared with.
    pub fn deviation(&self) -> TimeDelta {
        let reference = self.state_mut().reference;
        reference.map_or(TimeDelta::zero(), |reference| self.clock.now() - reference.now(self.clock.elapsed()))
    }

    /// What time it is, by the database's clock where this node's is wrong.
    pub fn now(&self) -> Moment {
        let (reference, now, elapsed) = (self.state_mut().reference, self.clock.now(), self.clock.elapsed());
        let reference = reference.filter(|reference| reference.of_database).map(|reference| reference.now(elapsed));
        reference.filter(|right| (now - *right).abs() > MOST).unwrap_or(now)
    }

    /// Notes what time it was by the database's clock when the monotonic clock showed `elapsed`.
    pub fn measured(&self, at: Moment, elapsed: Duration) {
        let mut state = self.state_mut();
        state.awaited = false;
        state.reference = Some(Reference { at, elapsed, of_database: true });
    }

    /// Compares the clock with itself: with the time that passed since the last comparison. The first one takes it as
    /// it is.
    pub fn compare(&self) -> Compared {
        let (now, elapsed) = (self.clock.now(), self.clock.elapsed());
        let mut state = self.state_mut();
        state.awaited = false;
        let current = Reference { at: now, elapsed, of_database: false };
        let Some(reference) = state.reference else {
            state.reference = Some(current);
            return Compared::Same;
        };
        let deviation = now - reference.now(elapsed);
        // A jump may begin and end between two comparisons, and be acted on meanwhile.
        let noticed = std::mem::take(&mut state.noticed);
        if deviation.abs() <= MOST {
            state.reference = Some(current);
            let jumped = state.jump.take().is_some();
            return if jumped || noticed { Compared::Returned } else { Compared::Same };
        }
        match state.jump {
            Some((seen, since)) if (deviation - seen).abs() <= MOST => {
                if elapsed.saturating_sub(since) < HOLD {
                    return Compared::Same;
                }
                state.reference = Some(current);
                state.jump = None;
                Compared::Accepted
            }
            _ => {
                state.jump = Some((deviation, elapsed));
                Compared::Jumped(deviation)
            }
        }
    }

    /// Relies on the clock only after an hour, because something else speaks against it.
    pub fn hold(&self) {
        let until = self.clock.elapsed() + HOLD;
        self.state_mut().held_until = Some(until);
    }

    fn state_mut(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ClockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClockGuard").field("state", &self.state()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::clock::ManualClock;

    fn guarded() -> (ManualClock, ClockGuard) {
        let clock = ManualClock::at(Moment::from_timestamp(1_800_000_000, 0).unwrap());
        (clock.clone(), ClockGuard::new(Arc::new(clock)))
    }

    const DAYS: TimeDelta = TimeDelta::days(400);

    #[test]
    fn a_clock_that_is_not_watched_is_relied_on_and_one_that_is_to_be_only_when_it_was_compared() {
        let (clock, guard) = guarded();
        clock.set(DAYS);
        assert_eq!(guard.state(), ClockState::Reliable);
        guard.begin();
        assert_eq!(guard.state(), ClockState::Wrong);
        assert_eq!(guard.compare(), Compared::Same);
        assert_eq!(guard.state(), ClockState::Reliable);
    }

    #[test]
    fn a_jump_against_the_databases_clock_shows_at_once_and_ends_at_once() {
        let (clock, guard) = guarded();
        guard.measured(clock.now() + TimeDelta::seconds(2), clock.elapsed());
        clock.advance(TimeDelta::days(3));
        assert_eq!(guard.state(), ClockState::Reliable, "time that passes is no jump");
        for span in [DAYS, -DAYS, TimeDelta::seconds(33), TimeDelta::seconds(-29)] {
            clock.set(span);
            assert_eq!((guard.state(), guard.state().may_schedule()), (ClockState::Wrong, false), "{span}");
            let right = clock.now() - span + TimeDelta::seconds(2);
            assert_eq!(guard.now(), right);
            clock.set(-span);
            assert_eq!(guard.state(), ClockState::Reliable);
            assert_eq!(guard.now(), clock.now());
        }
        clock.set(TimeDelta::seconds(31));
        assert_eq!(guard.deviation(), TimeDelta::seconds(29));
        assert_eq!(guard.state(), ClockState::Reliable);
    }

    #[test]
    fn without_another_clock_a_jump_holds_deletions_back_until_it_is_undone_or_an_hour_old() {
        let (clock, guard) = guarded();
        assert_eq!(guard.compare(), Compared::Same);
        clock.set(DAYS);
        let state = guard.state();
        assert_eq!((state, state.may_schedule(), state.may_delete()), (ClockState::Unconfirmed, true, false));
        assert_eq!((guard.compare(), guard.compare()), (Compared::Jumped(DAYS), Compared::Same));
        clock.set(-DAYS);
        assert_eq!((guard.state(), guard.compare()), (ClockState::Reliable, Compared::Returned));
        clock.set(DAYS);
        assert_eq!(guard.state(), ClockState::Unconfirmed);
        clock.set(-DAYS);
        assert_eq!(
            (guard.compare(), guard.compare()),
            (Compared::Returned, Compared::Same),
            "nobody compared meanwhile"
        );

        clock.set(-DAYS);
        assert_eq!(guard.compare(), Compared::Jumped(-DAYS));
        clock.advance(TimeDelta::minutes(59));
        assert_eq!((guard.compare(), guard.state()), (Compared::Same, ClockState::Unconfirmed));
        clock.advance(TimeDelta::minutes(1));
        assert_eq!((guard.compare(), guard.state()), (Compared::Accepted, ClockState::Reliable));

        guard.hold();
        assert_eq!(guard.state(), ClockState::Unconfirmed);
        clock.advance(TimeDelta::hours(1));
        assert_eq!(guard.state(), ClockState::Reliable);
    }

    #[test]
    fn a_clock_that_drifts_is_no_clock_that_jumps() {
        let (clock, guard) = guarded();
        guard.compare();
        for _ in 0..100 {
            clock.advance(TimeDelta::seconds(10));
            clock.set(TimeDelta::seconds(1));
            assert_eq!(guard.compare(), Compared::Same);
        }
        assert_eq!(guard.state(), ClockState::Reliable);
    }
}
