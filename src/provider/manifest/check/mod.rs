//! Whether the parts of a manifest fit together.
//!
//! Shapes see one value at a time. Here it is seen whether names lead somewhere ([`names`]), whether the parts
//! agree ([`parts`]), whether every example is an example of what it stands by ([`examples`]), which runs the
//! engines on them, and whether the proof of an account is one ([`proof`]). So a file that is loaded has been tried.

mod examples;
mod names;
mod parts;
mod proof;

use super::{Manifest, problem::Line, reader::Reader};

/// Notes what does not fit.
pub(super) fn check(manifest: &Manifest, reader: &mut Reader) {
    names::check(manifest, reader);
    parts::check(manifest, reader);
    // Examples of parts that do not fit would only repeat it.
    if reader.problems.is_empty() {
        examples::check(manifest, reader);
        proof::check(manifest, reader);
    }
}

/// Notes the second of two that have the same name.
fn unique<'a>(reader: &mut Reader, what: &str, names: impl Iterator<Item = (Line, &'a str)>) {
    let mut seen = std::collections::BTreeMap::new();
    for (line, name) in names {
        if let Some(first) = seen.insert(name, line) {
            let first: Line = first;
            reader.problem(
                line,
                format!("{what} `{name}` is there twice, first in line {}; give each its own name", first.0),
            );
        }
    }
}

/// Suggests one of several names.
fn known<'a>(name: &str, names: impl Iterator<Item = &'a str> + Clone) -> String {
    let hint = crate::kernel::suggest::did_you_mean(name, names.clone());
    if !hint.is_empty() {
        return hint;
    }
    let all: Vec<&str> = names.collect();
    if all.is_empty() { "; there is none here".to_owned() } else { format!("; there is {}", all.join(", ")) }
}
