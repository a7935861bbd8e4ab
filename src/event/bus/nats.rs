//! Events between nodes by NATS.
//!
//! A node publishes what its sequencer moved; every node takes it, its own too, which its feed knows already.
//! Publishing never waits: messages go to a task, and what that cannot take is left to the log.

use std::{fmt, sync::Arc, time::Duration};

use async_nats::{Client, ConnectOptions, Event as State};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    entity::event,
    event::{Entry, Feed},
    kernel::{error::chain, secret::Secret},
};

/// What a message may hold; NATS itself takes a megabyte.
const LARGEST: usize = 256 * 1024;

/// Batches that may wait for being sent.
const WAITING: usize = 1_024;

/// How long to wait before subscribing again.
const AGAIN: Duration = Duration::from_secs(1);

/// What travels: the events, or how far the log has come.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    position: i64,
    #[serde(default)]
    events: Vec<event::Model>,
}

/// Where the servers are, and under which name this hub's nodes find each other.
#[derive(Clone)]
pub struct Settings {
    /// Addresses, joined by commas.
    pub url: Secret,
    /// What subjects begin with.
    pub prefix: String,
}

/// Joins the nodes until stopped. Waits for no server: one that is away is joined when it is there.
pub async fn join(settings: Settings, feed: Feed, stop: CancellationToken) {
    let subject = format!("{}.events", settings.prefix);
    let heard = feed.clone();
    let options = ConnectOptions::new().name("portolan").retry_on_initial_connect().event_callback(move |state| {
        // What was missed is in the log.
        heard.hint();
        async move {
            match state {
                State::Connected => tracing::info!("joined the other nodes by NATS"),
                State::Disconnected => tracing::warn!("NATS is away; the event log is looked at meanwhile"),
                state => tracing::debug!(%state, "NATS"),
            }
        }
    });
    let client = match options.connect(settings.url.expose()).await {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(error = chain(&error), "NATS cannot be used with these settings; the log is looked at");
            return;
        }
    };
    let (say, said) = mpsc::channel(WAITING);
    feed.tell(Arc::new(move |entries: &[Entry]| {
        // Full: the other nodes find these in the log.
        let _ = say.try_send(entries.to_vec());
    }));
    let publish = publish(client.clone(), subject.clone(), said);
    let hear = hear(client.clone(), subject, feed);
    stop.run_until_cancelled(async { tokio::join!(publish, hear) }).await;
    // Nothing is left that would be missed.
    let _ = client.flush().await;
}

async fn publish(client: Client, subject: String, mut said: mpsc::Receiver<Vec<Entry>>) {
    while let Some(entries) = said.recv().await {
        for message in messages(&entries) {
            if let Err(error) = client.publish(subject.clone(), message.into()).await {
                tracing::debug!(error = chain(&error), "events were not told to the other nodes");
            }
        }
    }
}

/// The events as messages that are not too large; one that is too large alone is hinted at.
fn messages(entries: &[Entry]) -> Vec<Vec<u8>> {
    let Some(last) = entries.last() else { return Vec::new() };
    let events: Vec<event::Model> = entries.iter().map(|entry| (**entry).clone()).collect();
    match serde_json::to_vec(&Message { position: last.position, events }) {
        Ok(message) if message.len() <= LARGEST => vec![message],
        _ if entries.len() > 1 => {
            let (first, second) = entries.split_at(entries.len() / 2);
            let mut split = messages(first);
            split.extend(messages(second));
            split
        }
        _ => serde_json::to_vec(&Message { position: last.position, events: Vec::new() }).into_iter().collect(),
    }
}

async fn hear(client: Client, subject: String, feed: Feed) {
    loop {
        match client.subscribe(subject.clone()).await {
            Ok(mut heard) => {
                feed.hint();
                while let Some(message) = heard.next().await {
                    match serde_json::from_slice::<Message>(&message.payload) {
                        Ok(Message { position, events }) if events.is_empty() => feed.hint_at(position),
                        Ok(Message { events, .. }) => feed.hear(events.into_iter().map(Arc::new).collect()),
                        Err(error) => {
                            tracing::warn!(%error, "a message of another node cannot be read");
                            feed.hint();
                        }
                    }
                }
            }
            Err(error) => tracing::warn!(error = chain(&error), "NATS takes no subscription, will try again"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
