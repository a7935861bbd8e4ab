use super::*;
use crate::kernel::chance::{Chance, SeededChance};

/// What must never be called, as it could be written in a URL, with a part of the reason.
pub(in crate::provider) const REFUSED: &[(&str, &str)] = &[
    // Addresses of this machine and of networks.
    ("https://127.0.0.1/", "loopback"),
    ("https://127.255.255.254/", "loopback"),
    ("https://0.0.0.0/", "unspecified"),
    ("https://0.1.2.3/", "unspecified"),
    ("https://10.0.0.1/", "private"),
    ("https://172.16.0.1/", "private"),
    ("https://172.31.255.255/", "private"),
    ("https://192.168.1.1/", "private"),
    ("https://100.64.0.1/", "shared"),
    ("https://100.127.255.255/", "shared"),
    ("https://169.254.1.1/", "link-local"),
    ("https://169.254.169.254/latest/meta-data/", "metadata"),
    ("https://100.100.100.200/", "metadata"),
    ("https://192.0.0.192/", "metadata"),
    ("https://168.63.129.16/", "metadata"),
    ("https://192.0.0.8/", "reserved"),
    ("https://192.0.2.1/", "documentation"),
    ("https://198.51.100.7/", "documentation"),
    ("https://203.0.113.9/", "documentation"),
    ("https://198.18.0.1/", "benchmarking"),
    ("https://198.19.255.255/", "benchmarking"),
    ("https://192.88.99.1/", "tunnel"),
    ("https://224.0.0.1/", "multicast"),
    ("https://239.255.255.250/", "multicast"),
    ("https://240.0.0.1/", "reserved"),
    ("https://255.255.255.255/", "broadcast"),
    ("https://[::]/", "unspecified"),
    ("https://[::1]/", "loopback"),
    ("https://[0:0:0:0:0:0:0:1]/", "loopback"),
    ("https://[::ffff:127.0.0.1]/", "IPv4"),
    ("https://[::ffff:7f00:1]/", "IPv4"),
    ("https://[::ffff:8.8.8.8]/", "IPv4"),
    ("https://[::127.0.0.1]/", "IPv4"),
    ("https://[::ffff:0:127.0.0.1]/", "IPv4"),
    ("https://[64:ff9b::127.0.0.1]/", "IPv4"),
    ("https://[64:ff9b::8.8.8.8]/", "IPv4"),
    ("https://[64:ff9b:1::10.0.0.1]/", "IPv4"),
    ("https://[2002:7f00:1::]/", "tunnel"),
    ("https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/", "tunnel"),
    ("https://[2001:10::1]/", "reserved"),
    ("https://[2001:2::1]/", "reserved"),
    ("https://[2001:db8::1]/", "documentation"),
    ("https://[3fff::1]/", "documentation"),
    ("https://[100::1]/", "not global"),
    ("https://[4000::1]/", "not global"),
    ("https://[5f00::1]/", "not global"),
    ("https://[fc00::1]/", "private"),
    ("https://[fd12:3456:789a::1]/", "private"),
    ("https://[fd00:ec2::254]/", "metadata"),
    ("https://[fe80::1]/", "link-local"),
    ("https://[fe80::1%25eth0]/", "plain form"),
    ("https://[febf::1]/", "link-local"),
    ("https://[fec0::1]/", "private"),
    ("https://[ff02::1]/", "multicast"),
    // Addresses in disguise.
    ("https://2130706433/", "plain form"),
    ("https://0x7f000001/", "plain form"),
    ("https://017700000001/", "plain form"),
    ("https://0x7f.0.0.1/", "plain form"),
    ("https://0177.0.0.1/", "plain form"),
    ("https://127.1/", "plain form"),
    ("https://127.0.1/", "plain form"),
    ("https://127.0.0.1./", "plain form"),
    ("https://0x7F.1/", "plain form"),
    ("https://3232235777/", "plain form"),
    ("https://134744072/", "plain form"),
    ("https://00000127.0.0.1/", "plain form"),
    ("https://127.0.0.256/", "plain form"),
    ("https://%31%32%37.0.0.1/", "plain form"),
    ("https://127%2e0%2e0%2e1/", "plain form"),
    ("https://①②⑦.⓪.⓪.①/", "not a URL"),
    ("https://127。0。0。1/", "not a URL"),
    ("https://[::1", "plain form"),
    ("https://::1/", "plain form"),
    // Names of this machine and of networks.
    ("https://localhost/", "local network"),
    ("https://LOCALHOST/", "local network"),
    ("https://localhost./", "plain form"),
    ("https://localhost:8080/", "local network"),
    ("https://me.localhost/", "local network"),
    ("https://localhost.localdomain/", "local network"),
    ("https://printer.local/", "local network"),
    ("https://metadata.google.internal/computeMetadata/v1/", "local network"),
    ("https://metadata/", "local network"),
    ("https://kubernetes.default.svc.cluster.local/", "local network"),
    ("https://router.lan/", "local network"),
    ("https://nas.home.arpa/", "local network"),
    ("https://example.com./", "plain form"),
    ("https://%6cocalhost/", "plain form"),
    ("https://ⓛocalhost/", "not a URL"),
    // Texts that readers understand differently.
    ("https://example.com@127.0.0.1/", "user"),
    ("https://127.0.0.1@example.com/", "user"),
    ("https://user:password@example.com/", "user"),
    ("https://example.com\\@127.0.0.1/", "not a URL"),
    ("https://127.0.0.1\\.example.com/", "not a URL"),
    ("https://127.0.0.1#@example.com/", "loopback"),
    ("https://127.0.0.1?@example.com/", "loopback"),
    ("https://127.0.0.1:80:80/", "not a URL"),
    ("https://127.0.0.1%00.example.com/", "plain form"),
    ("https://example.com\t/", "not a URL"),
    ("https://exam\nple.com/", "not a URL"),
    (" https://example.com/", "not a URL"),
    ("https:///127.0.0.1/", "plain form"),
    ("https:127.0.0.1/", "not a URL"),
    ("https:/127.0.0.1/", "not a URL"),
    ("//127.0.0.1/", "not a URL"),
    ("127.0.0.1", "not a URL"),
    ("", "not a URL"),
    ("https://", "plain form"),
    ("https://a:99999/", "not a URL"),
    // Other ways out.
    ("http://example.com/", "https"),
    ("http://8.8.8.8/", "https"),
    ("ftp://example.com/", "scheme"),
    ("file:///etc/passwd", "scheme"),
    ("gopher://127.0.0.1:6379/_FLUSHALL", "scheme"),
    ("dict://127.0.0.1:11211/", "scheme"),
    ("unix:///var/run/docker.sock", "scheme"),
    ("javascript://example.com/", "scheme"),
    ("data:text/plain,x", "not a URL"),
];

#[test]
fn an_address_that_is_not_public_is_refused_in_every_form() {
    let guard = Guard::default();
    for (text, reason) in REFUSED {
        let refusal = guard.check(text).map(drop).expect_err(text);
        let said = refusal.to_string();
        // The kind of an address is for the operator alone.
        let told = if let Refusal::Address(kind) = refusal { kind } else { &said };
        assert!(told.contains(reason), "{text:?}: {told}");
        assert!(told == said || !said.contains(reason), "{text:?}: {said}");
    }
    assert!(REFUSED.len() >= 100, "{}", REFUSED.len());
    let long = format!("https://example.com/{}", "a".repeat(LONGEST));
    assert_eq!(guard.check(&long).map(drop), Err(Refusal::Malformed));
}

#[test]
fn a_public_address_passes() {
    for text in [
        "https://example.com",
        "HTTPS://Example.COM/path?query#fragment",
        "https://example.com:8443/a%20b",
        "https://8.8.8.8/",
        "https://172.32.0.1/",
        "https://[2606:4700:4700::1111]/",
        "https://[2606:4700:4700:0:0::1111]:8443/",
        "https://xn--bcher-kva.example.com/",
        "https://a_b.example.com/",
        "https://localhost.example.com/",
        "https://example.com/?next=http://127.0.0.1@localhost/",
    ] {
        assert!(Guard::default().check(text).is_ok(), "{text}");
    }
}

#[test]
fn whatever_a_name_leads_to_is_held_against_the_same_rules() {
    let guard = Guard::default();
    let lead = |text: &str| {
        let addresses: Vec<_> = text.split(' ').map(|ip| SocketAddr::new(ip.parse().unwrap(), 443)).collect();
        guard.admit("example.com", true, &addresses)
    };
    assert_eq!(lead("93.184.216.34 2606:2800:21f:cb07::1"), Ok(()));
    for inward in ["127.0.0.1", "10.1.2.3", "::1", "::ffff:93.184.216.34", "fe80::1", "64:ff9b::5db8:d822"] {
        assert!(matches!(lead(inward), Err(Refusal::Address(_))), "{inward}");
        assert!(matches!(lead(&format!("93.184.216.34 {inward}")), Err(Refusal::Address(_))), "one of two: {inward}");
    }
    let public = [SocketAddr::from(([93, 184, 216, 34], 80))];
    assert_eq!(guard.admit("example.com", false, &public), Err(Refusal::Plain));
}

#[test]
fn what_an_operator_opens_is_open_and_nothing_beside_it() {
    let guard =
        Guard::new(["127.0.0.0/8", "10.0.0.5:8443", "idp.corp:3000"].map(|text| text.parse().unwrap()).to_vec());
    for text in ["http://127.0.0.1:1/", "https://127.9.9.9/", "http://10.0.0.5:8443/", "http://idp.corp:3000/keys"] {
        assert!(guard.check(text).is_ok(), "{text}");
    }
    for text in ["http://10.0.0.5/", "http://10.0.0.6:8443/", "https://[::1]/", "https://[::ffff:127.0.0.1]/"] {
        assert!(guard.check(text).is_err(), "{text}");
    }
    assert!(guard.check("http://2130706433/").is_err(), "still in disguise");
    // What a name leads to is seen when it is dialled.
    assert!(guard.check("http://localhost:3000/").is_ok());
    let leads = |host, address: &str| guard.admit(host, false, &[address.parse().unwrap()]);
    assert_eq!(leads("localhost", "127.0.0.1:3000"), Ok(()));
    assert!(leads("localhost", "[::1]:3000").is_err());
    assert!(leads("example.com", "10.0.0.6:8443").is_err());
    assert_eq!(leads("example.com", "93.184.216.34:80"), Err(Refusal::Plain));
    assert_eq!(leads("IDP.corp", "192.168.7.7:3000"), Ok(()));
    assert!(leads("idp.corp", "192.168.7.7:3001").is_err());
}

/// Two readers are at work: one that is asked before, one that dials. They must never see different hosts.
#[test]
fn whatever_passes_leads_where_it_says_for_both_readers() {
    const PARTS: &[&str] = &[
        "https://",
        "http://",
        "HTTPS://",
        "127.0.0.1",
        "8.8.8.8",
        "localhost",
        "example.com",
        "EXAMPLE.com",
        "[::1]",
        "[2606:4700::1]",
        "[",
        "]",
        "@",
        ":",
        "\\",
        "/",
        "//",
        "#",
        "?",
        ".",
        "..",
        "%",
        "%2e",
        "%00",
        "80",
        "443",
        "0x7f",
        "0",
        "1",
        "a",
        "-",
        "_",
        " ",
        "\t",
        "é",
        "xn--",
        "。",
        "user",
        "&",
        "=",
        ";",
        "|",
        "^",
        "{",
        "\"",
        "<",
        "`",
        "~",
        "*",
        "$",
    ];
    let chance = SeededChance::new(7);
    let (mut passed, mut picks) = (0, [0; 8]);
    for _ in 0..200_000 {
        chance.fill(&mut picks);
        // Half of them begin as they should.
        let first = if picks[0] < 128 { "https://" } else { PARTS[usize::from(picks[0]) % PARTS.len()] };
        let length = 2 + usize::from(picks[7]) % 5;
        let text =
            picks[1..length].iter().fold(first.to_owned(), |text, pick| text + PARTS[usize::from(*pick) % PARTS.len()]);
        let Ok(target) = Guard::default().check(&text) else { continue };
        passed += 1;
        let (host, dialled) = (target.url.host_str().unwrap(), target.uri.host().unwrap());
        assert_eq!(host, dialled, "{text:?}");
        let authority = text[8..].split(['/', '?', '#']).next().unwrap();
        assert!(authority.to_ascii_lowercase().starts_with(host), "{text:?}: {host}");
        assert!(!["127.0.0.1", "localhost", "[::1]"].contains(&host), "{text:?}");
        assert_eq!(target.uri.port_u16().unwrap_or(443), target.url.port_or_known_default().unwrap(), "{text:?}");
        assert!(
            target.uri.scheme_str() == Some("https") && !target.uri.authority().unwrap().as_str().contains('@'),
            "{text:?}"
        );
    }
    assert!(passed > 1000, "{passed}");
}
