//! Portolan as it is, with a door beside it through which events are written.

use std::collections::HashMap;

use axum::{
    Json, Router,
    extract::{RawQuery, State},
    http::StatusCode,
    routing::post,
};
use portolan::{
    app::App,
    context::Cx,
    domain::access::{
        token::{self, NewApiToken},
        user::RoleName,
    },
    event::Fact,
    kernel::{error::Result, scope::Role},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::hubs::{block_on, listen, start};

/// The argument with which this program is a server.
pub(crate) const SERVE: &str = "--serve-hub";

/// The same at ports that follow, for the harness that measures other servers, too.
pub(crate) const SERVE_TARGET: &str = "--serve-target";

/// Prints a token for that, and does nothing else.
pub(crate) const MAKE_TOKEN: &str = "--make-token";

/// Settings that the load needs: it comes from one address, with one credential.
const SETTINGS: [(&str, &str); 4] = [
    ("PORTOLAN_GRAPHQL_COST_PER_MINUTE", "0"),
    ("PORTOLAN_HTTP_MAX_CONNECTIONS", "20000"),
    ("PORTOLAN_HTTP_CONNECTIONS_PER_ADDRESS", "20000"),
    ("PORTOLAN_LIVE_SOCKETS_PER_CALLER", "20000"),
];

/// As much as a change of a person is.
#[derive(Serialize)]
struct Changed {
    user: String,
    changes: Value,
}

impl Fact for Changed {
    const TOPIC: &'static str = "access";

    fn kind(&self) -> &'static str {
        "user.updated"
    }

    fn subject(&self) -> String {
        self.user.clone()
    }
}

/// What the harness tells: a number that is the topic, and whatever else.
#[derive(Serialize, Deserialize)]
struct Told {
    #[serde(skip_serializing)]
    topic: u64,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Fact for Told {
    const TOPIC: &'static str = "access";

    fn kind(&self) -> &'static str {
        "user.updated"
    }

    fn subject(&self) -> String {
        self.topic.to_string()
    }
}

/// Serves until killed. Says where, where it is told of events, and what opens it.
pub(crate) fn serve() {
    block_on(async {
        let (app, cx) = start(SETTINGS).await;
        let secret = token(&cx).await;
        let (door, hub) = (listen(0).await, listen(0).await);
        println!("{} {} {secret}", hub.local_addr().unwrap(), door.local_addr().unwrap());
        let router = Router::new().route("/publish", post(publish)).with_state(cx);
        both(app, hub, door, router).await;
    });
}

/// Serves until killed, and is told of events by the harness.
pub(crate) fn serve_target(mut ports: impl Iterator<Item = String>) {
    let mut port = || ports.next().unwrap().parse().unwrap();
    let (door, hub) = (port(), port());
    block_on(async {
        let (app, cx) = start(SETTINGS).await;
        // Whoever sees the door open takes the hub for ready, so that comes first.
        let hub = listen(hub).await;
        let router = Router::new().route("/publish", post(tell)).with_state(cx);
        both(app, hub, listen(door).await, router).await;
    });
}

/// Prints a token with which everything may be followed.
pub(crate) fn make_token() {
    block_on(async {
        let (app, cx) = start(SETTINGS).await;
        println!("{}", token(&cx).await);
        app.close().await;
    });
}

async fn token(cx: &Cx) -> String {
    let new = NewApiToken {
        name: "load".to_owned(),
        role: RoleName(Role::SuperAdmin),
        scopes: None,
        expires_at: None,
        agent: None,
        partner: None,
    };
    let (_, secret) = token::create(cx, new, None).await.unwrap();
    secret.unwrap().expose().to_owned()
}

async fn both(app: App, hub: TcpListener, door: TcpListener, router: Router) {
    let door = axum::serve::ListenerExt::tap_io(door, |socket| drop(socket.set_nodelay(true)));
    let publishing = axum::serve(door, router);
    tokio::join!(app.serve(hub, CancellationToken::new()), async { publishing.await.unwrap() });
}

/// Writes an event of each topic, in one commit.
async fn publish(State(cx): State<Cx>, RawQuery(query): RawQuery) -> StatusCode {
    let query = query.unwrap_or_default();
    let params: HashMap<_, _> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let number: u64 = params["number"].parse().unwrap();
    let written: Result<()> = cx
        .write(async |txn| {
            for (topic, number) in params["topics"].split(',').zip(number..) {
                let changes = json!({ "name": { "from": number.to_string(), "to": (number + 1).to_string() } });
                txn.emit(&Changed { user: topic.to_owned(), changes })?;
            }
            Ok(())
        })
        .await;
    if written.is_ok() { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR }
}

/// Writes what the harness tells, in one commit.
async fn tell(State(cx): State<Cx>, Json(told): Json<Vec<Told>>) -> StatusCode {
    let written: Result<()> = cx
        .write(async |txn| {
            for fact in &told {
                txn.emit(fact)?;
            }
            Ok(())
        })
        .await;
    if written.is_ok() { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR }
}
