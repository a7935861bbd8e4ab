//! What stands at `/`: for a browser a page where links are used, for everybody else a few words.
//!
//! A link to sign in or to set a password opens this page with the token behind the `#`, which stays in the
//! browser; the page speaks GraphQL like any other client. It asks nothing until a button is pressed, so that
//! whoever merely looks at the address (previews, scanners) uses no link up. It is one file without a library,
//! and its policy lets in just its own script and style, by their digests.

use std::sync::LazyLock;

use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

const PAGE: &str = include_str!("welcome.html");

const WORDS: &str = concat!(
    "Portolan ",
    env!("CARGO_PKG_VERSION"),
    "\n\nGraphQL   POST /graphql\nSchema    GET  /schema.graphql\nHealth    GET  /healthz  /readyz\nMetrics   GET  /metrics\n\n",
    "To use a link to sign in, open it in a browser, or send what follows the last slash as the token of\n",
    "the mutation signInWithLink (or setPassword).\n"
);

static POLICY: LazyLock<Option<HeaderValue>> = LazyLock::new(|| {
    let (script, style) = (digest("script")?, digest("style")?);
    let policy = format!(
        "default-src 'none'; script-src '{script}'; style-src '{style}'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).ok()
});

/// The digest of what stands between the tags of that name.
fn digest(tag: &str) -> Option<String> {
    let (_, rest) = PAGE.split_once(&format!("<{tag}>"))?;
    let (text, _) = rest.split_once(&format!("</{tag}>"))?;
    Some(format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text))))
}

/// Answers a browser with the page, everybody else with words.
pub(super) async fn serve(headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let vary = (header::VARY, HeaderValue::from_static("Accept"));
    match POLICY.clone().filter(|_| accept.contains("text/html")) {
        Some(policy) => {
            let kind = (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            ([kind, (header::CONTENT_SECURITY_POLICY, policy), vary], PAGE).into_response()
        }
        None => ([vary], WORDS).into_response(),
    }
}
