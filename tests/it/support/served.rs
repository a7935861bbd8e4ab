//! A hub of a test's own, in this process, that listens.

use std::{net::SocketAddr, ops::Deref, sync::Arc};

use portolan::http::serve::Drained;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::TestHub;

/// A hub and where it listens.
pub struct Served {
    pub address: SocketAddr,
    hub: Arc<TestHub>,
    stop: CancellationToken,
    _serving: JoinSet<Drained>,
}

impl Served {
    /// One with default settings.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// One with some settings changed.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        Self::of(Arc::new(TestHub::with(settings).await)).await
    }

    /// One that is there already.
    pub async fn of(hub: Arc<TestHub>) -> Self {
        // What the start wrote is numbered, so that it is not taken for what comes from now on.
        hub.number_events().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let (served, stopped) = (Arc::clone(&hub), stop.clone());
        let mut serving = JoinSet::new();
        serving.spawn(async move { served.app.serve(listener, stopped).await });
        Self { address, hub, stop, _serving: serving }
    }

    /// Tells it to stop, and does not wait.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

impl Deref for Served {
    type Target = TestHub;

    fn deref(&self) -> &TestHub {
        &self.hub
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
