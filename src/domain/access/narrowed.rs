//! A role narrowed to some of its scopes, as API tokens and agents carry it.

use serde_json::Value;

use crate::kernel::scope::{Role, Scope, Scopes};

/// What is allowed by a role and the names stored beside it; without names, all of the role. What is stored and is no
/// list of names allows nothing.
pub(super) fn allowed(role: Role, stored: Option<&Value>) -> Scopes {
    let Some(stored) = stored else { return role.scopes() };
    // A name this program does not know comes from a later version and allows nothing here.
    let names = stored.as_array().into_iter().flatten();
    let listed: Scopes = names.filter_map(|name| name.as_str()?.parse::<Scope>().ok()).collect();
    listed.and(role.scopes())
}

/// Reads the names that somebody asks for; they must be among those of the role.
pub(super) fn read(role: Role, names: &[String]) -> Result<Scopes, String> {
    let scopes = names
        .iter()
        .map(|name| name.parse::<Scope>())
        .collect::<Result<Scopes, _>>()
        .map_err(|error| error.to_string())?;
    if scopes.within(role.scopes()) {
        Ok(scopes)
    } else {
        Err(format!("the role {role} does not include all of these scopes"))
    }
}

/// The names as they are stored.
pub(super) fn stored(scopes: Scopes) -> Value {
    scopes.iter().map(Scope::name).collect::<Vec<_>>().into()
}

/// The one of two roles that allows less.
pub(super) fn lesser(one: Role, other: Role) -> Role {
    if one.scopes().within(other.scopes()) { one } else { other }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_stored_and_cannot_be_read_allows_nothing() {
        let all = Role::Operator.scopes();
        assert_eq!(allowed(Role::Operator, None), all);
        assert_eq!(allowed(Role::Operator, Some(&stored(all))), all);
        for damaged in [json!(null), json!({}), json!("INTEGRATION_READ"), json!([1]), json!(["UNHEARD_OF"])] {
            assert!(allowed(Role::Operator, Some(&damaged)).iter().next().is_none(), "{damaged}");
        }
    }
}
