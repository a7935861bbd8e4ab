//! Whether examples are what they stand by: the engines are run on them.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::super::{
    Manifest,
    answer::{Answer, Probe},
    problem::Line,
    reader::Reader,
    stream::Stream,
    webhook::{BodyFormat, Webhook},
};
use crate::{
    kernel::clock::Moment,
    provider::{
        classify::{self, Reply},
        expression::Document,
        extract,
        mapping::Mapping,
        probe, request,
        webhook::{Received, event},
    },
};

pub(super) fn check(manifest: &Manifest, reader: &mut Reader) {
    for rule in manifest.errors.rules.iter().flatten() {
        let found = judge(manifest, &rule.example);
        if found != Some(rule.class) {
            let found = found.map_or_else(|| "a success".to_owned(), |class| format!("`{class}`"));
            let message = format!(
                "`example` of this rule is {found}, not `{}`; an earlier rule takes it, or the conditions do not hold",
                rule.class
            );
            reader.problem(rule.line, message);
        }
    }
    if let Probe::Request(probe) = &manifest.probe {
        let verdict = probe::verdict(probe, judged(manifest, &probe.example.0));
        if !verdict.is_good() {
            reader.problem(
                probe.line,
                "`example` of the probe does not prove a credential; see `expect` and the rules of `errors`",
            );
        }
        if probe.account.is_some() && verdict.account.is_none() {
            reader.problem(probe.line, "`account` of the probe finds nothing in its `example`");
        }
    }
    if let Some(discovery) = manifest.discovery.get() {
        let mut whole = Value::Null;
        if !discovery.items.put(json!([discovery.example.0]), &mut whole) {
            reader.problem(discovery.line, "`items` of the discovery is no plain path; write one such as 'shops'");
        }
        let item = Document::from(discovery.example.0.clone());
        for (name, path) in [("id", &discovery.id), ("name", &discovery.name)]
            .into_iter()
            .chain(discovery.set.iter().map(|(name, path)| (name.as_str(), path)))
        {
            if path.text(&item).is_none() {
                reader.problem(discovery.line, format!("`{name}` of the discovery finds nothing in its `example`"));
            }
        }
    }
    for stream in manifest.streams.all() {
        self::stream(stream, reader);
    }
    for action in manifest.actions.all() {
        if judged(manifest, &action.example.0).is_err() {
            reader.problem(
                action.line,
                format!("`example` of the action `{}` is a failure by the rules of `errors`", action.key),
            );
        }
        let document = Document::from(action.example.0.clone());
        if action.result.as_ref().is_some_and(|result| result.value(&document).is_ok_and(|value| value.is_null())) {
            reader.problem(
                action.line,
                format!("`result` of the action `{}` finds nothing in its `example`", action.key),
            );
        }
    }
    if let Some(webhook) = manifest.webhook.get() {
        self::webhook(webhook, reader);
    }
}

/// The class of an answer, if it is a failure.
fn judge(manifest: &Manifest, answer: &Answer) -> Option<super::super::answer::Class> {
    let headers = headers(answer.headers.as_ref());
    let body = answer.body.as_ref().map(|body| body.0.to_string()).or_else(|| answer.text.clone()).unwrap_or_default();
    let reply = Reply { status: answer.status, headers: &headers, body: body.as_bytes() };
    classify::judge(&manifest.errors, reply, Moment::default(), []).err().map(|failure| failure.class)
}

/// The judgement on a body that came with 200.
fn judged(manifest: &Manifest, body: &Value) -> Result<Document, classify::Failure> {
    let text = body.to_string();
    let headers = HeaderMap::new();
    let reply = Reply { status: 200, headers: &headers, body: text.as_bytes() };
    classify::judge(&manifest.errors, reply, Moment::default(), [])
}

fn headers(of: Option<&BTreeMap<String, String>>) -> HeaderMap {
    let pairs = of
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?)));
    pairs.collect()
}

fn stream(stream: &Stream, reader: &mut Reader) {
    let key = &stream.key;
    let mut whole = Value::Null;
    stream.records.put(json!([stream.example.0]), &mut whole);
    let found = extract::records(stream, &Document::from(whole), &Mapping::default());
    let problem = match found {
        Err(reason) => format!("the stream `{key}` finds no record in its `example`: {reason}"),
        Ok(found) if found.records.is_empty() => format!("`id` of the stream `{key}` finds nothing in its `example`"),
        Ok(found)
            if stream.updated_at.get().is_some() && found.records.iter().any(|record| record.updated_at.is_none()) =>
        {
            format!("`updated_at` of the stream `{key}` finds no time in its `example`")
        }
        Ok(_) => return,
    };
    reader.problem(stream.line, problem);
}

fn webhook(webhook: &Webhook, reader: &mut Reader) {
    let sent = &webhook.example;
    let body = match webhook.format {
        BodyFormat::Json => sent.body.0.to_string(),
        BodyFormat::Form => request::form(&sent.body.0),
    };
    let Ok(mut url) = url::Url::parse("https://example.com/hooks/x") else { return };
    for (name, value) in sent.query.iter().flatten() {
        url.query_pairs_mut().append_pair(name, value);
    }
    let headers = headers(sent.headers.as_ref());
    let received = Received { url: &url, headers: &headers, body: body.as_bytes(), from: [127, 0, 0, 1].into() };
    let mut problem = |line: Line, message: &str| reader.problem(line, message);
    match event::read(webhook, received) {
        Err(reason) => problem(sent.line, &format!("`example` of the webhook says nothing: {reason}")),
        Ok(events) if events.is_empty() => problem(sent.line, "`example` of the webhook has no events; see `split`"),
        Ok(events) => {
            if events.iter().all(|event| event.is.is_none()) {
                problem(sent.line, "`example` of the webhook is of a kind that no route knows");
            }
            if webhook.account.get().is_some() && events.iter().any(|event| event.account.is_none()) {
                problem(sent.line, "`account` finds nothing in the `example` of the webhook");
            }
            if webhook.time.get().is_some() && events.iter().any(|event| event.at.is_none()) {
                problem(sent.line, "`time` finds nothing in the `example` of the webhook");
            }
        }
    }
}
