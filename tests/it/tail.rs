//! `portolan tail`: every event of a running hub once and in order, in a terminal, whatever happens to the hub.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

use portolan::graphql::live::Item;
use sea_orm::{ConnectionTrait, Database};
use serde_json::{Value, json};

use crate::support::{
    database::TestDatabase,
    process::{self, Outcome, Server, token, until},
};

const CREATE: &str = "mutation($e: String!) {
  createUser(input: { email: $e, name: \"A\", role: VIEWER }) { user { id } userErrors { message } }
}";

/// The command under way; it does not outlive its test.
struct Tail {
    child: Child,
    folder: PathBuf,
}

fn settings(server: &Server, token: &str) -> Vec<(String, String)> {
    let url = format!("http://{}", server.address);
    vec![("PORTOLAN_URL".to_owned(), url), ("PORTOLAN_TOKEN".to_owned(), token.to_owned())]
}

impl Tail {
    /// Starts it, and waits until it follows.
    async fn start(folder: &Path, server: &Server, token: &str, arguments: &[&str]) -> Self {
        fs::create_dir_all(folder).unwrap();
        let mut command = process::command(folder, &settings(server, token), &[&["tail"], arguments].concat());
        command.stdout(File::create(folder.join("out")).unwrap()).stderr(File::create(folder.join("err")).unwrap());
        let tail = Self { child: command.spawn().unwrap(), folder: folder.to_owned() };
        until("it follows", async || tail.words().contains("following").then_some(())).await;
        tail
    }

    fn words(&self) -> String {
        fs::read_to_string(self.folder.join("err")).unwrap()
    }

    /// Whole lines only.
    fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.join("out")).unwrap();
        text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(str::to_owned).collect()
    }

    fn events(&self) -> Vec<Value> {
        self.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    async fn ended(&mut self) -> Option<i32> {
        until("it ended", async || self.child.try_wait().unwrap()).await.code()
    }

    fn signal(&self, name: &str) {
        let sent = std::process::Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs it to its end, which comes by itself.
fn run(folder: &Path, server: &Server, token: &str, arguments: &[&str]) -> Outcome {
    process::run(folder, &settings(server, token), &[&["tail"], arguments].concat())
}

/// The numbers that the log itself has, of everything about users.
async fn users(server: &Server, token: &str) -> Vec<i64> {
    let mut numbers = Vec::new();
    let mut after = Value::Null;
    loop {
        let query = "query($after: String) {
          events(topics: [ACCESS], first: 100, after: $after) {
            edges { cursor node { number kind } } pageInfo { hasNextPage }
          }
        }";
        let data = server.ask(token, query, json!({ "after": after })).await.data();
        let edges = data["events"]["edges"].as_array().unwrap();
        let users = edges.iter().filter(|edge| edge["node"]["kind"] == "user.created");
        numbers.extend(users.map(|edge| edge["node"]["number"].as_str().unwrap().parse::<i64>().unwrap()));
        if data["events"]["pageInfo"]["hasNextPage"] == false {
            return numbers;
        }
        after = edges.last().unwrap()["cursor"].clone();
    }
}

fn numbers(events: &[Value]) -> Vec<i64> {
    let users = events.iter().filter(|event| event["kind"] == "user.created");
    users.map(|event| event["number"].as_str().unwrap().parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_is_printed_once_and_in_order_though_the_hub_is_killed_meanwhile() {
    let database = TestDatabase::create().await;
    let mut server = Server::with(&database, &[("PORTOLAN_GRAPHQL_COST_PER_MINUTE", "0")]).await;
    let admin = token(&database, "super-admin");
    let old = server.ask(&admin, CREATE, json!({ "e": "before@example.com" })).await;
    assert_eq!(old.data()["createUser"]["userErrors"], json!([]));
    // On PostgreSQL what was committed is numbered a moment later.
    let of_it = "query($s: [ID!]) { events(subjects: $s, last: 1) { nodes { kind } } }";
    let subject = json!({ "s": [old.data()["createUser"]["user"]["id"]] });
    until("the first is in the log", async || {
        let found = server.ask(&admin, of_it, subject.clone()).await.data();
        (found["events"]["nodes"][0]["kind"] == "user.created").then_some(())
    })
    .await;
    let before = users(&server, &admin).await;

    let mut tail = Tail::start(&database.folder().join("tail"), &server, &admin, &["--json"]).await;
    for round in 0..4 {
        for count in 0..10 {
            let email = format!("u{round}-{count}@example.com");
            let made = server.ask(&admin, CREATE, json!({ "e": email })).await;
            assert_eq!(made.data()["createUser"]["userErrors"], json!([]));
        }
        server.kill9();
        // Something happens while nobody serves.
        let arguments = ["user", "create", "--tenant", "default", "--role", "viewer"];
        let email = format!("away{round}@example.com");
        let made = process::run_on(&database, &[&arguments[..], &[&email]].concat());
        assert_eq!(made.code, Some(0), "{made:?}");
        server.again().await;
    }
    let all = until("the log is whole", async || {
        let all = users(&server, &admin).await;
        (all.len() == before.len() + 44).then_some(all)
    })
    .await;
    until("all are printed", async || (numbers(&tail.events()).len() >= 44).then_some(())).await;
    let printed = tail.events();
    assert_eq!(numbers(&printed), all[before.len()..], "each once, in order, none from before");
    assert!(tail.words().contains("the connection was lost"), "{}", tail.words());
    assert!(tail.words().contains("connected again"), "{}", tail.words());

    tail.signal("-INT");
    assert_eq!(tail.ended().await, Some(0));
    let cursor = printed.last().unwrap()["cursor"].as_str().unwrap();
    assert!(tail.words().ends_with(&format!("to go on: --after {cursor}\n")), "{}", tail.words());
    assert_eq!(tail.events(), printed, "nothing more was said");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_prints_what_was_asked_for_and_begins_where_it_was_told() {
    let database = TestDatabase::create().await;
    let server = Server::start(&database).await;
    let admin = token(&database, "super-admin");
    let mut ids = Vec::new();
    for email in ["one@example.com", "two@example.com"] {
        let made = server.ask(&admin, CREATE, json!({ "e": email })).await;
        ids.push(made.data()["createUser"]["user"]["id"].as_str().unwrap().to_owned());
    }
    let start = Item::cursor_of(0);
    let folder = database.folder().join("tail");
    let arguments = ["--after", &start, "--topic", "access", "--subject", &ids[0]];
    let tail = Tail::start(&folder, &server, &admin, &arguments).await;
    until("the event is printed", async || (!tail.lines().is_empty()).then_some(())).await;
    let lines = tail.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    for part in ["user.created", &ids[0], "by tok_", "one@example.com"] {
        assert!(lines[0].contains(part), "{part} is not in {lines:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_other_try_would_mend_is_said_and_ends_it() {
    let database = TestDatabase::create().await;
    let server = Server::start(&database).await;
    let (admin, goes) = (token(&database, "super-admin"), token(&database, "viewer"));
    let folder = database.folder();
    let refused = |outcome: &Outcome, words: &[&str]| {
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""), "{outcome:?}");
        for word in words {
            assert!(outcome.stderr.contains(word), "{word:?} is not in {outcome:?}");
        }
        for secret in [&admin, &goes] {
            assert!(!outcome.stderr.contains(secret.as_str()));
        }
    };
    refused(&run(folder, &server, "ptl_nonsense", &[]), &["UNAUTHENTICATED"]);
    refused(&run(folder, &server, &admin, &["--after", &Item::cursor_of(1_000_000)]), &["CURSOR_AHEAD"]);
    refused(&run(folder, &server, &admin, &["--after", "nonsense"]), &["BAD_USER_INPUT", "cursor"]);
    refused(&run(folder, &server, &admin, &["--topic", "nonsense"]), &["BAD_USER_INPUT", "EventTopic"]);

    let url = database.url().unwrap_or_else(|| format!("sqlite://{}/portolan.db", folder.display()));
    let db = Database::connect(url).await.unwrap();
    db.execute_unprepared("UPDATE event_heads SET oldest = 3").await.unwrap();
    let expired = run(folder, &server, &admin, &["--after", &Item::cursor_of(1)]);
    refused(&expired, &["CURSOR_EXPIRED", &format!("--after {}", Item::cursor_of(2))]);

    let mut tail = Tail::start(&folder.join("tail"), &server, &goes, &[]).await;
    let tokens = server.ask(&admin, "{ apiTokens { nodes { id role } } }", json!({})).await.data();
    let listed = tokens["apiTokens"]["nodes"].as_array().unwrap();
    let id = listed.iter().find(|token| token["role"] == "VIEWER").unwrap()["id"].clone();
    let revoke = "mutation($id: ID!) { revokeApiToken(input: { id: $id }) { userErrors { message } } }";
    assert_eq!(server.ask(&admin, revoke, json!({ "id": id })).await.data()["revokeApiToken"]["userErrors"], json!([]));
    assert_eq!(tail.ended().await, Some(1), "a token that is taken back ends it");
    assert!(tail.words().contains("UNAUTHENTICATED"), "{}", tail.words());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_leads_nowhere_says_so() {
    let database = TestDatabase::create().await;
    let folder = database.folder();
    let call = |settings: &[(&str, &str)], arguments: &[&str]| {
        let settings: Vec<_> = settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        process::run(folder, &settings, &[&["tail"], arguments].concat())
    };
    let code = |outcome: &Outcome, code: i32, word: &str| {
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(code), ""), "{outcome:?}");
        assert!(outcome.stderr.contains(word), "{word:?} is not in {outcome:?}");
    };
    code(&call(&[], &[]), 2, "PORTOLAN_TOKEN");
    code(&call(&[], &["--token-file", "nowhere"]), 2, "nowhere");
    code(&call(&[("PORTOLAN_TOKEN", "x")], &["--url", "ftp://localhost"]), 2, "cannot be followed");
    // Bound for a moment, so that nobody else is there.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    code(&call(&[("PORTOLAN_TOKEN", "x")], &["--url", &format!("http://{nobody}")]), 1, "cannot be followed");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_read_enough_is_left_in_peace() {
    let database = TestDatabase::create().await;
    let server = Server::start(&database).await;
    let admin = token(&database, "super-admin");
    let arguments = ["tail", "--after", &Item::cursor_of(0)];
    let mut command = process::command(database.folder(), &settings(&server, &admin), &arguments);
    command.stdout(Stdio::piped()).stderr(File::create(database.folder().join("err")).unwrap());
    let mut child = command.spawn().unwrap();
    let mut first = String::new();
    // As `head -n 1` does: a line is read, and the pipe is closed.
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.ends_with('\n'), "{first}");
    let mut count = 0;
    let status = until("it ended", async || {
        count += 1;
        let email = format!("u{count}@example.com");
        assert!(server.ask(&admin, CREATE, json!({ "e": email })).await.status.is_success());
        child.try_wait().unwrap()
    })
    .await;
    assert_eq!(status.code(), Some(0));
    let words = fs::read_to_string(database.folder().join("err")).unwrap();
    assert_eq!(words.lines().count(), 1, "no complaint: {words}");
}
