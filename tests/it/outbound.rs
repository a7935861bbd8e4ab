//! Webhooks out: every event reaches each destination that wants it, signed, in order for each subject, whatever
//! happens on the way.
#![expect(clippy::disallowed_methods, reason = "tests wait for their own tasks")]

mod bad;
mod disabled;
mod idle;
mod kill;
mod neighbours;
mod order;
mod sent;
pub mod sink;
mod unreadable;

use std::sync::Arc;

use chrono::TimeDelta;
use portolan::{
    domain::outbound::{
        Status, WebhookDelivery,
        destination::{self, Made, NewDestination},
        list::{self, DeliveryFilter},
        route::{self, Reached},
    },
    event::Fact,
    kernel::page::PageArgs,
    worker::outbound::Sender,
};
use serde::Serialize;

use self::sink::Sink;
use crate::support::TestHub;

/// Something that happened to a subject.
#[derive(Serialize)]
struct Happened {
    subject: String,
    number: usize,
}

impl Fact for Happened {
    const TOPIC: &'static str = "integration";

    fn kind(&self) -> &'static str {
        "integration.updated"
    }

    fn subject(&self) -> String {
        self.subject.clone()
    }
}

/// A hub that may call this machine, and a sink.
struct Outbound {
    hub: TestHub,
    sink: Sink,
}

impl Outbound {
    async fn start() -> Self {
        Self::with(&[]).await
    }

    async fn with(more: &[(&str, &str)]) -> Self {
        let sink = Sink::start().await;
        let mut settings = vec![("PORTOLAN_OUTGOING_ALLOW", "127.0.0.0/8")];
        settings.extend(more);
        let hub = TestHub::with(&settings).await;
        Self { hub, sink }
    }

    /// A destination at a path of the sink.
    async fn destination(&self, path: &str, events: &[&str]) -> Made {
        self.make(NewDestination { events: events.iter().map(|one| (*one).to_owned()).collect(), ..self.plain(path) })
            .await
    }

    fn plain(&self, path: &str) -> NewDestination {
        NewDestination {
            name: path.to_owned(),
            url: format!("http://{}/{path}", self.sink.address),
            events: vec!["*".to_owned()],
            filter: None,
            with_key: false,
        }
    }

    async fn make(&self, new: NewDestination) -> Made {
        let made = destination::create(&self.hub.cx(), new, None).await.unwrap();
        // What happens later goes there.
        self.later(TimeDelta::seconds(1));
        made
    }

    /// Something happens to each of the subjects, one after the other.
    async fn happens(&self, subjects: &[&str]) {
        let cx = self.hub.cx();
        for (number, subject) in subjects.iter().enumerate() {
            let fact = Happened { subject: (*subject).to_owned(), number };
            cx.write(async |txn| txn.emit(&fact)).await.unwrap();
        }
        self.hub.number_events().await;
    }

    /// Reads the log to its end. Says how many deliveries were made.
    async fn route(&self) -> usize {
        self.hub.number_events().await;
        let (mut reached, mut made) = (Reached::default(), 0);
        loop {
            let routed = route::route(self.hub.app.hub(), &mut reached).await.unwrap();
            made += routed.deliveries;
            if routed.events == 0 {
                return made;
            }
        }
    }

    /// Reads the log and sends whatever is due. Says how many attempts were made.
    async fn work(&self) -> usize {
        self.route().await;
        Sender::new(Arc::clone(self.hub.app.hub())).settle().await.unwrap()
    }

    /// All deliveries, oldest first.
    async fn deliveries(&self) -> Vec<WebhookDelivery> {
        let args = PageArgs { after: None, before: None, size: 10_000, backward: true };
        let page = list::deliveries(&self.hub.cx(), &DeliveryFilter::default(), &args).await.unwrap();
        let mut rows: Vec<_> = page.rows.into_iter().map(|(_, row)| row).collect();
        rows.sort_by_key(|row| (row.position, row.id));
        rows
    }

    async fn statuses(&self) -> Vec<Status> {
        self.deliveries().await.iter().map(|row| row.status).collect()
    }

    fn later(&self, by: TimeDelta) {
        self.hub.clock.advance(by);
    }
}
