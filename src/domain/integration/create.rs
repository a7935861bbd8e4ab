//! Making an integration, in one call.
//!
//! First what was given is held against the file; then the provider is asked, outside of any transaction; then
//! everything is written in one. Whoever repeats the call with the same idempotency key asks the provider once
//! more and gets the integration that is there.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use sea_orm::{EntityTrait, IntoActiveModel, QueryFilter};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Integration, Status, account, action, proof, shown, trouble, warning};
use crate::{
    context::{Audit, Cx, Once, Txn},
    domain::credential::{
        self, Kept,
        given::{self, Fields, Given},
        token,
    },
    entity::{first::First, integration as entity},
    event::integration::IntegrationEvent,
    kernel::{
        error::{Error, Issue, Result},
        input::{self, Check},
        suggest::did_you_mean,
    },
    provider::{
        connector::{Bounds, Connection, Connector, Details, Grant},
        locate,
        manifest::{Manifest, PerTenant, auth::Auth},
        probe::Verdict,
        token::Token,
    },
};

/// Bounds on what a caller may choose as time-out, in milliseconds.
const TIMEOUTS: std::ops::RangeInclusive<i64> = 1_000..=120_000;

/// Most settings, and bytes of what a tenant notes.
const MOST_SETTINGS: usize = 50;
const LARGEST_METADATA: usize = 16 * 1024;

/// What an integration may be used for.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Capabilities {
    /// Reading records.
    pub can_sync: Option<bool>,
    /// Telling the provider to do something.
    pub can_push: Option<bool>,
    /// Taking what the provider sends.
    pub can_webhook: Option<bool>,
    /// How often records are read: `real_time`, `every_15_minutes`, `hourly`, `daily`.
    pub sync_frequency: Option<String>,
}

/// Where a provider is and how it is asked, in the words of people.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Place {
    /// The domain of the account at the provider.
    pub domain: Option<String>,
    /// The address of the interface.
    pub endpoint: Option<String>,
    /// The version of the interface.
    pub version: Option<String>,
    /// How long a question may take, in milliseconds.
    pub timeout_ms: Option<i64>,
}

/// An integration to be.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NewIntegration {
    /// The key of the provider.
    pub provider: String,
    /// For people; the provider's own name for the account if left out.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Which of the provider's environments; its first if left out.
    pub environment: Option<String>,
    /// Which way to prove who asks, where the credential does not say.
    pub auth_method: Option<String>,
    /// Where the provider is.
    pub place: Place,
    /// Settings of the provider's file by name.
    pub settings: Vec<(String, String)>,
    /// What the tenant notes about it.
    pub metadata: Option<Map<String, Value>>,
    /// What it may be used for.
    pub capabilities: Capabilities,
    /// Which of the accounts behind the credential.
    pub account: Option<String>,
    /// Whether it is made without asking the provider.
    pub skip_test: bool,
    /// Whether the provider's actions are taken over.
    pub import_catalogue: bool,
    /// Whether it is not to be used yet.
    pub disabled: bool,
}

/// What was given, held against the file.
pub(super) struct Checked {
    pub(super) manifest: Arc<Manifest>,
    pub(super) auth: Auth,
    pub(super) details: Details,
    pub(super) fields: Option<Fields>,
    /// Settings as they will be kept, an ended version among them.
    pub(super) settings: BTreeMap<String, String>,
    /// Settings that are missing and that an account brings.
    pub(super) found: Vec<String>,
}

/// What is known once the provider was asked.
pub(super) struct Asked {
    pub(super) token: Option<Token>,
    pub(super) verdict: Option<Verdict>,
}

/// The provider of that key.
pub(super) fn provider(cx: &Cx, key: &str) -> Result<Arc<Manifest>> {
    let catalogue = &cx.hub().catalogue;
    catalogue.get(key).cloned().ok_or_else(|| {
        let near = did_you_mean(key, catalogue.iter().map(|manifest| manifest.key.as_str()));
        let shown: String = key.chars().take(60).collect();
        Error::invalid("provider", format!("there is no provider {shown:?}{near}; the query `providers` lists them"))
    })
}

/// Holds what was given against the file. Everything that is wrong is said at once.
pub(super) async fn check(cx: &Cx, new: &NewIntegration, given: Option<&Given>) -> Result<Checked> {
    let manifest = provider(cx, &new.provider)?;
    let mut issues = Vec::new();
    let (mut environment, mut settings) = (new.environment.clone(), BTreeMap::new());
    let mut taken = |located: Option<locate::Located>, field: &str, example: String| match located {
        Some(located) => {
            if environment.as_ref().is_some_and(|chosen| *chosen != located.environment) {
                issues.push(Issue::at(field, format!("this is the environment {}", located.environment)));
            }
            environment = Some(located.environment);
            settings.extend(located.settings);
        }
        None => issues.push(Issue::at(field, format!("{} is reached at {example}", manifest.name))),
    };
    let addresses = || {
        let all: Vec<_> = manifest.environments.iter().map(|it| it.base_url.0.as_str().to_owned()).collect();
        all.join(" or ")
    };
    if let Some(domain) = &new.place.domain {
        taken(locate::domain(&manifest, domain), "connection.domain", addresses());
    }
    if let Some(endpoint) = &new.place.endpoint {
        taken(locate::endpoint(&manifest, endpoint), "connection.endpoint", addresses());
    }
    if let Some(version) = &new.place.version {
        settings.insert("version".to_owned(), version.clone());
    }
    if new.settings.len() > MOST_SETTINGS {
        issues.push(Issue::at("settings", format!("there are at most {MOST_SETTINGS} settings")));
    }
    for (at, (name, value)) in new.settings.iter().take(MOST_SETTINGS).enumerate() {
        if new.settings.iter().take(at).any(|(other, _)| other == name) {
            issues.push(Issue::at(&format!("settings.{name}"), "it is given twice"));
        }
        settings.insert(name.clone(), value.clone());
    }
    let fitted = given.map(|given| given::fit(&manifest, given, "credentials")).transpose();
    let (auth, fields) = match fitted {
        Ok(Some((auth, fields))) => (Some(auth.clone()), Some(fields)),
        Ok(None) => (without_credential(&manifest, new.auth_method.as_deref(), &mut issues), None),
        Err(wrong) => {
            issues.extend(wrong);
            (None, None)
        }
    };
    if let (Some(named), Some(auth)) = (&new.auth_method, &auth)
        && named != auth.key().as_str()
    {
        issues.push(Issue::at("authMethod", format!("the credential is one of {}", auth.key())));
    }
    let mut details = Details {
        environment,
        auth: auth.as_ref().map(|auth| auth.key().0.clone()),
        settings: settings.clone(),
        credential: fields.as_ref().map(|fields| fields.values.clone()).unwrap_or_default(),
        simulator: cx.hub().simulator.clone(),
        ..Details::default()
    };
    // A version that ended is kept as it was asked for, and a warning says what is used in its place.
    if warning::ended(&manifest, &details.settings) {
        details.settings.remove("version");
    }
    let (wrong, mut found) = trouble::misfits(&manifest, &details, "");
    issues.extend(wrong);
    // What the first call needs cannot be found by it.
    found.retain(|name| {
        let needed = auth.as_ref().is_some_and(|auth| begins_with(&manifest, &details, auth, name));
        if needed {
            issues.push(trouble::missing(&manifest, name, ""));
        }
        !needed
    });
    let Some(auth) = auth.filter(|_| issues.is_empty()) else { return Err(Error::Refused(issues)) };
    if manifest.app.is_some() {
        details.app = credential::app::values(cx, cx.tenant()?, &new.provider).await?.unwrap_or_default();
    }
    Ok(Checked { manifest, auth, details, fields, settings, found })
}

/// Whether the address that is asked first has this setting in it.
fn begins_with(manifest: &Manifest, details: &Details, auth: &Auth, name: &str) -> bool {
    let first = match (auth, &details.environment) {
        (Auth::AuthorizationCode(it), _) => Some(&it.authorize.url.0),
        (_, Some(key)) => manifest.environment(key).map(|environment| &environment.base_url.0),
        (_, None) => manifest.environments.first().map(|environment| &environment.base_url.0),
    };
    first.is_some_and(|address| address.names().any(|gap| gap == name))
}

/// The method of an integration that is made without a credential.
fn without_credential(manifest: &Manifest, named: Option<&str>, issues: &mut Vec<Issue>) -> Option<Auth> {
    let free = |auth: &&Auth| match auth {
        Auth::Open(_) => true,
        Auth::AuthorizationCode(it) => it.fields.iter().flatten().all(|field| !field.required),
        _ => false,
    };
    let found = match (named, manifest.auth.as_slice()) {
        (Some(named), _) => manifest.auth(named).filter(free),
        (None, [only]) => Some(only).filter(free),
        _ => None,
    };
    if found.is_none() {
        let methods: Vec<_> = manifest.auth.iter().map(|auth| auth.key().as_str()).collect();
        let message = match named.filter(|named| manifest.auth(named).is_none()) {
            Some(_) => format!("{} has no such method; it has {}", manifest.name, methods.join(", ")),
            None => format!("{} needs a credential; its methods are {}", manifest.name, methods.join(", ")),
        };
        issues.push(Issue::at(if named.is_some() { "authMethod" } else { "credentials" }, message));
    }
    found.cloned()
}

/// What asks the provider for this integration, within its time and that of who waits for the answer.
pub(super) fn connector(cx: &Cx, timeout_ms: Option<i64>) -> Connector {
    let chosen = timeout_ms.and_then(|timeout| u64::try_from(timeout).ok()).map(Duration::from_millis);
    let within = chosen.unwrap_or(cx.hub().patience).min(cx.hub().patience);
    cx.hub().connector.clone().within(Bounds { within, ..Bounds::default() })
}

/// A connection of what is known; its addresses may be called.
pub(super) fn connection(connector: &Connector, checked: &Checked) -> Result<Connection> {
    let manifest = &checked.manifest;
    let connection = Connection::new(Arc::clone(manifest), &checked.details)
        .map_err(|misfit| Error::invalid("authMethod", format!("{} has no {:?}", manifest.name, misfit.name)))?;
    // What an account will bring is not there yet; the client looks at every address again.
    if checked.found.is_empty()
        && let Err(found) = connector.check(&connection)
        && !matches!(found, crate::provider::connector::Trouble::Unmade(_))
    {
        return Err(trouble::refusal(manifest, &found, "settings"));
    }
    Ok(connection)
}

/// Whether the provider can be asked already, or a person has to agree first.
pub(super) fn can_be_asked(checked: &Checked) -> bool {
    !matches!(checked.auth, Auth::AuthorizationCode(_))
}

/// Asks the provider: a token first where one is bought, then whether the credential is right.
pub(super) async fn ask(connector: &Connector, checked: &Checked, connection: Connection, test: bool) -> Result<Asked> {
    let mut asked = Asked { token: None, verdict: None };
    if !test {
        return Ok(asked);
    }
    let manifest = &checked.manifest;
    let mut connection = connection;
    if matches!(checked.auth, Auth::ClientCredentials(_)) {
        let token = connector.token(&connection, Grant::Credentials).await;
        let token = token.map_err(|found| trouble::refusal(manifest, &found, "credentials"))?;
        connection = connection.with_token(&token);
        asked.token = Some(token);
    }
    let mut verdict =
        connector.probe(&connection).await.map_err(|found| trouble::refusal(manifest, &found, "settings"))?;
    if let Some(refusal) = trouble::of_verdict(manifest, &verdict, "credentials") {
        return Err(refusal);
    }
    if verdict.named.is_none() {
        verdict.named = connector.listed_ids(&connection).await;
    }
    asked.verdict = Some(verdict);
    Ok(asked)
}

/// An integration that may be made: what was given is right, and the provider was asked.
pub struct Prepared {
    new: NewIntegration,
    checked: Checked,
    asked: Asked,
    texts: Texts,
}

/// Makes an integration.
pub async fn create(cx: &Cx, new: NewIntegration, given: Option<Given>, key: Option<&str>) -> Result<Integration> {
    let prepared = prepare(cx, new, given, key.is_some()).await?;
    write(cx, prepared, key).await
}

/// Does everything that comes before the commit. Who repeats a call may find what it made then.
pub async fn prepare(cx: &Cx, new: NewIntegration, given: Option<Given>, repeats: bool) -> Result<Prepared> {
    let mut check_of = Check::new();
    let name = check_of.take_some("name", new.name.as_deref(), input::name);
    let description = check_of.take_some("description", new.description.as_deref(), input::note);
    within_bounds(&mut check_of, &new);
    let checked = check(cx, &new, given.as_ref()).await;
    // Both halves of what is wrong, in one answer.
    let mut checked = match (check_of.done(), checked) {
        (Err(Error::Refused(mut issues)), Err(Error::Refused(more))) => {
            issues.extend(more);
            return Err(Error::Refused(issues));
        }
        (Err(error), _) => return Err(error),
        (Ok(()), checked) => checked?,
    };
    if let Some(taken) = taken(cx, &checked.manifest).await?.filter(|_| !repeats) {
        return Err(one_only(&checked.manifest, &taken));
    }
    let connector = connector(cx, new.place.timeout_ms);
    let mut account_name = None;
    if can_be_asked(&checked) {
        account_name = account::choose(&connector, &mut checked, new.account.as_deref()).await?;
    } else if new.account.is_some() {
        return Err(Error::invalid("account", "somebody has to agree at the provider first; choose the account then"));
    }
    let connection = connection(&connector, &checked)?;
    let test = !new.skip_test && can_be_asked(&checked);
    let asked = ask(&connector, &checked, connection, test).await?;
    let known = asked.verdict.as_ref().and_then(|verdict| verdict.account.clone());
    let name = name.or(account_name).or_else(|| known.clone()).unwrap_or_else(|| checked.manifest.name.clone());
    // What a provider calls an account may be no name by our rules.
    let name = input::name(&name).unwrap_or_else(|_| checked.manifest.name.clone());
    Ok(Prepared { new, checked, asked, texts: Texts { name, description, account: known } })
}

fn within_bounds(check: &mut Check, new: &NewIntegration) {
    if let Some(timeout) = new.place.timeout_ms {
        let (least, most) = (TIMEOUTS.start(), TIMEOUTS.end());
        check.that(TIMEOUTS.contains(&timeout), "connection.timeout", format!("it is between {least} and {most} ms"));
    }
    metadata(check, new.metadata.as_ref());
}

/// What a tenant notes is small.
pub(super) fn metadata(check: &mut Check, metadata: Option<&Map<String, Value>>) {
    let size = metadata.map_or(0, |metadata| Value::Object(metadata.clone()).to_string().len());
    check.that(size <= LARGEST_METADATA, "metadata", format!("it has at most {LARGEST_METADATA} bytes as JSON"));
}

/// A time-out that may be chosen.
pub(super) fn timeout(milliseconds: i64) -> Result<i64, String> {
    if TIMEOUTS.contains(&milliseconds) {
        Ok(milliseconds)
    } else {
        Err(format!("it is between {} and {} ms", TIMEOUTS.start(), TIMEOUTS.end()))
    }
}

/// The connection that a tenant has, to a provider of which it may have one.
pub(super) async fn taken(cx: &Cx, manifest: &Manifest) -> Result<Option<Integration>> {
    if manifest.per_tenant != PerTenant::One {
        return Ok(None);
    }
    let select = entity::of(cx.tenant()?).filter(entity::COLUMN.slot.eq(manifest.key.as_str()));
    Ok(select.first(cx.db()).await?)
}

fn one_only(manifest: &Manifest, there: &Integration) -> Error {
    let state = if there.enabled { "" } else { ", which is disabled" };
    let message = format!(
        "a tenant has one connection to {}, and there is {:?} ({}){state}: change, reconnect or delete it",
        manifest.name, there.name, there.id
    );
    Error::conflict("provider", message)
}

struct Texts {
    name: String,
    description: Option<String>,
    account: Option<String>,
}

async fn write(cx: &Cx, prepared: Prepared, key: Option<&str>) -> Result<Integration> {
    let written = cx
        .write(async |txn| {
            let ticket = match txn.once("createIntegration", key, &prepared.new).await? {
                Once::Repeated(id) => return Ok(id),
                Once::First(ticket) => ticket,
            };
            let row = put(txn, &prepared).await?;
            ticket.created(txn, row.id).await?;
            Ok(row.id)
        })
        .await;
    let manifest = &prepared.checked.manifest;
    match written {
        Ok(id) => super::get(cx, id).await,
        Err(error) => match taken(cx, manifest).await? {
            // Somebody was quicker.
            Some(there) if conflicts(&error) => Err(one_only(manifest, &there)),
            _ => Err(error),
        },
    }
}

/// Writes an integration that may be made, with its credential and the provider's actions, within a transaction.
pub async fn put(txn: &Txn, prepared: &Prepared) -> Result<Integration> {
    let Prepared { new, checked, asked, texts } = prepared;
    let Checked { manifest, auth, fields, details, .. } = checked;
    let (cx, now) = (txn.cx(), txn.now());
    let mut settings = checked.settings.clone();
    let first = || manifest.environments.first().map(|first| first.key.0.clone());
    if let Some(token) = &asked.token {
        settings.extend(token.set.clone());
    }
    let tested = asked.verdict.is_some();
    let kept: Option<Kept> = asked.token.as_ref().map(|bought| token::kept(bought, None, auth, now));
    let row = Integration {
        id: txn.id(),
        tenant_id: cx.tenant()?,
        provider: manifest.key.0.clone(),
        category: manifest.category.as_str().to_owned(),
        slot: (manifest.per_tenant == PerTenant::One).then(|| manifest.key.0.clone()),
        name: texts.name.clone(),
        description: texts.description.clone(),
        environment: details.environment.clone().or_else(first).unwrap_or_default(),
        auth_method: auth.key().0.clone(),
        settings: json!(settings),
        metadata: Value::Object(new.metadata.clone().unwrap_or_default()),
        status: match (new.disabled, tested) {
            (true, _) => Status::Inactive,
            (false, true) => Status::Active,
            (false, false) => Status::Pending,
        },
        enabled: !new.disabled,
        account: texts.account.clone(),
        proven_account: None,
        account_asked_at: None,
        timeout_ms: new.place.timeout_ms,
        can_sync: new.capabilities.can_sync.unwrap_or(true),
        can_push: new.capabilities.can_push.unwrap_or(true),
        can_webhook: new.capabilities.can_webhook.unwrap_or(true),
        sync_frequency: new.capabilities.sync_frequency.clone(),
        last_synced_at: None,
        last_tested_at: tested.then_some(now),
        last_success_at: tested.then_some(now),
        last_error_at: None,
        error_class: None,
        error_message: None,
        total_records: 0,
        last_sync_count: 0,
        failed_sync_count: 0,
        sync_outcomes: String::new(),
        deleted_at: None,
        created_by: cx.actor().to_string(),
        created_at: now,
        updated_at: now,
    };
    insert(txn, &row, fields.as_ref(), kept.as_ref()).await?;
    let row = proof::begin(txn, manifest, row, asked.verdict.as_ref()).await?;
    if new.import_catalogue {
        action::import(txn, &row, manifest).await?;
    }
    Ok(row)
}

fn conflicts(error: &Error) -> bool {
    error.code() == crate::kernel::error::Code::Conflict
}

async fn insert(txn: &Txn, row: &Integration, fields: Option<&Fields>, kept: Option<&Kept>) -> Result<()> {
    entity::Entity::insert(row.clone().into_active_model()).exec_without_returning(&**txn).await?;
    if let Some(fields) = fields {
        credential::put(txn, row, fields, kept, None).await?;
    }
    let fact = IntegrationEvent::Created {
        integration: row.id,
        provider: row.provider.clone(),
        name: row.name.clone(),
        status: row.status.name().to_owned(),
    };
    txn.emit(&fact)?;
    txn.audit(Audit::of(&fact).after(shown(row)))
}
