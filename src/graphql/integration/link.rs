//! The form that a connect link opens, for people who have no credential of ours.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::input::CredentialsInput;
use crate::{
    domain::integration::link::{self, Form},
    graphql::{
        context::Ask,
        error::{Result, UserError, outcome_of},
        provider::connect::ProviderAuthMethod,
    },
    kernel::secret::Secret,
};

/// What a connect link asks for.
pub struct ConnectForm(Form);

/// What a connect link asks for: enough to draw a form.
#[Object]
impl ConnectForm {
    /// The name of the provider.
    async fn provider_name(&self) -> &str {
        &self.0.manifest.name
    }

    /// The name of the integration.
    async fn integration_name(&self) -> &str {
        &self.0.integration.name
    }

    /// Ways to prove who asks; one of them is given.
    async fn auth_methods(&self) -> Vec<ProviderAuthMethod> {
        self.0.manifest.auth.iter().map(ProviderAuthMethod::of).collect()
    }

    /// The auth method that the integration has now.
    async fn auth_method(&self) -> &str {
        &self.0.integration.auth_method
    }

    /// When the link ends.
    async fn expires_at(&self) -> DateTime<Utc> {
        self.0.expires_at
    }
}

/// A credential given by a link.
#[derive(InputObject)]
pub struct ConnectByLinkInput {
    /// What stands at the end of the link.
    token: String,
    /// The credential.
    credentials: CredentialsInput,
}

/// What came of giving a credential by a link.
#[derive(SimpleObject)]
pub struct ConnectByLinkPayload {
    /// Whether the provider takes the credential and the link is used up; null if refused.
    connected: Option<bool>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// A link to an integration for which somebody has to agree.
#[derive(InputObject)]
pub struct AuthorizeByLinkInput {
    /// What stands at the end of the link.
    token: String,
}

/// What came of beginning an authorization by a link.
#[derive(SimpleObject)]
pub struct AuthorizeByLinkPayload {
    /// The page of the provider to go to, within ten minutes; null if refused.
    url: Option<String>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Looking at what a link opens.
#[derive(Default)]
pub struct LinkQuery;

#[Object]
impl LinkQuery {
    /// What a connect link asks for; null if it is unknown, used up or has ended. Needs no credential but the link.
    async fn connect_form(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What stands at the end of the link.")] token: String,
    ) -> Result<Option<ConnectForm>> {
        let (form, _) = outcome_of("token", link::open(ctx.cx(), &Secret::from(token)).await)?;
        Ok(form.map(ConnectForm))
    }
}

/// Giving a credential by a link.
#[derive(Default)]
pub struct LinkMutation;

#[Object]
impl LinkMutation {
    /// Gives an integration its credential. The link is used up when the provider takes it. Needs no credential but
    /// the link.
    async fn connect_by_link(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The link and the credential.")] input: ConnectByLinkInput,
    ) -> Result<ConnectByLinkPayload> {
        let given = link::give(ctx.cx(), &Secret::from(input.token), input.credentials.into()).await;
        let (form, user_errors) = outcome_of("token", given)?;
        Ok(ConnectByLinkPayload { connected: form.map(|_| true), user_errors })
    }

    /// Gives the page of the provider on which somebody agrees, and uses the link up. Needs no credential but the link.
    async fn authorize_by_link(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The link.")] input: AuthorizeByLinkInput,
    ) -> Result<AuthorizeByLinkPayload> {
        let started = link::authorize(ctx.cx(), &Secret::from(input.token)).await;
        let (url, user_errors) = outcome_of("token", started)?;
        Ok(AuthorizeByLinkPayload { url: url.map(String::from), user_errors })
    }
}
