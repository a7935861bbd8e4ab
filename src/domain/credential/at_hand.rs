//! What calls of many integrations need, read in a few statements instead of a few for each.
//!
//! Whoever asks hundreds of providers at a time reads the credentials in use, the secrets and the operator's
//! applications for all of them at once: three statements, however many there are. What was read so is worth what any
//! reading is worth: a moment later it may be another. So a token that is due by then is bought as always, and whoever
//! is refused looks again before anything follows from it. What could not be opened is left out, and read by itself,
//! the careful way, when its turn comes.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{FIELDS, Opened, TOKEN, app::ProviderApp, unpacked};
use crate::{
    context::Hub,
    domain::keyring::{HUB, secret},
    entity::{credential, integration::Model as Integration, provider_app},
    kernel::{
        error::Result,
        id::{IntegrationId, TenantId},
        secret::Secret,
    },
};

/// What was read for one integration.
#[derive(Clone, Debug)]
pub struct AtHand {
    /// The credential in use, with its secrets.
    pub opened: Opened,
    /// The fields of the application; nothing, if the provider wants none.
    pub app: Arc<BTreeMap<String, Secret>>,
}

/// The secrets of owners, by tenant, owner and name; nothing in place of one that did not open.
type Secrets = HashMap<(TenantId, String, String), Option<Secret>>;

/// What is needed to call these integrations, of whichever tenants. Those without a credential are left out, and those
/// whose secrets did not open.
pub async fn at_hand(hub: &Hub, integrations: &[Integration]) -> Result<HashMap<IntegrationId, AtHand>> {
    let db = hub.database.reader();
    let whose = integrations.iter().map(|integration| (integration.tenant_id, integration.id));
    let credentials = credential::current_of_hub(whose).all(db).await?;
    let with_app = |integration: &&Integration| {
        hub.catalogue.get(&integration.provider).is_some_and(|manifest| manifest.app.is_some())
    };
    let apps = apps(hub, integrations.iter().filter(with_app)).await?;
    let owners = credentials.iter().map(|credential| (credential.tenant_id, credential.id.to_string()));
    let owners = owners.chain(apps.iter().map(|app| (app.tenant_id, app.id.to_string())));
    let secrets = secret::get_all(hub, db, owners.collect()).await?;
    let mut opened = BTreeMap::new();
    for app in &apps {
        let fields = parts(&secrets, app.tenant_id, &app.id.to_string(), &[FIELDS])?;
        opened.insert((app.tenant_id, app.provider.as_str()), fields.map(Arc::new));
    }
    let mut credentials: HashMap<_, _> =
        credentials.into_iter().map(|credential| (credential.integration_id, credential)).collect();
    let mut found = HashMap::with_capacity(credentials.len());
    for integration in integrations {
        let Some(credential) = credentials.remove(&integration.id) else { continue };
        let names = if credential.token_number > 0 { &[FIELDS, TOKEN][..] } else { &[FIELDS] };
        let values = parts(&secrets, credential.tenant_id, &credential.id.to_string(), names)?;
        let app = [integration.tenant_id, HUB].iter().find_map(|whose| opened.get(&(*whose, &*integration.provider)));
        let (Some(values), Some(app)) = (values, app.cloned().unwrap_or_else(|| Some(Arc::default()))) else {
            continue;
        };
        found.insert(integration.id, AtHand { opened: Opened { credential, values }, app });
    }
    Ok(found)
}

/// The applications that may serve these integrations: the hub's, and those of their tenants.
async fn apps(hub: &Hub, of: impl Iterator<Item = &Integration>) -> Result<Vec<ProviderApp>> {
    let (mut tenants, mut providers) = (vec![HUB], Vec::new());
    for integration in of {
        tenants.push(integration.tenant_id);
        providers.push(integration.provider.clone());
    }
    if providers.is_empty() {
        return Ok(Vec::new());
    }
    tenants.sort_unstable_by_key(|tenant| tenant.uuid());
    tenants.dedup();
    providers.sort_unstable();
    providers.dedup();
    Ok(provider_app::of_hub(tenants, providers).all(hub.database.reader()).await?)
}

/// Several secrets of one owner, unpacked into one; nothing, if one of them did not open.
fn parts(secrets: &Secrets, tenant: TenantId, owner: &str, names: &[&str]) -> Result<Option<BTreeMap<String, Secret>>> {
    let mut values = BTreeMap::new();
    for name in names {
        match secrets.get(&(tenant, owner.to_owned(), (*name).to_owned())) {
            Some(Some(secret)) => values.extend(unpacked(secret)?),
            Some(None) => return Ok(None),
            None => {}
        }
    }
    Ok(Some(values))
}
