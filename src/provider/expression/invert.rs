//! Paths backwards: builds the document in which a path would find a value.
//!
//! The simulator knows a provider from the same file as the hub, and the file says where things are found.
//! So it puts them there. Only plain paths can be turned round: names, indices, and lists that are walked.

use jmespath::ast::Ast;
use serde_json::{Map, Value};

/// One step from the whole towards the value.
enum Step {
    Field(String),
    At(usize),
    Each,
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
        Ast::Subexpr { lhs, rhs, .. } => walk(lhs, steps) && walk(rhs, steps),
        Ast::Projection { lhs, rhs, .. } => {
            let list = if let Ast::Flatten { node, .. } = &**lhs { node } else { lhs };
            if matches!(&**list, Ast::ObjectValues { .. } | Ast::Slice { .. }) || !walk(list, steps) {
                return false;
            }
            steps.push(Step::Each);
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
        Some((Step::At(index), rest)) => {
            let items = list(into);
            while items.len() <= *index && items.len() < 100 {
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
