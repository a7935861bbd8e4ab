//! Which events a destination wants.
//!
//! What is stored is parsed again each time. A filter or list that can no longer be read stops the destination: nothing
//! is sent there, and its tenant has an alert ([`unreadable`]). It never means that everything is wanted.

use serde::Deserialize;

use super::partner;
use crate::{
    context::Txn,
    domain::alert::{self, Kind, NewAlert, Severity},
    entity::{event::Model as Event, webhook_destination::Model as WebhookDestination},
    kernel::{clock::Moment, error::Result, id::IntegrationId},
    provider::expression::{Document, Expression},
};

/// Nothing of this topic is ever sent: a webhook about a webhook would bring forth the next one.
pub(super) const OWN: &str = "outbound";

/// Most patterns of a destination.
pub(super) const MOST: usize = 50;

/// What a destination wants, ready to be asked.
pub(super) struct Wants {
    patterns: Vec<String>,
    topics: Vec<String>,
    filter: Option<Expression>,
    partner: Option<IntegrationId>,
    /// Whether the partner is told by an action of its interface.
    by_action: bool,
    since: Moment,
}

impl Wants {
    /// What is stored; the reason if it cannot be read.
    pub(super) fn of(destination: &WebhookDestination) -> Result<Self, String> {
        let texts = |what: &str, json: &serde_json::Value| {
            Vec::<String>::deserialize(json).map_err(|error| format!("its {what} cannot be read ({error})"))
        };
        let filter = destination.filter.as_deref().map(Expression::parse).transpose();
        Ok(Self {
            patterns: texts("list of events", &destination.patterns)?,
            topics: texts("list of topics", &destination.topics)?,
            filter: filter.map_err(|fault| format!("its filter cannot be read ({fault})"))?,
            partner: destination.partner_integration_id,
            by_action: destination.action.is_some(),
            since: destination.created_at,
        })
    }

    /// Whether an event is one of those, as far as can be said without its body.
    pub(super) fn takes(&self, event: &Event) -> bool {
        if let Some(partner) = self.partner {
            return event.at > self.since && partner::takes(partner, &self.patterns, self.by_action, event);
        }
        event.topic != OWN
            && event.topic != partner::TOPIC
            && event.at > self.since
            && self.topics.contains(&event.topic)
            && self.patterns.iter().any(|pattern| fits(pattern, &event.kind))
    }

    /// Whether what else must hold does.
    pub(super) fn holds(&self, body: &Document) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.holds(body))
    }

    /// Whether the body matters.
    pub(super) fn looks_inside(&self) -> bool {
        self.filter.is_some()
    }
}

/// Raises an alert for a destination whose settings cannot be read.
pub(super) async fn unreadable(txn: &Txn, destination: &WebhookDestination, reason: &str) -> Result<()> {
    let text = format!("{} is sent nothing: {reason}; set it again", destination.name);
    let (kind, subject) = (Kind::UnreadableSetting, destination.id.to_string());
    let alert = NewAlert { kind, severity: Severity::Critical, subject, text };
    alert::raise_in(txn, destination.tenant_id, alert).await
}

/// Resolves it once they can be read.
pub(super) async fn readable(txn: &Txn, destination: &WebhookDestination) -> Result<()> {
    if Wants::of(destination).is_err() {
        return Ok(());
    }
    alert::resolve_in(txn, destination.tenant_id, Kind::UnreadableSetting, &destination.id.to_string()).await
}

/// Whether a kind is as a pattern says; a star stands for any letters, at the end.
pub(super) fn fits(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => kind.starts_with(beginning),
        None => kind == pattern,
    }
}

/// A pattern as it is kept, or why it is none.
pub(super) fn pattern(text: &str) -> Result<String, String> {
    let text = text.trim();
    let body = text.strip_suffix('*').unwrap_or(text);
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "_.".contains(letter);
    if text.is_empty() || text.len() > 100 || !body.chars().all(plain) {
        let example = "such as `integration.created`, `integration.*` or `*`";
        return Err(format!(
            "{text:?} is no kind of event: it has small letters and dots, with a star at most at its end, {example}"
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_the_rest() {
        for (pattern, kind, fit) in [
            ("*", "sync.logged", true),
            ("sync.*", "sync.logged", true),
            ("sync.run_*", "sync.logged", false),
            ("sync.logged", "sync.logged", true),
            ("sync", "sync.logged", false),
            ("sync.*", "synchronous.logged", false),
        ] {
            assert_eq!(fits(pattern, kind), fit, "{pattern} {kind}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["", "*.created", "Integration.created", "a b", "sync.**", "sync.logged\n*"] {
            assert!(pattern(text).is_err(), "{text}");
        }
        assert_eq!(pattern(" sync.* ").unwrap(), "sync.*");
    }
}
