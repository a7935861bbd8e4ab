//! Requests that nobody sends by accident, and some that are.
//!
//! Each has one answer: a code of ours, in the shape of a GraphQL answer, below 500, without a word of the
//! libraries underneath, after little work, and nothing is written. The next request is served as ever.
//! [`bodies`] holds what is not a GraphQL request, [`texts`] what is not a document, or is one that would cost
//! too much, [`values`] arguments and variables, [`heads`] credentials and tenants, [`sockets`] what needs a
//! connection, [`secrets`] that answers repeat no values, and [`fuzz`] random changes to requests that are
//! fine.
//!
//! Work is the time this thread computed, not the time that passed: the table says it for each case, in
//! microseconds. The bound is that of the promise in a release build, and wide where nothing is optimised.

mod bodies;
mod fuzz;
mod heads;
mod secrets;
mod sign_in;
mod sockets;
mod tenants;
mod texts;
mod values;

use std::time::Duration;

use axum::{body::Body, http::Request};
use portolan::kernel::{error::Code, scope::Role};
use serde_json::{Value, json};

use crate::support::{Reply, TestHub, cpu::thread_time, hub::post, records::Records};

/// What one refusal may cost.
const MOST: Duration = Duration::from_millis(if cfg!(debug_assertions) { 400 } else { 20 });

/// Words that belong to what stands underneath, or to the machine.
const INNER: [&str; 22] = [
    "pest",
    "serde",
    "async_graphql",
    "async-graphql",
    "axum",
    "hyper",
    "tokio",
    "sqlx",
    "sea_orm",
    "sea-orm",
    "sqlite",
    "postgres",
    "database",
    "panicked",
    "unwrap",
    "src/",
    ".rs",
    "/root",
    "/home",
    "::",
    "Some(",
    "Option<",
];

/// What is expected of an answer.
#[derive(Clone, Copy, Debug)]
enum Wanted {
    /// It did not run, for this reason.
    Refused(u16, &'static str),
    /// It ran, and failed for this reason.
    Failed(&'static str),
    /// It ran, and the mutation's payload gives this reason.
    UserError(&'static str),
}

/// One request.
struct Case {
    name: String,
    request: Box<dyn Fn() -> Request<Body>>,
    wanted: Wanted,
}

impl Case {
    fn new(name: impl Into<String>, wanted: Wanted, request: impl Fn() -> Request<Body> + 'static) -> Self {
        Self { name: name.into(), request: Box::new(request), wanted }
    }

    /// A body, as it is.
    fn body(name: &str, wanted: Wanted, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Self::new(name, wanted, move || post("", body.clone()))
    }

    /// A document, with a token.
    fn document(name: &str, wanted: Wanted, token: &str, document: &str) -> Self {
        Self::asked(name, wanted, token, document, &json!({}))
    }

    /// A document and variables, with a token.
    fn asked(name: &str, wanted: Wanted, token: &str, document: &str, variables: &Value) -> Self {
        let body = json!({ "query": document, "variables": variables }).to_string();
        let token = token.to_owned();
        Self::new(name, wanted, move || post(&token, body.clone()))
    }

    #[track_caller]
    fn holds(&self, reply: &Reply) {
        let (name, text) = (&self.name, reply.text.as_str());
        reply.well_formed();
        assert!(reply.status.as_u16() < 500, "{name}: {text}");
        assert!(text.len() < 8_000, "{name}: the answer has {} bytes", text.len());
        clean(name, reply);
        match self.wanted {
            Wanted::Refused(status, code) => {
                assert_eq!(reply.status.as_u16(), status, "{name}: {text}");
                assert!(reply.codes().iter().all(|is| is == code) && !reply.codes().is_empty(), "{name}: {text}");
                assert_eq!(reply.json().get("data"), None, "{name}: {text}");
            }
            Wanted::Failed(code) => {
                assert_eq!((reply.status.as_u16(), reply.codes().concat().as_str()), (200, code), "{name}: {text}");
            }
            Wanted::UserError(code) => {
                let data = reply.data();
                let payload = data.as_object().and_then(|data| data.values().next()).unwrap();
                let codes: Vec<_> = payload["userErrors"].as_array().unwrap().iter().map(|e| &e["code"]).collect();
                assert_eq!(codes, [code], "{name}: {text}");
            }
        }
    }
}

/// Asserts that an answer speaks of the API only, in codes that are documented.
#[track_caller]
fn clean(name: &str, reply: &Reply) {
    let messages: Vec<_> = reply.json()["errors"].as_array().into_iter().flatten().cloned().collect();
    for error in &messages {
        let (message, code) = (error["message"].as_str().unwrap(), error["extensions"]["code"].as_str().unwrap());
        for inner in INNER {
            assert!(!message.to_lowercase().contains(&inner.to_lowercase()), "{name} says {inner}: {message}");
        }
        assert!(message.chars().count() < 600, "{name}: {message}");
        assert!(Code::ALL.iter().any(|known| known.name() == code), "{name}: {code}");
        assert_ne!(code, Code::Internal.name(), "{name}: {message}");
    }
}

/// Sends every case, asserts what is expected of all, and prints the table.
async fn withstand(hub: &TestHub, cases: Vec<Case>) {
    let token = hub.token(Role::Admin).await;
    let before = Records::of(hub).await;
    println!("{:<52} {:>6} {:<30} {:>8}", "case", "status", "code", "CPU µs");
    for case in cases {
        let mut least: Option<Duration> = None;
        let mut reply = None;
        // The least of a few, since the first of anything pays for what is done once.
        for _ in 0..3 {
            let request = (case.request)();
            let started = thread_time();
            let answer = hub.send(request).await;
            let spent = thread_time().zip(started).map(|(end, start)| end.saturating_sub(start));
            least = least.map_or(spent, |least| spent.map(|spent| spent.min(least)));
            case.holds(&answer);
            reply = Some(answer);
        }
        let reply = reply.unwrap();
        let code = match case.wanted {
            Wanted::Refused(_, code) | Wanted::Failed(code) | Wanted::UserError(code) => code,
        };
        let spent = least.map_or("unknown".to_owned(), |least| least.as_micros().to_string());
        println!("{:<52} {:>6} {:<30} {:>8}", case.name, reply.status.as_u16(), code, spent);
        assert!(least.is_none_or(|least| least < MOST), "{} took {spent} µs", case.name);
        let next = hub.ask(&token, "{ viewer { role } }", json!({})).await;
        assert_eq!(next.data()["viewer"]["role"], "ADMIN", "after {}", case.name);
    }
    assert_eq!(Records::of(hub).await, before, "a refusal wrote something");
}
