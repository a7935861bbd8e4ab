//! What the schema lets somebody ask for: documents for every field of a root, with all that is below it.
//!
//! Nothing here names a field. Values are made by their types: an id is one of a pool, so that a field is asked for
//! what is its caller's and for what is not; an enum has each of its values; a filter has each of its fields in turn.
//! What is below is walked to some depth, and into no type twice on one way.

use std::collections::{BTreeMap, BTreeSet};

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, FieldDefinition, InputValueDefinition, Type, TypeKind, TypeSystemDefinition},
};

/// How many objects deep.
const DEPTH: usize = 4;

/// How deep inputs are filled.
const INPUTS: usize = 8;

/// The most ids that are taken at once.
const IDS: usize = 100;

/// What arguments are filled with.
#[derive(Clone, Default)]
pub struct Pool {
    /// Ids for places where one stands: some of each kind. Where it does not matter which, the first is taken.
    pub some: Vec<String>,
    /// Ids for places where many stand.
    pub all: Vec<String>,
    /// Texts, by the name of the argument.
    pub texts: BTreeMap<&'static str, Vec<String>>,
}

/// A field with what is asked for below it; or a fragment, which has no name.
#[derive(Clone, Debug)]
struct Pick {
    /// Whose field it is, and which: `Type.field`.
    coordinate: String,
    name: String,
    text: String,
    below: Vec<Self>,
    is_leaf: bool,
}

impl Pick {
    fn leaf(coordinate: String, name: &str) -> Self {
        Self { coordinate, name: name.to_owned(), text: name.to_owned(), below: Vec::new(), is_leaf: true }
    }

    /// As it stands in a document, without what is left out; nothing, if nothing is left.
    fn written(&self, without: &BTreeSet<String>) -> Option<String> {
        if without.contains(&self.coordinate) {
            return None;
        }
        if self.is_leaf {
            return Some(self.text.clone());
        }
        let below: Vec<_> = self.below.iter().filter_map(|pick| pick.written(without)).collect();
        (!below.is_empty()).then(|| format!("{} {{ {} }}", self.text, below.join(" ")))
    }

    /// Whose field, and which, is at the end of a path of an answer that begins here.
    fn at(&self, path: &[&str]) -> Option<&str> {
        let path = match path.split_first() {
            Some((first, rest)) if *first == self.name => rest,
            _ if self.name.is_empty() => path,
            _ => return None,
        };
        if path.is_empty() && !self.name.is_empty() {
            return Some(&self.coordinate);
        }
        self.below.iter().find_map(|pick| pick.at(path))
    }
}

/// One field of a root with certain arguments.
#[derive(Clone, Debug)]
pub struct Ask {
    operation: &'static str,
    root: Pick,
}

impl Ask {
    /// The document, without what is left out.
    pub fn document(&self, without: &BTreeSet<String>) -> Option<String> {
        Some(format!("{} {{ {} }}", self.operation, self.root.written(without)?))
    }

    /// The field with its arguments, for reports.
    pub fn head(&self) -> &str {
        &self.root.text
    }

    /// Whose field, and which, is at a path of the answer, if it is below the root.
    pub fn below(&self, path: &[&str]) -> Option<String> {
        self.root.at(path).filter(|coordinate| *coordinate != self.root.coordinate).map(str::to_owned)
    }
}

/// Every type by its name.
pub struct Schema {
    types: BTreeMap<String, TypeKind>,
    /// The inputs of which exactly one field is given.
    one_of: BTreeSet<String>,
}

impl Schema {
    /// Reads the schema definition language.
    pub fn read(sdl: &str) -> Self {
        let definitions = parse_schema(sdl).expect("the schema can be parsed").definitions;
        let (mut types, mut one_of) = (BTreeMap::new(), BTreeSet::new());
        for definition in definitions {
            let TypeSystemDefinition::Type(ty) = definition else { continue };
            let (name, ty) = (ty.node.name.node.to_string(), ty.node);
            if ty.directives.iter().any(|directive| directive.node.name.node.as_str() == "oneOf") {
                one_of.insert(name.clone());
            }
            types.insert(name, ty.kind);
        }
        Self { types, one_of }
    }

    fn fields_of(&self, ty: &str) -> Vec<&FieldDefinition> {
        match self.types.get(ty) {
            Some(TypeKind::Object(object)) => object.fields.iter().map(|field| &field.node).collect(),
            Some(TypeKind::Interface(interface)) => interface.fields.iter().map(|field| &field.node).collect(),
            _ => Vec::new(),
        }
    }

    /// The names of the fields of a root.
    pub fn names(&self, root: &str) -> Vec<String> {
        self.fields_of(root).iter().map(|field| field.name.node.to_string()).collect()
    }

    /// The objects that stand for an interface or a union; none for anything else.
    pub fn stands_for(&self, ty: &str) -> Vec<String> {
        match self.types.get(ty) {
            Some(TypeKind::Union(union)) => union.members.iter().map(|name| name.node.to_string()).collect(),
            Some(TypeKind::Interface(_)) => {
                let objects = self.types.iter().filter(|(_, kind)| match kind {
                    TypeKind::Object(object) => object.implements.iter().any(|name| name.node.as_str() == ty),
                    _ => false,
                });
                objects.map(|(name, _)| name.clone()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Everything that a field of a root is asked for, with every value of each argument in turn.
    pub fn asks(&self, root: &'static str, name: &str, pool: &Pool) -> Vec<Ask> {
        let fields = self.fields_of(root);
        let field = fields.into_iter().find(|field| field.name.node.as_str() == name).unwrap();
        let ty = named(&field.ty.node);
        let operation = match root {
            "Query" => "query",
            "Mutation" => "mutation",
            _ => "subscription",
        };
        let variants = match &self.stands_for(ty)[..] {
            [] => vec![self.below(ty, &[ty], DEPTH, pool)],
            objects => {
                let of = |object: &String| {
                    let kind = Pick::leaf(format!("{ty}.__typename"), "__typename");
                    let text = format!("... on {object}");
                    let below = self.below(object, &[object.as_str()], DEPTH, pool);
                    let fragment = Pick { coordinate: String::new(), name: String::new(), text, below, is_leaf: false };
                    vec![kind, fragment]
                };
                objects.iter().map(of).collect()
            }
        };
        let coordinate = format!("{root}.{name}");
        let mut asks = Vec::new();
        for arguments in self.arguments(field, pool) {
            for below in &variants {
                let text = format!("{name}{arguments}");
                let (coordinate, name) = (coordinate.clone(), name.to_owned());
                let root = Pick { coordinate, name, text, is_leaf: below.is_empty(), below: below.clone() };
                asks.push(Ask { operation, root });
            }
        }
        asks
    }

    /// All fields of a type, and theirs. Where a page has both nodes and edges, what is in it is asked for once.
    fn below(&self, ty: &str, within: &[&str], depth: usize, pool: &Pool) -> Vec<Pick> {
        let fields = self.fields_of(ty);
        let has_nodes = fields.iter().any(|field| field.name.node.as_str() == "nodes");
        let mut picks = Vec::new();
        for field in fields {
            let (name, of) = (field.name.node.as_str(), named(&field.ty.node));
            let arguments = self.arguments(field, pool).swap_remove(0);
            let mut pick = Pick::leaf(format!("{ty}.{name}"), name);
            pick.text = format!("{name}{arguments}");
            if self.is_composite(of) {
                if depth == 0 || within.contains(&of) {
                    continue;
                }
                let depth = if has_nodes && name == "edges" { 0 } else { depth - 1 };
                pick.below = self.below(of, &[within, &[of]].concat(), depth, pool);
                pick.is_leaf = false;
            }
            picks.push(pick);
        }
        picks
    }

    fn is_composite(&self, ty: &str) -> bool {
        matches!(self.types.get(ty), Some(TypeKind::Object(_) | TypeKind::Interface(_) | TypeKind::Union(_)))
    }

    /// The arguments of a field: first those that it needs, in every combination; then each of the others in turn.
    fn arguments(&self, field: &FieldDefinition, pool: &Pool) -> Vec<String> {
        let all: Vec<_> = field.arguments.iter().map(|argument| &argument.node).collect();
        let is_page = all.iter().any(|argument| argument.name.node.as_str() == "first");
        let mut combined = vec![if is_page { vec!["first: 20".to_owned()] } else { Vec::new() }];
        for argument in all.iter().filter(|argument| is_needed(argument)) {
            let values = self.given(argument, pool, INPUTS);
            combined = combined
                .iter()
                .flat_map(|given| values.iter().map(move |value| [&given[..], std::slice::from_ref(value)].concat()))
                .collect();
        }
        let first = combined[0].clone();
        let paging = ["first", "after", "before", "last"];
        let others = all
            .iter()
            .filter(|argument| !(is_needed(argument) || is_page && paging.contains(&argument.name.node.as_str())));
        for argument in others {
            for value in self.given(argument, pool, INPUTS) {
                combined.push([&first[..], &[value]].concat());
            }
        }
        let written = |given: Vec<String>| {
            if given.is_empty() { String::new() } else { format!("({})", given.join(", ")) }
        };
        combined.into_iter().map(written).collect()
    }

    /// An argument, or a field of an input, with each of its values.
    fn given(&self, argument: &InputValueDefinition, pool: &Pool, depth: usize) -> Vec<String> {
        let name = argument.name.node.as_str();
        self.values(name, &argument.ty.node, pool, depth).iter().map(|value| format!("{name}: {value}")).collect()
    }

    fn values(&self, name: &str, ty: &Type, pool: &Pool, depth: usize) -> Vec<String> {
        let quoted = |texts: &[String]| texts.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>();
        let of = match &ty.base {
            BaseType::List(inner) if named(inner) == "ID" => {
                return pool.all.chunks(IDS).map(|ids| format!("[{}]", quoted(ids).join(", "))).collect();
            }
            BaseType::List(inner) => {
                return self.values(name, inner, pool, depth).iter().map(|value| format!("[{value}]")).collect();
            }
            BaseType::Named(of) => of.as_str(),
        };
        match (of, self.types.get(of)) {
            ("ID", _) => quoted(&pool.some),
            ("Int" | "Float", _) => vec!["1".to_owned()],
            ("Boolean", _) => vec!["true".to_owned(), "false".to_owned()],
            ("DateTime", _) => vec!["\"2027-01-01T00:00:00Z\"".to_owned()],
            ("JSON", _) => vec!["{}".to_owned()],
            ("String", _) => pool.texts.get(name).map_or(vec!["\"nothing\"".to_owned()], |texts| quoted(texts)),
            (_, Some(TypeKind::Enum(of))) => of.values.iter().map(|value| value.node.value.node.to_string()).collect(),
            (_, Some(TypeKind::InputObject(input))) => {
                let fields: Vec<_> = input.fields.iter().map(|field| &field.node).collect();
                let mut objects = self.objects(&fields, pool, depth);
                if self.one_of.contains(of) {
                    // The first has none.
                    objects.remove(0);
                }
                objects
            }
            _ => vec!["\"1\"".to_owned()],
        }
    }

    /// An input with what it needs, each of these with every value; then with each other field in turn.
    fn objects(&self, fields: &[&InputValueDefinition], pool: &Pool, depth: usize) -> Vec<String> {
        let Some(depth) = depth.checked_sub(1) else { return vec!["{}".to_owned()] };
        let needed: Vec<_> =
            fields.iter().filter(|field| is_needed(field)).map(|field| self.given(field, pool, depth)).collect();
        let least: Vec<_> = needed.iter().map(|given| given[0].clone()).collect();
        let mut objects = vec![least.clone()];
        for (at, given) in needed.iter().enumerate() {
            for value in &given[1..] {
                let mut object = least.clone();
                object[at].clone_from(value);
                objects.push(object);
            }
        }
        for field in fields.iter().filter(|field| !is_needed(field)) {
            objects.extend(self.given(field, pool, depth).into_iter().map(|value| [&least[..], &[value]].concat()));
        }
        objects.into_iter().map(|object| format!("{{ {} }}", object.join(", "))).collect()
    }
}

fn is_needed(argument: &InputValueDefinition) -> bool {
    !argument.ty.node.nullable && argument.default_value.is_none()
}

/// The name of a type without what is around it.
fn named(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => named(inner),
    }
}
