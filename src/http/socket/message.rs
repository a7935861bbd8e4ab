//! What a client says, in the words of `graphql-transport-ws`.

use serde_json::{Map, Value};

use crate::http::{json, params::ParamLimits};

/// A message of a client.
#[derive(Debug)]
pub(super) enum Message {
    /// Who I am.
    Init(Map<String, Value>),
    /// Are you there; perhaps with a new credential.
    Ping(Option<Map<String, Value>>),
    /// I am.
    Pong,
    /// Run this.
    Subscribe { id: String, payload: Map<String, Value> },
    /// Stop that.
    Complete { id: String },
}

/// The longest id that a client may give an operation.
const LONGEST_ID: usize = 128;

impl Message {
    /// Reads a message; what is wrong with it is the reason with which the socket is closed.
    pub(super) fn read(text: &str, limits: &ParamLimits) -> Result<Self, &'static str> {
        let value = json::read(text.as_bytes(), limits.nesting, limits.values)
            .map_err(|_| "the message is not JSON within the limits")?;
        let Value::Object(mut members) = value else { return Err("a message is a JSON object") };
        let payload = match members.remove("payload") {
            None | Some(Value::Null) => None,
            Some(Value::Object(payload)) => Some(payload),
            Some(_) => return Err("`payload` is an object"),
        };
        let id = match members.remove("id") {
            None => None,
            Some(Value::String(id)) if !id.is_empty() && id.len() <= LONGEST_ID => Some(id),
            Some(_) => return Err("`id` is a string that is neither empty nor long"),
        };
        match (members.get("type").and_then(Value::as_str), id, payload) {
            (Some("connection_init"), _, payload) => Ok(Self::Init(payload.unwrap_or_default())),
            (Some("ping"), _, payload) => Ok(Self::Ping(payload)),
            (Some("pong"), _, _) => Ok(Self::Pong),
            (Some("subscribe"), Some(id), Some(payload)) if is_request(&payload) => Ok(Self::Subscribe { id, payload }),
            (Some("subscribe"), Some(_), Some(_)) => Err("the payload of `subscribe` is no GraphQL request"),
            (Some("subscribe"), ..) => Err("`subscribe` has an id and a payload"),
            (Some("complete"), Some(id), _) => Ok(Self::Complete { id }),
            (Some("complete"), ..) => Err("`complete` has an id"),
            _ => Err("this type of message is not known"),
        }
    }
}

/// Whether a payload has the form that the protocol gives it, or names its document in another way.
fn is_request(payload: &Map<String, Value>) -> bool {
    let is =
        |name: &str, fits: fn(&Value) -> bool| payload.get(name).is_none_or(|value| value.is_null() || fits(value));
    let named =
        ["query", "documentId", "extensions"].iter().any(|name| payload.get(*name).is_some_and(|it| !it.is_null()));
    named
        && is("query", Value::is_string)
        && is("operationName", Value::is_string)
        && is("variables", Value::is_object)
        && is("extensions", Value::is_object)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Message, &'static str> {
        Message::read(text, &ParamLimits::default())
    }

    #[test]
    fn every_message_of_the_protocol_is_understood() {
        assert!(matches!(read(r#"{"type":"connection_init"}"#), Ok(Message::Init(_))));
        assert!(matches!(read(r#"{"type":"ping","payload":{"a":1}}"#), Ok(Message::Ping(Some(_)))));
        assert!(matches!(read(r#"{"type":"pong"}"#), Ok(Message::Pong)));
        let subscribe = r#"{"type":"subscribe","id":"1","payload":{"query":"{ a }"}}"#;
        assert!(matches!(read(subscribe), Ok(Message::Subscribe { .. })));
        assert!(matches!(read(r#"{"type":"complete","id":"1"}"#), Ok(Message::Complete { .. })));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for text in [
            "",
            "[]",
            "{}",
            "{\"type\":1}",
            r#"{"type":"start","id":"1"}"#,
            r#"{"type":"subscribe","payload":{}}"#,
            r#"{"type":"subscribe","id":"","payload":{}}"#,
            r#"{"type":"subscribe","id":1,"payload":{}}"#,
            r#"{"type":"subscribe","id":"1"}"#,
            r#"{"type":"subscribe","id":"1","payload":[]}"#,
            r#"{"type":"subscribe","id":"1","payload":{}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":null}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":1}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":"{ a }","variables":[]}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":"{ a }","operationName":{}}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":"{ a }","extensions":"x"}}"#,
            r#"{"type":"complete"}"#,
            r#"{"type":"ping","type":"ping"}"#,
            &"[".repeat(5_000),
            &format!(r#"{{"type":"complete","id":"{}"}}"#, "x".repeat(129)),
        ] {
            assert!(read(text).is_err(), "{text:.40}");
        }
    }
}
