//! Who asks: the rows of the matrix.
//!
//! Some rows are the same for every case: nobody, the five roles, a token narrowed to nothing, and four
//! credentials that open nothing. Two are cut to the case: a token with exactly the scope the case names,
//! and one with every scope but that. Together they show that this scope decides, and no other.

use portolan::kernel::scope::{Role, Scope, Scopes};

use super::case::{Case, Needs};

/// What somebody shows at the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// Nothing.
    None,
    /// A token with a role, narrowed to some scopes or not.
    Token(Role, Option<Scopes>),
    /// A token whose time is over.
    Expired,
    /// A token that was revoked.
    Revoked,
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
            Self::new("expired", Credential::Expired),
            Self::new("revoked", Credential::Revoked),
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

    /// The administrator of the other tenant.
    pub fn stranger() -> Self {
        Self { elsewhere: true, ..Self::new("another tenant's ADMIN", Credential::Token(Role::Admin, None)) }
    }

    /// What the credential allows; nothing at all for who has none that is valid.
    pub fn scopes(&self) -> Option<Scopes> {
        match self.credential {
            Credential::Token(role, scopes) => Some(scopes.unwrap_or(role.scopes())),
            _ => None,
        }
    }

    /// Whether the credential is refused before anything runs.
    pub fn is_turned_away(&self) -> bool {
        self.credential != Credential::None && self.scopes().is_none()
    }

    /// Whether this is the caller for whom everything works.
    pub fn is_all_powerful(&self) -> bool {
        self.scopes() == Some(Scopes::all())
    }

    /// Whether the guard of the case lets this caller in.
    pub fn passes(&self, case: &Case) -> bool {
        match (case.needs, self.scopes()) {
            (Needs::Anyone, _) => !self.is_turned_away(),
            (Needs::SignedIn, scopes) => scopes.is_some(),
            (Needs::Scope(scope) | Needs::Sight(scope) | Needs::Asked(scope), scopes) => {
                scopes.is_some_and(|scopes| scopes.has(scope))
            }
        }
    }
}
