//! Who may use a field.
//!
//! A guard asks for a scope. It says nothing about rows: those are chosen by tenant in the selectors. Who
//! reaches for what decides over others without having it is noted in the audit log.

use async_graphql::{Context, Guard};

use super::{attempt, context::Ask, error::ApiError};
use crate::kernel::{error::Error, scope::Scope};

/// Scopes that decide over credentials, keys and roles.
const DECIDING: [Scope; 4] = [Scope::AccessWrite, Scope::IntegrationWrite, Scope::PartnerWrite, Scope::HubAdmin];

/// Passes callers with the scope.
pub struct Needs(pub Scope);

impl Guard for Needs {
    async fn check(&self, ctx: &Context<'_>) -> async_graphql::Result<()> {
        ctx.cx().needs(self.0).map_err(|error| {
            if DECIDING.contains(&self.0) {
                attempt::refused(ctx, &error);
            }
            ApiError::from(error).into()
        })
    }
}

/// Passes everybody who has signed in.
pub struct SignedIn;

impl Guard for SignedIn {
    async fn check(&self, ctx: &Context<'_>) -> async_graphql::Result<()> {
        ctx.cx().principal().map(drop).map_err(|error| ApiError::from(error).into())
    }
}

/// Passes people who have signed in; programs have no session, and no account of their own.
pub struct Person;

impl Guard for Person {
    async fn check(&self, ctx: &Context<'_>) -> async_graphql::Result<()> {
        let principal = ctx.cx().principal();
        let person = principal.and_then(|principal| principal.session.ok_or(Error::NoPerson));
        person.map(drop).map_err(|error| ApiError::from(error).into())
    }
}
