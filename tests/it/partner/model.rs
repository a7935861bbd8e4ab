//! Many partners with many orders, whose statuses change on both sides, while servers are killed: what comes of it is
//! what a sequential model says.
//!
//! Each order has a client of its own, which does one thing after the other: it says what the partner says, by the API
//! or by a webhook, twice, late, in disorder, in words that nobody knows; and it moves the order as somebody of the
//! tenant does. Many orders are under way at once, and the servers (two of them on PostgreSQL) are killed again and
//! again. Whoever gets no answer asks once more. What was done is written into a [ledger](rules) that knows the rules
//! and nothing of the program. At the end each order, its history, every update and every alert are what the ledgers
//! say, and so is what each partner was told: our changes, each once under its id and in order, and none of its own.
//! Then the words that nobody knew get a meaning, and all of it is compared again.
//!
//! `TEST_LONG=1` runs 50 partners with 200 orders each, `TEST_SEED` repeats a run's choices (not its timing).

mod client;
mod compare;
mod drive;
mod listen;
mod look;
mod rules;

use std::{
    collections::BTreeMap,
    env,
    net::SocketAddr,
    ops::Range,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::sleep};

use self::{
    client::Client,
    compare::{LAST, all_is_right, all_is_seen, all_is_sent, all_were_told, figures},
    drive::Drive,
    listen::Listener,
    rules::Words,
};
use crate::{
    outbound::sink::Sink,
    support::{
        database::{TestDatabase, on_postgres},
        process::{Server, in_the_end, token},
    },
};

/// Orders that are under way at once.
const AT_ONCE: usize = 12;

/// A partner, as it is known on both sides.
#[derive(Clone, Debug)]
struct Partner {
    name: String,
    /// The id of its integration.
    id: String,
    secret: String,
    /// Where it sends webhooks.
    hook: String,
    words: Words,
}

/// Now, in microseconds.
fn now() -> i64 {
    i64::try_from(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros()).unwrap()
}

/// One server; two on PostgreSQL.
async fn nodes(database: &TestDatabase) -> Vec<Server> {
    let settings = [
        ("PORTOLAN_OUTGOING_ALLOW", "127.0.0.0/8"),
        ("PORTOLAN_OUTBOUND_SCHEDULE", "50ms,100ms,200ms,500ms,1s,2s,5s,5s,5s,5s,5s,5s"),
        ("PORTOLAN_OUTBOUND_TIMEOUT", "1s"),
        ("PORTOLAN_JOBS_LEASE", "3s"),
        ("PORTOLAN_GRAPHQL_COST_PER_MINUTE", "0"),
        ("PORTOLAN_LOG_LEVEL", "warn"),
    ];
    if on_postgres() {
        return vec![Server::node(database, "one", &settings).await, Server::node(database, "two", &settings).await];
    }
    vec![Server::with(database, &settings).await]
}

/// Makes a partner that is told of everything.
async fn partner(client: &mut Client, sink: &Sink, number: usize) -> Partner {
    let (name, words) = (format!("p{number}"), Words::of(number));
    let secret = format!("whsec_{}", BASE64_STANDARD.encode(format!("the secret of partner {number:03}")));
    let input = json!({ "name": name, "type": "partner_dealer" });
    let made = client.done("createPartnerOrganization", "partnerOrganization { id }", input).await;
    let input = json!({
        "partnerOrganizationId": made["partnerOrganization"]["id"], "integrationName": name,
        "apiBaseUrl": "https://api.partner.example", "apiCredentials": { "api_key": "example-partner-key" },
        "webhookUrl": format!("http://{}/{name}", sink.address), "webhookSecret": secret, "webhookEvents": ["*"],
        "statusMapping": words.json(), "syncEnabled": false,
    });
    let fields = "partnerIntegration { id webhookSourceUrl }";
    let made = client.done("createPartnerIntegration", fields, input).await["partnerIntegration"].clone();
    let hook = format!("/hooks/{}", made["webhookSourceUrl"].as_str().unwrap().rsplit_once('/').unwrap().1);
    Partner { name, id: made["id"].as_str().unwrap().to_owned(), secret, hook, words }
}

/// Drives orders one after the other, for as long as there are some.
async fn work(waiting: Arc<Mutex<Vec<(Drive, usize)>>>) -> Vec<Drive> {
    let mut done = Vec::new();
    loop {
        let Some((mut drive, steps)) = waiting.lock().unwrap().pop() else { return done };
        drive.run(steps).await;
        done.push(drive);
    }
}

/// Kills servers and starts them again, after so many milliseconds each and so often at most, until all orders are
/// driven. Says how often.
async fn storm(
    nodes: &mut [Server],
    mut workers: JoinSet<Vec<Drive>>,
    chance: &mut StdRng,
    pauses: Range<u64>,
    most: usize,
) -> (Vec<Drive>, usize) {
    let (mut done, mut kills) = (Vec::new(), 0);
    loop {
        while let Some(some) = workers.try_join_next() {
            done.extend(some.unwrap());
        }
        if workers.is_empty() {
            return (done, kills);
        }
        sleep(Duration::from_millis(chance.random_range(pauses.clone()))).await;
        // A busy machine takes its time to start a server again, and is to come to an end, too.
        if kills < most {
            let victim = chance.random_range(0..nodes.len());
            nodes[victim].kill9();
            kills += 1;
            nodes[victim].again().await;
        }
    }
}

/// Gives the words that nobody knew a meaning, which is looked at while a server is killed.
async fn learn(client: &mut Client, partners: &mut [Partner], drives: &mut [Drive], node: &mut Server) {
    let mut kept = BTreeMap::new();
    for partner in partners {
        let to = ["approved", "in_progress", "cancelled"][client.chance.random_range(0..3)];
        partner.words.learns(to);
        kept.insert(partner.name.clone(), to);
        let input = json!({ "partnerIntegrationId": partner.id, "mapping": partner.words.json() });
        let drafted = client.done("draftStatusMapping", "statusMapping { id }", input).await;
        let id = json!({ "id": drafted["statusMapping"]["id"] });
        for (step, state) in [("validate", "VALIDATED"), ("simulate", "SIMULATED"), ("activate", "ACTIVE")] {
            let moved = client.done(&format!("{step}StatusMapping"), "statusMapping { state }", id.clone()).await;
            assert_eq!(moved["statusMapping"]["state"], state);
        }
    }
    node.kill9();
    node.again().await;
    for drive in drives {
        drive.ledger.learns(kept[&drive.partner.name]);
    }
    let ask = "{ partnerUpdates(filter: { states: [UNMAPPED] }) { totalCount } }";
    in_the_end("everything has a meaning", async || {
        sleep(Duration::from_millis(50)).await;
        let left = client.field(ask, Value::Null).await["totalCount"].as_u64().unwrap();
        if left == 0 { Ok(()) } else { Err(left) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statuses_end_as_a_sequential_model_says_and_every_partner_was_told_what_it_should_know_once() {
    let long = env::var_os("TEST_LONG").is_some_and(|value| value == "1");
    let (partners, orders, steps, pauses, most) =
        if long { (50, 200, 6..12, 2_000..12_000, usize::MAX) } else { (5, 8, 10..24, 200..2_000, 12) };
    let given = env::var("TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs());
    println!("TEST_SEED={seed}");
    let mut chance = StdRng::seed_from_u64(seed);
    let (database, sink) = (TestDatabase::create().await, Sink::start().await);
    let mut nodes = nodes(&database).await;
    let places: Vec<SocketAddr> = nodes.iter().map(|node| node.address).collect();
    let admin = token(&database, "admin");
    let mut client = Client::new(&places, &admin, StdRng::seed_from_u64(seed));
    let (mut known, mut listeners) = (Vec::new(), Vec::new());
    for number in 0..partners {
        let partner = partner(&mut client, &sink, number).await;
        listeners.push(Listener::of(&sink, &partner));
        known.push(partner);
    }
    let mut waiting = Vec::new();
    for (partner, number) in known.iter().flat_map(|partner| (0..orders).map(move |number| (partner, number))) {
        let client = Client::new(&places, &admin, StdRng::seed_from_u64(chance.random()));
        waiting.push((Drive::new(client, partner, number), chance.random_range(steps.clone())));
    }
    waiting.shuffle(&mut chance);
    let (begun, waiting) = (Instant::now(), Arc::new(Mutex::new(waiting)));
    let workers: JoinSet<_> = (0..AT_ONCE).map(|_| work(Arc::clone(&waiting))).collect();
    let (mut drives, kills) = storm(&mut nodes, workers, &mut chance, pauses, most).await;
    let storm_took = begun.elapsed();
    assert_eq!(drives.len(), partners * orders);
    all_is_seen(&mut client, &known, &listeners, LAST[0]).await;
    all_is_right(&mut client, &mut drives).await;
    learn(&mut client, &mut known, &mut drives, &mut nodes[0]).await;
    all_is_seen(&mut client, &known, &listeners, LAST[1]).await;
    all_is_right(&mut client, &mut drives).await;
    all_is_sent(&mut client).await;
    all_were_told(&known, &listeners, &drives);
    println!("{partners} partners x {orders} orders, {kills} kills in {:.0} s", storm_took.as_secs_f64());
    println!("{}; {:.0} s", figures(&listeners, &drives), begun.elapsed().as_secs_f64());
    assert!(kills > 2, "hardly anything was tried");
}
