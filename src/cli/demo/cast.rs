//! Who plays: an integration for each provider, and how it fares.
//!
//! They are made as a person would make them: the provider's file says what to ask for, its made-up examples are what
//! the simulator takes for right, the provider is asked before anything is kept, and where it is its way somebody
//! agrees there. Most work, and the director does as he likes with them. A few stay as they are, so that each status
//! can be seen at any time.

use std::sync::Arc;

use url::Url;

use super::consent;
use crate::{
    context::Cx,
    domain::{
        credential::{app, given::Given},
        inbox::source::{self, NewSource},
        integration::{
            self, change,
            create::{self, NewIntegration},
        },
    },
    kernel::{
        error::{Error, Result},
        id::IntegrationId,
        secret::Secret,
    },
    provider::{
        manifest::{Manifest, auth::Auth},
        simulator::{Mood, serve::Simulator},
    },
};

/// How an integration fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It works, when the director lets it: ACTIVE.
    Works,
    /// Somebody has yet to agree: PENDING.
    Waits,
    /// Somebody switched it off: INACTIVE.
    Off,
    /// Its provider is down and stays down: ERROR.
    Broken,
    /// Its provider refuses the credential for good: `NEEDS_REAUTH`.
    Refused,
}

/// A part in the play.
#[derive(Debug)]
pub(super) struct Part {
    /// The key of the provider.
    pub(super) provider: &'static str,
    /// The method by which it proves who asks.
    method: &'static str,
    /// What the tenant calls it.
    name: &'static str,
    /// How it fares.
    pub(super) fate: Fate,
}

const fn part(provider: &'static str, method: &'static str, name: &'static str, fate: Fate) -> Part {
    Part { provider, method, name, fate }
}

/// All of them, one for each provider of the catalogue.
pub(super) const PARTS: &[Part] = &[
    part("stripe", "secret_key", "Card payments", Fate::Works),
    part("paypal", "client", "PayPal checkout", Fate::Works),
    part("network_international", "service_account", "Dubai acquiring", Fate::Works),
    part("telr", "store", "Telr, last year's checkout", Fate::Off),
    part("aramex", "client_info", "Parcels in the Gulf", Fate::Works),
    part("dhl_express", "key", "Express abroad", Fate::Works),
    part("fedex", "project", "FedEx Americas", Fate::Works),
    part("smsa_express", "apikey", "SMSA Riyadh", Fate::Broken),
    part("facebook", "login", "Tea House on Facebook", Fate::Works),
    part("instagram", "login", "Tea House on Instagram", Fate::Works),
    part("linkedin", "login", "Company page", Fate::Waits),
    part("tiktok", "login", "Tea in a minute", Fate::Works),
    part("mailchimp", "api_key", "Newsletter", Fate::Refused),
    part("sendgrid", "api_key", "Order mails", Fate::Works),
    part("twilio", "account", "Delivery texts", Fate::Works),
    part("whatsapp", "system_user", "Customer chat", Fate::Works),
    part("shopify", "access_token", "Main store", Fate::Works),
    part("circuly", "token", "Rented teapots", Fate::Works),
    part("firmhouse", "project_token", "Tea subscriptions", Fate::Works),
    part("meta_ads", "system_user", "Autumn campaign", Fate::Works),
    part("pancake_pos", "api_key", "Till of the Hanoi shop", Fate::Works),
    part("pxc", "client", "Lines of the offices", Fate::Works),
    part("volvo_dealer", "client", "Delivery vans", Fate::Works),
    part("eneco", "api_key", "Charging points", Fate::Works),
    part("installation_partner", "login", "Fitters West", Fate::Works),
    part("custom_rest", "bearer_token", "Warehouse of a friend", Fate::Works),
];

/// Who has which part.
#[derive(Debug)]
pub(super) struct Member {
    /// The part.
    pub(super) part: &'static Part,
    /// The integration.
    pub(super) id: IntegrationId,
    /// Where its provider sends webhooks.
    pub(super) hook: Option<Url>,
}

/// Makes them all, and lets those fare badly that are meant to.
pub(super) async fn make(cx: &Cx, simulator: &Simulator) -> Result<Vec<Member>> {
    let mut cast = Vec::with_capacity(PARTS.len());
    for part in PARTS {
        let id = enter(cx, part).await?;
        let mood = match part.fate {
            Fate::Broken => Mood::Down,
            Fate::Refused => Mood::Revoked,
            Fate::Works | Fate::Waits | Fate::Off => Mood::Well,
        };
        simulator.with(part.provider, |fake| fake.behave(mood, None));
        match part.fate {
            Fate::Off => drop(change::enable(cx, id, false).await?),
            Fate::Broken | Fate::Refused => drop(integration::test::test(cx, id).await?),
            Fate::Works | Fate::Waits => {}
        }
        let hook = if part.fate == Fate::Works { hook(cx, part, id, simulator).await? } else { None };
        cast.push(Member { part, id, hook });
    }
    Ok(cast)
}

async fn enter(cx: &Cx, part: &'static Part) -> Result<IntegrationId> {
    let manifest = manifest(cx, part)?;
    if let Some(fields) = &manifest.app {
        let given: Vec<_> =
            fields.iter().map(|field| (field.name.0.clone(), Secret::from(field.example.clone()))).collect();
        app::put(cx, part.provider, false, &given).await?;
    }
    let settings = manifest.settings.all().iter().filter(|setting| setting.default.is_none());
    let settings = settings.filter_map(|setting| Some((setting.name.0.clone(), setting.example.clone()?)));
    let new = NewIntegration {
        provider: part.provider.to_owned(),
        name: Some(part.name.to_owned()),
        auth_method: Some(part.method.to_owned()),
        settings: settings.collect(),
        import_catalogue: true,
        ..NewIntegration::default()
    };
    let given = credential(&manifest, part);
    let id = create::create(cx, new, given.clone(), None).await?.id;
    if given.is_none() && part.fate != Fate::Waits {
        consent::agree(cx, id).await?;
    }
    Ok(id)
}

/// An address for the webhooks of a part, with the secrets with which its provider is played.
async fn hook(cx: &Cx, part: &Part, id: IntegrationId, simulator: &Simulator) -> Result<Option<Url>> {
    let manifest = manifest(cx, part)?;
    let Some(webhook) = manifest.webhook.get() else { return Ok(None) };
    let value = |name: &str| {
        let known = simulator.with(part.provider, |fake| fake.values().get(name).map(|(text, _)| text.into_owned()));
        known.flatten().map(Secret::from)
    };
    let fields = webhook.fields.iter().flatten();
    let secrets = fields.filter_map(|field| Some((field.name.0.clone(), value(field.name.as_str())?))).collect();
    let new = NewSource { provider: None, integration: Some(id), hub_wide: false, name: None, secrets };
    let made = source::create(cx, new, None).await?;
    Ok(Url::parse(&source::url(cx, &made.source)).ok())
}

fn manifest(cx: &Cx, part: &Part) -> Result<Arc<Manifest>> {
    cx.hub().catalogue.get(part.provider).cloned().ok_or(Error::NotFound("provider"))
}

/// What somebody would give; nothing where people agree at the provider instead.
fn credential(manifest: &Manifest, part: &Part) -> Option<Given> {
    let auth = manifest.auth(part.method).filter(|auth| !matches!(auth, Auth::AuthorizationCode(_)))?;
    let values = auth.fields().iter().map(|field| (field.name.0.clone(), Secret::from(field.example.clone())));
    Some(Given::Fields { method: part.method.to_owned(), values: values.collect() })
}

/// The same by the provider's key.
pub(super) fn given(cx: &Cx, part: &Part) -> Result<Option<Given>> {
    Ok(credential(&*manifest(cx, part)?, part))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::provider::catalogue::Catalogue;

    #[test]
    fn every_provider_has_a_part() {
        let parts: BTreeSet<_> = PARTS.iter().map(|part| part.provider).collect();
        let catalogue = Catalogue::embedded();
        let known: BTreeSet<_> = catalogue.iter().map(|manifest| manifest.key.as_str()).collect();
        assert_eq!(parts, known);
        assert_eq!(parts.len(), PARTS.len(), "and one only");
    }
}
