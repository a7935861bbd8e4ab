//! What whoever uses a provider should know before it hurts: versions that end, and facts that nobody confirmed.

use std::fmt;

use chrono::NaiveDate;

use super::manifest::{Manifest, connection::Ends};
use crate::kernel::clock::Moment;

/// How many days before its end a version is warned of.
pub const NEAR: i64 = 90;

/// Something to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// The version in use ends soon.
    VersionEnds {
        /// Which one.
        version: String,
        /// Its last day.
        on: NaiveDate,
        /// How many days are left; 0 on the last one.
        days_left: i64,
        /// The known version that lasts longest, if it lasts longer.
        instead: Option<String>,
    },
    /// The version in use is over.
    VersionEnded {
        /// Which one.
        version: String,
        /// Its last day.
        on: NaiveDate,
        /// The known version that lasts longest, if it lasts longer.
        instead: Option<String>,
    },
    /// The file does not know the version that was chosen; its usual one is used.
    VersionUnknown {
        /// Which one.
        version: String,
    },
    /// Something about the provider that could not be confirmed.
    Unverified {
        /// What, in a sentence.
        fact: String,
    },
}

/// In a sentence.
impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VersionEnds { version, on, .. } => write!(f, "Version {version} is served until {on} only."),
            Self::VersionEnded { version, on, .. } => write!(f, "Version {version} was served until {on}."),
            Self::VersionUnknown { version } => {
                write!(f, "Version {version} is not known any more; the usual one is used.")
            }
            Self::Unverified { fact } => write!(f, "Not confirmed: {fact}"),
        }
    }
}

/// What to know of a provider whose version was chosen, or is the usual one. The most urgent comes first.
#[must_use]
pub fn warnings(manifest: &Manifest, chosen: Option<&str>, now: Moment) -> Vec<Warning> {
    let unverified = manifest.unverified.iter().flatten().map(|fact| Warning::Unverified { fact: fact.clone() });
    version(manifest, chosen, now.date_naive()).into_iter().chain(unverified).collect()
}

fn version(manifest: &Manifest, chosen: Option<&str>, today: NaiveDate) -> Vec<Warning> {
    let Some(versions) = manifest.version.get() else { return Vec::new() };
    let find = |id: &str| versions.known.iter().find(|known| known.id == id);
    let unknown = chosen.filter(|id| find(id).is_none());
    let used = chosen.filter(|_| unknown.is_none()).unwrap_or(&versions.current);
    let mut warnings: Vec<Warning> =
        unknown.into_iter().map(|id| Warning::VersionUnknown { version: id.to_owned() }).collect();
    let Some(known) = find(used) else { return warnings };
    let Ends::On(on) = known.ends else { return warnings };
    let days_left = (on - today).num_days();
    let lasts = |ends: Ends| if let Ends::On(day) = ends { day } else { NaiveDate::MAX };
    let longest = versions.known.iter().max_by_key(|other| lasts(other.ends)).filter(|other| lasts(other.ends) > on);
    let (version, instead) = (used.to_owned(), longest.map(|other| other.id.clone()));
    if days_left < 0 {
        warnings.insert(0, Warning::VersionEnded { version, on, instead });
    } else if days_left <= NEAR {
        warnings.insert(0, Warning::VersionEnds { version, on, days_left, instead });
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::catalogue::Catalogue;

    fn at(day: &str) -> Moment {
        format!("{day}T23:59:59Z").parse().unwrap()
    }

    fn of_version(key: &str, chosen: Option<&str>, day: &str) -> Vec<Warning> {
        let catalogue = Catalogue::embedded();
        let mut all = warnings(catalogue.get(key).unwrap(), chosen, at(day));
        all.retain(|warning| !matches!(warning, Warning::Unverified { .. }));
        all
    }

    #[test]
    fn the_end_of_a_version_is_told_when_it_is_near_and_when_it_is_over() {
        let on: NaiveDate = "2027-01-21".parse().unwrap();
        let (version, instead) = ("v21.0".to_owned(), Some("v26.0".to_owned()));
        let ends =
            |days_left| Warning::VersionEnds { version: version.clone(), on, days_left, instead: instead.clone() };
        let of = |day| of_version("facebook", Some("v21.0"), day);
        assert_eq!(of("2026-10-22"), []);
        assert_eq!(of("2026-10-23"), [ends(90)]);
        assert_eq!(of("2027-01-21"), [ends(0)]);
        assert_eq!(
            of("2027-01-22"),
            [Warning::VersionEnded { version: version.clone(), on, instead: instead.clone() }]
        );
        assert_eq!(of_version("facebook", None, "2027-01-22"), []);
        assert_eq!(of_version("network_international", None, "2036-01-01"), []);
    }

    #[test]
    fn a_version_that_no_file_knows_any_more_is_told() {
        let told = of_version("facebook", Some("v18.0"), "2026-11-21");
        assert_eq!(told, [Warning::VersionUnknown { version: "v18.0".to_owned() }]);
    }

    #[test]
    fn what_nobody_confirmed_is_told_of_every_provider() {
        let catalogue = Catalogue::embedded();
        for manifest in catalogue.iter() {
            let told = warnings(manifest, None, at("2026-11-21"));
            let facts = told.iter().filter(|warning| matches!(warning, Warning::Unverified { .. })).count();
            assert_eq!(facts, manifest.unverified.iter().flatten().count(), "{}", manifest.key);
        }
        assert!(!warnings(catalogue.get("telr").unwrap(), None, at("2026-11-21")).is_empty());
    }
}
