//! Roles and scopes as the API names them.

use async_graphql::Enum;

use crate::kernel::scope;

/// A bundle of scopes that an administrator gives to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "scope::Role")]
pub enum Role {
    /// Runs the whole hub: every tenant.
    SuperAdmin,
    /// Runs one tenant.
    Admin,
    /// Keeps a tenant's connections going, without touching who has access.
    Operator,
    /// Looks, and changes nothing.
    Viewer,
    /// A partner organization: its own orders and statuses, nothing else.
    Partner,
}

/// One thing that can be allowed. Each guarded field names the scope it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "scope::Scope")]
pub enum Scope {
    /// Read the tenant and its settings.
    TenantRead,
    /// Change the tenant and its settings.
    TenantWrite,
    /// Read users, memberships, agents, API tokens and outside issuers.
    AccessRead,
    /// Change users, memberships, agents, API tokens, outside issuers and keys.
    AccessWrite,
    /// Read integrations.
    IntegrationRead,
    /// Create, change and delete integrations and give them credentials.
    IntegrationWrite,
    /// Let an integration do something at its provider.
    IntegrationRun,
    /// Read the records that integrations brought: customers, orders, payments and the like.
    RecordRead,
    /// Read webhooks as they came, word for word.
    WebhookRead,
    /// Read orders, their statuses and what happened to them.
    OrderRead,
    /// Create and change orders.
    OrderWrite,
    /// Read partner organizations, their integrations, mappings and updates.
    PartnerRead,
    /// Create and change partner organizations, their integrations with credentials, and mappings.
    PartnerWrite,
    /// Send orders and statuses as a partner does.
    PartnerExchange,
    /// Read what should be looked at.
    AlertRead,
    /// Read the audit log.
    AuditRead,
    /// See background work that waits, runs or failed.
    JobRead,
    /// Let background work that was given up begin anew.
    JobWrite,
    /// Create, see and change every tenant of the hub.
    HubAdmin,
}

/// The scopes of a set, in the API's words.
pub fn listed(scopes: scope::Scopes) -> Vec<Scope> {
    scopes.iter().map(Into::into).collect()
}

/// The names of scopes that somebody listed, as the domain takes them.
pub fn names(scopes: Vec<Scope>) -> Vec<String> {
    scopes.into_iter().map(|scope| scope::Scope::from(scope).name().to_owned()).collect()
}
