//! Where people come back to from a provider, and where they go from there.
//!
//! Whoever comes brings no credential of ours; what the provider sends along is all that is looked at. Each parameter
//! counts once, whoever sends one twice gets nowhere. Afterwards the browser is sent to our own page with the outcome
//! behind the `#`: no address is taken from the request, and neither code nor state stays in the address bar or is
//! told to the next page.

use axum::{
    Extension,
    http::{HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use url::form_urlencoded;

use crate::{
    context::Cx,
    domain::integration::authorize::{self, Returned},
    graphql::error::told,
    kernel::secret::Secret,
};

/// The route.
pub(super) const CALLBACK: &str = authorize::CALLBACK;

/// No query is longer.
const LONGEST: usize = 8 * 1024;

/// Takes what a person brought back.
pub(super) async fn callback(Extension(cx): Extension<Cx>, uri: Uri) -> Response {
    let place = match read(uri.query().unwrap_or_default()) {
        Some(returned) => match authorize::finish(&cx, returned).await {
            Ok(integration) => format!("/#/connected/{}", integration.id),
            Err(error) => refused(&told(&error)),
        },
        None => refused("this is no answer to a question of ours; begin again"),
    };
    let Ok(place) = HeaderValue::from_str(&place) else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let headers = [
        (header::LOCATION, place),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

fn refused(reason: &str) -> String {
    let shown: String = form_urlencoded::byte_serialize(reason.as_bytes()).collect();
    format!("/#/refused/{}", shown.replace('+', "%20"))
}

/// Reads the parameters that count; nothing if one of them is there twice or contains NUL.
fn read(query: &str) -> Option<Returned> {
    if query.len() > LONGEST {
        return None;
    }
    let mut returned = Returned::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let nul = value.contains('\0');
        let value = value.into_owned();
        let twice = match &*name {
            "state" => returned.state.replace(value).is_some(),
            "code" => returned.code.replace(Secret::from(value)).is_some(),
            "iss" => returned.issuer.replace(value).is_some(),
            "error" => returned.error.replace(value).is_some(),
            "error_description" => returned.error_description.replace(value).is_some(),
            _ => continue,
        };
        if twice || nul {
            return None;
        }
    }
    Some(returned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_twice_is_no_answer() {
        assert!(read("state=a&code=b").is_some_and(|it| it.state.as_deref() == Some("a")));
        assert!(read("state=a&state=b&code=c").is_none());
        assert!(read("state=a&code=b&error_description=%00").is_none());
        assert!(read(&format!("state={}", "a".repeat(LONGEST))).is_none());
    }

    #[test]
    fn the_page_afterwards_is_ours_whatever_was_said() {
        let place = refused("https://evil.example/#/?x=\r\nSet-Cookie: a");
        assert!(place.starts_with("/#/refused/https%3A%2F%2F") && !place.contains(['\r', '\n', ' ']), "{place}");
    }
}
