//! Making an order.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    ChangeKind, Order, OrderChange,
    content::{Content, NewContent},
    list, machine,
    reference::{self, References},
};
use crate::{
    context::{Audit, Cx, Once, Txn},
    entity::{first::First, order as entity, order_change, order_head, partner_integration},
    event::order::OrderEvent,
    kernel::{
        clock::Moment,
        error::{Error, Issue, Result},
        id::{IntegrationId, PartnerOrganizationId},
    },
};

/// An order to be, as a person or a program of the tenant gives it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NewOrder {
    /// What it is of.
    pub content: NewContent,
    /// The partner integration by which it is exchanged.
    pub integration: Option<IntegrationId>,
    /// What others call it: the kind and the value of each.
    pub references: Vec<(String, String)>,
}

/// Whose order it is, and who said so.
#[derive(Clone, Debug, Default)]
pub struct Of {
    /// The organisation and the integration by which it is exchanged.
    pub partner: Option<(PartnerOrganizationId, IntegrationId)>,
    /// As the partner sent it, if one did.
    pub body: Option<Value>,
    /// When it was made, by the partner's clock.
    pub placed_at: Option<Moment>,
}

/// The references that were given.
fn references(given: &[(String, String)]) -> Result<References, Vec<Issue>> {
    let each = given.iter().enumerate();
    reference::checked("references", each.map(|(at, (kind, value))| (at.to_string(), kind.as_str(), value.as_str())))
}

/// Both halves of what is wrong, in one answer.
pub fn both<A, B>(one: Result<A>, other: Result<B, Vec<Issue>>) -> Result<(A, B)> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (Err(Error::Refused(mut issues)), Err(more)) => {
            issues.extend(more);
            Err(Error::Refused(issues))
        }
        (Err(error), _) => Err(error),
        (Ok(_), Err(issues)) => Err(Error::Refused(issues)),
    }
}

/// Makes an order of the caller's tenant.
pub async fn create(cx: &Cx, new: NewOrder, key: Option<&str>) -> Result<Order> {
    let (content, references) = both(new.content.checked(), references(&new.references))?;
    let id = cx
        .write(async |txn| {
            let ticket = match txn.once("createOrder", key, &new).await? {
                Once::Repeated(id) => return Ok(id),
                Once::First(ticket) => ticket,
            };
            let partner = match new.integration {
                Some(id) => {
                    let found = partner_integration::of(cx.tenant()?)
                        .filter(partner_integration::COLUMN.id.eq(id))
                        .first(&**txn)
                        .await?;
                    let found = found.ok_or(Error::NotFound("partner integration"))?;
                    Some((found.partner_organization_id, id))
                }
                None => None,
            };
            let order = insert(txn, &content, &references, Of { partner, ..Of::default() }).await?;
            ticket.created(txn, order.id).await?;
            Ok(order.id)
        })
        .await?;
    list::get(cx, id).await
}

/// Writes an order with its references, its history, its event and its audit entry.
pub async fn insert(txn: &Txn, content: &Content, references: &References, of: Of) -> Result<Order> {
    let (tenant, now) = (txn.cx().tenant()?, txn.now());
    let machine = machine::of(&**txn, tenant).await?;
    // Before anything is written: who makes several orders in one commit may go on with the others.
    let (partner, integration) = of.partner.unzip();
    let called_by = integration.unwrap_or_else(reference::nobody);
    reference::free(txn, None, called_by, references).await?;
    let number = txn
        .query_one_raw(order_head::next(txn.get_database_backend(), tenant))
        .await?
        .ok_or_else(|| Error::Internal("an order has no number", "the database gave none".into()))?
        .try_get_by_index(0)?;
    let order = Order {
        id: txn.id(),
        tenant_id: tenant,
        number,
        status: machine.first().to_owned(),
        status_at: of.placed_at,
        partner_status: None,
        customer: content.customer.clone(),
        lines: content.lines.clone(),
        currency: content.currency.clone(),
        total: content.total,
        addresses: content.addresses.clone(),
        notes: content.notes.clone(),
        partner_organization_id: partner,
        partner_integration_id: integration,
        partner_body: of.body.clone(),
        changes: 1,
        created_by: txn.cx().actor().to_string(),
        created_at: now,
        updated_at: now,
    };
    entity::Entity::insert(order.clone().into_active_model()).exec_without_returning(&**txn).await?;
    reference::put(txn, &order, called_by, references).await?;
    let origin = integration.filter(|_| of.body.is_some());
    let change = OrderChange {
        id: txn.id(),
        tenant_id: tenant,
        order_id: order.id,
        number: 1,
        kind: ChangeKind::Created,
        from_status: None,
        to_status: Some(order.status.clone()),
        changes: json!({}),
        reason: None,
        partner_status: None,
        origin,
        actor: txn.cx().actor().to_string(),
        happened_at: of.placed_at.unwrap_or(now),
        at: now,
    };
    order_change::Entity::insert(change.into_active_model()).exec_without_returning(&**txn).await?;
    let fact =
        OrderEvent::Created { order: order.id, number, status: order.status.clone(), partner, integration, origin };
    txn.emit(&fact)?;
    txn.audit(Audit::of(&fact).after(json!({
        "number": number, "status": order.status, "currency": order.currency, "total": order.total,
        "partner": partner, "integration": integration, "references": references,
    })))?;
    Ok(order)
}
