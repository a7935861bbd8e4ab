//! The shape of each part of a manifest, declared once.
//!
//! From one declaration come the Rust type, the reader that refuses with reasons, and the part of the JSON
//! Schema that editors check with. `serde` is not used for reading: it stops at the first fault, and what it
//! says about an untagged or tagged choice helps nobody who writes a file.
//!
//! * [`shape!`] declares a table: documented keys with types, some with a default.
//! * [`choice!`] declares tables of several kinds, told apart by a key.
//! * [`words!`] declares a closed vocabulary.
//!
//! What a provider lacks is said with the text `"none"`, which is [`OrNone`].

use std::collections::BTreeMap;

use serde_json::{Value, json};
use toml::de::DeValue;

use super::{
    reader::{Key, Node, Reader, Taken},
    schema::Schemas,
};

/// Something that can be read out of a manifest.
pub trait Shape: Sized {
    /// Whether it is written as a text.
    const IS_TEXT: bool = false;

    /// Reads a value; notes the reason when it cannot.
    fn read(node: &Node<'_>, reader: &mut Reader) -> Option<Self>;

    /// What must be written, as a noun phrase.
    fn expected() -> String;

    /// What could be written.
    fn example() -> String;

    /// Its JSON Schema.
    fn schema(schemas: &mut Schemas) -> Value;

    /// What it means that the key is not there; nothing if it must be.
    fn absent() -> Option<Self> {
        None
    }
}

/// A table with known keys.
pub trait Fields: Sized {
    /// Its keys.
    const KEYS: &'static [Key];

    /// Takes the keys it knows.
    fn take(table: &Taken<'_>, reader: &mut Reader) -> Option<Self>;

    /// The JSON Schemas of its keys, and which of them must be there.
    fn properties(schemas: &mut Schemas) -> Vec<(&'static str, Value, bool)>;
}

/// Something optional.
impl<T: Shape> Shape for Option<T> {
    fn read(node: &Node<'_>, reader: &mut Reader) -> Option<Self> {
        T::read(node, reader).map(Some)
    }

    fn expected() -> String {
        T::expected()
    }

    fn example() -> String {
        T::example()
    }

    fn schema(schemas: &mut Schemas) -> Value {
        T::schema(schemas)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

/// A list, which may not be empty: what is not there is left out or said to be `"none"`.
impl<T: Shape> Shape for Vec<T> {
    fn read(node: &Node<'_>, reader: &mut Reader) -> Option<Self> {
        let Some(items) = node.items(reader) else {
            reader.wrong::<Self>(node);
            return None;
        };
        if items.is_empty() {
            reader.problem(node.line, format!("{} is empty; leave it out, or write {}", node.name(), T::expected()));
            return None;
        }
        let read: Vec<Option<T>> = items.iter().map(|item| T::read(item, reader)).collect();
        read.into_iter().collect()
    }

    fn expected() -> String {
        format!("a list of {}", T::expected().trim_start_matches("a ").trim_start_matches("an "))
    }

    fn example() -> String {
        let inner = T::example();
        if inner.starts_with("[table]") { inner } else { format!("[{inner}]") }
    }

    fn schema(schemas: &mut Schemas) -> Value {
        json!({"type": "array", "minItems": 1, "items": T::schema(schemas)})
    }
}

/// A table with free keys.
impl<T: Shape> Shape for BTreeMap<String, T> {
    fn read(node: &Node<'_>, reader: &mut Reader) -> Option<Self> {
        let Some(entries) = node.entries(reader) else {
            reader.wrong::<Self>(node);
            return None;
        };
        let read: Vec<Option<(String, T)>> =
            entries.into_iter().map(|(name, item)| T::read(&item, reader).map(|item| (name, item))).collect();
        read.into_iter().collect()
    }

    fn expected() -> String {
        "a table".to_owned()
    }

    fn example() -> String {
        format!("{{ name = {} }}", T::example())
    }

    fn schema(schemas: &mut Schemas) -> Value {
        json!({"type": "object", "additionalProperties": T::schema(schemas)})
    }
}

/// Something, or the statement that there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrNone<T> {
    /// There is one.
    Is(T),
    /// The provider has none.
    None,
}

impl<T> OrNone<T> {
    /// It, if there is one.
    pub fn get(&self) -> Option<&T> {
        match self {
            Self::Is(it) => Some(it),
            Self::None => None,
        }
    }
}

impl<T> OrNone<Vec<T>> {
    /// All of them.
    pub fn all(&self) -> &[T] {
        self.get().map_or(&[], Vec::as_slice)
    }
}

impl<T: Shape> Shape for OrNone<T> {
    fn read(node: &Node<'_>, reader: &mut Reader) -> Option<Self> {
        match node.value {
            DeValue::String(text) if text == "none" => Some(Self::None),
            DeValue::String(_) if !T::IS_TEXT => {
                reader.wrong::<Self>(node);
                None
            }
            _ => T::read(node, reader).map(Self::Is),
        }
    }

    fn expected() -> String {
        format!("{} or \"none\"", T::expected())
    }

    fn example() -> String {
        "\"none\"".to_owned()
    }

    fn schema(schemas: &mut Schemas) -> Value {
        json!({"anyOf": [{"const": "none"}, T::schema(schemas)]})
    }
}

/// Declares a table.
macro_rules! shape {
    (
        $(#[doc = $doc:literal])+
        pub struct $name:ident { $( $(#[doc = $key_doc:literal])+ $key:ident : $type:ty $(= $default:expr)? ),+ $(,)? }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug)]
        pub struct $name {
            /// Where it stands in its file.
            pub line: $crate::provider::manifest::problem::Line,
            $( $(#[doc = $key_doc])+ pub $key: $type, )+
        }

        impl $crate::provider::manifest::shape::Fields for $name {
            const KEYS: &'static [$crate::provider::manifest::reader::Key] = &[
                $( $crate::provider::manifest::reader::Key { name: stringify!($key), doc: concat!($($key_doc),+) }, )+
            ];

            fn take(
                table: &$crate::provider::manifest::reader::Taken<'_>,
                reader: &mut $crate::provider::manifest::reader::Reader,
            ) -> Option<Self> {
                $(
                    let key = $crate::provider::manifest::reader::Key {
                        name: stringify!($key),
                        doc: concat!($($key_doc),+),
                    };
                    let $key: Option<$type> = shape!(@take table reader key $(, $default)?);
                )+
                Some(Self { line: table.node.line, $( $key: $key?, )+ })
            }

            fn properties(
                schemas: &mut $crate::provider::manifest::schema::Schemas,
            ) -> Vec<(&'static str, serde_json::Value, bool)> {
                use $crate::provider::manifest::{schema::described, shape::Shape};
                vec![ $( (
                    stringify!($key),
                    described(<$type as Shape>::schema(schemas), concat!($($key_doc),+)),
                    shape!(@required $($default)?) && <$type as Shape>::absent().is_none(),
                ), )+ ]
            }
        }

        impl $crate::provider::manifest::shape::Shape for $name {
            fn read(
                node: &$crate::provider::manifest::reader::Node<'_>,
                reader: &mut $crate::provider::manifest::reader::Reader,
            ) -> Option<Self> {
                use $crate::provider::manifest::{reader::Taken, shape::Fields};
                let table = Taken::begin::<Self>(node, reader)?;
                let read = Self::take(&table, reader);
                table.finish(reader, Self::KEYS, None);
                read
            }

            fn expected() -> String {
                "a table".to_owned()
            }

            fn example() -> String {
                "[table]".to_owned()
            }

            fn schema(schemas: &mut $crate::provider::manifest::schema::Schemas) -> serde_json::Value {
                use $crate::provider::manifest::{schema::object, shape::Fields};
                schemas.define(stringify!($name), |schemas| {
                    object(concat!($($doc),+), Self::properties(schemas), None)
                })
            }
        }
    };
    (@take $table:ident $reader:ident $key:ident) => { $table.take($reader, $key) };
    (@take $table:ident $reader:ident $key:ident, $default:expr) => { $table.take_or($reader, $key, || $default) };
    (@required) => { true };
    (@required $default:expr) => { false };
}

/// Declares tables of several kinds, told apart by the key that is named.
macro_rules! choice {
    (
        $(#[doc = $doc:literal])+
        pub enum $name:ident by $tag:literal { $( $(#[doc = $kind_doc:literal])+ $kind:ident($type:ty) = $word:literal ),+ $(,)? }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug)]
        pub enum $name { $( $(#[doc = $kind_doc])+ $kind(Box<$type>), )+ }

        impl $name {
            /// The word by which it is told apart.
            #[must_use]
            pub const fn word(&self) -> &'static str {
                match self { $( Self::$kind(_) => $word, )+ }
            }
        }

        impl $crate::provider::manifest::shape::Shape for $name {
            fn read(
                node: &$crate::provider::manifest::reader::Node<'_>,
                reader: &mut $crate::provider::manifest::reader::Reader,
            ) -> Option<Self> {
                use $crate::provider::manifest::{reader::Taken, shape::{Fields, word}};
                let table = Taken::begin::<Self>(node, reader)?;
                match word(&table, reader, $tag, &[$($word),+])? {
                    $( $word => {
                        let read = <$type as Fields>::take(&table, reader);
                        table.finish(reader, <$type as Fields>::KEYS, Some($tag));
                        read.map(Box::new).map(Self::$kind)
                    } )+
                    _ => None,
                }
            }

            fn expected() -> String {
                "a table".to_owned()
            }

            fn example() -> String {
                "[table]".to_owned()
            }

            fn schema(schemas: &mut $crate::provider::manifest::schema::Schemas) -> serde_json::Value {
                use $crate::provider::manifest::{schema::object, shape::Fields};
                schemas.define(stringify!($name), |schemas| {
                    let kinds = vec![ $(
                        object(
                            concat!($($kind_doc),+),
                            <$type as Fields>::properties(schemas),
                            Some(($tag, $word)),
                        ),
                    )+ ];
                    serde_json::json!({"description": concat!($($doc),+).trim(), "oneOf": kinds})
                })
            }
        }
    };
}

/// Declares a closed vocabulary.
macro_rules! words {
    (
        $(#[doc = $doc:literal])+
        pub enum $name:ident { $( $(#[doc = $word_doc:literal])+ $variant:ident = $word:literal ),+ $(,)? }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $( $(#[doc = $word_doc])+ $variant, )+ }

        impl $name {
            /// Every word, in the order of the documentation.
            pub const ALL: &[Self] = &[ $( Self::$variant, )+ ];

            /// As it is written.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $word, )+ }
            }

            /// What it means.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $( Self::$variant => concat!($($word_doc),+), )+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::provider::manifest::shape::Shape for $name {
            fn read(
                node: &$crate::provider::manifest::reader::Node<'_>,
                reader: &mut $crate::provider::manifest::reader::Reader,
            ) -> Option<Self> {
                let words: Vec<&'static str> = Self::ALL.iter().map(|word| word.as_str()).collect();
                let text = $crate::provider::manifest::shape::one_of::<Self>(node, reader, &words)?;
                Self::ALL.iter().copied().find(|word| word.as_str() == text)
            }

            fn expected() -> String {
                let words: Vec<&str> = Self::ALL.iter().map(|word| word.as_str()).collect();
                format!("one of {}", words.join(", "))
            }

            fn example() -> String {
                format!("{:?}", Self::ALL[0].as_str())
            }

            fn schema(schemas: &mut $crate::provider::manifest::schema::Schemas) -> serde_json::Value {
                schemas.define(stringify!($name), |_| {
                    let words: Vec<serde_json::Value> = Self::ALL
                        .iter()
                        .map(|word| serde_json::json!({"const": word.as_str(), "description": word.meaning().trim()}))
                        .collect();
                    serde_json::json!({"description": concat!($($doc),+).trim(), "oneOf": words})
                })
            }
        }
    };
}

pub(crate) use {choice, shape, words};

/// The word under the key that tells kinds apart.
pub fn word(table: &Taken<'_>, reader: &mut Reader, tag: &'static str, words: &[&'static str]) -> Option<&'static str> {
    let Some(node) = table.get(tag) else {
        let message = format!(
            "{} lacks `{tag}`; write `{tag} = {:?}`, or one of {}",
            table.node.name(),
            words[0],
            words.join(", ")
        );
        reader.problem(table.node.line, message);
        return None;
    };
    one_of::<String>(&node, reader, words)
}

/// A text that is one of a few.
pub fn one_of<T: Shape>(node: &Node<'_>, reader: &mut Reader, words: &[&'static str]) -> Option<&'static str> {
    let DeValue::String(text) = node.value else {
        reader.wrong::<T>(node);
        return None;
    };
    let found = words.iter().copied().find(|word| text == *word);
    if found.is_none() {
        let hint = crate::kernel::suggest::did_you_mean(text, words.iter().copied());
        let message = format!("{} cannot be {text:?}{hint}; it is one of {}", node.name(), words.join(", "));
        reader.problem(node.line, message);
    }
    found
}
