//! The numbers a document is held to, and how a refusal says which one it broke.
//!
//! [`Limits`] is plain data: the configuration fills it, every file of this room reads it, nobody
//! changes it while the server runs. The defaults are meant for a public endpoint; raising one of
//! them never makes another unnecessary, since each bounds a different resource (bytes read, stack,
//! visits of the validator, rows touched).
//!
//! A [`Refusal`] carries the label under which it is counted, the code clients branch on, and a text
//! that names both the figure and the limit, so that whoever wrote the document knows how far off it
//! is. It never repeats values from the document or its variables: those may be secrets.

use async_graphql::Pos;

use crate::kernel::error::Code;

/// Every bound of this room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the document's text.
    pub text_bytes: usize,
    /// Lexical tokens of the text.
    pub tokens: usize,
    /// Brackets open at once in the text, and selection sets open at once when fragments are put in.
    pub nesting: usize,
    /// Fields below one another in an operation.
    pub depth: usize,
    /// The same for what hangs below `__schema` and `__type`.
    pub introspection_depth: usize,
    /// Selections of all operations when fragments are put in.
    pub selections: usize,
    /// Aliases, likewise.
    pub aliases: usize,
    /// Directives, likewise, with those of operations and variables.
    pub directives: usize,
    /// Root fields of one operation.
    pub root_fields: usize,
    /// Operations of one document.
    pub operations: usize,
    /// Variables declared in one document.
    pub variables: usize,
    /// Size of the variables sent, as JSON without spaces.
    pub variables_bytes: usize,
    /// Lists and objects inside one another in a variable.
    pub variables_depth: usize,
    /// Objects an operation may touch, see [`cost`](super::cost::cost).
    pub cost: u64,
    /// Page size that is assumed where none is asked for.
    pub page_default: u64,
    /// Page size beyond which nothing is served.
    pub page_max: u64,
    /// Length assumed for lists that are not paged.
    pub list_assumed: u64,
    /// Issues reported at once.
    pub errors: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            text_bytes: 32 * 1024,
            tokens: 2_000,
            nesting: 64,
            depth: 10,
            introspection_depth: 15,
            selections: 2_000,
            aliases: 30,
            directives: 20,
            root_fields: 10,
            operations: 10,
            variables: 100,
            variables_bytes: 256 * 1024,
            variables_depth: 32,
            cost: 1_000,
            page_default: 25,
            page_max: 100,
            list_assumed: 10,
            errors: 10,
        }
    }
}

/// Why a document goes no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Label of the metric that counts it.
    pub limit: &'static str,
    /// The code clients branch on.
    pub code: Code,
    /// A sentence for people.
    pub message: String,
    /// Where in the document, if it is one place.
    pub position: Option<Pos>,
}

impl Refusal {
    /// A limit that was passed; `{}` in `what` stands for the figure.
    pub(super) fn over(limit: &'static str, code: Code, what: &str, figure: usize, most: usize) -> Self {
        let (what, most) = (what.replace("{}", &grouped(figure)), grouped(most));
        let message = format!("{what}; at most {most} are taken");
        Self { limit, code, message, position: None }
    }

    pub(super) fn at(self, position: Pos) -> Self {
        Self { position: Some(position), ..self }
    }
}

/// A number as people write it. Counts of expanded fragments saturate, so the largest are not shown.
pub(super) fn grouped(number: impl TryInto<u64>) -> String {
    const SHOWN: u64 = 1_000_000;
    let number = number.try_into().unwrap_or(u64::MAX);
    let digits = number.min(SHOWN).to_string();
    let mut text = String::from(if number > SHOWN { "more than " } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A name that came from the client, cut to a length that fits a message.
pub(super) fn brief(name: &str) -> String {
    const SHOWN: usize = 60;
    let mut text: String = name.chars().take(SHOWN).collect();
    if text.len() < name.len() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_the_largest_are_not_shown() {
        assert_eq!(grouped(7_u64), "7");
        assert_eq!(grouped(310_u64), "310");
        assert_eq!(grouped(2_310_u64), "2,310");
        assert_eq!(grouped(1_000_000_u64), "1,000,000");
        assert_eq!(grouped(u64::MAX), "more than 1,000,000");
    }

    #[test]
    fn a_refusal_names_the_figure_and_the_limit() {
        let what = "the document has {} tokens";
        let refusal = Refusal::over("tokens", Code::QueryTooLarge, what, 2_310, 2_000);
        assert_eq!(refusal.message, "the document has 2,310 tokens; at most 2,000 are taken");
    }
}
