//! Clients of a real server: they sign in, refresh and look, each at its own pace, and note what went wrong.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

use super::node::{self, Node};
use crate::support::{Reply, process::until, wire::Wire};

/// How many clients, and how often each asks: two hundred requests a second. There are so many because each waits
/// for its answer, and most requests for their turn to write.
const CLIENTS: usize = 48;
const PACE: Duration = Duration::from_millis(240);

/// A refresh token whose answer was lost may be used again for ten seconds; a client that waited longer signs in.
const PATIENCE: Duration = Duration::from_secs(6);

const PASSWORD: &str = "correct horse battery staple";

/// Where the server is, and how often it was killed.
#[derive(Clone, Copy, Debug)]
struct Stage {
    kills: usize,
    server: Option<SocketAddr>,
    over: bool,
}

/// What became of requests.
#[derive(Debug, Default)]
pub struct Told {
    pub done: usize,
    /// Connections that broke at a kill.
    pub unknown: usize,
    /// Everything else that was no success.
    pub failed: Vec<String>,
    /// While the server was up.
    pub seconds: f64,
}

impl Told {
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub fn rate(&self) -> f64 {
        self.done as f64 / self.seconds
    }
}

/// All clients.
pub struct Load {
    stage: watch::Sender<Stage>,
    count: watch::Sender<usize>,
    clients: JoinSet<Told>,
    sealers: (watch::Sender<bool>, JoinSet<node::Told>),
    begun: Instant,
    /// Since when the server is down, and how long it was before.
    down: (Option<Instant>, Duration),
}

impl Load {
    /// Makes people, lets each sign in, and begins. The node seals and opens beside them.
    pub async fn start(server: SocketAddr, admin: &str, node: &Node) -> Self {
        let stage = watch::Sender::new(Stage { kills: 0, server: Some(server), over: false });
        let count = watch::Sender::new(0);
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            let client = Client::invited(number, admin, server, stage.subscribe(), count.clone()).await;
            clients.spawn(client.run());
        }
        Self { stage, count, clients, sealers: node.begin(), begun: Instant::now(), down: (None, Duration::ZERO) }
    }

    /// The server is about to be killed.
    pub fn down(&mut self) {
        self.down.0 = Some(Instant::now());
        self.stage.send_modify(|stage| (stage.kills, stage.server) = (stage.kills + 1, None));
    }

    /// It is there again.
    pub fn up(&mut self, server: SocketAddr) {
        self.down.1 += self.down.0.take().map_or(Duration::ZERO, |since| since.elapsed());
        self.stage.send_modify(|stage| stage.server = Some(server));
    }

    /// Waits until so many more requests were answered.
    pub async fn goes_on(&self, requests: usize) {
        let before = *self.count.borrow();
        until("the load goes on", async || (*self.count.borrow() > before + requests).then_some(())).await;
    }

    /// Ends it, and says what clients were told, and what the node was.
    pub async fn stop(&mut self) -> (Told, node::Told) {
        self.stage.send_modify(|stage| stage.over = true);
        let mut told = Told::default();
        while let Some(client) = self.clients.join_next().await {
            let client = client.unwrap();
            told.done += client.done;
            told.unknown += client.unknown;
            told.failed.extend(client.failed);
        }
        let mut sealed = Node::end(&self.sealers.0, &mut self.sealers.1).await;
        let whole = self.begun.elapsed();
        (told.seconds, sealed.seconds) = (whole.saturating_sub(self.down.1).as_secs_f64(), whole.as_secs_f64());
        (told, sealed)
    }
}

/// Somebody with a session.
struct Client {
    email: String,
    access: String,
    refresh: String,
    stages: watch::Receiver<Stage>,
    count: watch::Sender<usize>,
    /// The kept connection, and how often the server had been killed when it was opened.
    line: Option<(usize, Wire)>,
    told: Told,
}

const SIGN_IN: &str = "mutation($input: SignInInput!) { out: signIn(input: $input) {
    session { accessToken refreshToken } userErrors { code message } } }";
const REFRESH: &str = "mutation($input: RefreshSessionInput!) { out: refreshSession(input: $input) {
    session { accessToken refreshToken } userErrors { code message } } }";
const SET_PASSWORD: &str = "mutation($input: SetPasswordInput!) { out: setPassword(input: $input) {
    session { accessToken refreshToken } userErrors { code message } } }";
const LOOK: &str = "{ viewer { role } }";

impl Client {
    async fn invited(
        number: usize,
        admin: &str,
        server: SocketAddr,
        stages: watch::Receiver<Stage>,
        count: watch::Sender<usize>,
    ) -> Self {
        let (mut line, email) = (Wire::open(server).await.unwrap(), format!("client{number}@example.com"));
        let create = "mutation($input: CreateUserInput!) { createUser(input: $input) { user { id } } }";
        let input = json!({ "email": email, "name": "Client", "role": "VIEWER" });
        let user = line.ask(admin, create, json!({ "input": input })).await.unwrap().data();
        let invite = "mutation($input: CreateLinkInput!) { createLink(input: $input) { token } }";
        let input = json!({ "userId": user["createUser"]["user"]["id"], "purpose": "ACTIVATION" });
        let invited = line.ask(admin, invite, json!({ "input": input })).await.unwrap().data();
        let input = json!({ "token": invited["createLink"]["token"], "password": PASSWORD });
        let session = line.ask("", SET_PASSWORD, json!({ "input": input })).await.unwrap().data();
        let mut client = Self {
            email,
            access: String::new(),
            refresh: String::new(),
            stages,
            count,
            line: Some((0, line)),
            told: Told::default(),
        };
        client.keep(&session);
        client
    }

    /// Keeps the tokens of an answer.
    fn keep(&mut self, data: &Value) {
        let token = |name: &str| data["out"]["session"][name].as_str().unwrap_or_default().to_owned();
        (self.access, self.refresh) = (token("accessToken"), token("refreshToken"));
    }

    async fn run(mut self) -> Told {
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for turn in 0.. {
            pace.tick().await;
            let done = match turn % 10 {
                0 => self.sign_in().await,
                1..=6 => self.refresh().await,
                _ => self.look().await,
            };
            if done.is_none() {
                break;
            }
            self.count.send_modify(|count| *count += 1);
        }
        self.told
    }

    async fn sign_in(&mut self) -> Option<()> {
        let input = json!({ "email": self.email, "password": PASSWORD, "userAgent": "load" });
        let (data, _) = self.settle("", SIGN_IN, json!({ "input": input }), None).await?;
        if let Some(data) = data {
            self.keep(&data);
        }
        Some(())
    }

    async fn refresh(&mut self) -> Option<()> {
        let input = json!({ "refreshToken": self.refresh, "userAgent": "load" });
        match self.settle("", REFRESH, json!({ "input": input }), Some(PATIENCE)).await? {
            (Some(data), _) => self.keep(&data),
            (None, true) => self.sign_in().await?,
            (None, false) => {}
        }
        Some(())
    }

    async fn look(&mut self) -> Option<()> {
        let access = self.access.clone();
        self.settle(&access, LOOK, json!({}), None).await.map(drop)
    }

    /// Asks until there is an answer. Its data, if it is a success, and whether patience ran out; nothing when all is
    /// over.
    async fn settle(
        &mut self,
        token: &str,
        document: &str,
        variables: Value,
        patience: Option<Duration>,
    ) -> Option<(Option<Value>, bool)> {
        let mut broke: Option<Instant> = None;
        loop {
            let stage = *self.stages.wait_for(|stage| stage.server.is_some() || stage.over).await.unwrap();
            let server = stage.server.filter(|_| !stage.over)?;
            if patience.zip(broke).is_some_and(|(patience, broke)| broke.elapsed() > patience) {
                return Some((None, true));
            }
            match self.ask(server, stage.kills, token, document, &variables).await {
                Ok(reply) => return Some((self.judged(&reply), false)),
                Err(error) => {
                    broke.get_or_insert_with(Instant::now);
                    // The kill is announced before it is done, so one that broke this is known by now.
                    if self.stages.borrow().kills == stage.kills {
                        self.told.failed.push(format!("a connection broke without a kill: {error}"));
                        return Some((None, false));
                    }
                    self.told.unknown += 1;
                    sleep(Duration::from_millis(1)).await;
                }
            }
        }
    }

    async fn ask(
        &mut self,
        server: SocketAddr,
        kills: usize,
        token: &str,
        document: &str,
        variables: &Value,
    ) -> io::Result<Reply> {
        // A connection to a server that was killed since is none.
        let mut line = match self.line.take().filter(|(opened, _)| *opened == kills) {
            Some((_, line)) => line,
            None => Wire::open(server).await?,
        };
        let reply = line.ask(token, document, variables.clone()).await?;
        self.line = (reply.header("connection") != "close").then_some((kills, line));
        Ok(reply)
    }

    /// The data of a success.
    fn judged(&mut self, reply: &Reply) -> Option<Value> {
        let json = reply.json();
        let refused = json["data"]["out"]["userErrors"].as_array().is_some_and(|errors| !errors.is_empty());
        if reply.status == 200 && json.get("errors").is_none() && !refused {
            self.told.done += 1;
            return Some(json["data"].clone());
        }
        self.told.failed.push(format!("{} {}", reply.status, reply.text));
        None
    }
}
