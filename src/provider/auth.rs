//! Puts a credential into a request, where the file says.

use base64::{Engine, prelude::BASE64_STANDARD};
use http::header;
use serde_json::Value;

use super::{
    manifest::auth::Inject,
    request::{Outgoing, Unmade},
    template::{Filled, Place, Values},
};

/// Puts the credential in. Whatever is put in counts as a secret: a user name beside a password helps nobody
/// who reads a log.
pub fn inject(places: &[Inject], values: &Values, outgoing: &mut Outgoing) -> Result<(), Unmade> {
    for place in places {
        match place {
            Inject::Header(it) => {
                let filled = it.value.fill(values, Place::Header)?;
                outgoing.header(it.name.0.as_str(), secret(filled.text))?;
            }
            Inject::NamedHeader(it) => {
                let name = it.name.fill(values, Place::Header)?.text;
                let filled = it.value.fill(values, Place::Header)?;
                outgoing.header(&name, secret(filled.text))?;
            }
            Inject::Query(it) => {
                let filled = it.value.fill(values, Place::Value)?;
                outgoing.parameter(&it.name, secret(filled.text));
            }
            Inject::Bearer(it) => {
                let filled = it.token.fill(values, Place::Header)?;
                outgoing.header(header::AUTHORIZATION.as_str(), secret(format!("Bearer {}", filled.text)))?;
            }
            Inject::Basic(it) => {
                let username = it.username.fill(values, Place::Value)?.text;
                let password = match &it.password {
                    Some(password) => password.fill(values, Place::Value)?.text,
                    None => String::new(),
                };
                outgoing.header(header::AUTHORIZATION.as_str(), secret(basic(&username, &password)))?;
            }
            Inject::Body(it) => {
                let (filled, _) = it.fields.fill(values)?;
                if let Some(Value::Object(fields)) = filled {
                    outgoing.fields()?.extend(fields);
                    outgoing.secret_body = true;
                }
            }
        }
    }
    Ok(())
}

/// The value of `Authorization` for user and password.
#[must_use]
pub fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{username}:{password}")))
}

/// The user and password in a value of `Authorization`.
#[must_use]
pub fn read_basic(value: &str) -> Option<(String, String)> {
    let (scheme, rest) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = BASE64_STANDARD.decode(rest.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (username, password) = text.split_once(':')?;
    Some((username.to_owned(), password.to_owned()))
}

fn secret(text: String) -> Filled {
    Filled { text, secret: true }
}
