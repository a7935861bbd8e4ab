//! Connections of the outgoing client after a burst.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use portolan::provider::client::{Call, Client};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Barrier,
    task::JoinSet,
};

use crate::support::process::until;

/// Answers requests until the client closes.
async fn answer(mut socket: TcpStream, mut together: Option<Arc<Barrier>>) {
    let mut buffer = vec![0; 4096];
    while matches!(socket.read(&mut buffer).await, Ok(count) if count > 0) {
        // The first ones wait for each other, so that each needs a connection of its own.
        if let Some(together) = together.take() {
            together.wait().await;
        }
        if socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_a_burst_left_behind_are_closed() {
    const BURST: usize = 40;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (open, made) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut serving = JoinSet::new();
    let (now, total) = (Arc::clone(&open), Arc::clone(&made));
    serving.spawn(async move {
        let (mut sockets, together) = (JoinSet::new(), Arc::new(Barrier::new(BURST)));
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let now = Arc::clone(&now);
            now.fetch_add(1, SeqCst);
            let together = (total.fetch_add(1, SeqCst) < BURST).then(|| Arc::clone(&together));
            sockets.spawn(async move {
                answer(socket, together).await;
                now.fetch_sub(1, SeqCst);
            });
        }
    });

    let client = Client::keeping(vec!["127.0.0.1".parse().unwrap()], Duration::from_millis(500)).unwrap();
    let mut calls = JoinSet::new();
    for _ in 0..BURST {
        let (client, url) = (client.clone(), url.clone());
        calls.spawn(async move { client.send(Call::get("a burst", url)).await.unwrap().status });
    }
    assert!(calls.join_all().await.iter().all(|status| *status == 204));
    assert_eq!(made.load(SeqCst), BURST, "each call had a connection of its own");
    until("all of them are closed", async || (open.load(SeqCst) == 0).then_some(())).await;
    // The client works on.
    assert_eq!(client.send(Call::get("afterwards", url)).await.unwrap().status, 204);
}
