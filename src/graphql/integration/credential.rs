//! Credentials of integrations: what may be seen of them, and giving others.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Integration,
    input::{CredentialFieldInput, CredentialsInput},
};
use crate::{
    domain::{
        credential::{self, app},
        integration::{
            authorize, link,
            reconnect::{self, Takeover},
        },
        provider,
    },
    graphql::{
        attempt::{attempt, attempt_of},
        context::Ask,
        error::{Result, UserError},
        guard::Needs,
        id,
        provider::Provider,
    },
    kernel::{id::IntegrationId, scope::Scope},
};

/// What may be seen of a credential.
pub struct IntegrationCredential(pub credential::Credential);

/// What may be seen of a credential: never the secrets, only how they begin and end.
#[Object]
impl IntegrationCredential {
    /// The key of the auth method.
    async fn method(&self) -> &str {
        &self.0.auth_method
    }

    /// Its fields, each with what may be seen of it.
    async fn fields(&self) -> Vec<CredentialHint> {
        credential::hints(&self.0).into_iter().map(|(name, hint)| CredentialHint { name, hint }).collect()
    }

    /// How its key begins, where that says of which kind it is.
    async fn key_prefix(&self) -> Option<&str> {
        self.0.key_prefix.as_deref()
    }

    /// When its token ends; null if there is none or nobody knows. It is fetched anew before.
    async fn token_expires_at(&self) -> Option<DateTime<Utc>> {
        self.0.token_expires_at
    }

    /// Whether its token can be had anew without a person.
    async fn refreshable(&self) -> bool {
        self.0.refreshable
    }

    /// When the provider refused it for good; null while it does not.
    async fn refused_at(&self) -> Option<DateTime<Utc>> {
        self.0.refused_at
    }

    /// Why the provider refused it.
    async fn refused_because(&self) -> Option<&str> {
        self.0.refused_because.as_deref()
    }

    /// Who gave it: an id, or a part of the program.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }

    /// When it was given.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}

/// What may be seen of a field of a credential.
#[derive(SimpleObject)]
pub struct CredentialHint {
    /// The name of the field.
    name: String,
    /// What may be seen, such as `shpat_…9f2c`.
    hint: String,
}

/// Another credential for an integration that does not work.
#[derive(InputObject)]
pub struct ReconnectIntegrationInput {
    /// Which integration of your tenant.
    id: IntegrationId,
    /// The credential that takes the place of the old one.
    credentials: CredentialsInput,
    /// Take it without asking the provider whether it is right.
    #[graphql(default = false)]
    skip_test: bool,
}

/// What came of connecting an integration anew.
#[derive(SimpleObject)]
pub struct ReconnectIntegrationPayload {
    /// The integration as it is now, unless refused.
    integration: Option<Integration>,
    /// Why it was refused; empty on success. The old credential is in use then.
    user_errors: Vec<UserError>,
}

/// Another credential for an integration that works.
#[derive(InputObject)]
pub struct RotateCredentialsInput {
    /// Which integration of your tenant.
    id: IntegrationId,
    /// The new credential.
    credentials: CredentialsInput,
    /// For how many seconds the old one serves beside the new one, at most 30 days: calls that the provider refuses
    /// with the new one are tried with it, and signatures made with it are taken.
    #[graphql(default = 3600)]
    overlap: i32,
    /// Take it without asking the provider whether it is right.
    #[graphql(default = false)]
    skip_test: bool,
}

/// What came of rotating credentials.
#[derive(SimpleObject)]
pub struct RotateCredentialsPayload {
    /// The integration as it is now, unless refused.
    integration: Option<Integration>,
    /// Why it was refused; empty on success. The old credential is in use then.
    user_errors: Vec<UserError>,
}

/// For which integration somebody is to agree at the provider.
#[derive(InputObject)]
#[graphql(name = "StartOAuthInput")]
pub struct StartOAuthInput {
    /// Which integration of your tenant.
    id: IntegrationId,
}

/// What came of beginning an authorization.
#[derive(SimpleObject)]
#[graphql(name = "StartOAuthPayload")]
pub struct StartOAuthPayload {
    /// The page of the provider to which the person is to be sent, within ten minutes; null if refused.
    url: Option<String>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// For which integration to make a link.
#[derive(InputObject)]
pub struct CreateConnectLinkInput {
    /// Which integration of your tenant.
    id: IntegrationId,
}

/// What came of making a link.
#[derive(SimpleObject)]
pub struct CreateConnectLinkPayload {
    /// The link to hand over, shown once; null if refused. Whoever has it can give the credential, and nothing else.
    url: Option<String>,
    /// When it ends.
    expires_at: Option<DateTime<Utc>>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Your own application at a provider.
#[derive(InputObject)]
pub struct SetProviderAppInput {
    /// The key of the provider.
    provider: String,
    /// The fields, as `Provider.appFields` lists them.
    fields: Vec<CredentialFieldInput>,
    /// Whether it serves every tenant of the hub that has none of its own; for who runs the hub.
    #[graphql(default = false)]
    hub_wide: bool,
}

/// Your own application at a provider, as far as it may be seen.
#[derive(SimpleObject)]
pub struct ProviderApp {
    /// Its global id, beginning with `app_`.
    key: ID,
    /// The provider.
    provider: Option<Provider>,
    /// What may be seen of each field.
    fields: Vec<CredentialHint>,
    /// When it was last changed.
    updated_at: DateTime<Utc>,
}

/// What came of registering an application.
#[derive(SimpleObject)]
pub struct SetProviderAppPayload {
    /// The application, unless refused.
    provider_app: Option<ProviderApp>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Giving credentials.
#[derive(Default)]
pub struct CredentialMutation;

#[Object]
impl CredentialMutation {
    /// Gives an integration another credential at once; its id, settings and history stay. If the provider refuses it,
    /// nothing changes. Needs `INTEGRATION_WRITE`.
    #[graphql(guard = "Needs(Scope::IntegrationWrite)")]
    async fn reconnect_integration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which integration, and the credential.")] input: ReconnectIntegrationInput,
    ) -> Result<ReconnectIntegrationPayload> {
        let given = input.credentials.into();
        let made = reconnect::give(ctx.cx(), input.id, given, Takeover::AtOnce, input.skip_test).await;
        let (integration, user_errors) = attempt(ctx, made)?;
        Ok(ReconnectIntegrationPayload { integration: integration.map(Integration), user_errors })
    }

    /// Gives an integration that works another credential, while the old one serves on for a while. If the provider
    /// refuses it, nothing changes. Needs `INTEGRATION_WRITE`.
    #[graphql(guard = "Needs(Scope::IntegrationWrite)")]
    async fn rotate_credentials(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which integration, and the credential.")] input: RotateCredentialsInput,
    ) -> Result<RotateCredentialsPayload> {
        let how = Takeover::Overlap(TimeDelta::seconds(i64::from(input.overlap)));
        let made = reconnect::give(ctx.cx(), input.id, input.credentials.into(), how, input.skip_test).await;
        let (integration, user_errors) = attempt(ctx, made)?;
        Ok(RotateCredentialsPayload { integration: integration.map(Integration), user_errors })
    }

    /// Gives the page of the provider on which somebody agrees. Whoever opens it comes back to the hub, which then has
    /// the credential. Needs `INTEGRATION_WRITE`.
    #[graphql(name = "startOAuth", guard = "Needs(Scope::IntegrationWrite)")]
    async fn start_oauth(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which integration.")] input: StartOAuthInput,
    ) -> Result<StartOAuthPayload> {
        let (url, user_errors) = attempt(ctx, authorize::start(ctx.cx(), input.id).await)?;
        Ok(StartOAuthPayload { url: url.map(String::from), user_errors })
    }

    /// Makes a link by which an outsider gives an integration its credential: once, within half an hour. Needs
    /// `INTEGRATION_WRITE`.
    #[graphql(guard = "Needs(Scope::IntegrationWrite)")]
    async fn create_connect_link(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which integration.")] input: CreateConnectLinkInput,
    ) -> Result<CreateConnectLinkPayload> {
        let (made, user_errors) = attempt(ctx, link::create(ctx.cx(), input.id).await)?;
        let (url, expires_at) = made.map(|made| (made.url.expose().to_owned(), made.expires_at)).unzip();
        Ok(CreateConnectLinkPayload { url, expires_at, user_errors })
    }

    /// Registers your own application at a provider, to which people agree. Needs `INTEGRATION_WRITE`.
    #[graphql(guard = "Needs(Scope::IntegrationWrite)")]
    async fn set_provider_app(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The application.")] input: SetProviderAppInput,
    ) -> Result<SetProviderAppPayload> {
        let fields: Vec<_> = input.fields.into_iter().map(CredentialFieldInput::split).collect();
        let put = app::put(ctx.cx(), &input.provider, input.hub_wide, &fields).await;
        let (made, user_errors) = attempt_of(ctx, "provider", put)?;
        let provider_app = made.map(|made| ProviderApp {
            key: id::out(made.id),
            provider: provider::get(ctx.cx(), &made.provider).map(Provider),
            fields: app::hints(&made).into_iter().map(|(name, hint)| CredentialHint { name, hint }).collect(),
            updated_at: made.updated_at,
        });
        Ok(SetProviderAppPayload { provider_app, user_errors })
    }
}
