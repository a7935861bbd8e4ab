//! The router: from the log of all tenants to messages and deliveries.
//!
//! Whoever reads on holds the row with the position; the others find it moved. An event that nobody wants costs a look,
//! and no commit: a reader remembers how far it has looked, and the row is moved along now and then.
//!
//! A stored position beyond the end of the log (of a restored backup, or of a version that took positions from other
//! nodes' messages) would let nothing be sent until the log has come as far. It is noticed at the start and whenever
//! there is nothing to read, and moved back: to where this node has read, or to the end of the log if it has read
//! nothing yet.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use chrono::SecondsFormat;
use sea_orm::{EntityTrait, IntoActiveModel};
use serde_json::{Value, json};

use super::{
    Status, WebhookDelivery, WebhookDestination, WebhookMessage, partner,
    wants::{self, OWN, Wants},
};
use crate::{
    context::{Cx, Hub, Txn},
    domain::keyring::HUB,
    entity::{
        first::First,
        webhook_delivery::{self as entity, Place},
        webhook_destination, webhook_message, webhook_router,
    },
    event::{Entry, log},
    kernel::{
        error::Result,
        id::{EventId, TenantId, WebhookDestinationId},
    },
    provider::expression::Document,
};

/// Events that are read at a time.
const BATCH: usize = 500;

/// Deliveries that are made in one commit, as far as one event does not make more.
const MOST: usize = 2_000;

/// Deliveries that go in one statement.
const ROWS: usize = 1_000;

/// How far the row may fall behind the events that nobody wants.
const BEHIND: i64 = 1_000;

/// How far a node has read.
#[derive(Debug, Default)]
pub struct Reached {
    /// Everything up to there is on its way or of no interest.
    seen: i64,
    /// The position in the row, as far as this node knows.
    kept: i64,
    /// Destinations of which this node has said that their settings cannot be read.
    unreadable: BTreeSet<WebhookDestinationId>,
}

/// What one look brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Routed {
    /// Events that were looked at.
    pub events: usize,
    /// Deliveries that were made.
    pub deliveries: usize,
    /// Whether it stopped before it had looked at all that is there.
    pub more: bool,
}

/// Reads on from where this node, or another one, has come.
pub async fn route(hub: &Arc<Hub>, reached: &mut Reached) -> Result<Routed> {
    let db = hub.database.reader();
    if reached.seen == 0 {
        check(hub, reached).await?;
    }
    let entries = hub.feed.beyond(db, reached.seen, BATCH).await?;
    let more = entries.len() == BATCH;
    let Some(last) = entries.last().map(|entry| entry.position) else {
        check(hub, reached).await?;
        return Ok(Routed::default());
    };
    let tenants: BTreeSet<TenantId> =
        entries.iter().filter(|entry| entry.topic != OWN).map(|it| it.tenant_id).collect();
    let destinations =
        if tenants.is_empty() { Vec::new() } else { webhook_destination::of_tenants(tenants).all(db).await? };
    tell_unreadable(hub, reached, &destinations).await?;
    let wanted: Vec<_> = destinations
        .iter()
        .filter(|destination| {
            Wants::of(destination).is_ok_and(|wants| {
                entries.iter().any(|entry| entry.tenant_id == destination.tenant_id && wants.takes(entry))
            })
        })
        .map(|destination| destination.id)
        .collect();
    if wanted.is_empty() {
        reached.seen = last;
        if last - reached.kept >= BEHIND {
            webhook_router::moved(last).exec(hub.database.writer()).await?;
            reached.kept = last;
        }
        return Ok(Routed { events: entries.len(), deliveries: 0, more });
    }
    let cx = Cx::system(Arc::clone(hub), OWN, HUB);
    let seen = reached.seen;
    let (position, made) = cx
        .write(async |txn| {
            let kept = kept(txn, seen, &entries).await?;
            let held = webhook_destination::held_of_hub(wanted.iter().copied()).all(&**txn).await?;
            let new = entries.iter().filter(|entry| entry.position > kept);
            let plan = Plan::of(new, &held);
            let position = plan.through.unwrap_or(last).max(kept);
            let made = write(txn, plan).await?;
            webhook_router::moved(position).exec(&**txn).await?;
            Ok((position, made))
        })
        .await?;
    reached.seen = position;
    reached.kept = position;
    if made > 0 {
        hub.deliveries.notify_one();
    }
    Ok(Routed { events: entries.len(), deliveries: made, more: more || position < last })
}

/// Compares the stored position with the end of the log, and moves it back if it lies beyond.
async fn check(hub: &Arc<Hub>, reached: &mut Reached) -> Result<()> {
    let db = hub.database.reader();
    let stored = webhook_router::row().first(db).await?.map_or(0, |row| row.position);
    // Read after the position, so that it is not behind one that was right.
    let end = log::position(db).await?;
    if reached.seen == 0 && stored <= end {
        (reached.seen, reached.kept) = (stored, stored);
    }
    if stored <= end && reached.seen <= end {
        return Ok(());
    }
    let cx = Cx::system(Arc::clone(hub), OWN, HUB);
    let seen = reached.seen;
    let position = cx
        .write(async |txn| {
            let stored = webhook_router::held().first(&**txn).await?.map_or(0, |row| row.position);
            let end = log::position(&**txn).await?;
            let target = if (1..=end).contains(&seen) { seen } else { end };
            if stored > end {
                move_back(txn, stored, target, end).await?;
            }
            Ok(target.min(stored))
        })
        .await?;
    (reached.seen, reached.kept) = (position, position);
    Ok(())
}

async fn move_back(txn: &Txn, from: i64, to: i64, end: i64) -> Result<()> {
    tracing::warn!(
        from,
        to,
        end,
        "the stored position of the webhook router was beyond the end of the event log and was moved back; \
         events written meanwhile may not have been sent: compare `webhookDeliveries` with `events`"
    );
    webhook_router::moved_back(to).exec(&**txn).await?;
    Ok(())
}

/// Up to where everything is on its way, by the row, which is held from now on, and by what this node has read.
async fn kept(txn: &Txn, seen: i64, entries: &[Entry]) -> Result<i64> {
    let stored = webhook_router::held().first(&**txn).await?.map_or(0, |row| row.position);
    let last = entries.last().map_or(0, |entry| entry.position);
    // One that is beyond what was read may be another node's, which is ahead, or lie beyond the end of the log.
    if stored <= last {
        return Ok(stored.max(seen));
    }
    let end = log::position(&**txn).await?;
    if stored <= end {
        return Ok(stored);
    }
    // Another node may have put some of what was read on its way before: it did so in order.
    let ids = entries.iter().map(|entry| entry.event_id);
    let there: HashSet<EventId> =
        webhook_message::of_hub(ids).all(&**txn).await?.into_iter().map(|message| message.id).collect();
    let done = entries.iter().rev().find(|entry| there.contains(&entry.event_id)).map_or(0, |entry| entry.position);
    let kept = done.max(seen);
    move_back(txn, stored, kept, end).await?;
    Ok(kept)
}

/// Raises alerts for destinations whose settings cannot be read, once for each as long as that is so.
async fn tell_unreadable(hub: &Arc<Hub>, reached: &mut Reached, destinations: &[WebhookDestination]) -> Result<()> {
    for destination in destinations {
        match Wants::of(destination) {
            Ok(_) => drop(reached.unreadable.remove(&destination.id)),
            Err(reason) if reached.unreadable.insert(destination.id) => {
                tracing::error!(destination = %destination.id, reason, "webhook destination unreadable");
                let cx = Cx::system(Arc::clone(hub), OWN, HUB);
                cx.write(async |txn| wants::unreadable(txn, destination, &reason).await).await?;
            }
            Err(_) => {}
        }
    }
    Ok(())
}

/// What is to be written.
#[derive(Default)]
struct Plan<'a> {
    messages: Vec<WebhookMessage>,
    /// The destination, the place of the message, and the event.
    pairs: Vec<(&'a WebhookDestination, &'a Entry)>,
    /// The last event that was looked at, if some were left for the next time.
    through: Option<i64>,
}

impl<'a> Plan<'a> {
    fn of(entries: impl Iterator<Item = &'a Entry>, destinations: &'a [WebhookDestination]) -> Self {
        let mut wants: BTreeMap<TenantId, Vec<(&WebhookDestination, Wants)>> = BTreeMap::new();
        for destination in destinations {
            // Nothing goes where it cannot be read what is wanted.
            if let Ok(wanted) = Wants::of(destination) {
                wants.entry(destination.tenant_id).or_default().push((destination, wanted));
            }
        }
        let mut plan = Self::default();
        for entry in entries {
            if plan.pairs.len() >= MOST {
                return plan;
            }
            plan.through = Some(entry.position);
            let takers = wants.get(&entry.tenant_id).into_iter().flatten().filter(|(_, wants)| wants.takes(entry));
            let takers: Vec<_> = takers.collect();
            if takers.is_empty() {
                continue;
            }
            let said = if entry.topic == partner::TOPIC { partner::said(entry) } else { said(entry) };
            let text = said.to_string();
            let inside = takers.iter().any(|(_, wants)| wants.looks_inside()).then(|| Document::from(said));
            let before = plan.pairs.len();
            for (destination, wants) in takers {
                if inside.as_ref().is_none_or(|body| wants.holds(body)) {
                    plan.pairs.push((*destination, entry));
                }
            }
            if plan.pairs.len() > before {
                plan.messages.push(message(entry, text));
            }
        }
        plan.through = None;
        plan
    }
}

/// What a webhook says about an event.
pub(super) fn said(entry: &Entry) -> Value {
    json!({
        "type": entry.kind,
        "timestamp": entry.at.to_rfc3339_opts(SecondsFormat::Micros, true),
        "data": {
            "event": entry.event_id,
            "tenant": entry.tenant_id,
            "number": entry.number,
            "topic": entry.topic,
            "subject": entry.subject,
            "actor": entry.actor,
            "facts": entry.data,
        },
    })
}

fn message(entry: &Entry, body: String) -> WebhookMessage {
    WebhookMessage {
        id: entry.event_id,
        tenant_id: entry.tenant_id,
        topic: entry.topic.clone(),
        kind: entry.kind.clone(),
        subject: entry.subject.clone(),
        at: entry.at,
        body,
    }
}

/// Writes messages and deliveries; their destinations are held. Says how many deliveries.
async fn write(txn: &Txn, plan: Plan<'_>) -> Result<usize> {
    let Plan { messages, pairs, .. } = plan;
    let mut taken = occupied(txn, &pairs).await?;
    let now = txn.now();
    let mut rows = Vec::with_capacity(pairs.len());
    let mut hurried: BTreeMap<WebhookDestinationId, BTreeSet<String>> = BTreeMap::new();
    for (destination, entry) in pairs {
        let enabled = destination.enabled;
        let at_once = partner::by_hand(entry);
        if at_once && destination.every.is_some() {
            hurried.entry(destination.id).or_default().insert(entry.subject.clone());
        }
        let place = Place { destination_id: destination.id, key: entry.subject.clone() };
        rows.push(WebhookDelivery {
            id: txn.id(),
            tenant_id: destination.tenant_id,
            destination_id: destination.id,
            message_id: entry.event_id,
            position: entry.position,
            key: entry.subject.clone(),
            kind: entry.kind.clone(),
            status: if enabled { Status::Pending } else { Status::Skipped },
            head: enabled && taken.insert(place),
            next_at: if at_once { now } else { partner::due(now, destination.every) },
            fence: 0,
            attempts: 0,
            last_status: None,
            last_error: None,
            last_latency: None,
            created_at: now,
            settled_at: (!enabled).then_some(now),
        });
    }
    let made = rows.len();
    for chunk in messages.chunks(ROWS) {
        let rows = chunk.iter().cloned().map(IntoActiveModel::into_active_model);
        webhook_message::Entity::insert_many(rows).exec_without_returning(&**txn).await?;
    }
    for chunk in rows.chunks(ROWS) {
        let rows = chunk.iter().cloned().map(IntoActiveModel::into_active_model);
        entity::Entity::insert_many(rows).exec_without_returning(&**txn).await?;
    }
    // What is asked for by hand does not wait, and so neither does what goes before it.
    for (destination, keys) in hurried {
        entity::hasten_lines(destination, keys, now).exec(&**txn).await?;
    }
    Ok(made)
}

/// The lines in which something waits already.
async fn occupied(txn: &Txn, pairs: &[(&WebhookDestination, &Entry)]) -> Result<HashSet<Place>> {
    let (mut destinations, mut keys) = (BTreeSet::new(), BTreeSet::new());
    for (destination, entry) in pairs {
        destinations.insert(destination.id);
        keys.insert(entry.subject.clone());
    }
    if pairs.is_empty() {
        return Ok(HashSet::new());
    }
    Ok(entity::waiting(destinations, keys).into_model::<Place>().all(&**txn).await?.into_iter().collect())
}

/// A message that is about no event, to see whether a destination hears.
pub(super) fn trial(cx: &Cx, destination: &WebhookDestination) -> WebhookMessage {
    const KIND: &str = "webhook.test";
    let (id, at): (EventId, _) = (cx.id(), cx.now());
    let body = json!({
        "type": KIND,
        "timestamp": at.to_rfc3339_opts(SecondsFormat::Micros, true),
        "data": { "event": id, "tenant": destination.tenant_id, "destination": destination.id },
    });
    WebhookMessage {
        id,
        tenant_id: destination.tenant_id,
        topic: OWN.to_owned(),
        kind: KIND.to_owned(),
        subject: destination.id.to_string(),
        at,
        body: body.to_string(),
    }
}
