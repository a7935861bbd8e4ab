//! Changing a partner integration: how it is reached, by which way it is told, of what, and how often.
//!
//! A partner that loses its address for webhooks is told by its own interface, and one that gets an address by webhooks
//! again. It is one destination all the time, so what waits goes the new way, and nothing is told twice.

use chrono::TimeDelta;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, QueryFilter};
use serde_json::{Map, Value, json};

use super::{
    Beside, PartnerIntegration, Sight,
    create::{Faults, SECRET, secret, shown},
    credentials::{self, replaced},
    held, list,
};
use crate::{
    context::{Audit, Cx, Txn},
    domain::{
        credential::signature::New,
        inbox::source,
        integration::{
            change::{self, IntegrationChange},
            create::Capabilities,
            reconnect,
        },
        order::machine,
        outbound::{
            self, WebhookDestination,
            partner::{NewPartnerDestination, PartnerDestinationChange, Way, minutes, misfits},
        },
    },
    entity::{first::First, integration, rewrite::rewrite},
    event::{Changes, partner::PartnerEvent},
    kernel::{
        error::{Code, Error, Issue, Result},
        id::{IntegrationId, WebhookDestinationId},
        input::Patch,
        secret::Secret,
    },
    provider::manifest::Manifest,
};

/// How long what the partner still signs with the secret before is believed.
const OVERLAP: TimeDelta = TimeDelta::days(1);

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
    /// Where the partner is told; cleared, by its own interface.
    pub webhook_url: Patch<String>,
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

/// Changes a partner integration. What every integration has is changed first, each in a commit of its own.
pub async fn update(cx: &Cx, id: IntegrationId, new: PartnerIntegrationChange) -> Result<PartnerIntegration> {
    if Sight::of(cx)? != Sight::Tenant {
        return Err(Error::NotFound("partner integration"));
    }
    let before = list::get(cx, id).await?;
    let machine = machine::get(cx).await?;
    let mut faults = Faults(Vec::new());
    if let Some(events) = &new.webhook_events {
        faults.0.extend(misfits("webhookEvents", events, &machine.statuses));
    }
    let manifest = cx.hub().catalogue.get(&before.integration.provider).cloned();
    let there = destination(cx, &before.beside).await?;
    let way = way(cx, &mut faults, manifest.as_deref(), &before.beside, there.as_ref(), &new);
    let signing = match &new.webhook_secret {
        Some(given) => faults.take(secret(cx, Some(given)))?.map(|(signing, _)| signing),
        None => None,
    };
    let settings = manifest.map_or_else(Vec::new, |manifest| {
        credentials::place(&manifest, new.api_base_url.as_deref(), new.api_version.as_deref())
    });
    let signs = signing.is_some() || there.as_ref().is_some_and(|there| !there.hint.is_empty());
    if matches!(way, Some(Way::Webhook(_))) && !signs && faults.0.is_empty() {
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
    cx.write(async |txn| beside(txn, id, &new, way.as_ref(), signing.as_ref()).await).await?;
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

/// Where a partner is told now, unless somebody deleted that.
async fn destination(cx: &Cx, beside: &Beside) -> Result<Option<WebhookDestination>> {
    match beside.destination_id {
        Some(id) => Ok(outbound::list::destinations_by_ids(cx, &[id]).await?.pop()),
        None => Ok(None),
    }
}

/// By which way a partner is told from now on; nothing, if that stays as it is.
fn way(
    cx: &Cx,
    faults: &mut Faults,
    manifest: Option<&Manifest>,
    before: &Beside,
    there: Option<&WebhookDestination>,
    new: &PartnerIntegrationChange,
) -> Option<Way> {
    let now = there.map_or(Way::Nowhere, Way::of);
    let wanted = new.webhook_events.as_ref().map_or_else(
        || before.webhook_events.as_array().is_some_and(|events| !events.is_empty()),
        |events| !events.is_empty(),
    );
    let mut interface = |path: &str| match manifest {
        Some(manifest) if wanted => faults.interface(manifest, path),
        Some(manifest) => Some(Way::of_interface(manifest).unwrap_or(Way::Nowhere)),
        None => Some(Way::Nowhere),
    };
    match (&new.webhook_url, now) {
        (Patch::Set(url), _) => faults.url(cx, Some(url)).map(Way::Webhook),
        (Patch::Clear, Way::Webhook(_)) => interface("webhookUrl"),
        // It has no address to lose, and may have no other way yet.
        (_, Way::Nowhere) if wanted && (new.webhook_url == Patch::Clear || new.webhook_events.is_some()) => {
            interface("webhookEvents")
        }
        _ => None,
    }
}

/// How often the partner is told, as its integration says by now.
async fn rounds(txn: &Txn, beside: &Beside) -> Result<Patch<i32>> {
    let own = integration::of(beside.tenant_id).filter(integration::COLUMN.id.eq(beside.id)).first(&**txn).await?;
    Ok(minutes(own.and_then(|own| own.sync_frequency).as_deref()).map_or(Patch::Clear, Patch::Set))
}

/// Has a partner told as often as its integration says by now, which anybody may have changed by another door.
pub(super) async fn follow_rounds(txn: &Txn, beside: &Beside) -> Result<()> {
    if let Some(there) = beside.destination_id {
        let every = rounds(txn, beside).await?;
        outbound::partner::change(txn, there, PartnerDestinationChange { every, ..Default::default() }).await?;
    }
    Ok(())
}

/// Changes the place where a partner is told, or makes it if there is none. Gives it, if there is one then.
async fn told(
    txn: &Txn,
    before: &Beside,
    events: &Value,
    new: &PartnerIntegrationChange,
    way: Option<&Way>,
    signing: Option<&New>,
) -> Result<Option<WebhookDestinationId>> {
    let every = rounds(txn, before).await?;
    if let Some(there) = before.destination_id {
        let change = PartnerDestinationChange {
            way: way.cloned(),
            every,
            events: new.webhook_events.clone(),
            secret: signing.cloned(),
        };
        if outbound::partner::change(txn, there, change).await? || way.is_none() {
            return Ok(Some(there));
        }
    }
    match way {
        None | Some(Way::Nowhere) => Ok(before.destination_id),
        // Somebody deleted it a moment ago, and its secret with it.
        Some(Way::Webhook(_)) if signing.is_none() => {
            Err(Error::conflict("webhookSecret", "give the secret with which it is signed as well"))
        }
        Some(way) => {
            let wanted = events.as_array().into_iter().flatten();
            let to = NewPartnerDestination {
                integration: before.id,
                name: format!("partner {}", before.id),
                way: way.clone(),
                every: every.over(None),
                events: wanted.filter_map(|event| event.as_str().map(str::to_owned)).collect(),
                secret: signing.cloned(),
            };
            Ok(Some(outbound::partner::put(txn, to).await?.id))
        }
    }
}

/// Changes what stands beside an integration.
async fn beside(
    txn: &Txn,
    id: IntegrationId,
    new: &PartnerIntegrationChange,
    way: Option<&Way>,
    signing: Option<&New>,
) -> Result<()> {
    let before = held(txn, id).await?;
    let events = new.webhook_events.as_ref().map_or_else(|| before.webhook_events.clone(), |events| json!(events));
    let destination_id = told(txn, &before, &events, new, way, signing).await?;
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
