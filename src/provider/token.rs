//! Tokens: the calls that give them, and what their answers say.
//!
//! Everything here is made of the file: where client id and secret go, what the parameters are called, how the
//! body is written. The `oauth2` crate was looked at and left: it fixes names, media types and the shape of
//! the answer, which is what providers disagree on (TikTok's `client_key`, the JSON media type of N-Genius,
//! Meta's exchange by GET), and it brings an older generation of `rand`, `sha2` and `thiserror`.
//!
//! A token that lives shortly is treated as gone early: at half its life, but at most five minutes before its
//! end. Two clocks and a slow call lie between.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use http::{Method, header};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use url::Url;

use super::{
    auth::basic,
    classify::{self, Failure},
    expression::{Document, Expression},
    manifest::{
        answer::Class,
        auth::{After, Authorize, ClientPlace, Separator, TokenBody, TokenCall},
    },
    redact,
    request::{Body, Outgoing, Unmade, optional},
    template::{Filled, Place, Template, Values},
};
use crate::kernel::{chance::Chance, clock::Moment, secret::Secret};

/// Longest time before its end at which a token counts as gone.
const MARGIN: TimeDelta = TimeDelta::minutes(5);

/// What a token call is for, which decides its usual grant type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A client id and secret buy a token.
    Credentials,
    /// A code buys the first token; `{code}`, `{redirect_uri}` and `{code_verifier}` have values.
    Code,
    /// The first token buys one that lives longer.
    Exchange,
    /// The next token; `{refresh_token}` or `{access_token}` has a value.
    Refresh,
}

/// What a token call gave.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token.
    pub access: Secret,
    /// The token for the next one.
    pub refresh: Option<Secret>,
    /// When it is gone, if that is known.
    pub expires_at: Option<Moment>,
    /// Settings that the answer fills.
    pub set: BTreeMap<String, String>,
}

impl Token {
    /// When the next one should be fetched.
    #[must_use]
    pub fn refresh_at(&self, fetched: Moment) -> Option<Moment> {
        self.expires_at.map(|end| end - MARGIN.min((end - fetched) / 2))
    }
}

/// Why an answer gave no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoToken {
    /// There is none in it.
    #[error("the answer has no token")]
    Missing,
    /// There is one, but it cannot be sent in a header.
    #[error("the answer has a token that cannot be used")]
    Unusable,
}

/// What is kept while a person is at the provider.
#[derive(Clone, Debug)]
pub struct Pending {
    /// What comes back with the code; a guess at it is worthless.
    pub state: Secret,
    /// What proves that the code was asked for by us.
    pub verifier: Option<Secret>,
}

impl Pending {
    /// Fresh random ones.
    pub fn new(authorize: &Authorize, chance: &dyn Chance) -> Self {
        let random = || {
            let mut bytes = [0; 32];
            chance.fill(&mut bytes);
            Secret::from(BASE64_URL_SAFE_NO_PAD.encode(bytes))
        };
        Self { state: random(), verifier: authorize.pkce.then(random) }
    }
}

/// The challenge of a verifier (S256).
#[must_use]
pub fn challenge(verifier: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

/// The address of the page on which a person agrees.
pub fn authorize(
    authorize: &Authorize,
    client_id: &str,
    redirect_uri: &str,
    pending: &Pending,
    values: &Values,
) -> Result<Url, Unmade> {
    let address = authorize.url.0.fill(values, Place::Address)?;
    let mut url = Outgoing::to(Method::GET, &address.text)?.url;
    let between = match authorize.scope_separator {
        Separator::Space => " ",
        Separator::Comma => ",",
    };
    {
        let mut query = url.query_pairs_mut();
        query.append_pair("response_type", "code");
        query.append_pair(&authorize.client_id_parameter, client_id);
        query.append_pair("redirect_uri", redirect_uri);
        query.append_pair("scope", &authorize.scopes.join(between));
        query.append_pair("state", pending.state.expose());
        if let Some(verifier) = &pending.verifier {
            query.append_pair("code_challenge", &challenge(verifier.expose()));
            query.append_pair("code_challenge_method", "S256");
        }
        for (name, template) in authorize.parameters.iter().flatten() {
            if let Some(filled) = optional(template, values, Place::Value)? {
                query.append_pair(name, &filled.text);
            }
        }
    }
    Ok(url)
}

/// Makes a token call.
pub fn call(call: &TokenCall, purpose: Purpose, values: &Values) -> Result<Outgoing, Unmade> {
    let address = call.url.0.fill(values, Place::Address)?;
    let mut outgoing = Outgoing::to(call.method.into(), &address.text)?;
    let mut parameters = usual(call, purpose, values);
    let (id, secret) = client(call, purpose, values)?;
    match call.client {
        ClientPlace::Basic => {
            let value = Filled { text: basic(&form_encoded(&id), &form_encoded(&secret)), secret: true };
            outgoing.header(header::AUTHORIZATION.as_str(), value)?;
        }
        ClientPlace::Parameters => {
            parameters.push((call.client_id_parameter.clone(), Filled { text: id, secret: false }));
            if !secret.is_empty() {
                parameters.push(("client_secret".to_owned(), Filled { text: secret, secret: true }));
            }
        }
        ClientPlace::Nowhere => {}
    }
    for (name, template) in call.parameters.iter().flatten() {
        if let Some(filled) = optional(template, values, Place::Value)? {
            parameters.push((name.clone(), filled));
        }
    }
    for (name, template) in call.headers.iter().flatten() {
        let filled = template.fill(values, Place::Header)?;
        outgoing.header(name, filled)?;
    }
    if call.body == TokenBody::Query {
        outgoing.query = parameters;
    } else {
        outgoing.secret_body = true;
        let fields: Map<String, Value> =
            parameters.into_iter().map(|(name, filled)| (name, Value::String(filled.text))).collect();
        let fields = Value::Object(fields);
        outgoing.body = if call.body == TokenBody::Json { Body::Json(fields) } else { Body::Form(fields) };
        outgoing.media_type.clone_from(&call.content_type);
    }
    Ok(outgoing)
}

/// The parameters that the standard has for a purpose.
fn usual(call: &TokenCall, purpose: Purpose, values: &Values) -> Vec<(String, Filled)> {
    let mut parameters = Vec::new();
    let mut add = |name: &str, text: &str, secret: bool| {
        parameters.push((name.to_owned(), Filled { text: text.to_owned(), secret }));
    };
    let standard = match purpose {
        Purpose::Credentials => Some("client_credentials"),
        Purpose::Code => Some("authorization_code"),
        Purpose::Refresh => Some("refresh_token"),
        Purpose::Exchange => None,
    };
    if let (Some(grant), true) = (call.grant_type.as_deref().or(standard), call.sends_grant_type) {
        add("grant_type", grant, false);
    }
    let names: &[&str] = match purpose {
        Purpose::Code => &["code", "redirect_uri", "code_verifier"],
        Purpose::Refresh if call.grant_type.is_none() => &["refresh_token"],
        _ => &[],
    };
    for name in names {
        if let Some((value, _)) = values.get(name) {
            add(name, &value, *name != "redirect_uri");
        }
    }
    parameters
}

/// Client id and secret.
fn client(call: &TokenCall, purpose: Purpose, values: &Values) -> Result<(String, String), Unmade> {
    if call.client == ClientPlace::Nowhere {
        return Ok((String::new(), String::new()));
    }
    let of = |template: &Option<Template>, own: &str, apps: &str| {
        if let Some(template) = template {
            return Ok::<_, Unmade>(template.fill(values, Place::Value)?.text);
        }
        let name = if purpose == Purpose::Credentials { own } else { apps };
        Ok(values.get(name).map(|(value, _)| value.into_owned()).unwrap_or_default())
    };
    Ok((
        of(&call.client_id, "client_id", "app.client_id")?,
        of(&call.client_secret, "client_secret", "app.client_secret")?,
    ))
}

/// RFC 6749, section 2.3.1: both parts are form-encoded before they are joined.
fn form_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Reads the answer of a token call.
pub fn read(call: &TokenCall, document: &Document, now: Moment) -> Result<Token, NoToken> {
    let answer = call.answer.as_ref();
    let find = |path: Option<&Expression>, usual: &str| match path {
        Some(path) => path.text(document),
        None => Expression::parse(usual).ok()?.text(document),
    };
    let token = find(answer.and_then(|answer| answer.access_token.as_ref()), "access_token").ok_or(NoToken::Missing)?;
    if token.is_empty() {
        return Err(NoToken::Missing);
    }
    if token.len() > 16_384 || token.chars().any(|letter| letter.is_control() || letter.is_whitespace()) {
        return Err(NoToken::Unusable);
    }
    let refresh = find(answer.and_then(|answer| answer.refresh_token.as_ref()), "refresh_token");
    let seconds = find(answer.and_then(|answer| answer.expires_in.as_ref()), "expires_in")
        .and_then(|text| text.parse::<f64>().ok())
        .filter(|seconds| *seconds > 0.0 && *seconds < 10.0 * 365.0 * 86_400.0)
        .map(Duration::from_secs_f64);
    let life = seconds.or_else(|| answer.and_then(|answer| answer.lives));
    let set = answer.and_then(|answer| answer.set.as_ref());
    Ok(Token {
        access: Secret::from(token),
        refresh: refresh.filter(|token| !token.is_empty()).map(Secret::from),
        expires_at: life.map(|life| now + life),
        set: set.map(|set| fill(set, document)).unwrap_or_default(),
    })
}

/// A failed token call, read again in the words of OAuth (RFC 6749, section 5.2), which says with 400 what
/// others say with 401.
pub fn failure<'s>(mut failure: Failure, body: &[u8], secrets: impl IntoIterator<Item = &'s Secret>) -> Failure {
    let Some(document) = classify::read(body) else { return failure };
    let said = |path: &str| Expression::parse(path).ok()?.text(&document);
    let Some(word) = said("error") else { return failure };
    let class = match word.as_str() {
        "invalid_client" | "invalid_grant" | "unauthorized_client" | "access_denied" | "expired_token" => Class::Auth,
        "invalid_scope" | "insufficient_scope" => Class::Permission,
        "slow_down" => Class::Throttled,
        "server_error" | "temporarily_unavailable" => Class::Down,
        _ => failure.class,
    };
    if matches!(failure.class, Class::Invalid | Class::Permission | Class::Auth) {
        failure.class = class;
    }
    if failure.message.is_none() {
        let text = said("error_description").filter(|text| !text.trim().is_empty()).unwrap_or(word);
        failure.message = Some(redact::message(&text, secrets));
    }
    failure
}

/// Makes the call after the first token.
pub fn after(after: &After, values: &Values) -> Result<Outgoing, Unmade> {
    let address = after.url.0.fill(values, Place::Address)?;
    let mut outgoing = Outgoing::to(Method::GET, &address.text)?;
    for (name, template) in after.headers.iter().flatten() {
        let filled = template.fill(values, Place::Header)?;
        outgoing.header(name, filled)?;
    }
    Ok(outgoing)
}

/// Settings out of an answer.
#[must_use]
pub fn fill(set: &BTreeMap<String, Expression>, document: &Document) -> BTreeMap<String, String> {
    set.iter().filter_map(|(name, path)| Some((name.clone(), path.text(document)?))).collect()
}

#[cfg(test)]
mod tests;
