//! What a webhook says, in our words.
//!
//! Nothing is lost here: an event whose kind no route knows is still an event, without a meaning. The id is
//! what the provider repeats when it sends again; where it has none, a digest of the bytes.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{Received, form, hmac::hex};
use crate::{
    kernel::clock::Moment,
    provider::{
        classify,
        expression::{Document, Expression},
        extract::moment,
        manifest::webhook::{Account, BodyFormat, Happening, Place, Route, Webhook},
    },
};

/// Most events of one webhook.
const MAX_EVENTS: usize = 10_000;

/// Longest text that is kept of an event's kind or id.
const MAX_WORD: usize = 512;

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The provider's word for it.
    pub kind: String,
    /// What is the same when it is sent again.
    pub id: String,
    /// When it happened, if the provider says.
    pub at: Option<Moment>,
    /// Whose it is, where many tenants share one address.
    pub account: Option<String>,
    /// What it means, if it means something to us.
    pub is: Option<Happening>,
    /// The id of what it happened to.
    pub subject: Option<String>,
    /// What the provider says about it.
    pub data: Value,
}

/// Why a webhook says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// The body is not in the form that was promised.
    #[error("the body is not {0}")]
    Form(&'static str),
    /// There is more in it than one webhook may have.
    #[error("it has more than {MAX_EVENTS} events")]
    TooMany,
    /// The provider's word for what happened is not where it should be.
    #[error("it does not say what happened")]
    NoKind,
}

/// The events of a webhook that was verified.
pub fn read(webhook: &Webhook, received: Received<'_>) -> Result<Vec<Event>, Unread> {
    let whole = match webhook.format {
        BodyFormat::Json => classify::read(received.body).ok_or(Unread::Form("JSON"))?,
        BodyFormat::Form => form_document(received.body)?,
    };
    let items = split(webhook.split.as_deref().unwrap_or_default(), whole)?;
    let many = items.len() > 1;
    items.into_iter().enumerate().map(|(at, item)| event(webhook, received, &item, many.then_some(at))).collect()
}

fn form_document(body: &[u8]) -> Result<Document, Unread> {
    let fields = form::fields(body).map_err(|_| Unread::TooMany)?;
    let mut object = Map::new();
    for (name, value) in fields {
        object.entry(name).or_insert(Value::String(value));
    }
    Ok(Document::from(Value::Object(object)))
}

/// The single events of a body.
fn split(steps: &[Expression], whole: Document) -> Result<Vec<Document>, Unread> {
    let Some((first, rest)) = steps.split_first() else { return Ok(vec![whole]) };
    let parents = first.list(&whole).unwrap_or_default();
    if parents.len() > MAX_EVENTS {
        return Err(Unread::TooMany);
    }
    let Some(second) = rest.first() else { return Ok(parents) };
    let mut items = Vec::new();
    for parent in parents {
        for item in second.list(&parent).unwrap_or_default() {
            if items.len() >= MAX_EVENTS {
                return Err(Unread::TooMany);
            }
            items.push(Document::pair(&parent, &item));
        }
    }
    Ok(items)
}

fn event(webhook: &Webhook, received: Received<'_>, item: &Document, at: Option<usize>) -> Result<Event, Unread> {
    let kind = find(&webhook.kind, received, item).ok_or(Unread::NoKind)?;
    let kind: String = kind.chars().take(MAX_WORD).collect();
    let given = webhook.id.get().and_then(|place| find(place, received, item)).filter(|id| id.len() <= MAX_WORD);
    let id = given.unwrap_or_else(|| {
        let digest = hex(&Sha256::digest(received.body));
        at.map_or_else(|| digest.clone(), |at| format!("{digest}-{at}"))
    });
    let route = webhook.routes.iter().find(|route| leads(route, &kind, item));
    Ok(Event {
        at: webhook.time.get().and_then(|place| find(place, received, item)).and_then(|text| moment(&text)),
        account: webhook.account.get().and_then(|account| self::account(account, received, item)),
        is: route.and_then(|route| route.is),
        subject: route.and_then(|route| route.subject.as_ref()).and_then(|path| path.text(item)),
        data: item.to_value().unwrap_or_else(|_| json!({})),
        kind,
        id,
    })
}

/// Whose event it is.
fn account(account: &Account, received: Received<'_>, item: &Document) -> Option<String> {
    let found = find(&account.at, received, item)?;
    match &account.part {
        Some(pattern) => pattern.part(&found).map(str::to_owned),
        None => Some(found),
    }
}

/// Whether a route is for an event.
fn leads(route: &Route, kind: &str, item: &Document) -> bool {
    let named = route.kinds.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(start) => kind.starts_with(start),
        None => kind == pattern,
    });
    named && route.when.as_ref().is_none_or(|condition| condition.holds(item))
}

/// What stands at a place.
fn find(place: &Place, received: Received<'_>, item: &Document) -> Option<String> {
    let found = if let Some(name) = &place.header {
        classify::text(received.headers, name.0.as_str())
    } else if let Some(path) = &place.body {
        path.text(item)
    } else if let Some(name) = &place.query {
        received.url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    } else {
        place.constant.clone()
    };
    found.filter(|text| !text.is_empty())
}
