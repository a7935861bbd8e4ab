//! Whether a caller who was checked before still is who it was, with the same rights.
//!
//! For streams: they outlive the check at their beginning. What is looked up is what signing in looks up, by
//! id instead of by a credential that nobody keeps.

use crate::{
    context::Hub,
    domain::access::{session, token},
    kernel::{
        actor::{Actor, Caller},
        error::{Error, Result},
    },
};

/// How a caller stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As before.
    Holds,
    /// Still somebody, with other rights.
    Changed,
    /// Not any more.
    Ended,
}

/// How the caller stands now.
pub async fn of(hub: &Hub, caller: &Caller) -> Result<Standing> {
    let Some(before) = &caller.principal else { return Ok(Standing::Holds) };
    let chosen = before.tenant.to_string();
    let now = match (caller.actor, before.session) {
        (Actor::ApiToken(id), _) => token::again(hub, id, Some(&chosen)).await,
        (Actor::User(user), Some(session)) => session::again(hub, user, session, Some(&chosen)).await,
        _ => return Ok(Standing::Holds),
    };
    match now {
        Ok(principal) => {
            let same = (principal.home, principal.role, principal.scopes, principal.partner)
                == (before.home, before.role, before.scopes, before.partner);
            Ok(if same { Standing::Holds } else { Standing::Changed })
        }
        Err(error @ (Error::Unavailable(..) | Error::Internal(..))) => Err(error),
        Err(_) => Ok(Standing::Ended),
    }
}
