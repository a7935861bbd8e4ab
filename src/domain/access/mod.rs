//! Who may come in: people, their memberships, API tokens.
//!
//! Three kinds of record. A *user* is a person, known in the hub by an email address. A *membership*
//! binds a person to a tenant with a role. An *API token* lets a program act in one tenant with a role,
//! narrowed to some scopes if wished.
//!
//! One rule holds everywhere: nobody gives what they do not have. And a tenant never loses its last
//! administrator, also when two administrators demote each other at the same instant: whoever changes
//! memberships holds the tenant's row.

mod bootstrap;
mod jwt;
pub mod link;
mod lock;
pub mod membership;
mod password;
pub mod people;
pub mod session;
pub mod standing;
pub mod token;
pub mod user;

pub use bootstrap::bootstrap;

use crate::{
    context::Cx,
    kernel::{
        error::{Error, Result},
        scope::{Role, Scopes},
    },
};

/// Passes only roles that allow nothing the caller may not do.
fn may_grant(cx: &Cx, role: Role, scopes: Scopes) -> Result<()> {
    if scopes.within(cx.principal()?.scopes) {
        Ok(())
    } else {
        Err(Error::forbidden("role", format!("you cannot give the role {role}, because it allows more than your own")))
    }
}
