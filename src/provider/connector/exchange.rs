//! One question and its answer: sent, judged, told to the observer, and sent again where that helps.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use tokio::time::Instant;
use url::Url;

use super::{Called, Connection, Connector, Purpose, Trouble};
use crate::{
    kernel::{clock::Moment, secret::Secret, trace::Trace},
    provider::{
        classify::{self, Failure},
        client::{Call, CallError, Reply},
        expression::Document,
        limit::Seen,
        manifest::answer::Class,
        request::Ready,
        token,
    },
};

/// Most tries.
const ATTEMPTS: u32 = 3;

/// The pause after the first failure; it doubles after each.
const PAUSE: Duration = Duration::from_millis(250);

/// The same where the provider was asked too often and names no time: most limits that are not published count by the
/// second.
const REST: Duration = Duration::from_secs(1);

/// Something to send.
pub(super) struct Errand<'a> {
    purpose: Purpose<'a>,
    ready: Ready,
    /// Whether twice does no more than once.
    repeatable: bool,
    /// Whether its failures are in the words of OAuth.
    oauth: bool,
}

impl<'a> Errand<'a> {
    /// Something that is sent once.
    pub(super) const fn new(purpose: Purpose<'a>, ready: Ready) -> Self {
        Self { purpose, ready, repeatable: false, oauth: false }
    }

    /// The same, sent again if that helps.
    pub(super) const fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// The same, at an endpoint of OAuth.
    pub(super) const fn oauth(mut self) -> Self {
        self.oauth = true;
        self
    }
}

/// An answer that is a success.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) document: Document,
    pub(super) headers: HeaderMap,
    /// The address that was asked.
    pub(super) url: Url,
}

impl Answer {
    /// The trouble with an answer that does not have what the file promises.
    pub(super) fn unreadable(&self, reason: &impl ToString) -> Trouble {
        Trouble::Failed(Failure::unreadable(Some(self.status), reason.to_string()))
    }
}

/// How one try went, with what an observer wants to know of it.
struct Try {
    outcome: Result<Document, Trouble>,
    reply: Option<Reply>,
    /// Whether anything can have reached the provider.
    reached: bool,
}

impl Connector {
    /// Sends an errand until it succeeds or there is no sense in going on.
    pub(super) async fn exchange(&self, connection: &Connection, errand: Errand<'_>) -> Result<Answer, Trouble> {
        let deadline = Instant::now() + self.bounds.within;
        // As they were written, too: an address that had to be understood first is not one to call.
        self.check(connection)?;
        let url = connection.real(&errand.ready.url)?;
        let trace = self.trace.unwrap_or_else(|| Trace::begin(&*self.chance));
        let mut attempt = 1;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let made = self.once(connection, &errand, &url, trace.step(&*self.chance), attempt, left).await;
            let failure = match made.outcome {
                Ok(document) => {
                    let (status, headers) =
                        made.reply.map_or_else(Default::default, |reply| (reply.status.as_u16(), reply.headers));
                    return Ok(Answer { status, document, headers, url });
                }
                Err(Trouble::Failed(failure)) => failure,
                Err(trouble) => return Err(trouble),
            };
            let again = self.repeats && attempt < ATTEMPTS && (errand.repeatable || !made.reached);
            let pause = self.pause(&failure, attempt).filter(|pause| again && Instant::now() + *pause < deadline);
            let Some(pause) = pause else { return Err(Trouble::Failed(failure)) };
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    async fn once(
        &self,
        connection: &Connection,
        errand: &Errand<'_>,
        url: &Url,
        trace: Trace,
        attempt: u32,
        within: Duration,
    ) -> Try {
        let (at, began) = (self.clock.now(), Instant::now());
        let ready = &errand.ready;
        let mut headers = ready.headers.clone();
        if let Ok(value) = HeaderValue::try_from(trace.to_string()) {
            headers.insert(Trace::HEADER, value);
        }
        let sent = self.client.send(Call {
            purpose: errand.purpose.word(),
            method: ready.method.clone(),
            url: url.as_str().to_owned(),
            headers,
            body: ready.body.clone(),
            within,
            most: self.bounds.most,
            redirects: 0,
        });
        let mut made = match sent.await {
            Ok(reply) => {
                Try { outcome: judge(connection, errand, &reply, self.clock.now()), reply: Some(reply), reached: true }
            }
            // No call was made, so there is none to tell of.
            Err(CallError::Refused(refusal)) => {
                return Try { outcome: Err(Trouble::Refused(refusal)), reply: None, reached: false };
            }
            Err(error) => {
                let reached = !matches!(error, CallError::Dns(_) | CallError::Connect(_) | CallError::Tls(_));
                Try { outcome: Err(Trouble::Failed(unanswered(&error))), reply: None, reached }
            }
        };
        let (reply, document) = (made.reply.as_ref(), made.outcome.as_ref().ok());
        let failure = match &made.outcome {
            Err(Trouble::Failed(failure)) => Some(failure),
            _ => None,
        };
        let served = connection.manifest().version.get().and_then(|version| version.served.as_ref());
        let served = served.and_then(|name| classify::text(&reply?.headers, name.0.as_str()));
        self.observer.called(&Called {
            provider: connection.manifest().key.as_str(),
            purpose: errand.purpose,
            method: &ready.method,
            url: &ready.shown_url,
            attempt,
            trace,
            at,
            took: began.elapsed(),
            sent: ready.body.len(),
            received: reply.map_or(0, |reply| reply.body.len()),
            status: reply.map(|reply| reply.status.as_u16()),
            failure,
            served: served.as_deref(),
            seen: reply.map(|reply| Seen { headers: &reply.headers, document, failure }),
        });
        // The body was judged; what is kept for the next page are the headers.
        if let Some(reply) = &mut made.reply {
            reply.body = bytes::Bytes::new();
        }
        made
    }

    /// How long to wait before the next try; nothing if none makes sense.
    fn pause(&self, failure: &Failure, attempt: u32) -> Option<Duration> {
        let now = self.clock.now();
        if let Some(until) = failure.until.filter(|_| matches!(failure.class, Class::Down | Class::Throttled)) {
            return Some(until.signed_duration_since(now).to_std().unwrap_or_default());
        }
        let first = match failure.class {
            Class::Down => PAUSE,
            Class::Throttled => REST,
            _ => return None,
        };
        // Between half and all of it, so that those who failed together do not come back together.
        let whole = first * 2_u32.saturating_pow(attempt - 1);
        let mut byte = [0];
        self.chance.fill(&mut byte);
        Some(whole / 2 + whole / 2 * u32::from(byte[0]) / 255)
    }
}

/// Success, or the failure in the provider's words without our secrets.
fn judge(connection: &Connection, errand: &Errand<'_>, reply: &Reply, now: Moment) -> Result<Document, Trouble> {
    // What was made of a secret, such as the value of a header, is one too.
    let made: Vec<Secret> =
        errand.ready.headers.values().filter(|value| value.is_sensitive()).flat_map(parts).collect();
    let secrets = connection.values().secrets().chain(&made);
    let answer = classify::Reply { status: reply.status.as_u16(), headers: &reply.headers, body: &reply.body };
    let errors = &connection.manifest().errors;
    let outcome = classify::judge(errors, answer, now, secrets.clone());
    outcome.map_err(|failure| {
        let failure = if errand.oauth { token::failure(failure, &reply.body, secrets) } else { failure };
        Trouble::Failed(failure)
    })
}

/// A sensitive header, and the part after its scheme.
fn parts(value: &HeaderValue) -> Vec<Secret> {
    let Ok(text) = value.to_str() else { return Vec::new() };
    let after = text.split_once(' ').map(|(_, after)| Secret::from(after.to_owned()));
    std::iter::once(Secret::from(text.to_owned())).chain(after).collect()
}

/// What it means that there is no answer. The words are ours.
fn unanswered(error: &CallError) -> Failure {
    let class = match error {
        CallError::TooLarge(_) | CallError::Malformed(_) | CallError::Redirected(_) => Class::Unreadable,
        _ => Class::Down,
    };
    Failure { class, ..Failure::unreadable(None, error.to_string()) }
}
