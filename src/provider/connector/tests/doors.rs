//! Every door through which an address comes in: whatever is written there, nothing inward is dialled.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::future::BoxFuture;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::stage::{connection, named};
use crate::{
    kernel::{
        chance::SeededChance,
        clock::{Clock, ManualClock},
        secret::Secret,
    },
    provider::{
        address::{Refusal, tests::REFUSED},
        client::{Client, Network},
        connector::{Connector, Details, Grant, Trouble},
        manifest::{Manifest, auth::Auth, connection::Setting},
        paging::Position,
    },
};

/// A network that dials nothing and remembers what it was asked to.
#[derive(Default)]
struct Recording {
    leads: Mutex<Vec<IpAddr>>,
    dialled: Mutex<Vec<SocketAddr>>,
}

impl Network for Recording {
    fn resolve(&self, _: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let found = self.leads.lock().unwrap().iter().map(|ip| SocketAddr::new(*ip, port)).collect();
        Box::pin(async move { Ok(found) })
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<TcpStream>> {
        self.dialled.lock().unwrap().push(address);
        Box::pin(async { Err(io::Error::other("nobody is dialled")) })
    }
}

/// A wire on the loopback: who comes near is counted.
struct Wire {
    port: u16,
    tripped: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Wire {
    async fn laid() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, tripped) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
        let (counted, mut tasks) = (Arc::clone(&tripped), JoinSet::new());
        tasks.spawn(async move {
            while listener.accept().await.is_ok() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { port, tripped, _tasks: tasks }
    }
}

fn details(provider: &Manifest, method: &str) -> Details {
    let auth = provider.auth(method).unwrap();
    let setting = |it: &Setting| Some((it.name.0.clone(), it.example.clone()?));
    Details {
        auth: Some(method.to_owned()),
        settings: provider.settings.all().iter().filter_map(setting).collect(),
        credential: auth.fields().iter().map(|it| (it.name.0.clone(), Secret::from(it.example.clone()))).collect(),
        ..Details::default()
    }
}

fn connector(client: Client) -> (Connector, Arc<dyn Clock>) {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at("2026-11-21T10:00:00Z".parse().unwrap()));
    (Connector::new(client, Arc::clone(&clock), Arc::new(SeededChance::new(3))), clock)
}

/// The same address, and the same on the port of a wire.
fn forms(wire: &Wire) -> Vec<String> {
    let all = REFUSED.iter().flat_map(|(text, _)| {
        let ported = text.strip_suffix('/').map(|rest| format!("{rest}:{}/", wire.port));
        std::iter::once((*text).to_owned()).chain(ported)
    });
    // An empty setting is none, so that one is no address at all.
    let all = all.flat_map(|text| [text.trim_end_matches('/').to_owned(), text]).filter(|text| !text.is_empty());
    let all: Vec<String> = all.collect();
    assert!(REFUSED.len() >= 35 && all.len() > 200, "{}", all.len());
    all
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(outcome: &Result<T, Trouble>, door: &str, address: &str) {
    assert!(matches!(outcome, Err(Trouble::Refused(_) | Trouble::Unmade(_))), "{door} {address:?}: {outcome:?}");
}

#[tokio::test]
async fn no_setting_of_a_connection_leads_inward() {
    let (wire, network) = (Wire::laid().await, Arc::new(Recording::default()));
    let custom = named("custom_rest");
    let clients = [Client::through(Arc::clone(&network) as _, Vec::new()), Client::new(Vec::new()).unwrap()];
    for client in clients {
        let (connector, _) = connector(client);
        for address in forms(&wire) {
            let mut base = details(&custom, "api_key");
            base.settings.insert("base_url".to_owned(), address.clone());
            let base = connection(&custom, &base);
            assert_refused(&connector.check(&base), "base url, saved", &address);
            assert_refused(&connector.probe(&base).await, "base url, probed", &address);
            let stream = &custom.streams.all()[0];
            let page = connector.page(&base, stream, &Position::Start, None).await;
            assert_refused(&page, "base url, read", &address);

            let mut token = details(&custom, "oauth2");
            token.settings.insert("token_url".to_owned(), address.clone());
            let token = connection(&custom, &token);
            assert_refused(&connector.check(&token), "token url, saved", &address);
            assert_refused(&connector.token(&token, Grant::Credentials).await, "token url, asked", &address);
            assert_refused(&connector.probe(&token).await, "token url, probed", &address);
        }
    }
    assert_eq!(*network.dialled.lock().unwrap(), []);
    assert_eq!(wire.tripped.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn no_pointer_to_a_further_page_leads_elsewhere() {
    let (wire, network) = (Wire::laid().await, Arc::new(Recording::default()));
    network.leads.lock().unwrap().push([127, 0, 0, 1].into());
    let (connector, _) = connector(Client::through(Arc::clone(&network) as _, Vec::new()));
    let twilio = named("twilio");
    let connection = connection(&twilio, &details(&twilio, twilio.auth[0].key().as_str()));
    let stream = &twilio.streams.all()[0];
    for address in forms(&wire) {
        let outcome = connector.page(&connection, stream, &Position::Url(address.clone()), None).await;
        assert!(outcome.is_err(), "{address}");
    }
    assert_eq!((network.dialled.lock().unwrap().len(), wire.tripped.load(Ordering::SeqCst)), (0, 0));
}

#[tokio::test]
async fn a_name_that_leads_inward_is_not_dialled_for_any_provider() {
    let network = Arc::new(Recording::default());
    let (connector, _) = connector(Client::through(Arc::clone(&network) as _, Vec::new()));
    let leads = ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "0.0.0.0"];
    for provider in super::stage::catalogue() {
        let mut details = details(&provider, provider.auth[0].key().as_str());
        if let Auth::AuthorizationCode(_) = provider.auth[0] {
            details.access_token = Some(Secret::from("token".to_owned()));
        }
        let connection = connection(&provider, &details);
        for lead in leads {
            // A public one beside it changes nothing.
            *network.leads.lock().unwrap() = vec![[93, 184, 216, 34].into(), lead.parse().unwrap()];
            let outcome = connector.probe(&connection).await;
            let refused = matches!(&outcome, Err(Trouble::Refused(Refusal::Address(_))));
            assert!(refused, "{} {lead}: {outcome:?}", provider.key);
        }
    }
    assert_eq!(*network.dialled.lock().unwrap(), []);
}
