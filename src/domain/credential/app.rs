//! The operator's own applications at providers: what people at a provider agree to.
//!
//! Whoever runs the hub registers an application once for every tenant; a tenant may bring its own, which then
//! counts for it. The fields are those that the provider's file names under `app`.

use std::collections::BTreeMap;

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect,
};
use serde_json::{Value, json};

use super::{
    FIELDS,
    given::{fits, hint},
    packed, unpacked,
};
use crate::{
    context::{Audit, Cx},
    domain::keyring::{HUB, secret},
    entity::{first::First, provider_app as entity},
    event::integration::IntegrationEvent,
    kernel::{
        error::{Error, Issue, Result},
        id::{ProviderAppId, TenantId},
        scope::Scope,
        secret::Secret,
    },
    provider::manifest::Manifest,
};

pub use entity::Model as ProviderApp;

/// Registers an application, or another one in its place; for every tenant if asked so by who runs the hub.
pub async fn put(cx: &Cx, provider: &str, hub_wide: bool, given: &[(String, Secret)]) -> Result<ProviderApp> {
    let manifest = cx.hub().catalogue.get(provider).cloned();
    let manifest = manifest.ok_or_else(|| Error::invalid("provider", "there is no such provider"))?;
    let whose = if hub_wide {
        cx.needs(Scope::HubAdmin)
            .map_err(|_| Error::forbidden("hubWide", "only who runs the hub sets what serves every tenant"))?;
        HUB
    } else {
        cx.tenant()?
    };
    let (values, hints) = checked(&manifest, given)?;
    cx.write(async |txn| {
        let known =
            entity::of(whose).filter(entity::COLUMN.provider.eq(provider)).lock_exclusive().first(&**txn).await?;
        let row = if let Some(known) = known {
            let mut row = known.into_active_model();
            row.hints = Set(hints.clone());
            row.updated_at = Set(txn.now());
            row.update(&**txn).await?
        } else {
            let row = ProviderApp {
                id: txn.id(),
                tenant_id: whose,
                provider: provider.to_owned(),
                hints: hints.clone(),
                created_by: cx.actor().to_string(),
                created_at: txn.now(),
                updated_at: txn.now(),
            };
            entity::Entity::insert(row.clone().into_active_model()).exec_without_returning(&**txn).await?;
            row
        };
        secret::put(txn, whose, &row.id.to_string(), FIELDS, &packed(&values)).await?;
        let fact = IntegrationEvent::ProviderAppSet { app: row.id, provider: provider.to_owned(), hub_wide };
        txn.emit(&fact)?;
        let told = json!({ "provider": provider, "hubWide": hub_wide, "fields": hints });
        txn.audit(Audit::of(&fact).after(told))?;
        Ok(row)
    })
    .await
}

/// Those of the ids that belong to the tenant.
pub async fn by_ids(cx: &Cx, ids: &[ProviderAppId]) -> Result<Vec<ProviderApp>> {
    Ok(entity::of(cx.tenant()?).filter(entity::COLUMN.id.is_in(ids.iter().copied())).all(cx.db()).await?)
}

/// The application that counts for the tenant: its own, else the hub's.
pub async fn of_provider(cx: &Cx, tenant: TenantId, provider: &str) -> Result<Option<ProviderApp>> {
    for whose in [tenant, HUB] {
        let found = entity::of(whose).filter(entity::COLUMN.provider.eq(provider)).first(cx.db()).await?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Its fields by name; nothing if there is no application.
pub async fn values(cx: &Cx, tenant: TenantId, provider: &str) -> Result<Option<BTreeMap<String, Secret>>> {
    let Some(app) = of_provider(cx, tenant, provider).await? else { return Ok(None) };
    let fields = secret::get(cx.hub(), cx.db(), app.tenant_id, &app.id.to_string(), FIELDS).await?;
    let fields = fields.map(|fields| unpacked(&fields)).transpose()?.unwrap_or_default();
    Ok(Some(fields))
}

/// What may be seen of each field, by name.
#[must_use]
pub fn hints(app: &ProviderApp) -> Vec<(String, String)> {
    super::shown(&app.hints)
}

fn checked(manifest: &Manifest, given: &[(String, Secret)]) -> Result<(BTreeMap<String, Secret>, Value)> {
    let fields: Vec<_> = manifest.app.iter().flatten().collect();
    if fields.is_empty() {
        return Err(Error::invalid("provider", format!("{} needs no application of yours", manifest.name)));
    }
    let (mut issues, mut values, mut hints) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    for (at, (name, value)) in given.iter().enumerate() {
        let path = format!("fields.{at}");
        let Some(field) = fields.iter().find(|field| field.name.as_str() == name) else {
            let names: Vec<_> = fields.iter().map(|field| field.name.as_str()).collect();
            issues.push(Issue::at(&path, format!("there is no field {name:?}; there are {}", names.join(", "))));
            continue;
        };
        if let Err(reason) = fits(field, value) {
            issues.push(Issue::at(&path, format!("{} {reason}", field.label)));
            continue;
        }
        hints.insert(name.clone(), hint(field, value).0);
        if values.insert(name.clone(), value.clone()).is_some() {
            issues.push(Issue::at(&path, format!("{name:?} is given twice")));
        }
    }
    for field in fields.iter().filter(|field| field.required && !values.contains_key(field.name.as_str())) {
        issues.push(Issue::at("fields", format!("{} ({}) is missing", field.label, field.name)));
    }
    if issues.is_empty() { Ok((values, json!(hints))) } else { Err(Error::Refused(issues)) }
}
