//! Everything that bounds and prepares a document before the engine executes it.
//!
//! ```text
//! text ─▶ scan ─▶ parse ─▶ measure ─▶ usage ─▶ (validation by the engine, cached) ─▶ coerce ─▶ cost ─▶ run
//!         bytes   syntax   expanded    variables  names and types                    values    objects
//! ```
//!
//! The order is that of what each step may rely on. [`scan()`] reads the raw text without recursion,
//! so that the parser's stack is bounded. [`parse`] gives a tree whose nesting is bounded. [`measure()`]
//! counts that tree with its fragments put in, without building it, so that every later walk, the
//! engine's included, is bounded in time and stack. [`usage()`] compares the types of variables with those
//! of the places where they stand. The outcome of all four belongs to the text, as validation's does, and
//! may be cached with it. [`coerce()`] and [`cost()`]
//! depend on the variables too and run for each request, against the [`Shape`] of the schema; the cost
//! comes last, because it trusts the types of what it reads.
//!
//! All of it is pure: no clock, no I/O, no shared state. A step answers or gives a [`Refusal`] (issues,
//! for variables), and the caller turns that into a response and counts it under the label of the
//! limit. Nothing here panics, whatever the text is.
//!
//! Not promised: that a document is valid (the engine says so), that the caller may see what it asks
//! for (guards and selectors say so), or that resolvers are quick (time limits say so).

pub mod coerce;
pub mod cost;
mod fragments;
pub mod limits;
pub mod measure;
mod nul;
pub mod scan;
pub mod shape;
mod syntax;
pub mod usage;

use async_graphql::Name;
use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, OperationDefinition};

pub use coerce::coerce;
pub use cost::{Cost, cost};
pub use limits::{Limits, Refusal};
pub use measure::{Measure, measure};
pub use scan::scan;
pub use shape::Shape;
pub use usage::usage;

use crate::kernel::error::Code;

/// Parses a text that [`scan()`] has let through.
pub fn parse(text: &str) -> Result<ExecutableDocument, Refusal> {
    parse_query(text).map_err(|error| syntax::explain(text, &error))
}

/// The operation to run, and its name, if it has one.
pub fn select<'a>(
    doc: &'a ExecutableDocument,
    operation_name: Option<&str>,
) -> Result<(Option<&'a str>, &'a OperationDefinition), Refusal> {
    let refused = |message: String| Refusal {
        limit: "operation",
        code: Code::OperationResolutionFailure,
        message,
        position: None,
    };
    let mut found = doc.operations.iter();
    let (name, operation) = match operation_name {
        Some(wanted) => {
            let named = found.find(|(name, _)| name.is_some_and(|name| name == wanted));
            named.ok_or_else(|| refused("the document has no operation of that name".to_owned()))?
        }
        None => match (found.next(), found.len()) {
            (Some(only), 0) => only,
            (_, others) => {
                let count = others + 1;
                let message = format!("the document has {count} operations; name the one to run");
                return Err(refused(message));
            }
        },
    };
    Ok((name.map(Name::as_str), &operation.node))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// A schema with one of everything.
    pub(super) const SDL: &str = "
        scalar Time
        enum Status { OPEN CLOSED }
        type Query {
            order(id: ID!): Order
            orders(first: Int, last: Int, status: Status): OrderConnection!
            recent(first: Int! = 12): [Order!]!
            nodes(ids: [ID!]!): [Node]!
        }
        type Mutation { cancel(id: ID!): Order! ping: Boolean! }
        interface Node { id: ID! }
        type Order implements Node {
            id: ID!
            status: Status!
            tags: [String!]!
            customer: Customer!
            notes: [Note!]!
            lines(first: Int, last: Int): LineConnection!
        }
        type Customer { name: String! }
        type Note { text: String! }
        type Line implements Node { id: ID! }
        type PageInfo { hasNextPage: Boolean! }
        type OrderConnection { edges: [OrderEdge!]! nodes: [Order!]! pageInfo: PageInfo! totalCount: Int! }
        type OrderEdge { node: Order! }
        type LineConnection { nodes: [Line!]! }
        input LineInput { sku: String! count: Int! = 1 }
        input OrderInput { name: String! lines: [LineInput!] status: Status }
        input By @oneOf { id: ID name: String }
        schema { query: Query mutation: Mutation }
    ";

    /// What consoles and generators send first.
    pub(super) const INTROSPECTION: &str = "
        query IntrospectionQuery {
          __schema {
            description
            queryType { name kind }
            mutationType { name kind }
            subscriptionType { name kind }
            types { ...FullType }
            directives { name description isRepeatable locations args(includeDeprecated: true) { ...InputValue } }
          }
        }
        fragment FullType on __Type {
          kind name description specifiedByURL isOneOf
          fields(includeDeprecated: true) {
            name description
            args(includeDeprecated: true) { ...InputValue }
            type { ...TypeRef }
            isDeprecated deprecationReason
          }
          inputFields(includeDeprecated: true) { ...InputValue }
          interfaces { ...TypeRef }
          enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason }
          possibleTypes { ...TypeRef }
        }
        fragment InputValue on __InputValue {
          name description type { ...TypeRef } defaultValue isDeprecated deprecationReason
        }
        fragment TypeRef on __Type {
          kind name
          ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType {
            kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name
          } } } } } } } } }
        }
    ";

    fn selected<'a>(doc: &'a ExecutableDocument, name: Option<&str>) -> Result<&'a str, Refusal> {
        let (name, operation) = select(doc, name)?;
        assert_eq!(operation.selection_set.node.items.len(), 1);
        Ok(name.unwrap_or("(anonymous)"))
    }

    #[test]
    fn the_only_operation_needs_no_name() {
        assert_eq!(selected(&parse("{ a }").unwrap(), None).unwrap(), "(anonymous)");
        assert_eq!(selected(&parse("query A { a }").unwrap(), None).unwrap(), "A");
    }

    #[test]
    fn one_of_several_operations_is_chosen_by_its_name() {
        let doc = parse("query A { a } query B { b }").unwrap();
        assert_eq!(selected(&doc, Some("B")).unwrap(), "B");
        let refusal = selected(&doc, None).unwrap_err();
        assert_eq!(refusal.message, "the document has 2 operations; name the one to run");
        let refusal = selected(&doc, Some("C")).unwrap_err();
        assert_eq!(refusal.code, Code::OperationResolutionFailure);
        assert!(selected(&parse("{ a }").unwrap(), Some("A")).is_err());
    }

    /// Whatever the scan lets through is parsed and measured on a small stack, in a bounded time.
    #[test]
    fn what_the_scan_lets_through_is_bounded_from_there_on() {
        let nested = |open: &str, close: &str| {
            let deep = 61;
            format!("{}1{}", open.repeat(deep), close.repeat(deep))
        };
        let texts = [
            format!("{{ a(x: {}) }}", nested("[", "]")),
            format!("{{ a(x: {}) }}", nested("{b:", "}")),
            format!("query($v: T = {}) {{ a }}", nested("[", "]")),
            format!("{{ a @d(x: {}) }}", nested("{b:", "}")),
            format!("query($v: {}T{}) {{ a }}", "[".repeat(62), "]".repeat(62)),
            format!("{}a{}", "{a".repeat(63), "}".repeat(63)),
            format!("{{{}a{}}}", "...{".repeat(62), "}".repeat(62)),
            format!("{{ a(x: [{}]) }}", "null ".repeat(1_900)),
            format!("{{ a{}b }}", " ".repeat(32_000)),
            format!("{{{}", "a{".repeat(60)),
        ];
        let limits = Limits::default();
        let work = move || {
            for text in &texts {
                scan(text, &limits).unwrap();
                let started = Instant::now();
                let _ = parse(text).and_then(|doc| measure(&doc, &limits));
                assert!(started.elapsed() < Duration::from_secs(2), "{text}");
            }
        };
        let thread = std::thread::Builder::new().stack_size(1024 * 1024);
        thread.spawn(work).unwrap().join().unwrap();
    }
}
