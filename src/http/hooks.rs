//! Where providers knock.
//!
//! `ANY /hooks/{address}`. No credential of ours is looked at: the address says which source is meant, and the
//! provider's own signature whether it is the provider. An address behind which nothing is gets the same answer as one
//! that is no address at all, and nothing of the body is read for it. The body is read as it comes, whatever its
//! headers say about its form: it is never unpacked.

use axum::{
    Extension,
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{Door, body, frame::refusal};
use crate::{
    context::Cx,
    domain::inbox::{
        open::{self, Found},
        receive::{self, Answer, Knock, Outcome},
    },
    kernel::error::{Code, Error, chain},
    telemetry::WebhookLabels,
};

/// The route.
pub(super) const ROUTE: &str = "/hooks/{address}";

/// When to come again while the tenant is suspended.
const SUSPENDED: &str = "3600";

/// When to come again if the fault is ours.
const FAULT: &str = "5";

/// Takes a webhook.
pub(super) async fn serve(
    State(door): State<Door>,
    Extension(cx): Extension<Cx>,
    Path(address): Path<String>,
    request: Request,
) -> Response {
    let source = match open::find(&cx, &address).await {
        Ok(Found::Open(source)) => source,
        Ok(Found::Nobody) => {
            count(&door, "unknown");
            return refusal(&cx, Code::NotFound, "there is nothing at this path");
        }
        Ok(Found::Suspended) => {
            count(&door, Outcome::NotNow.name());
            return later(SUSPENDED);
        }
        Err(error) => return fault(&door, &error),
    };
    let (head, body) = request.into_parts();
    let length = head.headers.get(header::CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse().ok());
    let read = matches!(head.method, Method::GET | Method::HEAD);
    if !read && !matches!(head.method, Method::POST | Method::PUT | Method::PATCH) {
        count(&door, Outcome::Refused.name());
        return refusal(&cx, Code::MethodNotAllowed, "this path is not asked with that method");
    }
    let body = if read { Body::empty() } else { body };
    let (most, time) = (cx.hub().inbox.max_body, door.settings.body_timeout);
    let body = match body::read(body, most, time, length.filter(|_| !read)).await {
        Ok(body) => body,
        Err(error) => {
            count(&door, Outcome::Refused.name());
            return refusal(&cx, error.code(), &error.to_string());
        }
    };
    let query = head.uri.query().unwrap_or_default().to_owned();
    let knock = Knock { method: head.method, query, headers: head.headers, body };
    match receive::receive(&cx, source, &knock).await {
        Ok(answer) => {
            count(&door, answer.outcome.name());
            answered(answer)
        }
        Err(error) => fault(&door, &error),
    }
}

fn count(door: &Door, outcome: &'static str) {
    door.metrics.webhooks_in.get_or_create(&WebhookLabels { outcome }).inc();
}

fn later(seconds: &'static str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, HeaderValue::from_static(seconds))]).into_response()
}

/// Nothing is kept: the provider has to hear that.
fn fault(door: &Door, error: &Error) -> Response {
    tracing::error!(error = chain(error), "a webhook was not taken");
    count(door, "failed");
    later(FAULT)
}

fn answered(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = (status, answer.body).into_response();
    // What axum says of the form of a text is not what the provider's file says.
    response.headers_mut().remove(header::CONTENT_TYPE);
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(&value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
