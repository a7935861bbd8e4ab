//! The first start, and people from the command line: the addresses they open, and what stands there.

use base64::{Engine, prelude::BASE64_STANDARD};
use portolan::kernel::scope::Role;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{
    TestHub,
    database::TestDatabase,
    hub::get,
    process::{Server, run_on},
    request::With,
};

const SIGN_IN: &str = "mutation($token: String!) { signInWithLink(input: { token: $token }) {
    session { accessToken } userErrors { code } } }";
const ME: &str = "{ viewer { kind role tenant { slug } } }";

/// The one-time token in an address, which leads to that place.
#[track_caller]
fn token_of<'a>(address: &'a str, base: &str, page: &str) -> &'a str {
    let token = address.trim().strip_prefix(&format!("{base}/#/{page}/"));
    let token = token.unwrap_or_else(|| panic!("{address} does not lead to {base}, {page}"));
    assert!(token.starts_with("pto_"), "{token}");
    token
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_start_prints_where_the_administrator_signs_in_once() {
    let database = TestDatabase::create().await;
    let server = Server::start(&database).await;
    let said = server.said();
    let base = format!("http://{}", server.address);
    let address = said.lines().find(|line| line.contains("/#/")).unwrap_or_else(|| panic!("{said}"));
    let token = json!({ "token": token_of(address, &base, "sign-in") });
    assert!(!said.contains("\"message\":\"http"), "the address is said, not logged");

    let session = server.ask("", SIGN_IN, token.clone()).await.data()["signInWithLink"]["session"].clone();
    let me = server.ask(session["accessToken"].as_str().unwrap(), ME, json!({})).await.data();
    assert_eq!(me["viewer"], json!({ "kind": "USER", "role": "SUPER_ADMIN", "tenant": { "slug": "default" } }));
    let again = server.ask("", SIGN_IN, token).await;
    assert_eq!(again.codes(), ["UNAUTHENTICATED"], "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_names_the_public_address() {
    let database = TestDatabase::create().await;
    let public = "https://hub.example.com/portolan";
    let server = Server::with(&database, &[("PORTOLAN_PUBLIC_URL", public)]).await;
    let said = server.said();
    let address = said.lines().find(|line| line.contains("/#/")).unwrap_or_else(|| panic!("{said}"));
    token_of(address, public, "sign-in");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_who_lost_the_link_makes_another_and_the_lost_one_is_worthless() {
    let database = TestDatabase::create().await;
    let server = Server::start(&database).await;
    let lost = server.said();
    let base = format!("http://{}", server.address);
    let lost = token_of(lost.lines().find(|line| line.contains("/#/")).unwrap(), &base, "sign-in").to_owned();
    let made = run_on(&database, &["user", "link", "admin@localhost"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    assert_eq!(made.stdout.lines().count(), 1, "only the address: {made:?}");
    assert!(!made.stderr.contains("pto_"), "{made:?}");
    let token = token_of(&made.stdout, "http://127.0.0.1:8080", "sign-in");
    assert_eq!(server.ask("", SIGN_IN, json!({ "token": lost })).await.codes(), ["UNAUTHENTICATED"]);
    server.ask("", SIGN_IN, json!({ "token": token })).await.data();

    let nobody = run_on(&database, &["user", "link", "nobody@example.com"]);
    assert_eq!((nobody.code, nobody.stdout.as_str()), (Some(2), ""), "{nobody:?}");
    assert!(nobody.stderr.contains("nobody@example.com"), "{nobody:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_let_in_and_listed_from_the_command_line() {
    let database = TestDatabase::create().await;
    let server = Server::start(&database).await;
    let create = ["user", "create", "Ann@example.com", "--tenant", "default", "--role", "operator", "--name", "Ann"];
    let made = run_on(&database, &create);
    assert_eq!(made.code, Some(0), "{made:?}");
    let token = token_of(&made.stdout, "http://127.0.0.1:8080", "set-password");
    let set = "mutation($token: String!) { setPassword(input: { token: $token, password: \"correct horse battery\" }) {
        session { accessToken } } }";
    server.ask("", set, json!({ "token": token })).await.data();

    let again = run_on(&database, &create);
    assert_eq!(again.code, Some(1), "a member already: {again:?}");
    let unknown = run_on(&database, &["user", "create", "bob@example.com", "--tenant", "nowhere", "--role", "viewer"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    let malformed = run_on(&database, &["user", "create", "nobody", "--tenant", "default", "--role", "viewer"]);
    assert!(malformed.code == Some(1) && malformed.stderr.contains("email"), "{malformed:?}");

    let listed = run_on(&database, &["user", "list", "--json"]);
    let people: Vec<Value> = serde_json::from_str(&listed.stdout).unwrap();
    let shown: Vec<_> = people
        .iter()
        .map(|person| {
            (person["email"].as_str().unwrap(), person["role"].as_str().unwrap(), person["hasPassword"] == true)
        })
        .collect();
    assert_eq!(shown, [("admin@localhost", "SUPER_ADMIN", false), ("ann@example.com", "OPERATOR", true)]);
    assert!(!listed.stdout.contains("argon2"), "no hash is shown");
    let plain = run_on(&database, &["user", "list", "--tenant", "default"]);
    assert_eq!(plain.stdout.lines().count(), 2, "{plain:?}");
}

#[tokio::test]
async fn a_link_expires_after_a_day() {
    let hub = TestHub::start().await;
    let user = hub.user_of(&hub.tenant, "ann@example.com", Role::Viewer).await;
    let purpose = portolan::domain::access::link::Purpose::SignIn;
    let (link, _) = portolan::domain::access::link::make(&hub.cx(), user.id, purpose).await.unwrap();
    hub.clock.advance(chrono::TimeDelta::hours(24));
    assert_eq!(hub.ask("", SIGN_IN, json!({ "token": link.expose() })).await.codes(), ["UNAUTHENTICATED"]);
}

/// What stands between two tags of the page.
fn between<'a>(page: &'a str, tag: &str) -> &'a str {
    page.split_once(&format!("<{tag}>")).unwrap().1.split_once(&format!("</{tag}>")).unwrap().0
}

#[tokio::test]
async fn the_page_of_a_link_runs_its_own_script_and_no_other() {
    let hub = TestHub::start().await;
    let words = hub.send(get("/")).await;
    assert!(words.text.starts_with("Portolan ") && words.text.contains("signInWithLink"), "{}", words.text);
    assert_eq!(words.header("content-type"), "text/plain; charset=utf-8");
    let page = hub.send(get("/").with("accept", "text/html,application/xhtml+xml;q=0.9")).await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!((page.header("vary"), page.header("cache-control")), ("Accept", "private, no-store"));
    let policy = page.header("content-security-policy");
    for tag in ["script", "style"] {
        assert_eq!(page.text.matches(&format!("<{tag}")).count(), 1);
        let digest = BASE64_STANDARD.encode(Sha256::digest(between(&page.text, tag)));
        assert!(policy.contains(&format!("{tag}-src 'sha256-{digest}'")), "{policy}");
    }
    for rule in ["default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    // No handler and no style stands in a tag, where the policy would stop it.
    for inline in [" onclick=", " onsubmit=", " style=", "src="] {
        assert!(!page.text.contains(inline), "{inline}");
    }
}

/// The page speaks GraphQL like any other client, so its documents must fit the schema.
#[tokio::test]
async fn what_the_page_asks_is_what_the_schema_has() {
    let hub = TestHub::start().await;
    let page = hub.send(get("/").with("accept", "text/html")).await.text;
    let documents: Vec<_> = between(&page, "script").split('`').skip(1).step_by(2).collect();
    assert_eq!(documents.len(), 9);
    let values = [json!({ "name": "api_key", "value": "none" })];
    let password = "correct horse battery";
    let variables = json!({
        "token": "pto_none", "name": "Ann", "password": password, "method": "secret_key", "values": values,
    });
    for (at, document) in documents.into_iter().enumerate() {
        let reply = hub.ask("", document, variables.clone()).await;
        // What a connect link opens needs nothing but the link, and says in the payload that there is none.
        let expected: &[&str] = if at < 6 { &["UNAUTHENTICATED"] } else { &[] };
        assert_eq!(reply.codes(), expected, "{document}: {}", reply.text);
    }
}
