//! A program that panics with secrets in its hands says nothing of them.
//!
//! Nothing that a client sends makes the shipped program panic, so this test's own program does it: it starts
//! itself once more, with a clock and dice that fail at the n-th use, for every n that a request gets to; what
//! that process writes is scanned, the panics' own words and their traces among it.

use std::{
    env, fs,
    panic::AssertUnwindSafe,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use axum::{body::Body, http::Request};
use futures_util::FutureExt;
use http_body_util::BodyExt;
use portolan::{
    app::{App, World},
    config::{Config, Flags, LogFormat},
    domain::access::{
        link::{self, Purpose},
        session::Client,
    },
    kernel::{
        chance::{Chance, SystemChance},
        clock::{Clock, Moment, SystemClock},
        scope::Role,
        secret::Secret,
    },
    telemetry,
};
use serde_json::json;
use tower::ServiceExt;

use super::canaries::Canaries;
use crate::support::{TestHub, hub::post};

/// In which variables passwords are handed over, and the name of a file into which other secrets are written.
const SECRETS: &str = "TEST_CANARIES";
const MINTED: &str = "TEST_CANARIES_MINTED";

/// Fails when it has been used so many times; never, below zero.
#[derive(Clone, Default)]
struct Trap(Arc<AtomicI64>);

impl Trap {
    fn step(&self) {
        assert_ne!(self.0.fetch_sub(1, Ordering::SeqCst), 0, "the trap was open");
    }
}

impl Clock for Trap {
    fn now(&self) -> Moment {
        self.step();
        SystemClock.now()
    }
}

impl Chance for Trap {
    fn fill(&self, bytes: &mut [u8]) {
        self.step();
        SystemChance.fill(bytes);
    }
}

/// What somebody asks who has all of these.
fn requests(of: &Held) -> Vec<Request<Body>> {
    let ask = |token: &str, query: &str, input: serde_json::Value| {
        post(token, json!({ "query": query, "variables": { "input": input } }).to_string())
    };
    vec![
        ask(
            "",
            "mutation($input: SignInInput!) { signIn(input: $input) { session { accessToken } } }",
            json!({ "email": MAIL, "password": of.password }),
        ),
        ask(
            "",
            "mutation($input: RefreshSessionInput!) { refreshSession(input: $input) { session { accessToken } } }",
            json!({ "refreshToken": of.refresh }),
        ),
        ask(
            "",
            "mutation($input: SetPasswordInput!) { setPassword(input: $input) { session { accessToken } } }",
            json!({ "token": of.link, "password": of.next }),
        ),
        ask(
            &of.access,
            "mutation($input: ChangePasswordInput!) { changePassword(input: $input) { session { accessToken } } }",
            json!({ "currentPassword": of.password, "newPassword": of.next }),
        ),
        ask(
            &of.token,
            "mutation($input: CreateApiTokenInput!) { createApiToken(input: $input) { apiToken { id } } }",
            json!({ "name": "A", "role": "VIEWER" }),
        ),
    ]
}

const MAIL: &str = "ann@example.com";

/// Secrets of a person.
struct Held {
    password: String,
    next: String,
    refresh: String,
    access: String,
    link: String,
    token: String,
}

impl Held {
    /// Signs a person in, with these passwords.
    async fn by(hub: &TestHub, password: &str, next: &str) -> Self {
        let user = hub.user_of(&hub.tenant, MAIL, Role::Admin).await.id;
        let (link, _) = link::make(&hub.cx(), user, Purpose::Activation).await.unwrap();
        let client = Client::default();
        let text = Secret::from(password.to_owned());
        let pair = link::set_password(&hub.cx(), link.expose(), text, &client).await.unwrap();
        let (link, _) = link::make(&hub.cx(), user, Purpose::PasswordReset).await.unwrap();
        Self {
            password: password.to_owned(),
            next: next.to_owned(),
            refresh: pair.refresh.expose().to_owned(),
            access: pair.access.expose().to_owned(),
            link: link.expose().to_owned(),
            token: hub.token(Role::Admin).await,
        }
    }
}

#[tokio::test]
#[ignore = "run by the test below, in a process of its own"]
async fn trapped() {
    let (Ok(secrets), Ok(minted)) = (env::var(SECRETS), env::var(MINTED)) else { return };
    let (password, next) = secrets.split_once(' ').unwrap();
    telemetry::start_logging("trace", LogFormat::Json).unwrap();
    let hub = TestHub::with(&[("PORTOLAN_ACCESS_PASSWORD_MEMORY", "64KiB")]).await;
    let held = Held::by(&hub, password, next).await;
    fs::write(minted, [&held.refresh, &held.access, &held.link, &held.token].map(String::as_str).join(" ")).unwrap();
    let trap = Trap::default();
    trap.0.store(i64::MAX, Ordering::SeqCst);
    let world = World { clock: Arc::new(trap.clone()), chance: Arc::new(trap.clone()) };
    let mut settings = hub.database.settings();
    settings.push(("PORTOLAN_ACCESS_PASSWORD_MEMORY".to_owned(), "64KiB".to_owned()));
    let config = Config::load(&Flags::default(), settings, hub.database.folder()).unwrap();
    let app = App::open(&config, world).await.unwrap();
    for uses in 0..40 {
        for request in requests(&held) {
            trap.0.store(uses, Ordering::SeqCst);
            let router = app.router();
            let answering = AssertUnwindSafe(async {
                let response = router.oneshot(request).await.unwrap();
                (response.status(), response.into_body().collect().await.unwrap().to_bytes())
            });
            let answer = answering.catch_unwind().await;
            trap.0.store(i64::MAX, Ordering::SeqCst);
            match answer {
                // What hands a token out is not repeated here.
                Ok((status, body)) if String::from_utf8_lossy(&body).contains("errors") => {
                    println!("{uses}: {status} {}", String::from_utf8_lossy(&body));
                }
                Ok((status, _)) => println!("{uses}: {status}"),
                // Outside of every handler; the server gives the connection up.
                Err(_) => println!("{uses}: no answer"),
            }
        }
    }
    app.close().await;
}

#[test]
fn a_panic_with_secrets_at_hand_says_none_of_them() {
    let (mut canaries, folder) = (Canaries::new(), tempfile::tempdir().unwrap());
    let passwords = ["a password at a panic", "a new password at a panic"].map(|kind| canaries.make(kind));
    let minted = folder.path().join("minted");
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["canary::panics::trapped", "--exact", "--ignored", "--nocapture"]);
    child.env(SECRETS, passwords.join(" ")).env(MINTED, &minted).stdin(Stdio::null());
    let output = child.env("RUST_BACKTRACE", "full").env("RUST_LOG", "trace").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let minted = fs::read_to_string(minted).unwrap();
    let [refresh, access, link, token] = minted.split(' ').collect::<Vec<_>>()[..] else { panic!("four secrets") };
    canaries.token("a refresh token at a panic", refresh);
    canaries.jwt("an access token at a panic", access);
    canaries.token("a link at a panic", link);
    canaries.token("an API token at a panic", token);
    let said = [output.stdout, output.stderr].concat();
    let panics = String::from_utf8_lossy(&said).matches("the trap was open").count();
    println!("{panics} panics in {} kB", said.len() / 1_000);
    assert!(panics > 40, "{panics}");
    let found = canaries.scanner().find(&said);
    let found: Vec<_> = found.into_iter().map(|(secret, form)| (&canaries.all[secret].kind, form)).collect();
    assert_eq!(found, []);
}
