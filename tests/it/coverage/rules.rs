//! What must have a case, checked without asking the hub anything.
//!
//! The lists at the top are the exceptions, each with its reason. They may only shrink: an entry that has
//! become unnecessary fails the build as surely as a missing case does.

use std::collections::{BTreeMap, BTreeSet};

use portolan::kernel::scope::Scope;

use super::{case::Needs, cases, schema::Schema, walk::Walk, world::World};

/// Coordinates without a case.
const UNCOVERED: &[(&str, &str)] = &[];

/// Ids that name things of the whole hub, which no tenant owns: there is no stranger's id to try.
const SHARED_IDS: &[(&str, &str)] = &[];

/// Every case, read against the schema.
async fn walks() -> (Schema, Vec<Walk>) {
    let (schema, world) = (Schema::read(&portolan::graphql::sdl()), World::new().await);
    let walk =
        |case| Walk::of(&schema, &case, &(case.variables)(&world.here)).unwrap_or_else(|wrong| panic!("{wrong}"));
    let walks = cases::all().into_iter().map(walk).collect();
    (schema, walks)
}

fn listed(exceptions: &[(&str, &str)]) -> BTreeSet<String> {
    exceptions.iter().map(|(coordinate, _)| (*coordinate).to_owned()).collect()
}

#[track_caller]
fn assert_none<'a>(what: &str, found: impl IntoIterator<Item = &'a String>) {
    let found: Vec<_> = found.into_iter().map(String::as_str).collect();
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_argument_and_input_field_has_a_case() {
    let (schema, walks) = walks().await;
    let touched = walks.into_iter().flat_map(|walk| walk.coordinates).collect();
    let missing: BTreeSet<_> = schema.coordinates().difference(&touched).cloned().collect();
    assert_none("no case in tests/it/coverage/cases touches", missing.difference(&listed(UNCOVERED)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exceptions_may_only_shrink() {
    let (schema, walks) = walks().await;
    let touched: BTreeSet<_> = walks.into_iter().flat_map(|walk| walk.coordinates).collect();
    let (uncovered, shared) = (listed(UNCOVERED), listed(SHARED_IDS));
    assert_none("covered by a case; take out of UNCOVERED", uncovered.intersection(&touched));
    assert_none("not in the schema; take out of UNCOVERED", uncovered.difference(&schema.coordinates()));
    assert_none("no id in the schema; take out of SHARED_IDS", shared.difference(&schema.ids()));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_id_that_can_be_sent_is_tried_with_another_tenants() {
    let (schema, walks) = walks().await;
    let tried = walks.into_iter().flat_map(|walk| walk.slots).map(|slot| slot.coordinate).collect();
    let missing: BTreeSet<_> = schema.ids().difference(&tried).cloned().collect();
    assert_none("no case sends an id in a variable for", missing.difference(&listed(SHARED_IDS)));
}

/// Ids of the two sides differ wherever a case sends one: else the foreign run would prove nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_case_sends_ids_of_the_side_it_is_given() {
    let (schema, world) = (Schema::read(&portolan::graphql::sdl()), World::new().await);
    let mut same = Vec::new();
    for case in cases::all() {
        let (own, foreign) = ((case.variables)(&world.here), (case.variables)(&world.there));
        let walk = Walk::of(&schema, &case, &own).unwrap();
        let slots = walk.slots.iter().filter(|slot| !listed(SHARED_IDS).contains(&slot.coordinate));
        let alike = slots.filter(|slot| own.pointer(&slot.pointer) == foreign.pointer(&slot.pointer));
        same.extend(alike.map(|slot| format!("{} at {}", walk.name, slot.pointer)));
    }
    assert_none("the same id for both tenants", &same);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_two_cases_have_the_same_name() {
    let (_, walks) = walks().await;
    let mut seen = BTreeMap::<String, u32>::new();
    for walk in walks {
        *seen.entry(walk.name).or_default() += 1;
    }
    assert_none("used twice", seen.iter().filter(|(_, times)| **times > 1).map(|(name, _)| name));
}

/// Clients read in the schema what they need; it must be what the guard asks for.
#[tokio::test(flavor = "multi_thread")]
async fn the_description_of_a_root_field_names_what_it_needs() {
    let (schema, walks) = walks().await;
    let mut differ = Vec::new();
    for (case, walk) in cases::all().iter().zip(&walks) {
        let field = schema.root(walk.operation).and_then(|root| schema.field(root, &walk.field)).unwrap();
        let promise = match case.needs {
            Needs::Anyone => "Needs no credential".to_owned(),
            Needs::SignedIn | Needs::Asked(_) => "Needs any valid credential".to_owned(),
            Needs::Person => "Needs a signed-in person".to_owned(),
            Needs::Scope(scope) => format!("Needs `{}`", scope.name()),
            // Which scope it is depends on what is asked for.
            Needs::Sight(_) => "Needs the scope".to_owned(),
        };
        if !field.description.contains(&promise) {
            differ.push(format!("{}: {:?} does not say: {promise}", walk.field, field.description));
        }
    }
    assert_none("the guard and the description differ", &differ);
}

/// A field further in that has a guard of its own says so in its description and in a case, and both name
/// the same scope.
#[tokio::test(flavor = "multi_thread")]
async fn the_description_of_a_guarded_field_and_its_case_name_the_same_scope() {
    let (schema, walks) = walks().await;
    let (mut tried, mut differ) = (BTreeSet::new(), Vec::new());
    for (case, walk) in cases::all().iter().zip(&walks) {
        for (path, scope) in case.guarded {
            match schema.along(walk.operation, path) {
                Some(coordinate) => drop(tried.insert((coordinate, *scope))),
                None => differ.push(format!("{}: {path} leads nowhere", walk.name)),
            }
        }
    }
    let roots: BTreeSet<_> = walks.iter().filter_map(|walk| schema.root(walk.operation)).collect();
    for (coordinate, field) in schema.fields() {
        if coordinate.split_once('.').is_some_and(|(parent, _)| roots.contains(parent)) {
            continue;
        }
        for scope in Scope::ALL {
            let said = field.description.contains(&format!("Needs `{}`", scope.name()));
            if said != tried.contains(&(coordinate.clone(), *scope)) {
                let who =
                    if said { "its description, and no case guards it" } else { "a case, and not its description" };
                differ.push(format!("{coordinate}: {} is named by {who}", scope.name()));
            }
        }
    }
    assert_none("the guard and the description differ", &differ);
}
