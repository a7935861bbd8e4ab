//! One address for many tenants: where one application at a provider serves them all, the provider sends to one place.
//!
//! Who runs the hub makes such a source, in a tenant of its own choice. What comes is kept there as it came, and is
//! handed on: each tenant that has one of the accounts which a webhook is of gets its part of it, as if that had come
//! to the tenant alone. The parts and that the whole is done are one commit, and a part is known by the whole, so
//! nobody gets it twice. What is nobody's waits and is given up like any other.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::ConnectionTrait;

use super::{
    Status, WebhookEvent,
    process::ProcessInbox,
    read::{Owners, received_of},
};
use crate::{
    context::{Cx, NewJob, Txn},
    domain::credential::token,
    entity::{integration, webhook_event as entity},
    kernel::{
        error::Result,
        id::{TenantId, WebhookSourceId},
    },
    provider::webhook::{
        event,
        part::{self, Whole},
    },
};

/// Which tenants have which accounts.
#[derive(Default)]
pub(super) struct Others(BTreeMap<TenantId, BTreeSet<String>>);

impl Others {
    /// The other tenants that have an account of which these webhooks are.
    pub(super) async fn of(cx: &Cx, owners: &Owners, rows: &[WebhookEvent]) -> Result<Self> {
        let Some((webhook, account)) = owners.webhook().and_then(|it| Some((it, it.account.get()?))) else {
            return Ok(Self::default());
        };
        let mut accounts = BTreeSet::new();
        for row in rows {
            let read = received_of(row, |received| event::read(webhook, received));
            accounts.extend(read.unwrap_or_default().into_iter().filter_map(|event| event.account));
        }
        if accounts.is_empty() {
            return Ok(Self::default());
        }
        let setting = account.setting.as_str();
        let own = cx.tenant()?;
        let mut others: BTreeMap<TenantId, BTreeSet<String>> = BTreeMap::new();
        let found = integration::of_hub_with(owners.provider(), setting, accounts).all(cx.db()).await?;
        for integration in found.into_iter().filter(|integration| integration.tenant_id != own) {
            if let Some(account) = token::settings(&integration.settings).get(setting) {
                others.entry(integration.tenant_id).or_default().insert(account.clone());
            }
        }
        Ok(Self(others))
    }

    /// What each of them gets of a webhook; the reason if it cannot be taken apart.
    pub(super) fn parts(&self, cx: &Cx, owners: &Owners, row: &WebhookEvent) -> Result<Vec<WebhookEvent>, String> {
        let Some(webhook) = owners.webhook() else { return Ok(Vec::new()) };
        let mut parts = Vec::new();
        for (tenant, accounts) in &self.0 {
            let part = received_of(row, |it| part::part(webhook, it, &|account| accounts.contains(account)));
            let body = match part {
                Ok(body) => body,
                Err(Whole::Nothing) => continue,
                Err(Whole::Inseparable) => {
                    return Err("what is of one tenant in it cannot be told from what is of others".to_owned());
                }
            };
            parts.push(WebhookEvent {
                id: cx.id(),
                tenant_id: *tenant,
                integration_id: None,
                body,
                dedupe_key: format!("of:{}:{tenant}", row.id),
                repeats: 0,
                status: Status::Received,
                attempts: 0,
                due_at: Some(row.arrived_at),
                reason: None,
                replays: 0,
                settled_at: None,
                ..row.clone()
            });
        }
        Ok(parts)
    }
}

/// Gives tenants their parts.
pub(super) async fn hand_on(txn: &Txn, source: WebhookSourceId, parts: Vec<WebhookEvent>) -> Result<()> {
    if parts.is_empty() {
        return Ok(());
    }
    let tenants: BTreeSet<_> = parts.iter().map(|part| part.tenant_id).collect();
    txn.query_all_raw(entity::take_in(txn.get_database_backend(), parts)).await?;
    for tenant in tenants {
        txn.enqueue_in(tenant, NewJob::of(&ProcessInbox { source })?.unique(source.to_string()));
    }
    Ok(())
}
