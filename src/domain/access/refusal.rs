//! Who was turned away, and whose credential it was.
//!
//! A check that fails says so with [`TurnedAway`]: the error that the caller sees, which tells nothing, and
//! beside it what the audit log is to know, if the credential was somebody's. Every way in ends in
//! [`noted`], the one place that hands it over. Credentials that nobody ever had are nobody's attempt to
//! note; the address that tries them is locked out as usual.

use crate::{
    context::{Attempt, Cx, Whose},
    kernel::{
        actor::Actor,
        error::{Error, Result},
        id::UserId,
    },
};

/// A refusal, with what is known of whom it concerns.
#[derive(Debug)]
pub(super) struct TurnedAway {
    error: Error,
    whose: Option<Box<Known>>,
}

#[derive(Debug)]
struct Known {
    whose: Whose,
    actor: Actor,
    subject: String,
    reason: &'static str,
}

impl<E: Into<Error>> From<E> for TurnedAway {
    fn from(error: E) -> Self {
        Self { error: error.into(), whose: None }
    }
}

impl TurnedAway {
    /// A refusal that concerns somebody.
    pub(super) fn of(
        error: Error,
        whose: Whose,
        actor: Actor,
        subject: impl std::fmt::Display,
        reason: &'static str,
    ) -> Self {
        let known = Known { whose, actor, subject: subject.to_string(), reason };
        Self { error, whose: Some(Box::new(known)) }
    }

    /// The error alone, where nobody tried anything.
    pub(super) fn into_error(self) -> Error {
        self.error
    }

    /// A refusal of somebody who claimed to be that person.
    pub(super) fn claimed(error: Error, person: UserId, reason: &'static str) -> Self {
        Self::of(error, Whose::Person(person), Actor::Anonymous, person, reason)
    }
}

/// Notes a refusal of what was tried, and passes it on.
pub(super) fn noted<T>(cx: &Cx, what: &'static str, outcome: Result<T, TurnedAway>) -> Result<T> {
    outcome.map_err(|TurnedAway { error, whose }| {
        if let Some(known) = whose {
            let Known { whose, actor, subject, reason } = *known;
            cx.refused(Attempt { whose, actor, what: what.to_owned(), subject }, reason);
        }
        error
    })
}
