//! Webhooks in: what a provider sends is believed or not, kept before it is acknowledged, once, and has its effect once.

mod arrive;
mod bad;
mod claimed;
mod flood;
pub mod kill;
mod missed;
mod people;
mod providers;
mod settle;
mod shared;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{body::Body, extract::ConnectInfo, http::Request};
use chrono::TimeDelta;
use portolan::{
    context::{Cx, Hub},
    domain::{
        credential::{app, given::Given},
        inbox::{
            WebhookEvent, WebhookItem,
            list::{self, WebhookFilter},
            source::{self, Made, NewSource},
        },
        integration::{
            Integration,
            create::{self, NewIntegration},
        },
        provider::Auth,
    },
    event::Entry,
    kernel::{id::IntegrationId, page::PageArgs, secret::Secret},
    provider::{
        catalogue::Catalogue,
        simulator::hook::{Delivery, How},
    },
    worker::{
        self,
        runner::{Runner, Settings},
    },
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{Reply, TestHub, played::Played};

/// A node that does jobs when it is told to.
fn node(hub: &Arc<Hub>) -> Arc<Runner> {
    let settings = Settings { lease: Duration::from_mins(1), grace: Duration::from_mins(1) };
    Runner::new(Arc::clone(hub), worker::kinds(), settings, Arc::new(|_| {}), CancellationToken::new())
}

/// A hub with an integration of a provider, and a source of its webhooks.
struct Inbox {
    hub: TestHub,
    played: Played,
    provider: &'static str,
    integration: IntegrationId,
    made: Made,
}

impl Inbox {
    async fn of(provider: &'static str) -> Self {
        Self::with(provider, &[]).await
    }

    async fn with(provider: &'static str, more: &[(&str, &str)]) -> Self {
        let played = Played::start().await;
        let settings = played.settings();
        let mut settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        settings.extend(more);
        let hub = TestHub::with(&settings).await;
        let integration = connect(&hub, provider, provider).await.id;
        let made = make(&hub, &played, provider, Some(integration)).await;
        Self { hub, played, provider, integration, made }
    }

    /// Some webhooks as the provider sends them now.
    fn webhooks(&self, how: How, count: u32) -> Vec<Delivery> {
        let url = self.made.url.expose();
        self.played.webhooks(self.provider, url, how, count, self.hub.cx().now())
    }

    /// The next webhook, with an id of its own.
    fn webhook(&self) -> Delivery {
        self.hub.clock.advance(TimeDelta::seconds(1));
        self.webhooks(How::Right, 1).remove(0)
    }

    async fn send(&self, delivery: &Delivery) -> Reply {
        self.hub.send(request(delivery)).await
    }

    /// Sends one that must be taken.
    async fn taken(&self, delivery: &Delivery) {
        let reply = self.send(delivery).await;
        assert!(reply.status.is_success(), "{} {}", reply.status, reply.text);
    }

    /// Does what is due, and waits for what that enqueues a moment later.
    async fn work(&self) {
        self.hub.settle().await;
        node(self.hub.app.hub()).settle().await.unwrap();
        self.hub.number_events().await;
    }

    async fn kept(&self) -> Vec<WebhookEvent> {
        kept(&self.hub).await
    }

    async fn items(&self) -> Vec<WebhookItem> {
        let ids: Vec<_> = self.kept().await.iter().map(|row| row.id).collect();
        list::items(&self.hub.cx(), &ids).await.unwrap()
    }

    /// What the log of events has of webhooks, oldest first.
    async fn told(&self) -> Vec<Entry> {
        told(&self.hub, "inbox.received").await
    }
}

/// All webhooks of the first tenant, oldest first.
async fn kept(hub: &TestHub) -> Vec<WebhookEvent> {
    let args = PageArgs { after: None, before: None, size: 1_000, backward: true };
    let page = list::list(&hub.cx(), &WebhookFilter::default(), &args).await.unwrap();
    let mut rows: Vec<_> = page.rows.into_iter().map(|(_, row)| row).collect();
    rows.sort_by_key(|row| row.id);
    rows
}

/// The events of one kind, oldest first.
async fn told(hub: &TestHub, kind: &str) -> Vec<Entry> {
    hub.number_events().await;
    let filter = portolan::domain::event::EventFilter { topics: Some(vec!["inbox"]), subjects: None };
    let args = PageArgs { after: None, before: None, size: 1_000, backward: false };
    let page = portolan::domain::event::list(&hub.cx(), &filter, &args).await.unwrap();
    page.rows.into_iter().map(|(_, entry)| entry).filter(|entry| entry.kind == kind).collect()
}

/// An integration of a provider, made as a person would, without asking the provider.
async fn connect(hub: &TestHub, provider: &str, name: &str) -> Integration {
    connect_as(&hub.cx(), provider, name, &[]).await
}

/// The same for any tenant, with other settings than the examples.
async fn connect_as(cx: &Cx, provider: &str, name: &str, other: &[(&str, &str)]) -> Integration {
    connect_tested(cx, provider, name, other, true).await
}

/// The same, with other values for fields of the credential too, and maybe asking the provider.
async fn connect_tested(cx: &Cx, provider: &str, name: &str, other: &[(&str, &str)], skip_test: bool) -> Integration {
    let manifest = Catalogue::embedded().get(provider).unwrap().clone();
    if let Some(fields) = &manifest.app {
        let fields: Vec<_> =
            fields.iter().map(|field| (field.name.0.clone(), Secret::from(field.example.clone()))).collect();
        app::put(cx, provider, false, &fields).await.unwrap();
    }
    let settings = manifest.settings.all().iter().filter(|setting| setting.default.is_none());
    let given = |wanted: &str| other.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned());
    let settings = settings.filter_map(|setting| {
        Some((setting.name.0.clone(), given(&setting.name.0).or_else(|| setting.example.clone())?))
    });
    let auth = manifest.auth.iter().find(|auth| !matches!(auth, Auth::AuthorizationCode(_)));
    let value = |name: &str, example: &str| Secret::from(given(name).unwrap_or_else(|| example.to_owned()));
    let credential = auth.map(|auth| Given::Fields {
        method: auth.key().as_str().to_owned(),
        values: auth
            .fields()
            .iter()
            .map(|field| (field.name.0.clone(), value(field.name.as_str(), &field.example)))
            .collect(),
    });
    let new = NewIntegration {
        provider: provider.to_owned(),
        name: Some(name.to_owned()),
        settings: settings.collect(),
        skip_test,
        ..NewIntegration::default()
    };
    create::create(cx, new, credential, None).await.unwrap()
}

/// A source with the secrets that the fake signs with.
async fn make(hub: &TestHub, played: &Played, provider: &str, integration: Option<IntegrationId>) -> Made {
    let manifest = Catalogue::embedded().get(provider).unwrap().clone();
    let fields = manifest.webhook.get().unwrap().fields.as_deref().unwrap_or_default();
    let secrets = fields.iter().map(|field| {
        let name = field.name.as_str();
        (name.to_owned(), Secret::from(played.value(provider, name)))
    });
    let new = NewSource {
        provider: integration.is_none().then(|| provider.to_owned()),
        integration,
        hub_wide: false,
        name: None,
        secrets: secrets.collect(),
    };
    source::create(&hub.cx(), new, None).await.unwrap()
}

/// A delivery as a request from where the provider sits.
fn request(delivery: &Delivery) -> Request<Body> {
    let target = match delivery.url.query() {
        Some(query) => format!("{}?{query}", delivery.url.path()),
        None => delivery.url.path().to_owned(),
    };
    let mut request = Request::builder().method("POST").uri(target);
    for (name, value) in &delivery.headers {
        request = request.header(name, value);
    }
    let mut request = request.body(Body::from(delivery.body.clone())).unwrap();
    // One of the addresses of FedEx, which are all that it proves itself with.
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([20, 65, 16, 22], 443))));
    request
}

/// An answer of the API, without its shell.
async fn ask(hub: &TestHub, token: &str, document: &str, variables: Value) -> Value {
    hub.ask(token, document, variables).await.data()
}

/// What a source has counted: verified, duplicates, waiting, processed, failed.
async fn counted(inbox: &Inbox) -> [i64; 5] {
    let id = inbox.made.source.id;
    let of = list::statistics(&inbox.hub.cx(), &[id]).await.unwrap().remove(&id).unwrap_or_default();
    [of.verified, of.duplicates, of.waiting, of.processed, of.failed]
}

/// How many webhooks of a source were not believed.
async fn refused(inbox: &Inbox) -> i64 {
    list::sources_by_ids(&inbox.hub.cx(), &[inbox.made.source.id]).await.unwrap()[0].refused
}

/// The variables of a document that names the source.
fn by_source(inbox: &Inbox) -> Value {
    json!({ "id": inbox.made.source.id })
}
