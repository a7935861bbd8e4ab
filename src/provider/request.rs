//! Makes what is sent out of a request of the file.
//!
//! An [`Outgoing`] stays in parts until it is finished, so that the credential and the page can be put where
//! the file says: among the parameters, in a header, in the body, among the variables of a GraphQL operation.
//! [`Ready`] is what the client sends, together with what logs may say of it: parameters and headers in which
//! a secret stands are marked there, and nowhere else.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde_json::{Map, Value, json};
use url::Url;

use super::{
    manifest::{
        Manifest,
        connection::Environment,
        leaf::{Name, Templates},
        request::Request,
    },
    template::{Filled, Place, Template, Unfilled, Values, may_be_missing},
};
use crate::kernel::secret::Secret;

/// What stands in a log in place of a secret.
const HIDDEN: &str = "hidden";

/// Why a request cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmade {
    /// A gap stays open.
    #[error(transparent)]
    Unfilled(#[from] Unfilled),
    /// The address is none.
    #[error("the address of the provider cannot be used: {0}")]
    Address(String),
    /// There is no such address in this environment.
    #[error("this environment has no address called `{0}`")]
    Host(String),
    /// Something does not fit into a header.
    #[error("the header `{0}` cannot have this value")]
    Header(String),
    /// A mapping in the settings cannot be read.
    #[error("the mapping of the settings cannot be read: {0}")]
    Mapping(String),
    /// A credential goes into the body, but the body is none that has fields.
    #[error("the credential belongs into the body, which has no fields here")]
    Body,
}

/// A body that is still in parts.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Body {
    /// None.
    #[default]
    Empty,
    /// JSON.
    Json(Value),
    /// A form; tables inside are written `outer[inner]`.
    Form(Value),
}

/// A request in parts.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The method.
    pub method: Method,
    /// The address without its parameters.
    pub url: Url,
    /// The same for logs, where a secret is part of it.
    pub shown: Option<Url>,
    /// The parameters.
    pub query: Vec<(String, Filled)>,
    /// The headers.
    pub headers: Vec<(HeaderName, Filled)>,
    /// The body.
    pub body: Body,
    /// Whether the body has a secret.
    pub secret_body: bool,
    /// The media type of the body, where it is not the usual one.
    pub media_type: Option<String>,
}

/// A request that can be sent.
#[derive(Clone)]
pub struct Ready {
    /// The method.
    pub method: Method,
    /// The whole address.
    pub url: Url,
    /// The headers; those with a secret are marked sensitive.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The address for logs.
    pub shown_url: String,
    /// The body for logs; nothing if it has a secret.
    pub shown_body: Option<Bytes>,
}

impl std::fmt::Debug for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let url = &self.shown_url;
        f.debug_struct("Ready").field("method", &self.method).field("url", url).finish_non_exhaustive()
    }
}

/// The addresses of an environment, filled in.
#[derive(Clone, Debug)]
pub struct Site {
    base: String,
    hosts: BTreeMap<String, String>,
}

impl Site {
    /// The addresses of an environment for a connection.
    pub fn of(environment: &Environment, values: &Values) -> Result<Self, Unmade> {
        let fill = |template: &Template| {
            template.fill(values, Place::Address).map(|filled| filled.text.trim_end_matches('/').to_owned())
        };
        let hosts = environment.hosts.iter().flatten();
        Ok(Self {
            base: fill(&environment.base_url.0)?,
            hosts: hosts
                .map(|(name, address)| Ok((name.clone(), fill(&address.0)?)))
                .collect::<Result<_, Unfilled>>()?,
        })
    }

    /// The address of that name, or the base.
    fn address(&self, host: Option<&Name>) -> Result<&str, Unmade> {
        match host {
            None => Ok(&self.base),
            Some(name) => self.hosts.get(name.as_str()).map(String::as_str).ok_or_else(|| Unmade::Host(name.0.clone())),
        }
    }

    /// The base address.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }
}

/// The values of a connection: settings with their defaults and what follows from others, values of the
/// environment, the version. The credential's fields are given by who calls.
#[must_use]
pub fn values(
    manifest: &Manifest,
    environment: &Environment,
    settings: &BTreeMap<String, String>,
    credential: &BTreeMap<String, Secret>,
) -> Values {
    let mut values = Values::default();
    for (name, text) in environment.values.iter().flatten() {
        values.set(name, text.as_str());
    }
    for (name, secret) in credential {
        values.set_secret(name, secret.clone());
    }
    for setting in manifest.settings.all() {
        let name = setting.name.as_str();
        if let Some(text) = settings.get(name).or(setting.default.as_ref()) {
            values.set(name, text.as_str());
        }
    }
    if let Some(version) = manifest.version.get() {
        let chosen = settings.get("version").filter(|id| version.known.iter().any(|known| known.id == **id));
        values.set("version", chosen.unwrap_or(&version.current).as_str());
    }
    for setting in manifest.settings.all() {
        let name = setting.name.as_str();
        if let (Some(derive), false) = (&setting.derive, settings.contains_key(name)) {
            let whole = derive.from.fill(&values, Place::Value).ok();
            if let Some(part) = whole.as_ref().and_then(|whole| derive.pattern.part(&whole.text)) {
                let part = part.to_owned();
                values.set(name, part);
            }
        }
    }
    values
}

/// Makes a request of the file.
pub fn make(request: &Request, site: &Site, common: Option<&Templates>, values: &Values) -> Result<Outgoing, Unmade> {
    let path = request.path.0.fill(values, Place::Path)?;
    let address = format!("{}{}", site.address(request.host.as_ref())?, path.text);
    let mut outgoing = Outgoing::to(request.method.into(), &address)?;
    if path.secret {
        let part = request.path.0.shown(values, Place::Path, HIDDEN)?;
        let shown = format!("{}{part}", site.address(request.host.as_ref())?);
        outgoing.shown = Url::parse(&shown).ok();
    }
    for (name, template) in request.query.iter().flatten() {
        if let Some(filled) = optional(template, values, Place::Value)? {
            outgoing.query.push((name.clone(), filled));
        }
    }
    for (name, template) in common.into_iter().flatten().chain(request.headers.iter().flatten()) {
        if let Some(filled) = optional(template, values, Place::Header)? {
            outgoing.header(name, filled)?;
        }
    }
    let (body, secret) = body(request, values)?;
    outgoing.body = body;
    outgoing.secret_body = secret;
    Ok(outgoing)
}

fn body(request: &Request, values: &Values) -> Result<(Body, bool), Unmade> {
    if let Some(tree) = &request.json {
        let (value, secret) = tree.fill(values)?;
        return Ok((Body::Json(value.unwrap_or_else(|| json!({}))), secret));
    }
    if let Some(tree) = &request.form {
        let (value, secret) = tree.fill(values)?;
        return Ok((Body::Form(value.unwrap_or_else(|| json!({}))), secret));
    }
    if let Some(graphql) = &request.graphql {
        let (variables, secret) = match &graphql.variables {
            Some(tree) => tree.fill(values)?,
            None => (None, false),
        };
        let variables = variables.unwrap_or_else(|| json!({}));
        return Ok((Body::Json(json!({"query": graphql.query, "variables": variables})), secret));
    }
    Ok((Body::Empty, false))
}

/// A text, or nothing when a gap that may stay open does.
pub fn optional(template: &Template, values: &Values, place: Place) -> Result<Option<Filled>, Unfilled> {
    match template.fill(values, place) {
        Ok(filled) => Ok(Some(filled)),
        Err(Unfilled::Missing(name)) if may_be_missing(&name) || template.lone().is_some() => Ok(None),
        Err(error) => Err(error),
    }
}

impl Outgoing {
    /// A request to an address, with nothing else yet.
    pub fn to(method: Method, address: &str) -> Result<Self, Unmade> {
        let url = Url::parse(address).map_err(|error| Unmade::Address(error.to_string()))?;
        if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none_or(str::is_empty) {
            return Err(Unmade::Address("it is not https".to_owned()));
        }
        Ok(Self {
            method,
            url,
            shown: None,
            query: Vec::new(),
            headers: Vec::new(),
            body: Body::Empty,
            secret_body: false,
            media_type: None,
        })
    }

    /// Sets a header; one that is there is replaced.
    pub fn header(&mut self, name: &str, value: Filled) -> Result<(), Unmade> {
        let name = HeaderName::try_from(name).map_err(|_| Unmade::Header(name.to_owned()))?;
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value));
        Ok(())
    }

    /// Sets a parameter; one that is there is replaced.
    pub fn parameter(&mut self, name: &str, value: Filled) {
        self.query.retain(|(other, _)| other != name);
        self.query.push((name.to_owned(), value));
    }

    /// The object in the body, into which fields can be put.
    pub fn fields(&mut self) -> Result<&mut Map<String, Value>, Unmade> {
        if self.body == Body::Empty && self.method != Method::GET {
            self.body = Body::Json(json!({}));
        }
        match &mut self.body {
            Body::Json(Value::Object(fields)) | Body::Form(Value::Object(fields)) => Ok(fields),
            _ => Err(Unmade::Body),
        }
    }

    /// Puts it together.
    pub fn finish(self) -> Result<Ready, Unmade> {
        let mut url = self.url;
        let mut shown = self.shown.unwrap_or_else(|| url.clone());
        for (name, value) in &self.query {
            url.query_pairs_mut().append_pair(name, &value.text);
            let told = if value.secret { HIDDEN } else { &value.text };
            shown.query_pairs_mut().append_pair(name, told);
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let (media_type, bytes) = match &self.body {
            Body::Empty => (None, Bytes::new()),
            Body::Json(value) => (Some("application/json"), Bytes::from(value.to_string())),
            Body::Form(value) => (Some("application/x-www-form-urlencoded"), Bytes::from(form(value))),
        };
        if let Some(media_type) = self.media_type.as_deref().or(media_type) {
            let value = HeaderValue::try_from(media_type).map_err(|_| Unmade::Header("content-type".to_owned()))?;
            headers.insert(header::CONTENT_TYPE, value);
        }
        for (name, filled) in self.headers {
            let mut value = HeaderValue::try_from(filled.text).map_err(|_| Unmade::Header(name.to_string()))?;
            value.set_sensitive(filled.secret);
            headers.insert(name, value);
        }
        Ok(Ready {
            method: self.method,
            url,
            headers,
            shown_body: (!self.secret_body).then(|| bytes.clone()),
            body: bytes,
            shown_url: shown.into(),
        })
    }
}

/// A form: tables inside are `outer[inner]`, lists `outer[0]`.
#[must_use]
pub fn form(value: &Value) -> String {
    let mut pairs = Vec::new();
    flatten(String::new(), value, &mut pairs);
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for (name, text) in pairs {
        form.append_pair(&name, &text);
    }
    form.finish()
}

fn flatten(name: String, value: &Value, pairs: &mut Vec<(String, String)>) {
    let inner = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}[{key}]") };
    match value {
        Value::Null => {}
        Value::Bool(flag) => pairs.push((name, flag.to_string())),
        Value::Number(number) => pairs.push((name, number.to_string())),
        Value::String(text) => pairs.push((name, text.clone())),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                flatten(inner(&at.to_string()), item, pairs);
            }
        }
        Value::Object(fields) => {
            for (key, item) in fields {
                flatten(inner(key), item, pairs);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_nest_as_php_and_stripe_read_them() {
        let value = json!({"amount": 5, "metadata": {"a b": "c&d"}, "items": [{"price": "p"}], "none": null});
        assert_eq!(form(&value), "amount=5&items%5B0%5D%5Bprice%5D=p&metadata%5Ba+b%5D=c%26d");
    }

    #[test]
    fn logs_see_no_secret() {
        let mut outgoing = Outgoing::to(Method::GET, "https://pos.pages.fm/api/v1/shops").unwrap();
        outgoing.parameter("api_key", Filled { text: "k3y!".to_owned(), secret: true });
        outgoing.parameter("page", Filled { text: "2".to_owned(), secret: false });
        outgoing.header("X-Token", Filled { text: "k3y!".to_owned(), secret: true }).unwrap();
        let ready = outgoing.finish().unwrap();
        assert_eq!(ready.url.query(), Some("api_key=k3y%21&page=2"));
        assert_eq!(ready.shown_url, "https://pos.pages.fm/api/v1/shops?api_key=hidden&page=2");
        assert!(ready.headers["x-token"].is_sensitive());
        assert!(!format!("{ready:?}{:?}", ready.headers).contains("k3y"));
    }

    #[test]
    fn only_web_addresses_are_made() {
        for address in ["file:///etc/passwd", "ftp://x/", "https://", "nonsense", "data:text/plain,x"] {
            assert!(Outgoing::to(Method::GET, address).is_err(), "{address}");
        }
    }
}
