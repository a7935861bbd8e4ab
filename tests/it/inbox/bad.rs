//! What nobody should send.

use std::io::Write as _;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use portolan::{
    domain::inbox::Status,
    provider::{
        simulator::{KEYS, hook::Delivery},
        template::Values,
        webhook::sign::{Unsigned, sign},
    },
};

use super::{Inbox, request, told};

/// A webhook with that body, signed as it should be.
fn signed(inbox: &Inbox, body: Vec<u8>) -> Delivery {
    let manifest = inbox.hub.app.hub().catalogue.get(inbox.provider).unwrap().clone();
    let mut values = Values::default();
    values.set_secret("webhook_secret", inbox.played.value(inbox.provider, "webhook_secret").into());
    let url = inbox.made.url.expose().parse().unwrap();
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    let mut unsigned = Unsigned { url, headers, body, id: "1".to_owned() };
    let scheme = &manifest.webhook.get().unwrap().verify;
    sign(scheme, &mut unsigned, &values, KEYS, inbox.hub.cx().now()).unwrap();
    Delivery { url: unsigned.url, headers: unsigned.headers, body: unsigned.body }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_kept_and_given_up_with_the_reason() {
    let inbox = Inbox::of("stripe").await;
    let deep = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000));
    let bodies =
        [b"\xff\xfe{\"id\":\"evt_1\"}".to_vec(), b"{\"id\":".to_vec(), b"".to_vec(), b"{}".to_vec(), deep.into_bytes()];
    for body in &bodies {
        inbox.taken(&signed(&inbox, body.clone())).await;
    }
    inbox.work().await;
    let kept = inbox.kept().await;
    assert_eq!(kept.len(), bodies.len());
    let found = |body: &Vec<u8>| kept.iter().find(|row| row.body == *body).unwrap();
    for body in &bodies {
        let row = found(body);
        assert_eq!(row.status, Status::Dead);
        let reason = row.reason.as_deref().unwrap();
        assert!(["the body is not JSON", "it does not say what happened"].contains(&reason), "{reason}");
    }
    assert_eq!(told(&inbox.hub, "inbox.dead_lettered").await.len(), bodies.len());
    assert!(inbox.told().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_that_a_database_does_not_keep_are_replaced() {
    let inbox = Inbox::of("stripe").await;
    let body = br#"{"id":"evt_\u0000a","type":"x\u0000y","created":1800000000,"data":{"object":{"id":"p\u0000i"}}}"#;
    inbox.taken(&signed(&inbox, body.to_vec())).await;
    inbox.work().await;
    assert_eq!(inbox.kept().await[0].status, Status::Processed);
    assert_eq!(inbox.items().await[0].kind, "x\u{fffd}y");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_or_never_ends_is_refused_and_not_kept() {
    let inbox = Inbox::with("stripe", &[("PORTOLAN_INBOX_MAX_BODY", "64KiB")]).await;
    let large = signed(&inbox, vec![b' '; 64 * 1024 + 1]);
    inbox.send(&large).await.refused(413, "PAYLOAD_TOO_LARGE");
    let endless = stream::repeat_with(|| Ok::<_, std::convert::Infallible>(Bytes::from_static(&[b' '; 4096])));
    let endless = request(&large).map(|_| Body::from_stream(endless));
    inbox.hub.send(endless).await.refused(413, "PAYLOAD_TOO_LARGE");
    // One that came in pieces is the same as one that came whole.
    let whole = inbox.webhook();
    let pieces: Vec<_> = whole.body.chunks(7).map(|chunk| Ok::<_, std::convert::Infallible>(chunk.to_vec())).collect();
    let reply = inbox.hub.send(request(&whole).map(|_| Body::from_stream(stream::iter(pieces)))).await;
    assert_eq!(reply.status, 200);
    assert_eq!(inbox.kept().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_packed_is_not_unpacked() {
    let inbox = Inbox::of("stripe").await;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    // A hundred megabytes of blanks in a hundred kilobytes.
    for _ in 0..100 {
        packed.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    let mut bomb = signed(&inbox, packed.finish().unwrap());
    bomb.headers.push(("content-encoding".to_owned(), "gzip".to_owned()));
    inbox.taken(&bomb).await;
    inbox.work().await;
    let kept = inbox.kept().await;
    assert_eq!((kept[0].status, kept[0].body.len()), (Status::Dead, bomb.body.len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_by_another_method_is_refused() {
    let inbox = Inbox::of("stripe").await;
    for method in ["DELETE", "OPTIONS", "TRACE", "NONSENSE"] {
        let mut sent = request(&inbox.webhook());
        *sent.method_mut() = method.parse().unwrap();
        assert_eq!(inbox.hub.send(sent).await.status, 405, "{method}");
    }
    // There is no handshake.
    assert_eq!(inbox.hub.send(crate::support::hub::get(inbox.made.url.expose())).await.status, 405);
    assert!(inbox.kept().await.is_empty());
}
