//! The life of the process: it starts, stops when asked, is killed, and starts again.
//!
//! What happens to data when it is killed under load is in `crash`.

use portolan::kernel::scope::Role;
use serde_json::json;

use crate::support::{
    database::TestDatabase,
    process::{Server, token, until},
    wire::{Wire, head},
};

/// Nothing ends because its time is up in a test that asks what ends for another reason.
const PATIENT: &[(&str, &str)] = &[
    ("PORTOLAN_HTTP_BODY_TIMEOUT", "10m"),
    ("PORTOLAN_HTTP_REQUEST_TIMEOUT", "10m"),
    ("PORTOLAN_HTTP_IDLE_TIMEOUT", "10m"),
    ("PORTOLAN_HTTP_DRAIN_TIMEOUT", "10m"),
];

const WHO: &str = "{ viewer { role } }";

/// A request whose body is still arriving: the server has asked for it, and half of it is there.
async fn half_asked(server: &Server, token: &str) -> (Wire, String) {
    let body = json!({ "query": WHO }).to_string();
    let (first, rest) = body.split_at(body.len() / 2);
    let mut wire = server.wire().await;
    wire.send(&format!("{}expect: 100-continue\r\n\r\n", head(token, body.len()))).await.unwrap();
    assert_eq!(wire.reply().await.unwrap().status, 100, "the handler is reading");
    wire.send(first).await.unwrap();
    (wire, rest.to_owned())
}

/// Whether somebody who looks for a server finds none here.
async fn gone(server: &Server) -> Option<()> {
    let Ok(mut wire) = Wire::open(server.address).await else { return Some(()) };
    let reply = wire.get("/readyz").await.ok()?;
    (reply.status == 503).then_some(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_running_requests_finish_and_hangs_up_on_idle_connections() {
    let database = TestDatabase::create().await;
    let mut server = Server::with(&database, PATIENT).await;
    let admin = token(&database, Role::Admin.name());
    let mut idle = server.wire().await;
    assert_eq!(idle.ask(&admin, WHO, json!({})).await.unwrap().data()["viewer"]["role"], "ADMIN");
    let (mut running, rest) = half_asked(&server, &admin).await;

    server.terminate();
    assert!(idle.ended().await, "an idle connection is closed");
    until("nobody finds the server", async || gone(&server).await).await;
    running.send(&rest).await.unwrap();
    let reply = running.reply().await.unwrap();
    assert_eq!(reply.data()["viewer"]["role"], "ADMIN", "the running request got its answer");
    assert!(running.ended().await, "and then its connection was closed");

    assert_eq!(server.ended().await, Some(0));
    let said = server.said();
    assert!(said.contains("stopping; once more to stop at once"), "{said}");
    assert!(said.contains(r#""drained":"#) && said.contains(r#""dropped":0"#), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_stops_at_once() {
    let database = TestDatabase::create().await;
    let mut server = Server::with(&database, PATIENT).await;
    let admin = token(&database, Role::Admin.name());
    let (mut running, _rest) = half_asked(&server, &admin).await;

    server.terminate();
    until("it has heard the first", async || server.said().contains("stopping").then_some(())).await;
    server.terminate();
    // The drain time is ten minutes; who waits here less than that has not waited for it.
    assert_eq!(server.ended().await, Some(1));
    assert!(running.ended().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_drain_time_ends_what_does_not_end_itself() {
    let database = TestDatabase::create().await;
    let mut settings = PATIENT.to_vec();
    settings.pop();
    settings.push(("PORTOLAN_HTTP_DRAIN_TIMEOUT", "100ms"));
    let mut server = Server::with(&database, &settings).await;
    let admin = token(&database, Role::Admin.name());
    let (mut running, _rest) = half_asked(&server, &admin).await;

    server.terminate();
    assert!(running.ended().await, "it was cut");
    assert_eq!(server.ended().await, Some(0));
    assert!(server.said().contains(r#""dropped":1"#), "and it was said: {}", server.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_killed_starts_again_where_it_was() {
    let database = TestDatabase::create().await;
    let mut server = Server::start(&database).await;
    let address = server.address;
    let admin = token(&database, Role::Admin.name());
    let mut idle = server.wire().await;
    assert!(idle.ask(&admin, WHO, json!({})).await.unwrap().status.is_success());

    server.kill9();
    assert_eq!(server.ended().await, None, "a signal ended it");
    assert!(idle.ended().await);
    server.again().await;

    assert_eq!(server.address, address);
    let reply = server.ask(&admin, WHO, json!({})).await;
    assert_eq!(reply.data()["viewer"]["role"], "ADMIN", "tokens of before still open the door");
    let said = server.said();
    assert_eq!(said.matches("listens on http://").count(), 2);
    assert_eq!(said.matches("This is the first start").count(), 1, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn production_does_not_tell_the_schema() {
    const SCHEMA: &str = "{ __schema { queryType { name } } }";
    let database = TestDatabase::create().await;
    let mut server = Server::start(&database).await;
    let admin = token(&database, Role::Admin.name());
    assert_eq!(server.ask(&admin, SCHEMA, json!({})).await.data()["__schema"]["queryType"]["name"], "Query");
    server.terminate();
    assert_eq!(server.ended().await, Some(0));

    let server = Server::with(&database, &[("PORTOLAN_ENV", "production")]).await;
    let reply = server.ask(&admin, SCHEMA, json!({})).await;
    assert!(!reply.codes().is_empty() && !reply.text.contains("queryType\":{"), "{}", reply.text);
    let reply = server.ask(&admin, "{ viewer { rloe } }", json!({})).await;
    assert!(!reply.codes().is_empty() && !reply.text.contains("Did you mean"), "{}", reply.text);
}
