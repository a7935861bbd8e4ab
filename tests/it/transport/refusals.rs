//! What is turned away before it runs, and that every such answer has one shape.

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use chrono::TimeDelta;
use portolan::kernel::{scope::Role, token};
use serde_json::json;

use crate::support::{
    Reply, TestHub,
    hub::{get, post},
    records::Records,
    request::{With, encoded},
};

const TYPENAME: &str = "{\"query\":\"{ __typename }\"}";

#[tokio::test]
async fn nothing_is_changed_by_get() {
    let hub = TestHub::start().await;
    let token = hub.token(Role::SuperAdmin).await;
    let before = Records::of(&hub).await;
    let mutation = format!(
        "mutation {{ updateTenant(input: {{ id: \"{}\", name: \"By GET\" }}) {{ tenant {{ name }} }} }}",
        hub.tenant.id
    );
    for method in ["GET", "HEAD"] {
        let path = format!("/graphql?query={}", encoded(&mutation));
        let reply = hub.send(get(&path).by(method).with("authorization", format!("Bearer {token}"))).await;
        assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(reply.header("allow"), "GET, POST");
    }
    assert_eq!(Records::of(&hub).await, before);
    let data = hub.ask(&token, &mutation, json!({})).await.data();
    assert_eq!(data["updateTenant"]["tenant"]["name"], "By GET");
}

#[tokio::test]
async fn graphql_is_asked_by_post_or_get_only() {
    let hub = TestHub::start().await;
    for method in ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "QUERY"] {
        let reply = hub.send(post("", TYPENAME).by(method)).await;
        reply.refused(405, "METHOD_NOT_ALLOWED");
        assert_eq!(reply.header("allow"), "GET, POST", "{method}");
    }
    for path in ["/", "/schema.graphql", "/healthz", "/livez", "/readyz", "/metrics"] {
        let reply = hub.send(get(path).by("POST")).await;
        reply.refused(405, "METHOD_NOT_ALLOWED");
        assert_eq!(reply.header("allow"), "GET,HEAD", "{path}");
    }
    hub.send(get("/nothing/here")).await.refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_body_that_another_site_could_send_is_not_taken() {
    let hub = TestHub::start().await;
    let types = [
        "application/x-www-form-urlencoded",
        "text/plain",
        "text/plain;charset=UTF-8",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "application/graphql-response+json",
        "application/json; charset=utf-16",
        "application/jsonp",
        "json",
        "",
    ];
    for kind in types {
        let reply = hub.send(post("", TYPENAME).without("content-type").with("content-type", kind)).await;
        reply.refused(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    hub.send(post("", TYPENAME).without("content-type")).await.refused(415, "UNSUPPORTED_MEDIA_TYPE");
    let twice = post("", TYPENAME).with("content-type", "text/plain");
    hub.send(twice).await.refused(415, "UNSUPPORTED_MEDIA_TYPE");
    let plain = post("", TYPENAME).without("content-type").with("content-type", "Application/JSON;charset=\"utf-8\"");
    assert_eq!(hub.send(plain).await.status, StatusCode::OK);
}

/// The answer without what differs for good reasons: the request id, the words and their length.
fn shape(reply: &Reply) -> String {
    let mut json = reply.json();
    json["errors"][0]["extensions"]["requestId"] = json!(null);
    json["errors"][0]["message"] = json!(null);
    let mut heads: Vec<_> = reply.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
    heads.retain(|head| !head.starts_with("x-request-id") && !head.starts_with("content-length"));
    heads.sort();
    format!("{} {json} {heads:?}", reply.status)
}

#[tokio::test]
async fn every_credential_that_does_not_hold_is_refused_in_one_shape() {
    let hub = TestHub::start().await;
    let cx = hub.cx();
    let (_, expired) = hub.new_token(&hub.tenant, Role::Admin, None, Some(TimeDelta::hours(1))).await;
    let (id, revoked) = hub.new_token(&hub.tenant, Role::Admin, None, None).await;
    portolan::domain::access::token::revoke(&cx, id.parse().unwrap()).await.unwrap();
    let good = hub.token(Role::Admin).await;
    let unknown = token::mint(token::Kind::Api, &*hub.app.hub().chance).expose().to_owned();
    hub.clock.advance(TimeDelta::hours(2));

    let ask = |value: String| post("", TYPENAME).with("authorization", value);
    let not_valid = [
        ask(format!("Bearer {expired}")),
        ask(format!("Bearer {revoked}")),
        ask(format!("Bearer {unknown}")),
        ask(format!("Bearer {}x", &good[..good.len() - 1])),
        ask("Bearer nonsense".to_owned()),
        ask("Bearer ".to_owned()),
    ];
    let malformed = [
        ask(format!("Basic {good}")),
        ask(format!("Token {good}")),
        ask(good.clone()),
        ask(format!("Bearer{good}")),
        ask("Bearer".to_owned()),
        ask(String::new()),
        ask(format!("Bearer {good}")).with("authorization", format!("Bearer {good}")),
        post("", TYPENAME).with("authorization", b"Bearer \xff\xfe"),
    ];
    let (mut shapes, mut words) = (Vec::new(), Vec::new());
    for request in not_valid.into_iter().chain(malformed) {
        let reply = hub.send(request).await;
        reply.refused(401, "UNAUTHENTICATED");
        assert_eq!(reply.header("www-authenticate"), "Bearer realm=\"portolan\"");
        shapes.push(shape(&reply));
        words.push(reply.json()["errors"][0]["message"].as_str().unwrap().to_owned());
    }
    shapes.dedup();
    assert_eq!(shapes.len(), 1, "{shapes:#?}");
    words.dedup();
    assert_eq!(words.len(), 2, "only a header that is no bearer token is told apart: {words:?}");
    // The scheme is not case-sensitive.
    assert_eq!(hub.send(ask(format!("bearer {good}"))).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_wrong_credential_is_refused_even_where_none_is_needed() {
    let hub = TestHub::start().await;
    let by_get = get("/graphql?query={__typename}").with("authorization", "Bearer nonsense");
    hub.send(by_get).await.refused(401, "UNAUTHENTICATED");
    hub.send(post("nonsense", "not even json")).await.refused(401, "UNAUTHENTICATED");
}

#[tokio::test]
async fn several_requests_in_one_body_are_refused_with_a_word_about_it() {
    let hub = TestHub::start().await;
    for body in ["[]", "[{\"query\":\"{ __typename }\"}]", "[1, null]"] {
        let reply = hub.send(post("", body)).await;
        reply.refused(400, "BAD_USER_INPUT");
        assert_eq!(reply.json()["errors"][0]["message"], "batching is off: send one request as a JSON object");
    }
}

#[tokio::test]
async fn the_status_of_a_refusal_does_not_depend_on_what_the_client_accepts() {
    type Make = fn() -> Request<Body>;
    let hub = TestHub::start().await;
    let cases: [(Make, u16); 4] = [
        (|| post("x", TYPENAME), 401),
        (|| post("", TYPENAME).by("PUT"), 405),
        (|| post("", TYPENAME).without("content-type"), 415),
        (|| post("", vec![b' '; 1_100_000]), 413),
    ];
    for (request, status) in cases {
        for accept in ["application/json", "application/graphql-response+json"] {
            let reply = hub.send(request().with("accept", accept)).await;
            assert_eq!(reply.status.as_u16(), status);
            assert_eq!(reply.header("content-type"), format!("{accept}; charset=utf-8"));
            reply.well_formed();
        }
    }
}
