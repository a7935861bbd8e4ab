//! Making and changing a partner integration: everything the seed lists, in one call and one commit.

use chrono::TimeDelta;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    Beside, PartnerIntegration, Sight,
    credentials::{self, replaced},
    held, list,
    mapping::{Rules, version},
};
use crate::{
    context::{Audit, Cx, Once, Txn},
    domain::{
        credential::{signature::New, webhook::Checked},
        inbox::source,
        integration::{
            change::{self, IntegrationChange},
            create::{self as integrations, Capabilities, NewIntegration, Prepared},
            reconnect,
        },
        order::machine::{self, Machine},
        outbound::{
            destination,
            partner::{self as outbound, NewPartnerDestination, PartnerDestinationChange},
        },
    },
    entity::{partner_integration as entity, partner_organization, rewrite::rewrite},
    event::{Changes, partner::PartnerEvent},
    kernel::{
        error::{Code, Error, Issue, Result},
        id::{IntegrationId, PartnerOrganizationId},
        secret::Secret,
    },
    provider::manifest::{Category, Manifest},
};

/// The provider of partners that have none of their own.
const CUSTOM: &str = "custom_rest";

/// How long what the partner still signs with the secret before is believed.
const OVERLAP: TimeDelta = TimeDelta::days(1);

/// The field by which the inbox knows the secret.
const SECRET: &str = "webhook_secret";

/// A partner integration to be, in the words of the seed.
#[derive(Clone, Debug, Serialize)]
pub struct NewPartnerIntegration {
    /// Whose it is.
    pub organization: PartnerOrganizationId,
    /// The key of the provider; by the name, if left out.
    pub provider: Option<String>,
    /// What it is called, such as `volvo_dealer_api`.
    pub name: String,
    /// The address of the partner's interface.
    pub api_base_url: Option<String>,
    /// Its version.
    pub api_version: Option<String>,
    /// `api_key`, `oauth2`, `basic_auth` or `bearer_token`.
    pub authentication_type: String,
    /// The credential.
    #[serde(skip)]
    pub api_credentials: Option<Map<String, Value>>,
    /// Where the partner is told.
    pub webhook_url: Option<String>,
    /// What signs both ways.
    #[serde(skip)]
    pub webhook_secret: Option<Secret>,
    /// What it is told of.
    pub webhook_events: Vec<String>,
    /// What its words mean.
    pub status_mapping: Option<Value>,
    /// Whether anything is exchanged.
    pub is_active: bool,
    /// Whether its orders are read regularly.
    pub sync_enabled: bool,
    /// How often: `real_time`, `every_15_minutes`, `hourly`, `daily`.
    pub sync_frequency: String,
    /// Whether the partner's interface is asked first whether the credential is right.
    pub test: bool,
}

/// What to change of a partner integration; what is left out stays.
#[derive(Clone, Debug, Default)]
pub struct PartnerIntegrationChange {
    /// What it is called.
    pub name: Option<String>,
    /// The address of the partner's interface.
    pub api_base_url: Option<String>,
    /// Its version.
    pub api_version: Option<String>,
    /// Of which type its credential is.
    pub authentication_type: Option<String>,
    /// Another credential.
    pub api_credentials: Option<Map<String, Value>>,
    /// Whether the partner's interface is asked first whether the new credential is right.
    pub test: bool,
    /// Where the partner is told.
    pub webhook_url: Option<String>,
    /// What signs what it is sent from now on.
    pub webhook_secret: Option<Secret>,
    /// What it is told of.
    pub webhook_events: Option<Vec<String>>,
    /// Whether anything is exchanged.
    pub is_active: Option<bool>,
    /// Whether its orders are read regularly.
    pub sync_enabled: Option<bool>,
    /// How often.
    pub sync_frequency: Option<String>,
}

/// A partner integration that was just made.
#[derive(Clone, Debug)]
pub struct Made {
    /// The integration.
    pub own: PartnerIntegration,
    /// The secret that was made because none was given, to be shown now and never again.
    pub secret: Option<Secret>,
}

/// The provider of a partner: the one that is named, or the one whose key the name begins with.
fn provider(cx: &Cx, new: &NewPartnerIntegration) -> Result<std::sync::Arc<Manifest>> {
    let catalogue = &cx.hub().catalogue;
    let partners = || catalogue.iter().filter(|manifest| manifest.category == Category::Partner);
    let key = if let Some(named) = &new.provider {
        named.as_str()
    } else {
        let fits = |manifest: &&std::sync::Arc<Manifest>| new.name.starts_with(manifest.key.as_str());
        partners().find(fits).map_or(CUSTOM, |manifest| manifest.key.as_str())
    };
    let found = partners().find(|manifest| manifest.key.as_str() == key).cloned();
    found.ok_or_else(|| {
        let all: Vec<_> = partners().map(|manifest| manifest.key.as_str()).collect();
        Error::invalid("provider", format!("there is no such provider of partners; there are {}", all.join(", ")))
    })
}

/// Collects what is refused, so that everything is said at once.
struct Faults(Vec<Issue>);

impl Faults {
    fn take<T>(&mut self, outcome: Result<T>) -> Result<Option<T>> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(Error::Refused(issues)) => {
                self.0.extend(issues.into_iter().map(replaced));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl Faults {
    /// Where a partner is told, if it may be called.
    fn url(&mut self, cx: &Cx, text: Option<&str>) -> Option<String> {
        match destination::url(cx, text?) {
            Ok(url) => Some(url),
            Err(reason) => {
                self.0.push(Issue::at("webhookUrl", reason));
                None
            }
        }
    }
}

/// The secret that was given, or one of ours where one is needed.
fn secret(cx: &Cx, given: Option<&Secret>) -> Result<(New, bool)> {
    match given {
        None => Ok((New::make(cx, false), true)),
        Some(given) => New::given(given).map(|new| (new, false)).ok_or_else(|| {
            let form = "a secret is \"whsec_\" and 24 to 64 bytes in base64, as standardwebhooks.com has it";
            Error::invalid("webhookSecret", form)
        }),
    }
}

/// Everything that is needed to make a partner integration, held against what may be.
struct Ready {
    prepared: Prepared,
    machine: Machine,
    rules: Option<Rules>,
    url: Option<String>,
    signing: New,
    /// Whether the secret was made here.
    is_made: bool,
    secrets: Option<Checked>,
}

/// Does everything that comes before the commit. Whatever is wrong is said at once.
async fn ready(cx: &Cx, new: &NewPartnerIntegration, repeats: bool) -> Result<Ready> {
    let manifest = provider(cx, new)?;
    let mut faults = Faults(Vec::new());
    let read = credentials::read(&new.authentication_type, new.api_credentials.as_ref()).map_err(Error::Refused);
    let read = faults.take(read)?.unwrap_or_default();
    let mut settings = credentials::place(&manifest, new.api_base_url.as_deref(), new.api_version.as_deref());
    settings.extend(read.settings);
    let ordinary = NewIntegration {
        provider: manifest.key.0.clone(),
        name: Some(new.name.clone()),
        settings,
        capabilities: Capabilities {
            can_sync: Some(new.sync_enabled),
            sync_frequency: Some(new.sync_frequency.clone()),
            ..Capabilities::default()
        },
        skip_test: !new.test,
        import_catalogue: true,
        disabled: !new.is_active,
        ..NewIntegration::default()
    };
    let prepared = faults.take(integrations::prepare(cx, ordinary, read.given, repeats).await)?;
    let machine = machine::get(cx).await?;
    let rules = match &new.status_mapping {
        Some(json) => faults.take(version::beginning(json, &machine))?,
        None => None,
    };
    faults.0.extend(outbound::misfits("webhookEvents", &new.webhook_events, &machine.statuses));
    let url = faults.url(cx, new.webhook_url.as_deref());
    let signing = faults.take(secret(cx, new.webhook_secret.as_ref()))?;
    let secrets = match &signing {
        Some((signing, _)) => {
            let given = [(SECRET.to_owned(), signing.shared.clone())];
            faults.take(source::secrets(cx, manifest.key.as_str(), &given))?.flatten()
        }
        None => None,
    };
    match (prepared, signing, faults.0.is_empty()) {
        (Some(prepared), Some((signing, is_made)), true) => {
            Ok(Ready { prepared, machine, rules, url, signing, is_made, secrets })
        }
        _ => Err(Error::Refused(faults.0)),
    }
}

/// Makes a partner integration with its credential, its webhooks in and out, and its mapping.
pub async fn create(cx: &Cx, new: NewPartnerIntegration, key: Option<&str>) -> Result<Made> {
    let organization = partner_organization::of(cx.tenant()?)
        .filter(partner_organization::COLUMN.id.eq(new.organization))
        .one(cx.db())
        .await?
        .ok_or(Error::NotFound("partner organization"))?;
    let ready = ready(cx, &new, key.is_some()).await?;
    if !organization.active {
        return Err(Error::conflict("partnerOrganizationId", "the partner organization is not active"));
    }
    let (id, is_new) = cx
        .write(async |txn| {
            let ticket = match txn.once("createPartnerIntegration", key, &new).await? {
                Once::Repeated(id) => return Ok((id, false)),
                Once::First(ticket) => ticket,
            };
            let id = put(txn, &new, &ready).await?;
            ticket.created(txn, id).await?;
            Ok((id, true))
        })
        .await?;
    let own = list::get(cx, id).await?;
    let is_used = own.beside.destination_id.is_some() || own.beside.source_id.is_some();
    Ok(Made { own, secret: (is_new && ready.is_made && is_used).then_some(ready.signing.shared) })
}

/// Writes all of it.
async fn put(txn: &Txn, new: &NewPartnerIntegration, ready: &Ready) -> Result<IntegrationId> {
    let integration = integrations::put(txn, &ready.prepared).await?;
    let source = match &ready.secrets {
        Some(secrets) => Some(source::put(txn, &integration, secrets).await?),
        None => None,
    };
    let told = match &ready.url {
        Some(url) => {
            let to = NewPartnerDestination {
                integration: integration.id,
                name: integration.name.clone(),
                url: url.clone(),
                events: new.webhook_events.clone(),
                secret: ready.signing.clone(),
            };
            Some(outbound::put(txn, to).await?)
        }
        None => None,
    };
    let now = txn.now();
    let row = Beside {
        id: integration.id,
        tenant_id: integration.tenant_id,
        partner_organization_id: new.organization,
        api_base_url: new.api_base_url.clone(),
        api_version: new.api_version.clone(),
        authentication_type: new.authentication_type.clone(),
        destination_id: told.as_ref().map(|told| told.id),
        source_id: source.as_ref().map(|source| source.id),
        webhook_events: json!(new.webhook_events),
        last_heard_at: None,
        last_error_at: None,
        last_error_message: None,
        records_seen: 0,
        created_at: now,
        updated_at: now,
    };
    entity::Entity::insert(row.clone().into_active_model()).exec_without_returning(&**txn).await?;
    if let (Some(json), Some(rules)) = (&new.status_mapping, &ready.rules) {
        version::begin(txn, &row, json, rules, &ready.machine).await?;
    }
    let fact = PartnerEvent::IntegrationCreated {
        integration: row.id,
        partner: row.partner_organization_id,
        name: integration.name,
    };
    txn.emit(&fact)?;
    txn.audit(Audit::of(&fact).after(shown(&row)))?;
    Ok(row.id)
}

/// How what is beside an integration stands in the audit log; never a secret.
fn shown(row: &Beside) -> Value {
    json!({
        "partner": row.partner_organization_id,
        "apiBaseUrl": row.api_base_url,
        "apiVersion": row.api_version,
        "authenticationType": row.authentication_type,
        "destination": row.destination_id,
        "source": row.source_id,
        "webhookEvents": row.webhook_events,
    })
}

/// Changes a partner integration. What every integration has is changed first, each in a commit of its own.
pub async fn update(cx: &Cx, id: IntegrationId, new: PartnerIntegrationChange) -> Result<PartnerIntegration> {
    if Sight::of(cx)? != Sight::Tenant {
        return Err(Error::NotFound("partner integration"));
    }
    let before = list::get(cx, id).await?;
    let machine = machine::get(cx).await?;
    let mut faults = Faults(Vec::new());
    if let Some(events) = &new.webhook_events {
        faults.0.extend(outbound::misfits("webhookEvents", events, &machine.statuses));
    }
    let url = faults.url(cx, new.webhook_url.as_deref());
    let signing = match &new.webhook_secret {
        Some(given) => faults.take(secret(cx, Some(given)))?.map(|(signing, _)| signing),
        None => None,
    };
    let manifest = cx.hub().catalogue.get(&before.integration.provider).cloned();
    let settings = manifest.map_or_else(Vec::new, |manifest| {
        credentials::place(&manifest, new.api_base_url.as_deref(), new.api_version.as_deref())
    });
    if url.is_some() && before.beside.destination_id.is_none() && signing.is_none() && faults.0.is_empty() {
        let message = "give the secret with which it is signed as well: the partner has none yet";
        faults.0.push(Issue { code: Code::BadUserInput, ..Issue::at("webhookSecret", message) });
    }
    let read = faults.take(another(&before.beside, &new))?.unwrap_or_default();
    if !faults.0.is_empty() {
        return Err(Error::Refused(faults.0));
    }
    if let Some(given) = read.given {
        // With where its tokens are bought, in one commit; and before the rest, since this is what is refused.
        let places: Vec<_> = settings.iter().cloned().chain(read.settings).collect();
        faults.take(reconnect::give_with(cx, id, given, &places, !new.test).await)?;
        if !faults.0.is_empty() {
            return Err(Error::Refused(faults.0));
        }
    }
    let ordinary = IntegrationChange {
        name: new.name.clone(),
        settings: settings.into_iter().map(|(name, value)| (name, Some(value))).collect(),
        capabilities: Capabilities {
            can_sync: new.sync_enabled,
            sync_frequency: new.sync_frequency.clone(),
            ..Capabilities::default()
        },
        ..IntegrationChange::default()
    };
    match change::update(cx, id, ordinary).await {
        Ok(_) => {}
        Err(Error::Refused(issues)) => return Err(Error::Refused(issues.into_iter().map(replaced).collect())),
        Err(error) => return Err(error),
    }
    if let (Some(source), Some(signing)) = (before.beside.source_id, &signing) {
        let secrets = [(SECRET.to_owned(), signing.shared.clone())];
        match source::rotate(cx, source, &secrets, OVERLAP).await {
            // It is the one that it has, or the source is gone.
            Ok(_) | Err(Error::NotFound(_)) => {}
            Err(Error::Refused(issues)) if issues.iter().all(|issue| issue.code == Code::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    if let Some(enabled) = new.is_active {
        change::enable(cx, id, enabled).await?;
    }
    cx.write(async |txn| beside(txn, id, &new, url.as_ref(), signing.as_ref()).await).await?;
    list::get(cx, id).await
}

/// The credential that takes the place of the one there is.
fn another(before: &Beside, new: &PartnerIntegrationChange) -> Result<credentials::Read> {
    let kind = new.authentication_type.as_deref().unwrap_or(&before.authentication_type);
    if new.api_credentials.is_none() && kind != before.authentication_type {
        return Err(Error::invalid(credentials::PATH, "give the credential of the new type with it"));
    }
    let read = credentials::read(kind, new.api_credentials.as_ref()).map_err(Error::Refused)?;
    match (&new.api_credentials, &read.given) {
        (Some(_), None) => Err(Error::invalid(credentials::PATH, "there is no credential in it")),
        _ => Ok(read),
    }
}

/// Changes what stands beside an integration.
async fn beside(
    txn: &Txn,
    id: IntegrationId,
    new: &PartnerIntegrationChange,
    url: Option<&String>,
    signing: Option<&New>,
) -> Result<()> {
    let before = held(txn, id).await?;
    let events = new.webhook_events.as_ref().map_or_else(|| before.webhook_events.clone(), |events| json!(events));
    let destination_id = match (before.destination_id, url, signing) {
        (Some(there), ..) => {
            let change = PartnerDestinationChange {
                url: url.cloned(),
                events: new.webhook_events.clone(),
                secret: signing.cloned(),
            };
            if change.url.is_some() || change.events.is_some() || change.secret.is_some() {
                outbound::change(txn, there, change).await?;
            }
            Some(there)
        }
        (None, Some(url), Some(signing)) => {
            let wanted = events.as_array().into_iter().flatten();
            let to = NewPartnerDestination {
                integration: id,
                name: format!("partner {id}"),
                url: url.clone(),
                events: wanted.filter_map(|event| event.as_str().map(str::to_owned)).collect(),
                secret: signing.clone(),
            };
            Some(outbound::put(txn, to).await?.id)
        }
        _ => None,
    };
    let after = Beside {
        api_base_url: new.api_base_url.clone().or_else(|| before.api_base_url.clone()),
        api_version: new.api_version.clone().or_else(|| before.api_version.clone()),
        authentication_type: new.authentication_type.clone().unwrap_or_else(|| before.authentication_type.clone()),
        webhook_events: events,
        destination_id,
        ..before.clone()
    };
    let changes = Changes::new()
        .field("apiBaseUrl", &before.api_base_url, &after.api_base_url)
        .field("apiVersion", &before.api_version, &after.api_version)
        .field("authenticationType", &before.authentication_type, &after.authentication_type)
        .field("webhookEvents", &before.webhook_events, &after.webhook_events)
        .field("destination", &before.destination_id, &after.destination_id)
        .field("webhookSecret", &false, &signing.is_some());
    if changes.is_empty() {
        return Ok(());
    }
    let mut row = rewrite(after.clone());
    row.updated_at = Set(txn.now());
    row.update(&**txn).await?;
    let fact = PartnerEvent::IntegrationUpdated {
        integration: id,
        partner: after.partner_organization_id,
        changes: changes.clone(),
    };
    txn.emit(&fact)?;
    txn.audit(Audit::of(&fact).before(shown(&before)).after(shown(&after)))
}
