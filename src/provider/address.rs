//! Where the hub may call.
//!
//! People of a tenant name servers that the hub then calls, from inside the operator's network. So every
//! address is looked at twice. When a URL is saved, [`Guard::check`] looks at its text, and at the address
//! if the host is one; it asks nobody. When a connection is made, [`Guard::admit`] looks at the addresses
//! that the name led to, and just these are then dialled: a name that leads elsewhere the next time gains
//! nothing. If one of several addresses of a name is refused, all are, so that nobody wins by chance.
//!
//! Refused is whatever is not the public internet: for IPv6 all but what is global unicast, and of that what
//! carries an IPv4 address or is for documentation. Refused is also a host that is written in another form than
//! the one in which it is used (`2130706433`, `0x7f.1`, `%6c`, capitals excepted): nobody honest writes so.
//! TLS is required.
//!
//! An operator may open networks, addresses and hosts (`outgoing.allow`): for them neither holds. A host that
//! is opened by name is trusted wherever its name leads.

#[cfg(test)]
pub(super) mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hyper::Uri;
use url::{Host, Url};

use crate::kernel::network::Place;

/// No address is longer.
const LONGEST: usize = 2048;

/// Why an address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is no URL, or one that readers understand differently.
    #[error("this is not a URL; one looks like \"https://example.com/path\"")]
    Malformed,
    /// Neither `https` nor `http`.
    #[error("the scheme of the URL must be https")]
    Scheme,
    /// `http` to a place that is not opened.
    #[error("the URL must begin with https:")]
    Plain,
    /// A user name or password in the URL.
    #[error("the URL must not name a user")]
    User,
    /// The host is written in another form than the one in which it is used.
    #[error("the host of the URL must be written in its plain form")]
    Disguised,
    /// A name that means something only inside a network.
    #[error("the host of the URL is a name of a local network")]
    LocalName,
    /// An address that is not of the public internet.
    ///
    /// Its kind is for the operator's log alone: told to a tenant, it would say what lies in the operator's network.
    #[error("the host of the URL leads to an address that is not allowed")]
    Address(&'static str),
}

/// A URL that passed [`Guard::check`].
#[derive(Clone, Debug)]
pub struct Target {
    pub(super) url: Url,
    pub(super) uri: Uri,
}

/// Knows where calls may go.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    opened: Vec<Place>,
}

impl Guard {
    /// A guard who lets calls out to the public internet and to the places that are opened.
    #[must_use]
    pub const fn new(opened: Vec<Place>) -> Self {
        Self { opened }
    }

    /// Looks at a URL without asking anybody.
    pub fn check(&self, text: &str) -> Result<Target, Refusal> {
        let (scheme, rest) = text.split_once("://").ok_or(Refusal::Malformed)?;
        if !is_readable(text) || text.len() > LONGEST {
            return Err(Refusal::Malformed);
        }
        if !["https", "http"].contains(&scheme.to_ascii_lowercase().as_str()) {
            return Err(Refusal::Scheme);
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(Refusal::User);
        }
        // Before this, because what is written oddly may also be no URL at all.
        if !is_plain(authority) {
            return Err(Refusal::Disguised);
        }
        let mut url = Url::parse(text).map_err(|_| Refusal::Malformed)?;
        url.set_fragment(None);
        let (tls, port) = (url.scheme() == "https", url.port_or_known_default().unwrap_or_default());
        let verdict = match url.host().ok_or(Refusal::Malformed)? {
            Host::Domain(name) if said(authority).eq_ignore_ascii_case(name) => self.check_name(name, port, tls),
            Host::Ipv4(address) if said(authority) == address.to_string() => self.check_ip(address.into(), port, tls),
            Host::Ipv6(address) => self.check_ip(address.into(), port, tls),
            Host::Domain(_) | Host::Ipv4(_) => Err(Refusal::Disguised),
        };
        verdict?;
        let uri = url.as_str().parse().map_err(|_| Refusal::Malformed)?;
        Ok(Target { url, uri })
    }

    /// Looks at where an answer leads. What it says in full is read as strictly as if it were saved.
    pub(super) fn check_next(&self, from: &Target, location: &str) -> Result<Target, Refusal> {
        let in_full = location.split(['/', '?', '#']).next().is_some_and(|first| first.contains(':'));
        if in_full || !is_readable(location) {
            self.check(location)
        } else if location.starts_with("//") {
            self.check(&format!("{}:{location}", from.url.scheme()))
        } else {
            self.check(from.url.join(location).map_err(|_| Refusal::Malformed)?.as_str())
        }
    }

    /// Looks at the addresses to which the host led, before one of them is dialled.
    pub fn admit(&self, host: &str, tls: bool, addresses: &[SocketAddr]) -> Result<(), Refusal> {
        for address in addresses {
            if !self.opened.iter().any(|place| place.is_host(host, address.port())) {
                self.check_ip(address.ip(), address.port(), tls)?;
            }
        }
        Ok(())
    }

    fn check_ip(&self, address: IpAddr, port: u16, tls: bool) -> Result<(), Refusal> {
        if self.opened.iter().any(|place| place.has_address(address, port)) {
            return Ok(());
        }
        let kind = match address {
            IpAddr::V4(address) => not_public_v4(address),
            IpAddr::V6(address) => not_public_v6(address),
        };
        match kind {
            Some(kind) => {
                tracing::info!(%address, kind, "outgoing address refused");
                Err(Refusal::Address(kind))
            }
            None if !tls => Err(Refusal::Plain),
            None => Ok(()),
        }
    }

    /// Where places are opened, the addresses decide when the name is dialled.
    fn check_name(&self, name: &str, port: u16, tls: bool) -> Result<(), Refusal> {
        const LOCAL: [&str; 8] =
            ["localhost", "local", "localdomain", "internal", "intranet", "lan", "home", "home.arpa"];
        let ends = |end: &str| name.strip_suffix(end).is_some_and(|head| head.is_empty() || head.ends_with('.'));
        let opened = !self.opened.is_empty();
        if self.opened.iter().any(|place| place.is_host(name, port)) {
            Ok(())
        } else if !opened && (!name.contains('.') || LOCAL.into_iter().any(ends)) {
            Err(Refusal::LocalName)
        } else if !opened && !tls {
            Err(Refusal::Plain)
        } else {
            Ok(())
        }
    }
}

/// Whether all readers see the same letters: some drop spaces and line ends, some take a backslash for a slash.
pub(super) fn is_readable(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

/// The host as it was written.
fn said(authority: &str) -> &str {
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => authority.split(':').next().unwrap_or_default(),
    }
}

/// Whether the host is an address in its usual form, or a name that can be nothing else.
fn is_plain(authority: &str) -> bool {
    let host = said(authority);
    if authority.starts_with('[') {
        return host.parse::<Ipv6Addr>().is_ok();
    }
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let last = host.rsplit('.').next().unwrap_or_default();
    // Whatever ends in a number is an address to those who dial it.
    let number = last.starts_with(|first: char| first.is_ascii_digit());
    host.bytes().all(letters) && !last.is_empty() && (!number || host.parse::<Ipv4Addr>().is_ok())
}

/// What kind of address this is, if it is not public.
fn not_public_v4(address: Ipv4Addr) -> Option<&'static str> {
    Some(match address.octets() {
        [0, ..] => "unspecified",
        [127, ..] => "loopback",
        // Of clouds: link-local, in shared space, and one that looks public.
        [169, 254, 169, 254] | [100, 100, 100, 200] | [192, 0, 0, 192] | [168, 63, 129, 16] => "metadata",
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => "private",
        [169, 254, ..] => "link-local",
        [100, 64..=127, ..] => "shared",
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => "documentation",
        [198, 18 | 19, ..] => "benchmarking",
        [192, 88, 99, _] => "a tunnel",
        [224..=239, ..] => "multicast",
        [255, 255, 255, 255] => "broadcast",
        [192, 0, 0, _] | [240..=255, ..] => "reserved",
        _ => return None,
    })
}

fn not_public_v6(address: Ipv6Addr) -> Option<&'static str> {
    Some(match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => "unspecified",
        [0, 0, 0, 0, 0, 0, 0, 1] => "loopback",
        // Compatible, mapped, translated (SIIT), translated (NAT64).
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, ..] => "an IPv4 address within",
        [0xfd00, 0xec2, ..] => "metadata",
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => "private",
        [0xfe80..=0xfebf, ..] => "link-local",
        [0xff00..=0xffff, ..] => "multicast",
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => "documentation",
        // Teredo, 6to4.
        [0x2001, 0, ..] | [0x2002, ..] => "a tunnel",
        [0x2001, 1..=0x1ff, ..] => "reserved",
        [0x2000..=0x3fff, ..] => return None,
        _ => "not global",
    })
}
