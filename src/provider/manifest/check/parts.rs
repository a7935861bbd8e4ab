//! Whether the parts agree with each other.

use super::{
    super::{
        Manifest,
        auth::{Auth, ClientPlace, Inject},
        connection::{Field, Setting, SettingKind},
        limit::Limit,
        paging::{Into, Paging},
        problem::Line,
        reader::Reader,
        request::{Method, Request},
        shape::OrNone,
        stream::{Category, Deletions, Schedule, Stream},
        webhook::{Place, Verify},
    },
    known, unique,
};
use crate::provider::{
    template::{Template, Tree},
    webhook::shared::Network,
};

pub(super) fn check(manifest: &Manifest, reader: &mut Reader) {
    names(manifest, reader);
    version(manifest, reader);
    environments(manifest, reader);
    for setting in manifest.settings.all() {
        self::setting(setting, reader);
    }
    for field in manifest.app.iter().flatten() {
        self::field(field, reader);
    }
    for auth in &manifest.auth {
        self::auth(manifest, auth, reader);
    }
    if let Some(discovery) = manifest.discovery.get() {
        request(manifest, &discovery.request, reader);
        for name in discovery.set.keys() {
            is_setting(manifest, name, discovery.line, "`discovery.set`", reader);
        }
    }
    if let super::super::answer::Probe::Request(probe) = &manifest.probe {
        request(manifest, &probe.request, reader);
    }
    for rule in manifest.errors.rules.iter().flatten() {
        let given = rule.status.is_some()
            || rule.header.is_some()
            || rule.body.is_some()
            || rule.text.is_some()
            || rule.json.is_some();
        if !given {
            reader.problem(
                rule.line,
                "a rule of `errors` has no condition; write `status`, `header`, `body`, `text` or `json`",
            );
        }
    }
    for limit in &manifest.limits {
        self::limit(manifest, limit, reader);
    }
    for stream in manifest.streams.all() {
        self::stream(manifest, stream, reader);
    }
    for action in manifest.actions.all() {
        request(manifest, &action.request, reader);
        for (schema, name) in [(&action.input, "input"), (&action.output, "output")] {
            let kind = schema.0.get("type").and_then(|kind| kind.as_str());
            if kind != Some("object") && !(name == "output" && kind == Some("array")) {
                let message = format!(
                    "`{name}` of the action `{}` is no JSON Schema of an object; write `type = \"object\"` and `properties`",
                    action.key
                );
                reader.problem(action.line, message);
            }
        }
    }
    webhook(manifest, reader);
}

fn names(manifest: &Manifest, reader: &mut Reader) {
    unique(reader, "the environment", manifest.environments.iter().map(|it| (it.line, it.key.as_str())));
    unique(reader, "the auth method", manifest.auth.iter().map(|it| (line(it), it.key().as_str())));
    unique(reader, "the stream", manifest.streams.all().iter().map(|it| (it.line, it.key.as_str())));
    unique(reader, "the action", manifest.actions.all().iter().map(|it| (it.line, it.key.as_str())));
    let settings = manifest.settings.all().iter().map(|it| (it.line, it.name.as_str()));
    for auth in &manifest.auth {
        let fields = auth.fields().iter().map(|it| (it.line, it.name.as_str()));
        let hook = manifest.webhook.get().and_then(|webhook| webhook.fields.as_deref()).unwrap_or_default();
        let hook = hook.iter().map(|it| (it.line, it.name.as_str()));
        unique(reader, "the name", settings.clone().chain(fields).chain(hook));
    }
    for name in [
        "access_token",
        "refresh_token",
        "since",
        "version",
        "code",
        "redirect_uri",
        "code_verifier",
        "webhook_url",
        "input",
    ] {
        if let Some((line, _)) = settings.clone().find(|(_, other)| *other == name) {
            reader.problem(
                line,
                format!("a setting cannot be called `{name}`, which has a meaning of its own; choose another name"),
            );
        }
    }
}

fn line(auth: &Auth) -> Line {
    match auth {
        Auth::ApiKey(it) | Auth::BearerToken(it) | Auth::Basic(it) | Auth::BodyCredentials(it) => it.line,
        Auth::ClientCredentials(it) => it.line,
        Auth::AuthorizationCode(it) => it.line,
        Auth::Open(it) => it.line,
    }
}

fn version(manifest: &Manifest, reader: &mut Reader) {
    if let Some(version) = manifest.version.get() {
        unique(reader, "the version", version.known.iter().map(|it| (it.line, it.id.as_str())));
        if !version.known.iter().any(|known| known.id == version.current) {
            let hint = known(&version.current, version.known.iter().map(|known| known.id.as_str()));
            reader.problem(
                version.line,
                format!("`version.current` is {:?}, which is not among `version.known`{hint}", version.current),
            );
        }
    }
}

fn environments(manifest: &Manifest, reader: &mut Reader) {
    let Some(first) = manifest.environments.first() else { return };
    let names = |map: Option<&std::collections::BTreeMap<String, String>>| {
        map.map(|map| map.keys().cloned().collect::<Vec<_>>()).unwrap_or_default()
    };
    let hosts = |environment: &super::super::connection::Environment| {
        environment.hosts.as_ref().map(|hosts| hosts.keys().cloned().collect::<Vec<_>>()).unwrap_or_default()
    };
    for environment in &manifest.environments {
        if names(environment.values.as_ref()) != names(first.values.as_ref()) || hosts(environment) != hosts(first) {
            let message = format!(
                "the environment `{}` has not the same `values` and `hosts` as `{}`; write each in both",
                environment.key, first.key
            );
            reader.problem(environment.line, message);
        }
        let addresses = environment.hosts.iter().flat_map(|hosts| hosts.values()).chain([&environment.base_url]);
        for address in addresses {
            host_gaps(manifest, &address.0, environment.line, reader);
        }
    }
}

/// A gap in a host decides where requests go, so the form of its value must be known.
fn host_gaps(manifest: &Manifest, template: &Template, line: Line, reader: &mut Reader) {
    let host = template.as_str().strip_prefix("https://").unwrap_or(template.as_str());
    let host = host.split('/').next().unwrap_or(host);
    let Ok(host) = Template::parse(host) else { return };
    for name in host.names() {
        let Some(setting) = manifest.settings.all().iter().find(|setting| setting.name.as_str() == name) else {
            continue;
        };
        if template.lone() == Some(name) {
            if setting.kind != SettingKind::Url {
                reader.problem(
                    line,
                    format!("`{{{name}}}` is a whole address, but its setting is not; write `kind = \"url\"` there"),
                );
            }
        } else if setting.pattern.is_none() && setting.choices.is_none() {
            reader.problem(line, format!("`{{{name}}}` is part of a host name, but its setting has no `pattern`; write one such as `pattern = '^[a-z0-9-]{{1,63}}$'`"));
        }
    }
}

fn setting(setting: &Setting, reader: &mut Reader) {
    let name = &setting.name;
    match (&setting.choices, setting.kind) {
        (None, SettingKind::Choice) => reader.problem(
            setting.line,
            format!("the setting `{name}` is a choice without `choices`; write `choices = [\"…\"]`"),
        ),
        (Some(_), kind) if kind != SettingKind::Choice => reader.problem(
            setting.line,
            format!("the setting `{name}` has `choices`, but is no choice; write `kind = \"choice\"`"),
        ),
        _ => {}
    }
    for (text, what) in [(&setting.default, "default"), (&setting.example, "example")] {
        let Some(text) = text else { continue };
        if let Err(reason) = setting.fits(text) {
            reader.problem(setting.line, format!("`{what}` of the setting `{name}` does not fit: {reason}"));
        }
    }
    if setting.required && setting.default.is_none() && setting.example.is_none() && setting.choices.is_none() {
        reader.problem(setting.line, format!("the setting `{name}` must be given and has no `example`; write `example = \"…\"`, or `required = false`"));
    }
}

fn field(field: &Field, reader: &mut Reader) {
    if field.pattern.as_ref().is_some_and(|pattern| !pattern.fits(&field.example)) {
        reader.problem(
            field.line,
            format!("`example` of the field `{}` does not fit its `pattern`; write one that does", field.name),
        );
    }
}

fn auth(manifest: &Manifest, auth: &Auth, reader: &mut Reader) {
    let line = line(auth);
    let has = |wanted: fn(&Inject) -> bool| auth.inject().iter().any(wanted);
    let wanting = match auth {
        Auth::BearerToken(_) if !has(|it| matches!(it, Inject::Bearer(_))) => Some("into = \"bearer\""),
        Auth::Basic(_) if !has(|it| matches!(it, Inject::Basic(_))) => Some("into = \"basic\""),
        Auth::BodyCredentials(_) if !has(|it| matches!(it, Inject::Body(_))) => Some("into = \"body\""),
        _ => None,
    };
    if let Some(wanting) = wanting {
        reader.problem(
            line,
            format!(
                "the auth method `{}` does not do what its kind says; give it an `inject` with `{wanting}`",
                auth.key()
            ),
        );
    }
    for field in auth.fields() {
        self::field(field, reader);
    }
    if auth.token().is_some()
        && !injected(auth).iter().any(|template| template.names().any(|name| name == "access_token"))
    {
        reader.problem(
            line,
            format!(
                "the auth method `{}` gets a token and sends it nowhere; use `{{access_token}}` in its `inject`",
                auth.key()
            ),
        );
    }
    client(manifest, auth, reader);
    let sets = match auth {
        Auth::ClientCredentials(it) => {
            vec![(it.token.line, it.token.answer.as_ref().and_then(|answer| answer.set.as_ref()))]
        }
        Auth::AuthorizationCode(it) => vec![
            (it.token.line, it.token.answer.as_ref().and_then(|answer| answer.set.as_ref())),
            (it.line, it.after.as_ref().map(|after| &after.set)),
        ],
        _ => Vec::new(),
    };
    for (line, set) in sets {
        for name in set.into_iter().flat_map(|set| set.keys()) {
            is_setting(manifest, name, line, "`set`", reader);
        }
    }
}

/// Whether there are a client id and secret where a token call looks for them.
fn client(manifest: &Manifest, auth: &Auth, reader: &mut Reader) {
    let own = |name: &str| auth.fields().iter().any(|field| field.name.as_str() == name);
    let app = |name: &str| manifest.app.iter().flatten().any(|field| field.name.as_str() == name);
    let lacking = match auth {
        Auth::ClientCredentials(it)
            if it.token.client != ClientPlace::Nowhere && it.token.client_id.is_none() && !own("client_id") =>
        {
            "a field `client_id`, or `client_id` in `token`"
        }
        Auth::AuthorizationCode(it) if it.token.client_id.is_none() && !app("client_id") => {
            "`[[app]]` with a field `client_id`"
        }
        Auth::AuthorizationCode(it) if it.token.client_secret.is_none() && !app("client_secret") => {
            "`[[app]]` with a field `client_secret`"
        }
        _ => return,
    };
    reader.problem(line(auth), format!("the auth method `{}` has no client; write {lacking}", auth.key()));
}

fn injected(auth: &Auth) -> Vec<&Template> {
    auth.inject().iter().flat_map(texts).collect()
}

fn texts(inject: &Inject) -> Vec<&Template> {
    match inject {
        Inject::Header(it) => vec![&it.value],
        Inject::NamedHeader(it) => vec![&it.value],
        Inject::Query(it) => vec![&it.value],
        Inject::Bearer(it) => vec![&it.token],
        Inject::Basic(it) => std::iter::once(&it.username).chain(&it.password).collect(),
        Inject::Body(it) => it.fields.templates(),
    }
}

fn is_setting(manifest: &Manifest, name: &str, line: Line, place: &str, reader: &mut Reader) {
    let names = manifest.settings.all().iter().map(|setting| setting.name.as_str());
    if !names.clone().any(|other| other == name) {
        let hint = known(name, names);
        reader.problem(line, format!("{place} names `{name}`, which is no setting{hint}"));
    }
}

fn request(manifest: &Manifest, request: &Request, reader: &mut Reader) {
    let bodies = [request.json.is_some(), request.form.is_some(), request.graphql.is_some()];
    let bodies = bodies.into_iter().filter(|body| *body).count();
    if bodies > 1 {
        reader.problem(request.line, "a request has one body: `json`, `form` or `graphql`; leave the others out");
    }
    if bodies > 0 && request.method == Method::Get {
        reader.problem(request.line, "a GET has no body; write `method = \"POST\"`, or give parameters in `query`");
    }
    if let Some(host) = &request.host {
        let first = manifest.environments.first().and_then(|environment| environment.hosts.as_ref());
        let names = first.into_iter().flat_map(|hosts| hosts.keys().map(String::as_str));
        if !names.clone().any(|name| name == host.as_str()) {
            let hint = known(host.as_str(), names);
            reader.problem(request.line, format!("no environment has an address called `{host}` in `hosts`{hint}"));
        }
    }
}

fn limit(manifest: &Manifest, limit: &Limit, reader: &mut Reader) {
    if let Limit::Usage(it) = limit
        && (it.slow_at >= it.stop_at || it.stop_at > 100)
    {
        reader.problem(it.line, "`slow_at` must be less than `stop_at`, and that at most 100");
    }
    if let Limit::Sliding(it) = limit
        && it.requests > 10_000
    {
        reader.problem(it.line, "a sliding window counts at most 10000 requests; write `shape = \"window\"`");
    }
    let Some(reach) = limit.reach() else { return };
    if let Some(environment) = &reach.environment
        && manifest.environment(environment.as_str()).is_none()
    {
        let hint = known(environment.as_str(), manifest.environments.iter().map(|it| it.key.as_str()));
        reader.problem(reach.line, format!("there is no environment `{environment}`{hint}"));
    }
    match (&reach.setting, &reach.values) {
        (Some(setting), Some(_)) => is_setting(manifest, setting.as_str(), reach.line, "`reach.setting`", reader),
        (None, None) => {}
        _ => reader.problem(reach.line, "`setting` and `values` go together; write both"),
    }
    for key in reach.only.iter().flatten() {
        if manifest.stream(key.as_str()).is_none() && manifest.action(key.as_str()).is_none() {
            let streams = manifest.streams.all().iter().map(|it| it.key.as_str());
            let actions = manifest.actions.all().iter().map(|it| it.key.as_str());
            let hint = known(key.as_str(), streams.chain(actions));
            reader.problem(reach.line, format!("there is no stream or action `{key}`{hint}"));
        }
    }
}

fn category(manifest: &Manifest, category: &Category, reader: &mut Reader) {
    is_setting(manifest, category.by.as_str(), category.line, "`category.by`", reader);
    let by = manifest.settings.all().iter().find(|setting| setting.name == category.by);
    if by.is_some_and(|setting| setting.kind != SettingKind::Mapping) {
        let problem = format!("the setting `{}` holds no mapping; write `kind = \"mapping\"` there", category.by);
        reader.problem(category.line, problem);
    }
}

fn stream(manifest: &Manifest, stream: &Stream, reader: &mut Reader) {
    let key = &stream.key;
    request(manifest, &stream.request, reader);
    let mut probe = serde_json::Value::Null;
    if !stream.records.put(serde_json::json!([{}]), &mut probe) {
        reader.problem(
            stream.line,
            format!("`records` of the stream `{key}` is no plain path; write one such as 'data.orders[].node'"),
        );
    }
    let uses = uses_since(&stream.request);
    match (&stream.since, uses) {
        (OrNone::Is(since), false) => reader.problem(since.line, format!("the stream `{key}` has `since`, but no `{{since}}` in its request; put it there, or write `since = \"none\"`")),
        (OrNone::None, true) => reader.problem(stream.line, format!("the stream `{key}` uses `{{since}}` and has `since = \"none\"`; write `since = {{ form = \"rfc3339\", overlap = \"5m\" }}`")),
        (OrNone::Is(since), true) if stream.updated_at.get().is_none() => reader.problem(since.line, format!("the stream `{key}` asks for changes, but has `updated_at = \"none\"`; say where a record has the time")),
        _ => {}
    }
    if (stream.deletions == Deletions::Marked) != stream.deleted.is_some() {
        reader.problem(
            stream.line,
            format!("the stream `{key}` must have `deletions = \"marked\"` and `deleted`, or neither"),
        );
    }
    if let Some(category) = &stream.category {
        self::category(manifest, category, reader);
    }
    if stream.deletions == Deletions::Absent && stream.since.get().is_some() {
        reader.problem(
            stream.line,
            format!(
                "the stream `{key}` reads only changes, so what is absent is not gone; write `deletions = \"unknown\"`"
            ),
        );
    }
    if stream.schedule == Schedule::RealTime && manifest.webhook.get().is_none() {
        reader.problem(stream.line, format!("the stream `{key}` is `real_time`, but the provider sends nothing; write `schedule = \"every_15_minutes\"`"));
    }
    if let Some(paging) = manifest.paging_of(stream) {
        let graphql = stream.request.graphql.is_some();
        let bodied = stream.request.json.is_some() || stream.request.form.is_some() || graphql;
        let wrong = match paging.into() {
            Into::Variables => !graphql,
            Into::Body => !bodied,
            Into::Query => false,
        };
        if wrong {
            reader.problem(stream.line, format!("the pages of the stream `{key}` are asked for in a part of the request that it has not; give it a `paging` of its own"));
        }
        if let Paging::LinkHeader(_) | Paging::NextUrl(_) = paging
            && bodied
        {
            reader.problem(stream.line, format!("the stream `{key}` has a body, which the address of a next page has not; give it a `paging` of its own"));
        }
    }
}

fn uses_since(request: &Request) -> bool {
    let since = |template: &Template| template.names().any(|name| name == "since");
    let trees =
        [request.json.as_ref(), request.form.as_ref(), request.graphql.as_ref().and_then(|it| it.variables.as_ref())];
    since(&request.path.0)
        || request.query.iter().flatten().any(|(_, template)| since(template))
        || trees.into_iter().flatten().flat_map(Tree::templates).any(since)
}

fn webhook(manifest: &Manifest, reader: &mut Reader) {
    let Some(webhook) = manifest.webhook.get() else { return };
    for field in webhook.fields.iter().flatten() {
        self::field(field, reader);
    }
    let places = [Some(&webhook.kind), webhook.id.get(), webhook.time.get(), webhook.account.get().map(|it| &it.at)];
    for place in places.into_iter().flatten() {
        self::place(place, reader);
    }
    if let Some(account) = webhook.account.get() {
        let name = account.setting.as_str();
        // A field that is no secret will do: an account id is sometimes the user of Basic.
        let field =
            manifest.auth.iter().flat_map(Auth::fields).any(|field| field.name.as_str() == name && !field.secret);
        if !field {
            is_setting(manifest, name, account.line, "`webhook.account`", reader);
        }
    }
    if webhook.split.as_ref().is_some_and(|split| split.len() > 2) {
        reader.problem(webhook.line, "`split` has at most two steps");
    }
    if let Verify::SourceAddress(it) = &webhook.verify {
        for network in it.networks.iter().filter(|text| Network::parse(text).is_none()) {
            reader.problem(it.line, format!("{network:?} is no network; write one such as \"203.0.113.0/24\""));
        }
    }
    if let Some(reconcile) = webhook.reconcile.get() {
        match (&reconcile.stream, &reconcile.action) {
            (Some(stream), None) if manifest.stream(stream.as_str()).is_none() => {
                let hint = known(stream.as_str(), manifest.streams.all().iter().map(|it| it.key.as_str()));
                reader.problem(reconcile.line, format!("there is no stream `{stream}`{hint}"));
            }
            (None, Some(action)) if manifest.action(action.as_str()).is_none() => {
                let hint = known(action.as_str(), manifest.actions.all().iter().map(|it| it.key.as_str()));
                reader.problem(reconcile.line, format!("there is no action `{action}`{hint}"));
            }
            (Some(_), None) | (None, Some(_)) => {}
            _ => reader.problem(reconcile.line, "`reconcile` names a `stream` or an `action`; write one of them"),
        }
    }
}

fn place(place: &Place, reader: &mut Reader) {
    let given = [place.header.is_some(), place.body.is_some(), place.query.is_some(), place.constant.is_some()];
    if given.into_iter().filter(|given| *given).count() != 1 {
        reader.problem(place.line, "a place is one of `header`, `body`, `query` and `constant`; write exactly one");
    }
}
