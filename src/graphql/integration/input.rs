//! What integrations and credentials are given as.

use std::collections::BTreeMap;

use async_graphql::{InputObject, Json, OneofObject};
use serde_json::{Map, Value};

use super::SyncFrequency;
use crate::{
    domain::{
        credential::given::Given,
        integration::create::{Capabilities, NewIntegration, Place},
    },
    kernel::secret::Secret,
};

/// A credential. Give the one that fits the provider's auth method; `fields` fits every method.
#[derive(OneofObject)]
pub enum CredentialsInput {
    /// A key, for methods of the kind `API_KEY` with one field.
    ApiKey(ApiKeyInput),
    /// A token that does not change by itself, for methods of the kind `BEARER_TOKEN` with one field.
    BearerToken(BearerTokenInput),
    /// User and password, for methods of the kind `BASIC_AUTH`.
    BasicAuth(BasicAuthInput),
    /// A client with its secret, for methods of the kind `OAUTH_2_CLIENT_CREDENTIALS`.
    #[graphql(name = "oauth2")]
    Oauth2(OAuth2ClientInput),
    /// The fields of a method by name, as `Provider.authMethods` lists them.
    Fields(CredentialFieldsInput),
}

/// A key.
#[derive(InputObject)]
pub struct ApiKeyInput {
    /// The key. It is sealed and never shown.
    key: String,
    /// How it begins, if that is to be checked and shown.
    key_prefix: Option<String>,
}

/// A token.
#[derive(InputObject)]
pub struct BearerTokenInput {
    /// The token. It is sealed and never shown.
    token: String,
}

/// User and password.
#[derive(InputObject)]
pub struct BasicAuthInput {
    /// The user.
    username: String,
    /// The password. It is sealed and never shown.
    password: String,
}

/// A client with its secret.
#[derive(InputObject)]
pub struct OAuth2ClientInput {
    /// The client's id.
    client_id: String,
    /// The client's secret. It is sealed and never shown.
    client_secret: String,
}

/// The fields of an auth method.
#[derive(InputObject)]
pub struct CredentialFieldsInput {
    /// The key of the method, as `Provider.authMethods` lists it.
    method: String,
    /// The fields.
    values: Vec<CredentialFieldInput>,
}

/// A field of a credential.
#[derive(InputObject)]
pub struct CredentialFieldInput {
    /// Its name.
    name: String,
    /// Its value. It is sealed and never shown, unless the provider's file says that it is no secret.
    value: String,
}

impl CredentialFieldInput {
    /// Name and value.
    pub fn split(self) -> (String, Secret) {
        (self.name, Secret::from(self.value))
    }
}

impl From<CredentialsInput> for Given {
    fn from(input: CredentialsInput) -> Self {
        match input {
            CredentialsInput::ApiKey(it) => Self::ApiKey { key: it.key.into(), prefix: it.key_prefix },
            CredentialsInput::BearerToken(it) => Self::Bearer(it.token.into()),
            CredentialsInput::BasicAuth(it) => Self::Basic(it.username.into(), it.password.into()),
            CredentialsInput::Oauth2(it) => Self::Client(it.client_id.into(), it.client_secret.into()),
            CredentialsInput::Fields(it) => Self::Fields {
                method: it.method,
                values: it.values.into_iter().map(CredentialFieldInput::split).collect(),
            },
        }
    }
}

/// A setting of the provider's file.
#[derive(InputObject)]
pub struct IntegrationSettingInput {
    /// Its name, as `Provider.settings` lists it.
    name: String,
    /// Its value.
    value: String,
}

impl IntegrationSettingInput {
    /// Name and value.
    pub fn split(self) -> (String, String) {
        (self.name, self.value)
    }
}

/// Where the provider is and how it is asked, in the words of people; settings follow from it.
#[derive(InputObject, Default)]
pub struct IntegrationConnectionInput {
    /// The domain of the account at the provider, such as `tea-house.myshopify.com`.
    domain: Option<String>,
    /// The address of the interface, such as `https://api.circuly.io/api/2025-01`.
    endpoint: Option<String>,
    /// The version of the interface; the provider's usual one if left out.
    version: Option<String>,
    /// How long a question may take, in milliseconds, from 1,000 to 120,000.
    timeout: Option<i32>,
}

impl From<IntegrationConnectionInput> for Place {
    fn from(input: IntegrationConnectionInput) -> Self {
        Self {
            domain: input.domain,
            endpoint: input.endpoint,
            version: input.version,
            timeout_ms: input.timeout.map(i64::from),
        }
    }
}

/// What an integration may be used for; what is left out is allowed.
#[derive(InputObject, Default)]
pub struct IntegrationCapabilitiesInput {
    /// Whether its records may be read.
    can_sync: Option<bool>,
    /// Whether it may be told to do something.
    can_push: Option<bool>,
    /// Whether webhooks of the provider are accepted and, for a partner, webhooks are sent. `false` refuses both.
    can_webhook: Option<bool>,
    /// How often records are read; what each stream says if left out.
    sync_frequency: Option<SyncFrequency>,
}

impl From<IntegrationCapabilitiesInput> for Capabilities {
    fn from(input: IntegrationCapabilitiesInput) -> Self {
        Self {
            can_sync: input.can_sync,
            can_push: input.can_push,
            can_webhook: input.can_webhook,
            sync_frequency: input.sync_frequency.map(|each| each.word().to_owned()),
        }
    }
}

/// What a new integration is to be.
#[derive(InputObject)]
pub struct CreateIntegrationInput {
    /// The key of the provider, such as `stripe`.
    provider: String,
    /// The name for people; the provider's own name for the account if left out.
    name: Option<String>,
    /// What it is for.
    description: Option<String>,
    /// The credential; left out where somebody agrees at the provider, which `startOAuth` begins.
    credentials: Option<CredentialsInput>,
    /// The auth method, where no credential says it.
    auth_method: Option<String>,
    /// Which of the provider's environments; its first if left out.
    environment: Option<String>,
    /// Where the provider is and how it is asked.
    connection: Option<IntegrationConnectionInput>,
    /// Settings of the provider's file.
    settings: Option<Vec<IntegrationSettingInput>>,
    /// Which of the accounts behind the credential, by its id as `discoverAccounts` lists it. Left out, the only one is
    /// taken.
    account: Option<String>,
    /// What your tenant notes about it: an object of at most 16 KiB.
    metadata: Option<Json<Map<String, Value>>>,
    /// What it may be used for.
    capabilities: Option<IntegrationCapabilitiesInput>,
    /// Make it without asking the provider whether the credential is right.
    #[graphql(default = false)]
    skip_test: bool,
    /// Take over what the provider can be told to do.
    #[graphql(default = true)]
    import_catalogue: bool,
    /// Repeat a request with the same key, and it has its effect once. Remembered for 48 hours.
    idempotency_key: Option<String>,
}

impl CreateIntegrationInput {
    /// What is to be made, with the credential and the idempotency key.
    pub fn split(self) -> (NewIntegration, Option<Given>, Option<String>) {
        let new = NewIntegration {
            provider: self.provider,
            name: self.name,
            description: self.description,
            environment: self.environment,
            auth_method: self.auth_method,
            place: self.connection.unwrap_or_default().into(),
            settings: self.settings.into_iter().flatten().map(IntegrationSettingInput::split).collect(),
            metadata: self.metadata.map(|Json(metadata)| metadata),
            capabilities: self.capabilities.unwrap_or_default().into(),
            account: self.account,
            skip_test: self.skip_test,
            import_catalogue: self.import_catalogue,
            disabled: false,
        };
        (new, self.credentials.map(Into::into), self.idempotency_key)
    }
}

/// Settings by name.
pub fn settings(input: Option<Vec<IntegrationSettingInput>>) -> BTreeMap<String, String> {
    input.into_iter().flatten().map(IntegrationSettingInput::split).collect()
}
