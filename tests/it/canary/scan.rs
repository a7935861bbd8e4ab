//! Finds canaries in bytes, in whatever form they were written there.
//!
//! A secret is known by its *hearts*: pieces of twelve bytes out of its middle, each of which is looked for by
//! itself. So a secret that was cut is found too, while the few characters that a hint shows are not. Every form
//! that a piece can take becomes a pattern; all patterns are looked for in one pass.

use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use base64::{
    Engine,
    alphabet::{Alphabet, STANDARD, URL_SAFE},
    engine::{GeneralPurpose, GeneralPurposeConfig},
};

/// Bytes of a heart.
pub const HEART: usize = 12;

/// What was found: which secret, in which form.
pub type Found = BTreeSet<(usize, &'static str)>;

/// All patterns of some secrets.
pub struct Scanner {
    automaton: AhoCorasick,
    /// Of which secret each pattern is, and in which form.
    patterns: Vec<(usize, &'static str)>,
}

impl Scanner {
    /// Looks for these hearts; the number says whose each is.
    pub fn new<'a>(hearts: impl IntoIterator<Item = (usize, &'a [u8])>) -> Self {
        let (mut patterns, mut texts) = (Vec::new(), Vec::new());
        for (secret, heart) in hearts {
            for (form, bytes) in forms(heart) {
                patterns.push((secret, form));
                texts.push(bytes);
            }
        }
        // A table of all transitions would take gigabytes.
        let kind = Some(AhoCorasickKind::ContiguousNFA);
        Self { automaton: AhoCorasick::builder().kind(kind).build(&texts).unwrap(), patterns }
    }

    /// What is in there. Patterns that overlap are all found.
    pub fn find(&self, place: &[u8]) -> Found {
        self.automaton.find_overlapping_iter(place).map(|found| self.patterns[found.pattern()]).collect()
    }
}

/// Every form, by the name under which it is reported.
pub fn forms(heart: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let each =
        |of_byte: &dyn Fn(u8) -> String| heart.iter().map(|byte| of_byte(*byte)).collect::<String>().into_bytes();
    let list = |separator: &str, of_byte: &dyn Fn(u8) -> String| {
        heart.iter().map(|byte| of_byte(*byte)).collect::<Vec<_>>().join(separator).into_bytes()
    };
    let mut forms = vec![
        ("raw", heart.to_vec()),
        ("lower case", heart.to_ascii_lowercase()),
        ("upper case", heart.to_ascii_uppercase()),
        ("hex", each(&|byte| format!("{byte:02x}"))),
        ("HEX", each(&|byte| format!("{byte:02X}"))),
        ("hex with gaps", list(" ", &|byte| format!("{byte:02x}"))),
        ("hex with colons", list(":", &|byte| format!("{byte:02x}"))),
        ("hex list", list(", ", &|byte| format!("{byte:02x}"))),
        ("decimal list", list(", ", &|byte| byte.to_string())),
        ("decimal JSON", list(",", &|byte| byte.to_string())),
        ("URL-encoded", each(&url_encoded)),
        ("URL-encoded throughout", each(&|byte| format!("%{byte:02X}"))),
        ("url-encoded throughout", each(&|byte| format!("%{byte:02x}"))),
        ("JSON escapes", each(&|byte| format!("\\u{byte:04x}"))),
        ("JSON ESCAPES", each(&|byte| format!("\\u{byte:04X}"))),
        ("byte escapes", each(&|byte| format!("\\x{byte:02x}"))),
        ("octal escapes", each(&|byte| format!("\\{byte:03o}"))),
        ("UTF-16 LE", heart.iter().flat_map(|byte| [*byte, 0]).collect()),
        ("UTF-16 BE", heart.iter().flat_map(|byte| [0, *byte]).collect()),
    ];
    for (alphabet, names) in [
        (&STANDARD, ["base64", "base64 + 1", "base64 + 2"]),
        (&URL_SAFE, ["base64url", "base64url + 1", "base64url + 2"]),
    ] {
        forms.extend((0..3).map(|shift| (names[shift], base64(alphabet, heart, shift))));
    }
    // What looks alike is one pattern, under the name that comes first.
    let mut seen = BTreeSet::new();
    forms.retain(|(_, bytes)| seen.insert(bytes.clone()));
    forms
}

fn url_encoded(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
}

/// The characters that are the same whatever stands before and after, when so many bytes are before in the last
/// group of three.
fn base64(alphabet: &Alphabet, heart: &[u8], shift: usize) -> Vec<u8> {
    let whole = [&[0; 3][..shift], heart, &[0; 3]].concat();
    let text = GeneralPurpose::new(alphabet, GeneralPurposeConfig::new()).encode(whole).into_bytes();
    let (first, end) = ((shift * 8).div_ceil(6), (shift + heart.len()) * 8 / 6);
    text[first..end].to_vec()
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD};

    use super::*;

    const TEXT: &[u8] = b"cnryQ7aZ81fX";
    const BYTES: &[u8] = &[0, 255, 62, 251, 7, 63, 190, 128, 13, 10, 34, 92];

    fn found(place: &[u8]) -> Vec<(usize, &'static str)> {
        Scanner::new([(0, TEXT), (1, BYTES)]).find(place).into_iter().collect()
    }

    #[test]
    fn each_form_is_found_wherever_it_stands() {
        let mut tried = 0;
        for (secret, heart) in [TEXT, BYTES].into_iter().enumerate() {
            for (form, bytes) in forms(heart) {
                for around in [&b""[..], b"x", b"before\"", &[0, 255, 7]] {
                    let place = [around, &bytes, around].concat();
                    let found = found(&place);
                    assert!(found.contains(&(secret, form)), "{form}: {found:?}");
                    tried += 1;
                }
            }
        }
        assert!(tried > 150, "{tried}");
    }

    #[test]
    fn base64_of_something_longer_is_found_at_every_offset_padded_or_not() {
        for heart in [TEXT, BYTES] {
            for before in 0..7 {
                for after in 0..4 {
                    let whole = [&vec![b'~'; before][..], heart, &vec![b'?'; after]].concat();
                    for text in [
                        BASE64_STANDARD.encode(&whole),
                        BASE64_STANDARD_NO_PAD.encode(&whole),
                        BASE64_URL_SAFE.encode(&whole),
                        BASE64_URL_SAFE_NO_PAD.encode(&whole),
                    ] {
                        assert!(!found(text.as_bytes()).is_empty(), "{text} at {before}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_others_write_is_found() {
        let secret = format!("before {} after", String::from_utf8_lossy(TEXT));
        let pieces = [
            serde_json::to_string(&secret).unwrap(),
            format!("{secret:?}"),
            format!("{:?}", secret.as_bytes()),
            format!("{:02x?}", secret.as_bytes()),
            serde_json::to_string(secret.as_bytes()).unwrap(),
            crate::support::request::encoded(&secret),
            secret.escape_unicode().to_string().replace('{', "00").replace('}', ""),
            secret.as_bytes().escape_ascii().to_string(),
        ];
        for piece in pieces {
            assert!(!found(piece.as_bytes()).is_empty(), "{piece}");
        }
        let wide: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(!found(&wide).is_empty());
    }

    #[test]
    fn nothing_is_found_where_nothing_is() {
        assert_eq!(found(b""), []);
        assert_eq!(found(&TEXT[..HEART - 1]), []);
        assert_eq!(found(&[&TEXT[1..], &TEXT[..1]].concat()), []);
        let noise: Vec<u8> = (0..200_000_u32).flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        assert_eq!(found(&noise), []);
    }
}
