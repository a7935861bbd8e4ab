//! What calls show that were made for other reasons.
//!
//! A call may fail because of what it asked for: what is not found, not valid or in conflict says nothing about the
//! integration, except that its provider answers.

use super::{Source, judge::Observation, probe::Seen, probe::nothing};
use crate::{
    context::{
        Hub,
        evidence::{Errand, Evidence},
    },
    provider::{
        classify::Failure,
        manifest::answer::Class,
        probe::{Known, of_failure},
    },
};

/// Takes away what calls of this node have shown.
#[must_use]
pub fn take(hub: &Hub) -> Vec<Seen> {
    hub.evidence.take().into_iter().map(seen).collect()
}

fn seen(call: Evidence) -> Seen {
    let source = match call.errand {
        Errand::Test => Source::Manual,
        Errand::Stream => Source::Sync,
        Errand::Call => Source::Call,
        Errand::Webhook => Source::Webhook,
    };
    let blank = Observation { trace: Some(call.trace).filter(|trace| !trace.is_empty()), ..nothing(call.at, source) };
    let observation = match call.class {
        // That it sends says that it is there, and nothing of our credential.
        None if call.errand == Errand::Webhook => Observation { reach: Known::Good, ..blank },
        // That it works says more of the credential than any probe.
        None => Observation { reach: Known::Good, credential: Known::Good, quota: Known::Good, ..blank },
        Some(Class::NotFound | Class::Invalid | Class::Conflict) => Observation { reach: Known::Good, ..blank },
        Some(class) => {
            let failure = Failure { class, ..Failure::unreadable(None, String::new()) };
            let verdict = of_failure(&[], failure);
            Observation {
                reach: verdict.reach,
                credential: verdict.credential,
                permission: verdict.permission,
                quota: verdict.quota,
                class: Some(class),
                message: Some(call.message.unwrap_or_else(|| format!("a call failed ({class})"))),
                ..blank
            }
        }
    };
    Seen { tenant: call.tenant, integration: call.integration, observation }
}
