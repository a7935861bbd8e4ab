//! One entry of the matrix: a document, who may run it, and how it treats what belongs to others.
//!
//! A case asks for one field of a root (several times under aliases, if its arguments exclude each other)
//! and is known by the name of its operation. What is expected of each caller follows from [`Needs`];
//! what is expected of another tenant's ids follows from the kind of the operation. So a case says what
//! cannot be derived, and no more.

use portolan::kernel::scope::Scope;
use serde_json::Value;

use super::world::Side;

/// Who may use the root field of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Everybody, without a credential too.
    Anyone,
    /// Everybody with a valid credential.
    SignedIn,
    /// People who signed in; programs are refused.
    Person,
    /// Who has the scope; others are refused.
    Scope(Scope),
    /// Everybody with a valid credential, but who lacks the scope sees nothing: null or an empty list.
    Sight(Scope),
    /// Everybody with a valid credential, but what is asked for here needs the scope; others are refused.
    Asked(Scope),
}

impl Needs {
    /// The scope that decides, if one does.
    pub fn scope(self) -> Option<Scope> {
        match self {
            Self::Scope(scope) | Self::Sight(scope) | Self::Asked(scope) => Some(scope),
            Self::Anyone | Self::SignedIn | Self::Person => None,
        }
    }

    /// Whether a refusal is an entry of the audit log: what is reached for decides over credentials, keys or
    /// roles.
    pub fn is_noted(self) -> bool {
        matches!(
            self,
            Self::Scope(Scope::AccessWrite | Scope::IntegrationWrite | Scope::PartnerWrite | Scope::HubAdmin)
        )
    }
}

/// How a field answers when it is given an id of another tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// An error with the code `NOT_FOUND`. So do queries, if nothing else is said.
    NotFound,
    /// A user error with the code `NOT_FOUND`, at the place of the id. So do mutations.
    UserError,
    /// As if there were nothing: null, or an empty list. So does what needs sight only.
    Hidden,
}

/// One entry of the matrix.
#[derive(Clone, Copy)]
pub struct Case {
    /// One named operation.
    pub document: &'static str,
    /// The variables with ids of that tenant. Called anew for each run, so that names can be fresh.
    pub variables: fn(&Side) -> Value,
    /// Who may use the root field.
    pub needs: Needs,
    /// The answer to another tenant's ids, where it is not the usual one.
    pub foreign: Option<Foreign>,
    /// Fields further in with a guard of their own: their path from the root field, and the scope.
    pub guarded: &'static [(&'static str, Scope)],
    /// Whether a run uses up what it names, so that each needs a hub of its own.
    pub spends: bool,
    /// Whether success leaves no event and no audit entry, because nothing of a tenant changes.
    pub quiet: bool,
}

impl Case {
    /// A case in which everything is as usual.
    pub const fn new(needs: Needs, document: &'static str, variables: fn(&Side) -> Value) -> Self {
        Self { document, variables, needs, foreign: None, guarded: &[], spends: false, quiet: false }
    }

    /// A case that can run once in a hub: it deletes or revokes what it names.
    pub const fn spending(needs: Needs, document: &'static str, variables: fn(&Side) -> Value) -> Self {
        Self { spends: true, ..Self::new(needs, document, variables) }
    }

    /// The same case, of which success is recorded nowhere.
    pub const fn quiet(self) -> Self {
        Self { quiet: true, ..self }
    }

    /// How it must answer to another tenant's ids.
    pub fn foreign(&self, mutates: bool) -> Foreign {
        let usual = match self.needs {
            Needs::Sight(_) => Foreign::Hidden,
            _ if mutates => Foreign::UserError,
            _ => Foreign::NotFound,
        };
        self.foreign.unwrap_or(usual)
    }
}
