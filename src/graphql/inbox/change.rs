//! Making, rotating, switching and deleting sources of webhooks.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::TimeDelta;

use super::WebhookSource;
use crate::{
    domain::inbox::source::{self, Made, NewSource},
    graphql::{
        attempt::{attempt, attempt_of},
        context::Ask,
        error::{Result, UserError},
        guard::Needs,
        id,
        integration::input::CredentialFieldInput,
    },
    kernel::{
        id::{IntegrationId, WebhookSourceId},
        scope::Scope,
    },
};

/// Where a provider is to send webhooks.
#[derive(InputObject)]
pub struct CreateWebhookSourceInput {
    /// The integration whose webhooks come, if all are of one.
    integration_id: Option<IntegrationId>,
    /// The key of the provider, if webhooks of several integrations come; they say themselves whose they are.
    provider: Option<String>,
    /// Whether webhooks of every tenant's integrations with that provider come, as where one application at the provider
    /// serves them all. Each tenant gets the webhooks of the accounts that its integrations have proven
    /// (`Integration.provenAccount`). Refused for providers that cannot prove an account. Requires the scope `HUB_ADMIN`.
    #[graphql(default = false)]
    hub_wide: bool,
    /// A name for people; that of the integration or of the provider if left out.
    name: Option<String>,
    /// What the provider signs with, as it shows it when an address is added. Left out what is ours to choose: it is
    /// made, and shown once.
    #[graphql(default)]
    secrets: Vec<CredentialFieldInput>,
    /// Repeat a request with the same key, and it has its effect once. Remembered for 48 hours.
    idempotency_key: Option<String>,
}

/// A secret that was made here.
#[derive(SimpleObject)]
pub struct WebhookSecret {
    /// Its name.
    name: String,
    /// The secret; shown this once.
    value: String,
}

/// What came of making a source.
#[derive(SimpleObject)]
pub struct CreateWebhookSourcePayload {
    /// The source, unless refused.
    source: Option<WebhookSource>,
    /// The whole address to paste at the provider, with the secret that has to stand in it; shown this once.
    url: Option<String>,
    /// Secrets that were made here, to be told to the provider; shown this once. Null if refused.
    secrets: Option<Vec<WebhookSecret>>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Other secrets for a source.
#[derive(InputObject)]
pub struct RotateWebhookSourceInput {
    /// Which source of your tenant.
    id: WebhookSourceId,
    /// What the provider signs with from now on. Left out what is ours to choose: it is made, and shown once.
    #[graphql(default)]
    secrets: Vec<CredentialFieldInput>,
    /// For how many seconds the secrets before count as well, at most 30 days.
    #[graphql(default = 86400)]
    overlap: i32,
}

/// What came of rotating secrets.
#[derive(SimpleObject)]
pub struct RotateWebhookSourcePayload {
    /// The source as it is now, unless refused.
    source: Option<WebhookSource>,
    /// The whole address to paste at the provider, with the secret that has to stand in it; shown this once.
    url: Option<String>,
    /// Secrets that were made here, to be told to the provider; shown this once. Null if refused.
    secrets: Option<Vec<WebhookSecret>>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Which source is to take webhooks again.
#[derive(InputObject)]
pub struct EnableWebhookSourceInput {
    /// Which source of your tenant.
    id: WebhookSourceId,
}

/// Which source is to take none.
#[derive(InputObject)]
pub struct DisableWebhookSourceInput {
    /// Which source of your tenant.
    id: WebhookSourceId,
}

/// Which source to delete.
#[derive(InputObject)]
pub struct DeleteWebhookSourceInput {
    /// Which source of your tenant.
    id: WebhookSourceId,
}

/// What came of switching a source on.
#[derive(SimpleObject)]
pub struct EnableWebhookSourcePayload {
    /// The source as it is now, unless refused.
    source: Option<WebhookSource>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// What came of switching a source off.
#[derive(SimpleObject)]
pub struct DisableWebhookSourcePayload {
    /// The source as it is now, unless refused.
    source: Option<WebhookSource>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// What came of deleting a source.
#[derive(SimpleObject)]
pub struct DeleteWebhookSourcePayload {
    /// The id of the source that is gone, unless refused.
    deleted_id: Option<ID>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// What a source that was just made shows once.
fn shown(made: Option<Made>) -> (Option<WebhookSource>, Option<String>, Option<Vec<WebhookSecret>>) {
    let Some(made) = made else { return (None, None, None) };
    let url = made.url.expose().to_owned();
    let secrets = made.secrets.into_iter();
    let secrets = secrets.map(|(name, value)| WebhookSecret { name, value: value.expose().to_owned() }).collect();
    (Some(WebhookSource(made.source)), Some(url), Some(secrets))
}

/// Changing where webhooks come.
#[derive(Default)]
pub struct SourceMutation;

#[Object]
impl SourceMutation {
    /// Makes an address to which a provider can send webhooks. Needs `INTEGRATION_WRITE`.
    #[graphql(guard = "Needs(Scope::IntegrationWrite)")]
    async fn create_webhook_source(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What it is for.")] input: CreateWebhookSourceInput,
    ) -> Result<CreateWebhookSourcePayload> {
        let new = NewSource {
            provider: input.provider,
            integration: input.integration_id,
            hub_wide: input.hub_wide,
            name: input.name,
            secrets: input.secrets.into_iter().map(CredentialFieldInput::split).collect(),
        };
        let made = source::create(ctx.cx(), new, input.idempotency_key.as_deref()).await;
        let (made, user_errors) = attempt_of(ctx, "integrationId", made)?;
        let (source, url, secrets) = shown(made);
        Ok(CreateWebhookSourcePayload { source, url, secrets, user_errors })
    }

    /// Gives a source other secrets; those before count for a while as well. Needs `INTEGRATION_WRITE`.
    #[graphql(guard = "Needs(Scope::IntegrationWrite)")]
    async fn rotate_webhook_source(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which source, and what it is given.")] input: RotateWebhookSourceInput,
    ) -> Result<RotateWebhookSourcePayload> {
        let secrets: Vec<_> = input.secrets.into_iter().map(CredentialFieldInput::split).collect();
        let overlap = TimeDelta::seconds(input.overlap.into());
        let (made, user_errors) = attempt(ctx, source::rotate(ctx.cx(), input.id, &secrets, overlap).await)?;
        let (source, url, secrets) = shown(made);
        Ok(RotateWebhookSourcePayload { source, url, secrets, user_errors })
    }

    /// Lets a source take webhooks again. Needs `INTEGRATION_WRITE`.
    #[graphql(guard = "Needs(Scope::IntegrationWrite)")]
    async fn enable_webhook_source(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which source.")] input: EnableWebhookSourceInput,
    ) -> Result<EnableWebhookSourcePayload> {
        let (source, user_errors) = attempt(ctx, source::enable(ctx.cx(), input.id, true).await)?;
        Ok(EnableWebhookSourcePayload { source: source.map(WebhookSource), user_errors })
    }

    /// Lets a source take none until it is enabled: whoever sends hears that there is nothing. Needs
    /// `INTEGRATION_WRITE`.
    #[graphql(guard = "Needs(Scope::IntegrationWrite)")]
    async fn disable_webhook_source(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which source.")] input: DisableWebhookSourceInput,
    ) -> Result<DisableWebhookSourcePayload> {
        let (source, user_errors) = attempt(ctx, source::enable(ctx.cx(), input.id, false).await)?;
        Ok(DisableWebhookSourcePayload { source: source.map(WebhookSource), user_errors })
    }

    /// Deletes a source with its secrets. What came there is kept for its time. Needs `INTEGRATION_WRITE`.
    #[graphql(guard = "Needs(Scope::IntegrationWrite)")]
    async fn delete_webhook_source(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which source.")] input: DeleteWebhookSourceInput,
    ) -> Result<DeleteWebhookSourcePayload> {
        let (deleted, user_errors) = attempt(ctx, source::delete(ctx.cx(), input.id).await)?;
        Ok(DeleteWebhookSourcePayload { deleted_id: deleted.map(id::out), user_errors })
    }
}
