//! Accounts behind a credential: shops, pages, advertising accounts.
//!
//! A provider that can list them fills settings that nobody has to look up. One account is taken, among several
//! the caller chooses, and none is said.

use super::{
    Integration,
    create::{self, Checked, NewIntegration, can_be_asked, check, connection, connector},
    trouble,
};
use crate::{
    context::Cx,
    domain::credential::given::Given,
    kernel::error::{Code, Error, Issue, Result},
    provider::{
        connector::{Account, Connector, Grant},
        manifest::auth::Auth,
    },
};

/// What was found behind a credential.
#[derive(Clone, Debug)]
pub struct Discovered {
    /// The accounts.
    pub accounts: Vec<Account>,
    /// The integration that was made because there was one account.
    pub integration: Option<Integration>,
}

/// Lists the accounts behind a credential; if there is one, makes its integration at once, with its name.
pub async fn discover(
    cx: &Cx,
    new: NewIntegration,
    given: Given,
    create: bool,
    key: Option<&str>,
) -> Result<Discovered> {
    let checked = check(cx, &new, Some(&given)).await?;
    let manifest = &checked.manifest;
    if manifest.discovery.get().is_none() {
        return Err(Error::invalid(
            "provider",
            format!("{} has no list of accounts; create the integration", manifest.name),
        ));
    }
    if !can_be_asked(&checked) {
        return Err(Error::invalid("credentials", "somebody has to agree at the provider first"));
    }
    let accounts = listed(&connector(cx, new.place.timeout_ms), &checked).await?;
    let integration = match accounts.as_slice() {
        [] => return Err(none(&checked)),
        [only] if create => {
            let new = NewIntegration { account: Some(only.id.clone()), ..new };
            Some(create::create(cx, new, Some(given), key).await?)
        }
        _ => None,
    };
    Ok(Discovered { accounts, integration })
}

/// Asks for the accounts.
pub(super) async fn listed(connector: &Connector, checked: &Checked) -> Result<Vec<Account>> {
    let manifest = &checked.manifest;
    let mut connection = connection(connector, checked)?;
    if matches!(checked.auth, Auth::ClientCredentials(_)) {
        let token = connector.token(&connection, Grant::Credentials).await;
        let token = token.map_err(|found| trouble::refusal(manifest, &found, "credentials"))?;
        connection = connection.with_token(&token);
    }
    connector.discover(&connection).await.map_err(|found| trouble::refusal(manifest, &found, "credentials"))
}

/// Takes the account that was chosen, or the only one, if settings are missing that it brings. Says its name.
pub(super) async fn choose(
    connector: &Connector,
    checked: &mut Checked,
    wanted: Option<&str>,
) -> Result<Option<String>> {
    let brought = checked
        .manifest
        .discovery
        .get()
        .is_some_and(|discovery| checked.found.iter().any(|name| discovery.set.contains_key(name)));
    if wanted.is_none() && !brought {
        return Ok(None);
    }
    if checked.manifest.discovery.get().is_none() {
        return Err(Error::invalid("account", format!("{} has no list of accounts", checked.manifest.name)));
    }
    let accounts = listed(connector, checked).await?;
    let chosen = match (wanted, accounts.as_slice()) {
        (_, []) => return Err(none(checked)),
        (Some(id), all) => all.iter().find(|account| account.id == id).ok_or_else(|| several("account", all))?,
        (None, [only]) => only,
        (None, all) => return Err(several("account", all)),
    };
    for (name, value) in &chosen.set {
        let clash = checked.settings.get(name).is_some_and(|given| given != value);
        if clash {
            return Err(Error::invalid(&format!("settings.{name}"), format!("the account {} says {value}", chosen.id)));
        }
        checked.settings.insert(name.clone(), value.clone());
        checked.details.settings.insert(name.clone(), value.clone());
    }
    checked.found.retain(|name| !chosen.set.contains_key(name));
    Ok(Some(chosen.name.clone()))
}

fn several(path: &str, accounts: &[Account]) -> Error {
    const NAMED: usize = 10;
    let each: Vec<_> =
        accounts.iter().take(NAMED).map(|account| format!("{} ({})", account.id, account.name)).collect();
    let more = if accounts.len() > NAMED { format!(" and {} more", accounts.len() - NAMED) } else { String::new() };
    Error::invalid(path, format!("choose one of the accounts behind the credential: {}{more}", each.join(", ")))
}

fn none(checked: &Checked) -> Error {
    let message = format!("{} takes the credential, but no account is behind it", checked.manifest.name);
    Error::Refused(vec![Issue { code: Code::ProviderRejected, ..Issue::at("credentials", message) }])
}
