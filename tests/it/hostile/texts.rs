//! Texts that are not GraphQL, or are and would cost too much.

use portolan::kernel::scope::Role;

use super::{Case, Wanted, withstand};
use crate::support::{
    TestHub,
    text::{around, many},
};

const PARSE: Wanted = Wanted::Refused(200, "GRAPHQL_PARSE_FAILED");
const INVALID: Wanted = Wanted::Refused(200, "GRAPHQL_VALIDATION_FAILED");
const DEEP: Wanted = Wanted::Refused(200, "QUERY_TOO_DEEP");
const LARGE: Wanted = Wanted::Refused(200, "QUERY_TOO_LARGE");
/// The text is measured with the parameters, before it counts as a document.
const LONG: Wanted = Wanted::Refused(400, "QUERY_TOO_LARGE");

async fn refused(texts: Vec<(&str, Wanted, String)>) {
    let hub = TestHub::start().await;
    let token = hub.token(Role::Admin).await;
    let cases = texts.iter().map(|(name, wanted, text)| Case::document(name, *wanted, &token, text)).collect();
    withstand(&hub, cases).await;
}

#[tokio::test]
async fn what_is_not_graphql_is_refused() {
    let texts = [
        ("an open brace", "{"),
        ("a closing brace", "}"),
        ("an empty selection", "{ }"),
        ("a word", "viewer"),
        ("a string that is not closed", "{ tenant(id: \"abc) { id } }"),
        ("a string over two lines", "{ tenant(id: \"a\nb\") { id } }"),
        ("a block string that is not closed", "{ tenant(id: \"\"\"abc) { id } }"),
        ("a block string in disguise", "{ tenant(id: \"\"\"\\\"\"\") { id } }"),
        ("an escape nobody knows", "{ tenant(id: \"\\x\") { id } }"),
        ("an escape cut short", "{ tenant(id: \"\\u12\") { id } }"),
        ("an escaped surrogate alone", "{ tenant(id: \"\\ud800\") { id } }"),
        ("a NUL", "{ viewer \0 { role } }"),
        ("a control character", "{ viewer \u{7} { role } }"),
        ("a bidirectional override", "{ viewer \u{202e} { role } }"),
        ("a name of another alphabet", "{ vіewer { role } }"),
        ("an emoji for a field", "{ 🚢 }"),
        ("no colon", "{ tenant(id \"a\") { id } }"),
        ("no value", "{ tenant(id: ) { id } }"),
        ("two colons", "{ a:: viewer { role } }"),
        ("a bracket of another kind", "{ tenant(id: [1}) { id } }"),
        ("a type without a name", "query($a: ) { viewer { role } }"),
        ("a variable in a default", "query($a: Int, $b: Int = $a) { users(first: $b) { totalCount } }"),
        ("a spread of nothing", "{ ... }"),
        ("a schema", "type Query { a: Int }"),
        ("a comment only", "# nothing"),
        ("commas only", ",,,"),
        ("SQL", "'; DROP TABLE tenants; --"),
        ("a template", "{{constructor.constructor('return 1')()}}"),
    ];
    refused(texts.into_iter().map(|(name, text)| (name, PARSE, text.to_owned())).collect()).await;
}

#[tokio::test]
async fn depth_is_bounded_before_anything_recurses() {
    let mut texts = vec![
        ("selections, 5,000 deep", DEEP, around("{a", "", "}", 5_000)),
        ("selections, 15,000 deep, not closed", DEEP, "{a".repeat(15_000)),
        ("inline fragments, 3,000 deep", DEEP, format!("{{{}}}", around("...{", "a", "}", 3_000))),
        ("a type, 10,000 deep", DEEP, format!("query($a: {}) {{ a }}", around("[", "Int", "]", 10_000))),
        ("fields, 11 below one another", DEEP, around("{ a ", "", "}", 12)),
        (
            "introspection, 20 deep",
            DEEP,
            format!("{{__schema{{types{}}}}}", around("{fields{type", "{name}", "}}", 10)),
        ),
        ("brackets, not closed", DEEP, "(".repeat(32_000)),
        ("brackets of all kinds", DEEP, "([{".repeat(10_000)),
    ];
    for times in [100, 16_000, 100_000] {
        let wanted = if times > 16_000 { LONG } else { DEEP };
        let (lists, objects) = (around("[", "1", "]", times), around("{a:", "1", "}", times.min(8_000)));
        texts.extend([
            ("lists in an argument", wanted, format!("{{ tenant(id: {lists}) {{ id }} }}")),
            ("lists in an argument nobody knows", wanted, format!("{{ a(b: {lists}) }}")),
            ("lists in a default", wanted, format!("query($a: Int = {lists}) {{ users(first: $a) {{ totalCount }} }}")),
            ("lists in a directive", wanted, format!("{{ __typename @include(if: {lists}) }}")),
            ("lists in a directive nobody knows", wanted, format!("query @a(b: {lists}) {{ __typename }}")),
            ("objects in an argument", DEEP, format!("{{ tenant(id: {objects}) {{ id }} }}")),
            (
                "objects in a default",
                DEEP,
                format!("query($a: Int = {objects}) {{ users(first: $a) {{ totalCount }} }}"),
            ),
        ]);
    }
    // Brackets in strings and comments are no brackets.
    texts.push(("brackets in a comment, and a fault", PARSE, format!("{{ # {}\n", "[".repeat(30_000))));
    texts.push(("brackets in a string, and a fault", PARSE, format!("{{ tenant(id: \"{}\")", "[".repeat(30_000))));
    refused(texts).await;
}

#[tokio::test]
async fn breadth_is_bounded_before_anything_multiplies() {
    let doubling = |on: &str, leaf: &str| {
        let chain = many(29, |at| format!("fragment F{at} on {on} {{ ...F{} ...F{} }} ", at + 1, at + 1));
        format!("{{ ...F0 }} {chain} fragment F29 on {on} {{ {leaf} }}")
    };
    let nested =
        many(12, |at| format!("fragment G{at} on User {{ membership {{ user {{ ...G{0} ...G{0} }} }} }} ", at + 1));
    let chain = many(499, |at| format!("fragment C{at} on Query {{ ...C{} }} ", at + 1));
    let wide = format!("{{ viewer {{ {} }} }} fragment W on Viewer {{ {} }}", "...W ".repeat(30), "role ".repeat(100));
    let texts = vec![
        ("10,000 aliases", LONG, format!("{{ {} }}", many(10_000, |at| format!("a{at}:__typename ")))),
        ("600 aliases", LARGE, format!("{{ {} }}", many(600, |at| format!("a{at}:__typename ")))),
        ("31 aliases of a field", LARGE, format!("{{ viewer {{ {} }} }}", many(31, |at| format!("a{at}: role ")))),
        ("11 root fields", LARGE, format!("{{ {} }}", many(11, |at| format!("a{at}: __typename ")))),
        ("15,000 commas and fields", LARGE, format!("{{ {} }}", "a,".repeat(15_000))),
        ("fragments that double 30 times", LARGE, doubling("Query", "__typename")),
        ("fragments of another type that double", LARGE, doubling("Tenant", "id")),
        (
            "fields that double through fragments",
            DEEP,
            format!("{{ users {{ nodes {{ ...G0 }} }} }} {nested} fragment G12 on User {{ id }}"),
        ),
        ("a fragment that spreads itself", INVALID, "{ ...A } fragment A on Query { ...A }".to_owned()),
        (
            "fragments in a circle",
            INVALID,
            "{ ...A } fragment A on Query { ...B } fragment B on Query { ...C } fragment C on Query { ...A }"
                .to_owned(),
        ),
        (
            "a circle nobody uses",
            INVALID,
            "{ __typename } fragment A on Query { ...B } fragment B on Query { ...A }".to_owned(),
        ),
        (
            "a circle through a field",
            INVALID,
            "{ viewer { ...A } } fragment A on Viewer { tenant { ...B } } fragment B on Tenant { ... { ...B } }"
                .to_owned(),
        ),
        ("a chain of 500 fragments", LARGE, format!("{{ ...C0 }} {chain} fragment C499 on Query {{ __typename }}")),
        (
            "300 fragments nobody uses",
            LARGE,
            format!("{{ __typename }} {}", many(300, |at| format!("fragment U{at} on Query {{ __typename }} "))),
        ),
        ("fragments that are wide", LARGE, wide),
        ("21 directives", LARGE, format!("{{ __typename {} }}", "@skip(if: false) ".repeat(21))),
        ("1,900 directives nobody knows", LARGE, format!("{{ __typename {} }}", "@a ".repeat(900))),
        ("11 operations", LARGE, many(11, |at| format!("query A{at} {{ __typename }} "))),
        ("101 variables", LARGE, format!("query({}) {{ __typename }}", many(101, |at| format!("$v{at}: Int ")))),
        (
            "4 lists of 100 with lists",
            Wanted::Refused(200, "QUERY_TOO_EXPENSIVE"),
            format!(
                "{{ {} }}",
                many(4, |at| format!("a{at}: users(first: 100) {{ nodes {{ membership {{ user {{ id }} }} }} }} "))
            ),
        ),
        (
            "a page of 2^31 - 1",
            Wanted::Failed("BAD_USER_INPUT"),
            "{ users(first: 2147483647) { totalCount } }".to_owned(),
        ),
    ];
    refused(texts).await;
}

#[tokio::test]
async fn what_does_not_fit_the_schema_is_refused() {
    let texts = [
        ("a field nobody knows", "{ nothing }"),
        ("a field of another type", "{ viewer { email } }"),
        ("an argument nobody knows", "{ users(limit: 1) { totalCount } }"),
        ("an argument twice", "{ users(first: 1, first: 2) { totalCount } }"),
        ("an argument that is missing", "{ node { id } }"),
        ("no selection on an object", "{ viewer }"),
        ("a selection on a scalar", "{ viewer { role { name } } }"),
        ("one name for two fields", "{ viewer { a: role a: actor } }"),
        ("one name for two arguments", "{ users(first: 1) { totalCount } users(first: 2) { totalCount } }"),
        ("a variable nobody declared", "{ users(first: $first) { totalCount } }"),
        ("a variable nobody uses", "query($first: Int) { __typename }"),
        ("a variable twice", "query($a: Int, $a: Int) { users(first: $a) { totalCount } }"),
        ("a variable of another type", "query($a: String) { users(first: $a) { totalCount } }"),
        ("a variable that may be null", "query($a: ID) { node(id: $a) { id } }"),
        ("a default of another type", "query($a: Int = \"x\") { users(first: $a) { totalCount } }"),
        ("a text for a number", "{ users(first: \"10\") { totalCount } }"),
        ("a fraction for a number", "{ users(first: 1.0) { totalCount } }"),
        ("an object for a number", "{ users(first: {a: 1}) { totalCount } }"),
        ("a directive nobody knows", "{ __typename @cached }"),
        ("a directive in the wrong place", "query @include(if: true) { __typename }"),
        ("a directive without its argument", "{ __typename @include }"),
        ("a directive with a text", "{ __typename @include(if: \"yes\") }"),
        ("a delayed part", "{ ...A @defer } fragment A on Query { __typename }"),
        ("a streamed list", "{ users { nodes @stream { id } } }"),
        ("a fragment nobody wrote", "{ ...A }"),
        ("a fragment nobody uses", "{ __typename } fragment A on Query { __typename }"),
        ("a fragment on nothing", "{ ...A } fragment A on Nothing { id }"),
        ("a fragment on a scalar", "{ ...A } fragment A on String { id }"),
        ("a fragment that cannot apply", "{ viewer { ... on User { id } } }"),
        ("two operations of one name", "query A { __typename } query A { __typename }"),
        ("an anonymous operation among others", "{ __typename } query A { __typename }"),
        (
            "a value of an enum nobody knows",
            "mutation { createUser(input: {email: \"a@b.c\", name: \"A\", role: EMPEROR}) { user { id } } }",
        ),
        (
            "a text for an enum",
            "mutation { createUser(input: {email: \"a@b.c\", name: \"A\", role: \"EMPEROR\"}) { user { id } } }",
        ),
        (
            "a field of an input nobody knows",
            "mutation { createUser(input: {email: \"a@b.c\", name: \"A\", role: ADMIN, x: 1}) { user { id } } }",
        ),
        ("a required field that is missing", "mutation { createUser(input: {email: \"a@b.c\"}) { user { id } } }"),
        ("null where it cannot stand", "mutation { createUser(input: null) { user { id } } }"),
        ("a mutation of a query field", "mutation { viewer { role } }"),
        ("two roots of a subscription", "subscription { a b }"),
    ];
    let mut texts: Vec<_> = texts.into_iter().map(|(name, text)| (name, INVALID, text.to_owned())).collect();
    // Where one answer is expected, no subscription is looked at further.
    let subscription = "subscription { viewer { role } }";
    texts.push(("a subscription", Wanted::Refused(406, "NOT_ACCEPTABLE"), subscription.to_owned()));
    // The engine looks at this one only when it runs.
    let list = "mutation { createUser(input: [{email: \"a@b.c\"}]) { user { id } } }";
    texts.push(("a list where one is wanted", Wanted::Failed("BAD_USER_INPUT"), list.to_owned()));
    refused(texts).await;
}

#[tokio::test]
async fn long_words_and_numbers_are_only_words_and_numbers() {
    let texts = vec![
        ("a field of 30,000 letters", LARGE, format!("{{ {} }}", "a".repeat(30_000))),
        ("a field of 256 letters", INVALID, format!("{{ {} }}", "a".repeat(256))),
        ("a type of 30,000 letters", LARGE, format!("query($a: {}) {{ __typename }}", "a".repeat(30_000))),
        ("a directive of 30,000 letters", LARGE, format!("{{ __typename @{} }}", "a".repeat(30_000))),
        (
            "an enum value of 30,000 letters",
            LARGE,
            format!("mutation {{ createUser(input: {{role: {}}}) {{ user {{ id }} }} }}", "a".repeat(30_000)),
        ),
        (
            "an id of 30,000 letters",
            Wanted::Failed("BAD_USER_INPUT"),
            format!("{{ tenant(id: \"{}\") {{ id }} }}", "a".repeat(30_000)),
        ),
        ("a number of 30,000 digits", PARSE, format!("{{ users(first: {}) {{ totalCount }} }}", "9".repeat(30_000))),
        ("a number of 20 digits", INVALID, "{ users(first: 99999999999999999999) { totalCount } }".to_owned()),
        ("an exponent of 5 digits", PARSE, "{ users(first: 1e99999) { totalCount } }".to_owned()),
        ("2^31", Wanted::Failed("BAD_USER_INPUT"), "{ users(first: 2147483648) { totalCount } }".to_owned()),
        ("-2^31 - 1", Wanted::Failed("BAD_USER_INPUT"), "{ users(first: -2147483649) { totalCount } }".to_owned()),
        (
            "5,000 escapes in a string",
            Wanted::Failed("BAD_USER_INPUT"),
            format!("{{ tenant(id: \"{}\") {{ id }} }}", "\\u0041".repeat(5_000)),
        ),
        ("30,000 blanks and a fault", PARSE, format!("{{{}", " ".repeat(30_000))),
        ("a comment of 30,000 letters and a fault", PARSE, format!("{{#{}\n", "x".repeat(30_000))),
        ("101 ids", Wanted::Failed("BAD_USER_INPUT"), format!("{{ nodes(ids: [{}]) {{ id }} }}", "\"x\",".repeat(101))),
        (
            "1,900 ids",
            Wanted::Refused(200, "QUERY_TOO_EXPENSIVE"),
            format!("{{ nodes(ids: [{}]) {{ id }} }}", "\"x\",".repeat(1_900)),
        ),
        (
            "the same field 1,900 times, and a fault",
            INVALID,
            format!("{{ viewer {{ {} nothing }} }}", "role ".repeat(1_900)),
        ),
    ];
    refused(texts).await;
}
