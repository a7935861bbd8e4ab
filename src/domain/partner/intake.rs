//! Orders that partners make.
//!
//! The same order under the same id is the same order: who sends it again gets the one that is there. What is not the
//! same under that id is refused, and what differs is said, field by field.

use sea_orm::QuerySelect;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    Via, held,
    update::{Heard, arrived, hear, moment, order_id, usable},
};
use crate::{
    context::Cx,
    domain::order::{
        Order,
        content::NewContent,
        create::{self, Of, both},
        list,
        reference::{self, PARTNER_ORDER_ID},
    },
    entity::{first::First, tenant},
    kernel::{
        clock::Moment,
        error::{Code, Error, Issue, Result},
        id::IntegrationId,
        input::Check,
    },
};

/// Most differences that are said.
const SHOWN: usize = 20;

/// The longest value that is shown of a difference.
const LONGEST: usize = 80;

/// An order as a partner sends it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartnerOrder {
    /// By which partner integration.
    #[serde(skip)]
    pub integration: IntegrationId,
    /// The partner's id of it.
    #[serde(rename = "partnerOrderId")]
    pub called: String,
    /// What it is of.
    #[serde(flatten)]
    pub content: NewContent,
    /// What else the partner calls it, by kind.
    pub references: Map<String, Value>,
    /// When it was made, by the partner's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placed_at: Option<Moment>,
    /// The partner's word for its status, if it says one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

/// An order, and whether it was made by this call.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The order.
    pub order: Order,
    /// Whether it is new.
    pub is_new: bool,
}

/// Takes an order from a partner.
pub async fn take(cx: &Cx, new: &PartnerOrder) -> Result<Taken> {
    let mut check = Check::new();
    let called = check.take("partnerOrderId", order_id(&new.called));
    let placed_at = check.take_some("placedAt", new.placed_at, |at| moment(cx.now(), at));
    let said = check.take_some("status", new.status.as_deref(), super::mapping::rules::word);
    let mut issues = match check.done() {
        Err(Error::Refused(issues)) => issues,
        Err(error) => return Err(error),
        Ok(()) => Vec::new(),
    };
    let named = new.references.get(PARTNER_ORDER_ID).and_then(Value::as_str);
    if named.is_some_and(|named| named.trim() != called) && !called.is_empty() {
        let at = format!("partnerExternalReferences.{PARTNER_ORDER_ID}");
        issues.push(Issue::at(&at, format!("it is not the partnerOrderId, {called:?}")));
    }
    let checked = both(new.content.checked(), reference::of_json("partnerExternalReferences", &new.references));
    let (content, mut references) = match (checked, issues.is_empty()) {
        (Ok(checked), true) => checked,
        (Err(Error::Refused(more)), _) => return Err(Error::Refused(issues.into_iter().chain(more).collect())),
        (Err(error), _) => return Err(error),
        (Ok(_), false) => return Err(Error::Refused(issues)),
    };
    references.insert(PARTNER_ORDER_ID.to_owned(), called.clone());
    let body =
        serde_json::to_value(new).map_err(|error| Error::Internal("an order could not be kept", error.into()))?;
    let (id, is_new) = cx
        .write(async |txn| {
            let beside = held(txn, new.integration).await?;
            if let Some(known) = reference::held(txn, beside.id, &called).await? {
                let before = known.partner_body.clone().unwrap_or(Value::Null);
                same(&known, &before, &body)?;
                return Ok((known.id, false));
            }
            usable(txn, &beside).await?;
            // Who changes the statuses of the tenant meanwhile is waited for.
            tenant::of(beside.tenant_id).lock_shared().first(&**txn).await?;
            let partner = Some((beside.partner_organization_id, beside.id));
            let of = Of { partner, body: Some(body.clone()), placed_at };
            let order = create::insert(txn, &content, &references, of).await?;
            let order = arrived(txn, &beside, order, &called).await?;
            if let Some(status) = &said {
                let heard = Heard {
                    integration: beside.id,
                    partner_order_id: called.clone(),
                    status: status.clone(),
                    at: placed_at,
                    note: None,
                    event: placed_at.is_none().then(|| "the order itself".to_owned()),
                    via: Via::Api,
                };
                hear(txn, &beside, &heard).await?;
            }
            Ok((order.id, true))
        })
        .await?;
    Ok(Taken { order: list::get(cx, id).await?, is_new })
}

/// Whether what is sent under an id is what was sent under it before; the differences as a conflict.
fn same(known: &Order, before: &Value, now: &Value) -> Result<()> {
    let mut found = Vec::new();
    differences(&mut Vec::new(), before, now, &mut found);
    if found.is_empty() {
        return Ok(());
    }
    let more = found.len().saturating_sub(SHOWN);
    let mut issues: Vec<_> = found
        .into_iter()
        .take(SHOWN)
        .map(|(path, was, is)| Issue {
            code: Code::Conflict,
            message: format!("it is {is} now and was {was} when order {} ({}) was made", known.number, known.id),
            path,
        })
        .collect();
    if more > 0 {
        let message = format!("{more} more differences");
        issues.push(Issue { code: Code::Conflict, path: Vec::new(), message });
    }
    Err(Error::Refused(issues))
}

type Difference = (Vec<String>, String, String);

/// Every leaf in which two documents differ.
fn differences(path: &mut Vec<String>, before: &Value, now: &Value, found: &mut Vec<Difference>) {
    match (before, now) {
        (Value::Object(one), Value::Object(other)) => {
            let keys: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
            for key in keys {
                // In the words of the input.
                path.push(if key == "references" { "partnerExternalReferences".to_owned() } else { key.clone() });
                let of = |side: &Map<String, Value>| side.get(key).cloned().unwrap_or_default();
                differences(path, &of(one), &of(other), found);
                path.pop();
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (at, (one, other)) in one.iter().zip(other).enumerate() {
                path.push(at.to_string());
                differences(path, one, other, found);
                path.pop();
            }
        }
        _ if before == now => {}
        _ => found.push((path.clone(), shown(before), shown(now))),
    }
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => "nothing".to_owned(),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "an object".to_owned(),
        other => other.to_string(),
    };
    text.chars().take(LONGEST).collect()
}

/// An order as partners tell of it by webhooks and as records: the same fields, in their spelling.
pub(super) fn of_record(integration: IntegrationId, data: &Value) -> Option<PartnerOrder> {
    let text = |names: &[&str]| {
        names.iter().find_map(|name| match &data[*name] {
            Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
    };
    let id = text(&["id", PARTNER_ORDER_ID])?;
    let customer = &data["customer"];
    let inner = |field: &str| customer[field].as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned);
    let name = inner("name").or_else(|| text(&["customer_name"]));
    let mut references: Map<String, Value> = data["references"].as_object().cloned().unwrap_or_default();
    for (kind, _) in reference::KINDS {
        if let Some(value) = text(&[kind]) {
            references.entry(kind).or_insert_with(|| value.into());
        }
    }
    if let Some(customer) = text(&["customer_id"]) {
        references.entry("partner_customer_id").or_insert_with(|| customer.into());
    }
    references.insert(PARTNER_ORDER_ID.to_owned(), id.clone().into());
    let customer = json!({
        "name": name.unwrap_or_else(|| format!("Customer of {id}")),
        "email": inner("email"), "phone": inner("phone"), "company": inner("company"),
    });
    let content = json!({
        "customer": customer,
        "lines": data.get("lines").cloned().unwrap_or_else(|| json!([])),
        "currency": data.get("currency").cloned().unwrap_or_default(),
        "addresses": data.get("addresses").cloned().unwrap_or_else(|| json!([])),
        "notes": data.get("notes").cloned().unwrap_or_default(),
    });
    let content = serde_json::from_value(content).ok()?;
    Some(PartnerOrder { integration, called: id, content, references, placed_at: None, status: None })
}

/// Makes the order of which a partner told, if it is not known yet; within no transaction of its own.
pub(super) async fn ensure(txn: &crate::context::Txn, beside: &super::Beside, new: &PartnerOrder) -> Result<bool> {
    if reference::held(txn, beside.id, new.called.trim()).await?.is_some() {
        return Ok(false);
    }
    let called = order_id(&new.called).map_err(|reason| Error::invalid("partnerOrderId", reason))?;
    let (content, mut references) =
        both(new.content.checked(), reference::of_json("partnerExternalReferences", &new.references))?;
    references.insert(PARTNER_ORDER_ID.to_owned(), called.clone());
    let body =
        serde_json::to_value(new).map_err(|error| Error::Internal("an order could not be kept", error.into()))?;
    let partner = Some((beside.partner_organization_id, beside.id));
    let order = create::insert(txn, &content, &references, Of { partner, body: Some(body), placed_at: None }).await?;
    arrived(txn, beside, order, &called).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_found_where_they_are() {
        let mut found = Vec::new();
        let before = json!({ "customer": { "name": "Ann" }, "lines": [{ "quantity": 1 }], "references": {} });
        let now = json!({ "customer": { "name": "Bob" }, "lines": [{ "quantity": 2 }], "references": { "a": "b" } });
        differences(&mut Vec::new(), &before, &now, &mut found);
        let paths: Vec<_> = found.iter().map(|(path, ..)| path.join(".")).collect();
        assert_eq!(paths, ["customer.name", "lines.0.quantity", "partnerExternalReferences.a"]);
        assert_eq!((found[0].1.as_str(), found[0].2.as_str()), ("\"Ann\"", "\"Bob\""));
    }
}
