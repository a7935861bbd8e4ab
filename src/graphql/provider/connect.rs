//! What a form for a connection has to ask.

use async_graphql::SimpleObject;

use super::words::{ProviderAuthKind, ProviderSettingKind};
use crate::domain::provider::{Auth, Environment, Field, Setting};

/// A place where a provider's servers are.
#[derive(SimpleObject)]
pub struct ProviderEnvironment {
    /// The name by which it is chosen.
    key: String,
    /// The name for people.
    label: String,
    /// Whether nothing that happens there is real.
    sandbox: bool,
    /// Where requests go; names in braces stand for settings.
    base_url: String,
}

impl ProviderEnvironment {
    pub(super) fn of(environment: &Environment) -> Self {
        Self {
            key: environment.key.0.clone(),
            label: environment.label.clone(),
            sandbox: environment.sandbox,
            base_url: environment.base_url.0.as_str().to_owned(),
        }
    }
}

/// Something that a connection has to know and that is no secret.
#[derive(SimpleObject)]
pub struct ProviderSetting {
    /// The name under which it is given.
    name: String,
    /// The label in a form.
    label: String,
    /// Where to find it.
    help: Option<String>,
    /// What it holds.
    kind: ProviderSettingKind,
    /// Whether a connection cannot do without it.
    required: bool,
    /// The value nobody has to give.
    default_value: Option<String>,
    /// The form of the whole text, as a regular expression.
    pattern: Option<String>,
    /// The words of a choice.
    choices: Vec<String>,
    /// A value of the right form.
    example: Option<String>,
    /// Whether it follows from something else, so that nobody has to give it.
    derived: bool,
}

impl ProviderSetting {
    pub(super) fn of(setting: &Setting) -> Self {
        Self {
            name: setting.name.0.clone(),
            label: setting.label.clone(),
            help: setting.help.clone(),
            kind: setting.kind.into(),
            required: setting.required,
            default_value: setting.default.clone(),
            pattern: setting.pattern.as_ref().map(|pattern| pattern.as_str().to_owned()),
            choices: setting.choices.clone().unwrap_or_default(),
            example: setting.example.clone(),
            derived: setting.derive.is_some(),
        }
    }
}

/// A field of a credential.
#[derive(SimpleObject)]
pub struct ProviderField {
    /// The name under which it is given.
    name: String,
    /// The label in a form.
    label: String,
    /// Where to find it.
    help: Option<String>,
    /// Whether nobody may see it again.
    secret: bool,
    /// Whether a connection cannot do without it.
    required: bool,
    /// The form of the whole text, as a regular expression.
    pattern: Option<String>,
    /// Beginnings that say of which kind it is; they are shown later beside the last letters.
    hint_prefixes: Vec<String>,
}

impl ProviderField {
    pub(super) fn of(field: &Field) -> Self {
        Self {
            name: field.name.0.clone(),
            label: field.label.clone(),
            help: field.help.clone(),
            secret: field.secret,
            required: field.required,
            pattern: field.pattern.as_ref().map(|pattern| pattern.as_str().to_owned()),
            hint_prefixes: field.hint_prefix.clone().unwrap_or_default(),
        }
    }
}

/// A way to prove who asks.
#[derive(SimpleObject)]
pub struct ProviderAuthMethod {
    /// The name by which it is chosen.
    key: String,
    /// The name for people.
    label: String,
    /// What kind of proof it is.
    kind: ProviderAuthKind,
    /// How to come by one.
    help: Option<String>,
    /// What has to be typed in.
    fields: Vec<ProviderField>,
    /// What a person at the provider is asked to allow; empty unless the method sends one there.
    scopes: Vec<String>,
}

impl ProviderAuthMethod {
    pub(in crate::graphql) fn of(auth: &Auth) -> Self {
        let scopes = if let Auth::AuthorizationCode(it) = auth { it.authorize.scopes.clone() } else { Vec::new() };
        Self {
            key: auth.key().0.clone(),
            label: auth.label().to_owned(),
            kind: auth.into(),
            help: auth.help().map(str::to_owned),
            fields: auth.fields().iter().map(ProviderField::of).collect(),
            scopes,
        }
    }
}
