//! Every provider of the catalogue, by every auth method, against the fake that is made of its file: over sockets,
//! through the same connector that speaks to the real thing. A file that is added is tried here without a line of
//! code.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chrono::TimeDelta;
use http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value, json};
use url::Url;

use super::stage::{Stage, catalogue, connection};
use crate::{
    kernel::{
        chance::{Chance, SeededChance},
        clock::Moment,
        secret::Secret,
    },
    provider::{
        classify,
        connector::{Bounds, Connector, Grant, Known, Trouble},
        extract,
        limit::{self, Limiter, Seen},
        manifest::{
            Manifest,
            answer::Class,
            auth::Auth,
            json_schema::Schema,
            paging::Paging,
            shape::OrNone,
            stream::{Action, Stream},
        },
        mapping::Mapping,
        paging::{self, Page, Position},
        simulator::{FIRST, Mood},
        token,
    },
};

/// Little time and little room, for what is slow and what never ends.
fn strict(stage: &Stage) -> Connector {
    stage.connector.clone().within(Bounds { within: Duration::from_millis(600), most: 256 << 10 })
}

#[tokio::test]
async fn right_credentials_are_accepted_and_give_what_the_file_promises() {
    let stage = Stage::all().await;
    for provider in catalogue() {
        for method in &provider.auth {
            let what = format!("{} by {}", provider.key, method.key());
            let details = stage.details(&provider, method);
            assert_eq!(details.misfits(&provider), [], "{what}");
            let connection = stage.connect(&provider, method).await;
            let verdict = stage.connector.probe(&connection).await.unwrap();
            assert!(verdict.is_good(), "{what}: {verdict:?}");
            let accounts = stage.connector.discover(&connection).await.unwrap();
            assert_eq!(accounts.is_empty(), provider.discovery.get().is_none(), "{what}");
            for account in accounts {
                assert!(!account.name.is_empty() && !account.set.is_empty(), "{what}: {account:?}");
            }
            stage.rest();
        }
    }
}

#[tokio::test]
async fn wrong_credentials_are_refused_and_their_words_do_not_come_back() {
    const WRONG: &str = "wrong-0000-canary";
    let stage = Stage::all().await;
    for provider in catalogue() {
        // A provider that anybody may ask has nothing to refuse.
        if provider.auth.iter().any(|method| matches!(method, Auth::Open(_))) {
            continue;
        }
        for method in &provider.auth {
            let what = format!("{} by {}", provider.key, method.key());
            let mut details = stage.details(&provider, method);
            // What a right key tells by itself, such as a data centre, a wrong one does not.
            for setting in provider.settings.all() {
                let known = setting.example.clone().filter(|_| setting.default.is_none());
                details.settings.extend(known.map(|text| (setting.name.0.clone(), text)));
            }
            for secret in details.credential.values_mut() {
                *secret = Secret::from(WRONG.to_owned());
            }
            if let Auth::AuthorizationCode(_) = method {
                details.access_token = Some(Secret::from(WRONG.to_owned()));
                let right = connection(&provider, &stage.details(&provider, method));
                let code = Secret::from(WRONG.to_owned());
                let grant = Grant::Code { code: &code, redirect_uri: super::stage::BACK, verifier: None };
                let trouble = stage.connector.token(&right, grant).await.unwrap_err();
                assert_eq!(trouble.class(), Some(Class::Auth), "{what}: {trouble}");
            }
            let verdict = stage.connector.probe(&connection(&provider, &details)).await.unwrap();
            assert_eq!(verdict.credential, Known::Bad, "{what}: {verdict:?}");
            assert!(!verdict.is_good() && !format!("{verdict:?}").contains("canary"), "{what}: {verdict:?}");
            stage.rest();
        }
    }
    assert!(!stage.notes.take().iter().any(|note| note.whole.contains("canary")));
}

#[tokio::test]
async fn every_fault_gets_its_verdict() {
    let stage = Stage::all().await;
    // All at once, since being slow takes its time.
    futures_util::future::join_all(catalogue().iter().map(|provider| faults(&stage, provider))).await;
    // One try each: a probe says how things are.
    assert!(stage.notes.take().iter().all(|note| note.purpose != "probe" || note.attempt == 1));
}

async fn faults(stage: &Stage, provider: &Arc<Manifest>) {
    let connection = stage.connect(provider, &provider.auth[0]).await;
    // What is slow takes three seconds; everybody else must have the time that many at once need.
    let bounds =
        |mood| Bounds { within: Duration::from_secs(if mood == Mood::Slow { 2 } else { 20 }), most: 256 << 10 };
    for (mood, reach, credential, classes) in [
        (Mood::Slow, Known::Bad, Known::Unknown, &[Class::Down][..]),
        (Mood::Down, Known::Bad, Known::Unknown, &[Class::Down]),
        (Mood::Throttling, Known::Good, Known::Unknown, &[Class::Throttled, Class::Quota]),
        (Mood::Failing, Known::Unknown, Known::Unknown, &[Class::Invalid, Class::Down]),
        (Mood::Garbled, Known::Bad, Known::Unknown, &[Class::Unreadable]),
        (Mood::WrongCharset, Known::Bad, Known::Unknown, &[Class::Unreadable]),
        (Mood::Endless, Known::Bad, Known::Unknown, &[Class::Unreadable]),
        (Mood::Revoked, Known::Good, Known::Bad, &[Class::Auth]),
    ] {
        stage.mood(provider, mood, None);
        let verdict = stage.connector.clone().within(bounds(mood)).probe(&connection).await.unwrap();
        let what = format!("{} {mood:?}: {verdict:?}", provider.key);
        // Some failures prove the credential all the same; what they are is in the file.
        if mood != Mood::Failing {
            assert_eq!((verdict.reach, verdict.credential), (reach, credential), "{what}");
            assert!(!verdict.is_good(), "{what}");
        }
        let failure = verdict.failure.as_ref().unwrap_or_else(|| panic!("{what}"));
        assert!(classes.contains(&failure.class), "{what}");
        assert!(mood != Mood::Throttling || failure.until.is_some(), "{what}");
        stage.mood(provider, Mood::Well, None);
    }
}

#[tokio::test]
async fn pages_reach_every_record_once() {
    let stage = Stage::all().await;
    let (began, mut streams) = (stage.now(), 0);
    for provider in catalogue() {
        for stream in provider.streams.all() {
            let what = format!("{} {}", provider.key, stream.key);
            stage.rest();
            let connection = stage.connect(&provider, &provider.auth[0]).await;
            let there = FIRST + usize::try_from((stage.now() - began).num_seconds() / 5).unwrap();
            let (stream, ids) = (in_small_pages(&provider, stream), &mut BTreeSet::new());
            let mut position = Position::Start;
            for _ in 0..400 {
                let mut page = strict(&stage).page(&connection, &stream, &position, None).await;
                if let Err(Trouble::Failed(failure)) = &page
                    && let (Class::Throttled, Some(until)) = (failure.class, failure.until)
                {
                    stage.clock.advance(until - stage.now());
                    page = strict(&stage).page(&connection, &stream, &position, None).await;
                }
                let page = page.unwrap_or_else(|trouble| panic!("{what}: {trouble:?}"));
                assert_eq!(page.unfit, [], "{what}");
                for record in page.records {
                    assert!(ids.insert(record.id.clone()), "{what}: {} twice", record.id);
                }
                stage.clock.advance(TimeDelta::seconds(1));
                let Some(next) = page.next else { break };
                // A position is stored between two pages.
                position = serde_json::from_str(&serde_json::to_string(&next).unwrap()).unwrap();
            }
            assert!(ids.len() >= there, "{what}: {} of {there}", ids.len());
            streams += 1;
        }
    }
    assert!(streams >= 30, "{streams}");
}

/// The same, seven records to a page, if the size can be chosen.
fn in_small_pages(provider: &Manifest, stream: &Stream) -> Stream {
    let mut stream = stream.clone();
    if let Some(mut paging) = provider.paging_of(&stream).cloned() {
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
        stream.paging = Some(OrNone::Is(paging));
    }
    stream
}

#[tokio::test]
async fn only_changes_come_where_changes_are_asked_for() {
    let stage = Stage::all().await;
    let began = stage.now();
    for provider in catalogue() {
        let since = provider.streams.all().iter().filter_map(|stream| Some((stream, stream.since.get()?)));
        for (stream, since) in since {
            stage.rest();
            let connection = stage.connect(&provider, &provider.auth[0]).await;
            // Times are written to the second, or to the day; the overlap is taken off again.
            let after = began + TimeDelta::days(2) + TimeDelta::from_std(since.overlap).unwrap();
            let page = stage.connector.page(&connection, stream, &Position::Start, Some(after)).await;
            let page = page.unwrap_or_else(|trouble| panic!("{} {}: {trouble:?}", provider.key, stream.key));
            assert_eq!(page.records, [], "{} {}: {}", provider.key, stream.key, extract::since(since, after));
        }
    }
}

#[tokio::test]
async fn throttling_is_said_with_its_time_and_honoured() {
    let stage = Stage::all().await;
    let strict = strict(&stage);
    for provider in catalogue() {
        let Some(stream) = provider.streams.all().first() else { continue };
        let connection = stage.connect(&provider, &provider.auth[0]).await;
        stage.rest();
        stage.notes.take();
        stage.mood(&provider, Mood::Throttling, Some(1));
        let trouble = strict.page(&connection, stream, &Position::Start, None).await.unwrap_err();
        let Trouble::Failed(failure) = trouble else { panic!("{}: {trouble:?}", provider.key) };
        assert!(matches!(failure.class, Class::Throttled | Class::Quota), "{}: {failure:?}", provider.key);
        // The time does not fit into the bounds, so it was not tried again before it.
        assert_eq!(stage.notes.take().len(), 1, "{}", provider.key);
        let asked = limit::Asked {
            environment: connection.environment().key.as_str(),
            of: Some(stream.key.as_str()),
            values: connection.values(),
        };
        let limits: Vec<_> = provider.limits.iter().filter(|limit| limit::reaches(limit, asked)).collect();
        let (now, headers) = (stage.now(), HeaderMap::new());
        let mut limiter = Limiter::new(&limits, now);
        limiter.take(&limits, now).unwrap();
        limiter.learn(&limits, Seen { headers: &headers, document: None, failure: Some(&failure) }, now);
        let until = failure.until.unwrap();
        assert!(until > now && limiter.ready_at(&limits, now) >= until, "{}", provider.key);
        stage.rest();
        let again = strict.page(&connection, stream, &Position::Start, None).await;
        assert!(again.is_ok(), "{}: {again:?}", provider.key);
    }
}

#[tokio::test]
async fn a_time_that_fits_into_the_bounds_is_waited_for() {
    let stage = Stage::all().await;
    let stripe = super::stage::named("stripe");
    let connection = stage.connect(&stripe, &stripe.auth[0]).await;
    stage.mood(&stripe, Mood::Throttling, Some(1));
    let began = tokio::time::Instant::now();
    let page = stage.connector.page(&connection, &stripe.streams.all()[0], &Position::Start, None).await;
    assert!(page.is_ok() && began.elapsed() >= Duration::from_secs(2), "{page:?}");
}

#[tokio::test]
async fn every_action_takes_arguments_that_fit_and_gives_a_result() {
    let (stage, mut actions) = (Stage::all().await, 0);
    for provider in catalogue() {
        for action in provider.actions.all() {
            stage.rest();
            let what = format!("{} {}", provider.key, action.key);
            let connection = stage.connect(&provider, &provider.auth[0]).await;
            let outcome = stage.connector.act(&connection, action, arguments(action), Some("key-1")).await;
            // Where a webhook is set up the hub says its own address, which nobody has here.
            let needs_address =
                matches!(&outcome, Err(Trouble::Unmade(reason)) if reason.to_string().contains("webhook_url"));
            assert!(outcome.is_ok() || needs_address, "{what}: {outcome:?}");
            actions += 1;
        }
    }
    assert!(actions >= 50, "{actions}");
}

/// Arguments that fit the schema of an action.
fn arguments(action: &Action) -> Value {
    let properties = action.input.0.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let fitting = |schema: &Value| {
        let tries = [
            json!("abc"),
            json!("USD"),
            json!("1.00"),
            json!("+4915100000001"),
            json!("a@example.com"),
            json!("https://example.com/"),
            json!("2026-11-21T10:00:00Z"),
            json!("2026-11-21"),
            json!("123456"),
            json!(1),
            json!(true),
            json!([{"x": 1}]),
            json!(["x"]),
            json!({"x": 1}),
        ];
        let words = schema.get("enum").and_then(Value::as_array).cloned().unwrap_or_default();
        let compiled = Schema::compile(schema.clone()).unwrap();
        let found = words.into_iter().chain(tries).find(|value| compiled.misfits(value).is_empty());
        found.unwrap_or_else(|| panic!("{}: nothing fits {schema}", action.key))
    };
    Value::Object(properties.iter().map(|(name, schema)| (name.clone(), fitting(schema))).collect::<Map<_, _>>())
}

#[tokio::test]
async fn tokens_are_renewed_where_the_file_says_how_and_a_code_serves_once() {
    let (stage, mut renewed) = (Stage::all().await, 0);
    for provider in catalogue() {
        for method in &provider.auth {
            let Auth::AuthorizationCode(it) = method else { continue };
            let what = format!("{} by {}", provider.key, method.key());
            let fresh = connection(&provider, &stage.details(&provider, method));
            let (code, verifier) = stage.consent(&fresh).await;
            let grant = Grant::Code { code: &code, redirect_uri: super::stage::BACK, verifier: verifier.as_ref() };
            let token = stage.connector.token(&fresh, grant).await.unwrap();
            let again = stage.connector.token(&fresh, grant).await.unwrap_err();
            assert_eq!(again.class(), Some(Class::Auth), "{what}: {again}");
            let signed_in = fresh.clone().with_token(&token);
            let next = stage.connector.token(&signed_in, Grant::Refresh).await;
            if it.refresh.get().is_none() {
                assert!(matches!(next, Err(Trouble::NoSuchGrant)), "{what}: {next:?}");
                continue;
            }
            let next = next.unwrap_or_else(|trouble| panic!("{what}: {trouble}"));
            assert_ne!(next.access.expose(), token.access.expose(), "{what}");
            assert!(stage.connector.probe(&fresh.with_token(&next)).await.unwrap().is_good(), "{what}");
            renewed += 1;
            stage.rest();
        }
    }
    assert!(renewed >= 6, "{renewed}");
}

#[tokio::test]
async fn who_hangs_up_takes_no_place_from_others() {
    let stage = Stage::all().await;
    let mailchimp = super::stage::named("mailchimp");
    let key = mailchimp.auth.iter().find(|method| method.token().is_none()).unwrap();
    let connection = Arc::new(stage.connect(&mailchimp, key).await);
    stage.mood(&mailchimp, Mood::Slow, None);
    let strict = strict(&stage);
    let probes = (0..14).map(|_| strict.probe(&connection));
    let verdicts = futures_util::future::join_all(probes).await;
    let throttled = verdicts.into_iter().filter(|verdict| verdict.as_ref().unwrap().quota == Known::Bad).count();
    assert_eq!(throttled, 4);
    stage.mood(&mailchimp, Mood::Well, None);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !stage.connector.probe(&connection).await.unwrap().is_good() {
        assert!(tokio::time::Instant::now() < deadline, "places are not given back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What a provider could answer instead: anything that a line, a bug or an enemy makes of an answer.
#[test]
fn no_answer_makes_an_engine_panic() {
    let chance = SeededChance::new(11);
    let url = Url::parse("https://api.example.com/v1/things?page=1").unwrap();
    let now: Moment = "2026-11-21T10:00:00Z".parse().unwrap();
    for provider in catalogue() {
        let mut bodies: Vec<Vec<u8>> = vec![b"{}".to_vec(), b"[]".to_vec(), b"null".to_vec(), b"\xff\xfe".to_vec()];
        bodies.extend(provider.streams.all().iter().map(|stream| stream.example.0.to_string().into_bytes()));
        for stream in provider.streams.all() {
            let mut whole = json!({});
            stream.records.put(json!([stream.example.0]), &mut whole);
            bodies.push(whole.to_string().into_bytes());
        }
        let rules = provider.errors.rules.iter().flatten();
        bodies.extend(rules.filter_map(|rule| Some(rule.example.body.as_ref()?.0.to_string().into_bytes())));
        for round in 0..150 {
            let mut dice = [0; 64];
            chance.fill(&mut dice);
            let mut body = bodies[round % bodies.len()].clone();
            if !body.is_empty() {
                let at = usize::from(dice[0]) * 7 % body.len();
                match dice[1] % 5 {
                    0 => body[at] = dice[2],
                    1 => body.truncate(at),
                    2 => drop(body.splice(at..at, dice[3..9].to_vec())),
                    3 => drop(body.splice(at..at, b"null".iter().copied())),
                    _ => {}
                }
            }
            let mut headers = HeaderMap::new();
            for (name, text) in
                [("retry-after", &dice[10..16]), ("link", &dice[16..40]), ("content-type", &dice[40..60])]
            {
                if let Ok(value) = HeaderValue::from_bytes(text) {
                    headers.insert(name, value);
                }
            }
            let status = [200, 204, 302, 400, 401, 403, 404, 429, 500, 999][usize::from(dice[60]) % 10];
            let reply = classify::Reply { status, headers: &headers, body: &body };
            let outcome = classify::judge(&provider.errors, reply, now, []);
            let Ok(document) = &outcome else { continue };
            for stream in provider.streams.all() {
                let found = extract::records(stream, document, &Mapping::default());
                let records = found.map_or(0, |found| found.records.len());
                if let Some(paging) = provider.paging_of(stream) {
                    let page = Page { document, headers: &headers, url: &url, records };
                    let _ = paging::next(paging, &Position::Start, page);
                }
            }
            for call in provider.auth.iter().flat_map(Auth::calls) {
                let _ = token::read(call, document, now);
            }
            let limits: Vec<_> = provider.limits.iter().collect();
            let mut limiter = Limiter::new(&limits, now);
            limiter.learn(&limits, Seen { headers: &headers, document: Some(document), failure: None }, now);
        }
    }
}

/// The provider of the README, which is one file and no Rust.
#[tokio::test]
async fn the_provider_of_the_readme_works_as_it_stands_there() {
    let readme = include_str!("../../../../README.md");
    let (_, after) = readme.split_once("**A provider** is one file.").unwrap();
    let (text, _) = after.split_once("```toml\n").unwrap().1.split_once("```").unwrap();
    let provider = Arc::new(Manifest::parse("README.md", text).unwrap());
    let stage = Stage::of(vec![Arc::clone(&provider)]).await;
    let details = stage.details(&provider, &provider.auth[0]);
    let right = connection(&provider, &details);
    assert!(stage.connector.probe(&right).await.unwrap().is_good());
    let action = provider.actions.all().first().unwrap();
    let result = stage.connector.act(&right, action, arguments(action), None).await.unwrap();
    assert_eq!(result, action.example.0);
    let mut wrong = details;
    wrong.credential.values_mut().for_each(|secret| *secret = Secret::from("wrong".to_owned()));
    let verdict = stage.connector.probe(&connection(&provider, &wrong)).await.unwrap();
    assert_eq!(verdict.credential, Known::Bad);
    for (mood, class) in [(Mood::Throttling, Class::Throttled), (Mood::Down, Class::Down)] {
        stage.mood(&provider, mood, Some(1));
        let verdict = stage.connector.probe(&right).await.unwrap();
        assert_eq!(verdict.failure.unwrap().class, class);
    }
}
