//! Destinations of partners: each is told of its own orders, in its words, and of nothing else.
//!
//! What it is told of was written into the log for it ([`event::exchange`](crate::event::exchange)); here is decided
//! whether it goes, and what it looks like. A partner is not told what it said itself, so two hubs that are each
//! other's partners fall quiet. Nor is it told of a status for which it has no word.

use chrono::SecondsFormat;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, IntoActiveModel, QueryFilter};
use serde_json::{Value, json};

use super::{
    WebhookDestination,
    destination::{self, Filled},
};
use crate::{
    context::Txn,
    domain::credential::signature::{self, New},
    entity::{event::Model as Event, webhook_destination as entity},
    event::{Entry, Fact, exchange::ExchangeEvent},
    kernel::{
        error::{Issue, Result},
        id::{IntegrationId, WebhookDestinationId},
        token::hint,
    },
};

/// The topic of what partners are told.
pub(super) const TOPIC: &str = ExchangeEvent::TOPIC;

/// Most words of a destination.
const MOST: usize = 50;

/// Any status, and a new order.
const ANY: &str = "order_status_changed";
const CREATED: &str = "order_created";

/// Another word for `order_completed`: with charging points the order is done when somebody has installed it.
const INSTALLED: (&str, &str) = ("installation_completed", "completed");

/// A destination to be.
#[derive(Clone, Debug)]
pub struct NewPartnerDestination {
    /// The partner integration whose it is.
    pub integration: IntegrationId,
    /// For people.
    pub name: String,
    /// Where webhooks go, looked at already.
    pub url: String,
    /// What the partner wants to be told.
    pub events: Vec<String>,
    /// What signs.
    pub secret: New,
}

/// What is wrong with what a partner wants to be told, given the statuses that there are.
#[must_use]
pub fn misfits(path: &str, events: &[String], statuses: &[String]) -> Vec<Issue> {
    if events.len() > MOST {
        return vec![Issue::at(path, format!("name at most {MOST} events; \"*\" is all of them"))];
    }
    let known = |word: &str| {
        let status = word.strip_prefix("order_").is_some_and(|status| statuses.iter().any(|own| own == status));
        status || [ANY, CREATED, INSTALLED.0, "*"].contains(&word)
    };
    let wrong = events.iter().enumerate().filter(|(_, event)| !known(&plain(event)));
    wrong
        .map(|(at, event)| {
            let shown: String = event.chars().take(60).collect();
            let words: Vec<_> = statuses.iter().map(|status| format!("order_{status}")).collect();
            let all = words.join(", ");
            let message =
                format!("there is no event {shown:?}; there are {CREATED}, {ANY}, {all}, {} and *", INSTALLED.0);
            Issue::at(&format!("{path}.{at}"), message)
        })
        .collect()
}

fn plain(word: &str) -> String {
    word.trim().replace('.', "_")
}

/// Whether what happened goes to the destination of a partner integration.
pub(super) fn takes(integration: IntegrationId, wanted: &[String], event: &Event) -> bool {
    let named = |field: &str| event.data[field].as_str().and_then(|text| text.parse::<IntegrationId>().ok());
    if event.topic != TOPIC || named("integration") != Some(integration) || named("origin") == Some(integration) {
        return false;
    }
    let to = event.data["to"].as_str().unwrap_or_default();
    let created = event.kind == "exchange.order_created";
    if !created && !event.data["partnerStatus"].is_string() {
        return false;
    }
    wanted.iter().map(|word| plain(word)).any(|word| match word.as_str() {
        "*" => true,
        CREATED => created,
        ANY => !created,
        word if word == INSTALLED.0 => !created && to == INSTALLED.1,
        word => !created && word.strip_prefix("order_") == Some(to),
    })
}

/// What a webhook to a partner says: in the form in which partners tell us, too.
pub(super) fn said(entry: &Entry) -> Value {
    let facts = &entry.data;
    let kind = if entry.kind == "exchange.order_created" { "order.created" } else { "order.status_changed" };
    json!({
        "type": kind,
        "timestamp": entry.at.to_rfc3339_opts(SecondsFormat::Micros, true),
        "data": {
            "id": facts["references"]["partner_order_id"],
            "order": facts["order"],
            "number": facts["number"],
            "status": facts["partnerStatus"],
            "our_status": facts["to"],
            "our_status_before": facts["from"],
            "changed_at": facts["happenedAt"],
            "reason": facts["reason"],
            "references": facts["references"],
        },
    })
}

/// Makes the destination of a partner integration, within the transaction that makes that.
pub async fn put(txn: &Txn, new: NewPartnerDestination) -> Result<WebhookDestination> {
    let filled = Filled {
        name: new.name,
        url: new.url,
        patterns: new.events,
        topics: vec![TOPIC],
        filter: None,
        partner: Some(new.integration),
    };
    destination::insert(txn, txn.id(), filled, &new.secret).await
}

/// What to change of a partner's destination; what is left out stays.
#[derive(Clone, Debug, Default)]
pub struct PartnerDestinationChange {
    /// Where webhooks go.
    pub url: Option<String>,
    /// What the partner wants to be told.
    pub events: Option<Vec<String>>,
    /// What signs from now on.
    pub secret: Option<New>,
}

/// Changes the destination of a partner integration, within the transaction that changes that.
pub async fn change(txn: &Txn, id: WebhookDestinationId, change: PartnerDestinationChange) -> Result<()> {
    let tenant = txn.cx().tenant()?;
    let found = entity::held(tenant, id).filter(entity::Column::PartnerIntegrationId.is_not_null()).one(&**txn).await?;
    // Whoever deleted it has it not told any more.
    let Some(before) = found else { return Ok(()) };
    let (version, url_before) = (before.secret_version, before.url.clone());
    let mut row = before.into_active_model();
    if let Some(url) = change.url.filter(|url| *url != url_before) {
        row.url = Set(url);
        // Somewhere else, nothing has failed yet.
        row.failures = Set(0);
        row.failing_since = Set(None);
        row.paused_until = Set(None);
    }
    if let Some(events) = change.events {
        row.patterns = Set(json!(events));
    }
    if let Some(secret) = &change.secret {
        signature::put(txn, tenant, &id.to_string(), secret, false).await?;
        row.hint = Set(hint(&secret.shared));
        row.secret_version = Set(version + 1);
        row.overlap_until = Set(None);
    }
    row.updated_at = Set(txn.now());
    row.update(&**txn).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_events_of_the_seed_are_known_and_others_are_named() {
        let statuses: Vec<_> = ["new", "approved", "completed"].map(str::to_owned).into();
        let events = ["order_created", "order_approved", "installation_completed", "*"].map(str::to_owned);
        assert!(misfits("webhookEvents", &events, &statuses).is_empty());
        let wrong = misfits("webhookEvents", &["order_created".to_owned(), "order_lost".to_owned()], &statuses);
        assert_eq!(wrong[0].path, ["webhookEvents", "1"]);
    }
}
