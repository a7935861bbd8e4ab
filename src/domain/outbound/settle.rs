//! What was answered, noted: deliveries that are over, when to try the others again, and how their destinations are.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use chrono::TimeDelta;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel};

use super::{Status, WebhookAttempt, WebhookDelivery, WebhookDestination, send::Answered};
use crate::{
    context::{Audit, Cx, Hub, Txn, clock_guard::SLACK},
    domain::{
        alert::{self, Kind, NewAlert, Severity},
        keyring::HUB,
    },
    entity::{
        webhook_attempt,
        webhook_delivery::{self as entity, Ending},
        webhook_destination,
    },
    event::outbound::{Deliveries, OutboundEvent},
    kernel::{
        clock::Moment,
        error::Result,
        id::{TenantId, WebhookDeliveryId},
        retry,
    },
};

/// Failures in a row after which a destination is left alone for a while.
pub const TRIP: i32 = 5;

/// For how long at first, and at most.
const PAUSE: TimeDelta = TimeDelta::seconds(5);
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(5);

/// How long a destination may tell us to leave it alone, and a single delivery.
const LONGEST_WISH: TimeDelta = TimeDelta::hours(1);
const LONGEST_WAIT: TimeDelta = TimeDelta::days(1);

/// The answer of who is gone for good.
pub(super) const GONE: u16 = 410;

/// Notes answers, all in one commit.
pub async fn settle(hub: &Arc<Hub>, answered: &[Answered]) -> Result<()> {
    let cx = Cx::system(Arc::clone(hub), "outbound", HUB);
    cx.write(async |txn| {
        let ids: BTreeSet<_> = answered.iter().map(|answer| answer.delivery.destination_id).collect();
        let held = webhook_destination::held_of_hub(ids).all(&**txn).await?;
        let known: HashMap<_, _> = held.iter().map(|row| (row.id, row)).collect();
        // Whoever deleted a destination has taken its deliveries along.
        let answered: Vec<_> =
            answered.iter().filter(|answer| known.contains_key(&answer.delivery.destination_id)).collect();
        let settled = write(txn, &answered).await?;
        // What somebody else has taken again meanwhile is not ours to judge.
        let counted: Vec<_> = answered.into_iter().filter(|answer| settled.contains_key(&answer.delivery.id)).collect();
        note(txn, &counted).await?;
        for destination in held {
            let id = destination.id;
            let of: Vec<_> = counted.iter().copied().filter(|answer| answer.delivery.destination_id == id).collect();
            if !of.is_empty() {
                judge(txn, destination, of.into_iter()).await?;
            }
        }
        tell(txn, settled.values())
    })
    .await
}

/// Sets right what a clock that was ahead has planned: deliveries, pauses, and since when destinations fail. Says how
/// many.
pub async fn recheck(hub: &Hub) -> Result<u64> {
    let (now, db) = (hub.clock.now(), hub.database.writer());
    let future = now + SLACK;
    // Longer than any wait of the schedule, with its tenth more; what is told in rounds waits for a day at most.
    let wait = hub.outbound.schedule.iter().copied().max().unwrap_or_default().max(LONGEST_WAIT) * 5 / 4;
    let mut changed = entity::replanned(future + wait, future, now).exec(db).await?.rows_affected;
    changed += webhook_destination::paused_after(future + LONGEST_WISH).exec(db).await?.rows_affected;
    changed += webhook_destination::failing_after(future, now).exec(db).await?.rows_affected;
    if changed > 0 {
        tracing::warn!(changed, "webhook deliveries were planned too far ahead and are due now");
        hub.deliveries.notify_one();
    }
    Ok(changed)
}

/// Writes how attempts ended and lets those behind them go on. Gives what was written.
async fn write(txn: &Txn, answered: &[&Answered]) -> Result<BTreeMap<WebhookDeliveryId, WebhookDelivery>> {
    if answered.is_empty() {
        return Ok(BTreeMap::new());
    }
    let (backend, now) = (txn.get_database_backend(), txn.now());
    let endings: Vec<_> = answered.iter().map(|answer| ending(txn.cx().hub(), answer, now)).collect();
    let rows = WebhookDelivery::find_by_statement(entity::settle(backend, &endings, now)).all(&**txn).await?;
    let over: Vec<_> = rows.iter().filter(|row| row.status != Status::Pending).map(|row| row.id).collect();
    promote(txn, &over).await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// Makes what waits behind these the heads of their lines; the destinations are held.
pub(super) async fn promote(txn: &Txn, over: &[WebhookDeliveryId]) -> Result<()> {
    if !over.is_empty() {
        txn.execute_raw(entity::promote(txn.get_database_backend(), over)).await?;
    }
    Ok(())
}

/// What becomes of a delivery after an attempt.
fn ending(hub: &Hub, answer: &Answered, now: Moment) -> Ending {
    let delivery = &answer.delivery;
    let wait = usize::try_from(delivery.attempts).ok().and_then(|done| hub.outbound.schedule.get(done).copied());
    let (status, next_at) = match wait {
        _ if answer.arrived() => (Status::Delivered, now),
        Some(wait) if !answer.last => {
            let wait = retry::around(wait, &*hub.chance);
            let wished = answer.retry_after.unwrap_or_default().min(LONGEST_WAIT);
            (Status::Pending, now + wait.max(wished))
        }
        _ => (Status::Failed, now),
    };
    Ending {
        id: delivery.id,
        fence: delivery.fence,
        status,
        next_at,
        last_status: answer.status.map(i32::from),
        last_error: answer.error.as_ref().map(|(class, _)| (*class).to_owned()),
        last_latency: micros(answer),
    }
}

fn micros(answer: &Answered) -> i64 {
    i64::try_from(answer.latency.as_micros()).unwrap_or(i64::MAX)
}

/// An attempt as it is kept.
pub(super) fn attempt(txn: &Txn, answer: &Answered) -> WebhookAttempt {
    WebhookAttempt {
        id: txn.id(),
        tenant_id: answer.delivery.tenant_id,
        destination_id: answer.delivery.destination_id,
        delivery_id: answer.delivery.id,
        at: answer.at,
        status: answer.status.map(i32::from),
        error: answer.error.as_ref().map(|(class, _)| (*class).to_owned()),
        message: answer.error.as_ref().map(|(_, message)| message.clone()),
        latency: micros(answer),
        answer: answer.answer.to_vec(),
        trace: answer.trace.clone(),
    }
}

/// Keeps attempts.
pub(super) async fn note(txn: &Txn, answered: &[&Answered]) -> Result<()> {
    let rows: Vec<_> = answered.iter().map(|answer| attempt(txn, answer).into_active_model()).collect();
    if !rows.is_empty() {
        webhook_attempt::Entity::insert_many(rows).exec_without_returning(&**txn).await?;
    }
    Ok(())
}

/// How a destination is, by what it answered; it is held.
async fn judge(txn: &Txn, before: WebhookDestination, answers: impl Iterator<Item = &Answered>) -> Result<()> {
    let (now, mut after) = (txn.now(), before.clone());
    let mut gone = false;
    for answer in answers {
        if answer.arrived() {
            (after.failures, after.failing_since, after.paused_until) = (0, None, None);
            continue;
        }
        after.failures = after.failures.saturating_add(1);
        after.failing_since.get_or_insert(answer.at);
        // A partner's interface says so of an order.
        gone |= answer.status == Some(GONE) && before.action.is_none();
        if let Some(wish) = answer.retry_after {
            after.paused_until = after.paused_until.max(Some(now + wish.min(LONGEST_WISH)));
        }
    }
    if after.failures >= TRIP && after.failures > before.failures {
        after.paused_until = after.paused_until.max(Some(now + pause(after.failures)));
    }
    let failing = after.failing_since.map_or(TimeDelta::zero(), |since| now - since);
    let limit = txn.cx().hub().outbound.disable_after;
    let subject = before.id.to_string();
    if before.failing_since.is_some() && after.failing_since.is_none() {
        alert::resolve_in(txn, before.tenant_id, Kind::Undelivered, &subject).await?;
    }
    if gone && before.enabled {
        return disable(txn, after, "it answered 410 Gone").await;
    }
    if failing >= limit && before.enabled && txn.cx().hub().clock_guard.state().may_delete() {
        let days = format!("nothing arrived there for {} hours", failing.num_hours());
        return disable(txn, after, &days).await;
    }
    if failing >= limit / 2 && before.enabled {
        let text = format!(
            "Nothing arrives at {} since {}. If nothing does until {}, it will be disabled.",
            before.name,
            after.failing_since.unwrap_or(now).format("%Y-%m-%d %H:%M UTC"),
            (after.failing_since.unwrap_or(now) + limit).format("%Y-%m-%d %H:%M UTC"),
        );
        let (kind, severity) = (Kind::Undelivered, Severity::Warning);
        alert::raise_in(txn, before.tenant_id, NewAlert { kind, severity, subject, text }).await?;
    }
    let state = |row: &WebhookDestination| (row.failures, row.failing_since, row.paused_until);
    if state(&before) != state(&after) {
        let mut row = before.into_active_model();
        row.failures = Set(after.failures);
        row.failing_since = Set(after.failing_since);
        row.paused_until = Set(after.paused_until);
        row.update(&**txn).await?;
    }
    Ok(())
}

/// For how long a destination is left alone after so many failures in a row.
fn pause(failures: i32) -> TimeDelta {
    let doublings = u32::try_from(failures.saturating_sub(TRIP)).unwrap_or_default().min(10);
    (PAUSE * (1 << doublings)).min(LONGEST_PAUSE)
}

/// Disables a destination because of what it answered, and says so.
async fn disable(txn: &Txn, destination: WebhookDestination, because: &str) -> Result<()> {
    let (tenant, subject, name) = (destination.tenant_id, destination.id.to_string(), destination.name.clone());
    let fact = OutboundEvent::DestinationDisabled {
        destination: destination.id,
        name: name.clone(),
        reason: because.to_owned(),
    };
    let (failures, since) = (destination.failures, destination.failing_since);
    let mut row = destination.into_active_model();
    row.enabled = Set(false);
    row.disabled_at = Set(Some(txn.now()));
    row.disabled_because = Set(Some(because.to_owned()));
    row.failures = Set(failures);
    row.failing_since = Set(since);
    row.updated_at = Set(txn.now());
    row.update(&**txn).await?;
    alert::resolve_in(txn, tenant, Kind::Undelivered, &subject).await?;
    let text = format!(
        "Nothing is sent to {name} any more: {because}. What it misses is kept: mend it, enable it and recover it."
    );
    let (kind, severity) = (Kind::DestinationDisabled, Severity::Critical);
    alert::raise_in(txn, tenant, NewAlert { kind, severity, subject, text }).await?;
    txn.emit_in(tenant, &fact)?;
    txn.audit_in(tenant, Audit::of(&fact));
    Ok(())
}

/// Tells what became of deliveries, once for those of a tenant that ended alike.
fn tell<'a>(txn: &Txn, settled: impl Iterator<Item = &'a WebhookDelivery>) -> Result<()> {
    let mut alike: BTreeMap<(TenantId, &str), Deliveries> = BTreeMap::new();
    for row in settled {
        let how = match row.status {
            Status::Delivered => "delivered",
            Status::Pending => "postponed",
            Status::Failed | Status::Skipped => "given up",
        };
        alike.entry((row.tenant_id, how)).or_default().entry(row.destination_id).or_default().push(row.id);
    }
    for ((tenant, how), deliveries) in alike {
        let fact = match how {
            "delivered" => OutboundEvent::Delivered { tenant, deliveries },
            "postponed" => OutboundEvent::Postponed { tenant, deliveries },
            _ => OutboundEvent::GivenUp { tenant, deliveries },
        };
        txn.emit_in(tenant, &fact)?;
    }
    Ok(())
}
