//! The registry: what is known about each setting, and the macro that declares them.
//!
//! A setting is declared once, in `settings.rs`. From that line come the typed field, the entry in
//! the registry, and through it the key in the file, the variable, the flag, the help, the
//! reference and the schema. A secret has a twin in every spelling that names a file which holds it
//! (`database.url_file`, `PORTOLAN_DATABASE_URL_FILE`, `--database-url-file`), and no flag of its
//! own: the arguments of a process are visible to everybody on the machine.

use super::value::Kind;

/// What every environment variable of ours begins with.
pub const PREFIX: &str = "PORTOLAN_";

/// A group of settings: one table in the file, one struct in the code.
#[derive(Clone, Copy, Debug)]
pub struct Topic {
    /// What its keys begin with: `graphql.`, or nothing at the top level.
    pub prefix: &'static str,
    /// One sentence.
    pub doc: &'static str,
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The key in the file: `graphql.max_depth`.
    pub key: &'static str,
    /// What the topic's keys begin with.
    pub prefix: &'static str,
    /// What it does; the first sentence is also the help of the flag.
    pub doc: &'static str,
    /// The value nobody has to give.
    pub default: &'static str,
    /// What zero means; without a meaning it is refused.
    pub zero: Option<&'static str>,
    /// What may be written.
    pub kind: Kind,
    /// Whether an empty text is taken.
    pub optional: bool,
}

impl Setting {
    /// The environment variable: `PORTOLAN_GRAPHQL_MAX_DEPTH`.
    pub fn env(&self) -> String {
        format!("{PREFIX}{}", self.key.replace('.', "_").to_ascii_uppercase())
    }

    /// The flag without its dashes: `graphql-max-depth`.
    pub fn flag(&self) -> String {
        self.key.replace(['.', '_'], "-")
    }

    /// Whether the value is never shown.
    pub const fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret)
    }

    /// What it does in one sentence.
    pub fn summary(&self) -> &'static str {
        self.doc.split_once(". ").map_or(self.doc, |(first, _)| first).trim_end_matches('.')
    }

    /// What it does, and what zero means.
    pub fn meaning(&self) -> String {
        match self.zero {
            Some(zero) => format!("{} 0 = {zero}.", self.doc),
            None => self.doc.to_owned(),
        }
    }
}

/// The places a setting is named in, each with its own way to write names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// In the file.
    Key,
    /// In the environment.
    Env,
    /// On the command line.
    Flag,
}

/// A name by which a setting can be given.
#[derive(Clone, Debug)]
pub(super) struct Name {
    /// As it is written in that place.
    pub(super) text: String,
    /// What it sets.
    pub(super) setting: &'static Setting,
    /// Whether it gives the path of a file which holds the value.
    pub(super) points: bool,
}

/// All names in one spelling.
pub(super) fn names(registry: &'static [Setting], spelling: Spelling) -> impl Iterator<Item = Name> {
    registry.iter().flat_map(move |setting| {
        let (text, suffix) = match spelling {
            Spelling::Key => (setting.key.to_owned(), "_file"),
            Spelling::Env => (setting.env(), "_FILE"),
            Spelling::Flag => (setting.flag(), "-file"),
        };
        let twin = setting.is_secret().then(|| format!("{text}{suffix}"));
        let plain = (!setting.is_secret() || spelling != Spelling::Flag).then_some(text);
        let name = move |points| move |text| Name { text, setting, points };
        plain.map(name(false)).into_iter().chain(twin.map(name(true)))
    })
}

/// Declares all settings: `Config`, a struct per topic, `TOPICS` and `SETTINGS`.
///
/// A field reads `name: Type = "default",` or, where zero is a useful value and not a slip,
/// `name: Type = "default" or 0 = "what zero means",`.
macro_rules! settings {
    ($(
        $(#[doc = $about:literal])+
        $topic:ident: $Topic:ident, keys $prefix:literal {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $Type:ty = $default:literal $(or 0 = $zero:literal)?,
            )+
        }
    )+) => {
        $(
            $(#[doc = $about])+
            #[derive(Clone, Debug)]
            pub struct $Topic { $( $(#[doc = $doc])+ pub $field: $Type, )+ }

            impl $Topic {
                /// Takes the values from the layers: all of them, so that every refusal is noted.
                fn read(layers: &mut Layers) -> Option<Self> {
                    $( let $field = layers.value::<$Type>(concat!($prefix, stringify!($field))); )+
                    Some(Self { $( $field: $field?, )+ })
                }
            }
        )+

        /// All settings of a process, read and checked.
        #[derive(Clone, Debug)]
        pub struct Config {
            $( $(#[doc = $about])+ pub $topic: $Topic, )+
            /// Where each value came from, by key.
            pub(super) sources: Sources,
        }

        /// Every topic, in the order of the reference.
        pub static TOPICS: &[Topic] = &[
            $( Topic { prefix: $prefix, doc: concat!($($about),+).trim_ascii() }, )+
        ];

        /// Every setting, in the order of the reference.
        pub static SETTINGS: &[Setting] = &[ $($(
            Setting {
                key: concat!($prefix, stringify!($field)),
                prefix: $prefix,
                doc: concat!($($doc),+).trim_ascii(),
                default: $default,
                zero: settings!(@zero $($zero)?),
                kind: <$Type as Value>::KIND,
                optional: <$Type as Value>::OPTIONAL,
            },
        )+)+ ];

        impl Config {
            /// Takes every value from the layers; nothing if one of them was refused.
            pub(super) fn read(layers: &mut Layers) -> Option<Self> {
                $( let $topic = $Topic::read(layers); )+
                Some(Self { $( $topic: $topic?, )+ sources: layers.sources() })
            }

            /// The present values as texts, in the order of [`SETTINGS`].
            pub(super) fn texts(&self) -> Vec<String> {
                vec![ $($( Value::show(&self.$topic.$field), )+)+ ]
            }
        }
    };
    (@zero) => { None };
    (@zero $zero:literal) => { Some($zero) };
}
pub(super) use settings;
