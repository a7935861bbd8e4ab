//! Sending again what is over: one delivery, or all that a destination missed.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use sea_orm::{ColumnTrait, QueryFilter};

use super::{WebhookDelivery, WebhookDestination, list, settle::promote};
use crate::{
    context::{Audit, Cx, Txn},
    entity::{first::First, webhook_delivery as entity, webhook_destination},
    event::outbound::{Deliveries, OutboundEvent},
    kernel::{
        clock::Moment,
        error::{Error, Result},
        id::{WebhookDeliveryId, WebhookDestinationId},
    },
};

/// Deliveries that begin anew in one commit.
const BATCH: u64 = 500;

/// How far back a recovery may reach.
const FARTHEST: TimeDelta = TimeDelta::days(366);

/// Sends a webhook again that is over, with the same id.
pub async fn resend(cx: &Cx, id: WebhookDeliveryId) -> Result<WebhookDelivery> {
    let delivery = list::delivery(cx, id).await?;
    cx.write(async |txn| {
        let destination = held(txn, delivery.destination_id).await?;
        if !destination.enabled {
            return Err(Error::conflict("id", format!("{} is disabled; enable it first", destination.name)));
        }
        let began = begin(txn, &destination, &[id], "webhook.resent").await?;
        if began == 0 {
            return Err(Error::conflict("id", "it waits already to be sent"));
        }
        Ok(())
    })
    .await?;
    cx.hub().deliveries.notify_one();
    list::delivery(cx, id).await
}

/// Sends everything again that a destination missed from a moment on: what was given up, and what it was not sent while
/// it was disabled. Says how many.
pub async fn recover(cx: &Cx, id: WebhookDestinationId, since: Moment) -> Result<u64> {
    if since > cx.now() || since < cx.now() - FARTHEST {
        return Err(Error::invalid("since", "it is a moment of the last year"));
    }
    let (mut began, mut after) = (0, None);
    loop {
        let (some, last) = cx
            .write(async |txn| {
                let destination = held(txn, id).await?;
                if !destination.enabled {
                    return Err(Error::conflict("id", format!("{} is disabled; enable it first", destination.name)));
                }
                let missed = entity::missed(destination.tenant_id, id, since, after, BATCH).all(&**txn).await?;
                let ids: Vec<_> = missed.iter().map(|row| row.id).collect();
                let some = if ids.is_empty() { 0 } else { begin(txn, &destination, &ids, "webhook.recovered").await? };
                Ok((some, missed.last().map(|row| (row.position, row.id)).filter(|_| missed.len() as u64 == BATCH)))
            })
            .await?;
        began += some;
        cx.hub().deliveries.notify_one();
        match last {
            Some(last) => after = Some(last),
            None => return Ok(began),
        }
    }
}

async fn held(txn: &Txn, id: WebhookDestinationId) -> Result<WebhookDestination> {
    let found = webhook_destination::held(txn.cx().tenant()?, id).first(&**txn).await?;
    found.ok_or(Error::NotFound("webhook destination"))
}

/// Lets deliveries of a destination that is held begin anew, as far as they are over. Says how many. What waits in
/// their lines for the end of a round does not wait any longer, since they go behind it.
async fn begin(
    txn: &Txn,
    destination: &WebhookDestination,
    ids: &[WebhookDeliveryId],
    action: &'static str,
) -> Result<u64> {
    let began = entity::begin_anew(ids, txn.now()).exec(&**txn).await?.rows_affected;
    if began > 0 {
        promote(txn, ids).await?;
        if destination.every.is_some() {
            let these = entity::of(destination.tenant_id).filter(entity::Column::Id.is_in(ids.iter().copied()));
            let keys: BTreeSet<_> = these.all(&**txn).await?.into_iter().map(|row| row.key).collect();
            entity::hasten_lines(destination.id, keys, txn.now()).exec(&**txn).await?;
        }
        let deliveries = Deliveries::from([(destination.id, ids.to_vec())]);
        txn.emit(&OutboundEvent::Requeued { tenant: destination.tenant_id, deliveries })?;
        txn.audit(Audit::new(action, destination.id).after(serde_json::json!({ "deliveries": began })))?;
    }
    Ok(began)
}
