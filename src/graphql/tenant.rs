//! Tenants and their settings in the API.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::{
    attempt::attempt,
    context::Ask,
    error::{Result, UserError, outcome},
    guard::Needs,
    id,
    keyring::TenantKey,
    loader::KeyOf,
    page::Connection,
};
use crate::{
    domain::tenant::{self, NewTenant, SettingsInput, TenantChange, lifecycle},
    kernel::{id::TenantId, scope::Scope},
};

/// Whether a tenant is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "tenant::Status")]
pub enum TenantStatus {
    /// It is.
    Active,
    /// Nobody of it is let in, until it is resumed.
    Suspended,
    /// It is gone for good; its audit log is kept for its time.
    Deleted,
}

/// A business and everything that is its own: connections, people, tokens, history.
#[derive(Clone)]
pub struct Tenant(pub tenant::Tenant);

/// A business and everything that is its own: connections, people, tokens, history.
#[Object]
impl Tenant {
    /// The global id, beginning with `ten_`.
    pub(super) async fn id(&self) -> ID {
        id::out(self.0.id)
    }

    /// The short name for URLs and for the `X-Portolan-Tenant` header.
    async fn slug(&self) -> &str {
        &self.0.slug
    }

    /// The name for people.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether it is served.
    async fn status(&self) -> TenantStatus {
        self.0.state().into()
    }

    /// Since when it is suspended; null if it is not.
    async fn suspended_at(&self) -> Option<DateTime<Utc>> {
        self.0.suspended_at
    }

    /// Why it is suspended; null if it is not.
    async fn suspension_reason(&self) -> Option<&str> {
        self.0.suspension_reason.as_deref()
    }

    /// When it was deleted; null if it was not.
    async fn deleted_at(&self) -> Option<DateTime<Utc>> {
        self.0.deleted_at
    }

    /// How the tenant writes times, dates and money.
    async fn settings(&self) -> TenantSettings {
        TenantSettings {
            time_zone: self.0.time_zone.clone(),
            locale: self.0.locale.clone(),
            currency: self.0.currency.clone(),
            date_format: self.0.date_format.clone(),
        }
    }

    /// The key under which the tenant's secrets are sealed; null before there is a secret. Needs
    /// `ACCESS_READ`.
    #[graphql(guard = "Needs(Scope::AccessRead)")]
    async fn key(&self, ctx: &Context<'_>) -> Result<Option<TenantKey>> {
        Ok(ctx.loaders().load(KeyOf(self.0.id)).await?.map(Into::into))
    }

    /// When it was created.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it was last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }
}

/// How a tenant writes times, dates and money.
#[derive(SimpleObject)]
pub struct TenantSettings {
    /// The time zone by its IANA name, such as `Asia/Dubai`. "Today" means today there.
    time_zone: String,
    /// The language tag, such as `ar-AE`.
    locale: String,
    /// The default currency by its ISO 4217 code, such as `AED`.
    currency: String,
    /// How dates are written, such as `DD/MM/YYYY`.
    date_format: String,
}

/// Settings to set or change; what is left out keeps its value.
#[derive(InputObject, Default)]
pub struct TenantSettingsInput {
    /// The time zone by its IANA name, such as `Asia/Dubai`.
    time_zone: Option<String>,
    /// The language tag, such as `ar-AE`.
    locale: Option<String>,
    /// The default currency by its ISO 4217 code, such as `AED`.
    currency: Option<String>,
    /// How dates are written: `DD`, `MM` and `YYYY` once each, with separators.
    date_format: Option<String>,
}

impl From<TenantSettingsInput> for SettingsInput {
    fn from(input: TenantSettingsInput) -> Self {
        Self {
            time_zone: input.time_zone,
            locale: input.locale,
            currency: input.currency,
            date_format: input.date_format,
        }
    }
}

/// What a new tenant is to be.
#[derive(InputObject)]
pub struct CreateTenantInput {
    /// A short name of lower-case letters, digits and dashes, unique in the hub.
    slug: String,
    /// The name for people.
    name: String,
    /// Settings; the defaults are UTC, `en`, `AED` and `DD/MM/YYYY`.
    settings: Option<TenantSettingsInput>,
    /// Repeat a request with the same key, and it has its effect once. Remembered for 48 hours.
    idempotency_key: Option<String>,
}

/// What came of creating a tenant.
#[derive(SimpleObject)]
pub struct CreateTenantPayload {
    /// The new tenant, unless refused.
    tenant: Option<Tenant>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// What to change of a tenant.
#[derive(InputObject)]
pub struct UpdateTenantInput {
    /// Which tenant; your own, unless you run the hub.
    id: TenantId,
    /// A new short name, unique in the hub.
    slug: Option<String>,
    /// A new name for people.
    name: Option<String>,
    /// Settings to change; what is left out stays.
    settings: Option<TenantSettingsInput>,
}

/// What came of changing a tenant.
#[derive(SimpleObject)]
pub struct UpdateTenantPayload {
    /// The tenant as it is now, unless refused.
    tenant: Option<Tenant>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Which tenant to suspend.
#[derive(InputObject)]
pub struct SuspendTenantInput {
    /// Which tenant; not the one your credential belongs to.
    id: TenantId,
    /// Why, for the audit log and for whoever is to resume it.
    reason: String,
}

/// What came of suspending a tenant.
#[derive(SimpleObject)]
pub struct SuspendTenantPayload {
    /// The tenant as it is now, unless refused.
    tenant: Option<Tenant>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Which tenant to resume.
#[derive(InputObject)]
pub struct ResumeTenantInput {
    /// Which tenant.
    id: TenantId,
}

/// What came of resuming a tenant.
#[derive(SimpleObject)]
pub struct ResumeTenantPayload {
    /// The tenant as it is now, unless refused.
    tenant: Option<Tenant>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Which tenant to delete.
#[derive(InputObject)]
pub struct DeleteTenantInput {
    /// Which tenant; not the one your credential belongs to.
    id: TenantId,
    /// The tenant's slug, to confirm that this one is meant. There is no way back.
    confirmation: String,
}

/// What came of deleting a tenant.
#[derive(SimpleObject)]
pub struct DeleteTenantPayload {
    /// What is left of the tenant, unless refused.
    tenant: Option<Tenant>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Reading tenants.
#[derive(Default)]
pub struct TenantQuery;

#[Object]
impl TenantQuery {
    /// The tenant you act in, or another one by its id if you run the hub. Needs `TENANT_READ`.
    #[graphql(guard = "Needs(Scope::TenantRead)")]
    async fn tenant(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which tenant; left out, the one you act in.")] id: Option<TenantId>,
    ) -> Result<Option<Tenant>> {
        let cx = ctx.cx();
        let id = id.map_or_else(|| cx.tenant(), Ok)?;
        Ok(Some(Tenant(tenant::get(cx, id).await?)))
    }

    /// Every tenant of the hub, oldest first. Needs `HUB_ADMIN`.
    #[graphql(guard = "Needs(Scope::HubAdmin)")]
    async fn tenants(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items before this cursor.")] before: Option<String>,
        #[graphql(desc = "At most this many, from the start; 25 if left out, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "At most this many, from the end.")] last: Option<i32>,
    ) -> Result<Connection<Tenant>> {
        let args = ctx.cx().page(after, before, first, last)?;
        let page = tenant::list(ctx.cx(), &args).await?;
        Ok(Connection::new(page, Tenant, Box::new(|cx| Box::pin(async move { tenant::count(&cx).await }))))
    }
}

/// Changing tenants.
#[derive(Default)]
pub struct TenantMutation;

#[Object]
impl TenantMutation {
    /// Creates a tenant. Needs `HUB_ADMIN`.
    #[graphql(guard = "Needs(Scope::HubAdmin)")]
    async fn create_tenant(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What it is to be.")] input: CreateTenantInput,
    ) -> Result<CreateTenantPayload> {
        let new = NewTenant { slug: input.slug, name: input.name, settings: input.settings.unwrap_or_default().into() };
        let made = tenant::create(ctx.cx(), new, input.idempotency_key.as_deref()).await;
        let (tenant, user_errors) = attempt(ctx, made)?;
        Ok(CreateTenantPayload { tenant: tenant.map(Tenant), user_errors })
    }

    /// Changes a tenant or its settings. Needs `TENANT_WRITE`.
    #[graphql(guard = "Needs(Scope::TenantWrite)")]
    async fn update_tenant(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateTenantInput,
    ) -> Result<UpdateTenantPayload> {
        let change =
            TenantChange { slug: input.slug, name: input.name, settings: input.settings.unwrap_or_default().into() };
        let (tenant, user_errors) = outcome(tenant::update(ctx.cx(), input.id, change).await)?;
        Ok(UpdateTenantPayload { tenant: tenant.map(Tenant), user_errors })
    }

    /// Suspends a tenant: its people, tokens and agents are refused with `TENANT_SUSPENDED` from their next
    /// request on, and nothing is lost. Needs `HUB_ADMIN`.
    #[graphql(guard = "Needs(Scope::HubAdmin)")]
    async fn suspend_tenant(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which tenant, and why.")] input: SuspendTenantInput,
    ) -> Result<SuspendTenantPayload> {
        let (tenant, user_errors) = attempt(ctx, lifecycle::suspend(ctx.cx(), input.id, &input.reason).await)?;
        Ok(SuspendTenantPayload { tenant: tenant.map(Tenant), user_errors })
    }

    /// Resumes a suspended tenant as it was. Needs `HUB_ADMIN`.
    #[graphql(guard = "Needs(Scope::HubAdmin)")]
    async fn resume_tenant(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which tenant.")] input: ResumeTenantInput,
    ) -> Result<ResumeTenantPayload> {
        let (tenant, user_errors) = attempt(ctx, lifecycle::resume(ctx.cx(), input.id).await)?;
        Ok(ResumeTenantPayload { tenant: tenant.map(Tenant), user_errors })
    }

    /// Deletes a tenant for good. Its keys are destroyed at once, so that nothing it sealed can ever be read;
    /// its other rows are removed soon after. Its audit log is kept for its time. Needs `HUB_ADMIN`.
    #[graphql(guard = "Needs(Scope::HubAdmin)")]
    async fn delete_tenant(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which tenant, confirmed.")] input: DeleteTenantInput,
    ) -> Result<DeleteTenantPayload> {
        let (tenant, user_errors) = attempt(ctx, lifecycle::delete(ctx.cx(), input.id, &input.confirmation).await)?;
        Ok(DeleteTenantPayload { tenant: tenant.map(Tenant), user_errors })
    }
}
