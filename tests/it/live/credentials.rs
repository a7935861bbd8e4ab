//! Credentials that are wrong, end, are taken back or renewed while a socket or a stream is open.

use std::time::{Duration, Instant};

use chrono::{SubsecRound, TimeDelta, Utc};
use portolan::{
    domain::access::{membership, session, token},
    kernel::scope::{Role, Scope},
};
use serde_json::{Value, json};

use super::{AFTER, now, tick};
use crate::support::{
    TestHub,
    database::TestDatabase,
    process::{self, Server},
    request::With,
    served::Served,
    socket::{CLOSE, Socket, head},
    stream::Heard,
};

/// What the issue promises.
const SOON: Duration = Duration::from_secs(5);

const CURSOR: &str = "{ events(last: 1) { nodes { cursor } } }";

fn init(payload: &Value) -> Value {
    json!({ "type": "connection_init", "payload": payload })
}

#[tokio::test(flavor = "multi_thread")]
async fn who_believes_to_be_signed_in_and_is_not_hears_it() {
    let hub = Served::start().await;
    hub.another_tenant("other").await;
    let token = hub.token(Role::Admin).await;
    let good = format!("Bearer {token}");
    let (revoked_id, revoked) = hub.new_token(&hub.tenant, Role::Admin, None, None).await;
    token::revoke(&hub.cx(), revoked_id.parse().unwrap()).await.unwrap();
    let cases = [
        json!({ "authorization": "Bearer ptl_nonsense" }),
        json!({ "authorization": format!("Bearer {revoked}") }),
        json!({ "authorization": token }),
        json!({ "authorization": format!("Basic {token}") }),
        json!({ "authorization": "" }),
        json!({ "authorization": 7 }),
        json!({ "authorization": [good] }),
        json!({ "authorization": good, "Authorization": good }),
        json!({ "authorization": good, "x-portolan-tenant": "other" }),
        json!({ "authorization": good, "x-portolan-tenant": "nowhere" }),
        json!({ "authorization": good, "x-portolan-tenant": 7 }),
    ];
    for payload in cases {
        let mut socket = Socket::open(hub.address).await;
        socket.say(&init(&payload)).await;
        assert_eq!(socket.closed().await.0, 4403, "{payload}");
    }
    for payload in [json!({ "Authorization": good }), json!({ "AUTHORIZATION": format!("bearer {token}"), "else": 1 })]
    {
        let mut socket = Socket::open(hub.address).await;
        socket.say(&init(&payload)).await;
        assert_eq!(socket.message().await["type"], "connection_ack", "names in payloads are as those of headers");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_payload_chooses_a_tenant_together_with_a_credential() {
    let hub = Served::start().await;
    let other = hub.another_tenant("other").await;
    let super_admin = format!("Bearer {}", hub.token(Role::SuperAdmin).await);
    let mut socket = Socket::open(hub.address).await;
    socket.say(&init(&json!({ "authorization": super_admin, "X-Portolan-Tenant": "other" }))).await;
    assert_eq!(socket.message().await["type"], "connection_ack");
    socket.subscribe("1", "subscription { events(after: \"\") { id } }", json!({})).await;
    assert_eq!(socket.error("1").await, ["BAD_USER_INPUT"]);
    socket.subscribe("1", "{ viewer { tenant { id } } }", json!({})).await;
    assert_eq!(socket.next("1").await["data"]["viewer"]["tenant"]["id"], other.id.to_string());

    let (_, mut socket) = Socket::shake(hub.address, &format!("{}authorization: {super_admin}\r\n", head())).await;
    socket.say(&init(&json!({ "x-portolan-tenant": "other" }))).await;
    assert_eq!(socket.closed().await.0, 4400, "half a choice is none");
    let mut stranger = Socket::open(hub.address).await;
    stranger.say(&init(&json!({ "x-portolan-tenant": "other" }))).await;
    assert_eq!(stranger.message().await["type"], "connection_ack", "as over plain HTTP");
}

/// A socket and a stream of somebody, both running.
struct Connected {
    socket: Socket,
    stream: crate::support::stream::Stream,
    begun: Instant,
}

impl Connected {
    async fn of(hub: &Served, token: &str) -> Self {
        let cursor = now(hub).await;
        let mut socket = Socket::signed_in(hub.address, token).await;
        socket.subscribe("1", AFTER, json!({ "after": cursor })).await;
        let mut stream = hub.follow(token, AFTER, json!({ "after": cursor })).await;
        tick(hub, [1]).await;
        socket.next("1").await;
        stream.event().await;
        Self { socket, stream, begun: Instant::now() }
    }

    /// Asserts that both are ended soon, with what there is to say.
    async fn end(mut self, what: &str) {
        let begun = Instant::now();
        let (code, reason) = self.socket.closed().await;
        let socket = begun.elapsed();
        assert_eq!(code, 4403, "{what}: {reason}");
        let last = loop {
            let event = self.stream.event().await;
            if event.kind == "next" && !event.codes().is_empty() {
                break event;
            }
        };
        assert_eq!((last.codes(), &last.id), (vec!["UNAUTHENTICATED".to_owned()], &None), "{what}: {last:?}");
        self.stream.completed().await;
        let stream = begun.elapsed();
        println!("{what}: socket closed after {socket:?}, stream after {stream:?}");
        assert!(socket < SOON && stream < SOON, "{what}: {socket:?}, {stream:?}");
    }

    /// Asserts that both still run.
    async fn go_on(&mut self, hub: &TestHub) {
        tick(hub, [2]).await;
        assert_eq!(self.socket.next("1").await["data"]["events"]["kind"], "test.ticked");
        assert_eq!(self.stream.event().await.kind, "next");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_ends_its_streams_and_no_others() {
    let hub = Served::start().await;
    let (id, revoked) = hub.new_token(&hub.tenant, Role::Viewer, None, None).await;
    let mut other = Connected::of(&hub, &hub.token(Role::Viewer).await).await;
    let ended = Connected::of(&hub, &revoked).await;
    token::revoke(&hub.cx(), id.parse().unwrap()).await.unwrap();
    ended.end("a token was revoked").await;
    other.socket.next("1").await;
    other.stream.event().await;
    other.go_on(&hub).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_session_and_a_lost_role_end_the_streams_of_a_person() {
    let hub = Served::start().await;
    for what in ["signed out", "signed out by an administrator", "another role", "no membership"] {
        let email = format!("{}@example.test", what.replace(' ', "-"));
        let user = hub.user_of(&hub.tenant, &email, Role::Viewer).await;
        let token = hub.session_of(&hub.tenant, user.id).await;
        let mut other = Connected::of(&hub, &hub.token(Role::Viewer).await).await;
        let ended = Connected::of(&hub, &token).await;
        let cx = hub.cx();
        match what {
            "signed out" => {
                hub.ask(&token, "mutation { signOut { userErrors { code } } }", json!({})).await.data();
            }
            "signed out by an administrator" => drop(session::revoke_all(&cx, user.id).await.unwrap()),
            _ => {
                let bond = membership::of_users(&cx, &[user.id]).await.unwrap()[0].id;
                if what == "another role" {
                    membership::change_role(&cx, bond, Role::Operator).await.unwrap();
                } else {
                    membership::revoke(&cx, bond).await.unwrap();
                }
            }
        }
        ended.end(what).await;
        other.socket.next("1").await;
        other.stream.event().await;
        other.go_on(&hub).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_revoked_between_handshake_and_init_opens_nothing_for_long() {
    let hub = Served::start().await;
    let (id, token) = hub.new_token(&hub.tenant, Role::Viewer, None, None).await;
    let (_, mut socket) = Socket::shake(hub.address, &format!("{}authorization: Bearer {token}\r\n", head())).await;
    token::revoke(&hub.cx(), id.parse().unwrap()).await.unwrap();
    socket.say(&init(&json!({}))).await;
    let begun = Instant::now();
    assert_eq!(socket.closed().await.0, 4403);
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_nothing_loses_a_revoked_token_too() {
    let hub = Served::start().await;
    let (id, token) = hub.new_token(&hub.tenant, Role::Viewer, None, None).await;
    let mut socket = Socket::narrow(hub.address).await;
    socket.init(&token).await;
    socket.subscribe("1", AFTER, json!({ "after": now(&hub).await })).await;
    // More than is taken for somebody who reads nothing.
    for _ in 0..20 {
        hub.cx().write(async |txn| (0..400).try_for_each(|count| txn.emit(&super::Tick { count }))).await.unwrap();
    }
    token::revoke(&hub.cx(), id.parse().unwrap()).await.unwrap();
    let begun = Instant::now();
    while super::counted(&hub, "http_sockets_open") > 0 {
        assert!(begun.elapsed() < process::LIMIT, "it is still open");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("closed after {:?}", begun.elapsed());
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

/// A token of the command line that ends so long from now.
fn ending(database: &TestDatabase, role: &str, within: TimeDelta) -> (String, chrono::DateTime<Utc>) {
    #[expect(clippy::disallowed_methods, reason = "the server has the machine's clock")]
    let until = (Utc::now() + within).trunc_subsecs(3);
    let arguments = ["token", "create", "--tenant", "default", "--role", role, "--expires-at", &until.to_rfc3339()];
    let made = process::run_on(database, &arguments);
    assert_eq!(made.code, Some(0), "{made:?}");
    (made.stdout.trim_end().to_owned(), until)
}

#[expect(clippy::disallowed_methods, reason = "the server has the machine's clock")]
fn past(moment: chrono::DateTime<Utc>) -> Duration {
    (Utc::now() - moment).to_std().expect("it was not closed before its time")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_ends_its_streams_at_once_and_a_renewed_one_does_not() {
    let database = TestDatabase::create().await;
    let server = Server::start(&database).await;
    let lasting = process::token(&database, "admin");
    let (short, until) = ending(&database, "admin", TimeDelta::seconds(45));
    // On PostgreSQL what was committed is numbered a moment later; nothing of before may come after the cursor.
    let tokens = "{ events(topics: [ACCESS], last: 100) { nodes { kind } } }";
    process::until("both tokens are in the log", async || {
        let events = server.ask(&lasting, tokens, json!({})).await.data()["events"]["nodes"].clone();
        let made = events.as_array()?.iter().filter(|event| event["kind"] == "api_token.created").count();
        (made == 2).then_some(())
    })
    .await;
    let cursor = server.ask(&lasting, CURSOR, json!({})).await.data()["events"]["nodes"][0]["cursor"].clone();

    let mut expires = Socket::open(server.address).await;
    let said = expires.init(&short).await;
    assert_eq!(said["expiresAt"].as_str().unwrap().parse::<chrono::DateTime<Utc>>().unwrap(), until);
    expires.subscribe("1", AFTER, json!({ "after": cursor })).await;
    let mut renewed = Socket::signed_in(server.address, &short).await;
    renewed.subscribe("1", AFTER, json!({ "after": cursor })).await;
    let mut stream =
        crate::support::sse::Sse::open(server.address, &short, AFTER, json!({ "after": cursor }), None).await.unwrap();

    let tenant = server.ask(&lasting, "{ viewer { tenant { id } } }", json!({})).await.data();
    let tenant = tenant["viewer"]["tenant"]["id"].clone();
    let rename = "mutation($input: UpdateTenantInput!) { updateTenant(input: $input) { userErrors { code } } }";
    let change = async |count: i32| {
        let input = json!({ "id": tenant, "name": format!("Name {count}") });
        let reply = server.ask(&lasting, rename, json!({ "input": input })).await;
        assert_eq!(reply.user_codes("updateTenant"), [""; 0]);
    };
    change(0).await;
    renewed.next("1").await;
    let authorization = format!("Bearer {lasting}");
    renewed.say(&json!({ "type": "ping", "payload": { "authorization": authorization } })).await;
    let pong = loop {
        let message = renewed.message().await;
        if message["type"] == "pong" {
            break message;
        }
    };
    assert_eq!(pong["payload"]["expiresAt"], Value::Null);

    let (code, reason) = expires.closed().await;
    let late = past(until);
    assert_eq!((code, reason.as_str()), (4403, "the credential has expired"));
    let last = loop {
        let said = stream.next().await.unwrap().expect("the stream says why it ends");
        if said.json()["errors"].is_array() {
            break said;
        }
    };
    assert_eq!(last.json()["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
    assert_eq!(stream.next().await.unwrap().unwrap().kind, "complete");
    println!("socket closed {late:?} after the end of its token, stream at most {:?} after", past(until));
    assert!(late < SOON && past(until) < SOON);

    for count in 1..=20 {
        change(count).await;
        let item = renewed.next("1").await;
        let name = &item["data"]["events"]["data"]["changes"]["name"]["to"];
        assert_eq!(*name, format!("Name {count}"), "nothing was missed: {item}");
    }
    // A ping with another token of no more time brings the end nearer.
    let (shorter, until) = ending(&database, "admin", TimeDelta::seconds(15));
    let authorization = format!("Bearer {shorter}");
    renewed.say(&json!({ "type": "ping", "payload": { "authorization": authorization } })).await;
    // That a token was made is an event, too.
    while renewed.message().await["type"] != "pong" {}
    assert_eq!(renewed.closed().await.0, 4403);
    assert!(past(until) < SOON);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_credential_of_the_same_rights_renews() {
    let hub = Served::start().await;
    let other = hub.another_tenant("other").await;
    let admin = hub.token(Role::Admin).await;
    let narrowed = hub.new_token(&hub.tenant, Role::Admin, Some(&[Scope::TenantRead]), None).await.1;
    for fresh in [
        hub.token(Role::Viewer).await,
        hub.token(Role::SuperAdmin).await,
        hub.token_of(&other, Role::Admin).await,
        narrowed,
        "ptl_nonsense".to_owned(),
    ] {
        let mut socket = Socket::signed_in(hub.address, &admin).await;
        let authorization = format!("Bearer {fresh}");
        socket.say(&json!({ "type": "ping", "payload": { "authorization": authorization } })).await;
        assert_eq!(socket.closed().await.0, 4403);
    }
    // A stranger becomes nobody by a ping: that is for `connection_init`.
    let mut stranger = Socket::open(hub.address).await;
    stranger.say(&init(&json!({}))).await;
    stranger.message().await;
    stranger.say(&json!({ "type": "ping", "payload": { "authorization": format!("Bearer {admin}") } })).await;
    assert_eq!(stranger.closed().await.0, 4403);
    // Before the acknowledgement a ping says nothing about who it is.
    let mut early = Socket::open(hub.address).await;
    early.say(&json!({ "type": "ping", "payload": { "authorization": "Bearer ptl_nonsense" } })).await;
    assert_eq!(early.message().await, json!({ "type": "pong" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_lives_under_the_credential_that_renewed_it() {
    let hub = Served::start().await;
    let (first_id, first) = hub.new_token(&hub.tenant, Role::Viewer, None, None).await;
    let (second_id, second) = hub.new_token(&hub.tenant, Role::Viewer, None, None).await;
    let mut connected = Connected::of(&hub, &first).await;
    let authorization = format!("Bearer {second}");
    connected.socket.say(&json!({ "type": "ping", "payload": { "authorization": authorization } })).await;
    assert_eq!(connected.socket.message().await["type"], "pong");
    token::revoke(&hub.cx(), first_id.parse().unwrap()).await.unwrap();
    // The stream shows when the revocation was acted on; the socket did not depend on it any more.
    while connected.stream.heard().await != Heard::End {}
    connected.socket.is_quiet().await;
    token::revoke(&hub.cx(), second_id.parse().unwrap()).await.unwrap();
    assert_eq!(connected.socket.closed().await.0, 4403);
    assert!(connected.begun.elapsed() < 2 * SOON);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_has_a_bounded_number_of_sockets_and_streams_together() {
    let hub = Served::with(&[("PORTOLAN_LIVE_SOCKETS_PER_CALLER", "3")]).await;
    let (token, other) = (hub.token(Role::Viewer).await, hub.token(Role::Viewer).await);
    let mut first = Socket::signed_in(hub.address, &token).await;
    let (_, mut second) = Socket::shake(hub.address, &format!("{}authorization: Bearer {token}\r\n", head())).await;
    second.say(&init(&json!({}))).await;
    assert_eq!(second.message().await["type"], "connection_ack");
    let stream = hub.follow(&token, super::FOLLOW, json!({})).await;
    assert_eq!(stream.status, 200);

    let mut socket = Socket::open(hub.address).await;
    socket.say(&init(&json!({ "authorization": format!("Bearer {token}") }))).await;
    assert_eq!(socket.closed().await, (4429, "too many sockets of this caller".to_owned()));
    let (_, mut socket) = Socket::shake(hub.address, &format!("{}authorization: Bearer {token}\r\n", head())).await;
    assert_eq!(socket.closed().await.0, 4429);
    hub.follow(&token, super::FOLLOW, json!({})).await.reply().await.refused(429, "RATE_LIMITED");
    // Another caller has places of its own.
    Socket::signed_in(hub.address, &other).await.is_quiet().await;
    // Renewing takes no further place.
    first.say(&json!({ "type": "ping", "payload": { "authorization": format!("Bearer {token}") } })).await;
    assert_eq!(first.message().await["type"], "pong");
    // What ends gives its place back.
    drop(stream);
    let again = hub.follow(&token, super::FOLLOW, json!({})).await;
    assert_eq!(again.status, 200);
    second.frame(CLOSE, &[]).await;
    assert_eq!(second.closed().await.0, 1000);
    hub.until(async || {
        let stream = hub.follow(&token, super::FOLLOW, json!({})).await;
        (stream.status == 200).then_some(())
    })
    .await;
    // A plain request takes no place at all.
    let reply =
        hub.send(crate::support::hub::post(&token, r#"{"query":"{ viewer { role } }"}"#).with("accept", "*/*")).await;
    assert_eq!(reply.status, 200);
}
