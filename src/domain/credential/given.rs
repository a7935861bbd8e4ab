//! What somebody gives as a credential, held against the provider's file.
//!
//! A form gives the fields of a method by name. Who writes a program gives a key, a token, a user with a password
//! or a client with its secret, and the field of the file is found: the provider's only method of that kind that
//! has the right number of fields.

use std::collections::BTreeMap;

use crate::{
    kernel::{error::Issue, secret::Secret},
    provider::manifest::{Manifest, auth::Auth, connection::Field},
};

/// No field is longer.
const LONGEST: usize = 8 * 1024;

/// No beginning that a caller names is longer.
const LONGEST_PREFIX: usize = 12;

/// How many last letters of a secret are shown, and of how many at least.
const SHOWN: usize = 4;
const SHOWN_OF: usize = 12;

/// A credential as it was given.
#[derive(Clone, Debug)]
pub enum Given {
    /// A key, and how it begins if the caller wants that held.
    ApiKey {
        /// The key.
        key: Secret,
        /// How it begins.
        prefix: Option<String>,
    },
    /// A token that does not change by itself.
    Bearer(Secret),
    /// User and password.
    Basic(Secret, Secret),
    /// Client id and secret.
    Client(Secret, Secret),
    /// The fields of a method by name.
    Fields {
        /// The method.
        method: String,
        /// The fields.
        values: Vec<(String, Secret)>,
    },
}

/// A credential that fits the provider's file.
#[derive(Clone, Debug)]
pub struct Fields {
    /// The method.
    pub method: String,
    /// The fields.
    pub values: BTreeMap<String, Secret>,
    /// What may be seen of each.
    pub hints: BTreeMap<String, String>,
    /// The beginning that says of which kind the first secret is.
    pub key_prefix: Option<String>,
}

/// Finds the method and checks the fields. What is wrong is said with the path of the input.
pub fn fit<'a>(manifest: &'a Manifest, given: &Given, path: &str) -> Result<(&'a Auth, Fields), Vec<Issue>> {
    let (auth, named) = assign(manifest, given, path)?;
    let mut issues = Vec::new();
    let mut fields = Fields {
        method: auth.key().as_str().to_owned(),
        values: BTreeMap::new(),
        hints: BTreeMap::new(),
        key_prefix: None,
    };
    for (name, _, at) in &named {
        let known = auth.fields().iter().any(|field| field.name.as_str() == name);
        let twice = named.iter().filter(|(other, _, _)| other == name).count() > 1;
        if !known {
            let all = names(auth.fields());
            issues.push(Issue::at(at, format!("{} has no field {name:?}; it has {all}", auth.label())));
        } else if twice {
            issues.push(Issue::at(at, format!("{name:?} is given twice")));
        }
    }
    for field in auth.fields() {
        let found = named.iter().find(|(name, value, _)| name == field.name.as_str() && !value.expose().is_empty());
        match found {
            Some((name, value, at)) => match fits(field, value) {
                Ok(()) => {
                    let (hint, prefix) = hint(field, value);
                    fields.hints.insert(name.clone(), hint);
                    fields.key_prefix = fields.key_prefix.or(prefix);
                    fields.values.insert(name.clone(), value.clone());
                }
                Err(reason) => issues.push(Issue::at(at, format!("{} {reason}", field.label))),
            },
            None if field.required => {
                let help = field.help.as_ref().map(|help| format!(": {help}")).unwrap_or_default();
                issues.push(Issue::at(path, format!("{} ({}) is missing{help}", field.label, field.name)));
            }
            None => {}
        }
    }
    if let Given::ApiKey { prefix: Some(prefix), key } = given {
        match holds(prefix, key) {
            Ok(()) => fields.key_prefix = Some(prefix.clone()),
            Err(reason) => issues.push(Issue::at(&format!("{path}.apiKey.keyPrefix"), reason)),
        }
    }
    if issues.is_empty() { Ok((auth, fields)) } else { Err(issues) }
}

/// Whether a key begins like this. A prefix is kept and shown, so it must leave most of the key unseen.
fn holds(prefix: &str, key: &Secret) -> Result<(), String> {
    let (letters, all) = (prefix.chars().count(), key.expose().chars().count());
    if letters > LONGEST_PREFIX || letters * 2 > all {
        return Err(format!("it is shown: give at most {LONGEST_PREFIX} letters, and at most half of the key"));
    }
    if key.expose().starts_with(prefix) { Ok(()) } else { Err("the key does not begin like this".to_owned()) }
}

/// A method, and each value with its name and its place in the input.
type Assigned<'a> = (&'a Auth, Vec<(String, Secret, String)>);

fn assign<'a>(manifest: &'a Manifest, given: &Given, path: &str) -> Result<Assigned<'a>, Vec<Issue>> {
    let short = |name: &str, is: fn(&Auth) -> bool, parts: &[(&str, &Secret)]| {
        let fitting = |auth: &&Auth| is(auth) && required(auth) <= parts.len() && parts.len() <= auth.fields().len();
        let mut found = manifest.auth.iter().filter(fitting);
        match (found.next(), found.next()) {
            (Some(auth), None) => {
                let fields = auth.fields().iter().zip(parts);
                let named = fields.map(|(field, (part, value))| {
                    (field.name.as_str().to_owned(), (*value).clone(), format!("{path}.{name}.{part}"))
                });
                Ok((auth, named.collect()))
            }
            (found, _) => {
                let why = if found.is_some() { "more than one such way" } else { "no such way" };
                let message = format!(
                    "{} has {why} to prove who asks; give `fields` with one of its methods: {}",
                    manifest.name,
                    methods(manifest)
                );
                Err(vec![Issue::at(&format!("{path}.{name}"), message)])
            }
        }
    };
    match given {
        Given::ApiKey { key, .. } => short("apiKey", |auth| matches!(auth, Auth::ApiKey(_)), &[("key", key)]),
        Given::Bearer(token) => short("bearerToken", |auth| matches!(auth, Auth::BearerToken(_)), &[("token", token)]),
        Given::Basic(user, password) => {
            short("basicAuth", |auth| matches!(auth, Auth::Basic(_)), &[("username", user), ("password", password)])
        }
        Given::Client(id, secret) => short(
            "oauth2",
            |auth| matches!(auth, Auth::ClientCredentials(_)),
            &[("clientId", id), ("clientSecret", secret)],
        ),
        Given::Fields { method, values } => {
            let Some(auth) = manifest.auth(method) else {
                let message = format!("{} has no such method; it has {}", manifest.name, methods(manifest));
                return Err(vec![Issue::at(&format!("{path}.fields.method"), message)]);
            };
            let named = values
                .iter()
                .enumerate()
                .map(|(at, (name, value))| (name.clone(), value.clone(), format!("{path}.fields.values.{at}")));
            Ok((auth, named.collect()))
        }
    }
}

/// How many fields a method cannot do without.
fn required(auth: &Auth) -> usize {
    auth.fields().iter().filter(|field| field.required).count()
}

/// The methods of a provider with their fields, for messages.
fn methods(manifest: &Manifest) -> String {
    let each = manifest.auth.iter().map(|auth| format!("{} ({})", auth.key(), names(auth.fields())));
    each.collect::<Vec<_>>().join(", ")
}

fn names(fields: &[Field]) -> String {
    let names: Vec<_> = fields.iter().map(|field| field.name.as_str()).collect();
    if names.is_empty() { "no fields".to_owned() } else { names.join(", ") }
}

/// Whether a text may be the value of a field; the reason if not, without the text.
pub(in crate::domain) fn fits(field: &Field, value: &Secret) -> Result<(), String> {
    let text = value.expose();
    if text.len() > LONGEST {
        return Err(format!("has at most {LONGEST} bytes"));
    }
    if text.chars().any(char::is_control) {
        return Err("holds no control characters".to_owned());
    }
    if text.trim() != text {
        return Err("begins or ends with a space, which was probably copied along".to_owned());
    }
    match &field.pattern {
        Some(pattern) if !pattern.fits(text) => {
            Err(format!("has the form {}, as in {:?}", pattern.as_str(), field.example))
        }
        _ => Ok(()),
    }
}

/// What may be seen of a value, and its beginning if that says of which kind it is.
pub(in crate::domain) fn hint(field: &Field, value: &Secret) -> (String, Option<String>) {
    let text = value.expose();
    if !field.secret {
        return (text.to_owned(), None);
    }
    let mut prefixes = field.hint_prefix.iter().flatten();
    let prefix = prefixes.find(|prefix| text.starts_with(prefix.as_str()));
    let rest = prefix.map_or(text, |prefix| &text[prefix.len()..]);
    let letters = rest.chars().count();
    let last: String = if letters >= SHOWN_OF { rest.chars().skip(letters - SHOWN).collect() } else { String::new() };
    (format!("{}…{last}", prefix.map_or("", String::as_str)), prefix.cloned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::catalogue::Catalogue;

    fn secret(text: &str) -> Secret {
        Secret::from(text.to_owned())
    }

    fn manifest(key: &str) -> std::sync::Arc<Manifest> {
        Catalogue::embedded().get(key).unwrap().clone()
    }

    #[test]
    fn a_key_finds_the_field_it_belongs_to() {
        let shopify = manifest("shopify");
        let given = Given::ApiKey { key: secret("shpat_0123456789abcdef9f2c"), prefix: Some("shpat_".to_owned()) };
        let (auth, fields) = fit(&shopify, &given, "credentials").unwrap();
        assert_eq!((auth.key().as_str(), fields.hints["admin_token"].as_str()), ("access_token", "shpat_…9f2c"));
        assert_eq!(fields.key_prefix.as_deref(), Some("shpat_"));
    }

    #[test]
    fn a_prefix_does_not_show_the_key() {
        let shopify = manifest("shopify");
        let key = "shpat_0123456789abcdef9f2c";
        for prefix in ["shpat_0123456789", key, "other_"] {
            let given = Given::ApiKey { key: secret(key), prefix: Some(prefix.to_owned()) };
            let said = fit(&shopify, &given, "credentials").unwrap_err();
            assert_eq!(
                (said.len(), &said[0].path[..]),
                (1, &["credentials", "apiKey", "keyPrefix"].map(str::to_owned)[..])
            );
            assert!(!said[0].message.contains("0123"), "{}", said[0].message);
        }
    }

    #[test]
    fn what_does_not_fit_is_said_with_its_place_and_never_shown() {
        let stripe = manifest("stripe");
        let issues = |given: Given| fit(&stripe, &given, "credentials").unwrap_err();
        let said = issues(Given::ApiKey { key: secret("hunter2 "), prefix: None });
        assert_eq!(said[0].path, ["credentials", "apiKey", "key"]);
        let said = issues(Given::Basic(secret("hunter2"), secret("hunter2")));
        assert_eq!(said[0].path, ["credentials", "basicAuth"]);
        let values = vec![("api_kei".to_owned(), secret("hunter2"))];
        let said = issues(Given::Fields { method: "secret_key".to_owned(), values });
        assert_eq!(said[0].path, ["credentials", "fields", "values", "0"]);
        assert!(said[1].message.contains("is missing"), "{}", said[1].message);
        assert!(!format!("{said:?}").contains("hunter2"));
        let said = issues(Given::Fields { method: "nonsense".to_owned(), values: Vec::new() });
        assert!(said[0].message.contains("secret_key (api_key)"), "{}", said[0].message);
    }

    #[test]
    fn short_secrets_show_nothing_of_themselves() {
        let stripe = manifest("stripe");
        let field = &stripe.auth[0].fields()[0];
        assert_eq!(hint(field, &secret("short")).0, "…");
    }
}
