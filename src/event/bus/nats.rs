//! Hints between nodes by NATS.
//!
//! A node publishes how far its sequencer moved the log; every node that hears it reads the log from its own database.
//! Publishing never waits: a task sends the newest position, and those that it missed are covered by it.

use std::{fmt, sync::Arc, time::Duration};

use async_nats::{Client, ConnectOptions, Event as State};
use futures_util::StreamExt;
use sea_orm::DatabaseConnection;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    entity::{first::First, hub_identity},
    event::{Entry, Feed, warning::RateLimited},
    kernel::{
        error::{Error, Result, chain},
        secret::Secret,
    },
};

/// The largest message that is looked at, in bytes; a hint has about 70.
const LARGEST: usize = 256;

/// How long to wait before trying again what failed.
const AGAIN: Duration = Duration::from_secs(1);

/// A message: which hub's log has come how far.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Hint {
    hub: Uuid,
    position: i64,
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
pub async fn join(settings: Settings, db: DatabaseConnection, feed: Feed, stop: CancellationToken) {
    let Some(hub) = stop.run_until_cancelled(identity(&db)).await else { return };
    let subject = format!("{}.events", settings.prefix);
    let heard = feed.clone();
    let options = ConnectOptions::new().name("portolan").retry_on_initial_connect().event_callback(move |state| {
        // What was missed is in the log.
        if matches!(state, State::Connected) {
            heard.hint();
        }
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
    let (reached, position) = watch::channel(0);
    feed.tell(Arc::new(move |entries: &[Entry]| {
        if let Some(last) = entries.last() {
            reached.send_replace(last.position);
        }
    }));
    let publish = publish(client.clone(), subject.clone(), hub, position);
    let hear = hear(client.clone(), subject, hub, feed);
    stop.run_until_cancelled(async { tokio::join!(publish, hear) }).await;
    // Nothing is left that would be missed.
    let _ = client.flush().await;
}

/// Reads the id of this hub, as soon as the database answers.
async fn identity(db: &DatabaseConnection) -> Uuid {
    loop {
        match read_identity(db).await {
            Ok(hub) => return hub,
            Err(error) => {
                tracing::warn!(error = chain(&error), "NATS is not joined yet: the id of this hub cannot be read");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

async fn read_identity(db: &DatabaseConnection) -> Result<Uuid> {
    let row = hub_identity::row().first(db).await?;
    Ok(row.ok_or_else(|| Error::Internal("the hub has no id", "table hub_identity is empty".into()))?.hub_id)
}

async fn publish(client: Client, subject: String, hub: Uuid, mut reached: watch::Receiver<i64>) {
    while reached.changed().await.is_ok() {
        let position = *reached.borrow_and_update();
        let Ok(message) = serde_json::to_vec(&Hint { hub, position }) else { continue };
        if let Err(error) = client.publish(subject.clone(), message.into()).await {
            tracing::debug!(error = chain(&error), "the other nodes were not told of new events");
        }
    }
}

async fn hear(client: Client, subject: String, hub: Uuid, feed: Feed) {
    let (foreign, unreadable) = (RateLimited::default(), RateLimited::default());
    loop {
        match client.subscribe(subject.clone()).await {
            Ok(mut heard) => {
                feed.hint();
                while let Some(message) = heard.next().await {
                    match read(&message.payload) {
                        Some(hint) if hint.hub == hub => feed.hint_at(hint.position),
                        Some(hint) => {
                            if let Some(count) = foreign.occurred() {
                                tracing::warn!(
                                    subject, other_hub = %hint.hub, count,
                                    "messages of another hub were ignored; give each hub its own nats_prefix or NATS account"
                                );
                            }
                        }
                        None => {
                            if let Some(count) = unreadable.occurred() {
                                tracing::warn!(subject, count, "messages that are no hints were ignored");
                            }
                        }
                    }
                }
            }
            Err(error) => tracing::warn!(error = chain(&error), "NATS takes no subscription, will try again"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// A message as a hint, if it is one.
fn read(payload: &[u8]) -> Option<Hint> {
    if payload.len() > LARGEST {
        return None;
    }
    serde_json::from_slice(payload).ok()
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_a_hub_and_a_position_and_nothing_else_is_one() {
        let hint = Hint { hub: Uuid::from_u128(7), position: 12 };
        let text = serde_json::to_vec(&hint).unwrap();
        assert!(text.len() < LARGEST);
        assert_eq!(read(&text), Some(hint));
        for garbage in [&b""[..], b"12", b"{}", b"\xff\x00", br#"{"position":12}"#, br#"{"hub":"x","position":12}"#] {
            assert_eq!(read(garbage), None);
        }
        let long = format!("{}{}", String::from_utf8(text).unwrap(), " ".repeat(LARGEST));
        assert_eq!(read(long.as_bytes()), None);
    }
}
