//! What must come of everything that happens to one order: the rules once more, as simply as they can be said, one
//! thing after the other and without a database. Nothing here is taken from the program.

use std::collections::BTreeMap;

use serde_json::{Value, json};

pub const STATUSES: [&str; 5] = ["new", "approved", "in_progress", "completed", "cancelled"];

/// The machine of a tenant that chose nothing.
pub fn follows(from: &str, to: &str) -> bool {
    matches!(
        (from, to),
        ("new", "approved" | "cancelled")
            | ("approved", "in_progress" | "cancelled")
            | ("in_progress", "completed" | "cancelled")
    )
}

/// The words of one partner.
#[derive(Clone, Debug)]
pub struct Words {
    to_partner: BTreeMap<&'static str, String>,
    /// What each means; nothing, if it is to be ignored.
    to_ours: BTreeMap<String, Option<&'static str>>,
    /// One that means nothing until somebody says so.
    pub unknown: String,
}

impl Words {
    /// Each partner has words of its own.
    pub fn of(partner: usize) -> Self {
        let say = |word: &str| format!("P{partner}_{word}");
        let own = STATUSES.into_iter().zip(["RECEIVED", "CONFIRMED", "WORKING", "DONE", "STOPPED"].map(say));
        let mut to_partner: BTreeMap<_, _> = own.collect();
        let mut to_ours: BTreeMap<_, _> =
            to_partner.iter().map(|(status, word)| (word.clone(), Some(*status))).collect();
        to_ours.insert(say("ON_HOLD"), None);
        if partner % 2 == 1 {
            to_ours.insert(say("STARTED"), Some("in_progress"));
        }
        // This one is not told of what is cancelled, and may say it.
        if partner % 3 == 1 {
            to_partner.remove("cancelled");
        }
        Self { to_partner, to_ours, unknown: say("BEYOND_WORDS") }
    }

    /// As people write it down.
    pub fn json(&self) -> Value {
        let means: BTreeMap<_, _> = self.to_ours.iter().filter_map(|(word, to)| Some((word, (*to)?))).collect();
        let silent: Vec<_> = STATUSES.into_iter().filter(|status| !self.to_partner.contains_key(status)).collect();
        let ignored: Vec<_> = self.to_ours.iter().filter(|(_, to)| to.is_none()).map(|(word, _)| word).collect();
        json!({
            "us_to_partner": self.to_partner, "partner_to_us": means,
            "ignored": { "ours": silent, "partner": ignored },
        })
    }

    /// Those that a partner may say for a status.
    pub fn for_status(&self, status: &str) -> Vec<&String> {
        self.to_ours.iter().filter(|(_, to)| **to == Some(status)).map(|(word, _)| word).collect()
    }

    /// Those that change nothing.
    pub fn ignored(&self) -> Vec<&String> {
        self.to_ours.iter().filter(|(_, to)| to.is_none()).map(|(word, _)| word).collect()
    }

    /// What the unknown word means from now on.
    pub fn learns(&mut self, to: &'static str) {
        self.to_ours.insert(self.unknown.clone(), Some(to));
    }
}

/// What becomes of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Applied,
    Unchanged,
    Late,
    Ignored,
    Unmapped,
    Forbidden,
    Waiting,
}

impl Fate {
    /// As the API calls it.
    pub fn name(self) -> String {
        format!("{self:?}").to_uppercase()
    }

    fn counts(self) -> bool {
        matches!(self, Self::Applied | Self::Unchanged)
    }
}

/// A moment, in microseconds, and the word that was said for it. In this order updates count.
pub type Saying = (i64, String);

/// An order as it must be.
#[derive(Clone, Debug)]
pub struct Ledger {
    pub words: Words,
    pub status: &'static str,
    /// What counts, once something does.
    since: Option<Saying>,
    /// Whether it was made.
    made: bool,
    /// What the partner said, each once, and what became of it.
    pub heard: BTreeMap<Saying, Fate>,
    /// Its changes of status.
    pub history: Vec<String>,
    /// What the partner is told of them.
    pub told: Vec<String>,
}

/// A change of status as it is compared.
pub fn change(from: &str, to: &str, said: &str, reason: &str) -> String {
    format!("{from} > {to} as {said:?}, {reason:?}")
}

impl Ledger {
    pub fn new(words: Words) -> Self {
        let (heard, history, told) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { words, status: "new", since: None, made: false, heard, history, told }
    }

    /// It is made, by the partner at a moment or by us; what waited for it is seen to.
    pub fn made(&mut self, placed_at: Option<i64>, by_us: bool) {
        (self.made, self.since) = (true, placed_at.map(|at| (at, String::new())));
        if by_us && let Some(word) = self.words.to_partner.get("new") {
            self.told.push(change("", "new", word, ""));
        }
        self.judge_all(Fate::Waiting);
    }

    /// The partner says something.
    pub fn hears(&mut self, saying: &Saying) -> Fate {
        if let Some(known) = self.heard.get(saying) {
            return *known;
        }
        self.heard.insert(saying.clone(), Fate::Waiting);
        if self.made { self.judge(saying) } else { Fate::Waiting }
    }

    /// Whether we may move it there.
    pub fn may(&self, to: &str) -> bool {
        follows(self.status, to)
    }

    /// We moved it, at that moment. Whether something that the partner said before counts now, after all.
    pub fn moved(&mut self, to: &'static str, at: i64, reason: &str) -> bool {
        self.history.push(change(self.status, to, "", reason));
        if let Some(word) = self.words.to_partner.get(to) {
            self.told.push(change(self.status, to, word, reason));
        }
        (self.status, self.since) = (to, Some((at, String::new())));
        self.look_again()
    }

    /// The unknown word means something from now on.
    pub fn learns(&mut self, to: &'static str) {
        self.words.learns(to);
        self.judge_all(Fate::Unmapped);
    }

    /// What the partner said and has this fate.
    pub fn with(&self, fate: Fate) -> Vec<Saying> {
        self.heard.iter().filter(|(_, own)| **own == fate).map(|(saying, _)| saying.clone()).collect()
    }

    fn judge_all(&mut self, fate: Fate) {
        for saying in self.with(fate) {
            self.judge(&saying);
        }
    }

    /// What becomes of an update now.
    fn judge(&mut self, saying: &Saying) -> Fate {
        let fate = self.settle(saying);
        self.heard.insert(saying.clone(), fate);
        if fate.counts() {
            self.look_again();
        }
        fate
    }

    fn settle(&mut self, saying: &Saying) -> Fate {
        let to = match self.words.to_ours.get(&saying.1) {
            None => return Fate::Unmapped,
            Some(None) => return Fate::Ignored,
            Some(Some(to)) => *to,
        };
        if self.since.as_ref().is_some_and(|since| saying <= since) {
            return Fate::Late;
        }
        if self.status != to && !follows(self.status, to) {
            return Fate::Forbidden;
        }
        self.since = Some(saying.clone());
        if self.status == to {
            return Fate::Unchanged;
        }
        self.history.push(change(self.status, to, &saying.1, ""));
        self.status = to;
        Fate::Applied
    }

    /// Whatever was forbidden is looked at until nothing comes of it. Whether something counts now that did not.
    fn look_again(&mut self) -> bool {
        let mut counts = false;
        while let Some((saying, fate)) = self.next_of_kept() {
            self.heard.insert(saying, fate);
            counts |= fate.counts();
        }
        counts
    }

    fn next_of_kept(&mut self) -> Option<(Saying, Fate)> {
        let kept = self.with(Fate::Forbidden);
        kept.into_iter().find_map(|saying| {
            let fate = self.settle(&saying);
            (fate != Fate::Forbidden).then_some((saying, fate))
        })
    }
}
