//! What others call an order.
//!
//! Ten kinds have names of their own; others are named by the tenant. Four identify: within one partner integration no
//! two orders are called so.

use std::collections::BTreeMap;

use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Order, OrderReference, list};
use crate::{
    context::{Cx, Txn},
    entity::{
        first::First,
        order,
        order_reference::{self as entity, Column},
    },
    kernel::{
        error::{Error, Issue, Result},
        id::{IntegrationId, OrderId},
    },
};

/// The kind under which a partner exchanges an order.
pub const PARTNER_ORDER_ID: &str = "partner_order_id";

/// Set when something of the partner counted.
pub const SYNC_LAST_UPDATED: &str = "sync_last_updated";

/// The kinds that have names of their own, and whether they identify.
pub const KINDS: [(&str, bool); 10] = [
    (PARTNER_ORDER_ID, true),
    ("partner_customer_id", false),
    ("dealer_group_id", false),
    ("partner_invoice_id", true),
    ("purchase_order_number", false),
    ("external_order_reference", true),
    ("partner_system", false),
    (SYNC_LAST_UPDATED, false),
    ("partner_lead_id", false),
    ("dealer_reference_number", true),
];

/// Most references of an order by one integration.
const MOST: usize = 50;

/// Orders that are called the same are counted up to here.
const COUNTED: u64 = 100;

/// The longest kind and value.
const LONGEST_KIND: usize = 63;
const LONGEST: usize = 200;

/// References, by kind.
pub type References = BTreeMap<String, String>;

/// By no integration.
#[must_use]
pub fn nobody() -> IntegrationId {
    IntegrationId::new(Uuid::nil())
}

fn identifies(kind: &str) -> bool {
    KINDS.iter().any(|(name, identifies)| *name == kind && *identifies)
}

fn value(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err("a reference must not be empty; leave it out instead".to_owned()),
        1..=LONGEST if text.chars().any(char::is_control) => {
            Err("a reference must not contain control characters".to_owned())
        }
        1..=LONGEST => Ok(text.to_owned()),
        count => Err(format!("a reference has at most {LONGEST} characters; this one has {count}")),
    }
}

fn kind(text: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if (1..=LONGEST_KIND).contains(&text.len()) && text.bytes().all(plain) {
        return Ok(());
    }
    Err(format!(
        "a kind of reference has 1 to {LONGEST_KIND} lower-case letters, digits and underscores, such as \
         {PARTNER_ORDER_ID:?}"
    ))
}

/// References as they are kept. What is wrong is said with its place.
pub fn checked<'a>(
    path: &str,
    given: impl IntoIterator<Item = (String, &'a str, &'a str)>,
) -> Result<References, Vec<Issue>> {
    let (mut found, mut issues) = (References::new(), Vec::new());
    for (at, name, text) in given {
        let at = format!("{path}.{at}");
        match (kind(name), value(text)) {
            (Err(reason), _) | (Ok(()), Err(reason)) => issues.push(Issue::at(&at, reason)),
            (Ok(()), Ok(value)) => {
                if found.insert(name.to_owned(), value).is_some() {
                    issues.push(Issue::at(&at, format!("{name} is given twice")));
                }
            }
        }
    }
    if found.len() > MOST {
        issues.push(Issue::at(path, format!("an order has at most {MOST} references")));
    }
    if issues.is_empty() { Ok(found) } else { Err(issues) }
}

/// References as a JSON object of texts, in the shape in which partners send them.
pub fn of_json(path: &str, json: &Map<String, Value>) -> Result<References, Vec<Issue>> {
    let mut texts = Vec::new();
    let mut issues = Vec::new();
    for (name, value) in json {
        match value {
            Value::String(text) => texts.push((name.clone(), text.clone())),
            Value::Number(number) => texts.push((name.clone(), number.to_string())),
            // Nothing is said.
            Value::Null => {}
            _ => issues.push(Issue::at(&format!("{path}.{name}"), "a reference is a text")),
        }
    }
    let given = texts.iter().map(|(name, text)| (name.clone(), name.as_str(), text.as_str()));
    match checked(path, given) {
        Ok(found) if issues.is_empty() => Ok(found),
        Ok(_) => Err(issues),
        Err(more) => Err(issues.into_iter().chain(more).collect()),
    }
}

/// Whether no other order of an integration is called so, where it identifies.
pub(super) async fn free(
    txn: &Txn,
    except: Option<OrderId>,
    integration: IntegrationId,
    given: &References,
) -> Result<()> {
    let tenant = txn.cx().tenant()?;
    for (kind, value) in given.iter().filter(|(kind, _)| identifies(kind)) {
        let taken = entity::of(tenant)
            .filter(Column::PartnerIntegrationId.eq(integration))
            .filter(Column::Kind.eq(kind))
            .filter(Column::Value.eq(value))
            .first(&**txn)
            .await?;
        if let Some(taken) = taken.filter(|taken| Some(taken.order_id) != except) {
            let other = order::of(tenant).filter(order::COLUMN.id.eq(taken.order_id)).first(&**txn).await?;
            let number = other.map(|other| other.number).unwrap_or_default();
            let message = format!("order {number} ({}) has the {kind} {value:?} already", taken.order_id);
            return Err(Error::conflict(&format!("references.{kind}"), message));
        }
    }
    Ok(())
}

/// Writes references of an order that is held, in place of those of the same kinds.
pub async fn put(txn: &Txn, order: &Order, integration: IntegrationId, given: &References) -> Result<()> {
    free(txn, Some(order.id), integration, given).await?;
    let rows: Vec<_> = given
        .iter()
        .map(|(kind, value)| {
            let row = OrderReference {
                tenant_id: order.tenant_id,
                order_id: order.id,
                partner_integration_id: integration,
                kind: kind.clone(),
                value: value.clone(),
                identifies: identifies(kind),
            };
            row.into_active_model()
        })
        .collect();
    if !rows.is_empty() {
        let insert = entity::Entity::insert_many(rows).on_conflict(entity::replaced());
        insert.exec_without_returning(&**txn).await?;
    }
    Ok(())
}

/// Takes references of an order away.
pub async fn forget(txn: &Txn, order: &Order, integration: IntegrationId, kinds: &[&str]) -> Result<()> {
    if !kinds.is_empty() {
        entity::forget(order.tenant_id, order.id, integration, kinds).exec(&**txn).await?;
    }
    Ok(())
}

/// What these orders of the tenant are called, by kind; who asks has found the orders by what it may see.
pub async fn of_orders(cx: &Cx, orders: &[OrderId]) -> Result<Vec<OrderReference>> {
    Ok(entity::of_orders(cx.tenant()?, orders).all(cx.db()).await?)
}

/// What an order is called by one integration, for who writes.
pub async fn of(txn: &Txn, order: &Order, integration: IntegrationId) -> Result<Map<String, Value>> {
    let rows = entity::of_orders(order.tenant_id, &[order.id]).filter(Column::PartnerIntegrationId.eq(integration));
    let rows = rows.all(&**txn).await?;
    Ok(rows.into_iter().map(|row| (row.kind, Value::from(row.value))).collect())
}

/// The order that is called so, if the caller sees one; within one integration or wherever there is only one.
pub async fn order(cx: &Cx, kind: &str, value: &str, partner: Option<IntegrationId>) -> Result<Option<Order>> {
    let mut orders = list::called(cx, kind, value, partner, COUNTED).await?;
    match orders.len() {
        0 | 1 => Ok(orders.pop()),
        count => {
            let message = format!("{count} orders are called so; `orders` with a filter lists them");
            Err(Error::invalid("value", message))
        }
    }
}

/// The order that a partner calls so, held until the commit; for who acts for the partner.
pub async fn held(txn: &Txn, integration: IntegrationId, partner_order: &str) -> Result<Option<Order>> {
    let tenant = txn.cx().tenant()?;
    let found = entity::of(tenant)
        .filter(Column::PartnerIntegrationId.eq(integration))
        .filter(Column::Kind.eq(PARTNER_ORDER_ID))
        .filter(Column::Value.eq(partner_order))
        .first(&**txn)
        .await?;
    match found {
        Some(found) => Ok(order::held(tenant, found.order_id).first(&**txn).await?),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_shape_that_partners_send_is_taken_and_given_back() {
        let sent = json!({
            "partner_order_id": "VLV-2025-789123",
            "partner_customer_id": "CUST-456789",
            "dealer_group_id": "VAN_MOSSEL_WEST",
            "partner_invoice_id": "INV-Partner-2025-001",
            "purchase_order_number": "PO-20250601-001",
            "external_order_reference": "REF-CHG-789",
            "partner_system": "volvo_dealer_portal",
            "sync_last_updated": "2025-06-01T10:30:00Z",
            "partner_lead_id": "LEAD-789456",
            "dealer_reference_number": "DLR-REF-2025-123"
        });
        let found = of_json("references", sent.as_object().unwrap()).unwrap();
        assert_eq!(json!(found), sent);
        assert!(KINDS.iter().all(|(kind, _)| found.contains_key(*kind)));
    }

    #[test]
    fn what_is_no_reference_is_refused_with_its_place() {
        let sent = json!({ "Bad Kind": "x", "partner_order_id": "", "other": ["x"], "long": "x".repeat(201) });
        let issues = of_json("references", sent.as_object().unwrap()).unwrap_err();
        let mut paths: Vec<_> = issues.iter().map(|issue| issue.path.join(".")).collect();
        paths.sort();
        assert_eq!(
            paths,
            ["references.Bad Kind", "references.long", "references.other", "references.partner_order_id"]
        );
    }
}
