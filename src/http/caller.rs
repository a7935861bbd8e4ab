//! Who knocks: a bearer token of a program, of a person or of an outside issuer, and the tenant it wants to act in.
//!
//! No credential is an anonymous caller, who may use what needs none. A credential that is wrong in any
//! way is refused before anything runs: a client that believes to be signed in must hear that it is not.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{
    context::Cx,
    domain::access,
    kernel::error::{Error, Result},
};

/// Names the tenant to act in, by slug or id; for people of several tenants and for who runs the hub.
pub const TENANT: HeaderName = HeaderName::from_static("x-portolan-tenant");

/// Goes with every 401.
pub const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"portolan\"");

const MALFORMED: Error = Error::Unauthenticated("the Authorization header must be: Bearer, a space, a token");

/// The context of the request, now by its caller.
pub async fn identify(cx: &Cx, headers: &HeaderMap) -> Result<Cx> {
    let mut sent = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = sent.next() else { return Ok(cx.clone()) };
    if sent.next().is_some() {
        return Err(MALFORMED);
    }
    let chosen = headers.get(TENANT).map(HeaderValue::to_str).transpose();
    let chosen = chosen.map_err(|_| Error::NotFound("tenant"))?;
    identify_by(cx, value.to_str().map_err(|_| MALFORMED)?, chosen).await
}

/// The same for a credential that did not come in headers. NUL, which no header can contain, is in none.
pub async fn identify_by(cx: &Cx, authorization: &str, chosen: Option<&str>) -> Result<Cx> {
    if authorization.contains('\0') {
        return Err(MALFORMED);
    }
    if chosen.is_some_and(|name| name.contains('\0')) {
        return Err(Error::NotFound("tenant"));
    }
    let (scheme, text) = authorization.split_once(' ').ok_or(MALFORMED)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(MALFORMED);
    }
    let text = text.trim();
    let caller = access::identify(cx, text, chosen).await?;
    if let Some(principal) = &caller.principal {
        tracing::Span::current().record("tenant", tracing::field::display(principal.tenant));
    }
    Ok(cx.with_caller(caller))
}
