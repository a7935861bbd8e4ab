//! Where a provider is, which version of it, and what a connection has to know.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde_json::{Value, json};
use toml::de::DeValue;

use super::{
    leaf::{Address, Header, Json, Name, Pattern},
    reader::{Node, Reader},
    request::Request,
    schema::Schemas,
    shape::{Shape, shape, words},
};
use crate::provider::{address, expression::Expression, mapping::Mapping, template::Template};

shape! {
    /// Versions of an interface.
    pub struct Version {
        /// The version that is used unless a connection chooses another; `{version}` stands for it.
        current: String,
        /// Every version that can be chosen.
        known: Vec<KnownVersion>,
        /// The header in which the provider says which version it really served.
        served: Option<Header> = None,
    }
}

shape! {
    /// One version.
    pub struct KnownVersion {
        /// As the provider writes it.
        id: String,
        /// The last day on which it is served.
        ends: Ends,
    }
}

/// When something ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// On that day.
    On(NaiveDate),
    /// The provider has not said.
    Unannounced,
}

impl Ends {
    /// How many days are left, if that is known; negative when it is over.
    #[must_use]
    pub fn days_left(self, today: NaiveDate) -> Option<i64> {
        match self {
            Self::On(day) => Some(day.signed_duration_since(today).num_days()),
            Self::Unannounced => None,
        }
    }
}

impl Shape for Ends {
    fn read(node: &Node<'_>, reader: &mut Reader) -> Option<Self> {
        match node.value {
            DeValue::String(text) if text == "unannounced" => Some(Self::Unannounced),
            DeValue::Datetime(_) => NaiveDate::read(node, reader).map(Self::On),
            _ => {
                reader.wrong::<Self>(node);
                None
            }
        }
    }

    fn expected() -> String {
        "a day, without quotes, or \"unannounced\"".to_owned()
    }

    fn example() -> String {
        "2027-12-31".to_owned()
    }

    fn schema(_: &mut Schemas) -> Value {
        json!({"anyOf": [{"const": "unannounced"}, {"type": "string", "format": "date"}]})
    }
}

shape! {
    /// A place where the provider's servers are.
    pub struct Environment {
        /// Name by which it is chosen.
        key: Name,
        /// Name for people.
        label: String,
        /// Whether nothing that happens there is real.
        sandbox: bool,
        /// Where requests go, such as `https://{shop}.example.com`.
        base_url: Address,
        /// Further addresses by name, for requests that say `host`.
        hosts: Option<BTreeMap<String, Address>> = None,
        /// Values that differ between environments; texts refer to them as to settings.
        values: Option<BTreeMap<String, String>> = None,
    }
}

words! {
    /// What a setting holds.
    pub enum SettingKind {
        /// A text.
        Text = "text",
        /// An https address, which may be a base url.
        Url = "url",
        /// One of a few words.
        Choice = "choice",
        /// A whole number.
        Number = "number",
        /// Yes or no, as `true` or `false`.
        Flag = "flag",
        /// Words and what they stand for: a JSON object of patterns, whose ends may be `*`, and texts.
        Mapping = "mapping",
    }
}

shape! {
    /// Something that a connection has to know and that is no secret.
    pub struct Setting {
        /// Name by which texts refer to it.
        name: Name,
        /// Label in a form.
        label: String,
        /// Help in a form: where to find it.
        help: Option<String> = None,
        /// What it holds.
        kind: SettingKind = SettingKind::Text,
        /// Whether a connection cannot do without it.
        required: bool = true,
        /// The value nobody has to give.
        default: Option<String> = None,
        /// The form of the whole text.
        pattern: Option<Pattern> = None,
        /// The words of a choice.
        choices: Option<Vec<String>> = None,
        /// A value of the right form.
        example: Option<String> = None,
        /// How it follows from something else, so that nobody has to give it.
        derive: Option<Derive> = None,
    }
}

shape! {
    /// A setting that is part of another value.
    pub struct Derive {
        /// The text it is part of.
        from: Template,
        /// Its first group is the part.
        pattern: Pattern,
    }
}

shape! {
    /// A field of a credential.
    pub struct Field {
        /// Name by which texts refer to it.
        name: Name,
        /// Label in a form.
        label: String,
        /// Help in a form: where to find it.
        help: Option<String> = None,
        /// Whether nobody may see it again.
        secret: bool = true,
        /// Whether a connection cannot do without it.
        required: bool = true,
        /// The form of the whole text.
        pattern: Option<Pattern> = None,
        /// Beginnings that say of which kind it is and may be shown.
        hint_prefix: Option<Vec<String>> = None,
        /// A made-up value of the right form.
        example: String,
    }
}

shape! {
    /// Finding the accounts behind a credential.
    pub struct Discovery {
        /// The call that lists them.
        request: Request,
        /// Where the list is in the answer.
        items: Expression,
        /// The id of an item.
        id: Expression,
        /// The name of an item, which becomes the name of the integration.
        name: Expression,
        /// Settings that the chosen item fills.
        set: BTreeMap<String, Expression>,
        /// An item, for documentation and simulation.
        example: Json,
    }
}

impl Environment {
    /// Every address of it.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        std::iter::once(&self.base_url).chain(self.hosts.iter().flat_map(BTreeMap::values))
    }
}

impl Setting {
    /// Whether a text may be its value; the reason if not.
    pub fn fits(&self, text: &str) -> Result<(), String> {
        if let Some(choices) = &self.choices
            && !choices.iter().any(|choice| choice == text)
        {
            return Err(format!("it is one of {}", choices.join(", ")));
        }
        if let Some(pattern) = &self.pattern
            && !pattern.fits(text)
        {
            return Err(format!("it has the form {}", pattern.as_str()));
        }
        match self.kind {
            SettingKind::Number if text.parse::<u64>().is_err() => Err("it is a whole number".to_owned()),
            SettingKind::Flag if !matches!(text, "true" | "false") => Err("it is true or false".to_owned()),
            SettingKind::Url
                if !address::is_readable(text) || !url::Url::parse(text).is_ok_and(|url| is_base(&url)) =>
            {
                Err("it is an address that begins with https:// and has no parameters".to_owned())
            }
            SettingKind::Mapping => Mapping::parse(text).map(|_| ()),
            _ => Ok(()),
        }
    }
}

/// Whether an address can be the beginning of others.
fn is_base(url: &url::Url) -> bool {
    let plain =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    matches!(url.scheme(), "https" | "http") && plain && url.host_str().is_some()
}
