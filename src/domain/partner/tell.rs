//! Telling partners what happened to their orders.
//!
//! What is told is written into the log by whoever follows the log of orders ([`super::follow`]), once for each change,
//! with the partner's word for it; the router of webhooks takes it to the destination of the partner, and
//! subscriptions to whoever follows. A status without a word is not sent, and raises an alert, unless the mapping says
//! that it is not to be told. Nor is a partner that is told by its own interface told of an order for which it has no
//! id; that is noted as what last went wrong.

use sea_orm::{ColumnTrait, QueryFilter};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Beside, Stage,
    mapping::rules::{Rules, Word},
    update::{usable, went_wrong},
};
use crate::{
    context::{Audit, Cx, Txn},
    domain::{
        alert::{self, Kind, NewAlert, Severity},
        order::{Order, Sight, list, reference},
        outbound::partner::{PARTNER_ORDER_ID, would_call},
    },
    entity::{first::First, order, status_mapping},
    event::{
        Entry,
        exchange::{ExchangeEvent, Told},
    },
    kernel::{
        clock::Moment,
        error::{Error, Result},
        id::{IntegrationId, OrderId},
    },
};

/// What of an event about an order a partner is told.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    order: OrderId,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    to: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    origin: Option<IntegrationId>,
    #[serde(default)]
    partner_status: Option<String>,
    #[serde(default)]
    happened_at: Option<Moment>,
}

/// The rules in use of a partner integration.
async fn rules(txn: &Txn, beside: &Beside) -> Result<Option<Rules>> {
    let select = status_mapping::in_use(beside.tenant_id, &[beside.id]);
    let row = select.filter(status_mapping::COLUMN.state.eq(Stage::Active)).first(&**txn).await?;
    row.map(|row| row.rules()).transpose()
}

/// The partner's word for a status; an alert if there should be one and is not.
async fn word(txn: &Txn, beside: &Beside, status: &str) -> Result<Option<String>> {
    let rules = rules(txn, beside).await?;
    match rules.as_ref().map(|rules| rules.word(status)) {
        Some(Word::Said(word)) => Ok(Some(word.to_owned())),
        Some(Word::Ignored) | None => Ok(None),
        Some(Word::Unknown) => {
            let text =
                format!("{status} has no word for the partner, which is not told of it: draft a mapping with it.");
            let (kind, severity, subject) = (Kind::UnmappedStatus, Severity::Warning, beside.id.to_string());
            alert::raise(txn, NewAlert { kind, severity, subject, text }).await?;
            went_wrong(txn, beside, &format!("{status} has no word for the partner")).await?;
            Ok(None)
        }
    }
}

/// Tells a partner of an event about one of its orders.
pub(super) async fn tell(txn: &Txn, beside: &Beside, entry: &Entry) -> Result<()> {
    let Ok(happened) = Change::deserialize(&entry.data) else { return Ok(()) };
    let found = order::of(beside.tenant_id).filter(order::COLUMN.id.eq(happened.order)).first(&**txn).await?;
    let Some(order) = found else { return Ok(()) };
    let created = entry.kind == "order.created";
    let Some(to) = happened.to.or(happened.status) else { return Ok(()) };
    // What the partner said itself, it said in its own word.
    let own = happened.partner_status.filter(|_| happened.origin == Some(beside.id));
    let partner_status = match own {
        Some(own) => Some(own),
        None => word(txn, beside, &to).await?,
    };
    let references = reference::of(txn, &order, beside.id).await?;
    let is_ours = partner_status.is_some() && happened.origin != Some(beside.id);
    if is_ours && let Some(reason) = unknown(txn, beside, &order, &references, (created, &to)).await? {
        went_wrong(txn, beside, &reason).await?;
    }
    let told = Told {
        integration: beside.id,
        partner: beside.partner_organization_id,
        order: order.id,
        number: order.number,
        references,
        from: happened.from,
        to,
        partner_status,
        reason: happened.reason,
        by: entry.actor.clone(),
        origin: happened.origin,
        happened_at: happened.happened_at.unwrap_or(entry.at),
        by_hand: false,
    };
    txn.emit(&if created { ExchangeEvent::OrderCreated(told) } else { ExchangeEvent::StatusChanged(told) })
}

/// Why a partner cannot be told of a status by its own interface: the order has no id there. Nothing, if it can be, or
/// is told by webhooks, or does not want to be told.
async fn unknown(
    txn: &Txn,
    beside: &Beside,
    order: &Order,
    references: &Map<String, Value>,
    (created, status): (bool, &str),
) -> Result<Option<String>> {
    let Some(destination) = beside.destination_id.filter(|_| !references.contains_key(PARTNER_ORDER_ID)) else {
        return Ok(None);
    };
    let number = order.number;
    let reason = format!(
        "order {number} has no {PARTNER_ORDER_ID}, by which the partner's interface knows it: it is not told {status}"
    );
    Ok(would_call(txn, destination, created, status).await?.then_some(reason))
}

/// Tells a partner once more what the status of an order is, and at once.
pub async fn notify(cx: &Cx, id: OrderId) -> Result<Order> {
    let order = list::get(cx, id).await?;
    let Some(integration) = order.partner_integration_id else {
        return Err(Error::conflict("orderId", "the order is exchanged with no partner"));
    };
    cx.write(async |txn| {
        let beside = super::held(txn, integration).await?;
        usable(txn, &beside).await?;
        let held = order::held(beside.tenant_id, id).first(&**txn).await?;
        let order = held.filter(|order| Sight::of(cx).is_ok_and(|sight| sight.takes(order.partner_organization_id)));
        let order = order.ok_or(Error::NotFound("order"))?;
        let Some(partner_status) = word(txn, &beside, &order.status).await? else {
            let reason = format!("the partner has no word for {}; draft a mapping that has one", order.status);
            return Err(Error::conflict("orderId", reason));
        };
        let references = reference::of(txn, &order, beside.id).await?;
        if let Some(reason) = unknown(txn, &beside, &order, &references, (false, &order.status)).await? {
            return Err(Error::conflict("orderId", reason));
        }
        let told = Told {
            integration: beside.id,
            partner: beside.partner_organization_id,
            order: order.id,
            number: order.number,
            references,
            from: None,
            to: order.status.clone(),
            partner_status: Some(partner_status.clone()),
            reason: Some("told once more".to_owned()),
            by: cx.actor().to_string(),
            origin: None,
            happened_at: order.status_at.unwrap_or(order.created_at),
            by_hand: true,
        };
        let fact = ExchangeEvent::StatusChanged(told);
        txn.emit(&fact)?;
        let after = serde_json::json!({ "status": order.status, "partnerStatus": partner_status });
        txn.audit(Audit::new("order.partner_notified", order.id).after(after))?;
        Ok(order)
    })
    .await
}
