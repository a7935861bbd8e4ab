//! One fake provider: a request in, an answer out, and what it remembers in between. No socket, no clock.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use url::Url;

use super::{
    CERTIFICATE, KEYS, Mood, data,
    door::Door,
    route::{self, Meant},
    toll::Toll,
};
use crate::{
    kernel::{clock::Moment, secret::Secret},
    provider::{
        limit,
        manifest::{
            Manifest,
            answer::{Answer, Class},
            auth::Auth,
            connection::Field,
            stream::Action,
            webhook::Verify,
        },
        request,
        template::{Tree, Values},
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

/// How an answer is given.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// After a while.
    pub slow: bool,
    /// And on and on.
    pub endless: bool,
    /// Counted among those that are answered at present.
    pub under_way: bool,
}

/// How far a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passage {
    /// It was answered at the door.
    Door,
    /// Too much was asked.
    Turned,
    /// In.
    In,
}

/// A fake provider.
#[derive(Debug)]
pub struct Fake {
    manifest: Arc<Manifest>,
    /// What is taken for right, for each account. The first has the examples of the file.
    accounts: Vec<Values>,
    began: Moment,
    mood: Mood,
    /// For how many requests more the mood lasts; without end if not said.
    left: Option<u32>,
    door: Door,
    toll: Toll,
}

impl Fake {
    /// A provider that begins now.
    #[must_use]
    pub fn new(manifest: Arc<Manifest>, now: Moment) -> Self {
        let accounts = vec![examples(&manifest)];
        Self {
            manifest,
            accounts,
            began: now,
            mood: Mood::Well,
            left: None,
            door: Door::default(),
            toll: Toll::default(),
        }
    }

    /// What it is a fake of.
    #[must_use]
    pub fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// The made-up settings, credentials and secrets that it takes for right.
    #[must_use]
    pub fn values(&self) -> &Values {
        &self.accounts[0]
    }

    /// Has another account, which differs from the first in these settings and fields of credentials.
    pub fn add_account<'a>(&mut self, differs: impl IntoIterator<Item = (&'a str, &'a str)>) {
        let mut values = self.values().clone();
        for (name, value) in differs {
            match values.get(name) {
                Some((_, true)) => values.set_secret(name, Secret::from(value.to_owned())),
                _ => values.set(name, value),
            };
        }
        self.accounts.push(values);
    }

    /// The same for people, in the order of the file.
    #[must_use]
    pub fn taken(&self) -> Value {
        let named = |names: &mut dyn Iterator<Item = &str>, prefix: &str| -> Value {
            let value = |name| Some((name, self.values().get(&format!("{prefix}{name}"))?.0.into_owned()));
            names.filter_map(value).map(|(name, value)| (name.to_owned(), value.into())).collect::<Map<_, _>>().into()
        };
        let fields =
            |fields: &[Field], prefix: &str| named(&mut fields.iter().map(|field| field.name.as_str()), prefix);
        let methods = self.manifest.auth.iter().map(|auth| (auth.key().to_string(), fields(auth.fields(), "")));
        let hook = self.manifest.webhook.get().and_then(|webhook| webhook.fields.as_deref());
        json!({
            "provider": self.manifest.key.as_str(),
            "settings": named(&mut self.manifest.settings.all().iter().map(|setting| setting.name.as_str()), ""),
            "credentials": methods.collect::<Map<_, _>>(),
            "app": fields(self.manifest.app.as_deref().unwrap_or_default(), "app."),
            "webhook": fields(hook.unwrap_or_default(), ""),
        })
    }

    /// Behaves so, for the next requests or until told otherwise.
    pub fn behave(&mut self, mood: Mood, requests: Option<u32>) {
        self.mood = mood;
        self.left = requests;
        if mood == Mood::Revoked {
            self.door.forget();
        }
    }

    /// Keeps to no limit from now on, for who tries something else than limits.
    pub fn open(&mut self) {
        self.toll.open = true;
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

    /// Answers a request as a whole.
    pub fn answer(&mut self, asked: &Asked, now: Moment) -> Reply {
        let (reply, manner) = self.begin(asked, now);
        if manner.under_way {
            self.answered();
        }
        reply
    }

    /// Begins to answer a request. Where it is under way, [`Fake::answered`] is told when it no longer is.
    pub fn begin(&mut self, asked: &Asked, now: Moment) -> (Reply, Manner) {
        let mood = self.mood();
        let (reply, passage) = self.reply(asked, mood, now);
        // Who is turned away learns so at once.
        let slow = mood == Mood::Slow && passage != Passage::Turned;
        (reply, Manner { slow, endless: mood == Mood::Endless, under_way: passage == Passage::In })
    }

    /// The answer, and how far the request came.
    fn reply(&mut self, asked: &Asked, mood: Mood, now: Moment) -> (Reply, Passage) {
        let manifest = Arc::clone(&self.manifest);
        if let Some(reply) = self.moody(mood, now) {
            return (reply, Passage::Door);
        }
        if let Some(reply) = certificate(&manifest, &asked.url) {
            return (reply, Passage::Door);
        }
        if let Some(reply) = self.door.oauth(&manifest, &self.accounts, asked, now) {
            return (reply, Passage::Door);
        }
        let Some(account) = self.door.admits(&manifest, &self.accounts, asked, now) else {
            return (self.refused(), Passage::Door);
        };
        let own = &self.accounts[account];
        let meant = route::find(&manifest, &asked.method, &asked.url, &Value::Object(asked.fields()));
        if let Some(reply) = meant.and_then(|meant| self.foreign(&manifest, meant, asked, own)) {
            return (reply, Passage::Door);
        }
        let of = match meant {
            Some(Meant::Stream(it)) => Some(it.key.as_str()),
            Some(Meant::Action(it)) => Some(it.key.as_str()),
            _ => None,
        };
        let action = if let Some(Meant::Action(it)) = meant { Some(it) } else { None };
        let values = with_input(own, action, asked);
        let environment = route::environment(&manifest, &asked.url).map_or("", |it| it.key.as_str());
        let within = limit::Asked { environment, of, values: &values };
        if let Err(refused) = self.toll.pass(&manifest, within, now) {
            let mut reply = self.throttled(now, refused.until, refused.daily);
            self.toll.tell(&manifest, within, &mut reply, now);
            return (reply, Passage::Turned);
        }
        let mut reply = match meant {
            Some(Meant::Probe(it)) => Reply::json(200, &self.of_account(&manifest, own, &it.example.0)),
            Some(Meant::Discovery(it)) => {
                let mut body = Value::Null;
                if it.items.as_str() == "@" || !it.items.put(json!([it.example.0]), &mut body) {
                    body = it.example.0.clone();
                }
                Reply::json(200, &self.of_account(&manifest, own, &body))
            }
            Some(Meant::Stream(it)) => data::page(&manifest, it, asked, self.began, now),
            Some(Meant::Action(it)) => Reply::json(200, &it.example.0),
            None => self.unknown(),
        };
        self.toll.tell(&manifest, within, &mut reply, now);
        (reply, Passage::In)
    }

    /// The refusal of a request to the address of an account that the credential does not open.
    fn foreign(&self, manifest: &Manifest, meant: Meant<'_>, asked: &Asked, own: &Values) -> Option<Reply> {
        let setting = manifest.webhook.get()?.account.get()?.setting.as_str();
        let (value, _) = own.get(setting)?;
        if route::is_of(manifest, meant.request(), &asked.url, (setting, &value)) {
            return None;
        }
        let in_host = manifest.environments.iter().any(|it| it.base_url.0.names().any(|name| name == setting));
        let permission = self.example(Class::Permission).filter(|_| !in_host);
        Some(permission.unwrap_or_else(|| self.refused()))
    }

    /// An example of the file with the id of this account in place of the first one's.
    fn of_account(&self, manifest: &Manifest, own: &Values, example: &Value) -> Value {
        let setting = manifest.webhook.get().and_then(|webhook| webhook.account.get()).map(|it| it.setting.as_str());
        let id = |values: &Values| Some(values.get(setting?)?.0.into_owned());
        match (id(self.values()), id(own)) {
            (Some(from), Some(to)) if from != to => replaced(example, &from, &to),
            _ => example.clone(),
        }
    }

    /// What is answered in a bad mood, whatever was asked.
    fn moody(&self, mood: Mood, now: Moment) -> Option<Reply> {
        let page = |status, title| {
            let headers = vec![("content-type".to_owned(), "text/html".to_owned())];
            Reply { status, headers, body: format!("<html><title>{title}</title></html>").into_bytes() }
        };
        Some(match mood {
            Mood::Well | Mood::Slow => return None,
            Mood::Down => page(503, "503"),
            Mood::Garbled => page(200, "Welcome to our hotspot"),
            Mood::WrongCharset => {
                let headers = vec![("content-type".to_owned(), "application/json; charset=iso-8859-1".to_owned())];
                Reply { status: 200, headers, body: b"{\"name\": \"Caf\xe9\"}".to_vec() }
            }
            Mood::Endless => Reply { body: b"[".to_vec(), ..Reply::json(200, &Value::Null) },
            Mood::Throttling => self.throttled(now, now + chrono::TimeDelta::seconds(2), false),
            Mood::Revoked => self.refused(),
            Mood::Failing => self.failed(),
        })
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

    fn throttled(&self, now: Moment, until: Moment, daily: bool) -> Reply {
        let (first, second) = if daily { (Class::Quota, Class::Throttled) } else { (Class::Throttled, Class::Quota) };
        let mut reply = self
            .example(first)
            .or_else(|| self.example(second))
            .unwrap_or_else(|| Reply::json(429, &json!({"message": "Too many requests"})));
        let seconds = (until - now).num_milliseconds().max(0).unsigned_abs().div_ceil(1_000);
        reply.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("retry-after"));
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

    /// A request that was let through has its answer.
    pub(super) fn answered(&mut self) {
        self.toll.left();
    }
}

/// A value with one text in place of another wherever it stands.
fn replaced(value: &Value, from: &str, to: &str) -> Value {
    match value {
        Value::String(text) => json!(text.replace(from, to)),
        Value::Array(items) => items.iter().map(|item| replaced(item, from, to)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, item)| (name.clone(), replaced(item, from, to))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

/// The certificate that belongs to the key with which webhooks are signed, where it is said to be.
fn certificate(manifest: &Manifest, url: &Url) -> Option<Reply> {
    let signs = matches!(manifest.webhook.get().map(|webhook| &webhook.verify), Some(Verify::Certificate(_)));
    (signs && url.as_str() == KEYS.certificate_url).then(|| {
        let headers = vec![("content-type".to_owned(), "application/x-pem-file".to_owned())];
        Reply { status: 200, headers, body: CERTIFICATE.as_bytes().to_vec() }
    })
}

/// The values of a fake with those parts of the input that a request shows: limits may count by them.
fn with_input(values: &Values, action: Option<&Action>, asked: &Asked) -> Values {
    let mut values = values.clone();
    let fields = Value::Object(asked.fields());
    let mut input = json!({});
    for tree in action.iter().flat_map(|action| action.request.json.iter().chain(&action.request.form)) {
        read_back(tree, &fields, &mut input);
    }
    values.set_input(input);
    values
}

/// Finds what filled the gaps of a body.
fn read_back(tree: &Tree, value: &Value, input: &mut Value) {
    match tree {
        Tree::Text(template) => {
            if let Some(name) = template.lone().and_then(|name| name.strip_prefix("input.")) {
                input[name] = value.clone();
            }
        }
        Tree::Table(fields) => {
            for (name, inner) in fields {
                if let Some(value) = value.get(name) {
                    read_back(inner, value, input);
                }
            }
        }
        Tree::List(_) | Tree::Fixed(_) => {}
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
