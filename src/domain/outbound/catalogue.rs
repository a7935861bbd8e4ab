//! What can be sent: every kind of event that the caller may read, with an example and the JSON Schema of a webhook.

use serde_json::{Value, json};

use super::wants::OWN;
use crate::{
    context::Cx,
    domain::event,
    event::catalogue::{self, EventKind},
    kernel::error::Result,
};

/// The kinds of events that the caller may read and that can be sent.
pub fn kinds(cx: &Cx) -> Result<Vec<&'static EventKind>> {
    let readable = event::readable(cx)?;
    let sent = |kind: &&EventKind| kind.topic != OWN && readable.contains(&kind.topic.as_str());
    Ok(catalogue::kinds().iter().filter(sent).collect())
}

/// A webhook as one about such an event could be.
#[must_use]
pub fn example(kind: &EventKind) -> Value {
    let facts = kind.example();
    // Most events are about the first thing that they name.
    let subject =
        facts.as_object().into_iter().flatten().find_map(|(_, value)| value.as_str().filter(|it| it.contains('_')));
    json!({
        "type": kind.kind,
        "timestamp": "2026-11-21T18:00:00.000000Z",
        "data": {
            "event": "evt_01j9z3n8k4e5v9x6w2t7r0y1pq",
            "tenant": "ten_01j9z3n8k4e5v9x6w2t7r0y1pq",
            "number": 42,
            "topic": kind.topic,
            "subject": subject.unwrap_or("ten_01j9z3n8k4e5v9x6w2t7r0y1pq"),
            "actor": "usr_01j9z3n8k4e5v9x6w2t7r0y1pq",
            "facts": facts,
        },
    })
}

/// The JSON Schema of a webhook about such an event.
#[must_use]
pub fn schema(kind: &EventKind) -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": kind.kind,
        "description": format!("{}.", kind.about),
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": { "const": kind.kind },
            "timestamp": { "type": "string", "format": "date-time" },
            "data": {
                "type": "object",
                "required": ["event", "tenant", "number", "topic", "subject", "actor", "facts"],
                "properties": {
                    "event": { "type": "string", "pattern": "^evt_" },
                    "tenant": { "type": "string", "pattern": "^ten_" },
                    "number": { "type": "integer" },
                    "topic": { "const": kind.topic },
                    "subject": { "type": "string" },
                    "actor": { "type": "string" },
                    "facts": kind.schema(),
                },
            },
        },
    })
}
