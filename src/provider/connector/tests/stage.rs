//! A simulator on the loopback, and a connector that reaches it as it would reach the providers.

use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use http::header;
use tokio::{net::TcpListener, task::JoinSet};
use url::Url;

use crate::{
    kernel::{
        chance::SeededChance,
        clock::{Clock, ManualClock, Moment},
        secret::Secret,
    },
    provider::{
        catalogue::Catalogue,
        client::{Call, Client},
        connector::{Called, Connection, Connector, Details, Grant, Observer, Trouble},
        manifest::{
            Manifest,
            answer::Class,
            auth::Auth,
            connection::{Field, Setting},
        },
        simulator::{Mood, serve::Simulator},
        token::Token,
    },
};

/// Where people come back to.
pub(super) const BACK: &str = "https://hub.example.com/oauth/callback";

/// What is kept of a call.
#[derive(Clone, Debug)]
pub(super) struct Note {
    pub(super) provider: String,
    pub(super) purpose: &'static str,
    pub(super) url: String,
    pub(super) status: Option<u16>,
    pub(super) class: Option<Class>,
    pub(super) attempt: u32,
    pub(super) trace: String,
    pub(super) received: usize,
    /// Everything that an observer could write down.
    pub(super) whole: String,
}

/// Keeps everything it hears.
#[derive(Debug, Default)]
pub(super) struct Notes(Mutex<Vec<Note>>);

impl Notes {
    pub(super) fn take(&self) -> Vec<Note> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Observer for Notes {
    fn called(&self, call: &Called<'_>) {
        self.0.lock().unwrap().push(Note {
            provider: call.provider.to_owned(),
            purpose: call.purpose.word(),
            url: call.url.to_owned(),
            status: call.status,
            class: call.failure.map(|failure| failure.class),
            attempt: call.attempt,
            trace: call.trace.to_string(),
            received: call.received,
            whole: format!("{:?}", Called { seen: None, ..*call }),
        });
    }
}

/// Everybody, simulated.
pub(super) struct Stage {
    pub(super) simulator: Simulator,
    pub(super) origin: Url,
    pub(super) clock: ManualClock,
    pub(super) client: Client,
    pub(super) connector: Connector,
    pub(super) notes: Arc<Notes>,
    _tasks: JoinSet<()>,
}

impl Stage {
    pub(super) async fn of(providers: Vec<Arc<Manifest>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin: Url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let clock = ManualClock::at("2026-11-21T10:00:00Z".parse().unwrap());
        let simulator = Simulator::new(providers, origin.clone(), Arc::new(clock.clone()));
        let mut tasks = JoinSet::new();
        let served = simulator.clone();
        tasks.spawn(async move { served.serve(listener).await.unwrap_or_default() });
        let client = Client::new(vec!["127.0.0.1".parse().unwrap()]).unwrap();
        let notes = Arc::new(Notes::default());
        let connector = Connector::new(client.clone(), Arc::new(clock.clone()), Arc::new(SeededChance::new(7)));
        let connector = connector.observed_by(Arc::clone(&notes) as _);
        Self { simulator, origin, clock, client, connector, notes, _tasks: tasks }
    }

    pub(super) async fn all() -> Self {
        Self::of(catalogue()).await
    }

    pub(super) fn now(&self) -> Moment {
        self.clock.now()
    }

    /// Lets time pass, so that nobody is throttled for what went before.
    pub(super) fn rest(&self) {
        self.clock.advance(TimeDelta::minutes(1));
    }

    pub(super) fn mood(&self, provider: &Manifest, mood: Mood, requests: Option<u32>) {
        self.simulator.with(provider.key.as_str(), |fake| fake.behave(mood, requests)).unwrap();
    }

    /// What the examples of the file say, for one auth method.
    pub(super) fn details(&self, provider: &Manifest, auth: &Auth) -> Details {
        Details {
            auth: Some(auth.key().0.clone()),
            settings: provider.settings.all().iter().filter_map(made_up).collect(),
            credential: auth.fields().iter().map(example).collect(),
            app: provider.app.iter().flatten().map(example).collect(),
            simulator: Some(self.origin.clone()),
            ..Details::default()
        }
    }

    /// A connection with a token, where that takes one.
    pub(super) async fn connect(&self, provider: &Arc<Manifest>, auth: &Auth) -> Connection {
        let connection = connection(provider, &self.details(provider, auth));
        match self.sign_in(&connection).await.unwrap_or_else(|trouble| panic!("{}: {trouble}", provider.key)) {
            Some(token) => connection.with_token(&token),
            None => connection,
        }
    }

    /// Buys a token, as the auth method has it.
    pub(super) async fn sign_in(&self, connection: &Connection) -> Result<Option<Token>, Trouble> {
        match connection.auth() {
            Auth::ClientCredentials(_) => self.connector.token(connection, Grant::Credentials).await.map(Some),
            Auth::AuthorizationCode(_) => {
                let (code, verifier) = self.consent(connection).await;
                let grant = Grant::Code { code: &code, redirect_uri: BACK, verifier: verifier.as_ref() };
                self.connector.token(connection, grant).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Goes to the provider as a person would, agrees, and comes back with a code.
    pub(super) async fn consent(&self, connection: &Connection) -> (Secret, Option<Secret>) {
        let (page, pending) = self.connector.authorize(connection, BACK).unwrap();
        let reply = self.client.send(Call::get("test", page.as_str())).await.unwrap();
        let location: Url = reply.headers[header::LOCATION].to_str().unwrap().parse().unwrap();
        assert!(location.as_str().starts_with(BACK), "{location}");
        let find = |name: &str| location.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
        assert_eq!(find("state"), pending.state.expose());
        (Secret::from(find("code")), pending.verifier)
    }
}

pub(super) fn connection(provider: &Arc<Manifest>, details: &Details) -> Connection {
    Connection::new(Arc::clone(provider), details).unwrap()
}

pub(super) fn catalogue() -> Vec<Arc<Manifest>> {
    let all: Vec<_> = Catalogue::embedded().iter().cloned().collect();
    assert_eq!(all.len(), 26);
    all
}

pub(super) fn named(key: &str) -> Arc<Manifest> {
    Arc::clone(Catalogue::embedded().get(key).unwrap())
}

fn example(field: &Field) -> (String, Secret) {
    (field.name.0.clone(), Secret::from(field.example.clone()))
}

fn made_up(setting: &Setting) -> Option<(String, String)> {
    // What follows from something else is left to follow.
    let text = setting.example.clone().filter(|_| setting.derive.is_none() && setting.default.is_none())?;
    Some((setting.name.0.clone(), text))
}
