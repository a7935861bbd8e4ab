//! What must hold of everything sealed, tried over many seeded cases: what was damaged, cut, lengthened,
//! moved or put together from pieces does not open, and nothing that is opened makes the program panic.
//!
//! The tests beside `seal` and `data_key` show each rule once, on an example that can be read; these look for
//! the case nobody thought of. A failure names its case, which the same seed makes again.

use rand::{RngExt, SeedableRng, rngs::StdRng};
use uuid::Uuid;

use super::{DataKey, Key, OpenError, Place, Ring, WrappedKey};
use crate::kernel::{chance::SeededChance, secret::Secret};

const CASES: u64 = 200;

/// Where something is sealed, owned so that it can be changed.
#[derive(Clone, Debug, PartialEq)]
struct Cell {
    tenant: Uuid,
    table: String,
    column: String,
    row: Uuid,
}

impl Cell {
    fn random(dice: &mut StdRng) -> Self {
        let (tenant, row) = (Uuid::from_u128(dice.random()), Uuid::from_u128(dice.random()));
        Self { tenant, table: word(dice), column: word(dice), row }
    }

    fn place(&self) -> Place<'_> {
        Place { tenant: self.tenant, table: &self.table, column: &self.column, row: self.row }
    }
}

/// Something sealed, with all that opens it.
struct Case {
    key: Key,
    cell: Cell,
    plain: Vec<u8>,
    sealed: Vec<u8>,
}

impl Case {
    fn random(dice: &mut StdRng) -> Self {
        let chance = SeededChance::new(dice.random());
        let key = Key::new(dice.random(), &chance);
        let (cell, plain) = (Cell::random(dice), bytes(dice, 300));
        let sealed = key.seal(cell.place(), &plain, &chance);
        Self { key, cell, plain, sealed }
    }

    fn opens(&self, sealed: &[u8]) -> bool {
        self.key.open(self.cell.place(), sealed).is_ok()
    }
}

fn word(dice: &mut StdRng) -> String {
    let length = dice.random_range(0..12);
    (0..length).map(|_| char::from(dice.random_range(b'a'..=b'z'))).collect()
}

fn bytes(dice: &mut StdRng, most: usize) -> Vec<u8> {
    let length = dice.random_range(0..=most);
    (0..length).map(|_| dice.random()).collect()
}

/// Runs a rule over many cases, each with dice of its own.
fn always(rule: impl Fn(&mut StdRng)) {
    for seed in 0..CASES {
        // Shown only when the rule fails.
        println!("case {seed}");
        rule(&mut StdRng::seed_from_u64(seed));
    }
}

/// The bytes with one of them changed, for each of them.
fn damaged<'a>(whole: &'a [u8], dice: &'a mut StdRng) -> impl Iterator<Item = (usize, Vec<u8>)> + 'a {
    (0..whole.len()).map(move |at| {
        let mut changed = whole.to_vec();
        changed[at] ^= dice.random_range(1..=255_u8);
        (at, changed)
    })
}

#[test]
fn what_was_sealed_opens_and_nothing_damaged_cut_or_lengthened_does() {
    always(|dice| {
        let case = Case::random(dice);
        assert_eq!(*case.key.open(case.cell.place(), &case.sealed).unwrap(), case.plain);
        for (at, changed) in damaged(&case.sealed, dice) {
            assert!(!case.opens(&changed), "byte {at}");
        }
        for length in 0..case.sealed.len() {
            assert!(!case.opens(&case.sealed[..length]), "cut to {length}");
            assert!(!case.opens(&case.sealed[length + 1..]), "without its first {}", length + 1);
        }
        for _ in 0..20 {
            let more = [bytes(dice, 40), vec![dice.random()]].concat();
            assert!(!case.opens(&[&case.sealed[..], &more].concat()), "lengthened by {}", more.len());
            assert!(!case.opens(&[&more[..], &case.sealed].concat()), "begun with {} more", more.len());
        }
    });
}

#[test]
fn every_format_but_ours_is_refused_as_such() {
    always(|dice| {
        let case = Case::random(dice);
        for format in (0..=255).filter(|format| *format != case.sealed[0]) {
            let changed = [&[format], &case.sealed[1..]].concat();
            assert_eq!(case.key.open(case.cell.place(), &changed), Err(OpenError::Form), "format {format}");
        }
    });
}

#[test]
fn nothing_opens_in_another_tenant_table_column_or_row() {
    always(|dice| {
        let case = Case::random(dice);
        let (here, there) = (&case.cell, Cell::random(dice));
        let moved = [
            Cell { tenant: there.tenant, ..here.clone() },
            Cell { table: there.table.clone(), ..here.clone() },
            Cell { column: there.column.clone(), ..here.clone() },
            Cell { row: there.row, ..here.clone() },
            Cell { tenant: here.row, row: here.tenant, ..here.clone() },
            Cell { table: here.column.clone(), column: here.table.clone(), ..here.clone() },
            // Read in one breath, these two are the same words.
            Cell { table: format!("{}{}", here.table, here.column), column: String::new(), ..here.clone() },
            Cell { table: String::new(), column: format!("{}{}", here.table, here.column), ..here.clone() },
        ];
        for cell in moved.iter().filter(|cell| *cell != here) {
            assert_eq!(case.key.open(cell.place(), &case.sealed), Err(OpenError::Broken), "{cell:?}");
        }
    });
}

#[test]
fn another_version_is_told_and_cannot_be_written_over() {
    always(|dice| {
        let case = Case::random(dice);
        let version = case.key.version();
        let other = version.wrapping_add(dice.random_range(1..=u32::MAX));
        let renamed = Key::from_bytes(other, case.key.bytes()).unwrap();
        let place = case.cell.place();
        assert_eq!(renamed.open(place, &case.sealed), Err(OpenError::Version(version)));
        // The version in the open is changed to the one that the key has: the same bytes, yet it does not open.
        let mut changed = case.sealed.clone();
        changed[1..5].copy_from_slice(&other.to_be_bytes());
        assert_eq!(renamed.open(place, &changed), Err(OpenError::Broken));
        assert_eq!(case.key.open(place, &changed), Err(OpenError::Version(other)));
        // Another key of the same version is no help either.
        let stranger = Key::new(version, &SeededChance::new(dice.random()));
        assert_eq!(stranger.open(place, &case.sealed), Err(OpenError::Broken));
    });
}

#[test]
fn pieces_of_two_sealed_values_do_not_open_together() {
    always(|dice| {
        let one = Case::random(dice);
        let chance = SeededChance::new(dice.random());
        let two = one.key.seal(one.cell.place(), &bytes(dice, 300), &chance);
        for at in (1..one.sealed.len().min(two.len())).filter(|at| one.sealed[..*at] != two[..*at]) {
            assert!(!one.opens(&[&one.sealed[..at], &two[at..]].concat()), "the second from {at} on");
            assert!(!one.opens(&[&two[..at], &one.sealed[at..]].concat()), "the first from {at} on");
        }
    });
}

#[test]
fn arbitrary_bytes_never_open_and_never_panic() {
    always(|dice| {
        let case = Case::random(dice);
        for _ in 0..50 {
            let mut found = bytes(dice, 200);
            assert!(!case.opens(&found));
            // With the beginning of something of ours, so that they get further.
            let begun = dice.random_range(0..=17).min(found.len()).min(case.sealed.len());
            found[..begun].copy_from_slice(&case.sealed[..begun]);
            assert!(!case.opens(&found));
            let _ = DataKey::version_of(&found);
            let wrapped =
                WrappedKey { version: dice.random(), master: dice.random(), check: dice.random(), sealed: found };
            assert!(DataKey::unwrap(case.cell.tenant, &wrapped, &case.key).is_err());
        }
    });
}

#[test]
fn a_wrapped_key_opens_as_it_was_wrapped_and_in_no_other_way() {
    always(|dice| {
        let chance = SeededChance::new(dice.random());
        let master = Key::new(dice.random(), &chance);
        let (tenant, other) = (Uuid::from_u128(dice.random()), Uuid::from_u128(dice.random()));
        let key = DataKey::new(tenant, dice.random(), &chance);
        let wrapped = key.wrap(&master, &chance);
        let opens = |wrapped: &WrappedKey| DataKey::unwrap(tenant, wrapped, &master).is_ok();
        assert!(opens(&wrapped));
        for (at, sealed) in damaged(&wrapped.sealed, dice) {
            assert!(!opens(&WrappedKey { sealed, ..wrapped.clone() }), "byte {at}");
        }
        for length in 0..wrapped.sealed.len() {
            let sealed = wrapped.sealed[..length].to_vec();
            assert!(!opens(&WrappedKey { sealed, ..wrapped.clone() }), "cut to {length}");
        }
        let sealed = [&wrapped.sealed[..], &[dice.random()]].concat();
        assert!(!opens(&WrappedKey { sealed, ..wrapped.clone() }), "lengthened");
        for (at, check) in damaged(&wrapped.check, dice) {
            let check = check.try_into().unwrap();
            assert!(!opens(&WrappedKey { check, ..wrapped.clone() }), "byte {at} of the check value");
        }
        let version = wrapped.version.wrapping_add(1);
        assert!(!opens(&WrappedKey { version, ..wrapped.clone() }), "another version");
        assert!(DataKey::unwrap(other, &wrapped, &master).is_err(), "another tenant");
        let neighbour = DataKey::new(other, wrapped.version, &chance).wrap(&master, &chance);
        assert!(!opens(&neighbour), "another tenant's key in its place");
        let later = DataKey::new(tenant, version, &chance).wrap(&master, &chance);
        assert!(!opens(&WrappedKey { version: wrapped.version, ..later }), "a later key in its place");
        // Whatever master key a row claims, the one that is picked for it has to be the one that wrapped it.
        let renamed = Key::from_bytes(master.version().wrapping_add(1), master.bytes()).unwrap();
        assert_eq!(
            DataKey::unwrap(tenant, &wrapped, &renamed).map(drop),
            Err(OpenError::Version(master.version())),
            "another master key"
        );
    });
}

#[test]
fn a_check_value_changes_with_every_bit_of_its_key_and_with_nothing_else() {
    always(|dice| {
        let key = Key::new(dice.random(), &SeededChance::new(dice.random()));
        let again = Key::from_bytes(dice.random(), key.bytes()).unwrap();
        assert_eq!(key.check(), again.check());
        for bit in 0..256 {
            let mut changed = *key.bytes();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(Key::from_bytes(1, &changed).unwrap().check(), key.check(), "bit {bit}");
        }
        assert!(!key.check().windows(4).any(|part| key.bytes().windows(4).any(|of| of == part)));
    });
}

#[test]
fn a_ring_reads_any_text_without_panicking_and_repeats_none_of_it() {
    const LETTERS: &[char] =
        &['0', '1', '9', 'a', 'f', 'Z', '+', '/', '=', ':', ',', ' ', '\n', '-', '.', 'é', '\u{0}'];
    always(|dice| {
        for _ in 0..50 {
            let length = dice.random_range(0..120);
            let text: String = (0..length).map(|_| LETTERS[dice.random_range(0..LETTERS.len())]).collect();
            if let Err(error) = Ring::parse(&Secret::from(text.clone())) {
                let said = error.to_string();
                let pieces = text.split(|c: char| !c.is_alphanumeric()).filter(|piece| piece.len() > 10);
                for piece in pieces {
                    assert!(!said.contains(piece), "{said}");
                }
            }
        }
    });
}
