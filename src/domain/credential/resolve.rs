//! Where a caller's credential comes from.
//!
//! A workflow, a script or a person may bring one along, have one in its variables, or leave it to what is stored.
//! One order holds for all of them, the nearest first:
//!
//! 1. what was given directly;
//! 2. `variables.<provider>`;
//! 3. `variables.workflow.<provider>`;
//! 4. the integration that was named, or that `variables.<provider>IntegrationId` names;
//! 5. the tenant's only enabled integration of the provider.
//!
//! A source counts if it brings a field of a credential; one that brings only a part is refused, not passed over, since
//! whoever wrote it meant it. In variables the fields have the names of the provider's file, or those that people
//! use: `accessToken`, `apiKey`, `token` for the only secret of a method, `domain`, `endpoint`, `apiVersion`.

use std::{collections::BTreeMap, sync::Arc};

use sea_orm::{ColumnTrait, QueryFilter, QuerySelect};
use serde_json::{Map, Value};

use super::given::Given;
use crate::{
    context::Cx,
    entity::{
        first::First,
        integration::{self, Model as Integration},
    },
    kernel::{
        error::{Error, Result},
        id::IntegrationId,
        secret::Secret,
    },
    provider::{
        locate,
        manifest::{Manifest, auth::Auth},
    },
};

/// What people call the only secret of a method.
const SECRET_NAMES: [&str; 5] = ["accessToken", "apiKey", "token", "key", "access_token"];

/// Where a credential may come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The provider, where no integration is named.
    pub provider: Option<String>,
    /// An integration.
    pub integration: Option<IntegrationId>,
    /// A credential given directly, with settings.
    pub direct: Option<(Given, BTreeMap<String, String>)>,
    /// Variables of the caller.
    pub variables: Option<Value>,
}

/// What is used.
#[derive(Clone, Debug)]
pub enum Target {
    /// A credential that the caller brought.
    Direct {
        /// The provider.
        manifest: Arc<Manifest>,
        /// The environment, if it follows from what was brought.
        environment: Option<String>,
        /// Settings.
        settings: BTreeMap<String, String>,
        /// The credential.
        given: Given,
    },
    /// A stored integration. Whether it may be used is not asked here.
    Stored(Box<Integration>),
}

/// Finds what is used.
pub async fn resolve(cx: &Cx, sources: Sources) -> Result<Target> {
    let Some(key) = &sources.provider else {
        return match sources.integration {
            Some(id) => stored(cx, id).await,
            None => Err(Error::invalid("provider", "name an integration or a provider")),
        };
    };
    let manifest = cx.hub().catalogue.get(key).cloned();
    let manifest = manifest.ok_or_else(|| Error::invalid("provider", "there is no such provider"))?;
    if let Some((given, settings)) = sources.direct {
        return Ok(Target::Direct { manifest, environment: None, settings, given });
    }
    let variables = sources.variables.unwrap_or_default();
    for (at, bag) in [
        (format!("variables.{key}"), variables.get(key)),
        (format!("variables.workflow.{key}"), variables.get("workflow").and_then(|workflow| workflow.get(key))),
    ] {
        if let Some(found) = bag.and_then(Value::as_object).map(|bag| read(&manifest, bag, &at)).transpose()?.flatten()
        {
            return Ok(found);
        }
    }
    let named =
        variables.get(format!("{}IntegrationId", camel(key))).or_else(|| variables.get(format!("{key}IntegrationId")));
    if let Some(id) = sources.integration {
        return of_provider(stored(cx, id).await?, key);
    }
    if let Some(id) = named.and_then(Value::as_str) {
        let at = format!("variables.{}IntegrationId", camel(key));
        let id = id.parse().map_err(|error: crate::kernel::id::ParseIdError| Error::invalid(&at, error.to_string()))?;
        return of_provider(stored(cx, id).await?, key);
    }
    only(cx, &manifest).await
}

async fn stored(cx: &Cx, id: IntegrationId) -> Result<Target> {
    let found = integration::of(cx.tenant()?).filter(integration::COLUMN.id.eq(id)).first(cx.db()).await?;
    found.map(|found| Target::Stored(Box::new(found))).ok_or(Error::NotFound("integration"))
}

fn of_provider(target: Target, key: &str) -> Result<Target> {
    match &target {
        Target::Stored(found) if found.provider != key => {
            Err(Error::conflict("integrationId", format!("this is an integration of {}, not of {key}", found.provider)))
        }
        _ => Ok(target),
    }
}

/// The tenant's only integration of a provider that is enabled.
async fn only(cx: &Cx, manifest: &Manifest) -> Result<Target> {
    let select = integration::of(cx.tenant()?)
        .filter(integration::COLUMN.provider.eq(manifest.key.as_str()))
        .filter(integration::COLUMN.enabled.eq(true))
        .limit(11);
    let mut found = select.all(cx.db()).await?;
    match found.len() {
        0 => Err(Error::conflict("provider", format!("there is no enabled integration of {}", manifest.name))),
        1 => Ok(Target::Stored(Box::new(found.remove(0)))),
        _ => {
            let names: Vec<_> = found.iter().take(10).map(|each| format!("{} ({})", each.id, each.name)).collect();
            let message =
                format!("there are several integrations of {}; name one: {}", manifest.name, names.join(", "));
            Err(Error::conflict("integrationId", message))
        }
    }
}

/// Reads a credential and settings out of variables; nothing if there is no part of a credential.
fn read(manifest: &Arc<Manifest>, bag: &Map<String, Value>, at: &str) -> Result<Option<Target>> {
    let text = |name: &str| bag.get(name).and_then(Value::as_str).map(str::to_owned);
    let secret = |text: String| Secret::from(text);
    let named = |auth: &&Auth| auth.fields().iter().any(|field| text(field.name.as_str()).is_some());
    let short = SECRET_NAMES.iter().find_map(|name| text(name));
    let given = if let Some(auth) = manifest.auth.iter().filter(named).max_by_key(|auth| count(auth, bag)) {
        let values = auth.fields().iter().filter_map(|field| {
            let name = field.name.as_str();
            text(name).map(|value| (name.to_owned(), secret(value)))
        });
        Given::Fields { method: auth.key().0.clone(), values: values.collect() }
    } else if let Some(value) = short {
        let single = |auth: &&Auth| auth.fields().iter().filter(|field| field.required).count() == 1;
        let Some(auth) = manifest.auth.iter().find(single) else {
            return Err(Error::invalid(at, format!("{} has no way to prove who asks with one secret", manifest.name)));
        };
        let field = auth.fields().iter().find(|field| field.required);
        let name = field.map(|field| field.name.0.clone()).unwrap_or_default();
        Given::Fields { method: auth.key().0.clone(), values: vec![(name, secret(value))] }
    } else {
        return Ok(None);
    };
    let mut settings: BTreeMap<String, String> = BTreeMap::new();
    let mut environment = text("environment");
    for (name, located) in [
        ("domain", text("domain").map(|domain| locate::domain(manifest, &domain))),
        (
            "endpoint",
            text("endpoint").or_else(|| text("apiEndpoint")).map(|address| locate::endpoint(manifest, &address)),
        ),
    ] {
        match located {
            Some(Some(located)) => {
                environment = Some(located.environment);
                settings.extend(located.settings);
            }
            Some(None) => {
                return Err(Error::invalid(&format!("{at}.{name}"), format!("{} is not reached there", manifest.name)));
            }
            None => {}
        }
    }
    for setting in manifest.settings.all() {
        if let Some(value) = text(setting.name.as_str()) {
            settings.insert(setting.name.0.clone(), value);
        }
    }
    if let Some(version) = text("apiVersion").or_else(|| text("version")) {
        settings.insert("version".to_owned(), version);
    }
    Ok(Some(Target::Direct { manifest: Arc::clone(manifest), environment, settings, given }))
}

/// How many fields of a method are there.
fn count(auth: &Auth, bag: &Map<String, Value>) -> usize {
    auth.fields().iter().filter(|field| bag.contains_key(field.name.as_str())).count()
}

/// `pancake_pos` as `pancakePos`.
fn camel(key: &str) -> String {
    let mut upper = false;
    key.chars()
        .filter_map(|letter| {
            if letter == '_' {
                upper = true;
                return None;
            }
            let letter = if upper { letter.to_ascii_uppercase() } else { letter };
            upper = false;
            Some(letter)
        })
        .collect()
}
