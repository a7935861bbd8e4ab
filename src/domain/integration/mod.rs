//! Integrations: a tenant's connections to providers.
//!
//! **Who acts.** An administrator or operator makes one in one call: what is given is held against the provider's
//! file, the provider is asked whether it is right, and only then is anything written. A person agrees at the
//! provider where that is its way ([`authorize`]); an outsider gives a credential through a link ([`link`]). Callers
//! use it by [`action`], and later by syncs, the proxy and workflows.
//!
//! **How it lives.**
//!
//! | status | it is used | it came there by |
//! |---|---|---|
//! | PENDING | if it has a credential | being made without a test, or waiting for somebody to agree |
//! | TESTING | yes | a test that is running |
//! | ACTIVE | yes | a test that passed |
//! | INACTIVE | no | being disabled |
//! | ERROR | yes | a test that failed; the reason stands beside it |
//! | `NEEDS_REAUTH` | no | a provider that refuses the credential for good |
//!
//! Connecting anew keeps the id, and with it everything that refers to it. Deleting one forgets its secrets, and
//! nobody sees it any more; what it brought goes afterwards ([`removal`]).
//!
//! **What cannot happen.** Two connections to a provider that a tenant may have once: an index holds that, whoever
//! is quicker. A connection that is disabled is not used any more by whoever asks next: nobody keeps it in memory.
//!
//! **Which account it is** at the provider counts where webhooks of all tenants come to one address; the provider has to
//! say so ([`proof`]).
//!
//! **Not promised**: that a test which passed passes again.

pub mod account;
pub mod action;
pub mod authorize;
pub mod call;
pub mod change;
pub mod create;
pub mod link;
pub mod list;
pub mod mend;
pub mod proof;
pub mod reconnect;
pub mod removal;
pub mod test;
pub mod trouble;
pub mod warning;

use std::collections::BTreeMap;

use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, IntoActiveModel, QueryFilter};
use serde_json::{Value, json};

use crate::{
    context::{Cx, Txn},
    domain::{
        alert::{self, NewAlert, Severity},
        credential::token,
    },
    entity::{first::First, integration as entity},
    event::integration::IntegrationEvent,
    kernel::{
        error::{Error, Result},
        id::IntegrationId,
    },
    provider::{
        manifest::answer::Class,
        request::{self, Site},
    },
};

pub use entity::{Model as Integration, Status};

/// Those of the ids that belong to the tenant.
pub async fn by_ids(cx: &Cx, ids: &[IntegrationId]) -> Result<Vec<Integration>> {
    Ok(entity::of(cx.tenant()?).filter(entity::COLUMN.id.is_in(ids.iter().copied())).all(cx.db()).await?)
}

/// One integration of the tenant.
pub async fn get(cx: &Cx, id: IntegrationId) -> Result<Integration> {
    by_ids(cx, &[id]).await?.pop().ok_or(Error::NotFound("integration"))
}

/// One integration of the tenant, if it may be used now.
pub async fn usable(cx: &Cx, id: IntegrationId) -> Result<Integration> {
    let found = get(cx, id).await?;
    may_be_used(&found)?;
    Ok(found)
}

/// Whether callers may use an integration.
pub fn may_be_used(integration: &Integration) -> Result<()> {
    if !integration.enabled {
        return Err(Error::conflict("integrationId", format!("{} is disabled; enable it first", integration.name)));
    }
    if integration.status == Status::NeedsReauth {
        return Err(token::needs_reauth(integration.error_message.as_deref()));
    }
    Ok(())
}

/// An integration of the tenant, held until the commit.
pub(super) async fn held(txn: &Txn, id: IntegrationId) -> Result<Integration> {
    entity::held(txn.cx().tenant()?, id).first(&**txn).await?.ok_or(Error::NotFound("integration"))
}

/// Asks for a new credential of an integration whose stored one cannot be used any more.
pub(in crate::domain) async fn ask_for_credential(cx: &Cx, id: IntegrationId, reason: &str) -> Result<()> {
    cx.write(async |txn| {
        let mut row = held(txn, id).await?.into_active_model();
        row.last_error_at = Set(Some(txn.now()));
        row.error_class = Set(Some(Class::Auth.as_str().to_owned()));
        row.error_message = Set(Some(reason.to_owned()));
        let noted = row.update(&**txn).await?;
        into_status(txn, noted, Status::NeedsReauth, reason).await?;
        Ok(())
    })
    .await
}

/// Writes another status of an integration that is held, with its event; nothing if it has it already.
pub(super) async fn into_status(txn: &Txn, before: Integration, to: Status, reason: &str) -> Result<Integration> {
    if before.status == to {
        return Ok(before);
    }
    let from = before.status;
    let mut row = before.into_active_model();
    row.status = Set(to);
    if to == Status::NeedsReauth {
        (row.proven_account, row.account_asked_at) = (Set(None), Set(None));
    }
    row.updated_at = Set(txn.now());
    let after = row.update(&**txn).await?;
    let subject = after.id.to_string();
    if to == Status::NeedsReauth {
        let text = format!("{} needs to be connected anew: {reason}", after.name);
        let (kind, severity) = (alert::Kind::NeedsReauth, Severity::Critical);
        alert::raise(txn, NewAlert { kind, severity, subject, text }).await?;
    } else if from == Status::NeedsReauth {
        alert::resolve(txn, alert::Kind::NeedsReauth, &subject).await?;
    }
    txn.emit(&IntegrationEvent::StatusChanged {
        integration: after.id,
        from: from.name().to_owned(),
        to: to.name().to_owned(),
        reason: reason.to_owned(),
    })?;
    Ok(after)
}

/// How an integration stands in the audit log.
fn shown(integration: &Integration) -> Value {
    json!({
        "provider": integration.provider,
        "name": integration.name,
        "description": integration.description,
        "environment": integration.environment,
        "authMethod": integration.auth_method,
        "settings": integration.settings,
        "metadata": integration.metadata,
        "status": integration.status.name(),
        "enabled": integration.enabled,
        "timeoutMs": integration.timeout_ms,
        "canSync": integration.can_sync,
        "canPush": integration.can_push,
        "canWebhook": integration.can_webhook,
        "syncFrequency": integration.sync_frequency,
    })
}

/// Where a provider is for an integration, as far as it is known without its credential.
#[must_use]
pub fn place(cx: &Cx, integration: &Integration) -> create::Place {
    let Some(manifest) = call::manifest(cx, integration) else { return create::Place::default() };
    let settings = token::settings(&integration.settings);
    let Some(environment) = manifest.environment(&integration.environment) else { return create::Place::default() };
    let values = request::values(&manifest, environment, &settings, &BTreeMap::new());
    let endpoint = Site::of(environment, &values).ok().map(|site| site.base().to_owned());
    let domain = endpoint
        .as_ref()
        .and_then(|endpoint| url::Url::parse(endpoint).ok().and_then(|url| url.host_str().map(str::to_owned)));
    let version = values.get("version").map(|(version, _)| version.into_owned());
    create::Place { domain, endpoint, version, timeout_ms: integration.timeout_ms }
}
