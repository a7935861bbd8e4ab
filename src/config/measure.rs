//! Durations and sizes, written with their unit.
//!
//! A bare `30` could be seconds or milliseconds, so a duration must say which. A bare `65536` can
//! only be bytes, so a size need not. Units of size are the binary ones; `1MB` is refused rather
//! than guessed at. Fractions are not taken: `1500ms`, not `1.5s`.

use std::time::Duration;

use super::value::{Kind, Value, quoted};

/// Units of time with their milliseconds, largest first.
const TIMES: &[(&str, u64)] = &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Units of size with their bytes, largest first; the last one is the bare number.
const SIZES: &[(&str, u64)] = &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(usize);

impl Size {
    /// As a number.
    pub const fn bytes(self) -> usize {
        self.0
    }
}

/// The amount a text stands for, in the smallest of the units.
fn parse(text: &str, units: &[(&str, u64)]) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err("it does not begin with a whole number".to_owned());
    }
    let Some(&(_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        return Err(match unit {
            "" => "the unit is missing".to_owned(),
            _ => format!("there is no unit {} here", quoted(unit)),
        });
    };
    number.parse().ok().and_then(|number: u64| number.checked_mul(factor)).ok_or_else(|| "it is too large".to_owned())
}

/// The amount in the largest unit that leaves no rest.
fn show(amount: u64, units: &[(&str, u64)]) -> String {
    let fitting = units.iter().find(|(_, factor)| amount != 0 && amount.is_multiple_of(*factor));
    match fitting.or(units.last()) {
        Some((name, factor)) => format!("{}{name}", amount / factor),
        None => amount.to_string(),
    }
}

impl Value for Duration {
    const KIND: Kind = Kind::Duration;

    fn parse(text: &str) -> Result<Self, String> {
        parse(text, TIMES).map(Self::from_millis)
    }

    fn show(&self) -> String {
        show(u64::try_from(self.as_millis()).unwrap_or(u64::MAX), TIMES)
    }

    fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }
}

impl Value for Size {
    const KIND: Kind = Kind::Size;

    fn parse(text: &str) -> Result<Self, String> {
        let bytes = parse(text, SIZES)?;
        usize::try_from(bytes).map(Self).map_err(|_| "it is too large".to_owned())
    }

    fn show(&self) -> String {
        show(u64::try_from(self.0).unwrap_or(u64::MAX), SIZES)
    }

    fn is_zero(&self) -> bool {
        self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read_and_shown_again() {
        for text in ["250ms", "30s", "5m", "12h", "7d"] {
            assert_eq!(Duration::parse(text).map(|value| value.show()), Ok(text.to_owned()));
        }
        for text in ["100", "32KiB", "1MiB", "2GiB"] {
            assert_eq!(Size::parse(text).map(|value| value.show()), Ok(text.to_owned()));
        }
        assert_eq!(Size::parse("32KiB").map(Size::bytes), Ok(32 * 1024));
        assert_eq!(Duration::ZERO.show(), "0ms");
    }

    #[test]
    fn a_duration_without_a_unit_is_refused() {
        assert_eq!(Duration::parse("30"), Err("the unit is missing".to_owned()));
    }

    #[test]
    fn a_unit_that_could_mean_two_things_is_refused() {
        assert!(Size::parse("1MB").is_err());
        assert!(Size::parse("1.5MiB").is_err());
        assert!(Duration::parse("-1s").is_err());
    }

    #[test]
    fn an_amount_beyond_the_type_is_too_large() {
        assert_eq!(Duration::parse("99999999999999999d"), Err("it is too large".to_owned()));
        assert_eq!(Size::parse("99999999999999999999"), Err("it is too large".to_owned()));
    }
}
