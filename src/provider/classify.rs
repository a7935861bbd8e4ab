//! Tells success from failure, and failures apart.
//!
//! Providers disagree with HTTP: failures come inside a 200, throttling comes as a 403 or a 400, a gateway
//! answers HTML where JSON was promised. So the file's rules come first and may look at status, headers and
//! body; then the status decides. One rule is ours and holds everywhere: whoever says how long to wait is
//! throttling, whatever the status, since a credential taken for bad switches a working integration off.

use std::time::Duration;

use chrono::{DateTime, Days, NaiveTime, Utc};
use http::{HeaderMap, header};

use super::{
    expression::{Document, Expression, storable},
    manifest::answer::{Class, Errors, Resets, Rule},
    redact,
};
use crate::kernel::{clock::Moment, secret::Secret};

/// Longest part of a body in which words are looked for.
const SEARCHED: usize = 64 * 1024;

/// Longest message that comes out, with the mark that it was cut.
#[cfg(test)]
const MAX_SEEN: usize = redact::MAX_MESSAGE + 1;

/// Longest wait that is believed.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// What came back.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body, within the bounds of the client.
    pub body: &'a [u8],
}

/// A failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What it means.
    pub class: Class,
    /// The status; none when there was no answer.
    pub status: Option<u16>,
    /// What the provider said, without our secrets.
    pub message: Option<String>,
    /// The provider's word or number for it.
    pub code: Option<String>,
    /// What identifies the request to the provider.
    pub request_id: Option<String>,
    /// From when on trying again makes sense, if the provider said so.
    pub until: Option<Moment>,
}

impl Failure {
    /// An answer out of which nothing can be read, or none at all, in our own words.
    #[must_use]
    pub const fn unreadable(status: Option<u16>, message: String) -> Self {
        let message = Some(message);
        Self { class: Class::Unreadable, status, message, code: None, request_id: None, until: None }
    }
}

/// Judges an answer. A success gives its document, which is null when there was no body.
pub fn judge<'s>(
    errors: &Errors,
    reply: Reply<'_>,
    now: Moment,
    secrets: impl IntoIterator<Item = &'s Secret>,
) -> Result<Document, Failure> {
    let document = read(reply.body);
    let rule = errors.rules.iter().flatten().find(|rule| applies(rule, reply, document.as_ref()));
    let class = match rule {
        Some(rule) => Some(rule.class),
        None => usual(errors, reply, document.is_some()),
    };
    let Some(class) = class.map(|class| patient(class, reply)) else {
        return Ok(document.unwrap_or_else(Document::null));
    };
    let said = |path: &Option<Expression>| {
        let (path, document) = (path.as_ref()?, document.as_ref()?);
        path.text(document).filter(|text| !text.trim().is_empty())
    };
    let message = said(&errors.message).or_else(|| plain(reply, document.is_some()));
    let secrets: Vec<&Secret> = secrets.into_iter().collect();
    let clean = |text: String| redact::message(&text, secrets.iter().copied());
    let resets = rule.and_then(|rule| rule.resets);
    Err(Failure {
        class,
        status: Some(reply.status),
        message: message.map(clean),
        code: said(&errors.code).map(clean),
        request_id: errors.request_id.as_ref().and_then(|name| text(reply.headers, name.0.as_str())).map(clean),
        until: retry_after(reply.headers, now).or_else(|| resets.and_then(|resets| next(resets, now))),
    })
}

/// Whoever asks to wait is throttling, whatever else is said.
fn patient(class: Class, reply: Reply<'_>) -> Class {
    let asks = reply.status == 429 || reply.headers.contains_key(header::RETRY_AFTER);
    match class {
        Class::Auth | Class::Permission if asks => Class::Throttled,
        Class::Throttled | Class::Quota | Class::Down => class,
        _ if reply.status == 429 => Class::Throttled,
        _ => class,
    }
}

/// The JSON of a body; a byte order mark before it is passed over. Nothing if it is no JSON or empty.
pub fn read(body: &[u8]) -> Option<Document> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace())?;
    // What does not begin like JSON is not parsed at all.
    let begins = matches!(first, b'{' | b'[' | b'"' | b't' | b'f' | b'n' | b'-' | b'0'..=b'9');
    begins.then(|| Document::parse(body).ok()).flatten()
}

/// Whether all conditions of a rule hold.
fn applies(rule: &Rule, reply: Reply<'_>, document: Option<&Document>) -> bool {
    let status = rule.status.as_ref().is_none_or(|those| those.iter().any(|those| those.has(reply.status)));
    status
        && rule.json.is_none_or(|json| json == document.is_some())
        && rule.header.as_ref().is_none_or(|test| {
            text(reply.headers, test.name.0.as_str())
                .is_some_and(|value| test.contains.as_ref().is_none_or(|part| contains(value.as_bytes(), part)))
        })
        && rule.text.as_ref().is_none_or(|part| contains(reply.body, part))
        && rule.body.as_ref().is_none_or(|condition| document.is_some_and(|document| condition.holds(document)))
}

/// Whether words are in a text, in whichever case.
fn contains(text: &[u8], part: &str) -> bool {
    let text = &text[..text.len().min(SEARCHED)];
    text.windows(part.len().max(1)).any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}

/// What the status means when the file says nothing; nothing for a success.
fn usual(errors: &Errors, reply: Reply<'_>, is_json: bool) -> Option<Class> {
    let empty = reply.body.iter().all(u8::is_ascii_whitespace);
    Some(match reply.status {
        200..=299 if errors.json && !is_json && !empty => Class::Unreadable,
        200..=299 => return None,
        100..=199 | 300..=399 => Class::Unreadable,
        420 | 429 => Class::Throttled,
        401 => Class::Auth,
        402 | 403 => Class::Permission,
        404 | 410 => Class::NotFound,
        408 | 421 | 425 => Class::Down,
        409 | 412 | 423 => Class::Conflict,
        400..=499 => Class::Invalid,
        _ => Class::Down,
    })
}

/// What can be said when the provider said nothing readable.
fn plain(reply: Reply<'_>, is_json: bool) -> Option<String> {
    let kind = text(reply.headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    let html = kind.contains("html") || reply.body.trim_ascii_start().first() == Some(&b'<');
    if reply.body.is_empty() || is_json {
        None
    } else if html {
        Some(match title(reply.body) {
            Some(title) => format!("the answer was a page, not JSON: {title}"),
            None => "the answer was a page, not JSON".to_owned(),
        })
    } else if std::str::from_utf8(reply.body).is_err() {
        Some("the answer was not text in UTF-8".to_owned())
    } else {
        let start = reply.body.get(..reply.body.len().min(2_000)).unwrap_or_default();
        Some(storable(String::from_utf8_lossy(start).into_owned()))
    }
}

/// The title of a page.
fn title(body: &[u8]) -> Option<String> {
    let start = String::from_utf8_lossy(body.get(..body.len().min(8_192))?).into_owned();
    let lower = start.to_ascii_lowercase();
    let from = lower.find("<title>")? + "<title>".len();
    let to = from + lower.get(from..)?.find('<')?;
    start.get(from..to).map(|title| storable(title.trim().to_owned())).filter(|title| !title.is_empty())
}

/// A header as text.
pub fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// The moment that `Retry-After` names, in seconds or as a date; never further away than is believed.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: Moment) -> Option<Moment> {
    let value = text(headers, header::RETRY_AFTER.as_str())?;
    let value = value.trim();
    let latest = now + LONGEST_WAIT;
    let moment = match value.parse::<f64>() {
        Ok(seconds) if seconds.is_finite() && seconds >= 0.0 => {
            now + Duration::from_secs_f64(seconds.min(LONGEST_WAIT.as_secs_f64()))
        }
        Ok(_) => return None,
        Err(_) => DateTime::parse_from_rfc2822(value).ok()?.with_timezone(&Utc),
    };
    Some(moment.clamp(now, latest))
}

/// When a quota begins anew.
fn next(resets: Resets, now: Moment) -> Option<Moment> {
    match resets {
        Resets::MidnightUtc => {
            let tomorrow = now.date_naive().checked_add_days(Days::new(1))?;
            Some(tomorrow.and_time(NaiveTime::MIN).and_utc())
        }
    }
}

#[cfg(test)]
mod tests;
