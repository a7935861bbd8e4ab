//! The form of our tokens: API tokens, refresh tokens, links that work once.
//!
//! A prefix for the kind (`ptl_`, `ptr_`, `pto_`) + 43 random characters (256 bits) + 6 characters of checksum. The prefix and the checksum let
//! secret scanners recognise a leaked token without asking us, and let us refuse a mistyped one without
//! asking the database. Only the SHA-256 of the text is stored: with 256 random bits there is nothing
//! to guess, so a slow hash would add cost and no safety.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{chance::Chance, secret::Secret};

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A program acts with it.
    Api,
    /// It buys the next pair of tokens of a session.
    Refresh,
    /// It works once, for what it was made for.
    OneTime,
    /// By which an outsider gives an integration its credential.
    Connect,
    /// The address to which a provider sends webhooks.
    Hook,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Api, Self::Refresh, Self::OneTime];

    /// What tokens of the kind begin with.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Api => "ptl_",
            Self::Refresh => "ptr_",
            Self::OneTime => "pto_",
            Self::Connect => "ptc_",
            Self::Hook => "pth_",
        }
    }
}

const PREFIX: usize = 4;

const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM: usize = 43;
const CHECK: usize = 6;

/// A token's stored form.
pub type Digest256 = [u8; 32];

/// Makes a new token.
pub fn mint(kind: Kind, chance: &dyn Chance) -> Secret {
    let mut seed = Zeroizing::new([0; 32]);
    chance.fill(&mut *seed);
    from_seed(kind, &seed)
}

/// The token that follows from a seed; the seed must be as secret as the token.
#[must_use]
pub fn from_seed(kind: Kind, seed: &[u8; 32]) -> Secret {
    let mut text = String::with_capacity(PREFIX + RANDOM + CHECK);
    text.push_str(kind.prefix());
    let mut round = 0_u8;
    while text.len() < PREFIX + RANDOM {
        let pool = Sha256::new().chain_update(seed).chain_update([round]).finalize();
        // Bytes past the last multiple of 62 would favour the first letters.
        let letters = pool.iter().filter(|byte| **byte < 248).map(|byte| char::from(LETTERS[usize::from(byte % 62)]));
        text.extend(letters.take(PREFIX + RANDOM - text.len()));
        round = round.wrapping_add(1);
    }
    text.push_str(&checksum(&text));
    Secret::from(text)
}

/// Whether the text can be one of our tokens of the kind at all.
#[must_use]
pub fn well_formed(kind: Kind, text: &str) -> bool {
    text.len() == PREFIX + RANDOM + CHECK
        && text.starts_with(kind.prefix())
        && text.is_ascii()
        && checksum(&text[..PREFIX + RANDOM]) == text[PREFIX + RANDOM..]
}

/// What is stored in place of the token.
#[must_use]
pub fn digest(text: &str) -> Digest256 {
    Sha256::digest(text.as_bytes()).into()
}

/// Enough to recognise a token in a list, too little to use it.
#[must_use]
pub fn hint(token: &Secret) -> String {
    let text = token.expose();
    let (head, tail) =
        (text.get(..8).unwrap_or_default(), text.get(text.len().saturating_sub(4)..).unwrap_or_default());
    format!("{head}…{tail}")
}

fn checksum(text: &str) -> String {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut digits = [b'0'; CHECK];
    for digit in digits.iter_mut().rev() {
        *digit = LETTERS[(rest % 62) as usize];
        rest /= 62;
    }
    digits.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::super::chance::SeededChance;
    use super::*;

    #[test]
    fn a_minted_token_is_well_formed_and_no_two_are_alike() {
        let chance = SeededChance::new(1);
        let (one, two) = (mint(Kind::Api, &chance), mint(Kind::Api, &chance));
        assert!(well_formed(Kind::Api, one.expose()) && well_formed(Kind::Api, two.expose()));
        assert_ne!(one.expose(), two.expose());
    }

    #[test]
    fn a_mistyped_token_is_recognised() {
        let token = mint(Kind::Api, &SeededChance::new(2)).expose().to_owned();
        for at in PREFIX..token.len() {
            let mut typo = token.clone().into_bytes();
            typo[at] = if typo[at] == b'x' { b'y' } else { b'x' };
            assert!(!well_formed(Kind::Api, std::str::from_utf8(&typo).unwrap()), "{at}");
        }
        assert!(
            !well_formed(Kind::Api, "")
                && !well_formed(Kind::Api, "ptl_")
                && !well_formed(Kind::Api, &format!("{token}x"))
        );
        assert!(!well_formed(Kind::Api, &"ü".repeat(26)));
    }

    #[test]
    fn a_hint_shows_twelve_characters() {
        assert_eq!(hint(&mint(Kind::Api, &SeededChance::new(3))).chars().count(), 13);
    }
}
