//! The schema as this room needs it: names, types, defaults; no resolvers, no descriptions.
//!
//! The engine keeps its own registry private, so the shape is read from the SDL that the schema
//! exports, once, at the start. A schema whose SDL cannot be read stops the start; at run time a
//! shape only answers questions and never fails.
//!
//! A *connection* is known by its name, as everywhere in the Relay world: the type ends with
//! `Connection`. A field is *paged* if it takes `first` or `last`.
//!
//! Not promised: anything about `__schema` and `__type` (they are not part of an SDL), directives, or
//! extensions of types, which our schema does not use.

use std::collections::{BTreeMap, HashMap, HashSet};

use async_graphql::parser::types::{
    BaseType, FieldDefinition, InputValueDefinition, OperationType, Type, TypeKind, TypeSystemDefinition,
};
use async_graphql::parser::{self, parse_schema};
use async_graphql::{Name, Positioned, Value};

/// What the schema offers.
#[derive(Clone, Debug)]
pub struct Shape {
    types: HashMap<String, Kind>,
    query: String,
    mutation: Option<String>,
    subscription: Option<String>,
}

/// A named type.
#[derive(Clone, Debug)]
pub enum Kind {
    /// One of the five built in, or our own.
    Scalar,
    /// Its values.
    Enum(HashSet<String>),
    /// What a client sends.
    Input(Input),
    /// What a client selects from.
    Object(HashMap<String, Field>),
    /// The fields common to several objects.
    Interface(HashMap<String, Field>),
    /// One of several objects; selected from by fragments only.
    Union,
}

/// An input object.
#[derive(Clone, Debug)]
pub struct Input {
    /// Its fields.
    pub fields: BTreeMap<String, InputField>,
    /// Whether exactly one field must be given (`@oneOf`).
    pub one_of: bool,
}

/// A field of an input object, or an argument.
#[derive(Clone, Debug)]
pub struct InputField {
    /// Its type.
    pub ty: Type,
    /// What stands in for it when it is left out.
    pub default: Option<Value>,
}

/// A field that can be selected.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its arguments.
    pub arguments: BTreeMap<String, InputField>,
    /// Its type, with what may be null.
    pub ty: Type,
    /// The named type at its bottom.
    pub output: String,
    /// Whether it answers with a list.
    pub list: bool,
    /// Whether it answers with a connection.
    pub connection: bool,
    /// Whether it takes `first` or `last`.
    pub paged: bool,
}

impl Shape {
    /// Reads the SDL that the schema exports.
    pub fn from_sdl(sdl: &str) -> Result<Self, parser::Error> {
        let builtin = ["Int", "Float", "String", "Boolean", "ID"];
        let mut shape = Self {
            types: builtin.map(|name| (name.to_owned(), Kind::Scalar)).into(),
            query: "Query".into(),
            mutation: None,
            subscription: None,
        };
        for definition in parse_schema(sdl)?.definitions {
            match definition {
                TypeSystemDefinition::Schema(schema) => {
                    let name = |root: Option<Positioned<Name>>| root.map(|name| name.node.to_string());
                    shape.query = name(schema.node.query).unwrap_or(shape.query);
                    shape.mutation = name(schema.node.mutation);
                    shape.subscription = name(schema.node.subscription);
                }
                TypeSystemDefinition::Type(ty) => {
                    let one_of = ty.node.directives.iter().any(|it| it.node.name.node == "oneOf");
                    let kind = Kind::new(ty.node.kind, one_of);
                    shape.types.insert(ty.node.name.node.to_string(), kind);
                }
                TypeSystemDefinition::Directive(_) => {}
            }
        }
        Ok(shape)
    }

    /// The type of that name.
    pub fn kind(&self, name: &str) -> Option<&Kind> {
        self.types.get(name)
    }

    /// The field of that name on the type of that name.
    pub fn field(&self, parent: &str, name: &str) -> Option<&Field> {
        match self.types.get(parent)? {
            Kind::Object(fields) | Kind::Interface(fields) => fields.get(name),
            Kind::Scalar | Kind::Enum(_) | Kind::Input(_) | Kind::Union => None,
        }
    }

    /// The type an operation begins with.
    pub fn root(&self, operation: OperationType) -> Option<&str> {
        match operation {
            OperationType::Query => Some(&self.query),
            OperationType::Mutation => self.mutation.as_deref(),
            OperationType::Subscription => self.subscription.as_deref(),
        }
    }
}

impl Kind {
    fn new(kind: TypeKind, one_of: bool) -> Self {
        match kind {
            TypeKind::Scalar => Self::Scalar,
            TypeKind::Object(object) => Self::Object(fields(object.fields)),
            TypeKind::Interface(interface) => Self::Interface(fields(interface.fields)),
            TypeKind::Union(_) => Self::Union,
            TypeKind::Enum(of) => {
                let name = |value: Positioned<Name>| value.node.to_string();
                Self::Enum(of.values.into_iter().map(|value| name(value.node.value)).collect())
            }
            TypeKind::InputObject(object) => Self::Input(Input { fields: inputs(object.fields), one_of }),
        }
    }

    /// Whether fields are selected from it, so that each value is an object.
    pub fn is_composite(&self) -> bool {
        matches!(self, Self::Object(_) | Self::Interface(_) | Self::Union)
    }
}

impl InputField {
    /// Whether it cannot be left out.
    pub fn required(&self) -> bool {
        !self.ty.nullable && self.default.is_none()
    }
}

/// Whether the type of that name is a connection.
pub(super) fn is_connection(name: &str) -> bool {
    name.ends_with("Connection")
}

/// The named type at the bottom of a type.
pub(super) fn named(ty: &Type) -> &str {
    let mut ty = ty;
    loop {
        match &ty.base {
            BaseType::Named(name) => return name,
            BaseType::List(inner) => ty = inner,
        }
    }
}

fn fields(definitions: Vec<Positioned<FieldDefinition>>) -> HashMap<String, Field> {
    let field = |Positioned { node, .. }: Positioned<FieldDefinition>| {
        let arguments = inputs(node.arguments);
        let output = named(&node.ty.node).to_owned();
        let field = Field {
            list: matches!(node.ty.node.base, BaseType::List(_)),
            connection: is_connection(&output),
            paged: arguments.contains_key("first") || arguments.contains_key("last"),
            arguments,
            output,
            ty: node.ty.node,
        };
        (node.name.node.to_string(), field)
    };
    definitions.into_iter().map(field).collect()
}

fn inputs(definitions: Vec<Positioned<InputValueDefinition>>) -> BTreeMap<String, InputField> {
    let input = |Positioned { node, .. }: Positioned<InputValueDefinition>| {
        let default = node.default_value.map(|value| value.node);
        (node.name.node.to_string(), InputField { ty: node.ty.node, default })
    };
    definitions.into_iter().map(input).collect()
}

#[cfg(test)]
mod tests {
    use async_graphql::{EmptyMutation, EmptySubscription, Enum, InputObject, Object, OneofObject, Schema};

    use super::*;

    #[derive(Enum, Clone, Copy, PartialEq, Eq)]
    enum Colour {
        /// Like the "sea".
        Blue,
        #[graphql(deprecation = "use blue")]
        Green,
    }

    #[derive(InputObject)]
    struct Paint {
        colour: Colour,
        #[graphql(default = 3)]
        layers: i32,
        note: Option<Vec<String>>,
    }

    #[derive(OneofObject)]
    enum Choice {
        Id(async_graphql::ID),
        Paint(Paint),
    }

    struct ShipConnection;

    #[Object]
    impl ShipConnection {
        async fn nodes(&self) -> Vec<Colour> {
            vec![Colour::Blue]
        }
    }

    struct Query;

    #[Object]
    impl Query {
        /// All of them, of the \"choice\".
        async fn ships(&self, #[graphql(default = 20)] first: i32, by: Choice) -> ShipConnection {
            let _ = (first, by);
            ShipConnection
        }
    }

    #[test]
    fn the_engines_own_sdl_is_understood() {
        let sdl = Schema::new(Query, EmptyMutation, EmptySubscription).sdl();
        let shape = Shape::from_sdl(&sdl).unwrap();
        assert_eq!(shape.root(OperationType::Query), Some("Query"));
        assert_eq!(shape.root(OperationType::Mutation), None);
        let ships = shape.field("Query", "ships").unwrap();
        assert!(ships.connection && ships.paged && !ships.list);
        assert_eq!(ships.arguments["first"].default, Some(Value::from(20)));
        assert!(!ships.arguments["first"].required() && ships.arguments["by"].required());
        let nodes = shape.field("ShipConnection", "nodes").unwrap();
        assert!(nodes.list && nodes.output == "Colour");
        let Some(Kind::Enum(colours)) = shape.kind("Colour") else { panic!("{sdl}") };
        assert_eq!(colours.len(), 2);
        let Some(Kind::Input(choice)) = shape.kind("Choice") else { panic!("{sdl}") };
        assert!(choice.one_of);
        let Some(Kind::Input(paint)) = shape.kind("Paint") else { panic!("{sdl}") };
        let required = |name: &str| paint.fields[name].required();
        assert!(required("colour") && !required("layers") && !required("note") && !paint.one_of);
    }

    #[test]
    fn roots_follow_the_schema_definition() {
        let shape = Shape::from_sdl(
            "interface Node { id: ID! } union U = A | B scalar Time type Q { a: [[U!]!] } \
             schema { query: Q subscription: S }",
        )
        .unwrap();
        assert_eq!(shape.root(OperationType::Query), Some("Q"));
        assert_eq!(shape.root(OperationType::Subscription), Some("S"));
        assert_eq!(shape.field("Q", "a").unwrap().output, "U");
        assert!(shape.kind("U").unwrap().is_composite());
        assert!(!shape.kind("Time").unwrap().is_composite());
        assert!(shape.kind("Int").is_some() && shape.kind("Nothing").is_none());
    }

    #[test]
    fn what_is_not_sdl_is_refused() {
        assert!(Shape::from_sdl("type {").is_err());
    }
}
