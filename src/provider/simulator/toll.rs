//! What a fake lets through: the limits of the file, from the provider's side.
//!
//! The hub keeps to limits with the state machines of [`limit`](crate::provider::limit); these here are others, on
//! purpose, made of a list of what was let through. If both used the same, neither could show the other wrong.
//!
//! Where the file says only how a provider tells what is used or left, the fake has an allowance of its own
//! ([`CALLS`]), tells of it as the file says, and refuses when it is used up. Where nothing is published it lets
//! through the most that the file believes in. What is refused uses nothing.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DurationRound, TimeDelta};
use serde_json::{Value, json};

use super::fake::Reply;
use crate::{
    kernel::clock::Moment,
    provider::{
        limit::{Asked, allowance, reaches},
        manifest::{
            Manifest,
            limit::{HeaderLimit, Limit, Points, ResetIs, Usage},
        },
    },
};

/// Calls in an hour, where percentages are told, and in a minute, where a rest is.
pub(super) const CALLS: u32 = 200;

/// What a query costs, in points.
const COST: u32 = 10;

/// For which limit, and for which value it counts by.
type Book = (usize, Option<String>);

/// What was let through.
#[derive(Debug, Default)]
pub(super) struct Toll {
    passed: BTreeMap<Book, VecDeque<Moment>>,
    /// Points that are left, and when they were counted.
    points: BTreeMap<Book, (f64, Moment)>,
    under_way: u32,
    /// Whether everybody passes.
    pub(super) open: bool,
}

/// A request that is not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// From when on the next may pass.
    pub(super) until: Moment,
    /// Whether a quota of the day is used up.
    pub(super) daily: bool,
}

impl Toll {
    /// Lets a request through, or says from when on. It is under way until [`Toll::left`].
    pub(super) fn pass(&mut self, manifest: &Manifest, asked: Asked<'_>, now: Moment) -> Result<(), Refused> {
        if self.open {
            self.under_way += 1;
            return Ok(());
        }
        let reaching: Vec<(Book, &Limit)> = manifest
            .limits
            .iter()
            .enumerate()
            .filter(|(_, limit)| reaches(limit, asked))
            .map(|(at, limit)| ((at, allowance(limit, asked.values).1), limit))
            .collect();
        for (book, limit) in &reaching {
            if let Some(until) = self.full(book, limit, now) {
                return Err(Refused { until, daily: matches!(limit, Limit::Daily(_)) });
            }
        }
        for (book, limit) in reaching {
            match limit {
                Limit::Points(it) => {
                    let left = self.points_left(&book, it, now);
                    self.points.insert(book, (left - f64::from(COST), now));
                }
                Limit::Concurrency(_) => {}
                _ => self.passed.entry(book).or_default().push_back(now),
            }
        }
        self.under_way += 1;
        Ok(())
    }

    /// A request that was let through is no longer under way.
    pub(super) fn left(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// From when on a limit lets the next through; nothing if it does now.
    fn full(&mut self, book: &Book, limit: &Limit, now: Moment) -> Option<Moment> {
        let span = |duration| TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX);
        let (most, per, aligned) = match limit {
            Limit::Window(it) => (it.requests, span(it.per), true),
            Limit::Sliding(it) => (it.requests, span(it.per), false),
            Limit::Daily(it) => (it.requests, TimeDelta::days(1), true),
            Limit::Usage(_) => (CALLS, TimeDelta::hours(1), false),
            Limit::Headers(_) => (CALLS, TimeDelta::minutes(1), true),
            Limit::Adaptive(it) => (it.most, TimeDelta::seconds(1), false),
            Limit::Bucket(it) => {
                // As many in the time it takes to fill as it holds and is filled with.
                let fills = TimeDelta::milliseconds(1_000 * i64::from(it.capacity) / i64::from(it.per_second));
                (it.capacity.saturating_mul(2), fills.max(TimeDelta::seconds(1)), false)
            }
            Limit::Points(it) => {
                let lacking = f64::from(COST) - self.points_left(book, it, now);
                #[expect(clippy::cast_possible_truncation, reason = "a few seconds in milliseconds")]
                let wait = (lacking / f64::from(it.per_second) * 1_000.0).ceil() as i64;
                return (lacking > 0.0).then(|| now + TimeDelta::milliseconds(wait));
            }
            Limit::Concurrency(it) => {
                return (self.under_way >= it.most).then(|| now + TimeDelta::milliseconds(100));
            }
        };
        let since = if aligned { now.duration_trunc(per).unwrap_or(now) } else { now - per };
        let passed = self.passed.entry(book.clone()).or_default();
        // An aligned span begins with its first moment, the other one after it.
        while passed.front().is_some_and(|time| if aligned { *time < since } else { *time <= since }) {
            passed.pop_front();
        }
        let full = passed.len() >= most as usize;
        full.then(|| if aligned { since + per } else { passed.front().map_or(now, |first| *first + per) })
    }

    fn points_left(&self, book: &Book, points: &Points, now: Moment) -> f64 {
        let capacity = f64::from(points.capacity);
        self.points.get(book).map_or(capacity, |(left, at)| {
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of a test")]
            let seconds = (now - *at).num_milliseconds().max(0) as f64 / 1_000.0;
            (left + seconds * f64::from(points.per_second)).min(capacity)
        })
    }

    /// Says in an answer what the provider would say about its limits.
    pub(super) fn tell(&self, manifest: &Manifest, asked: Asked<'_>, reply: &mut Reply, now: Moment) {
        for (at, limit) in manifest.limits.iter().enumerate().filter(|(_, limit)| reaches(limit, asked)) {
            let book = (at, allowance(limit, asked.values).1);
            match limit {
                Limit::Headers(it) => self.tell_rest(it, &book, reply, now),
                Limit::Usage(it) => self.tell_usage(it, &book, reply, now),
                Limit::Points(it) if reply.body.starts_with(b"{") => {
                    let Ok(mut body) = serde_json::from_slice::<Value>(&reply.body) else { continue };
                    #[expect(clippy::cast_possible_truncation, reason = "at most the capacity")]
                    let left = self.points_left(&book, it, now).floor().max(0.0) as i64;
                    for (path, value) in [(&it.cost, i64::from(COST)), (&it.left, left)] {
                        if let Some(path) = path {
                            path.put(json!(value), &mut body);
                        }
                    }
                    reply.body = body.to_string().into_bytes();
                }
                _ => {}
            }
        }
    }

    fn tell_rest(&self, limit: &HeaderLimit, book: &Book, reply: &mut Reply, now: Moment) {
        let minute = TimeDelta::minutes(1);
        let began = now.duration_trunc(minute).unwrap_or(now);
        let used = self.passed.get(book).map_or(0, |passed| passed.iter().filter(|time| **time >= began).count());
        let ends = began + minute;
        let reset = match limit.reset_is {
            ResetIs::Epoch => ends.timestamp(),
            ResetIs::Seconds => (ends - now).num_seconds() + 1,
        };
        let left = (CALLS as usize).saturating_sub(used);
        let mut say = |name: &http::HeaderName, value: String| reply.headers.push((name.to_string(), value));
        if let Some(name) = &limit.limit {
            say(&name.0, CALLS.to_string());
        }
        say(&limit.remaining.0, left.to_string());
        say(&limit.reset.0, reset.to_string());
    }

    fn tell_usage(&self, limit: &Usage, book: &Book, reply: &mut Reply, now: Moment) {
        let hour = TimeDelta::hours(1);
        let passed = self.passed.get(book);
        let within: Vec<Moment> = passed.into_iter().flatten().copied().filter(|time| *time > now - hour).collect();
        let percent = within.len() * 100 / CALLS as usize;
        let mut body = json!({});
        for field in &limit.fields {
            body[field] = json!(if *field == limit.fields[0] { percent } else { percent / 2 });
        }
        if let (Some(name), Some(first), true) = (&limit.wait_minutes, within.first(), percent >= 100) {
            body[name] = json!((*first + hour - now).num_minutes() + 1);
        }
        reply.headers.extend(limit.headers.first().map(|name| (name.0.to_string(), body.to_string())));
    }
}
