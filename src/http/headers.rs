//! Headers every answer carries, and what may be believed of those a request brings.
//!
//! Answers of this server belong to one caller: nothing may store them, frame them, guess their type or
//! learn from where they were linked. A handler that knows better (the console's own pages, a public file)
//! sets its `cache-control` or `content-security-policy` first, and [`harden`] leaves it alone.
//!
//! Of a request, `x-request-id` is taken over only when it is harmless in a log line, and
//! `x-forwarded-for` only as far as trusted proxies wrote it: each proxy appends the address it saw, so
//! reading from the right, the first address that is not one of ours is the caller. Whatever stands left of
//! it the caller wrote, and may have invented.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::kernel::token;

/// The header that carries the id of a request, both ways.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header in which proxies note whom they speak for.
pub const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Nothing is kept, neither by the client nor on the way.
pub const NO_STORE: HeaderValue = HeaderValue::from_static("private, no-store");
/// An answer is data: it loads nothing and is shown in no frame.
pub const DATA_ONLY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
/// A year, in which only TLS will do.
pub const ONLY_TLS: HeaderValue = HeaderValue::from_static("max-age=31536000");

const LONGEST_ID: usize = 64;

/// Adds the headers that keep an answer private; `tls` says whether the caller came over it.
pub fn harden(headers: &mut HeaderMap, tls: bool) {
    headers.entry(header::CACHE_CONTROL).or_insert(NO_STORE);
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(DATA_ONLY);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, ONLY_TLS);
    }
}

/// The id a request brings: up to 64 letters, digits, dots, underscores and hyphens. It goes into logs and answers,
/// so a token that was put there by mistake is none.
pub fn request_id(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let token = token::Kind::ALL.iter().any(|kind| id.starts_with(kind.prefix()));
    ((1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(harmless) && !token).then_some(id)
}

/// The address of the caller, seen through the proxies that are trusted.
///
/// Where an entry cannot be read, the nearest address that could be is the answer: a proxy of ours, which
/// limits more than it should rather than less.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpAddr]) -> IpAddr {
    let ours = |address: IpAddr| trusted.iter().any(|proxy| proxy.to_canonical() == address);
    let mut nearest = peer.to_canonical();
    let lines: Vec<_> = headers.get_all(FORWARDED_FOR).iter().collect();
    // A line that is not text counts as one entry that cannot be read.
    let mut entries = lines.iter().rev().flat_map(|line| line.to_str().unwrap_or("?").rsplit(','));
    while ours(nearest) {
        match entries.next().and_then(address) {
            Some(next) => nearest = next,
            None => break,
        }
    }
    nearest
}

/// One entry: an address, perhaps with a port, perhaps in brackets.
fn address(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    let address = bare.parse().or_else(|_| entry.parse().map(|socket: SocketAddr| socket.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwarded(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (FORWARDED_FOR, HeaderValue::from_str(line).unwrap())).collect()
    }

    fn seen(lines: &[&str]) -> String {
        let proxies = ["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()];
        client_address("10.0.0.1".parse().unwrap(), &forwarded(lines), &proxies).to_string()
    }

    #[test]
    fn an_answer_is_private_and_plain() {
        let mut headers = HeaderMap::new();
        harden(&mut headers, false);
        assert_eq!(headers["cache-control"], "private, no-store");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["referrer-policy"], "no-referrer");
        assert_eq!(headers["content-security-policy"], "default-src 'none'; frame-ancestors 'none'");
        assert!(!headers.contains_key("strict-transport-security"));
        harden(&mut headers, true);
        assert_eq!(headers["strict-transport-security"], "max-age=31536000");
        assert_eq!(headers.len(), 5);
    }

    #[test]
    fn what_a_handler_decided_stays() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'self'"));
        harden(&mut headers, true);
        assert_eq!(headers["cache-control"], "public, max-age=60");
        assert_eq!(headers["content-security-policy"], "default-src 'self'");
    }

    #[test]
    fn a_request_id_is_taken_over_only_when_harmless() {
        let with = |id: &'static [u8]| HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_bytes(id).unwrap())]);
        assert_eq!(request_id(&with(b"a-Z_0.9")), Some("a-Z_0.9"));
        assert_eq!(request_id(&with(&[b'x'; 64])).map(str::len), Some(64));
        for refused in [&b""[..], &[b'x'; 65], b"a b", b"a\"b", b"a/b", "ä".as_bytes(), b"\xff"] {
            assert_eq!(request_id(&with(refused)), None, "{refused:?}");
        }
        assert_eq!(request_id(&HeaderMap::new()), None);
    }

    #[test]
    fn a_stranger_cannot_speak_for_others() {
        let peer = "203.0.113.9".parse().unwrap();
        assert_eq!(client_address(peer, &forwarded(&["1.2.3.4"]), &["10.0.0.1".parse().unwrap()]), peer);
        assert_eq!(client_address(peer, &forwarded(&["1.2.3.4"]), &[]), peer);
    }

    #[test]
    fn the_rightmost_address_that_is_not_ours_is_the_caller() {
        assert_eq!(seen(&[]), "10.0.0.1");
        assert_eq!(seen(&["203.0.113.7"]), "203.0.113.7");
        assert_eq!(seen(&["6.6.6.6, 203.0.113.7, 10.0.0.2"]), "203.0.113.7");
        assert_eq!(seen(&["6.6.6.6", "203.0.113.7", "10.0.0.2"]), "203.0.113.7");
        assert_eq!(seen(&["10.0.0.2, 10.0.0.1"]), "10.0.0.2");
    }

    #[test]
    fn an_entry_that_cannot_be_read_ends_the_search() {
        assert_eq!(seen(&["203.0.113.7, unknown, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(seen(&["203.0.113.7, "]), "10.0.0.1");
    }

    #[test]
    fn ports_brackets_and_mapped_addresses_are_read() {
        for (entry, address) in [
            ("203.0.113.7:4711", "203.0.113.7"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
        ] {
            assert_eq!(seen(&[entry]), address, "{entry}");
        }
        let mapped = "::ffff:10.0.0.1".parse().unwrap();
        let caller = client_address(mapped, &forwarded(&["203.0.113.7"]), &["10.0.0.1".parse().unwrap()]);
        assert_eq!(caller.to_string(), "203.0.113.7");
    }
}
