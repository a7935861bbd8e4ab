//! Durations and sizes, written with their unit.
//!
//! A bare `30` could be seconds or milliseconds, so a duration must say which. A bare `65536` can
//! only be bytes, so a size need not. Units of size are the binary ones; `1MB` is refused rather
//! than guessed at. Fractions are not taken: `1500ms`, not `1.5s`.

use std::time::Duration;

use super::value::{Kind, Value};
use crate::kernel::measure::{SIZES, duration, parse, show, show_duration};

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(usize);

impl Size {
    /// As a number.
    pub const fn bytes(self) -> usize {
        self.0
    }
}

impl Value for Duration {
    const KIND: Kind = Kind::Duration;

    fn parse(text: &str) -> Result<Self, String> {
        duration(text)
    }

    fn show(&self) -> String {
        show_duration(*self)
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
