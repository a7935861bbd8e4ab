//! Who may come in: people, their memberships, agents, API tokens, and whom outside issuers vouch for.
//!
//! Six kinds of record. A *user* is a person, known in the hub by an email address. A *membership*
//! binds a person to a tenant with a role; it begins with an *invitation* that the person accepts. An *agent* is a
//! machine user of one tenant. An *API token* lets a program act in one tenant with a role, narrowed to some scopes if
//! wished, as itself or as an agent. An *issuer* is somebody else's server whose tokens a tenant accepts.
//!
//! **Whose business what is.** The membership and what is done in the tenant are the tenant's: its administrators
//! invite, change roles, end memberships, and end sessions as far as they act in this tenant; they see what happened in
//! it and nothing else. The account is the person's own: name and password. As long as a person belongs to no tenant
//! but the one that founded the account, the administrators of that tenant look after it too: they may correct the name
//! and make links for a new password. An email address names a person in the whole hub, so only the operator of the hub
//! (`HUB_ADMIN`) changes one; anybody else would learn from the refusal which addresses have an account.
//!
//! One rule holds everywhere: nobody gives what they do not have. And a tenant never loses its last
//! administrator, nor the hub the last person who runs it, also when two demote each other at the same instant:
//! whoever changes memberships holds the tenant's row and those of all tenants whose people run the hub.

pub mod agent;
pub mod attempt_limit;
mod bootstrap;
pub mod hold;
pub mod invitation;
pub mod issuer;
pub mod jwks;
mod jwt;
pub mod link;
pub mod membership;
mod narrowed;
mod outside;
mod password;
pub mod people;
mod refusal;
pub mod reset;
pub mod session;
mod standing;
pub mod starter;
pub mod token;
pub mod user;

pub use bootstrap::{ADMINISTRATOR, bootstrap};

use crate::{
    context::Cx,
    kernel::{
        actor::Caller,
        error::{Error, Result},
        scope::{Role, Scopes},
    },
};

/// Checks the credential of a request and says who calls. `chosen` is a tenant named by the request.
///
/// Whatever is wrong with a credential looks the same from outside: whether it was mistyped, expired or
/// revoked is nobody's business. The log of the tenant whose it was says more.
pub async fn identify(cx: &Cx, text: &str, chosen: Option<&str>) -> Result<Caller> {
    let hub = cx.hub();
    // A JWT has dots; tokens of ours have none.
    let outcome = match outside::issuer_of(text) {
        _ if !text.contains('.') => token::authenticate(hub, text, chosen).await,
        Some(issuer) if issuer != hub.access.issuer => {
            outside::authenticate(hub, text, chosen).await.map_err(Into::into)
        }
        _ => session::authenticate(hub, text, chosen).await,
    };
    refusal::noted(cx, "credential", outcome)
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
