//! What a caller may do: roles for people, scopes for fields.
//!
//! A field asks for a scope, never for a role, so that a new role is one line here. Scopes say *may
//! this caller use this field*; *whose rows* it then sees is the business of the tenant-scoped
//! selectors in `entity`.

use std::{fmt, str::FromStr};

/// Declares scopes with their wire names and meanings.
macro_rules! scopes {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $name:literal; )+) => {
        /// One thing that can be allowed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Scope { $( $(#[doc = $doc])+ $variant, )+ }

        impl Scope {
            /// Every scope.
            pub const ALL: &[Self] = &[ $( Self::$variant, )+ ];

            /// The name in tokens, messages and the API.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )+ }
            }
        }
    };
}

scopes! {
    /// Read the tenant and its settings.
    TenantRead = "TENANT_READ";
    /// Change the tenant and its settings.
    TenantWrite = "TENANT_WRITE";
    /// Read users, memberships, agents, API tokens and outside issuers.
    AccessRead = "ACCESS_READ";
    /// Change users, memberships, agents, API tokens, outside issuers and keys.
    AccessWrite = "ACCESS_WRITE";
    /// Read integrations.
    IntegrationRead = "INTEGRATION_READ";
    /// Create, change and delete integrations and give them credentials.
    IntegrationWrite = "INTEGRATION_WRITE";
    /// Let an integration do something at its provider.
    IntegrationRun = "INTEGRATION_RUN";
    /// Read the records that integrations brought: customers, orders, payments and the like.
    RecordRead = "RECORD_READ";
    /// Read webhooks as they came, word for word.
    WebhookRead = "WEBHOOK_READ";
    /// Read orders, their statuses and what happened to them.
    OrderRead = "ORDER_READ";
    /// Create and change orders.
    OrderWrite = "ORDER_WRITE";
    /// Read partner organisations, their integrations, mappings and updates.
    PartnerRead = "PARTNER_READ";
    /// Create and change partner organisations, their integrations with credentials, and mappings.
    PartnerWrite = "PARTNER_WRITE";
    /// Send orders and statuses as a partner does.
    PartnerExchange = "PARTNER_EXCHANGE";
    /// Read what should be looked at.
    AlertRead = "ALERT_READ";
    /// Read the audit log.
    AuditRead = "AUDIT_READ";
    /// See background work that waits, runs or failed.
    JobRead = "JOB_READ";
    /// Let background work that was given up begin anew.
    JobWrite = "JOB_WRITE";
    /// Create, see and change every tenant of the hub.
    HubAdmin = "HUB_ADMIN";
}

/// A text that names no scope or no role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnknownName(String);

impl UnknownName {
    /// The text says what the names are.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }
}

impl FromStr for Scope {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .iter()
            .copied()
            .find(|scope| scope.name() == text)
            .ok_or_else(|| UnknownName(format!("there is no scope {text:?}")))
    }
}

/// A set of scopes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Scopes(u64);

impl Scopes {
    /// No scope at all.
    pub const NONE: Self = Self(0);

    /// The set of those listed.
    #[must_use]
    pub const fn of(scopes: &[Scope]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < scopes.len() {
            bits |= 1 << scopes[at] as u8;
            at += 1;
        }
        Self(bits)
    }

    /// Every scope.
    #[must_use]
    pub const fn all() -> Self {
        Self::of(Scope::ALL)
    }

    /// Whether the set has it.
    #[must_use]
    pub const fn has(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u8) != 0
    }

    /// What both sets have.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether everything in this set is in the other one too.
    #[must_use]
    pub const fn within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// The scopes one by one.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.iter().copied().filter(move |scope| self.has(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        scopes.into_iter().fold(Self::NONE, |set, scope| Self(set.0 | 1 << scope as u8))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Scope::name)).finish()
    }
}

/// A named bundle of scopes that an administrator gives to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, sea_orm::DeriveValueType)]
#[sea_orm(value_type = "String")]
pub enum Role {
    /// Runs the whole hub: every tenant.
    SuperAdmin,
    /// Runs one tenant.
    Admin,
    /// Keeps a tenant's connections going, without touching who has access.
    Operator,
    /// Looks, and changes nothing.
    Viewer,
    /// A partner organisation: its own orders and statuses, nothing else.
    Partner,
}

impl Role {
    /// Every role, most powerful first.
    pub const ALL: &[Self] = &[Self::SuperAdmin, Self::Admin, Self::Operator, Self::Viewer, Self::Partner];

    /// The name in the database, the API and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SuperAdmin => "SUPER_ADMIN",
            Self::Admin => "ADMIN",
            Self::Operator => "OPERATOR",
            Self::Viewer => "VIEWER",
            Self::Partner => "PARTNER",
        }
    }

    /// What the role allows.
    #[must_use]
    pub const fn scopes(self) -> Scopes {
        use Scope::{
            AccessRead, AccessWrite, AlertRead, AuditRead, IntegrationRead, IntegrationRun, IntegrationWrite, JobRead,
            JobWrite, OrderRead, OrderWrite, PartnerExchange, PartnerRead, PartnerWrite, RecordRead, TenantRead,
            TenantWrite, WebhookRead,
        };
        match self {
            Self::SuperAdmin => Scopes::all(),
            Self::Admin => Scopes::of(&[
                TenantRead,
                TenantWrite,
                AccessRead,
                AccessWrite,
                IntegrationRead,
                IntegrationWrite,
                IntegrationRun,
                RecordRead,
                WebhookRead,
                OrderRead,
                OrderWrite,
                PartnerRead,
                PartnerWrite,
                PartnerExchange,
                AlertRead,
                AuditRead,
                JobRead,
                JobWrite,
            ]),
            Self::Operator => Scopes::of(&[
                TenantRead,
                IntegrationRead,
                IntegrationWrite,
                IntegrationRun,
                RecordRead,
                OrderRead,
                OrderWrite,
                PartnerRead,
                PartnerWrite,
                PartnerExchange,
                AlertRead,
                JobRead,
                JobWrite,
            ]),
            Self::Viewer => Scopes::of(&[TenantRead, IntegrationRead, RecordRead, OrderRead, PartnerRead, AlertRead]),
            // Of these, what belongs to its organisation.
            Self::Partner => Scopes::of(&[OrderRead, PartnerRead, PartnerExchange]),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = UnknownName;

    /// Takes the name in any case, with a dash or an underscore, as people type it.
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let wanted = text.to_ascii_uppercase().replace('-', "_");
        Self::ALL.iter().copied().find(|role| role.name() == wanted).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|role| role.name()).collect();
            UnknownName(format!("there is no role {text:?}; the roles are {}", names.join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_allows_no_more_than_the_one_above_it() {
        for pair in Role::ALL[..4].windows(2) {
            assert!(pair[1].scopes().within(pair[0].scopes()), "{pair:?}");
        }
        // A partner sends what a viewer may not.
        assert!(Role::Partner.scopes().within(Role::Operator.scopes()));
    }

    #[test]
    fn a_role_is_read_as_people_type_it() {
        assert_eq!("super-admin".parse(), Ok(Role::SuperAdmin));
        assert_eq!("Viewer".parse(), Ok(Role::Viewer));
        assert!("root".parse::<Role>().is_err());
    }
}
