//! Amounts written with their unit: `30s`, `32KiB`.

use std::time::Duration;

/// Longer words are no units.
const LONGEST_UNIT: usize = 16;

/// Units of time with their milliseconds, largest first.
pub const TIMES: &[(&str, u64)] = &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Units of size with their bytes, largest first; the last one is the bare number.
pub const SIZES: &[(&str, u64)] = &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];

/// The amount a text stands for, in the smallest of the units.
pub fn parse(text: &str, units: &[(&str, u64)]) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err("it does not begin with a whole number".to_owned());
    }
    let Some(&(_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        return Err(match unit {
            "" => "the unit is missing".to_owned(),
            // What is longer than any unit may be a secret that slipped in, and is not repeated.
            long if long.len() > LONGEST_UNIT => "there is no such unit here".to_owned(),
            _ => format!("there is no unit {unit:?} here"),
        });
    };
    number.parse().ok().and_then(|number: u64| number.checked_mul(factor)).ok_or_else(|| "it is too large".to_owned())
}

/// The amount in the largest unit that leaves no rest.
pub fn show(amount: u64, units: &[(&str, u64)]) -> String {
    let fitting = units.iter().find(|(_, factor)| amount != 0 && amount.is_multiple_of(*factor));
    match fitting.or(units.last()) {
        Some((name, factor)) => format!("{}{name}", amount / factor),
        None => amount.to_string(),
    }
}

/// A duration such as `30s`.
pub fn duration(text: &str) -> Result<Duration, String> {
    parse(text, TIMES).map(Duration::from_millis)
}

/// A duration as it is written.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    show(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), TIMES)
}
