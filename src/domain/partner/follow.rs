//! The reader of the log for partners.
//!
//! It takes four kinds of events, of all tenants: what happened to orders of partners, of which they are told, and of
//! which they may have spoken before; what came by webhooks to partner integrations; what syncs of them brought; and
//! that one has another frequency. Events that follow one another and are of one tenant have their effect in one commit,
//! with the position behind them, under the row that holds it: so nothing has it twice, and a reader that starts again
//! leaves nothing out. What nobody is concerned with costs a look.
//!
//! A stored position beyond the end of the log is moved back, as that of webhooks is
//! ([`outbound::route`](crate::domain::outbound::route)).
//!
//! If a commit fails, its events are taken one by one. One that fails alone is passed over and noted where people look:
//! it may not stand in the way of all tenants.

use std::{collections::HashMap, sync::Arc};

use sea_orm::{ColumnTrait, QueryFilter, QuerySelect, sea_query::Expr};
use serde_json::Value;

use super::{
    Beside, State, Via, change, intake,
    mapping::version::DAMAGED,
    tell,
    update::{Desk, Heard, arrived, hear, keep_refused, usable, went_wrong},
};
use crate::{
    context::{Cx, Hub, Txn},
    domain::{
        alert::{self, Kind, NewAlert, Severity},
        keyring::HUB,
        order::{
            Order,
            reference::{self, PARTNER_ORDER_ID},
        },
    },
    entity::{first::First, order, partner_integration as entity, partner_reader, record, sync_stream, webhook_item},
    event::{Entry, log},
    kernel::{
        clock::Moment,
        error::{Error, Result, chain},
        id::{IntegrationId, TenantId, WebhookEventId},
    },
    provider::extract::moment,
};

/// Events that are read at a time.
pub const BATCH: usize = 500;

/// Events of one commit.
const TOGETHER: usize = 50;

/// How far the row may fall behind the events with which nobody is concerned.
const BEHIND: i64 = 1_000;

/// Records that are seen to in one commit.
const RECORDS: u64 = 200;

/// The stream in which partners have their orders.
const ORDERS: &str = "orders";

/// How far a node has read.
#[derive(Debug, Default)]
pub struct Reached {
    seen: i64,
    kept: i64,
}

/// Reads on from where this node, or another one, has come. Says how many events it looked at; as many as a
/// [`BATCH`] has means that there may be more.
pub async fn follow(hub: &Arc<Hub>, reached: &mut Reached) -> Result<usize> {
    let db = hub.database.reader();
    if reached.seen == 0 {
        check(hub, reached).await?;
    }
    let entries = hub.feed.beyond(db, reached.seen, BATCH).await?;
    let Some(last) = entries.last().map(|entry| entry.position) else {
        check(hub, reached).await?;
        return Ok(0);
    };
    let ids: std::collections::BTreeSet<_> = entries.iter().filter_map(integration_of).collect();
    let known = if ids.is_empty() { Vec::new() } else { entity::of_hub(ids).all(db).await? };
    let known: HashMap<IntegrationId, TenantId> = known.into_iter().map(|row| (row.id, row.tenant_id)).collect();
    let concerned: Vec<_> = entries
        .iter()
        .filter(|entry| {
            integration_of(entry).is_some_and(|id| known.get(&id).is_some_and(|tenant| *tenant == entry.tenant_id))
        })
        .collect();
    for run in concerned.chunk_by(|one, next| one.tenant_id == next.tenant_id) {
        for some in run.chunks(TOGETHER) {
            together(hub, some).await?;
        }
    }
    if !concerned.is_empty() || last - reached.kept >= BEHIND {
        partner_reader::moved(last).exec(hub.database.writer()).await?;
        reached.kept = last;
    }
    reached.seen = last;
    Ok(entries.len())
}

/// Compares the stored position with the end of the log, and moves it back if it lies beyond.
async fn check(hub: &Arc<Hub>, reached: &mut Reached) -> Result<()> {
    let db = hub.database.reader();
    let stored = partner_reader::row().first(db).await?.map_or(0, |row| row.position);
    // Read after the position, so that it is not behind one that was right.
    let end = log::position(db).await?;
    if reached.seen == 0 && stored <= end {
        (reached.seen, reached.kept) = (stored, stored);
    }
    if stored <= end && reached.seen <= end {
        return Ok(());
    }
    let cx = Cx::system(Arc::clone(hub), "partner", HUB);
    let seen = reached.seen;
    let position = cx
        .write(async |txn| {
            let stored = partner_reader::held().first(&**txn).await?.map_or(0, |row| row.position);
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
        "the stored position of the partner reader was beyond the end of the event log and was moved back; \
         partners may not have been told of events written meanwhile"
    );
    partner_reader::moved_back(to).exec(&**txn).await?;
    Ok(())
}

/// The partner integration with which an event may have to do.
fn integration_of(entry: &Entry) -> Option<IntegrationId> {
    let concerns = match entry.kind.as_str() {
        "order.created" | "order.status_changed" | "inbox.received" => true,
        "integration.updated" => !entry.data["changes"]["syncFrequency"].is_null(),
        // What else changes of an order does not concern its partner.
        "order.updated" => !entry.data["changes"]["references"].is_null(),
        "sync.run_progressed" | "sync.run_succeeded" => entry.data["stream"] == ORDERS,
        _ => false,
    };
    if !concerns {
        return None;
    }
    entry.data["integration"].as_str()?.parse().ok()
}

/// Lets events of one tenant have their effect, together or one by one.
async fn together(hub: &Arc<Hub>, entries: &[&Entry]) -> Result<()> {
    let Some(first) = entries.first() else { return Ok(()) };
    let cx = Cx::system(Arc::clone(hub), "partner", first.tenant_id);
    match commit(&cx, entries).await {
        Ok(()) => Ok(()),
        Err(error @ Error::Unavailable(..)) => Err(error),
        Err(error) => {
            tracing::warn!(error = chain(&error), "events for partners are seen to one by one");
            for entry in entries {
                match commit(&cx, std::slice::from_ref(entry)).await {
                    Ok(()) => {}
                    Err(error @ Error::Unavailable(..)) => return Err(error),
                    Err(error) => pass_over(&cx, entry, &error).await?,
                }
            }
            Ok(())
        }
    }
}

async fn commit(cx: &Cx, entries: &[&Entry]) -> Result<()> {
    cx.write(async |txn| {
        let mut kept = partner_reader::held().first(&**txn).await?.map_or(0, |row| row.position);
        if let (Some(first), Some(last)) = (entries.first(), entries.last())
            && kept > last.position
        {
            let end = log::position(&**txn).await?;
            if kept > end {
                // What came before was seen to, by this node or before it.
                move_back(txn, kept, first.position - 1, end).await?;
                kept = first.position - 1;
            }
        }
        for entry in entries.iter().filter(|entry| entry.position > kept) {
            take(txn, entry).await?;
        }
        if let Some(last) = entries.last() {
            partner_reader::moved(last.position).exec(&**txn).await?;
        }
        Ok(())
    })
    .await
}

/// Goes on behind an event that cannot have its effect.
async fn pass_over(cx: &Cx, entry: &Entry, error: &Error) -> Result<()> {
    tracing::error!(event = %entry.event_id, error = chain(error), "an event for a partner is passed over");
    let reason = format!("event {} could not be seen to: {error}", entry.number);
    cx.write(async |txn| {
        if let Some(beside) = beside(txn, entry).await? {
            went_wrong(txn, &beside, &reason).await?;
            // Nothing is told or believed without a mapping that can be read.
            if matches!(error, Error::Internal(DAMAGED, _)) {
                let text =
                    "The status mapping in use cannot be read, so nothing is exchanged: activate another version.";
                let (kind, severity) = (Kind::UnreadableSetting, Severity::Critical);
                let (subject, text) = (beside.id.to_string(), text.to_owned());
                alert::raise(txn, NewAlert { kind, severity, subject, text }).await?;
            }
        }
        partner_reader::moved(entry.position).exec(&**txn).await?;
        Ok(())
    })
    .await
}

/// What the integration of an event has beside, held.
async fn beside(txn: &Txn, entry: &Entry) -> Result<Option<Beside>> {
    let Some(id) = integration_of(entry) else { return Ok(None) };
    Ok(entity::held(txn.cx().tenant()?, id).first(&**txn).await?)
}

async fn take(txn: &Txn, entry: &Entry) -> Result<()> {
    let Some(beside) = beside(txn, entry).await? else { return Ok(()) };
    // Who is switched off is told of what waits when it is on again, and as often as is said then.
    if entry.kind == "integration.updated" {
        return change::follow_rounds(txn, &beside).await;
    }
    match usable(txn, &beside).await {
        Ok(()) => {}
        // Nothing is exchanged with who is switched off; records wait until it is on again.
        Err(Error::Refused(_) | Error::NotFound(_)) => return Ok(()),
        Err(error) => return Err(error),
    }
    match entry.kind.as_str() {
        "inbox.received" => received(txn, &beside, entry).await,
        "sync.run_progressed" | "sync.run_succeeded" => synced(txn, beside).await,
        "order.updated" => awaited(txn, &beside, entry).await,
        kind => {
            if entry.data["origin"].is_null() {
                match kind {
                    "order.created" => awaited(txn, &beside, entry).await?,
                    _ => decided(txn, &beside, entry).await?,
                }
            }
            tell::tell(txn, &beside, entry).await
        }
    }
}

/// The order of an event, held.
async fn order_of(txn: &Txn, beside: &Beside, entry: &Entry) -> Result<Option<Order>> {
    let Some(id) = entry.data["order"].as_str().and_then(|id| id.parse().ok()) else { return Ok(None) };
    Ok(order::held(beside.tenant_id, id).first(&**txn).await?)
}

/// Somebody of the tenant moved an order: what the partner said before, and could not be, is too late now.
async fn decided(txn: &Txn, beside: &Beside, entry: &Entry) -> Result<()> {
    if let Some(order) = order_of(txn, beside, entry).await? {
        Desk::open(txn, beside).await?.look_again(txn, order, State::Applied).await?;
    }
    Ok(())
}

/// Somebody of the tenant made an order, or says what the partner calls it: the partner may have spoken of it before.
async fn awaited(txn: &Txn, beside: &Beside, entry: &Entry) -> Result<()> {
    let Some(order) = order_of(txn, beside, entry).await? else { return Ok(()) };
    let called = reference::of(txn, &order, beside.id).await?;
    if let Some(called) = called.get(PARTNER_ORDER_ID).and_then(Value::as_str) {
        arrived(txn, beside, order, called).await?;
    }
    Ok(())
}

/// A webhook of a partner.
async fn received(txn: &Txn, beside: &Beside, entry: &Entry) -> Result<()> {
    let text = |field: &str| entry.data[field].as_str();
    let about_orders = text("is").is_some_and(|is| is.starts_with("order."));
    let webhook = text("webhook").and_then(|id| id.parse::<WebhookEventId>().ok());
    let number = entry.data["number"].as_i64().and_then(|number| i32::try_from(number).ok());
    let (true, Some(webhook), Some(number)) = (about_orders, webhook, number) else { return Ok(()) };
    let item = webhook_item::of_webhooks(beside.tenant_id, &[webhook])
        .filter(webhook_item::COLUMN.number.eq(number))
        .first(&**txn)
        .await?;
    let Some(item) = item else { return Ok(()) };
    let normalised: Value = serde_json::from_str(&item.normalised).unwrap_or_default();
    let said = &normalised["data"];
    let data = if said["data"].is_object() { &said["data"] } else { said };
    let event = Some(item.event_key.clone());
    tell_us(txn, beside, data, Some(item.at), event, Via::Webhook, item.happening.as_deref()).await
}

/// What a partner says of an order, by a webhook or as a record: the order itself, if it is new, and its status.
async fn tell_us(
    txn: &Txn,
    beside: &Beside,
    data: &Value,
    at: Option<Moment>,
    event: Option<String>,
    via: Via,
    happening: Option<&str>,
) -> Result<()> {
    let id = match &data["id"] {
        Value::String(id) => id.clone(),
        Value::Number(id) => id.to_string(),
        _ => match data["partner_order_id"].as_str() {
            Some(id) => id.to_owned(),
            None => return Ok(()),
        },
    };
    let at = ["status_changed_at", "changed_at", "updated_at"]
        .into_iter()
        .find_map(|name| data[name].as_str().and_then(moment))
        .or(at);
    // A change alone does not make an order; one that is new, or read whole, does.
    let whole = happening == Some("order.created") || via == Via::Sync;
    let status = data["status"].as_str().map(str::to_owned);
    let heard = Heard {
        integration: beside.id,
        partner_order_id: id,
        status: status.clone().unwrap_or_default(),
        at,
        note: data["note"].as_str().map(|note| note.chars().take(1_000).collect()),
        event,
        via,
    };
    if whole && let Some(new) = intake::of_record(beside.id, data) {
        match intake::ensure(txn, beside, &new).await {
            Ok(_) => {}
            Err(Error::Refused(issues)) => return refused(txn, beside, &heard, &issues).await,
            Err(error) => return Err(error),
        }
    }
    if status.is_none() {
        return Ok(());
    }
    match hear(txn, beside, &heard).await {
        Ok(_) => Ok(()),
        Err(Error::Refused(issues)) => refused(txn, beside, &heard, &issues).await,
        Err(error) => Err(error),
    }
}

async fn refused(txn: &Txn, beside: &Beside, heard: &Heard, issues: &[crate::kernel::error::Issue]) -> Result<()> {
    let reasons: Vec<_> = issues.iter().map(|issue| format!("{}: {}", issue.path.join("."), issue.message)).collect();
    keep_refused(txn, beside, heard, &reasons.join("; ")).await
}

/// What syncs of a partner brought since the last time.
async fn synced(txn: &Txn, beside: Beside) -> Result<()> {
    let streams = sync_stream::of(beside.tenant_id)
        .filter(sync_stream::Column::IntegrationId.eq(beside.id))
        .filter(sync_stream::Column::Stream.eq(ORDERS));
    let Some(stream) = streams.first(&**txn).await? else { return Ok(()) };
    let mut seen = beside.records_seen;
    loop {
        let rows = record::of(beside.tenant_id, stream.id).filter(record::Column::ChangeNumber.gt(seen));
        let rows = sea_orm::QueryOrder::order_by_asc(rows, record::Column::ChangeNumber).limit(RECORDS);
        let rows = rows.all(&**txn).await?;
        let Some(last) = rows.last().map(|row| row.change_number) else { break };
        for row in rows.iter().filter(|row| row.deleted_at.is_none()) {
            let mut data = row.data.clone();
            if data["id"].is_null()
                && let Some(fields) = data.as_object_mut()
            {
                fields.insert("id".to_owned(), row.external_id.clone().into());
            }
            let at = row.updated_at;
            tell_us(txn, &beside, &data, at, None, Via::Sync, None).await?;
        }
        seen = last;
    }
    if seen > beside.records_seen {
        let update = entity::update_of(beside.tenant_id, beside.id);
        update.col_expr(entity::Column::RecordsSeen, Expr::value(seen)).exec(&**txn).await?;
    }
    Ok(())
}
