//! Pages of lists: what was asked for and what was found.
//!
//! Lists are read by keyset, never by offset: page 10,000 costs what page 1 costs, and rows that come
//! or go while somebody turns pages are neither shown twice nor passed over.

use super::{cursor::Cursor, error::Error, error::Result};

/// Bounds on the size of a page.
#[derive(Clone, Copy, Debug)]
pub struct PageBounds {
    /// Taken when the caller names no size.
    pub default: u32,
    /// The most a caller may ask for.
    pub max: u32,
}

/// Which way from the cursor, and how far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageArgs {
    /// Start after this row.
    pub after: Option<Cursor>,
    /// End before this row.
    pub before: Option<Cursor>,
    /// How many rows at most.
    pub size: u32,
    /// Count from the end of the list instead of its beginning.
    pub backward: bool,
}

impl PageArgs {
    /// Checks the four arguments of a Relay connection.
    pub fn new(
        bounds: PageBounds,
        after: Option<String>,
        before: Option<String>,
        first: Option<i32>,
        last: Option<i32>,
    ) -> Result<Self> {
        let (size, backward, name) = match (first, last) {
            (Some(_), Some(_)) => {
                return Err(Error::invalid("first", "give either first or last, not both"));
            }
            (Some(size), None) => (size, false, "first"),
            (None, Some(size)) => (size, true, "last"),
            (None, None) => (i32::try_from(bounds.default).unwrap_or(i32::MAX), false, "first"),
        };
        match u32::try_from(size) {
            Ok(size) if size <= bounds.max => {
                Ok(Self { after: after.map(Cursor), before: before.map(Cursor), size, backward })
            }
            _ => Err(Error::invalid(
                name,
                format!("a page has between 0 and {} rows; {size} were asked for", bounds.max),
            )),
        }
    }
}

/// One page.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows, in list order, each with its own cursor.
    pub rows: Vec<(Cursor, T)>,
    /// Whether there are rows before the first one here.
    pub has_previous: bool,
    /// Whether there are rows after the last one here.
    pub has_next: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: PageBounds = PageBounds { default: 25, max: 100 };

    #[test]
    fn a_page_has_a_default_size_and_a_maximum() {
        assert_eq!(PageArgs::new(BOUNDS, None, None, None, None).unwrap().size, 25);
        assert_eq!(PageArgs::new(BOUNDS, None, None, Some(100), None).unwrap().size, 100);
        assert!(PageArgs::new(BOUNDS, None, None, Some(101), None).is_err());
        assert!(PageArgs::new(BOUNDS, None, None, Some(-1), None).is_err());
    }

    #[test]
    fn a_page_is_counted_from_one_end_only() {
        assert!(PageArgs::new(BOUNDS, None, None, Some(1), Some(1)).is_err());
        assert!(PageArgs::new(BOUNDS, None, None, None, Some(1)).unwrap().backward);
    }
}
