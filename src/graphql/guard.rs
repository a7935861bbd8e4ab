//! Who may use a field.
//!
//! A guard asks for a scope. It says nothing about rows: those are chosen by tenant in the selectors.

use async_graphql::{Context, Guard};

use super::{context::Ask, error::ApiError};
use crate::kernel::scope::Scope;

/// Passes callers with the scope.
pub struct Needs(pub Scope);

impl Guard for Needs {
    async fn check(&self, ctx: &Context<'_>) -> async_graphql::Result<()> {
        ctx.cx().needs(self.0).map_err(|error| ApiError::from(error).into())
    }
}

/// Passes everybody who has signed in.
pub struct SignedIn;

impl Guard for SignedIn {
    async fn check(&self, ctx: &Context<'_>) -> async_graphql::Result<()> {
        ctx.cx().principal().map(drop).map_err(|error| ApiError::from(error).into())
    }
}
