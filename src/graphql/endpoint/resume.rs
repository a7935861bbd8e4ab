//! Where a subscription says from which event on it wants to be served.
//!
//! The argument is called `after` on every field. Its value is no part of what a subscription *is*: whoever
//! differs in nothing else is served by the same execution. So a variable that stands there and nowhere else
//! is told apart from the others.

use async_graphql::{
    Value, Variables,
    parser::types::{OperationDefinition, OperationType, Selection},
};

use crate::{graphql::document::Refusal, kernel::error::Code};

/// The argument that holds a cursor.
const AFTER: &str = "after";

/// Where an operation names a cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::graphql) enum Resume {
    /// Nowhere.
    Never,
    /// In the document itself.
    Literal,
    /// In a variable.
    Variable {
        /// Its name.
        name: Box<str>,
        /// Whether it stands nowhere else.
        alone: bool,
        /// Whether something stands in for it when it is left out.
        has_default: bool,
    },
}

impl Resume {
    /// Finds it. A subscription has one field of the schema, named directly and in any case: the engine serves
    /// no other, and the specification knows no other.
    pub(super) fn of(operation: &OperationDefinition, text: &str) -> Result<Self, Refusal> {
        if operation.ty != OperationType::Subscription {
            return Ok(Self::Never);
        }
        let [selection] = operation.selection_set.node.items.as_slice() else {
            return Err(refused("a subscription selects one field"));
        };
        let Selection::Field(field) = &selection.node else {
            return Err(refused("a subscription names its field directly, not through a fragment"));
        };
        if field.node.name.node.starts_with("__") {
            return Err(refused("a subscription selects a field of the schema, not one about the schema"));
        }
        if field.node.directives.iter().any(|it| matches!(&*it.node.name.node, "skip" | "include")) {
            return Err(refused("the field of a subscription is neither skipped nor included by a condition"));
        }
        let Some(value) = field.node.get_argument(AFTER) else { return Ok(Self::Never) };
        Ok(match value.node.clone().into_const_with(Err) {
            Ok(Value::Null) => Self::Never,
            Ok(_) => Self::Literal,
            Err(name) => {
                let mut declared = operation.variable_definitions.iter();
                let has_default = declared.any(|it| it.node.name.node == name && it.node.default_value.is_some());
                // Once where it is declared, once where it stands. A name in a comment counts too, which costs
                // a group of its own and nothing else.
                let alone = !has_default && uses(text, &name) == 2;
                Self::Variable { name: name.as_str().into(), alone, has_default }
            }
        })
    }

    /// Whether a call brings a cursor.
    pub(in crate::graphql) fn brings_one(&self, variables: &Variables) -> bool {
        match self {
            Self::Never => false,
            Self::Literal => true,
            Self::Variable { name, has_default, .. } => {
                variables.get(&**name).map_or(*has_default, |value| *value != Value::Null)
            }
        }
    }

    /// The variable that holds a cursor and nothing else.
    pub(in crate::graphql) fn variable_of_its_own(&self) -> Option<&str> {
        match self {
            Self::Variable { name, alone: true, .. } => Some(name),
            _ => None,
        }
    }
}

/// How often a variable is named in a text.
fn uses(text: &str, name: &str) -> usize {
    let named = text.match_indices('$').filter(|(at, _)| {
        let rest = text[at + 1..].trim_start();
        rest.strip_prefix(name)
            .is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_'))
    });
    named.count()
}

fn refused(message: &str) -> Refusal {
    Refusal { limit: "document", code: Code::ValidationFailed, message: message.to_owned(), position: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::parser::parse_query;

    fn of(text: &str) -> Result<Resume, Refusal> {
        let document = parse_query(text).unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        Resume::of(&operation.node, text)
    }

    #[test]
    fn a_variable_that_stands_nowhere_else_is_told_apart() {
        let own = |text: &str| of(text).unwrap().variable_of_its_own().map(str::to_owned);
        assert_eq!(own("subscription($a: String) { events(after: $a) { id } }").as_deref(), Some("a"));
        assert_eq!(own("subscription($a: String, $ab: ID) { e(after: $a, of: $ab) { id } }").as_deref(), Some("a"));
        assert_eq!(own("subscription($a: String) { e(after: $a, of: $a) { id } }"), None);
        assert_eq!(own("subscription { e(after: \"x\") { id } }"), None);
    }

    #[test]
    fn a_subscription_has_one_field_named_directly() {
        assert!(of("subscription { a b }").is_err());
        assert!(of("subscription { __typename }").is_err());
        assert!(of("subscription { a @skip(if: false) }").is_err());
        assert!(of("subscription($is: Boolean!) { a @include(if: $is) }").is_err());
        assert!(of("subscription { ...F } fragment F on S { a }").is_err());
        assert_eq!(of("subscription { a }"), Ok(Resume::Never));
        assert_eq!(of("{ a b }"), Ok(Resume::Never));
    }

    #[test]
    fn null_and_nothing_are_no_cursor() {
        let text = "subscription($a: String) { e(after: $a) { id } }";
        let with = |value: serde_json::Value| of(text).unwrap().brings_one(&Variables::from_json(value));
        assert!(with(serde_json::json!({ "a": "x" })));
        assert!(!with(serde_json::json!({ "a": null })));
        assert!(!with(serde_json::json!({})));
        assert!(of("subscription { e(after: \"x\") { id } }").unwrap().brings_one(&Variables::default()));
    }
}
