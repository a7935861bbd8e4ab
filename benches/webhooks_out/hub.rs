//! Portolan as it is, with destinations that want every change.

use std::{net::SocketAddr, sync::Arc};

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use portolan::{
    app::App,
    context::Cx,
    domain::outbound::destination::{self, NewDestination},
    event::Fact,
    worker::outbound::{self, Sender},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::{
    hubs::{listen, start},
    server::ready,
};

/// Changes of one commit.
const TOGETHER: usize = 32;

const SETTINGS: [(&str, &str); 2] = [("PORTOLAN_OUTGOING_ALLOW", "127.0.0.0/8"), ("PORTOLAN_LOG_LEVEL", "error")];

/// The argument with which this program is told of changes at a port, by the harness that measures other servers, too.
pub(crate) const SERVE_TARGET: &str = "--serve-target";

/// Makes the destination for that, where the sink of the harness is, and does nothing else.
pub(crate) const MAKE_DESTINATION: &str = "--make-destination";

/// A change of a subject.
#[derive(Serialize)]
struct Changed {
    number: usize,
    text: &'static str,
}

impl Fact for Changed {
    const TOPIC: &'static str = "integration";

    fn kind(&self) -> &'static str {
        "integration.updated"
    }

    fn subject(&self) -> String {
        format!("int_{}", self.number)
    }
}

/// What the harness tells: an id, which is the subject, and whatever else.
#[derive(Serialize, Deserialize)]
struct Told {
    id: String,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Fact for Told {
    const TOPIC: &'static str = "integration";

    fn kind(&self) -> &'static str {
        "integration.updated"
    }

    fn subject(&self) -> String {
        self.id.clone()
    }
}

async fn make(cx: &Cx, number: usize, url: String) {
    let new = NewDestination {
        name: format!("destination {number}"),
        url,
        events: vec!["integration.updated".to_owned()],
        filter: None,
        with_key: false,
    };
    destination::create(cx, new, None).await.unwrap();
}

/// Lets those work who send.
fn send(app: &App) {
    let stop = CancellationToken::new();
    app.follow();
    app.hub().tasks.spawn(outbound::route(Arc::clone(app.hub()), stop.clone()));
    app.hub().tasks.spawn(Sender::new(Arc::clone(app.hub())).run(stop));
}

/// Makes the changes and sends them until killed.
pub(crate) async fn serve(sink: SocketAddr, destinations: usize, changes: usize) {
    let (app, cx) = start(SETTINGS).await;
    for number in 0..destinations {
        make(&cx, number, format!("http://{sink}/{number}")).await;
    }
    send(&app);
    ready();
    for first in (0..changes).step_by(TOGETHER) {
        let these = first..changes.min(first + TOGETHER);
        cx.write(async |txn| {
            for number in these.clone() {
                txn.emit(&Changed {
                    number,
                    text: "the tea of this shop is out of stock until next week, we are sorry",
                })?;
            }
            Ok(())
        })
        .await
        .unwrap();
    }
    std::future::pending::<()>().await;
}

/// Makes a destination where the sink of the harness is.
pub(crate) async fn make_destination() {
    let (app, cx) = start(SETTINGS).await;
    make(&cx, 0, "http://127.0.0.1:7090/".to_owned()).await;
    app.close().await;
}

/// Is told of changes at a port until killed, and sends them. Each is a commit of its own.
pub(crate) async fn serve_target(port: u16) {
    let (app, cx) = start(SETTINGS).await;
    send(&app);
    let router = Router::new().route("/enqueue", post(enqueue)).with_state(cx);
    axum::serve(listen(port).await, router).await.unwrap();
}

async fn enqueue(State(cx): State<Cx>, Json(told): Json<Told>) -> StatusCode {
    cx.write(async |txn| txn.emit(&told)).await.unwrap();
    StatusCode::ACCEPTED
}
