//! Variables against the places where a document uses them.
//!
//! A variable must be able to hold nothing that its place cannot take (the specification's section 5.8.5).
//! The engine's validation asks what a variable holds in the request at hand; that belongs to the request
//! and is not kept, while its verdict on the document is. So the declared types are compared here, once for
//! each document: together with [`coerce`](super::coerce()), which holds values to their declared types, a
//! document that passed fits every request.
//!
//! The engine also passes over `__typename` without a look at what is written there. Here it takes no
//! arguments, no selection and no directives but the two that everybody knows, with a condition each.
//!
//! No text that is written in the document contains NUL, nor does a default of a variable.
//!
//! Every fragment is walked once for each operation that reaches it. Names that do not exist are passed
//! over: the engine names them, with better words.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
};

use async_graphql::parser::types::{
    BaseType, Directive, ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet, Type,
    VariableDefinition,
};
use async_graphql::{Name, Pos, Positioned, Value};

use super::limits::{Refusal, brief};
use super::nul;
use super::shape::{Kind, Shape};
use crate::kernel::error::Code;

/// Refuses a document that uses a variable where its type cannot stand.
pub fn usage(doc: &ExecutableDocument, shape: &Shape) -> Result<(), Refusal> {
    let condition = Type { base: BaseType::Named(Name::new("Boolean")), nullable: false };
    for (_, operation) in doc.operations.iter() {
        let declared = operation.node.variable_definitions.iter().map(|it| (it.node.name.node.as_str(), &it.node));
        let mut walk = Walk { doc, shape, condition: &condition, declared: declared.collect(), seen: HashSet::new() };
        walk.operation(&operation.node)?;
    }
    Ok(())
}

struct Walk<'a> {
    doc: &'a ExecutableDocument,
    shape: &'a Shape,
    /// The type of what `@skip` and `@include` ask.
    condition: &'a Type,
    declared: HashMap<&'a str, &'a VariableDefinition>,
    seen: HashSet<&'a str>,
}

impl<'a> Walk<'a> {
    fn operation(&mut self, operation: &'a OperationDefinition) -> Result<(), Refusal> {
        self.directives(&operation.directives)?;
        for definition in &operation.variable_definitions {
            if let Some(default) = &definition.node.default_value {
                whole(&format!("${}", brief(&definition.node.name.node)), &default.node, default.pos)?;
            }
        }
        let root = self.shape.root(operation.ty).unwrap_or_default();
        self.set(&operation.selection_set.node, root)
    }

    fn set(&mut self, set: &'a SelectionSet, parent: &str) -> Result<(), Refusal> {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => self.field(field, parent)?,
                Selection::InlineFragment(inline) => {
                    self.directives(&inline.node.directives)?;
                    let on = inline.node.type_condition.as_ref().map_or(parent, |on| on.node.on.node.as_str());
                    self.set(&inline.node.selection_set.node, on)?;
                }
                Selection::FragmentSpread(spread) => {
                    self.directives(&spread.node.directives)?;
                    let name = spread.node.fragment_name.node.as_str();
                    if let Some(fragment) = self.doc.fragments.get(name)
                        && self.seen.insert(name)
                    {
                        self.directives(&fragment.node.directives)?;
                        let on = fragment.node.type_condition.node.on.node.as_str();
                        self.set(&fragment.node.selection_set.node, on)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn field(&mut self, field: &'a Positioned<Field>, parent: &str) -> Result<(), Refusal> {
        let Positioned { pos, node } = field;
        self.directives(&node.directives)?;
        if node.name.node == "__typename" {
            return typename(node, *pos);
        }
        let shape = self.shape;
        let offered = shape.field(parent, &node.name.node);
        for (name, written) in &node.arguments {
            let Ok(value) = written.node.clone().into_const_with(|name| Ok::<_, Infallible>(marked(&name)));
            whole(&brief(&name.node), &value, written.pos)?;
            if let Some(argument) = offered.and_then(|field| field.arguments.get(name.node.as_str())) {
                self.value(&value, &argument.ty, argument.default.is_some(), written.pos)?;
            }
        }
        self.set(&node.selection_set.node, offered.map_or("", |field| &field.output))
    }

    fn directives(&self, directives: &[Positioned<Directive>]) -> Result<(), Refusal> {
        for directive in directives {
            if let Some(written) = directive.node.get_argument("if") {
                let Ok(value) = written.node.clone().into_const_with(|name| Ok::<_, Infallible>(marked(&name)));
                self.value(&value, self.condition, false, written.pos)?;
            }
        }
        Ok(())
    }

    /// Looks at the variables of a value that stands where the type is wanted.
    fn value(&self, value: &Value, wanted: &Type, has_default: bool, pos: Pos) -> Result<(), Refusal> {
        match (value, &wanted.base) {
            (Value::Enum(name), _) if name.starts_with('$') => {
                let name = &name[1..];
                match self.declared.get(name) {
                    Some(declared) if !stands(declared, wanted, has_default) => {
                        let (name, ty) = (brief(name), brief(&declared.var_type.node.to_string()));
                        Err(wrong(
                            format!("${name} has the type {ty}, which cannot stand where {wanted} is wanted"),
                            pos,
                        ))
                    }
                    // One that nobody declared is the engine's to name.
                    _ => Ok(()),
                }
            }
            (Value::List(items), BaseType::List(inner)) => {
                items.iter().try_for_each(|item| self.value(item, inner, false, pos))
            }
            // A single value stands for a list of one.
            (single @ Value::Object(_), BaseType::List(inner)) => self.value(single, inner, false, pos),
            (Value::Object(fields), BaseType::Named(name)) => {
                let Some(Kind::Input(input)) = self.shape.kind(name) else { return Ok(()) };
                let known = fields.iter().filter_map(|(name, value)| Some((input.fields.get(name.as_str())?, value)));
                for (field, value) in known {
                    self.value(value, &field.ty, field.default.is_some(), pos)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Leaves a variable in a value as a name that begins with `$`, as no name in a document does.
fn marked(name: &Name) -> Value {
    Value::Enum(Name::new(format!("${name}")))
}

/// Refuses what the engine does not look at.
fn typename(field: &Field, pos: Pos) -> Result<(), Refusal> {
    if !field.arguments.is_empty() || !field.selection_set.node.items.is_empty() {
        return Err(wrong("__typename takes no arguments and has no fields".into(), pos));
    }
    for Positioned { pos, node: directive } in &field.directives {
        let name = directive.name.node.as_str();
        if !["skip", "include"].contains(&name) {
            return Err(wrong(format!("there is no directive {} that can stand here", brief(name)), *pos));
        }
        let [(argument, written)] = directive.arguments.as_slice() else {
            return Err(wrong(format!("the directive {name} takes one argument, if"), *pos));
        };
        let Ok(value) = written.node.clone().into_const_with(|name| Ok::<_, Infallible>(marked(&name)));
        let condition = match &value {
            Value::Enum(name) => name.starts_with('$'),
            value => matches!(value, Value::Boolean(_)),
        };
        if argument.node != "if" || !condition {
            return Err(wrong(format!("the directive {name} takes one argument, if, of the type Boolean!"), *pos));
        }
    }
    Ok(())
}

/// Refuses a written value that contains NUL. `name` is the argument or the variable it is for.
fn whole(name: &str, value: &Value, pos: Pos) -> Result<(), Refusal> {
    let Some(found) = nul::find(value) else { return Ok(()) };
    let mut path = name.to_owned();
    for step in &found {
        path.push('.');
        path.push_str(&brief(step));
    }
    Err(Refusal { code: Code::BadUserInput, ..wrong(format!("{path} {}", nul::RULE), pos) })
}

fn wrong(message: String, pos: Pos) -> Refusal {
    Refusal { limit: "variables", code: Code::ValidationFailed, message, position: Some(pos) }
}

/// Whether a variable can stand where a type is wanted.
fn stands(declared: &VariableDefinition, wanted: &Type, has_default: bool) -> bool {
    let ty = &declared.var_type.node;
    let filled = declared.default_value.as_ref().is_some_and(|value| value.node != Value::Null);
    if !wanted.nullable && ty.nullable {
        (filled || has_default) && same(&ty.base, &wanted.base)
    } else {
        fits(ty, wanted)
    }
}

fn fits(ty: &Type, wanted: &Type) -> bool {
    (wanted.nullable || !ty.nullable) && same(&ty.base, &wanted.base)
}

fn same(base: &BaseType, wanted: &BaseType) -> bool {
    match (base, wanted) {
        (BaseType::Named(name), BaseType::Named(wanted)) => name == wanted,
        (BaseType::List(inner), BaseType::List(wanted)) => fits(inner, wanted),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{parse, tests::SDL};
    use super::*;

    fn refused(text: &str) -> Option<String> {
        refused_by(Code::ValidationFailed, text)
    }

    fn refused_by(code: Code, text: &str) -> Option<String> {
        let shape = Shape::from_sdl(SDL).unwrap();
        let refusal = usage(&parse(text).unwrap(), &shape).err()?;
        assert_eq!(refusal.code, code);
        assert!(refusal.position.is_some());
        Some(refusal.message)
    }

    #[test]
    fn no_written_text_contains_nul() {
        let said = |text: &str| refused_by(Code::BadUserInput, text).unwrap();
        assert_eq!(said(r#"{ order(id: "a\u0000") { id } }"#), "id must not contain NUL (U+0000)");
        assert_eq!(said(r#"{ nodes(ids: ["a", "\u0000"]) { id } }"#), "ids.1 must not contain NUL (U+0000)");
        assert_eq!(
            said(r#"{ order(unknown: {a: {b: "\u0000"}}) { id } }"#),
            "unknown.a.b must not contain NUL (U+0000)"
        );
        assert_eq!(
            said(r#"query($id: ID! = "\u0000") { order(id: $id) { id } }"#),
            "$id must not contain NUL (U+0000)"
        );
        assert_eq!(refused(r#"{ order(id: "a\\u0000") { id } }"#), None);
    }

    #[test]
    fn a_variable_stands_where_its_type_can() {
        for fine in [
            "query($a: Int) { orders(first: $a) { totalCount } }",
            "query($a: Int!) { orders(first: $a) { totalCount } }",
            "query($a: ID!) { order(id: $a) { id } }",
            "query($a: ID = 1) { order(id: $a) { id } }",
            "query($a: Int) { recent(first: $a) { id } }",
            "query($a: [ID!]!) { nodes(ids: $a) { id } }",
            "query($a: ID!) { nodes(ids: [$a, 1]) { id } }",
            "query($a: Boolean!) { recent @skip(if: $a) { id @include(if: $a) } }",
            "{ orders(first: $undeclared) { totalCount } nothing(a: $b) }",
        ] {
            assert_eq!(refused(fine), None, "{fine}");
        }
    }

    #[test]
    fn a_variable_does_not_stand_where_its_type_cannot() {
        let message = refused("query($a: String) { orders(first: $a) { totalCount } }").unwrap();
        assert_eq!(message, "$a has the type String, which cannot stand where Int is wanted");
        for wrong in [
            "query($a: ID) { order(id: $a) { id } }",
            "query($a: ID = null) { order(id: $a) { id } }",
            "query($a: [Int]) { orders(first: $a) { totalCount } }",
            "query($a: ID!) { nodes(ids: $a) { id } }",
            "query($a: [ID]!) { nodes(ids: $a) { id } }",
            "query($a: ID) { nodes(ids: [$a]) { id } }",
            "query($a: Boolean) { recent @skip(if: $a) { id } }",
            "query($a: Int!) { ... @include(if: $a) { recent { id } } }",
            "query($a: String) { ...F } fragment F on Query { orders(first: $a) { totalCount } }",
            "query($a: String) { ...F @skip(if: $a) } fragment F on Query { orders { totalCount } }",
            "query A { recent { id } } query B($a: String) { orders(first: $a) { totalCount } }",
        ] {
            assert!(refused(wrong).is_some(), "{wrong}");
        }
    }

    #[test]
    fn one_fragment_may_be_fine_for_one_operation_and_not_for_another() {
        let fragment = "fragment F on Query { orders(first: $a) { totalCount } }";
        assert_eq!(refused(&format!("query A($a: Int) {{ ...F }} query B($a: Int!) {{ ...F }} {fragment}")), None);
        assert!(refused(&format!("query A($a: Int) {{ ...F }} query B($a: ID) {{ ...F }} {fragment}")).is_some());
    }

    #[test]
    fn nothing_hides_behind_a_typename() {
        for fine in ["{ __typename @skip(if: true) }", "query($a: Boolean!) { __typename @include(if: $a) }"] {
            assert_eq!(refused(fine), None, "{fine}");
        }
        for wrong in [
            "{ __typename @nothing }",
            "{ __typename @include }",
            "{ __typename @include(if: \"yes\") }",
            "{ __typename @include(unless: true) }",
            "{ __typename @skip(if: yes) }",
            "{ __typename(a: 1) }",
            "{ __typename { a } }",
            "query($a: Boolean) { __typename @include(if: $a) }",
        ] {
            assert!(refused(wrong).is_some(), "{wrong}");
        }
    }
}
