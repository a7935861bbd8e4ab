//! Limits that answers tell of, and a pace that is found by trying.

use chrono::{DateTime, TimeDelta};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    kernel::clock::Moment,
    provider::{
        classify::text,
        manifest::limit::{Adaptive, HeaderLimit, ResetIs, Usage},
    },
};

/// Largest header that is read as JSON.
const MAX_HEADER: usize = 16 * 1024;
/// How long a percentage counts when no time is given.
const FRESH: TimeDelta = TimeDelta::minutes(5);
/// Furthest moment that is believed.
const FURTHEST: TimeDelta = TimeDelta::hours(24);

/// How much is used, in percent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Percent {
    used: f64,
    until: Option<Moment>,
    last: Option<Moment>,
}

impl Percent {
    pub(super) fn ready_at(&mut self, usage: &Usage, now: Moment) -> Moment {
        let Some(until) = self.until.filter(|until| *until > now) else {
            self.used = 0.0;
            return now;
        };
        if self.used >= f64::from(usage.stop_at) {
            return until;
        }
        if self.used < f64::from(usage.slow_at) {
            return now;
        }
        // From slow to stop the distance between two requests grows from nothing to five seconds.
        let width = f64::from(usage.stop_at.saturating_sub(usage.slow_at).max(1));
        let share = (self.used - f64::from(usage.slow_at)) / width;
        #[expect(clippy::cast_possible_truncation, reason = "a share is between 0 and 1")]
        let apart = TimeDelta::milliseconds((share * 5_000.0) as i64);
        self.last.map_or(now, |last| (last + apart).max(now))
    }

    pub(super) fn take(&mut self, now: Moment) {
        self.last = Some(now);
    }

    pub(super) fn learn(&mut self, usage: &Usage, headers: &HeaderMap, now: Moment) {
        let mut used: Option<f64> = None;
        let mut minutes: f64 = 0.0;
        for name in &usage.headers {
            let Some(header) = text(headers, name.0.as_str()).filter(|header| header.len() <= MAX_HEADER) else {
                continue;
            };
            let Ok(value) = serde_json::from_str::<Value>(&header) else { continue };
            if let Some(number) = value.as_f64() {
                used = Some(used.map_or(number, |used| used.max(number)));
            }
            walk(&value, &mut |name, number| {
                if usage.fields.iter().any(|field| field == name) {
                    used = Some(used.unwrap_or(0.0).max(number));
                }
                if usage.wait_minutes.as_deref() == Some(name) {
                    minutes = minutes.max(number);
                }
            });
        }
        let Some(used) = used.filter(|used| used.is_finite()) else { return };
        self.used = used;
        #[expect(clippy::cast_possible_truncation, reason = "clamped to a day before")]
        let wait = TimeDelta::minutes(minutes.clamp(0.0, 1_440.0) as i64);
        self.until = Some(now + if wait > TimeDelta::zero() { wait } else { FRESH });
    }
}

/// Every number that stands under a name, however deep. The depth is bounded by the parser.
fn walk(value: &Value, found: &mut impl FnMut(&str, f64)) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                if let Some(number) = inner.as_f64() {
                    found(name, number);
                }
                walk(inner, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
        _ => {}
    }
}

/// How many are left until when.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Rest {
    left: u32,
    until: Option<Moment>,
}

impl Rest {
    pub(super) fn ready_at(&mut self, now: Moment) -> Moment {
        match self.until {
            Some(until) if until > now && self.left == 0 => until,
            Some(until) if until > now => now,
            _ => {
                self.until = None;
                now
            }
        }
    }

    pub(super) fn take(&mut self) {
        self.left = self.left.saturating_sub(1);
    }

    pub(super) fn learn(&mut self, remaining: &HeaderLimit, headers: &HeaderMap, now: Moment) {
        let number = |name: &str| text(headers, name)?.trim().parse::<i64>().ok().filter(|number| *number >= 0);
        let (Some(left), Some(reset)) = (number(remaining.remaining.0.as_str()), number(remaining.reset.0.as_str()))
        else {
            return;
        };
        let until = match remaining.reset_is {
            ResetIs::Epoch => DateTime::from_timestamp(reset, 0),
            ResetIs::Seconds => now.checked_add_signed(TimeDelta::seconds(reset.min(86_400))),
        };
        self.left = u32::try_from(left).unwrap_or(u32::MAX);
        self.until = until.map(|until| until.min(now + FURTHEST)).filter(|until| *until > now);
    }
}

/// A pace in thousandths of a request per second: halved by a refusal, a little faster after each success.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Pace {
    thousandths: u32,
    next: Moment,
}

/// Slowest pace: one request in ten seconds.
const SLOWEST: u32 = 100;

impl Pace {
    pub(super) fn new(start: u32, now: Moment) -> Self {
        Self { thousandths: start.saturating_mul(1_000), next: now }
    }

    pub(super) fn ready_at(&mut self, now: Moment) -> Moment {
        self.next = self.next.max(now);
        self.next
    }

    pub(super) fn take(&mut self) {
        // Rounded up: of three in a second the next one must not come too early.
        let apart = 1_000_000_000_u32.div_ceil(self.thousandths.max(SLOWEST));
        self.next += TimeDelta::microseconds(apart.into());
    }

    pub(super) fn learn(&mut self, adaptive: &Adaptive, throttled: bool) {
        self.thousandths = if throttled {
            (self.thousandths / 2).max(SLOWEST)
        } else {
            self.thousandths.saturating_add(50).min(adaptive.most.saturating_mul(1_000))
        };
    }
}
