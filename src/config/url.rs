//! Web addresses: [`Url`] for a place, [`Origin`] for who may call.
//!
//! Both are kept as text, brought into the form in which they are compared: scheme and host in
//! lower case, no default port (browsers send none in `Origin`), no slash at the end. Only `http`
//! and `https` are taken, user names and passwords never: an address is shown and logged.

use std::{fmt, net::Ipv6Addr};

use super::value::{Kind, Value};

/// An absolute web address without query, fragment and slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url(String);

/// Scheme, host and port of a web address, as browsers send it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

/// Gives the wrapped text back.
macro_rules! text {
    ($($Name:ident)+) => { $(
        impl $Name {
            /// As text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+ };
}
text!(Url Origin);

/// The origin of an address in the form to compare, and the path that follows it.
fn split(text: &str) -> Result<(String, &str), String> {
    let (scheme, rest) = text.split_once("://").ok_or("it has no scheme")?;
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "http" => ":80",
        "https" => ":443",
        _ => return Err("the scheme is neither http nor https".to_owned()),
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err("it names a user".to_owned());
    }
    let authority = authority.to_ascii_lowercase();
    let authority = authority.strip_suffix(default_port).unwrap_or(&authority);
    host_and_port(authority)?;
    Ok((format!("{scheme}://{authority}"), path))
}

/// Accepts `host`, `host:port` and `[v6]:port`.
fn host_and_port(authority: &str) -> Result<(), String> {
    let (host_is_good, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or("the bracket is not closed")?;
        (host.parse::<Ipv6Addr>().is_ok(), port)
    } else {
        let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        (!host.is_empty() && host.bytes().all(letters), port)
    };
    if !host_is_good {
        return Err("the host is missing or malformed".to_owned());
    }
    let digits = |port: &str| !port.starts_with('+') && port.parse::<u16>().is_ok();
    if !port.is_empty() && !port.strip_prefix(':').is_some_and(digits) {
        return Err("the port is not a number up to 65535".to_owned());
    }
    Ok(())
}

impl Value for Url {
    const KIND: Kind = Kind::Url;

    fn parse(text: &str) -> Result<Self, String> {
        let (origin, path) = split(text)?;
        if path.contains(['?', '#']) {
            return Err("it has a query or a fragment".to_owned());
        }
        if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("the path holds a character that must be escaped".to_owned());
        }
        Ok(Self(format!("{origin}{}", path.trim_end_matches('/'))))
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

impl Value for Origin {
    const KIND: Kind = Kind::Origin;

    fn parse(text: &str) -> Result<Self, String> {
        match split(text)? {
            (origin, "") => Ok(Self(origin)),
            (_, _) => Err("something follows the host".to_owned()),
        }
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<String, String> {
        Url::parse(text).map(|url| url.show())
    }

    #[test]
    fn an_address_is_kept_in_the_form_to_compare() {
        assert_eq!(url("HTTPS://Hub.Example.com:443/").as_deref(), Ok("https://hub.example.com"));
        assert_eq!(url("http://[::1]:8080/Base/").as_deref(), Ok("http://[::1]:8080/Base"));
        assert_eq!(Origin::parse("http://a:80"), Origin::parse("http://A"));
    }

    #[test]
    fn an_address_without_scheme_or_host_is_refused() {
        for text in ["hub.example.com", "ftp://a", "https://", "https://:1", "https://a b", "//a"] {
            assert!(url(text).is_err(), "{text}");
        }
        for text in ["https://a:", "https://a:+1", "https://a:70000", "https://[1", "https://a?q"] {
            assert!(url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_with_a_password_is_refused() {
        assert!(url("https://me:hunter2@a").is_err_and(|reason| !reason.contains("hunter2")));
    }

    #[test]
    fn an_origin_ends_with_its_host_or_port() {
        assert!(Origin::parse("https://a/").is_err());
        assert!(Origin::parse("*").is_err());
        assert!(Origin::parse("null").is_err());
    }
}
