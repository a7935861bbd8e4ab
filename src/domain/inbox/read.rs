//! What a webhook that is kept says, in our words, and whose it is.

use std::sync::{Arc, LazyLock};

use chrono::SecondsFormat;
use http::{HeaderMap, HeaderName, HeaderValue};
use sea_orm::{ColumnTrait, QueryFilter};
use serde::Serialize;
use serde_json::Value;
use url::Url;

use super::{Happening, WebhookEvent, WebhookSource, route};
use crate::{
    context::Cx,
    domain::{
        credential::token,
        integration::{Integration, proof},
        sync::hint,
    },
    entity::integration,
    kernel::{
        error::{Error, Result},
        id::IntegrationId,
    },
    provider::{
        manifest::{Manifest, webhook::Webhook},
        webhook::{
            Received,
            event::{self, Event, Unread},
        },
    },
};

/// Where a webhook that is kept came from, as far as that matters to who reads it again.
static NOWHERE: LazyLock<Url> = LazyLock::new(|| {
    #[expect(clippy::unwrap_used, reason = "it is a constant")]
    Url::parse("https://portolan.invalid/").unwrap()
});

/// What a webhook comes to.
pub(super) struct Told {
    pub(super) event: Event,
    pub(super) integration: Option<IntegrationId>,
    pub(super) streams: Vec<String>,
}

/// All that is needed to find out whose something is, and what is to be read then.
pub(super) struct Owners {
    manifest: Arc<Manifest>,
    source: Option<IntegrationId>,
    /// Whether webhooks of all tenants come to the source, so that an account has to be proven.
    hub_wide: bool,
    all: Vec<Integration>,
}

impl Owners {
    /// The integrations of a source's tenant that may be meant; nothing if the provider is not known any more.
    pub(super) async fn of(cx: &Cx, source: &WebhookSource) -> Result<Option<Self>> {
        let Some(manifest) = cx.hub().catalogue.get(&source.provider).cloned() else { return Ok(None) };
        let all = integration::of(cx.tenant()?).filter(integration::Column::Provider.eq(&source.provider));
        let (source, hub_wide) = (source.integration_id, source.hub_wide);
        Ok(Some(Self { manifest, source, hub_wide, all: all.all(cx.db()).await? }))
    }

    pub(super) fn provider(&self) -> &str {
        self.manifest.key.as_str()
    }

    pub(super) fn webhook(&self) -> Option<&Webhook> {
        self.manifest.webhook.get()
    }

    /// Whether the provider's file says how an account is proven.
    pub(super) fn proves_accounts(&self) -> bool {
        self.manifest.account_proof().is_some()
    }

    /// The integration to which it belongs and that takes webhooks; the reason if there is none.
    fn owner(&self, account: Option<&str>) -> Result<&Integration, String> {
        let found = if self.hub_wide { self.proven_owner(account) } else { self.named_owner(account) }?;
        if found.can_webhook {
            Ok(found)
        } else {
            Err(format!("{} does not take webhooks: its capability canWebhook is false", found.name))
        }
    }

    /// The integration that has proven the account.
    fn proven_owner(&self, account: Option<&str>) -> Result<&Integration, String> {
        let Some(account) = account else {
            return Err(format!("it does not say of which account with {} it is", self.manifest.name));
        };
        self.all.iter().find(|integration| proof::has(integration, account)).ok_or_else(|| {
            let shown: String = account.chars().take(100).collect();
            format!("no integration with {} in good standing has proven the account {shown:?}", self.manifest.name)
        })
    }

    /// The integration whose settings name the account.
    fn named_owner(&self, account: Option<&str>) -> Result<&Integration, String> {
        let own = self.source.and_then(|id| self.all.iter().find(|integration| integration.id == id));
        let setting = self.webhook().and_then(|webhook| webhook.account.get()).map(|account| account.setting.as_str());
        if let (Some(setting), Some(account)) = (setting, account) {
            let has = |integration: &&Integration| {
                token::settings(&integration.settings).get(setting).is_some_and(|value| value == account)
            };
            // The one that the source is for comes first, should there be two with one account.
            if let Some(found) = own.filter(has).or_else(|| self.all.iter().find(has)) {
                return Ok(found);
            }
            let unset = |own: &&Integration| !token::settings(&own.settings).contains_key(setting);
            let shown: String = account.chars().take(100).collect();
            return own.filter(unset).ok_or_else(|| {
                format!("it is of the {setting} {shown:?}, which no integration with {} has", self.manifest.name)
            });
        }
        match (own, &self.all[..]) {
            (Some(own), _) => Ok(own),
            (None, [only]) => Ok(only),
            (None, []) => Err(format!("there is no integration with {}", self.manifest.name)),
            (None, _) => Err(format!("it does not say which of the integrations with {} is meant", self.manifest.name)),
        }
    }

    /// What a webhook comes to; the first reason for which some of it is nobody's stands beside it.
    pub(super) fn read(&self, row: &WebhookEvent) -> Result<(Vec<Told>, Option<String>), Unread> {
        let Some(webhook) = self.webhook() else { return Err(Unread::NoKind) };
        let (mut told, mut reason) = (Vec::new(), None);
        for event in read(webhook, row)? {
            let owner = self.owner(event.account.as_deref());
            let about = event.is.and_then(route::about);
            let streams = match (&owner, about) {
                (Ok(owner), Some(about)) if hint::is_followed(owner) => {
                    hint::streams(&self.manifest, about).map(str::to_owned).collect()
                }
                _ => Vec::new(),
            };
            let integration = owner.as_ref().ok().map(|owner| owner.id);
            reason = reason.or_else(|| owner.err());
            told.push(Told { event, integration, streams });
        }
        Ok((told, reason))
    }
}

/// What a webhook that is kept says.
fn read(webhook: &Webhook, row: &WebhookEvent) -> Result<Vec<Event>, Unread> {
    received_of(row, |received| event::read(webhook, received))
}

/// Does something with a webhook that is kept, as it was when it came.
pub(super) fn received_of<T>(row: &WebhookEvent, with: impl FnOnce(Received<'_>) -> T) -> T {
    let mut headers = HeaderMap::new();
    let kept: Vec<(String, String)> = serde_json::from_value(row.headers.clone()).unwrap_or_default();
    for (name, value) in kept {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(&value)) {
            headers.append(name, value);
        }
    }
    let mut url = NOWHERE.clone();
    url.set_query((!row.query.is_empty()).then_some(&row.query));
    let from = row.address.as_deref().and_then(|address| address.parse().ok());
    let from = from.unwrap_or(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED));
    with(Received { url: &url, headers: &headers, body: &row.body, from })
}

/// Something that happened, in our words. The order of the fields is part of what is kept.
#[derive(Serialize)]
struct Normalised<'a> {
    id: &'a str,
    kind: &'a str,
    is: Option<&'static str>,
    subject: Option<&'a str>,
    at: Option<String>,
    account: Option<&'a str>,
    data: &'a Value,
}

/// What happened, in our words: from the same bytes and the same file the same text.
pub(super) fn normalised(event: &Event) -> Result<String> {
    let normalised = Normalised {
        id: &event.id,
        kind: &event.kind,
        is: event.is.map(Happening::as_str),
        subject: event.subject.as_deref(),
        at: event.at.map(|at| at.to_rfc3339_opts(SecondsFormat::Micros, true)),
        account: event.account.as_deref(),
        data: &event.data,
    };
    serde_json::to_string(&normalised).map_err(|error| Error::Internal("a webhook could not be written", error.into()))
}
