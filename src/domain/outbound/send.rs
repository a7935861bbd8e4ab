//! Sending: what is due is taken, signed and sent through the one guarded client; or, for a partner that is told by its
//! own interface, [called](super::call).
//!
//! A redirect is an answer like any other that is not 2xx, so nothing is ever followed, inward or elsewhere. Of an
//! answer the first 4 KiB are kept and no more is read; whoever answers for ever is left after two seconds, since the
//! status is what counts.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use chrono::TimeDelta;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use http_body_util::BodyExt;
use quick_cache::sync::Cache;
use tokio::time::{Instant, timeout};

use super::{WebhookDelivery, WebhookDestination, WebhookMessage, call, settle::GONE};
use crate::{
    context::{Cx, Hub},
    domain::{credential::signature, keyring::HUB},
    entity::{
        webhook_delivery,
        webhook_destination::{self, Line},
        webhook_message,
    },
    kernel::{
        clock::Moment,
        error::{Error, Result, chain},
        id::{WebhookDeliveryId, WebhookDestinationId},
        trace::Trace,
    },
    provider::{
        client::{Call, CallError},
        webhook::standard::Signer,
    },
};
use sea_orm::FromQueryResult;

/// How much of an answer is kept.
pub(super) const KEPT: usize = 4 * 1024;

/// How long to wait for that, once the status is known.
const REST: Duration = Duration::from_secs(2);

/// Whatever else may take its time while a delivery belongs to a node.
const MARGIN: TimeDelta = TimeDelta::seconds(15);

/// Most destinations whose secrets are at hand.
const SIGNERS: usize = 1_000;

/// Secrets of destinations that were opened, by destination, version and whether those before count.
pub struct Signers(Cache<(WebhookDestinationId, i32, bool), Arc<Signer>>);

impl Default for Signers {
    fn default() -> Self {
        Self(Cache::new(SIGNERS))
    }
}

impl fmt::Debug for Signers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signers({})", self.0.len())
    }
}

impl Signers {
    async fn of(&self, hub: &Hub, destination: &WebhookDestination) -> Result<Arc<Signer>> {
        let both = destination.overlap_until.is_some_and(|until| hub.clock.now() < until);
        let key = (destination.id, destination.secret_version, both);
        if let Some(signer) = self.0.get(&key) {
            return Ok(signer);
        }
        let signer = signature::open(hub, destination.tenant_id, &destination.id.to_string(), both).await?;
        let signer = Arc::new(signer);
        self.0.insert(key, Arc::clone(&signer));
        Ok(signer)
    }
}

/// Something to send, with everything it needs.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// To which delivery it belongs.
    pub delivery: WebhookDelivery,
    /// Where it goes.
    pub destination: Arc<WebhookDestination>,
    message: Arc<WebhookMessage>,
    way: Way,
}

/// How it goes.
#[derive(Clone, Debug)]
enum Way {
    /// As a webhook, signed by this.
    Webhook(Arc<Signer>),
    /// By this action of the partner.
    Action(String),
}

/// What was answered to a parcel.
#[derive(Clone, Debug)]
pub struct Answered {
    /// To which delivery.
    pub delivery: WebhookDelivery,
    /// When it was sent.
    pub at: Moment,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// What went wrong: its class, and for people.
    pub error: Option<(&'static str, String)>,
    /// How long it took.
    pub latency: Duration,
    /// The beginning of the answer.
    pub answer: Bytes,
    /// The trace that it was sent in.
    pub trace: String,
    /// How long the destination wants to be left alone.
    pub retry_after: Option<TimeDelta>,
    /// Whether there is no sense in trying again.
    pub last: bool,
}

impl Answered {
    /// Whether it arrived.
    #[must_use]
    pub fn arrived(&self) -> bool {
        self.error.is_none()
    }
}

/// The destinations of the whole hub that wait for something, and for when.
pub async fn lines(hub: &Hub) -> Result<Vec<Line>> {
    let db = hub.database.reader();
    Ok(Line::find_by_statement(webhook_destination::lines(hub.database.backend())).all(db).await?)
}

/// Takes at most so many that are due of each of these destinations.
pub async fn take(hub: &Arc<Hub>, signers: &Signers, of: &[(WebhookDestinationId, usize)]) -> Result<Vec<Parcel>> {
    if of.is_empty() {
        return Ok(Vec::new());
    }
    let now = hub.clock.now();
    let lease = TimeDelta::from_std(hub.outbound.timeout).unwrap_or(TimeDelta::MAX).checked_add(&MARGIN);
    let until = now + lease.unwrap_or(MARGIN);
    let statement = webhook_delivery::take(hub.database.backend(), of, now, until);
    let cx = Cx::system(Arc::clone(hub), "outbound", HUB);
    let taken =
        cx.write(async |txn| Ok(WebhookDelivery::find_by_statement(statement.clone()).all(&**txn).await?)).await?;
    let destinations: BTreeSet<_> = taken.iter().map(|delivery| delivery.destination_id).collect();
    let messages: BTreeSet<_> = taken.iter().map(|delivery| delivery.message_id).collect();
    let db = hub.database.reader();
    let found = webhook_destination::of_hub(destinations).all(db).await?;
    let destinations: BTreeMap<_, _> = found.into_iter().map(|row| (row.id, Arc::new(row))).collect();
    let found = webhook_message::of_hub(messages).all(db).await?;
    let messages: BTreeMap<_, _> = found.into_iter().map(|row| (row.id, Arc::new(row))).collect();
    let mut parcels = Vec::with_capacity(taken.len());
    for delivery in taken {
        // Whoever deletes a destination takes its deliveries along.
        let Some(destination) = destinations.get(&delivery.destination_id).cloned() else { continue };
        let Some(message) = messages.get(&delivery.message_id).cloned() else { continue };
        match way(hub, signers, &destination).await {
            Ok(way) => parcels.push(Parcel { delivery, destination, message, way }),
            Err(error) => {
                tracing::warn!(destination = %destination.id, error = chain(&error), "a webhook cannot be signed");
            }
        }
    }
    Ok(parcels)
}

/// How a destination is told.
async fn way(hub: &Hub, signers: &Signers, destination: &WebhookDestination) -> Result<Way> {
    Ok(match &destination.action {
        Some(action) => Way::Action(action.clone()),
        None => Way::Webhook(signers.of(hub, destination).await?),
    })
}

/// Gives back what was taken and not sent.
pub async fn give_back(hub: &Arc<Hub>, unsent: &[WebhookDelivery]) -> Result<()> {
    if unsent.is_empty() {
        return Ok(());
    }
    let cx = Cx::system(Arc::clone(hub), "outbound", HUB);
    cx.write(async |txn| {
        for delivery in unsent {
            webhook_delivery::give_back(delivery.id, delivery.fence, txn.now()).exec(&**txn).await?;
        }
        Ok(())
    })
    .await
}

/// A parcel that nobody waits in line for.
pub(super) async fn parcel(
    hub: &Hub,
    destination: WebhookDestination,
    message: WebhookMessage,
    id: WebhookDeliveryId,
) -> Result<Parcel> {
    let way = way(hub, &Signers::default(), &destination).await?;
    let now = hub.clock.now();
    let delivery = WebhookDelivery {
        id,
        tenant_id: destination.tenant_id,
        destination_id: destination.id,
        message_id: message.id,
        position: 0,
        key: message.id.to_string(),
        kind: message.kind.clone(),
        status: super::Status::Pending,
        head: true,
        next_at: now,
        fence: 0,
        attempts: 0,
        last_status: None,
        last_error: None,
        last_latency: None,
        created_at: now,
        settled_at: None,
    };
    Ok(Parcel { delivery, destination: Arc::new(destination), message: Arc::new(message), way })
}

impl Parcel {
    /// What it says, as it is sent.
    pub(super) fn message(&self) -> &WebhookMessage {
        &self.message
    }

    fn headers(&self, signer: &Signer, at: Moment, trace: Trace) -> Option<HeaderMap> {
        let id = self.message.id.to_string();
        let signature = signer.sign(&id, at.timestamp(), self.message.body.as_bytes());
        let mut headers = HeaderMap::with_capacity(6);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(HeaderName::from_static("webhook-id"), id.parse().ok()?);
        headers.insert(HeaderName::from_static("webhook-timestamp"), at.timestamp().into());
        headers.insert(HeaderName::from_static("webhook-signature"), signature.parse().ok()?);
        headers.insert(HeaderName::from_static(Trace::HEADER), trace.to_string().parse().ok()?);
        Some(headers)
    }
}

/// Sends a parcel and hears what is answered.
pub async fn send(hub: &Arc<Hub>, parcel: Parcel) -> Answered {
    let (at, began, trace) = (hub.clock.now(), Instant::now(), Trace::begin(&*hub.chance));
    let heard = match &parcel.way {
        Way::Webhook(signer) => {
            let outcome = exchange(hub, &parcel, signer, at, trace).await;
            outcome.unwrap_or_else(|error| {
                let (class, message) = sorted(&error);
                Heard::failed(class, message)
            })
        }
        Way::Action(key) => call::call(hub, &parcel.destination, key, &parcel.message, trace).await,
    };
    Answered {
        delivery: parcel.delivery,
        at,
        status: heard.status,
        error: heard.error,
        latency: began.elapsed(),
        answer: heard.answer,
        trace: trace.id(),
        retry_after: heard.retry_after,
        last: heard.last,
    }
}

/// What was heard in an attempt, by either way.
#[derive(Default)]
pub(super) struct Heard {
    pub(super) status: Option<u16>,
    pub(super) error: Option<(&'static str, String)>,
    pub(super) answer: Bytes,
    pub(super) retry_after: Option<TimeDelta>,
    pub(super) last: bool,
}

impl Heard {
    /// Nothing but that it failed.
    pub(super) fn failed(class: &'static str, message: String) -> Self {
        Self { error: Some((class, message)), ..Self::default() }
    }
}

async fn exchange(hub: &Hub, parcel: &Parcel, signer: &Signer, at: Moment, trace: Trace) -> Result<Heard, CallError> {
    let within = hub.outbound.timeout;
    let malformed = || CallError::Malformed(Arc::new(Error::NotFound("header")));
    let call = Call {
        method: Method::POST,
        headers: parcel.headers(signer, at, trace).ok_or_else(malformed)?,
        body: Bytes::from(parcel.message.body.clone()),
        within,
        ..Call::get("webhook", parcel.destination.url.as_str())
    };
    let response = hub.client.flow(call.endless(REST)).await?;
    let (head, mut body) = response.into_parts();
    let mut answer = Vec::new();
    // What cannot be read of it is not needed: the status is there.
    let _ = timeout(REST, async {
        while answer.len() < KEPT
            && let Some(Ok(frame)) = body.frame().await
        {
            let data = frame.into_data().unwrap_or_default();
            answer.extend_from_slice(data.get(..KEPT - answer.len()).unwrap_or(&data));
        }
    })
    .await;
    let status = head.status.as_u16();
    let waits = (status == 429 || status == 503).then(|| head.headers.get(header::RETRY_AFTER)).flatten();
    let retry_after = waits.and_then(|value| retry_after(value.to_str().ok()?, at));
    let error = match status {
        200..300 => None,
        300..400 => Some(("REDIRECT", format!("it answered {status} and wants it sent elsewhere"))),
        status => Some(("STATUS", format!("it answered {status}"))),
    };
    Ok(Heard { status: Some(status), error, answer: answer.into(), retry_after, last: status == GONE })
}

/// The wait in a `Retry-After`, in seconds or until a date.
fn retry_after(text: &str, now: Moment) -> Option<TimeDelta> {
    if let Ok(seconds) = text.trim().parse::<u32>() {
        return Some(TimeDelta::seconds(seconds.into()));
    }
    let date = chrono::DateTime::parse_from_rfc2822(text.trim()).ok()?;
    Some((date.to_utc() - now).max(TimeDelta::zero()))
}

/// The class of a call that came to nothing, and the same for people.
fn sorted(error: &CallError) -> (&'static str, String) {
    let class = match error {
        CallError::Refused(_) => "REFUSED",
        CallError::Dns(_) => "DNS",
        CallError::Connect(_) => "CONNECT",
        CallError::Tls(_) => "TLS",
        CallError::TimedOut(_) => "TIMEOUT",
        CallError::TooLarge(_) | CallError::Malformed(_) | CallError::Redirected(_) => "MALFORMED",
        CallError::Broken(_) => "BROKEN",
    };
    (class, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_in_seconds_or_until_a_date() {
        let now = chrono::DateTime::parse_from_rfc3339("2026-11-21T18:00:00Z").unwrap().to_utc();
        assert_eq!(retry_after("120", now), Some(TimeDelta::seconds(120)));
        assert_eq!(retry_after("Sat, 21 Nov 2026 18:02:00 GMT", now), Some(TimeDelta::seconds(120)));
        assert_eq!(retry_after("Sat, 21 Nov 2026 17:00:00 GMT", now), Some(TimeDelta::zero()));
        assert_eq!(retry_after("soon", now), None);
    }
}
