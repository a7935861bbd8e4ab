//! Which media types are spoken: what a client accepts, and what it may send.
//!
//! For every type this server can produce, the most specific range of `Accept` that covers it gives its
//! quality (`q=0` excludes). The highest quality wins; then what is named in full over what a wildcard
//! covers; then what the client listed first; then the order of [`Media::ALL`], in which plain JSON leads,
//! so that `*/*` and silence mean `application/json`. Pieces that cannot be read are passed over, and
//! parameters other than `q` and `charset` do not matter.
//!
//! A body is taken as `application/json` in UTF-8 and as nothing else. This is also what keeps other sites
//! out: the types that a browser sends without asking first are all refused.
//!
//! A further type (an event stream, parts) is a variant and a line in each `match` below.

use axum::http::{HeaderMap, header};

use crate::kernel::error::Code;

/// A type of answer that this server produces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Media {
    /// JSON, in the older way: 200 once the request was understood.
    Json,
    /// A GraphQL response, whose HTTP status tells how it went.
    GraphqlResponse,
    /// A stream of events.
    EventStream,
}

impl Media {
    /// Every type, the one to prefer first.
    pub const ALL: [Self; 3] = [Self::Json, Self::GraphqlResponse, Self::EventStream];

    /// The type and subtype, as `Accept` names them.
    #[must_use]
    pub const fn essence(self) -> (&'static str, &'static str) {
        match self {
            Self::Json => ("application", "json"),
            Self::GraphqlResponse => ("application", "graphql-response+json"),
            Self::EventStream => ("text", "event-stream"),
        }
    }

    /// The value of `content-type`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::EventStream => "text/event-stream; charset=utf-8",
        }
    }
}

/// Nothing this server can produce is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("none of the accepted media types can be produced")]
pub struct NotAcceptable;

impl NotAcceptable {
    /// The code clients see.
    pub const CODE: Code = Code::NotAcceptable;
}

/// The body is of a type that is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the content-type must be application/json in UTF-8")]
pub struct Unsupported;

impl Unsupported {
    /// The code clients see.
    pub const CODE: Code = Code::UnsupportedMediaType;
}

/// The type to answer with.
pub fn accept(headers: &HeaderMap) -> Result<Media, NotAcceptable> {
    let lines = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let ranges: Vec<Range> = lines.flat_map(|line| split(line, ',')).filter_map(Range::read).collect();
    if ranges.is_empty() {
        return Ok(Media::Json);
    }
    let mut best = None;
    for media in Media::ALL {
        // The most specific range decides; of equals, the first.
        let decisive = ranges.iter().enumerate().filter_map(|(place, range)| {
            let breadth = range.covers(media)?;
            Some((breadth, place, range.quality))
        });
        let Some((breadth, place, quality @ 1..)) = decisive.min() else { continue };
        // Who takes anything does not mean an answer that never ends.
        if media == Media::EventStream && breadth != Breadth::Exact {
            continue;
        }
        let rank = (1_000 - quality, breadth, place);
        if best.is_none_or(|(leader, _)| rank < leader) {
            best = Some((rank, media));
        }
    }
    best.map(|(_, media)| media).ok_or(NotAcceptable)
}

/// Checks that a body is JSON in UTF-8, by its header.
pub fn content_type(headers: &HeaderMap) -> Result<(), Unsupported> {
    let mut lines = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return Err(Unsupported) };
    let range = line.to_str().ok().and_then(Range::read).ok_or(Unsupported)?;
    // Read like a range, but a body is of one type.
    if range.covers(Media::Json) == Some(Breadth::Exact) { Ok(()) } else { Err(Unsupported) }
}

/// How much a range covers; less comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Breadth {
    Exact,
    Family,
    All,
}

/// One piece of `Accept`.
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// Whether UTF-8 is fine with it.
    utf8: bool,
    /// In thousandths.
    quality: u16,
}

impl<'a> Range<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let mut parts = split(text, ';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let mut range = Self { kind, subtype, utf8: true, quality: 1_000 };
        if !token(kind) || !token(subtype) || (kind == "*" && subtype != "*") {
            return None;
        }
        for part in parts.filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=')?;
            let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
            if name.eq_ignore_ascii_case("q") {
                range.quality = thousandths(value)?;
            } else if name.eq_ignore_ascii_case("charset") {
                range.utf8 = ["utf-8", "utf8", "*"].iter().any(|name| value.eq_ignore_ascii_case(name));
            }
        }
        Some(range)
    }

    fn covers(&self, media: Media) -> Option<Breadth> {
        let (kind, subtype) = media.essence();
        let breadth = match (self.kind, self.subtype) {
            ("*", _) => Breadth::All,
            (own, "*") if own.eq_ignore_ascii_case(kind) => Breadth::Family,
            (own, sub) if own.eq_ignore_ascii_case(kind) && sub.eq_ignore_ascii_case(subtype) => Breadth::Exact,
            _ => return None,
        };
        self.utf8.then_some(breadth)
    }
}

/// The pieces between separators, those inside quotes left alone.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |letter| {
        let inside = quoted;
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        letter == separator && !inside
    })
}

/// A word as HTTP allows it.
fn token(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}

/// A quality: 0 to 1 with at most three decimals.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if !matches!(whole, "0" | "1") || decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let quality = format!("{whole}{decimals:0<3}").parse().ok()?;
    (quality <= 1_000).then_some(quality)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn with(name: &HeaderName, lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (name.clone(), HeaderValue::from_str(line).unwrap())).collect()
    }

    fn chosen(accepted: &str) -> Option<Media> {
        accept(&with(&header::ACCEPT, &[accepted])).ok()
    }

    const JSON: Option<Media> = Some(Media::Json);
    const GRAPHQL: Option<Media> = Some(Media::GraphqlResponse);

    #[test]
    fn silence_and_wildcards_mean_json() {
        assert_eq!(accept(&HeaderMap::new()), Ok(Media::Json));
        for accepted in ["*/*", "application/*", "", " , ", "text/html, */*;q=0.8", "*/*;q=0.001"] {
            assert_eq!(chosen(accepted), JSON, "{accepted}");
        }
    }

    #[test]
    fn the_higher_quality_wins() {
        assert_eq!(chosen("application/json;q=0.9, application/graphql-response+json"), GRAPHQL);
        assert_eq!(chosen("application/graphql-response+json;q=0.5, application/json;q=0.501"), JSON);
        assert_eq!(chosen("application/graphql-response+json; q=0.1, */*; Q=0.2"), JSON);
    }

    #[test]
    fn among_equals_the_first_wins() {
        assert_eq!(chosen("application/graphql-response+json, application/json"), GRAPHQL);
        assert_eq!(chosen("application/json, application/graphql-response+json"), JSON);
    }

    #[test]
    fn what_is_named_goes_before_what_a_wildcard_covers() {
        assert_eq!(chosen("*/*, application/graphql-response+json"), GRAPHQL);
        assert_eq!(chosen("application/*, application/graphql-response+json"), GRAPHQL);
    }

    #[test]
    fn the_most_specific_range_decides_even_when_it_excludes() {
        assert_eq!(chosen("*/*, application/json;q=0"), GRAPHQL);
        assert_eq!(chosen("application/*;q=0, application/json;q=0.1, */*"), JSON);
        assert_eq!(chosen("application/*;q=0, */*"), None);
    }

    #[test]
    fn nothing_that_fits_is_not_acceptable() {
        for accepted in ["text/html", "text/*", "application/graphql+json", "application/json;q=0", "*/*;q=0.000"] {
            assert_eq!(chosen(accepted), None, "{accepted}");
        }
    }

    #[test]
    fn several_headers_are_one_list() {
        let lines = ["text/html", "application/graphql-response+json", "application/json"];
        assert_eq!(accept(&with(&header::ACCEPT, &lines)), Ok(Media::GraphqlResponse));
    }

    #[test]
    fn only_utf_8_is_written() {
        assert_eq!(chosen("application/graphql-response+json; charset=\"UTF-8\""), GRAPHQL);
        assert_eq!(chosen("application/graphql-response+json;charset=latin1, application/json;q=0.1"), JSON);
        assert_eq!(chosen("application/json; charset=utf-16"), None);
    }

    #[test]
    fn pieces_that_cannot_be_read_are_passed_over() {
        for accepted in
            ["json, ", "application/json;q=2", "application/json;q=", "a b/c", "*/json", "application/json;q"]
        {
            let with_more = format!("{accepted}, application/graphql-response+json");
            assert_eq!(chosen(&with_more), GRAPHQL, "{accepted}");
            assert_eq!(chosen(accepted), JSON, "{accepted}");
        }
        assert_eq!(chosen("text/x;a=\"b,application/graphql-response+json,\", application/json"), JSON);
    }

    #[test]
    fn other_parameters_do_not_matter() {
        assert_eq!(chosen("Application/GraphQL-Response+JSON;profile=\"a;b,c\";q=1.0, */*;q=0.5"), GRAPHQL);
    }

    #[test]
    fn a_body_is_json_in_utf_8() {
        for taken in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/json ; Charset=utf8;",
        ] {
            assert_eq!(content_type(&with(&header::CONTENT_TYPE, &[taken])), Ok(()), "{taken}");
        }
    }

    #[test]
    fn no_other_body_is_taken() {
        for refused in [
            "",
            "text/plain",
            "text/plain; application/json",
            "application/json, text/plain",
            "application/json; charset=latin1",
            "application/json; charset",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/graphql",
            "application/graphql-response+json",
            "application/*",
            "*/*",
        ] {
            assert_eq!(content_type(&with(&header::CONTENT_TYPE, &[refused])), Err(Unsupported), "{refused}");
        }
        assert_eq!(content_type(&HeaderMap::new()), Err(Unsupported));
        let twice = with(&header::CONTENT_TYPE, &["application/json", "text/plain"]);
        assert_eq!(content_type(&twice), Err(Unsupported));
    }
}
