//! A provider that takes every credential but those it is told to refuse, and quotes what it refuses.
//!
//! It gives tokens that are canaries, so that what comes in from there is looked for as well.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use portolan::provider::{catalogue::Catalogue, manifest::answer::Probe};
use serde_json::{Value, json};

use crate::support::played::{Heard, Said, Scripted};

/// What it does next.
#[derive(Default)]
struct Mind {
    refuses: Vec<String>,
    tokens: VecDeque<Value>,
}

/// The provider.
pub struct Provider {
    pub server: Scripted,
    mind: Arc<Mutex<Mind>>,
}

impl Provider {
    pub async fn start() -> Self {
        let mind = Arc::<Mutex<Mind>>::default();
        let of_server = Arc::clone(&mind);
        let server = Scripted::start(move |heard| answer(&mut of_server.lock().unwrap(), heard)).await;
        Self { server, mind }
    }

    /// Refuses whoever says this, and quotes it.
    pub fn refuse(&self, secret: &str) {
        self.mind.lock().unwrap().refuses.push(secret.to_owned());
    }

    /// Gives this to the next who buys a token.
    pub fn sells(&self, token: Value) {
        self.mind.lock().unwrap().tokens.push_back(token);
    }

    /// The answer to the challenge that came with a code.
    pub fn verifier(&self) -> String {
        let heard = self.server.heard();
        let fields = heard.iter().flat_map(|heard| url::form_urlencoded::parse(heard.body.as_bytes()));
        fields.filter(|(name, _)| name == "code_verifier").last().unwrap().1.into_owned()
    }
}

fn answer(mind: &mut Mind, heard: &Heard) -> Said {
    let said = said(heard);
    let token = heard.path.contains("token");
    if let Some(secret) = mind.refuses.iter().find(|secret| said.contains(secret.as_str())) {
        let reason = format!("Invalid API key or token: {secret} was given, \"{secret}\" is wrong");
        return match heard.path.split('/').nth(1) {
            Some("pancake_pos") => Said::json(200, &json!({ "success": false, "message": reason })),
            _ if token => Said::json(400, &json!({ "error": "invalid_grant", "error_description": reason })),
            _ => Said::json(401, &json!({ "message": reason, "error": { "message": reason, "code": "auth" } })),
        };
    }
    if token && let Some(token) = mind.tokens.pop_front() {
        return Said::json(200, &token);
    }
    let catalogue = Catalogue::embedded();
    let manifest = heard.path.split('/').nth(1).and_then(|provider| catalogue.get(provider));
    match manifest.map(|manifest| &manifest.probe) {
        Some(Probe::Request(probe)) => Said::json(200, &probe.example.0),
        _ => Said::json(404, &json!({})),
    }
}

/// Everything that somebody said: address, credential, body.
fn said(heard: &Heard) -> String {
    let authorization = heard.authorization.as_deref().unwrap_or_default();
    let basic = authorization.strip_prefix("Basic ").and_then(|text| BASE64_STANDARD.decode(text).ok());
    let basic = String::from_utf8(basic.unwrap_or_default()).unwrap();
    format!("{:?} {authorization} {basic} {}", heard.query, heard.body)
}
