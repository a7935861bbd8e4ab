//! Who takes the webhooks and looks at the clock.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Instant,
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use portolan::kernel::clock::{Clock, SystemClock};
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle};

#[derive(Default)]
struct Came {
    /// Milliseconds from the change to its arrival.
    took: Mutex<Vec<f64>>,
    arrived: Notify,
}

pub(crate) struct Sink {
    pub(crate) address: SocketAddr,
    came: Arc<Came>,
    serving: JoinHandle<()>,
}

impl Sink {
    #[expect(clippy::disallowed_methods, reason = "nothing else waits for the sink")]
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let came = Arc::<Came>::default();
        let router = Router::new().fallback(take).with_state(Arc::clone(&came));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, came, serving }
    }

    /// Waits until so many came. Says how many seconds that took from now, and how long each was on its way.
    pub(crate) async fn came(self, wanted: usize) -> (f64, Vec<f64>) {
        let began = Instant::now();
        loop {
            let arrived = self.came.arrived.notified();
            if self.came.took.lock().unwrap().len() >= wanted {
                break;
            }
            arrived.await;
        }
        let seconds = began.elapsed().as_secs_f64();
        self.serving.abort();
        let took = std::mem::take(&mut *self.came.took.lock().unwrap());
        (seconds, took)
    }
}

async fn take(State(came): State<Arc<Came>>, body: Bytes) -> StatusCode {
    let said: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let sent: DateTime<Utc> = said["timestamp"].as_str().unwrap().parse().unwrap();
    let took = (SystemClock.now() - sent).num_microseconds().unwrap_or_default();
    came.took.lock().unwrap().push(took as f64 / 1_000.0);
    came.arrived.notify_one();
    StatusCode::NO_CONTENT
}
