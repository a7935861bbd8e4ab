//! Whether a caller who was checked before still is who it was, with the same rights.
//!
//! For streams: they outlive the check at their beginning. What is looked up is what signing in looks up, by
//! id instead of by a credential that nobody keeps.

use crate::{
    context::Hub,
    domain::access::{outside, refusal::TurnedAway, session, token},
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
        Err(error @ (Error::Unavailable(..) | Error::Internal(..))) => Err(error),
        Err(_) => Ok(Hold::Ended),
    }
}
