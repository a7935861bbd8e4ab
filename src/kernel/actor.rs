//! Who acts.
//!
//! Every effect has an actor, background work included. An [`Actor`] is what the audit log remembers;
//! a [`Caller`] adds what is needed to decide: tenant, role, scopes.

use std::{fmt, sync::Arc};

use super::{
    clock::Moment,
    id::{AgentId, ApiTokenId, IssuerId, PartnerOrganizationId, SessionId, TenantId, UserId},
    scope::{Role, Scope, Scopes},
};

/// Who did it, as the audit log and the events say it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Actor {
    /// Nobody signed in.
    Anonymous,
    /// A program with an API token of its own.
    ApiToken(ApiTokenId),
    /// A machine user, whichever of its tokens it used.
    Agent(AgentId),
    /// A person.
    User(UserId),
    /// Somebody whom an outside issuer vouches for, by the name it has for them.
    Outside(IssuerId, Arc<str>),
    /// A part of the program itself: a job, the command line.
    System(&'static str),
}

impl Actor {
    /// The kind, as stored and shown.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Anonymous => "ANONYMOUS",
            Self::ApiToken(_) => "API_TOKEN",
            Self::Agent(_) => "AGENT",
            Self::User(_) => "USER",
            Self::Outside(..) => "OUTSIDE",
            Self::System(_) => "SYSTEM",
        }
    }
}

impl Actor {
    /// Whoever was recorded like this, if it is somebody who is known by an id.
    #[must_use]
    pub fn recorded(kind: &str, text: &str) -> Option<Self> {
        match kind {
            "API_TOKEN" => text.parse().ok().map(Self::ApiToken),
            "AGENT" => text.parse().ok().map(Self::Agent),
            "USER" => text.parse().ok().map(Self::User),
            "OUTSIDE" => {
                let (issuer, subject) = text.split_once(':')?;
                Some(Self::Outside(issuer.parse().ok()?, subject.into()))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::ApiToken(id) => id.fmt(f),
            Self::Agent(id) => id.fmt(f),
            Self::User(id) => id.fmt(f),
            Self::Outside(issuer, subject) => write!(f, "{issuer}:{subject}"),
            Self::System(part) => write!(f, "system:{part}"),
        }
    }
}

/// A caller whose credential was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The tenant in which the caller acts.
    pub tenant: TenantId,
    /// The tenant the credential belongs to; differs only for who runs the whole hub.
    pub home: TenantId,
    /// The role the credential carries.
    pub role: Role,
    /// What is left of the role's scopes after the credential narrowed them.
    pub scopes: Scopes,
    /// The organisation that a partner's credential is bound to.
    pub partner: Option<PartnerOrganizationId>,
    /// The session of a person; tokens have none.
    pub session: Option<SessionId>,
    /// The API token of a program; people have none.
    pub token: Option<ApiTokenId>,
    /// When the credential ends.
    pub expires_at: Option<Moment>,
}

impl Principal {
    /// Whether it is a partner's, who sees what is its organisation's and nothing else.
    #[must_use]
    pub fn is_partner(&self) -> bool {
        self.partner.is_some() || self.role == Role::Partner
    }
}

/// Who asks, and with what right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who it is.
    pub actor: Actor,
    /// What it may do; nothing for anonymous callers.
    pub principal: Option<Principal>,
}

impl Caller {
    /// Nobody.
    pub const ANONYMOUS: Self = Self { actor: Actor::Anonymous, principal: None };

    /// A part of the program, acting in a tenant with every right.
    #[must_use]
    pub fn system(part: &'static str, tenant: TenantId) -> Self {
        Self::trusted(Actor::System(part), tenant)
    }

    /// The program itself, acting in a tenant with every right, for somebody who was checked before.
    #[must_use]
    pub fn trusted(actor: Actor, tenant: TenantId) -> Self {
        Self {
            actor,
            principal: Some(Principal {
                tenant,
                home: tenant,
                role: Role::SuperAdmin,
                scopes: Scopes::all(),
                partner: None,
                session: None,
                token: None,
                expires_at: None,
            }),
        }
    }

    /// Whether the caller has the scope.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.principal.as_ref().is_some_and(|principal| principal.scopes.has(scope))
    }
}
