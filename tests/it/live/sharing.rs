//! Who is served together: everybody who asks the same under the same authority, and nobody else.

use std::{collections::BTreeMap, fmt};

use futures_util::future::join_all;
use portolan::{
    domain::tenant::Tenant,
    event::Fact,
    graphql::live::Item,
    kernel::scope::{Role, Scope, Scopes},
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{AFTER, counted, head, now, tick};
use crate::support::{
    hub::post,
    request::With,
    served::Served,
    socket::Socket,
    stream::{Heard, Stream},
};

const EXECUTIONS: &str = "graphql_subscription_executions_total";

/// Somebody who follows, over whatever transport.
enum Follower {
    Socket(Socket, usize),
    Stream(Stream),
}

impl Follower {
    /// Reads the item with that count for every subscription.
    async fn gets(&mut self, count: u64) {
        let is = |event: &Value| assert_eq!(event["events"]["data"]["count"], count);
        match self {
            Self::Socket(socket, subscriptions) => {
                for _ in 0..*subscriptions {
                    is(&socket.message().await["payload"]["data"]);
                }
            }
            Self::Stream(stream) => is(&Stream::item(&stream.event().await)),
        }
    }
}

/// How many executions one event takes, once everybody who follows is served live.
async fn executions(hub: &Served, followers: &mut [Follower], counts: &mut impl Iterator<Item = u64>) -> u64 {
    // Who has just begun reads the log by itself for a moment; then it stays the same.
    let (mut last, mut same) = (0, 0);
    while same < 5 {
        let (count, before) = (counts.next().unwrap(), counted(hub, EXECUTIONS));
        tick(hub, [count]).await;
        join_all(followers.iter_mut().map(|follower| follower.gets(count))).await;
        let executed = counted(hub, EXECUTIONS) - before;
        same = if executed == last { same + 1 } else { 0 };
        last = executed;
        assert!(count < 1_000, "it does not settle");
    }
    last
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_who_ask_the_same_are_served_by_one_execution() {
    let hub = Served::start().await;
    let begin = head(&hub).await;
    let mut counts = 0_u64..;
    // Everybody comes with a cursor of its own, as after a restart of the server.
    tick(&hub, counts.by_ref().take(20)).await;
    hub.number_events().await;
    let last = head(&hub).await;
    let mut followers = Vec::new();
    let tokens = [hub.token(Role::Viewer).await, hub.token(Role::Viewer).await];
    let person = hub.user_of(&hub.tenant, "viewer@example.test", Role::Viewer).await;
    let person = hub.session_of(&hub.tenant, person.id).await;
    let last = last.max(head(&hub).await);
    for which in 0..10 {
        let mut socket = Socket::signed_in(hub.address, &tokens[which % 2]).await;
        for id in 0..50 {
            socket.subscribe(&id.to_string(), AFTER, json!({ "after": Item::cursor_of(last) })).await;
        }
        followers.push(Follower::Socket(socket, 50));
    }
    for (which, after) in (0..500).zip((last - 5..last).cycle()) {
        let token = if which % 3 == 0 { &person } else { &tokens[which % 2] };
        let mut stream = hub.follow(token, AFTER, json!({ "after": Item::cursor_of(after) })).await;
        // What was before the common end.
        for _ in 0..ticks_between(&hub, after, last).await {
            stream.event().await;
        }
        followers.push(Follower::Stream(stream));
    }
    assert!(last > begin);
    assert_eq!(executions(&hub, &mut followers, &mut counts).await, 1);
    let before = counted(&hub, EXECUTIONS);
    for count in counts.by_ref().take(20) {
        tick(&hub, [count]).await;
        join_all(followers.iter_mut().map(|follower| follower.gets(count))).await;
    }
    assert_eq!(counted(&hub, EXECUTIONS) - before, 20, "1,000 subscribers, 20 events");
}

/// How many events of the tenant's topic lie between two numbers.
async fn ticks_between(hub: &Served, after: i64, through: i64) -> usize {
    let interest = portolan::event::Interest::of_topics(["tenant", "keyring"]);
    let db = hub.cx().db().clone();
    portolan::event::log::page(&db, hub.tenant.id, &interest, (after, through), 100).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_differs_in_what_matters_is_served_apart() {
    let hub = Served::start().await;
    let ask = |operation: &str, text: &str, variables: Value| {
        json!({ "query": text, "operationName": operation, "variables": variables }).to_string()
    };
    let plain =
        "subscription A($after: String, $topics: [EventTopic!]) { events(after: $after, topics: $topics) { data } }";
    let spaced = plain.replace("{ data }", "{  data }");
    let two = format!("{plain} {}", plain.replace("subscription A", "subscription B"));
    let used_twice =
        "subscription A($after: String, $of: ID!) { events(after: $after, subjects: [$of, \"clock\"]) { data } }";
    let token = async |role, scopes: Option<&[Scope]>| hub.new_token(&hub.tenant, role, scopes, None).await.1;
    let (viewer, other_viewer) = (token(Role::Viewer, None).await, token(Role::Viewer, None).await);
    let operator = token(Role::Operator, None).await;
    let wide = token(Role::Admin, Some(&[Scope::TenantRead, Scope::AccessRead])).await;
    let narrow = token(Role::Admin, Some(&[Scope::TenantRead])).await;
    let super_narrow = token(Role::SuperAdmin, Some(&[Scope::TenantRead])).await;
    let (early, late) = ("EARLY", "LATE");
    let a = ask("A", plain, json!({ "after": early }));
    let cases: [(&str, u64, [&str; 2], String); 11] = [
        ("nothing", 1, [&viewer, &viewer], a.clone()),
        ("the token", 1, [&viewer, &other_viewer], a.clone()),
        ("the cursor", 1, [&viewer, &viewer], ask("A", plain, json!({ "after": late }))),
        ("a null", 2, [&viewer, &viewer], ask("A", plain, json!({ "after": late, "topics": null }))),
        ("a variable", 2, [&viewer, &viewer], ask("A", plain, json!({ "after": late, "topics": ["TENANT"] }))),
        ("a space", 2, [&viewer, &viewer], ask("A", &spaced, json!({ "after": early }))),
        ("the operation", 2, [&viewer, &viewer], ask("B", &two, json!({ "after": early }))),
        ("the document", 2, [&viewer, &viewer], ask("A", used_twice, json!({ "after": early, "of": "x" }))),
        ("the role and its scopes", 2, [&viewer, &operator], a.clone()),
        ("the scopes", 2, [&wide, &narrow], a.clone()),
        ("the role", 2, [&narrow, &super_narrow], a.clone()),
    ];
    let mut counts = 0_u64..;
    for (differs, expected, tokens, b) in &cases {
        let mut followers = Vec::new();
        let before = Item::cursor_of(head(&hub).await - 1);
        let after = now(&hub).await;
        for (token, body) in tokens.iter().zip([&a, b]) {
            // As of now, so that nobody reads what was for the cases before.
            let body = body.replace(early, &after).replace(late, &before);
            let mut stream = hub.open(post(token, body).with("accept", "text/event-stream")).await;
            assert_eq!(stream.status, 200);
            if b.contains(late) && followers.len() == 1 {
                stream.event().await;
            }
            followers.push(Follower::Stream(stream));
        }
        assert_eq!(executions(&hub, &mut followers, &mut counts).await, *expected, "they differ in {differs}");
    }
}

/// Facts of the topics that there are.
macro_rules! facts {
    ($($name:ident $topic:literal),+) => { $(
        #[derive(Serialize)]
        struct $name {
            told: &'static str,
        }

        impl Fact for $name {
            const TOPIC: &'static str = $topic;

            fn kind(&self) -> &'static str {
                concat!($topic, ".tested")
            }

            fn subject(&self) -> String {
                "test".to_owned()
            }
        }
    )+ };
}

facts!(OfTenant "tenant", OfAccess "access", OfKeyring "keyring");

/// Somebody with rights in one of two tenants.
#[derive(Clone)]
struct Principal {
    name: String,
    token: String,
    scopes: Scopes,
    /// In which tenant it acts.
    tenant: usize,
    /// Whether it chooses that tenant, which is not its own.
    chooses: bool,
}

impl Principal {
    /// What it must see of the two tenants' events.
    fn sees(&self) -> Vec<(usize, &'static str)> {
        let topics = [("tenant", Scope::TenantRead), ("access", Scope::AccessRead), ("keyring", Scope::TenantRead)];
        topics.into_iter().filter(|(_, scope)| self.scopes.has(*scope)).map(|(topic, _)| (self.tenant, topic)).collect()
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

async fn principals(hub: &Served, tenants: &[Tenant; 2]) -> Vec<Principal> {
    let narrowings: [Option<&[Scope]>; 4] = [None, Some(&[Scope::TenantRead]), Some(&[Scope::AccessRead]), Some(&[])];
    let mut all = Vec::new();
    for (at, tenant) in tenants.iter().enumerate() {
        for role in Role::ALL {
            for narrowed in narrowings {
                let scopes = narrowed.map_or(role.scopes(), |scopes| Scopes::of(scopes).and(role.scopes()));
                // Narrowed to the same as whole, or to what the role does not have.
                if narrowed.is_some_and(|wanted| !Scopes::of(wanted).within(role.scopes()) || scopes == role.scopes()) {
                    continue;
                }
                let token = hub.new_token(tenant, *role, narrowed, None).await.1;
                let name = format!("{role} of {} with {scopes:?}", tenant.slug);
                all.push(Principal { name, token, scopes, tenant: at, chooses: false });
            }
        }
    }
    let roaming = hub.token_of(&tenants[0], Role::SuperAdmin).await;
    let name = format!("SUPER_ADMIN of {} in {}", tenants[0].slug, tenants[1].slug);
    all.push(Principal { name, token: roaming, scopes: Role::SuperAdmin.scopes(), tenant: 1, chooses: true });
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_an_item_that_its_authority_must_not_see_whoever_asked_before() {
    let hub = Served::with(&[("PORTOLAN_GRAPHQL_COST_PER_MINUTE", "0")]).await;
    let tenants = [hub.tenant.clone(), hub.another_tenant("other").await];
    let all = principals(&hub, &tenants).await;
    hub.number_events().await;
    let mut heads = Vec::new();
    for tenant in &tenants {
        heads.push(portolan::event::log::head(hub.cx().db(), tenant.id).await.unwrap().number);
    }
    let open = async |who: &Principal, document: &str| {
        let variables = json!({ "after": Item::cursor_of(heads[who.tenant]) });
        let body = json!({ "query": document, "variables": variables }).to_string();
        let mut request = post(&who.token, body).with("accept", "text/event-stream");
        if who.chooses {
            request = request.with("x-portolan-tenant", &tenants[who.tenant].slug);
        }
        let stream = hub.open(request).await;
        assert_eq!(stream.status, 200, "{who:?}");
        stream
    };
    // For each two, in either order: a document of their own, so that the first makes what the second finds.
    let mut open_streams = Vec::new();
    for (first, a) in all.iter().enumerate() {
        for (second, b) in all.iter().enumerate().filter(|(second, _)| *second != first) {
            let document =
                format!("subscription P{first}x{second}($after: String) {{ events(after: $after) {{ topic data }} }}");
            for who in [a, b] {
                open_streams.push((who, format!("{a:?}, then {b:?}"), open(who, &document).await));
            }
        }
    }
    println!("{} principals, {} subscriptions", all.len(), open_streams.len());
    for told in ["first", "second", "last"] {
        for (at, tenant) in tenants.iter().enumerate() {
            let told = if at == 0 { told } else { ["other first", "other second", "other last"][told.len() % 3] };
            hub.cx_of(tenant)
                .write(async |txn| {
                    txn.emit(&OfTenant { told })?;
                    txn.emit(&OfAccess { told })?;
                    txn.emit(&OfKeyring { told })
                })
                .await
                .unwrap();
        }
    }
    let mut blind = Vec::new();
    for (who, pair, mut stream) in open_streams {
        let expected = who.sees();
        if expected.is_empty() {
            blind.push((who, pair, stream));
            continue;
        }
        let mut got: BTreeMap<String, usize> = BTreeMap::new();
        // The last of what it may see comes after everything else that could.
        for nth in 0..3 * expected.len() {
            let item = Stream::item(&stream.event().await)["events"].clone();
            let topic = item["topic"].as_str().unwrap().to_lowercase();
            assert_eq!(topic, expected[nth % expected.len()].1, "{who:?} ({pair}) got {item}");
            let other = item["data"]["told"].as_str().unwrap().starts_with("other");
            assert_eq!(usize::from(other), who.tenant, "{who:?} ({pair}) got {item}");
            *got.entry(topic).or_default() += 1;
        }
        assert!(got.values().all(|count| *count == 3), "{who:?} ({pair}): {got:?}");
    }
    // Who may see nothing got nothing while all others got everything.
    for (who, pair, mut stream) in blind {
        loop {
            match stream.heard_within(std::time::Duration::ZERO).await {
                Some(Heard::Event(event)) => panic!("{who:?} ({pair}) got {event:?}"),
                Some(_) => {}
                None => break,
            }
        }
    }
}
