//! What an answer to the probe says about a connection.
//!
//! A probe asks three things at once: is the provider there, is the credential right, may it do what we need.
//! They are kept apart, because each is mended elsewhere: by waiting, by the person who has the key, by the
//! person who grants rights.

use std::collections::BTreeSet;

use super::{
    classify::Failure,
    expression::Document,
    manifest::answer::{Class, RequestProbe},
};

/// What is known of one side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It is as it should be.
    Good,
    /// It is not.
    Bad,
    /// The answer does not tell.
    Unknown,
}

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the provider answers as it should.
    pub reach: Known,
    /// Whether the credential is right.
    pub credential: Known,
    /// Whether the credential may do what was asked.
    pub permission: Known,
    /// Whether there is allowance left.
    pub quota: Known,
    /// Whose credential it is, in the provider's words.
    pub account: Option<String>,
    /// Ids of the accounts that the provider named as those of the credential; empty if it named none. Nothing if
    /// it was not asked, or gave no answer to that.
    pub named: Option<BTreeSet<String>>,
    /// The failure behind it, if there was one.
    pub failure: Option<Failure>,
}

impl Verdict {
    /// Whether the connection can be used.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.reach == Known::Good && self.credential == Known::Good
    }
}

/// Judges the judged answer to a probe.
#[must_use]
pub fn verdict(probe: &RequestProbe, outcome: Result<Document, Failure>) -> Verdict {
    match outcome {
        Ok(document) => {
            // An answer that is not what was expected may come from anybody: it proves nothing.
            let expected = probe.expect.as_ref().is_none_or(|condition| condition.holds(&document));
            let known = if expected { Known::Good } else { Known::Unknown };
            Verdict {
                reach: if expected { Known::Good } else { Known::Bad },
                credential: known,
                permission: known,
                quota: Known::Good,
                account: probe.account.as_ref().and_then(|path| path.text(&document)).filter(|_| expected),
                named: None,
                failure: None,
            }
        }
        Err(failure) => of_failure(probe.accepts.as_deref().unwrap_or_default(), failure),
    }
}

/// Judges a failed probe; those classes prove the credential all the same.
#[must_use]
pub fn of_failure(accepts: &[Class], failure: Failure) -> Verdict {
    let accepted = accepts.contains(&failure.class);
    let (reach, credential, permission) = match failure.class {
        Class::Auth => (Known::Good, Known::Bad, Known::Unknown),
        Class::Permission => (Known::Good, if accepted { Known::Good } else { Known::Unknown }, Known::Bad),
        Class::NotFound | Class::Invalid | Class::Conflict => {
            (Known::Good, if accepted { Known::Good } else { Known::Unknown }, Known::Unknown)
        }
        // Who is throttled has been recognised by many, but not by all, so nothing is said.
        Class::Throttled | Class::Quota => (Known::Good, Known::Unknown, Known::Unknown),
        Class::Down | Class::Unreadable => (Known::Bad, Known::Unknown, Known::Unknown),
    };
    let quota = match failure.class {
        Class::Throttled | Class::Quota => Known::Bad,
        Class::Down | Class::Unreadable => Known::Unknown,
        _ => Known::Good,
    };
    Verdict { reach, credential, permission, quota, account: None, named: None, failure: Some(failure) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(class: Class) -> Failure {
        Failure { class, status: Some(400), message: None, code: None, request_id: None, until: None }
    }

    #[test]
    fn only_a_refused_credential_is_a_bad_credential() {
        for class in Class::ALL {
            let verdict = of_failure(&[], failure(*class));
            assert_eq!(verdict.credential == Known::Bad, *class == Class::Auth, "{class}");
        }
    }

    #[test]
    fn an_accepted_failure_proves_the_credential() {
        let verdict = of_failure(&[Class::Permission], failure(Class::Permission));
        assert!(verdict.is_good());
        assert_eq!(verdict.permission, Known::Bad);
        assert!(!of_failure(&[], failure(Class::Permission)).is_good());
    }

    #[test]
    fn what_is_down_or_throttled_says_nothing_about_the_credential() {
        for class in [Class::Down, Class::Unreadable, Class::Throttled, Class::Quota] {
            assert_eq!(of_failure(&[class], failure(class)).credential, Known::Unknown, "{class}");
        }
    }
}
