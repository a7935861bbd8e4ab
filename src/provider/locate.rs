//! From an address that people know to what a connection has to know.
//!
//! Somebody has a shop's domain or the address of an interface in front of them, not the names of our settings. The
//! file says how addresses are made of settings; read backwards it says which settings make this address.

use std::collections::BTreeMap;

use super::manifest::{Manifest, connection::Environment};

/// Where an address leads: an environment of the file, and settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The environment's key.
    pub environment: String,
    /// The settings that make the address, `version` among them.
    pub settings: BTreeMap<String, String>,
}

/// Finds the environment that has this address; among several that could, the first.
#[must_use]
pub fn endpoint(manifest: &Manifest, address: &str) -> Option<Located> {
    let address = address.trim().trim_end_matches('/');
    find(manifest, |environment| environment.base_url.0.gaps_of(address))
}

/// Finds the environment whose servers have this domain.
#[must_use]
pub fn domain(manifest: &Manifest, domain: &str) -> Option<Located> {
    let domain = domain.trim().trim_start_matches("https://").trim_end_matches('/');
    find(manifest, |environment| {
        let whole = environment.base_url.0.as_str();
        let (scheme, rest) = whole.split_once("://")?;
        let host = rest.split_once('/').map_or(rest, |(host, _)| host);
        let template = super::template::Template::parse(&format!("{scheme}://{host}")).ok()?;
        template.gaps_of(&format!("{scheme}://{domain}"))
    })
}

fn find(manifest: &Manifest, gaps: impl Fn(&Environment) -> Option<BTreeMap<String, String>>) -> Option<Located> {
    manifest.environments.iter().find_map(|environment| {
        let settings = gaps(environment)?;
        // What is fixed for the environment is no setting, and has to be what it is.
        let fixed = environment.values.iter().flatten();
        let agrees = fixed.clone().all(|(name, value)| settings.get(name).is_none_or(|given| given == value));
        let settings = settings.into_iter().filter(|(name, _)| !fixed.clone().any(|(other, _)| other == name));
        agrees.then(|| Located { environment: environment.key.as_str().to_owned(), settings: settings.collect() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::catalogue::Catalogue;

    #[test]
    fn an_address_is_read_backwards() {
        let catalogue = Catalogue::embedded();
        let shop = domain(catalogue.get("shopify").unwrap(), "mystore.myshopify.com").unwrap();
        assert_eq!((shop.environment.as_str(), shop.settings["shop"].as_str()), ("live", "mystore"));
        let circuly = catalogue.get("circuly").unwrap();
        let api = endpoint(circuly, "https://api.circuly.io/api/2025-01/").unwrap();
        assert_eq!((api.environment.as_str(), api.settings["version"].as_str()), ("live", "2025-01"));
        let staging = endpoint(circuly, "https://staging-api.circuly.io/api/2025-01").unwrap();
        assert_eq!(staging.environment, "staging");
        let own = endpoint(catalogue.get("custom_rest").unwrap(), "https://api.example.com/v1").unwrap();
        assert_eq!(own.settings["base_url"], "https://api.example.com/v1");
    }

    #[test]
    fn an_address_of_somebody_else_leads_nowhere() {
        let catalogue = Catalogue::embedded();
        let shopify = catalogue.get("shopify").unwrap();
        for text in ["mystore.example.com", "evil.com/.myshopify.com", "", "a/b.myshopify.com"] {
            assert_eq!(domain(shopify, text), None, "{text}");
        }
        assert_eq!(endpoint(catalogue.get("stripe").unwrap(), "https://api.stripe.com.evil.com"), None);
    }
}
