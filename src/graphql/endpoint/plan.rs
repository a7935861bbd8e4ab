//! The form that an answer must have: fields in the order of the document, and null where a field failed.
//!
//! The specification promises both, typed clients rely on them, and equal requests must give equal bytes.
//! The engine fills objects in the order in which their fields were ready and leaves out a field that
//! failed, also where the schema says it cannot be null. A [`Plan`] is the form that a selection asks for,
//! fragments put in, made once with the document. After a run it puts the fields in order; if anything
//! failed it puts null in its place, and where null cannot stand, makes the parent null, and so on up.
//!
//! The engine also gives null for an object of which every field was skipped. Where null cannot stand, that
//! is an object without fields.

use async_graphql::{
    Name, PathSegment, ServerError, Value,
    indexmap::IndexMap,
    parser::types::{BaseType, ExecutableDocument, OperationDefinition, Selection, SelectionSet, Type},
};

use crate::graphql::document::Shape;

/// The names of an object's fields, in order, with what is known of each.
#[derive(Debug, Default)]
pub(super) struct Plan(IndexMap<Name, Step>);

/// One field: its type, and the form of what is below it.
#[derive(Debug, Default)]
struct Step {
    /// None for what the schema does not list, such as introspection; that may be null.
    ty: Option<Type>,
    below: Plan,
}

/// What fragments and types are looked up in.
#[derive(Clone, Copy)]
struct Known<'a> {
    document: &'a ExecutableDocument,
    shape: &'a Shape,
}

impl Plan {
    /// The plan of an operation. Its size is bounded, because that of the expanded document is.
    pub(super) fn of(operation: &OperationDefinition, document: &ExecutableDocument, shape: &Shape) -> Self {
        let mut plan = Self::default();
        let root = shape.root(operation.ty).unwrap_or_default();
        plan.add(&operation.selection_set.node, root, Known { document, shape });
        plan
    }

    fn add(&mut self, set: &SelectionSet, parent: &str, known: Known<'_>) {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    let offered = known.shape.field(parent, &field.node.name.node);
                    let step = self.0.entry(field.node.response_key().node.clone()).or_default();
                    step.ty = step.ty.take().or_else(|| offered.map(|field| field.ty.clone()));
                    let output = offered.map_or("", |field| &field.output);
                    step.below.add(&field.node.selection_set.node, output, known);
                }
                Selection::InlineFragment(inline) => {
                    let on = inline.node.type_condition.as_ref().map_or(parent, |on| &on.node.on.node);
                    self.add(&inline.node.selection_set.node, on, known);
                }
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = known.document.fragments.get(&spread.node.fragment_name.node) {
                        self.add(&fragment.node.selection_set.node, &fragment.node.type_condition.node.on.node, known);
                    }
                }
            }
        }
    }

    /// Gives an answer its form.
    pub(super) fn form(&self, data: &mut Value, errors: &[ServerError]) {
        for error in errors {
            self.mark(data, &error.path);
        }
        if !errors.is_empty() && !self.stands(data) {
            *data = Value::Null;
        }
        if errors.is_empty() && *data == Value::Null {
            *data = Value::Object(IndexMap::new());
        }
        self.sort(data);
    }

    /// Puts null where an error says that a field failed.
    fn mark(&self, value: &mut Value, path: &[PathSegment]) {
        match path {
            [PathSegment::Field(name), rest @ ..] => {
                // An object of which every field failed came back as null.
                if *value == Value::Null {
                    *value = Value::Object(IndexMap::new());
                }
                let Value::Object(fields) = value else { return };
                let Some((name, step)) = self.0.get_key_value(name.as_str()) else { return };
                step.below.mark(fields.entry(name.clone()).or_insert(Value::Null), rest);
            }
            [PathSegment::Index(index), rest @ ..] => {
                if let Value::List(items) = value
                    && let Some(item) = items.get_mut(*index)
                {
                    self.mark(item, rest);
                }
            }
            [] => *value = Value::Null,
        }
    }

    /// Whether an object is whole: nothing in it is null that cannot be. Makes null what can be and is not
    /// whole.
    fn stands(&self, value: &mut Value) -> bool {
        let Value::Object(fields) = value else { return true };
        fields.iter_mut().all(|(name, value)| match self.0.get(name) {
            Some(step) => step.ty.as_ref().is_none_or(|ty| step.below.fits(value, ty)),
            None => true,
        })
    }

    /// The same for a value of any type.
    fn fits(&self, value: &mut Value, ty: &Type) -> bool {
        let whole = match (&mut *value, &ty.base) {
            (Value::List(items), BaseType::List(inner)) => items.iter_mut().all(|item| self.fits(item, inner)),
            (value, _) => self.stands(value),
        };
        if !whole {
            *value = Value::Null;
        }
        ty.nullable || *value != Value::Null
    }

    /// Puts an object without fields where null stands and cannot.
    fn whole(&self, value: &mut Value, ty: &Type) {
        match (&mut *value, &ty.base) {
            (Value::List(items), BaseType::List(inner)) => items.iter_mut().for_each(|item| self.whole(item, inner)),
            (Value::Null, BaseType::Named(_)) if !ty.nullable && !self.0.is_empty() => {
                *value = Value::Object(IndexMap::new());
            }
            _ => {}
        }
    }

    /// Puts the fields of a value, and of what is below it, in order.
    fn sort(&self, value: &mut Value) {
        match value {
            Value::List(items) => items.iter_mut().for_each(|item| self.sort(item)),
            Value::Object(fields) if !self.0.is_empty() => {
                let in_order = self.0.keys().filter(|name| fields.contains_key(*name)).eq(fields.keys());
                if !in_order {
                    fields.sort_by_cached_key(|name, _| self.0.get_index_of(name).unwrap_or(usize::MAX));
                }
                for (name, value) in fields {
                    if let Some(step) = self.0.get(name) {
                        if let Some(ty) = &step.ty {
                            step.below.whole(value, ty);
                        }
                        step.below.sort(value);
                    }
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{parser::parse_query, value};

    use super::*;

    const SDL: &str = "
        type Query { a: Int b: [Item!]! c: Item maybe: [Item!] sure: Item! }
        type Item { x: Int y: Int! z: Item }
        schema { query: Query }
    ";

    fn formed(document: &str, mut data: Value, failed: &[Value]) -> String {
        let document = parse_query(document).unwrap();
        let shape = Shape::from_sdl(SDL).unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        let segment = |part: &Value| match part {
            Value::Number(index) => PathSegment::Index(usize::try_from(index.as_u64().unwrap()).unwrap()),
            Value::String(name) => PathSegment::Field(name.clone()),
            _ => unreachable!(),
        };
        let errors: Vec<_> = failed
            .iter()
            .map(|path| {
                let Value::List(path) = path else { unreachable!() };
                ServerError { path: path.iter().map(segment).collect(), ..ServerError::new("failed", None) }
            })
            .collect();
        Plan::of(&operation.node, &document, &shape).form(&mut data, &errors);
        data.to_string()
    }

    #[test]
    fn fields_come_in_the_order_of_the_document_fragments_included() {
        let document = "{ ...F b { y x } a } fragment F on Query { c { x } b { z { x } } }";
        let data = value!({ "a": 1, "b": [{ "x": 1, "y": 2, "z": null }], "c": null });
        let expected = value!({ "c": null, "b": [{ "z": null, "y": 2, "x": 1 }], "a": 1 });
        assert_eq!(formed(document, data, &[]), expected.to_string());
    }

    #[test]
    fn a_field_that_failed_is_null_where_null_can_stand() {
        let data = value!({ "b": [{ "y": 2 }] });
        let failed = [value!(["a"]), value!(["b", 0, "x"])];
        let expected = value!({ "a": null, "b": [{ "x": null, "y": 2 }] });
        assert_eq!(formed("{ a b { x y } }", data, &failed), expected.to_string());
    }

    #[test]
    fn where_null_cannot_stand_the_parent_is_null_and_so_on_up() {
        let c = formed("{ a c { y } }", value!({ "a": 1 }), &[value!(["c", "y"])]);
        assert_eq!(c, value!({ "a": 1, "c": null }).to_string());
        let maybe =
            formed("{ a maybe { x y } }", value!({ "a": 1, "maybe": [{ "x": 1 }] }), &[value!(["maybe", 0, "y"])]);
        assert_eq!(maybe, value!({ "a": 1, "maybe": null }).to_string());
        let all = formed("{ a b { x y } }", value!({ "a": 1, "b": [{ "x": 1 }] }), &[value!(["b", 0, "y"])]);
        assert_eq!(all, Value::Null.to_string());
        let sure = formed("{ a sure { x } }", value!({ "a": 1 }), &[value!(["sure"])]);
        assert_eq!(sure, Value::Null.to_string());
    }

    #[test]
    fn an_object_of_which_all_fields_were_skipped_is_an_object() {
        let sure = formed("{ sure { x } b { y } }", value!({ "sure": null, "b": [null, { "y": 1 }] }), &[]);
        assert_eq!(sure, value!({ "sure": {}, "b": [{}, { "y": 1 }] }).to_string());
        assert_eq!(formed("{ a }", Value::Null, &[]), value!({}).to_string());
    }

    #[test]
    fn two_failures_in_one_object_are_both_heeded() {
        let failed = [value!(["c", "y"]), value!(["c", "x"])];
        assert_eq!(formed("{ c { x y } }", Value::Null, &failed), value!({ "c": null }).to_string());
        let failed = [value!(["c", "x"]), value!(["c", "z"])];
        let expected = value!({ "c": { "x": null, "z": null } });
        assert_eq!(formed("{ c { x z { x } } }", value!({ "c": null }), &failed), expected.to_string());
    }
}
