//! The part of a webhook that is of some accounts, in the form of the whole.
//!
//! A provider may tell of many accounts in one body. Whoever has one of them is to see nothing of the others. How the
//! body is built only the file knows, by expressions that cannot be turned round. So the lists in it are tried: an
//! element with which alone the webhook speaks of ours only stays, one with which it speaks of others only goes, and
//! one with which it speaks of both is looked into. What is left is read again: if it is not exactly what ours was in
//! the whole, there is no part.

use serde_json::Value;

use super::{
    Received,
    event::{self, Event},
};
use crate::provider::manifest::webhook::Webhook;

/// How deep lists are looked into.
const DEEPEST: usize = 8;

/// Why there is no part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    /// Nothing in it is of these accounts.
    Nothing,
    /// It cannot be taken apart.
    Inseparable,
}

/// The body with nothing in it that is not of our accounts.
pub fn part(webhook: &Webhook, received: Received<'_>, ours: &dyn Fn(&str) -> bool) -> Result<Vec<u8>, Whole> {
    let cut = Cut { webhook, received, ours };
    let events = event::read(webhook, received).map_err(|_| Whole::Inseparable)?;
    let wanted = events.iter().filter(|event| cut.is_ours(event)).count();
    if wanted == 0 {
        return Err(Whole::Nothing);
    }
    if wanted == events.len() {
        return Ok(received.body.to_vec());
    }
    let mut whole: Value = serde_json::from_slice(received.body).map_err(|_| Whole::Inseparable)?;
    cut.shrink(&mut whole, "", 0);
    let body = whole.to_string().into_bytes();
    let left = event::read(webhook, Received { body: &body, ..received }).map_err(|_| Whole::Inseparable)?;
    let said = |event: &Event| event.data.clone();
    let before = events.iter().filter(|event| cut.is_ours(event)).map(said);
    if left.iter().all(|event| cut.is_ours(event)) && left.iter().map(said).eq(before) {
        Ok(body)
    } else {
        Err(Whole::Inseparable)
    }
}

/// What a body speaks of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    Ours,
    Others,
    Both,
}

struct Cut<'a> {
    webhook: &'a Webhook,
    received: Received<'a>,
    ours: &'a dyn Fn(&str) -> bool,
}

impl Cut<'_> {
    fn is_ours(&self, event: &Event) -> bool {
        event.account.as_deref().is_some_and(self.ours)
    }

    fn speaks(&self, whole: &Value) -> About {
        let body = whole.to_string().into_bytes();
        let events = event::read(self.webhook, Received { body: &body, ..self.received }).unwrap_or_default();
        let ours = events.iter().filter(|event| self.is_ours(event)).count();
        match ours {
            0 => About::Others,
            _ if ours == events.len() => About::Ours,
            _ => About::Both,
        }
    }

    /// Leaves out of the lists below a place what is not ours.
    fn shrink(&self, whole: &mut Value, place: &str, depth: usize) {
        let mut lists = Vec::new();
        if let Some(value) = whole.pointer(place) {
            find_lists(value, place, &mut lists);
        }
        if depth >= DEEPEST {
            return;
        }
        for list in lists {
            let Some(Value::Array(elements)) = whole.pointer_mut(&list).map(Value::take) else { continue };
            let mut kept = Vec::with_capacity(elements.len());
            for element in elements {
                put(whole, &list, vec![element]);
                match self.speaks(whole) {
                    About::Others => continue,
                    About::Ours => {}
                    About::Both => self.shrink(whole, &format!("{list}/0"), depth + 1),
                }
                if let Some(Value::Array(alone)) = whole.pointer_mut(&list).map(Value::take) {
                    kept.extend(alone);
                }
            }
            put(whole, &list, kept);
        }
    }
}

fn put(whole: &mut Value, list: &str, elements: Vec<Value>) {
    if let Some(place) = whole.pointer_mut(list) {
        *place = Value::Array(elements);
    }
}

/// The outermost lists of a value, by their places.
fn find_lists(value: &Value, place: &str, lists: &mut Vec<String>) {
    match value {
        Value::Array(_) => lists.push(place.to_owned()),
        Value::Object(fields) => {
            for (name, inner) in fields {
                find_lists(inner, &format!("{place}/{}", name.replace('~', "~0").replace('/', "~1")), lists);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use http::HeaderMap;
    use serde_json::json;
    use url::Url;

    use super::*;
    use crate::provider::catalogue::Catalogue;

    fn cut(provider: &str, body: &Value, ours: &[&str]) -> Result<Value, Whole> {
        let manifest = Catalogue::embedded().get(provider).cloned().unwrap();
        let (url, headers) = (Url::parse("https://hub.example/hooks/x").unwrap(), HeaderMap::new());
        let body = body.to_string().into_bytes();
        let from = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let received = Received { url: &url, headers: &headers, body: &body, from };
        let part = part(manifest.webhook.get().unwrap(), received, &|account| ours.contains(&account))?;
        Ok(serde_json::from_slice(&part).unwrap())
    }

    fn entry(page: &str, posts: &[&str]) -> Value {
        let change =
            |post: &&str| json!({ "field": "feed", "value": { "item": "comment", "verb": "add", "post_id": post } });
        json!({ "id": page, "time": 1_795_255_200, "changes": posts.iter().map(change).collect::<Vec<_>>() })
    }

    #[test]
    fn of_many_accounts_each_sees_its_own() {
        let body =
            json!({ "object": "page", "entry": [entry("1", &["a", "b"]), entry("2", &["c"]), entry("1", &["d"])] });
        let own = json!({ "object": "page", "entry": [entry("1", &["a", "b"]), entry("1", &["d"])] });
        assert_eq!(cut("facebook", &body, &["1"]), Ok(own));
        assert_eq!(cut("facebook", &body, &["2"]), Ok(json!({ "object": "page", "entry": [entry("2", &["c"])] })));
        assert_eq!(cut("facebook", &body, &["1", "2"]), Ok(body.clone()));
        assert_eq!(cut("facebook", &body, &["3"]), Err(Whole::Nothing));
    }

    #[test]
    fn lists_in_lists_are_looked_into() {
        let value = |number: &str, message: &str| {
            json!({ "field": "messages", "value": { "messaging_product": "whatsapp",
                "metadata": { "phone_number_id": number }, "messages": [{ "id": message, "timestamp": "1795255200",
                "type": "text", "from": "971500000000", "text": { "body": "hello" } }] } })
        };
        let body = |changes: Vec<Value>| json!({ "object": "whatsapp_business_account", "entry": [{ "id": "9", "changes": changes }] });
        let whole = body(vec![value("1", "wamid.a"), value("2", "wamid.b"), value("1", "wamid.c")]);
        let own = body(vec![value("1", "wamid.a"), value("1", "wamid.c")]);
        assert_eq!(cut("whatsapp", &whole, &["1"]), Ok(own));
    }
}
