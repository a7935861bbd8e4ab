//! Whether a caller who was checked before still is who it was, with the same rights.
//!
//! For streams: they outlive the check at their beginning. What is looked up is what signing in looks up, by
//! id instead of by a credential that nobody keeps.

use std::fmt::Display;

use crate::{
    context::Hub,
    domain::access::{outside, refusal::TurnedAway, session, token},
    event::Entry,
    kernel::{
        actor::{Actor, Caller},
        clock::Moment,
        error::{Error, Result},
    },
};

/// Whether a credential holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// As before.
    Holds,
    /// Still somebody, with other rights.
    Changed,
    /// Not any more.
    Ended,
}

/// Whether a change can have given somebody other rights than before.
#[must_use]
pub fn may_change_rights(entry: &Entry) -> bool {
    // New things take nothing from anybody, and are what happens most.
    const HARMLESS: [&str; 11] = [
        "user.created",
        "session.started",
        "link.made",
        "password.reset_requested",
        "invitation.created",
        "invitation.accepted",
        "invitation.declined",
        "invitation.revoked",
        "agent.created",
        "api_token.created",
        "issuer.created",
    ];
    matches!(&*entry.topic, "access" | "tenant") && !HARMLESS.contains(&&*entry.kind)
}

/// Whether such a change concerns a caller: it names who that is, or a tenant in which it stands.
#[must_use]
pub fn concerns(entry: &Entry, caller: &Caller) -> bool {
    let Some(principal) = &caller.principal else { return false };
    let is = |id: &dyn Display| entry.subject == id.to_string();
    if entry.topic == "tenant" {
        return is(&principal.tenant) || is(&principal.home);
    }
    let named = match &caller.actor {
        Actor::Outside(issuer, _) => is(issuer),
        actor => is(actor) || entry.data["user"] == *actor.to_string(),
    };
    named || principal.session.is_some_and(|id| is(&id)) || principal.token.is_some_and(|id| is(&id))
}

/// Whether the credential of a caller who was let in at a moment holds now.
pub async fn of(hub: &Hub, caller: &Caller, since: Moment) -> Result<Hold> {
    let Some(before) = &caller.principal else { return Ok(Hold::Holds) };
    let chosen = before.tenant.to_string();
    let now = match (&caller.actor, before.session, before.token) {
        (_, _, Some(token)) => token::again(hub, token, Some(&chosen)).await,
        (Actor::User(user), Some(session), _) => session::again(hub, *user, session, Some(&chosen)).await,
        (Actor::Outside(issuer, _), ..) => {
            let holds = outside::holds(hub, *issuer, since).await?;
            return Ok(if holds { Hold::Holds } else { Hold::Ended });
        }
        _ => return Ok(Hold::Holds),
    };
    let now = now.map_err(TurnedAway::into_error);
    match now {
        Ok(principal) => {
            let same = (principal.home, principal.role, principal.scopes, principal.partner)
                == (before.home, before.role, before.scopes, before.partner);
            Ok(if same { Hold::Holds } else { Hold::Changed })
        }
        Err(error @ (Error::Unavailable(..) | Error::SecretUnreadable { .. } | Error::Internal(..))) => Err(error),
        Err(_) => Ok(Hold::Ended),
    }
}
