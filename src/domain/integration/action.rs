//! Actions: what an integration's provider can be told to do.
//!
//! The provider's catalogue is taken over ([`import`]) when the integration is made, or later again when the file
//! has more. What was taken over is what may be run, so that a new version of the hub does not by itself let anybody
//! do more. The arguments are held against the action's schema before anything is sent. Whoever may bring its own
//! credential ([`Target::Direct`]) needs no integration.

use std::{collections::BTreeMap, sync::Arc};

use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};
use serde_json::{Map, Value, json};

use super::{
    Integration, call,
    create::{self, NewIntegration, Place, check, connection, connector},
    held, may_be_used, trouble,
};
use crate::{
    context::{Audit, Cx, Txn},
    domain::{
        credential::resolve::{self, Sources, Target},
        provider,
    },
    entity::{first::First, integration, integration_action as entity, rewrite::rewrite},
    event::integration::IntegrationEvent,
    kernel::{
        error::{Error, Result},
        id::{IntegrationActionId, IntegrationId},
        suggest::did_you_mean,
    },
    provider::{
        connector::{Connector, Trouble},
        manifest::{
            Manifest,
            answer::Class,
            stream::{Action, Effect},
        },
    },
};

pub use entity::Model as IntegrationAction;

/// What an import changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Actions that are new.
    pub added: usize,
    /// Actions that are different now.
    pub changed: usize,
    /// Actions that the provider's file has no more.
    pub removed: usize,
}

/// The actions of integrations of the tenant, by integration and key.
pub async fn of_integrations(cx: &Cx, ids: &[IntegrationId]) -> Result<Vec<IntegrationAction>> {
    let select = entity::of(cx.tenant()?).filter(entity::COLUMN.integration_id.is_in(ids.iter().copied()));
    Ok(select.order_by_asc(entity::Column::Key).all(cx.db()).await?)
}

/// Those of the ids that belong to the tenant.
pub async fn by_ids(cx: &Cx, ids: &[IntegrationActionId]) -> Result<Vec<IntegrationAction>> {
    Ok(entity::of(cx.tenant()?).filter(entity::COLUMN.id.is_in(ids.iter().copied())).all(cx.db()).await?)
}

/// Takes over what the provider's file has now.
pub async fn import_catalogue(cx: &Cx, id: IntegrationId) -> Result<(Integration, Imported)> {
    cx.write(async |txn| {
        let found = held(txn, id).await?;
        let manifest = create::provider(cx, &found.provider)?;
        let imported = import(txn, &found, &manifest).await?;
        Ok((found, imported))
    })
    .await
}

/// The same, within a transaction that holds the integration.
pub(super) async fn import(txn: &Txn, integration: &Integration, manifest: &Manifest) -> Result<Imported> {
    let select = entity::of(integration.tenant_id).filter(entity::COLUMN.integration_id.eq(integration.id));
    let known = select.all(&**txn).await?;
    let mut known: BTreeMap<String, IntegrationAction> = known.into_iter().map(|row| (row.key.clone(), row)).collect();
    let mut imported = Imported::default();
    let mut fresh = Vec::new();
    for action in manifest.actions.all() {
        let row = IntegrationAction {
            id: txn.id(),
            tenant_id: integration.tenant_id,
            integration_id: integration.id,
            key: action.key.0.clone(),
            name: action.name.clone(),
            description: action.description.clone(),
            effect: action.effect.as_str().to_owned(),
            input: action.input.0.clone(),
            output: action.output.0.clone(),
            imported_at: txn.now(),
        };
        match known.remove(action.key.as_str()) {
            None => fresh.push(row.into_active_model()),
            Some(before) => {
                let same = IntegrationAction { id: before.id, imported_at: before.imported_at, ..row.clone() };
                if same != before {
                    imported.changed += 1;
                    rewrite(IntegrationAction { id: before.id, ..row }).update(&**txn).await?;
                }
            }
        }
    }
    imported.added = fresh.len();
    if !fresh.is_empty() {
        entity::Entity::insert_many(fresh).exec_without_returning(&**txn).await?;
    }
    imported.removed = known.len();
    for gone in known.into_values() {
        gone.into_active_model().delete(&**txn).await?;
    }
    if imported != Imported::default() {
        let Imported { added, changed, removed } = imported;
        let fact = IntegrationEvent::CatalogueImported { integration: integration.id, added, changed, removed };
        txn.emit(&fact)?;
        txn.audit(Audit::of(&fact).after(json!({ "added": added, "changed": changed, "removed": removed })))?;
    }
    Ok(imported)
}

/// What came of running an action.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The result as the provider gave it.
    pub result: Value,
    /// The integration that was used, if one was.
    pub integration: Option<Integration>,
}

/// Runs an action with the credential that the sources lead to. With a `key` a repetition has no second effect, where
/// the provider knows such keys.
pub async fn run(cx: &Cx, sources: Sources, action: &str, input: Value, key: Option<&str>) -> Result<Ran> {
    match resolve::resolve(cx, sources).await? {
        Target::Stored(integration) => {
            let integration = *integration;
            let result = of_integration(cx, &integration, action, input, key).await?;
            Ok(Ran { result, integration: Some(integration) })
        }
        Target::Direct { manifest, environment, settings, given } => {
            let new = NewIntegration {
                provider: manifest.key.0.clone(),
                environment,
                settings: settings.into_iter().collect(),
                place: Place::default(),
                ..NewIntegration::default()
            };
            let found = find(&manifest, action)?;
            let checked = check(cx, &new, Some(&given)).await?;
            let connector = connector(cx, None);
            let connection = connection(&connector, &checked)?;
            // The connector buys a token where one is bought.
            let result = connector.act(&connection, found, input, key).await;
            if found.effect != Effect::Read {
                let told = json!({ "action": found.key.0, "succeeded": result.is_ok(), "credential": "brought along" });
                cx.write(async |txn| txn.audit(Audit::new("action.run", provider::id(&manifest)).after(told))).await?;
            }
            let result = result.map_err(|found| trouble::refusal(&manifest, &found, at(&found)))?;
            Ok(Ran { result, integration: None })
        }
    }
}

async fn of_integration(
    cx: &Cx,
    integration: &Integration,
    key: &str,
    input: Value,
    once: Option<&str>,
) -> Result<Value> {
    let manifest = allowed(cx, integration, key).await?;
    let action = find(&manifest, key)?;
    let answer = call::call(cx, integration, |connector, connection| {
        let input = input.clone();
        async move { connector.act(&connection, action, input, once).await }
    })
    .await?;
    note(cx, integration, action, answer.as_ref().err()).await?;
    answer.map_err(|found| trouble::refusal(&manifest, &found, at(&found)))
}

/// Runs an action of an integration by a connector of the caller's, who keeps account of it: nothing is noted here. The
/// outer failure is ours or the tenant's and nothing was asked; the inner one is the provider's answer. Of the input,
/// what the action does not know is left out.
pub async fn ask(
    cx: &Cx,
    connector: Connector,
    integration: &Integration,
    key: &str,
    input: Map<String, Value>,
    once: Option<&str>,
) -> Result<Result<Value, Trouble>> {
    let manifest = allowed(cx, integration, key).await?;
    let action = find(&manifest, key)?;
    let mut input = Value::Object(input);
    if !action.request.uses_whole_input() {
        let unknown: Vec<_> = action.input.unknown(&input).map(str::to_owned).collect();
        if let Some(fields) = input.as_object_mut() {
            fields.retain(|name, _| !unknown.contains(name));
        }
    }
    Box::pin(call::call_by(cx, connector, integration, None, |connector, connection| {
        let input = input.clone();
        async move { connector.act(&connection, action, input, once).await }
    }))
    .await
}

/// The file of an integration's provider, if the integration may be told to do that.
async fn allowed(cx: &Cx, integration: &Integration, key: &str) -> Result<Arc<Manifest>> {
    may_be_used(integration)?;
    let manifest = create::provider(cx, &integration.provider)?;
    let imported = entity::of(integration.tenant_id)
        .filter(entity::COLUMN.integration_id.eq(integration.id))
        .filter(entity::COLUMN.key.eq(key))
        .first(cx.db())
        .await?;
    let action = find(&manifest, key)?;
    if imported.is_none() {
        return Err(Error::conflict(
            "action",
            format!("{} has not taken over {key:?}: import the catalogue", integration.name),
        ));
    }
    if action.effect != Effect::Read && !integration.can_push {
        return Err(Error::conflict("action", format!("{} may only be read (canPush is false)", integration.name)));
    }
    Ok(manifest)
}

/// Which part of the input trouble is about.
const fn at(trouble: &Trouble) -> &'static str {
    match trouble {
        Trouble::Arguments(_) => "arguments",
        _ => "action",
    }
}

fn find<'m>(manifest: &'m Manifest, key: &str) -> Result<&'m Action> {
    manifest.action(key).ok_or_else(|| {
        let near = did_you_mean(key, manifest.actions.all().iter().map(|action| action.key.as_str()));
        let shown: String = key.chars().take(60).collect();
        Error::invalid("action", format!("{} has no action {shown:?}{near}", manifest.name))
    })
}

/// Notes that something was done, or that it failed at the provider. What only reads leaves no trace.
async fn note(cx: &Cx, used: &Integration, action: &Action, trouble: Option<&Trouble>) -> Result<()> {
    let failed = match trouble {
        Some(Trouble::Failed(failure)) => Some(failure),
        // Nothing was sent.
        Some(_) => return Ok(()),
        None => None,
    };
    if action.effect == Effect::Read && failed.is_none_or(|failure| failure.class != Class::Auth) {
        return Ok(());
    }
    cx.write(async |txn| {
        let (now, id) = (txn.now(), used.id);
        let update = integration::update_of(used.tenant_id, id);
        let update = match failed {
            None => update.col_expr(integration::Column::LastSuccessAt, now.into()),
            Some(failure) => update
                .col_expr(integration::Column::LastErrorAt, now.into())
                .col_expr(integration::Column::ErrorClass, failure.class.as_str().into())
                .col_expr(integration::Column::ErrorMessage, failure.message.clone().into()),
        };
        update.exec(&**txn).await?;
        let fact =
            IntegrationEvent::ActionRun { integration: id, action: action.key.0.clone(), succeeded: failed.is_none() };
        txn.emit(&fact)?;
        txn.audit(Audit::of(&fact).after(json!({ "action": action.key.0, "succeeded": failed.is_none() })))
    })
    .await
}
