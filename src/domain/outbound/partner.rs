//! Destinations of partners: each is told of its own orders, in its words, and of nothing else.
//!
//! What it is told of was written into the log for it ([`event::exchange`](crate::event::exchange)); here is decided
//! whether it goes, what it looks like, and when. A partner is not told what it said itself, so two hubs that are each
//! other's partners fall quiet. Nor is it told of a status for which it has no word.
//!
//! **Two ways.** A partner that has an address for webhooks is sent these. One that has none is told by its own
//! interface: by the action [`NOTIFY`] of its provider's file ([`call`](super::call)). That action is about an order
//! that the partner knows, so what has no id of the partner's, or no word, is not told this way. What waits when the way
//! changes goes the new way.
//!
//! **Rounds.** A partner that asked for less than real time is told at the end of each round of its frequency. Rounds
//! begin with the quarters, hours and days of UTC. What somebody asks for by hand does not wait, and nor does what is
//! before it in its line.

use chrono::{SecondsFormat, TimeDelta};
use sea_orm::{ActiveModelTrait, ColumnTrait, QueryFilter};
use serde_json::{Value, json};

use super::{
    WebhookDestination,
    destination::{self, Filled, host, shown},
};
use crate::{
    context::{Audit, Cx, Txn},
    domain::{
        credential::signature::{self, New},
        integration,
    },
    entity::{event::Model as Event, first::First, rewrite::rewrite, webhook_delivery, webhook_destination as entity},
    event::{Changes, Entry, Fact, exchange::ExchangeEvent, outbound::OutboundEvent},
    kernel::{
        clock::Moment,
        error::{Error, Issue, Result},
        id::{IntegrationId, WebhookDestinationId},
        input::Patch,
        token::hint,
    },
    provider::manifest::{Manifest, stream::Effect},
};

/// The action by which partners are told of a status.
pub const NOTIFY: &str = "notify_status";

/// The topic of what partners are told.
pub(super) const TOPIC: &str = ExchangeEvent::TOPIC;

/// Most words of a destination.
const MOST: usize = 50;

/// Any status, and a new order.
const ANY: &str = "order_status_changed";
const CREATED: &str = "order_created";

/// Another word for `order_completed`: with charging points the order is done when somebody has installed it.
const INSTALLED: (&str, &str) = ("installation_completed", "completed");

/// The kind of reference by which a partner's interface knows an order.
pub const PARTNER_ORDER_ID: &str = "partner_order_id";

/// By which way a partner is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Webhooks to this address, looked at already.
    Webhook(String),
    /// This action of its own interface.
    Action(String),
    /// None: what waits stays until there is one.
    Nowhere,
}

impl Way {
    /// The way by the interface of a partner, if the file of its provider has one.
    #[must_use]
    pub fn of_interface(manifest: &Manifest) -> Option<Self> {
        let action = manifest.action(NOTIFY).filter(|action| action.effect != Effect::Read)?;
        Some(Self::Action(action.key.0.clone()))
    }

    /// The way by which a destination is told now.
    #[must_use]
    pub fn of(destination: &WebhookDestination) -> Self {
        match &destination.action {
            Some(action) => Self::Action(action.clone()),
            None if destination.url.is_empty() => Self::Nowhere,
            None => Self::Webhook(destination.url.clone()),
        }
    }

    /// The same as it is kept: an address and an action.
    fn kept(self) -> (String, Option<String>) {
        match self {
            Self::Webhook(url) => (url, None),
            Self::Action(action) => (String::new(), Some(action)),
            Self::Nowhere => (String::new(), None),
        }
    }
}

/// Minutes from round to round of a frequency, in the word of the seed; none for who is told at once.
#[must_use]
pub fn minutes(frequency: Option<&str>) -> Option<i32> {
    match frequency? {
        "every_15_minutes" => Some(15),
        "hourly" => Some(60),
        "daily" => Some(24 * 60),
        _ => None,
    }
}

/// When what happens now is due for who is told every so many minutes: at the end of the round, or at once.
#[must_use]
pub(super) fn due(now: Moment, every: Option<i32>) -> Moment {
    let Some(every) = every.filter(|every| *every > 0) else { return now };
    let round = i64::from(every) * 60_000_000;
    let past = now.timestamp_micros().rem_euclid(round);
    if past == 0 { now } else { now + TimeDelta::microseconds(round - past) }
}

/// A destination to be.
#[derive(Clone, Debug)]
pub struct NewPartnerDestination {
    /// The partner integration whose it is.
    pub integration: IntegrationId,
    /// For people.
    pub name: String,
    /// By which way it is told.
    pub way: Way,
    /// Minutes from round to round, if it is not told at once.
    pub every: Option<i32>,
    /// What the partner wants to be told.
    pub events: Vec<String>,
    /// What signs, if the partner knows of it.
    pub secret: Option<New>,
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
pub(super) fn takes(integration: IntegrationId, wanted: &[String], by_action: bool, event: &Event) -> bool {
    let named = |field: &str| event.data[field].as_str().and_then(|text| text.parse::<IntegrationId>().ok());
    if event.topic != TOPIC || named("integration") != Some(integration) || named("origin") == Some(integration) {
        return false;
    }
    let created = event.kind == "exchange.order_created";
    let has_word = event.data["partnerStatus"].is_string();
    let is_known = event.data["references"][PARTNER_ORDER_ID].is_string();
    if (!created && !has_word) || (by_action && !(has_word && is_known)) {
        return false;
    }
    wants(wanted, created, event.data["to"].as_str().unwrap_or_default())
}

/// Whether somebody asked for it by hand, and it does not wait for the end of a round.
pub(super) fn by_hand(entry: &Entry) -> bool {
    entry.topic == TOPIC && entry.data["byHand"] == true
}

/// Passes a partner integration that may be sent webhooks.
pub(super) async fn may_send(cx: &Cx, id: IntegrationId) -> Result<()> {
    let integration = integration::get(cx, id).await?;
    if integration.can_webhook {
        return Ok(());
    }
    let reason = format!("{} is sent no webhooks: its capability canWebhook is false", integration.name);
    Err(Error::conflict("id", reason))
}

/// Whether a partner would be told of a status by an action.
pub async fn would_call(txn: &Txn, id: WebhookDestinationId, created: bool, status: &str) -> Result<bool> {
    let found = entity::of(txn.cx().tenant()?).filter(entity::COLUMN.id.eq(id)).first(&**txn).await?;
    let Some(found) = found.filter(|found| found.action.is_some()) else { return Ok(false) };
    let wanted = found.patterns.as_array().into_iter().flatten().filter_map(Value::as_str);
    Ok(wants(&wanted.map(str::to_owned).collect::<Vec<_>>(), created, status))
}

/// Whether a status, or that of a new order, is among what a partner wants to be told.
fn wants(wanted: &[String], created: bool, to: &str) -> bool {
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
            "id": facts["references"][PARTNER_ORDER_ID],
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
    let (url, action) = new.way.kept();
    let filled = Filled {
        name: new.name,
        url,
        action,
        every: new.every,
        patterns: new.events,
        topics: vec![TOPIC],
        filter: None,
        partner: Some(new.integration),
    };
    destination::insert(txn, txn.id(), filled, new.secret.as_ref()).await
}

/// What to change of a partner's destination; what is left out stays.
#[derive(Clone, Debug, Default)]
pub struct PartnerDestinationChange {
    /// By which way it is told.
    pub way: Option<Way>,
    /// Minutes from round to round, if it is not told at once.
    pub every: Patch<i32>,
    /// What the partner wants to be told.
    pub events: Option<Vec<String>>,
    /// What signs from now on.
    pub secret: Option<New>,
}

/// Changes the destination of a partner integration, within the transaction that changes that. Says whether it is
/// still there.
pub async fn change(txn: &Txn, id: WebhookDestinationId, change: PartnerDestinationChange) -> Result<bool> {
    let tenant = txn.cx().tenant()?;
    let found =
        entity::held(tenant, id).filter(entity::Column::PartnerIntegrationId.is_not_null()).first(&**txn).await?;
    let Some(before) = found else { return Ok(false) };
    let mut after = before.clone();
    if let Some(way) = change.way.filter(|way| *way != Way::of(&before)) {
        (after.url, after.action) = way.kept();
        // Somewhere else, nothing has failed yet.
        (after.failures, after.failing_since, after.paused_until) = (0, None, None);
    }
    if let Some(events) = change.events {
        after.patterns = json!(events);
    }
    after.every = change.every.over(before.every);
    if let Some(secret) = &change.secret {
        signature::put(txn, tenant, &id.to_string(), secret, false).await?;
        after.hint = hint(&secret.shared);
        after.secret_version = before.secret_version + 1;
        after.overlap_until = None;
    }
    if before == after {
        return Ok(true);
    }
    after.updated_at = txn.now();
    rewrite(after.clone()).update(&**txn).await?;
    if before.every != after.every {
        // Who asks to be told more often does not wait for the end of a longer round.
        webhook_delivery::hasten(id, due(txn.now(), after.every)).exec(&**txn).await?;
    }
    let changes = Changes::new()
        .field("host", &host(&before.url), &host(&after.url))
        .field("action", &before.action, &after.action)
        .field("everyMinutes", &before.every, &after.every)
        .field("events", &before.patterns, &after.patterns)
        .field("secret", &before.hint, &after.hint);
    if !changes.is_empty() {
        let fact = OutboundEvent::DestinationUpdated { destination: id, changes };
        txn.emit(&fact)?;
        txn.audit(Audit::of(&fact).before(shown(&before)).after(shown(&after)))?;
    }
    Ok(true)
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

    #[test]
    fn what_happens_in_a_round_is_due_at_its_end() {
        let at = |text: &str| text.parse::<Moment>().unwrap();
        let now = at("2027-01-15T08:07:30.5Z");
        for (frequency, expected) in [
            (None, "2027-01-15T08:07:30.5Z"),
            (Some("real_time"), "2027-01-15T08:07:30.5Z"),
            (Some("every_15_minutes"), "2027-01-15T08:15:00Z"),
            (Some("hourly"), "2027-01-15T09:00:00Z"),
            (Some("daily"), "2027-01-16T00:00:00Z"),
        ] {
            assert_eq!(due(now, minutes(frequency)), at(expected), "{frequency:?}");
        }
        let border = at("2027-01-15T09:00:00Z");
        assert_eq!(due(border, Some(60)), border, "a round that is over has not to be waited for");
    }

    #[test]
    fn the_files_of_all_partners_have_the_action() {
        let catalogue = crate::provider::catalogue::Catalogue::embedded();
        let partners = catalogue.iter().filter(|it| it.category == crate::provider::manifest::Category::Partner);
        let without: Vec<_> = partners.filter(|it| Way::of_interface(it).is_none()).map(|it| &it.key).collect();
        assert!(without.is_empty(), "{without:?}");
        assert_eq!(Way::of_interface(catalogue.get("stripe").unwrap()), None);
    }
}
