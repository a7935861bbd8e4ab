//! What a change left behind: audit entries, events, jobs.

use std::fmt::Write;

use portolan::entity::{audit_entry, event, job};
use sea_orm::{EntityTrait, QueryOrder};

use super::TestHub;

/// Everything recorded so far, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Records {
    pub audit: Vec<String>,
    pub events: Vec<String>,
    pub jobs: Vec<String>,
    text: String,
}

impl Records {
    #[expect(clippy::disallowed_methods, reason = "tests look at every tenant")]
    pub async fn of(hub: &TestHub) -> Self {
        hub.number_events().await;
        let db = hub.app.hub().database.reader();
        // Ids made within the same millisecond do not sort, so entries are matched with their events.
        let audit = audit_entry::Entity::find().order_by_asc(audit_entry::Column::At).all(db).await.unwrap();
        let events = event::beyond(0).all(db).await.unwrap();
        let jobs = job::Entity::find().order_by_asc(job::Column::CreatedAt).all(db).await.unwrap();
        let mut text = String::new();
        write!(text, "{audit:?}{events:?}{jobs:?}").unwrap();
        let mut actions: Vec<_> = audit.into_iter().map(|entry| (entry.action, entry.subject)).collect();
        let place = |entry: &(String, String)| {
            events.iter().position(|event| event.kind == entry.0 && event.subject == entry.1).unwrap_or(usize::MAX)
        };
        actions.sort_by_key(place);
        Self {
            audit: actions.into_iter().map(|(action, _)| action).collect(),
            events: events.into_iter().map(|event| event.kind).collect(),
            jobs: jobs.into_iter().map(|job| job.kind).collect(),
            text,
        }
    }

    /// What came after an earlier look.
    pub fn since(mut self, earlier: &Self) -> Self {
        self.audit.drain(..earlier.audit.len());
        self.events.drain(..earlier.events.len());
        self.jobs.drain(..earlier.jobs.len());
        self
    }

    /// Every value of every record, as text.
    pub fn everything(&self) -> &str {
        &self.text
    }
}
