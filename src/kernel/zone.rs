//! Days, as the clocks of a time zone tell them.

use chrono::DateTime;
use jiff::{Timestamp, tz::TimeZone};

use super::clock::Moment;

/// When the day began, by the clocks of an IANA time zone; by UTC if there is no such zone. Where midnight was skipped
/// it began after the gap.
#[must_use]
pub fn start_of_day(now: Moment, zone: &str) -> Moment {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    let local = Timestamp::from_microsecond(now.timestamp_micros()).ok().map(|moment| moment.to_zoned(zone));
    let start = local.and_then(|local| local.start_of_day().ok());
    start.and_then(|start| DateTime::from_timestamp_micros(start.timestamp().as_microsecond())).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_when_the_clocks_of_the_zone_say_so() {
        for (now, zone, start) in [
            ("2026-11-21T10:00:00Z", "UTC", "2026-11-21T00:00:00Z"),
            ("2026-11-21T22:30:00Z", "Asia/Dubai", "2026-11-21T20:00:00Z"),
            ("2026-11-21T02:30:00Z", "America/New_York", "2026-11-20T05:00:00Z"),
            ("2026-06-21T23:30:00Z", "Europe/London", "2026-06-21T23:00:00Z"),
            // Clocks went from 23:59:59 to 01:00.
            ("2026-04-24T12:00:00Z", "Africa/Cairo", "2026-04-23T22:00:00Z"),
            ("2026-11-21T10:00:00Z", "Europe/Atlantis", "2026-11-21T00:00:00Z"),
        ] {
            assert_eq!(start_of_day(now.parse().unwrap(), zone), start.parse::<Moment>().unwrap(), "{now} {zone}");
        }
    }
}
