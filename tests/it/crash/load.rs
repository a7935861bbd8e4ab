//! Clients that do not give up: each sends one mutation after the other, every one with a value of its own.
//!
//! Three kinds, since each leaves other traces. `createUser` makes a row in each of two tables under a unique
//! address. `createApiToken` has nothing unique but its idempotency key, so that key alone keeps a repetition
//! from making a second one. `updateTenant` takes no key: setting the same name twice is one change. Each client
//! renames a tenant of its own, so that its names follow each other without gaps.

use std::{net::SocketAddr, time::Duration};

use chrono::{DateTime, Utc};
use portolan::kernel::{
    clock::{Clock, SystemClock},
    id::TenantId,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::{sync::watch, time::sleep};

use crate::support::{Reply, wire::Wire};

/// Where the server is.
#[derive(Clone, Copy, Debug)]
pub enum Stage {
    Up(SocketAddr),
    Down,
    Over,
}

/// One mutation.
#[derive(Clone, Debug)]
pub struct Intent {
    pub kind: Kind,
    /// Unique among all of a run.
    pub name: String,
}

/// What a mutation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    User,
    Token,
    Rename(TenantId),
}

/// What the server said about a mutation.
#[derive(Debug)]
pub struct Acknowledged {
    pub intent: Intent,
    pub id: String,
}

/// What clients were told.
#[derive(Debug, Default)]
pub struct Told {
    pub acknowledged: Vec<Acknowledged>,
    /// Mutations whose outcome nobody learned.
    pub open: Vec<Intent>,
    /// How often a connection broke under a mutation.
    pub unknown: usize,
    /// How often a mutation asked again turned out to have been done already.
    pub repeated: usize,
}

impl Told {
    /// Adds what another client was told.
    pub fn add(&mut self, other: Self) {
        self.acknowledged.extend(other.acknowledged);
        self.open.extend(other.open);
        self.unknown += other.unknown;
        self.repeated += other.repeated;
    }
}

/// An answer that acknowledges.
struct Answer {
    id: String,
    /// When it was done.
    at: DateTime<Utc>,
    /// The text of a token.
    secret: bool,
}

impl Intent {
    /// The document and its variables.
    fn request(&self) -> (&'static str, Value) {
        let name = &self.name;
        match self.kind {
            Kind::User => (
                "mutation($input: CreateUserInput!) { out: createUser(input: $input) {
                    it: user { id at: createdAt } userErrors { code message } } }",
                json!({ "email": self.email(), "name": name, "role": "VIEWER", "idempotencyKey": name }),
            ),
            Kind::Token => (
                "mutation($input: CreateApiTokenInput!) { out: createApiToken(input: $input) {
                    it: apiToken { id at: createdAt } token userErrors { code message } } }",
                json!({ "name": name, "role": "VIEWER", "idempotencyKey": name }),
            ),
            Kind::Rename(tenant) => (
                "mutation($input: UpdateTenantInput!) { out: updateTenant(input: $input) {
                    it: tenant { id at: updatedAt } userErrors { code message } } }",
                json!({ "id": tenant, "name": name }),
            ),
        }
    }

    /// The address of a user with that name.
    pub fn email(&self) -> String {
        format!("{}@example.com", self.name)
    }

    /// Reads an answer; everything but an acknowledgement is a fault, for nothing was wrong with the request.
    fn answered(&self, reply: &Reply) -> Answer {
        let data = reply.data();
        let it = &data["out"]["it"];
        assert_eq!(data["out"]["userErrors"], json!([]), "{self:?}");
        let at = it["at"].as_str().unwrap().parse().unwrap();
        Answer { id: it["id"].as_str().unwrap().to_owned(), at, secret: data["out"]["token"].is_string() }
    }
}

/// A client.
pub struct Client {
    number: usize,
    chance: StdRng,
    token: String,
    tenant: TenantId,
    stages: watch::Receiver<Stage>,
    count: watch::Sender<usize>,
    line: Option<Wire>,
    told: Told,
}

impl Client {
    /// A client with a tenant of its own.
    pub async fn new(
        seed: u64,
        number: usize,
        token: &str,
        stages: watch::Receiver<Stage>,
        count: watch::Sender<usize>,
        server: SocketAddr,
    ) -> Self {
        let create = "mutation($input: CreateTenantInput!) { createTenant(input: $input) { tenant { id } } }";
        let input = json!({ "slug": format!("client-{number}"), "name": Self::at_first(number) });
        let mut line = Wire::open(server).await.unwrap();
        let made = line.ask(token, create, json!({ "input": input })).await.unwrap().data();
        Self {
            number,
            chance: StdRng::seed_from_u64(seed.wrapping_add(1 + number as u64)),
            token: token.to_owned(),
            tenant: made["createTenant"]["tenant"]["id"].as_str().unwrap().parse().unwrap(),
            stages,
            count,
            line: Some(line),
            told: Told::default(),
        }
    }

    /// What a client's tenant is called at first.
    fn at_first(number: usize) -> String {
        format!("Client {number}")
    }

    /// Sends mutations until all is over.
    pub async fn run(mut self) -> Told {
        for turn in 0.. {
            let kind = match self.chance.random_range(0..5) {
                0 | 1 => Kind::User,
                2 | 3 => Kind::Token,
                _ => Kind::Rename(self.tenant),
            };
            let intent = Intent { kind, name: format!("crash-{}-{turn}", self.number) };
            let Some(id) = self.settle(&intent).await else { break };
            self.told.acknowledged.push(Acknowledged { intent, id });
            self.count.send_modify(|count| *count += 1);
        }
        self.told
    }

    /// Sends one until it is acknowledged; nothing if all was over before.
    async fn settle(&mut self, intent: &Intent) -> Option<String> {
        let mut broke: Option<DateTime<Utc>> = None;
        loop {
            let stage = *self.stages.wait_for(|stage| !matches!(stage, Stage::Down)).await.unwrap();
            let Stage::Up(server) = stage else {
                self.told.open.extend(broke.map(|_| intent.clone()));
                return None;
            };
            let Some(line) = self.line(server).await else { continue };
            let Some(answer) = self.send(line, intent).await else {
                self.told.unknown += 1;
                broke = Some(SystemClock.now());
                continue;
            };
            if let Some(broke) = broke {
                self.cleared_up(intent, broke, &answer).await;
            } else if intent.kind == Kind::Token {
                assert!(answer.secret, "the first answer holds the token");
            }
            return Some(answer.id);
        }
    }

    /// After a broken connection: was it done before that, and is it the same when asked once more?
    async fn cleared_up(&mut self, intent: &Intent, broke: DateTime<Utc>, answer: &Answer) {
        let repeated = answer.at <= broke;
        self.told.repeated += usize::from(repeated);
        if intent.kind == Kind::Token {
            assert_eq!(answer.secret, !repeated, "the token's text goes out with its making only: {intent:?}");
        }
        if let Some(line) = self.line.take()
            && let Some(again) = self.send(line, intent).await
        {
            assert_eq!((&again.id, again.at), (&answer.id, answer.at), "one key, one effect: {intent:?}");
        }
    }

    /// The kept connection, or a new one.
    async fn line(&mut self, server: SocketAddr) -> Option<Wire> {
        if self.line.is_some() {
            return self.line.take();
        }
        let opened = Wire::open(server).await.ok();
        if opened.is_none() {
            sleep(Duration::from_millis(1)).await;
        }
        opened
    }

    /// Sends it once; nothing if the outcome is unknown.
    async fn send(&mut self, mut line: Wire, intent: &Intent) -> Option<Answer> {
        let (document, input) = intent.request();
        let reply = line.ask(&self.token, document, json!({ "input": input })).await.ok()?;
        if reply.header("connection") != "close" {
            self.line = Some(line);
        }
        Some(intent.answered(&reply))
    }
}
