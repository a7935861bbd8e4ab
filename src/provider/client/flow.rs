//! Calls whose bodies flow: neither the request nor the answer is held as a whole, so their size is no matter of
//! memory. They are for who passes on what others say, and so are looked at where a call of our own needs not be:
//! headers that belong to a connection are left out both ways, whoever wrote them.
//!
//! Time is bounded twice: until the head of the answer is there, and between two of its parts. Size is bounded when
//! it is known beforehand, and as it flows; then the answer ends in an error, so that a part is not taken for all of
//! it. Redirects are answers, and what is compressed stays so.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{
    HeaderMap, Method, Request, Response,
    body::{Body, Frame, Incoming, SizeHint},
    header::{self, HeaderName},
};
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::{AGENT, Call, CallError, Client, sorted};
use crate::kernel::error::chain;

/// A body that is sent while it is made.
pub type Flowing = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// Headers that are between two neighbours.
const HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// A call to make whose bodies flow.
pub struct FlowCall {
    /// What it is for, in a word or two, for the log.
    pub purpose: &'static str,
    /// How.
    pub method: Method,
    /// Where to.
    pub url: String,
    /// With which headers. Those of a connection, `Host` and `Content-Length` are left out: they follow from the rest.
    pub headers: HeaderMap,
    /// With what.
    pub body: Flowing,
    /// How long it may take until the head of the answer is there.
    pub within: Duration,
    /// How long until each further part of it.
    pub idle: Duration,
    /// How many bytes the answer may have.
    pub most: u64,
}

impl std::fmt::Debug for FlowCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FlowCall").field("purpose", &self.purpose).field("method", &self.method).finish_non_exhaustive()
    }
}

impl Call {
    /// The same, for an answer that has no end; so long may pass until each further part of it.
    #[must_use]
    pub fn endless(self, idle: Duration) -> FlowCall {
        let body = Full::new(self.body).map_err(|never: Infallible| match never {});
        FlowCall {
            purpose: self.purpose,
            method: self.method,
            url: self.url,
            headers: self.headers,
            body: body.boxed_unsync(),
            within: self.within,
            idle,
            most: u64::MAX,
        }
    }
}

impl Client {
    /// Makes a call whose bodies flow.
    pub async fn flow(&self, call: FlowCall) -> Result<Response<Flow>, CallError> {
        let (began, within, purpose) = (Instant::now(), call.within, call.purpose);
        let target = self.guard.check(&call.url)?;
        let (method, host) = (call.method.clone(), target.url.host_str().unwrap_or_default().to_owned());
        let mut request = Request::new(call.body);
        *request.method_mut() = call.method;
        *request.uri_mut() = target.uri.clone();
        *request.headers_mut() = end_to_end(call.headers);
        request.headers_mut().remove(header::HOST);
        request.headers_mut().remove(header::CONTENT_LENGTH);
        request.headers_mut().entry(header::USER_AGENT).or_insert(AGENT);
        let answered = match timeout(within, self.pool.request(request)).await {
            Ok(answered) => answered.map_err(sorted),
            Err(_) => Err(CallError::TimedOut(within)),
        };
        let outcome = answered.and_then(|response| {
            let (mut head, body) = response.into_parts();
            if !body.is_end_stream() && body.size_hint().exact().is_some_and(|length| length > call.most) {
                return Err(CallError::TooLarge(usize::try_from(call.most).unwrap_or(usize::MAX)));
            }
            head.headers = end_to_end(head.headers);
            Ok(Response::from_parts(head, Flow::new(body, call.most, call.idle)))
        });
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        match &outcome {
            Ok(response) => {
                let status = response.status().as_u16();
                tracing::debug!(purpose, %method, host, status, took_ms, "a call began to be answered");
            }
            Err(error) => tracing::debug!(purpose, %method, host, error = chain(error), took_ms, "a call failed"),
        }
        outcome
    }
}

/// Those headers that are meant for the other end, and not for the next neighbour.
fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        .collect();
    for name in HOP.iter().chain(&named) {
        headers.remove(name);
    }
    headers
}

/// The body of an answer as it comes in, within its bounds.
pub struct Flow {
    body: Incoming,
    most: u64,
    passed: u64,
    idle: Duration,
    patience: Pin<Box<Sleep>>,
}

impl Flow {
    fn new(body: Incoming, most: u64, idle: Duration) -> Self {
        Self { body, most, passed: 0, idle, patience: Box::pin(sleep(idle)) }
    }
}

impl std::fmt::Debug for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flow").field("passed", &self.passed).finish_non_exhaustive()
    }
}

impl Body for Flow {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        let Poll::Ready(next) = Pin::new(&mut self.body).poll_frame(cx) else {
            ready!(self.patience.as_mut().poll(cx));
            return Poll::Ready(Some(Err(CallError::TimedOut(self.idle))));
        };
        let frame = match next {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(sorted(error)))),
            Some(Ok(frame)) => frame,
        };
        self.passed = self.passed.saturating_add(frame.data_ref().map_or(0, |data| data.len() as u64));
        if self.passed > self.most {
            let most = usize::try_from(self.most).unwrap_or(usize::MAX);
            return Poll::Ready(Some(Err(CallError::TooLarge(most))));
        }
        let next = Instant::now() + self.idle;
        self.patience.as_mut().reset(next);
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
