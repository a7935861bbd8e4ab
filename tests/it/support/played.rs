//! Providers that tests talk to: the simulator, or a server that answers as the test says.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::StatusCode,
    response::Response,
};
use chrono::{DateTime, Utc};
use portolan::{
    kernel::clock::SystemClock,
    provider::{
        catalogue::Catalogue,
        manifest::auth::Auth,
        simulator::{
            Mood,
            hook::{Delivery, How},
            serve::Simulator,
        },
    },
};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinSet};

/// The simulator, playing every provider of the catalogue.
pub struct Played {
    pub address: SocketAddr,
    simulator: Simulator,
    _serving: JoinSet<std::io::Result<()>>,
}

impl Played {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let origin = format!("http://{address}").parse().unwrap();
        let providers: Vec<_> = Catalogue::embedded().iter().cloned().collect();
        let simulator = Simulator::new(providers, origin, Arc::new(SystemClock));
        let mut serving = JoinSet::new();
        serving.spawn(simulator.clone().serve(listener));
        Self { address, simulator, _serving: serving }
    }

    /// The settings of a hub that asks here.
    pub fn settings(&self) -> Vec<(String, String)> {
        settings(self.address)
    }

    /// Lets a provider behave so, for the next requests or until told otherwise.
    pub fn behave(&self, provider: &str, mood: Mood, requests: Option<u32>) {
        self.simulator.with(provider, |fake| fake.behave(mood, requests)).unwrap();
    }

    /// Gives a provider another account, which differs so from the one of the examples.
    pub fn account(&self, provider: &str, differs: &[(&str, &str)]) {
        self.simulator.with(provider, |fake| fake.add_account(differs.iter().copied())).unwrap();
    }

    /// Lets everybody ask a provider as often as they like.
    pub fn open(&self, provider: &str) {
        self.simulator.with(provider, portolan::provider::simulator::Fake::open).unwrap();
    }

    /// Webhooks of a provider to an address, signed as it signs, or not quite so.
    pub fn webhooks(&self, provider: &str, to: &str, how: How, count: u32, now: DateTime<Utc>) -> Vec<Delivery> {
        let to = to.parse().unwrap();
        self.simulator.with(provider, |fake| fake.webhooks(&to, how, count, now)).unwrap().unwrap()
    }

    /// The made-up value that the fake of a provider takes for right.
    pub fn value(&self, provider: &str, name: &str) -> String {
        self.simulator.with(provider, |fake| fake.values().get(name).unwrap().0.into_owned()).unwrap()
    }
}

/// The made-up value that the file of a provider gives for a field of a credential or of the application, which is the
/// one that its fake takes for right.
pub fn example(provider: &str, name: &str) -> String {
    let catalogue = Catalogue::embedded();
    let manifest = catalogue.get(provider).unwrap();
    let mut fields = manifest.auth.iter().flat_map(Auth::fields).chain(manifest.app.iter().flatten());
    fields.find(|field| field.name.as_str() == name).unwrap().example.clone()
}

/// The settings of a hub that asks all providers at that address.
pub fn settings(address: SocketAddr) -> Vec<(String, String)> {
    vec![
        ("PORTOLAN_OUTGOING_ALLOW".to_owned(), address.to_string()),
        ("PORTOLAN_OUTGOING_SIMULATOR".to_owned(), format!("http://{address}")),
        ("PORTOLAN_GRAPHQL_COST_PER_MINUTE".to_owned(), "0".to_owned()),
    ]
}

/// What a scripted server answers.
#[derive(Clone, Debug)]
pub struct Said {
    pub status: u16,
    pub kind: &'static str,
    pub body: Vec<u8>,
    pub after: Duration,
    /// Whether the line is cut before the end that was promised.
    pub cut: bool,
}

impl Said {
    pub fn json(status: u16, body: &Value) -> Self {
        Self { status, kind: "application/json", body: body.to_string().into(), after: Duration::ZERO, cut: false }
    }
}

/// What a scripted server was asked.
#[derive(Clone, Debug)]
pub struct Heard {
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub authorization: Option<String>,
    pub body: String,
}

/// A server that answers as the test says, and remembers what it was asked.
pub struct Scripted {
    pub address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    _serving: JoinSet<std::io::Result<()>>,
}

impl Scripted {
    pub async fn start(answer: impl Fn(&Heard) -> Said + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (heard, answer) = (Arc::<Mutex<Vec<Heard>>>::default(), Arc::new(answer));
        let kept = Arc::clone(&heard);
        let router = Router::new().fallback(move |request: Request| {
            let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
            async move {
                let (parts, body) = request.into_parts();
                let body = to_bytes(body, 1 << 20).await.unwrap();
                let query = parts.uri.query().unwrap_or_default().as_bytes();
                let heard = Heard {
                    path: parts.uri.path().to_owned(),
                    query: url::form_urlencoded::parse(query).into_owned().collect(),
                    authorization: parts.headers.get("authorization").map(|it| it.to_str().unwrap().to_owned()),
                    body: String::from_utf8_lossy(&body).into_owned(),
                };
                let said = answer(&heard);
                kept.lock().unwrap().push(heard);
                tokio::time::sleep(said.after).await;
                let mut parts = vec![Ok(said.body)];
                parts.extend(said.cut.then(|| Err(std::io::Error::other("the line is cut"))));
                let mut response = Response::new(Body::from_stream(futures_util::stream::iter(parts)));
                *response.status_mut() = StatusCode::from_u16(said.status).unwrap();
                response.headers_mut().insert("content-type", said.kind.parse().unwrap());
                response
            }
        });
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await });
        Self { address, heard, _serving: serving }
    }

    /// What it was asked so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }
}
