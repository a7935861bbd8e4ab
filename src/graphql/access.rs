//! People, memberships and API tokens in the API. Agents have a file of their own.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject, Subscription};
use chrono::{DateTime, Utc};
use futures_util::Stream;

use super::{
    agent::Agent,
    attempt::{attempt, attempt_of},
    context::Ask,
    error::{Result, UserError},
    guard::Needs,
    id,
    live::{ListChange, follow_list},
    loader::MembershipOf,
    page::Connection,
    scope::{self, Role},
};
use crate::{
    domain::access::{
        membership,
        people::{self, PeopleFilter},
        token::{self, NewApiToken},
        user::{self, NewUser, RoleName, UserChange},
    },
    event::{Entry, Interest},
    kernel::{
        id::{AgentId, ApiTokenId, MembershipId, PartnerOrganizationId, UserId},
        scope::{Scope, Scopes},
    },
};

/// A person.
#[derive(Clone)]
pub struct User(pub user::User);

/// A person who can belong to several tenants; you see those who belong to yours.
#[Object]
impl User {
    /// The global id, beginning with `usr_`.
    pub(super) async fn id(&self) -> ID {
        id::out(self.0.id)
    }

    /// The email address, which names the person in the hub.
    async fn email(&self) -> &str {
        &self.0.email
    }

    /// The name for people.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// When somebody last asked for a new password for this person; null once there is one, or if nobody did.
    /// Hand the person a link that `createLink` makes. Null, too, for accounts that another tenant founded.
    async fn password_reset_requested_at(&self, ctx: &Context<'_>) -> Result<Option<DateTime<Utc>>> {
        let cx = ctx.cx();
        let own = self.0.founding_tenant_id == Some(cx.tenant()?) || cx.needs(Scope::HubAdmin).is_ok();
        Ok(self.0.password_reset_requested_at.filter(|_| own))
    }

    /// The bond to your tenant, with the role in it.
    async fn membership(&self, ctx: &Context<'_>) -> Result<Option<Membership>> {
        Ok(ctx.loaders().load(MembershipOf(self.0.id)).await?.map(Membership))
    }

    /// When the account was created.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When the account was last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }
}

/// The bond of a person to a tenant.
#[derive(Clone)]
pub struct Membership(pub membership::Membership);

/// The bond of a person to your tenant, with a role.
#[Object]
impl Membership {
    /// The global id, beginning with `mem_`.
    pub(super) async fn id(&self) -> ID {
        id::out(self.0.id)
    }

    /// The role the person has here.
    async fn role(&self) -> Role {
        self.0.role.into()
    }

    /// The person.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        Ok(ctx.loaders().load(self.0.user_id).await?.map(User))
    }

    /// Since when.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When the role last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }
}

/// An API token.
#[derive(Clone)]
pub struct ApiToken(pub token::ApiToken);

/// A token with which a program acts in your tenant. Its text is shown once, when it is made.
#[Object]
impl ApiToken {
    /// The global id, beginning with `tok_`.
    pub(super) async fn id(&self) -> ID {
        id::out(self.0.id)
    }

    /// The name for people.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The first and last characters of the token, enough to recognise it.
    async fn hint(&self) -> &str {
        &self.0.hint
    }

    /// The agent it acts as; null for a token of its own.
    async fn agent(&self, ctx: &Context<'_>) -> Result<Option<Agent>> {
        match self.0.agent_id {
            Some(agent) => Ok(ctx.loaders().load(agent).await?.map(Agent)),
            None => Ok(None),
        }
    }

    /// The id of the partner organization to which it is bound; null for all but partners' tokens.
    async fn partner_organization_id(&self) -> Option<ID> {
        self.0.partner_organization_id.map(id::out)
    }

    /// The role it carries; an agent's token allows no more than the agent may do.
    async fn role(&self) -> Role {
        self.0.role.into()
    }

    /// What it allows: the scopes of its role, narrowed if it was made so, and to those of its agent.
    async fn scopes(&self, ctx: &Context<'_>) -> Result<Vec<scope::Scope>> {
        let allowed = match self.0.agent_id {
            Some(agent) => {
                let agent = ctx.loaders().load(agent).await?;
                agent.map_or(Scopes::NONE, |agent| self.0.allowed().and(agent.allowed()))
            }
            None => self.0.allowed(),
        };
        Ok(scope::listed(allowed))
    }

    /// Who made it: an id, or a part of the program.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it ends; null means never.
    async fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.0.expires_at
    }

    /// When it was last used, to the minute; null means never.
    async fn last_used_at(&self) -> Option<DateTime<Utc>> {
        self.0.last_used_at
    }

    /// When it was revoked; null means it was not.
    async fn revoked_at(&self) -> Option<DateTime<Utc>> {
        self.0.revoked_at
    }
}

/// Person to make a member of the tenant.
#[derive(InputObject)]
pub struct CreateUserInput {
    /// Email address. An account that has it already becomes a member as it is.
    email: String,
    /// Name of a new account.
    name: String,
    /// Role in your tenant; not more than your own.
    role: Role,
    /// Repeat a request with the same key, and it has its effect once. Remembered for 48 hours.
    idempotency_key: Option<String>,
}

/// What came of letting a person in.
#[derive(SimpleObject)]
pub struct CreateUserPayload {
    /// The person, unless refused.
    user: Option<User>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// What to change of a person.
#[derive(InputObject)]
pub struct UpdateUserInput {
    /// Which person of your tenant.
    id: UserId,
    /// New email address. Needs `HUB_ADMIN`.
    email: Option<String>,
    /// A new name.
    name: Option<String>,
}

/// What came of changing a person.
#[derive(SimpleObject)]
pub struct UpdateUserPayload {
    /// The person as it is now, unless refused.
    user: Option<User>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// What to change of a membership.
#[derive(InputObject)]
pub struct UpdateMembershipInput {
    /// Which membership of your tenant.
    id: MembershipId,
    /// The new role; not more than your own.
    role: Role,
}

/// What came of changing a membership.
#[derive(SimpleObject)]
pub struct UpdateMembershipPayload {
    /// The membership as it is now, unless refused.
    membership: Option<Membership>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Whom to take out of the tenant.
#[derive(InputObject)]
pub struct RevokeMembershipInput {
    /// Which membership of your tenant.
    id: MembershipId,
}

/// What came of taking a person out of the tenant.
#[derive(SimpleObject)]
pub struct RevokeMembershipPayload {
    /// The id of the membership that is gone, unless refused.
    revoked_id: Option<ID>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// What a new API token is to be.
#[derive(InputObject)]
pub struct CreateApiTokenInput {
    /// The name for people.
    name: String,
    /// What it may do at most; not more than you may.
    role: Role,
    /// Narrows the role to these scopes; left out, all of the role.
    scopes: Option<Vec<scope::Scope>>,
    /// When it ends; left out, never.
    expires_at: Option<DateTime<Utc>>,
    /// The agent it is to act as; left out, the token acts as itself.
    agent_id: Option<AgentId>,
    /// The organization to which a token with the role `PARTNER` is bound; for no other role.
    partner_organization_id: Option<PartnerOrganizationId>,
    /// Repeat a request with the same key, and it has its effect once. Remembered for 48 hours.
    idempotency_key: Option<String>,
}

/// What came of making an API token.
#[derive(SimpleObject)]
pub struct CreateApiTokenPayload {
    /// The token's record, unless refused.
    api_token: Option<ApiToken>,
    /// The token itself. This is the only time it is shown; null when a request is repeated.
    token: Option<String>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Which API token to revoke.
#[derive(InputObject)]
pub struct RevokeApiTokenInput {
    /// Which token of your tenant.
    id: ApiTokenId,
}

/// What came of revoking an API token.
#[derive(SimpleObject)]
pub struct RevokeApiTokenPayload {
    /// The token's record as it is now, unless refused.
    api_token: Option<ApiToken>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Reading who may come in.
#[derive(Default)]
pub struct AccessQuery;

#[Object]
impl AccessQuery {
    /// The people of your tenant, oldest account first. Needs `ACCESS_READ`.
    #[graphql(guard = "Needs(Scope::AccessRead)")]
    async fn users(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items before this cursor.")] before: Option<String>,
        #[graphql(desc = "At most this many, from the start; 25 if left out, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "At most this many, from the end.")] last: Option<i32>,
    ) -> Result<Connection<User>> {
        let args = ctx.cx().page(after, before, first, last)?;
        let page = user::list(ctx.cx(), &args).await?;
        Ok(Connection::new(page, User, Box::new(|cx| Box::pin(async move { user::count(&cx).await }))))
    }

    /// The API tokens of your tenant, oldest first, revoked ones included. Needs `ACCESS_READ`.
    #[graphql(guard = "Needs(Scope::AccessRead)")]
    async fn api_tokens(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items before this cursor.")] before: Option<String>,
        #[graphql(desc = "At most this many, from the start; 25 if left out, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "At most this many, from the end.")] last: Option<i32>,
    ) -> Result<Connection<ApiToken>> {
        let args = ctx.cx().page(after, before, first, last)?;
        let page = token::list(ctx.cx(), &args).await?;
        Ok(Connection::new(page, ApiToken, Box::new(|cx| Box::pin(async move { token::count(&cx).await }))))
    }
}

/// Changing who may come in.
#[derive(Default)]
pub struct AccessMutation;

#[Object]
impl AccessMutation {
    /// Makes a person a member of your tenant without an invitation, and creates the account if the email address is
    /// new. Only the operator of the hub may; administrators use `inviteMember`. Needs `HUB_ADMIN`.
    #[graphql(guard = "Needs(Scope::HubAdmin)")]
    async fn create_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom to let in.")] input: CreateUserInput,
    ) -> Result<CreateUserPayload> {
        let new = NewUser { email: input.email, name: input.name, role: RoleName(input.role.into()) };
        let (user, user_errors) = attempt(ctx, user::create(ctx.cx(), new, input.idempotency_key.as_deref()).await)?;
        Ok(CreateUserPayload { user: user.map(User), user_errors })
    }

    /// Changes a person's name or email address. The account must have been founded by your tenant, and the person must
    /// belong to no other one; anybody else changes the own name with `updateProfile`. Only the operator of the hub
    /// (`HUB_ADMIN`) changes an email address, or an account that is not of your tenant alone. Needs `ACCESS_WRITE`.
    #[graphql(guard = "Needs(Scope::AccessWrite)")]
    async fn update_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateUserInput,
    ) -> Result<UpdateUserPayload> {
        let change = UserChange { email: input.email, name: input.name };
        let (user, user_errors) = attempt(ctx, user::update(ctx.cx(), input.id, change).await)?;
        Ok(UpdateUserPayload { user: user.map(User), user_errors })
    }

    /// Gives a person another role in your tenant. Needs `ACCESS_WRITE`.
    #[graphql(guard = "Needs(Scope::AccessWrite)")]
    async fn update_membership(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateMembershipInput,
    ) -> Result<UpdateMembershipPayload> {
        let (membership, user_errors) =
            attempt(ctx, membership::change_role(ctx.cx(), input.id, input.role.into()).await)?;
        Ok(UpdateMembershipPayload { membership: membership.map(Membership), user_errors })
    }

    /// Takes a person out of your tenant; the account stays. Needs `ACCESS_WRITE`.
    #[graphql(guard = "Needs(Scope::AccessWrite)")]
    async fn revoke_membership(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom to take out.")] input: RevokeMembershipInput,
    ) -> Result<RevokeMembershipPayload> {
        let (gone, user_errors) = attempt(ctx, membership::revoke(ctx.cx(), input.id).await)?;
        Ok(RevokeMembershipPayload { revoked_id: gone.map(id::out), user_errors })
    }

    /// Makes an API token. Its text is in this answer and never again. Needs `ACCESS_WRITE`.
    #[graphql(guard = "Needs(Scope::AccessWrite)")]
    async fn create_api_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What it is to be.")] input: CreateApiTokenInput,
    ) -> Result<CreateApiTokenPayload> {
        let new = NewApiToken {
            name: input.name,
            role: RoleName(input.role.into()),
            scopes: input.scopes.map(scope::names),
            expires_at: input.expires_at,
            agent: input.agent_id,
            partner: input.partner_organization_id,
        };
        let made = token::create(ctx.cx(), new, input.idempotency_key.as_deref()).await;
        let (made, user_errors) = attempt_of(ctx, "agentId", made)?;
        let (api_token, secret) = made.unzip();
        let token = secret.flatten().map(|secret| secret.expose().to_owned());
        Ok(CreateApiTokenPayload { api_token: api_token.map(ApiToken), token, user_errors })
    }

    /// Revokes an API token; from the next request on it opens nothing. Needs `ACCESS_WRITE`.
    #[graphql(guard = "Needs(Scope::AccessWrite)")]
    async fn revoke_api_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which token.")] input: RevokeApiTokenInput,
    ) -> Result<RevokeApiTokenPayload> {
        let (api_token, user_errors) = attempt(ctx, token::revoke(ctx.cx(), input.id).await)?;
        Ok(RevokeApiTokenPayload { api_token: api_token.map(ApiToken), user_errors })
    }
}

/// Following people.
#[derive(Default)]
pub struct AccessSubscription;

#[Subscription]
impl AccessSubscription {
    /// The people of your tenant, and every change of who is among them. Needs `ACCESS_READ`.
    #[graphql(guard = "Needs(Scope::AccessRead)")]
    async fn users_live(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only people with this role; left out, all.")] role: Option<Role>,
        #[graphql(desc = "Go on after this cursor; left out, begin with a snapshot.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<ListChange<User>>>> {
        let filter = PeopleFilter { role: role.map(Into::into) };
        let page = move |cx, after| async move {
            let (rows, more) = people::page(&cx, filter, after).await?;
            let last = rows.last().map(|user| user.id).filter(|_| more);
            Ok((rows.into_iter().map(User).collect(), last))
        };
        let change = move |cx, entry: Entry| async move {
            let Some(id) = people::concerned(&entry) else { return Ok(None) };
            let row = people::one(&cx, filter, id).await?.map(User);
            Ok(Some(ListChange::row(row, id::out(id), entry.number)))
        };
        follow_list(ctx, after, Interest::of_topics(["access"]), page, change).await
    }
}
