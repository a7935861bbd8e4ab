//! How often a stream is read: as somebody chose for it, else as its integration says, else as the provider's file.

use serde::{Deserialize, Serialize};

use super::SyncStream;
use crate::{
    domain::{integration::Integration, job::queue},
    kernel::{
        clock::Moment,
        error::{Error, Result},
        rhythm::Rhythm,
    },
    provider::manifest::stream::{Schedule, Stream},
};

/// How often a stream is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Plan {
    /// In the word of the provider's file: `real_time`, `every_15_minutes`, `hourly`, `daily`.
    Often(String),
    /// By a pattern in a time zone.
    Cron {
        /// The pattern.
        pattern: String,
        /// The zone.
        zone: String,
    },
}

const MINUTE: u32 = 60;

fn named(word: &str) -> Option<Schedule> {
    Schedule::ALL.iter().copied().find(|schedule| schedule.as_str() == word)
}

impl Plan {
    /// The plan, if it is one.
    pub fn checked(self, now: Moment) -> Result<Self> {
        match &self {
            Self::Often(word) if named(word).is_none() => {
                Err(Error::invalid("schedule.frequency", format!("there is no frequency {word:?}")))
            }
            Self::Often(_) => Ok(self),
            Self::Cron { pattern, zone } => match Rhythm::cron(pattern, zone, now) {
                Ok(_) => Ok(self),
                Err(reason) => Err(Error::invalid("schedule.cron", reason)),
            },
        }
    }

    /// When that is.
    #[must_use]
    pub fn rhythm(&self) -> Option<Rhythm> {
        let (seconds, jitter) = match self {
            Self::Cron { pattern, zone } => {
                return Some(Rhythm::Cron { pattern: pattern.clone(), zone: zone.clone() });
            }
            Self::Often(word) => match named(word)? {
                // What webhooks do not tell, the sweep finds.
                Schedule::RealTime | Schedule::Quarterly => (15 * MINUTE, MINUTE),
                Schedule::Hourly => (60 * MINUTE, 5 * MINUTE),
                Schedule::Daily => (24 * 60 * MINUTE, 30 * MINUTE),
            },
        };
        Some(Rhythm::Every { seconds, jitter })
    }
}

/// What somebody chose for a stream; the reason if that can no longer be read.
pub fn chosen(row: Option<&SyncStream>, now: Moment) -> Result<Option<Plan>, String> {
    let Some(kept) = row.and_then(|row| row.plan.as_ref()) else { return Ok(None) };
    let plan = Plan::deserialize(kept).map_err(|error| error.to_string())?;
    plan.checked(now).map(Some).map_err(|error| queue::reason_of(&error))
}

/// What counts for a stream; the reason if that can no longer be read. It is then not read by schedule: the usual
/// schedule is not what somebody chose.
pub fn of(integration: &Integration, own: &Stream, row: Option<&SyncStream>, now: Moment) -> Result<Plan, String> {
    let usual = || integration.sync_frequency.clone().unwrap_or_else(|| own.schedule.as_str().to_owned());
    if let Some(plan) = chosen(row, now)? {
        return Ok(plan);
    }
    Plan::Often(usual()).checked(now).map_err(|error| queue::reason_of(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_files_is_a_rhythm_and_nothing_else_is() {
        for word in ["real_time", "every_15_minutes", "hourly", "daily"] {
            assert!(Plan::Often(word.to_owned()).rhythm().is_some(), "{word}");
        }
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        assert!(Plan::Often("sometimes".to_owned()).checked(now).is_err());
        let cron = |pattern: &str, zone: &str| Plan::Cron { pattern: pattern.to_owned(), zone: zone.to_owned() };
        assert!(cron("30 2 * * *", "Europe/Berlin").checked(now).is_ok());
        assert!(cron("30 2 * * *", "Europe/Atlantis").checked(now).is_err());
    }
}
