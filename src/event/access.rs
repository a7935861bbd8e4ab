//! What can happen to users, memberships, agents, API tokens and outside issuers.

#![expect(missing_docs, reason = "the fields of a fact say what they are by their names")]

use serde::{Deserialize, Serialize};

use super::{Changes, Fact};
use crate::kernel::id::{AgentId, ApiTokenId, InvitationId, IssuerId, MembershipId, SessionId, UserId};

/// A change of who may come in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum AccessEvent {
    /// A user was created.
    UserCreated { user: UserId, email: String, name: String },
    /// A user's name or address changed.
    UserUpdated { user: UserId, changes: Changes },
    /// A user got a role in the tenant.
    MembershipGranted { membership: MembershipId, user: UserId, role: String },
    /// A user's role in the tenant changed.
    MembershipChanged { membership: MembershipId, user: UserId, changes: Changes },
    /// A user left the tenant.
    MembershipRevoked { membership: MembershipId, user: UserId, role: String },
    /// The sessions of a user no longer act in the tenant.
    MembershipSessionsEnded { membership: MembershipId, user: UserId, ended: usize },
    /// Somebody was invited to join the tenant.
    InvitationCreated { invitation: InvitationId, email: String, role: String },
    /// An invitation was accepted.
    InvitationAccepted { invitation: InvitationId, email: String },
    /// An invitation was declined.
    InvitationDeclined { invitation: InvitationId, email: String },
    /// An invitation was revoked.
    InvitationRevoked { invitation: InvitationId, email: String },
    /// Somebody signed in.
    SignedIn { user: UserId, session: SessionId },
    /// A session ended.
    SignedOut { user: UserId, session: SessionId, because: String },
    /// The tenant was chosen for a session to act in.
    TenantChosen { user: UserId, session: SessionId },
    /// A link that works once was made.
    LinkMade { user: UserId, purpose: String },
    /// Somebody asked for a new password for this person.
    PasswordResetRequested { user: UserId },
    /// A password was set.
    PasswordChanged { user: UserId },
    /// An agent was made.
    AgentCreated { agent: AgentId, name: String, role: String },
    /// An agent was changed.
    AgentUpdated { agent: AgentId, changes: Changes },
    /// An agent's tokens open nothing any more.
    AgentDisabled { agent: AgentId, name: String },
    /// An agent's tokens open the door again.
    AgentEnabled { agent: AgentId, name: String },
    /// An agent is gone, and its tokens with it.
    AgentDeleted { agent: AgentId, name: String },
    /// An API token was made, of its own or of an agent.
    ApiTokenCreated {
        api_token: ApiTokenId,
        name: String,
        role: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent: Option<AgentId>,
    },
    /// An API token was revoked.
    ApiTokenRevoked { api_token: ApiTokenId, name: String },
    /// Tokens of an outside issuer are accepted from now on.
    IssuerCreated { issuer: IssuerId, name: String, iss: String },
    /// What is known of an outside issuer changed.
    IssuerUpdated { issuer: IssuerId, changes: Changes },
    /// Tokens of an outside issuer are accepted no longer.
    IssuerDeleted { issuer: IssuerId, name: String, iss: String },
}

impl Fact for AccessEvent {
    const TOPIC: &'static str = "access";

    fn kind(&self) -> &'static str {
        match self {
            Self::UserCreated { .. } => "user.created",
            Self::UserUpdated { .. } => "user.updated",
            Self::MembershipGranted { .. } => "membership.granted",
            Self::MembershipChanged { .. } => "membership.changed",
            Self::MembershipRevoked { .. } => "membership.revoked",
            Self::MembershipSessionsEnded { .. } => "membership.sessions_ended",
            Self::InvitationCreated { .. } => "invitation.created",
            Self::InvitationAccepted { .. } => "invitation.accepted",
            Self::InvitationDeclined { .. } => "invitation.declined",
            Self::InvitationRevoked { .. } => "invitation.revoked",
            Self::SignedIn { .. } => "session.started",
            Self::SignedOut { .. } => "session.ended",
            Self::TenantChosen { .. } => "session.tenant_chosen",
            Self::LinkMade { .. } => "link.made",
            Self::PasswordResetRequested { .. } => "password.reset_requested",
            Self::PasswordChanged { .. } => "password.changed",
            Self::AgentCreated { .. } => "agent.created",
            Self::AgentUpdated { .. } => "agent.updated",
            Self::AgentDisabled { .. } => "agent.disabled",
            Self::AgentEnabled { .. } => "agent.enabled",
            Self::AgentDeleted { .. } => "agent.deleted",
            Self::ApiTokenCreated { .. } => "api_token.created",
            Self::ApiTokenRevoked { .. } => "api_token.revoked",
            Self::IssuerCreated { .. } => "issuer.created",
            Self::IssuerUpdated { .. } => "issuer.updated",
            Self::IssuerDeleted { .. } => "issuer.deleted",
        }
    }

    fn subject(&self) -> String {
        match self {
            Self::UserCreated { user, .. }
            | Self::UserUpdated { user, .. }
            | Self::LinkMade { user, .. }
            | Self::PasswordResetRequested { user }
            | Self::PasswordChanged { user } => user.to_string(),
            Self::SignedIn { session, .. } | Self::SignedOut { session, .. } | Self::TenantChosen { session, .. } => {
                session.to_string()
            }
            Self::MembershipGranted { membership, .. }
            | Self::MembershipChanged { membership, .. }
            | Self::MembershipRevoked { membership, .. }
            | Self::MembershipSessionsEnded { membership, .. } => membership.to_string(),
            Self::InvitationCreated { invitation, .. }
            | Self::InvitationAccepted { invitation, .. }
            | Self::InvitationDeclined { invitation, .. }
            | Self::InvitationRevoked { invitation, .. } => invitation.to_string(),
            Self::AgentCreated { agent, .. }
            | Self::AgentUpdated { agent, .. }
            | Self::AgentDisabled { agent, .. }
            | Self::AgentEnabled { agent, .. }
            | Self::AgentDeleted { agent, .. } => agent.to_string(),
            Self::ApiTokenCreated { api_token, .. } | Self::ApiTokenRevoked { api_token, .. } => api_token.to_string(),
            Self::IssuerCreated { issuer, .. }
            | Self::IssuerUpdated { issuer, .. }
            | Self::IssuerDeleted { issuer, .. } => issuer.to_string(),
        }
    }
}
