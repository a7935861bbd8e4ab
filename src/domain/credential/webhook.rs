//! Secrets with which webhooks are checked: what a source was given, and what its integration and the application at
//! the provider have.
//!
//! Those of a source are sealed under its id. After a rotation those before count for a while as well, since webhooks
//! signed with them are on their way. Where the secret is only between the provider and us, in the address or in a
//! header, and nobody brings one, one is made.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    FIELDS, Opened, app, before,
    given::{fits, hint},
    open, packed, token, unpacked,
};
use crate::{
    context::{Cx, Txn},
    domain::keyring::secret,
    entity::integration::Model as Integration,
    kernel::{
        clock::Moment,
        error::{Error, Issue, Result},
        id::TenantId,
        secret::Secret,
    },
    provider::{
        manifest::{Manifest, webhook::Webhook},
        request,
        template::Values,
        webhook::{carry, hmac::hex},
    },
};

/// The name under which the secrets before a rotation are sealed.
const BEFORE: &str = "fields before";

/// Bytes of chance in a secret that is made here.
const CHANCE: usize = 24;

/// Secrets of a source, held against the file.
#[derive(Clone, Debug)]
pub struct Checked {
    values: BTreeMap<String, Secret>,
    /// What may be seen of each, by name.
    pub hints: Value,
    /// Those that were made here, by name; for whoever has to tell the provider.
    pub made: Vec<(String, Secret)>,
}

/// Holds secrets against the file, and makes those that are ours to choose.
pub fn check(cx: &Cx, manifest: &Manifest, webhook: &Webhook, given: &[(String, Secret)]) -> Result<Checked> {
    let fields = webhook.fields.as_deref().unwrap_or_default();
    let (mut issues, mut values, mut hints) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    for (at, (name, value)) in given.iter().enumerate() {
        let path = format!("secrets.{at}");
        let Some(field) = fields.iter().find(|field| field.name.as_str() == name) else {
            let names: Vec<_> = fields.iter().map(|field| field.name.as_str()).collect();
            let are = if names.is_empty() { "none is asked for".to_owned() } else { names.join(", ") };
            issues.push(Issue::at(&path, format!("webhooks of {} have no secret {name:?}: {are}", manifest.name)));
            continue;
        };
        if let Err(reason) = fits(field, value) {
            issues.push(Issue::at(&path, format!("{} {reason}", field.label)));
        }
        hints.insert(name.clone(), hint(field, value).0);
        if values.insert(name.clone(), value.clone()).is_some() {
            issues.push(Issue::at(&path, format!("{name:?} is given twice")));
        }
    }
    let mut made = Vec::new();
    for field in fields.iter().filter(|field| !values.contains_key(field.name.as_str()) && field.required) {
        let own = own(cx);
        if field.secret && carry::ours_to_choose(&webhook.verify) && fits(field, &own).is_ok() {
            hints.insert(field.name.0.clone(), hint(field, &own).0);
            made.push((field.name.0.clone(), own));
        } else {
            issues
                .push(Issue::at("secrets", format!("{} ({}) is missing: {}", field.label, field.name, webhook.setup)));
        }
    }
    if !issues.is_empty() {
        return Err(Error::Refused(issues));
    }
    values.extend(made.iter().cloned());
    Ok(Checked { values, hints: json!(hints), made })
}

fn own(cx: &Cx) -> Secret {
    let mut bytes = [0; CHANCE];
    cx.hub().chance.fill(&mut bytes);
    Secret::from(hex(&bytes))
}

/// Seals the secrets of a source. Those it had count on, if they are to.
pub async fn put(txn: &Txn, tenant: TenantId, owner: &str, checked: &Checked, overlap: bool) -> Result<()> {
    let known = secret::get(txn.cx().hub(), &**txn, tenant, owner, FIELDS).await?;
    match known.filter(|_| overlap) {
        Some(known) => secret::put(txn, tenant, owner, BEFORE, &known).await?,
        None => secret::forget(txn, tenant, owner).await?,
    }
    secret::put(txn, tenant, owner, FIELDS, &packed(&checked.values)).await
}

/// Whether the secrets of a source are these.
pub async fn are(cx: &Cx, tenant: TenantId, owner: &str, checked: &Checked) -> Result<bool> {
    let known = fields(cx, tenant, owner, FIELDS).await?.unwrap_or_default();
    let same = |(name, value): (&String, &Secret)| known.get(name).is_some_and(|it| it.expose() == value.expose());
    Ok(known.len() == checked.values.len() && checked.values.iter().all(same))
}

/// Forgets the secrets of a source.
pub async fn forget(txn: &Txn, tenant: TenantId, owner: &str) -> Result<()> {
    secret::forget(txn, tenant, owner).await
}

async fn fields(cx: &Cx, tenant: TenantId, owner: &str, name: &str) -> Result<Option<BTreeMap<String, Secret>>> {
    let found = secret::get(cx.hub(), cx.db(), tenant, owner, name).await?;
    found.map(|found| unpacked(&found)).transpose()
}

/// Everything with which a webhook of a source may be checked, what is in use first.
pub async fn values(
    cx: &Cx,
    tenant: TenantId,
    manifest: &Manifest,
    integration: Option<&Integration>,
    owner: &str,
    overlap_until: Option<Moment>,
) -> Result<Vec<Values>> {
    let none = BTreeMap::new();
    let of_source = fields(cx, tenant, owner, FIELDS).await?.unwrap_or_default();
    let of_before = match overlap_until.filter(|until| *until > cx.now()) {
        Some(_) => fields(cx, tenant, owner, BEFORE).await?,
        None => None,
    };
    let app = match manifest.app {
        Some(_) => app::values(cx, tenant, manifest.key.as_str()).await?.unwrap_or_default(),
        None => BTreeMap::new(),
    };
    let (mut current, mut previous) = (None, None);
    if let Some(integration) = integration {
        current = open(cx, integration).await?;
        previous = before(cx, integration).await?;
    }
    let environment = integration.and_then(|integration| manifest.environment(&integration.environment));
    let Some(environment) = environment.or_else(|| manifest.environments.first()) else { return Ok(Vec::new()) };
    let settings = integration.map(|integration| token::settings(&integration.settings)).unwrap_or_default();
    let with = |opened: Option<&Opened>, own: &BTreeMap<String, Secret>| {
        let credential = opened.map_or(&none, |opened| &opened.values);
        let mut values = request::values(manifest, environment, &settings, credential);
        for (name, secret) in &app {
            values.set_secret(&format!("app.{name}"), secret.clone());
        }
        for (name, secret) in own {
            values.set_secret(name, secret.clone());
        }
        values
    };
    let mut all = vec![with(current.as_ref(), &of_source)];
    all.extend(of_before.as_ref().map(|before| with(current.as_ref(), before)));
    all.extend(previous.as_ref().map(|previous| with(Some(previous), &of_source)));
    Ok(all)
}
