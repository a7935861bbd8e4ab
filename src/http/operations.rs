//! What operators and tools ask: alive, ready, metrics, the schema.

use axum::{
    Extension,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{Door, unsent::Shared};
use crate::kernel::error::chain;

/// Whether the process runs.
pub async fn alive() -> &'static str {
    "ok\n"
}

/// Whether requests can be served: not stopping, the database there, its schema complete, writes stored, the clock as the
/// database's.
pub async fn ready(State(door): State<Door>) -> Response {
    let database = door.hub.database.ready().await;
    let storage = if database.is_ok() { door.hub.database.writable().await } else { Ok(()) };
    for error in [&database, &storage].into_iter().filter_map(|outcome| outcome.as_ref().err()) {
        tracing::warn!(error = chain(error), "not ready");
    }
    let stopping = door.stopping.is_cancelled();
    let clock = door.hub.clock_guard.state();
    let able = database.is_ok() && storage.is_ok() && !stopping && clock.may_schedule();
    let status = if able { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let parts = json!({
        "ready": status == StatusCode::OK,
        "serving": if stopping { "stopping" } else { "ok" },
        "database": if database.is_ok() { "ok" } else { "unavailable" },
        "storage": if storage.is_ok() { "ok" } else { "failing" },
        "clock": clock.name(),
        "clockDeviationMs": door.hub.clock_guard.deviation().num_milliseconds(),
    });
    let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (status, json, format!("{parts}\n")).into_response()
}

/// Counters, for a Prometheus server.
pub async fn metrics(State(door): State<Door>) -> Response {
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], door.metrics.page()).into_response()
}

/// The schema in the schema definition language.
pub async fn schema(State(door): State<Door>) -> Response {
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    (Extension(Shared), [(header::CONTENT_TYPE, kind)], door.sdl.clone()).into_response()
}
