//! What is wrong with a mapping, and what is lost by it.
//!
//! A *fault* stands in the way of using it. A *loss* is what does not come back as it went: two of our statuses with
//! one word, a word whose status has another. A *note* is worth knowing: a status that no word of the partner leads to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::rules::{Meaning, Rules, Word, shown};
use crate::{
    domain::order::machine::Machine,
    kernel::error::{Error, Issue},
};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Severity {
    /// It cannot be used so.
    Fault,
    /// Something does not come back as it went.
    Loss,
    /// Worth knowing.
    Note,
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Where in the mapping.
    pub path: Vec<String>,
    /// What, for people.
    pub message: String,
}

struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, severity: Severity, path: [&str; 2], message: String) {
        let path = path.into_iter().filter(|part| !part.is_empty()).map(shown).collect();
        self.0.push(Finding { severity, path, message });
    }
}

/// Everything that is to be said of rules, the worst first.
#[must_use]
pub fn check(rules: &Rules, machine: &Machine) -> Vec<Finding> {
    let mut found = Findings(Vec::new());
    let (there, back) = (rules.keys.0.as_str(), rules.keys.1.as_str());
    of_ours(rules, machine, there, &mut found);
    of_partner(rules, machine, (there, back), &mut found);
    alike(rules, back, &mut found);
    ways(rules, machine, &mut found);
    round(rules, (there, back), &mut found);
    let reached: Vec<_> = rules.to_ours.values().collect();
    for status in machine.statuses.iter().filter(|status| !reached.contains(status)) {
        let message = format!("no word of the partner leads to {status}");
        found.add(Severity::Note, [back, ""], message);
    }
    found.0.sort_by_key(|finding| finding.severity);
    found.0
}

/// Whether a mapping can be used.
#[must_use]
pub fn passes(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.severity != Severity::Fault)
}

/// The faults, as a refusal below a path.
pub fn refusal(path: &str, findings: &[Finding]) -> Result<(), Error> {
    let faults = findings.iter().filter(|finding| finding.severity == Severity::Fault);
    let issues: Vec<_> = faults
        .map(|fault| {
            let mut issue = Issue::at(path, fault.message.clone());
            issue.path.extend(fault.path.iter().cloned());
            issue
        })
        .collect();
    if issues.is_empty() { Ok(()) } else { Err(Error::Refused(issues)) }
}

/// Every status of ours has a word or is ignored, and nothing else is one.
fn of_ours(rules: &Rules, machine: &Machine, there: &str, found: &mut Findings) {
    for status in &machine.statuses {
        match rules.word(status) {
            Word::Unknown => {
                let message = format!("{status} has no word for the partner; give one, or put it into ignored.ours");
                found.add(Severity::Fault, [there, status], message);
            }
            Word::Said(_) if rules.ignored_ours.contains(status) => {
                let message = format!("{status} has a word, and is ignored as well");
                found.add(Severity::Fault, ["ignored", "ours"], message);
            }
            Word::Said(_) | Word::Ignored => {}
        }
    }
    let unknown = |status: &&String| !machine.has(status);
    for status in rules.to_partner.keys().filter(unknown) {
        found.add(Severity::Fault, [there, status], none(status, machine));
    }
    for status in rules.ignored_ours.iter().filter(unknown) {
        found.add(Severity::Fault, ["ignored", "ours"], none(status, machine));
    }
}

fn none(status: &str, machine: &Machine) -> String {
    format!("there is no status {:?}; there are {}", shown(status), machine.statuses.join(", "))
}

/// Every word of the partner means something or is ignored.
fn of_partner(rules: &Rules, machine: &Machine, (there, back): (&str, &str), found: &mut Findings) {
    for (said, status) in &rules.to_ours {
        if !machine.has(status) {
            found.add(Severity::Fault, [back, said], none(status, machine));
        }
        if rules.ignored_partner.contains(said) {
            let message = format!("{:?} means something, and is ignored as well", shown(said));
            found.add(Severity::Fault, ["ignored", "partner"], message);
        }
    }
    for said in rules.partner_words() {
        if rules.meaning(said) == Meaning::Unknown {
            let shown = shown(said);
            let message = format!("{shown:?} means nothing; give it a status, or put it into ignored.partner");
            let used = rules.to_partner.iter().find(|(_, word)| *word == said);
            let path = used.map_or([back, said], |(status, _)| [there, status.as_str()]);
            found.add(Severity::Fault, path, message);
        }
    }
}

/// Words that a hasty reader, or another system, takes for one another.
fn alike(rules: &Rules, back: &str, found: &mut Findings) {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for word in rules.partner_words() {
        let plain: String =
            word.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        if let Some(other) = seen.insert(plain, word) {
            let message = format!("{:?} and {:?} differ in letters' case or signs alone", shown(other), shown(word));
            found.add(Severity::Fault, [back, word], message);
        }
    }
}

/// What follows what at the partner may follow with us.
fn ways(rules: &Rules, machine: &Machine, found: &mut Findings) {
    for (from, nexts) in &rules.partner_transitions {
        for to in nexts {
            if let (Meaning::Status(one), Meaning::Status(other)) = (rules.meaning(from), rules.meaning(to))
                && one != other
                && machine.has(one)
                && machine.has(other)
                && !machine.allows(one, other)
            {
                let message = format!("{:?} follows it there, but {other} may not follow {one} here", shown(to));
                found.add(Severity::Fault, ["partner_transitions", from], message);
            }
        }
    }
}

/// What does not come back as it went.
fn round(rules: &Rules, (there, back): (&str, &str), found: &mut Findings) {
    for (status, word) in &rules.to_partner {
        if let Meaning::Status(other) = rules.meaning(word)
            && other != status
        {
            let message = format!("{status} goes as {:?} and comes back as {other}", shown(word));
            found.add(Severity::Loss, [there, status], message);
        }
    }
    for (said, status) in &rules.to_ours {
        match rules.word(status) {
            Word::Said(other) if other != said => {
                let message = format!("{:?} comes as {status} and goes back as {:?}", shown(said), shown(other));
                found.add(Severity::Loss, [back, said], message);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::partner::mapping::rules;

    fn seed() -> Value {
        json!({
            "us_to_partner": {
                "new": "RECEIVED", "approved": "CONFIRMED", "in_progress": "IN_PROGRESS", "completed": "DELIVERED"
            },
            "partner_to_us": {
                "RECEIVED": "new", "CONFIRMED": "approved", "IN_PROGRESS": "in_progress", "DELIVERED": "completed"
            },
            "ignored": { "ours": ["cancelled"] },
        })
    }

    fn faults(json: &Value) -> Vec<String> {
        let rules = rules::read("m", json).unwrap();
        let found = check(&rules, &Machine::default());
        let faults = found.into_iter().filter(|finding| finding.severity == Severity::Fault);
        faults.map(|finding| finding.path.join(".")).collect()
    }

    #[test]
    fn a_whole_mapping_passes_and_says_what_it_loses() {
        assert!(faults(&seed()).is_empty());
        let mut lossy = seed();
        lossy["partner_to_us"]["STARTED"] = json!("in_progress");
        let found = check(&rules::read("m", &lossy).unwrap(), &Machine::default());
        assert!(passes(&found));
        let loss: Vec<_> = found.iter().filter(|finding| finding.severity == Severity::Loss).collect();
        assert_eq!(loss[0].path, ["partner_to_us", "STARTED"]);
    }

    #[test]
    fn each_way_of_being_wrong_is_a_fault_with_its_place() {
        let with = |change: &dyn Fn(&mut Value)| {
            let mut json = seed();
            change(&mut json);
            faults(&json)
        };
        assert_eq!(with(&|json| json["ignored"] = json!({})), ["us_to_partner.cancelled"]);
        assert_eq!(with(&|json| json["us_to_partner"]["lost"] = json!("RECEIVED")), ["us_to_partner.lost"]);
        assert_eq!(with(&|json| json["partner_to_us"]["X"] = json!("lost")), ["partner_to_us.X"]);
        assert_eq!(with(&|json| json["us_to_partner"]["new"] = json!("FRESH")), ["us_to_partner.new"]);
        assert_eq!(with(&|json| json["partner_to_us"]["received"] = json!("new")), ["partner_to_us.received"]);
        assert_eq!(with(&|json| json["ignored"]["ours"] = json!(["cancelled", "new"])), ["ignored.ours"]);
        let skips = json!({ "RECEIVED": ["DELIVERED"] });
        assert_eq!(with(&|json| json["partner_transitions"] = skips.clone()), ["partner_transitions.RECEIVED"]);
    }
}
