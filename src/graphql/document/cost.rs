//! How many objects an operation may touch, said before it touches any.
//!
//! An object costs 1, scalars and enums nothing. What stands in a list counts as often as the list is
//! long: a paged field as many times as the page it asks for (`first` or `last`, literal, variable or
//! default; never more than a page can hold), other lists a length that is assumed, and a list looked
//! up by `ids` as many times as there are ids. A connection passes its page on to the lists it holds
//! (`edges`, `nodes`), while what it holds once (`pageInfo`) counts once. A root field of a mutation
//! costs [`MUTATION`] more, because it writes.
//!
//! The figure is an estimate from above: alternatives on a union or interface are added, not compared,
//! a page may come back half empty, `@skip` and `@include` change nothing. Introspection costs nothing
//! here; its depth and its selections are bounded by [`measure`](super::measure::measure).
//!
//! Every fragment is weighed once, after those it spreads; the type it stands on is its own, so one
//! weight holds wherever it is spread. Sums and products saturate. Fields and types that do not exist
//! weigh nothing: validation has refused them, or will.

use std::collections::HashMap;

use async_graphql::parser::types::{
    ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql::{Name, Value, Variables};

use super::fragments::in_order;
use super::limits::{Limits, Refusal, brief, grouped};
use super::shape::{self, Kind, Shape};
use crate::kernel::error::Code;

/// What a root field of a mutation costs on top of what it returns.
pub const MUTATION: u64 = 10;

/// What an operation costs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Objects, with their factors.
    pub total: u64,
    /// The root field that costs most, by its response name, and what it costs.
    pub heaviest: Option<(String, u64)>,
}

/// Weighs an operation of the document with the variables it will run with.
pub fn cost(
    doc: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &Variables,
    shape: &Shape,
    limits: &Limits,
) -> Cost {
    // A document whose fragments run in circles has been refused; it would have no end.
    let (Ok(order), Some(root)) = (in_order(doc), shape.root(operation.ty)) else {
        return Cost { total: u64::MAX, heaviest: None };
    };
    let mut scale = Scale { operation, variables, shape, limits, known: HashMap::with_capacity(order.len()) };
    for (name, fragment) in order {
        let on = &fragment.type_condition.node.on.node;
        let weight = scale.set(&fragment.selection_set.node, on);
        scale.known.insert(name, weight);
    }
    let weight = scale.set(&operation.selection_set.node, root);
    Cost { total: weight.all(), heaviest: weight.heaviest.map(|(name, cost)| (name.to_owned(), cost)) }
}

impl Cost {
    /// Refuses what costs more than an operation may, and names what to make smaller.
    pub fn within(&self, limits: &Limits) -> Result<(), Refusal> {
        if self.total <= limits.cost {
            return Ok(());
        }
        let (total, most) = (grouped(self.total), grouped(limits.cost));
        let part = self.heaviest.as_ref().map_or_else(String::new, |(name, cost)| {
            format!("; the field {} costs most of it, {}", brief(name), grouped(*cost))
        });
        Err(Refusal {
            limit: "cost",
            code: Code::QueryTooExpensive,
            message: format!("the operation costs {total}; at most {most} is taken{part}"),
            position: None,
        })
    }
}

/// What a selection set weighs.
#[derive(Clone, Copy, Default)]
struct Weight<'a> {
    /// What is there once.
    once: u64,
    /// What is there once for each item of the page, where the set stands on a connection.
    each: u64,
    /// The heaviest field at its own level.
    heaviest: Option<(&'a str, u64)>,
}

impl Weight<'_> {
    fn all(&self) -> u64 {
        self.once.saturating_add(self.each)
    }

    fn put(&mut self, other: Self) {
        self.once = self.once.saturating_add(other.once);
        self.each = self.each.saturating_add(other.each);
        let heavier = |(_, cost): &(&str, u64)| self.heaviest.is_none_or(|(_, most)| *cost > most);
        self.heaviest = other.heaviest.filter(heavier).or(self.heaviest);
    }
}

/// What weights depend on.
struct Scale<'a> {
    operation: &'a OperationDefinition,
    variables: &'a Variables,
    shape: &'a Shape,
    limits: &'a Limits,
    /// The fragments weighed so far.
    known: HashMap<&'a str, Weight<'a>>,
}

impl<'a> Scale<'a> {
    fn set(&self, set: &'a SelectionSet, parent: &str) -> Weight<'a> {
        let mut sum = Weight::default();
        for selection in &set.items {
            sum.put(match &selection.node {
                Selection::Field(field) => self.field(&field.node, parent),
                Selection::InlineFragment(inline) => {
                    let on = inline.node.type_condition.as_ref();
                    let on = on.map_or(parent, |condition| condition.node.on.node.as_str());
                    self.set(&inline.node.selection_set.node, on)
                }
                Selection::FragmentSpread(spread) => {
                    let known = self.known.get(spread.node.fragment_name.node.as_str());
                    known.copied().unwrap_or_default()
                }
            });
        }
        sum
    }

    fn field(&self, field: &'a Field, parent: &str) -> Weight<'a> {
        let Some(offered) = self.shape.field(parent, &field.name.node) else {
            return Weight::default();
        };
        let kind = self.shape.kind(&offered.output);
        let mut weight = Weight::default();
        if kind.is_some_and(Kind::is_composite) {
            weight = self.object(field, offered, parent);
        }
        if self.shape.root(OperationType::Mutation) == Some(parent) {
            weight.once = weight.once.saturating_add(MUTATION);
        }
        weight.heaviest = Some((field.response_key().node.as_str(), weight.all()));
        weight
    }

    /// The objects a field answers with, and all below them.
    fn object(&self, field: &'a Field, offered: &shape::Field, parent: &str) -> Weight<'a> {
        let mut weight = Weight::default();
        let inner = self.set(&field.selection_set.node, &offered.output);
        let one = inner.once.saturating_add(1);
        if offered.connection {
            let items = self.page(field, offered).saturating_mul(inner.each);
            weight.once = items.saturating_add(one);
        } else if offered.list && !offered.paged && shape::is_connection(parent) {
            weight.each = one;
        } else {
            weight.once = self.length(field, offered).saturating_mul(one);
        }
        weight
    }

    /// How often the object of a field that is not a connection is there.
    fn length(&self, field: &Field, offered: &shape::Field) -> u64 {
        if !offered.list {
            return 1;
        }
        if offered.paged {
            return self.page(field, offered);
        }
        match self.argument(field, offered, "ids") {
            Some(Value::List(ids)) => u64::try_from(ids.len()).unwrap_or(u64::MAX),
            Some(Value::Null) | None => self.limits.list_assumed,
            Some(_) => 1,
        }
    }

    /// The page a field asks for, within what a page can hold.
    fn page(&self, field: &Field, offered: &shape::Field) -> u64 {
        let asked = ["first", "last"].into_iter().filter_map(|name| match self.argument(field, offered, name)? {
            Value::Number(number) => number.as_i64(),
            _ => None,
        });
        asked
            .max()
            .map_or(self.limits.page_default, |page| u64::try_from(page).unwrap_or_default().min(self.limits.page_max))
    }

    /// The value of an argument: as written, else as the schema has it by default.
    fn argument(&self, field: &Field, offered: &shape::Field, name: &str) -> Option<Value> {
        let variable = |name: Name| self.variable(&name).ok_or(());
        field
            .get_argument(name)
            .and_then(|value| value.node.clone().into_const_with(variable).ok())
            .or_else(|| offered.arguments.get(name)?.default.clone())
    }

    /// The value of a variable: as sent, else as the operation has it by default.
    fn variable(&self, name: &str) -> Option<Value> {
        let default = || {
            let mut declared = self.operation.variable_definitions.iter();
            let declared = declared.find(|variable| variable.node.name.node == name)?;
            Some(declared.node.default_value.as_ref()?.node.clone())
        };
        self.variables.get(name).cloned().or_else(default)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::time::{Duration, Instant};

    use super::super::{parse, select, tests::SDL};
    use super::*;

    fn weigh(text: &str, variables: serde_json::Value) -> Cost {
        let doc = parse(text).unwrap();
        let (_, operation) = select(&doc, None).unwrap();
        let shape = Shape::from_sdl(SDL).unwrap();
        let variables = Variables::from_json(variables);
        cost(&doc, operation, &variables, &shape, &Limits::default())
    }

    fn total(text: &str) -> u64 {
        weigh(text, serde_json::Value::Null).total
    }

    #[test]
    fn objects_cost_one_and_scalars_nothing() {
        assert_eq!(total("{ __typename }"), 0);
        assert_eq!(total("{ order(id: 1) { id status } }"), 1);
        assert_eq!(total("{ order(id: 1) { customer { name } other: customer { name } } }"), 3);
        assert_eq!(total("{ missing { deeper { deepest } } }"), 0);
        assert_eq!(total("{ __schema { types { name } } }"), 0);
    }

    #[test]
    fn a_page_multiplies_what_stands_in_it_and_only_that() {
        let orders = |page: &str| {
            format!(
                "query($n: Int = 7) {{ orders{page} {{ totalCount edges {{ node {{ id }} }} pageInfo {{ hasNextPage }} }} }}"
            )
        };
        let per_page = |page: u64| 1 + 1 + page * 2;
        assert_eq!(total(&orders("(first: 3)")), per_page(3));
        assert_eq!(total(&orders("(last: 4)")), per_page(4));
        assert_eq!(total(&orders("(first: 3, last: 4)")), per_page(4));
        assert_eq!(total(&orders("(first: 0)")), per_page(0));
        assert_eq!(total(&orders("(first: -5)")), per_page(0));
        assert_eq!(total(&orders("(first: 5000)")), per_page(100));
        assert_eq!(total(&orders("")), per_page(25));
        assert_eq!(total(&orders("(first: null)")), per_page(25));
        assert_eq!(total(&orders("(first: $n)")), per_page(7));
        assert_eq!(weigh(&orders("(first: $n)"), serde_json::json!({"n": 9})).total, per_page(9));
        assert_eq!(total(&orders("(first: $unknown)")), per_page(25));
    }

    #[test]
    fn nested_pages_multiply() {
        let text = "{ orders(first: 10) { nodes { lines(first: 5) { nodes { id } } } } }";
        assert_eq!(total(text), 1 + 10 * (1 + 1 + 5));
    }

    #[test]
    fn plain_lists_have_an_assumed_length_and_ids_their_own() {
        assert_eq!(total("{ order(id: 1) { notes { text } } }"), 1 + 10);
        assert_eq!(total("{ order(id: 1) { tags } }"), 1);
        assert_eq!(total("{ recent(first: 4) { id } }"), 4);
        assert_eq!(total("{ recent { id } }"), 12);
        assert_eq!(total("{ nodes(ids: [1, 2, 3]) { id } }"), 3);
        assert_eq!(total("{ nodes(ids: 1) { id } }"), 1);
        let many: Vec<u32> = (0..500).collect();
        let text = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }";
        assert_eq!(weigh(text, serde_json::json!({ "ids": many })).total, 500);
    }

    #[test]
    fn writing_costs_more_than_reading() {
        let text = "mutation { ...F } fragment F on Mutation { cancel(id: 1) { id } ping }";
        assert_eq!(total(text), 1 + 2 * MUTATION);
    }

    #[test]
    fn a_fragment_weighs_the_same_wherever_it_stands() {
        let text = "{ a: orders(first: 2) { ...C } b: orders(first: 3) { ...C } } \
                    fragment C on OrderConnection { ... { edges { ...E } } } \
                    fragment E on OrderEdge { node { ... on Order { id } } }";
        assert_eq!(total(text), (1 + 2 * 2) + (1 + 3 * 2));
    }

    #[test]
    fn the_refusal_names_the_heaviest_field() {
        let text = "{ order(id: 1) { id } ...F } fragment F on Query \
                    { big: orders(first: 100) { nodes { lines(first: 50) { nodes { id } } } } }";
        let found = weigh(text, serde_json::Value::Null);
        assert_eq!(found.heaviest, Some(("big".into(), 5_201)));
        let refusal = found.within(&Limits::default()).unwrap_err();
        let message = "the operation costs 5,202; at most 1,000 is taken; \
                       the field big costs most of it, 5,201";
        assert_eq!((refusal.message.as_str(), refusal.code), (message, Code::QueryTooExpensive));
        assert!(weigh("{ order(id: 1) { id } }", serde_json::Value::Null).within(&Limits::default()).is_ok());
    }

    #[test]
    fn fragments_that_double_are_weighed_at_once_and_saturate() {
        let mut text = String::from("query { ...F0 }");
        for level in 0..100 {
            write!(text, " fragment F{level} on Query {{ ...F{0} ...F{0} }}", level + 1).unwrap();
        }
        text += " fragment F100 on Query { order(id: 1) { id } }";
        let started = Instant::now();
        assert_eq!(total(&text), u64::MAX);
        assert!(started.elapsed() < Duration::from_millis(500), "parsing included");
    }

    #[test]
    fn a_cycle_costs_more_than_anything() {
        assert_eq!(total("{ ...F } fragment F on Query { ...F }"), u64::MAX);
    }
}
