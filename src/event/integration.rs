//! What can happen to integrations and their credentials.

#![expect(missing_docs, reason = "the fields of a fact say what they are by their names")]

use serde::{Deserialize, Serialize};

use super::{Changes, Fact};
use crate::kernel::{
    clock::Moment,
    id::{IntegrationId, ProviderAppId},
};

/// A change of a connection to a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum IntegrationEvent {
    /// It was made.
    Created { integration: IntegrationId, provider: String, name: String, status: String },
    /// What is known of it changed.
    Updated { integration: IntegrationId, changes: Changes },
    /// It is in another state.
    StatusChanged { integration: IntegrationId, from: String, to: String, reason: String },
    /// Its provider was asked whether it works.
    Tested {
        integration: IntegrationId,
        passed: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        class: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// It may be used again.
    Enabled { integration: IntegrationId, name: String },
    /// It is not used until it is enabled.
    Disabled { integration: IntegrationId, name: String },
    /// It is gone.
    Deleted { integration: IntegrationId, provider: String, name: String },
    /// It was given a credential in place of one that did not work, or the first one.
    Reconnected { integration: IntegrationId, auth_method: String, by: String },
    /// It has another credential; the one before serves until then.
    CredentialsRotated {
        integration: IntegrationId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        overlap_until: Option<Moment>,
    },
    /// Its token was fetched anew.
    TokenRefreshed {
        integration: IntegrationId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<Moment>,
    },
    /// Its token could not be fetched; it will be tried again.
    TokenRefreshFailed { integration: IntegrationId, reason: String, failures: i32 },
    /// The provider refused its credential for good.
    CredentialRefused { integration: IntegrationId, reason: String },
    /// What its provider can be told to do was taken over.
    CatalogueImported { integration: IntegrationId, added: usize, changed: usize, removed: usize },
    /// It was told to do something at its provider.
    ActionRun { integration: IntegrationId, action: String, succeeded: bool },
    /// A run that reads its records ended; a run that was cancelled is none.
    Synced { integration: IntegrationId, stream: String, succeeded: bool },
    /// A person was sent to the provider to agree.
    AuthorizationStarted { integration: IntegrationId },
    /// The person came back without a yes.
    AuthorizationRefused { integration: IntegrationId, reason: String },
    /// A link was made by which an outsider gives the credential.
    ConnectLinkMade { integration: IntegrationId, expires_at: Moment },
    /// An application at a provider was registered, or another one in its place.
    ProviderAppSet { app: ProviderAppId, provider: String, hub_wide: bool },
}

impl Fact for IntegrationEvent {
    const TOPIC: &'static str = "integration";

    fn kind(&self) -> &'static str {
        match self {
            Self::Created { .. } => "integration.created",
            Self::Updated { .. } => "integration.updated",
            Self::StatusChanged { .. } => "integration.status_changed",
            Self::Tested { .. } => "integration.tested",
            Self::Enabled { .. } => "integration.enabled",
            Self::Disabled { .. } => "integration.disabled",
            Self::Deleted { .. } => "integration.deleted",
            Self::Reconnected { .. } => "integration.reconnected",
            Self::CredentialsRotated { .. } => "integration.credentials_rotated",
            Self::TokenRefreshed { .. } => "integration.token_refreshed",
            Self::TokenRefreshFailed { .. } => "integration.token_refresh_failed",
            Self::CredentialRefused { .. } => "integration.credential_refused",
            Self::CatalogueImported { .. } => "integration.catalogue_imported",
            Self::ActionRun { .. } => "integration.action_run",
            Self::Synced { .. } => "integration.synced",
            Self::AuthorizationStarted { .. } => "integration.authorization_started",
            Self::AuthorizationRefused { .. } => "integration.authorization_refused",
            Self::ConnectLinkMade { .. } => "integration.connect_link_made",
            Self::ProviderAppSet { .. } => "integration.provider_app_set",
        }
    }

    fn subject(&self) -> String {
        match self {
            Self::Created { integration, .. }
            | Self::Updated { integration, .. }
            | Self::StatusChanged { integration, .. }
            | Self::Tested { integration, .. }
            | Self::Enabled { integration, .. }
            | Self::Disabled { integration, .. }
            | Self::Deleted { integration, .. }
            | Self::Reconnected { integration, .. }
            | Self::CredentialsRotated { integration, .. }
            | Self::TokenRefreshed { integration, .. }
            | Self::TokenRefreshFailed { integration, .. }
            | Self::CredentialRefused { integration, .. }
            | Self::CatalogueImported { integration, .. }
            | Self::ActionRun { integration, .. }
            | Self::Synced { integration, .. }
            | Self::AuthorizationStarted { integration }
            | Self::AuthorizationRefused { integration, .. }
            | Self::ConnectLinkMade { integration, .. } => integration.to_string(),
            Self::ProviderAppSet { app, .. } => app.to_string(),
        }
    }
}
