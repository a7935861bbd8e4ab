//! The socket of the simulator, on the loopback only.
//!
//! | request | |
//! |---|---|
//! | `* /{provider}/{host}/{path}` | what the provider would answer |
//! | `GET /_control/{provider}` | what it takes for right: settings, fields of credentials, of the application |
//! | `POST /_control/{provider}` | `{"mood": "throttling", "requests": 3}`: behave so, for three requests |
//! | `POST /_control/{provider}/accounts` | `{"shop": "coffee-house", "admin_token": "shpat_…"}`: add an account that differs so |
//! | `POST /_control/{provider}/webhooks` | `{"url": "http://127.0.0.1:8080/hooks/…", "how": "late", "count": 2}`: send some |
//!
//! Webhooks go to the loopback only: a simulator is no way to reach anybody else.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, Request, State},
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::{
    Asked, Fake, Mood,
    hook::{Delivery, How},
};
use crate::{
    kernel::clock::Clock,
    provider::{manifest::Manifest, webhook::sign::Unsignable},
};

/// Largest body that is taken.
const MAX_BODY: usize = 4 << 20;

/// How long a slow answer takes.
const SLOW: Duration = Duration::from_secs(3);

/// How much of an endless answer is sent at once.
const CHUNK: usize = 64 * 1024;

/// How long a webhook may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Fakes behind one port.
#[derive(Clone)]
pub struct Simulator {
    fakes: Arc<BTreeMap<String, Mutex<Fake>>>,
    origin: Url,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Simulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulator").field("origin", &self.origin.as_str()).finish_non_exhaustive()
    }
}

impl Simulator {
    /// Fakes of these providers, reached at `origin`.
    #[must_use]
    pub fn new(providers: impl IntoIterator<Item = Arc<Manifest>>, origin: Url, clock: Arc<dyn Clock>) -> Self {
        let now = clock.now();
        let fakes =
            providers.into_iter().map(|manifest| (manifest.key.0.clone(), Mutex::new(Fake::new(manifest, now))));
        Self { fakes: Arc::new(fakes.collect()), origin, clock }
    }

    /// Works with the fake of a provider, if there is one.
    pub fn with<T>(&self, provider: &str, work: impl FnOnce(&mut Fake) -> T) -> Option<T> {
        let fake = self.fakes.get(provider)?;
        Some(work(&mut fake.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Lets a provider send webhooks to an address of the loopback, and gives the status of each answer. Nothing, if the
    /// provider is not played.
    pub async fn post(
        &self,
        provider: &str,
        to: &Url,
        how: How,
        count: u32,
    ) -> Option<Result<Vec<Option<u16>>, Unsignable>> {
        let now = self.clock.now();
        let deliveries = match self.with(provider, |fake| fake.webhooks(to, how, count, now))? {
            Ok(deliveries) => deliveries,
            Err(reason) => return Some(Err(reason)),
        };
        let mut statuses = Vec::with_capacity(deliveries.len());
        for delivery in deliveries.into_iter().filter(|delivery| is_loopback(&delivery.url)) {
            let sent = tokio::time::timeout(PATIENCE, deliver(delivery)).await;
            statuses.push(sent.ok().and_then(Result::ok));
        }
        Some(Ok(statuses))
    }

    /// All routes.
    pub fn router(self) -> Router {
        Router::new()
            .route("/_control/{provider}", get(taken).post(behave))
            .route("/_control/{provider}/accounts", post(account))
            .route("/_control/{provider}/webhooks", post(send))
            .fallback(play)
            .with_state(self)
    }

    /// Serves until the future is dropped.
    pub async fn serve(self, listener: TcpListener) -> std::io::Result<()> {
        axum::serve(listener, self.router()).await
    }
}

/// Plays a provider.
async fn play(State(simulator): State<Simulator>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Some((provider, url)) = address(&parts.uri) else {
        return (StatusCode::NOT_FOUND, "ask /{provider}/{host}/{path}").into_response();
    };
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let mut public = simulator.origin.clone();
    public.set_path(parts.uri.path());
    public.set_query(parts.uri.query());
    let asked = Asked { method: parts.method, url, public, headers: parts.headers, body: body.to_bytes().to_vec() };
    let now = simulator.clock.now();
    let Some((reply, manner)) = simulator.with(&provider, |fake| fake.begin(&asked, now)) else {
        return (StatusCode::NOT_FOUND, "this provider is not simulated").into_response();
    };
    let _under_way = manner.under_way.then(|| UnderWay { simulator, provider });
    if manner.slow {
        tokio::time::sleep(SLOW).await;
    }
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = reply.header_map();
    let body = if manner.endless {
        let more = stream::repeat(Bytes::from(vec![b' '; CHUNK])).map(Ok::<_, Infallible>);
        Body::from_stream(stream::once(async { Ok(Bytes::from(reply.body)) }).chain(more))
    } else {
        Body::from(reply.body)
    };
    (status, headers, body).into_response()
}

/// A request that is being answered. Whoever asked may hang up meanwhile.
struct UnderWay {
    simulator: Simulator,
    provider: String,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.simulator.with(&self.provider, Fake::answered);
    }
}

/// The provider and its own address behind one of ours.
fn address(uri: &Uri) -> Option<(String, Url)> {
    let (provider, rest) = uri.path().strip_prefix('/')?.split_once('/')?;
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    Some((provider.to_owned(), Url::parse(&format!("https://{rest}{query}")).ok()?))
}

/// What a fake takes for right. It is made up, and guards nothing.
async fn taken(State(simulator): State<Simulator>, Path(provider): Path<String>) -> Response {
    match simulator.with(&provider, |fake| fake.taken()) {
        Some(taken) => Json(taken).into_response(),
        None => (StatusCode::NOT_FOUND, "this provider is not simulated").into_response(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Behave {
    mood: Mood,
    requests: Option<u32>,
}

async fn behave(
    State(simulator): State<Simulator>,
    Path(provider): Path<String>,
    Json(wish): Json<Behave>,
) -> Response {
    match simulator.with(&provider, |fake| fake.behave(wish.mood, wish.requests)) {
        Some(()) => Json(json!({"provider": provider, "mood": wish.mood})).into_response(),
        None => (StatusCode::NOT_FOUND, "this provider is not simulated").into_response(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Errand {
    url: Url,
    #[serde(default)]
    how: How,
    #[serde(default = "one")]
    count: u32,
}

const fn one() -> u32 {
    1
}

/// Adds an account to a provider.
async fn account(
    State(simulator): State<Simulator>,
    Path(provider): Path<String>,
    Json(differs): Json<BTreeMap<String, String>>,
) -> Response {
    let differs = differs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    match simulator.with(&provider, |fake| fake.add_account(differs)) {
        None => (StatusCode::NOT_FOUND, "this provider is not simulated").into_response(),
        Some(()) => Json(json!({ "provider": provider })).into_response(),
    }
}

async fn send(State(simulator): State<Simulator>, Path(provider): Path<String>, Json(wish): Json<Errand>) -> Response {
    if !is_loopback(&wish.url) || wish.count > 1_000 {
        return (StatusCode::BAD_REQUEST, "send at most 1000, to http on the loopback").into_response();
    }
    match simulator.post(&provider, &wish.url, wish.how, wish.count).await {
        None => (StatusCode::NOT_FOUND, "this provider is not simulated").into_response(),
        Some(Err(reason)) => (StatusCode::CONFLICT, reason.to_string()).into_response(),
        Some(Ok(statuses)) => Json(json!({"provider": provider, "statuses": statuses})).into_response(),
    }
}

fn is_loopback(url: &Url) -> bool {
    url.scheme() == "http"
        && match url.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            _ => false,
        }
}

/// Sends one webhook and gives the status of its answer.
async fn deliver(delivery: Delivery) -> Result<u16, Box<dyn std::error::Error + Send + Sync>> {
    let address = (delivery.url.host_str().unwrap_or_default(), delivery.url.port_or_known_default().unwrap_or(80));
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let target = match delivery.url.query() {
        Some(query) => format!("{}?{query}", delivery.url.path()),
        None => delivery.url.path().to_owned(),
    };
    let mut request =
        http::Request::builder().method("POST").uri(target).header("host", format!("{}:{}", address.0, address.1));
    for (name, value) in &delivery.headers {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(Bytes::from(delivery.body)))?;
    // The connection lives as long as the call, so no task is left behind.
    tokio::select! {
        answer = sender.send_request(request) => Ok(answer?.status().as_u16()),
        ended = connection => Err(ended.err().map_or_else(|| "the connection was closed".into(), Into::into)),
    }
}
