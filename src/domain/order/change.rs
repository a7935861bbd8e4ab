//! Changing what is known of an order, and moving it from status to status.

use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel};
use serde_json::{Value, json};

use super::{
    ChangeKind, Order, OrderChange, Sight,
    content::{Address, Customer, NewContent, NewLine},
    create::both,
    machine::{self, shown},
    reference,
};
use crate::{
    context::{Audit, Cx, Txn},
    entity::{first::First, order as entity, order_change, rewrite::rewrite},
    event::{Changes, order::OrderEvent},
    kernel::{
        clock::Moment,
        error::{Error, Result},
        id::{IntegrationId, OrderId},
        input::{self, Check, Patch},
    },
};

/// What to change of an order; what is left out stays.
#[derive(Clone, Debug, Default)]
pub struct OrderUpdate {
    /// Who ordered.
    pub customer: Option<Customer>,
    /// What was ordered, as a whole.
    pub lines: Option<Vec<NewLine>>,
    /// The currency of every amount.
    pub currency: Option<String>,
    /// Places, as a whole.
    pub addresses: Option<Vec<Address>>,
    /// Notes for people.
    pub notes: Patch<String>,
    /// What others call it; one without a value goes.
    pub references: Vec<(String, Option<String>)>,
}

/// Who moved an order, and why.
#[derive(Clone, Debug)]
pub struct Cause {
    /// Why, for people.
    pub reason: Option<String>,
    /// The partner integration by which it came, and the partner's word, if a partner said it.
    pub said: Option<(IntegrationId, String)>,
    /// When, by the clock of who said it.
    pub happened_at: Moment,
}

/// An order that the caller sees, held until the commit.
pub(super) async fn held(txn: &Txn, id: OrderId) -> Result<Order> {
    let (tenant, sight) = (txn.cx().tenant()?, Sight::of(txn.cx())?);
    let found = entity::held(tenant, id).first(&**txn).await?;
    found.filter(|order| sight.takes(order.partner_organization_id)).ok_or(Error::NotFound("order"))
}

/// Changes what is known of an order.
pub async fn update(cx: &Cx, id: OrderId, update: OrderUpdate) -> Result<Order> {
    cx.write(async |txn| {
        let before = held(txn, id).await?;
        let given = before.given()?;
        let wanted = NewContent {
            customer: update.customer.clone().unwrap_or(given.customer),
            lines: update.lines.clone().unwrap_or(given.lines),
            currency: update.currency.clone().or(given.currency),
            addresses: update.addresses.clone().unwrap_or(given.addresses),
            notes: update.notes.clone().over(given.notes),
        };
        let set = update
            .references
            .iter()
            .enumerate()
            .filter_map(|(at, (kind, value))| value.as_deref().map(|value| (at.to_string(), kind.as_str(), value)));
        let (content, references) = both(wanted.checked(), reference::checked("references", set))?;
        let integration = before.partner_integration_id.unwrap_or_else(reference::nobody);
        let called = reference::of(txn, &before, integration).await?;
        let gone: Vec<_> =
            update.references.iter().filter(|(_, value)| value.is_none()).map(|(kind, _)| kind.as_str()).collect();
        if before.partner_integration_id.is_some() && gone.contains(&reference::PARTNER_ORDER_ID) {
            let reason = "the partner exchanges the order under it; give another one instead";
            return Err(Error::conflict("references", reason));
        }
        reference::forget(txn, &before, integration, &gone).await?;
        reference::put(txn, &before, integration, &references).await?;
        let after = Order {
            customer: content.customer,
            lines: content.lines,
            currency: content.currency,
            total: content.total,
            addresses: content.addresses,
            notes: content.notes,
            changes: before.changes + 1,
            updated_at: txn.now(),
            ..before.clone()
        };
        let mut changes = Changes::new()
            .field("customer", &before.customer, &after.customer)
            .field("lines", &before.lines, &after.lines)
            .field("currency", &before.currency, &after.currency)
            .field("total", &before.total, &after.total)
            .field("addresses", &before.addresses, &after.addresses)
            .field("notes", &before.notes, &after.notes);
        let now_called = reference::of(txn, &before, integration).await?;
        changes = changes.field("references", &called, &now_called);
        if changes.is_empty() {
            return Ok(before);
        }
        rewrite(after.clone()).update(&**txn).await?;
        let line = Line { changes: json!(changes), ..Line::of(ChangeKind::Updated, txn.now()) };
        write(txn, &after, line).await?;
        let fact = OrderEvent::Updated {
            order: id,
            number: after.number,
            changes: changes.clone(),
            partner: after.partner_organization_id,
            integration: after.partner_integration_id,
        };
        txn.emit(&fact)?;
        txn.audit(Audit::of(&fact).before(changes.side("from")).after(changes.side("to")))?;
        Ok(after)
    })
    .await
}

/// Moves an order to another status.
pub async fn change_status(cx: &Cx, id: OrderId, to: &str, reason: Option<&str>) -> Result<Order> {
    let mut check = Check::new();
    let reason = check.take_some("reason", reason, input::note);
    check.done()?;
    cx.write(async |txn| {
        let order = held(txn, id).await?;
        let machine = machine::of(&**txn, order.tenant_id).await?;
        if !machine.has(to) {
            let all = machine.statuses.join(", ");
            return Err(Error::invalid("status", format!("there is no status {:?}; there are {all}", shown(to))));
        }
        if order.status == to {
            return Ok(order);
        }
        if !machine.allows(&order.status, to) {
            return Err(Error::conflict("status", forbidden(&machine, &order, to)));
        }
        let cause = Cause { reason: reason.clone(), said: None, happened_at: txn.now() };
        into_status(txn, order, to, cause).await
    })
    .await
}

/// Why an order cannot be moved there.
#[must_use]
pub fn forbidden(machine: &machine::Machine, order: &Order, to: &str) -> String {
    let ways: Vec<_> = machine.after(&order.status).collect();
    let ways =
        if ways.is_empty() { "nothing follows it".to_owned() } else { format!("{} may follow", ways.join(", ")) };
    format!("order {} is {} and cannot become {to}: {ways}", order.number, order.status)
}

/// Whether what a partner says for a moment comes after what counts. Of two words for one moment the later one in the
/// alphabet counts, whichever arrives first.
#[must_use]
pub fn place(order: &Order, happened_at: Moment, said: &str) -> bool {
    let own = order.partner_status.as_deref().unwrap_or_default();
    order.status_at.is_none_or(|at| (happened_at, said) > (at, own))
}

/// Moves an order that is held to a status that may follow, with its history, its event and its audit entry.
pub async fn into_status(txn: &Txn, before: Order, to: &str, cause: Cause) -> Result<Order> {
    let from = before.status.clone();
    let (origin, partner_status) = cause.said.unzip();
    let after = Order {
        status: to.to_owned(),
        status_at: Some(cause.happened_at),
        partner_status: partner_status.clone(),
        changes: before.changes + 1,
        updated_at: txn.now(),
        ..before
    };
    rewrite(after.clone()).update(&**txn).await?;
    let line = Line {
        from: Some(from.clone()),
        to: Some(to.to_owned()),
        reason: cause.reason.clone(),
        partner_status: partner_status.clone(),
        origin,
        ..Line::of(ChangeKind::StatusChanged, cause.happened_at)
    };
    write(txn, &after, line).await?;
    let fact = OrderEvent::StatusChanged {
        order: after.id,
        number: after.number,
        from: from.clone(),
        to: to.to_owned(),
        happened_at: cause.happened_at,
        reason: cause.reason,
        partner: after.partner_organization_id,
        integration: after.partner_integration_id,
        origin,
        partner_status,
    };
    txn.emit(&fact)?;
    txn.audit(Audit::of(&fact).before(json!({ "status": from })).after(json!({ "status": to })))?;
    Ok(after)
}

/// Notes that a partner said once more what an order is already.
pub async fn confirm(txn: &Txn, before: Order, happened_at: Moment, said: &str) -> Result<Order> {
    let after = Order { status_at: Some(happened_at), partner_status: Some(said.to_owned()), ..before };
    rewrite(after.clone()).update(&**txn).await?;
    Ok(after)
}

/// A line of an order's history.
struct Line {
    kind: ChangeKind,
    from: Option<String>,
    to: Option<String>,
    changes: Value,
    reason: Option<String>,
    partner_status: Option<String>,
    origin: Option<IntegrationId>,
    happened_at: Moment,
}

impl Line {
    fn of(kind: ChangeKind, happened_at: Moment) -> Self {
        let changes = json!({});
        Self { kind, from: None, to: None, changes, reason: None, partner_status: None, origin: None, happened_at }
    }
}

async fn write(txn: &Txn, order: &Order, line: Line) -> Result<()> {
    let row = OrderChange {
        id: txn.id(),
        tenant_id: order.tenant_id,
        order_id: order.id,
        number: order.changes,
        kind: line.kind,
        from_status: line.from,
        to_status: line.to,
        changes: line.changes,
        reason: line.reason,
        partner_status: line.partner_status,
        origin: line.origin,
        actor: txn.cx().actor().to_string(),
        happened_at: line.happened_at,
        at: txn.now(),
    };
    order_change::Entity::insert(row.into_active_model()).exec_without_returning(&**txn).await?;
    Ok(())
}
