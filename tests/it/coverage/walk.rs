//! What a case touches: its document walked against the schema, its variables against their types.
//!
//! An argument or an input field counts when a value stands in it, in the document or in the variables; a
//! null is no value. An id counts as tried with another tenant's only where it comes from a variable,
//! because ids are made anew for each hub: such a place is a [`Slot`], and `matrix` puts a stranger's id
//! into each of them.

use std::collections::BTreeSet;

use async_graphql::{
    Value,
    parser::{
        parse_query,
        types::{ExecutableDocument, OperationType, Selection, SelectionSet},
    },
};
use serde_json::Value as Json;

use super::{case::Case, schema::Schema};

/// A place in the variables of a case where an id stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The argument or input field.
    pub coordinate: String,
    /// The way there from the root field: the argument's name first, positions in lists left out.
    pub path: Vec<String>,
    /// The way there in the variables, as a JSON pointer.
    pub pointer: String,
}

/// A case, read.
#[derive(Debug)]
pub struct Walk {
    /// The name of the operation, which is the case's.
    pub name: String,
    pub operation: OperationType,
    /// The root field.
    pub field: String,
    /// Under which keys its answers stand.
    pub keys: Vec<String>,
    pub coordinates: BTreeSet<String>,
    pub slots: Vec<Slot>,
}

impl Walk {
    /// Whether the case changes something.
    pub fn mutates(&self) -> bool {
        self.operation == OperationType::Mutation
    }

    /// Whether the case is answered item by item.
    pub fn follows(&self) -> bool {
        self.operation == OperationType::Subscription
    }

    /// Reads a case; says what is wrong with it.
    pub fn of(schema: &Schema, case: &Case, variables: &Json) -> Result<Self, String> {
        let wrong = |what: String| format!("{what} in: {}", case.document.trim());
        let document = parse_query(case.document).map_err(|error| wrong(error.to_string()))?;
        let (name, operation) = match document.operations.iter().next() {
            Some((Some(name), operation)) if document.operations.iter().len() == 1 => (name, &operation.node),
            _ => return Err(wrong("a case is one operation with a name".to_owned())),
        };
        let root = schema.root(operation.ty).ok_or_else(|| wrong(format!("there is no {}", operation.ty)))?;
        let mut walker =
            Walker { schema, document: &document, variables, coordinates: BTreeSet::new(), slots: Vec::new() };
        walker.selections(root, &operation.selection_set.node).map_err(wrong)?;
        let mut fields = BTreeSet::new();
        let mut keys = Vec::new();
        for item in &operation.selection_set.node.items {
            let Selection::Field(field) = &item.node else {
                return Err(wrong("the root field stands in no fragment".to_owned()));
            };
            fields.insert(field.node.name.node.to_string());
            keys.push(field.node.response_key().node.to_string());
        }
        if fields.len() != 1 {
            return Err(wrong("a case asks for one root field".to_owned()));
        }
        Ok(Self {
            name: name.to_string(),
            operation: operation.ty,
            field: fields.into_iter().collect(),
            keys,
            coordinates: walker.coordinates,
            slots: walker.slots,
        })
    }
}

/// A variable inside a literal. No literal of GraphQL is bytes, so nothing else looks like it.
fn marked(variable: &str) -> Value {
    Value::Binary(variable.to_owned().into())
}

struct Walker<'a> {
    schema: &'a Schema,
    document: &'a ExecutableDocument,
    variables: &'a Json,
    coordinates: BTreeSet<String>,
    slots: Vec<Slot>,
}

/// Where a value stands: the coordinate it fills and the way there from the root field.
#[derive(Clone)]
struct Place {
    coordinate: String,
    path: Vec<String>,
}

impl Place {
    fn within(&self, input: &str, field: &str) -> Self {
        let path = self.path.iter().cloned().chain([field.to_owned()]).collect();
        Self { coordinate: format!("{input}.{field}"), path }
    }
}

impl<'a> Walker<'a> {
    fn selections(&mut self, parent: &str, set: &SelectionSet) -> Result<(), String> {
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => {
                    let (field, name) = (&field.node, field.node.name.node.as_str());
                    if name == "__typename" {
                        continue;
                    }
                    let known = self.schema.field(parent, name);
                    let known = known.ok_or_else(|| format!("{parent}.{name} is not in the schema"))?;
                    self.coordinates.insert(format!("{parent}.{name}"));
                    for (argument, value) in &field.arguments {
                        let argument = argument.node.as_str();
                        let coordinate = format!("{parent}.{name}({argument}:)");
                        let ty = known.arguments.get(argument);
                        let ty = ty.ok_or_else(|| format!("{coordinate} is not in the schema"))?;
                        // The parser's values cannot be named here; these can, with a mark for each variable.
                        let mark = value.node.clone().into_const_with(|name| Ok::<_, String>(marked(&name)))?;
                        self.literal(&Place { coordinate, path: vec![argument.to_owned()] }, ty, &mark)?;
                    }
                    self.selections(&known.ty, &field.selection_set.node)?;
                }
                Selection::InlineFragment(fragment) => {
                    let on = fragment.node.type_condition.as_ref().map_or(parent, |it| it.node.on.node.as_str());
                    self.selections(on, &fragment.node.selection_set.node)?;
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    let fragment = self.document.fragments.get(name);
                    let fragment = fragment.ok_or_else(|| format!("there is no fragment {name}"))?;
                    let on = fragment.node.type_condition.node.on.node.as_str();
                    self.selections(on, &fragment.node.selection_set.node)?;
                }
            }
        }
        Ok(())
    }

    /// A value in the document, which may hold variables.
    fn literal(&mut self, place: &Place, ty: &str, value: &Value) -> Result<(), String> {
        match value {
            Value::Null => return Ok(()),
            Value::Binary(mark) => {
                let name = String::from_utf8_lossy(mark);
                let variables = self.variables;
                return match variables.get(&*name) {
                    Some(value) => self.json(place, ty, value, &format!("/{name}")),
                    None => Ok(()),
                };
            }
            Value::List(items) => {
                for item in items {
                    self.literal(place, ty, item)?;
                }
            }
            Value::Object(fields) => {
                for (name, value) in fields {
                    let of = self.input_field(ty, name)?;
                    self.literal(&place.within(ty, name), of, value)?;
                }
            }
            _ => {}
        }
        self.coordinates.insert(place.coordinate.clone());
        Ok(())
    }

    /// A value in the variables.
    fn json(&mut self, place: &Place, ty: &str, value: &Json, pointer: &str) -> Result<(), String> {
        match value {
            Json::Null => return Ok(()),
            Json::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.json(place, ty, item, &format!("{pointer}/{index}"))?;
                }
            }
            // A scalar may be an object too; only input objects have fields to count.
            Json::Object(fields) if self.schema.input(ty).is_some() => {
                for (name, value) in fields {
                    let of = self.input_field(ty, name)?;
                    self.json(&place.within(ty, name), of, value, &format!("{pointer}/{name}"))?;
                }
            }
            Json::String(_) if ty == "ID" => self.slots.push(Slot {
                coordinate: place.coordinate.clone(),
                path: place.path.clone(),
                pointer: pointer.to_owned(),
            }),
            _ => {}
        }
        self.coordinates.insert(place.coordinate.clone());
        Ok(())
    }

    /// The type of a field of an input object.
    fn input_field(&self, input: &str, name: &str) -> Result<&'a str, String> {
        let known = self.schema.input(input).and_then(|fields| fields.get(name));
        known.map(String::as_str).ok_or_else(|| format!("{input}.{name} is not in the schema"))
    }
}
