//! From one page to the next.
//!
//! A [`Position`] is all that is needed to go on, so it can be stored with the records of the page before: a
//! run that is killed goes on where it was. Pages end. A cursor that comes twice, an address that leads to
//! another host, a page without records: each is an end or an error, never a loop.
//!
//! A page number or an offset names a place in the list, not a record. A record that is removed while the list is read
//! moves all behind it to the front, and one of them from a page that was not read onto one that was: a listing by such
//! positions may lack records that exist. [`SecondLook`] says how a record that was not listed is looked for again.

use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::{
    expression::Document,
    manifest::paging::{Into, Paging, Size},
    request::{Outgoing, Unmade},
    template::Filled,
};

/// Longest cursor or address that is believed.
const MAX_CURSOR: usize = 4_096;

/// Where the reading stands: what the next request has to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// At the beginning.
    #[default]
    Start,
    /// After this token.
    Cursor(String),
    /// At this address.
    Url(String),
    /// At the page of this number.
    Page(u32),
    /// After so many records.
    Offset(u64),
}

/// How a second look finds the records that a first one missed because the list changed while it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondLook {
    /// Not at all: a position names a record, or there is one page, so that nothing is missed.
    Unneeded,
    /// By reading the list from the beginning again: the provider's addresses may count pages or not.
    Again,
    /// By reading the pages from the last one to the first.
    Backward,
}

impl SecondLook {
    /// The second look that a way of paging needs.
    #[must_use]
    pub const fn of(paging: Option<&Paging>) -> Self {
        match paging {
            None | Some(Paging::Cursor(_)) => Self::Unneeded,
            Some(Paging::LinkHeader(_) | Paging::NextUrl(_)) => Self::Again,
            Some(Paging::Page(_) | Paging::Offset(_)) => Self::Backward,
        }
    }
}

/// The position one page before another; nothing before the first page. An offset goes back by `step` records.
#[must_use]
pub fn previous(paging: &Paging, position: &Position, step: u64) -> Option<Position> {
    match (paging, position) {
        (Paging::Page(it), Position::Page(number)) => {
            (*number > u32::from(!it.from_zero)).then(|| Position::Page(number - 1))
        }
        (Paging::Offset(_), Position::Offset(number)) => {
            (*number > 0).then(|| Position::Offset(number.saturating_sub(step.max(1))))
        }
        _ => None,
    }
}

/// A page that was read.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// The answer.
    pub document: &'a Document,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// The address that was asked.
    pub url: &'a Url,
    /// How many records it had.
    pub records: usize,
}

/// Why reading cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// The same page would come again.
    #[error("the provider points to the same page again")]
    Stuck,
    /// The next page is somewhere else.
    #[error("the provider points to another host for the next page")]
    Foreign,
    /// The next page cannot be named.
    #[error("the provider's pointer to the next page cannot be used")]
    Unusable,
}

/// Puts a position into a request.
pub fn apply(paging: &Paging, position: &Position, outgoing: &mut Outgoing) -> Result<(), Unmade> {
    if let Position::Url(address) = position {
        return follow(address, outgoing);
    }
    let into = paging.into();
    if let Some(Size { parameter: Some(parameter), most, .. }) = paging.size() {
        put(outgoing, into, parameter, json!(most))?;
    }
    match (paging, position) {
        (Paging::Cursor(it), Position::Cursor(cursor)) => put(outgoing, into, &it.parameter, json!(cursor)),
        (Paging::Page(it), Position::Page(number)) => put(outgoing, into, &it.parameter, json!(number)),
        (Paging::Page(it), _) => put(outgoing, into, &it.parameter, json!(u32::from(!it.from_zero))),
        (Paging::Offset(it), Position::Offset(number)) => put(outgoing, into, &it.parameter, json!(number)),
        (Paging::Offset(it), _) => put(outgoing, into, &it.parameter, json!(0)),
        _ => Ok(()),
    }
}

fn put(outgoing: &mut Outgoing, into: Into, name: &str, value: Value) -> Result<(), Unmade> {
    match into {
        Into::Query => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            outgoing.parameter(name, Filled { text, secret: false });
        }
        Into::Body => drop(outgoing.fields()?.insert(name.to_owned(), value)),
        Into::Variables => {
            let variables = outgoing.fields()?.entry("variables").or_insert_with(|| json!({}));
            if let Value::Object(variables) = variables {
                variables.insert(name.to_owned(), value);
            }
        }
    }
    Ok(())
}

/// Takes over an address of the provider. Its parameters may repeat the credential, so logs show none.
fn follow(address: &str, outgoing: &mut Outgoing) -> Result<(), Unmade> {
    let url = Url::parse(address).map_err(|error| Unmade::Address(error.to_string()))?;
    outgoing.query = url
        .query_pairs()
        .map(|(name, text)| (name.into_owned(), Filled { text: text.into_owned(), secret: true }))
        .collect();
    outgoing.shown = None;
    outgoing.url = url;
    outgoing.url.set_query(None);
    outgoing.url.set_fragment(None);
    Ok(())
}

/// The next position, or nothing at the end.
pub fn next(paging: &Paging, position: &Position, page: Page<'_>) -> Result<Option<Position>, Lost> {
    let next = match paging {
        Paging::LinkHeader(_) => link(page.headers).map(|address| address_of(&address, page.url)).transpose()?,
        Paging::NextUrl(it) => {
            let address = it.next.text(page.document).filter(|address| !address.is_empty());
            address.map(|address| address_of(&address, page.url)).transpose()?
        }
        Paging::Cursor(it) => {
            let more = it.more.as_ref().is_none_or(|more| more.holds(page.document));
            let cursor = it.next.text(page.document).filter(|cursor| more && !cursor.is_empty());
            match cursor {
                Some(cursor) if cursor.len() > MAX_CURSOR => return Err(Lost::Unusable),
                cursor => cursor.map(Position::Cursor),
            }
        }
        Paging::Page(it) => {
            let current = match position {
                Position::Page(number) => *number,
                _ => u32::from(!it.from_zero),
            };
            let done = current.saturating_add(u32::from(it.from_zero));
            let more = match (&it.pages, &it.more) {
                (Some(pages), _) => pages
                    .find(page.document)
                    .ok()
                    .and_then(|found| found.as_number())
                    .is_some_and(|all| f64::from(done) < all),
                (None, Some(more)) => more.holds(page.document),
                (None, None) => is_full(page.records, &it.size),
            };
            (more && page.records > 0).then(|| Position::Page(current.saturating_add(1)))
        }
        Paging::Offset(it) => {
            let before = if let Position::Offset(number) = position { *number } else { 0 };
            let after = before.saturating_add(page.records as u64);
            let more = match &it.total {
                Some(total) => total.find(page.document).ok().and_then(|found| found.as_number()).is_some_and(|all| {
                    #[expect(clippy::cast_precision_loss, reason = "numbers of records are far below 2^53")]
                    let after = after as f64;
                    after < all
                }),
                None => is_full(page.records, &it.size),
            };
            (more && page.records > 0).then_some(Position::Offset(after))
        }
    };
    if next.as_ref() == Some(position) { Err(Lost::Stuck) } else { Ok(next) }
}

fn is_full(records: usize, size: &Size) -> bool {
    records >= size.most as usize
}

/// An address of the same host, however it was written.
fn address_of(address: &str, asked: &Url) -> Result<Position, Lost> {
    if address.len() > MAX_CURSOR {
        return Err(Lost::Unusable);
    }
    let url = asked.join(address).map_err(|_| Lost::Unusable)?;
    let plain = url.username().is_empty() && url.password().is_none();
    if url.origin() != asked.origin() || !plain {
        return Err(Lost::Foreign);
    }
    if url == *asked {
        return Err(Lost::Stuck);
    }
    Ok(Position::Url(url.into()))
}

/// The address in `Link` with `rel="next"`.
fn link(headers: &HeaderMap) -> Option<String> {
    for value in headers.get_all(http::header::LINK).iter().take(8) {
        let mut rest = value.to_str().ok()?;
        while let Some((_, after)) = rest.split_once('<') {
            let (address, after) = after.split_once('>')?;
            let (parameters, following) = after.split_once(',').map_or((after, ""), |(own, other)| (own, other));
            let is_next = parameters.split(';').any(|parameter| {
                let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
                let mut words = value.trim().trim_matches('"').split_ascii_whitespace();
                name.trim().eq_ignore_ascii_case("rel") && words.any(|word| word.eq_ignore_ascii_case("next"))
            });
            if is_next {
                return Some(address.trim().to_owned());
            }
            rest = following;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::provider::manifest::{
        problem::Line,
        reader::{Node, Reader},
        shape::Shape,
    };

    fn paging(text: &str) -> Paging {
        let table = toml::de::DeTable::parse(text).unwrap();
        let root = toml::de::DeValue::Table(table.into_inner());
        let mut reader = Reader::new(text);
        let node = Node { value: &root, line: Line(1), path: "paging".to_owned() };
        let read = Paging::read(&node, &mut reader);
        read.unwrap_or_else(|| panic!("{:?}", reader.problems))
    }

    fn step(
        paging: &Paging,
        position: &Position,
        body: Value,
        link: Option<&str>,
        records: usize,
    ) -> Result<Option<Position>, Lost> {
        let mut headers = HeaderMap::new();
        if let Some(link) = link {
            headers.insert("link", HeaderValue::try_from(link).unwrap());
        }
        let document = Document::from(body);
        let url = Url::parse("https://api.example.com/v1/things?page=1").unwrap();
        next(paging, position, Page { document: &document, headers: &headers, url: &url, records })
    }

    #[test]
    fn pages_are_read_backward_to_the_first_one() {
        let back = |paging: &Paging, from: Position, step: u64| {
            std::iter::successors(Some(from), |position| previous(paging, position, step)).collect::<Vec<_>>()
        };
        let by_page = paging("by = \"page\"\nparameter = \"page\"\nsize = { most = 2 }");
        assert_eq!(back(&by_page, Position::Page(3), 2), [3, 2, 1].map(Position::Page));
        let from_zero = paging("by = \"page\"\nparameter = \"page\"\nfrom_zero = true\nsize = { most = 2 }");
        assert_eq!(back(&from_zero, Position::Page(2), 2), [2, 1, 0].map(Position::Page));
        let by_offset = paging("by = \"offset\"\nparameter = \"skip\"\nsize = { most = 2 }");
        assert_eq!(back(&by_offset, Position::Offset(5), 2), [5, 3, 1, 0].map(Position::Offset));
        assert_eq!(previous(&by_page, &Position::Start, 2), None, "the first page has none before it");
        for (paging, expected) in [(&by_page, SecondLook::Backward), (&by_offset, SecondLook::Backward)] {
            assert_eq!(SecondLook::of(Some(paging)), expected);
        }
        assert_eq!(SecondLook::of(Some(&paging("by = \"link_header\""))), SecondLook::Again);
        assert_eq!(SecondLook::of(None), SecondLook::Unneeded);
    }

    #[test]
    fn the_next_link_is_found_among_others() {
        let by_link = paging("by = \"link_header\"");
        let both =
            "<https://api.example.com/v1/things?page=0>; rel=\"prev\", </v1/things?page=2>; title=x; rel=\"last next\"";
        let expected = Position::Url("https://api.example.com/v1/things?page=2".to_owned());
        assert_eq!(step(&by_link, &Position::Start, json!([]), Some(both), 1), Ok(Some(expected)));
        assert_eq!(step(&by_link, &Position::Start, json!([]), Some("<x>; rel=\"nextish\""), 1), Ok(None));
        assert_eq!(step(&by_link, &Position::Start, json!([]), Some("<<<>>>,;=\"<"), 1), Ok(None));
    }

    #[test]
    fn a_page_elsewhere_is_refused() {
        let by_url = paging("by = \"next_url\"\nnext = \"next\"");
        for address in [
            "https://evil.example/",
            "http://api.example.com/v1/things?page=2",
            "//evil.example/x",
            "https://u:p@api.example.com/v2",
            "file:///etc/passwd",
        ] {
            assert_eq!(
                step(&by_url, &Position::Start, json!({"next": address}), None, 1),
                Err(Lost::Foreign),
                "{address}"
            );
        }
        assert_eq!(step(&by_url, &Position::Start, json!({"next": "?page=1"}), None, 1), Err(Lost::Stuck));
        assert_eq!(step(&by_url, &Position::Start, json!({"next": null}), None, 1), Ok(None));
    }

    #[test]
    fn a_cursor_that_comes_twice_is_an_error() {
        let by_cursor = paging("by = \"cursor\"\nparameter = \"after\"\nnext = \"data[-1].id\"\nmore = \"has_more\"");
        let body = json!({"data": [{"id": "a"}, {"id": "b"}], "has_more": true});
        let next = Position::Cursor("b".to_owned());
        assert_eq!(step(&by_cursor, &Position::Start, body.clone(), None, 2), Ok(Some(next.clone())));
        assert_eq!(step(&by_cursor, &next, body, None, 2), Err(Lost::Stuck));
        let last = json!({"data": [{"id": "c"}], "has_more": false});
        assert_eq!(step(&by_cursor, &next, last, None, 1), Ok(None));
    }

    #[test]
    fn numbers_count_on_until_a_page_is_short_or_empty() {
        let by_page = paging("by = \"page\"\nparameter = \"page\"\nsize = { parameter = \"limit\", most = 2 }");
        assert_eq!(step(&by_page, &Position::Start, json!({}), None, 2), Ok(Some(Position::Page(2))));
        assert_eq!(step(&by_page, &Position::Page(2), json!({}), None, 1), Ok(None));
        let counted = paging("by = \"page\"\nparameter = \"page\"\npages = \"pages\"\nsize = { most = 2 }");
        assert_eq!(step(&counted, &Position::Page(2), json!({"pages": 3}), None, 1), Ok(Some(Position::Page(3))));
        assert_eq!(step(&counted, &Position::Page(3), json!({"pages": 3}), None, 2), Ok(None));
        assert_eq!(step(&counted, &Position::Page(9), json!({"pages": 1e18}), None, 0), Ok(None));
        let by_offset = paging("by = \"offset\"\nparameter = \"skip\"\ntotal = \"total\"\nsize = { most = 2 }");
        assert_eq!(
            step(&by_offset, &Position::Offset(4), json!({"total": "7"}), None, 2),
            Ok(Some(Position::Offset(6)))
        );
        assert_eq!(step(&by_offset, &Position::Offset(6), json!({"total": 7}), None, 1), Ok(None));
    }
}
