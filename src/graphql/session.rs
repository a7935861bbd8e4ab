//! Signing in, staying signed in, signing out.

use async_graphql::{Context, Enum, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::{
    access::User,
    attempt::attempt_of,
    context::Ask,
    error::{Result, UserError, outcome, outcome_of},
    guard::{Needs, Person, SignedIn},
    scope::Role,
    tenant::Tenant,
};
use crate::{
    domain::access::{
        link, reset,
        session::{self, Client, Pair},
        user,
    },
    kernel::{
        self,
        id::{TenantId, UserId},
        scope::Scope,
        secret::Secret,
    },
};

/// The tokens of somebody who signed in.
#[derive(SimpleObject)]
pub struct Session {
    /// Send it as `Authorization: Bearer` with every request.
    access_token: String,
    /// When the access token ends.
    access_token_expires_at: DateTime<Utc>,
    /// Buys the next pair of tokens, once. Using it twice ends the session.
    refresh_token: String,
    /// When the session ends.
    refresh_token_expires_at: DateTime<Utc>,
}

impl From<Pair> for Session {
    fn from(pair: Pair) -> Self {
        Self {
            access_token: pair.access.expose().to_owned(),
            access_token_expires_at: pair.access_until,
            refresh_token: pair.refresh.expose().to_owned(),
            refresh_token_expires_at: pair.refresh_until,
        }
    }
}

/// What came of signing in, or of staying signed in.
#[derive(SimpleObject)]
pub struct SessionPayload {
    /// The tokens, unless refused.
    session: Option<Session>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

impl SessionPayload {
    fn of(result: kernel::Result<Pair>) -> Result<Self> {
        let (pair, user_errors) = outcome_of("tenantId", result)?;
        Ok(Self { session: pair.map(Into::into), user_errors })
    }
}

/// Who signs in.
#[derive(InputObject)]
pub struct SignInInput {
    /// The email address.
    email: String,
    /// The password.
    #[graphql(secret)]
    password: String,
    /// The tenant in which the session acts; one of yours. Left out, the one you have belonged to for
    /// longest. A request can name another one with `X-Portolan-Tenant`.
    tenant_id: Option<TenantId>,
    /// What the program calls itself, shown beside the session.
    user_agent: Option<String>,
}

/// Which session goes on.
#[derive(InputObject)]
pub struct RefreshSessionInput {
    /// The refresh token that came last.
    #[graphql(secret)]
    refresh_token: String,
    /// What the program calls itself; the same as when the session began.
    user_agent: Option<String>,
}

/// Which link somebody signs in with.
#[derive(InputObject)]
pub struct SignInWithLinkInput {
    /// The token out of the link.
    #[graphql(secret)]
    token: String,
    /// What the program calls itself, shown beside the session.
    user_agent: Option<String>,
}

/// A password to set by a link.
#[derive(InputObject)]
pub struct SetPasswordInput {
    /// The token out of the invitation or the link for a new password.
    #[graphql(secret)]
    token: String,
    /// The new password, at least ten characters.
    #[graphql(secret)]
    password: String,
    /// What the program calls itself, shown beside the session.
    user_agent: Option<String>,
}

/// A password to change.
#[derive(InputObject)]
pub struct ChangePasswordInput {
    /// The password as it is now. Left out by who has none yet.
    #[graphql(secret)]
    current_password: Option<String>,
    /// The new password, at least ten characters.
    #[graphql(secret)]
    new_password: String,
    /// What the program calls itself, shown beside the session.
    user_agent: Option<String>,
}

/// What came of signing out.
#[derive(SimpleObject)]
pub struct SignOutPayload {
    /// Whether a session ended; false for callers that have none, such as API tokens.
    ended: Option<bool>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Where a session is to act.
#[derive(InputObject)]
pub struct SwitchTenantInput {
    /// One of your tenants, or any if you run the hub.
    tenant_id: TenantId,
}

/// What came of choosing a tenant.
#[derive(SimpleObject)]
pub struct SwitchTenantPayload {
    /// The tenant in which your session acts from the next request on, unless refused. Null, too, if your
    /// role there may not read it.
    tenant: Option<Tenant>,
    /// Your role there, unless refused.
    role: Option<Role>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Who asks for a new password.
#[derive(InputObject)]
pub struct RequestPasswordResetInput {
    /// The email address of the account.
    email: String,
}

/// What came of asking for a new password.
#[derive(SimpleObject)]
pub struct RequestPasswordResetPayload {
    /// Whether the request was taken. That says nothing about whether there is such an account.
    accepted: Option<bool>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// What a link that works once is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum LinkPurpose {
    /// To set the first password; good for seven days.
    Activation,
    /// To set another password; good for an hour.
    PasswordReset,
}

/// For whom to make a link.
#[derive(InputObject)]
pub struct CreateLinkInput {
    /// Person of your tenant. The account must have been founded by your tenant, and the person must belong to no
    /// other one; the operator of the hub may make links for anybody.
    user_id: UserId,
    /// What the link is for.
    purpose: LinkPurpose,
}

/// What came of making a link.
#[derive(SimpleObject)]
pub struct CreateLinkPayload {
    /// The token of the link. This is the only time it is shown; an earlier one for the same purpose is
    /// worthless now.
    token: Option<String>,
    /// The address that the person opens to use it, with the token in it.
    url: Option<String>,
    /// When it ends.
    expires_at: Option<DateTime<Utc>>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Whose sessions to end.
#[derive(InputObject)]
pub struct RevokeSessionsInput {
    /// Which person of your tenant.
    user_id: UserId,
}

/// What came of ending sessions.
#[derive(SimpleObject)]
pub struct RevokeSessionsPayload {
    /// The person whose sessions ended, unless refused.
    user: Option<User>,
    /// Number of sessions that ended. Sessions that act in other tenants are not counted.
    ended: Option<i32>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Change of your own account.
#[derive(InputObject)]
pub struct UpdateProfileInput {
    /// New name.
    name: String,
}

/// Result of changing your own account.
#[derive(SimpleObject)]
pub struct UpdateProfilePayload {
    /// Your account as it is now, unless refused.
    user: Option<User>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Signing in and out.
#[derive(Default)]
pub struct SessionMutation;

#[Object]
impl SessionMutation {
    /// Signs a person in by email address and password. Needs no credential. After five failures for one account from
    /// one address, further attempts wait (`RATE_LIMITED`, with the seconds in `extensions.retryAfter`); wider limits
    /// hold for the account from anywhere and for the address. If too many passwords wait to be checked, the answer is
    /// `SERVICE_UNAVAILABLE`.
    async fn sign_in(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who signs in.")] input: SignInInput,
    ) -> Result<SessionPayload> {
        let (password, client) = (Secret::from(input.password), Client { user_agent: input.user_agent });
        SessionPayload::of(session::sign_in(ctx.cx(), &input.email, password, input.tenant_id, &client).await)
    }

    /// Buys the next pair of tokens with a refresh token alone. Needs no credential.
    async fn refresh_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which session goes on.")] input: RefreshSessionInput,
    ) -> Result<SessionPayload> {
        let client = Client { user_agent: input.user_agent };
        SessionPayload::of(session::refresh(ctx.cx(), &input.refresh_token, &client).await)
    }

    /// Signs a person in by a link that works once. Needs no credential.
    async fn sign_in_with_link(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which link.")] input: SignInWithLinkInput,
    ) -> Result<SessionPayload> {
        let client = Client { user_agent: input.user_agent };
        SessionPayload::of(link::sign_in(ctx.cx(), &input.token, &client).await)
    }

    /// Sets a password by an invitation or a link for a new password, ends the person's sessions and signs
    /// in. Needs no credential.
    async fn set_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The link and the password.")] input: SetPasswordInput,
    ) -> Result<SessionPayload> {
        let (password, client) = (Secret::from(input.password), Client { user_agent: input.user_agent });
        SessionPayload::of(link::set_password(ctx.cx(), &input.token, password, &client).await)
    }

    /// Asks for a new password for an account. The hub sends no mail: the administrators of the tenant that founded
    /// the account are told, and one of them hands over a link. The answer is the same whether there is such an
    /// account or not. Needs no credential. Asked often, it waits, longer each time (`RATE_LIMITED`).
    async fn request_password_reset(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose password.")] input: RequestPasswordResetInput,
    ) -> Result<RequestPasswordResetPayload> {
        let (taken, user_errors) = outcome_of("email", reset::request(ctx.cx(), &input.email).await)?;
        Ok(RequestPasswordResetPayload { accepted: taken.map(|()| true), user_errors })
    }

    /// Chooses the tenant in which your session acts, from the next request on. Needs a signed-in person.
    #[graphql(guard = "Person")]
    async fn switch_tenant(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which tenant.")] input: SwitchTenantInput,
    ) -> Result<SwitchTenantPayload> {
        let (chosen, user_errors) = outcome_of("tenantId", session::choose(ctx.cx(), input.tenant_id).await)?;
        let (tenant, role) = chosen.unzip();
        let seen = role.is_some_and(|role| role.scopes().has(Scope::TenantRead));
        Ok(SwitchTenantPayload { tenant: tenant.filter(|_| seen).map(Tenant), role: role.map(Into::into), user_errors })
    }

    /// Changes your own password, ends your sessions and signs you in again. Who signed in by a link and has
    /// no password sets the first one. Needs a signed-in person.
    #[graphql(guard = "Person")]
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Both passwords.")] input: ChangePasswordInput,
    ) -> Result<SessionPayload> {
        let (old, new) = (input.current_password.map(Secret::from), Secret::from(input.new_password));
        let client = Client { user_agent: input.user_agent };
        SessionPayload::of(link::change_password(ctx.cx(), old, new, &client).await)
    }

    /// Changes the name of your own account, in every tenant you belong to. Needs a signed-in person.
    #[graphql(guard = "Person")]
    async fn update_profile(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateProfileInput,
    ) -> Result<UpdateProfilePayload> {
        let (user, user_errors) = outcome_of("name", user::rename_self(ctx.cx(), &input.name).await)?;
        Ok(UpdateProfilePayload { user: user.map(User), user_errors })
    }

    /// Ends your session; its tokens open nothing from the next request on. Needs any valid credential.
    #[graphql(guard = "SignedIn")]
    async fn sign_out(&self, ctx: &Context<'_>) -> Result<SignOutPayload> {
        let (ended, user_errors) = outcome(session::sign_out(ctx.cx()).await)?;
        Ok(SignOutPayload { ended, user_errors })
    }

    /// Makes a link that works once, for a person of your tenant. Needs `ACCESS_WRITE`.
    #[graphql(guard = "Needs(Scope::AccessWrite)")]
    async fn create_link(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "For whom, and for what.")] input: CreateLinkInput,
    ) -> Result<CreateLinkPayload> {
        let purpose = match input.purpose {
            LinkPurpose::Activation => link::Purpose::Activation,
            LinkPurpose::PasswordReset => link::Purpose::PasswordReset,
        };
        let made = link::make(ctx.cx(), input.user_id, purpose).await;
        let (made, user_errors) = attempt_of(ctx, "userId", made)?;
        let (token, expires_at) = made.unzip();
        let address = token.as_ref().map(|token| link::address(ctx.cx().hub(), purpose, token));
        Ok(CreateLinkPayload {
            token: token.map(|token| token.expose().to_owned()),
            url: address.map(|address| address.expose().to_owned()),
            expires_at,
            user_errors,
        })
    }

    /// Ends the sessions of a person of your tenant as far as they act in it: sessions that act in your tenant end, and
    /// the person's other sessions can no longer act in it. The person must not be allowed more than you. The operator
    /// of the hub (`HUB_ADMIN`) ends all sessions of the person. Needs `ACCESS_WRITE`.
    #[graphql(guard = "Needs(Scope::AccessWrite)")]
    async fn revoke_sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose sessions.")] input: RevokeSessionsInput,
    ) -> Result<RevokeSessionsPayload> {
        let (ended, user_errors) = attempt_of(ctx, "userId", session::revoke_all(ctx.cx(), input.user_id).await)?;
        let user = match ended {
            Some(_) => Some(User(user::get(ctx.cx(), input.user_id).await?)),
            None => None,
        };
        Ok(RevokeSessionsPayload {
            user,
            ended: ended.map(|count| i32::try_from(count).unwrap_or(i32::MAX)),
            user_errors,
        })
    }
}
