//! What is the same for every request, and the routes.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use tower_http::{catch_panic::CatchPanicLayer, cors::CorsLayer};
use tracing::Instrument;

use super::{Door, caller, graphql, headers, hooks, oauth, operations, pages, unsent::Pending, welcome};
use crate::{
    context::{Cx, RequestInfo},
    graphql::{
        endpoint::{Answer, Fault},
        error::OURS,
    },
    kernel::{actor::Caller, error::Code},
    telemetry::{HttpLabels, LimitLabels},
};

/// Seconds after which to try again, where nothing better is known.
const RETRY_LATER: HeaderValue = HeaderValue::from_static("5");
/// Seconds after which to try again when too much waits to be sent.
const CROWDED: HeaderValue = HeaderValue::from_static("1");

/// All routes, framed.
pub fn router(door: Door) -> Router {
    let routes = Router::new()
        .route("/", get(welcome::serve))
        .route("/graphql", any(graphql::serve))
        .route("/schema.graphql", get(operations::schema))
        .route(oauth::CALLBACK, get(oauth::callback))
        .route(hooks::ROUTE, any(hooks::serve))
        .route("/healthz", get(operations::alive))
        .route("/livez", get(operations::alive))
        .route("/readyz", get(operations::ready))
        .route("/metrics", get(operations::metrics))
        .route(pages::PLAYGROUND, get(pages::playground))
        .route(pages::WITH_SLASH, get(pages::without_slash))
        .route(pages::ASSETS, get(pages::asset))
        .fallback(unknown)
        .method_not_allowed_fallback(other_method)
        .layer(CatchPanicLayer::custom(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response()));
    let routes = match cors(&door) {
        Some(layer) => routes.layer(layer),
        None => routes,
    };
    routes.layer(middleware::from_fn_with_state(door.clone(), frame)).with_state(door)
}

/// Lets pages of other sites call, if the operator named the sites.
fn cors(door: &Door) -> Option<CorsLayer> {
    let origins: Vec<_> =
        door.settings.allowed_origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
    let asked = ["idempotency-key", "x-request-id", "x-portolan-tenant", "x-portolan-cost", "last-event-id"];
    let told = ["x-request-id", "retry-after", "ratelimit", "ratelimit-policy"];
    let mut takes = vec![header::AUTHORIZATION, header::CONTENT_TYPE, header::ACCEPT];
    takes.extend(asked.map(HeaderName::from_static));
    (!origins.is_empty()).then(|| {
        CorsLayer::new()
            .allow_origin(origins)
            .allow_methods([Method::GET, Method::POST])
            .allow_headers(takes)
            .expose_headers(told.map(HeaderName::from_static))
            .max_age(std::time::Duration::from_mins(10))
    })
}

/// Gives a request its id, address, span and time; sees to the headers of its answer.
async fn frame(State(door): State<Door>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let address = peer.map(|peer| headers::client_address(peer, request.headers(), &door.settings.trusted_proxies));
    let id = headers::request_id(request.headers()).map_or_else(|| fresh(&door), str::to_owned);
    let method = known(request.method());
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let info = RequestInfo { id: id.clone().into(), address };
    let cx = Cx::new(door.hub.clone(), Caller::ANONYMOUS, info);
    request.extensions_mut().insert(cx.clone());
    let span = tracing::info_span!("request", request.id = %id, tenant = tracing::field::Empty);

    let pending = request.extensions_mut().remove::<Arc<Pending>>();
    let mut response = if pending.as_ref().is_none_or(|pending| pending.admitted()) {
        let run = tokio::time::timeout(door.settings.request_timeout, next.run(request)).instrument(span.clone());
        run.await.unwrap_or_else(|_| {
            let seconds = door.settings.request_timeout.as_secs();
            refusal(&cx, Code::Timeout, &format!("the request took longer than {seconds} seconds"))
        })
    } else {
        crowded(&door, &cx)
    };
    if pending.is_some_and(|pending| !pending.hold(&response)) {
        response = crowded(&door, &cx);
        // A body would wait like the one that it stands for.
        *response.body_mut() = Body::empty();
    }
    if response.status() == StatusCode::INTERNAL_SERVER_ERROR && response.headers().get(header::CONTENT_TYPE).is_none()
    {
        span.in_scope(|| tracing::error!(code = Code::Internal.name(), "a handler panicked"));
        response = refusal(&cx, Code::Internal, OURS);
    }
    headers::harden(response.headers_mut(), door.settings.tls);
    if matches!(response.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
        // Whoever refused may have said so more exactly.
        response.headers_mut().entry(header::RETRY_AFTER).or_insert(RETRY_LATER);
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(headers::REQUEST_ID, id);
    }
    let labels = HttpLabels { method, route: route_label(route.as_deref()), status: status_label(response.status()) };
    door.metrics.http_requests.get_or_create(&labels).observe(started.elapsed().as_secs_f64());
    response
}

/// Refuses a request whose client, address or server has too many response bytes waiting.
fn crowded(door: &Door, cx: &Cx) -> Response {
    door.metrics.refused.get_or_create(&LimitLabels { limit: "unsent_bytes" }).inc();
    let mut response = refusal(cx, Code::ServiceUnavailable, "too many response bytes wait for clients to read them");
    response.headers_mut().insert(header::RETRY_AFTER, CROWDED);
    response
}

fn fresh(door: &Door) -> String {
    door.hub.chance.uuid(door.hub.clock.now()).simple().to_string()
}

/// An answer that carries one error.
pub(super) fn refusal(cx: &Cx, code: Code, message: &str) -> Response {
    let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let answer = Answer::refused(cx, Fault::new(code, message));
    let mut response = (status, Body::from(answer.body)).into_response();
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, caller::CHALLENGE);
    }
    response
}

async fn unknown(request: Request) -> Response {
    match request.extensions().get::<Cx>() {
        Some(cx) => refusal(cx, Code::NotFound, "there is nothing at this path"),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn other_method(request: Request) -> Response {
    match request.extensions().get::<Cx>() {
        Some(cx) => refusal(cx, Code::MethodNotAllowed, "this path is not asked with that method"),
        None => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

/// Labels come from closed sets, whatever a client sends.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

fn route_label(route: Option<&str>) -> &'static str {
    const ROUTES: [&str; 11] = [
        oauth::CALLBACK,
        hooks::ROUTE,
        "/",
        "/graphql",
        "/schema.graphql",
        "/healthz",
        "/livez",
        "/readyz",
        "/metrics",
        pages::PLAYGROUND,
        pages::ASSETS,
    ];
    ROUTES.into_iter().find(|known| Some(*known) == route).unwrap_or("unknown")
}

fn status_label(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}
