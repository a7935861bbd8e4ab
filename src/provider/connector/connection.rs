//! What is known of one connection, and whether it is enough.

use std::{collections::BTreeMap, sync::Arc};

use url::Url;

use crate::{
    kernel::secret::Secret,
    provider::{
        manifest::{
            Manifest,
            auth::Auth,
            connection::{Environment, Field, Setting},
        },
        request::{self, Site, Unmade},
        simulator,
        template::{Place, Template, Unfilled, Values},
        token::Token,
    },
};

/// What is known of a connection, by names of the file.
#[derive(Clone, Debug, Default)]
pub struct Details {
    /// The environment; the first of the file if not said.
    pub environment: Option<String>,
    /// The auth method; the first of the file if not said.
    pub auth: Option<String>,
    /// Settings, and `version` if another than the usual one is wanted.
    pub settings: BTreeMap<String, String>,
    /// The opened fields of the credential.
    pub credential: BTreeMap<String, Secret>,
    /// The opened fields of the operator's own application at the provider.
    pub app: BTreeMap<String, Secret>,
    /// The present token, where tokens are given by calls.
    pub access_token: Option<Secret>,
    /// The token for the next one.
    pub refresh_token: Option<Secret>,
    /// Where the simulator is, if it is to be asked instead.
    pub simulator: Option<Url>,
}

/// A part of [`Details`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The environment.
    Environment,
    /// The auth method.
    Auth,
    /// A setting.
    Setting,
    /// A field of the credential.
    Credential,
    /// A field of the operator's application.
    App,
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The file has no such name.
    Unknown,
    /// It is needed and not there.
    Missing,
    /// It is needed and not there, but one of the accounts that can be listed will bring it, or a token.
    Found,
    /// It does not have the right form, which is said; the value is not.
    Unfit(String),
}

/// Something that is wrong with details.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Where.
    pub part: Part,
    /// The name there.
    pub name: String,
    /// What.
    pub why: Why,
}

impl Details {
    /// Everything that is wrong, so that all of it can be said at once.
    #[must_use]
    pub fn misfits(&self, manifest: &Manifest) -> Vec<Misfit> {
        let mut misfits = Vec::new();
        let mut tell = |part, name: &str, why| misfits.push(Misfit { part, name: name.to_owned(), why });
        if let Some(key) = self.environment.as_deref().filter(|key| manifest.environment(key).is_none()) {
            tell(Part::Environment, key, Why::Unknown);
        }
        if let Some(key) = self.auth.as_deref().filter(|key| manifest.auth(key).is_none()) {
            tell(Part::Auth, key, Why::Unknown);
        }
        for (name, text) in &self.settings {
            if name == "version" {
                let version = manifest.version.get();
                let known = version.is_some_and(|version| version.known.iter().any(|known| known.id == *text));
                if !known {
                    tell(Part::Setting, name, Why::Unknown);
                }
            } else if let Some(setting) = find(manifest, name) {
                if let Err(reason) = setting.fits(text) {
                    tell(Part::Setting, name, Why::Unfit(reason));
                }
            } else {
                tell(Part::Setting, name, Why::Unknown);
            }
        }
        let auth = choose(manifest, self.auth.as_deref());
        let open = BTreeMap::new();
        let fields = auth.map(Auth::fields).unwrap_or_default();
        // Which app is used is the operator's business; it matters only where a person signs in.
        let app = if matches!(auth, Some(Auth::AuthorizationCode(_))) { manifest.app.as_deref() } else { None };
        let given = if app.is_some() { &self.app } else { &open };
        for (part, known, given) in
            [(Part::Credential, fields, &self.credential), (Part::App, app.unwrap_or_default(), given)]
        {
            for (name, why) in against(known, given) {
                tell(part, &name, why);
            }
        }
        let values = self.environment_of(manifest).map(|environment| self.values(manifest, environment));
        let found = found(manifest, auth);
        for setting in manifest.settings.all().iter().filter(|setting| setting.required) {
            let name = setting.name.as_str();
            if values.as_ref().is_some_and(|values| values.get(name).is_none()) {
                let why = if found.contains(&name) { Why::Found } else { Why::Missing };
                tell(Part::Setting, name, why);
            }
        }
        misfits
    }

    fn environment_of<'m>(&self, manifest: &'m Manifest) -> Option<&'m Environment> {
        match &self.environment {
            Some(key) => manifest.environment(key),
            None => manifest.environments.first(),
        }
    }

    fn values(&self, manifest: &Manifest, environment: &Environment) -> Values {
        let mut values = request::values(manifest, environment, &self.settings, &self.credential);
        for (name, secret) in &self.app {
            values.set_secret(&format!("app.{name}"), secret.clone());
        }
        for (name, token) in [("access_token", &self.access_token), ("refresh_token", &self.refresh_token)] {
            if let Some(token) = token {
                values.set_secret(name, token.clone());
            }
        }
        values
    }
}

fn find<'m>(manifest: &'m Manifest, name: &str) -> Option<&'m Setting> {
    manifest.settings.all().iter().find(|setting| setting.name.as_str() == name)
}

fn choose<'m>(manifest: &'m Manifest, key: Option<&str>) -> Option<&'m Auth> {
    match key {
        Some(key) => manifest.auth(key),
        None => manifest.auth.first(),
    }
}

/// Fields that are unknown, missing or of the wrong form.
fn against(known: &[Field], given: &BTreeMap<String, Secret>) -> Vec<(String, Why)> {
    let unknown = given.keys().filter(|name| !known.iter().any(|field| field.name.as_str() == *name));
    let unknown = unknown.map(|name| (name.clone(), Why::Unknown));
    let wrong = known.iter().filter_map(|field| {
        let why = match given.get(field.name.as_str()).filter(|secret| !secret.expose().is_empty()) {
            None if field.required => Why::Missing,
            None => return None,
            Some(secret) => {
                let pattern = field.pattern.as_ref().filter(|pattern| !pattern.fits(secret.expose()))?;
                Why::Unfit(format!("it has the form {}", pattern.as_str()))
            }
        };
        Some((field.name.0.clone(), why))
    });
    unknown.chain(wrong).collect()
}

/// Settings that are filled by an account or by the answer to a token call.
fn found<'m>(manifest: &'m Manifest, auth: Option<&'m Auth>) -> Vec<&'m str> {
    let accounts = manifest.discovery.get().into_iter().flat_map(|discovery| discovery.set.keys());
    let token = auth.and_then(Auth::token).and_then(|call| call.answer.as_ref()?.set.as_ref());
    let after = match auth {
        Some(Auth::AuthorizationCode(it)) => it.after.as_ref().map(|after| &after.set),
        _ => None,
    };
    accounts.chain(token.into_iter().chain(after).flat_map(BTreeMap::keys)).map(String::as_str).collect()
}

/// One connection: a file and what is known.
#[derive(Clone, Debug)]
pub struct Connection {
    manifest: Arc<Manifest>,
    environment: usize,
    auth: usize,
    values: Values,
    simulator: Option<Url>,
}

impl Connection {
    /// A connection, if environment and auth method are of the file. Whether the rest is enough is seen when a
    /// request needs it, or beforehand by [`Details::misfits`].
    pub fn new(manifest: Arc<Manifest>, details: &Details) -> Result<Self, Misfit> {
        let misfit = |part, name: &Option<String>| Misfit {
            part,
            name: name.clone().unwrap_or_default(),
            why: if name.is_some() { Why::Unknown } else { Why::Missing },
        };
        let at = |wanted: &Option<String>, keys: Vec<&str>, part| {
            let place = match wanted {
                Some(key) => keys.iter().position(|other| other == key),
                None => (!keys.is_empty()).then_some(0),
            };
            place.ok_or_else(|| misfit(part, wanted))
        };
        let environments = manifest.environments.iter().map(|it| it.key.as_str()).collect();
        let environment = at(&details.environment, environments, Part::Environment)?;
        let methods = manifest.auth.iter().map(|it| it.key().as_str()).collect();
        let auth = at(&details.auth, methods, Part::Auth)?;
        let values = details.values(&manifest, &manifest.environments[environment]);
        Ok(Self { values, environment, auth, simulator: details.simulator.clone(), manifest })
    }

    /// The same with a token and what came with it.
    #[must_use]
    pub fn with_token(mut self, token: &Token) -> Self {
        self.values.set_secret("access_token", token.access.clone());
        if let Some(refresh) = &token.refresh {
            self.values.set_secret("refresh_token", refresh.clone());
        }
        for (name, text) in &token.set {
            self.values.set(name, text.as_str());
        }
        self
    }

    /// The same with other values.
    pub(super) fn with_values(mut self, values: Values) -> Self {
        self.values = values;
        self
    }

    /// The file.
    #[must_use]
    pub const fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// The environment.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.manifest.environments[self.environment]
    }

    /// The auth method.
    #[must_use]
    pub fn auth(&self) -> &Auth {
        &self.manifest.auth[self.auth]
    }

    /// What gaps are filled with.
    #[must_use]
    pub const fn values(&self) -> &Values {
        &self.values
    }

    /// Whether a token is there.
    pub(super) fn has_token(&self) -> bool {
        self.values.get("access_token").is_some()
    }

    /// The addresses of the environment.
    pub(super) fn site(&self) -> Result<Site, Unmade> {
        Site::of(self.environment(), &self.values)
    }

    /// The origin of the page on which a person agrees.
    #[must_use]
    pub fn authorize_origin(&self) -> Option<String> {
        let Auth::AuthorizationCode(it) = self.auth() else { return None };
        self.origin_of(&it.authorize.url.0)
    }

    /// The origin of the call that gives tokens.
    #[must_use]
    pub fn token_origin(&self) -> Option<String> {
        self.origin_of(&self.auth().token()?.url.0)
    }

    fn origin_of(&self, template: &Template) -> Option<String> {
        let address = template.fill(&self.values, Place::Address).ok()?.text;
        Some(self.real(&Url::parse(&address).ok()?).ok()?.origin().ascii_serialization())
    }

    /// Every address to which the hub itself would go. Those of which a part is not known yet are left out: they
    /// are looked at when they are used.
    pub(super) fn addresses(&self) -> Result<Vec<String>, Unmade> {
        let environment = self.environment();
        let bases = std::iter::once(&environment.base_url).chain(environment.hosts.iter().flat_map(BTreeMap::values));
        let after = match self.auth() {
            Auth::AuthorizationCode(it) => it.after.as_ref().map(|after| &after.url),
            _ => None,
        };
        let calls = self.auth().calls().map(|call| &call.url).chain(after);
        let templates = bases.map(|address| &address.0).chain(calls.map(|endpoint| &endpoint.0));
        let filled = templates.filter_map(|template| match template.fill(&self.values, Place::Address) {
            Ok(filled) => Some(Ok(filled.text)),
            Err(Unfilled::Missing(_)) => None,
            Err(unfit) => Some(Err(unfit.into())),
        });
        filled.collect()
    }

    /// Where an address is really asked: there, or at the simulator, which also gives addresses of its own.
    pub(super) fn real(&self, address: &Url) -> Result<Url, Unmade> {
        match &self.simulator {
            Some(origin) if origin.origin() != address.origin() => {
                simulator::reroute(origin, self.manifest.key.as_str(), address)
                    .ok_or_else(|| Unmade::Address("it has no host".to_owned()))
            }
            _ => Ok(address.clone()),
        }
    }
}
