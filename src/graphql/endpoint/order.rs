//! Fields in the order in which they were asked for.
//!
//! The specification promises that order, people read answers in it, and equal requests must give equal
//! bytes. The engine fills objects in the order in which their fields were ready. A [`Plan`] is the order
//! that a selection asks for, fragments put in, made once with the document.

use async_graphql::{
    Name, Value,
    indexmap::IndexMap,
    parser::types::{ExecutableDocument, Selection, SelectionSet},
};

/// The names of an object's fields, in order, each with the plan of what is below it.
#[derive(Debug, Default)]
pub(super) struct Plan(IndexMap<Name, Plan>);

impl Plan {
    /// The plan of a selection. Its size is bounded, because that of the expanded document is.
    pub(super) fn of(set: &SelectionSet, document: &ExecutableDocument) -> Self {
        let mut plan = Self::default();
        plan.add(set, document);
        plan
    }

    fn add(&mut self, set: &SelectionSet, document: &ExecutableDocument) {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    let below = self.0.entry(field.node.response_key().node.clone()).or_default();
                    below.add(&field.node.selection_set.node, document);
                }
                Selection::InlineFragment(inline) => self.add(&inline.node.selection_set.node, document),
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                        self.add(&fragment.node.selection_set.node, document);
                    }
                }
            }
        }
    }

    /// Puts the fields of a value, and of what is below it, in order.
    pub(super) fn apply(&self, value: &mut Value) {
        match value {
            Value::List(items) => items.iter_mut().for_each(|item| self.apply(item)),
            Value::Object(fields) if !self.0.is_empty() => {
                let in_order = self.0.keys().filter(|name| fields.contains_key(*name)).eq(fields.keys());
                if !in_order {
                    // Every field that came was asked for; one that is missing belongs to another type.
                    fields.sort_by_cached_key(|name, _| self.0.get_index_of(name).unwrap_or(usize::MAX));
                }
                for (name, below) in fields {
                    if let Some(plan) = self.0.get(name) {
                        plan.apply(below);
                    }
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{parser::parse_query, value};

    use super::*;

    #[test]
    fn fields_come_in_the_order_of_the_document_fragments_included() {
        let document = parse_query("{ ...F b { y x } a } fragment F on T { c b { z } }").unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        let plan = Plan::of(&operation.node.selection_set.node, &document);
        let mut answer = value!({ "a": 1, "b": [{ "x": 1, "y": 2, "z": 3 }], "c": null });
        plan.apply(&mut answer);
        assert_eq!(answer.to_string(), value!({ "c": null, "b": [{ "z": 3, "y": 2, "x": 1 }], "a": 1 }).to_string());
    }
}
