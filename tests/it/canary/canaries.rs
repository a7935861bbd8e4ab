//! The secrets that are looked for: those a test makes up and puts in, and those the hub makes and hands out.

use portolan::kernel::chance::{Chance, SystemChance};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::scan::{HEART, Scanner};

/// Characters in front of a token that its hint shows.
const HINTED: usize = 8;

/// One secret.
pub struct Canary {
    /// What it is, and by which door it came.
    pub kind: String,
    text: Vec<u8>,
    hearts: Vec<Vec<u8>>,
}

/// All of them.
pub struct Canaries {
    dice: StdRng,
    pub all: Vec<Canary>,
}

impl Canaries {
    pub fn new() -> Self {
        // Other ones each time, so that none is found that an earlier run left behind.
        let mut seed = [0; 32];
        SystemChance.fill(&mut seed);
        Self { dice: StdRng::from_seed(seed), all: Vec::new() }
    }

    /// A new secret of letters and digits; a password that anybody would accept.
    pub fn make(&mut self, kind: &str) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
        let letters = |dice: &mut StdRng| char::from(LETTERS[dice.random_range(0..LETTERS.len())]);
        let text: String = (0..2 * HEART).map(|_| letters(&mut self.dice)).collect();
        self.remember(kind, text.as_bytes(), 0);
        text
    }

    /// A secret of the hub's own making, once it is known: a token. Its hint is no secret. One that is handed out
    /// twice is the same secret.
    pub fn token(&mut self, kind: &str, text: &str) -> usize {
        assert!(text.len() >= HINTED + 3 * HEART, "this is no token: {text:?}");
        self.known(text).unwrap_or_else(|| self.remember(kind, text.as_bytes(), HINTED))
    }

    /// An access token; what it says is no secret, its signature is. Two of the same session and second are alike.
    pub fn jwt(&mut self, kind: &str, text: &str) -> usize {
        let (_, signature) = text.rsplit_once('.').unwrap();
        self.known(signature).unwrap_or_else(|| self.remember(kind, signature.as_bytes(), 0))
    }

    /// Which secret this text is.
    pub fn known(&self, text: &str) -> Option<usize> {
        self.all.iter().position(|canary| canary.text == text.as_bytes())
    }

    /// A key.
    pub fn bytes(&mut self, kind: &str, bytes: &[u8]) -> usize {
        self.remember(kind, bytes, 0)
    }

    /// Notes every piece of a secret from an offset on; the last one may overlap the one before it.
    fn remember(&mut self, kind: &str, secret: &[u8], from: usize) -> usize {
        let rest = &secret[from..];
        let last = rest[rest.len() - HEART..].to_vec();
        let mut hearts: Vec<_> = rest.chunks_exact(HEART).map(<[u8]>::to_vec).collect();
        // The last four characters of a token are in its hint.
        if from == 0 && !hearts.contains(&last) {
            hearts.push(last);
        }
        self.all.push(Canary { kind: kind.to_owned(), text: secret.to_vec(), hearts });
        self.all.len() - 1
    }

    /// Looks for all of them.
    pub fn scanner(&self) -> Scanner {
        let hearts = self.all.iter().enumerate();
        Scanner::new(hearts.flat_map(|(number, canary)| canary.hearts.iter().map(move |heart| (number, &heart[..]))))
    }
}
