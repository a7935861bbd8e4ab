//! A fault of ours: whoever met it gets a coded answer, everybody else notices nothing.
//!
//! The clock and the dice of a hub are given to it, so that a test can make them fail on demand: the clock
//! fails where a request is authenticated, the dice where a resolver makes an id.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{Router, body::Body, http::Request};
use http_body_util::BodyExt;
use portolan::{
    app::{App, World},
    config::{Config, Flags},
    kernel::{
        chance::{Chance, SystemChance},
        clock::{Clock, Moment},
        scope::Role,
    },
};
use serde_json::json;
use tower::ServiceExt;

use crate::support::{
    Reply, TestHub,
    hub::{beginning, post},
    records::Records,
    request::With,
};

/// Fails while the flag is up.
struct Trap(Arc<AtomicBool>);

impl Trap {
    fn step(&self) {
        assert!(!self.0.load(Ordering::SeqCst), "/home/secret/path.rs: the trap was open");
    }
}

impl Clock for Trap {
    fn now(&self) -> Moment {
        self.step();
        beginning()
    }
}

impl Chance for Trap {
    fn fill(&self, bytes: &mut [u8]) {
        self.step();
        SystemChance.fill(bytes);
    }
}

async fn send(router: &Router, request: Request<Body>) -> Reply {
    let response = router.clone().oneshot(request.with("x-request-id", "trap")).await.unwrap();
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Reply { status: head.status, headers: head.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
}

#[tokio::test]
async fn a_panic_is_one_request_s_failure_and_tells_nothing() {
    let hub = TestHub::start().await;
    let token = hub.token(Role::SuperAdmin).await;
    let (clock, dice) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let world = World { clock: Arc::new(Trap(Arc::clone(&clock))), chance: Arc::new(Trap(Arc::clone(&dice))) };
    let config = Config::load(&Flags::default(), hub.database.settings(), hub.database.folder()).unwrap();
    let app = App::open(&config, world).await.unwrap();
    let router = app.router();
    let create = json!({
        "query": "mutation($input: CreateUserInput!) { createUser(input: $input) { user { email } } }",
        "variables": { "input": { "email": "ann@example.com", "name": "Ann", "role": "VIEWER" } },
    });
    let before = Records::of(&hub).await;
    for (trap, part) in [(&dice, "a resolver"), (&clock, "a handler")] {
        trap.store(true, Ordering::SeqCst);
        let failed = send(&router, post(&token, create.to_string())).await;
        trap.store(false, Ordering::SeqCst);
        failed.refused(500, "INTERNAL_SERVER_ERROR");
        assert!(!failed.text.contains("trap was") && !failed.text.contains("path.rs"), "{part}: {}", failed.text);
        assert_eq!(failed.header("x-content-type-options"), "nosniff");
        assert_eq!(Records::of(&hub).await, before, "{part} left something half-written");
    }
    let done = send(&router, post(&token, create.to_string())).await;
    assert_eq!(done.data()["createUser"]["user"]["email"], "ann@example.com");
    app.close().await;
}
