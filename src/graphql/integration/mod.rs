//! Integrations in the API: what a connection to a provider is like, and finding them.

pub mod action;
pub mod change;
pub mod credential;
pub mod follow;
pub mod input;
pub mod link;

use async_graphql::{Context, Enum, ID, InputObject, Json, Object, SimpleObject};
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde_json::Value;

use self::{action::IntegrationAction, credential::IntegrationCredential};
use super::{
    context::Ask,
    error::Result,
    guard::Needs,
    health::Health,
    id,
    loader::{ActionsOf, CredentialOf, HealthOf},
    page::Connection,
    provider::{Provider, words::ProviderCategory},
    sync::SyncStream,
};
use crate::{
    context::Cx,
    domain::{
        credential::token,
        health,
        integration::{
            self,
            call::manifest,
            list::{self, IntegrationFilter, OrderBy},
            warning::{self, Kind},
        },
        provider::{self, Capability},
        sync::run,
    },
    kernel::{id::IntegrationId, scope::Scope},
};

/// How an integration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "integration::Status")]
pub enum IntegrationStatus {
    /// Made without a test, or waiting for somebody to agree at the provider.
    Pending,
    /// A test is running.
    Testing,
    /// The last test passed.
    Active,
    /// Disabled: it is not used.
    Inactive,
    /// The last test failed; the reason stands beside it.
    Error,
    /// The provider refuses the credential for good: connect it anew.
    NeedsReauth,
}

/// How often records are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum SyncFrequency {
    /// When the provider tells of a change, and in a sweep.
    RealTime,
    /// Four times an hour.
    #[graphql(name = "EVERY_15_MINUTES")]
    Every15Minutes,
    /// Once an hour.
    Hourly,
    /// Once a day.
    Daily,
}

impl SyncFrequency {
    const ALL: [Self; 4] = [Self::RealTime, Self::Every15Minutes, Self::Hourly, Self::Daily];

    pub(in crate::graphql) const fn word(self) -> &'static str {
        match self {
            Self::RealTime => "real_time",
            Self::Every15Minutes => "every_15_minutes",
            Self::Hourly => "hourly",
            Self::Daily => "daily",
        }
    }

    pub(in crate::graphql) fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|each| each.word() == word)
    }
}

/// What a warning about an integration is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Kind")]
pub enum IntegrationWarningKind {
    /// The provider is not in the catalogue of this hub any more.
    ProviderGone,
    /// The version in use is over; calls may fail or be served by another.
    VersionEnded,
    /// The version in use ends within 90 days.
    VersionEndsSoon,
    /// The version that was chosen is not known any more; the usual one is used.
    VersionUnknown,
    /// The token ends and cannot be had anew without a person.
    TokenEnds,
    /// There is no credential.
    NoCredential,
}

/// Something to do before it goes wrong.
#[derive(SimpleObject)]
pub struct IntegrationWarning {
    /// What it is about, for programs.
    kind: IntegrationWarningKind,
    /// What to do, for people.
    message: String,
    /// The day by which, such as `2027-10-01`, if there is one.
    by: Option<String>,
}

/// A setting of an integration.
#[derive(SimpleObject)]
pub struct IntegrationSetting {
    /// The name in the provider's settings.
    name: String,
    /// The value.
    value: String,
}

/// Where a provider is and how it is asked.
#[derive(SimpleObject)]
pub struct IntegrationConnectionConfig {
    /// The domain of the account at the provider; null if it is not known yet.
    domain: Option<String>,
    /// The address of the interface; null if it is not known yet.
    endpoint: Option<String>,
    /// The version of the interface that is used; null if it has none.
    version: Option<String>,
    /// How long a question may take, in milliseconds; null for the hub's own bound.
    timeout: Option<i32>,
}

/// What an integration may be used for: what the provider offers and the tenant allows.
#[derive(SimpleObject)]
pub struct IntegrationCapabilities {
    /// Its records are read.
    can_sync: bool,
    /// It may be told to do something.
    can_push: bool,
    /// Whether webhooks of the provider are accepted and, for a partner, webhooks are sent.
    can_webhook: bool,
    /// How often records are read; null for what each stream says.
    sync_frequency: Option<SyncFrequency>,
}

/// What came of reading records so far.
#[derive(SimpleObject)]
pub struct IntegrationSyncStats {
    /// Records that are kept.
    total_records: i32,
    /// Records that the last run brought.
    last_sync_count: i32,
    /// Runs that failed.
    failed_sync_count: i32,
    /// The share of the last hundred runs that succeeded, from 0 to 1; null before the first one ended.
    success_rate: Option<f64>,
}

/// A connection to a provider.
#[derive(Clone)]
pub struct Integration(pub integration::Integration);

/// A connection of your tenant to a provider.
#[Object]
impl Integration {
    /// The global id, beginning with `int_`.
    pub(super) async fn id(&self) -> ID {
        id::out(self.0.id)
    }

    /// The provider; null if it is not in the catalogue of this hub any more.
    async fn provider(&self, ctx: &Context<'_>) -> Option<Provider> {
        provider::get(ctx.cx(), &self.0.provider).map(Provider)
    }

    /// The key of the provider.
    async fn provider_key(&self) -> &str {
        &self.0.provider
    }

    /// The name for people.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What it is for, as somebody wrote it down.
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    /// Which of the provider's environments it uses.
    async fn environment(&self) -> &str {
        &self.0.environment
    }

    /// Which of the provider's ways to prove who asks it uses.
    async fn auth_method(&self) -> &str {
        &self.0.auth_method
    }

    /// What the connection knows beside its credential.
    async fn settings(&self) -> Vec<IntegrationSetting> {
        token::settings(&self.0.settings).into_iter().map(|(name, value)| IntegrationSetting { name, value }).collect()
    }

    /// Where the provider is and how it is asked.
    async fn connection_config(&self, ctx: &Context<'_>) -> IntegrationConnectionConfig {
        let place = integration::place(ctx.cx(), &self.0);
        IntegrationConnectionConfig {
            domain: place.domain,
            endpoint: place.endpoint,
            version: place.version,
            timeout: self.0.timeout_ms.and_then(|timeout| i32::try_from(timeout).ok()),
        }
    }

    /// What your tenant noted about it.
    async fn metadata(&self) -> Json<Value> {
        Json(self.0.metadata.clone())
    }

    /// How it is.
    async fn status(&self) -> IntegrationStatus {
        self.0.status.into()
    }

    /// Whether it may be used.
    async fn enabled(&self) -> bool {
        self.0.enabled
    }

    /// Whose credential it is, in the provider's words, once it was asked.
    async fn account(&self) -> Option<&str> {
        self.0.account.as_deref()
    }

    /// Id of the account at the provider to which the credential in use belongs, as the provider itself answered in a
    /// test or probe. Webhooks of a hub-wide source are routed by it. Null while it is not proven, for example after a
    /// change of the credential or of the account's setting, and for providers whose webhooks name no account.
    async fn proven_account(&self) -> Option<&str> {
        self.0.proven_account.as_deref()
    }

    /// What may be seen of its credential; null if it has none.
    async fn credential(&self, ctx: &Context<'_>) -> Result<Option<IntegrationCredential>> {
        Ok(ctx.loaders().load(CredentialOf(self.0.id)).await?.map(IntegrationCredential))
    }

    /// How its key begins, where that says of which kind it is.
    async fn key_prefix(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        let credential = ctx.loaders().load(CredentialOf(self.0.id)).await?;
        Ok(credential.and_then(|credential| credential.key_prefix))
    }

    /// What it may be used for.
    async fn capabilities(&self, ctx: &Context<'_>) -> IntegrationCapabilities {
        let manifest = manifest(ctx.cx(), &self.0);
        let offers = |capability: Capability| manifest.as_ref().is_some_and(|manifest| capability.of(manifest));
        IntegrationCapabilities {
            can_sync: self.0.can_sync && offers(Capability::Sync),
            can_push: self.0.can_push && offers(Capability::Push),
            can_webhook: self.0.can_webhook && offers(Capability::Webhook),
            sync_frequency: self.0.sync_frequency.as_deref().and_then(SyncFrequency::of),
        }
    }

    /// When its records were last read.
    async fn last_synced_at(&self) -> Option<DateTime<Utc>> {
        self.0.last_synced_at
    }

    /// When its provider was last asked whether it works.
    async fn last_tested_at(&self) -> Option<DateTime<Utc>> {
        self.0.last_tested_at
    }

    /// When its provider last answered as it should to a test or an action.
    async fn last_success_at(&self) -> Option<DateTime<Utc>> {
        self.0.last_success_at
    }

    /// When its provider last did not.
    async fn last_error_at(&self) -> Option<DateTime<Utc>> {
        self.0.last_error_at
    }

    /// The class of the last failure, such as `auth` or `throttled`, until a test passes.
    async fn error_class(&self) -> Option<&str> {
        self.0.error_class.as_deref()
    }

    /// What went wrong last, until a test passes.
    async fn error_message(&self) -> Option<&str> {
        self.0.error_message.as_deref()
    }

    /// What came of reading its records so far.
    async fn sync_stats(&self) -> IntegrationSyncStats {
        let number = |count: i64| i32::try_from(count).unwrap_or(i32::MAX);
        IntegrationSyncStats {
            total_records: number(self.0.total_records),
            last_sync_count: number(self.0.last_sync_count),
            failed_sync_count: number(self.0.failed_sync_count),
            success_rate: run::success_rate(&self.0),
        }
    }

    /// What of it is read regularly, and how far it was read.
    async fn sync_streams(&self, ctx: &Context<'_>) -> Result<Vec<SyncStream>> {
        SyncStream::of(ctx, &self.0).await
    }

    /// What somebody should do about it, before it goes wrong.
    async fn warnings(&self, ctx: &Context<'_>) -> Result<Vec<IntegrationWarning>> {
        let credential = ctx.loaders().load(CredentialOf(self.0.id)).await?;
        let manifest = manifest(ctx.cx(), &self.0);
        let all = warning::warnings(&self.0, manifest.as_deref(), credential.as_ref(), ctx.cx().now());
        let shown = all.into_iter().map(|warning| IntegrationWarning {
            kind: warning.kind.into(),
            message: warning.message,
            by: warning.by.map(|day| day.to_string()),
        });
        Ok(shown.collect())
    }

    /// What it can be told to do.
    async fn actions(&self, ctx: &Context<'_>) -> Result<Vec<IntegrationAction>> {
        let found = ctx.loaders().load(ActionsOf(self.0.id)).await?.unwrap_or_default();
        Ok(found.into_iter().map(IntegrationAction).collect())
    }

    /// Whether it works, and if not, why.
    async fn health(&self, ctx: &Context<'_>) -> Result<Health> {
        let found = ctx.loaders().load(HealthOf(self.0.id)).await?;
        Ok(Health(found.unwrap_or_else(|| health::unknown(&self.0, self.0.created_at))))
    }

    /// Who made it: an id, or a part of the program.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it was last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }
}

/// Which integrations; what is left out does not matter.
#[derive(InputObject, Clone, Default)]
pub struct IntegrationFilterInput {
    /// Of these providers, by key.
    providers: Option<Vec<String>>,
    /// Of providers for these purposes.
    categories: Option<Vec<ProviderCategory>>,
    /// In one of these states.
    statuses: Option<Vec<IntegrationStatus>>,
    /// Enabled, or disabled.
    enabled: Option<bool>,
    /// With this in the name, in whichever case.
    search: Option<String>,
}

impl From<IntegrationFilterInput> for IntegrationFilter {
    fn from(input: IntegrationFilterInput) -> Self {
        let words = |categories: Vec<ProviderCategory>| {
            categories.into_iter().map(|each| provider::Category::from(each).as_str().to_owned()).collect()
        };
        Self {
            providers: input.providers,
            categories: input.categories.map(words),
            statuses: input.statuses.map(|all| all.into_iter().map(Into::into).collect()),
            enabled: input.enabled,
            search: input.search,
        }
    }
}

/// In which order integrations are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "OrderBy")]
pub enum IntegrationOrder {
    /// Oldest first.
    Created,
    /// Newest first.
    CreatedDescending,
    /// By name.
    Name,
    /// By name, from the end of the alphabet.
    NameDescending,
}

/// Looking at integrations.
#[derive(Default)]
pub struct IntegrationQuery;

#[Object]
impl IntegrationQuery {
    /// The integrations of your tenant. Needs `INTEGRATION_READ`.
    #[expect(clippy::too_many_arguments, reason = "they are those of a connection")]
    #[graphql(guard = "Needs(Scope::IntegrationRead)")]
    async fn integrations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which integrations; left out, all.")] filter: Option<IntegrationFilterInput>,
        #[graphql(desc = "In which order; oldest first if left out. A cursor belongs to its order.")] order_by: Option<
            IntegrationOrder,
        >,
        #[graphql(desc = "Items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items before this cursor.")] before: Option<String>,
        #[graphql(desc = "At most this many, from the start; 25 if left out, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "At most this many, from the end.")] last: Option<i32>,
    ) -> Result<Connection<Integration>> {
        let filter = IntegrationFilter::from(filter.unwrap_or_default());
        let order = order_by.map(Into::into).unwrap_or_default();
        let args = ctx.cx().page(after, before, first, last)?;
        let page = list::list(ctx.cx(), &filter, order, &args).await?;
        let counter = Box::new(move |cx: Cx| {
            let filter = filter.clone();
            Box::pin(async move { list::count(&cx, &filter).await }) as BoxFuture<'static, _>
        });
        Ok(Connection::new(page, Integration, counter))
    }

    /// One integration of your tenant. Needs `INTEGRATION_READ`.
    #[graphql(guard = "Needs(Scope::IntegrationRead)")]
    async fn integration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its global id.")] id: IntegrationId,
    ) -> Result<Integration> {
        Ok(Integration(integration::get(ctx.cx(), id).await?))
    }
}
