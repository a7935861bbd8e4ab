//! Somebody knocks at an address.
//!
//! The order matters. First who it is, by the provider's own scheme and over the bytes as they came; nothing is read
//! from a webhook that is not believed. Then what is the same when it comes again. Then it is made durable, and only
//! then the provider hears that we have it.
//!
//! A secret that was just changed may not be known here yet: before a webhook is refused, the secrets are read anew.

use std::{net::IpAddr, net::Ipv4Addr, sync::Arc};

use bytes::Bytes;
use chrono::TimeDelta;
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use super::{Status, WebhookEvent, intake, open, open::Found, refusal};
use crate::{
    context::{
        Cx,
        intake::{Door, Taken},
    },
    kernel::error::{Error, Result},
    provider::{
        manifest::webhook::Webhook,
        template::Values,
        verifier::{Played, Unproven},
        webhook::{Received, carry, event, handshake, hmac::hex},
    },
};

/// The path before an address.
pub const PATH: &str = "/hooks/";

/// How long what was read of a source may be old before a refusal.
const FRESH: TimeDelta = TimeDelta::milliseconds(250);

/// When to come again if a certificate is not to be had.
const CERTIFICATE: u64 = 30;

/// What came.
#[derive(Clone, Debug)]
pub struct Knock {
    /// The method.
    pub method: Method,
    /// The parameters of the address.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// How it ended, in a word of a closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is kept.
    Received,
    /// It was there already.
    Duplicate,
    /// It is not believed.
    Refused,
    /// The provider asked whether we are there.
    Greeted,
    /// It cannot be looked at now; the provider should come again.
    NotNow,
}

impl Outcome {
    /// The word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Duplicate => "duplicate",
            Self::Refused => "refused",
            Self::Greeted => "greeted",
            Self::NotNow => "not_now",
        }
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// How it ended.
    pub outcome: Outcome,
    /// The status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Answer {
    fn plain(outcome: Outcome, status: u16) -> Self {
        Self { outcome, status, headers: Vec::new(), body: String::new() }
    }

    fn later(seconds: u64) -> Self {
        let headers = vec![("retry-after".to_owned(), seconds.to_string())];
        Self { headers, ..Self::plain(Outcome::NotNow, 503) }
    }
}

/// Takes what came to a source. An error is ours: nothing is kept, and the provider should come again.
pub async fn receive(cx: &Cx, door: Arc<Door>, knock: &Knock) -> Result<Answer> {
    let url = address(cx, &door, &knock.query)?;
    let Some(webhook) = door.manifest.webhook.get() else { return Err(Error::NotFound("webhook source")) };
    if matches!(knock.method, Method::GET | Method::HEAD) {
        return Ok(greet(&door, webhook, &url));
    }
    let from = cx.request().address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let received = Received { url: &url, headers: &knock.headers, body: &knock.body, from };
    let mut door = Arc::clone(&door);
    let mut verdict = verify(cx, &door, webhook, received).await;
    if matches!(verdict, Err(Unproven::Refused(_)))
        && cx.now() - door.at > FRESH
        && let Found::Open(other) = open::again(cx, &door).await?
    {
        door = other;
        verdict = verify(cx, &door, webhook, received).await;
    }
    let keys: Vec<&Values> = door.keys.iter().collect();
    let headers = json!(carry::headers(&webhook.verify, &knock.headers, &keys));
    let query = fit(&carry::query(&webhook.verify, &knock.query));
    match verdict {
        Ok(()) => {}
        Err(Unproven::NotNow(_)) => return Ok(Answer::later(CERTIFICATE)),
        Err(Unproven::Refused(reason)) => {
            let address = cx.request().address.map(|address| address.to_string());
            let (reason, body) = (reason.to_string(), &*knock.body);
            let refused = refusal::Unproven { reason, query, headers, body, address };
            refusal::note(cx.hub(), &door.source, refused).await?;
            return Ok(Answer::plain(Outcome::Refused, 401));
        }
    }
    let row = row(cx, &door, webhook, received, query, headers);
    match intake::keep(cx.hub(), row).await {
        Ok(taken) => Ok(thanks(webhook, taken)),
        Err(Error::TooOften(seconds)) => Ok(Answer::later(seconds)),
        Err(error) => Err(error),
    }
}

/// The address under which the provider knows us, whatever stands between.
fn address(cx: &Cx, door: &Door, query: &str) -> Result<Url> {
    let base = cx.hub().access.base_url.trim_end_matches('/');
    let url = Url::parse(&format!("{base}{PATH}{}", door.source.address));
    let mut url = url.map_err(|error| Error::Internal("our own address cannot be read", error.into()))?;
    url.set_query((!query.is_empty()).then_some(query));
    Ok(url)
}

fn greet(door: &Door, webhook: &Webhook, url: &Url) -> Answer {
    let Some(greeting) = webhook.handshake.get() else {
        let headers = vec![("allow".to_owned(), "POST".to_owned())];
        return Answer { headers, ..Answer::plain(Outcome::Refused, 405) };
    };
    let keys: Vec<&Values> = door.keys.iter().collect();
    match handshake::answer(greeting, url, &keys) {
        Ok(answer) => Answer {
            headers: vec![("content-type".to_owned(), answer.media_type.to_owned())],
            body: answer.body,
            ..Answer::plain(Outcome::Greeted, 200)
        },
        Err(_) => Answer::plain(Outcome::Refused, 403),
    }
}

async fn verify(cx: &Cx, door: &Door, webhook: &Webhook, received: Received<'_>) -> Result<(), Unproven> {
    let keys: Vec<&Values> = door.keys.iter().collect();
    let provider = door.manifest.key.as_str();
    let played = cx.hub().simulator.as_ref().map(|at| Played { provider, at });
    cx.hub().verifier.verify(&webhook.verify, received, &keys, played).await
}

/// The webhook as it is kept. What cannot be read is kept as well.
fn row(cx: &Cx, door: &Door, webhook: &Webhook, received: Received<'_>, query: String, headers: Value) -> WebhookEvent {
    let read = event::read(webhook, received);
    let dedupe_key = match &read {
        Ok(events) if events.len() == 1 => format!("id:{}", fit(&events[0].id)),
        _ => digest(received.body),
    };
    let now = cx.now();
    WebhookEvent {
        id: cx.id(),
        tenant_id: door.source.tenant_id,
        source_id: door.source.id,
        integration_id: door.source.integration_id,
        provider: door.source.provider.clone(),
        arrived_at: now,
        address: cx.request().address.map(|address| address.to_string()),
        query,
        headers,
        body: received.body.to_vec(),
        dedupe_key,
        repeats: 0,
        status: Status::Received,
        attempts: 0,
        due_at: Some(now),
        reason: None,
        replays: 0,
        settled_at: None,
    }
}

fn digest(body: &[u8]) -> String {
    format!("body:{}", hex(&Sha256::digest(body)))
}

/// A text that both databases keep: a zero byte is the one letter that PostgreSQL does not.
pub(super) fn fit(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// What the provider wants to hear.
fn thanks(webhook: &Webhook, taken: Taken) -> Answer {
    let outcome = match taken {
        Taken::New => Outcome::Received,
        Taken::Repeated => Outcome::Duplicate,
    };
    let Some(answer) = &webhook.answer else { return Answer::plain(outcome, 200) };
    let headers = answer.headers.iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect();
    let body = answer.text.clone().or_else(|| answer.body.as_ref().map(|body| body.0.to_string()));
    Answer { outcome, status: answer.status, headers, body: body.unwrap_or_default() }
}
