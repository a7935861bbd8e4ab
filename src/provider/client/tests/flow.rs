//! Bodies that flow.

use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use super::*;

fn flowing(url: &str, body: Flowing) -> FlowCall {
    FlowCall {
        purpose: "test",
        method: Method::POST,
        url: url.to_owned(),
        headers: HeaderMap::new(),
        body,
        within: Duration::from_secs(5),
        idle: Duration::from_secs(5),
        most: 1000,
    }
}

fn empty() -> Flowing {
    Full::new(Bytes::new()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

#[tokio::test]
async fn bodies_flow_both_ways_and_neighbours_headers_stay_between_neighbours() {
    let (server, _network, client) = outside(|_| {
        Answer::Whole(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: x-mine\r\nx-mine: 1\r\nx-kept: 2\r\n\r\n\
             2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
                .to_owned(),
        )
    })
    .await;
    let parts = ["one", "two"].map(|part| Ok(Frame::data(Bytes::from(part))));
    let mut call = flowing("http://out.example.com/x", StreamBody::new(stream::iter(parts)).boxed_unsync());
    for (name, value) in [
        ("connection", "x-near"),
        ("x-near", "1"),
        ("te", "trailers"),
        ("host", "evil.example.com"),
        ("content-length", "3"),
        ("x-far", "2"),
    ] {
        call.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let response = client.flow(call).await.unwrap();
    assert_eq!((response.headers().get("x-mine"), response.headers()["x-kept"].as_bytes()), (None, &b"2"[..]));
    assert_eq!(response.headers().get("transfer-encoding"), None);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "abc");
    let head = server.heads()[0].to_ascii_lowercase();
    assert!(head.contains("host: out.example.com\r\n") && head.contains("transfer-encoding: chunked"), "{head}");
    assert!(head.contains("x-far: 2") && !head.contains("x-near") && !head.contains("te: ") && !head.contains("evil"));
    assert!(!head.contains("content-length"), "{head}");
}

#[tokio::test]
async fn a_flow_is_bounded_in_size_and_time() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
    let (_server, _network, client) = outside(move |_| Answer::Endless(head.clone(), "4\r\nmore\r\n".to_owned())).await;
    let response = client.flow(flowing("http://out.example.com/", empty())).await.unwrap();
    assert!(matches!(response.into_body().collect().await, Err(CallError::TooLarge(1000))));

    let (_server, _network, client) = outside(|_| ok(&"x".repeat(1001))).await;
    let outcome = client.flow(flowing("http://out.example.com/", empty())).await;
    assert!(matches!(outcome, Err(CallError::TooLarge(1000))));

    // The head comes, and then nothing any more.
    let (_server, _network, client) =
        outside(|_| Answer::Whole("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n".to_owned())).await;
    let call = FlowCall { idle: Duration::from_millis(200), ..flowing("http://out.example.com/", empty()) };
    let response = client.flow(call).await.unwrap();
    assert!(matches!(response.into_body().collect().await, Err(CallError::TimedOut(_))));

    // Not even the head.
    let (_server, _network, client) = outside(|_| Answer::Whole(String::new())).await;
    let call = FlowCall { within: Duration::from_millis(200), ..flowing("http://out.example.com/", empty()) };
    assert!(matches!(client.flow(call).await, Err(CallError::TimedOut(_))));
}

#[tokio::test]
async fn a_flow_goes_nowhere_else_than_any_call() {
    let wire = Server::start(|_| ok("reached")).await;
    let network = Arc::new(Remembering::default());
    let client = client(&network, &[]);
    for (text, _) in REFUSED {
        for url in [(*text).to_owned(), with_port(text, wire.address.port())] {
            let outcome = client.flow(flowing(&url, empty())).await;
            assert!(matches!(outcome, Err(CallError::Refused(_))), "{url:?}");
        }
    }
    assert_eq!((network.dialled().len(), wire.accepted()), (0, 0));
}
