//! Limits against a clock that is moved by hand: what is kept to, and what is learnt.

use std::time::Duration;

use chrono::TimeDelta;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::{Limiter, Seen};
use crate::{
    kernel::clock::Moment,
    provider::{
        classify::Failure,
        expression::Document,
        manifest::{
            answer::Class,
            limit::Limit,
            problem::Line,
            reader::{Node, Reader},
            shape::Shape,
        },
    },
};

fn limit(text: &str) -> Limit {
    let table = toml::de::DeTable::parse(text).unwrap();
    let root = toml::de::DeValue::Table(table.into_inner());
    let mut reader = Reader::new(text);
    let read = Limit::read(&Node { value: &root, line: Line(1), path: "limit".to_owned() }, &mut reader);
    read.unwrap_or_else(|| panic!("{:?}", reader.problems))
}

fn start() -> Moment {
    "2026-11-21T23:00:00.5Z".parse().unwrap()
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair =
        |(name, value): &(&str, &str)| (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
    pairs.iter().map(pair).collect()
}

/// Makes as many requests as it may for a span, each ending at once, and gives their times.
fn drive(limit: &Limit, span: Duration) -> Vec<Moment> {
    let limits = [limit];
    let mut limiter = Limiter::new(&limits, start());
    let mut now = start();
    let end = now + span;
    let mut times = Vec::new();
    let none = HeaderMap::new();
    loop {
        if now >= end {
            return times;
        }
        if let Err(later) = limiter.take(&limits, now) {
            now = later;
            continue;
        }
        times.push(now);
        limiter.learn(&limits, Seen { headers: &none, document: None, failure: None }, now);
        assert!(times.len() < 100_000);
        // A wait that is no wait would loop; a request takes a little time.
        now += TimeDelta::microseconds(100);
    }
}

fn most_within(times: &[Moment], span: TimeDelta) -> usize {
    times
        .iter()
        .map(|from| times.iter().filter(|time| **time >= *from && **time < *from + span).count())
        .max()
        .unwrap_or(0)
}

#[test]
fn a_window_is_used_up_and_begins_anew_at_round_times() {
    let times = drive(&limit("shape = \"window\"\nrequests = 10\nper = \"1s\""), Duration::from_secs(3));
    assert_eq!(times.len(), 10 + 30);
    let by_second = |second: &str| times.iter().filter(|time| time.format("%S").to_string() == second).count();
    assert_eq!(by_second("01"), 10);
}

#[test]
fn a_sliding_window_holds_wherever_one_looks() {
    let times = drive(&limit("shape = \"sliding\"\nrequests = 7\nper = \"1s\""), Duration::from_secs(5));
    assert_eq!(most_within(&times, TimeDelta::seconds(1)), 7);
    assert_eq!(times.len(), 35);
}

#[test]
fn a_bucket_lets_a_burst_through_and_then_its_flow() {
    let times = drive(&limit("shape = \"bucket\"\ncapacity = 20\nper_second = 5"), Duration::from_secs(10));
    assert!((69..=71).contains(&times.len()), "{}", times.len());
    assert!(most_within(&times, TimeDelta::milliseconds(100)) <= 21);
}

#[test]
fn points_follow_what_answers_say() {
    let it =
        limit("shape = \"points\"\ncapacity = 100\nper_second = 10\nassumed = 50\ncost = \"cost\"\nleft = \"left\"");
    let limits = [&it];
    let mut limiter = Limiter::new(&limits, start());
    let none = HeaderMap::new();
    let answer = |body: Value| Document::from(body);
    assert_eq!(limiter.ready_at(&limits, start()), start());
    let _ = limiter.take(&limits, start());
    // It cost far less than assumed, so two more go at once.
    let cheap = answer(json!({"cost": 2}));
    limiter.learn(&limits, Seen { headers: &none, document: Some(&cheap), failure: None }, start());
    assert_eq!(limiter.ready_at(&limits, start()), start());
    let _ = limiter.take(&limits, start());
    // Somebody else uses the same shop: what is left is what the answer says.
    let poor = answer(json!({"cost": 50, "left": 10}));
    limiter.learn(&limits, Seen { headers: &none, document: Some(&poor), failure: None }, start());
    let wait = limiter.ready_at(&limits, start()) - start();
    assert!((wait - TimeDelta::seconds(4)).abs() < TimeDelta::milliseconds(1), "{wait}");
}

#[test]
fn so_many_at_once_and_lost_ones_are_forgotten() {
    let it = limit("shape = \"concurrency\"\nmost = 2");
    let limits = [&it];
    let mut limiter = Limiter::new(&limits, start());
    for _ in 0..2 {
        assert_eq!(limiter.ready_at(&limits, start()), start());
        let _ = limiter.take(&limits, start());
    }
    assert!(limiter.ready_at(&limits, start()) > start());
    let none = HeaderMap::new();
    limiter.learn(&limits, Seen { headers: &none, document: None, failure: None }, start());
    assert_eq!(limiter.ready_at(&limits, start()), start());
    let _ = limiter.take(&limits, start());
    let later = start() + TimeDelta::seconds(121);
    assert_eq!(limiter.ready_at(&limits, later), later);
}

#[test]
fn a_daily_allowance_begins_anew_at_midnight_of_utc() {
    let it = limit("shape = \"daily\"\nrequests = 1");
    let limits = [&it];
    let mut limiter = Limiter::new(&limits, start());
    limiter.ready_at(&limits, start());
    limiter.take(&limits, start()).unwrap();
    assert_eq!(limiter.ready_at(&limits, start()), "2026-11-22T00:00:00Z".parse::<Moment>().unwrap());
}

#[test]
fn percentages_slow_down_and_then_stop() {
    let it = limit(
        "shape = \"usage\"\nheaders = [\"X-App-Usage\", \"X-Business-Use-Case-Usage\"]\nfields = [\"call_count\"]\n\
         wait_minutes = \"estimated_time_to_regain_access\"\nslow_at = 75\nstop_at = 95",
    );
    let limits = [&it];
    let mut limiter = Limiter::new(&limits, start());
    let mut learn = |header: &str, value: &str| {
        let headers = headers(&[(header, value)]);
        let _ = limiter.take(&limits, start());
        limiter.learn(&limits, Seen { headers: &headers, document: None, failure: None }, start());
        limiter.ready_at(&limits, start()) - start()
    };
    assert_eq!(learn("x-app-usage", r#"{"call_count":28,"total_time":99}"#), TimeDelta::zero());
    assert_eq!(learn("x-app-usage", r#"{"call_count":85}"#), TimeDelta::milliseconds(2_500));
    let blocked = r#"{"178":[{"type":"ads","call_count":100,"estimated_time_to_regain_access":19}]}"#;
    assert_eq!(learn("x-business-use-case-usage", blocked), TimeDelta::minutes(19));
    // Nonsense changes nothing, and neither does what is not there.
    assert_eq!(learn("x-app-usage", "{{{"), TimeDelta::minutes(19));
    assert_eq!(learn("x-app-usage", r#"{"call_count":"many"}"#), TimeDelta::minutes(19));
}

#[test]
fn headers_that_say_how_much_is_left_are_believed() {
    let it = limit(
        "shape = \"headers\"\nremaining = \"X-RateLimit-Remaining\"\nreset = \"X-RateLimit-Reset\"\nreset_is = \"epoch\"",
    );
    let limits = [&it];
    let mut limiter = Limiter::new(&limits, start());
    let reset = (start() + TimeDelta::seconds(30)).timestamp().to_string();
    let told = headers(&[("x-ratelimit-remaining", "1"), ("x-ratelimit-reset", &reset)]);
    limiter.learn(&limits, Seen { headers: &told, document: None, failure: None }, start());
    assert_eq!(limiter.ready_at(&limits, start()), start());
    let _ = limiter.take(&limits, start());
    assert!(limiter.ready_at(&limits, start()) > start() + TimeDelta::seconds(29));
    let far = headers(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "99999999999")]);
    limiter.learn(&limits, Seen { headers: &far, document: None, failure: None }, start());
    assert_eq!(limiter.ready_at(&limits, start()), start() + TimeDelta::hours(24));
}

#[test]
fn an_unknown_limit_is_found_by_trying() {
    let it = limit("shape = \"adaptive\"\nstart = 4\nmost = 10");
    let limits = [&it];
    let mut limiter = Limiter::new(&limits, start());
    let none = HeaderMap::new();
    let refused = Failure {
        class: Class::Throttled,
        status: Some(429),
        message: None,
        code: None,
        request_id: None,
        until: None,
    };
    let mut now = start();
    let mut pace = |failure: Option<&Failure>| {
        now = limiter.ready_at(&limits, now);
        let before = now;
        let _ = limiter.take(&limits, now);
        limiter.learn(&limits, Seen { headers: &none, document: None, failure }, now);
        now = limiter.ready_at(&limits, now);
        now - before
    };
    assert_eq!(pace(None), TimeDelta::milliseconds(250));
    assert!(pace(Some(&refused)) >= TimeDelta::seconds(5), "a refusal blocks");
    let slower = pace(None);
    assert!(slower > TimeDelta::milliseconds(400), "{slower}");
    for _ in 0..1_000 {
        pace(None);
    }
    assert_eq!(pace(None), TimeDelta::milliseconds(100), "never faster than the most");
}

#[test]
fn a_refusal_with_a_time_blocks_until_then() {
    let it = limit("shape = \"window\"\nrequests = 100\nper = \"1s\"");
    let limits = [&it];
    let mut limiter = Limiter::new(&limits, start());
    let until = start() + TimeDelta::minutes(7);
    let refused = Failure {
        class: Class::Quota,
        status: Some(429),
        message: None,
        code: None,
        request_id: None,
        until: Some(until),
    };
    let none = HeaderMap::new();
    limiter.learn(&limits, Seen { headers: &none, document: None, failure: Some(&refused) }, start());
    assert_eq!(limiter.ready_at(&limits, start()), until);
    let kept = serde_json::to_string(&limiter).unwrap();
    assert_eq!(serde_json::from_str::<Limiter>(&kept).unwrap(), limiter, "it can be stored");
}
