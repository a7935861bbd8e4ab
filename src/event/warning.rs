//! Warnings about something that may happen many times a second.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Time between two warnings of one kind.
const BETWEEN: Duration = Duration::from_mins(1);

/// Decides which occurrences of one thing are logged: the first one, and then at most one a minute.
#[derive(Debug, Default)]
pub(super) struct RateLimited(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    logged: Option<Instant>,
    since: u64,
}

impl RateLimited {
    /// Counts an occurrence. If it is to be logged: how many there were since the last one that was, this one included.
    pub(super) fn occurred(&self) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.since += 1;
        if state.logged.is_some_and(|at| at.elapsed() < BETWEEN) {
            return None;
        }
        state.logged = Some(Instant::now());
        Some(std::mem::take(&mut state.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_occurrence_is_logged_and_those_of_the_next_minute_are_counted() {
        let warning = RateLimited::default();
        assert_eq!(warning.occurred(), Some(1));
        assert_eq!((warning.occurred(), warning.occurred()), (None, None));
        warning.0.lock().unwrap().logged = Instant::now().checked_sub(BETWEEN);
        assert_eq!(warning.occurred(), Some(3));
    }
}
