//! The order in which fragments can be walked without ever walking into one.
//!
//! Fragments call one another like functions. Followed by recursion, a chain of them is as deep as
//! the document is long, a pair that doubles is exponential, and a cycle has no end. Sorted so that
//! each comes after all those it spreads, every fragment is walked once, and what was learnt of it is
//! looked up wherever it is spread. The sort keeps its own stack, so its depth costs memory only.
//!
//! Spreads of fragments that do not exist are passed over: the validator names them.

use std::collections::HashMap;

use async_graphql::parser::types::{ExecutableDocument, FragmentDefinition, FragmentSpread, Selection, SelectionSet};
use async_graphql::{Name, Positioned};

use super::limits::{Refusal, brief};
use crate::kernel::error::Code;

/// All fragments of the document, each after those it spreads; refused if that cannot be.
pub(super) fn in_order(doc: &ExecutableDocument) -> Result<Vec<(&str, &FragmentDefinition)>, Refusal> {
    let mut names: Vec<&str> = doc.fragments.keys().map(Name::as_str).collect();
    names.sort_unstable();
    let mut done: HashMap<&str, bool> = HashMap::with_capacity(names.len());
    let mut order = Vec::with_capacity(names.len());
    let mut stack = Vec::new();
    for start in names {
        let mut next = Some(start);
        loop {
            if let Some((name, fragment)) = next.and_then(|name| doc.fragments.get_key_value(name))
                && !done.contains_key(name.as_str())
            {
                done.insert(name, false);
                let body = &fragment.node;
                stack.push((name.as_str(), body, spreads(&body.selection_set.node).into_iter()));
            }
            let Some((name, body, rest)) = stack.last_mut() else {
                break;
            };
            next = rest.next().map(|spread| spread.node.fragment_name.node.as_str());
            match next {
                Some(inner) if done.get(inner) == Some(&false) => return Err(cycle(doc, inner)),
                Some(_) => {}
                None => {
                    done.insert(name, true);
                    order.push((*name, *body));
                    stack.pop();
                }
            }
        }
    }
    Ok(order)
}

/// The spreads in a selection set, at any level.
fn spreads(set: &SelectionSet) -> Vec<&Positioned<FragmentSpread>> {
    let (mut found, mut open) = (Vec::new(), vec![set]);
    while let Some(set) = open.pop() {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => open.push(&field.node.selection_set.node),
                Selection::InlineFragment(inline) => open.push(&inline.node.selection_set.node),
                Selection::FragmentSpread(spread) => found.push(spread),
            }
        }
    }
    found
}

fn cycle(doc: &ExecutableDocument, name: &str) -> Refusal {
    Refusal {
        limit: "fragments",
        code: Code::ValidationFailed,
        message: format!("the fragment {} spreads itself, directly or through others", brief(name)),
        position: doc.fragments.get(name).map(|fragment| fragment.pos),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::super::parse;
    use super::*;

    fn names(text: &str) -> Result<Vec<String>, String> {
        let doc = parse(text).unwrap();
        let order = in_order(&doc).map_err(|refusal| refusal.message)?;
        Ok(order.into_iter().map(|(name, _)| name.into()).collect())
    }

    #[test]
    fn each_fragment_comes_after_those_it_spreads() {
        let text = "{...A} fragment A on T {x {...C ...B}} fragment B on T {... {...C}} \
                    fragment C on T {x ...Missing}";
        assert_eq!(names(text).unwrap(), ["C", "B", "A"]);
    }

    #[test]
    fn a_fragment_that_reaches_itself_is_refused() {
        let own = names("{...A} fragment A on T {x {...A}}").unwrap_err();
        assert_eq!(own, "the fragment A spreads itself, directly or through others");
        assert!(names("{x} fragment A on T {...B} fragment B on T {...A}").is_err());
        let long = "{x} fragment A on T {...B} fragment B on T {...C ...D} \
                    fragment C on T {x} fragment D on T {x {...B}}";
        assert!(names(long).unwrap_err().contains("fragment B"));
    }

    #[test]
    fn a_long_chain_needs_no_stack() {
        let mut text = String::from("{...F0} fragment F5000 on T {x}");
        for index in 0..5_000 {
            write!(text, " fragment F{index} on T {{...F{}}}", index + 1).unwrap();
        }
        assert_eq!(names(&text).unwrap().len(), 5_001);
    }
}
