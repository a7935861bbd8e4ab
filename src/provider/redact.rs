//! Foreign words made fit to be kept: short, printable, and without our secrets.
//!
//! Providers quote what they were sent. A message that says which key was wrong says the key, so whatever a
//! provider says is looked through for every secret that went into the request, as it was sent and as it
//! would be encoded in an address. Some quote only the part that they looked at, so long pieces count too.

use std::collections::HashSet;

use crate::kernel::secret::Secret;

/// Longest message that is kept, in characters.
pub const MAX_MESSAGE: usize = 500;

/// Stands for what was taken out.
const MARK: &str = "…";

/// Secrets shorter than this are not looked for: they would blot out ordinary words.
const SHORTEST: usize = 4;

/// Pieces of a secret of this many bytes are taken out wherever they stand.
const PIECE: usize = 12;

/// A foreign message, made fit.
pub fn message<'a>(text: &str, secrets: impl IntoIterator<Item = &'a Secret>) -> String {
    // Cut first, so that the work does not grow with what was sent; the end of a secret may be cut off with
    // it, so more is kept than is shown.
    let longest = 4_096;
    let mut kept: String = text.chars().take(longest).collect();
    for secret in secrets {
        kept = without(&kept, secret.expose());
    }
    let mut shown = String::new();
    let mut blank = true;
    for (count, letter) in kept.chars().enumerate() {
        if count >= MAX_MESSAGE {
            shown.push_str(MARK);
            break;
        }
        let space = letter.is_whitespace() || letter.is_control();
        if !(space && blank) {
            shown.push(if space { ' ' } else { letter });
        }
        blank = space;
    }
    shown.trim_end().to_owned()
}

/// A text without a secret, plain, percent-encoded or as the user of Basic.
#[must_use]
pub fn without(text: &str, secret: &str) -> String {
    if secret.len() < SHORTEST {
        return text.to_owned();
    }
    let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let mut text = text.replace(secret, MARK);
    if encoded != secret {
        text = text.replace(&encoded, MARK);
    }
    without_pieces(&text, secret)
}

/// A text without any long piece of a secret.
fn without_pieces(text: &str, secret: &str) -> String {
    let pieces: HashSet<&[u8]> = secret.as_bytes().windows(PIECE).collect();
    let mut hidden = vec![false; text.len()];
    for (at, window) in text.as_bytes().windows(PIECE).enumerate() {
        if pieces.contains(window) {
            hidden[at..at + PIECE].fill(true);
        }
    }
    let mut shown = String::with_capacity(text.len());
    let mut before = false;
    for (at, letter) in text.char_indices() {
        match (hidden[at], before) {
            (false, _) => shown.push(letter),
            (true, false) => shown.push_str(MARK),
            (true, true) => {}
        }
        before = hidden[at];
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_short_printable_and_without_secrets() {
        let secrets = [Secret::from("sk_live_abc/1".to_owned()), Secret::from("no".to_owned())];
        let text = "Invalid key\r\n\t sk_live_abc/1 or sk_live_abc%2F1\u{7}, no";
        assert_eq!(message(text, &secrets), "Invalid key … or … , no");
        let secrets = [Secret::from("sk_live_0123456789abcdef".to_owned())];
        let text = "é0123456789abcdefé, ending in 9abcdef";
        assert_eq!(message(text, &secrets), "é…é, ending in 9abcdef");
        assert_eq!(message(&"x".repeat(10_000), &secrets).chars().count(), MAX_MESSAGE + 1);
    }
}
