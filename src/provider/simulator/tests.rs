//! Conformance: every provider's file against the fake that is made of it, through the same engines that speak
//! to the real thing.

use std::{collections::BTreeSet, sync::Arc};

use chrono::TimeDelta;
use url::Url;

use super::{
    Asked, CERTIFICATE, Fake, KEYS, Mood, Reply,
    data::{EVERY, FIRST},
    hook::How,
    reroute,
};
use crate::{
    kernel::{chance::SeededChance, clock::Moment, secret::Secret},
    provider::{
        auth,
        catalogue::Catalogue,
        classify::{self, Failure},
        expression::Document,
        extract,
        manifest::{
            Manifest,
            answer::{Class, Probe},
            auth::Auth,
            stream::Stream,
            webhook::Verify,
        },
        mapping::Mapping,
        paging::{self, Page, Position},
        probe::{self, Known},
        request::{self, Outgoing, Ready, Site},
        template::Values,
        token::{self, Pending, Purpose},
        webhook::{Received, certificate::Fetched, event, verify},
    },
};

mod limits;

fn start() -> Moment {
    "2026-11-21T10:00:00Z".parse().unwrap()
}

fn origin() -> Url {
    "http://127.0.0.1:9900/".parse().unwrap()
}

/// A provider with its fake, and a clock.
struct Stage {
    manifest: Arc<Manifest>,
    fake: Fake,
    now: Moment,
}

impl Stage {
    fn all() -> impl Iterator<Item = Self> {
        Catalogue::embedded().iter().cloned().collect::<Vec<_>>().into_iter().map(Self::of)
    }

    fn of(manifest: Arc<Manifest>) -> Self {
        Self { fake: Fake::new(Arc::clone(&manifest), start()), manifest, now: start() }
    }

    fn named(key: &str) -> Self {
        Self::of(Arc::clone(Catalogue::embedded().get(key).unwrap()))
    }

    /// Sends a request, not to the provider.
    fn send(&mut self, ready: &Ready) -> Reply {
        let asked = Self::asked(ready);
        self.fake.answer(&asked, self.now)
    }

    fn asked(ready: &Ready) -> Asked {
        Asked {
            method: ready.method.clone(),
            url: ready.url.clone(),
            public: ready.url.clone(),
            headers: ready.headers.clone(),
            body: ready.body.to_vec(),
        }
    }

    fn judge(&self, reply: &Reply) -> Result<Document, Failure> {
        let headers = reply.header_map();
        let reply = classify::Reply { status: reply.status, headers: &headers, body: &reply.body };
        classify::judge(&self.manifest.errors, reply, self.now, self.fake.values().secrets())
    }

    /// The values of a connection by one auth method, with a token if there is to be one.
    fn connect(&mut self, method: &Auth) -> Result<Values, Failure> {
        self.connect_with(method, self.fake.values().clone())
    }

    fn connect_with(&mut self, method: &Auth, mut values: Values) -> Result<Values, Failure> {
        let fetch = |stage: &mut Self, call, purpose, values: &mut Values| {
            let ready = token::call(call, purpose, values).unwrap().finish().unwrap();
            let reply = stage.send(&ready);
            let document = stage.judge(&reply)?;
            let token = token::read(call, &document, stage.now).unwrap();
            values.set_secret("access_token", token.access);
            if let Some(refresh) = token.refresh {
                values.set_secret("refresh_token", refresh);
            }
            for (name, text) in &token.set {
                values.set(name, text.as_str());
            }
            Ok::<(), Failure>(())
        };
        match method {
            Auth::ClientCredentials(it) => fetch(self, &it.token, Purpose::Credentials, &mut values)?,
            Auth::AuthorizationCode(it) => {
                let pending = Pending::new(&it.authorize, &SeededChance::new(1));
                let client = values.get("app.client_id").map(|(id, _)| id.into_owned()).unwrap_or_default();
                let back = "https://hub.example.com/oauth/callback";
                let page = token::authorize(&it.authorize, &client, back, &pending, &values).unwrap();
                let ready = Outgoing::to(http::Method::GET, page.as_str()).unwrap().finish().unwrap();
                let reply = self.send(&ready);
                let (_, location) = reply.headers.iter().find(|(name, _)| name == "location").unwrap();
                let location: Url = location.parse().unwrap();
                let find = |name: &str| location.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
                assert_eq!(find("state"), pending.state.expose());
                values.set("redirect_uri", back).set_secret("code", Secret::from(find("code")));
                if let Some(verifier) = &pending.verifier {
                    values.set_secret("code_verifier", verifier.clone());
                }
                fetch(self, &it.token, Purpose::Code, &mut values)?;
                if let Some(exchange) = &it.exchange {
                    fetch(self, exchange, Purpose::Exchange, &mut values)?;
                }
                if let Some(refresh) = it.refresh.get() {
                    fetch(self, refresh, Purpose::Refresh, &mut values)?;
                }
                if let Some(after) = &it.after {
                    let ready = token::after(after, &values).unwrap().finish().unwrap();
                    let reply = self.send(&ready);
                    let document = self.judge(&reply)?;
                    assert!(!token::fill(&after.set, &document).is_empty());
                }
            }
            _ => {}
        }
        Ok(values)
    }

    fn make(&self, of: &manifest_request::Request, method: &Auth, values: &Values) -> Outgoing {
        let site = Site::of(&self.manifest.environments[0], values).unwrap();
        let mut outgoing = request::make(of, &site, self.manifest.headers.as_ref(), values).unwrap();
        auth::inject(method.inject(), values, &mut outgoing).unwrap();
        outgoing
    }

    fn probe(&mut self, method: &Auth, values: &Values) -> probe::Verdict {
        let manifest = Arc::clone(&self.manifest);
        let Probe::Request(probe) = &manifest.probe else { panic!("{} has no probe by request", manifest.key) };
        let ready = self.make(&probe.request, method, values).finish().unwrap();
        let reply = self.send(&ready);
        probe::verdict(probe, self.judge(&reply))
    }

    /// Reads a stream to its end, and gives every id.
    fn read(&mut self, stream: &Stream, method: &Auth, values: &Values) -> Vec<String> {
        let manifest = Arc::clone(&self.manifest);
        let paging = manifest.paging_of(stream);
        let mut position = Position::Start;
        let mut ids = Vec::new();
        for _ in 0..200 {
            let mut outgoing = self.make(&stream.request, method, values);
            if let Some(paging) = paging {
                paging::apply(paging, &position, &mut outgoing).unwrap();
                // A page elsewhere has lost the credential of the query.
                auth::inject(method.inject(), values, &mut outgoing).unwrap();
            }
            let ready = outgoing.finish().unwrap();
            self.now += TimeDelta::seconds(2);
            let reply = self.send(&ready);
            let document =
                self.judge(&reply).unwrap_or_else(|failure| panic!("{} {}: {failure:?}", manifest.key, stream.key));
            let found = extract::records(stream, &document, &Mapping::default())
                .unwrap_or_else(|reason| panic!("{} {}: {reason}", manifest.key, stream.key));
            assert_eq!(found.unfit, [], "{} {}", manifest.key, stream.key);
            ids.extend(found.records.iter().map(|record| record.id.clone()));
            let headers = reply.header_map();
            let page = Page { document: &document, headers: &headers, url: &ready.url, records: found.records.len() };
            // The position is stored between two pages.
            let next = paging.and_then(|paging| paging::next(paging, &position, page).unwrap());
            let Some(next) = next else { return ids };
            position = serde_json::from_str(&serde_json::to_string(&next).unwrap()).unwrap();
        }
        panic!("{} {} does not end", manifest.key, stream.key);
    }
}

mod manifest_request {
    pub(super) use crate::provider::manifest::request::Request;
}

#[test]
fn right_credentials_are_accepted_by_every_way_to_prove_who_asks() {
    let mut ways = 0;
    for mut stage in Stage::all() {
        for method in stage.manifest.auth.clone() {
            let values = stage
                .connect(&method)
                .unwrap_or_else(|failure| panic!("{} {}: {failure:?}", stage.manifest.key, method.key()));
            if matches!(stage.manifest.probe, Probe::Token(_)) {
                continue;
            }
            let verdict = stage.probe(&method, &values);
            assert!(verdict.is_good(), "{} {}: {verdict:?}", stage.manifest.key, method.key());
            ways += 1;
        }
    }
    assert!(ways >= 35, "{ways}");
}

#[test]
fn wrong_credentials_are_refused_and_known_to_be_wrong() {
    for mut stage in Stage::all() {
        for method in stage.manifest.auth.clone() {
            if let Auth::Open(_) = method {
                continue;
            }
            let right = stage.connect(&method).unwrap();
            let secrets: Vec<String> =
                method.fields().iter().map(|field| field.name.0.clone()).chain(["access_token".to_owned()]).collect();
            let mut wrong = right.clone();
            for name in secrets.iter().filter(|name| right.get(name).is_some()) {
                wrong.set_secret(name, Secret::from("wrong-0000".to_owned()));
            }
            if let (Auth::ClientCredentials(_), Probe::Token(_)) = (&method, &stage.manifest.probe) {
                let failure = stage.connect_with(&method, wrong).unwrap_err();
                assert_eq!(failure.class, Class::Auth, "{}", stage.manifest.key);
                continue;
            }
            // A provider that anybody may ask has nothing to refuse.
            if stage.manifest.auth.iter().any(|other| matches!(other, Auth::Open(_))) {
                continue;
            }
            let verdict = stage.probe(&method, &wrong);
            assert_eq!(verdict.credential, Known::Bad, "{} {}: {verdict:?}", stage.manifest.key, method.key());
        }
    }
}

#[test]
fn every_mood_gets_its_verdict() {
    for mut stage in Stage::all() {
        if matches!(stage.manifest.probe, Probe::Token(_)) {
            continue;
        }
        let method = stage.manifest.auth[0].clone();
        let values = stage.connect(&method).unwrap();
        let key = stage.manifest.key.clone();
        for (mood, reach, credential) in [
            (Mood::Down, Known::Bad, Known::Unknown),
            (Mood::Garbled, Known::Bad, Known::Unknown),
            (Mood::WrongCharset, Known::Bad, Known::Unknown),
            (Mood::Throttling, Known::Good, Known::Unknown),
            (Mood::Revoked, Known::Good, Known::Bad),
        ] {
            stage.fake.behave(mood, Some(1));
            let verdict = stage.probe(&method, &values);
            assert_eq!((verdict.reach, verdict.credential), (reach, credential), "{key} {mood:?}: {verdict:?}");
            if mood == Mood::Throttling {
                assert!(verdict.failure.as_ref().unwrap().until.is_some(), "{key}: says for how long");
            }
        }
        stage.fake.behave(Mood::Failing, Some(1));
        let failing = stage.probe(&method, &values).failure.unwrap();
        assert!(matches!(failing.class, Class::Invalid | Class::Down), "{key}: {failing:?}");
        // A token that was revoked stays so; a key is good again.
        let after = stage.probe(&method, &values);
        assert_eq!(after.credential == Known::Bad, method.token().is_some(), "{key}");
    }
}

#[test]
fn pages_reach_every_record_once() {
    let mut streams = 0;
    for mut stage in Stage::all() {
        let manifest = Arc::clone(&stage.manifest);
        let method = manifest.auth[0].clone();
        for stream in manifest.streams.all() {
            // What was asked for before is forgotten by the limits.
            stage.now += TimeDelta::minutes(1);
            let values = stage.connect(&method).unwrap();
            // Smaller pages than the provider's, so that there are several.
            let mut small = stream.clone();
            if let Some(paging) = manifest.paging_of(stream).cloned() {
                small.paging = Some(crate::provider::manifest::shape::OrNone::Is(shrunk(paging)));
            }
            let ids = stage.read(&small, &method, &values);
            let unique: BTreeSet<&String> = ids.iter().collect();
            assert_eq!(ids.len(), unique.len(), "{} {}: {ids:?}", manifest.key, stream.key);
            assert!(ids.len() >= FIRST, "{} {}: {}", manifest.key, stream.key, ids.len());
            streams += 1;
        }
    }
    assert!(streams >= 30, "{streams}");
}

/// The same, seven records to a page, if the size can be chosen.
fn shrunk(mut paging: paging_shape::Paging) -> paging_shape::Paging {
    use paging_shape::Paging;
    let size = match &mut paging {
        Paging::LinkHeader(it) => it.size.as_mut(),
        Paging::Cursor(it) => it.size.as_mut(),
        Paging::NextUrl(it) => it.size.as_mut(),
        Paging::Page(it) => Some(&mut it.size),
        Paging::Offset(it) => Some(&mut it.size),
    };
    if let Some(size) = size.filter(|size| size.parameter.is_some()) {
        size.most = 7;
    }
    paging
}

mod paging_shape {
    pub(super) use crate::provider::manifest::paging::Paging;
}

#[test]
fn only_changes_come_where_changes_are_asked_for_and_there_are_always_new_ones() {
    for mut stage in Stage::all() {
        let manifest = Arc::clone(&stage.manifest);
        let method = manifest.auth[0].clone();
        for stream in manifest.streams.all() {
            let Some(since) = stream.since.get() else { continue };
            stage.now = start();
            let mut values = stage.connect(&method).unwrap();
            let everything = stage.read(stream, &method, &values);
            values.set("since", extract::since(since, start() + TimeDelta::from_std(since.overlap).unwrap()));
            let changed = stage.read(stream, &method, &values);
            assert!(
                changed.iter().all(|id| !everything[..FIRST.min(everything.len())].contains(id))
                    || changed.len() <= everything.len(),
                "{} {}",
                manifest.key,
                stream.key
            );
            stage.now += EVERY * 5;
            let later = stage.read(stream, &method, &values);
            assert!(
                later.len() > changed.len(),
                "{} {}: {} then {}",
                manifest.key,
                stream.key,
                changed.len(),
                later.len()
            );
        }
    }
}

#[test]
fn actions_answer_and_what_does_not_exist_is_not_found() {
    for mut stage in Stage::all() {
        let manifest = Arc::clone(&stage.manifest);
        let method = manifest.auth[0].clone();
        for action in manifest.actions.all() {
            let mut values = stage.connect(&method).unwrap();
            let properties =
                action.input.0.get("properties").and_then(|it| it.as_object()).cloned().unwrap_or_default();
            let sample = |schema: &serde_json::Value| match schema.get("type").and_then(|kind| kind.as_str()) {
                Some("integer" | "number") => serde_json::json!(1),
                Some("boolean") => serde_json::json!(true),
                Some("array") => serde_json::json!([{"x": 1}]),
                Some("object") => serde_json::json!({"x": 1}),
                _ => serde_json::json!("abc"),
            };
            let input: serde_json::Map<String, serde_json::Value> =
                properties.iter().map(|(name, schema)| (name.clone(), sample(schema))).collect();
            values.set_input(serde_json::Value::Object(input)).set("webhook_url", "https://hub.example.com/hooks/1");
            stage.now += TimeDelta::seconds(10);
            let ready = stage.make(&action.request, &method, &values).finish().unwrap();
            let reply = stage.send(&ready);
            let outcome = stage.judge(&reply);
            assert!(outcome.is_ok(), "{} {}: {outcome:?} {}", manifest.key, action.key, ready.shown_url);
        }
    }
    let mut stripe = Stage::named("stripe");
    let method = stripe.manifest.auth[0].clone();
    let values = stripe.connect(&method).unwrap();
    let mut nowhere = Outgoing::to(http::Method::GET, "https://api.stripe.com/v9/nothing").unwrap();
    auth::inject(method.inject(), &values, &mut nowhere).unwrap();
    let reply = stripe.send(&nowhere.finish().unwrap());
    assert_eq!(stripe.judge(&reply).unwrap_err().class, Class::NotFound);
}

#[test]
fn webhooks_are_sent_as_told() {
    let to: Url = "http://127.0.0.1:8080/hooks/src_1".parse().unwrap();
    for stage in Stage::all() {
        let manifest = Arc::clone(&stage.manifest);
        let Some(webhook) = manifest.webhook.get() else { continue };
        let values = stage.fake.values();
        let check = |how: How, now: Moment| -> Vec<(bool, Vec<String>)> {
            let sent = stage.fake.webhooks(&to, how, 3, start()).unwrap();
            sent.iter()
                .map(|delivery| {
                    let headers =
                        Reply { status: 200, headers: delivery.headers.clone(), body: Vec::new() }.header_map();
                    let from =
                        if let Verify::SourceAddress(_) = webhook.verify { [20, 65, 16, 22] } else { [127, 0, 0, 1] };
                    let received =
                        Received { url: &delivery.url, headers: &headers, body: &delivery.body, from: from.into() };
                    let at: Url = KEYS.certificate_url.parse().unwrap();
                    let fetched = Some(Fetched { from: &at, pem: CERTIFICATE.as_bytes() });
                    let good = verify(&webhook.verify, received, &[values], fetched, now).is_ok();
                    let ids = event::read(webhook, received).unwrap().into_iter().map(|event| event.id).collect();
                    (good, ids)
                })
                .collect()
        };
        let key = &manifest.key;
        let right = check(How::Right, start());
        assert!(right.len() == 3 && right.iter().all(|(good, _)| *good), "{key}");
        assert!(check(How::WrongSecret, start()).iter().all(|(good, _)| !good), "{key}");
        let doubled = check(How::Duplicated, start());
        assert_eq!(doubled.len(), 6, "{key}");
        assert_eq!(doubled[0].1, doubled[1].1, "{key}: the same event has the same id");
        let mut reordered = check(How::Reordered, start());
        reordered.reverse();
        assert_eq!(reordered, right, "{key}");
        let timed =
            matches!(webhook.verify, Verify::HmacTimestamped(_) | Verify::Ecdsa(_) | Verify::StandardWebhooks(_));
        assert!(check(How::Late, start()).iter().all(|(good, _)| *good != timed), "{key}");
    }
}

#[test]
fn addresses_are_rerouted_and_found_again() {
    let real: Url = "https://api.stripe.com/v1/charges?limit=3".parse().unwrap();
    let fake = reroute(&origin(), "stripe", &real).unwrap();
    assert_eq!(fake.as_str(), "http://127.0.0.1:9900/stripe/api.stripe.com/v1/charges?limit=3");
}
