//! PostgreSQL goes away in the middle of every kind of request: each is answered by code and in time, and when it is
//! back, so is the server.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinSet, time::sleep};

use crate::{
    inbox::kill::{source, webhook},
    support::{
        Reply,
        cluster::Cluster,
        database::{TestDatabase, on_postgres},
        process::{LIMIT, Server, token, until},
        wire::Wire,
    },
};

/// Kinds of requests: those with a document, then a webhook and readiness.
const DOCUMENTS: &[(&str, &str)] = &[
    ("query", "{ viewer { role tenant { name } } }"),
    ("list", "{ integrations(first: 50) { nodes { id health { verdict } } totalCount } }"),
    ("log", "{ events(first: 50) { nodes { kind data } } }"),
    ("mutation", "mutation { createAgent(input: { name: \"§\", role: VIEWER }) { agent { id } userErrors { code } } }"),
    ("sign-in", "mutation { signIn(input: { email: \"§@example.com\", password: \"not this one\" }) { __typename } }"),
];

/// What answers came to: by kind of request, status and code, with how many there were and the longest time.
type Answers = BTreeMap<(&'static str, u16, String), (usize, Duration)>;

fn note(answers: &mut Answers, kind: &'static str, reply: &Reply, took: Duration) {
    let json = serde_json::from_str::<Value>(&reply.text).unwrap_or_default();
    let code = json["errors"][0]["extensions"]["code"].as_str().unwrap_or_default().to_owned();
    let refused = matches!(reply.status.as_u16(), 429 | 503);
    assert!(!refused || !reply.header("retry-after").is_empty(), "{kind} without Retry-After: {}", reply.text);
    let (count, longest) = answers.entry((kind, reply.status.as_u16(), code)).or_default();
    *count += 1;
    *longest = took.max(*longest);
}

/// Asks again and again until told to stop.
async fn ask(
    server: std::net::SocketAddr,
    kind: &'static str,
    make: Arc<dyn Fn(usize) -> String + Send + Sync>,
    stop: watch::Receiver<bool>,
) -> Answers {
    let (mut answers, mut count) = (Answers::new(), 0);
    while !*stop.borrow() {
        count += 1;
        let Ok(mut wire) = Wire::open(server).await else { continue };
        let begun = Instant::now();
        wire.send(&make(count)).await.unwrap();
        let reply = tokio::time::timeout(LIMIT, wire.reply()).await.expect("an answer").unwrap();
        note(&mut answers, kind, &reply, begun.elapsed());
    }
    answers
}

fn posted(token: &str, document: &str) -> String {
    let body = json!({ "query": document }).to_string();
    format!("{}\r\n{body}", crate::support::wire::head(token, body.len()))
}

#[tokio::test(flavor = "multi_thread")]
async fn while_postgresql_is_away_every_request_is_refused_by_code_and_in_time() {
    if !on_postgres() {
        return;
    }
    let Some(cluster) = Cluster::start() else {
        println!("left out: PostgreSQL's programs are not here");
        return;
    };
    let database = TestDatabase::on(cluster.url()).await;
    let settings = [
        ("PORTOLAN_GRAPHQL_COST_PER_MINUTE", "0"),
        ("PORTOLAN_LOG_LEVEL", "error"),
        // The default; tests have more patience elsewhere.
        ("PORTOLAN_DATABASE_CONNECT_TIMEOUT", "1500ms"),
    ];
    let mut server = Server::with(&database, &settings).await;
    let admin = token(&database, "admin");
    let hook = source(&server, &admin).await;
    let (stop, stopped) = watch::channel(false);
    let mut clients = JoinSet::new();
    let mut start = |kind: &'static str, make: Arc<dyn Fn(usize) -> String + Send + Sync>| {
        clients.spawn(ask(server.address, kind, make, stopped.clone()));
    };
    for (kind, document) in DOCUMENTS {
        let token = if *kind == "sign-in" { String::new() } else { admin.clone() };
        start(kind, Arc::new(move |count| posted(&token, &document.replace('§', &format!("{kind}{count}")))));
    }
    start("webhook", Arc::new(move |count| webhook(&hook, &format!("evt_{count}"))));
    start("readiness", Arc::new(|_| "GET /readyz HTTP/1.1\r\nhost: portolan\r\n\r\n".to_owned()));
    for _ in 0..4 {
        sleep(Duration::from_millis(700)).await;
        cluster.crash();
    }
    sleep(Duration::from_secs(1)).await;
    cluster.down();
    sleep(Duration::from_secs(6)).await;
    cluster.up();
    until("the server is ready again", async || {
        let reply = Wire::open(server.address).await.ok()?.get("/readyz").await.ok()?;
        (reply.status == StatusCode::OK).then_some(())
    })
    .await;
    sleep(Duration::from_secs(1)).await;
    stop.send_replace(true);
    let mut answers = Answers::new();
    while let Some(client) = clients.join_next().await {
        for (key, (count, longest)) in client.unwrap() {
            let known = answers.entry(key).or_default();
            known.0 += count;
            known.1 = known.1.max(longest);
        }
    }
    let mut refused = BTreeMap::new();
    for ((kind, status, code), (count, longest)) in &answers {
        println!("{kind:>10} {status} {code:<22} {count:>6} times, {:>6.0} ms at most", longest.as_secs_f64() * 1e3);
        assert_ne!(code, "INTERNAL_SERVER_ERROR", "{kind}");
        assert_ne!(*status, 500, "{kind}");
        // At most two waits for a connection, and a generous rest for a machine that does other things, too.
        assert!(*longest < Duration::from_secs(30), "{kind} was answered after {longest:?}");
        if *status == 503 {
            *refused.entry(*kind).or_insert(0) += count;
        }
    }
    for kind in DOCUMENTS.iter().map(|(kind, _)| *kind).chain(["webhook", "readiness"]) {
        assert!(refused.contains_key(kind), "no {kind} met the outage");
    }
    // A stop does not wait for a database that is gone: what it would have written is tried once.
    for away in [false, true] {
        if away {
            server.again().await;
            cluster.down();
        }
        let begun = Instant::now();
        server.terminate();
        assert_eq!(server.ended().await, Some(0));
        println!(
            "stopped in {:.1} s, PostgreSQL {}",
            begun.elapsed().as_secs_f64(),
            if away { "away" } else { "there" }
        );
    }
    cluster.up();
}
