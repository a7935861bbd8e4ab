//! Places in networks, as operators name them: a network, an address or a host, the latter two with a port
//! if wished.

use std::{fmt, net::IpAddr, str::FromStr};

/// A network, or a host by name, on one port or on all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    what: What,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    /// Every address that agrees with this one in so many leading bits.
    Network(IpAddr, u8),
    Host(String),
}

impl Place {
    /// Whether the address lies here.
    #[must_use]
    pub fn has_address(&self, address: IpAddr, port: u16) -> bool {
        let fits = match (&self.what, address) {
            (What::Network(IpAddr::V4(base), bits), IpAddr::V4(address)) => {
                (base.to_bits() ^ address.to_bits()).leading_zeros() >= u32::from(*bits)
            }
            (What::Network(IpAddr::V6(base), bits), IpAddr::V6(address)) => {
                (base.to_bits() ^ address.to_bits()).leading_zeros() >= u32::from(*bits)
            }
            _ => false,
        };
        fits && self.has_port(port)
    }

    /// Whether this is the host of that name, wherever the name leads.
    #[must_use]
    pub fn is_host(&self, name: &str, port: u16) -> bool {
        matches!(&self.what, What::Host(own) if own.eq_ignore_ascii_case(name)) && self.has_port(port)
    }

    fn has_port(&self, port: u16) -> bool {
        self.port.is_none_or(|own| own == port)
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((base, bits)) = text.split_once('/') {
            let base: IpAddr = base.parse().map_err(|_| "what stands before the slash is no address".to_owned())?;
            return Ok(Self { what: network(base, bits)?, port: None });
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self { what: single(address), port: None });
        }
        if let Ok(socket) = text.parse::<std::net::SocketAddr>() {
            return Ok(Self { what: single(socket.ip()), port: Some(socket.port()) });
        }
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => {
                let port = port.parse().map_err(|_| "the port is not a number up to 65535".to_owned())?;
                (name, Some(port))
            }
            None => (text, None),
        };
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        // An address in disguise (2130706433, 0x7f.1) is no name: the last label of a name has a letter.
        let last = name.rsplit('.').next().unwrap_or_default();
        let named = last.bytes().any(|byte| byte.is_ascii_alphabetic()) && !last.starts_with("0x");
        if name.len() > 253 || !name.bytes().all(letters) || !named {
            return Err("this is neither a network nor an address nor the name of a host".to_owned());
        }
        Ok(Self { what: What::Host(name.to_ascii_lowercase()), port })
    }
}

const fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

const fn single(address: IpAddr) -> What {
    What::Network(address, width(address))
}

fn network(base: IpAddr, bits: &str) -> Result<What, String> {
    let width = width(base);
    let bits = bits.parse::<u8>().ok().filter(|bits| *bits <= width);
    let bits = bits.ok_or_else(|| format!("what stands behind the slash is not a number up to {width}"))?;
    let beyond = match base {
        IpAddr::V4(base) => base.to_bits().checked_shl(u32::from(bits)).unwrap_or(0) != 0,
        IpAddr::V6(base) => base.to_bits().checked_shl(u32::from(bits)).unwrap_or(0) != 0,
    };
    if beyond {
        return Err(format!("the address has bits beyond its first {bits}"));
    }
    Ok(What::Network(base, bits))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.what, self.port) {
            (What::Network(IpAddr::V6(base), _), Some(port)) => write!(f, "[{base}]:{port}"),
            (What::Network(base, _), Some(port)) => write!(f, "{base}:{port}"),
            (What::Network(base, bits), None) if *bits == width(*base) => write!(f, "{base}"),
            (What::Network(base, bits), None) => write!(f, "{base}/{bits}"),
            (What::Host(name), Some(port)) => write!(f, "{name}:{port}"),
            (What::Host(name), None) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Place {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_has_the_addresses_that_share_its_first_bits() {
        let local = place("127.0.0.0/8");
        assert!(local.has_address("127.255.0.1".parse().unwrap(), 1));
        assert!(!local.has_address("128.0.0.1".parse().unwrap(), 1));
        assert!(!local.has_address("::ffff:127.0.0.1".parse().unwrap(), 1), "another family");
        assert!(place("fd00::/8").has_address("fdff::1".parse().unwrap(), 1));
        assert!(place("0.0.0.0/0").has_address("8.8.8.8".parse().unwrap(), 1));
        assert!(place("::/0").has_address("2606::1".parse().unwrap(), 1));
    }

    #[test]
    fn a_port_narrows_an_address_and_a_host() {
        for text in ["10.0.0.5:443", "[::1]:443", "idp.corp:443"] {
            assert_eq!(place(text).to_string(), text);
        }
        assert!(place("[::1]:443").has_address("::1".parse().unwrap(), 443));
        assert!(!place("[::1]:443").has_address("::1".parse().unwrap(), 80));
        assert!(place("IdP.corp").is_host("idp.CORP", 80) && !place("idp.corp:443").is_host("idp.corp", 80));
        assert!(!place("idp.corp").is_host("evil.idp.corp", 80));
    }

    #[test]
    fn what_is_none_of_these_is_refused() {
        for text in [
            "",
            "/",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "::/129",
            "a b",
            "*",
            "http://a",
            "a:b",
            "2130706433",
            "0x7f.1",
            "1.2.3",
        ] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }
}
