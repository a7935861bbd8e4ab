//! The command line as scripts and people meet it: what goes to which stream, and the exit codes.
//!
//! 0 it worked, 1 it failed, 2 it was called wrongly. Data goes to standard output, words to standard
//! error. A refusal names its place: the variable, the file and its line, the key.

use std::{fs, net::TcpListener, path::Path};

use serde_json::{Value, json};

use crate::support::{
    database::{MASTER_KEY, TestDatabase},
    process::{Outcome, Server, run, run_on, token},
};

const WHO: &str = "{ viewer { role } }";

/// Runs a command in a folder that has nothing to do with any database.
fn apart(settings: &[(&str, &str)], arguments: &[&str]) -> Outcome {
    within(tempfile::tempdir().unwrap().path(), settings, arguments)
}

fn within(folder: &Path, settings: &[(&str, &str)], arguments: &[&str]) -> Outcome {
    let settings: Vec<_> = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    run(folder, &settings, arguments)
}

/// It was called wrongly, said so in these words, and printed no data.
#[track_caller]
fn refused(outcome: &Outcome, words: &[&str]) {
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""), "{outcome:?}");
    for word in words {
        assert!(outcome.stderr.contains(word), "{word:?} is not in {outcome:?}");
    }
}

/// It failed, said so in these words, and showed nothing of its insides.
#[track_caller]
fn failed(outcome: &Outcome, words: &[&str]) {
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    for word in words {
        assert!(outcome.stderr.contains(word), "{word:?} is not in {outcome:?}");
    }
    for inside in ["panicked", "backtrace", ".rs:", "hunter2"] {
        assert!(!outcome.stderr.contains(inside), "{inside:?} is in {outcome:?}");
    }
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn help_version_and_completions_are_data() {
    for arguments in [&["--help"][..], &["--version"], &["completions", "bash"], &["serve", "--help"], &["errors"]] {
        let outcome = apart(&[], arguments);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(outcome.stdout.contains("ortolan"), "{arguments:?}");
    }
}

#[test]
fn a_call_that_cannot_be_understood_exits_with_2() {
    refused(&apart(&[], &["--nonsense"]), &["--nonsense", "--help"]);
    refused(&apart(&[], &["nonsense"]), &["nonsense"]);
    refused(&apart(&[], &["serve", "--lisen", "127.0.0.1:0"]), &["--lisen", "--listen"]);
    refused(&apart(&[], &["token", "create", "--tenant", "default"]), &["--role"]);
    refused(&apart(&[], &["token", "create", "--tenant", "default", "--role", "king"]), &["king"]);
}

#[test]
fn a_setting_that_cannot_be_used_is_named_with_its_place() {
    let bad = apart(&[("PORTOLAN_GRAPHQL_MAX_DEPTH", "abc")], &["serve"]);
    refused(&bad, &["PORTOLAN_GRAPHQL_MAX_DEPTH", "graphql.max_depth", "abc"]);
    let unknown = apart(&[("PORTOLAN_GRAPHQL_MAX_DEPHT", "3")], &["serve"]);
    refused(&unknown, &["PORTOLAN_GRAPHQL_MAX_DEPHT", "unknown variable", "PORTOLAN_GRAPHQL_MAX_DEPTH"]);

    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("portolan.toml"), "env = \"development\"\n\n[graphql]\nmax_dpeth = 3\n").unwrap();
    let unknown = within(folder.path(), &[], &["serve"]);
    refused(&unknown, &["portolan.toml:4", "graphql.max_dpeth", "did you mean \"graphql.max_depth\""]);
    let unknown = within(folder.path(), &[("PORTOLAN_LISTNE", "x")], &["doctor"]);
    refused(&unknown, &["portolan.toml:4", "PORTOLAN_LISTNE"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was made");
}

#[test]
fn the_schema_needs_no_database_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = within(folder.path(), &[], &["schema"]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    assert!(outcome.stdout.contains("type Query {"));
    assert!(is_empty(folder.path()));
}

#[test]
fn settings_are_shown_without_their_secrets() {
    let url = "postgres://portolan:hunter2@db.example/portolan";
    for arguments in [&["config", "show"][..], &["config", "show", "--json"]] {
        let outcome = apart(&[("PORTOLAN_DATABASE_URL", url)], arguments);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        assert!(!outcome.stdout.contains("hunter2") && !outcome.stderr.contains("hunter2"), "{outcome:?}");
        assert!(outcome.stdout.contains("PORTOLAN_DATABASE_URL"), "but it is said where it comes from");
        if arguments.contains(&"--json") {
            let shown: Value = serde_json::from_str(&outcome.stdout).unwrap();
            let listen = shown.as_array().unwrap().iter().find(|row| row["key"] == "listen").unwrap();
            assert_eq!((&listen["value"], &listen["source"]), (&json!("127.0.0.1:8080"), &json!("default")));
        }
    }
}

#[test]
fn the_doctor_finds_a_taken_port_and_changes_nothing() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let well = within(folder.path(), &[("PORTOLAN_LISTEN", "127.0.0.1:0")], &["doctor"]);
    assert_eq!(well.code, Some(0), "{well:?}");
    let ill = within(folder.path(), &[("PORTOLAN_LISTEN", &address)], &["doctor"]);
    assert_eq!(ill.code, Some(1), "{ill:?}");
    assert!(ill.stdout.contains("BAD") && ill.stdout.contains(&address), "{ill:?}");
    let ill = within(folder.path(), &[("PORTOLAN_LISTEN", &address)], &["doctor", "--json"]);
    let findings: Value = serde_json::from_str(&ill.stdout).unwrap();
    let bad = findings.as_array().unwrap().iter().filter(|finding| finding["ok"] == false);
    assert_eq!(bad.map(|finding| &finding["check"]).collect::<Vec<_>>(), ["network"]);
    assert!(is_empty(folder.path()));
}

#[test]
fn a_server_that_is_away_is_named_in_a_plain_sentence() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("postgres://portolan:hunter2@{nobody}/portolan");
    let others = [("PORTOLAN_LISTEN", "127.0.0.1:0"), ("PORTOLAN_MASTER_KEY", MASTER_KEY)];
    let settings = [("PORTOLAN_DATABASE_URL", url.as_str()), others[0], others[1]];
    for arguments in [&["serve"][..], &["migrate"], &["token", "list", "--tenant", "default"]] {
        let outcome = apart(&settings, arguments);
        failed(&outcome, &["the database", "Connection refused"]);
        assert_eq!(outcome.stderr.matches("Connection refused").count(), 1, "once is enough: {outcome:?}");
    }
    let url = "postgres://portolan:hunter2@nowhere.invalid/portolan";
    failed(&apart(&[("PORTOLAN_DATABASE_URL", url), others[0], others[1]], &["serve"]), &["the database"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_do_not_share_a_port() {
    let database = TestDatabase::create().await;
    let server = Server::start(&database).await;
    let address = server.address.to_string();
    let second = run_on(&database, &["serve", "--listen", &address]);
    failed(&second, &[&address, "cannot be listened on"]);
    assert!(server.wire().await.get("/readyz").await.unwrap().status.is_success(), "the first one goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn taking_changes_back_needs_a_yes() {
    let database = TestDatabase::create().await;
    assert_eq!(run_on(&database, &["migrate"]).code, Some(0));
    refused(&run_on(&database, &["migrate", "--down", "1"]), &["--yes"]);
    let listen = ["--listen", "127.0.0.1:0"];
    let well = run_on(&database, &[&["doctor"][..], &listen].concat());
    assert_eq!(well.code, Some(0), "nothing was taken back: {well:?}");
    assert_eq!(run_on(&database, &["migrate", "--down", "1", "--yes"]).code, Some(0));
    let ill = run_on(&database, &[&["doctor"][..], &listen].concat());
    assert_eq!(ill.code, Some(1));
    assert!(ill.stdout.contains("portolan migrate"), "the remedy is named: {ill:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_the_only_thing_that_is_printed() {
    let database = TestDatabase::create().await;
    let server = Server::start(&database).await;
    let made = run_on(&database, &["token", "create", "--tenant", "default", "--role", "viewer"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let text = made.stdout.strip_suffix('\n').unwrap();
    assert!(text.starts_with("ptl_") && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
    assert!(!made.stderr.contains(text));
    assert_eq!(server.ask(text, WHO, json!({})).await.data()["viewer"]["role"], "VIEWER");
    let nobody = run_on(&database, &["token", "create", "--tenant", "nobody", "--role", "viewer"]);
    refused(&nobody, &["nobody"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_revoked_on_the_command_line_opens_nothing_on_the_running_server() {
    let database = TestDatabase::create().await;
    let server = Server::start(&database).await;
    let (stays, goes) = (token(&database, "admin"), token(&database, "viewer"));
    let mut wire = server.wire().await;
    assert!(wire.ask(&goes, WHO, json!({})).await.unwrap().status.is_success());

    let listed = run_on(&database, &["token", "list", "--tenant", "default", "--json"]);
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert!(!listed.stdout.contains(&goes), "a list shows no token");
    let listed: Vec<Value> = serde_json::from_str(&listed.stdout).unwrap();
    let found = listed.iter().find(|token| token["role"] == "VIEWER").unwrap();
    let id = found["id"].as_str().unwrap();
    let revoked = run_on(&database, &["token", "revoke", "--tenant", "default", id]);
    assert_eq!((revoked.code, revoked.stdout.as_str()), (Some(0), ""), "{revoked:?}");

    assert_eq!(wire.ask(&goes, WHO, json!({})).await.unwrap().status, 401, "on a kept connection too");
    assert!(wire.ask(&stays, WHO, json!({})).await.unwrap().status.is_success());
    refused(&run_on(&database, &["token", "revoke", "--tenant", "default", "usr_nonsense"]), &["usr_nonsense"]);
}
