//! Whether the matrix would notice: cases that lie, answers that are wrong, schemas that have grown.

use axum::http::{HeaderMap, StatusCode};
use portolan::kernel::{
    error::Code,
    scope::{Role, Scope},
};
use serde_json::{Value, json};

use super::{
    case::{Case, Foreign, Needs},
    matrix,
    principal::Principal,
    schema::Schema,
    verdict::Expected,
    walk::Walk,
};
use crate::support::Reply;

const USERS: &str = "query Users { users { nodes { id } } }";
const USER_ROLES: &str = "mutation M($id: ID!) {
  updateMembership(input: { id: $id, role: OPERATOR }) { membership { id } userErrors { code path } }
}";

fn lie(needs: Needs, document: &'static str) -> Case {
    Case::new(needs, document, |_| json!({}))
}

/// Each kind of failure names the case and the caller it was found with.
fn assert_caught(failures: &[String], expected: &[&str]) {
    let caught = |start: &&&str| failures.iter().any(|failure| failure.starts_with(**start));
    let missed: Vec<_> = expected.iter().filter(|start| !caught(start)).collect();
    assert!(missed.is_empty(), "not caught: {missed:?}; caught:\n{}", failures.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_that_names_another_scope_than_the_guard_is_caught() {
    let wrong = [lie(Needs::Scope(Scope::TenantRead), USERS)];
    let admitted = matrix::admissions(&wrong).await;
    assert_caught(&admitted, &["Users as OPERATOR", "Users as VIEWER", "Users as only TENANT_READ"]);
    let refused = matrix::refusals(&wrong).await;
    assert_caught(&refused, &["Users as all but TENANT_READ"]);
    assert!(!refused.iter().any(|failure| failure.starts_with("Users as PARTNER")), "{refused:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_that_says_less_is_needed_is_caught() {
    for needs in [Needs::Anyone, Needs::SignedIn] {
        assert_caught(&matrix::admissions(&[lie(needs, USERS)]).await, &["Users as PARTNER", "Users as no scopes"]);
    }
    assert_caught(&matrix::admissions(&[lie(Needs::Anyone, USERS)]).await, &["Users as anonymous"]);
    let sight = [lie(Needs::Sight(Scope::AccessRead), USERS)];
    assert_caught(&matrix::refusals(&sight).await, &["Users as VIEWER", "Users as PARTNER"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_that_promises_another_answer_to_foreign_ids_is_caught() {
    let usual = Case::new(Needs::Scope(Scope::AccessWrite), USER_ROLES, |side| json!({ "id": side["membership"] }));
    assert!(matrix::foreign_ids(&[usual]).await.is_empty());
    for foreign in [Foreign::NotFound, Foreign::Hidden] {
        let wrong = Case { foreign: Some(foreign), ..usual };
        let failures = matrix::foreign_ids(&[wrong]).await;
        assert_caught(
            &failures,
            &["M as ADMIN with a foreign id at /id", "M as SUPER_ADMIN with an unknown id at /id"],
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_of_a_subscription_that_lies_is_caught() {
    const FOLLOW: &str = "subscription F($after: String) { events(topics: [ACCESS], after: $after) { id } }";
    let case = |needs| Case::new(needs, FOLLOW, |side| json!({ "after": side.number_before("events") }));
    let admitted = matrix::admissions(&[case(Needs::Asked(Scope::TenantRead))]).await;
    assert_caught(&admitted, &["F as OPERATOR", "F as VIEWER", "F as only TENANT_READ"]);
    let refused = matrix::refusals(&[case(Needs::Sight(Scope::AccessRead))]).await;
    assert_caught(&refused, &["F as VIEWER", "F as PARTNER"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_that_did_nothing_is_no_success() {
    let idle = Case::new(Needs::Scope(Scope::AccessWrite), USER_ROLES, |_| json!({ "id": "mem_nonsense" }));
    assert_caught(
        &matrix::admissions(&[idle]).await,
        &["M as SUPER_ADMIN: expected Success", "M as SUPER_ADMIN: expected a new row in audit_entries"],
    );
}

#[test]
fn a_field_an_argument_and_an_input_field_that_are_new_are_counted() {
    let types = "type Parcel { weight: Int } input ParcelInput { carriers: [ID!] }";
    let root = "type Query { parcels(of: ID, like: ParcelInput): Parcel";
    let followed = "type Subscription { parcelsFollowed(of: ID): Parcel!";
    let now = portolan::graphql::sdl();
    let grown = now.replacen("type Query {", root, 1).replacen("type Subscription {", followed, 1) + types;
    let (now, grown) = (Schema::read(&now), Schema::read(&grown));
    let (before, after) = (now.coordinates(), grown.coordinates());
    let new: Vec<_> = after.difference(&before).map(String::as_str).collect();
    let parcels = ["Query.parcels", "Query.parcels(like:)", "Query.parcels(of:)"];
    let followed = ["Subscription.parcelsFollowed", "Subscription.parcelsFollowed(of:)"];
    assert_eq!(new, [["Parcel.weight", "ParcelInput.carriers"].as_slice(), &parcels, &followed].concat());
    let (before, after) = (now.ids(), grown.ids());
    let new: Vec<_> = after.difference(&before).map(String::as_str).collect();
    assert_eq!(new, ["ParcelInput.carriers", "Query.parcels(of:)", "Subscription.parcelsFollowed(of:)"]);
}

#[test]
fn a_walk_follows_fragments_interfaces_literals_and_variables() {
    let schema = Schema::read(
        "schema { query: Q } type Q { find(by: By, only: [ID!]): Node other: Int } interface Node { id: ID }
         type Box implements Node { id: ID lid(open: Boolean): Int }
         input By { id: ID name: String deep: [By!] }",
    );
    let document = "query Find($by: By, $one: ID, $none: ID) {
        find(by: $by, only: [$one, $none]) { id ... on Box { __typename ...B } }
        again: find(by: { name: \"x\", id: \"literal\", deep: [{ id: $one }] }) { id }
      }
      fragment B on Box { lid(open: true) }";
    let case = lie(Needs::Anyone, document);
    let variables = json!({ "by": { "deep": [{ "id": "a" }], "name": null }, "one": "b" });
    let walk = Walk::of(&schema, &case, &variables).unwrap();
    let touched: Vec<_> = walk.coordinates.iter().map(String::as_str).collect();
    let expected = [
        "Box.lid",
        "Box.lid(open:)",
        "By.deep",
        "By.id",
        "By.name",
        "Node.id",
        "Q.find",
        "Q.find(by:)",
        "Q.find(only:)",
    ];
    assert_eq!(touched, expected);
    let slots: Vec<_> =
        walk.slots.iter().map(|it| (it.coordinate.as_str(), it.path.join("."), it.pointer.as_str())).collect();
    let expected = [
        ("By.id", "by.deep.id".to_owned(), "/by/deep/0/id"),
        ("Q.find(only:)", "only".to_owned(), "/one"),
        ("By.id", "by.deep.id".to_owned(), "/one"),
    ];
    assert_eq!(slots, expected, "an id in the document itself is no place to try a stranger's");
    assert_eq!(
        (walk.field.as_str(), walk.keys.as_slice()),
        ("find", ["find".to_owned(), "again".to_owned()].as_slice())
    );

    for wrong in ["{ other }", "query Two { other find { id } }", "query No { nothing }", "mutation No { other }"] {
        assert!(Walk::of(&schema, &lie(Needs::Anyone, wrong), &json!({})).is_err(), "{wrong}");
    }
}

fn reply(status: u16, body: &Value) -> Reply {
    Reply { status: StatusCode::from_u16(status).unwrap(), headers: HeaderMap::new(), text: body.to_string() }
}

fn error(path: &Value, code: Code) -> Value {
    json!({ "message": "no", "path": path, "extensions": { "code": code.name() } })
}

fn walk_of(document: &'static str) -> Walk {
    let schema = Schema::read(&portolan::graphql::sdl());
    Walk::of(&schema, &lie(Needs::Anyone, document), &json!({})).unwrap()
}

#[test]
fn a_refusal_with_data_or_at_another_place_is_no_refusal() {
    let walk = walk_of("query V { viewer { actor tenant { id } } }");
    let refused = Expected::Refused(Code::Forbidden);
    let at_root = error(&json!(["viewer"]), Code::Forbidden);
    let passes = |status, body: &Value| refused.judge(&walk, &reply(status, body)).is_ok();
    assert!(passes(200, &json!({ "data": null, "errors": [at_root] })));
    assert!(passes(200, &json!({ "data": { "viewer": null }, "errors": [at_root] })));
    assert!(!passes(200, &json!({ "data": { "viewer": { "actor": "x" } }, "errors": [at_root] })));
    assert!(!passes(200, &json!({ "data": null, "errors": [error(&json!(["viewer", "actor"]), Code::Forbidden)] })));
    assert!(!passes(200, &json!({ "data": null, "errors": [error(&json!(["viewer"]), Code::Internal)] })));
    assert!(!passes(200, &json!({ "data": null })));
    assert!(!passes(401, &json!({ "data": null, "errors": [at_root] })));
    let turned_away = json!({ "errors": [error(&Value::Null, Code::Unauthenticated)] });
    let refused = Expected::TurnedAway(Code::Unauthenticated);
    assert!(refused.judge(&walk, &reply(401, &turned_away)).is_ok());
    assert!(refused.judge(&walk, &reply(200, &turned_away)).is_err());
    assert!(Expected::TurnedAway(Code::TenantSuspended).judge(&walk, &reply(403, &turned_away)).is_err());
}

#[test]
fn a_guard_further_in_refuses_there_and_only_those_without_its_scope() {
    let walk = walk_of("query V { viewer { actor tenant { id } } }");
    let case = Case { guarded: &[("viewer.tenant", Scope::TenantRead)], ..lie(Needs::SignedIn, USERS) };
    let partner = Expected::of(&case, &Principal::role(Role::Partner));
    let refused = json!({
        "data": { "viewer": { "actor": "x", "tenant": null } },
        "errors": [error(&json!(["viewer", "tenant"]), Code::Forbidden)],
    });
    let shown = json!({ "data": { "viewer": { "actor": "x", "tenant": { "id": "y" } } } });
    assert!(partner.judge(&walk, &reply(200, &refused)).is_ok());
    assert!(partner.judge(&walk, &reply(200, &shown)).is_err());
    let viewer = Expected::of(&case, &Principal::role(Role::Viewer));
    assert!(viewer.judge(&walk, &reply(200, &refused)).is_err());
    assert!(viewer.judge(&walk, &reply(200, &shown)).is_ok());
}

#[test]
fn an_empty_page_is_nothing_to_see() {
    let walk = walk_of(USERS);
    let (empty, full) =
        (json!({ "data": { "users": { "nodes": [] } } }), json!({ "data": { "users": { "nodes": [1] } } }));
    assert!(Expected::Hidden.judge(&walk, &reply(200, &empty)).is_ok());
    assert!(Expected::Hidden.judge(&walk, &reply(200, &full)).is_err());
    assert!(Expected::Answer(Vec::new()).judge(&walk, &reply(200, &empty)).is_err());
    assert!(Expected::Answer(Vec::new()).judge(&walk, &reply(200, &full)).is_ok());
}
