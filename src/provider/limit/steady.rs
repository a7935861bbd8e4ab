//! Limits that are known beforehand: windows, buckets, how many at once.

use std::{collections::VecDeque, time::Duration};

use chrono::{DurationRound, TimeDelta};
use serde::{Deserialize, Serialize};

use super::Seen;
use crate::{kernel::clock::Moment, provider::manifest::limit};

/// How long a request counts as under way when nobody says that it ended.
const LOST: TimeDelta = TimeDelta::seconds(120);

fn span(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

/// So many in each span. Spans begin at round times, as providers count them: a day at midnight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Window {
    start: Moment,
    used: u32,
}

impl Window {
    pub(super) fn new(now: Moment, per: Duration) -> Self {
        Self { start: now.duration_trunc(span(per)).unwrap_or(now), used: 0 }
    }

    pub(super) fn ready_at(&mut self, requests: u32, per: Duration, now: Moment) -> Moment {
        if now >= self.start + span(per) || now < self.start {
            *self = Self::new(now, per);
        }
        if self.used < requests { now } else { self.start + span(per) }
    }

    pub(super) fn take(&mut self) {
        self.used = self.used.saturating_add(1);
    }
}

/// So many in whatever span one looks at: the times of the last ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Recent {
    times: VecDeque<Moment>,
}

impl Recent {
    pub(super) fn ready_at(&mut self, requests: u32, per: Duration, now: Moment) -> Moment {
        while self.times.front().is_some_and(|time| *time + span(per) <= now) {
            self.times.pop_front();
        }
        let over = self.times.len().checked_sub(requests as usize);
        over.and_then(|over| self.times.get(over)).map_or(now, |time| *time + span(per))
    }

    pub(super) fn take(&mut self, requests: u32, now: Moment) {
        if self.times.len() >= requests as usize {
            self.times.pop_front();
        }
        self.times.push_back(now);
    }
}

/// A bucket that fills steadily, counted in millionths.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Bucket {
    millionths: i64,
    at: Moment,
}

const ONE: i64 = 1_000_000;

impl Bucket {
    pub(super) fn new(capacity: u32, now: Moment) -> Self {
        Self { millionths: i64::from(capacity) * ONE, at: now }
    }

    pub(super) fn ready_at(&mut self, capacity: u32, per_second: u32, cost: u32, now: Moment) -> Moment {
        let full = i64::from(capacity) * ONE;
        let passed = now.signed_duration_since(self.at).num_microseconds().unwrap_or(i64::MAX).max(0);
        self.millionths = self.millionths.saturating_add(passed.saturating_mul(i64::from(per_second))).min(full);
        self.at = now;
        // What costs more than the bucket holds goes when it is full.
        let needed = (i64::from(cost) * ONE).min(full);
        let lacking = needed - self.millionths;
        if lacking <= 0 {
            return now;
        }
        let micros = lacking / i64::from(per_second) + 1;
        now + TimeDelta::microseconds(micros)
    }

    pub(super) fn take(&mut self, cost: u32) {
        self.millionths -= i64::from(cost) * ONE;
    }

    /// Puts right what was assumed, or believes what the answer says is left.
    #[expect(clippy::cast_possible_truncation, reason = "clamped to the range of u32 before")]
    pub(super) fn learn(&mut self, points: &limit::Points, seen: Seen<'_>) {
        let number = |path: &Option<crate::provider::expression::Expression>| {
            let found = path.as_ref()?.find(seen.document?).ok()?;
            found.as_number().map(|number| number.clamp(0.0, f64::from(u32::MAX)) as i64)
        };
        if let Some(cost) = number(&points.cost) {
            self.millionths += (i64::from(points.assumed) - cost) * ONE;
        }
        if let Some(left) = number(&points.left) {
            self.millionths = self.millionths.min(left * ONE);
        }
        self.millionths = self.millionths.min(i64::from(points.capacity) * ONE);
    }
}

/// So many at once: when those under way began.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Crowd {
    begun: VecDeque<Moment>,
}

impl Crowd {
    pub(super) fn ready_at(&mut self, most: u32, now: Moment) -> Moment {
        while self.begun.front().is_some_and(|begun| *begun + LOST <= now) {
            self.begun.pop_front();
        }
        let wait = TimeDelta::milliseconds(50);
        if self.begun.len() < most as usize { now } else { now + wait }
    }

    pub(super) fn take(&mut self, now: Moment) {
        self.begun.push_back(now);
    }

    pub(super) fn release(&mut self) {
        self.begun.pop_front();
    }
}
