//! A token is bought once for each end, however many ask, whatever breaks.
//!
//! Hundreds of callers on three servers ask at the moment at which the token has ended. The provider takes each
//! refresh token once; only until the next token is used does it answer a repetition with the same, as providers do
//! that allow for answers that get lost. It is slow, fails, or loses its answer after it has changed its mind; servers
//! are killed while they hold the lease. In the end nobody had to connect anew, no refresh token was brought that
//! was spent, and nothing was asked twice that had not been lost.
//!
//! On SQLite, where a database has one server, all callers ask that one. `TEST_LONG=1` runs the long form,
//! `TEST_SEED` repeats a run's choices (not its timing).

use std::{
    env, fs,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use futures_util::future::join_all;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::{
    database::{TestDatabase, on_postgres},
    played::{Heard, Said, Scripted},
    process::{Server, token},
    wire::Wire,
};

/// How long a token lives; it is bought anew at half of it.
const LIFE: u64 = 12;

/// Callers of all servers together.
const CALLERS: usize = 300;

const ACME: &str = r#"
key = "acme"
name = "Acme"
description = "Whose refresh tokens serve once."
category = "commerce"
docs = "https://example.com"
per_tenant = "many"
version = "none"
settings = "none"
discovery = "none"
paging = "none"
streams = "none"
webhook = "none"

[[environments]]
key = "live"
label = "Live"
sandbox = false
base_url = "https://api.acme.example"

[[app]]
name = "client_id"
label = "Client id"
secret = false
example = "client"

[[app]]
name = "client_secret"
label = "Client secret"
example = "secret-of-the-client"

[[auth]]
kind = "oauth2_authorization_code"
key = "login"
label = "Sign in"
refresh_rotates = true

[auth.authorize]
url = "https://acme.example/authorize"
scopes = ["all"]
pkce = true

[auth.token]
url = "https://acme.example/token"

[auth.refresh]
url = "https://acme.example/token"

[[auth.inject]]
into = "bearer"
token = "{access_token}"

[probe]
by = "request"
request = { path = "/me" }
example = { id = "1" }

[errors]
message = "error_description || error"

[[limits]]
shape = "adaptive"
start = 2
most = 10

[[actions]]
key = "me"
name = "Who am I"
description = "Says who asks."
effect = "read"
request = { path = "/me" }
input = { type = "object" }
output = { type = "object" }
example = { id = "1" }
"#;

/// What the token server does to the next purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Well,
    Slow,
    /// It fails before anything changed.
    Failing,
    /// It changes its mind and the answer is lost.
    Losing,
}

#[derive(Debug)]
struct Acme {
    mood: Mood,
    /// The newest token.
    number: u64,
    issued: Instant,
    /// Whether it was used, after which the one before is void.
    used: bool,
    bought: u64,
    repeated: u64,
    lost: u64,
    failed: u64,
    spent: u64,
}

impl Acme {
    fn answer(&mut self, heard: &Heard) -> Said {
        if heard.path.ends_with("/token") {
            return self.sell(heard);
        }
        let sent = heard.authorization.as_deref().and_then(|it| it.strip_prefix("Bearer at-"));
        let number: u64 = sent.and_then(|number| number.parse().ok()).unwrap_or(u64::MAX);
        let alive = self.issued.elapsed() < Duration::from_secs(LIFE);
        if number == self.number && alive {
            self.used = true;
            return Said::json(200, &json!({ "id": "1" }));
        }
        Said::json(401, &json!({ "error": "invalid_token" }))
    }

    fn sell(&mut self, heard: &Heard) -> Said {
        let form: std::collections::BTreeMap<String, String> =
            url::form_urlencoded::parse(heard.body.as_bytes()).into_owned().collect();
        let mood = std::mem::replace(&mut self.mood, Mood::Well);
        if mood == Mood::Failing {
            self.failed += 1;
            return Said::json(503, &json!({ "error": "temporarily_unavailable" }));
        }
        if form["grant_type"] == "refresh_token" {
            let number: u64 = form["refresh_token"].trim_start_matches("rt-").parse().unwrap();
            if number == self.number {
                self.issue();
                self.bought += 1;
            } else if number + 1 == self.number && !self.used {
                self.repeated += 1;
            } else {
                self.spent += 1;
                return Said::json(400, &json!({ "error": "invalid_grant", "error_description": "it was spent" }));
            }
        } else {
            self.issue();
        }
        let tokens = json!({
            "access_token": format!("at-{}", self.number), "refresh_token": format!("rt-{}", self.number),
            "expires_in": LIFE, "token_type": "Bearer",
        });
        match mood {
            Mood::Losing => {
                self.lost += 1;
                Said { body: b"{\"access_to".to_vec(), ..Said::json(200, &Value::Null) }
            }
            Mood::Slow => Said { after: Duration::from_millis(700), ..Said::json(200, &tokens) },
            _ => Said::json(200, &tokens),
        }
    }

    fn issue(&mut self) {
        (self.number, self.issued, self.used) = (self.number + 1, Instant::now(), false);
    }
}

const RUN: &str = "mutation($id: ID!) { runAction(input: { integrationId: $id, action: \"me\" }) {
    result userErrors { code message } } }";

/// One caller, who tries again for as long as it may pass. Says how often it had to.
async fn call(address: SocketAddr, token: &str, id: &Value) -> u32 {
    let begun = Instant::now();
    for tries in 0.. {
        let answer = async { Wire::open(address).await?.ask(token, RUN, json!({ "id": id })).await };
        // If not, its server was killed.
        if let Ok(reply) = answer.await {
            let answer = reply.json();
            let payload = &answer["data"]["runAction"];
            if payload["result"]["id"] == "1" {
                return tries;
            }
            let code = payload["userErrors"][0]["code"].as_str();
            let code = code.or(answer["errors"][0]["extensions"]["code"].as_str());
            let passes = ["SERVICE_UNAVAILABLE", "PROVIDER_UNAVAILABLE", "TIMEOUT"];
            assert!(code.is_some_and(|code| passes.contains(&code)), "{answer}");
        }
        assert!(begun.elapsed() < Duration::from_secs(90), "the connection was lost");
        sleep(Duration::from_millis(300)).await;
    }
    unreachable!("it tries for ever")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ended_is_bought_once_however_many_ask_and_whatever_breaks() {
    let long = env::var_os("TEST_LONG").is_some_and(|value| value == "1");
    let given = env::var("TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs());
    println!("TEST_SEED={seed}");
    let mut chance = StdRng::seed_from_u64(seed);
    let acme = Arc::new(Mutex::new(Acme {
        mood: Mood::Well,
        number: 0,
        issued: Instant::now(),
        used: false,
        bought: 0,
        repeated: 0,
        lost: 0,
        failed: 0,
        spent: 0,
    }));
    let behind = Arc::clone(&acme);
    let provider = Scripted::start(move |heard| behind.lock().unwrap().answer(heard)).await;
    let files = tempfile::tempdir().unwrap();
    fs::write(files.path().join("acme.toml"), ACME).unwrap();
    let database = TestDatabase::create().await;
    let (allow, simulator) = (provider.address.to_string(), format!("http://{}", provider.address));
    let settings = [
        ("PORTOLAN_OUTGOING_ALLOW", allow.as_str()),
        ("PORTOLAN_OUTGOING_SIMULATOR", simulator.as_str()),
        ("PORTOLAN_PROVIDERS_DIR", files.path().to_str().unwrap()),
        ("PORTOLAN_GRAPHQL_COST_PER_MINUTE", "0"),
        ("PORTOLAN_GRAPHQL_OPERATION_TIMEOUT", "40s"),
        ("PORTOLAN_HTTP_REQUEST_TIMEOUT", "60s"),
        ("PORTOLAN_HTTP_CONNECTIONS_PER_ADDRESS", "2000"),
    ];
    let mut nodes = Vec::new();
    for name in ["one", "two", "three"].iter().take(if on_postgres() { 3 } else { 1 }) {
        nodes.push(if on_postgres() {
            Server::node(&database, name, &settings).await
        } else {
            Server::with(&database, &settings).await
        });
    }
    let admin = token(&database, "admin");
    let id = connect(&nodes[0], &admin).await;

    let (rounds, mut kills, mut again) = (if long { 40 } else { 5 }, 0, 0);
    for round in 0..rounds {
        let moods = [Mood::Well, Mood::Slow, Mood::Failing, Mood::Losing];
        let mood = moods[if round < 4 { round } else { chance.random_range(0..4) }];
        let left = Duration::from_secs(LIFE).saturating_sub(acme.lock().unwrap().issued.elapsed());
        sleep(left).await;
        acme.lock().unwrap().mood = mood;
        let killed = (round == 1 || round > 3 && chance.random_bool(0.4)).then(|| chance.random_range(0..nodes.len()));
        let addresses: Vec<_> = nodes.iter().map(|node| node.address).collect();
        let callers = (0..CALLERS).map(|caller| call(addresses[caller % addresses.len()], &admin, &id));
        let pause = Duration::from_millis(chance.random_range(20..600));
        let (tries, ()) = tokio::join!(join_all(callers), async {
            if let Some(node) = killed {
                sleep(pause).await;
                nodes[node].kill9();
                kills += 1;
                nodes[node].again().await;
            }
        });
        again += tries.iter().filter(|tries| **tries > 0).count();
        println!("round {round}: {mood:?}, killed {killed:?}: {:?}", acme.lock().unwrap());
    }
    let status = "query($id: ID!) { integration(id: $id) { status credential { refusedAt } } }";
    let now = nodes[0].ask(&admin, status, json!({ "id": id })).await.data();
    let acme = acme.lock().unwrap();
    println!("{CALLERS} callers, {rounds} ends, {kills} servers killed, {again} callers tried again: {acme:?}");
    assert_eq!(now["integration"], json!({ "status": "ACTIVE", "credential": { "refusedAt": null } }));
    assert_eq!(acme.spent, 0, "a token that was spent was brought again");
    assert!(acme.repeated <= acme.lost + kills, "it was asked twice though nothing was lost");
    assert!(acme.bought >= rounds as u64);
}

/// An integration for which somebody agreed.
async fn connect(node: &Server, admin: &str) -> Value {
    let app =
        "mutation { setProviderApp(input: { provider: \"acme\", fields: [{ name: \"client_id\", value: \"client\" },
        { name: \"client_secret\", value: \"secret-of-the-client\" }] }) { userErrors { message } } }";
    assert_eq!(node.ask(admin, app, Value::Null).await.data()["setProviderApp"]["userErrors"], json!([]));
    let create =
        "mutation { createIntegration(input: { provider: \"acme\" }) { integration { id } userErrors { message } } }";
    let id = node.ask(admin, create, Value::Null).await.data()["createIntegration"]["integration"]["id"].clone();
    let start = "mutation($id: ID!) { startOAuth(input: { id: $id }) { url userErrors { message } } }";
    let url = node.ask(admin, start, json!({ "id": id })).await.data()["startOAuth"]["url"].clone();
    let state = url.as_str().unwrap().split_once("state=").unwrap().1.split('&').next().unwrap().to_owned();
    let back = format!("/oauth/callback?code=code&state={state}");
    let reply = node.wire().await.get(&back).await.unwrap();
    assert_eq!(reply.header("location"), format!("/#/connected/{}", id.as_str().unwrap()));
    id
}
