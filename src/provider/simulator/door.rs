//! Who may come in: credentials, tokens, and the calls that give them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use http::Method;
use serde_json::{Value, json};
use url::Url;

use super::fake::{Asked, Reply};
use crate::{
    kernel::{clock::Moment, secret::Secret},
    provider::{
        auth,
        manifest::{
            Manifest,
            auth::{Auth, AuthorizationCode, TokenCall},
        },
        request::{Body, Outgoing},
        template::{Place, Values},
        token::{self, Purpose},
    },
};

/// Codes and tokens that were given out.
#[derive(Debug, Default)]
pub(super) struct Door {
    given: u64,
    /// Tokens, when they end, and of which account they are.
    tokens: BTreeMap<String, (Moment, usize)>,
    refresh: BTreeSet<String>,
    /// Codes, with the redirect address and challenge they were asked for with.
    codes: BTreeMap<String, (String, Option<String>)>,
}

impl Door {
    /// Forgets every token.
    pub(super) fn forget(&mut self) {
        self.tokens.clear();
        self.refresh.clear();
    }

    /// The account whose credential a request carries, as its place among them.
    pub(super) fn admits(&self, manifest: &Manifest, all: &[Values], asked: &Asked, now: Moment) -> Option<usize> {
        let has = |at: usize, values: &Values| {
            manifest.auth.iter().any(|auth| {
                if auth.token().is_some() {
                    return self.tokens.iter().any(|(token, (ends, of))| {
                        let mut values = values.clone();
                        values.set_secret("access_token", Secret::from(token.clone()));
                        *of == at && *ends > now && carries(auth, &values, asked)
                    });
                }
                carries(auth, values, asked)
            })
        };
        all.iter().enumerate().find(|(at, values)| has(*at, values)).map(|(at, _)| at)
    }

    /// Answers a request to one of the addresses of OAuth, if it is one: for the account to whose address it goes.
    pub(super) fn oauth(&mut self, manifest: &Manifest, all: &[Values], asked: &Asked, now: Moment) -> Option<Reply> {
        let mut refused = None;
        for (at, values) in all.iter().enumerate() {
            match self.oauth_of(manifest, at, values, asked, now) {
                Some(reply) if reply.status == 401 => refused = refused.or(Some(reply)),
                Some(reply) => return Some(reply),
                None => {}
            }
        }
        refused
    }

    fn oauth_of(
        &mut self,
        manifest: &Manifest,
        at: usize,
        values: &Values,
        asked: &Asked,
        now: Moment,
    ) -> Option<Reply> {
        for auth in &manifest.auth {
            if let Auth::AuthorizationCode(it) = auth
                && is_at(asked, &it.authorize.url.0.fill(values, Place::Address).ok()?.text)
            {
                return Some(self.consent(it, asked));
            }
            if let Auth::AuthorizationCode(it) = auth
                && let Some(after) = &it.after
                && is_at(asked, &after.url.0.fill(values, Place::Address).ok()?.text)
            {
                return Some(Reply::json(200, &filled(values, after.set.iter())));
            }
            for (call, purpose) in calls(auth) {
                let Ok(address) = call.url.0.fill(values, Place::Address) else { continue };
                if is_at(asked, &address.text) && self.right(call, purpose, values, asked) {
                    return Some(self.give(at, values, auth, call, now));
                }
            }
        }
        let tokens = manifest.auth.iter().flat_map(calls);
        let at_door = tokens
            .filter_map(|(call, _)| call.url.0.fill(values, Place::Address).ok())
            .any(|address| is_at(asked, &address.text));
        at_door.then(|| {
            Reply::json(401, &json!({"error": "invalid_client", "error_description": "client, code or token is wrong"}))
        })
    }

    /// The person agrees at once.
    fn consent(&mut self, method: &AuthorizationCode, asked: &Asked) -> Reply {
        let find =
            |name: &str| asked.url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let Some(mut back) = find("redirect_uri").and_then(|address| Url::parse(&address).ok()) else {
            return Reply::json(400, &json!({"error": "invalid_request"}));
        };
        if find(&method.authorize.client_id_parameter).is_none()
            || (method.authorize.pkce && find("code_challenge").is_none())
        {
            return Reply::json(400, &json!({"error": "invalid_request"}));
        }
        self.given += 1;
        let code = format!("code-{}", self.given);
        self.codes.insert(code.clone(), (back.to_string(), find("code_challenge")));
        back.query_pairs_mut().append_pair("code", &code);
        if let Some(state) = find("state") {
            back.query_pairs_mut().append_pair("state", &state);
        }
        Reply { status: 302, headers: vec![("location".to_owned(), back.into())], body: Vec::new() }
    }

    /// Whether a token call says everything that the file makes it say, with codes and tokens that we gave.
    fn right(&mut self, call: &TokenCall, purpose: Purpose, values: &Values, asked: &Asked) -> bool {
        let said = |name: &str| match asked.url.query_pairs().find(|(key, _)| key == name) {
            Some((_, value)) => Some(value.into_owned()),
            None => asked.fields().get(name).and_then(Value::as_str).map(str::to_owned),
        };
        let mut values = values.clone();
        match purpose {
            Purpose::Credentials => {}
            Purpose::Code => {
                let Some(code) = said("code") else { return false };
                let Some((redirect, challenge)) = self.codes.remove(&code) else { return false };
                let proven = challenge.is_none_or(|challenge| {
                    said("code_verifier").is_some_and(|verifier| token::challenge(&verifier) == challenge)
                });
                if !proven || said("redirect_uri").as_deref() != Some(&redirect) {
                    return false;
                }
                values.set("redirect_uri", redirect);
                values.set_secret("code", Secret::from(code));
            }
            // The old token or refresh token is somewhere in the call: whichever of ours fits.
            Purpose::Exchange | Purpose::Refresh => {
                let every: Vec<String> = asked.url.query_pairs().map(|(_, value)| value.into_owned()).collect();
                let fields = asked.fields();
                let every =
                    every.into_iter().chain(fields.values().filter_map(|value| value.as_str().map(str::to_owned)));
                let mut known = false;
                for text in every {
                    if self.refresh.remove(&text) {
                        values.set_secret("refresh_token", Secret::from(text));
                        known = true;
                    } else if self.tokens.contains_key(&text) {
                        values.set_secret("access_token", Secret::from(text));
                        known = true;
                    }
                }
                if !known {
                    return false;
                }
            }
        }
        token::call(call, purpose, &values).is_ok_and(|expected| covers(&expected, asked))
    }

    /// Gives a token, where the file looks for it.
    fn give(&mut self, at: usize, values: &Values, auth: &Auth, call: &TokenCall, now: Moment) -> Reply {
        self.given += 1;
        let (access, refresh) = (format!("sim-access-{}", self.given), format!("sim-refresh-{}", self.given));
        let answer = call.answer.as_ref();
        let mut body =
            answer.and_then(|answer| answer.set.as_ref()).map_or_else(|| json!({}), |set| filled(values, set.iter()));
        let mut put = |path: Option<&crate::provider::expression::Expression>, usual: &str, value: Value| match path {
            Some(path) => {
                path.put(value, &mut body);
            }
            None => body[usual] = value,
        };
        let life = answer.and_then(|answer| answer.lives).map_or(3_600, |life| life.as_secs());
        put(answer.and_then(|answer| answer.access_token.as_ref()), "access_token", json!(access));
        put(answer.and_then(|answer| answer.expires_in.as_ref()), "expires_in", json!(life));
        if let Auth::AuthorizationCode(it) = auth
            && it.refresh.get().is_some()
        {
            put(answer.and_then(|answer| answer.refresh_token.as_ref()), "refresh_token", json!(refresh));
            self.refresh.insert(refresh);
        }
        body["token_type"] = json!("Bearer");
        let ends = now + TimeDelta::try_seconds(i64::try_from(life).unwrap_or(3_600)).unwrap_or(TimeDelta::hours(1));
        self.tokens.insert(access, (ends, at));
        Reply::json(200, &body)
    }
}

/// The token calls of an auth method.
fn calls(auth: &Auth) -> Vec<(&TokenCall, Purpose)> {
    match auth {
        Auth::ClientCredentials(it) => vec![(&it.token, Purpose::Credentials)],
        Auth::AuthorizationCode(it) => std::iter::once((&it.token, Purpose::Code))
            .chain(it.exchange.as_ref().map(|call| (call, Purpose::Exchange)))
            .chain(it.refresh.get().map(|call| (call, Purpose::Refresh)))
            .collect(),
        _ => Vec::new(),
    }
}

/// An answer that fills settings with their made-up values.
fn filled<'a>(
    values: &Values,
    set: impl Iterator<Item = (&'a String, &'a crate::provider::expression::Expression)>,
) -> Value {
    let mut body = json!({});
    for (name, path) in set {
        let text = values.get(name).map_or_else(|| name.clone(), |(text, _)| text.into_owned());
        path.put(json!(text), &mut body);
    }
    body
}

fn is_at(asked: &Asked, address: &str) -> bool {
    let mut plain = asked.url.clone();
    plain.set_query(None);
    plain.as_str() == address
}

/// Whether a request carries what an auth method would put in.
fn carries(auth: &Auth, values: &Values, asked: &Asked) -> bool {
    let Ok(mut expected) = Outgoing::to(asked.method.clone(), "https://example.com/") else { return false };
    if asked.method == Method::GET
        && auth.inject().iter().any(|inject| matches!(inject, crate::provider::manifest::auth::Inject::Body(_)))
    {
        return false;
    }
    auth::inject(auth.inject(), values, &mut expected).is_ok() && covers(&expected, asked)
}

/// Whether a request says everything that another says.
fn covers(expected: &Outgoing, asked: &Asked) -> bool {
    let headers = expected
        .headers
        .iter()
        .all(|(name, value)| asked.headers.get(name).and_then(|found| found.to_str().ok()) == Some(&value.text));
    let query = expected
        .query
        .iter()
        .all(|(name, value)| asked.url.query_pairs().any(|(key, found)| key == *name && found == value.text));
    let fields = asked.fields();
    let body = match &expected.body {
        Body::Json(Value::Object(wanted)) | Body::Form(Value::Object(wanted)) => {
            wanted.iter().all(|(name, value)| fields.get(name) == Some(value))
        }
        _ => true,
    };
    headers && query && body
}
