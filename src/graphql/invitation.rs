//! Invitations to join a tenant: made and revoked by administrators, accepted and declined by people.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::{
    attempt::attempt,
    context::Ask,
    error::{Result, UserError, outcome_of},
    guard::Needs,
    id,
    page::Connection,
    scope::Role,
    session::Session,
};
use crate::{
    domain::access::{
        invitation::{self, Acceptance, NewInvitation, State},
        session::Client,
        user::RoleName,
    },
    kernel::{id::InvitationId, scope::Scope, secret::Secret},
};

/// State of an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum InvitationState {
    /// Can be accepted.
    Pending,
    /// Accepted; the person became a member.
    Accepted,
    /// Declined by the person.
    Declined,
    /// Revoked by an administrator, or replaced by a newer invitation for the same email address.
    Revoked,
    /// Not accepted within seven days.
    Expired,
}

impl From<State> for InvitationState {
    fn from(state: State) -> Self {
        match state {
            State::Pending => Self::Pending,
            State::Accepted => Self::Accepted,
            State::Declined => Self::Declined,
            State::Revoked => Self::Revoked,
            State::Expired => Self::Expired,
        }
    }
}

/// An invitation.
#[derive(Clone)]
pub struct Invitation(pub invitation::Invitation);

/// An invitation to join your tenant.
#[Object]
impl Invitation {
    /// The global id, beginning with `inv_`.
    pub(super) async fn id(&self) -> ID {
        id::out(self.0.id)
    }

    /// Email address of the invited person. It does not tell whether there is an account with it.
    async fn email(&self) -> &str {
        &self.0.email
    }

    /// Role that the person gets by accepting.
    async fn role(&self) -> Role {
        self.0.role.into()
    }

    /// State of the invitation.
    async fn state(&self, ctx: &Context<'_>) -> InvitationState {
        self.0.state(ctx.cx().now()).into()
    }

    /// Id of the caller who made it, or the name of a part of the program.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }

    /// Time of its creation.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// Time after which it can no longer be accepted.
    async fn expires_at(&self) -> DateTime<Utc> {
        self.0.expires_at
    }

    /// Time at which it was accepted, declined or revoked. Null if it was not.
    async fn ended_at(&self) -> Option<DateTime<Utc>> {
        self.0.ended_at
    }
}

/// An invitation to join another tenant, as the invited person sees it.
#[derive(SimpleObject)]
pub struct ReceivedInvitation {
    /// Name of the tenant that invites you.
    tenant_name: String,
    /// Role that you get by accepting.
    role: Role,
    /// Time of its creation.
    created_at: DateTime<Utc>,
    /// Time after which it can no longer be accepted.
    expires_at: DateTime<Utc>,
}

/// The open invitations to the person who calls.
pub(super) async fn received(ctx: &Context<'_>) -> Result<Vec<ReceivedInvitation>> {
    let open = invitation::received(ctx.cx()).await?;
    let shown = open.into_iter().map(|(row, tenant)| ReceivedInvitation {
        tenant_name: tenant.name,
        role: row.role.into(),
        created_at: row.created_at,
        expires_at: row.expires_at,
    });
    Ok(shown.collect())
}

/// Person to invite.
#[derive(InputObject)]
pub struct InviteMemberInput {
    /// Email address of the person.
    email: String,
    /// Role in your tenant; not more than your own.
    role: Role,
    /// Repeat a request with the same key, and it has its effect once. Remembered for 48 hours.
    idempotency_key: Option<String>,
}

/// Result of inviting a person.
#[derive(SimpleObject)]
pub struct InviteMemberPayload {
    /// The invitation, unless refused.
    invitation: Option<Invitation>,
    /// Token of the link. This is the only time it is shown; null when a request is repeated.
    token: Option<String>,
    /// Address that the person opens to accept or decline, with the token in it; null when a request is repeated. Hand
    /// it to the person: whoever has it can accept.
    url: Option<String>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Invitation to revoke.
#[derive(InputObject)]
pub struct RevokeInvitationInput {
    /// Id of an invitation of your tenant.
    id: InvitationId,
}

/// Result of revoking an invitation.
#[derive(SimpleObject)]
pub struct RevokeInvitationPayload {
    /// The invitation as it is now, unless refused.
    invitation: Option<Invitation>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Invitation to accept.
#[derive(InputObject)]
pub struct AcceptInvitationInput {
    /// Token out of the link.
    #[graphql(secret)]
    token: String,
    /// Name of your account, if you have none yet. Ignored if you have one. Left out by a signed-in person whom the
    /// invitation is for.
    name: Option<String>,
    /// Password of your account, or of the one that is created, at least ten characters. Left out by a signed-in person
    /// whom the invitation is for.
    #[graphql(secret)]
    password: Option<String>,
    /// Name of the program, shown beside the session.
    user_agent: Option<String>,
}

/// Result of accepting an invitation.
#[derive(SimpleObject)]
pub struct AcceptInvitationPayload {
    /// Slug of the tenant that you belong to now, unless refused. `X-Portolan-Tenant` names it in requests.
    tenant_slug: Option<String>,
    /// Your role there, unless refused.
    role: Option<Role>,
    /// Tokens of a session that acts there. Null for a signed-in person, whose session goes on.
    session: Option<Session>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Invitation to decline.
#[derive(InputObject)]
pub struct DeclineInvitationInput {
    /// Token out of the link.
    #[graphql(secret)]
    token: String,
}

/// Result of declining an invitation.
#[derive(SimpleObject)]
pub struct DeclineInvitationPayload {
    /// `true` once the invitation is declined, null if refused.
    declined: Option<bool>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Reading invitations.
#[derive(Default)]
pub struct InvitationQuery;

#[Object]
impl InvitationQuery {
    /// The invitations to join your tenant, oldest first, ended ones included. Needs `ACCESS_READ`.
    #[graphql(guard = "Needs(Scope::AccessRead)")]
    async fn invitations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items before this cursor.")] before: Option<String>,
        #[graphql(desc = "At most this many, from the start; 25 if left out, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "At most this many, from the end.")] last: Option<i32>,
    ) -> Result<Connection<Invitation>> {
        let args = ctx.cx().page(after, before, first, last)?;
        let page = invitation::list(ctx.cx(), &args).await?;
        Ok(Connection::new(page, Invitation, Box::new(|cx| Box::pin(async move { invitation::count(&cx).await }))))
    }
}

/// Making and answering invitations.
#[derive(Default)]
pub struct InvitationMutation;

#[Object]
impl InvitationMutation {
    /// Invites a person to join your tenant and returns the link to hand over; the hub sends no mail. The person
    /// becomes a member by accepting. The answer does not depend on whether there is an account with the email address.
    /// An earlier open invitation for it is revoked. Needs `ACCESS_WRITE`.
    #[graphql(guard = "Needs(Scope::AccessWrite)")]
    async fn invite_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Person to invite.")] input: InviteMemberInput,
    ) -> Result<InviteMemberPayload> {
        let new = NewInvitation { email: input.email, role: RoleName(input.role.into()) };
        let made = invitation::invite(ctx.cx(), new, input.idempotency_key.as_deref()).await;
        let (made, user_errors) = attempt(ctx, made)?;
        let (invitation, secret) = made.unzip();
        let secret = secret.flatten();
        let url = secret.as_ref().map(|secret| invitation::address(ctx.cx().hub(), secret).expose().to_owned());
        Ok(InviteMemberPayload {
            invitation: invitation.map(Invitation),
            token: secret.map(|secret| secret.expose().to_owned()),
            url,
            user_errors,
        })
    }

    /// Revokes an open invitation; its link opens nothing any more. Needs `ACCESS_WRITE`.
    #[graphql(guard = "Needs(Scope::AccessWrite)")]
    async fn revoke_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Invitation to revoke.")] input: RevokeInvitationInput,
    ) -> Result<RevokeInvitationPayload> {
        let (invitation, user_errors) = attempt(ctx, invitation::revoke(ctx.cx(), input.id).await)?;
        Ok(RevokeInvitationPayload { invitation: invitation.map(Invitation), user_errors })
    }

    /// Accepts an invitation. A signed-in person with the invited email address needs the token alone. Everybody else
    /// states a name and a password, which create the account or, if there is one, must be its own. Needs no credential.
    async fn accept_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Invitation to accept.")] input: AcceptInvitationInput,
    ) -> Result<AcceptInvitationPayload> {
        let with = Acceptance { name: input.name, password: input.password.map(Secret::from) };
        let client = Client { user_agent: input.user_agent };
        let accepted = invitation::accept(ctx.cx(), &input.token, with, &client).await;
        let (accepted, user_errors) = outcome_of("token", accepted)?;
        Ok(AcceptInvitationPayload {
            tenant_slug: accepted.as_ref().map(|accepted| accepted.tenant.slug.clone()),
            role: accepted.as_ref().map(|accepted| accepted.role.into()),
            session: accepted.and_then(|accepted| accepted.session).map(Into::into),
            user_errors,
        })
    }

    /// Declines an invitation; its link opens nothing any more. Needs no credential.
    async fn decline_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Invitation to decline.")] input: DeclineInvitationInput,
    ) -> Result<DeclineInvitationPayload> {
        let (declined, user_errors) = outcome_of("token", invitation::decline(ctx.cx(), &input.token).await)?;
        Ok(DeclineInvitationPayload { declined: declined.map(|()| true), user_errors })
    }
}
