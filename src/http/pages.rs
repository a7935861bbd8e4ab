//! Pages for people: the playground, and what it loads.
//!
//! They are made in `playground/` and embedded by `build.rs`. One document is the shell of every page; it looks
//! at its own path and loads what that page needs. The console is to come by a route to [`page`].
//!
//! What a page loads has a digest of its content in its name, so a browser keeps it and never asks again. The
//! document itself is asked for each time, and answered with 304 as long as it is the same. Both carry the
//! policy that confines them: what they run, and whom they call, comes from this server alone. A 304 carries it
//! too, because a browser takes its headers over.
//!
//! Text is embedded compressed, and unpacked for a client that does not say that it takes it so: once, and then
//! kept, so that all responses with it share one buffer.
//!
//! None of this needs a credential: a page is the same for everybody and knows nothing. Who uses it brings a
//! credential to `/graphql`.

use std::{
    collections::HashMap,
    io::Read,
    sync::{LazyLock, OnceLock},
};

use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use bytes::Bytes;
use flate2::read::GzDecoder;

use super::{Door, frame::refusal, unsent::Shared};
use crate::{context::Cx, kernel::error::Code};

/// Where the playground is.
pub const PLAYGROUND: &str = "/playground";
/// The same, as people type it too.
pub const WITH_SLASH: &str = "/playground/";
/// Where what pages load is.
pub const ASSETS: &str = "/playground/assets/{name}";

/// The shell of all pages.
const SHELL: &str = "index.html";

/// What pages may do. Styles are the editor's, which makes them as it goes.
const CONFINED: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; style-src 'self' 'unsafe-inline'; \
     font-src 'self' data:; img-src 'self' data:; frame-ancestors 'none'",
);

const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");
const KEEP: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// Said where this program was built without the pages.
const ABSENT: &str = "The playground is not in this build of Portolan.

It is built with Node 20.19 or newer. With Node installed, in the folder of the sources:

  cd playground && npm ci && npm run build && cd ..
  cargo build

Everything else is served: POST /graphql, GET /schema.graphql.
";

const OFF: &str =
    "The playground is off on this server: it is served in development, or where http.playground is on.\n";

/// A file of the pages.
#[derive(Debug)]
struct Asset {
    /// Its path under [`PLAYGROUND`].
    name: &'static str,
    /// Tells its content from any other.
    tag: &'static str,
    /// Whether `body` is compressed.
    zipped: bool,
    body: &'static [u8],
}

static EMBEDDED: &[Asset] = include!(concat!(env!("OUT_DIR"), "/playground.rs"));

/// The compressed files in their plain form, by name, each unpacked when it is first asked for.
static PLAIN: LazyLock<HashMap<&str, OnceLock<Bytes>>> =
    LazyLock::new(|| EMBEDDED.iter().map(|asset| (asset.name, OnceLock::new())).collect());

/// Whether this program was built with the pages.
#[must_use]
pub fn embedded() -> bool {
    found(EMBEDDED, SHELL).is_some()
}

/// The playground.
pub async fn playground(State(door): State<Door>, headers: HeaderMap) -> Response {
    if door.settings.playground { page(EMBEDDED, &headers) } else { words(OFF) }
}

/// A slash at the end does no harm.
pub async fn without_slash() -> Redirect {
    Redirect::permanent(PLAYGROUND)
}

/// Something that a page loads.
pub async fn asset(
    State(door): State<Door>,
    Extension(cx): Extension<Cx>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let asset = found(EMBEDDED, &format!("assets/{name}")).filter(|_| door.settings.playground);
    match asset {
        Some(asset) => answer(asset, KEEP, &headers),
        None => refusal(&cx, Code::NotFound, "there is nothing at this path"),
    }
}

/// The shell of a page, if there is one.
fn page(assets: &'static [Asset], headers: &HeaderMap) -> Response {
    match found(assets, SHELL) {
        Some(shell) => answer(shell, ASK_AGAIN, headers),
        None => words(ABSENT),
    }
}

fn found(assets: &'static [Asset], name: &str) -> Option<&'static Asset> {
    assets.iter().find(|asset| asset.name == name)
}

/// Says to a person why there is no page.
fn words(text: &'static str) -> Response {
    (StatusCode::NOT_FOUND, [(header::CACHE_CONTROL, ASK_AGAIN)], text).into_response()
}

fn answer(asset: &'static Asset, keeping: HeaderValue, asked: &HeaderMap) -> Response {
    let mut response = if lists(asked, &header::IF_NONE_MATCH, asset.tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else if asset.zipped && lists(asked, &header::ACCEPT_ENCODING, "gzip") {
        ([(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))], Body::from(asset.body)).into_response()
    } else {
        Body::from(asset.plain()).into_response()
    };
    response.extensions_mut().insert(Shared);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind(asset.name)));
    headers.insert(header::CACHE_CONTROL, keeping);
    headers.insert(header::CONTENT_SECURITY_POLICY, CONFINED);
    headers.insert(header::ETAG, HeaderValue::from_static(asset.tag));
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    response
}

impl Asset {
    fn plain(&self) -> Bytes {
        match PLAIN.get(self.name) {
            _ if !self.zipped => Bytes::from_static(self.body),
            Some(kept) => kept.get_or_init(|| self.unpacked()).clone(),
            None => self.unpacked(),
        }
    }

    fn unpacked(&self) -> Bytes {
        let mut whole = Vec::new();
        if let Err(error) = GzDecoder::new(self.body).read_to_end(&mut whole) {
            // It was compressed when this program was built, by the same hand.
            tracing::error!(%error, asset = self.name, "an embedded file cannot be unpacked");
        }
        whole.into()
    }
}

/// Whether a list in a header names this; what is named with `q=0` is named to be refused.
fn lists(headers: &HeaderMap, name: &header::HeaderName, wanted: &str) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|entry| {
        let (named, parameters) = entry.split_once(';').unwrap_or((entry, ""));
        let refused = parameters.trim().strip_prefix("q=").is_some_and(|quality| quality.parse() == Ok(0.0));
        named.trim().eq_ignore_ascii_case(wanted) && !refused
    })
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ttf") => "font/ttf",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_program_without_the_pages_says_how_to_get_them() {
        let response = page(&[], &HeaderMap::new());
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/plain; charset=utf-8");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let text = std::str::from_utf8(&body).unwrap();
        for needed in ["npm ci", "npm run build", "cargo build", "/graphql"] {
            assert!(text.contains(needed), "{text}");
        }
    }

    #[test]
    fn every_embedded_file_can_be_unpacked_and_has_a_type() {
        for asset in EMBEDDED {
            assert!(!asset.plain().is_empty(), "{}", asset.name);
            assert_ne!(kind(asset.name), "application/octet-stream", "{}", asset.name);
            assert!(!asset.name.starts_with('.'), "{}", asset.name);
        }
    }

    #[test]
    fn no_two_embedded_files_share_a_tag() {
        let mut tags: Vec<_> = EMBEDDED.iter().map(|asset| asset.tag).collect();
        tags.sort_unstable();
        tags.dedup();
        assert_eq!(tags.len(), EMBEDDED.len());
    }
}
