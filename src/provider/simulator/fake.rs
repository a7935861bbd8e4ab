//! One fake provider: a request in, an answer out, and what it remembers in between. No socket, no clock.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use url::Url;

use super::{
    Mood, data,
    door::Door,
    route::{self, Meant},
};
use crate::{
    kernel::{clock::Moment, secret::Secret},
    provider::{
        expression::Document,
        limit::{self, Limiter, Seen},
        manifest::{
            Manifest,
            answer::{Answer, Class},
            auth::Auth,
            limit::Limit,
        },
        request,
        template::Values,
    },
};

/// A request, as the provider would see it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The method.
    pub method: Method,
    /// The provider's own address.
    pub url: Url,
    /// The address that was really asked, for pointers to further pages.
    pub public: Url,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Asked {
    /// The body as JSON, or nothing.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The fields of the body, JSON or form.
    #[must_use]
    pub fn fields(&self) -> Map<String, Value> {
        if let Value::Object(fields) = self.json() {
            return fields;
        }
        let mut fields = Value::Object(Map::new());
        for (name, value) in url::form_urlencoded::parse(&self.body) {
            nest(&mut fields, &name, json!(value));
        }
        if let Value::Object(fields) = fields { fields } else { Map::new() }
    }
}

/// Puts `outer[inner]` where it belongs.
fn nest(into: &mut Value, name: &str, value: Value) {
    let mut at = into;
    for part in name.split('[').take(8).map(|part| part.trim_end_matches(']')) {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        let Value::Object(fields) = at else { return };
        at = fields.entry(part.to_owned()).or_insert(Value::Null);
    }
    *at = value;
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// An answer of JSON.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self { status, headers, body: body.to_string().into_bytes() }
    }

    fn of(answer: &Answer) -> Self {
        let mut reply = match (&answer.body, &answer.text) {
            (Some(body), _) => Self::json(answer.status, &body.0),
            (None, text) => {
                Self { status: answer.status, headers: Vec::new(), body: text.clone().unwrap_or_default().into_bytes() }
            }
        };
        for (name, value) in answer.headers.iter().flatten() {
            reply.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
            reply.headers.push((name.clone(), value.clone()));
        }
        reply
    }

    /// The headers, typed.
    #[must_use]
    pub fn header_map(&self) -> HeaderMap {
        let typed = |(name, value): &(String, String)| {
            Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
        };
        self.headers.iter().filter_map(typed).collect()
    }
}

/// A fake provider.
#[derive(Debug)]
pub struct Fake {
    manifest: Arc<Manifest>,
    values: Values,
    began: Moment,
    mood: Mood,
    /// For how many requests more the mood lasts; without end if not said.
    left: Option<u32>,
    door: Door,
    limiters: BTreeMap<String, Limiter>,
}

impl Fake {
    /// A provider that begins now.
    #[must_use]
    pub fn new(manifest: Arc<Manifest>, now: Moment) -> Self {
        let values = examples(&manifest);
        Self {
            manifest,
            values,
            began: now,
            mood: Mood::Well,
            left: None,
            door: Door::default(),
            limiters: BTreeMap::new(),
        }
    }

    /// What it is a fake of.
    #[must_use]
    pub fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// The made-up settings, credentials and secrets that it takes for right.
    #[must_use]
    pub const fn values(&self) -> &Values {
        &self.values
    }

    /// Behaves so, for the next requests or until told otherwise.
    pub fn behave(&mut self, mood: Mood, requests: Option<u32>) {
        self.mood = mood;
        self.left = requests;
        if mood == Mood::Revoked {
            self.door.forget();
        }
    }

    /// The mood for one request.
    fn mood(&mut self) -> Mood {
        match &mut self.left {
            None => self.mood,
            Some(0) => Mood::Well,
            Some(left) => {
                *left -= 1;
                self.mood
            }
        }
    }

    /// Answers a request. The second is whether it should take its time.
    pub fn answer(&mut self, asked: &Asked, now: Moment) -> (Reply, bool) {
        let mood = self.mood();
        (self.reply(asked, mood, now), mood == Mood::Slow)
    }

    fn reply(&mut self, asked: &Asked, mood: Mood, now: Moment) -> Reply {
        let manifest = Arc::clone(&self.manifest);
        match mood {
            Mood::Down => {
                return Reply { status: 503, headers: Vec::new(), body: b"<html><title>503</title></html>".to_vec() };
            }
            Mood::Garbled => {
                let headers = vec![("content-type".to_owned(), "text/html".to_owned())];
                return Reply {
                    status: 200,
                    headers,
                    body: b"<html><title>Welcome to our hotspot</title></html>".to_vec(),
                };
            }
            Mood::Throttling => return self.throttled(now, now + chrono::TimeDelta::seconds(2)),
            Mood::Revoked => return self.refused(),
            Mood::Failing => return self.failed(),
            Mood::Well | Mood::Slow => {}
        }
        if let Some(reply) = self.door.oauth(&manifest, &self.values, asked, now) {
            return reply;
        }
        if !self.door.admits(&manifest, &self.values, asked, now) {
            return self.refused();
        }
        let meant = route::find(&manifest, &asked.method, &asked.url, &Value::Object(asked.fields()));
        let of = match meant {
            Some(Meant::Stream(it)) => Some(it.key.as_str()),
            Some(Meant::Action(it)) => Some(it.key.as_str()),
            _ => None,
        };
        if let Err(until) = self.pass(&manifest, of, now) {
            return self.throttled(now, until);
        }
        let mut reply = match meant {
            Some(Meant::Probe(it)) => Reply::json(200, &it.example.0),
            Some(Meant::Discovery(it)) => {
                let mut body = Value::Null;
                if it.items.as_str() == "@" || !it.items.put(json!([it.example.0]), &mut body) {
                    body = it.example.0.clone();
                }
                Reply::json(200, &body)
            }
            Some(Meant::Stream(it)) => data::page(&manifest, it, asked, self.began, now),
            Some(Meant::Action(it)) => Reply::json(200, &it.example.0),
            None => self.unknown(),
        };
        self.tell(&manifest, of, &mut reply, now);
        reply
    }

    /// The example of a class of failures.
    fn example(&self, class: Class) -> Option<Reply> {
        self.manifest
            .errors
            .rules
            .iter()
            .flatten()
            .find(|rule| rule.class == class)
            .map(|rule| Reply::of(&rule.example))
    }

    fn refused(&self) -> Reply {
        self.example(Class::Auth).unwrap_or_else(|| Reply::json(401, &json!({"message": "Unauthorized"})))
    }

    fn unknown(&self) -> Reply {
        self.example(Class::NotFound).unwrap_or_else(|| Reply::json(404, &json!({"message": "Not Found"})))
    }

    fn throttled(&self, now: Moment, until: Moment) -> Reply {
        let mut reply = self
            .example(Class::Throttled)
            .or_else(|| self.example(Class::Quota))
            .unwrap_or_else(|| Reply::json(429, &json!({"message": "Too many requests"})));
        let seconds = (until - now).num_milliseconds().max(0).unsigned_abs().div_ceil(1_000);
        reply.headers.push(("retry-after".to_owned(), seconds.to_string()));
        reply
    }

    /// A failure inside a 200 if there is one, or else another that is no refusal.
    fn failed(&self) -> Reply {
        let rules: Vec<_> = self.manifest.errors.rules.iter().flatten().collect();
        let hidden =
            rules.iter().find(|rule| rule.example.status == 200 && matches!(rule.class, Class::Invalid | Class::Down));
        let other = rules.iter().find(|rule| matches!(rule.class, Class::Invalid | Class::Down));
        hidden
            .or(other)
            .map_or_else(|| Reply::json(500, &json!({"message": "Internal error"})), |rule| Reply::of(&rule.example))
    }

    /// The limits that reach a request. A provider that publishes nothing takes what its file has for the most.
    fn limits<'m>(&self, manifest: &'m Manifest, of: Option<&str>) -> Vec<&'m Limit> {
        let environment = manifest.environments.first().map_or("", |environment| environment.key.as_str());
        let asked = limit::Asked { environment, of, values: &self.values };
        let real = |limit: &&Limit| {
            !matches!(limit, Limit::Usage(_) | Limit::Headers(_) | Limit::Adaptive(_) | Limit::Concurrency(_))
        };
        manifest.limits.iter().filter(real).filter(|limit| limit::reaches(limit, asked)).collect()
    }

    fn pass(&mut self, manifest: &Manifest, of: Option<&str>, now: Moment) -> Result<(), Moment> {
        let limits = self.limits(manifest, of);
        let limiter =
            self.limiters.entry(of.unwrap_or_default().to_owned()).or_insert_with(|| Limiter::new(&limits, now));
        limiter.take(&limits, now)
    }

    /// Says in the answer what the provider would say about its limits.
    fn tell(&mut self, manifest: &Manifest, of: Option<&str>, reply: &mut Reply, now: Moment) {
        for limit in &manifest.limits {
            match limit {
                Limit::Headers(it) => {
                    reply.headers.push((it.remaining.0.to_string(), "99".to_owned()));
                    reply.headers.push((it.reset.0.to_string(), (now.timestamp() + 60).to_string()));
                }
                Limit::Usage(it) => {
                    let body = json!({it.fields.first().map_or("call_count", String::as_str): 7});
                    reply.headers.extend(it.headers.first().map(|name| (name.0.to_string(), body.to_string())));
                }
                Limit::Points(it) if reply.body.starts_with(b"{") => {
                    let Ok(mut body) = serde_json::from_slice::<Value>(&reply.body) else { continue };
                    let left = it.capacity - it.assumed.min(it.capacity);
                    for (path, value) in [(&it.cost, 10), (&it.left, left)] {
                        if let Some(path) = path {
                            path.put(json!(value), &mut body);
                        }
                    }
                    reply.body = body.to_string().into_bytes();
                }
                _ => {}
            }
        }
        let limits = self.limits(manifest, of);
        let headers = HeaderMap::new();
        let document = Document::null();
        if let Some(limiter) = self.limiters.get_mut(of.unwrap_or_default()) {
            limiter.learn(&limits, Seen { headers: &headers, document: Some(&document), failure: None }, now);
        }
    }
}

/// The made-up values of a file: settings, fields of every credential, of the app and of the webhook.
#[must_use]
fn examples(manifest: &Manifest) -> Values {
    let settings = manifest.settings.all().iter().filter_map(|setting| {
        let text = setting
            .default
            .clone()
            .or_else(|| setting.example.clone())
            .or_else(|| setting.choices.as_ref()?.first().cloned())?;
        Some((setting.name.0.clone(), text))
    });
    let fields = manifest.auth.iter().flat_map(Auth::fields);
    let hook = manifest.webhook.get().and_then(|webhook| webhook.fields.as_deref()).unwrap_or_default();
    let secrets = fields.chain(hook).map(|field| (field.name.0.clone(), Secret::from(field.example.clone())));
    let secrets: BTreeMap<String, Secret> = secrets.collect();
    let Some(environment) = manifest.environments.first() else { return Values::default() };
    let mut values = request::values(manifest, environment, &settings.collect(), &secrets);
    for field in manifest.app.iter().flatten() {
        values.set_secret(&format!("app.{}", field.name), Secret::from(field.example.clone()));
    }
    values
}
