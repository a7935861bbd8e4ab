//! How a partner is asked, as people write it down: a base address, a version, a type and an object of credentials.
//!
//! The words are those of the seed; what they say is found in the file of the provider. Which credential it is is told
//! by its fields, since partners name their ways loosely: one that says `bearer_token` and gives a client with its
//! secret has its tokens bought for it.

use serde_json::{Map, Value};
use url::Url;

use crate::{
    domain::credential::given::Given,
    kernel::{error::Issue, secret::Secret},
    provider::manifest::Manifest,
};

/// The ways that people name.
pub const TYPES: [&str; 4] = ["api_key", "oauth2", "basic_auth", "bearer_token"];

/// Where the fields of a credential stand, each under one of its names.
const KEY: [&str; 2] = ["api_key", "key"];
const TOKEN: [&str; 4] = ["token", "bearer_token", "access_token", "fixed_token"];
const CLIENT: (&str, &str) = ("client_id", "client_secret");
const LOGIN: (&str, &str) = ("username", "password");
const ENDPOINT: [&str; 2] = ["token_endpoint", "token_url"];

/// The path under which credentials are given.
pub const PATH: &str = "apiCredentials";

/// What was given, in the words of the provider's file.
#[derive(Debug, Default)]
pub struct Read {
    /// The credential, if one was given.
    pub given: Option<Given>,
    /// Settings by name.
    pub settings: Vec<(String, String)>,
}

/// Reads credentials. What is wrong is said with its place, and never shown.
pub fn read(kind: &str, json: Option<&Map<String, Value>>) -> Result<Read, Vec<Issue>> {
    let mut issues = Vec::new();
    if !TYPES.contains(&kind) {
        issues.push(Issue::at("authenticationType", format!("there are {}", TYPES.join(", "))));
    }
    let Some(json) = json.filter(|json| !json.is_empty()) else {
        return if issues.is_empty() { Ok(Read::default()) } else { Err(issues) };
    };
    let mut texts = Vec::new();
    for (name, value) in json {
        match value {
            Value::String(text) => texts.push((name.as_str(), text.as_str())),
            Value::Null => {}
            _ => issues.push(Issue::at(&format!("{PATH}.{name}"), "it is a text")),
        }
    }
    let text = |names: &[&str]| texts.iter().find(|(name, _)| names.contains(name)).map(|(_, text)| *text);
    let secret = |text: &str| Secret::from(text.to_owned());
    let (given, fits): (_, &[&str]) = match (
        (text(&[CLIENT.0]), text(&[CLIENT.1])),
        (text(&[LOGIN.0]), text(&[LOGIN.1])),
        text(&TOKEN),
        text(&KEY),
    ) {
        ((Some(id), Some(own)), ..) => (Some(Given::Client(secret(id), secret(own))), &["oauth2", "bearer_token"]),
        (_, (Some(user), Some(own)), ..) => (Some(Given::Basic(secret(user), secret(own))), &["basic_auth"]),
        (_, _, Some(token), _) => (Some(Given::Bearer(secret(token))), &["bearer_token", "oauth2"]),
        (_, _, _, Some(key)) => (Some(Given::ApiKey { key: secret(key), prefix: None }), &["api_key"]),
        _ => (None, &TYPES),
    };
    if given.is_none() {
        let ways = "api_key; token; username and password; or client_id, client_secret and token_endpoint";
        issues.push(Issue::at(PATH, format!("this is no credential; give {ways}")));
    } else if !fits.contains(&kind) {
        issues.push(Issue::at("authenticationType", format!("the credential is one for {}", fits.join(" or "))));
    }
    let used: &[&[&str]] = match given {
        Some(Given::Client(..)) => &[&[CLIENT.0, CLIENT.1], &ENDPOINT],
        Some(Given::Basic(..)) => &[&[LOGIN.0, LOGIN.1]],
        Some(Given::Bearer(_)) => &[&TOKEN, &ENDPOINT],
        Some(_) => &[&KEY],
        None => &[&KEY, &TOKEN, &ENDPOINT, &[CLIENT.0, CLIENT.1, LOGIN.0, LOGIN.1]],
    };
    for (name, _) in &texts {
        if !used.iter().any(|names| names.contains(name)) {
            let shown: String = name.chars().take(60).collect();
            issues.push(Issue::at(&format!("{PATH}.{shown}"), "nothing of this name is needed"));
        }
    }
    if !issues.is_empty() {
        return Err(issues);
    }
    let settings = text(&ENDPOINT).map(|url| ("token_url".to_owned(), url.to_owned())).into_iter().collect();
    Ok(Read { given, settings })
}

/// The base address and the version as the provider's file has them. People write the version at the end of the
/// address, beside it, or both.
#[must_use]
pub fn place(manifest: &Manifest, base_url: Option<&str>, version: Option<&str>) -> Vec<(String, String)> {
    let mut settings = Vec::new();
    let known = |id: &str| manifest.version.get().is_some_and(|all| all.known.iter().any(|one| one.id == id));
    let mut chosen = version.filter(|version| known(version)).map(str::to_owned);
    if let Some(text) = base_url {
        let mut address = text.trim().trim_end_matches('/').to_owned();
        let last = Url::parse(&address).ok().and_then(|url| {
            let last = url.path_segments()?.next_back().map(str::to_owned);
            last.filter(|last| !last.is_empty())
        });
        if let Some(last) = last.filter(|last| is_version(last) || known(last)) {
            address.truncate(address.len() - last.len() - 1);
            if known(&last) {
                chosen = Some(last);
            }
        }
        settings.push(("base_url".to_owned(), address));
    }
    settings.extend(chosen.map(|version| ("version".to_owned(), version)));
    settings
}

/// Whether the end of an address says a version: `v1`, `v2.1`.
fn is_version(text: &str) -> bool {
    text.strip_prefix('v').is_some_and(|rest| {
        rest.starts_with(|first: char| first.is_ascii_digit())
            && rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    })
}

/// What the provider's file finds wrong, at the places where people gave it.
#[must_use]
pub fn replaced(issue: Issue) -> Issue {
    let path: Vec<&str> = issue.path.iter().map(String::as_str).collect();
    let at: &[&str] = match path.as_slice() {
        ["credentials", ..] => &[PATH],
        ["settings", "base_url"] => &["apiBaseUrl"],
        ["settings", "token_url"] => &[PATH, "token_endpoint"],
        ["settings", "version"] => &["apiVersion"],
        ["authMethod"] => &["authenticationType"],
        ["name"] => &["integrationName"],
        ["secrets", ..] => &["webhookSecret"],
        _ => return issue,
    };
    Issue { path: at.iter().map(|name| (*name).to_owned()).collect(), ..issue }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::provider::catalogue::Catalogue;

    #[test]
    fn the_credential_of_the_seed_is_a_client_with_its_secret() {
        let json = json!({
            "client_id": "chargecars_api",
            "client_secret": "a secret of theirs",
            "token_endpoint": "https://auth.volvo-dealer.com/oauth/token"
        });
        let read = read("bearer_token", json.as_object()).unwrap();
        assert!(matches!(read.given, Some(Given::Client(..))));
        assert_eq!(read.settings, [("token_url".to_owned(), "https://auth.volvo-dealer.com/oauth/token".to_owned())]);
    }

    #[test]
    fn what_is_no_credential_or_of_another_type_is_refused_and_not_shown() {
        for (kind, json, at) in [
            ("api_key", json!({ "api_key": 5 }), "apiCredentials.api_key"),
            ("api_key", json!({ "nonsense": "hunter2" }), "apiCredentials"),
            ("api_key", json!({ "username": "ann", "password": "hunter2" }), "authenticationType"),
            ("magic", json!({ "api_key": "hunter2" }), "authenticationType"),
            ("api_key", json!({ "api_key": "hunter2", "region": "eu" }), "apiCredentials.region"),
        ] {
            let issues = read(kind, json.as_object()).unwrap_err();
            assert_eq!(issues[0].path.join("."), at, "{json}");
            assert!(!format!("{issues:?}").contains("hunter2"));
        }
    }

    #[test]
    fn the_version_is_found_at_the_end_of_the_address_or_beside_it() {
        let catalogue = Catalogue::embedded();
        let volvo = catalogue.get("volvo_dealer").unwrap();
        let pairs = |base: &str, version: Option<&str>| {
            let found = place(volvo, Some(base), version);
            found.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
        };
        let both = ["base_url=https://api.volvo-dealer.com", "version=v1"];
        assert_eq!(pairs("https://api.volvo-dealer.com/v1", Some("1.0")), both);
        assert_eq!(pairs("https://api.volvo-dealer.com/", Some("v1")), both);
        assert_eq!(pairs("https://api.volvo-dealer.com/api", None), ["base_url=https://api.volvo-dealer.com/api"]);
    }
}
