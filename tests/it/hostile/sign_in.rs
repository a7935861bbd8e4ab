//! Sign-ins by many at once: what they cost in memory, and how many passwords they try.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

use chrono::TimeDelta;
use futures_util::future::join_all;
use portolan::{
    context::{Cx, RequestInfo},
    domain::access::{
        link::{self, Purpose},
        session::{self, Client},
    },
    kernel::{
        actor::{Actor, Caller},
        error::{Code, Error},
        scope::Role,
    },
};
use serde_json::json;

use crate::support::{
    TestHub,
    database::TestDatabase,
    process::{Server, run_on},
    wire::head,
};

const SIGN_IN: &str = "mutation($email: String!, $password: String!) {
    signIn(input: { email: $email, password: $password }) { session { accessToken } userErrors { code } } }";
const PASSWORD: &str = "correct horse battery";
const GUESSES: usize = 200;

/// Hashes that cost little, since these tests are not about the cost.
const CHEAP: [(&str, &str); 2] =
    [("PORTOLAN_ACCESS_PASSWORD_MEMORY", "64KiB"), ("PORTOLAN_ACCESS_PASSWORD_PASSES", "1")];

/// A figure of a process in MiB: `VmRSS`, or `VmHWM` for the highest it ever was.
fn memory(process: u32, figure: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(figure)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_sign_ins_moves_memory_by_little() {
    const FLOOD: usize = 2000;
    const CONNECTIONS: usize = 150;
    let database = TestDatabase::with_tables().await;
    // Each sign-in comes from an address of its own, so that no limit but the queue holds it back.
    let server = Server::with(&database, &[("PORTOLAN_HTTP_TRUSTED_PROXIES", "127.0.0.1")]).await;
    let before = memory(server.pid(), "VmRSS");
    let (next, refused, busy) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let flood = join_all((0..CONNECTIONS).map(|_| async {
        let mut wire = server.wire().await;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= FLOOD {
                break;
            }
            let variables = json!({ "email": format!("nobody-{number}@example.com"), "password": "x" });
            let body = json!({ "query": SIGN_IN, "variables": variables }).to_string();
            let from = format!("x-forwarded-for: 10.{}.{}.1\r\n", number / 256, number % 256);
            wire.send(&format!("{}{from}\r\n{body}", head("", body.len()))).await.unwrap();
            let reply = wire.reply().await.unwrap();
            match reply.codes()[0].as_str() {
                "UNAUTHENTICATED" => refused.fetch_add(1, Ordering::Relaxed),
                "SERVICE_UNAVAILABLE" => {
                    assert_eq!(reply.header("retry-after"), "5", "{}", reply.text);
                    busy.fetch_add(1, Ordering::Relaxed)
                }
                // On a busy machine one may wait for longer than an operation may take.
                "TIMEOUT" => busy.fetch_add(1, Ordering::Relaxed),
                other => panic!("{other}: {}", reply.text),
            };
        }
    }));
    flood.await;
    let (highest, after) = (memory(server.pid(), "VmHWM"), memory(server.pid(), "VmRSS"));
    let (refused, busy) = (refused.into_inner(), busy.into_inner());
    println!("{refused} hashed, {busy} told to come again; RSS {before} MiB, at most {highest}, then {after}");
    assert_eq!(refused + busy, FLOOD);
    assert!(refused > 10 && busy > 10, "both the hashes and the queue are tried: {refused}, {busy}");
    assert!(highest - before <= 60, "RSS moved from {before} to {highest} MiB");
}

/// A hub with a person who has a password.
async fn with_ann() -> TestHub {
    let hub = TestHub::with(&CHEAP).await;
    let ann = hub.user_of(&hub.tenant, "ann@example.com", Role::Operator).await;
    let (token, _) = link::make(&hub.cx(), ann.id, Purpose::PasswordReset).await.unwrap();
    link::set_password(&hub.cx(), token.expose(), PASSWORD.to_owned().into(), &Client::default()).await.unwrap();
    hub
}

/// A request of a stranger from an address.
fn from(hub: &TestHub, address: [u8; 4]) -> Cx {
    let request = RequestInfo { id: "test".into(), address: Some(IpAddr::from(address)) };
    Cx::new(hub.app.hub().clone(), Caller { actor: Actor::Anonymous, principal: None }, request)
}

async fn sign_in(cx: &Cx, email: &str, password: &str) -> Result<(), Error> {
    session::sign_in(cx, email, password.to_owned().into(), None, &Client::default()).await.map(drop)
}

/// How many of these attempts compared a password; the others were refused by a limit or by the full queue.
fn tried(outcomes: &[Result<(), Error>]) -> usize {
    let code = |outcome: &Result<(), Error>| outcome.as_ref().unwrap_err().code();
    assert!(outcomes.iter().all(|outcome| {
        matches!(code(outcome), Code::Unauthenticated | Code::RateLimited | Code::ServiceUnavailable)
    }));
    outcomes.iter().filter(|outcome| code(outcome) == Code::Unauthenticated).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_guesses_at_once_no_more_are_tried_than_the_limit_allows() {
    let hub = with_ann().await;
    let cx = from(&hub, [10, 0, 0, 1]);
    let guesses = join_all((0..GUESSES).map(|number| {
        let cx = cx.clone();
        async move { sign_in(&cx, "ann@example.com", &format!("guess number {number}")).await }
    }));
    assert_eq!(tried(&guesses.await), 5);
    // Her own address is another one.
    sign_in(&from(&hub, [10, 0, 0, 2]), "ann@example.com", PASSWORD).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_share_the_limit_of_guesses() {
    let hub = with_ann().await;
    let other = TestHub::beside(&hub, &CHEAP).await;
    let nodes = [from(&hub, [10, 0, 0, 1]), from(&other, [10, 0, 0, 1])];
    let guesses = (0..GUESSES).map(|number| {
        let cx = nodes[number % 2].clone();
        async move { sign_in(&cx, "ann@example.com", &format!("guess number {number}")).await }
    });
    assert_eq!(tried(&join_all(guesses).await), 5);
    other.app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_tries_few_accounts_and_is_let_in_again_after_a_short_time() {
    let hub = with_ann().await;
    let shared = from(&hub, [10, 0, 0, 1]);
    let spray = join_all((0..GUESSES).map(|number| {
        let shared = shared.clone();
        async move { sign_in(&shared, &format!("person-{number}@example.com"), "Summer2026!").await }
    }));
    let mut tried_at_once = tried(&spray.await);
    // What the full queue turned away was given back, and is tried now.
    for number in GUESSES.. {
        let outcome = sign_in(&shared, &format!("person-{number}@example.com"), "Summer2026!").await.unwrap_err();
        match outcome.code() {
            Code::Unauthenticated => tried_at_once += 1,
            Code::RateLimited => break,
            other => panic!("{other}"),
        }
    }
    assert_eq!(tried_at_once, 100);
    let refused = sign_in(&shared, "ann@example.com", PASSWORD).await.unwrap_err();
    assert!(matches!(refused, Error::TooOften(seconds) if seconds <= 3), "{refused}");
    sign_in(&from(&hub, [10, 0, 0, 2]), "ann@example.com", PASSWORD).await.unwrap();
    hub.clock.advance(TimeDelta::seconds(3));
    sign_in(&shared, "ann@example.com", PASSWORD).await.unwrap();
    // A success is given back, so that an office that signs in is not taken for a flood.
    for _ in 0..20 {
        sign_in(&shared, "ann@example.com", PASSWORD).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_from_many_addresses_at_one_account_are_limited_too() {
    let hub = with_ann().await;
    let mut tried = 0;
    for address in 0..40 {
        for _ in 0..5 {
            let outcome = sign_in(&from(&hub, [10, 0, 1, address]), "ann@example.com", "wrong password").await;
            tried += usize::from(outcome.unwrap_err().code() == Code::Unauthenticated);
        }
    }
    assert_eq!(tried, 100);
}

#[tokio::test]
async fn a_limit_is_told_with_the_time_to_wait() {
    let hub = with_ann().await;
    let variables = json!({ "email": "ann@example.com", "password": "wrong password" });
    for _ in 0..5 {
        assert_eq!(hub.ask("", SIGN_IN, variables.clone()).await.codes(), ["UNAUTHENTICATED"]);
    }
    let refused = hub.ask("", SIGN_IN, variables).await;
    assert_eq!(refused.codes(), ["RATE_LIMITED"]);
    assert_eq!(refused.header("retry-after"), "120");
    assert_eq!(refused.json()["errors"][0]["extensions"]["retryAfter"], 120);
}

#[tokio::test]
async fn a_hash_that_was_made_with_other_settings_still_fits() {
    let hub = with_ann().await;
    let (more, less) = (("PORTOLAN_ACCESS_PASSWORD_MEMORY", "4MiB"), ("PORTOLAN_ACCESS_PASSWORD_MEMORY", "32KiB"));
    let mut hub = hub;
    for memory in [more, less] {
        hub = hub.restart(&[memory, ("PORTOLAN_ACCESS_PASSWORD_LANES", "2")]).await;
        sign_in(&from(&hub, [10, 0, 0, 1]), "ann@example.com", PASSWORD).await.unwrap();
        let wrong = sign_in(&from(&hub, [10, 0, 0, 1]), "ann@example.com", "wrong password").await;
        assert_eq!(wrong.unwrap_err().code(), Code::Unauthenticated);
    }
}

#[tokio::test]
async fn the_doctor_says_that_a_proxy_is_not_trusted() {
    let database = TestDatabase::with_tables().await;
    let mut settings = database.settings();
    settings.push(("PORTOLAN_PUBLIC_URL".to_owned(), "https://hub.example.com".to_owned()));
    let doctor =
        |settings: &[(String, String)]| crate::support::process::run(database.folder(), settings, &["doctor"]).stdout;
    assert!(doctor(&settings).contains("BAD  proxies   trusted_proxies looks unset: public_url is https"));
    settings.push(("PORTOLAN_HTTP_TRUSTED_PROXIES".to_owned(), "10.0.0.1".to_owned()));
    assert!(doctor(&settings).contains("ok   proxies   X-Forwarded-For is believed from 1"));
    assert!(run_on(&database, &["doctor"]).stdout.contains("ok   proxies   none is trusted"));
}
