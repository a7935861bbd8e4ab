//! Headers of requests and answers: the request id, privacy, and pages of other sites.

use axum::http::StatusCode;

use crate::support::{
    TestHub,
    hub::{get, post},
    request::With,
};

const TYPENAME: &str = "{\"query\":\"{ __typename }\"}";
const PATHS: [&str; 9] = [
    "/",
    "/graphql?query={__typename}",
    "/schema.graphql",
    "/healthz",
    "/livez",
    "/readyz",
    "/metrics",
    "/playground/assets/nothing",
    "/nothing",
];

#[tokio::test]
async fn a_harmless_request_id_is_kept_and_any_other_replaced() {
    let hub = TestHub::start().await;
    for kept in ["a", "0af7651916cd43dd8448eb211c80319c", "trace.1_2-3", &"x".repeat(64)] {
        let reply = hub.send(post("", "{").with("x-request-id", kept)).await;
        assert_eq!(reply.header("x-request-id"), kept);
        assert_eq!(reply.json()["errors"][0]["extensions"]["requestId"], kept);
    }
    for replaced in [&b""[..], b"a b", b"\"quoted\"", b"a/../b", b"\xff\xfe", "ä".as_bytes(), &[b'x'; 65]] {
        let reply = hub.send(post("", "{").with("x-request-id", replaced)).await;
        let id = reply.header("x-request-id");
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        reply.well_formed();
    }
    let (one, two) = (hub.send(get("/healthz")).await, hub.send(get("/healthz")).await);
    assert_ne!(one.header("x-request-id"), two.header("x-request-id"));
}

#[tokio::test]
async fn every_answer_of_every_route_is_private_and_plain() {
    let hub = TestHub::with(&[("PORTOLAN_PUBLIC_URL", "https://hub.example.com")]).await;
    for path in PATHS {
        for method in ["GET", "PUT"] {
            let reply = hub.send(get(path).by(method)).await;
            let at = format!("{method} {path}");
            assert_eq!(reply.header("cache-control"), "private, no-store", "{at}");
            assert_eq!(reply.header("x-content-type-options"), "nosniff", "{at}");
            assert_eq!(reply.header("referrer-policy"), "no-referrer", "{at}");
            assert_eq!(reply.header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'", "{at}");
            assert_eq!(reply.header("strict-transport-security"), "max-age=31536000", "{at}");
            assert!(!reply.header("x-request-id").is_empty(), "{at}");
            assert!(!reply.header("content-type").is_empty(), "{at}");
            assert!(!reply.headers.contains_key("server"), "{at}");
        }
    }
    let plain = TestHub::start().await;
    assert!(!plain.send(get("/")).await.headers.contains_key("strict-transport-security"));
}

#[tokio::test]
async fn pages_of_other_sites_call_only_where_the_operator_named_them() {
    const CORS: &str = "access-control-allow-origin";
    let preflight = |origin: &str| {
        get("/graphql")
            .by("OPTIONS")
            .with("origin", origin)
            .with("access-control-request-method", "POST")
            .with("access-control-request-headers", "authorization,content-type,x-portolan-tenant")
    };
    let hub =
        TestHub::with(&[("PORTOLAN_HTTP_ALLOWED_ORIGINS", "https://app.example.com,http://localhost:5173")]).await;
    for origin in ["https://app.example.com", "http://localhost:5173"] {
        let asked = hub.send(preflight(origin)).await;
        assert!(asked.status.is_success());
        assert_eq!(asked.header(CORS), origin);
        assert_eq!(asked.header("access-control-allow-methods"), "GET,POST");
        assert!(asked.header("access-control-allow-headers").contains("x-portolan-tenant"));
        assert_eq!(asked.header("access-control-max-age"), "600");
        let called = hub.send(post("", TYPENAME).with("origin", origin)).await;
        assert_eq!(called.header(CORS), origin);
        assert!(called.header("access-control-expose-headers").contains("x-request-id"));
        // A page must be able to read why it was refused.
        let refused = hub.send(post("nonsense", TYPENAME).with("origin", origin)).await;
        refused.refused(401, "UNAUTHENTICATED");
        assert_eq!(refused.header(CORS), origin);
        let vary: Vec<_> = called.headers.get_all("vary").iter().map(|line| line.to_str().unwrap()).collect();
        let vary = vary.join(", ").to_lowercase();
        assert!(["origin", "accept", "authorization"].iter().all(|name| vary.contains(name)), "{vary}");
    }
    for origin in ["https://evil.example.com", "https://app.example.com.evil.com", "http://app.example.com", "null"] {
        assert_eq!(hub.send(preflight(origin)).await.header(CORS), "", "{origin}");
        assert_eq!(hub.send(post("", TYPENAME).with("origin", origin)).await.header(CORS), "", "{origin}");
    }
    let closed = TestHub::start().await;
    let asked = closed.send(preflight("https://app.example.com")).await;
    assert_eq!((asked.status, asked.header(CORS)), (StatusCode::METHOD_NOT_ALLOWED, ""));
    // Cookies play no part here, so none may be sent along.
    assert!(
        !hub.send(preflight("https://app.example.com")).await.headers.contains_key("access-control-allow-credentials")
    );
}
