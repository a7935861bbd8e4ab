//! `portolan demo`: everything moves, what is printed can be used as it stands, and nothing is left of it.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::support::{
    process::{self, LIMIT, Outcome, until},
    sse::Sse,
    wire::{Wire, head},
};

const SIGN_IN: &str = "mutation($token: String!) { signInWithLink(input: { token: $token }) {
    session { accessToken } userErrors { code } } }";
const ALL: &str = "{ viewer { role } integrations(first: 100) { totalCount nodes { status } } }";

/// Settings of somebody who has a hub elsewhere, which a demo must leave alone; and a place for temporary folders.
fn settings(folder: &Path) -> Vec<(String, String)> {
    let temporary = folder.join("tmp");
    fs::create_dir_all(&temporary).unwrap();
    vec![
        ("TMPDIR".to_owned(), temporary.to_str().unwrap().to_owned()),
        ("PORTOLAN_DATABASE_URL".to_owned(), "postgres://nobody@127.0.0.1:1/production".to_owned()),
        ("PORTOLAN_ENV".to_owned(), "production".to_owned()),
    ]
}

const NOTHING: [PathBuf; 0] = [];

/// What is left of temporary folders.
fn left(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder.join("tmp")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// A demo under way; it does not outlive its test.
struct Demo {
    child: Child,
    folder: TempDir,
    address: SocketAddr,
}

impl Demo {
    /// Starts one on a free port, and waits until it has said everything.
    async fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arguments = [&["demo", "--port", "0"], arguments].concat();
        let mut command = process::command(folder.path(), &settings(folder.path()), &arguments);
        command.stdout(Stdio::null()).stderr(File::create(folder.path().join("err")).unwrap());
        let child = command.spawn().unwrap();
        let mut demo = Self { child, folder, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        until("it says what to look at", async || {
            assert_eq!(demo.child.try_wait().unwrap(), None, "{}", demo.said());
            demo.said().contains("Ctrl-C stops it").then_some(())
        })
        .await;
        demo.address = demo.after("listens on http://").parse().unwrap();
        demo
    }

    fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("err")).unwrap()
    }

    /// What stands behind some words, to the end of the line.
    fn after(&self, words: &str) -> String {
        let said = self.said();
        let (_, rest) = said.split_once(words).unwrap_or_else(|| panic!("{words:?} is not said: {said}"));
        rest.lines().next().unwrap().trim().to_owned()
    }

    /// What the printed call sends.
    fn query(&self) -> String {
        let call = self.after("curl -N ");
        let (_, body) = call.split_once("-d '").unwrap();
        let body: Value = serde_json::from_str(body.strip_suffix('\'').unwrap()).unwrap();
        body["query"].as_str().unwrap().to_owned()
    }

    fn interrupt(&self) {
        self.signal("-INT");
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    async fn ended(&mut self) -> Option<i32> {
        until("the demo has ended", async || self.child.try_wait().unwrap()).await.code()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(folder: &Path, arguments: &[&str]) -> Outcome {
    process::run(folder, &settings(folder), &[&["demo"], arguments].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_printed_shows_everything_moving_and_an_interrupt_leaves_nothing() {
    let mut demo = Demo::start(&[]).await;
    let folder = PathBuf::from(demo.after("Ctrl-C stops it and removes ").trim_end_matches('.'));
    assert_eq!(left(demo.folder.path()), [folder]);

    // The link lets somebody in, who sees an integration in each state.
    let link = demo.after("Sign in, once:");
    let (base, once) = link.split_once("/#/sign-in/").unwrap();
    assert_eq!(base, format!("http://{}", demo.address));
    let mut wire = Wire::open(demo.address).await.unwrap();
    let session = wire.ask("", SIGN_IN, json!({ "token": once })).await.unwrap().data();
    let session = session["signInWithLink"]["session"]["accessToken"].as_str().unwrap().to_owned();
    let all = wire.ask(&session, ALL, json!({})).await.unwrap().data();
    assert_eq!(all["viewer"]["role"], "SUPER_ADMIN");
    assert!(all["integrations"]["totalCount"].as_u64().unwrap() >= 24, "{all}");
    let nodes = all["integrations"]["nodes"].as_array().unwrap();
    let statuses: BTreeSet<_> = nodes.iter().map(|node| node["status"].as_str().unwrap()).collect();
    for status in ["ACTIVE", "PENDING", "INACTIVE", "ERROR", "NEEDS_REAUTH"] {
        assert!(statuses.contains(status), "none is {status}: {statuses:?}");
    }

    // Whoever wants to connect one hears what the simulator takes.
    let simulator = demo.after("curl http://");
    let (simulator, path) = simulator.split_at(simulator.find('/').unwrap());
    let accepted = Wire::open(simulator.parse().unwrap()).await.unwrap().get(path).await.unwrap().json();
    assert!(accepted["credentials"]["secret_key"]["api_key"].is_string(), "{accepted}");

    // So does the token, and the printed subscription runs as it is printed.
    let (token, query) = (demo.after("API token:"), demo.query());
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words(&demo.said().replace(&format!("\"{query}\""), "")).contains(&query), "it can be pasted, too");
    let mut stream = Sse::open(demo.address, &token, &query, json!({}), None).await.unwrap();
    let (mut kinds, mut named, mut items) = (BTreeSet::new(), BTreeSet::new(), 0);
    while items < 30 || kinds.len() < 5 {
        let said = timeout(LIMIT, stream.next()).await.expect("it moves").unwrap().unwrap();
        let item = said.json()["data"]["integrationChanged"].clone();
        kinds.insert(item["kind"].as_str().unwrap_or_else(|| panic!("{said:?}")).to_owned());
        named.insert(item["integration"]["name"].as_str().unwrap().to_owned());
        items += 1;
    }
    assert!(kinds.contains("integration.status_changed") && kinds.contains("integration.tested"), "{kinds:?}");
    assert!(named.len() > 3, "not always the same: {named:?}");

    // And providers break and recover.
    let health = demo.after("Their health alone:");
    let mut health = Sse::open(demo.address, &token, &health, json!({}), None).await.unwrap();
    let mut verdicts = BTreeSet::new();
    while !(verdicts.contains("HEALTHY") && verdicts.len() > 1) {
        let said = timeout(LIMIT, health.next()).await.expect("verdicts change").unwrap().unwrap();
        let verdict = said.json()["data"]["healthChanged"]["to"].clone();
        verdicts.insert(verdict.as_str().unwrap_or_else(|| panic!("{said:?}")).to_owned());
    }

    // And what they have is read.
    let syncs = demo.after("What they read:");
    let mut syncs = Sse::open(demo.address, &token, &syncs, json!({}), None).await.unwrap();
    let (mut kinds, mut streams) = (BTreeSet::new(), BTreeSet::new());
    while !kinds.contains("sync.run_succeeded") || streams.len() < 3 {
        let said = timeout(LIMIT, syncs.next()).await.expect("records come").unwrap().unwrap();
        let item = said.json()["data"]["syncRunChanged"].clone();
        kinds.insert(item["kind"].as_str().unwrap_or_else(|| panic!("{said:?}")).to_owned());
        streams.insert(item["stream"].as_str().unwrap().to_owned());
    }

    demo.interrupt();
    assert_eq!(demo.ended().await, Some(0), "{}", demo.said());
    assert_eq!(left(demo.folder.path()), NOTHING);
    assert!(!demo.said().contains("does not go as planned"), "{}", demo.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_its_window_ends_it() {
    let mut demo = Demo::start(&[]).await;
    demo.signal("-HUP");
    assert_eq!(demo.ended().await, Some(0), "{}", demo.said());
    assert_eq!(left(demo.folder.path()), NOTHING);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_cannot_wait_leaves_nothing_either() {
    let mut demo = Demo::start(&[]).await;
    // A request that is still arriving keeps it from stopping.
    let mut wire = Wire::open(demo.address).await.unwrap();
    let token = demo.after("API token:");
    wire.send(&format!("{}expect: 100-continue\r\n\r\n", head(&token, 100))).await.unwrap();
    assert_eq!(wire.reply().await.unwrap().status, 100);
    demo.interrupt();
    until("it is stopping", async || demo.said().contains("once more").then_some(())).await;
    demo.interrupt();
    assert_eq!(demo.ended().await, Some(1));
    assert_eq!(left(demo.folder.path()), NOTHING);
}

#[tokio::test]
async fn a_port_that_is_taken_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let refused = run(folder.path(), &["--port", &address.port().to_string()]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""));
    assert!(
        refused.stderr.contains(&format!("{address} is taken")) && refused.stderr.contains("--port"),
        "{refused:?}"
    );
    assert_eq!(left(folder.path()), NOTHING);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_was_asked_for_is_kept_and_not_used_again() {
    let kept = tempfile::tempdir().unwrap();
    let name = kept.path().join("harbour");
    let mut demo = Demo::start(&["--keep", name.to_str().unwrap()]).await;
    assert_eq!(left(demo.folder.path()), NOTHING, "nothing is made elsewhere");
    demo.interrupt();
    assert_eq!(demo.ended().await, Some(0), "{}", demo.said());

    let settings = [("PORTOLAN_DATA_DIR".to_owned(), name.to_str().unwrap().to_owned())];
    let tokens = process::run(kept.path(), &settings, &["token", "list", "--tenant", "default"]);
    assert_eq!((tokens.code, tokens.stdout.lines().count()), (Some(0), 1), "{tokens:?}");
    let again = run(demo.folder.path(), &["--port", "0", "--keep", name.to_str().unwrap()]);
    assert_eq!(again.code, Some(2));
    assert!(again.stderr.contains("is not empty"), "{again:?}");
}
