//! Who asks: the rows of the matrix.
//!
//! Some rows are the same for every case: nobody, the five roles by token, an agent, people who signed in, a
//! token narrowed to nothing, and credentials that open nothing for one reason or another. Two are cut to the
//! case: a token with exactly the scope the case names, and one with every scope but that. Together they show
//! that this scope decides, and no other.

use portolan::kernel::{
    error::Code,
    scope::{Role, Scope, Scopes},
};

use super::case::{Case, Needs};

/// What somebody shows at the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// Nothing.
    None,
    /// A token with a role, narrowed to some scopes or not.
    Token(Role, Option<Scopes>),
    /// A token of an agent with that role.
    Agent(Role),
    /// The session of a person with that role.
    Person(Role),
    /// A token whose time is over.
    Expired,
    /// A token that was revoked.
    Revoked,
    /// A token of an agent that was disabled.
    DisabledAgent,
    /// The session of a person, after it was ended.
    EndedSession,
    /// A token of a tenant that is suspended.
    Suspended,
    /// A text that can be no token.
    Mistyped,
    /// A token by its form that nobody made.
    Unknown,
}

/// Somebody who asks.
#[derive(Clone, Debug)]
pub struct Principal {
    /// For reports, and to find the credential again.
    pub name: String,
    pub credential: Credential,
    /// Whether the credential belongs to the other tenant.
    pub elsewhere: bool,
}

impl Principal {
    fn new(name: &str, credential: Credential) -> Self {
        Self { name: name.to_owned(), credential, elsewhere: false }
    }

    /// Everybody who asks in a case.
    pub fn of_case(case: &Case) -> Vec<Self> {
        let mut all = vec![Self::new("anonymous", Credential::None)];
        all.extend(Role::ALL.iter().map(|role| Self::role(*role)));
        all.push(Self::new("no scopes", Credential::Token(Role::SuperAdmin, Some(Scopes::NONE))));
        all.extend([
            Self::new("agent", Credential::Agent(Role::Admin)),
            Self::new("weak agent", Credential::Agent(Role::Viewer)),
            Self::person(Role::SuperAdmin),
            Self::person(Role::Admin),
            Self::person(Role::Viewer),
            Self::new("expired", Credential::Expired),
            Self::new("revoked", Credential::Revoked),
            Self::new("disabled agent", Credential::DisabledAgent),
            Self::new("ended session", Credential::EndedSession),
            Self::new("suspended", Credential::Suspended),
            Self::new("mistyped", Credential::Mistyped),
            Self::new("unknown", Credential::Unknown),
        ]);
        if let Some(scope) = case.needs.scope() {
            let others = Scope::ALL.iter().copied().filter(|other| *other != scope).collect();
            let only = Credential::Token(Role::SuperAdmin, Some(Scopes::of(&[scope])));
            all.push(Self::new(&format!("only {}", scope.name()), only));
            let but = Credential::Token(Role::SuperAdmin, Some(others));
            all.push(Self::new(&format!("all but {}", scope.name()), but));
        }
        all
    }

    /// A token with all that a role allows.
    pub fn role(role: Role) -> Self {
        Self::new(role.name(), Credential::Token(role, None))
    }

    /// A person with a role, who signed in.
    pub fn person(role: Role) -> Self {
        Self::new(&format!("signed-in {}", role.name()), Credential::Person(role))
    }

    /// The administrators of the other tenant: a program, and a person.
    pub fn strangers() -> [Self; 2] {
        let stranger = |name, credential| Self { elsewhere: true, ..Self::new(name, credential) };
        [
            stranger("another tenant's ADMIN", Credential::Token(Role::Admin, None)),
            stranger("another tenant's signed-in ADMIN", Credential::Person(Role::Admin)),
        ]
    }

    /// What the credential allows; nothing at all for who has none that is valid.
    pub fn scopes(&self) -> Option<Scopes> {
        match self.credential {
            Credential::Token(role, scopes) => Some(scopes.unwrap_or(role.scopes())),
            Credential::Agent(role) | Credential::Person(role) => Some(role.scopes()),
            _ => None,
        }
    }

    /// With which code the credential is refused before anything runs, if it is.
    pub fn turned_away(&self) -> Option<Code> {
        match self.credential {
            Credential::Suspended => Some(Code::TenantSuspended),
            Credential::None => None,
            _ => self.scopes().is_none().then_some(Code::Unauthenticated),
        }
    }

    /// Whether the credential opened the door once, so that using it is somebody's attempt to note.
    pub fn was_good(&self) -> bool {
        use Credential::{DisabledAgent, EndedSession, Expired, Revoked};
        matches!(self.credential, Expired | Revoked | DisabledAgent | EndedSession)
    }

    /// Whether this is a caller for whom everything works that is not for others.
    pub fn is_all_powerful(&self, case: &Case) -> bool {
        self.scopes() == Some(Scopes::all()) && self.passes(case)
    }

    /// Whether the guard of the case lets this caller in.
    pub fn passes(&self, case: &Case) -> bool {
        match (case.needs, self.scopes()) {
            (Needs::Anyone, _) => self.turned_away().is_none(),
            (Needs::SignedIn, scopes) => scopes.is_some(),
            (Needs::Person, _) => matches!(self.credential, Credential::Person(_)),
            (Needs::Scope(scope) | Needs::Sight(scope) | Needs::Asked(scope), scopes) => {
                scopes.is_some_and(|scopes| scopes.has(scope))
            }
        }
    }
}
