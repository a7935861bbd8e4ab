//! Destinations: made, changed, given other secrets, switched off and on, tried, deleted.

use chrono::TimeDelta;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
};
use serde_json::{Value, json};

use super::{
    Status, WebhookAttempt, WebhookDelivery, WebhookDestination,
    catalogue::kinds,
    list, partner, route, send,
    settle::{attempt, note},
    wants::{self, OWN},
};
use crate::{
    context::{Audit, Cx, Once, Txn},
    domain::{
        alert,
        credential::signature::{self, New},
        event,
    },
    entity::{first::First, rewrite::rewrite, webhook_delivery, webhook_destination as entity, webhook_message},
    event::{
        Changes,
        outbound::{Deliveries, OutboundEvent},
    },
    kernel::{
        error::{Error, Result},
        id::{IntegrationId, WebhookDestinationId},
        input::{self, Check, Patch},
        secret::Secret,
        token::hint,
    },
    provider::expression::Expression,
};

/// How long secrets before a rotation may sign at most.
const LONGEST_OVERLAP: TimeDelta = TimeDelta::days(30);

/// The longest URL.
const LONGEST_URL: usize = 2_000;

/// Most destinations of a tenant: each is one more delivery of what it wants.
const MOST: u64 = 200;

/// A destination to be.
#[derive(Clone, Debug)]
pub struct NewDestination {
    /// For people.
    pub name: String,
    /// Where webhooks go.
    pub url: String,
    /// Kinds of events, with wildcards.
    pub events: Vec<String>,
    /// An expression that must hold for the body.
    pub filter: Option<String>,
    /// Whether there is a second signature that can be checked without a secret.
    pub with_key: bool,
}

/// What to change; what is left out stays.
#[derive(Clone, Debug)]
pub struct DestinationChange {
    /// For people.
    pub name: Option<String>,
    /// Where webhooks go.
    pub url: Option<String>,
    /// Kinds of events, with wildcards.
    pub events: Option<Vec<String>>,
    /// An expression that must hold for the body.
    pub filter: Patch<String>,
}

/// A destination that was just made or given another secret.
#[derive(Clone, Debug)]
pub struct Made {
    /// The destination.
    pub destination: WebhookDestination,
    /// The secret, to be shown now and never again; nothing if it was shown before.
    pub secret: Option<Secret>,
}

/// An attempt with a webhook about nothing.
#[derive(Clone, Debug)]
pub struct Tried {
    /// The delivery that it was.
    pub delivery: WebhookDelivery,
    /// How it went.
    pub attempt: WebhookAttempt,
}

/// A URL to which webhooks may go.
pub fn url(cx: &Cx, text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.len() > LONGEST_URL {
        return Err(format!("it has at most {LONGEST_URL} bytes"));
    }
    cx.hub().client.check(text).map_err(|refusal| refusal.to_string())?;
    Ok(text.to_owned())
}

fn patterns(cx: &Cx, texts: &[String]) -> Result<Vec<String>> {
    let all = kinds(cx)?;
    let refused = |reason: String| Error::invalid("events", reason);
    if texts.is_empty() || texts.len() > wants::MOST {
        return Err(refused(format!("name between 1 and {} kinds of events; `*` is all of them", wants::MOST)));
    }
    let mut patterns = texts.iter().map(|text| wants::pattern(text)).collect::<Result<Vec<_>, _>>().map_err(refused)?;
    for pattern in &patterns {
        if !all.iter().any(|kind| wants::fits(pattern, &kind.kind)) {
            let advice = "the query `webhookEventTypes` lists them";
            return Err(refused(format!("{pattern} is no kind of event that you may read; {advice}")));
        }
    }
    patterns.sort_unstable();
    patterns.dedup();
    Ok(patterns)
}

fn filter(text: &str) -> Result<String, String> {
    Expression::parse(text).map(|expression| expression.as_str().to_owned()).map_err(|fault| fault.to_string())
}

/// The topics that the caller may read and that can be sent.
fn readable(cx: &Cx) -> Result<Vec<&'static str>> {
    Ok(event::readable(cx)?.into_iter().filter(|topic| *topic != OWN && *topic != partner::TOPIC).collect())
}

fn texts(json: &Value) -> impl Iterator<Item = &str> {
    json.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// The host of a URL, for logs: a path or a query may hold what is secret.
pub(super) fn host(url: &str) -> String {
    url::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}

/// How a destination stands in the audit log.
pub(super) fn shown(row: &WebhookDestination) -> Value {
    json!({
        "name": row.name,
        "host": host(&row.url),
        "action": row.action,
        "everyMinutes": row.every,
        "events": row.patterns,
        "topics": row.topics,
        "filter": row.filter,
        "enabled": row.enabled,
        "secret": row.hint,
        "publicKey": row.public_key,
        "overlapUntil": row.overlap_until,
    })
}

/// Makes a destination.
pub async fn create(cx: &Cx, new: NewDestination, key: Option<&str>) -> Result<Made> {
    let topics = readable(cx)?;
    let mut check = Check::new();
    let name = check.take("name", input::name(&new.name));
    let url = check.take("url", url(cx, &new.url));
    let filter = check.take_some("filter", new.filter.as_deref(), filter);
    check.done()?;
    let events = patterns(cx, &new.events)?;
    let input = json!({ "name": name, "url": url, "events": events, "filter": filter, "key": new.with_key });
    let secrets = New::make(cx, new.with_key);
    let (destination, is_new) = cx
        .write(async |txn| {
            let ticket = match txn.once("createWebhookDestination", key, &input).await? {
                Once::Repeated(id) => return Ok((found(txn, id).await?, false)),
                Once::First(ticket) => ticket,
            };
            let (id, tenant): (WebhookDestinationId, _) = (txn.id(), cx.tenant()?);
            if entity::of(tenant).filter(entity::Column::PartnerIntegrationId.is_null()).count(&**txn).await? >= MOST {
                return Err(Error::conflict("name", format!("a tenant has at most {MOST} destinations; delete one")));
            }
            let new = Filled {
                name: name.clone(),
                url: url.clone(),
                action: None,
                every: None,
                patterns: events.clone(),
                topics: topics.clone(),
                filter: filter.clone(),
                partner: None,
            };
            let row = insert(txn, id, new, Some(&secrets)).await?;
            ticket.created(txn, row.id).await?;
            Ok((row, true))
        })
        .await?;
    // Who repeats a call has had what was shown once.
    Ok(Made { destination, secret: is_new.then(|| secrets.shared.clone()) })
}

/// A destination with everything chosen.
pub(super) struct Filled {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) action: Option<String>,
    pub(super) every: Option<i32>,
    pub(super) patterns: Vec<String>,
    pub(super) topics: Vec<&'static str>,
    pub(super) filter: Option<String>,
    pub(super) partner: Option<IntegrationId>,
}

/// Writes a destination with its secrets, if anything is signed, its event and its audit entry.
pub(super) async fn insert(
    txn: &Txn,
    id: WebhookDestinationId,
    new: Filled,
    secrets: Option<&New>,
) -> Result<WebhookDestination> {
    let (cx, tenant) = (txn.cx(), txn.cx().tenant()?);
    if let Some(secrets) = secrets {
        signature::put(txn, tenant, &id.to_string(), secrets, false).await?;
    }
    // What happens from now on goes there.
    let now = txn.now();
    let row = WebhookDestination {
        id,
        tenant_id: tenant,
        name: new.name.clone(),
        url: new.url.clone(),
        action: new.action,
        every: new.every,
        patterns: json!(new.patterns),
        topics: json!(new.topics),
        filter: new.filter,
        partner_integration_id: new.partner,
        enabled: true,
        disabled_at: None,
        disabled_because: None,
        failing_since: None,
        failures: 0,
        paused_until: None,
        hint: secrets.map(|secrets| hint(&secrets.shared)).unwrap_or_default(),
        public_key: secrets.and_then(New::public),
        secret_version: 1,
        overlap_until: None,
        created_by: cx.actor().to_string(),
        created_at: now,
        updated_at: now,
    };
    entity::Entity::insert(row.clone().into_active_model()).exec_without_returning(&**txn).await?;
    let fact = OutboundEvent::DestinationCreated {
        destination: row.id,
        name: new.name,
        host: host(&new.url),
        events: new.patterns,
    };
    txn.emit(&fact)?;
    txn.audit(Audit::of(&fact).after(shown(&row)))?;
    Ok(row)
}

async fn found(txn: &Txn, id: WebhookDestinationId) -> Result<WebhookDestination> {
    let found = entity::of(txn.cx().tenant()?).filter(entity::Column::Id.eq(id)).first(&**txn).await?;
    found.ok_or(Error::NotFound("webhook destination"))
}

async fn held(txn: &Txn, id: WebhookDestinationId) -> Result<WebhookDestination> {
    let found = entity::held(txn.cx().tenant()?, id).first(&**txn).await?;
    found.ok_or(Error::NotFound("webhook destination"))
}

/// Changes a destination. What waits already goes where it is then.
pub async fn update(cx: &Cx, id: WebhookDestinationId, change: DestinationChange) -> Result<WebhookDestination> {
    let topics = readable(cx)?;
    let mut check = Check::new();
    let name = check.take_some("name", change.name.as_deref(), input::name);
    let url = check.take_some("url", change.url.as_deref(), |text| url(cx, text));
    let filter = change.filter.check(&mut check, "filter", |text| filter(&text));
    check.done()?;
    let events = change.events.as_deref().map(|texts| patterns(cx, texts)).transpose()?;
    cx.write(async |txn| {
        let before = held(txn, id).await?;
        if before.partner_integration_id.is_some() {
            let reason = "it is a partner's; change the partner integration instead";
            return Err(Error::conflict("id", reason));
        }
        let was = shown(&before);
        let mut after = before.clone();
        after.name = name.clone().unwrap_or(after.name);
        after.url = url.clone().unwrap_or(after.url);
        // Who sends it elsewhere could read there what they may not read here.
        let hidden = texts(&before.topics).any(|topic| topics.iter().all(|own| *own != topic));
        if before.url != after.url && hidden {
            let reason = "events go there that you may not read; who may has to send them elsewhere";
            return Err(Error::forbidden("url", reason));
        }
        if let Some(events) = &events {
            (after.patterns, after.topics) = (json!(events), json!(topics));
        }
        after.filter = filter.clone().over(after.filter);
        let changes = Changes::new()
            .field("name", &before.name, &after.name)
            .field("host", &host(&before.url), &host(&after.url))
            .field("events", &before.patterns, &after.patterns)
            .field("filter", &before.filter, &after.filter);
        if before == after {
            return Ok(before);
        }
        // Somewhere else, nothing has failed yet.
        if before.url != after.url {
            (after.failures, after.failing_since, after.paused_until) = (0, None, None);
        }
        after.updated_at = txn.now();
        rewrite(after.clone()).update(&**txn).await?;
        wants::readable(txn, &after).await?;
        let fact = OutboundEvent::DestinationUpdated { destination: id, changes };
        txn.emit(&fact)?;
        txn.audit(Audit::of(&fact).before(was).after(shown(&after)))?;
        Ok(after)
    })
    .await
}

/// Gives a destination another secret, and another key if it has one. Those before sign for so long besides.
pub async fn rotate(cx: &Cx, id: WebhookDestinationId, overlap: TimeDelta) -> Result<Made> {
    if !(TimeDelta::zero()..=LONGEST_OVERLAP).contains(&overlap) {
        return Err(Error::invalid("overlap", format!("it is between 0 and {} days", LONGEST_OVERLAP.num_days())));
    }
    let destination = list::destination(cx, id).await?;
    let secrets = New::make(cx, destination.public_key.is_some());
    let destination = cx
        .write(async |txn| {
            let before = held(txn, id).await?;
            let was = shown(&before);
            let until = (overlap > TimeDelta::zero()).then(|| txn.now() + overlap);
            signature::put(txn, before.tenant_id, &id.to_string(), &secrets, until.is_some()).await?;
            let version = before.secret_version;
            let mut row = before.into_active_model();
            row.hint = Set(hint(&secrets.shared));
            row.public_key = Set(secrets.public());
            row.secret_version = Set(version + 1);
            row.overlap_until = Set(until);
            row.updated_at = Set(txn.now());
            let row = row.update(&**txn).await?;
            let fact = OutboundEvent::DestinationRotated { destination: id, overlap_until: until };
            txn.emit(&fact)?;
            txn.audit(Audit::of(&fact).before(was).after(shown(&row)))?;
            Ok(row)
        })
        .await?;
    Ok(Made { destination, secret: Some(secrets.shared) })
}

/// Switches a destination on. What waits goes on; what it missed is not sent until it is recovered.
pub async fn enable(cx: &Cx, id: WebhookDestinationId) -> Result<WebhookDestination> {
    let enabled = cx
        .write(async |txn| {
            let before = held(txn, id).await?;
            if before.enabled {
                return Ok(before);
            }
            let fact = OutboundEvent::DestinationEnabled { destination: id, name: before.name.clone() };
            let mut row = before.into_active_model();
            row.enabled = Set(true);
            row.disabled_at = Set(None);
            row.disabled_because = Set(None);
            row.failures = Set(0);
            row.failing_since = Set(None);
            row.paused_until = Set(None);
            row.updated_at = Set(txn.now());
            let row = row.update(&**txn).await?;
            alert::resolve_all(txn, &id.to_string()).await?;
            txn.emit(&fact)?;
            txn.audit(Audit::of(&fact))?;
            Ok(row)
        })
        .await?;
    cx.hub().deliveries.notify_one();
    Ok(enabled)
}

/// Switches a destination off: nothing is sent, and what happens is kept as skipped. What waits already waits on.
pub async fn disable(cx: &Cx, id: WebhookDestinationId) -> Result<WebhookDestination> {
    cx.write(async |txn| {
        let before = held(txn, id).await?;
        if !before.enabled {
            return Ok(before);
        }
        let reason = "somebody disabled it".to_owned();
        let fact =
            OutboundEvent::DestinationDisabled { destination: id, name: before.name.clone(), reason: reason.clone() };
        let mut row = before.into_active_model();
        row.enabled = Set(false);
        row.disabled_at = Set(Some(txn.now()));
        row.disabled_because = Set(Some(reason));
        row.updated_at = Set(txn.now());
        let row = row.update(&**txn).await?;
        alert::resolve(txn, alert::Kind::Undelivered, &id.to_string()).await?;
        txn.emit(&fact)?;
        txn.audit(Audit::of(&fact))?;
        Ok(row)
    })
    .await
}

/// Deletes a destination, with its secrets and everything that was sent there.
pub async fn delete(cx: &Cx, id: WebhookDestinationId) -> Result<WebhookDestinationId> {
    cx.write(async |txn| {
        let before = held(txn, id).await?;
        let last = shown(&before);
        let fact = OutboundEvent::DestinationDeleted { destination: id, name: before.name.clone() };
        signature::forget(txn, before.tenant_id, &id.to_string()).await?;
        alert::resolve_all(txn, &id.to_string()).await?;
        // What leads to it goes with it.
        entity::Entity::delete(before.into_active_model()).exec(&**txn).await?;
        txn.emit(&fact)?;
        txn.audit(Audit::of(&fact).before(last))?;
        Ok(id)
    })
    .await
}

/// Sends a webhook about nothing, now and once, and says how it went. A destination that is disabled can be tried too.
pub async fn test(cx: &Cx, id: WebhookDestinationId) -> Result<Tried> {
    let destination = list::destination(cx, id).await?;
    if destination.partner_integration_id.is_some() && destination.url.is_empty() {
        let reason = "its partner is told by its own interface, of orders that it knows; try that by testIntegration";
        return Err(Error::conflict("id", reason));
    }
    if let Some(integration) = destination.partner_integration_id {
        partner::may_send(cx, integration).await?;
    }
    let message = route::trial(cx, &destination);
    let parcel = send::parcel(cx.hub(), destination, message, cx.id()).await?;
    let message = parcel.message().clone();
    let answered = send::send(cx.hub(), parcel).await;
    cx.write(async |txn| {
        held(txn, id).await?;
        webhook_message::Entity::insert(message.clone().into_active_model()).exec_without_returning(&**txn).await?;
        let tried = attempt(txn, &answered);
        let status = if answered.arrived() { Status::Delivered } else { Status::Failed };
        let delivery = WebhookDelivery {
            status,
            head: false,
            attempts: 1,
            last_status: tried.status,
            last_error: tried.error.clone(),
            last_latency: Some(tried.latency),
            settled_at: Some(txn.now()),
            ..answered.delivery.clone()
        };
        let row = delivery.clone().into_active_model();
        webhook_delivery::Entity::insert(row).exec_without_returning(&**txn).await?;
        note(txn, &[&answered]).await?;
        let (tenant, deliveries) = (delivery.tenant_id, Deliveries::from([(id, vec![delivery.id])]));
        txn.emit(&match status {
            Status::Delivered => OutboundEvent::Delivered { tenant, deliveries },
            _ => OutboundEvent::GivenUp { tenant, deliveries },
        })?;
        txn.audit(Audit::new("webhook.tested", id))?;
        Ok(Tried { delivery, attempt: tried })
    })
    .await
}
