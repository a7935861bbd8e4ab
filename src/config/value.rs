//! What a setting can hold, and how it is written.
//!
//! Every source hands over text: the environment and flags by nature, the file because its numbers
//! and booleans are turned into text first. So each type has one parser, and a duration means the
//! same wherever it is written. [`Value::show`] writes a value the way [`Value::parse`] reads it.
//!
//! An empty text is a value, not an absence: it unsets an optional setting, empties a list, and is
//! refused by everything else.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use crate::kernel::{network::Place, secret::Secret};

/// What stands in place of a secret wherever settings are shown.
pub const REDACTED: &str = "********";

/// Nothing that is repeated in a message is longer.
const LONGEST: usize = 40;

/// A text as messages repeat it. A user before an address, and what is longer than anything that belongs there,
/// may be a secret that slipped in, and is not repeated.
pub(super) fn quoted(text: &str) -> String {
    let host = text.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?.1)));
    let text = host.map_or_else(|| text.to_owned(), |(scheme, host)| format!("{scheme}://…@{host}"));
    match text.chars().count() {
        length if length > LONGEST => format!("this text of {length} characters"),
        _ => format!("{text:?}"),
    }
}

/// A type that a setting can have.
pub trait Value: Sized {
    /// What may be written, for messages and references.
    const KIND: Kind;
    /// Whether the empty text means "unset".
    const OPTIONAL: bool = false;

    /// Reads the text, or says what is wrong with it.
    fn parse(text: &str) -> Result<Self, String>;

    /// Writes the value as it would be read; a secret writes [`REDACTED`].
    fn show(&self) -> String;

    /// Whether this is nothing at all: a bound of zero is almost always a slip.
    fn is_zero(&self) -> bool {
        false
    }
}

/// The kinds of text that settings take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Number,
    /// A number with a unit of time.
    Duration,
    /// A number of bytes, or one with a unit.
    Size,
    /// IP address and port.
    Socket,
    /// IP address.
    Ip,
    /// File or folder.
    Path,
    /// Absolute web address.
    Url,
    /// Scheme, host and port of a web address.
    Origin,
    /// Network, address or host.
    Place,
    /// Text that is never shown.
    Secret,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A value for something that has a name.
    Named(&'static Kind),
    /// Several, separated by commas.
    List(&'static Kind),
}

impl Kind {
    /// What should have been written, to end the sentence "expected …".
    pub fn expected(self) -> String {
        match self {
            Self::Text => "a text".to_owned(),
            Self::Bool => "true or false".to_owned(),
            Self::Number => "a whole number".to_owned(),
            Self::Duration => "a duration such as 250ms, 30s, 5m, 12h or 7d".to_owned(),
            Self::Size => "a size such as 32KiB, 1MiB or a number of bytes".to_owned(),
            Self::Socket => "an address and port such as 127.0.0.1:8080".to_owned(),
            Self::Ip => "an IP address such as 10.0.0.1".to_owned(),
            Self::Path => "a path".to_owned(),
            Self::Url => "a URL such as https://hub.example.com".to_owned(),
            Self::Origin => "an origin such as https://app.example.com".to_owned(),
            Self::Place => "a network, an address or a host such as 10.0.0.0/8, [::1]:8443 or idp.corp:8443".to_owned(),
            Self::Secret => "a secret".to_owned(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Named(&item) => format!("NAME= and {}", item.expected()),
            Self::List(&item) => format!("a list, separated by commas, of: {}", item.expected()),
        }
    }

    /// The word that stands for the value in `--help`.
    pub const fn placeholder(self) -> &'static str {
        match self {
            Self::Text => "TEXT",
            Self::Bool => "BOOL",
            Self::Number => "N",
            Self::Duration => "DURATION",
            Self::Size => "SIZE",
            Self::Socket => "ADDRESS",
            Self::Ip => "IP",
            Self::Path | Self::Secret => "PATH",
            Self::Url => "URL",
            Self::Origin => "ORIGIN",
            Self::Place => "PLACE",
            Self::Choice(_) => "CHOICE",
            Self::Named(_) => "NAME=VALUE",
            Self::List(_) => "LIST",
        }
    }
}

/// Implements [`Value`] by way of `FromStr` and `Display`.
macro_rules! plain {
    ($($Type:ty: $kind:ident, zero: $zero:expr;)+) => { $(
        impl Value for $Type {
            const KIND: Kind = Kind::$kind;

            fn parse(text: &str) -> Result<Self, String> {
                text.parse().map_err(|error: <$Type as std::str::FromStr>::Err| error.to_string())
            }

            fn show(&self) -> String {
                self.to_string()
            }

            fn is_zero(&self) -> bool {
                let zero: fn(&$Type) -> bool = $zero;
                zero(self)
            }
        }
    )+ };
}

plain! {
    bool: Bool, zero: |_| false;
    u32: Number, zero: |number| *number == 0;
    u64: Number, zero: |number| *number == 0;
    usize: Number, zero: |number| *number == 0;
    SocketAddr: Socket, zero: |_| false;
    IpAddr: Ip, zero: |_| false;
    Place: Place, zero: |_| false;
}

/// The text, unless there is none.
fn filled(text: &str) -> Result<&str, String> {
    if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(text) }
}

impl Value for String {
    const KIND: Kind = Kind::Text;

    fn parse(text: &str) -> Result<Self, String> {
        filled(text).map(str::to_owned)
    }

    fn show(&self) -> String {
        self.clone()
    }
}

impl Value for PathBuf {
    const KIND: Kind = Kind::Path;

    fn parse(text: &str) -> Result<Self, String> {
        filled(text).map(Self::from)
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Value for Secret {
    const KIND: Kind = Kind::Secret;

    fn parse(text: &str) -> Result<Self, String> {
        filled(text).map(|text| Self::from(text.to_owned()))
    }

    fn show(&self) -> String {
        REDACTED.to_owned()
    }
}

impl<T: Value> Value for Option<T> {
    const KIND: Kind = T::KIND;
    const OPTIONAL: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Ok(None) } else { T::parse(text).map(Some) }
    }

    fn show(&self) -> String {
        self.as_ref().map(T::show).unwrap_or_default()
    }
}

impl<T: Value> Value for Vec<T> {
    const KIND: Kind = Kind::List(&T::KIND);
    const OPTIONAL: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::new());
        }
        text.split(',')
            .map(str::trim)
            .map(|item| T::parse(item).map_err(|reason| format!("{}: {reason}", quoted(item))))
            .collect()
    }

    fn show(&self) -> String {
        self.iter().map(T::show).collect::<Vec<_>>().join(",")
    }
}

/// A value for something that has a name, such as `stripe=5m`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<T> {
    /// The name.
    pub name: String,
    /// The value.
    pub value: T,
}

impl<T: Value> Value for Named<T> {
    const KIND: Kind = Kind::Named(&T::KIND);

    fn parse(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or_else(|| "it has no `=`".to_owned())?;
        let name = filled(name.trim())?.to_owned();
        Ok(Self { name, value: T::parse(value.trim())? })
    }

    fn show(&self) -> String {
        format!("{}={}", self.name, self.value.show())
    }

    fn is_zero(&self) -> bool {
        self.value.is_zero()
    }
}

/// Declares a setting that is one of a few words.
macro_rules! choice {
    ($(
        $(#[$attribute:meta])+
        pub enum $Name:ident { $( $(#[$about:meta])+ $Variant:ident = $word:literal, )+ }
    )+) => { $(
        $(#[$attribute])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $Name { $( $(#[$about])+ $Variant, )+ }

        impl Value for $Name {
            const KIND: Kind = Kind::Choice(&[$($word),+]);

            fn parse(text: &str) -> Result<Self, String> {
                match text {
                    $( $word => Ok(Self::$Variant), )+
                    _ => Err("there is no such choice".to_owned()),
                }
            }

            fn show(&self) -> String {
                match self { $( Self::$Variant => $word.to_owned(), )+ }
            }
        }
    )+ };
}
pub(super) use choice;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_text_unsets_an_option_and_is_refused_elsewhere() {
        assert_eq!(Option::<u32>::parse(""), Ok(None));
        assert_eq!(Vec::<IpAddr>::parse(" "), Ok(vec![]));
        assert!(String::parse("").is_err());
        assert!(PathBuf::parse("").is_err());
        assert!(u32::parse("").is_err());
    }

    #[test]
    fn a_list_names_the_item_that_is_wrong() {
        let reason = Vec::<IpAddr>::parse("10.0.0.1, nowhere").unwrap_err();
        assert!(reason.starts_with("\"nowhere\": "), "{reason}");
        let list = Vec::<IpAddr>::parse("10.0.0.1 , ::1").unwrap();
        assert_eq!(list.show(), "10.0.0.1,::1");
    }

    #[test]
    fn a_secret_that_slipped_in_is_not_repeated() {
        assert_eq!(quoted("10"), "\"10\"");
        assert_eq!(quoted("https://ann:hunter2@host"), "\"https://…@host\"");
        assert_eq!(quoted(&"k".repeat(44)), "this text of 44 characters");
    }

    #[test]
    fn a_secret_shows_a_mark() {
        let secret = Secret::parse("postgres://u:hunter2@db/hub").unwrap();
        assert_eq!(secret.show(), REDACTED);
    }
}
