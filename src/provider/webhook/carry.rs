//! What is kept of a webhook besides its body: headers and parameters, without what proves.
//!
//! Signatures prove nothing to anybody else and help whoever looks at a webhook that was not believed. Where the proof
//! is the secret itself, in a header or in the address, it is left out, whether it is the right one or not: what is
//! wrong today may have been right yesterday.

use http::HeaderMap;
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::provider::{
    manifest::webhook::Verify,
    template::{Place, Values},
};

/// Stands for what was left out.
pub const MARK: &str = "…";

/// Headers that may hold a secret whoever sends them.
const ALWAYS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// The headers, in their order.
#[must_use]
pub fn headers(scheme: &Verify, headers: &HeaderMap, keys: &[&Values]) -> Vec<(String, String)> {
    let mut proves: Vec<String> = ALWAYS.map(str::to_owned).to_vec();
    if let Verify::SharedHeader(it) = scheme {
        let names = keys.iter().filter_map(|values| it.name.fill(values, Place::Value).ok());
        proves.extend(names.map(|name| name.text.to_ascii_lowercase()));
    }
    let kept = headers.iter().map(|(name, value)| {
        let shown = if proves.iter().any(|other| other == name.as_str()) {
            MARK.to_owned()
        } else {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        };
        (name.as_str().to_owned(), shown)
    });
    kept.collect()
}

/// Kept headers without the signature over the body, for who is given a part of what was signed.
#[must_use]
pub fn unsigned(scheme: &Verify, kept: &Value) -> Value {
    let signature = match scheme {
        Verify::HmacTimestamped(it) => it.header.0.as_str(),
        Verify::HmacBody(it) => it.header.0.as_str(),
        Verify::UrlHmac(it) => it.header.0.as_str(),
        _ => return kept.clone(),
    };
    let pairs = kept.as_array().into_iter().flatten();
    let is_signature = |pair: &Value| pair[0].as_str().is_some_and(|name| name.eq_ignore_ascii_case(signature));
    pairs.map(|pair| if is_signature(pair) { json!([pair[0], MARK]) } else { pair.clone() }).collect()
}

/// The parameters of the address, as they were written.
#[must_use]
pub fn query(scheme: &Verify, query: &str) -> String {
    let parameter = match scheme {
        Verify::UrlSecret(it) => &it.parameter,
        Verify::SourceAddress(it) => &it.parameter,
        _ => return query.to_owned(),
    };
    let mut kept = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let value = if name == *parameter { MARK.into() } else { value };
        kept.append_pair(&name, &value);
    }
    kept.finish()
}

/// The parameter of the address that is to have a secret, and the template of its value.
#[must_use]
pub fn parameter(scheme: &Verify) -> Option<(&str, &crate::provider::template::Template)> {
    match scheme {
        Verify::UrlSecret(it) => Some((&it.parameter, &it.value)),
        Verify::SourceAddress(it) => Some((&it.parameter, &it.value)),
        _ => None,
    }
}

/// Whether the secret is ours to choose, and the provider is told.
#[must_use]
pub const fn ours_to_choose(scheme: &Verify) -> bool {
    matches!(scheme, Verify::UrlSecret(_) | Verify::SourceAddress(_) | Verify::SharedHeader(_) | Verify::Basic(_))
}
