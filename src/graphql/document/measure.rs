//! How large a document is once its fragments are put in place.
//!
//! A few hundred bytes of fragments that spread one another can stand for millions of selections, and
//! everything that runs later (the engine's own checks, validation, execution) walks the expanded
//! form. Here it is counted without being built: every fragment is measured once, after those it
//! spreads (`in_order`), and what it comes to is added wherever it is spread. Sums saturate, so there
//! is nothing to overflow. The walk of one body is as deep as its selection sets are nested, which the
//! scan and the parser have bounded.
//!
//! Operations are counted together where the engine walks all of them, whichever is to run. A
//! fragment that nobody spreads is not counted: it is visited once, as it stands, and the token limit
//! bounds that. `@skip` and `@include` change nothing.
//!
//! Not promised: that fields exist, or that the answer is small. That is for validation and for
//! [`cost`](super::cost::cost).

use std::collections::HashMap;

use async_graphql::parser::types::{ExecutableDocument, OperationDefinition, OperationType, Selection, SelectionSet};
use async_graphql::{Pos, Positioned};

use super::fragments::in_order;
use super::limits::{Limits, Refusal};
use crate::kernel::error::Code;

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measure {
    /// Operations of the document.
    pub operations: usize,
    /// Variables declared by all of them.
    pub variables: usize,
    /// Selections (fields, spreads and inline fragments) of all operations.
    pub selections: usize,
    /// Aliases of all operations.
    pub aliases: usize,
    /// Directives of all operations, of their selections and of their variables.
    pub directives: usize,
    /// Root fields of the operation that has most.
    pub root_fields: usize,
    /// Root fields of the mutation that has most.
    pub mutations: usize,
    /// Fields below one another, in the deepest operation.
    pub depth: usize,
    /// The same below `__schema` and `__type`, that field included.
    pub introspection_depth: usize,
    /// Selection sets inside one another, in the deepest operation.
    pub nesting: usize,
}

/// Counts the document and refuses it at the first limit it breaks.
pub fn measure(doc: &ExecutableDocument, limits: &Limits) -> Result<Measure, Refusal> {
    let mut known = HashMap::with_capacity(doc.fragments.len());
    for (name, fragment) in in_order(doc)? {
        let mut tally = Tally::of(&fragment.selection_set.node, &known);
        tally.count(0, 0, fragment.directives.len());
        known.insert(name, tally);
    }
    let mut total = Measure::default();
    // In the order of the text, so that the same document is refused at the same place.
    let mut operations: Vec<_> = doc.operations.iter().map(|(_, it)| it).collect();
    operations.sort_unstable_by_key(|operation| operation.pos);
    for Positioned { node, pos } in operations {
        total.add(node, &Tally::of(&node.selection_set.node, &known));
        total.check(limits, *pos)?;
    }
    Ok(total)
}

impl Measure {
    fn add(&mut self, operation: &OperationDefinition, tally: &Tally) {
        let variables = &operation.variable_definitions;
        let own = variables.iter().map(|variable| variable.node.directives.len());
        let own = own.fold(operation.directives.len(), usize::saturating_add);
        for (sum, more) in [
            (&mut self.operations, 1),
            (&mut self.variables, variables.len()),
            (&mut self.selections, tally.selections),
            (&mut self.aliases, tally.aliases),
            (&mut self.directives, tally.directives.saturating_add(own)),
        ] {
            *sum = sum.saturating_add(more);
        }
        if operation.ty == OperationType::Mutation {
            self.mutations = self.mutations.max(tally.fields);
        }
        self.root_fields = self.root_fields.max(tally.fields);
        self.depth = self.depth.max(tally.depth);
        self.introspection_depth = self.introspection_depth.max(tally.introspection);
        self.nesting = self.nesting.max(tally.nesting);
    }

    #[rustfmt::skip]
    fn check(&self, limits: &Limits, position: Pos) -> Result<(), Refusal> {
        const LARGE: Code = Code::QueryTooLarge;
        const DEEP: Code = Code::QueryTooDeep;
        for (limit, code, what, figure, most) in [
            ("operations", LARGE, "the document has {} operations", self.operations, limits.operations),
            ("variables", LARGE, "the document declares {} variables", self.variables, limits.variables),
            ("nesting", DEEP, "with its fragments put in, the document nests {} selection sets", self.nesting, limits.nesting),
            ("depth", DEEP, "the document asks for {} levels of fields", self.depth, limits.depth),
            ("introspection_depth", DEEP, "the document asks for {} levels of introspection", self.introspection_depth, limits.introspection_depth),
            ("selections", LARGE, "with its fragments put in, the document has {} selections", self.selections, limits.selections),
            ("aliases", LARGE, "with its fragments put in, the document has {} aliases", self.aliases, limits.aliases),
            ("directives", LARGE, "with its fragments put in, the document has {} directives", self.directives, limits.directives),
            ("root_fields", LARGE, "the operation has {} root fields", self.root_fields, limits.root_fields),
        ] {
            if figure > most {
                return Err(Refusal::over(limit, code, what, figure, most).at(position));
            }
        }
        Ok(())
    }
}

/// What one selection set comes to, expanded.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    /// Fields at its own level.
    fields: usize,
    selections: usize,
    aliases: usize,
    directives: usize,
    depth: usize,
    introspection: usize,
    nesting: usize,
}

impl Tally {
    fn of(set: &SelectionSet, known: &HashMap<&str, Self>) -> Self {
        let mut tally = Self::default();
        for Positioned { node, .. } in &set.items {
            match node {
                Selection::Field(field) => {
                    let field = &field.node;
                    tally.put(&Self::of(&field.selection_set.node, known).below(&field.name.node));
                    tally.count(1, usize::from(field.alias.is_some()), field.directives.len());
                }
                Selection::InlineFragment(inline) => {
                    tally.put(&Self::of(&inline.node.selection_set.node, known));
                    tally.count(1, 0, inline.node.directives.len());
                }
                Selection::FragmentSpread(spread) => {
                    let inner = known.get(spread.node.fragment_name.node.as_str());
                    tally.put(&inner.copied().unwrap_or_default());
                    tally.count(1, 0, spread.node.directives.len());
                }
            }
        }
        tally.nesting = tally.nesting.saturating_add(usize::from(!set.items.is_empty()));
        tally
    }

    /// The same seen from the field it hangs on. Introspection is measured apart from the rest: for
    /// the rest, the field that begins it is a leaf.
    fn below(self, field: &str) -> Self {
        let (depth, introspection) = match field {
            "__schema" | "__type" => (0, self.depth.max(self.introspection).saturating_add(1)),
            _ if self.introspection > 0 => (self.depth, self.introspection.saturating_add(1)),
            _ => (self.depth, 0),
        };
        Self { fields: 1, depth: depth.saturating_add(1), introspection, ..self }
    }

    /// Puts what `other` stands for in here.
    fn put(&mut self, other: &Self) {
        self.fields = self.fields.saturating_add(other.fields);
        self.count(other.selections, other.aliases, other.directives);
        self.depth = self.depth.max(other.depth);
        self.introspection = self.introspection.max(other.introspection);
        self.nesting = self.nesting.max(other.nesting);
    }

    fn count(&mut self, selections: usize, aliases: usize, directives: usize) {
        self.selections = self.selections.saturating_add(selections);
        self.aliases = self.aliases.saturating_add(aliases);
        self.directives = self.directives.saturating_add(directives);
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::time::{Duration, Instant};

    use super::super::{parse, scan, tests::INTROSPECTION};
    use super::*;

    fn figures(text: &str) -> Measure {
        measure(&parse(text).unwrap(), &Limits::default()).unwrap()
    }

    fn refused(text: &str) -> &'static str {
        measure(&parse(text).unwrap(), &Limits::default()).unwrap_err().limit
    }

    #[test]
    fn a_fragment_used_twice_is_counted_twice_but_walked_once() {
        let found = figures("{ a { ...F } b { ...F } } fragment F on T @f { x: y @g z }");
        assert_eq!(found.selections, 2 + 2 + 4);
        assert_eq!(found.aliases, 2);
        assert_eq!(found.directives, 4);
        assert_eq!((found.depth, found.nesting, found.root_fields), (2, 3, 2));
    }

    #[test]
    fn root_fields_are_counted_through_fragments() {
        let text = "mutation { ...F ... { c ...F } } fragment F on M { a b }";
        assert_eq!((figures(text).root_fields, figures(text).mutations), (5, 5));
        let eleven = format!("{{ ...F }} fragment F on Q {{ {} }}", "a ".repeat(11));
        assert_eq!(refused(&eleven), "root_fields");
    }

    #[test]
    fn operations_and_variables_are_counted_for_the_document() {
        let found = figures("query A($a: Int @x, $b: Int) @y { a } query B($c: Int) { a @z }");
        assert_eq!((found.operations, found.variables, found.directives), (2, 3, 3));
        let many: String = (0..11).fold(String::new(), |text, n| text + &format!("query Q{n}{{a}}"));
        assert_eq!(refused(&many), "operations");
        let many: String = (0..101).fold(String::new(), |text, n| text + &format!("$v{n}:Int "));
        assert_eq!(refused(&format!("query({many}){{a}}")), "variables");
    }

    #[test]
    fn depth_is_counted_in_fields_and_introspection_has_its_own() {
        let nested = |name: &str, times: usize| format!("{}x{}", format!("{name}{{").repeat(times), "}".repeat(times));
        assert_eq!(figures(&format!("{{{}}}", nested("a", 9))).depth, 10);
        assert_eq!(refused(&format!("{{{}}}", nested("a", 10))), "depth");
        let found = figures(&format!("{{ a {{ ... {{ b }} }} __schema {{ {} }} }}", nested("a", 13)));
        assert_eq!((found.depth, found.introspection_depth), (2, 15));
        assert_eq!(refused(&format!("{{ __type {{ {} }} }}", nested("a", 14))), "introspection_depth");
        let hidden = format!("{{ __type {{ ...F }} }} fragment F on T {{ {} }}", nested("a", 14));
        assert_eq!(refused(&hidden), "introspection_depth");
        assert_eq!(figures("{ a { __schema { types { name } } } }").introspection_depth, 4);
    }

    #[test]
    fn the_query_every_tool_sends_first_passes() {
        scan(INTROSPECTION, &Limits::default()).unwrap();
        let found = figures(INTROSPECTION);
        assert_eq!((found.depth, found.introspection_depth), (1, 15));
    }

    #[test]
    fn fragments_that_double_are_counted_at_once() {
        for levels in [30, 200] {
            let mut text = String::from("{ ...F0 }");
            for level in 0..levels {
                write!(text, " fragment F{level} on T {{ ...F{0} ...F{0} }}", level + 1).unwrap();
            }
            write!(text, " fragment F{levels} on T {{ a }}").unwrap();
            let doc = parse(&text).unwrap();
            let started = Instant::now();
            let limits = Limits { nesting: usize::MAX, ..Limits::default() };
            let refusal = measure(&doc, &limits).unwrap_err();
            assert!(started.elapsed() < Duration::from_millis(20));
            assert_eq!(refusal.limit, "selections");
            assert!(refusal.message.contains("more than 1,000,000 selections"));
        }
    }

    #[test]
    fn aliases_and_directives_are_counted_where_they_land() {
        let aliases: String = (0..16).fold(String::new(), |text, n| text + &format!("a{n}:a "));
        assert_eq!(refused(&format!("{{ x {{...F}} y {{...F}} }} fragment F on T {{ {aliases} }}")), "aliases");
        let limits = Limits { selections: usize::MAX, ..Limits::default() };
        let doc = parse(&format!("{{{}}}", "a:b ".repeat(10_000))).unwrap();
        assert_eq!(measure(&doc, &limits).unwrap_err().limit, "aliases");
        assert_eq!(refused(&format!("{{ x {} }}", "@d ".repeat(21))), "directives");
        assert_eq!(refused(&format!("query {} {{ x }}", "@d ".repeat(21))), "directives");
        assert_eq!(refused(&format!("query($a: Int {}) {{ x }}", "@d ".repeat(21))), "directives");
    }

    #[test]
    fn a_long_chain_of_fragments_is_refused_without_a_deep_stack() {
        let mut text = String::from("{ ...F0 } fragment F500 on T { a }");
        for level in 0..500 {
            write!(text, " fragment F{level} on T {{ ...F{} }}", level + 1).unwrap();
        }
        let thread = std::thread::Builder::new().stack_size(256 * 1024);
        let limit = thread.spawn(move || refused(&text)).unwrap().join().unwrap();
        assert_eq!(limit, "nesting");
    }

    #[test]
    fn a_fragment_cycle_is_refused_as_invalid() {
        for text in [
            "{ ...A } fragment A on T { ...A }",
            "{ x } fragment A on T { b { ...B } } fragment B on T { ... { ...A } }",
        ] {
            let refusal = measure(&parse(text).unwrap(), &Limits::default()).unwrap_err();
            assert_eq!(refusal.code, Code::ValidationFailed);
            assert!(refusal.position.is_some());
        }
    }

    /// Selections counted the slow way: by walking into every spread.
    fn expanded(doc: &ExecutableDocument, set: &SelectionSet) -> usize {
        let inner = |selection: &Positioned<Selection>| match &selection.node {
            Selection::Field(field) => expanded(doc, &field.node.selection_set.node),
            Selection::InlineFragment(inline) => expanded(doc, &inline.node.selection_set.node),
            Selection::FragmentSpread(spread) => doc
                .fragments
                .get(&spread.node.fragment_name.node)
                .map_or(0, |fragment| expanded(doc, &fragment.node.selection_set.node)),
        };
        set.items.iter().map(|selection| 1 + inner(selection)).sum()
    }

    #[test]
    fn counting_agrees_with_expanding_for_random_documents() {
        fn body(random: &mut impl FnMut(usize) -> usize, level: usize, first: usize) -> String {
            let mut text = String::from("{ x ");
            for _ in 0..random(3) {
                let piece = match random(if level < 4 { 5 } else { 2 }) {
                    0 => "y: z ".to_owned(),
                    1 if first < 6 => format!("...F{} ", first + random(6 - first)),
                    2 => format!("... on T {} ", body(random, level + 1, first)),
                    _ => format!("a {} ", body(random, level + 1, first)),
                };
                text += &piece;
            }
            text + "}"
        }
        let mut state = 42_u64;
        let mut random = move |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(state >> 33).unwrap() % below
        };
        let limits = Limits {
            selections: usize::MAX,
            aliases: usize::MAX,
            depth: 99,
            root_fields: usize::MAX,
            ..Limits::default()
        };
        for _ in 0..500 {
            let mut text = format!("query A {} query B {}", body(&mut random, 0, 0), body(&mut random, 0, 0));
            for fragment in 0..6 {
                write!(text, " fragment F{fragment} on T {}", body(&mut random, 2, fragment + 1)).unwrap();
            }
            let doc = parse(&text).unwrap();
            let slow: usize =
                doc.operations.iter().map(|(_, operation)| expanded(&doc, &operation.node.selection_set.node)).sum();
            assert_eq!(measure(&doc, &limits).unwrap().selections, slow, "{text}");
        }
    }
}
