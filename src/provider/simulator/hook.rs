//! The webhooks of a fake: the example of the file, signed as the provider signs, or not quite so.

use chrono::TimeDelta;
use url::Url;

use super::{Fake, KEYS};
use crate::{
    kernel::{clock::Moment, secret::Secret},
    provider::{
        manifest::webhook::BodyFormat,
        request,
        template::Values,
        webhook::sign::{Unsignable, Unsigned, sign},
    },
};

/// How webhooks are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// As they should be.
    #[default]
    Right,
    /// Signed with another secret.
    WrongSecret,
    /// Signed long ago.
    Late,
    /// Each twice.
    Duplicated,
    /// The last first.
    Reordered,
}

/// A webhook on its way.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Where to.
    pub url: Url,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Fake {
    /// Some webhooks to an address.
    pub fn webhooks(&self, to: &Url, how: How, count: u32, now: Moment) -> Result<Vec<Delivery>, Unsignable> {
        let mut deliveries = Vec::new();
        for number in 0..count {
            if let Some(delivery) = self.webhook(to, how, number, now)? {
                if how == How::Duplicated {
                    deliveries.push(delivery.clone());
                }
                deliveries.push(delivery);
            }
        }
        if how == How::Reordered {
            deliveries.reverse();
        }
        Ok(deliveries)
    }

    fn webhook(&self, to: &Url, how: How, number: u32, now: Moment) -> Result<Option<Delivery>, Unsignable> {
        let manifest = self.manifest();
        let Some(webhook) = manifest.webhook.get() else { return Ok(None) };
        let sent = &webhook.example;
        let mut body = sent.body.0.clone();
        // Each has an id of its own, where the file says that an event has one.
        if let Some(path) = webhook.id.get().and_then(|place| place.body.as_ref()) {
            let id = serde_json::json!(format!("sim-{}-{number}", now.timestamp()));
            match (&mut body, webhook.split.is_some()) {
                (serde_json::Value::Array(items), _) => {
                    for item in items {
                        path.put_somewhere(&id, item);
                    }
                }
                (whole, false) => {
                    path.put_somewhere(&id, whole);
                }
                _ => {}
            }
        }
        let (kind, bytes) = match webhook.format {
            BodyFormat::Json => ("application/json", body.to_string()),
            BodyFormat::Form => ("application/x-www-form-urlencoded", request::form(&body)),
        };
        let mut headers = vec![("content-type".to_owned(), kind.to_owned())];
        let id = format!("msg_{}_{number}", now.timestamp());
        for (name, value) in sent.headers.iter().flatten().filter(|(name, _)| *name != "webhook-id") {
            let unique = webhook
                .id
                .get()
                .and_then(|place| place.header.as_ref())
                .is_some_and(|header| header.0.as_str().eq_ignore_ascii_case(name));
            headers.push((name.to_ascii_lowercase(), if unique { id.clone() } else { value.clone() }));
        }
        let mut unsigned = Unsigned { url: to.clone(), headers, body: bytes.into_bytes(), id };
        let wrong = wrong(self.values());
        let values = if how == How::WrongSecret { &wrong } else { self.values() };
        let signed_at = if how == How::Late { now - TimeDelta::days(2) } else { now };
        sign(&webhook.verify, &mut unsigned, values, KEYS, signed_at)?;
        if how == How::WrongSecret {
            // Schemes with key pairs have no other secret to sign with.
            unsigned
                .headers
                .iter_mut()
                .filter(|(name, _)| name.contains("sig"))
                .for_each(|(_, value)| value.insert(0, 'A'));
        }
        Ok(Some(Delivery { url: unsigned.url, headers: unsigned.headers, body: unsigned.body }))
    }
}

/// Secrets that are not the right ones, but could be.
fn wrong(values: &Values) -> Values {
    let mut wrong = values.clone();
    let names: Vec<String> = values.secret_names().map(str::to_owned).collect();
    for name in names {
        let other = values.get(&name).map(|(text, _)| other(&text)).unwrap_or_default();
        // Names of headers and users stay what they are; only what proves changes.
        if !name.ends_with("_header") && !name.ends_with("_user") {
            wrong.set_secret(&name, Secret::from(other));
        }
    }
    wrong
}

/// Another secret of the same kind: what stands before the last `_` says which kind that is.
fn other(secret: &str) -> String {
    let (kind, rest) = secret.rfind('_').map_or(("", secret), |at| secret.split_at(at + 1));
    kind.chars().chain(rest.chars().map(next)).collect()
}

/// Another letter of the same kind, so that what was base64 still is.
const fn next(letter: char) -> char {
    match letter {
        'a'..='y' | 'A'..='Y' | '0'..='8' => (letter as u8 + 1) as char,
        'z' => 'a',
        'Z' => 'A',
        '9' => '0',
        other => other,
    }
}
