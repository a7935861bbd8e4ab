//! A text that must not leave the process by accident.
//!
//! Secrets come in through settings and forms and go out through exactly one door, [`Secret::expose`],
//! which makes every use easy to find. There is no `Display` and no `Serialize`; `Debug` prints a mark,
//! so a struct that holds a secret can still be logged. The bytes are wiped when the last copy drops.
//!
//! Not promised: that no other copy exists. Whoever made the `String` may have left one behind, and
//! the operating system keeps the environment readable for the life of the process.

use std::fmt;

use zeroize::Zeroizing;

/// A text that is neither printed nor serialised, and wiped after use.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The text itself, for the one call that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_show_the_text() {
        let secret = Secret::from("hunter2".to_owned());
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_eq!(secret.expose(), "hunter2");
    }
}
