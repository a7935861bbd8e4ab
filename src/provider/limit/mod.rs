//! How much may be asked now: limits as state machines.
//!
//! Each shape is a small [`State`] that is asked and told; it has no clock, no lock and no database, so that
//! the same state can live in memory, in a row that nodes share, and in the simulator, which enforces what the
//! hub keeps to. A request asks every limit that reaches it first ([`Limiter::ready_at`]) and takes from all
//! of them only when all agree ([`Limiter::take`]).
//!
//! What a provider says always wins: a refusal with a time blocks until then, headers that tell what is left
//! replace what we counted.

mod learned;
mod steady;

use std::time::Duration;

use chrono::TimeDelta;
use http::HeaderMap;
use serde::{Deserialize, Serialize};

use self::{
    learned::{Pace, Percent, Rest},
    steady::{Bucket, Crowd, Recent, Window},
};
use super::{
    classify::Failure,
    expression::Document,
    manifest::{
        answer::Class,
        limit::{Limit, Reach, Scope},
    },
    template::{Place, Values},
};
use crate::kernel::clock::Moment;

/// How long a refusal without a time blocks.
const UNSAID: TimeDelta = TimeDelta::seconds(5);

/// What one limit remembers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Window(Window),
    Recent(Recent),
    Bucket(Bucket),
    Crowd(Crowd),
    Percent(Percent),
    Rest(Rest),
    Pace(Pace),
}

/// What an answer tells limits.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body.
    pub document: Option<&'a Document>,
    /// Its failure, if it was one.
    pub failure: Option<&'a Failure>,
}

/// All limits that reach a kind of request, with what they remember.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limiter {
    states: Vec<State>,
    blocked_until: Option<Moment>,
}

impl Limiter {
    /// Nothing asked yet.
    #[must_use]
    pub fn new(limits: &[&Limit], now: Moment) -> Self {
        let state = |limit: &&Limit| match limit {
            Limit::Window(it) => State::Window(Window::new(now, it.per)),
            Limit::Sliding(_) => State::Recent(Recent::default()),
            Limit::Bucket(it) => State::Bucket(Bucket::new(it.capacity, now)),
            Limit::Points(it) => State::Bucket(Bucket::new(it.capacity, now)),
            Limit::Concurrency(_) => State::Crowd(Crowd::default()),
            Limit::Daily(_) => State::Window(Window::new(now, DAY)),
            Limit::Usage(_) => State::Percent(Percent::default()),
            Limit::Headers(_) => State::Rest(Rest::default()),
            Limit::Adaptive(it) => State::Pace(Pace::new(it.start, now)),
        };
        Self { states: limits.iter().map(state).collect(), blocked_until: None }
    }

    /// From when on a request may be made: now, if nothing holds it back. The limits must be those it was
    /// made with. Asking takes nothing.
    pub fn ready_at(&mut self, limits: &[&Limit], now: Moment) -> Moment {
        let blocked = self.blocked_until.filter(|until| *until > now).unwrap_or(now);
        let each = self.states.iter_mut().zip(limits).map(|(state, limit)| state.ready_at(limit, now));
        each.fold(blocked, Moment::max)
    }

    /// Takes what a request needs from every limit, or nothing from any: then the moment to ask again.
    pub fn take(&mut self, limits: &[&Limit], now: Moment) -> Result<(), Moment> {
        let ready = self.ready_at(limits, now);
        if ready > now {
            return Err(ready);
        }
        for (state, limit) in self.states.iter_mut().zip(limits) {
            state.take(limit, now);
        }
        Ok(())
    }

    /// Learns from the answer to a request that was taken for.
    pub fn learn(&mut self, limits: &[&Limit], seen: Seen<'_>, now: Moment) {
        for (state, limit) in self.states.iter_mut().zip(limits) {
            state.learn(limit, seen, now);
        }
        if let Some(failure) = seen.failure
            && matches!(failure.class, Class::Throttled | Class::Quota)
        {
            let until = failure.until.unwrap_or(now + UNSAID);
            self.blocked_until = self.blocked_until.max(Some(until));
        }
    }
}

/// A day.
const DAY: Duration = Duration::from_hours(24);

impl State {
    fn ready_at(&mut self, limit: &Limit, now: Moment) -> Moment {
        match (self, limit) {
            (Self::Window(state), Limit::Window(it)) => state.ready_at(it.requests, it.per, now),
            (Self::Window(state), Limit::Daily(it)) => state.ready_at(it.requests, DAY, now),
            (Self::Recent(state), Limit::Sliding(it)) => state.ready_at(it.requests, it.per, now),
            (Self::Bucket(state), Limit::Bucket(it)) => state.ready_at(it.capacity, it.per_second, 1, now),
            (Self::Bucket(state), Limit::Points(it)) => state.ready_at(it.capacity, it.per_second, it.assumed, now),
            (Self::Crowd(state), Limit::Concurrency(it)) => state.ready_at(it.most, now),
            (Self::Percent(state), Limit::Usage(it)) => state.ready_at(it, now),
            (Self::Rest(state), Limit::Headers(_)) => state.ready_at(now),
            (Self::Pace(state), Limit::Adaptive(_)) => state.ready_at(now),
            _ => now,
        }
    }

    fn take(&mut self, limit: &Limit, now: Moment) {
        match (self, limit) {
            (Self::Window(state), _) => state.take(),
            (Self::Recent(state), Limit::Sliding(it)) => state.take(it.requests, now),
            (Self::Bucket(state), Limit::Points(it)) => state.take(it.assumed),
            (Self::Bucket(state), _) => state.take(1),
            (Self::Crowd(state), _) => state.take(now),
            (Self::Percent(state), _) => state.take(now),
            (Self::Rest(state), _) => state.take(),
            (Self::Pace(state), _) => state.take(),
            _ => {}
        }
    }

    fn learn(&mut self, limit: &Limit, seen: Seen<'_>, now: Moment) {
        match (self, limit) {
            (Self::Bucket(state), Limit::Points(it)) => state.learn(it, seen),
            (Self::Crowd(state), _) => state.release(),
            (Self::Percent(state), Limit::Usage(it)) => state.learn(it, seen.headers, now),
            (Self::Rest(state), Limit::Headers(it)) => state.learn(it, seen.headers, now),
            (Self::Pace(state), Limit::Adaptive(it)) => {
                let throttled = seen.failure.is_some_and(|failure| failure.class == Class::Throttled);
                state.learn(it, throttled);
            }
            _ => {}
        }
    }
}

/// What a request is, for those limits that reach only some.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The environment.
    pub environment: &'a str,
    /// The stream or action.
    pub of: Option<&'a str>,
    /// The values of the connection, with the input.
    pub values: &'a Values,
}

/// Whether a limit reaches a request.
#[must_use]
pub fn reaches(limit: &Limit, asked: Asked<'_>) -> bool {
    let Some(reach) = limit.reach() else { return true };
    let here = reach.environment.as_ref().is_none_or(|key| key.as_str() == asked.environment);
    let of =
        reach.only.as_ref().is_none_or(|only| asked.of.is_some_and(|of| only.iter().any(|key| key.as_str() == of)));
    here && of
        && setting_fits(reach, asked.values)
        && reach.per.as_ref().is_none_or(|per| per.fill(asked.values, Place::Value).is_ok())
}

fn setting_fits(reach: &Reach, values: &Values) -> bool {
    let Some(setting) = &reach.setting else { return true };
    let Some((value, _)) = values.get(setting.as_str()) else { return false };
    reach.values.iter().flatten().any(|one| *one == value)
}

/// Under which name the allowance of a limit is kept: who shares it, and the value it is counted by.
#[must_use]
pub fn allowance(limit: &Limit, values: &Values) -> (Scope, Option<String>) {
    let reach = limit.reach();
    let scope = reach.map_or(Scope::Integration, |reach| reach.scope);
    let per = reach.and_then(|reach| reach.per.as_ref()).and_then(|per| per.fill(values, Place::Value).ok());
    (scope, per.map(|filled| filled.text))
}

#[cfg(test)]
mod tests;
