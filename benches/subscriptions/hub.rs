//! Portolan as it is, with a door beside it through which events are written.

use std::{collections::HashMap, net::SocketAddr};

use axum::{
    Router,
    extract::{RawQuery, State},
    http::StatusCode,
    routing::post,
};
use portolan::{
    app::{App, World},
    config::{Config, Flags, environment},
    context::Cx,
    domain::{
        access::{
            token::{self, NewApiToken},
            user::RoleName,
        },
        tenant,
    },
    event::Fact,
    kernel::{error::Result, scope::Role},
};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The argument with which this program is a server.
pub(crate) const SERVE: &str = "--serve-hub";

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

/// Serves until killed. Says where, where it is told of events, and what opens it.
pub(crate) fn serve() {
    let settings = SETTINGS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let folder = std::env::current_dir().unwrap();
    let config = Config::load(&Flags::default(), environment().chain(settings), &folder).unwrap();
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
        let (app, _) = App::start(&config, World::default()).await.unwrap();
        let home = tenant::named(app.hub(), "default").await.unwrap();
        let cx = Cx::system(app.hub().clone(), "bench", home.id);
        let new = NewApiToken {
            name: "load".to_owned(),
            role: RoleName(Role::SuperAdmin),
            scopes: None,
            expires_at: None,
            agent: None,
        };
        let (_, secret) = token::create(&cx, new, None).await.unwrap();
        let door = listen().await;
        let hub = listen().await;
        let (at, told) = (hub.local_addr().unwrap(), door.local_addr().unwrap());
        println!("{at} {told} {}", secret.unwrap().expose());
        let router = Router::new().route("/publish", post(publish)).with_state(cx);
        let publishing =
            axum::serve(axum::serve::ListenerExt::tap_io(door, |socket| drop(socket.set_nodelay(true))), router);
        tokio::join!(app.serve(hub, CancellationToken::new()), async { publishing.await.unwrap() });
    });
}

async fn listen() -> TcpListener {
    TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap()
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
