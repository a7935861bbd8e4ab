//! Providers in the API: what can be connected, and what a form for it has to ask.

pub mod connect;
pub mod offer;
pub mod warning;
pub mod words;

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use futures_util::future::BoxFuture;

use self::{
    connect::{ProviderAuthMethod, ProviderEnvironment, ProviderField, ProviderSetting},
    offer::{ProviderAction, ProviderLimit, ProviderStream, ProviderWebhook},
    warning::ProviderWarning,
    words::{ProviderCapability, ProviderCategory, ProviderPerTenant},
};
use super::{context::Ask, error::Result, guard::SignedIn, id, page::Connection};
use crate::{
    context::Cx,
    domain::provider::{self, Capability, Ends, Manifest, ProviderFilter},
};

/// A third party that can be connected.
#[derive(Clone)]
pub struct Provider(pub Arc<Manifest>);

/// A third party that can be connected: what it is for, how to prove who asks, what it offers.
#[Object]
impl Provider {
    /// The global id, beginning with `prv_`.
    pub(super) async fn id(&self) -> ID {
        id::out(provider::id(&self.0))
    }

    /// The name by which it is known here; it never changes.
    async fn key(&self) -> &str {
        self.0.key.as_str()
    }

    /// The name for people.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What it does, in one sentence.
    async fn description(&self) -> &str {
        &self.0.description
    }

    /// What it is for.
    async fn category(&self) -> ProviderCategory {
        self.0.category.into()
    }

    /// Documentation of its interface.
    async fn docs_url(&self) -> &str {
        &self.0.docs.0
    }

    /// How many connections a tenant may have.
    async fn per_tenant(&self) -> ProviderPerTenant {
        self.0.per_tenant.into()
    }

    /// What can be done with it.
    async fn capabilities(&self) -> Vec<ProviderCapability> {
        Capability::ALL.into_iter().filter(|capability| capability.of(&self.0)).map(Into::into).collect()
    }

    /// What we could not confirm about it, a sentence each.
    async fn unverified(&self) -> &[String] {
        self.0.unverified.as_deref().unwrap_or_default()
    }

    /// The versions of its interface; null if it has none.
    async fn version(&self, ctx: &Context<'_>) -> Option<ProviderVersion> {
        let version = self.0.version.get()?;
        let today = ctx.cx().now().date_naive();
        let known = version.known.iter().map(|known| ProviderKnownVersion {
            id: known.id.clone(),
            ends_on: match known.ends {
                Ends::On(day) => Some(day.to_string()),
                Ends::Unannounced => None,
            },
            days_left: known.ends.days_left(today).and_then(|days| i32::try_from(days).ok()),
        });
        Some(ProviderVersion { current: version.current.clone(), known: known.collect() })
    }

    /// What to know before it hurts: a version that ends, a fact that nobody confirmed. The most urgent comes first.
    async fn warnings(&self, ctx: &Context<'_>) -> Vec<ProviderWarning> {
        provider::warnings(ctx.cx(), &self.0).into_iter().map(ProviderWarning::from).collect()
    }

    /// Where its servers are.
    async fn environments(&self) -> Vec<ProviderEnvironment> {
        self.0.environments.iter().map(ProviderEnvironment::of).collect()
    }

    /// What a connection has to know beside its credential.
    async fn settings(&self) -> Vec<ProviderSetting> {
        self.0.settings.all().iter().map(ProviderSetting::of).collect()
    }

    /// Ways to prove who asks; a connection uses one.
    async fn auth_methods(&self) -> Vec<ProviderAuthMethod> {
        self.0.auth.iter().map(ProviderAuthMethod::of).collect()
    }

    /// What an operator has to register at the provider once for everybody; empty if nothing.
    async fn app_fields(&self) -> Vec<ProviderField> {
        self.0.app.iter().flatten().map(ProviderField::of).collect()
    }

    /// What can be read regularly.
    async fn streams(&self) -> Vec<ProviderStream> {
        self.0.streams.all().iter().map(ProviderStream::of).collect()
    }

    /// What can be done.
    async fn actions(&self) -> Vec<ProviderAction> {
        self.0.actions.all().iter().map(ProviderAction::of).collect()
    }

    /// What it sends by itself; null if nothing.
    async fn webhook(&self) -> Option<ProviderWebhook> {
        self.0.webhook.get().map(ProviderWebhook::of)
    }

    /// How much may be asked in which time.
    async fn limits(&self) -> Vec<ProviderLimit> {
        self.0.limits.iter().map(ProviderLimit::of).collect()
    }
}

/// Versions of an interface.
#[derive(SimpleObject)]
pub struct ProviderVersion {
    /// The one that is used unless a connection chooses another.
    current: String,
    /// Every one that can be chosen.
    known: Vec<ProviderKnownVersion>,
}

/// One version of an interface.
#[derive(SimpleObject)]
pub struct ProviderKnownVersion {
    /// As the provider writes it.
    id: String,
    /// The last day on which it is served, such as `2027-10-01`; null if the provider has not said.
    ends_on: Option<String>,
    /// How many days are left; negative when it is over.
    days_left: Option<i32>,
}

/// Which providers to list; what is left out does not matter.
#[derive(InputObject, Default)]
pub struct ProviderFilterInput {
    /// For this purpose.
    category: Option<ProviderCategory>,
    /// With this in the key, name or description, in whichever case.
    search: Option<String>,
    /// With which all of this can be done.
    capabilities: Option<Vec<ProviderCapability>>,
}

impl From<ProviderFilterInput> for ProviderFilter {
    fn from(input: ProviderFilterInput) -> Self {
        Self {
            category: input.category.map(Into::into),
            search: input.search,
            capabilities: input.capabilities.unwrap_or_default().into_iter().map(Into::into).collect(),
        }
    }
}

/// Looking at providers.
#[derive(Default)]
pub struct ProviderQuery;

#[Object]
impl ProviderQuery {
    /// The providers that can be connected, in the order of their names. Needs any valid credential.
    #[graphql(guard = "SignedIn")]
    async fn providers(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which providers; left out, all.")] filter: Option<ProviderFilterInput>,
        #[graphql(desc = "Items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items before this cursor.")] before: Option<String>,
        #[graphql(desc = "At most this many, from the start; 25 if left out, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "At most this many, from the end.")] last: Option<i32>,
    ) -> Result<Connection<Provider>> {
        let filter = ProviderFilter::from(filter.unwrap_or_default());
        let args = ctx.cx().page(after, before, first, last)?;
        let page = provider::list(ctx.cx(), &filter, &args)?;
        let counter = Box::new(move |cx: Cx| {
            let filter = filter.clone();
            Box::pin(async move { provider::count(&cx, &filter) }) as BoxFuture<'static, _>
        });
        Ok(Connection::new(page, Provider, counter))
    }

    /// The provider of that key; null if there is none. Needs any valid credential.
    #[graphql(guard = "SignedIn")]
    async fn provider(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The key, such as `stripe`.")] key: String,
    ) -> Result<Option<Provider>> {
        Ok(provider::get(ctx.cx(), &key).map(Provider))
    }
}
