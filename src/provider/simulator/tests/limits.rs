//! Limits of the files: whoever keeps to them is never throttled, and whoever does not is.

use std::collections::BTreeSet;

use super::{Arc, Auth, Class, Document, Failure, Probe, Reply, Site, Stage, Values, auth, request};
use crate::provider::{
    limit::{self, Limiter, Seen},
    manifest::{Manifest, limit::Limit},
};

/// Limits that reach the probe in the first environment.
fn reaching<'m>(stage: &Stage, manifest: &'m Manifest) -> Vec<&'m Limit> {
    let asked =
        limit::Asked { environment: manifest.environments[0].key.as_str(), of: None, values: stage.fake.values() };
    manifest.limits.iter().filter(|limit| limit::reaches(limit, asked)).collect()
}

/// The answer to the probe.
fn ask(stage: &mut Stage, method: &Auth, values: &Values) -> (Reply, Result<Document, Failure>) {
    let manifest = Arc::clone(&stage.manifest);
    let Probe::Request(probe) = &manifest.probe else { panic!("{} has no probe by request", manifest.key) };
    let ready = stage.make(&probe.request, method, values).finish().unwrap();
    let reply = stage.send(&ready);
    let outcome = stage.judge(&reply);
    (reply, outcome)
}

fn throttled(outcome: &Result<Document, Failure>) -> bool {
    outcome.as_ref().is_err_and(|failure| matches!(failure.class, Class::Throttled | Class::Quota))
}

#[test]
fn who_keeps_to_the_limits_is_never_throttled_and_who_does_not_is() {
    let mut shapes = BTreeSet::new();
    for stage in Stage::all() {
        let manifest = Arc::clone(&stage.manifest);
        let limits = reaching(&stage, &manifest);
        let counted = limits.iter().any(|limit| !matches!(limit, Limit::Concurrency(_)));
        if !counted || matches!(manifest.probe, Probe::Token(_)) {
            continue;
        }
        let method = manifest.auth[0].clone();
        // Greedy: one after the other without a pause.
        let mut greedy = Stage::of(Arc::clone(&manifest));
        let values = greedy.connect(&method).unwrap();
        let refused = (0..2_000).find(|_| throttled(&ask(&mut greedy, &method, &values).1));
        assert!(refused.is_some(), "{}", manifest.key);
        // Patient: asks the same limits first, on the same clock, and learns from every answer.
        let mut patient = Stage::of(Arc::clone(&manifest));
        let values = patient.connect(&method).unwrap();
        let mut limiter = Limiter::new(&limits, patient.now);
        for _ in 0..refused.unwrap() + 300 {
            while let Err(later) = limiter.take(&limits, patient.now) {
                patient.now = later;
            }
            let (reply, outcome) = ask(&mut patient, &method, &values);
            assert!(!throttled(&outcome), "{}: {outcome:?} at {}", manifest.key, patient.now);
            let headers = reply.header_map();
            let seen = Seen { headers: &headers, document: outcome.as_ref().ok(), failure: outcome.as_ref().err() };
            limiter.learn(&limits, seen, patient.now);
            // Tokens end while it waits; that is another matter.
            if outcome.is_err_and(|failure| failure.class == Class::Auth) {
                break;
            }
        }
        shapes.extend(limits.iter().map(|limit| limit.word()));
    }
    let expected = ["adaptive", "headers", "points", "sliding", "usage", "window"];
    assert!(expected.iter().all(|shape| shapes.contains(shape)), "{shapes:?}");
}

#[test]
fn only_so_many_are_answered_at_once() {
    for (key, most) in [("mailchimp", 10), ("twilio", 100)] {
        let mut stage = Stage::named(key);
        let method = stage.manifest.auth.iter().find(|auth| auth.token().is_none()).unwrap().clone();
        let values = stage.connect(&method).unwrap();
        let manifest = Arc::clone(&stage.manifest);
        let Probe::Request(probe) = &manifest.probe else { panic!("no probe by request") };
        let ready = stage.make(&probe.request, &method, &values).finish().unwrap();
        let asked = Stage::asked(&ready);
        for number in 0..most {
            let (reply, manner) = stage.fake.begin(&asked, stage.now);
            assert!(manner.under_way && stage.judge(&reply).is_ok(), "{key}: {number}");
        }
        let (reply, manner) = stage.fake.begin(&asked, stage.now);
        assert!(!manner.under_way && throttled(&stage.judge(&reply)), "{key}");
        stage.fake.answered();
        assert!(stage.fake.begin(&asked, stage.now).1.under_way, "{key}");
    }
}

#[test]
fn a_limit_for_each_recipient_and_one_of_an_environment_hold_where_they_reach() {
    let mut whatsapp = Stage::named("whatsapp");
    let method = whatsapp.manifest.auth.iter().find(|auth| auth.token().is_none()).unwrap().clone();
    let manifest = Arc::clone(&whatsapp.manifest);
    let action = manifest.action("send_text").unwrap();
    let values = whatsapp.connect(&method).unwrap();
    let mut send = |to: &str| {
        let mut values = values.clone();
        values.set_input(serde_json::json!({"to": to, "text": "hello"}));
        let ready = whatsapp.make(&action.request, &method, &values).finish().unwrap();
        let reply = whatsapp.send(&ready);
        whatsapp.judge(&reply)
    };
    assert!(send("4915100000001").is_ok());
    assert!(throttled(&send("4915100000001")), "one person, twice at once");
    assert!(send("4915100000002").is_ok(), "another person");

    let mut dhl = Stage::named("dhl_express");
    let manifest = Arc::clone(&dhl.manifest);
    let method = manifest.auth[0].clone();
    let values = dhl.connect(&method).unwrap();
    let Probe::Request(probe) = &manifest.probe else { panic!("no probe by request") };
    let site = Site::of(manifest.environment("test").unwrap(), &values).unwrap();
    let mut outgoing = request::make(&probe.request, &site, manifest.headers.as_ref(), &values).unwrap();
    auth::inject(method.inject(), &values, &mut outgoing).unwrap();
    let ready = outgoing.finish().unwrap();
    let refused = (0..600).find_map(|number| {
        let reply = dhl.send(&ready);
        dhl.judge(&reply).err().map(|failure| (number, failure))
    });
    let (number, failure) = refused.unwrap();
    assert_eq!(number, 500);
    assert_eq!(failure.until, Some("2026-11-22T00:00:00Z".parse().unwrap()), "{failure:?}");
}
