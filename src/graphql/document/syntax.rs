//! What is wrong with the syntax, in the words of GraphQL rather than of a grammar.
//!
//! The parser explains itself with the rules of its grammar and a drawing of the source. Here that
//! becomes one sentence, what was expected and what is there instead, and a position. The source is
//! not repeated, since what is written in a document may be a secret: punctuation is shown, names,
//! numbers and strings are only called so.
//!
//! A document may also fail for what it consists of (two operations of one name, none at all). It was
//! GraphQL then, and gets the code the specification's rule would give. Rules of the grammar that have
//! no words here are shown by their own name; the message is then less fluent, never wrong.

use async_graphql::Pos;
use async_graphql::parser::Error;

use super::limits::{Refusal, brief};
use crate::kernel::error::Code;

/// The refusal for a text that could not be parsed.
pub(super) fn explain(text: &str, error: &Error) -> Refusal {
    let (limit, code, message) = match error {
        Error::Syntax { message, start, .. } => ("syntax", Code::ParseFailed, sentence(text, message, *start)),
        Error::RecursionLimitExceeded => {
            let message = "the document nests too many selection sets";
            ("nesting", Code::QueryTooDeep, message.into())
        }
        Error::MissingOperation => {
            let message = "the document has fragments only, no operation";
            ("operation", Code::OperationResolutionFailure, message.into())
        }
        Error::MultipleOperations { .. } => {
            let message = "an operation without a name must be the only one of its document";
            ("names", Code::ValidationFailed, message.into())
        }
        Error::OperationDuplicated { operation, .. } => {
            let message = format!("two operations have the name {}", brief(operation));
            ("names", Code::ValidationFailed, message)
        }
        Error::FragmentDuplicated { fragment, .. } => {
            let message = format!("two fragments have the name {}", brief(fragment));
            ("names", Code::ValidationFailed, message)
        }
        _ => ("syntax", Code::ParseFailed, "the document cannot be read".into()),
    };
    let position = error.positions().next();
    Refusal { limit, code, message, position }
}

fn sentence(text: &str, message: &str, start: Pos) -> String {
    if message.starts_with("invalid number") {
        return "syntax error: the number is out of range".into();
    }
    let found = found(text, start);
    // The last line of the parser's drawing is `= expected this, that, or other`.
    let reason = message.rsplit('\n').next().unwrap_or_default();
    let Some((_, rules)) = reason.split_once("expected ") else {
        return format!("syntax error: {found} cannot stand here");
    };
    let rules = rules.replace(", or ", ", ").replace(" or ", ", ");
    let mut wanted: Vec<&str> = rules.split(", ").map(str::trim).filter(|it| !it.is_empty()).map(words).collect();
    wanted.dedup();
    let last = wanted.pop().unwrap_or("something else");
    let rest = wanted.join(", ");
    let or = if rest.is_empty() { "" } else { " or " };
    format!("syntax error: expected {rest}{or}{last}, but found {found}")
}

/// What a rule of the grammar stands for.
fn words(rule: &str) -> &str {
    match rule {
        "executable_definition" => "a query, mutation, subscription or fragment",
        "EOI" => "the end of the document",
        "selection" => "a field or fragment",
        "selection_set" => "a selection in braces",
        "type_condition" => "a type after `on`",
        "variable_definition" => "a variable and its type, as in `$id: ID!`",
        "variable_definitions" => "variables in parentheses",
        "variable" => "a variable",
        "type_" => "a type, without spaces inside",
        "value" => "a value",
        "const_value" => "a value without variables",
        "object_field" | "const_object_field" => "a name and its value",
        "argument" => "an argument",
        "arguments" | "const_arguments" => "arguments in parentheses",
        "directive" | "directives" | "const_directive" => "a directive",
        "default_value" => "a default after `=`",
        "name" => "a name",
        other => other,
    }
}

/// What stands at a position, without repeating it.
fn found(text: &str, at: Pos) -> String {
    let mut lines = text.split('\n').skip(at.line.saturating_sub(1));
    let line = lines.next().unwrap_or_default();
    match line.chars().nth(at.column.saturating_sub(1)) {
        None if lines.next().is_none() => "the end of the document".into(),
        None => "the end of the line".into(),
        Some(' ' | '\t' | '\r') => "a space".into(),
        Some('_' | 'a'..='z' | 'A'..='Z') => "a name".into(),
        Some('-' | '0'..='9') => "a number".into(),
        Some('"') => "a string".into(),
        Some(mark) if mark.is_ascii_graphic() => format!("`{mark}`"),
        Some(_) => "a character that is allowed in strings only".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn refused(text: &str) -> Refusal {
        parse(text).map(|_| ()).unwrap_err()
    }

    fn says(text: &str) -> String {
        let refusal = refused(text);
        assert_eq!(refusal.code, Code::ParseFailed);
        assert!(refusal.position.is_some());
        refusal.message.replace("syntax error: ", "")
    }

    #[test]
    fn the_message_says_what_was_expected_and_what_is_there() {
        assert_eq!(says("{ a(x: ) }"), "expected a value, but found `)`");
        assert_eq!(says("{}"), "expected a field or fragment, but found `}`");
        assert_eq!(says("foo"), "expected a query, mutation, subscription or fragment, but found a name");
        assert_eq!(
            says("{ a"),
            "expected a selection in braces, a field or fragment, a directive or arguments in \
             parentheses, but found the end of the document"
        );
        assert_eq!(says("query ($a: [ Int ]) { a }"), "expected a type, without spaces inside, but found `[`");
        assert_eq!(
            says("{ é }"),
            "expected a field or fragment, but found a character that is allowed in strings only"
        );
        assert_eq!(says("{ a(x: 1e999) }"), "the number is out of range");
    }

    #[test]
    fn the_position_is_that_of_the_fault() {
        let refusal = refused("{\n  a(x: [1 }\n}");
        assert_eq!(refusal.position, Some(Pos::from((2, 11))));
        assert!(refusal.message.ends_with("found `}`"));
    }

    #[test]
    fn the_source_is_not_repeated() {
        for text in ["{ a(key: \"s3cr3t) }", "{ a(key: 5s3cr3t) }", "s3cr3t { a }", "{ a } = expected s3cr3t"] {
            assert!(!says(text).contains("s3cr3t"), "{}", says(text));
        }
    }

    #[test]
    fn what_was_graphql_gets_the_code_of_its_rule() {
        let code = |text| refused(text).code;
        assert_eq!(code("{ a } { b }"), Code::ValidationFailed);
        assert_eq!(code("query A { a } query A { b }"), Code::ValidationFailed);
        let twice = "{ a } fragment F on T { a } fragment F on T { a }";
        assert_eq!(code(twice), Code::ValidationFailed);
        assert_eq!(code("fragment F on T { a }"), Code::OperationResolutionFailure);
        let deep = format!("{}a{}", "{ a ".repeat(70), "}".repeat(70));
        assert_eq!(code(&deep), Code::QueryTooDeep);
    }
}
