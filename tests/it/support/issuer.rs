//! An issuer of a test's own: keys, tokens of any kind, and a server that publishes keys or misbehaves.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{StatusCode, Uri, header},
    response::{Html, IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ed25519_dalek::SigningKey;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use p256::{elliptic_curve::sec1::ToEncodedPoint, pkcs8::EncodePrivateKey};
use rsa::{
    pkcs1::EncodeRsaPrivateKey,
    rand_core::{OsRng, RngCore},
    traits::PublicKeyParts,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinSet};

use super::hub::beginning;

pub fn encoded(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// A key pair of an issuer.
#[derive(Clone)]
pub struct TestKey {
    pub id: String,
    pub algorithm: Algorithm,
    /// The public half, as it is published.
    pub jwk: Value,
    private: EncodingKey,
}

impl TestKey {
    /// A new key for one of the three algorithms, by the name that tokens have for it.
    pub fn new(algorithm: &str, id: &str) -> Self {
        match algorithm {
            "RS256" => Self::rsa(2048, id),
            "ES256" => {
                let secret = p256::SecretKey::random(&mut OsRng);
                let point = secret.public_key().to_encoded_point(false);
                let jwk = json!({
                    "kty": "EC", "kid": id, "crv": "P-256", "use": "sig",
                    "x": encoded(point.x().unwrap()), "y": encoded(point.y().unwrap()),
                });
                let private = EncodingKey::from_ec_der(secret.to_pkcs8_der().unwrap().as_bytes());
                Self { id: id.to_owned(), algorithm: Algorithm::ES256, jwk, private }
            }
            "EdDSA" => {
                let mut seed = [0; 32];
                OsRng.fill_bytes(&mut seed);
                let secret = SigningKey::from_bytes(&seed);
                let jwk = json!({ "kty": "OKP", "kid": id, "crv": "Ed25519", "x": encoded(secret.verifying_key().as_bytes()) });
                let header = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
                let private = EncodingKey::from_ed_der(&[&header[..], &seed].concat());
                Self { id: id.to_owned(), algorithm: Algorithm::EdDSA, jwk, private }
            }
            other => panic!("no key is made for {other}"),
        }
    }

    /// A new RSA key of any length.
    pub fn rsa(bits: usize, id: &str) -> Self {
        let secret = rsa::RsaPrivateKey::new(&mut OsRng, bits).unwrap();
        let jwk = json!({
            "kty": "RSA", "kid": id, "use": "sig", "alg": "RS256",
            "n": encoded(secret.n().to_bytes_be()), "e": encoded(secret.e().to_bytes_be()),
        });
        let private = EncodingKey::from_rsa_der(secret.to_pkcs1_der().unwrap().as_bytes());
        Self { id: id.to_owned(), algorithm: Algorithm::RS256, jwk, private }
    }

    /// The header of an honest token.
    pub fn header(&self) -> Value {
        json!({ "alg": format!("{:?}", self.algorithm), "typ": "at+jwt", "kid": self.id })
    }

    /// A token with any header and any claims, signed with this key.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_as(self.algorithm, header, claims)
    }

    /// The same, signed with another algorithm of the family.
    pub fn sign_as(&self, algorithm: Algorithm, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let signature = crypto::sign(message.as_bytes(), &self.private, algorithm).unwrap();
        format!("{message}.{signature}")
    }

    /// An honest token.
    pub fn token(&self, claims: &Value) -> String {
        self.sign(&self.header(), claims)
    }
}

/// How the server answers.
#[derive(Clone, Debug)]
pub enum Mood {
    /// As it should.
    Well,
    /// With a status.
    Status(u16),
    /// With a page for people.
    Page,
    /// Without end.
    Endless,
    /// Not within any time that somebody waits.
    Silent,
    /// With a JSON text that is something else.
    Json(Value),
    /// With a redirect.
    Elsewhere(String),
}

/// A server that publishes keys and counts who asks.
pub struct TestIssuer {
    pub address: SocketAddr,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

struct State {
    url: String,
    asked: Mutex<BTreeMap<String, usize>>,
    mood: Mutex<Mood>,
    keys: Mutex<Vec<Value>>,
    jwks_uri: Mutex<String>,
    /// Each answer takes one; a test that wants answers to wait takes them all.
    turns: Semaphore,
}

const TURNS: u32 = 1000;

impl TestIssuer {
    /// A server with these keys.
    pub async fn start(keys: &[&TestKey]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let url = format!("http://{address}");
        let state = Arc::new(State {
            asked: Mutex::default(),
            mood: Mutex::new(Mood::Well),
            keys: Mutex::default(),
            jwks_uri: Mutex::new(format!("{url}/keys")),
            turns: Semaphore::new(TURNS as usize),
            url,
        });
        let shared = Arc::clone(&state);
        let router = Router::new().fallback(move |uri: Uri| answer(Arc::clone(&shared), uri));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum_serve(listener, router).await });
        let issuer = Self { address, state, _tasks: tasks };
        issuer.publish(keys);
        issuer
    }

    /// Its name, which is its address.
    pub fn url(&self) -> &str {
        &self.state.url
    }

    /// Publishes these keys in the place of earlier ones.
    pub fn publish(&self, keys: &[&TestKey]) {
        self.publish_raw(keys.iter().map(|key| key.jwk.clone()).collect());
    }

    pub fn publish_raw(&self, keys: Vec<Value>) {
        *self.state.keys.lock().unwrap() = keys;
    }

    pub fn set(&self, mood: Mood) {
        *self.state.mood.lock().unwrap() = mood;
    }

    /// Where the discovery document says that the keys are.
    pub fn lead_to(&self, jwks_uri: &str) {
        jwks_uri.clone_into(&mut self.state.jwks_uri.lock().unwrap());
    }

    /// How often a path was asked for.
    pub fn asked(&self, path: &str) -> usize {
        self.state.asked.lock().unwrap().get(path).copied().unwrap_or_default()
    }

    /// How often anything was asked for.
    pub fn asked_at_all(&self) -> usize {
        self.state.asked.lock().unwrap().values().sum()
    }

    /// Lets every answer wait for as long as this is held.
    pub async fn hold(&self) -> tokio::sync::SemaphorePermit<'_> {
        self.state.turns.acquire_many(TURNS).await.unwrap()
    }

    /// The claims of an honest token, good for ten minutes from the beginning of the test.
    pub fn claims(&self, audience: &str) -> Value {
        json!({
            "iss": self.url(), "aud": audience, "sub": "somebody", "iat": beginning().timestamp(),
            "exp": beginning().timestamp() + 600, "roles": ["admins"],
        })
    }
}

async fn answer(state: Arc<State>, uri: Uri) -> Response {
    *state.asked.lock().unwrap().entry(uri.path().to_owned()).or_default() += 1;
    let _turn = state.turns.acquire().await.unwrap();
    let mood = state.mood.lock().unwrap().clone();
    match mood {
        Mood::Well => {}
        Mood::Status(status) => return StatusCode::from_u16(status).unwrap().into_response(),
        Mood::Page => return Html("<html><body>Sign in</body></html>").into_response(),
        Mood::Endless => {
            let spaces = Bytes::from(vec![b' '; 64 * 1024]);
            let endless = futures_util::stream::repeat_with(move || Ok::<_, std::convert::Infallible>(spaces.clone()));
            return Body::from_stream(endless).into_response();
        }
        Mood::Silent => tokio::time::sleep(Duration::from_mins(10)).await,
        Mood::Json(value) => return json_of(&value),
        Mood::Elsewhere(to) => return (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
    }
    match uri.path() {
        "/.well-known/openid-configuration" => {
            json_of(&json!({ "issuer": state.url, "jwks_uri": *state.jwks_uri.lock().unwrap() }))
        }
        "/keys" => json_of(&json!({ "keys": *state.keys.lock().unwrap() })),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn json_of(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

/// What `axum::serve` does, which needs features of axum that the hub does not.
async fn axum_serve(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let service = hyper_util::service::TowerToHyperService::new(router.clone());
        connections.spawn(async move {
            let socket = hyper_util::rt::TokioIo::new(socket);
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(socket, service).await;
        });
    }
}
