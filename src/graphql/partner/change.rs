//! Making and changing partner organizations and the ways to exchange orders with them.

use async_graphql::{Context, InputObject, Json, MaybeUndefined, Object, SimpleObject};
use serde_json::{Map, Value};

use super::{PartnerAuthenticationType, PartnerIntegration, PartnerOrganization};
use crate::{
    domain::partner::{
        change::{self, PartnerIntegrationChange},
        create::{self, NewPartnerIntegration},
        organization::{self, Contact, NewOrganization, OrganizationChange},
    },
    graphql::{
        attempt::{attempt, attempt_of},
        context::Ask,
        error::{Result, UserError},
        guard::Needs,
        integration::SyncFrequency,
    },
    kernel::{
        id::{IntegrationId, PartnerOrganizationId},
        scope::Scope,
    },
};

/// Somebody at a partner.
#[derive(InputObject)]
pub struct PartnerContactInput {
    /// The name for people.
    name: String,
    /// The email address.
    email: Option<String>,
    /// The telephone number.
    phone: Option<String>,
    /// What somebody does there.
    role: Option<String>,
}

impl From<PartnerContactInput> for Contact {
    fn from(input: PartnerContactInput) -> Self {
        Self { name: input.name, email: input.email, phone: input.phone, role: input.role }
    }
}

/// What a new organization is to be.
#[derive(InputObject)]
pub struct CreatePartnerOrganizationInput {
    /// The name for people.
    name: String,
    /// What sort of partner it is: `partner_dealer`, `partner_energy`, `partner_installer`, or another that begins with
    /// `partner_`.
    #[graphql(name = "type")]
    kind: String,
    /// Whom to ask.
    #[graphql(default)]
    contacts: Vec<PartnerContactInput>,
    /// Repeat a request with the same key, and it has its effect once. Remembered for 48 hours.
    idempotency_key: Option<String>,
}

/// What came of making an organization.
#[derive(SimpleObject)]
pub struct CreatePartnerOrganizationPayload {
    /// The organization, unless refused.
    partner_organization: Option<PartnerOrganization>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// What to change of an organization; what is left out stays.
#[derive(InputObject)]
pub struct UpdatePartnerOrganizationInput {
    /// Which organization.
    id: PartnerOrganizationId,
    /// A new name.
    name: Option<String>,
    /// What sort of partner it is.
    #[graphql(name = "type")]
    kind: Option<String>,
    /// Whom to ask, as a whole.
    contacts: Option<Vec<PartnerContactInput>>,
    /// Whether anything is exchanged with it, and its tokens open anything.
    active: Option<bool>,
}

/// What came of changing an organization.
#[derive(SimpleObject)]
pub struct UpdatePartnerOrganizationPayload {
    /// The organization as it is now, unless refused.
    partner_organization: Option<PartnerOrganization>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// What a new way to exchange orders is to be.
#[derive(InputObject)]
pub struct CreatePartnerIntegrationInput {
    /// The organization whose it is.
    partner_organization_id: PartnerOrganizationId,
    /// What it is called, such as `volvo_dealer_api`.
    integration_name: String,
    /// The key of the provider of partners whose file says how the partner is asked. Left out, the one whose key the
    /// name begins with, or `custom_rest`.
    provider: Option<String>,
    /// The address of the partner's interface, with the version at its end or without.
    api_base_url: Option<String>,
    /// Its version.
    api_version: Option<String>,
    /// How it is proved to the partner who asks.
    #[graphql(default_with = "PartnerAuthenticationType::ApiKey")]
    authentication_type: PartnerAuthenticationType,
    /// The credential, as an object: `api_key`; `token`; `username` and `password`; or `client_id`, `client_secret` and
    /// `token_endpoint`. It is sealed and never shown.
    api_credentials: Option<Json<Map<String, Value>>>,
    /// Where the partner is told of its orders by webhooks; left out, it is told by its own interface, by the action
    /// `notify_status` of its provider's file.
    webhook_url: Option<String>,
    /// The secret that signs webhooks both ways, such as `whsec_…`; one is made and shown once if it is left out. It is
    /// sealed and never shown.
    webhook_secret: Option<String>,
    /// What the partner is told of: `order_created`, `order_status_changed`, `order_` with a status,
    /// `installation_completed`, or `*`.
    #[graphql(default)]
    webhook_events: Vec<String>,
    /// What the partner's statuses mean: an object with one object for each way. Of a status of yours that is not in
    /// it the partner is not told. In use at once.
    status_mapping: Option<Json<Value>>,
    /// Whether anything is exchanged by it.
    #[graphql(default = true)]
    is_active: bool,
    /// Whether the partner's orders are read regularly.
    #[graphql(default = true)]
    sync_enabled: bool,
    /// How often the partner's orders are read, and how often it is told: at once, or at the end of each quarter of
    /// an hour, hour or day of UTC.
    #[graphql(default_with = "SyncFrequency::RealTime")]
    sync_frequency: SyncFrequency,
    /// Ask the partner's interface first whether the credential is right.
    #[graphql(default)]
    test: bool,
    /// Repeat a request with the same key, and it has its effect once. Remembered for 48 hours.
    idempotency_key: Option<String>,
}

/// What came of making a way to exchange orders.
#[derive(SimpleObject)]
pub struct CreatePartnerIntegrationPayload {
    /// The way, unless refused.
    partner_integration: Option<PartnerIntegration>,
    /// The secret that was made because none was given; shown this once.
    webhook_secret: Option<String>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// What to change of a way to exchange orders; what is left out stays. Its mapping has mutations of its own.
#[derive(InputObject)]
pub struct UpdatePartnerIntegrationInput {
    /// Which one.
    id: IntegrationId,
    /// What it is called.
    integration_name: Option<String>,
    /// The address of the partner's interface.
    api_base_url: Option<String>,
    /// Its version.
    api_version: Option<String>,
    /// How it is proved to the partner who asks; with the credential of that type.
    authentication_type: Option<PartnerAuthenticationType>,
    /// Another credential, in the place of the one there is: an object as it is given at first.
    api_credentials: Option<Json<Map<String, Value>>>,
    /// Ask the partner's interface first whether the new credential is right.
    #[graphql(default)]
    test: bool,
    /// Where the partner is told of its orders from now on, what waits included; null to have it told by its own
    /// interface, by the action `notify_status` of its provider's file.
    webhook_url: MaybeUndefined<String>,
    /// The secret that signs webhooks from now on; what the partner signs with the one before is believed for a day.
    webhook_secret: Option<String>,
    /// What the partner is told of, as a whole.
    webhook_events: Option<Vec<String>>,
    /// Whether anything is exchanged by it.
    is_active: Option<bool>,
    /// Whether the partner's orders are read regularly.
    sync_enabled: Option<bool>,
    /// How often the partner's orders are read, and how often it is told: at once, or at the end of each quarter of
    /// an hour, hour or day of UTC.
    sync_frequency: Option<SyncFrequency>,
}

/// What came of changing a way to exchange orders.
#[derive(SimpleObject)]
pub struct UpdatePartnerIntegrationPayload {
    /// The way as it is now, unless refused.
    partner_integration: Option<PartnerIntegration>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Changing partners.
#[derive(Default)]
pub struct PartnerMutation;

#[Object]
impl PartnerMutation {
    /// Makes an organization with which orders are exchanged. Needs `PARTNER_WRITE`.
    #[graphql(guard = "Needs(Scope::PartnerWrite)")]
    async fn create_partner_organization(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What it is to be.")] input: CreatePartnerOrganizationInput,
    ) -> Result<CreatePartnerOrganizationPayload> {
        let new = NewOrganization {
            name: input.name,
            kind: input.kind,
            contacts: input.contacts.into_iter().map(Into::into).collect(),
        };
        let made = organization::create(ctx.cx(), new, input.idempotency_key.as_deref()).await;
        let (made, user_errors) = attempt(ctx, made)?;
        Ok(CreatePartnerOrganizationPayload { partner_organization: made.map(PartnerOrganization), user_errors })
    }

    /// Changes an organization, switches it off or on. Needs `PARTNER_WRITE`.
    #[graphql(guard = "Needs(Scope::PartnerWrite)")]
    async fn update_partner_organization(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one, and what of it.")] input: UpdatePartnerOrganizationInput,
    ) -> Result<UpdatePartnerOrganizationPayload> {
        let change = OrganizationChange {
            name: input.name,
            kind: input.kind,
            contacts: input.contacts.map(|contacts| contacts.into_iter().map(Into::into).collect()),
            active: input.active,
        };
        let (changed, user_errors) = attempt(ctx, organization::update(ctx.cx(), input.id, change).await)?;
        Ok(UpdatePartnerOrganizationPayload { partner_organization: changed.map(PartnerOrganization), user_errors })
    }

    /// Makes a way to exchange orders with a partner: the integration with its credential, webhooks in and out, and its
    /// mapping. All of it, or nothing. Needs `PARTNER_WRITE`.
    #[graphql(guard = "Needs(Scope::PartnerWrite)")]
    async fn create_partner_integration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What it is to be.")] input: CreatePartnerIntegrationInput,
    ) -> Result<CreatePartnerIntegrationPayload> {
        let new = NewPartnerIntegration {
            organization: input.partner_organization_id,
            provider: input.provider,
            name: input.integration_name,
            api_base_url: input.api_base_url,
            api_version: input.api_version,
            authentication_type: input.authentication_type.word().to_owned(),
            api_credentials: input.api_credentials.map(|Json(json)| json),
            webhook_url: input.webhook_url,
            webhook_secret: input.webhook_secret.map(Into::into),
            webhook_events: input.webhook_events,
            status_mapping: input.status_mapping.map(|Json(json)| json),
            is_active: input.is_active,
            sync_enabled: input.sync_enabled,
            sync_frequency: input.sync_frequency.word().to_owned(),
            test: input.test,
        };
        let made = create::create(ctx.cx(), new, input.idempotency_key.as_deref()).await;
        let (made, user_errors) = attempt_of(ctx, "partnerOrganizationId", made)?;
        let (own, secret) = made.map(|made| (made.own, made.secret)).unzip();
        Ok(CreatePartnerIntegrationPayload {
            partner_integration: own.map(PartnerIntegration),
            webhook_secret: secret.flatten().map(|secret| secret.expose().to_owned()),
            user_errors,
        })
    }

    /// Changes a way to exchange orders with a partner. Needs `PARTNER_WRITE`.
    #[graphql(guard = "Needs(Scope::PartnerWrite)")]
    async fn update_partner_integration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one, and what of it.")] input: UpdatePartnerIntegrationInput,
    ) -> Result<UpdatePartnerIntegrationPayload> {
        let new = PartnerIntegrationChange {
            name: input.integration_name,
            api_base_url: input.api_base_url,
            api_version: input.api_version,
            authentication_type: input.authentication_type.map(|kind| kind.word().to_owned()),
            api_credentials: input.api_credentials.map(|Json(json)| json),
            test: input.test,
            webhook_url: input.webhook_url.into(),
            webhook_secret: input.webhook_secret.map(Into::into),
            webhook_events: input.webhook_events,
            is_active: input.is_active,
            sync_enabled: input.sync_enabled,
            sync_frequency: input.sync_frequency.map(|each| each.word().to_owned()),
        };
        let (changed, user_errors) = attempt(ctx, change::update(ctx.cx(), input.id, new).await)?;
        Ok(UpdatePartnerIntegrationPayload { partner_integration: changed.map(PartnerIntegration), user_errors })
    }
}
