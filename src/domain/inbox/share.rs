//! One address for many tenants: where one application at a provider serves them all, the provider sends to one place.
//!
//! Whoever runs the hub creates such a source, in a tenant of its own choice. What arrives is stored there as it came,
//! and is split: each tenant that has *proven* one of the accounts in a webhook gets the part of that account, as if it
//! had arrived at the tenant alone. The parts, and that the whole is done, are one commit, and a part is known by the
//! whole, so nobody gets it twice. What belongs to nobody waits and is given up like any other webhook.
//!
//! **Whose an account is** the provider says, in an answer to the integration's credential, and never a setting, which
//! anybody may type ([`proof`]). Two tenants that have proven the same account each get its part. An integration that is
//! disabled, deleted, `NEEDS_REAUTH` or not allowed to take webhooks gets nothing, nor does a tenant that is suspended.
//! This is looked at again in the commit, with the rows held.
//!
//! **What a tenant sees** of a part are its own events, without the signature: over the body of one account that would
//! still be the provider's, and some providers name the account outside of what they sign.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::ConnectionTrait;

use super::{
    Status, WebhookEvent,
    process::ProcessInbox,
    read::{Owners, received_of},
};
use crate::{
    context::{Cx, NewJob, Txn},
    domain::integration::proof,
    entity::{integration, webhook_event as entity},
    kernel::{
        error::{Error, Result},
        id::{IntegrationId, TenantId, WebhookSourceId},
    },
    provider::webhook::{
        carry, event,
        part::{self, Whole},
    },
};

/// Which other tenants have proven which accounts.
#[derive(Default)]
pub(super) struct Others {
    provider: String,
    accounts: BTreeMap<TenantId, BTreeSet<String>>,
    /// The integrations by which they have, with the account of each.
    proofs: BTreeMap<IntegrationId, String>,
}

impl Others {
    /// The other tenants that have proven an account of these webhooks.
    pub(super) async fn of(cx: &Cx, owners: &Owners, rows: &[WebhookEvent]) -> Result<Self> {
        let Some(webhook) = owners.webhook().filter(|_| owners.proves_accounts()) else { return Ok(Self::default()) };
        let mut wanted = BTreeSet::new();
        for row in rows {
            let read = received_of(row, |received| event::read(webhook, received));
            wanted.extend(read.unwrap_or_default().into_iter().filter_map(|event| event.account));
        }
        if wanted.is_empty() {
            return Ok(Self::default());
        }
        let own = cx.tenant()?;
        let mut others = Self { provider: owners.provider().to_owned(), ..Self::default() };
        let found = integration::proven_of_hub(owners.provider(), wanted).all(cx.db()).await?;
        for integration in found.into_iter().filter(|integration| integration.tenant_id != own) {
            if let Some(account) = integration.proven_account {
                others.accounts.entry(integration.tenant_id).or_default().insert(account.clone());
                others.proofs.insert(integration.id, account);
            }
        }
        Ok(others)
    }

    /// The part of a webhook for each of them; the reason if it cannot be split.
    pub(super) fn parts(&self, cx: &Cx, owners: &Owners, row: &WebhookEvent) -> Result<Vec<WebhookEvent>, String> {
        let Some(webhook) = owners.webhook() else { return Ok(Vec::new()) };
        let mut parts = Vec::new();
        for (tenant, accounts) in &self.accounts {
            let part = received_of(row, |it| part::part(webhook, it, &|account| accounts.contains(account)));
            let body = match part {
                Ok(body) => body,
                Err(Whole::Nothing) => continue,
                Err(Whole::Inseparable) => {
                    return Err("its events of one tenant cannot be separated from those of others".to_owned());
                }
            };
            parts.push(WebhookEvent {
                id: cx.id(),
                tenant_id: *tenant,
                integration_id: None,
                headers: carry::unsigned(&webhook.verify, &row.headers),
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

    /// Refuses if any of the proofs does not hold any more; those that do are held until the commit.
    async fn still_hold(&self, txn: &Txn) -> Result<()> {
        let accounts: BTreeSet<_> = self.proofs.values().cloned().collect();
        let held = integration::proven_of_hub_held(&self.provider, accounts).all(&**txn).await?;
        let holds = |(id, account): (&IntegrationId, &String)| {
            held.iter().any(|integration| integration.id == *id && proof::has(integration, account))
        };
        if self.proofs.iter().all(holds) {
            return Ok(());
        }
        Err(Error::conflict("account", "the integration that had proven the account changed meanwhile"))
    }
}

/// Gives tenants their parts, if they still have proven the accounts.
pub(super) async fn hand_on(
    txn: &Txn,
    others: Option<&Others>,
    source: WebhookSourceId,
    parts: Vec<WebhookEvent>,
) -> Result<()> {
    let (Some(others), false) = (others, parts.is_empty()) else { return Ok(()) };
    others.still_hold(txn).await?;
    let tenants: BTreeSet<_> = parts.iter().map(|part| part.tenant_id).collect();
    txn.query_all_raw(entity::take_in(txn.get_database_backend(), parts)).await?;
    for tenant in tenants {
        txn.enqueue_in(tenant, NewJob::of(&ProcessInbox { source })?.unique(source.to_string()));
    }
    Ok(())
}
