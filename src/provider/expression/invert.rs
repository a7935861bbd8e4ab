//! Paths backwards: builds the document in which a path would find a value.
//!
//! The simulator knows a provider from the same file as the hub, and the file says where things are found.
//! So it puts them there. Plain paths can be turned round: names, indices, lists and objects that are walked.

use jmespath::ast::Ast;
use serde_json::{Map, Value};

/// Most elements that a list is filled up to for the sake of an index.
const MAX_FILLED: usize = 100;

/// One step from the whole towards the value.
enum Step {
    Field(String),
    At(usize),
    /// Each element of a list.
    Each,
    /// Each value that an object has already.
    Values,
}

/// Puts the value where the path finds it. Below a walked list, a list gives each element its own.
pub(super) fn put(path: &Ast, value: Value, into: &mut Value) -> bool {
    let mut steps = Vec::new();
    if !walk(path, &mut steps) {
        return false;
    }
    place(&steps, value, into);
    true
}

/// Puts the value at the first plain path inside an expression that is none itself, such as
/// `join('.', [a, b])`.
pub(super) fn put_somewhere(expression: &Ast, value: &Value, into: &mut Value) -> bool {
    if put(expression, value.clone(), into) {
        return true;
    }
    let mut first = |parts: &[&Ast]| parts.iter().any(|part| put_somewhere(part, value, into));
    match expression {
        Ast::Function { args, .. } => first(&args.iter().collect::<Vec<_>>()),
        Ast::MultiList { elements, .. } => first(&elements.iter().collect::<Vec<_>>()),
        Ast::Subexpr { lhs, .. } | Ast::Or { lhs, .. } | Ast::And { lhs, .. } => first(&[lhs]),
        _ => false,
    }
}

/// The steps of a path, outermost first.
fn walk(path: &Ast, steps: &mut Vec<Step>) -> bool {
    match path {
        Ast::Identity { .. } => true,
        Ast::Field { name, .. } => {
            steps.push(Step::Field(name.clone()));
            true
        }
        Ast::Index { idx, .. } => {
            // The last element of a list that is made for the purpose is the first.
            steps.push(Step::At(usize::try_from(*idx).unwrap_or_default()));
            true
        }
        // One of those that a walk finds stands for all.
        Ast::Subexpr { lhs, rhs, .. } if matches!((&**lhs, &**rhs), (Ast::Projection { .. }, Ast::Index { .. })) => {
            walk(lhs, steps)
        }
        Ast::Subexpr { lhs, rhs, .. } => walk(lhs, steps) && walk(rhs, steps),
        Ast::Projection { lhs, rhs, .. } => {
            let (list, step) = match &**lhs {
                Ast::Flatten { node, .. } => (&**node, Step::Each),
                Ast::ObjectValues { node, .. } => (&**node, Step::Values),
                Ast::Slice { .. } => return false,
                list => (list, Step::Each),
            };
            if !walk(list, steps) {
                return false;
            }
            steps.push(step);
            walk(rhs, steps)
        }
        Ast::Condition { then, .. } => walk(then, steps),
        // The first of several places will do.
        Ast::Or { lhs, .. } => walk(lhs, steps),
        Ast::Function { name, args, .. } if args.len() == 1 && matches!(name.as_str(), "to_string" | "to_number") => {
            args.first().is_some_and(|arg| walk(arg, steps))
        }
        _ => false,
    }
}

fn place(steps: &[Step], value: Value, into: &mut Value) {
    match steps.split_first() {
        None => match (value, into) {
            (Value::Object(fields), Value::Object(there)) => there.extend(fields),
            (value, into) => *into = value,
        },
        Some((Step::Field(name), rest)) => {
            if !into.is_object() {
                *into = Value::Object(Map::new());
            }
            if let Value::Object(fields) = into {
                place(rest, value, fields.entry(name.clone()).or_insert(Value::Null));
            }
        }
        Some((Step::Values, rest)) => {
            if let Value::Object(fields) = into {
                fields.values_mut().for_each(|inner| place(rest, value.clone(), inner));
            }
        }
        Some((Step::At(index), rest)) => {
            let items = list(into);
            while items.len() <= *index && items.len() < MAX_FILLED {
                items.push(Value::Null);
            }
            if let Some(item) = items.get_mut(*index) {
                place(rest, value, item);
            }
        }
        Some((Step::Each, rest)) => {
            let values = if let Value::Array(values) = value { values } else { vec![value] };
            let items = list(into);
            for (at, value) in values.into_iter().enumerate() {
                if items.len() <= at {
                    items.push(Value::Null);
                }
                if let Some(item) = items.get_mut(at) {
                    place(rest, value, item);
                }
            }
        }
    }
}

fn list(value: &mut Value) -> &mut Vec<Value> {
    if !value.is_array() {
        *value = Value::Array(Vec::new());
    }
    match value {
        Value::Array(items) => items,
        _ => unreachable!("it was made a list in the line above"),
    }
}
