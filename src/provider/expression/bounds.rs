//! What an expression may be, so that neither parsing nor running it is a danger.
//!
//! The parser recurses at each bracket and prefix, so those are counted before it sees the text. Running is
//! bounded by a weight: how many times larger than its input the work and the result can become. A list of
//! two whole inputs weighs 2, a pipe multiplies, so thirty doublings in a row weigh 2³⁰ and are refused when
//! the expression is loaded, not when it runs.

use jmespath::{Variable, ast::Ast};

use super::{Fault, functions};
use crate::kernel::suggest::did_you_mean;

/// Longest text.
const MAX_TEXT: usize = 4_096;
/// Most brackets and prefixes, each of which the parser recurses into.
const MAX_OPENINGS: usize = 128;
/// Most signs of any kind; chains such as `a.b.c` nest by them.
const MAX_SIGNS: usize = 600;
/// Heaviest expression.
const MAX_WEIGHT: u64 = 1_000;

/// Refuses a text that the parser should not see.
pub(super) fn before_parsing(text: &str) -> Result<(), Fault> {
    if text.trim().is_empty() {
        return Err(Fault { at: 1, message: "there is no expression".to_owned() });
    }
    if text.len() > MAX_TEXT {
        return Err(Fault { at: MAX_TEXT, message: format!("an expression has at most {MAX_TEXT} bytes") });
    }
    let (mut openings, mut signs) = (0, 0);
    let mut quote = None;
    let mut letters = text.chars().enumerate();
    while let Some((at, letter)) = letters.next() {
        match (quote, letter) {
            (Some(_), '\\') => drop(letters.next()),
            (Some(open), letter) if letter == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') => quote = Some(letter),
            (None, letter) => {
                openings += usize::from(matches!(letter, '[' | '{' | '(' | '!' | '&' | '*' | '?'));
                signs += usize::from(letter.is_ascii_punctuation() && letter != '_');
            }
        }
        if openings > MAX_OPENINGS || signs > MAX_SIGNS {
            return Err(Fault { at: at + 1, message: "the expression is too involved; split it".to_owned() });
        }
    }
    Ok(())
}

/// Refuses what is too heavy, calls what there is not, or steps out of any list.
pub(super) fn after_parsing(ast: &Ast) -> Result<(), Fault> {
    if weight(ast)? > MAX_WEIGHT {
        let message = format!("the result could be more than {MAX_WEIGHT} times its input; take fewer parts");
        return Err(Fault { at: 1, message });
    }
    Ok(())
}

/// How many times its input the work and the result may be.
fn weight(ast: &Ast) -> Result<u64, Fault> {
    Ok(match ast {
        Ast::Identity { .. } | Ast::Field { .. } | Ast::Index { .. } => 1,
        Ast::Literal { value, .. } => size(value),
        Ast::Slice { start, stop, step, offset } => {
            let far = |number: &Option<i32>| number.is_some_and(|number| number.unsigned_abs() > 1_000_000);
            if *step == 0 || far(start) || far(stop) || far(&Some(*step)) {
                let message = "a slice steps by 1 to 1,000,000".to_owned();
                return Err(Fault { at: offset + 1, message });
            }
            1
        }
        Ast::Not { node, .. } | Ast::Flatten { node, .. } | Ast::ObjectValues { node, .. } => weight(node)?,
        Ast::Expref { ast, .. } => weight(ast)?,
        Ast::Comparison { lhs, rhs, .. } | Ast::And { lhs, rhs, .. } | Ast::Or { lhs, rhs, .. } => {
            weight(lhs)?.saturating_add(weight(rhs)?)
        }
        Ast::Condition { predicate, then, .. } => weight(predicate)?.saturating_add(weight(then)?),
        Ast::Subexpr { lhs, rhs, .. } | Ast::Projection { lhs, rhs, .. } => weight(lhs)?.saturating_mul(weight(rhs)?),
        Ast::MultiList { elements, .. } => sum(elements.iter())?,
        Ast::MultiHash { elements, .. } => sum(elements.iter().map(|pair| &pair.value))?,
        Ast::Function { name, args, offset } => call(name, args, *offset)?,
    })
}

/// The weight of a call, if there is such a function.
fn call(name: &str, args: &[Ast], offset: usize) -> Result<u64, Fault> {
    let known = functions::FUNCTIONS.iter().find(|function| function.name == name);
    let Some(function) = known else {
        let hint = did_you_mean(name, functions::FUNCTIONS.iter().map(|function| function.name));
        return Err(Fault { at: offset + 1, message: format!("there is no function {name:?}{hint}") });
    };
    if args.len() < function.least || args.len() > function.most {
        let message = format!("{name} is written {}", function.usage);
        return Err(Fault { at: offset + 1, message });
    }
    let mut inner = 1_u64;
    let mut outer = 0_u64;
    for arg in args {
        match arg {
            Ast::Expref { ast, .. } => inner = inner.saturating_mul(weight(ast)?),
            other => outer = outer.saturating_add(weight(other)?),
        }
    }
    Ok(outer.max(1).saturating_mul(inner))
}

fn sum<'a>(parts: impl Iterator<Item = &'a Ast>) -> Result<u64, Fault> {
    let mut total = 0_u64;
    for part in parts {
        total = total.saturating_add(weight(part)?);
    }
    Ok(total.max(1))
}

/// How many values a literal has.
fn size(value: &Variable) -> u64 {
    match value {
        Variable::Array(items) => 1 + items.iter().map(|item| size(item)).sum::<u64>(),
        Variable::Object(fields) => 1 + fields.values().map(|item| size(item)).sum::<u64>(),
        _ => 1,
    }
}
