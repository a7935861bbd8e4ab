//! Opaque positions in lists.
//!
//! A cursor holds a version, the name of the list and the sort key of a row, so that a cursor taken
//! from one list is refused by another instead of silently meaning something else there.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};

use super::error::{Error, Result};

/// The form in which cursors are written today; older forms stay readable when this changes.
const VERSION: u8 = 1;

/// Longer texts are not looked at.
const LONGEST: usize = 1024;

/// A position as clients hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub String);

impl Cursor {
    /// The position of the row with that key in that list.
    pub fn encode<K: Serialize>(list: &str, key: &K) -> Result<Self> {
        let bytes = serde_json::to_vec(&(VERSION, list, key))
            .map_err(|error| Error::Internal("a cursor could not be written", error.into()))?;
        Ok(Self(BASE64_URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The key, provided the cursor was made by that list.
    pub fn decode<K: DeserializeOwned>(&self, list: &str, argument: &'static str) -> Result<K> {
        let read = || {
            if self.0.len() > LONGEST {
                return None;
            }
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(&self.0).ok()?;
            let (version, from, key): (u8, String, K) = serde_json::from_slice(&bytes).ok()?;
            (version == VERSION && from == list).then_some(key)
        };
        read().ok_or_else(|| Error::invalid(argument, "this cursor does not come from this list"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_only_taken_by_the_list_that_gave_it() {
        let cursor = Cursor::encode("users", &(1, "a")).unwrap();
        assert_eq!(cursor.decode::<(i32, String)>("users", "after").unwrap(), (1, "a".to_owned()));
        assert!(cursor.decode::<(i32, String)>("tokens", "after").is_err());
    }

    #[test]
    fn nonsense_is_refused_with_the_name_of_the_argument() {
        for text in ["", "!", "e30", "WzEsInVzZXJzIiwxXQ", &"A".repeat(5000)] {
            let Err(Error::Refused(issues)) = Cursor(text.to_owned()).decode::<(i32, String)>("users", "before") else {
                panic!("{text:.20} was taken");
            };
            assert_eq!(issues[0].path, ["before"]);
        }
    }
}
