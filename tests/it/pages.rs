//! Pages for people: what is served at `/playground`, and that the examples on it do what they say.
//!
//! The pages are embedded when the program is built, which needs Node once. A program without them is as good
//! as any other; the tests of what they look like then say that they were left out.

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Once,
};

use axum::{
    body::Body,
    http::{Request, Response, StatusCode},
};
use flate2::read::GzDecoder;
use futures_util::FutureExt;
use http_body_util::BodyExt;
use portolan::{http::pages, kernel::scope::Role};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::{
    TestHub,
    hub::{get, post},
    request::With,
};

const POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; \
                      style-src 'self' 'unsafe-inline'; font-src 'self' data:; img-src 'self' data:; \
                      frame-ancestors 'none'";
const PRODUCTION: (&str, &str) = ("PORTOLAN_ENV", "production");

/// A hub with the pages, unless this program was built without.
async fn with_pages() -> Option<TestHub> {
    static SAID: Once = Once::new();
    if pages::embedded() {
        return Some(TestHub::start().await);
    }
    SAID.call_once(|| {
        let _ = writeln!(io::stderr(), "left out: the pages, which this program was built without (Node was missing)");
    });
    None
}

/// What the page names to be loaded.
fn named(page: &str) -> Vec<String> {
    let rest = page.split("\"/playground/assets/").skip(1);
    rest.map(|rest| format!("/playground/assets/{}", rest.split('"').next().unwrap())).collect()
}

async fn raw(hub: &TestHub, request: Request<Body>) -> (Response<()>, Vec<u8>) {
    let (head, body) = hub.app.router().oneshot(request).await.unwrap().into_parts();
    (Response::from_parts(head, ()), body.collect().await.unwrap().to_bytes().to_vec())
}

#[tokio::test]
async fn the_page_is_confined_and_asked_for_again_each_time() {
    let Some(hub) = with_pages().await else { return };
    let page = hub.send(get("/playground")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("cache-control"), "no-cache");
    assert_eq!(page.header("content-security-policy"), POLICY);
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    assert!(page.header("etag").starts_with("W/\""), "{}", page.header("etag"));
    assert!(!page.text.contains("<script>"), "the policy forbids scripts in the page");
    let elsewhere = page.text.matches("://").count();
    assert_eq!(elsewhere, 0, "nothing comes from another host: {}", page.text);
}

#[tokio::test]
async fn what_a_page_loads_is_kept_for_ever_under_a_name_of_its_content() {
    let Some(hub) = with_pages().await else { return };
    let names = named(&hub.send(get("/playground")).await.text);
    assert!(names.iter().any(|name| name.contains(".js")), "{names:?}");
    for name in names {
        let asset = hub.send(get(&name)).await;
        assert_eq!(asset.status, StatusCode::OK, "{name}");
        assert_eq!(asset.header("cache-control"), "public, max-age=31536000, immutable", "{name}");
        assert_eq!(asset.header("content-security-policy"), POLICY, "{name}");
        let (stem, ending) = name.rsplit_once('.').unwrap();
        let kind = match ending {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "svg" => "image/svg+xml",
            other => panic!("{other} is not expected"),
        };
        assert_eq!(asset.header("content-type"), kind, "{name}");
        let digest = &stem[stem.len() - 9..];
        assert!(digest.starts_with('-') && !digest[1..].contains('.'), "{name} has no digest");
    }
}

#[tokio::test]
async fn who_has_it_is_told_so_under_the_same_headers() {
    let Some(hub) = with_pages().await else { return };
    let script = named(&hub.send(get("/playground")).await.text).remove(0);
    for path in ["/playground", &script] {
        let first = hub.send(get(path)).await;
        let tag = first.header("etag");
        for asked in [tag.to_owned(), format!("\"other\", {tag}")] {
            let again = hub.send(get(path).with("if-none-match", &asked)).await;
            assert_eq!((again.status, again.text.as_str()), (StatusCode::NOT_MODIFIED, ""), "{path} {asked}");
            // A browser takes these over for the copy it has.
            for name in ["cache-control", "content-security-policy", "etag", "vary"] {
                assert_eq!(again.header(name), first.header(name), "{path} {name}");
            }
        }
        let other = hub.send(get(path).with("if-none-match", "W/\"other\"")).await;
        assert_eq!(other.status, StatusCode::OK, "{path}");
        let head = hub.send(get(path).by("HEAD")).await;
        assert_eq!((head.status, head.header("etag"), head.text.as_str()), (StatusCode::OK, tag, ""), "{path}");
    }
}

#[tokio::test]
async fn text_is_sent_compressed_to_who_takes_it_so_and_plain_to_anybody_else() {
    let Some(hub) = with_pages().await else { return };
    let (plain, whole) = raw(&hub, get("/playground")).await;
    assert!(!plain.headers().contains_key("content-encoding"));
    for takes in ["gzip", "br, GZIP;q=0.5"] {
        let (zipped, small) = raw(&hub, get("/playground").with("accept-encoding", takes)).await;
        assert_eq!(zipped.headers()["content-encoding"], "gzip", "{takes}");
        assert_eq!(zipped.headers()["vary"], "Accept-Encoding");
        let mut unpacked = Vec::new();
        GzDecoder::new(&*small).read_to_end(&mut unpacked).unwrap();
        assert!(small.len() < whole.len() && unpacked == whole);
    }
    for refuses in ["gzip;q=0", "br", "identity"] {
        let (answer, body) = raw(&hub, get("/playground").with("accept-encoding", refuses)).await;
        assert!(!answer.headers().contains_key("content-encoding") && body == whole, "{refuses}");
    }
}

#[tokio::test]
async fn in_production_there_is_no_playground_unless_it_is_allowed() {
    let hub = TestHub::with(&[PRODUCTION]).await;
    let page = hub.send(get("/playground")).await;
    assert_eq!((page.status, page.header("content-type")), (StatusCode::NOT_FOUND, "text/plain; charset=utf-8"));
    assert!(page.text.contains("http.playground"), "{}", page.text);
    let Some(open) = with_pages().await else { return };
    let script = named(&open.send(get("/playground")).await.text).remove(0);
    hub.send(get(&script)).await.refused(404, "NOT_FOUND");
    let allowed = TestHub::with(&[PRODUCTION, ("PORTOLAN_HTTP_PLAYGROUND", "on")]).await;
    assert_eq!(allowed.send(get("/playground")).await.status, StatusCode::OK);
    assert_eq!(allowed.send(get(&script)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_no_page_is_refused_as_everywhere() {
    let hub = TestHub::start().await;
    for path in ["/playground/assets/nothing.js", "/playground/assets/..%2findex.html", "/playground/index.html"] {
        hub.send(get(path)).await.refused(404, "NOT_FOUND");
    }
    hub.send(get("/playground").by("POST")).await.refused(405, "METHOD_NOT_ALLOWED");
    let slash = hub.send(get("/playground/")).await;
    assert_eq!((slash.status, slash.header("location")), (StatusCode::PERMANENT_REDIRECT, "/playground"));
}

/// The examples of a role: name, document, variables.
fn examples(folder: &str) -> Vec<(String, String, Value)> {
    let root: PathBuf = [env!("CARGO_MANIFEST_DIR"), "playground/src/pages/playground/examples"].iter().collect();
    let files = fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut documents: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "graphql")).collect();
    documents.sort();
    let read = |path: &Path| {
        let variables = fs::read_to_string(path.with_extension("json")).unwrap_or_else(|_| "{}".to_owned());
        let name = format!("{folder}/{}", path.file_name().unwrap().display());
        (name, fs::read_to_string(path).unwrap(), serde_json::from_str(&variables).unwrap())
    };
    documents.iter().map(|path| read(path)).collect()
}

/// Lets the person of the example in, with the password of the example.
async fn let_in(hub: &TestHub, admin: &str, person: &Value) {
    let ada = hub.user_of(&hub.tenant, person["email"].as_str().unwrap(), Role::Viewer).await;
    let link = "mutation($id: ID!) { createLink(input: { userId: $id, purpose: ACTIVATION }) { token } }";
    let link = hub.ask(admin, link, json!({ "id": ada.id })).await.data();
    let set = "mutation($token: String!, $password: String!) {
        setPassword(input: { token: $token, password: $password }) { userErrors { message } } }";
    let set = hub.ask("", set, json!({ "token": link["createLink"]["token"], "password": person["password"] })).await;
    assert_eq!(set.user_codes("setPassword"), [""; 0]);
}

#[tokio::test]
async fn every_example_runs_as_the_role_it_is_for() {
    let cheap = [("PORTOLAN_ACCESS_PASSWORD_MEMORY", "64KiB"), ("PORTOLAN_ACCESS_PASSWORD_PASSES", "1")];
    let hub = TestHub::with(&cheap).await;
    hub.app.follow();
    let admin = hub.token(Role::Admin).await;
    let sign_in = examples("anonymous").into_iter().find(|(name, ..)| name.contains("sign-in")).unwrap();
    let_in(&hub, &admin, &sign_in.2).await;
    let mut ran = 0;
    for role in
        [None, Some(Role::Viewer), Some(Role::Operator), Some(Role::Admin), Some(Role::SuperAdmin), Some(Role::Partner)]
    {
        let folder = role.map_or_else(|| "anonymous".to_owned(), |role| role.name().to_lowercase().replace('_', "-"));
        let token = match role {
            Some(role) => hub.token(role).await,
            None => String::new(),
        };
        for (name, document, variables) in examples(&folder) {
            let body = json!({ "query": document, "variables": variables }).to_string();
            if document.contains("subscription ") {
                follows(&hub, &name, post(&token, body)).await;
            } else {
                let data = hub.send(post(&token, body)).await.data();
                let refusals: Vec<_> = data.as_object().unwrap().values().map(|field| &field["userErrors"]).collect();
                assert!(refusals.iter().all(|refused| refused.as_array().is_none_or(Vec::is_empty)), "{name}: {data}");
            }
            ran += 1;
        }
    }
    assert!(ran >= 6, "{ran}");
}

/// Asserts that a subscription begins, and does not end at once with an error.
async fn follows(hub: &TestHub, name: &str, request: Request<Body>) {
    let response = hub.app.router().oneshot(request.with("accept", "text/event-stream")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{name}");
    let mut body = response.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, "retry: 1000\n\n", "{name}");
    let next = body.frame().now_or_never();
    assert!(next.is_none(), "{name} ended: {next:?}");
}
