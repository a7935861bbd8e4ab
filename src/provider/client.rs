//! The one way out: every call to another server goes through [`Client`].
//!
//! **Where to.** Where a call may go is decided in [`address`](super::address): by the text of the URL before
//! anything is done, and by the addresses it leads to, of which one is then dialled. A kept connection goes
//! where it went when it was dialled. No proxy is asked, whatever the environment says.
//!
//! **Bounds.** Five seconds to connect, and a time in all that covers the last byte of the answer. The answer is
//! read up to a limit and then dropped, connection and all. Nothing is asked for in compressed form, so
//! what is counted is what is kept; an answer that comes compressed all the same is refused. HTTP/1.1 only:
//! every provider speaks it, and its connections need no defence against each other.
//!
//! **Connections** are kept for the next call: at most 64 for one origin, each for `outgoing.idle_timeout` after its
//! last use. Unused ones are looked for once in that time, so after a burst all are closed within twice of it.
//!
//! **Redirects** are answers like others, unless the call says how many to follow. Only GET and HEAD are repeated
//! elsewhere. Each new address is looked at like the first; to another origin go only headers that say nothing
//! of who asks.
//!
//! **Logs** tell what a call was for, host, status, size and time; no path, query, header or body, since in
//! each of them somebody puts keys.
//!
//! Bodies that are too large to be held, and calls of others that are passed on, [`flow`] through.
//!
//! Not done here: retries (who calls knows whether twice is harmless), limits by provider, signatures. Not promised:
//! that resolving a name ends when the call does; the system's resolver cannot be stopped, only left behind.

mod dial;
mod flow;
#[cfg(test)]
mod tests;

use std::{convert::Infallible, fmt, io, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Body, Incoming},
    header::{self, HeaderName, HeaderValue},
};
use hyper_util::{
    client::legacy::Client as Pool,
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::{Instant, timeout};
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    version::{TLS12, TLS13},
};

use self::dial::Dialler;
use super::address::{Guard, Refusal, Target};
use crate::kernel::{error::chain, network::Place};

pub use self::{
    dial::{Network, SystemNetwork},
    flow::{Flow, FlowCall, Flowing},
};

/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a connection is kept that nobody uses, if nothing else is said.
const KEPT: Duration = Duration::from_secs(30);

/// How many of those for one origin: as many as webhooks are under way to one destination, which would otherwise dial
/// anew for most of them.
const KEPT_EACH: usize = 64;

/// Most header lines of an answer, and bytes of its head.
const HEADERS: usize = 100;
const HEAD: usize = 64 * 1024;

/// What a call calls itself.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("portolan/", env!("CARGO_PKG_VERSION")));

/// Why a call came to nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// It may not go there; nothing was dialled.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The name of the host leads nowhere.
    #[error("the name of the host was not resolved")]
    Dns(#[source] Arc<io::Error>),
    /// Nobody took the connection.
    #[error("no connection was made")]
    Connect(#[source] Arc<io::Error>),
    /// The other side is not who it should be, or speaks no TLS that we do.
    #[error("no secure connection was made")]
    Tls(#[source] Arc<io::Error>),
    /// It took too long.
    #[error("there was no answer within {} seconds", .0.as_secs_f32())]
    TimedOut(Duration),
    /// The answer was too large.
    #[error("the answer was larger than {0} bytes")]
    TooLarge(usize),
    /// What came was no answer by the rules.
    #[error("the answer was not proper HTTP")]
    Malformed(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// The connection ended before the answer did.
    #[error("the connection broke off")]
    Broken(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// There was one redirect more than allowed.
    #[error("it was redirected more than {0} times")]
    Redirected(u8),
}

/// A call to make. The answer to [`Call::get`] may take 30 seconds and 10 MiB and is not followed elsewhere.
#[derive(Clone)]
pub struct Call {
    /// What it is for, in a word or two, for the log.
    pub purpose: &'static str,
    /// How.
    pub method: Method,
    /// Where to.
    pub url: String,
    /// With which headers.
    pub headers: HeaderMap,
    /// With what.
    pub body: Bytes,
    /// How long it may take in all.
    pub within: Duration,
    /// How many bytes the answer may have.
    pub most: usize,
    /// How many redirects to follow.
    pub redirects: u8,
}

impl Call {
    /// A GET of a URL.
    pub fn get(purpose: &'static str, url: impl Into<String>) -> Self {
        Self {
            purpose,
            method: Method::GET,
            url: url.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            within: Duration::from_secs(30),
            most: 10 * 1024 * 1024,
            redirects: 0,
        }
    }

    fn request(&self, target: &Target) -> Request<Flowing> {
        let body = Full::new(self.body.clone()).map_err(|never: Infallible| match never {});
        let mut request = Request::new(body.boxed_unsync());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = target.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().entry(header::USER_AGENT).or_insert(AGENT);
        request
    }
}

/// Without URL, headers and body, where secrets may be.
impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("purpose", &self.purpose).field("method", &self.method).finish_non_exhaustive()
    }
}

/// What came back.
#[derive(Clone)]
pub struct Reply {
    /// How it went.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, whole.
    pub body: Bytes,
}

/// Without headers and body, where secrets may be.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("status", &self.status).field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// Calls other servers.
#[derive(Clone)]
pub struct Client {
    guard: Arc<Guard>,
    pool: Pool<Dialler, Flowing>,
}

impl Client {
    /// A client that may also call the places that are opened.
    pub fn new(opened: Vec<Place>) -> Result<Self, CallError> {
        Self::keeping(opened, KEPT)
    }

    /// The same, with another time for which unused connections are kept.
    pub fn keeping(opened: Vec<Place>, idle: Duration) -> Result<Self, CallError> {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        Self::with(Guard::new(opened), Arc::new(SystemNetwork), roots, CONNECT, idle)
    }

    /// A client over a network of a test's own.
    #[cfg(test)]
    pub(in crate::provider) fn through(network: Arc<dyn Network>, opened: Vec<Place>) -> Self {
        Self::with(Guard::new(opened), network, RootCertStore::empty(), CONNECT, KEPT).unwrap()
    }

    fn with(
        guard: Guard,
        network: Arc<dyn Network>,
        roots: RootCertStore,
        within: Duration,
        idle: Duration,
    ) -> Result<Self, CallError> {
        // Named, since a crate that brings another provider must not change what we speak.
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| CallError::Tls(Arc::new(io::Error::other(error))))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let guard = Arc::new(guard);
        let dialler = Dialler { guard: Arc::clone(&guard), network, tls: Arc::new(tls), within };
        // What runs on the executor are idle connections; nobody needs to wait for them when the hub stops.
        let pool = Pool::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(idle)
            .pool_max_idle_per_host(KEPT_EACH)
            .http1_max_headers(HEADERS)
            .http1_max_buf_size(HEAD)
            .build(dialler);
        Ok(Self { guard, pool })
    }

    /// Looks at a URL that is to be saved. Nobody is asked; it is looked at again when it is called.
    pub fn check(&self, url: &str) -> Result<(), Refusal> {
        self.guard.check(url).map(drop)
    }

    /// Makes a call.
    pub async fn send(&self, call: Call) -> Result<Reply, CallError> {
        let (began, within, purpose, method) = (Instant::now(), call.within, call.purpose, call.method.clone());
        let target = self.guard.check(&call.url)?;
        let host = target.url.host_str().unwrap_or_default().to_owned();
        let outcome = timeout(within, self.follow(call, target)).await.unwrap_or(Err(CallError::TimedOut(within)));
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        match &outcome {
            Ok(reply) => {
                let (status, bytes) = (reply.status.as_u16(), reply.body.len());
                tracing::debug!(purpose, %method, host, status, bytes, took_ms, "a call was answered");
            }
            Err(error) => tracing::debug!(purpose, %method, host, error = chain(error), took_ms, "a call failed"),
        }
        outcome
    }

    async fn follow(&self, mut call: Call, mut target: Target) -> Result<Reply, CallError> {
        let may_follow = call.method == Method::GET || call.method == Method::HEAD;
        let mut left = call.redirects;
        loop {
            let response = self.pool.request(call.request(&target)).await.map_err(sorted)?;
            let next = redirect(&response).filter(|_| may_follow && call.redirects > 0);
            let Some(next) = next else { return read(response, call.most).await };
            if left == 0 {
                return Err(CallError::Redirected(call.redirects));
            }
            left -= 1;
            let next = self.guard.check_next(&target, &next)?;
            if next.url.origin() != target.url.origin() {
                call.headers = told_to_anybody(&call.headers);
                call.body = Bytes::new();
            }
            target = next;
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("guard", &self.guard).finish_non_exhaustive()
    }
}

/// Where an answer leads, if it is a redirect.
fn redirect(response: &Response<Incoming>) -> Option<String> {
    let leads = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let next = response.headers().get(header::LOCATION).filter(|_| leads)?;
    next.to_str().ok().map(str::to_owned)
}

/// Those headers that say nothing of who asks.
fn told_to_anybody(headers: &HeaderMap) -> HeaderMap {
    const PLAIN: [HeaderName; 3] = [header::ACCEPT, header::ACCEPT_LANGUAGE, header::USER_AGENT];
    headers.iter().filter(|(name, _)| PLAIN.contains(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Reads an answer to its end or to its limit.
async fn read(response: Response<Incoming>, most: usize) -> Result<Reply, CallError> {
    let (head, mut body) = response.into_parts();
    let packed = head.headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
    if packed {
        return Err(CallError::Malformed(Arc::new(io::Error::other("it is compressed, which nobody asked for"))));
    }
    let promised =
        head.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if !body.is_end_stream() && promised.is_some_and(|length| length > most) {
        return Err(CallError::TooLarge(most));
    }
    let mut kept = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(sorted)?;
        if let Some(data) = frame.data_ref() {
            if kept.len() + data.len() > most {
                return Err(CallError::TooLarge(most));
            }
            kept.extend_from_slice(data);
        }
    }
    Ok(Reply { status: head.status, headers: head.headers, body: kept.freeze() })
}

/// Which of our reasons a library's error is.
fn sorted(error: impl std::error::Error + Send + Sync + 'static) -> CallError {
    let (mut next, mut malformed): (Option<&(dyn std::error::Error + 'static)>, _) = (Some(&error), false);
    while let Some(part) = next {
        if let Some(own) = part.downcast_ref::<CallError>() {
            return own.clone();
        }
        match part.downcast_ref::<hyper::Error>() {
            Some(error) if error.is_parse_too_large() => return CallError::TooLarge(HEAD),
            Some(error) => malformed |= error.is_parse(),
            None => {}
        }
        next = part.source();
    }
    if malformed { CallError::Malformed(Arc::new(error)) } else { CallError::Broken(Arc::new(error)) }
}
