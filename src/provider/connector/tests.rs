//! A connector against the simulator, over the loopback: what is true of all providers is in
//! [`conformance`].

mod conformance;
mod doors;
mod stage;

use std::time::Duration;

use serde_json::json;

use self::stage::{Stage, connection, named};
use super::*;
use crate::{
    kernel::secret::Secret,
    provider::{paging::Position, simulator::Mood},
};

#[tokio::test]
async fn what_only_reads_is_tried_again_and_what_changes_something_is_not() {
    let stripe = named("stripe");
    let stage = Stage::of(vec![Arc::clone(&stripe)]).await;
    let connection = stage.connect(&stripe, &stripe.auth[0]).await;
    let stream = &stripe.streams.all()[0];
    stage.notes.take();
    stage.mood(&stripe, Mood::Down, Some(2));
    let page = stage.connector.page(&connection, stream, &Position::Start, None).await.unwrap();
    assert!(!page.records.is_empty());
    let notes = stage.notes.take();
    assert_eq!(
        notes.iter().map(|note| (note.attempt, note.status)).collect::<Vec<_>>(),
        [(1, Some(503)), (2, Some(503)), (3, Some(200))]
    );
    // One trace, and a span for each try.
    assert!(notes.windows(2).all(|two| two[0].trace[..35] == two[1].trace[..35] && two[0].trace != two[1].trace));

    let refund = stripe.action("create_refund").unwrap();
    let input = json!({"payment": "pi_1", "amount": 5});
    stage.mood(&stripe, Mood::Down, Some(1));
    let outcome = stage.connector.act(&connection, refund, input.clone(), None).await;
    assert_eq!(outcome.unwrap_err().class(), Some(Class::Down));
    assert_eq!(stage.notes.take().len(), 1);
    // With a key a repetition is harmless, since Stripe has a header for it.
    stage.mood(&stripe, Mood::Down, Some(1));
    stage.connector.act(&connection, refund, input, Some("key-1")).await.unwrap();
    assert_eq!(stage.notes.take().len(), 2);
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_refused_before_anything_is_sent() {
    let stripe = named("stripe");
    let stage = Stage::of(vec![Arc::clone(&stripe)]).await;
    let connection = stage.connect(&stripe, &stripe.auth[0]).await;
    let refund = stripe.action("create_refund").unwrap();
    for (input, path) in [
        (json!({"amount": 5}), ""),
        (json!({"payment": "pi_1", "amount": 0}), "amount"),
        (json!({"payment": 1}), "payment"),
        (json!({"payment": "pi_1", "amonut": 5}), "amonut"),
        (json!([]), ""),
        (json!(null), ""),
    ] {
        let outcome = stage.connector.act(&connection, refund, input.clone(), None).await;
        let Err(Trouble::Arguments(misfits)) = outcome else { panic!("{input}: {outcome:?}") };
        assert_eq!(misfits[0].path, path, "{input}: {misfits:?}");
    }
    assert!(stage.notes.take().is_empty());
}

#[tokio::test]
async fn an_observer_hears_of_every_call_without_its_secrets() {
    let pancake = named("pancake_pos");
    let stage = Stage::of(vec![Arc::clone(&pancake)]).await;
    let mut details = stage.details(&pancake, &pancake.auth[0]);
    stage.connector.probe(&connection(&pancake, &details)).await.unwrap();
    for field in pancake.auth[0].fields() {
        details.credential.insert(field.name.0.clone(), Secret::from("0123456789-canary-9876543210".to_owned()));
    }
    let verdict = stage.connector.probe(&connection(&pancake, &details)).await.unwrap();
    assert_eq!(verdict.credential, Known::Bad);
    let notes = stage.notes.take();
    assert_eq!(notes.len(), 2);
    assert!(notes[0].url.contains("api_key=hidden"), "{}", notes[0].url);
    assert!(notes[0].received > 0 && notes[0].class.is_none() && notes[0].purpose == "probe");
    assert_eq!((notes[1].provider.as_str(), notes[1].class), ("pancake_pos", Some(Class::Auth)));
    assert!(!notes.iter().any(|note| note.whole.contains("canary")), "{notes:?}");
}

#[tokio::test]
async fn a_trace_goes_on_in_what_is_sent() {
    let (mut heads, address) = hears_one().await;
    let custom = named("custom_rest");
    let stage = Stage::of(Vec::new()).await;
    let mut details = stage.details(&custom, &custom.auth[0]);
    details.simulator = Some(format!("http://{address}").parse().unwrap());
    let trace = Trace::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
    let connector = stage.connector.clone().traced(trace).within(Bounds { within: Duration::from_secs(5), most: 1000 });
    connector.probe(&connection(&custom, &details)).await.unwrap();
    let head = heads.join_next().await.unwrap().unwrap().to_ascii_lowercase();
    assert!(head.contains("traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-"), "{head}");
    assert!(!head.contains("00f067aa0ba902b7"), "{head}");
}

/// A server that hears one head and hangs up.
async fn hears_one() -> (tokio::task::JoinSet<String>, std::net::SocketAddr) {
    use tokio::io::AsyncReadExt;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = vec![0; 8192];
        let count = stream.read(&mut head).await.unwrap();
        String::from_utf8_lossy(&head[..count]).into_owned()
    });
    (tasks, address)
}
