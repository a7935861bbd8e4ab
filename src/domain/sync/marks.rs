//! Whether pages come again.
//!
//! A provider that ignores its cursor, or whose cursors lead in a circle, would be read for ever. Of all pages that
//! were read two are remembered: the last one, and one that is moved to the present whenever twice as many pages were
//! read since it was moved last (Brent's way). Whatever comes again, after however many pages, meets the second one.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::provider::{extract::Record, paging::Position};

/// What is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Marks {
    last: String,
    anchor: String,
    place: String,
    steps: u64,
    power: u64,
    /// Records of the smallest page that another followed.
    #[serde(default)]
    least: Option<u64>,
}

impl Marks {
    /// Notes how many records a page had that another follows.
    pub(super) fn followed(&mut self, records: usize) {
        let records = records as u64;
        self.least = Some(self.least.map_or(records, |least| least.min(records)));
    }

    /// How many records lie between two pages at least.
    pub(super) fn step(&self) -> u64 {
        self.least.unwrap_or(1).max(1)
    }

    /// What is remembered when the list is read a second time.
    pub(super) fn anew(&self) -> Self {
        Self { least: self.least, ..Self::default() }
    }

    /// Remembers a page and where it leads. Says what is wrong if it was there before.
    pub(super) fn pass(&mut self, records: &[Record], next: &Position) -> Result<(), &'static str> {
        let (page, place) = (of_page(records), of_place(next));
        if !records.is_empty() && (page == self.last || page == self.anchor) {
            return Err("the provider gives the same page again");
        }
        if place == self.place {
            return Err("the provider's pointers to the next page lead in a circle");
        }
        self.steps += 1;
        if self.steps >= self.power {
            (self.steps, self.power) = (0, self.power.max(1) * 2);
            (self.anchor, self.place) = (page.clone(), place);
        }
        self.last = page;
        Ok(())
    }
}

fn of_page(records: &[Record]) -> String {
    let mut digest = Sha256::new();
    for record in records {
        digest.update(record.id.as_bytes());
        digest.update([0]);
        digest.update(record.data.to_string());
        digest.update([0]);
    }
    short(digest)
}

fn of_place(position: &Position) -> String {
    short(Sha256::new_with_prefix(format!("{position:?}")))
}

fn short(digest: Sha256) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(&digest.finalize()[..12])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page(number: usize) -> Vec<Record> {
        let id = number.to_string();
        vec![Record { data: json!({ "id": id }), id, updated_at: None, deleted: false }]
    }

    fn cursor(number: usize) -> Position {
        Position::Cursor(number.to_string())
    }

    #[test]
    fn pages_that_differ_pass_however_many() {
        let mut marks = Marks::default();
        for number in 0..10_000 {
            assert_eq!(marks.pass(&page(number), &cursor(number)), Ok(()), "{number}");
        }
    }

    #[test]
    fn a_circle_of_any_length_is_found_before_it_was_gone_through_often() {
        for (before, around) in [(0, 1), (0, 2), (5, 1), (7, 13), (100, 37), (1_000, 500)] {
            for same in ["page", "place"] {
                let mut marks = Marks::default();
                let at = |step: usize| if step < before { step } else { before + (step - before) % around };
                let found = (0..100_000).position(|step| {
                    let (of_page, of_place) = if same == "page" { (at(step), step) } else { (step, at(step)) };
                    marks.pass(&page(of_page), &cursor(of_place)).is_err()
                });
                let found = found.unwrap();
                assert!(found <= 4 * (before + around) + 2, "{before} {around} {same}: {found}");
            }
        }
    }

    #[test]
    fn empty_pages_are_no_repetition() {
        let mut marks = Marks::default();
        for number in 0..10 {
            assert_eq!(marks.pass(&[], &cursor(number)), Ok(()));
        }
    }
}
