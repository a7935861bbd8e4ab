//! Calls to servers of the test's own. A network that remembers stands in between: it says where names lead, which
//! addresses were dialled, and gives what should be a server of the internet a place on this machine.

mod flow;
mod peer;

use std::{net::IpAddr, sync::Mutex};

use base64::{Engine, prelude::BASE64_STANDARD};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivatePkcs8KeyDer},
};

use self::peer::{Answer, Log, Remembering, Server, ok, to};
use super::*;
use crate::provider::address::tests::REFUSED;

/// An address of the internet, opened so that it may be called without TLS.
const OUTSIDE: &str = "93.184.216.34";

/// A certificate for good.example.com that signed itself, good from 2000 to 2999, and its key. For nothing else.
const CERTIFICATE: &str = "MIIBTjCB9KADAgECAgEBMAoGCCqGSM49BAMCMBgxFjAUBgNVBAMMDXBvcnRvbGFuIHRlc3QwIBcNMDAwMTAxMDAwMDAwWhgPMjk5OTAxMDEwMDAwMDBaMBgxFjAUBgNVBAMMDXBvcnRvbGFuIHRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARDl0vVg96quWoQLEDk1lOS7bXiY1sZEAPzVGrNazKnG4L0n5sD8KQ/s5ZegahMOKjpKic5Oh7VfGCaeqVOeSgYoy0wKzAbBgNVHREEFDASghBnb29kLmV4YW1wbGUuY29tMAwGA1UdEwEB/wQCMAAwCgYIKoZIzj0EAwIDSQAwRgIhAMaCe/JdGsGAfk1WUawMgZo9zHa68wzXKM859h8UcyYaAiEArx4pyBAuo5tBB12/VJjvwvu0cQRbWNBhMjAtOwxDdug=";
const KEY: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgZWrFZaNnUT9mzHeLYXzo5ogbL/xQh0jn+dHq3rRpv6ihRANCAARDl0vVg96quWoQLEDk1lOS7bXiY1sZEAPzVGrNazKnG4L0n5sD8KQ/s5ZegahMOKjpKic5Oh7VfGCaeqVOeSgY";

fn client(network: &Arc<Remembering>, opened: &[&str]) -> Client {
    patient(network, opened, Duration::from_secs(20))
}

/// A client that waits so long for a connection.
fn patient(network: &Arc<Remembering>, opened: &[&str], within: Duration) -> Client {
    let opened = opened.iter().map(|place| place.parse().unwrap()).collect();
    let network: Arc<dyn Network> = Arc::clone(network) as _;
    Client::with(Guard::new(opened), network, RootCertStore::empty(), within, KEPT).unwrap()
}

/// A server that stands for one of the internet, and a client that may call it.
async fn outside(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> (Server, Arc<Remembering>, Client) {
    let (server, network) = (Server::start(answer).await, Arc::new(Remembering::default()));
    network.place(&format!("{OUTSIDE}:80"), server.address);
    network.name("out.example.com", &[OUTSIDE]);
    let client = client(&network, &[OUTSIDE]);
    (server, network, client)
}

fn call(url: &str) -> Call {
    Call { within: Duration::from_secs(5), most: 1000, ..Call::get("test", url) }
}

#[tokio::test]
async fn nothing_is_dialled_and_nobody_asked_for_an_address_that_is_refused() {
    // Wires that are tripped: whatever reaches this machine on their ports is counted.
    let wires = [Server::start(|_| ok("reached")).await, Server::start(|_| ok("reached")).await];
    let network = Arc::new(Remembering::default());
    let (remembering, real) = (client(&network, &[]), Client::new(Vec::new()).unwrap());
    for (text, _) in REFUSED {
        for url in
            [(*text).to_owned(), with_port(text, wires[0].address.port()), with_port(text, wires[1].address.port())]
        {
            for client in [&remembering, &real] {
                let outcome = client.send(Call { redirects: 3, ..call(&url) }).await;
                assert!(matches!(outcome, Err(CallError::Refused(_))), "{url:?}: {outcome:?}");
            }
        }
    }
    assert_eq!(network.dialled(), [""; 0]);
    assert_eq!(*network.asked.lock().unwrap(), [""; 0]);
    assert_eq!(wires.map(|wire| wire.accepted()), [0, 0]);
}

/// The same URL on another port, where that can be written.
fn with_port(text: &str, port: u16) -> String {
    text.strip_suffix('/').map_or_else(|| text.to_owned(), |rest| format!("{rest}:{port}/"))
}

#[tokio::test]
async fn a_name_that_leads_inward_is_refused_before_anything_is_dialled() {
    let network = Arc::new(Remembering::default());
    let client = client(&network, &[]);
    let inward = REFUSED.iter().filter_map(|(text, _)| {
        let host = text.strip_prefix("https://")?.strip_suffix('/')?;
        host.trim_matches(['[', ']']).parse::<IpAddr>().ok()
    });
    let inward: Vec<_> = inward.map(|ip| ip.to_string()).collect();
    assert!(inward.len() > 45, "{}", inward.len());
    for address in inward {
        for leads in [address.clone(), format!("{OUTSIDE} {address}"), format!("{address} {OUTSIDE}")] {
            network.name("in.example.com", &[&leads]);
            let outcome = client.send(call("https://in.example.com/")).await;
            assert!(matches!(outcome, Err(CallError::Refused(Refusal::Address(_)))), "{leads}: {outcome:?}");
        }
    }
    assert_eq!(network.dialled(), [""; 0]);
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_the_second_time_gains_nothing() {
    // Closes after each answer, so that each call dials anew.
    let (server, network, client) =
        outside(|_| Answer::Cut("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok".to_owned()))
            .await;
    let wire = Server::start(|_| ok("reached")).await;
    let port = wire.address.port();
    network.place(&format!("{OUTSIDE}:{port}"), server.address);
    network.name("rebinds.example.com", &[OUTSIDE, "127.0.0.1", OUTSIDE]);
    let url = format!("http://rebinds.example.com:{port}/");
    assert_eq!(client.send(call(&url)).await.unwrap().body, "ok");
    assert!(matches!(client.send(call(&url)).await, Err(CallError::Refused(Refusal::Address("loopback")))));
    assert_eq!(client.send(call(&url)).await.unwrap().body, "ok");
    // Asked once for each connection, and dialled is what the answer was.
    assert_eq!(network.asked.lock().unwrap().len(), 3);
    assert_eq!(network.dialled(), [format!("{OUTSIDE}:{port}"), format!("{OUTSIDE}:{port}")]);
    assert_eq!(wire.accepted(), 0);
}

#[tokio::test]
async fn a_redirect_inward_is_refused_and_one_that_nobody_asked_to_follow_is_an_answer() {
    let wire = Server::start(|_| ok("reached")).await;
    let mut locations: Vec<_> = REFUSED.iter().map(|(text, _)| with_port(text, wire.address.port())).collect();
    // What says no scheme is read from where it stands, and some of it could not be a header.
    locations.retain(|text| text.contains("://") && text.bytes().all(|byte| byte.is_ascii_graphic()));
    let relative =
        ["//127.0.0.1/", "//localhost/", "///127.0.0.1/", "https:127.0.0.1", "http:/127.0.0.1", "/\\127.0.0.1/"];
    locations.extend(relative.into_iter().chain(["http://in.example.com/", "//in.example.com/"]).map(str::to_owned));
    assert!(locations.len() > 90, "{}", locations.len());
    let next = Arc::new(Mutex::new(String::new()));
    let said = Arc::clone(&next);
    let (_server, network, client) = outside(move |_| to(&said.lock().unwrap())).await;
    network.name("in.example.com", &["10.0.0.1"]);
    network.name("localhost", &["127.0.0.1"]);
    for location in &locations {
        next.lock().unwrap().clone_from(location);
        // A name may be opened here, so what it leads to decides.
        let outcome = client.send(Call { redirects: 3, ..call("http://out.example.com/") }).await;
        let unknown = matches!(outcome, Err(CallError::Dns(_)));
        assert!(unknown || matches!(outcome, Err(CallError::Refused(_))), "{location}: {outcome:?}");
        let reply = client.send(call("http://out.example.com/")).await.unwrap();
        assert_eq!(reply.status, 302);
    }
    assert_eq!(wire.accepted(), 0);
    let outside = [OUTSIDE.to_owned() + ":80"];
    assert!(network.dialled().iter().all(|address| outside.contains(address)), "{:?}", network.dialled());
}

#[tokio::test]
async fn redirects_are_counted_and_headers_stay_at_their_origin() {
    let (server, network, client) = outside(|head| match head.split(' ').nth(1).unwrap() {
        "/away" => to("http://else.example.com/there"),
        "/here" => to("/there"),
        "/there" => ok("there"),
        _ => to("/round"),
    })
    .await;
    network.name("else.example.com", &[OUTSIDE]);
    let with_key = |path: &str, redirects| {
        let mut call = Call { redirects, ..call(&format!("http://out.example.com{path}")) };
        call.headers.insert("x-api-key", HeaderValue::from_static("key"));
        call.headers.insert("authorization", HeaderValue::from_static("Bearer key"));
        call.headers.insert("accept", HeaderValue::from_static("application/json"));
        call
    };
    assert_eq!(client.send(with_key("/here", 1)).await.unwrap().body, "there");
    assert_eq!(client.send(with_key("/away", 1)).await.unwrap().body, "there");
    let heads = server.heads();
    assert!(heads[1].contains("x-api-key: key"), "the same origin: {}", heads[1]);
    assert!(!heads[3].contains("key") && heads[3].contains("accept: application/json"), "{}", heads[3]);
    assert!(heads[3].contains("host: else.example.com"), "{}", heads[3]);
    let round = client.send(with_key("/round", 3)).await;
    assert!(matches!(round, Err(CallError::Redirected(3))), "{round:?}");
    assert_eq!(server.heads().len(), 8, "the first and three more");
    let post = Call { method: Method::POST, body: "secret".into(), ..with_key("/here", 3) };
    assert_eq!(client.send(post).await.unwrap().status, 302, "only reading is repeated elsewhere");
}

#[tokio::test]
async fn an_answer_is_bounded_and_proper_or_it_is_none() {
    type Fault = (&'static str, fn(&str) -> Answer, fn(&CallError) -> bool);
    let many = "x-header: value\r\n".repeat(HEADERS + 1);
    let answers: [Fault; 11] = [
        (
            "promised too long",
            |_| Answer::Whole("HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n".to_owned()),
            |error| matches!(error, CallError::TooLarge(1000)),
        ),
        (
            "endless chunks",
            |_| {
                Answer::Endless(
                    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(),
                    "4\r\ndata\r\n".to_owned(),
                )
            },
            |error| matches!(error, CallError::TooLarge(1000)),
        ),
        (
            "endless until closed",
            |_| Answer::Endless("HTTP/1.1 200 OK\r\n\r\n".to_owned(), "data".repeat(100)),
            |error| matches!(error, CallError::TooLarge(1000)),
        ),
        (
            "endless head",
            |_| Answer::Endless("HTTP/1.1 200 OK\r\n".to_owned(), format!("x: {}\r\n", "y".repeat(2000))),
            |error| matches!(error, CallError::TooLarge(_) | CallError::Malformed(_)),
        ),
        (
            "compressed",
            |_| Answer::Whole("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 0\r\n\r\n".to_owned()),
            |error| matches!(error, CallError::Malformed(_)),
        ),
        (
            "not HTTP",
            |_| Answer::Cut("SSH-2.0-OpenSSH_9.9\r\n\r\n".to_owned()),
            |error| matches!(error, CallError::Malformed(_)),
        ),
        (
            "a bad length",
            |_| Answer::Cut("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n".to_owned()),
            |error| matches!(error, CallError::Malformed(_)),
        ),
        (
            "cut in its head",
            |_| Answer::Cut("HTTP/1.1 200 OK\r\nconte".to_owned()),
            |error| matches!(error, CallError::Broken(_)),
        ),
        (
            "cut in its body",
            |_| Answer::Cut("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ncut".to_owned()),
            |error| matches!(error, CallError::Broken(_)),
        ),
        ("nothing at all", |_| Answer::Cut(String::new()), |error| matches!(error, CallError::Broken(_))),
        (
            "too slow",
            |_| Answer::Slow("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nslow body".to_owned()),
            |error| matches!(error, CallError::TimedOut(_)),
        ),
    ];
    for (name, answer, expected) in answers {
        let (_server, _network, client) = outside(answer).await;
        let within = if name == "too slow" { Duration::from_millis(300) } else { Duration::from_secs(20) };
        let outcome = client.send(Call { within, ..call("http://out.example.com/") }).await;
        assert!(outcome.as_ref().is_err_and(expected), "{name}: {outcome:?}");
    }
    let (_server, _network, client) =
        outside(move |_| Answer::Whole(format!("HTTP/1.1 200 OK\r\n{many}content-length: 0\r\n\r\n"))).await;
    let outcome = client.send(call("http://out.example.com/")).await;
    assert!(matches!(outcome, Err(CallError::TooLarge(_) | CallError::Malformed(_))), "{outcome:?}");
}

#[tokio::test]
async fn an_answer_to_head_may_speak_of_a_length_it_does_not_have() {
    let (_server, _network, client) =
        outside(|_| Answer::Whole("HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n".to_owned())).await;
    let head = Call { method: Method::HEAD, ..call("http://out.example.com/") };
    assert_eq!(client.send(head).await.unwrap().status, 200);
}

#[tokio::test]
async fn each_way_to_fail_has_its_name() {
    let (server, network, client) = outside(|_| ok("fine")).await;
    let nowhere = client.send(call("http://unknown.example.com/")).await;
    assert!(matches!(nowhere, Err(CallError::Dns(_))), "{nowhere:?}");
    let hasty = patient(&network, &[OUTSIDE, "93.184.216.35"], Duration::from_secs(1));
    let silent = hasty.send(call("http://out.example.com:81/")).await;
    assert!(matches!(silent, Err(CallError::TimedOut(within)) if within == Duration::from_secs(1)), "{silent:?}");
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    network.place(&format!("{OUTSIDE}:82"), closed);
    let closed = client.send(call("http://out.example.com:82/")).await;
    assert!(matches!(closed, Err(CallError::Connect(_))), "{closed:?}");
    network.place(&format!("{OUTSIDE}:443"), server.address);
    let plain = hasty.send(call("https://out.example.com/")).await;
    assert!(matches!(plain, Err(CallError::Tls(_) | CallError::TimedOut(_))), "{plain:?}");
    // One address that nobody answers on costs its share of the time, not all of it.
    network.name("two.example.com", &["93.184.216.35 93.184.216.34"]);
    let patient = patient(&network, &[OUTSIDE, "93.184.216.35"], Duration::from_secs(4));
    assert_eq!(patient.send(call("http://two.example.com/")).await.unwrap().body, "fine");
    assert!(network.dialled().ends_with(&["93.184.216.35:80".to_owned(), "93.184.216.34:80".to_owned()]));
}

#[tokio::test]
async fn the_other_side_must_be_who_it_should_be() {
    let certificate = BASE64_STANDARD.decode(CERTIFICATE).unwrap();
    let key = PrivatePkcs8KeyDer::from(BASE64_STANDARD.decode(KEY).unwrap());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone().into()], key.into())
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    let network = Arc::new(Remembering::default());
    for name in ["good.example.com", "other.example.com"] {
        network.name(name, &["93.184.216.35"]);
    }
    network.place("93.184.216.35:443", here);
    let mut roots = RootCertStore::empty();
    roots.add(certificate.into()).unwrap();
    let shared: Arc<dyn Network> = Arc::clone(&network) as _;
    let knows = Client::with(Guard::default(), shared, roots, CONNECT, KEPT).unwrap();
    assert_eq!(knows.send(call("https://good.example.com/")).await.unwrap().body, "ok");
    let other = knows.send(call("https://other.example.com/")).await;
    assert!(matches!(other, Err(CallError::Tls(_))), "{other:?}");
    let unknown = client(&network, &[]).send(call("https://good.example.com/")).await;
    assert!(matches!(unknown, Err(CallError::Tls(_))), "{unknown:?}");
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let (server, network, client) = outside(|_| ok("fine")).await;
    for _ in 0..5 {
        assert_eq!(client.send(call("http://out.example.com/")).await.unwrap().body, "fine");
    }
    assert_eq!((server.accepted(), network.dialled().len(), server.heads().len()), (1, 1, 5));
}

#[tokio::test]
async fn the_log_tells_of_a_call_and_none_of_its_secrets() {
    let log = Log::default();
    let lines = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    let _guard = tracing::subscriber::set_default(lines);
    let (_server, _network, client) = outside(|head| match head.split(' ').nth(1).unwrap() {
        path if path.starts_with("/again") => to("/canary?canary=canary"),
        path if path.contains("broken") => Answer::Cut("canary".to_owned()),
        _ => Answer::Whole("HTTP/1.1 200 OK\r\nx-key: canary\r\ncontent-length: 6\r\n\r\ncanary".to_owned()),
    })
    .await;
    for url in [
        "http://out.example.com/canary?key=canary",
        "http://out.example.com/again?key=canary",
        "http://out.example.com/broken?key=canary",
    ] {
        let mut call = Call { redirects: 1, body: "canary".into(), ..call(url) };
        call.headers.insert("x-api-key", HeaderValue::from_static("canary"));
        let shown = format!("{call:?}");
        let outcome = client.send(call).await;
        assert!(!shown.contains("canary") && !format!("{outcome:?}").contains("canary"), "{shown} {outcome:?}");
    }
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("a call was answered") && text.contains("a call failed") && text.contains("out.example.com"));
    assert!(!text.contains("canary"), "{text}");
}
