//! PayPal's certificate, fetched from the simulator.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::*;
use crate::{
    kernel::clock::ManualClock,
    provider::{
        address::tests::REFUSED,
        catalogue::Catalogue,
        client::Network,
        manifest::Manifest,
        simulator::{
            Mood,
            hook::{Delivery, How},
            serve::Simulator,
        },
    },
};

/// The machine's own network, counted.
#[derive(Default)]
struct Counting(AtomicUsize);

impl Network for Counting {
    fn resolve(&self, _: String, port: u16) -> BoxFuture<'static, std::io::Result<Vec<std::net::SocketAddr>>> {
        Box::pin(async move { Ok(vec![([10, 0, 0, 1], port).into()]) })
    }

    fn connect(&self, address: std::net::SocketAddr) -> BoxFuture<'static, std::io::Result<TcpStream>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(TcpStream::connect(address))
    }
}

struct Stage {
    paypal: Arc<Manifest>,
    simulator: Simulator,
    origin: Url,
    network: Arc<Counting>,
    clock: ManualClock,
    verifier: Verifier,
    _tasks: JoinSet<()>,
}

impl Stage {
    async fn new() -> Self {
        let paypal = Arc::clone(Catalogue::embedded().get("paypal").unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin: Url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let clock = ManualClock::at("2026-11-21T10:00:00Z".parse().unwrap());
        let simulator = Simulator::new([Arc::clone(&paypal)], origin.clone(), Arc::new(clock.clone()));
        let (served, mut tasks) = (simulator.clone(), JoinSet::new());
        tasks.spawn(async move { served.serve(listener).await.unwrap_or_default() });
        let network = Arc::new(Counting::default());
        let client = Client::through(Arc::clone(&network) as _, vec!["127.0.0.1".parse().unwrap()]);
        let verifier = Verifier::new(client, Arc::new(clock.clone()));
        Self { paypal, simulator, origin, network, clock, verifier, _tasks: tasks }
    }

    fn sent(&self, how: How) -> Delivery {
        let to = "https://hub.example.com/hooks/src_1".parse().unwrap();
        self.simulator.with("paypal", |fake| fake.webhooks(&to, how, 1, self.clock.now())).unwrap().unwrap().remove(0)
    }

    async fn check(&self, delivery: &Delivery, played: bool) -> Result<(), Unproven> {
        let mut headers = HeaderMap::new();
        for (name, value) in &delivery.headers {
            headers.append(HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap());
        }
        let from = [203, 0, 113, 9].into();
        let received = Received { url: &delivery.url, headers: &headers, body: &delivery.body, from };
        let values = self.simulator.with("paypal", |fake| fake.values().clone()).unwrap();
        let played = played.then_some(Played { provider: "paypal", at: &self.origin });
        self.verifier.verify(&self.paypal.webhook.get().unwrap().verify, received, &[&values], played).await
    }

    /// How many connections were made since last asked.
    fn dialled(&self) -> usize {
        self.network.0.swap(0, Ordering::SeqCst)
    }
}

fn with_certificate(mut delivery: Delivery, at: &str) -> Delivery {
    let header = delivery.headers.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case("paypal-cert-url")).unwrap();
    at.clone_into(&mut header.1);
    delivery
}

#[tokio::test]
async fn a_certificate_is_fetched_once_and_proves_what_it_signed() {
    let stage = Stage::new().await;
    let sent = stage.sent(How::Right);
    assert_eq!(stage.check(&sent, true).await, Ok(()));
    assert_eq!(stage.dialled(), 1);
    // It is kept: the provider may be down, and nobody is asked.
    stage.simulator.with("paypal", |fake| fake.behave(Mood::Down, None)).unwrap();
    assert_eq!(stage.check(&sent, true).await, Ok(()));
    let wrong = stage.check(&stage.sent(How::WrongSecret), true).await;
    assert!(matches!(wrong, Err(Unproven::Refused(_))), "{wrong:?}");
    let mut changed = sent.clone();
    changed.body.push(b' ');
    assert_eq!(stage.check(&changed, true).await, Err(Unproven::Refused(Refusal::Mismatch)));
    assert_eq!(stage.dialled(), 0);
}

#[tokio::test]
async fn what_cannot_be_fetched_is_not_believed_yet_and_not_asked_for_again_at_once() {
    let stage = Stage::new().await;
    let sent = stage.sent(How::Right);
    for mood in [Mood::Down, Mood::Endless] {
        stage.simulator.with("paypal", |fake| fake.behave(mood, None)).unwrap();
        for _ in 0..3 {
            let outcome = stage.check(&sent, true).await;
            assert!(matches!(outcome, Err(Unproven::NotNow(_))), "{mood:?}: {outcome:?}");
        }
        assert!(stage.dialled() <= 1, "{mood:?}");
        stage.clock.advance(TimeDelta::minutes(2));
    }
    // A page where a certificate should be is no certificate, and is forgotten soon.
    stage.simulator.with("paypal", |fake| fake.behave(Mood::Garbled, None)).unwrap();
    let sent = stage.sent(How::Right);
    assert!(stage.check(&sent, true).await.is_err());
    stage.simulator.with("paypal", |fake| fake.behave(Mood::Well, None)).unwrap();
    stage.clock.advance(TimeDelta::minutes(2));
    assert_eq!(stage.check(&sent, true).await, Ok(()));
}

#[tokio::test]
async fn nobody_can_send_us_elsewhere_or_keep_us_busy() {
    let stage = Stage::new().await;
    let sent = stage.sent(How::Right);
    let below = "/v1/notifications/certs/CERT-1";
    let elsewhere = [
        "https://evil.example.com/v1/notifications/certs/CERT-1",
        "http://api.paypal.com/v1/notifications/certs/CERT-1",
        "https://api.paypal.com.evil.example.com/v1/notifications/certs/CERT-1",
        "https://api.paypal.com@127.0.0.1/v1/notifications/certs/CERT-1",
        "https://api.paypal.com:8443/v1/notifications/certs/CERT-1",
        "https://api.paypal.com/v1/notifications/certs/../../../cgi-bin/redirect",
        "https://api.paypal.com/v1/notifications/certs/%2e%2e/%2e%2e/x",
        "https://api.paypal.com/v1/notifications/certs/CERT-1?next=https://evil.example.com",
        "https://api.paypal.com/cgi-bin/webscr",
    ];
    let inward = REFUSED.iter().map(|(text, _)| format!("{}{below}", text.trim_end_matches('/')));
    let inward = inward.filter(|text| HeaderValue::try_from(text).is_ok());
    for address in elsewhere.into_iter().map(str::to_owned).chain(inward) {
        let outcome = stage.check(&with_certificate(sent.clone(), &address), false).await;
        assert!(matches!(outcome, Err(Unproven::Refused(_))), "{address}: {outcome:?}");
    }
    // The right host, whose name leads inward here: asked for, and not dialled.
    let outcome = stage.check(&sent, false).await;
    assert!(matches!(outcome, Err(Unproven::NotNow(_))), "{outcome:?}");
    assert_eq!(stage.dialled(), 0);
    // As many addresses as somebody likes to write: few are asked for, and a kept certificate serves on.
    stage.clock.advance(TimeDelta::minutes(2));
    assert_eq!(stage.check(&sent, true).await, Ok(()));
    for number in 0..200 {
        let at = format!("https://api.paypal.com/v1/notifications/certs/CERT-{number}");
        assert!(stage.check(&with_certificate(sent.clone(), &at), true).await.is_err());
    }
    let asked = stage.verifier.keep(|kept| (kept.fetched.len(), kept.bad.len()));
    assert!(asked.0 <= A_MINUTE && asked.1 <= KEPT, "{asked:?}");
    assert_eq!(stage.check(&sent, true).await, Ok(()));
}
