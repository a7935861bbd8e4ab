//! Who takes the webhooks of the play: two on the loopback that check signatures, of which one works and one is often
//! out of order.

use std::{
    net::SocketAddr,
    sync::{
        Arc, RwLock,
        atomic::{AtomicU32, Ordering},
    },
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;

use crate::{
    context::Cx,
    domain::outbound::destination::{self, NewDestination},
    kernel::{
        clock::{Clock, SystemClock},
        error::Result,
        secret::Secret,
    },
    provider::{
        manifest::webhook::Hash,
        webhook::hmac::{mac, standard_key},
    },
};

/// How far the time of a webhook may be from ours, in seconds.
const TOLERANCE: i64 = 300;

/// Of so many webhooks in a row the second one of the two has trouble with the first half.
const ROUND: u32 = 12;

/// The two, and what they are told.
const DESTINATIONS: [(&str, &str, &[&str]); 2] = [
    ("warehouse", "Warehouse", &["integration.*", "health.changed", "sync.run_*"]),
    ("old-crm", "Old CRM", &["inbox.received", "health.changed"]),
];

/// Who takes webhooks.
#[derive(Clone, Default)]
pub(super) struct Sink {
    /// By path, what signs what comes there.
    secrets: Arc<RwLock<Vec<(&'static str, Secret)>>>,
    came: Arc<AtomicU32>,
}

impl Sink {
    /// Takes webhooks until the play ends.
    pub(super) async fn serve(self, listener: TcpListener) -> std::io::Result<()> {
        axum::serve(listener, Router::new().fallback(take).with_state(self)).await
    }

    /// Has the hub send here.
    pub(super) async fn connect(&self, cx: &Cx, address: SocketAddr) -> Result<()> {
        for (path, name, events) in DESTINATIONS {
            let new = NewDestination {
                name: name.to_owned(),
                url: format!("http://{address}/{path}"),
                events: events.iter().map(|event| (*event).to_owned()).collect(),
                filter: None,
                with_key: false,
            };
            let made = destination::create(cx, new, None).await?;
            let mut secrets = self.secrets.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            secrets.extend(made.secret.map(|secret| (path, secret)));
        }
        Ok(())
    }

    /// Learns what signs what comes to another path.
    pub(super) fn knows(&self, path: &'static str, secret: Secret) {
        self.secrets.write().unwrap_or_else(std::sync::PoisonError::into_inner).push((path, secret));
    }

    fn is_signed(&self, path: &str, headers: &HeaderMap, body: &[u8]) -> bool {
        let secrets = self.secrets.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let key =
            secrets.iter().find(|(known, _)| *known == path).and_then(|(_, secret)| standard_key(secret.expose()));
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (Some(key), Ok(second)) = (key, header("webhook-timestamp").parse::<i64>()) else { return false };
        let parts = [header("webhook-id").as_bytes(), b".", header("webhook-timestamp").as_bytes(), b".", body];
        let right = format!("v1,{}", BASE64_STANDARD.encode(mac(Hash::Sha256, &key, &parts)));
        let mut offered = header("webhook-signature").split(' ');
        (SystemClock.now().timestamp() - second).abs() <= TOLERANCE
            && offered.any(|one| bool::from(one.as_bytes().ct_eq(right.as_bytes())))
    }
}

async fn take(State(sink): State<Sink>, uri: Uri, headers: HeaderMap, body: Bytes) -> (StatusCode, &'static str) {
    let path = uri.path().trim_start_matches('/');
    if !sink.is_signed(path, &headers, &body) {
        return (StatusCode::UNAUTHORIZED, "this is not signed with the secret that we know\n");
    }
    if path == DESTINATIONS[1].0 && sink.came.fetch_add(1, Ordering::Relaxed) % ROUND < ROUND / 2 {
        return (StatusCode::SERVICE_UNAVAILABLE, "we are counting our tea; come back later\n");
    }
    (StatusCode::OK, "thank you\n")
}
