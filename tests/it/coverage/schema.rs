//! The schema as the matrix sees it: names, and what they lead to.
//!
//! Read from the schema definition language, which is what clients get, and not from the program's own
//! types: a field that reaches the schema by whatever way is counted. Coordinates are written as the
//! GraphQL specification writes them: `Type.field`, `Type.field(argument:)`, `Input.field`.

use std::collections::{BTreeMap, BTreeSet};

use async_graphql::parser::{
    parse_schema,
    types::{
        BaseType, FieldDefinition, InputValueDefinition, OperationType, Type as TypeRef, TypeKind, TypeSystemDefinition,
    },
};

/// An argument or a field of an input: its type without the wrappers.
pub type Inputs = BTreeMap<String, String>;

/// A field with its arguments.
pub struct Field {
    pub ty: String,
    pub arguments: Inputs,
    pub description: String,
}

/// A type that can be walked into.
pub enum Kind {
    /// An object or an interface.
    Fields(BTreeMap<String, Field>),
    /// An input object.
    Input(Inputs),
    /// A union, an enum or a scalar: nothing to count.
    Leaf,
}

/// Every type by its name.
pub struct Schema {
    types: BTreeMap<String, Kind>,
    roots: BTreeMap<&'static str, String>,
}

impl Schema {
    /// Reads a schema.
    pub fn read(sdl: &str) -> Self {
        let (mut types, mut roots) = (BTreeMap::new(), BTreeMap::new());
        for definition in parse_schema(sdl).expect("the schema can be parsed").definitions {
            match definition {
                TypeSystemDefinition::Type(ty) => {
                    let kind = match ty.node.kind {
                        TypeKind::Object(object) => {
                            Kind::Fields(object.fields.iter().map(|it| field(&it.node)).collect())
                        }
                        TypeKind::Interface(it) => Kind::Fields(it.fields.iter().map(|it| field(&it.node)).collect()),
                        TypeKind::InputObject(input) => Kind::Input(inputs(input.fields.iter().map(|it| &it.node))),
                        TypeKind::Scalar | TypeKind::Union(_) | TypeKind::Enum(_) => Kind::Leaf,
                    };
                    types.insert(ty.node.name.node.to_string(), kind);
                }
                TypeSystemDefinition::Schema(schema) => {
                    let schema = schema.node;
                    let named =
                        [("query", schema.query), ("mutation", schema.mutation), ("subscription", schema.subscription)];
                    roots.extend(named.into_iter().filter_map(|(kind, name)| Some((kind, name?.node.to_string()))));
                }
                TypeSystemDefinition::Directive(_) => {}
            }
        }
        Self { types, roots }
    }

    /// Everything that needs a case.
    pub fn coordinates(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for (name, kind) in &self.types {
            match kind {
                Kind::Fields(fields) => {
                    for (field, of) in fields {
                        all.insert(format!("{name}.{field}"));
                        all.extend(of.arguments.keys().map(|argument| format!("{name}.{field}({argument}:)")));
                    }
                }
                Kind::Input(fields) => all.extend(fields.keys().map(|field| format!("{name}.{field}"))),
                Kind::Leaf => {}
            }
        }
        all
    }

    /// Every field with its coordinate, for its description.
    pub fn fields(&self) -> impl Iterator<Item = (String, &Field)> {
        let types = self.types.iter().filter_map(|(name, kind)| match kind {
            Kind::Fields(fields) => Some((name, fields)),
            Kind::Input(_) | Kind::Leaf => None,
        });
        types.flat_map(|(name, fields)| fields.iter().map(move |(field, of)| (format!("{name}.{field}"), of)))
    }

    /// The coordinate at the end of a path of fields that begins at a root, if it leads somewhere.
    pub fn along(&self, operation: OperationType, path: &str) -> Option<String> {
        let mut coordinate = None;
        let mut parent = self.root(operation)?;
        for name in path.split('.') {
            coordinate = Some(format!("{parent}.{name}"));
            parent = &self.field(parent, name)?.ty;
        }
        coordinate
    }

    /// Arguments and input fields that take ids.
    pub fn ids(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        let is_id = |(_, ty): &(&String, &String)| *ty == "ID";
        for (name, kind) in &self.types {
            match kind {
                Kind::Fields(fields) => {
                    for (field, of) in fields {
                        let ids = of.arguments.iter().filter(is_id);
                        all.extend(ids.map(|(argument, _)| format!("{name}.{field}({argument}:)")));
                    }
                }
                Kind::Input(fields) => {
                    all.extend(fields.iter().filter(is_id).map(|(field, _)| format!("{name}.{field}")));
                }
                Kind::Leaf => {}
            }
        }
        all
    }

    /// The type an operation begins with.
    pub fn root(&self, operation: OperationType) -> Option<&str> {
        self.roots.get(operation.to_string().as_str()).map(String::as_str)
    }

    /// A field of an object or interface.
    pub fn field(&self, parent: &str, name: &str) -> Option<&Field> {
        match self.types.get(parent)? {
            Kind::Fields(fields) => fields.get(name),
            Kind::Input(_) | Kind::Leaf => None,
        }
    }

    /// The fields of an input object.
    pub fn input(&self, name: &str) -> Option<&Inputs> {
        match self.types.get(name)? {
            Kind::Input(fields) => Some(fields),
            Kind::Fields(_) | Kind::Leaf => None,
        }
    }
}

fn field(field: &FieldDefinition) -> (String, Field) {
    // Long descriptions are broken into lines; what they say is not.
    let description = field.description.as_ref().map(|text| text.node.split_whitespace().collect::<Vec<_>>().join(" "));
    let description = description.unwrap_or_default();
    let arguments = inputs(field.arguments.iter().map(|it| &it.node));
    (field.name.node.to_string(), Field { ty: base(&field.ty.node), arguments, description })
}

fn inputs<'a>(values: impl Iterator<Item = &'a InputValueDefinition>) -> Inputs {
    values.map(|value| (value.name.node.to_string(), base(&value.ty.node))).collect()
}

fn base(ty: &TypeRef) -> String {
    match &ty.base {
        BaseType::Named(name) => name.to_string(),
        BaseType::List(inner) => base(inner),
    }
}
