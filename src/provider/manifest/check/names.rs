//! Whether every gap has a name that its occasion knows.

use std::collections::BTreeSet;

use super::{
    super::{
        Manifest,
        auth::{Auth, Inject, TokenCall},
        leaf::Templates,
        problem::Line,
        reader::Reader,
        request::Request,
        webhook::{Handshake, Verify},
    },
    known,
};
use crate::provider::template::{Template, Tree};

/// The names that texts of one occasion may use.
#[derive(Clone)]
struct Names(BTreeSet<String>);

impl Names {
    fn with<'a>(&self, more: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all = self.clone();
        all.0.extend(more.into_iter().map(str::to_owned));
        all
    }
}

/// A look at the texts of one part.
struct Look<'r> {
    reader: &'r mut Reader,
    line: Line,
    /// Where, as it is said to people.
    place: String,
    /// The parts of the input, where there is one.
    inputs: Option<BTreeSet<String>>,
}

impl<'r> Look<'r> {
    fn at(reader: &'r mut Reader, line: Line, place: &str) -> Self {
        Self { reader, line, place: place.to_owned(), inputs: None }
    }

    fn text(&mut self, template: &Template, names: &Names) {
        for name in template.names() {
            let problem = match (name.strip_prefix("input."), &self.inputs) {
                (Some(path), Some(inputs)) => {
                    let first = path.split('.').next().unwrap_or(path);
                    (!inputs.contains(first)).then(|| {
                        let hint = known(first, inputs.iter().map(String::as_str));
                        format!("`{{{name}}}` in {} is no part of the action's `input`{hint}", self.place)
                    })
                }
                _ if name == "input" && self.inputs.is_some() => None,
                _ => (!names.0.contains(name)).then(|| {
                    let hint = known(name, names.0.iter().map(String::as_str));
                    format!("`{{{name}}}` in {} means nothing there{hint}", self.place)
                }),
            };
            if let Some(problem) = problem {
                self.reader.problem(self.line, problem);
            }
        }
    }

    fn all(&mut self, templates: Option<&Templates>, names: &Names) {
        for template in templates.into_iter().flat_map(|templates| templates.values()) {
            self.text(template, names);
        }
    }

    fn tree(&mut self, tree: Option<&Tree>, names: &Names) {
        for template in tree.map(Tree::templates).unwrap_or_default() {
            self.text(template, names);
        }
    }

    fn request(&mut self, request: &Request, names: &Names) {
        self.line = request.line;
        self.text(&request.path.0, names);
        self.all(request.query.as_ref(), names);
        self.all(request.headers.as_ref(), names);
        self.tree(request.json.as_ref(), names);
        self.tree(request.form.as_ref(), names);
        self.tree(request.graphql.as_ref().and_then(|graphql| graphql.variables.as_ref()), names);
    }

    fn token(&mut self, call: &TokenCall, names: &Names) {
        self.line = call.line;
        self.text(&call.url.0, names);
        self.all(call.parameters.as_ref(), names);
        self.all(call.headers.as_ref(), names);
        for template in call.client_id.iter().chain(&call.client_secret) {
            self.text(template, names);
        }
    }
}

pub(super) fn check(manifest: &Manifest, reader: &mut Reader) {
    let settings = manifest.settings.all().iter().map(|setting| setting.name.as_str());
    let values = manifest
        .environments
        .iter()
        .flat_map(|environment| environment.values.iter().flatten().map(|(name, _)| name.as_str()));
    let version = manifest.version.get().map(|_| "version");
    let app: Vec<String> = manifest.app.iter().flatten().map(|field| format!("app.{}", field.name)).collect();
    let base = Names(settings.chain(values).chain(version).map(str::to_owned).collect());
    let with_app = base.with(app.iter().map(String::as_str));
    // What every way to prove who asks has.
    let common: Vec<&str> = fields(manifest.auth.first())
        .into_iter()
        .filter(|name| manifest.auth.iter().all(|auth| fields(Some(auth)).contains(name)))
        .collect();
    let any: Vec<&str> = manifest.auth.iter().flat_map(|auth| fields(Some(auth))).collect();
    let connected = base.with(common);
    for environment in &manifest.environments {
        let mut look = Look::at(reader, environment.line, "an address");
        look.text(&environment.base_url.0, &base);
        for address in environment.hosts.iter().flat_map(|hosts| hosts.values()) {
            look.text(&address.0, &base);
        }
    }
    for setting in manifest.settings.all() {
        if let Some(derive) = &setting.derive {
            Look::at(reader, derive.line, "`derive`").text(&derive.from, &base.with(any.iter().copied()));
        }
    }
    for auth in &manifest.auth {
        self::auth(auth, &with_app, reader);
    }
    let mut other = Look::at(reader, manifest.line, "`headers`");
    other.all(manifest.headers.as_ref(), &connected);
    if let Some(discovery) = manifest.discovery.get() {
        Look::at(reader, discovery.line, "`discovery`").request(&discovery.request, &connected);
    }
    if let super::super::answer::Probe::Request(probe) = &manifest.probe {
        Look::at(reader, probe.line, "`probe`").request(&probe.request, &connected);
    }
    for stream in manifest.streams.all() {
        let place = format!("the stream `{}`", stream.key);
        Look::at(reader, stream.line, &place).request(&stream.request, &connected.with(["since"]));
    }
    for action in manifest.actions.all() {
        let inputs =
            action.input.0.get("properties").and_then(|it| it.as_object()).map(|it| it.keys().cloned().collect());
        let mut look = Look::at(reader, action.line, &format!("the action `{}`", action.key));
        look.inputs = Some(inputs.unwrap_or_default());
        look.request(&action.request, &connected.with(["webhook_url"]));
    }
    for limit in &manifest.limits {
        if let Some((reach, per)) = limit.reach().and_then(|reach| Some((reach, reach.per.as_ref()?))) {
            let mut look = Look::at(reader, reach.line, "`per`");
            let inputs =
                manifest.actions.all().iter().filter_map(|action| action.input.0.get("properties")?.as_object());
            look.inputs = Some(inputs.flat_map(|it| it.keys().cloned()).collect());
            look.text(per, &connected);
        }
    }
    webhook(manifest, &with_app.with(any), reader);
}

fn fields(auth: Option<&Auth>) -> Vec<&str> {
    auth.map(Auth::fields).unwrap_or_default().iter().map(|field| field.name.as_str()).collect()
}

fn auth(auth: &Auth, base: &Names, reader: &mut Reader) {
    let own = base.with(fields(Some(auth)));
    let place = format!("the auth method `{}`", auth.key());
    let mut look = Look { reader, line: Line::default(), place, inputs: None };
    match auth {
        Auth::ClientCredentials(it) => look.token(&it.token, &own),
        Auth::AuthorizationCode(it) => {
            look.line = it.authorize.line;
            look.text(&it.authorize.url.0, &own);
            look.all(it.authorize.parameters.as_ref(), &own);
            look.token(&it.token, &own.with(["code", "redirect_uri", "code_verifier"]));
            let token = own.with(["access_token", "refresh_token"]);
            if let Some(exchange) = &it.exchange {
                look.token(exchange, &token);
            }
            if let Some(refresh) = it.refresh.get() {
                look.token(refresh, &token);
            }
            if let Some(after) = &it.after {
                look.line = after.line;
                look.text(&after.url.0, &own);
                look.all(after.headers.as_ref(), &own.with(["access_token"]));
            }
        }
        _ => {}
    }
    let token = auth.token().is_some();
    let names = if token { own.with(["access_token"]) } else { own };
    for inject in auth.inject() {
        match inject {
            Inject::Header(it) => {
                look.line = it.line;
                look.text(&it.value, &names);
            }
            Inject::NamedHeader(it) => {
                look.line = it.line;
                look.text(&it.name, &names);
                look.text(&it.value, &names);
            }
            Inject::Query(it) => {
                look.line = it.line;
                look.text(&it.value, &names);
            }
            Inject::Bearer(it) => {
                look.line = it.line;
                look.text(&it.token, &names);
            }
            Inject::Basic(it) => {
                look.line = it.line;
                look.text(&it.username, &names);
                it.password.iter().for_each(|password| look.text(password, &names));
            }
            Inject::Body(it) => {
                look.line = it.line;
                look.tree(Some(&it.fields), &names);
            }
        }
    }
}

fn webhook(manifest: &Manifest, base: &Names, reader: &mut Reader) {
    let Some(webhook) = manifest.webhook.get() else { return };
    let own: Vec<&str> = webhook.fields.iter().flatten().map(|field| field.name.as_str()).collect();
    let names = base.with(own);
    let mut look = Look { reader, line: webhook.line, place: "`webhook.verify`".to_owned(), inputs: None };
    for text in of_verify(&webhook.verify) {
        look.text(text, &names);
    }
    match webhook.handshake.get() {
        Some(Handshake::EchoChallenge(it)) => look.text(&it.token, &names),
        Some(Handshake::SignChallenge(it)) => look.text(&it.secret, &names),
        Some(Handshake::Plain(_)) | None => {}
    }
}

/// The texts with which webhooks are verified.
pub(super) fn of_verify(verify: &Verify) -> Vec<&Template> {
    match verify {
        Verify::HmacTimestamped(it) => vec![&it.secret],
        Verify::HmacBody(it) => vec![&it.secret],
        Verify::Certificate(it) => vec![&it.webhook_id],
        Verify::Ecdsa(it) => vec![&it.public_key],
        Verify::UrlHmac(it) => vec![&it.secret],
        Verify::FieldDigest(it) => vec![&it.secret],
        Verify::SharedHeader(it) => vec![&it.name, &it.value],
        Verify::Basic(it) => vec![&it.username, &it.password],
        Verify::UrlSecret(it) => vec![&it.value],
        Verify::SourceAddress(it) => vec![&it.value],
        Verify::StandardWebhooks(it) => vec![&it.secret],
    }
}
