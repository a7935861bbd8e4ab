//! Records out of an answer.
//!
//! A record needs an id. An element without one, or that cannot be transformed, is handed over with the reason, not
//! dropped in silence: it means that the file is wrong about the provider.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, TimeDelta, Utc};
use serde_json::Value;

use super::{
    expression::Document,
    manifest::stream::{Since, Stream, TimeForm},
    mapping::Mapping,
};
use crate::kernel::clock::Moment;

/// Longest id that is kept.
const MAX_ID: usize = 512;

/// A record.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its id at the provider.
    pub id: String,
    /// When it last changed.
    pub updated_at: Option<Moment>,
    /// Whether it is gone.
    pub deleted: bool,
    /// What it says, after the transform.
    pub data: Value,
}

/// What an answer had.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Records {
    /// The records.
    pub records: Vec<Record>,
    /// Elements that are no record.
    pub unfit: Vec<Unfit>,
}

/// An element that cannot be kept as a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Unfit {
    /// Its id, if it has one.
    pub id: Option<String>,
    /// What is wrong with it.
    pub reason: String,
    /// What it says; null if not even that can be told.
    pub data: Value,
}

/// Why there are no records.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRecords {
    /// The answer has no list where the file says.
    #[error("the answer has no records at `{0}`")]
    Missing(String),
}

/// The records of an answer. `categories` is the mapping of the stream's `category`, if it has one.
pub fn records(stream: &Stream, answer: &Document, categories: &Mapping) -> Result<Records, NoRecords> {
    let missing = || NoRecords::Missing(stream.records.as_str().to_owned());
    let found = stream.records.find(answer).map_err(|_| missing())?;
    if found.is_null() {
        return Err(missing());
    }
    let mut records = Records::default();
    for item in stream.records.list(answer).ok_or_else(missing)? {
        let mut unfit = |id, reason| {
            records.unfit.push(Unfit { id, reason, data: item.to_value().unwrap_or(Value::Null) });
        };
        let id = stream.id.text(&item).filter(|id| !id.is_empty());
        // A zero byte is the one letter that PostgreSQL does not keep.
        let Some(id) = id.filter(|id| id.len() <= MAX_ID && !id.contains('\0')) else {
            unfit(None, "it has no id, or none that can be kept".to_owned());
            continue;
        };
        let data = match &stream.transform {
            Some(transform) => transform.value(&item),
            None => item.to_value(),
        };
        let mut data = match data {
            Ok(data) => data,
            Err(reason) => {
                unfit(Some(id), format!("it cannot be transformed: {reason}"));
                continue;
            }
        };
        if let (Some(category), Value::Object(parts)) = (&stream.category, &mut data) {
            let word = category.of.text(&Document::from(Value::Object(parts.clone()))).unwrap_or_default();
            parts.insert("category".to_owned(), categories.of(&word).into());
        }
        records.records.push(Record {
            id,
            updated_at: stream.updated_at.get().and_then(|path| path.text(&item)).and_then(|text| moment(&text)),
            deleted: stream.deleted.as_ref().is_some_and(|condition| condition.holds(&item)),
            data,
        });
    }
    Ok(records)
}

/// A time as providers write it: RFC 3339, the same without a zone (taken as UTC), with a blank for the `T`,
/// a zone such as `+0000`, a day, `/Date(…)/`, or seconds or milliseconds since 1970.
#[must_use]
pub fn moment(text: &str) -> Option<Moment> {
    let text = text.trim();
    if text.len() > 64 {
        return None;
    }
    if let Some(inner) = text.strip_prefix("/Date(").and_then(|rest| rest.strip_suffix(")/")) {
        let digits = inner.split(['+', '-']).find(|part| !part.is_empty())?;
        return DateTime::from_timestamp_millis(digits.parse().ok()?);
    }
    if let Ok(number) = text.parse::<f64>() {
        return epoch(number);
    }
    if let Ok(moment) = DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_rfc2822(text)) {
        return Some(moment.with_timezone(&Utc));
    }
    if let Ok(moment) = DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z") {
        return Some(moment.with_timezone(&Utc));
    }
    let local = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"];
    let local = local.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    local
        .or_else(|| Some(NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_time(NaiveTime::MIN)))
        .map(|local| local.and_utc())
}

/// Seconds since 1970, or milliseconds when seconds would lie beyond the year 5000.
#[expect(clippy::cast_possible_truncation, reason = "the number was checked to lie within the range of dates")]
fn epoch(number: f64) -> Option<Moment> {
    let seconds = if number.abs() >= 95_617_584_000.0 { number / 1_000.0 } else { number };
    (seconds.is_finite() && seconds.abs() < 95_617_584_000.0)
        .then(|| DateTime::from_timestamp_millis((seconds * 1_000.0).round() as i64))
        .flatten()
}

/// The value of `{since}` for what changed after a moment.
#[must_use]
pub fn since(since: &Since, last: Moment) -> String {
    let overlap = TimeDelta::from_std(since.overlap).unwrap_or_default();
    let from = last.checked_sub_signed(overlap).unwrap_or(last);
    match since.form {
        TimeForm::Rfc3339 => from.to_rfc3339_opts(SecondsFormat::Secs, true),
        TimeForm::Date => from.format("%Y-%m-%d").to_string(),
        TimeForm::Seconds => from.timestamp().to_string(),
        TimeForm::Millis => from.timestamp_millis().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_providers_write_them() {
        let expected = "2026-11-21T10:00:00Z".parse::<Moment>().unwrap();
        for text in [
            "2026-11-21T10:00:00Z",
            "2026-11-21T12:00:00+02:00",
            "2026-11-21T10:00:00+0000",
            "2026-11-21T10:00:00",
            "2026-11-21 10:00:00",
            "2026-11-21T10:00:00.000000",
            "Sat, 21 Nov 2026 10:00:00 +0000",
            "1795255200",
            "1795255200000",
            "/Date(1795255200000+0400)/",
            " 2026-11-21T10:00:00Z ",
        ] {
            assert_eq!(moment(text), Some(expected), "{text}");
        }
        assert_eq!(moment("2026-11-21"), "2026-11-21T00:00:00Z".parse().ok());
        for text in ["", "soon", "1e300", "NaN", "/Date(x)/", "9999999999999999999999", "2026-13-41"] {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    #[test]
    fn changes_are_asked_for_with_an_overlap() {
        let last = "2026-11-21T00:05:00Z".parse::<Moment>().unwrap();
        let of = |form| {
            let line = crate::provider::manifest::problem::Line(1);
            since(&Since { line, form, overlap: std::time::Duration::from_mins(10), today: false }, last)
        };
        assert_eq!(of(TimeForm::Rfc3339), "2026-11-20T23:55:00Z");
        assert_eq!(of(TimeForm::Date), "2026-11-20");
        assert_eq!(of(TimeForm::Seconds), "1795218900");
        assert_eq!(of(TimeForm::Millis), "1795218900000");
    }
}
