//! Documents that are named instead of sent: trusted ones from a folder, and hashes sent before.
//!
//! A trusted document runs by the id its manifest gives, by the SHA-256 of its text, and as the text itself.
//! Hashes sent before are a cache that clients fill, which mode *require* turns off.

use std::{error::Error, fs, path::PathBuf};

use portolan::{
    app::{App, World},
    config::{Config, Flags},
    kernel::scope::Role,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{
    Reply, TestHub,
    database::TestDatabase,
    hub::{get, post},
    records::Records,
    request::{With, encoded},
    text::many,
};

const VIEWER: &str = "query Me { viewer { role } }";
const RENAME: &str =
    "mutation Rename($id: ID!, $name: String!) { updateTenant(input: { id: $id, name: $name }) { tenant { name } } }";
const TYPENAME: &str = "{ __typename }";
const OTHER: &str = "{ other: __typename }";

fn hash(text: &str) -> String {
    let digest = Sha256::digest(text);
    many(digest.len(), |at| format!("{:02x}", digest[at]))
}

/// The three forms in which a folder holds documents, and files that are none of them.
fn folder(database: &TestDatabase) -> PathBuf {
    let folder = database.folder().join("trusted");
    fs::create_dir(&folder).unwrap();
    let operation = |id: &str, body: &str, kind: &str| json!({ "id": id, "body": body, "name": "Any", "type": kind });
    let apollo = json!({
        "format": "apollo-persisted-query-manifest", "version": 1,
        "operations": [operation("me", VIEWER, "query"), operation("rename", RENAME, "mutation")],
    });
    fs::write(folder.join("manifest.json"), apollo.to_string()).unwrap();
    fs::write(folder.join("flat.json"), json!({ "who-am-i": "query { viewer { kind } }" }).to_string()).unwrap();
    fs::write(folder.join("typename.graphql"), TYPENAME).unwrap();
    fs::write(folder.join("README.md"), "not a document").unwrap();
    folder
}

async fn trusting(mode: &str) -> TestHub {
    let database = TestDatabase::create().await;
    let folder = folder(&database).display().to_string();
    let settings = [("PORTOLAN_TRUSTED_DOCUMENTS", &*folder), ("PORTOLAN_GRAPHQL_TRUSTED_DOCUMENTS_MODE", mode)];
    TestHub::on(database, &settings).await
}

async fn ask(hub: &TestHub, token: &str, body: Value) -> Reply {
    hub.send(post(token, body.to_string())).await
}

fn persisted(text: Option<&str>, hash: &str) -> Value {
    let mut body = json!({ "extensions": { "persistedQuery": { "version": 1, "sha256Hash": hash } } });
    if let Some(text) = text {
        body["query"] = text.into();
    }
    body
}

#[tokio::test]
async fn a_hash_is_learnt_with_its_text_and_then_stands_for_it() {
    let hub = TestHub::start().await;
    let known = hash(TYPENAME);
    let unknown = ask(&hub, "", persisted(None, &known)).await;
    unknown.refused(200, "PERSISTED_QUERY_NOT_FOUND");
    assert_eq!(unknown.json()["errors"][0]["message"], "PersistedQueryNotFound", "clients look for these words");
    let new = post("", persisted(None, &known).to_string()).with("accept", "application/graphql-response+json");
    hub.send(new).await.refused(400, "PERSISTED_QUERY_NOT_FOUND");

    ask(&hub, "", persisted(Some(OTHER), &known)).await.refused(200, "BAD_USER_INPUT");
    ask(&hub, "", persisted(None, &known)).await.refused(200, "PERSISTED_QUERY_NOT_FOUND");

    assert_eq!(ask(&hub, "", persisted(Some(TYPENAME), &known)).await.data()["__typename"], "Query");
    assert_eq!(ask(&hub, "", persisted(None, &known)).await.data()["__typename"], "Query");
    assert_eq!(ask(&hub, "", persisted(None, &known.to_uppercase())).await.data()["__typename"], "Query");
    let extensions = encoded(&persisted(None, &known)["extensions"].to_string());
    let by_get = hub.send(get(&format!("/graphql?extensions={extensions}"))).await;
    assert_eq!(by_get.data()["__typename"], "Query");
}

#[tokio::test]
async fn a_hash_that_is_none_is_refused() {
    let hub = TestHub::start().await;
    let version = |version: Value| json!({ "persistedQuery": { "version": version, "sha256Hash": hash(TYPENAME) } });
    let extensions = [
        json!({ "persistedQuery": { "version": 1 } }),
        json!({ "persistedQuery": { "version": 1, "sha256Hash": "abc" } }),
        json!({ "persistedQuery": { "version": 1, "sha256Hash": "g".repeat(64) } }),
        json!({ "persistedQuery": { "version": 1, "sha256Hash": "ä".repeat(32) } }),
        json!({ "persistedQuery": { "version": 1, "sha256Hash": [1] } }),
        json!({ "persistedQuery": "yes" }),
        version(json!(2)),
        version(json!("1")),
        version(json!(null)),
    ];
    for extensions in extensions {
        let body = json!({ "query": TYPENAME, "extensions": extensions });
        ask(&hub, "", body).await.refused(400, "BAD_USER_INPUT");
    }
}

#[tokio::test]
async fn the_cache_of_hashes_is_bounded_and_forgets() {
    let hub = TestHub::with(&[("PORTOLAN_GRAPHQL_PERSISTED_CACHE", "4")]).await;
    let texts: Vec<_> = (0..200).map(|at| format!("{{ a{at}: __typename #{}\n}}", "#".repeat(500))).collect();
    for text in &texts {
        ask(&hub, "", persisted(Some(text), &hash(text))).await.data();
    }
    let mut kept = 0;
    for text in &texts {
        kept += usize::from(ask(&hub, "", persisted(None, &hash(text))).await.codes().is_empty());
    }
    assert!((1..=40).contains(&kept), "{kept} of 200 are kept");
}

#[tokio::test]
async fn without_trusted_documents_an_id_is_refused_and_texts_run() {
    let hub = trusting("off").await;
    ask(&hub, "", json!({ "documentId": "me" })).await.refused(200, "PERSISTED_QUERY_NOT_SUPPORTED");
    assert_eq!(ask(&hub, "", json!({ "query": OTHER })).await.data()["other"], "Query");
}

#[tokio::test]
async fn a_trusted_document_runs_by_its_id_by_its_hash_and_as_its_text() {
    for mode in ["allow", "require"] {
        let hub = trusting(mode).await;
        let token = hub.token(Role::Viewer).await;
        let named = [
            json!({ "documentId": "me" }),
            json!({ "documentId": format!("sha256:{}", hash(VIEWER)) }),
            json!({ "query": VIEWER }),
            json!({ "query": VIEWER, "operationName": "Me" }),
            persisted(None, &hash(VIEWER)),
        ];
        for body in named {
            assert_eq!(ask(&hub, &token, body).await.data()["viewer"]["role"], "VIEWER", "{mode}");
        }
        let flat = ask(&hub, &token, json!({ "documentId": "who-am-i" })).await;
        assert_eq!(flat.data()["viewer"]["kind"], "API_TOKEN");
        let file = format!("/graphql?documentId=sha256:{}", hash(TYPENAME));
        assert_eq!(hub.send(get(&file)).await.data()["__typename"], "Query");
        let by_get = get("/graphql?documentId=me").with("authorization", format!("Bearer {token}"));
        assert_eq!(hub.send(by_get).await.data()["viewer"]["role"], "VIEWER");

        for unknown in ["nobody", "README.md", "../manifest.json", &format!("sha256:{}", hash(OTHER))] {
            ask(&hub, &token, json!({ "documentId": unknown })).await.refused(200, "PERSISTED_QUERY_NOT_FOUND");
        }
        // A document that is trusted is still held to everything else.
        ask(&hub, "", json!({ "documentId": "me", "operationName": "You" }))
            .await
            .refused(200, "OPERATION_RESOLUTION_FAILURE");
        let anonymous = ask(&hub, "", json!({ "documentId": "me" })).await;
        assert_eq!((anonymous.status.as_u16(), anonymous.codes().concat()), (401, "UNAUTHENTICATED".to_owned()));
    }
}

#[tokio::test]
async fn other_documents_run_beside_trusted_ones_only_where_that_is_allowed() {
    let allowing = trusting("allow").await;
    assert_eq!(ask(&allowing, "", json!({ "query": OTHER })).await.data()["other"], "Query");
    assert_eq!(ask(&allowing, "", persisted(Some(OTHER), &hash(OTHER))).await.data()["other"], "Query");

    let requiring = trusting("require").await;
    let others = [
        json!({ "query": OTHER }),
        json!({ "query": format!("{VIEWER} ") }),
        json!({ "query": "{ broken" }),
        json!({ "query": "{ __schema { types { name } } }" }),
        persisted(Some(OTHER), &hash(OTHER)),
        persisted(None, &hash(OTHER)),
    ];
    for body in others {
        ask(&requiring, "", body).await.refused(200, "PERSISTED_QUERY_REQUIRED");
    }
    // The hash of a trusted document lets no other text in.
    for hub in [&allowing, &requiring] {
        let disguised = ask(hub, "", persisted(Some(OTHER), &hash(VIEWER))).await;
        disguised.refused(200, "BAD_USER_INPUT");
    }
}

#[tokio::test]
async fn a_trusted_mutation_runs_by_post_only() {
    let hub = trusting("require").await;
    let token = hub.token(Role::Admin).await;
    let variables = json!({ "id": hub.tenant.id.to_string(), "name": "Renamed" });
    let before = Records::of(&hub).await;
    let path = format!("/graphql?documentId=rename&variables={}", encoded(&variables.to_string()));
    let by_get = hub.send(get(&path).with("authorization", format!("Bearer {token}"))).await;
    by_get.refused(405, "METHOD_NOT_ALLOWED");
    assert_eq!(by_get.header("allow"), "GET, POST");
    assert_eq!(Records::of(&hub).await, before);
    let by_post = ask(&hub, &token, json!({ "documentId": "rename", "variables": variables })).await;
    assert_eq!(by_post.data()["updateTenant"]["tenant"]["name"], "Renamed");
    let lacking = ask(&hub, &token, json!({ "documentId": "rename" })).await;
    assert_eq!(lacking.codes(), ["BAD_USER_INPUT"; 2], "both variables are missing");
}

/// Why a start with this file among the trusted documents fails.
async fn refused_start(file: &str, text: &[u8]) -> String {
    let database = TestDatabase::create().await;
    let folder = folder(&database);
    fs::write(folder.join(file), text).unwrap();
    let mut settings = database.settings();
    settings.push(("PORTOLAN_TRUSTED_DOCUMENTS".to_owned(), folder.display().to_string()));
    settings.push(("PORTOLAN_GRAPHQL_TRUSTED_DOCUMENTS_MODE".to_owned(), "allow".to_owned()));
    let config = Config::load(&Flags::default(), settings, database.folder()).unwrap();
    let error = App::start(&config, World::default()).await.unwrap_err();
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}

#[tokio::test]
async fn a_manifest_that_is_broken_stops_the_start_and_is_named() {
    let deep = format!("{{\"deep\": \"{}a{}\"}}", "{ a ".repeat(70), "}".repeat(70));
    let cases: [(&str, &[u8], &str); 8] = [
        ("broken.json", b"{", "is not a manifest"),
        ("list.json", b"[]", "is not a JSON object"),
        ("numbers.json", b"{\"a\": 1}", "the document a is not a text"),
        ("lacking.json", b"{\"operations\": [{\"id\": \"a\"}]}", "lacks its id or its body"),
        ("syntax.json", b"{\"a\": \"{ viewer\"}", "the document a is refused: syntax error"),
        ("deep.json", deep.as_bytes(), "the document deep is refused"),
        ("bytes.graphql", b"\xff\xfe", "cannot be read"),
        ("syntax.graphql", b"query {", "is refused: syntax error"),
    ];
    for (file, text, reason) in cases {
        let message = refused_start(file, text).await;
        assert!(message.contains(file) && message.contains(reason), "{file}: {message}");
    }
}

#[tokio::test]
async fn a_trusted_document_that_does_not_fit_the_schema_harms_only_itself() {
    let database = TestDatabase::create().await;
    let folder = folder(&database);
    fs::write(folder.join("old.json"), "{\"old\": \"{ fieldOfYesterday }\"}").unwrap();
    let folder = folder.display().to_string();
    let settings = [("PORTOLAN_TRUSTED_DOCUMENTS", &*folder), ("PORTOLAN_GRAPHQL_TRUSTED_DOCUMENTS_MODE", "require")];
    let hub = TestHub::on(database, &settings).await;
    ask(&hub, "", json!({ "documentId": "old" })).await.refused(200, "GRAPHQL_VALIDATION_FAILED");
    let token = hub.token(Role::Viewer).await;
    ask(&hub, &token, json!({ "documentId": "me" })).await.data();
}
