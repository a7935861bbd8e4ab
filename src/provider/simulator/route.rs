//! Which request of the file is meant.
//!
//! Several requests may go to one address (everything of GraphQL does), so whatever a request always says,
//! parameters and parts of the body without gaps, must be there too; the request that says most wins.

use serde_json::Value;
use url::Url;

use crate::provider::{
    manifest::{
        Manifest,
        answer::Probe,
        connection::{Discovery, Environment},
        leaf::Address,
        paging::Paging,
        request::Request,
        stream::{Action, Stream},
    },
    template::{Template, Tree},
};

/// What is meant.
#[derive(Clone, Copy, Debug)]
pub(super) enum Meant<'a> {
    Probe(&'a crate::provider::manifest::answer::RequestProbe),
    Discovery(&'a Discovery),
    Stream(&'a Stream),
    Action(&'a Action),
}

impl Meant<'_> {
    /// The request of the file.
    pub(super) fn request(&self) -> &Request {
        match self {
            Self::Probe(it) => &it.request,
            Self::Discovery(it) => &it.request,
            Self::Stream(it) => &it.request,
            Self::Action(it) => &it.request,
        }
    }
}

/// Finds what is meant by a request, the address being the provider's own.
pub(super) fn find<'a>(manifest: &'a Manifest, method: &http::Method, url: &Url, body: &Value) -> Option<Meant<'a>> {
    let probe = match &manifest.probe {
        Probe::Request(probe) => Some((&probe.request, Meant::Probe(probe))),
        Probe::Token(_) => None,
    };
    let discovery = manifest.discovery.get().map(|it| (&it.request, Meant::Discovery(it)));
    let streams = manifest.streams.all().iter().map(|it| (&it.request, Meant::Stream(it)));
    let actions = manifest.actions.all().iter().map(|it| (&it.request, Meant::Action(it)));
    let all = streams.chain(probe).chain(discovery).chain(actions);
    let fitting = all.filter_map(|(request, meant)| {
        let here = manifest.environments.iter().any(|environment| leads(environment, request, url));
        // The parameters of paging tell a stream from an action that asks the same.
        let paged = match meant {
            Meant::Stream(stream) => {
                manifest.paging_of(stream).and_then(Paging::size).and_then(|size| size.parameter.as_ref())
            }
            _ => None,
        };
        let paged = paged.is_some_and(|name| url.query_pairs().any(|(key, _)| key == *name));
        let says = says(request, url, body)? + usize::from(paged);
        (here && http::Method::from(request.method) == *method).then_some((says, meant))
    });
    // Of equals the first: streams before the probe, which often asks for the same list.
    fitting.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, meant)| meant)
}

/// Whether an address is that of a request, with this value for one of its gaps.
pub(super) fn is_of(manifest: &Manifest, request: &Request, url: &Url, (name, value): (&str, &str)) -> bool {
    let gap = format!("{{{name}}}");
    manifest.environments.iter().any(|environment| {
        let pattern = whole(environment, request).map(|whole| Template::parse(&whole.replace(&gap, value)));
        pattern.is_some_and(|pattern| pattern.is_ok_and(|pattern| pattern.could_be(&plain(url))))
    })
}

/// The environment in which an address lies: of several the one that says most, and then the first.
pub(super) fn environment<'a>(manifest: &'a Manifest, url: &Url) -> Option<&'a Environment> {
    let plain = plain(url);
    let length = |address: &Address| {
        let whole = Template::parse(&format!("{}/", address.0.as_str())).ok()?;
        let fits = |at: &usize| whole.could_be(&plain[..=*at]);
        plain.match_indices('/').map(|(at, _)| at).filter(fits).max()
    };
    let longest = |environment: &Environment| {
        let hosts = environment.hosts.iter().flatten().map(|(_, address)| address);
        std::iter::once(&environment.base_url).chain(hosts).filter_map(length).max()
    };
    let fitting = manifest.environments.iter().rev().filter_map(|it| Some((longest(it)?, it)));
    fitting.max_by_key(|(length, _)| *length).map(|(_, environment)| environment)
}

/// Whether a request of an environment goes to an address.
fn leads(environment: &Environment, request: &Request, url: &Url) -> bool {
    whole(environment, request)
        .is_some_and(|whole| Template::parse(&whole).is_ok_and(|pattern| pattern.could_be(&plain(url))))
}

/// The text of the address of a request.
fn whole(environment: &Environment, request: &Request) -> Option<String> {
    let address = match &request.host {
        Some(host) => environment.hosts.as_ref()?.get(host.as_str())?,
        None => &environment.base_url,
    };
    Some(format!("{}{}", address.0.as_str(), request.path.0.as_str()))
}

/// An address without its parameters.
fn plain(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.into()
}

/// How much of what a request always says is there; nothing if something is not.
fn says(request: &Request, url: &Url, body: &Value) -> Option<usize> {
    let mut count = 0;
    for (name, template) in request.query.iter().flatten() {
        if template.names().next().is_none() {
            url.query_pairs().find(|(key, value)| key == name && value == template.as_str())?;
            count += 1;
        }
    }
    if let Some(graphql) = &request.graphql {
        (body.get("query").and_then(Value::as_str) == Some(&graphql.query)).then_some(())?;
        count += 10;
    }
    for tree in request.json.iter().chain(&request.form) {
        count += contains(tree, body)?;
    }
    Some(count)
}

/// How many fixed parts of a tree are in a value; nothing if one is another.
fn contains(tree: &Tree, value: &Value) -> Option<usize> {
    match tree {
        Tree::Fixed(fixed) => (fixed == value || value.as_str() == Some(&fixed.to_string())).then_some(1),
        Tree::Text(template) if template.names().next().is_none() => {
            (value.as_str() == Some(template.as_str())).then_some(1)
        }
        Tree::Text(_) => Some(0),
        Tree::List(items) => {
            let values = value.as_array()?;
            items.iter().zip(values).try_fold(0, |sum, (item, value)| Some(sum + contains(item, value)?))
        }
        Tree::Table(fields) => fields.iter().try_fold(0, |sum, (name, item)| match value.get(name) {
            Some(value) => Some(sum + contains(item, value)?),
            // What is made of gaps alone may have been left out.
            None => item.templates().iter().any(|template| template.names().next().is_some()).then_some(sum),
        }),
    }
}
