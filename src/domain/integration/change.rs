//! Changing an integration, switching it off and on, deleting it.

use std::{collections::BTreeMap, sync::Arc};

use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
use serde_json::{Map, Value, json};

use super::{
    Integration, Status,
    create::{self, Capabilities, connector, provider},
    held, into_status, proof, removal, shown, trouble, warning,
};
use crate::{
    context::{Audit, Cx},
    domain::{
        alert,
        credential::{self, token},
    },
    entity::{self, first::First, rewrite::rewrite},
    event::{Changes, integration::IntegrationEvent},
    kernel::{
        error::{Error, Result},
        id::IntegrationId,
        input::{self, Check, Patch},
    },
    provider::connector::{Connection, Details, Trouble},
};

/// What to change of an integration; what is left out stays.
#[derive(Clone, Debug, Default)]
pub struct IntegrationChange {
    /// For people.
    pub name: Option<String>,
    /// What it is for.
    pub description: Patch<String>,
    /// Settings by name; one without a value goes.
    pub settings: Vec<(String, Option<String>)>,
    /// What the tenant notes about it, as a whole.
    pub metadata: Option<Map<String, Value>>,
    /// How long a question may take, in milliseconds.
    pub timeout_ms: Patch<i64>,
    /// What it may be used for.
    pub capabilities: Capabilities,
}

/// Changes an integration. Nobody is asked; `testIntegration` does that.
pub async fn update(cx: &Cx, id: IntegrationId, change: IntegrationChange) -> Result<Integration> {
    cx.write(async |txn| {
        let before = held(txn, id).await?;
        let mut check = Check::new();
        let name = check.take_some("name", change.name.as_deref(), input::name);
        let description = change.description.clone();
        let description = description.check(&mut check, "description", |text: String| input::note(&text));
        let timeout = change.timeout_ms.check(&mut check, "timeout", create::timeout);
        create::metadata(&mut check, change.metadata.as_ref());
        let mut settings = token::settings(&before.settings);
        for (name, value) in &change.settings {
            match value {
                Some(value) => settings.insert(name.clone(), value.clone()),
                None => settings.remove(name),
            };
        }
        check.done()?;
        if !change.settings.is_empty() {
            fits(cx, &before, &settings)?;
        }
        let may = &change.capabilities;
        let kept = match provider(cx, &before.provider) {
            Ok(manifest) => {
                let known = token::settings(&before.settings);
                proof::outlives(&manifest, &before.environment, &known, &settings)
            }
            Err(_) => false,
        };
        let after = Integration {
            proven_account: before.proven_account.clone().filter(|_| kept),
            account_asked_at: before.account_asked_at.filter(|_| kept),
            name: name.unwrap_or_else(|| before.name.clone()),
            description: description.over(before.description.clone()),
            settings: json!(settings),
            metadata: change.metadata.clone().map_or_else(|| before.metadata.clone(), Value::Object),
            timeout_ms: timeout.over(before.timeout_ms),
            can_sync: may.can_sync.unwrap_or(before.can_sync),
            can_push: may.can_push.unwrap_or(before.can_push),
            can_webhook: may.can_webhook.unwrap_or(before.can_webhook),
            sync_frequency: may.sync_frequency.clone().or_else(|| before.sync_frequency.clone()),
            updated_at: txn.now(),
            ..before.clone()
        };
        let changes = Changes::new()
            .field("name", &before.name, &after.name)
            .field("description", &before.description, &after.description)
            .field("settings", &before.settings, &after.settings)
            .field("provenAccount", &before.proven_account, &after.proven_account)
            .field("metadata", &before.metadata, &after.metadata)
            .field("timeoutMs", &before.timeout_ms, &after.timeout_ms)
            .field("canSync", &before.can_sync, &after.can_sync)
            .field("canPush", &before.can_push, &after.can_push)
            .field("canWebhook", &before.can_webhook, &after.can_webhook)
            .field("syncFrequency", &before.sync_frequency, &after.sync_frequency);
        if changes.is_empty() {
            return Ok(before);
        }
        rewrite(after.clone()).update(&**txn).await?;
        let fact = IntegrationEvent::Updated { integration: id, changes: changes.clone() };
        txn.emit(&fact)?;
        txn.audit(Audit::of(&fact).before(changes.side("from")).after(changes.side("to")))?;
        Ok(after)
    })
    .await
}

/// Whether changed settings still make a connection, to where one may go.
fn fits(cx: &Cx, integration: &Integration, settings: &BTreeMap<String, String>) -> Result<()> {
    let manifest = provider(cx, &integration.provider)?;
    let mut details = Details {
        environment: Some(integration.environment.clone()),
        auth: Some(integration.auth_method.clone()),
        settings: settings.clone(),
        ..Details::default()
    };
    if warning::ended(&manifest, &details.settings) {
        details.settings.remove("version");
    }
    let (mut issues, found) = trouble::misfits(&manifest, &details, "");
    let given = token::settings(&integration.settings);
    // What an account or a token once brought is not taken away by hand.
    for name in found.iter().filter(|name| given.contains_key(*name)) {
        issues
            .push(crate::kernel::error::Issue::at(&format!("settings.{name}"), "the connection cannot do without it"));
    }
    // Settings that follow from the credential are not known here, and stay as they were.
    issues.retain(|issue| !derived(&manifest, issue));
    if !issues.is_empty() {
        return Err(Error::Refused(issues));
    }
    let connection = Connection::new(Arc::clone(&manifest), &details)
        .map_err(|misfit| Error::conflict("settings", format!("{} has no {:?}", manifest.name, misfit.name)))?;
    match connector(cx, None).check(&connection) {
        Err(refused @ Trouble::Refused(_)) => Err(trouble::refusal(&manifest, &refused, "settings")),
        _ => Ok(()),
    }
}

fn derived(manifest: &crate::provider::manifest::Manifest, issue: &crate::kernel::error::Issue) -> bool {
    let name = issue.path.last().map(String::as_str).unwrap_or_default();
    let missing = issue.message.contains("is missing");
    missing && manifest.settings.all().iter().any(|setting| setting.name.as_str() == name && setting.derive.is_some())
}

/// Switches an integration off, or on again. Doing so twice changes nothing.
pub async fn enable(cx: &Cx, id: IntegrationId, enabled: bool) -> Result<Integration> {
    cx.write(async |txn| {
        let before = held(txn, id).await?;
        if before.enabled == enabled {
            return Ok(before);
        }
        let credential = entity::credential::current(before.tenant_id, id).first(&**txn).await?;
        let refused = credential.is_some_and(|credential| credential.refused_at.is_some());
        let to = match (enabled, refused, before.last_success_at > before.last_error_at) {
            (false, ..) => Status::Inactive,
            (true, true, _) => Status::NeedsReauth,
            (true, false, true) => Status::Active,
            (true, false, false) if before.last_error_at.is_some() => Status::Error,
            (true, false, false) => Status::Pending,
        };
        let name = before.name.clone();
        let mut row = before.into_active_model();
        row.enabled = Set(enabled);
        (row.proven_account, row.account_asked_at) = (Set(None), Set(None));
        row.updated_at = Set(txn.now());
        let row = row.update(&**txn).await?;
        let fact = if enabled {
            IntegrationEvent::Enabled { integration: id, name }
        } else {
            IntegrationEvent::Disabled { integration: id, name }
        };
        txn.emit(&fact)?;
        txn.audit(Audit::of(&fact))?;
        into_status(txn, row, to, if enabled { "it was enabled" } else { "it was disabled" }).await
    })
    .await
}

/// Deletes an integration with its credentials, whose secrets are forgotten. Nobody sees it from then on; what it has
/// brought is [removed](super::removal) in the background.
pub async fn delete(cx: &Cx, id: IntegrationId) -> Result<IntegrationId> {
    cx.write(async |txn| {
        let before = held(txn, id).await?;
        credential::forget(txn, &before).await?;
        alert::resolve_all(txn, &id.to_string()).await?;
        let fact =
            IntegrationEvent::Deleted { integration: id, provider: before.provider.clone(), name: before.name.clone() };
        let last = shown(&before);
        removal::begin(txn, before).await?;
        txn.emit(&fact)?;
        txn.audit(Audit::of(&fact).before(last))?;
        Ok(id)
    })
    .await
}
