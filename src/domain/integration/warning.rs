//! What will go wrong with an integration unless somebody does something.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::Integration;
use crate::{
    domain::credential::{Credential, token},
    kernel::clock::Moment,
    provider::{
        manifest::{Manifest, auth::Auth},
        warning,
    },
};

/// Something to do, with the day by which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What it is about, for programs.
    pub kind: Kind,
    /// What to do, for people.
    pub message: String,
    /// The day by which, if there is one.
    pub by: Option<NaiveDate>,
}

/// What a warning is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The provider is not in the catalogue of this hub any more.
    ProviderGone,
    /// The version in use is over; calls may fail or be served by another.
    VersionEnded,
    /// The version in use ends within 90 days.
    VersionEndsSoon,
    /// The version that was chosen is not known any more; the usual one is used.
    VersionUnknown,
    /// The token ends and cannot be bought anew without a person.
    TokenEnds,
    /// There is no credential.
    NoCredential,
}

/// Whether the settings name a version that the provider served once.
#[must_use]
pub fn ended(manifest: &Manifest, settings: &BTreeMap<String, String>) -> bool {
    let (Some(chosen), Some(version)) = (settings.get("version"), manifest.version.get()) else { return false };
    let form =
        |text: &str| text.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect::<String>();
    let known = version.known.iter().any(|known| known.id == *chosen);
    let alike = version.known.iter().any(|known| form(&known.id) == form(chosen));
    let older = version.known.iter().all(|known| known.id.as_str() > chosen.as_str());
    !known && alike && older
}

/// What somebody should do about an integration.
#[must_use]
pub fn warnings(
    integration: &Integration,
    manifest: Option<&Manifest>,
    credential: Option<&Credential>,
    now: Moment,
) -> Vec<Warning> {
    let Some(manifest) = manifest else {
        let message = format!("the provider {} is not in the catalogue of this hub any more", integration.provider);
        return vec![Warning { kind: Kind::ProviderGone, message, by: None }];
    };
    let mut all = of_version(integration, manifest, now);
    match credential {
        Some(credential) => {
            let end = credential.token_expires_at.filter(|_| credential.token_number > 0 && !credential.refreshable);
            if let Some(end) = end.filter(|_| credential.refused_at.is_none()) {
                let (day, gone) = (end.date_naive(), end <= now);
                let message = if gone {
                    format!("the token of {} has ended: connect the integration anew", manifest.name)
                } else {
                    format!(
                        "the token of {} ends on {day} and {} gives no other without somebody: connect the integration anew before",
                        manifest.name, manifest.name
                    )
                };
                all.push(Warning { kind: Kind::TokenEnds, message, by: Some(day) });
            }
        }
        None if !matches!(manifest.auth(&integration.auth_method), Some(Auth::Open(_))) => {
            let message = "it has no credential yet: connect it".to_owned();
            all.push(Warning { kind: Kind::NoCredential, message, by: None });
        }
        None => {}
    }
    all
}

/// What is known of the version that is used; what nobody confirmed is said of the provider, not here.
fn of_version(integration: &Integration, manifest: &Manifest, now: Moment) -> Vec<Warning> {
    let settings = token::settings(&integration.settings);
    let all = warning::warnings(manifest, settings.get("version").map(String::as_str), now);
    let ours = all.into_iter().filter_map(|found| {
        let (kind, by) = match &found {
            warning::Warning::VersionEnds { on, .. } => (Kind::VersionEndsSoon, Some(*on)),
            warning::Warning::VersionEnded { on, .. } => (Kind::VersionEnded, Some(*on)),
            warning::Warning::VersionUnknown { .. } => (Kind::VersionUnknown, None),
            warning::Warning::Unverified { .. } => return None,
        };
        Some(Warning { kind, message: found.to_string(), by })
    });
    ours.collect()
}
