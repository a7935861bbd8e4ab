//! When something is due, again and again: at a fixed interval, or as a cron pattern says in a time zone.
//!
//! A rhythm is pure: given when it was due last and what time it is, it says when it is due next. What was missed
//! meanwhile (nobody ran, the clock was set forward) is one tick, not many.
//!
//! **When clocks change.** A pattern that names an hour is a time of day: if that time is skipped in spring, it is
//! due at the first moment after the gap, and if it comes twice in autumn, the first time only. A pattern that
//! takes every hour (`*` or a range) follows the hours that really pass: none is invented and none is left out.
//!
//! **Intervals** keep to their grid, however late a tick was noticed. Their jitter delays the work of a tick and
//! never moves the grid, so that ten thousand things with one interval do not start together.
//!
//! Why `croner`: it is kept well, counts the way cron does, has the rules above (tested by itself and here), and
//! speaks the time library that we have.

use std::str::FromStr;

use chrono::{DateTime, TimeDelta};
use croner::Cron;
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

use super::{chance::Chance, clock::Moment, retry};

/// When something is due, again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Rhythm {
    /// At a fixed interval.
    Every {
        /// From tick to tick.
        seconds: u32,
        /// Work of a tick begins up to so much later.
        #[serde(default)]
        jitter: u32,
    },
    /// As a pattern says.
    Cron {
        /// Minute, hour, day, month, day of the week; seconds before them, if wished.
        pattern: String,
        /// The zone whose clocks count.
        zone: String,
    },
}

impl Rhythm {
    /// Every so many seconds, begun up to `jitter` seconds later.
    pub fn every(seconds: u32, jitter: u32) -> Result<Self, String> {
        match seconds {
            0 => Err("an interval has at least one second".to_owned()),
            _ if jitter >= seconds => Err("the jitter must be shorter than the interval".to_owned()),
            _ => Ok(Self::Every { seconds, jitter }),
        }
    }

    /// By a cron pattern in an IANA time zone. `now` tells patterns that are never due again.
    pub fn cron(pattern: &str, zone: &str, now: Moment) -> Result<Self, String> {
        let pattern = pattern.trim();
        if pattern.len() > 200 {
            return Err("a cron pattern has at most 200 characters".to_owned());
        }
        Cron::from_str(pattern).map_err(|error| format!("this is not a cron pattern: {error}"))?;
        TimeZone::get(zone).map_err(|_| format!("there is no time zone {zone:?}; use an IANA name"))?;
        let rhythm = Self::Cron { pattern: pattern.to_owned(), zone: zone.to_owned() };
        match rhythm.next(now, now) {
            Some(_) => Ok(rhythm),
            None => Err("this pattern is never due".to_owned()),
        }
    }

    /// The first tick after both moments; `last` is when it was due last, or when it began. Nothing, if there is none.
    #[must_use]
    pub fn next(&self, last: Moment, now: Moment) -> Option<Moment> {
        match self {
            Self::Every { seconds, .. } => {
                let interval = i64::from(*seconds).max(1) * 1_000_000;
                let passed = (now - last).num_microseconds()?.max(0);
                last.checked_add_signed(TimeDelta::microseconds((passed / interval + 1).checked_mul(interval)?))
            }
            Self::Cron { pattern, zone } => {
                let (cron, zone) = (Cron::from_str(pattern).ok()?, TimeZone::get(zone).ok()?);
                let after = Timestamp::from_microsecond(last.max(now).timestamp_micros()).ok()?.to_zoned(zone);
                let next = cron.find_next_occurrence(&after, false).ok()?;
                DateTime::from_timestamp_micros(next.timestamp().as_microsecond())
            }
        }
    }

    /// The last moment for which the next tick can be planned at `now`. Nothing, if there is no next tick.
    #[must_use]
    pub fn latest(&self, now: Moment) -> Option<Moment> {
        match self {
            Self::Every { seconds, .. } => now.checked_add_signed(TimeDelta::seconds(i64::from(*seconds).max(1))),
            Self::Cron { .. } => self.next(now, now),
        }
    }

    /// The next tick after `now`, for one that was planned for later than it can be. The grid of an interval stays.
    #[must_use]
    pub fn sooner(&self, planned: Moment, now: Moment) -> Option<Moment> {
        match self {
            Self::Every { seconds, .. } => {
                let interval = i64::from(*seconds).max(1) * 1_000_000;
                let ahead = (planned - now).num_microseconds()?;
                let rest = ahead.rem_euclid(interval);
                now.checked_add_signed(TimeDelta::microseconds(if rest == 0 { interval } else { rest }))
            }
            Self::Cron { .. } => self.next(now, now),
        }
    }

    /// How much later than planned the work of a tick begins.
    pub fn delay(&self, chance: &dyn Chance) -> TimeDelta {
        match self {
            Self::Every { jitter, .. } => TimeDelta::milliseconds(retry::up_to(i64::from(*jitter) * 1_000, chance)),
            Self::Cron { .. } => TimeDelta::zero(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::kernel::chance::SeededChance;

    fn at(text: &str) -> Moment {
        text.parse().unwrap()
    }

    /// The ticks from a moment on, in UTC.
    fn ticks(pattern: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let mut now = at(from);
        let rhythm = Rhythm::cron(pattern, zone, now).unwrap();
        let mut ticks = Vec::new();
        for _ in 0..count {
            now = rhythm.next(now, now).unwrap();
            ticks.push(now.format("%m-%dT%H:%M").to_string());
        }
        ticks
    }

    #[test]
    fn an_interval_keeps_to_its_grid_and_what_was_missed_is_one_tick() {
        let rhythm = Rhythm::every(60, 0).unwrap();
        let last = at("2026-01-01T00:00:00Z");
        assert_eq!(rhythm.next(last, last), Some(at("2026-01-01T00:01:00Z")));
        assert_eq!(rhythm.next(last, at("2026-01-01T00:01:00.5Z")), Some(at("2026-01-01T00:02:00Z")));
        assert_eq!(rhythm.next(last, at("2026-01-02T10:30:30Z")), Some(at("2026-01-02T10:31:00Z")), "a day was missed");
        assert_eq!(rhythm.next(last, at("2025-12-31T23:00:00Z")), Some(at("2026-01-01T00:01:00Z")), "a clock set back");
    }

    #[test]
    fn a_tick_that_is_planned_too_late_comes_at_the_next_place_of_the_grid() {
        let now = at("2026-01-01T00:00:30Z");
        let interval = Rhythm::every(3_600, 0).unwrap();
        assert_eq!(interval.latest(now), Some(at("2026-01-01T01:00:30Z")));
        let planned = at("2027-02-05T07:15:00Z");
        assert_eq!(interval.sooner(planned, now), Some(at("2026-01-01T00:15:00Z")));
        assert_eq!(interval.sooner(at("2027-02-05T07:00:30Z"), now), Some(at("2026-01-01T01:00:30Z")));
        let daily = Rhythm::cron("0 2 * * *", "UTC", now).unwrap();
        assert_eq!(daily.latest(now), Some(at("2026-01-01T02:00:00Z")));
        assert_eq!(daily.sooner(planned, now), Some(at("2026-01-01T02:00:00Z")));
    }

    #[test]
    fn jitter_delays_by_less_than_it_says_and_differs() {
        let (rhythm, chance) = (Rhythm::every(60, 12).unwrap(), SeededChance::new(3));
        let delays: Vec<_> = (0..100).map(|_| rhythm.delay(&chance)).collect();
        let (least, most) = (delays.iter().min().unwrap(), delays.iter().max().unwrap());
        assert!(
            *least >= TimeDelta::zero() && *most <= TimeDelta::seconds(12) && *most - *least > TimeDelta::seconds(6)
        );
    }

    #[test]
    fn a_time_of_day_that_is_skipped_is_due_right_after_the_gap() {
        // Berlin goes from 02:00 to 03:00 on 29 March 2026, which is 01:00 UTC.
        let ticks = ticks("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", 4);
        assert_eq!(ticks, ["03-28T01:30", "03-29T01:00", "03-30T00:30", "03-31T00:30"]);
    }

    #[test]
    fn a_time_of_day_that_comes_twice_is_due_the_first_time_only() {
        // Berlin goes from 03:00 back to 02:00 on 25 October 2026, which is 01:00 UTC.
        let ticks = ticks("30 2 * * *", "Europe/Berlin", "2026-10-23T12:00:00Z", 4);
        assert_eq!(ticks, ["10-24T00:30", "10-25T00:30", "10-26T01:30", "10-27T01:30"]);
    }

    #[test]
    fn every_hour_is_every_hour_that_passes() {
        let spring = ticks("0 * * * *", "Europe/Berlin", "2026-03-28T23:30:00Z", 4);
        assert_eq!(spring, ["03-29T00:00", "03-29T01:00", "03-29T02:00", "03-29T03:00"]);
        let autumn = ticks("0 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z", 4);
        assert_eq!(autumn, ["10-25T00:00", "10-25T01:00", "10-25T02:00", "10-25T03:00"]);
        let quarters = ticks("*/15 * * * *", "America/New_York", "2026-11-01T05:50:00Z", 4);
        assert_eq!(quarters, ["11-01T06:00", "11-01T06:15", "11-01T06:30", "11-01T06:45"]);
    }

    #[test]
    fn a_zone_counts_and_one_without_changes_too() {
        assert_eq!(ticks("0 9 * * 1-5", "Asia/Dubai", "2026-01-02T12:00:00Z", 2), ["01-05T05:00", "01-06T05:00"]);
        assert_eq!(ticks("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", 1), ["02-29T00:00"]);
    }

    #[test]
    fn what_is_no_rhythm_is_refused_in_words_and_soon() {
        let now = at("2026-01-01T00:00:00Z");
        let begun = Instant::now();
        for (pattern, zone, expected) in [
            ("", "UTC", "not a cron pattern"),
            ("60 * * * *", "UTC", "not a cron pattern"),
            ("* * * *", "UTC", "not a cron pattern"),
            ("0 0 30 2 *", "UTC", "never due"),
            ("0 0 * * *", "Europe/Atlantis", "no time zone"),
            (&"*".repeat(300), "UTC", "at most 200"),
        ] {
            let refused = Rhythm::cron(pattern, zone, now).unwrap_err();
            assert!(refused.contains(expected), "{pattern:?}: {refused}");
        }
        assert!(begun.elapsed().as_secs() < 10, "a pattern that is never due is told in {:?}", begun.elapsed());
        assert!(Rhythm::every(0, 0).is_err());
        assert!(Rhythm::every(60, 60).is_err());
    }

    #[test]
    fn it_is_kept_as_text_and_read_back() {
        for rhythm in [
            Rhythm::every(60, 12).unwrap(),
            Rhythm::cron("30 2 * * *", "Europe/Berlin", at("2026-01-01T00:00:00Z")).unwrap(),
        ] {
            let text = serde_json::to_string(&rhythm).unwrap();
            assert_eq!(serde_json::from_str::<Rhythm>(&text).unwrap(), rhythm, "{text}");
        }
    }
}
