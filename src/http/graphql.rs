//! GraphQL over HTTP: POST and GET on one path.
//!
//! Only requests that no plain form or link of another site can make are run: a POST must be
//! `application/json`, a GET changes nothing, and the credential is a header. Everything that is refused
//! has the shape of a GraphQL answer in a media type the client accepts.
//!
//! Statuses follow one of two profiles. *Compat* is what deployed clients expect: 200 for whatever ran;
//! for a document that could not run, 400 to clients that accept `application/graphql-response+json` and
//! 200 to those that only know `application/json`. *Draft 2026* answers 422 where the text is fine and its
//! meaning is not, and 294 where data comes with errors. Refusals by the transport (401, 405, 406, 413,
//! 415, 429, …) are the same in both, and so is the status of an operation that failed as a whole for a
//! reason that passes by itself (429, 500, 503, 504).

use axum::{
    Extension,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    Door, Profile,
    body::{self, BodyError},
    caller,
    negotiate::{self, Media},
    params::{self, ParamError, Params},
    socket, stream,
};
use crate::{
    context::Cx,
    graphql::endpoint::{Answer, Call, Fault, Rate, Verdict},
    kernel::error::Code,
    telemetry::LimitLabels,
};

/// `report` adds the cost to the answer; `dry-run` answers with the cost and runs nothing.
const COST: HeaderName = HeaderName::from_static("x-portolan-cost");
/// The cursor of the last event that a client of a stream got.
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Why a request was not run.
enum Refused {
    /// With this fault.
    Fault(Fault),
    /// With this fault, and a status that its code does not tell.
    Params(ParamError),
}

impl<E: Into<Fault>> From<E> for Refused {
    fn from(fault: E) -> Self {
        Self::Fault(fault.into())
    }
}

/// Answers one request.
pub async fn serve(State(door): State<Door>, Extension(cx): Extension<Cx>, request: Request) -> Response {
    if socket::wanted(request.headers()) {
        return socket::upgrade(door, cx, request).await;
    }
    let media = negotiate::accept(request.headers());
    if media == Ok(Media::EventStream) {
        return match receive(&door, &cx, request).await {
            Ok((cx, call, resume)) => stream::begin(&door, cx, call, resume).await,
            Err(refused) => refuse(&door, Media::EventStream, &cx, refused),
        };
    }
    let shown = media.as_ref().copied().unwrap_or(Media::Json);
    let outcome = match media {
        Ok(_) => run(&door, &cx, request).await,
        Err(refused) => Err(Fault::new(negotiate::NotAcceptable::CODE, refused.to_string()).into()),
    };
    match outcome {
        Ok((cx, answer)) => {
            let status = status(door.settings.profile, shown, &cx, &answer);
            respond(shown, status, answer)
        }
        Err(refused) => refuse(&door, shown, &cx, refused),
    }
}

/// Answers a request that was not run.
fn refuse(door: &Door, shown: Media, cx: &Cx, refused: Refused) -> Response {
    let (code, status, answer) = match refused {
        Refused::Fault(fault) => {
            let (code, answer) = (fault.code, Answer::refused(cx, fault));
            (code, status(door.settings.profile, shown, cx, &answer), answer)
        }
        Refused::Params(error) => {
            let status = match door.settings.profile {
                Profile::Compat => error.status,
                Profile::Draft2026 => error.status_draft,
            };
            (error.code, status, Answer::refused(cx, Fault::new(error.code, error.message)))
        }
    };
    count(door, code);
    match shown {
        Media::EventStream if code.status() == stream::TOLD => stream::refused(&answer),
        Media::EventStream => respond(Media::Json, status, answer),
        Media::Json | Media::GraphqlResponse => respond(shown, status, answer),
    }
}

/// Counts a refusal of the transport, beside those that the endpoint counts itself.
fn count(door: &Door, code: Code) {
    door.metrics.error(code.name());
    let limit = match code {
        Code::PayloadTooLarge => "body_bytes",
        Code::RequestTimeout => "body_time",
        Code::QueryTooLarge => "text_bytes",
        _ => return,
    };
    door.metrics.refused.get_or_create(&LimitLabels { limit }).inc();
}

async fn run(door: &Door, cx: &Cx, request: Request) -> Result<(Cx, Answer), Refused> {
    let (cx, call, _) = receive(door, cx, request).await?;
    let answer = door.endpoint.run(&cx, call).await;
    Ok((cx, answer))
}

/// Reads a request: who asks, what to run, and after which event to go on.
async fn receive(door: &Door, cx: &Cx, request: Request) -> Result<(Cx, Call, Option<String>), Refused> {
    let (head, content) = request.into_parts();
    let limits = &door.settings.params;
    let reads = match head.method {
        Method::GET => true,
        Method::POST => false,
        _ => return Err(Fault::new(Code::MethodNotAllowed, "GraphQL is asked by POST or GET").into()),
    };
    if !reads {
        negotiate::content_type(&head.headers)
            .map_err(|refused| Fault::new(negotiate::Unsupported::CODE, refused.to_string()))?;
    }
    let cx = caller::identify(cx, &head.headers).await.map_err(Fault::from)?;
    let params = if reads {
        params::from_get(head.uri.query().unwrap_or_default(), limits)
    } else {
        let length = head.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let bytes =
            body::read(content, door.settings.max_body, door.settings.body_timeout, length).await.map_err(refused)?;
        params::from_post(&bytes, limits)
    };
    let cost = head.headers.get(COST).map(HeaderValue::as_bytes);
    let call = Call {
        read_only: reads,
        report_cost: matches!(cost, Some(b"report" | b"dry-run")),
        dry_run: cost == Some(b"dry-run"),
        ..Call::from(params.map_err(Refused::Params)?)
    };
    let resume = head.headers.get(LAST_EVENT).and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty());
    Ok((cx, call, resume.map(str::to_owned)))
}

/// A body that broke off was no request, whatever the client accepts.
fn refused(error: BodyError) -> Refused {
    match error.code() {
        Code::BadUserInput => Refused::Params(ParamError::unreadable(error.to_string())),
        code => Fault::new(code, error.to_string()).into(),
    }
}

impl From<Params> for Call {
    fn from(params: Params) -> Self {
        Self {
            query: params.query,
            document_id: params.document_id,
            hash: params.apq,
            operation_name: params.operation_name,
            variables: params.variables,
            ..Self::default()
        }
    }
}

/// The status of an answer.
fn status(profile: Profile, media: Media, cx: &Cx, answer: &Answer) -> u16 {
    // An operation that failed as a whole and may succeed later: proxies, load balancers and retrying clients hear it.
    if answer.verdict == (Verdict::Ran { data: false, errors: true })
        && let Some(code) = answer.only_code().filter(|code| code.retry())
    {
        return code.status();
    }
    match (answer.verdict, profile) {
        // Who has not signed in and asks only for what needs it is told in the way browsers understand.
        (Verdict::Ran { data: false, errors: true }, _)
            if cx.principal().is_err() && answer.codes.iter().all(|code| *code == Code::Unauthenticated) =>
        {
            401
        }
        (Verdict::Ran { errors: true, .. }, Profile::Draft2026) => 294,
        (Verdict::Ran { .. }, _) => 200,
        (Verdict::Refused(code), Profile::Compat) if code.status() == 400 && media == Media::Json => 200,
        (Verdict::Refused(code), Profile::Draft2026) if code.status() == 400 && code != Code::ParseFailed => 422,
        (Verdict::Refused(code), _) => code.status(),
    }
}

pub(super) fn respond(media: Media, status: u16, answer: Answer) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Body::from(answer.body)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media.content_type()));
    headers.insert(header::VARY, HeaderValue::from_static("Accept, Authorization"));
    match status {
        StatusCode::UNAUTHORIZED => drop(headers.insert(header::WWW_AUTHENTICATE, caller::CHALLENGE)),
        StatusCode::METHOD_NOT_ALLOWED => drop(headers.insert(header::ALLOW, HeaderValue::from_static("GET, POST"))),
        _ => {}
    }
    if let Some(rate) = answer.rate {
        limits(headers, rate, status);
    }
    if let Some(seconds) = answer.retry_after
        && matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
    {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Says what is left of the caller's budget.
fn limits(headers: &mut HeaderMap, rate: Rate, status: StatusCode) {
    let Rate { limit, remaining, reset } = rate;
    let said =
        [(RATE_POLICY, format!("\"cost\";q={limit};w=60")), (RATE_LIMIT, format!("\"cost\";r={remaining};t={reset}"))];
    for (name, value) in said {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(reset));
    }
}
