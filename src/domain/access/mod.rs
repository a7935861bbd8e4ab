//! Who may come in: people, their memberships, API tokens, and whom outside issuers vouch for.
//!
//! Four kinds of record. A *user* is a person, known in the hub by an email address. A *membership*
//! binds a person to a tenant with a role. An *API token* lets a program act in one tenant with a role,
//! narrowed to some scopes if wished. An *issuer* is somebody else's server whose tokens a tenant accepts.
//!
//! One rule holds everywhere: nobody gives what they do not have. And a tenant never loses its last
//! administrator, also when two administrators demote each other at the same instant: whoever changes
//! memberships holds the tenant's row.

mod bootstrap;
pub mod issuer;
pub mod jwks;
mod jwt;
pub mod link;
mod lock;
pub mod membership;
mod outside;
mod password;
pub mod session;
pub mod token;
pub mod user;

pub use bootstrap::bootstrap;

use std::sync::Arc;

use crate::{
    context::{Cx, Hub},
    kernel::{
        actor::Caller,
        error::{Error, Result},
        scope::{Role, Scopes},
    },
};

/// Checks what somebody brings and says who calls. `chosen` is a tenant named by the request.
pub async fn authenticate(hub: &Arc<Hub>, text: &str, chosen: Option<&str>) -> Result<Caller> {
    // A JWT has dots; tokens of ours have none.
    if !text.contains('.') {
        return token::authenticate(hub, text, chosen).await;
    }
    match outside::issuer_of(text) {
        Some(issuer) if issuer != hub.access.issuer => outside::authenticate(hub, text, chosen).await,
        _ => session::authenticate(hub, text, chosen).await,
    }
}

/// Passes only roles that allow nothing the caller may not do.
fn may_grant(cx: &Cx, role: Role, scopes: Scopes) -> Result<()> {
    may_grant_at("role", cx, role, scopes)
}

/// The same, for a role that stands elsewhere in the input.
fn may_grant_at(path: &str, cx: &Cx, role: Role, scopes: Scopes) -> Result<()> {
    if scopes.within(cx.principal()?.scopes) {
        Ok(())
    } else {
        Err(Error::forbidden(path, format!("you cannot give the role {role}, because it allows more than your own")))
    }
}
