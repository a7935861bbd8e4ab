//! The end of the log of all tenants, in memory, for parts of the program that read all of it.
//!
//! They keep their own places, in rows of the database, and would read each event from there again, moments after it
//! was written. What is held here goes to the last position that passed this node, without a hole; who is further
//! behind reads the log.

use std::collections::VecDeque;

use super::{Entry, tail::weight};

/// Events that are held.
const KEPT: usize = 1_024;

/// Their bytes.
const KEPT_BYTES: usize = 1024 * 1024;

/// The newest events that passed this node.
#[derive(Default)]
pub(super) struct Recent {
    kept: VecDeque<Entry>,
    bytes: usize,
}

impl Recent {
    /// Appends an event, unless it is held. If it does not follow the last one, nothing before it counts any more.
    pub(super) fn push(&mut self, entry: &Entry) {
        if let Some(last) = self.kept.back().map(|last| last.position) {
            if entry.position <= last {
                return;
            }
            if entry.position > last + 1 {
                *self = Self::default();
            }
        }
        self.bytes += weight(entry);
        self.kept.push_back(Entry::clone(entry));
        while self.kept.len() > KEPT || self.bytes > KEPT_BYTES {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.bytes -= weight(&oldest);
        }
    }

    /// Events after a position, in order; none where the first of them is not held.
    pub(super) fn beyond(&self, position: i64, most: usize) -> Vec<Entry> {
        let Some(first) = self.kept.front() else { return Vec::new() };
        // They follow one another, so the place of an event tells its position.
        match usize::try_from(position + 1 - first.position) {
            Ok(from) => self.kept.iter().skip(from).take(most).cloned().collect(),
            Err(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::{
        entity::event,
        kernel::id::{EventId, TenantId},
    };

    fn with(positions: impl IntoIterator<Item = i64>) -> Recent {
        let mut recent = Recent::default();
        for position in positions {
            recent.push(&Arc::new(event::Model {
                position,
                tenant_id: TenantId::new(Uuid::nil()),
                number: position,
                event_id: EventId::new(Uuid::nil()),
                topic: "access".to_owned(),
                kind: "user.updated".to_owned(),
                subject: String::new(),
                data: json!({}),
                actor: String::new(),
                request_id: None,
                at: chrono::DateTime::UNIX_EPOCH,
            }));
        }
        recent
    }

    fn positions(entries: &[Entry]) -> Vec<i64> {
        entries.iter().map(|entry| entry.position).collect()
    }

    #[test]
    fn who_is_within_what_is_held_gets_what_follows() {
        let recent = with(7..12);
        assert_eq!(positions(&recent.beyond(6, 100)), [7, 8, 9, 10, 11], "all of it follows");
        assert_eq!(positions(&recent.beyond(9, 100)), [10, 11]);
        assert_eq!(positions(&recent.beyond(7, 2)), [8, 9], "no more than was asked for");
    }

    #[test]
    fn who_is_further_behind_or_has_all_of_it_gets_nothing() {
        let recent = with(7..12);
        assert_eq!(recent.beyond(5, 100).len(), 0, "6 is not held");
        assert_eq!(recent.beyond(11, 100).len(), 0);
        assert_eq!(recent.beyond(30, 100).len(), 0);
        assert_eq!(Recent::default().beyond(0, 100).len(), 0);
    }

    #[test]
    fn an_event_that_passes_twice_is_held_once() {
        let recent = with([7, 8, 8, 7, 9]);
        assert_eq!(positions(&recent.beyond(6, 100)), [7, 8, 9]);
        assert_eq!(recent.beyond(9, 100).len(), 0);
    }

    #[test]
    fn behind_a_hole_nothing_is_held() {
        let recent = with([7, 8, 11, 12]);
        assert_eq!(recent.beyond(7, 100).len(), 0, "9 is not there");
        assert_eq!(positions(&recent.beyond(10, 100)), [11, 12]);
    }

    #[test]
    fn no_more_is_held_than_a_number_of_events() {
        let many = i64::try_from(KEPT).unwrap() + 10;
        let recent = with(1..=many);
        assert_eq!(recent.kept.len(), KEPT);
        assert_eq!(recent.beyond(9, 1).len(), 0);
        assert_eq!(positions(&recent.beyond(10, 1)), [11]);
    }
}
