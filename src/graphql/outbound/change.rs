//! Making, changing, trying, switching and deleting destinations of webhooks, and sending again.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use chrono::{DateTime, TimeDelta, Utc};

use super::{WebhookAttempt, WebhookDelivery, WebhookDestination};
use crate::{
    domain::outbound::{
        again,
        destination::{self, DestinationChange, NewDestination},
    },
    graphql::{
        attempt::attempt,
        context::Ask,
        error::{Result, UserError},
        guard::Needs,
        id,
    },
    kernel::{
        id::{WebhookDeliveryId, WebhookDestinationId},
        scope::Scope,
    },
};

/// Where webhooks are to go.
#[derive(InputObject)]
pub struct CreateWebhookDestinationInput {
    /// A name for people.
    name: String,
    /// Where they go: a public address over TLS.
    url: String,
    /// Kinds of events, such as `integration.created`; a star at the end stands for the rest: `integration.*`, `*`. Of
    /// those, what you may read goes there.
    events: Vec<String>,
    /// An expression (JMESPath) that must hold for the body besides, such as `` data.facts.to == `ERROR` ``.
    filter: Option<String>,
    /// Whether to sign with a key besides, so that the signature can be checked without knowing a secret (`v1a`).
    #[graphql(default)]
    with_public_key: bool,
    /// Repeat a request with the same key, and it has its effect once. Remembered for 48 hours.
    idempotency_key: Option<String>,
}

/// What came of making a destination.
#[derive(SimpleObject)]
pub struct CreateWebhookDestinationPayload {
    /// The destination, unless refused.
    destination: Option<WebhookDestination>,
    /// The secret with which signatures are checked; shown this once.
    secret: Option<String>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// What to change of a destination; what is left out stays.
#[derive(InputObject)]
pub struct UpdateWebhookDestinationInput {
    /// Which destination of your tenant.
    id: WebhookDestinationId,
    /// A new name.
    name: Option<String>,
    /// Where webhooks go from now on, those that wait included.
    url: Option<String>,
    /// Kinds of events, as a whole. Of those, what you may read goes there.
    events: Option<Vec<String>>,
    /// An expression that must hold for the body; null for none.
    filter: MaybeUndefined<String>,
}

/// What came of changing a destination.
#[derive(SimpleObject)]
pub struct UpdateWebhookDestinationPayload {
    /// The destination as it is now, unless refused.
    destination: Option<WebhookDestination>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Another secret for a destination.
#[derive(InputObject)]
pub struct RotateWebhookDestinationInput {
    /// Which destination of your tenant.
    id: WebhookDestinationId,
    /// For how many seconds the secret before signs as well, at most 30 days.
    #[graphql(default = 86400)]
    overlap: i32,
}

/// What came of rotating the secret of a destination.
#[derive(SimpleObject)]
pub struct RotateWebhookDestinationPayload {
    /// The destination as it is now, unless refused.
    destination: Option<WebhookDestination>,
    /// The secret with which signatures are checked; shown this once.
    secret: Option<String>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Which destination to try.
#[derive(InputObject)]
pub struct TestWebhookDestinationInput {
    /// Which destination of your tenant.
    id: WebhookDestinationId,
}

/// What came of trying a destination.
#[derive(SimpleObject)]
pub struct TestWebhookDestinationPayload {
    /// The delivery, unless refused. That nothing arrived is no refusal.
    delivery: Option<WebhookDelivery>,
    /// How the attempt went.
    attempt: Option<WebhookAttempt>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Which destination is to be sent to again.
#[derive(InputObject)]
pub struct EnableWebhookDestinationInput {
    /// Which destination of your tenant.
    id: WebhookDestinationId,
}

/// What came of switching a destination on.
#[derive(SimpleObject)]
pub struct EnableWebhookDestinationPayload {
    /// The destination as it is now, unless refused.
    destination: Option<WebhookDestination>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Which destination is to be sent nothing.
#[derive(InputObject)]
pub struct DisableWebhookDestinationInput {
    /// Which destination of your tenant.
    id: WebhookDestinationId,
}

/// What came of switching a destination off.
#[derive(SimpleObject)]
pub struct DisableWebhookDestinationPayload {
    /// The destination as it is now, unless refused.
    destination: Option<WebhookDestination>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Which destination to delete.
#[derive(InputObject)]
pub struct DeleteWebhookDestinationInput {
    /// Which destination of your tenant.
    id: WebhookDestinationId,
}

/// What came of deleting a destination.
#[derive(SimpleObject)]
pub struct DeleteWebhookDestinationPayload {
    /// The id of the destination that is gone, unless refused.
    deleted_id: Option<ID>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Which webhook to send again.
#[derive(InputObject)]
pub struct ResendDeliveryInput {
    /// Which delivery of your tenant.
    id: WebhookDeliveryId,
}

/// What came of sending a webhook again.
#[derive(SimpleObject)]
pub struct ResendDeliveryPayload {
    /// The delivery, which waits now, unless refused.
    delivery: Option<WebhookDelivery>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// What a destination is to be sent that it missed.
#[derive(InputObject)]
pub struct RecoverDestinationInput {
    /// Which destination of your tenant.
    id: WebhookDestinationId,
    /// From when on.
    since: DateTime<Utc>,
}

/// What came of recovering a destination.
#[derive(SimpleObject)]
pub struct RecoverDestinationPayload {
    /// How many webhooks wait now that were given up or skipped.
    count: Option<i32>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Changing where webhooks go.
#[derive(Default)]
pub struct OutboundMutation;

#[Object]
impl OutboundMutation {
    /// Names a place to which webhooks go from now on. Needs `INTEGRATION_WRITE`.
    #[graphql(guard = "Needs(Scope::IntegrationWrite)")]
    async fn create_webhook_destination(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Where, and what.")] input: CreateWebhookDestinationInput,
    ) -> Result<CreateWebhookDestinationPayload> {
        let new = NewDestination {
            name: input.name,
            url: input.url,
            events: input.events,
            filter: input.filter,
            with_key: input.with_public_key,
        };
        let made = destination::create(ctx.cx(), new, input.idempotency_key.as_deref()).await;
        let (made, user_errors) = attempt(ctx, made)?;
        let (destination, secret) = made.map(|made| (made.destination, made.secret)).unzip();
        let secret = secret.flatten().map(|secret| secret.expose().to_owned());
        Ok(CreateWebhookDestinationPayload { destination: destination.map(WebhookDestination), secret, user_errors })
    }

    /// Changes a destination. Needs `INTEGRATION_WRITE`.
    #[graphql(guard = "Needs(Scope::IntegrationWrite)")]
    async fn update_webhook_destination(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which destination, and what of it.")] input: UpdateWebhookDestinationInput,
    ) -> Result<UpdateWebhookDestinationPayload> {
        let change =
            DestinationChange { name: input.name, url: input.url, events: input.events, filter: input.filter.into() };
        let (destination, user_errors) = attempt(ctx, destination::update(ctx.cx(), input.id, change).await)?;
        Ok(UpdateWebhookDestinationPayload { destination: destination.map(WebhookDestination), user_errors })
    }

    /// Gives a destination another secret; the one before signs for a while as well. Needs `INTEGRATION_WRITE`.
    #[graphql(guard = "Needs(Scope::IntegrationWrite)")]
    async fn rotate_webhook_destination(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which destination, and for how long both sign.")] input: RotateWebhookDestinationInput,
    ) -> Result<RotateWebhookDestinationPayload> {
        let overlap = TimeDelta::seconds(input.overlap.into());
        let (made, user_errors) = attempt(ctx, destination::rotate(ctx.cx(), input.id, overlap).await)?;
        let (destination, secret) = made.map(|made| (made.destination, made.secret)).unzip();
        let secret = secret.flatten().map(|secret| secret.expose().to_owned());
        Ok(RotateWebhookDestinationPayload { destination: destination.map(WebhookDestination), secret, user_errors })
    }

    /// Sends a webhook of the type `webhook.test` now, once, and says how it went. Needs `INTEGRATION_RUN`.
    #[graphql(guard = "Needs(Scope::IntegrationRun)")]
    async fn test_webhook_destination(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which destination.")] input: TestWebhookDestinationInput,
    ) -> Result<TestWebhookDestinationPayload> {
        let (tried, user_errors) = attempt(ctx, destination::test(ctx.cx(), input.id).await)?;
        let (delivery, attempt) = tried.map(|tried| (tried.delivery, tried.attempt)).unzip();
        Ok(TestWebhookDestinationPayload {
            delivery: delivery.map(WebhookDelivery),
            attempt: attempt.map(WebhookAttempt),
            user_errors,
        })
    }

    /// Lets webhooks go to a destination again. What waits goes on; what it missed is sent by `recoverDestination`.
    /// Needs `INTEGRATION_WRITE`.
    #[graphql(guard = "Needs(Scope::IntegrationWrite)")]
    async fn enable_webhook_destination(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which destination.")] input: EnableWebhookDestinationInput,
    ) -> Result<EnableWebhookDestinationPayload> {
        let (destination, user_errors) = attempt(ctx, destination::enable(ctx.cx(), input.id).await)?;
        Ok(EnableWebhookDestinationPayload { destination: destination.map(WebhookDestination), user_errors })
    }

    /// Lets none go to a destination until it is enabled: what happens meanwhile is kept as skipped. Needs
    /// `INTEGRATION_WRITE`.
    #[graphql(guard = "Needs(Scope::IntegrationWrite)")]
    async fn disable_webhook_destination(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which destination.")] input: DisableWebhookDestinationInput,
    ) -> Result<DisableWebhookDestinationPayload> {
        let (destination, user_errors) = attempt(ctx, destination::disable(ctx.cx(), input.id).await)?;
        Ok(DisableWebhookDestinationPayload { destination: destination.map(WebhookDestination), user_errors })
    }

    /// Deletes a destination, with its secret and all that was sent there. Needs `INTEGRATION_WRITE`.
    #[graphql(guard = "Needs(Scope::IntegrationWrite)")]
    async fn delete_webhook_destination(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which destination.")] input: DeleteWebhookDestinationInput,
    ) -> Result<DeleteWebhookDestinationPayload> {
        let (deleted, user_errors) = attempt(ctx, destination::delete(ctx.cx(), input.id).await)?;
        Ok(DeleteWebhookDestinationPayload { deleted_id: deleted.map(id::out), user_errors })
    }

    /// Sends a webhook again that is over, with the same `webhook-id`. Needs `INTEGRATION_RUN`.
    #[graphql(guard = "Needs(Scope::IntegrationRun)")]
    async fn resend_delivery(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which delivery.")] input: ResendDeliveryInput,
    ) -> Result<ResendDeliveryPayload> {
        let (delivery, user_errors) = attempt(ctx, again::resend(ctx.cx(), input.id).await)?;
        Ok(ResendDeliveryPayload { delivery: delivery.map(WebhookDelivery), user_errors })
    }

    /// Sends a destination what it missed: what was given up, and what was skipped while it was disabled. Needs
    /// `INTEGRATION_RUN`.
    #[graphql(guard = "Needs(Scope::IntegrationRun)")]
    async fn recover_destination(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which destination, from when on.")] input: RecoverDestinationInput,
    ) -> Result<RecoverDestinationPayload> {
        let (count, user_errors) = attempt(ctx, again::recover(ctx.cx(), input.id, input.since).await)?;
        let count = count.map(|count| i32::try_from(count).unwrap_or(i32::MAX));
        Ok(RecoverDestinationPayload { count, user_errors })
    }
}
