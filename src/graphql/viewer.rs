//! Who is asking, as the API shows it.

use async_graphql::{Context, Enum, Object};
use chrono::{DateTime, Utc};

use super::{
    context::Ask,
    error::Result,
    guard::SignedIn,
    invitation::{ReceivedInvitation, received},
    scope::{Role, Scope, listed},
    tenant::Tenant,
};
use crate::{
    domain::{access::session, tenant},
    kernel::{self, actor::Principal},
};

/// What kind of caller somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum ActorKind {
    /// A program with an API token.
    ApiToken,
    /// A machine user, with one of its tokens.
    Agent,
    /// A person.
    User,
    /// Somebody whom an outside issuer vouches for.
    Outside,
    /// A part of the hub itself.
    System,
}

/// The caller of a request.
pub struct Viewer {
    actor: kernel::Actor,
    principal: Principal,
}

/// You: who you are, where you act and what you may do.
#[Object]
impl Viewer {
    /// What kind of caller you are.
    async fn kind(&self) -> ActorKind {
        match self.actor {
            kernel::Actor::ApiToken(_) => ActorKind::ApiToken,
            kernel::Actor::Agent(_) => ActorKind::Agent,
            kernel::Actor::User(_) => ActorKind::User,
            kernel::Actor::Outside(..) => ActorKind::Outside,
            kernel::Actor::System(_) | kernel::Actor::Anonymous => ActorKind::System,
        }
    }

    /// What records of your actions name: the id of your account, your agent or your token, or the id of your
    /// issuer and its name for you.
    async fn actor(&self) -> String {
        self.actor.to_string()
    }

    /// The role your credential carries.
    async fn role(&self) -> Role {
        self.principal.role.into()
    }

    /// What you may do.
    async fn scopes(&self) -> Vec<Scope> {
        listed(self.principal.scopes)
    }

    /// The tenant you act in. Null for callers who may not read it.
    async fn tenant(&self, ctx: &Context<'_>) -> Result<Option<Tenant>> {
        if !self.principal.scopes.has(kernel::Scope::TenantRead) {
            return Ok(None);
        }
        Ok(Some(Tenant(tenant::get(ctx.cx(), self.principal.tenant).await?)))
    }

    /// The tenants you may choose with `switchTenant` or `X-Portolan-Tenant`: those you belong to that are
    /// served, longest first, as far as you may read them. Who runs the hub may choose any.
    async fn tenants(&self, ctx: &Context<'_>) -> Result<Vec<Tenant>> {
        let readable = |role: kernel::Role| role.scopes().has(kernel::Scope::TenantRead);
        let choices = session::choices(ctx.cx()).await?;
        Ok(choices.into_iter().filter(|(_, role)| readable(*role)).map(|(tenant, _)| Tenant(tenant)).collect())
    }

    /// Open invitations to your email address, oldest first, at most 100. Accept one with the link that its tenant hands
    /// you. Empty for programs.
    async fn invitations(&self, ctx: &Context<'_>) -> Result<Vec<ReceivedInvitation>> {
        received(ctx).await
    }

    /// When your credential ends; null means never.
    async fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.principal.expires_at
    }
}

/// Asking about oneself.
#[derive(Default)]
pub struct ViewerQuery;

#[Object]
impl ViewerQuery {
    /// You. Needs any valid credential.
    #[graphql(guard = "SignedIn")]
    async fn viewer(&self, ctx: &Context<'_>) -> Result<Viewer> {
        let cx = ctx.cx();
        Ok(Viewer { actor: cx.actor(), principal: cx.principal()?.clone() })
    }
}
