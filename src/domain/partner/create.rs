//! Making a partner integration: everything the seed lists, in one call and one commit.

use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    Beside, PartnerIntegration,
    credentials::{self, replaced},
    list,
    mapping::{Rules, version},
};
use crate::{
    context::{Audit, Cx, Once, Txn},
    domain::{
        credential::{signature::New, webhook::Checked},
        inbox::source,
        integration::create::{self as integrations, Capabilities, NewIntegration, Prepared},
        order::machine::{self, Machine},
        outbound::{
            destination,
            partner::{self as outbound, NewPartnerDestination, Way},
        },
    },
    entity::{first::First, partner_integration as entity, partner_organization},
    event::partner::PartnerEvent,
    kernel::{
        error::{Error, Issue, Result},
        id::{IntegrationId, PartnerOrganizationId},
        secret::Secret,
    },
    provider::manifest::{Category, Manifest},
};

/// The provider of partners that have none of their own.
const CUSTOM: &str = "custom_rest";

/// The field by which the inbox knows the secret.
pub(super) const SECRET: &str = "webhook_secret";

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
    /// Where the partner is told; by its own interface, if left out.
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
pub(super) struct Faults(pub(super) Vec<Issue>);

impl Faults {
    pub(super) fn take<T>(&mut self, outcome: Result<T>) -> Result<Option<T>> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(Error::Refused(issues)) => {
                self.0.extend(issues.into_iter().map(replaced));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Where a partner is told, if it may be called.
    pub(super) fn url(&mut self, cx: &Cx, text: Option<&str>) -> Option<String> {
        match destination::url(cx, text?) {
            Ok(url) => Some(url),
            Err(reason) => {
                self.0.push(Issue::at("webhookUrl", reason));
                None
            }
        }
    }

    /// The way by the partner's own interface, where the file of its provider has one.
    pub(super) fn interface(&mut self, manifest: &Manifest, path: &str) -> Option<Way> {
        let way = Way::of_interface(manifest);
        if way.is_none() {
            let reason = format!(
                "{} has no action {}, by which it would be told: give webhookUrl, or ask for no webhookEvents",
                manifest.name,
                outbound::NOTIFY
            );
            self.0.push(Issue::at(path, reason));
        }
        way
    }
}

/// The secret that was given, or one of ours where one is needed.
pub(super) fn secret(cx: &Cx, given: Option<&Secret>) -> Result<(New, bool)> {
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
    /// By which way the partner is told; nothing if it is told of nothing.
    way: Option<Way>,
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
    let way = match new.webhook_url.as_deref() {
        Some(url) => faults.url(cx, Some(url)).map(Way::Webhook),
        None if new.webhook_events.is_empty() => None,
        None => faults.interface(&manifest, "webhookEvents"),
    };
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
            Ok(Ready { prepared, machine, rules, way, signing, is_made, secrets })
        }
        _ => Err(Error::Refused(faults.0)),
    }
}

/// Makes a partner integration with its credential, its webhooks in and out, and its mapping.
pub async fn create(cx: &Cx, new: NewPartnerIntegration, key: Option<&str>) -> Result<Made> {
    let organization = partner_organization::of(cx.tenant()?)
        .filter(partner_organization::COLUMN.id.eq(new.organization))
        .first(cx.db())
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
    let told = match &ready.way {
        Some(way) => {
            let to = NewPartnerDestination {
                integration: integration.id,
                name: integration.name.clone(),
                way: way.clone(),
                every: outbound::minutes(integration.sync_frequency.as_deref()),
                events: new.webhook_events.clone(),
                // The partner knows it: it signs what the partner sends, too.
                secret: Some(ready.signing.clone()),
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
pub(super) fn shown(row: &Beside) -> Value {
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
