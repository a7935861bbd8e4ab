//! A server that takes webhooks, as a test tells it to.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Response, Uri},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use portolan::provider::{manifest::webhook::Hash, webhook::hmac::mac};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinSet};

/// A webhook that came.
#[derive(Clone, Debug)]
pub struct Came {
    pub path: String,
    pub id: String,
    pub timestamp: String,
    pub signatures: Vec<String>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Came {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn subject(&self) -> String {
        self.json()["data"]["subject"].as_str().unwrap().to_owned()
    }

    pub fn number(&self) -> u64 {
        self.json()["data"]["facts"]["number"].as_u64().unwrap()
    }

    /// How many of the signatures the secret makes.
    pub fn signed_by(&self, secret: &str) -> usize {
        let key = BASE64_STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let parts = [self.id.as_bytes(), b".", self.timestamp.as_bytes(), b".", &self.body];
        let right = format!("v1,{}", BASE64_STANDARD.encode(mac(Hash::Sha256, &key, &parts)));
        self.signatures.iter().filter(|one| **one == right).count()
    }
}

/// What is answered.
pub enum Say {
    Status(u16),
    With(u16, Vec<(&'static str, String)>, String),
    Late(Duration, u16),
    /// 200, and then a part of a body again and again, after so long each.
    Endless(Duration, usize),
}

type Script = Arc<dyn Fn(&Came) -> Say + Send + Sync>;

#[derive(Default)]
struct Heard {
    came: Vec<Came>,
    scripts: HashMap<String, Script>,
}

pub struct Sink {
    pub address: SocketAddr,
    heard: Arc<Mutex<Heard>>,
    _serving: JoinSet<()>,
}

impl Sink {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::<Mutex<Heard>>::default();
        let router = Router::new().fallback(take).with_state(Arc::clone(&heard));
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, heard, _serving: serving }
    }

    /// What is answered at a path from now on.
    pub fn at(&self, path: &str, script: impl Fn(&Came) -> Say + Send + Sync + 'static) {
        self.heard.lock().unwrap().scripts.insert(path.to_owned(), Arc::new(script));
    }

    /// What came, in order.
    pub fn came(&self) -> Vec<Came> {
        self.heard.lock().unwrap().came.clone()
    }

    pub fn came_to(&self, path: &str) -> Vec<Came> {
        self.came().into_iter().filter(|came| came.path == path).collect()
    }

    pub fn forget(&self) {
        self.heard.lock().unwrap().came.clear();
    }
}

async fn take(State(heard): State<Arc<Mutex<Heard>>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    let came = Came {
        path: uri.path().trim_start_matches('/').to_owned(),
        id: text("webhook-id"),
        timestamp: text("webhook-timestamp"),
        signatures: text("webhook-signature").split(' ').map(str::to_owned).collect(),
        body,
        headers: headers.clone(),
    };
    let script = {
        let mut heard = heard.lock().unwrap();
        heard.came.push(came.clone());
        heard.scripts.get(&came.path).cloned()
    };
    let said = script.map_or(Say::Status(204), |script| script(&came));
    let answer = |status: u16| Response::builder().status(status);
    match said {
        Say::Status(status) => answer(status).body(Body::empty()).unwrap(),
        Say::With(status, headers, body) => {
            let mut answer = answer(status);
            for (name, value) in headers {
                answer = answer.header(name, value);
            }
            answer.body(Body::from(body)).unwrap()
        }
        Say::Late(wait, status) => {
            tokio::time::sleep(wait).await;
            answer(status).body(Body::empty()).unwrap()
        }
        Say::Endless(wait, size) => {
            let parts = futures_util::stream::unfold((), move |()| async move {
                tokio::time::sleep(wait).await;
                Some((Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; size])), ()))
            });
            answer(200).body(Body::from_stream(parts)).unwrap()
        }
    }
}
