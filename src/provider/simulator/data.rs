//! Records that grow with time, and answers that are cut into pages.
//!
//! Record number n is the example of the stream with its own id and time. There are some at the beginning and
//! one more every few seconds, so that whoever reads regularly always finds something new.

use chrono::{SecondsFormat, TimeDelta};
use serde_json::{Value, json};

use super::fake::{Asked, Reply};
use crate::{
    kernel::clock::Moment,
    provider::{
        extract::moment,
        manifest::{
            Manifest,
            paging::{Into, Paging},
            stream::Stream,
        },
        template::{Template, Tree},
    },
};

/// Records at the beginning.
pub(in crate::provider) const FIRST: usize = 23;

/// Time between two new ones.
pub(super) const EVERY: TimeDelta = TimeDelta::seconds(5);

/// The answer to a request for a page of a stream.
pub(super) fn page(manifest: &Manifest, stream: &Stream, asked: &Asked, began: Moment, now: Moment) -> Reply {
    let grown = usize::try_from((now - began).num_seconds() / EVERY.num_seconds()).unwrap_or_default();
    let since = since(stream, asked);
    let all: Vec<usize> = (0..FIRST + grown).filter(|at| since.is_none_or(|since| time(*at, began) >= since)).collect();
    let paging = manifest.paging_of(stream);
    let size = paging.and_then(Paging::size);
    let most = size.map_or(usize::MAX, |size| size.most as usize);
    let wanted = size
        .and_then(|size| size.parameter.as_ref())
        .and_then(|name| said(asked, paging, name))
        .and_then(|text| text.parse().ok());
    let most = wanted.unwrap_or(most).min(most).max(1);
    let start = paging.map_or(0, |paging| start(paging, stream, asked, &all, most, began));
    let shown: Vec<Value> = all.iter().skip(start).take(most).map(|at| record(stream, *at, began)).collect();
    let end = start + shown.len();
    let more = end < all.len();
    let mut body = if shown.is_empty() { json!({}) } else { Value::Null };
    if stream.records.as_str() == "@" {
        body = Value::Array(shown);
    } else {
        stream.records.put(if shown.is_empty() { json!([]) } else { Value::Array(shown) }, &mut body);
        if end == start {
            empty_list(stream, &mut body);
        }
    }
    let mut reply = Reply::json(200, &Value::Null);
    if let Some(paging) = paging {
        point(paging, asked, &mut reply, &mut body, Pointed { end, total: all.len(), most, more });
    }
    reply.body = body.to_string().into_bytes();
    reply
}

/// An empty page has its list all the same.
fn empty_list(stream: &Stream, body: &mut Value) {
    let path = stream.records.as_str().trim_end_matches("[]").split("[].").next().unwrap_or_default();
    if let Ok(path) = crate::provider::expression::Expression::parse(path) {
        path.put(json!([]), body);
    }
}

/// When record number `at` last changed.
fn time(at: usize, began: Moment) -> Moment {
    let at = i64::try_from(at).unwrap_or_default();
    let first = i64::try_from(FIRST).unwrap_or_default();
    // Those of the beginning lie a minute apart before it; the others came when they came.
    if at < first {
        began - TimeDelta::minutes(first - at)
    } else {
        began + EVERY * i32::try_from(at - first + 1).unwrap_or(i32::MAX)
    }
}

/// Record number `at`.
fn record(stream: &Stream, at: usize, began: Moment) -> Value {
    let mut record = stream.example.0.clone();
    let document = crate::provider::expression::Document::from(record.clone());
    let like = stream.id.value(&document).unwrap_or(Value::Null);
    let id = match like {
        Value::Number(_) => json!(100_000 + at),
        Value::String(text) => json!(numbered(&text, at)),
        _ => json!(format!("{at:06}")),
    };
    stream.id.put_somewhere(&id, &mut record);
    if let Some(path) = stream.updated_at.get() {
        let written = path.value(&document).unwrap_or(Value::Null);
        path.put(as_written(&written, time(at, began)), &mut record);
    }
    record
}

/// Another id of the same kind: with this number for the digits at its end.
fn numbered(id: &str, at: usize) -> String {
    let kind = id.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let between = if kind.ends_with(char::is_alphanumeric) { "-" } else { "" };
    format!("{kind}{between}{at:06}")
}

/// A time in the way in which another is written.
fn as_written(like: &Value, time: Moment) -> Value {
    match like {
        Value::Number(number) if number.as_f64().is_some_and(|number| number > 95_617_584_000.0) => {
            json!(time.timestamp_millis())
        }
        Value::Number(_) => json!(time.timestamp()),
        Value::String(text) if text.ends_with("+0000") && text.contains(',') => json!(time.to_rfc2822()),
        Value::String(text) if text.ends_with("+0000") => json!(time.format("%Y-%m-%dT%H:%M:%S+0000").to_string()),
        Value::String(text) if text.len() == 10 => json!(time.format("%Y-%m-%d").to_string()),
        Value::String(text) if text.len() == 19 => json!(time.format("%Y-%m-%dT%H:%M:%S").to_string()),
        _ => json!(time.to_rfc3339_opts(SecondsFormat::Secs, true)),
    }
}

/// The time from which on changes are wanted.
fn since(stream: &Stream, asked: &Asked) -> Option<Moment> {
    let uses = |template: &Template| template.names().any(|name| name == "since");
    let inner = |template: &Template, text: &str| {
        let (before, after) = template.as_str().split_once("{since}")?;
        moment(text.strip_prefix(before)?.strip_suffix(after)?)
    };
    for (name, template) in stream.request.query.iter().flatten().filter(|(_, template)| uses(template)) {
        if let Some((_, text)) = asked.url.query_pairs().find(|(key, _)| key == name) {
            return inner(template, &text);
        }
    }
    let variables = stream.request.graphql.as_ref().and_then(|graphql| graphql.variables.as_ref())?;
    let Tree::Table(fields) = variables else { return None };
    fields.iter().find_map(|(name, tree)| match tree {
        Tree::Text(template) if uses(template) => inner(template, asked.json().get("variables")?.get(name)?.as_str()?),
        _ => None,
    })
}

/// What a request says under a name of paging.
fn said(asked: &Asked, paging: Option<&Paging>, name: &str) -> Option<String> {
    let json = asked.json();
    let value = match paging.map_or(Into::Query, Paging::into) {
        Into::Query => {
            return asked.url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        }
        Into::Body => asked.fields().get(name).cloned()?,
        Into::Variables => json.get("variables")?.get(name).cloned()?,
    };
    value.as_str().map(str::to_owned).or_else(|| Some(value.to_string()))
}

/// The number of the first record of the page that is asked for.
fn start(paging: &Paging, stream: &Stream, asked: &Asked, all: &[usize], most: usize, began: Moment) -> usize {
    let number = |name: &str| said(asked, Some(paging), name).and_then(|text| text.parse::<usize>().ok());
    match paging {
        Paging::LinkHeader(_) | Paging::NextUrl(_) => {
            asked.url.query_pairs().find(|(key, _)| key == "_from").and_then(|(_, text)| text.parse().ok()).unwrap_or(0)
        }
        Paging::Page(it) => {
            number(&it.parameter).map_or(0, |page| page.saturating_sub(usize::from(!it.from_zero)).saturating_mul(most))
        }
        Paging::Offset(it) => number(&it.parameter).unwrap_or(0),
        Paging::Cursor(it) => {
            let Some(cursor) = said(asked, Some(paging), &it.parameter) else { return 0 };
            if let Ok(at) = cursor.parse::<usize>() {
                return at;
            }
            let is_it = |at: &usize| {
                let record = record(stream, *at, began);
                stream.id.text(&crate::provider::expression::Document::from(record)).as_deref() == Some(&cursor)
            };
            all.iter().position(is_it).map_or(all.len(), |at| at + 1)
        }
    }
}

/// Where a page stands.
#[derive(Clone, Copy)]
struct Pointed {
    end: usize,
    total: usize,
    most: usize,
    more: bool,
}

/// Says where the next page is, as the provider does.
fn point(paging: &Paging, asked: &Asked, reply: &mut Reply, body: &mut Value, at: Pointed) {
    let next_url = || {
        let mut url = asked.public.clone();
        let kept: Vec<(String, String)> = url
            .query_pairs()
            .filter(|(key, _)| key != "_from")
            .map(|(key, value)| (key.into_owned(), value.into_owned()))
            .collect();
        url.query_pairs_mut().clear().extend_pairs(kept).append_pair("_from", &at.end.to_string());
        url
    };
    match paging {
        Paging::LinkHeader(_) if at.more => {
            reply.headers.push(("link".to_owned(), format!("<{}>; rel=\"next\"", next_url())));
        }
        Paging::NextUrl(it) if at.more => {
            it.next.put(json!(next_url().as_str()), body);
        }
        Paging::LinkHeader(_) | Paging::NextUrl(_) => {}
        Paging::Cursor(it) => {
            // A cursor that is the id of the last record is there already.
            let natural = it.next.as_str().contains("[-1]");
            if at.more && !natural {
                let like_number = it.next.as_str().starts_with("to_string(");
                it.next.put(if like_number { json!(at.end) } else { json!(at.end.to_string()) }, body);
            }
            if let Some(more) = &it.more {
                more.put(json!(at.more), body);
            }
        }
        Paging::Page(it) => {
            if let Some(pages) = &it.pages {
                pages.put(json!(at.total.div_ceil(at.most.max(1))), body);
            }
            if let Some(more) = &it.more {
                more.put(json!(at.more), body);
            }
        }
        Paging::Offset(it) => {
            if let Some(total) = &it.total {
                total.put(json!(at.total), body);
            }
        }
    }
}
