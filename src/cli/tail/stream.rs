//! The hub at the other end: one subscription as an event stream.

use std::{io, time::Duration};

use bytes::{Buf, BytesMut};
use http_body_util::{BodyExt, Collected, Limited};
use hyper::{
    HeaderMap, Method, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, InvalidHeaderValue},
};
use serde_json::{Value, json};
use url::Url;

use crate::{
    graphql::live::Item,
    kernel::{
        error::{Code, chain},
        network::Place,
        secret::Secret,
    },
    provider::client::{Call, CallError, Client, Flow},
};

/// Hubs say something every few seconds, events or not; who is silent for so long is gone.
const SILENCE: Duration = Duration::from_mins(2);

/// No event of a hub is larger.
const LARGEST: usize = 4 * 1024 * 1024;

const FOLLOW: &str = "subscription Tail($topics: [EventTopic!], $subjects: [ID!], $after: String) {
  events(topics: $topics, subjects: $subjects, after: $after) {
    cursor number topic kind subject data actor requestId at
  }
}";

const PARTNER: &str = "subscription TailPartner($after: String) {
  events: partnerStatusChanged(after: $after) {
    cursor number orderId references from to partnerStatus reason actor byPartner at
  }
}";

const NEWEST: &str = "query TailFrom { events(last: 1) { edges { cursor } } }";

/// Why a stream ended.
pub(super) enum Ended {
    /// Nobody takes what is printed any more.
    Unread,
    /// Another try may go better.
    Lost(String),
    /// No other try will.
    Refused(String),
    /// The events after the cursor are gone; those after this one are not.
    Expired { oldest: String, why: String },
}

impl From<CallError> for Ended {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(_) => Self::Refused(chain(&error)),
            error => Self::Lost(chain(&error)),
        }
    }
}

/// A running hub, and what opens it.
pub(super) struct Hub {
    client: Client,
    url: Url,
    headers: HeaderMap,
    document: &'static str,
}

impl Hub {
    /// A hub at an address, which may be anywhere: whoever sits at the terminal decides.
    pub(super) fn new(address: &str, token: &Secret, tenant: Option<&str>, partner: bool) -> Result<Self, String> {
        let url = Url::parse(address).and_then(|url| url.join("graphql")).map_err(|error| error.to_string())?;
        let host = url.host_str().ok_or("the address names no host")?;
        let port = url.port_or_known_default().unwrap_or_default();
        let place: Place = format!("{host}:{port}").parse()?;
        let client = Client::new(vec![place]).map_err(|error| chain(&error))?;
        client.check(url.as_str()).map_err(|refusal| refusal.to_string())?;
        let headers = headers(token, tenant).map_err(|_| "the token or the tenant has letters that cannot be sent")?;
        Ok(Self { client, url, headers, document: if partner { PARTNER } else { FOLLOW } })
    }

    /// Whether it is followed as a partner sees it.
    pub(super) fn is_partners(&self) -> bool {
        self.document == PARTNER
    }

    /// Where it is.
    pub(super) fn address(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The cursor of the newest event that may be read.
    pub(super) async fn newest(&self) -> Result<String, Ended> {
        if self.is_partners() {
            // A partner reads no log; it begins with what is kept for it.
            return Ok(Item::cursor_of(0));
        }
        let reply = self.client.send(self.call(NEWEST, &json!({}), "application/json")).await?;
        let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        if reply.status != StatusCode::OK || answer["errors"].is_array() {
            return Err(refused(reply.status, &answer));
        }
        let cursor = answer["data"]["events"]["edges"][0]["cursor"].as_str();
        // Nothing has happened yet: whatever comes is the first.
        Ok(cursor.map_or_else(|| Item::cursor_of(0), str::to_owned))
    }

    /// Gives the events after a cursor, until the stream ends.
    pub(super) async fn follow(
        &self,
        wanted: &Value,
        after: &str,
        began: impl FnOnce(),
        give: impl FnMut(&Value) -> io::Result<()>,
    ) -> Ended {
        let mut variables = if self.is_partners() { json!({}) } else { wanted.clone() };
        variables["after"] = json!(after);
        let call = self.call(self.document, &variables, "text/event-stream");
        let answer = match self.client.flow(call.endless(SILENCE)).await {
            Ok(answer) => answer,
            Err(error) => return error.into(),
        };
        let (head, flow) = answer.into_parts();
        if head.status != StatusCode::OK {
            let body = Limited::new(flow, LARGEST).collect().await.map(Collected::to_bytes).unwrap_or_default();
            return refused(head.status, &serde_json::from_slice(&body).unwrap_or_default());
        }
        if !is_stream(&head.headers) {
            return Ended::Refused("this is no hub: it answered with something else than events".to_owned());
        }
        read(flow, began, give).await
    }

    fn call(&self, query: &str, variables: &Value, accept: &'static str) -> Call {
        let mut headers = self.headers.clone();
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        Call {
            method: Method::POST,
            headers,
            body: json!({ "query": query, "variables": variables }).to_string().into(),
            most: LARGEST,
            ..Call::get("follow events", self.url.as_str())
        }
    }
}

fn headers(token: &Secret, tenant: Option<&str>) -> Result<HeaderMap, InvalidHeaderValue> {
    let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()))?;
    bearer.set_sensitive(true);
    let mut headers =
        HeaderMap::from_iter([(AUTHORIZATION, bearer), (CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    if let Some(tenant) = tenant {
        headers.insert(HeaderName::from_static("x-portolan-tenant"), HeaderValue::try_from(tenant)?);
    }
    Ok(headers)
}

fn is_stream(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

async fn read(mut flow: Flow, began: impl FnOnce(), mut give: impl FnMut(&Value) -> io::Result<()>) -> Ended {
    let (mut text, mut began) = (BytesMut::new(), Some(began));
    loop {
        match flow.frame().await {
            None => return Ended::Lost("the hub ended it".to_owned()),
            Some(Err(error)) => return error.into(),
            Some(Ok(frame)) => text.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
        }
        while let Some(end) = text.windows(2).position(|end| end == b"\n\n") {
            let block = text.split_to(end);
            text.advance(2);
            match data(&block) {
                Said::Next(answer) => {
                    if answer["errors"].is_array() {
                        return refused(StatusCode::OK, &answer);
                    }
                    if let Some(began) = began.take() {
                        began();
                    }
                    let event = &answer["data"]["events"];
                    if !event.is_object() {
                        return Ended::Lost("the hub said what is no event".to_owned());
                    }
                    if let Err(error) = give(event) {
                        return unprinted(&error);
                    }
                }
                Said::Complete => return Ended::Lost("the hub ended it".to_owned()),
                Said::Other => {}
            }
        }
        // What begins with errors says so in its first bytes; anything else has begun.
        if text.is_empty()
            && let Some(began) = began.take()
        {
            began();
        }
        if text.len() > LARGEST {
            return Ended::Refused("the hub sent an event that is too large".to_owned());
        }
    }
}

fn unprinted(error: &io::Error) -> Ended {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Ended::Unread,
        _ => Ended::Refused(format!("the events cannot be printed: {error}")),
    }
}

/// What a block of the stream says.
enum Said {
    Next(Value),
    Complete,
    /// A comment, or a word to browsers.
    Other,
}

fn data(block: &[u8]) -> Said {
    let field =
        |name: &[u8]| block.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    match field(b"event: ") {
        b"next" => Said::Next(serde_json::from_slice(field(b"data: ")).unwrap_or_default()),
        b"complete" => Said::Complete,
        _ => Said::Other,
    }
}

/// What an answer with errors means.
fn refused(status: StatusCode, answer: &Value) -> Ended {
    let error = &answer["errors"][0];
    let Some(code) = error["extensions"]["code"].as_str() else {
        let why = format!("it answered {}, and nothing that a hub would say", status.as_u16());
        return if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            Ended::Lost(why)
        } else {
            Ended::Refused(why)
        };
    };
    let why = format!("{code}: {}", error["message"].as_str().unwrap_or_default());
    if let Some(oldest) = error["extensions"]["oldestCursor"].as_str() {
        return Ended::Expired {
            why: format!("{why}; what is kept begins with --after {oldest}"),
            oldest: oldest.to_owned(),
        };
    }
    if Code::ALL.iter().any(|known| known.name() == code && known.retry()) {
        Ended::Lost(why)
    } else {
        Ended::Refused(why)
    }
}
