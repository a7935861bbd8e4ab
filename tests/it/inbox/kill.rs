//! Servers are killed while webhooks come: whatever was acknowledged is there once, and had its effect once.
//!
//! Each sender goes on with the same webhook until it is acknowledged, as a provider does; some are sent twice on
//! purpose. On PostgreSQL two servers share the work. `TEST_LONG=1` runs for ten minutes, `TEST_SEED` repeats a run's
//! choices (not its timing).

use std::{
    collections::BTreeMap,
    env,
    net::SocketAddr,
    time::{Duration, Instant, SystemTime},
};

use portolan::provider::{
    manifest::webhook::Hash,
    webhook::hmac::{hex, mac},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::support::{
    database::{TestDatabase, on_postgres},
    process::{Server, token, until},
    wire::Wire,
};

/// Providers that send at once.
const SENDERS: usize = 8;

const SECRET: &str = "whsec_ofAServerThatIsKilled";

/// Sends webhooks until told to stop. Says which were acknowledged.
async fn send(
    sender: usize,
    path: String,
    place: watch::Receiver<SocketAddr>,
    stop: watch::Receiver<bool>,
) -> Vec<String> {
    let (mut acknowledged, mut number) = (Vec::new(), 0);
    'next: while !*stop.borrow() {
        number += 1;
        let id = format!("evt_{sender}_{number}");
        // Every seventh comes twice although the first was acknowledged.
        let mut times = if number % 7 == 0 { 2 } else { 1 };
        let mut wire: Option<Wire> = None;
        while times > 0 {
            if *stop.borrow() {
                break 'next;
            }
            let at = *place.borrow();
            let attempt = async {
                let mut open = match wire.take() {
                    Some(wire) => wire,
                    None => Wire::open(at).await.ok()?,
                };
                open.send(&webhook(&path, &id)).await.ok()?;
                let reply = open.reply().await.ok()?;
                Some((open, reply))
            };
            match timeout(Duration::from_secs(5), attempt).await.ok().flatten() {
                Some((open, reply)) if reply.status == 200 => {
                    (wire, times) = (Some(open), times - 1);
                }
                // Neither is what may happen to a right webhook.
                Some((_, reply)) if reply.status.is_client_error() => panic!("{} {}", reply.status, reply.text),
                _ => sleep(Duration::from_millis(5)).await,
            }
        }
        acknowledged.push(id);
    }
    acknowledged
}

/// A signed webhook to a source of Stripe's.
pub fn webhook(path: &str, id: &str) -> String {
    let body = json!({ "id": id, "type": "payment_intent.succeeded", "created": 1_795_255_200,
        "data": { "object": { "id": format!("pi_{id}"), "amount": 12_500 } } })
    .to_string();
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs().to_string();
    let signature = mac(Hash::Sha256, SECRET.as_bytes(), &[now.as_bytes(), b".", body.as_bytes()]);
    let signature = hex(&signature);
    format!(
        "POST {path} HTTP/1.1\r\nhost: portolan\r\ncontent-type: application/json\r\n\
         stripe-signature: t={now},v1={signature}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_once_and_had_its_effect_once() {
    let long = env::var_os("TEST_LONG").is_some_and(|value| value == "1");
    let given = env::var("TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs());
    println!("TEST_SEED={seed}");
    let mut chance = StdRng::seed_from_u64(seed);
    let database = TestDatabase::create().await;
    let settings = [("PORTOLAN_JOBS_LEASE", "3s"), ("PORTOLAN_LOG_LEVEL", "warn")];
    let mut nodes = Vec::new();
    for name in ["one", "two"].iter().take(if on_postgres() { 2 } else { 1 }) {
        nodes.push(if on_postgres() {
            Server::node(&database, name, &settings).await
        } else {
            Server::with(&database, &settings).await
        });
    }
    let admin = token(&database, "admin");
    let path = source(&nodes[0], &admin).await;
    let (place, places) = watch::channel(nodes[0].address);
    let (stop, stopped) = watch::channel(false);
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        senders.spawn(send(sender, path.clone(), places.clone(), stopped.clone()));
    }
    let (begun, mut kills) = (Instant::now(), 0);
    let enough = Duration::from_secs(if long { 600 } else { 12 });
    while begun.elapsed() < enough {
        sleep(Duration::from_millis(chance.random_range(200..2_000))).await;
        let victim = chance.random_range(0..nodes.len());
        nodes[victim].kill9();
        kills += 1;
        place.send_replace(nodes[(victim + 1) % nodes.len()].address);
        nodes[victim].again().await;
    }
    stop.send_replace(true);
    let mut acknowledged = Vec::new();
    while let Some(sent) = senders.join_next().await {
        acknowledged.extend(sent.unwrap());
    }
    let query = "{ webhookEvents(filter: { statuses: [RECEIVED] }) { totalCount } }";
    until("all webhooks are processed", async || {
        let reply = nodes[0].ask(&admin, query, Value::Null).await.data();
        (reply["webhookEvents"]["totalCount"] == 0).then_some(())
    })
    .await;
    let (kept, told) = books(&database).await;
    println!(
        "{} webhooks acknowledged, {} kept, {kills} kills, {:.0} s",
        acknowledged.len(),
        kept.len(),
        begun.elapsed().as_secs_f64()
    );
    assert!(acknowledged.len() > 50, "next to nothing was acknowledged");
    for id in &acknowledged {
        assert_eq!(kept.get(&format!("id:{id}")), Some(&1), "{id} is kept once");
        assert_eq!(told.get(id), Some(&1), "{id} had its effect once");
    }
    assert!(told.values().all(|times| *times == 1));
    assert_eq!(told.len(), kept.len(), "what was kept without our knowledge had its effect, too");
}

/// A source of an integration that nobody reads. The path of its address.
pub async fn source(node: &Server, admin: &str) -> String {
    let create = "mutation { createIntegration(input: { provider: \"stripe\", skipTest: true,
        capabilities: { canSync: false },
        credentials: { apiKey: { key: \"sk_test_0123456789abcdef01234567\" } } })
        { integration { id } userErrors { message } } }";
    let made = node.ask(admin, create, Value::Null).await.data()["createIntegration"].clone();
    let create = "mutation C($id: ID!, $secret: String!) { createWebhookSource(input: { integrationId: $id,
        secrets: [{ name: \"webhook_secret\", value: $secret }] }) { url userErrors { message } } }";
    let variables = json!({ "id": made["integration"]["id"], "secret": SECRET });
    let made = node.ask(admin, create, variables).await.data()["createWebhookSource"].clone();
    let url = made["url"].as_str().unwrap_or_else(|| panic!("{made}"));
    format!("/hooks/{}", url.rsplit_once('/').unwrap().1)
}

/// How often each webhook is kept, and how often each was told of, as the database has it.
async fn books(database: &TestDatabase) -> (BTreeMap<String, usize>, BTreeMap<String, usize>) {
    let url = database.url().unwrap_or_else(|| format!("sqlite://{}/portolan.db", database.folder().display()));
    let db = Database::connect(url).await.unwrap();
    let ask = async |sql: &str| {
        let backend = db.get_database_backend();
        let rows = db.query_all_raw(Statement::from_string(backend, sql)).await.unwrap();
        let texts: Vec<String> = rows.into_iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
        let mut counts = BTreeMap::new();
        for text in texts {
            *counts.entry(text).or_insert(0) += 1;
        }
        counts
    };
    let kept = ask("SELECT dedupe_key FROM webhook_events").await;
    let told = match db.get_database_backend() {
        DbBackend::Postgres => {
            // They are in the log once they are numbered.
            until("all events are numbered", async || {
                let waiting = ask("SELECT kind FROM outbox").await;
                waiting.is_empty().then_some(())
            })
            .await;
            ask("SELECT data->>'event' FROM events WHERE kind = 'inbox.received'").await
        }
        _ => ask("SELECT json_extract(data, '$.event') FROM events WHERE kind = 'inbox.received'").await,
    };
    db.close().await.unwrap();
    (kept, told)
}
