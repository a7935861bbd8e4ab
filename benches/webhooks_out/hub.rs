//! Portolan as it is, with destinations that want every change.

use std::{net::SocketAddr, sync::Arc};

use portolan::{
    app::{App, World},
    config::{Config, Flags, environment},
    context::Cx,
    domain::{
        outbound::destination::{self, NewDestination},
        tenant,
    },
    event::Fact,
    worker::outbound::{self, Sender},
};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::server::ready;

/// Changes of one commit.
const TOGETHER: usize = 32;

const SETTINGS: [(&str, &str); 2] = [("PORTOLAN_OUTGOING_ALLOW", "127.0.0.0/8"), ("PORTOLAN_LOG_LEVEL", "error")];

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

/// Makes the changes and sends them until killed.
pub(crate) async fn serve(sink: SocketAddr, destinations: usize, changes: usize) {
    let settings = SETTINGS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let folder = std::env::current_dir().unwrap();
    let config = Config::load(&Flags::default(), environment().chain(settings), &folder).unwrap();
    let (app, _) = App::start(&config, World::default()).await.unwrap();
    let home = tenant::named(app.hub(), "default").await.unwrap();
    let cx = Cx::system(app.hub().clone(), "bench", home.id);
    for number in 0..destinations {
        let new = NewDestination {
            name: format!("destination {number}"),
            url: format!("http://{sink}/{number}"),
            events: vec!["integration.updated".to_owned()],
            filter: None,
            with_key: false,
        };
        destination::create(&cx, new, None).await.unwrap();
    }
    let stop = CancellationToken::new();
    app.follow();
    app.hub().tasks.spawn(outbound::route(Arc::clone(app.hub()), stop.clone()));
    app.hub().tasks.spawn(Sender::new(Arc::clone(app.hub())).run(stop));
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
