//! Sources: made, given other secrets, switched off and on, deleted.

use chrono::TimeDelta;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};
use serde_json::json;

use super::{WebhookSource, open, receive::PATH, reconcile};
use crate::{
    context::{Audit, Cx, Hub, Once, Txn},
    domain::{
        alert,
        credential::webhook::{self, Checked},
        integration,
    },
    entity::{first::First, webhook_source as entity},
    event::inbox::InboxEvent,
    kernel::{
        error::{Error, Result},
        id::{IntegrationId, TenantId, WebhookSourceId},
        input::{self, Check},
        scope::Scope,
        secret::Secret,
        token,
    },
    provider::{
        manifest::{Manifest, webhook::Webhook},
        webhook::carry,
    },
};

/// How long secrets before a rotation may count at most.
const LONGEST_OVERLAP: TimeDelta = TimeDelta::days(30);

/// Sources that are looked at in one go.
const BATCH: u64 = 500;

/// A source to be.
#[derive(Clone, Debug)]
pub struct NewSource {
    /// The key of the provider, where no integration says it.
    pub provider: Option<String>,
    /// The integration whose webhooks come, if all are of one.
    pub integration: Option<IntegrationId>,
    /// Whether webhooks of other tenants' integrations come, too.
    pub hub_wide: bool,
    /// For people; the name of the integration or of the provider if left out.
    pub name: Option<String>,
    /// What the provider signs with, by name.
    pub secrets: Vec<(String, Secret)>,
}

/// A source that was just made, or given other secrets.
#[derive(Clone, Debug)]
pub struct Made {
    /// The source.
    pub source: WebhookSource,
    /// The whole address with what has to stand in it, to be told to the provider now and shown to nobody later.
    pub url: Secret,
    /// Secrets that were made here, by name; the same holds for them.
    pub secrets: Vec<(String, Secret)>,
}

/// The address of a source, without any secret.
#[must_use]
pub fn url(cx: &Cx, source: &WebhookSource) -> String {
    format!("{}{PATH}{}", cx.hub().access.base_url.trim_end_matches('/'), source.address)
}

fn manifest(cx: &Cx, key: &str, path: &str) -> Result<std::sync::Arc<Manifest>> {
    let found = cx.hub().catalogue.get(key).cloned();
    found.ok_or_else(|| Error::invalid(path, "there is no such provider; the query `providers` lists them"))
}

fn webhook_of<'m>(manifest: &'m Manifest, path: &str) -> Result<&'m Webhook> {
    let none = || Error::conflict(path, format!("{} sends no webhooks", manifest.name));
    manifest.webhook.get().ok_or_else(none)
}

/// Makes a source.
pub async fn create(cx: &Cx, new: NewSource, key: Option<&str>) -> Result<Made> {
    let (provider, path, usual) = match (new.integration, &new.provider) {
        (Some(_), Some(_)) | (None, None) => {
            return Err(Error::invalid("provider", "name either an integration or a provider"));
        }
        (Some(id), None) => {
            let of = integration::get(cx, id).await?;
            if !of.can_webhook {
                let reason = format!("{} takes no webhooks: its capability canWebhook is false", of.name);
                return Err(Error::conflict("integrationId", reason));
            }
            (of.provider, "integrationId", of.name)
        }
        (None, Some(provider)) => (provider.clone(), "provider", provider.clone()),
    };
    let manifest = manifest(cx, &provider, path)?;
    let webhook = webhook_of(&manifest, path)?;
    if new.hub_wide {
        serves_many(cx, &new, &manifest, webhook)?;
    }
    let usual = if new.integration.is_some() { usual } else { manifest.name.clone() };
    let mut check = Check::new();
    let name = check.take("name", input::name(new.name.as_deref().unwrap_or(&usual)));
    check.done()?;
    let checked = webhook::check(cx, &manifest, webhook, &new.secrets)?;
    let address = token::mint(token::Kind::Hook, &*cx.hub().chance);
    // The secrets are no part of what is compared: a digest of them is nothing to keep.
    let input = json!({ "provider": provider, "integration": new.integration, "name": name, "hubWide": new.hub_wide });
    let source = cx
        .write(async |txn| {
            let ticket = match txn.once("createWebhookSource", key, &input).await? {
                Once::Repeated(id) => return open_again(cx, txn, id).await,
                Once::First(ticket) => ticket,
            };
            let filled = Filled {
                provider: provider.clone(),
                integration: new.integration,
                name: name.clone(),
                hub_wide: new.hub_wide,
            };
            let row = insert(txn, filled, &checked, &address).await?;
            ticket.created(txn, row.id).await?;
            Ok((row, true))
        })
        .await?;
    let (source, is_new) = source;
    // Who repeats a call has had what was shown once.
    let made = if is_new { checked.made.clone() } else { Vec::new() };
    Ok(Made { url: whole(cx, &source, webhook, &made), source, secrets: made })
}

/// A source with everything chosen.
struct Filled {
    provider: String,
    integration: Option<IntegrationId>,
    name: String,
    hub_wide: bool,
}

async fn insert(txn: &Txn, new: Filled, checked: &Checked, address: &Secret) -> Result<WebhookSource> {
    let (cx, now) = (txn.cx(), txn.now());
    let row = WebhookSource {
        id: txn.id(),
        tenant_id: cx.tenant()?,
        provider: new.provider,
        integration_id: new.integration,
        name: new.name,
        digest: token::digest(address.expose()).to_vec(),
        address: address.expose().to_owned(),
        enabled: true,
        hub_wide: new.hub_wide,
        hints: checked.hints.clone(),
        overlap_until: None,
        refused: 0,
        compared_to: now,
        compared: 0,
        missed: 0,
        created_by: cx.actor().to_string(),
        created_at: now,
        updated_at: now,
    };
    entity::Entity::insert(row.clone().into_active_model()).exec_without_returning(&**txn).await?;
    webhook::put(txn, row.tenant_id, &row.id.to_string(), checked, false).await?;
    reconcile::fit(txn, &row).await?;
    let fact = InboxEvent::SourceCreated {
        source: row.id,
        provider: row.provider.clone(),
        integration: new.integration,
        name: row.name.clone(),
    };
    txn.emit(&fact)?;
    txn.audit(Audit::of(&fact).after(shown(&row)))?;
    Ok(row)
}

/// Makes the source of an integration that is being made in the same transaction. What is wrong with the
/// secrets is said before: see [`secrets`].
pub async fn put(txn: &Txn, integration: &integration::Integration, secrets: &Checked) -> Result<WebhookSource> {
    let address = token::mint(token::Kind::Hook, &*txn.cx().hub().chance);
    let filled = Filled {
        provider: integration.provider.clone(),
        integration: Some(integration.id),
        name: integration.name.clone(),
        hub_wide: false,
    };
    insert(txn, filled, secrets, &address).await
}

/// Holds secrets for a source of a provider against its file; nothing, if the provider sends no webhooks.
pub fn secrets(cx: &Cx, provider: &str, given: &[(String, Secret)]) -> Result<Option<Checked>> {
    let manifest = manifest(cx, provider, "provider")?;
    match manifest.webhook.get() {
        Some(webhook) => Ok(Some(webhook::check(cx, &manifest, webhook, given)?)),
        None => Ok(None),
    }
}

/// Whether a source can serve every tenant.
fn serves_many(cx: &Cx, new: &NewSource, manifest: &Manifest, webhook: &Webhook) -> Result<()> {
    cx.needs(Scope::HubAdmin)
        .map_err(|_| Error::forbidden("hubWide", "only who runs the hub makes what serves every tenant"))?;
    if new.integration.is_some() {
        return Err(Error::invalid("hubWide", "what serves every tenant is for no single integration"));
    }
    if webhook.account.get().is_none() {
        let reason = format!("webhooks of {} do not say whose they are; each tenant needs its own", manifest.name);
        return Err(Error::conflict("hubWide", reason));
    }
    if manifest.account_proof().is_none() {
        let reason = format!(
            "no call to {} proves which account belongs to a tenant's credential; each tenant needs its own source",
            manifest.name
        );
        return Err(Error::conflict("hubWide", reason));
    }
    Ok(())
}

async fn open_again(cx: &Cx, txn: &Txn, id: WebhookSourceId) -> Result<(WebhookSource, bool)> {
    let found = entity::of(cx.tenant()?).filter(entity::Column::Id.eq(id)).first(&**txn).await?;
    Ok((found.ok_or(Error::NotFound("webhook source"))?, false))
}

/// The address with the secret that has to stand in it, if one does that was just made.
fn whole(cx: &Cx, source: &WebhookSource, webhook: &Webhook, made: &[(String, Secret)]) -> Secret {
    let plain = url(cx, source);
    let filled = carry::parameter(&webhook.verify).and_then(|(parameter, template)| {
        let (_, secret) = made.iter().find(|(name, _)| template.names().any(|gap| gap == name))?;
        Some(format!("{plain}?{parameter}={}", secret.expose()))
    });
    Secret::from(filled.unwrap_or(plain))
}

/// How a source stands in the audit log.
fn shown(source: &WebhookSource) -> serde_json::Value {
    json!({
        "provider": source.provider,
        "integration": source.integration_id,
        "name": source.name,
        "enabled": source.enabled,
        "hubWide": source.hub_wide,
        "secrets": source.hints,
        "overlapUntil": source.overlap_until,
    })
}

async fn held(txn: &Txn, id: WebhookSourceId) -> Result<WebhookSource> {
    entity::held(txn.cx().tenant()?, id).first(&**txn).await?.ok_or(Error::NotFound("webhook source"))
}

/// Gives a source other secrets. Those before count for so long besides.
pub async fn rotate(cx: &Cx, id: WebhookSourceId, given: &[(String, Secret)], overlap: TimeDelta) -> Result<Made> {
    if !(TimeDelta::zero()..=LONGEST_OVERLAP).contains(&overlap) {
        return Err(Error::invalid("overlap", format!("it is between 0 and {} days", LONGEST_OVERLAP.num_days())));
    }
    let before = open::get(cx, id).await?;
    let manifest = manifest(cx, &before.provider, "id")?;
    let webhook = webhook_of(&manifest, "id")?;
    let checked = webhook::check(cx, &manifest, webhook, given)?;
    if checked.hints.as_object().is_none_or(serde_json::Map::is_empty) {
        let where_else = "they are checked with secrets of the integration or of your application at the provider";
        return Err(Error::conflict("id", format!("webhooks of {} have no secret here: {where_else}", manifest.name)));
    }
    let owner = before.id.to_string();
    if webhook::are(cx, before.tenant_id, &owner, &checked).await? {
        return Err(Error::conflict("secrets", "these are the secrets that it has"));
    }
    let source = cx
        .write(async |txn| {
            let found = held(txn, id).await?;
            let was = shown(&found);
            let until = (overlap > TimeDelta::zero()).then(|| txn.now() + overlap);
            webhook::put(txn, found.tenant_id, &owner, &checked, until.is_some()).await?;
            let mut row = found.into_active_model();
            row.hints = Set(checked.hints.clone());
            row.overlap_until = Set(until);
            row.updated_at = Set(txn.now());
            let row = row.update(&**txn).await?;
            let fact = InboxEvent::SourceRotated { source: id, overlap_until: until };
            txn.emit(&fact)?;
            txn.audit(Audit::of(&fact).before(was).after(shown(&row)))?;
            Ok(row)
        })
        .await?;
    cx.hub().intake.forget(&source.digest);
    Ok(made(cx, source, webhook, checked))
}

fn made(cx: &Cx, source: WebhookSource, webhook: &Webhook, checked: Checked) -> Made {
    Made { url: whole(cx, &source, webhook, &checked.made), source, secrets: checked.made }
}

/// Switches a source off, or on again. Doing so twice changes nothing.
pub async fn enable(cx: &Cx, id: WebhookSourceId, enabled: bool) -> Result<WebhookSource> {
    let source = cx
        .write(async |txn| {
            let before = held(txn, id).await?;
            if before.enabled == enabled {
                return Ok(before);
            }
            let name = before.name.clone();
            let mut row = before.into_active_model();
            row.enabled = Set(enabled);
            // While it was off nothing could be heard; that is nobody's fault.
            if enabled {
                row.compared_to = Set(txn.now());
            }
            row.updated_at = Set(txn.now());
            let row = row.update(&**txn).await?;
            reconcile::fit(txn, &row).await?;
            let fact = if enabled {
                InboxEvent::SourceEnabled { source: id, name }
            } else {
                InboxEvent::SourceDisabled { source: id, name }
            };
            txn.emit(&fact)?;
            txn.audit(Audit::of(&fact))?;
            Ok(row)
        })
        .await?;
    cx.hub().intake.forget(&source.digest);
    Ok(source)
}

/// Deletes a source and forgets its secrets. What came there is kept for its time.
pub async fn delete(cx: &Cx, id: WebhookSourceId) -> Result<WebhookSourceId> {
    let digest = cx.write(async |txn| {
        let before = held(txn, id).await?;
        gone(txn, before).await
    });
    cx.hub().intake.forget(&digest.await?);
    Ok(id)
}

async fn gone(txn: &Txn, before: WebhookSource) -> Result<Vec<u8>> {
    let (id, digest) = (before.id, before.digest.clone());
    webhook::forget(txn, before.tenant_id, &id.to_string()).await?;
    reconcile::end(txn, id).await?;
    alert::resolve_all(txn, &id.to_string()).await?;
    let fact = InboxEvent::SourceDeleted { source: id, provider: before.provider.clone(), name: before.name.clone() };
    let last = shown(&before);
    entity::Entity::delete(before.into_active_model()).exec(&**txn).await?;
    txn.emit(&fact)?;
    txn.audit(Audit::of(&fact).before(last))?;
    Ok(digest)
}

/// Deletes sources whose integration was deleted. Says how many.
pub async fn orphans(hub: std::sync::Arc<Hub>) -> Result<u64> {
    let (mut deleted, mut after) = (0, None);
    loop {
        let page = entity::of_anybody(after, BATCH).all(hub.database.reader()).await?;
        let wanted = page.iter().filter_map(|source| source.integration_id);
        let found = crate::entity::integration::of_hub(wanted).all(hub.database.reader()).await?;
        for source in &page {
            let Some(id) = source.integration_id else { continue };
            if !found.iter().any(|integration| integration.id == id) {
                deleted += orphan(&hub, source.tenant_id, source.id).await?;
            }
        }
        after = page.last().map(|source| source.id);
        if (page.len() as u64) < BATCH {
            return Ok(deleted);
        }
    }
}

async fn orphan(hub: &std::sync::Arc<Hub>, tenant: TenantId, id: WebhookSourceId) -> Result<u64> {
    let cx = Cx::system(std::sync::Arc::clone(hub), "inbox", tenant);
    match delete(&cx, id).await {
        Ok(_) => Ok(1),
        Err(Error::NotFound(_)) => Ok(0),
        Err(error) => Err(error),
    }
}
