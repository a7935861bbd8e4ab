//! Several nodes, and nodes that die: nobody is asked twice, and nobody is forgotten.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use portolan::worker::health::Prober;
use serde_json::{Value, json};

use super::connect;
use crate::support::{
    TestHub,
    database::{TestDatabase, on_postgres},
    played::{Heard, Said, Scripted, settings},
    process::{Server, token, until},
};

/// A server that plays Stripe to integrations with these many keys, and counts who asked.
async fn counting() -> (Scripted, Arc<Mutex<BTreeMap<String, u32>>>) {
    let asked = Arc::<Mutex<BTreeMap<String, u32>>>::default();
    let counted = Arc::clone(&asked);
    let server = Scripted::start(move |heard: &Heard| {
        let key = heard.authorization.clone().unwrap_or_default();
        *counted.lock().unwrap().entry(key).or_default() += 1;
        Said::json(200, &json!({ "object": "balance", "available": [], "livemode": false }))
    })
    .await;
    (server, asked)
}

fn as_str(settings: &[(String, String)]) -> Vec<(&str, &str)> {
    settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_probers_of_one_database_ask_each_integration_once() {
    const MANY: usize = 40;
    let (server, _) = counting().await;
    let hub = TestHub::with(&as_str(&settings(server.address))).await;
    for number in 0..MANY {
        connect(&hub, "stripe", &format!("shop {number}")).await;
    }
    let mut probers: Vec<_> = (0..4).map(|_| Prober::new(hub.app.hub().clone())).collect();
    for round in 1..=3 {
        let mut running = tokio::task::JoinSet::new();
        for mut prober in probers.drain(..) {
            running.spawn(async move {
                let asked = prober.settle().await.unwrap();
                (prober, asked)
            });
        }
        let (back, asked): (Vec<_>, Vec<_>) = running.join_all().await.into_iter().unzip();
        probers = back;
        assert_eq!(asked.iter().sum::<usize>(), MANY, "{asked:?}");
        assert_eq!(server.heard().len(), round * MANY);
        hub.clock.advance(chrono::TimeDelta::seconds(75));
    }
}

/// A server is killed while its probes are under way; it, or another in its place, goes on.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_node_had_taken_is_asked_again_an_interval_later() {
    let slow = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let told = Arc::clone(&slow);
    let provider = Scripted::start(move |_| {
        let answer = Said::json(200, &json!({ "object": "balance", "available": [], "livemode": false }));
        let seconds = if told.load(std::sync::atomic::Ordering::SeqCst) { 8 } else { 0 };
        Said { after: std::time::Duration::from_secs(seconds), ..answer }
    })
    .await;
    let mut of = settings(provider.address);
    of.push(("PORTOLAN_HEALTH_INTERVAL".to_owned(), "3s".to_owned()));
    let database = TestDatabase::create().await;
    let mut first = Server::with(&database, &as_str(&of)).await;
    let admin = token(&database, "admin");
    let create = "mutation($i: CreateIntegrationInput!) { createIntegration(input: $i) { integration { id } userErrors { message } } }";
    for number in 0..5 {
        let key = json!({ "apiKey": { "key": "sk_test_ExampleExampleExample01" } });
        let input =
            json!({ "provider": "stripe", "name": format!("shop {number}"), "credentials": key, "skipTest": true });
        let made = first.ask(&admin, create, json!({ "i": input })).await.data();
        assert_eq!(made["createIntegration"]["userErrors"], json!([]), "{made}");
    }
    until("all are being asked", async || (provider.heard().len() >= 5).then_some(())).await;
    first.kill9();
    slow.store(false, std::sync::atomic::Ordering::SeqCst);
    first.again().await;
    let overview = "{ healthOverview { total healthy unknown } }";
    until("all are healthy", async || {
        let now = first.ask(&admin, overview, Value::Null).await.data()["healthOverview"].clone();
        (now == json!({ "total": 5, "healthy": 5, "unknown": 0 })).then_some(())
    })
    .await;
}

/// Two processes, an interval of ten seconds: in a while each integration is asked about as often as by one.
#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_do_not_probe_twice() {
    if !on_postgres() {
        // An SQLite file has one node.
        return;
    }
    let (provider, _) = counting().await;
    let mut of = settings(provider.address);
    of.push(("PORTOLAN_HEALTH_INTERVAL".to_owned(), "1h".to_owned()));
    let database = TestDatabase::create().await;
    let one = Server::node(&database, "one", &as_str(&of)).await;
    let two = Server::node(&database, "two", &as_str(&of)).await;
    let admin = token(&database, "admin");
    let create = "mutation($i: CreateIntegrationInput!) { createIntegration(input: $i) { integration { id } userErrors { message } } }";
    for number in 0..30 {
        let key = json!({ "apiKey": { "key": "sk_test_ExampleExampleExample01" } });
        let input =
            json!({ "provider": "stripe", "name": format!("shop {number}"), "credentials": key, "skipTest": true });
        let server = if number % 2 == 0 { &one } else { &two };
        server.ask(&admin, create, json!({ "i": input })).await.data();
    }
    until("all are healthy", async || {
        let now = two.ask(&admin, "{ healthOverview { healthy } }", Value::Null).await.data();
        (now["healthOverview"]["healthy"] == 30).then_some(())
    })
    .await;
    // Both look for more in this time.
    tokio::time::sleep(std::time::Duration::from_secs(7)).await;
    assert_eq!(provider.heard().len(), 30);
}
