//! Statuses and media types, in both profiles.

use axum::http::Request;
use portolan::kernel::scope::{Role, Scope};
use serde_json::{Value, json};

use crate::support::{
    TestHub,
    hub::{get, post},
    request::{With, encoded},
};

const JSON: &str = "application/json";
const GRAPHQL: &str = "application/graphql-response+json";
const DRAFT: (&str, &str) = ("PORTOLAN_GRAPHQL_HTTP_STATUS", "draft-2026");

/// What is sent, the code of its error, and the status: compat for those who accept the new type, compat
/// for those who know plain JSON only, and the draft's for both.
fn table() -> Vec<(Value, &'static str, [u16; 3])> {
    let nobody = "{ viewer { role } tenant(id: \"ten_00000000000000000000000000\") { id } }";
    let required = "query($id: ID!) { node(id: $id) { id } }";
    vec![
        (json!({ "query": "{ viewer { role } }" }), "", [200, 200, 200]),
        (json!({ "query": nobody }), "NOT_FOUND", [200, 200, 294]),
        (json!({ "query": "{ users { nodes { id } } }" }), "FORBIDDEN", [200, 200, 294]),
        (json!({ "query": "{ viewer {" }), "GRAPHQL_PARSE_FAILED", [400, 200, 400]),
        (json!({ "query": "{ nothing }" }), "GRAPHQL_VALIDATION_FAILED", [400, 200, 422]),
        (json!({ "query": required, "variables": {} }), "BAD_USER_INPUT", [400, 200, 422]),
        (json!({ "query": required, "variables": { "id": 1.5 } }), "BAD_USER_INPUT", [400, 200, 422]),
        (
            json!({ "query": "query A { __typename }", "operationName": "B" }),
            "OPERATION_RESOLUTION_FAILURE",
            [400, 200, 422],
        ),
        (json!({ "documentId": "sha256:00" }), "PERSISTED_QUERY_NOT_SUPPORTED", [400, 200, 422]),
        // Parameters that cannot be taken were no GraphQL request at all, so plain JSON clients see it too.
        (json!({ "query": 1 }), "BAD_USER_INPUT", [400, 400, 422]),
        (json!({}), "BAD_USER_INPUT", [400, 400, 422]),
        (json!([{ "query": "{ __typename }" }]), "BAD_USER_INPUT", [400, 400, 422]),
    ]
}

async fn table_holds(hub: &TestHub, draft: bool) {
    let (_, token) = hub.new_token(&hub.tenant, Role::Viewer, Some(&[Scope::TenantRead]), None).await;
    for (body, code, statuses) in table() {
        for (accept, place) in [(GRAPHQL, 0), (JSON, 1)] {
            let status = statuses[if draft { 2 } else { place }];
            let reply = hub.send(post(&token, body.to_string()).with("accept", accept)).await;
            assert_eq!(reply.status.as_u16(), status, "{accept} {body}: {}", reply.text);
            assert_eq!(reply.codes().concat(), code, "{body}: {}", reply.text);
            assert_eq!(reply.header("content-type"), format!("{accept}; charset=utf-8"));
            reply.well_formed();
            let ran = matches!(code, "" | "NOT_FOUND" | "FORBIDDEN");
            assert_eq!(reply.json().get("data").is_some(), ran, "data is there if it ran: {}", reply.text);
        }
    }
    let broken = hub.send(post(&token, "{").with("accept", JSON)).await;
    broken.refused(400, "BAD_USER_INPUT");
}

#[tokio::test]
async fn statuses_are_those_that_deployed_clients_expect() {
    table_holds(&TestHub::start().await, false).await;
}

#[tokio::test]
async fn statuses_are_those_of_the_draft_if_the_operator_wants_it() {
    table_holds(&TestHub::with(&[DRAFT]).await, true).await;
}

#[tokio::test]
async fn who_has_not_signed_in_is_told_in_the_way_of_http() {
    for settings in [&[][..], &[DRAFT]] {
        let hub = TestHub::with(settings).await;
        for accept in [JSON, GRAPHQL] {
            let reply =
                hub.send(post("", json!({ "query": "{ viewer { role } }" }).to_string()).with("accept", accept));
            let reply = reply.await;
            assert_eq!((reply.status.as_u16(), reply.codes()), (401, vec!["UNAUTHENTICATED".to_owned()]));
            assert_eq!(reply.header("www-authenticate"), "Bearer realm=\"portolan\"");
            reply.well_formed();
            // What needs no credential is answered without one.
            let open = hub.send(post("", json!({ "query": "{ __typename }" }).to_string())).await;
            assert_eq!(open.data(), json!({ "__typename": "Query" }));
        }
    }
}

#[tokio::test]
async fn the_type_of_an_answer_is_the_one_the_client_prefers() {
    let graphql = Some(GRAPHQL);
    let json = Some(JSON);
    let table = [
        ("*/*", json),
        ("application/*", json),
        ("text/html, */*;q=0.1", json),
        (GRAPHQL, graphql),
        ("application/graphql-response+json, application/json;q=0.9", graphql),
        ("application/graphql-response+json;q=0.1, application/json", json),
        ("application/json;q=0.5, application/graphql-response+json;q=0.51", graphql),
        ("application/graphql-response+json; charset=utf-8", graphql),
        ("*/*, application/json;q=0", graphql),
        ("text/html", None),
        ("application/json;q=0", None),
        ("application/graphql+json", None),
    ];
    let draft = TestHub::with(&[DRAFT]).await;
    for hub in [TestHub::start().await, draft] {
        let silent = hub.send(post("", "{\"query\":\"{ __typename }\"}")).await;
        assert_eq!(silent.header("content-type"), "application/json; charset=utf-8");
        for (accept, expected) in table {
            let by_post = post("", "{\"query\":\"{ __typename }\"}").with("accept", accept);
            let by_get = get("/graphql?query={__typename}").with("accept", accept);
            for request in [by_post, by_get] {
                let reply = hub.send(request).await;
                assert_eq!(reply.header("vary"), "Accept, Authorization");
                match expected {
                    Some(kind) => {
                        assert_eq!(reply.data()["__typename"], "Query");
                        assert_eq!(reply.header("content-type"), format!("{kind}; charset=utf-8"), "{accept}");
                    }
                    None => reply.refused(406, "NOT_ACCEPTABLE"),
                }
            }
        }
    }
}

#[tokio::test]
async fn a_query_may_come_by_get() {
    let hub = TestHub::start().await;
    let token = hub.token(Role::Viewer).await;
    let bearer = format!("Bearer {token}");
    let ask = |query: &str, variables: &Value| {
        let path = format!("/graphql?query={}&variables={}", encoded(query), encoded(&variables.to_string()));
        get(&path).with("authorization", &bearer)
    };
    let query = "query($id: ID!) { node(id: $id) { id } }";
    let reply = hub.send(ask(query, &json!({ "id": hub.tenant.id.to_string() }))).await;
    assert_eq!(reply.data()["node"]["id"], hub.tenant.id.to_string());
    assert_eq!(reply.header("cache-control"), "private, no-store");
    // A credential in the address ends in logs, so it is not looked for there.
    let path = format!("/graphql?query={}&access_token={token}", encoded("{ viewer { role } }"));
    hub.send(get(&path)).await.well_formed();
    assert_eq!(hub.send(get(&path)).await.codes(), ["UNAUTHENTICATED"]);

    for (path, status) in [
        ("/graphql", 400),
        ("/graphql?query=", 400),
        ("/graphql?query=%7B__typename%7D&query=%7B__typename%7D", 400),
        ("/graphql?query=%ff", 400),
        ("/graphql?query=%7", 400),
        ("/graphql?query={__typename}&variables=[]", 400),
        ("/graphql?query={__typename}&variables={", 400),
        ("/graphql?query={__typename}&extensions=1", 400),
    ] {
        hub.send(get(path)).await.refused(status, "BAD_USER_INPUT");
    }
}

#[tokio::test]
async fn data_come_in_the_order_of_the_query() {
    let hub = TestHub::start().await;
    let token = hub.token(Role::SuperAdmin).await;
    let query =
        "{ z: viewer { tenant { slug id } role ...F } a: tenant { name id } users { totalCount nodes { name id } } }
        fragment F on Viewer { kind actor role }";
    let reply = hub.ask(&token, query, json!({})).await;
    reply.data();
    let mut rest = reply.text.as_str();
    let names =
        ["z", "tenant", "slug", "id", "role", "kind", "actor", "a", "name", "id", "users", "totalCount", "nodes"];
    for name in names.into_iter().chain(["name", "id"]) {
        let key = format!("\"{name}\":");
        rest = rest.split_once(&key).unwrap_or_else(|| panic!("{name} comes too early in {}", reply.text)).1;
    }
}

#[tokio::test]
async fn what_is_skipped_is_not_there_and_nothing_else_is_missing() {
    let hub = TestHub::start().await;
    let token = hub.token(Role::Viewer).await;
    let cases = [
        ("{ viewer @skip(if: $yes) { role } }", json!({})),
        ("{ viewer @include(if: $no) { role } __typename }", json!({ "__typename": "Query" })),
        ("{ viewer { role @skip(if: $yes) } }", json!({ "viewer": {} })),
        ("{ viewer { role @skip(if: $no) kind @include(if: $no) } }", json!({ "viewer": { "role": "VIEWER" } })),
        ("{ viewer { ... @include(if: $no) { kind } ...F @skip(if: $yes) } }", json!({ "viewer": {} })),
    ];
    for (query, data) in cases {
        let fragment = if query.contains("...F") { "fragment F on Viewer { role }" } else { "" };
        let declared =
            ["yes", "no"].map(|name| if query.contains(name) { format!("${name}: Boolean! ") } else { String::new() });
        let query = format!("query({}) {query} {fragment}", declared.concat());
        let variables = json!({ "yes": true, "no": false });
        assert_eq!(hub.ask(&token, &query, variables).await.data(), data, "{query}");
    }
}

#[tokio::test]
async fn one_operation_of_several_is_chosen_by_name() {
    let hub = TestHub::start().await;
    let both = "query A { a: __typename } query B { b: __typename } mutation C { updateTenant(input: {id: \"x\"}) { __typename } }";
    let ask = async |name: Value| hub.send(post("", json!({ "query": both, "operationName": name }).to_string())).await;
    assert_eq!(ask(json!("A")).await.data(), json!({ "a": "Query" }));
    assert_eq!(ask(json!("B")).await.data(), json!({ "b": "Query" }));
    for name in [json!(null), json!(""), json!("D"), json!("a")] {
        ask(name).await.refused(200, "OPERATION_RESOLUTION_FAILURE");
    }
    ask(json!(1)).await.refused(400, "BAD_USER_INPUT");
    ask(json!("n".repeat(300))).await.refused(400, "BAD_USER_INPUT");
    let chosen = format!("/graphql?query={}&operationName=B", encoded(both));
    assert_eq!(hub.send(get(&chosen)).await.data(), json!({ "b": "Query" }));
    let mutation: Request<_> = get(&format!("/graphql?query={}&operationName=C", encoded(both)));
    hub.send(mutation).await.refused(405, "METHOD_NOT_ALLOWED");
}
