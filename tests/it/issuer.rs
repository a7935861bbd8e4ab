//! Outside issuers: whose tokens open a tenant, and whose do not.

mod forge;

use std::{collections::BTreeSet, time::Duration};

use chrono::TimeDelta;
use futures_util::future::join_all;
use portolan::{
    domain::tenant::Tenant,
    entity::tenant,
    kernel::scope::{Role, Scope},
};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
use serde_json::{Value, json};

use self::forge::Forge;
use crate::support::{
    Reply, TestHub,
    hub::{beginning, post},
    issuer::{Mood, TestIssuer, TestKey},
    records::Records,
    request::With,
};

const CREATE: &str = "mutation($input: CreateIssuerInput!) { createIssuer(input: $input) {
    issuer { id name iss audience jwksUrl algorithm rolesClaim roleMap { value role } defaultRole createdBy }
    userErrors { code path message } } }";
const UPDATE: &str = "mutation($input: UpdateIssuerInput!) { updateIssuer(input: $input) {
    issuer { id name jwksUrl algorithm rolesClaim roleMap { value role } defaultRole } userErrors { code path } } }";
const DELETE: &str = "mutation($input: DeleteIssuerInput!) { deleteIssuer(input: $input) {
    deletedId userErrors { code path } } }";
const TEST: &str = "mutation($input: TestIssuerInput!) { testIssuer(input: $input) {
    test { usable problem jwksUrl keys { keyId kind unusableBecause } } userErrors { code } } }";
const ME: &str = "{ viewer { kind actor role scopes expiresAt tenant { slug } } }";

const DISCOVERY: &str = "/.well-known/openid-configuration";

/// A hub that may call servers on this machine.
async fn hub() -> TestHub {
    TestHub::with(&[("PORTOLAN_OUTGOING_ALLOW", "127.0.0.0/8")]).await
}

fn input(issuer: &TestIssuer, algorithm: &str) -> Value {
    let algorithm = algorithm.to_uppercase();
    json!({
        "name": "Directory", "iss": issuer.url(), "audience": "portolan", "algorithm": algorithm,
        "rolesClaim": ["roles"], "roleMap": [{ "value": "admins", "role": "ADMIN" }, { "value": "ops", "role": "OPERATOR" }],
    })
}

/// Registers an issuer in a tenant; gives its id.
async fn register(hub: &TestHub, tenant: &Tenant, input: &Value) -> String {
    let admin = hub.token_of(tenant, Role::Admin).await;
    let made = hub.ask(&admin, CREATE, json!({ "input": input })).await.data()["createIssuer"].clone();
    made["issuer"]["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
}

/// A hub, an issuer that it knows with one key, and the issuer's id.
async fn known(algorithm: &str) -> (TestHub, TestIssuer, TestKey, String) {
    let (hub, key) = (hub().await, TestKey::new(algorithm, "first"));
    let issuer = TestIssuer::start(&[&key]).await;
    let id = register(&hub, &hub.tenant, &input(&issuer, algorithm)).await;
    (hub, issuer, key, id)
}

async fn me(hub: &TestHub, token: &str) -> Reply {
    hub.ask(token, ME, json!({})).await
}

/// What a client sees of a refusal, without what differs from request to request.
fn shape(reply: &Reply) -> (u16, String, String) {
    let mut body = reply.json();
    body["errors"][0]["extensions"]["requestId"].take();
    (reply.status.as_u16(), body.to_string(), reply.header("www-authenticate").to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_each_algorithm_opens_the_tenant_until_it_ends() {
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let (hub, issuer, key, id) = known(algorithm).await;
        let token = key.token(&issuer.claims("portolan"));
        for _ in 0..5 {
            let viewer = me(&hub, &token).await.data()["viewer"].clone();
            assert_eq!((&viewer["kind"], &viewer["role"]), (&json!("OUTSIDE"), &json!("ADMIN")));
            assert_eq!(
                (&viewer["actor"], &viewer["tenant"]["slug"]),
                (&json!(format!("{id}:somebody")), &json!("default"))
            );
            let until = viewer["expiresAt"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
            assert_eq!(until, beginning() + TimeDelta::minutes(10));
        }
        assert_eq!((issuer.asked(DISCOVERY), issuer.asked("/keys")), (1, 1), "{algorithm}: asked once");
        hub.clock.advance(TimeDelta::seconds(629));
        assert_eq!(me(&hub, &token).await.status, 200, "clocks may differ by thirty seconds");
        hub.clock.advance(TimeDelta::seconds(1));
        assert_eq!(me(&hub, &token).await.status, 401);
    }
}

#[tokio::test]
async fn whatever_somebody_does_is_recorded_under_issuer_and_subject() {
    let (hub, issuer, key, id) = known("EdDSA").await;
    let token = key.token(&issuer.claims("portolan"));
    let create = "mutation { createApiToken(input: { name: \"Made\", role: VIEWER }) { apiToken { createdBy } } }";
    let actor = format!("{id}:somebody");
    assert_eq!(hub.ask(&token, create, json!({})).await.data()["createApiToken"]["apiToken"]["createdBy"], actor);
    let log = "query($by: String!) { auditLog(last: 1, filter: { actor: $by }) { nodes { action actor } } }";
    let entry = hub.ask(&token, log, json!({ "by": actor })).await.data()["auditLog"]["nodes"][0].clone();
    assert_eq!(entry, json!({ "action": "api_token.created", "actor": actor }));
    assert!(Records::of(&hub).await.everything().contains(&format!("actor: \"{actor}\"")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_token_opens_nothing_and_all_look_the_same_and_nobody_else_is_asked() {
    let mut shapes = BTreeSet::new();
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let (hub, issuer, key, _) = known(algorithm).await;
        let stranger = TestKey::new(algorithm, "first");
        // One that nobody registered, and one that another tenant did.
        let (wire, theirs) = (TestIssuer::start(&[&stranger]).await, TestIssuer::start(&[&stranger]).await);
        let other = hub.another_tenant("other").await;
        register(&hub, &other, &input(&theirs, algorithm)).await;
        let keys_url = format!("{}/keys", wire.url());
        let forge = Forge { key: &key, stranger: &stranger, claims: issuer.claims("portolan"), keys_url };
        let good = forge.good();
        assert_eq!(me(&hub, &good).await.status, 200);
        let of_theirs = stranger.token(&theirs.claims("portolan"));
        assert_eq!(me(&hub, &of_theirs).await.data()["viewer"]["tenant"]["slug"], "other");

        let mut refused = async |what: &str, token: &str, tenant: Option<&str>| {
            let mut request = post(token, json!({ "query": ME }).to_string());
            if let Some(tenant) = tenant {
                request = request.with("x-portolan-tenant", tenant);
            }
            let reply = hub.send(request).await;
            assert_eq!(reply.codes(), ["UNAUTHENTICATED"], "{algorithm}: {what}: {}", reply.text);
            reply.refused(401, "UNAUTHENTICATED");
            shapes.insert(shape(&reply));
        };
        let asked = issuer.asked_at_all();
        for (what, token) in [forge.algorithms(), forge.keys(), forge.wrong_claims(), forge.forms()].concat() {
            refused(what, &token, None).await;
        }
        refused("an issuer nobody registered", &forge.claim("iss", json!(wire.url())), None).await;
        refused("another tenant's issuer", &forge.claim("iss", json!(theirs.url())), None).await;
        for elsewhere in ["other", &other.id.to_string(), "nowhere", "ten_00000000000000000000000000", "' OR 1=1"] {
            refused("another tenant", &good, Some(elsewhere)).await;
        }
        refused("another tenant's token", &of_theirs, Some("default")).await;
        assert_eq!(wire.asked_at_all(), 0, "{algorithm}: somebody was asked whom a token named");
        assert_eq!(
            issuer.asked_at_all(),
            asked,
            "the issuer itself was asked lately, and then waits for half a minute"
        );

        // What is not looked at does no harm.
        for (name, value) in
            [("jku", json!(wire.url())), ("x5u", json!(wire.url())), ("jwk", json!(5)), ("typ", json!(5))]
        {
            assert_eq!(me(&hub, &forge.header(name, value)).await.status, 200, "{name}");
        }
        let now = beginning().timestamp();
        for (name, value) in
            [("aud", json!(["another", "portolan"])), ("nbf", json!(now + 29)), ("exp", json!(now - 29))]
        {
            assert_eq!(me(&hub, &forge.claim(name, value)).await.status, 200, "{name}");
        }
        for own in ["default", &hub.tenant.id.to_string()] {
            assert_eq!(hub.ask_in(own, &good, ME).await.data()["viewer"]["tenant"]["slug"], "default");
        }
        assert_eq!(wire.asked_at_all(), 0);
    }
    assert_eq!(shapes.len(), 1, "{shapes:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weak_key_checks_nothing_though_its_issuer_published_it() {
    let hub = hub().await;
    let weak = TestKey::rsa(1024, "weak");
    let issuer = TestIssuer::start(&[&weak]).await;
    let id = register(&hub, &hub.tenant, &input(&issuer, "RS256")).await;
    assert_eq!(me(&hub, &weak.token(&issuer.claims("portolan"))).await.status, 401);
    let admin = hub.token(Role::Admin).await;
    let test = hub.ask(&admin, TEST, json!({ "input": { "id": id } })).await.data()["testIssuer"]["test"].clone();
    assert_eq!(test["usable"], false);
    assert_eq!(test["problem"], "none of its keys can be used with RS256");
    assert_eq!(
        test["keys"],
        json!([{ "keyId": "weak", "kind": "RSA", "unusableBecause": "it has less than 2048 bits" }])
    );
}

#[tokio::test]
async fn a_new_key_is_found_but_an_issuer_is_asked_once_in_half_a_minute() {
    let (hub, issuer, first, _) = known("EdDSA").await;
    let second = TestKey::new("EdDSA", "second");
    let claims = issuer.claims("portolan");
    let (old, new) = (first.token(&claims), second.token(&claims));
    assert_eq!(me(&hub, &old).await.status, 200);
    issuer.publish(&[&second]);
    for _ in 0..20 {
        assert_eq!(me(&hub, &new).await.status, 401);
    }
    assert_eq!(issuer.asked("/keys"), 1);
    hub.clock.advance(TimeDelta::seconds(30));
    assert_eq!(me(&hub, &old).await.status, 200, "known keys count for ten minutes");
    assert_eq!(issuer.asked("/keys"), 1);
    assert_eq!(me(&hub, &new).await.status, 200);
    assert_eq!(me(&hub, &old).await.status, 401, "it was taken back");
    assert_eq!(issuer.asked("/keys"), 2);
    let nonsense = TestKey::new("EdDSA", "nonsense").token(&claims);
    for second in 0..60 {
        assert_eq!(me(&hub, &nonsense).await.status, 401);
        assert_eq!(issuer.asked("/keys"), 2 + usize::from(second >= 30), "after {second} seconds");
        hub.clock.advance(TimeDelta::seconds(1));
    }
}

#[tokio::test]
async fn a_key_that_was_taken_back_counts_for_ten_minutes_at_most() {
    let (hub, issuer, key, _) = known("EdDSA").await;
    let mut claims = issuer.claims("portolan");
    claims["exp"] = json!(beginning().timestamp() + 86_400);
    let token = key.token(&claims);
    assert_eq!(me(&hub, &token).await.status, 200);
    issuer.publish(&[]);
    hub.clock.advance(TimeDelta::minutes(10));
    assert_eq!(me(&hub, &token).await.status, 200);
    hub.clock.advance(TimeDelta::microseconds(1));
    assert_eq!(me(&hub, &token).await.status, 401);
    assert_eq!(issuer.asked("/keys"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_come_at_once_ask_once_and_known_keys_wait_for_nobody() {
    let (hub, issuer, first, _) = known("ES256").await;
    let claims = issuer.claims("portolan");
    let (old, second) = (first.token(&claims), TestKey::new("ES256", "second"));
    let all = join_all((0..50).map(|_| me(&hub, &old))).await;
    assert!(all.iter().all(|reply| reply.status == 200));
    assert_eq!((issuer.asked(DISCOVERY), issuer.asked("/keys")), (1, 1));

    issuer.publish(&[&first, &second]);
    hub.clock.advance(TimeDelta::seconds(30));
    let held = issuer.hold().await;
    let new = second.token(&claims);
    let waiting = join_all((0..50).map(|_| me(&hub, &new)));
    let meanwhile = async {
        hub.until(async || (issuer.asked(DISCOVERY) == 2).then_some(())).await;
        // While the issuer is slow to answer, whose key is known is served.
        for _ in 0..5 {
            assert_eq!(me(&hub, &old).await.status, 200);
        }
        drop(held);
    };
    let (all, ()) = tokio::join!(waiting, meanwhile);
    assert!(all.iter().all(|reply| reply.status == 200));
    assert_eq!((issuer.asked(DISCOVERY), issuer.asked("/keys")), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hangs_up_does_not_break_off_what_the_others_wait_for() {
    let (hub, issuer, key, _) = known("EdDSA").await;
    let token = key.token(&issuer.claims("portolan"));
    let held = issuer.hold().await;
    {
        let mut impatient = Box::pin(me(&hub, &token));
        let seen = hub.until(async || (issuer.asked(DISCOVERY) == 1).then_some(()));
        tokio::select! {
            reply = &mut impatient => panic!("{reply:?}"),
            () = seen => {}
        }
    }
    drop(held);
    assert_eq!(me(&hub, &token).await.status, 200);
    assert_eq!((issuer.asked(DISCOVERY), issuer.asked("/keys")), (1, 1));
}

#[tokio::test]
async fn an_issuer_that_is_away_is_missed_after_an_hour_and_found_again() {
    let (hub, issuer, key, _) = known("EdDSA").await;
    let mut claims = issuer.claims("portolan");
    claims["exp"] = json!(beginning().timestamp() + 86_400);
    let (token, unknown) = (key.token(&claims), TestKey::new("EdDSA", "unknown").token(&claims));
    assert_eq!(me(&hub, &token).await.status, 200);
    issuer.set(Mood::Status(500));
    hub.clock.advance(TimeDelta::minutes(5));
    assert_eq!(me(&hub, &token).await.status, 200);
    assert_eq!(me(&hub, &unknown).await.status, 401, "what was published lately is known");
    hub.clock.advance(TimeDelta::minutes(55));
    let asked = issuer.asked_at_all();
    for _ in 0..10 {
        assert_eq!(me(&hub, &token).await.status, 200);
        let reply = me(&hub, &unknown).await;
        reply.refused(503, "SERVICE_UNAVAILABLE");
        assert!(!reply.header("retry-after").is_empty());
    }
    assert_eq!(issuer.asked_at_all(), asked + 1, "an issuer in trouble is not asked by every request");
    hub.clock.advance(TimeDelta::microseconds(1));
    me(&hub, &token).await.refused(503, "SERVICE_UNAVAILABLE");
    issuer.set(Mood::Well);
    me(&hub, &token).await.refused(503, "SERVICE_UNAVAILABLE");
    hub.clock.advance(TimeDelta::seconds(30));
    assert_eq!(me(&hub, &token).await.status, 200);
    assert_eq!(me(&hub, &unknown).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_misbehaves_is_unavailable_and_a_test_says_why() {
    let elsewhere = TestIssuer::start(&[]).await;
    let moods = [
        (Mood::Status(404), "the status 404"),
        (Mood::Status(204), "the status 204"),
        (Mood::Page, "what came is not a discovery document"),
        (Mood::Endless, "larger than 262144 bytes"),
        (Mood::Silent, "no answer within 4 seconds"),
        (Mood::Json(json!([1, 2])), "what came is not a discovery document"),
        (Mood::Json(json!({ "issuer": "https://idp.example.com", "jwks_uri": "x" })), "of another issuer"),
        (Mood::Elsewhere(format!("{}{DISCOVERY}", elsewhere.url())), "the status 302"),
    ];
    let (hub, key) = (hub().await, TestKey::new("EdDSA", "first"));
    let admin = hub.token(Role::Admin).await;
    // At once, since one of them takes its time.
    let tried = moods.map(async |(mood, problem)| {
        let issuer = TestIssuer::start(&[&key]).await;
        let id = register(&hub, &hub.tenant, &input(&issuer, "EdDSA")).await;
        issuer.set(mood);
        me(&hub, &key.token(&issuer.claims("portolan"))).await.refused(503, "SERVICE_UNAVAILABLE");
        let test = hub.ask(&admin, TEST, json!({ "input": { "id": id } })).await.data()["testIssuer"]["test"].clone();
        assert_eq!((&test["usable"], &test["keys"]), (&json!(false), &json!([])), "{test}");
        assert!(test["problem"].as_str().unwrap().contains(problem), "{problem}: {test}");
    });
    join_all(tried).await;
    assert_eq!(elsewhere.asked_at_all(), 0);
    let issuer = TestIssuer::start(&[&key]).await;
    register(&hub, &hub.tenant, &input(&issuer, "EdDSA")).await;
    let token = key.token(&issuer.claims("portolan"));
    drop(issuer);
    me(&hub, &token).await.refused(503, "SERVICE_UNAVAILABLE");
}

#[tokio::test]
async fn a_discovery_document_does_not_lead_where_the_hub_may_not_call() {
    let wire = TestIssuer::start(&[]).await;
    let key = TestKey::new("EdDSA", "first");
    let issuer = TestIssuer::start(&[&key]).await;
    wire.publish(&[&key]);
    let hub = TestHub::with(&[("PORTOLAN_OUTGOING_ALLOW", &issuer.address.to_string())]).await;
    let id = register(&hub, &hub.tenant, &input(&issuer, "EdDSA")).await;
    let (admin, port) = (hub.token(Role::Admin).await, wire.address.port());
    let token = key.token(&issuer.claims("portolan"));
    let ways = [
        (format!("{}/keys", wire.url()), "not allowed"),
        (format!("http://localhost:{port}/keys"), "not allowed"),
        (format!("http://[::ffff:127.0.0.1]:{port}/keys"), "not allowed"),
        (format!("http://2130706433:{port}/keys"), "plain form"),
        (format!("http://127.1:{port}/keys"), "plain form"),
        (format!("http://user@{}/keys", wire.address), "user"),
        ("https://169.254.169.254/keys".to_owned(), "not allowed"),
        ("file:///etc/passwd".to_owned(), "scheme"),
    ];
    for (to, reason) in ways {
        issuer.lead_to(&to);
        hub.clock.advance(TimeDelta::seconds(30));
        me(&hub, &token).await.refused(503, "SERVICE_UNAVAILABLE");
        let test = hub.ask(&admin, TEST, json!({ "input": { "id": id } })).await.data()["testIssuer"]["test"].clone();
        assert!(test["problem"].as_str().unwrap().contains(reason), "{to}: {test}");
    }
    assert_eq!(wire.asked_at_all(), 0);
}

#[tokio::test]
async fn an_issuer_is_registered_changed_and_forgotten_and_each_counts_at_once() {
    let (hub, key) = (hub().await, TestKey::new("EdDSA", "first"));
    let (issuer, moved) = (TestIssuer::start(&[&key]).await, TestIssuer::start(&[]).await);
    let admin = hub.token(Role::Admin).await;
    let before = Records::of(&hub).await;
    let mut wanted = input(&issuer, "EdDSA");
    wanted["idempotencyKey"] = json!("once");
    let made = hub.ask(&admin, CREATE, json!({ "input": wanted })).await.data()["createIssuer"]["issuer"].clone();
    let again = hub.ask(&admin, CREATE, json!({ "input": wanted })).await.data()["createIssuer"]["issuer"].clone();
    assert_eq!(made, again);
    assert_eq!(made["createdBy"].as_str().unwrap().split('_').next(), Some("tok"));
    assert_eq!((&made["algorithm"], &made["jwksUrl"]), (&json!("EDDSA"), &json!(null)));
    assert_eq!(issuer.asked_at_all(), 0, "registering asks nobody");
    let token = key.token(&issuer.claims("portolan"));
    let role = async || me(&hub, &token).await.data()["viewer"]["role"].clone();
    assert_eq!(role().await, "ADMIN");

    let id = made["id"].clone();
    let change = async |mut input: Value| {
        input["id"] = id.clone();
        hub.ask(&admin, UPDATE, json!({ "input": input })).await.data()["updateIssuer"].clone()
    };
    let fewer = change(json!({ "roleMap": [{ "value": "admins", "role": "VIEWER" }] })).await;
    assert_eq!(fewer["issuer"]["roleMap"], json!([{ "value": "admins", "role": "VIEWER" }]));
    assert_eq!(role().await, "VIEWER");
    assert_eq!(change(json!({ "name": "Directory" })).await["userErrors"], json!([]), "nothing to change");
    let default = json!({ "rolesClaim": [], "roleMap": [], "defaultRole": "OPERATOR" });
    assert_eq!(change(default).await["issuer"]["defaultRole"], "OPERATOR");
    assert_eq!(role().await, "OPERATOR");
    assert_eq!(change(json!({ "algorithm": "ES256" })).await["issuer"]["algorithm"], "ES256");
    assert_eq!(me(&hub, &token).await.status, 401);
    change(json!({ "algorithm": "EDDSA" })).await;
    assert_eq!(me(&hub, &token).await.status, 200);
    let elsewhere = change(json!({ "jwksUrl": format!("{}/keys", moved.url()) })).await;
    assert_eq!(elsewhere["issuer"]["jwksUrl"], format!("{}/keys", moved.url()));
    assert_eq!(me(&hub, &token).await.status, 401, "keys from elsewhere count no longer");
    assert_eq!((moved.asked(DISCOVERY), moved.asked("/keys")), (0, 1));
    change(json!({ "jwksUrl": null })).await;
    assert_eq!(me(&hub, &token).await.status, 200);

    let gone = hub.ask(&admin, DELETE, json!({ "input": { "id": id } })).await.data()["deleteIssuer"].clone();
    assert_eq!(gone, json!({ "deletedId": id, "userErrors": [] }));
    assert_eq!(me(&hub, &token).await.status, 401);
    let absent = hub.ask(&admin, DELETE, json!({ "input": { "id": id } })).await;
    assert_eq!(absent.user_codes("deleteIssuer"), ["NOT_FOUND"]);
    let new = Records::of(&hub).await.since(&before);
    let kinds = [vec!["issuer.created"], vec!["issuer.updated"; 6], vec!["issuer.deleted"]].concat();
    assert_eq!(
        (new.events, new.audit),
        (kinds.iter().map(ToString::to_string).collect(), kinds.iter().map(ToString::to_string).collect())
    );
}

/// What is fetched for an issuer is held against the guard. The rest of the matrix is in `provider`.
const INWARD: &[&str] = &[
    "http://idp.example.com",
    "https://127.0.0.1",
    "https://localhost",
    "https://10.1.2.3/a",
    "https://169.254.169.254/",
    "https://[::1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://2130706433/",
    "https://0x7f.1/",
    "https://user:password@idp.example.com/",
    "https://idp.internal/",
    "file:///etc/passwd",
    "//idp.example.com",
    "https://idp.example.com\\@127.0.0.1/",
    "https://127.1/",
    "https://0/",
    "https://0.0.0.0/",
    "https://017700000001/",
    "https://0177.0.0.1/",
    "https://0x7f000001/",
    "https://127.0.0.1.:443/",
    "https://%31%32%37.0.0.1/",
    "https://127.0.0.1#@idp.example.com/",
    "https://idp.example.com@10.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.0.1/",
    "https://100.64.0.1/",
    "https://100.100.100.200/",
    "https://[::]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[fd00:ec2::254]/",
    "https://[fe80::1]/",
    "https://[fc00::1]/",
    "https://metadata.google.internal/",
    "https://localhost.localdomain/",
    "https://printer.local/",
    "https://printer/",
    "ftp://idp.example.com/",
    "gopher://127.0.0.1:6379/_",
];

#[tokio::test]
async fn what_is_wrong_with_an_issuer_is_said_where_it_is_and_nothing_is_written() {
    let hub = TestHub::with(&[("PORTOLAN_PUBLIC_URL", "https://hub.example.com")]).await;
    let admin = hub.token(Role::Admin).await;
    assert!(INWARD.len() >= 40);
    let good = json!({
        "name": "Directory", "iss": "https://idp.example.com", "audience": "portolan", "algorithm": "RS256",
        "rolesClaim": ["roles"], "roleMap": [{ "value": "a", "role": "ADMIN" }],
    });
    let before = Records::of(&hub).await;
    let mapped = |value: &str, role: &str| json!([{ "value": value, "role": role }]);
    let mut wrong = vec![
        ("name", json!(" ")),
        ("iss", json!("")),
        ("iss", json!("https://hub.example.com")),
        ("iss", json!("https://idp.example.com?tenant=5")),
        ("iss", json!("https://idp.example.com#a")),
        ("iss", json!("idp")),
        ("iss", json!(format!("https://idp.example.com/{}", "a".repeat(500)))),
        ("audience", json!("")),
        ("audience", json!(" portolan")),
        ("audience", json!("port\u{7}lan")),
        ("audience", json!("a".repeat(256))),
        ("rolesClaim", json!([])),
        ("rolesClaim", json!(vec!["a"; 9])),
        ("rolesClaim", json!(["roles", ""])),
        ("roleMap", json!([])),
        ("roleMap", mapped("a", "SUPER_ADMIN")),
        ("roleMap", mapped("a", "PARTNER")),
        ("roleMap", mapped("", "VIEWER")),
        ("roleMap", mapped("a\nb", "VIEWER")),
        ("roleMap", json!([{ "value": "a", "role": "VIEWER" }, { "value": "a", "role": "ADMIN" }])),
        ("roleMap", (0..101).map(|at| json!({ "value": at.to_string(), "role": "VIEWER" })).collect()),
        ("defaultRole", json!("SUPER_ADMIN")),
        ("defaultRole", json!("PARTNER")),
    ];
    wrong.extend(INWARD.iter().flat_map(|url| [("iss", json!(url)), ("jwksUrl", json!(url))]));
    for (field, value) in wrong {
        let mut input = good.clone();
        input[field] = value.clone();
        let reply = hub.ask(&admin, CREATE, json!({ "input": input })).await;
        let errors = reply.data()["createIssuer"]["userErrors"].clone();
        let named = errors.as_array().unwrap().iter().any(|error| error["path"] == json!(["input", field]));
        assert!(named && errors[0]["code"] == "BAD_USER_INPUT", "{field} {value}: {errors}");
    }
    let bare = json!({ "name": "D", "iss": "https://idp.example.com", "audience": "p", "algorithm": "RS256" });
    assert_eq!(hub.ask(&admin, CREATE, json!({ "input": bare })).await.user_codes("createIssuer"), ["BAD_USER_INPUT"]);
    assert_eq!(Records::of(&hub).await, before);

    // With its keys elsewhere an issuer may have any name.
    let mut named = good.clone();
    (named["iss"], named["jwksUrl"]) = (json!("accounts.example.com"), json!("https://keys.example.com/keys?v=1"));
    assert_eq!(hub.ask(&admin, CREATE, json!({ "input": named })).await.user_codes("createIssuer"), [""; 0]);
    // Nobody gives what they do not have, nor moves what gives it.
    assert_eq!(hub.ask(&admin, CREATE, json!({ "input": good })).await.user_codes("createIssuer"), [""; 0]);
    let (_, narrow) =
        hub.new_token(&hub.tenant, Role::Admin, Some(&[Scope::AccessWrite, Scope::TenantRead]), None).await;
    let mut second = good.clone();
    second["audience"] = json!("second");
    assert_eq!(hub.ask(&narrow, CREATE, json!({ "input": second })).await.user_codes("createIssuer"), ["FORBIDDEN"]);
    let list = hub.ask(&admin, "{ issuers { nodes { id } totalCount } }", json!({})).await.data()["issuers"].clone();
    assert_eq!(list["totalCount"], 2);
    let moved = json!({ "id": list["nodes"][1]["id"], "jwksUrl": "https://mine.example.com/keys" });
    assert_eq!(hub.ask(&narrow, UPDATE, json!({ "input": moved })).await.user_codes("updateIssuer"), ["FORBIDDEN"]);
    // A token belongs to one tenant, so what names it is taken once.
    let other = hub.another_tenant("other").await;
    for admin in [admin, hub.token_of(&other, Role::Admin).await] {
        let taken = hub.ask(&admin, CREATE, json!({ "input": good })).await;
        assert_eq!(taken.user_codes("createIssuer"), ["CONFLICT"]);
    }
}

#[tokio::test]
async fn one_issuer_serves_several_tenants_by_their_audiences() {
    let (hub, issuer, key, _) = known("EdDSA").await;
    let other = hub.another_tenant("other").await;
    let mut theirs = input(&issuer, "EdDSA");
    theirs["audience"] = json!("theirs");
    register(&hub, &other, &theirs).await;
    let token = |audience: Value| {
        let mut claims = issuer.claims("portolan");
        claims["aud"] = audience;
        key.token(&claims)
    };
    let slug = |reply: Reply| reply.data()["viewer"]["tenant"]["slug"].clone();
    assert_eq!(slug(me(&hub, &token(json!("portolan"))).await), "default");
    assert_eq!(slug(me(&hub, &token(json!("theirs"))).await), "other");
    let both = token(json!(["theirs", "portolan"]));
    assert_eq!(me(&hub, &both).await.status, 401, "nothing says which");
    assert_eq!(slug(hub.ask_in("default", &both, ME).await), "default");
    assert_eq!(slug(hub.ask_in("other", &both, ME).await), "other");
    assert_eq!(hub.ask_in("other", &token(json!("portolan")), ME).await.status, 401);
}

#[tokio::test]
async fn an_issuer_of_a_suspended_tenant_opens_nothing() {
    let (hub, issuer, key, _) = known("EdDSA").await;
    let token = key.token(&issuer.claims("portolan"));
    assert_eq!(me(&hub, &token).await.status, 200);
    let db = hub.app.hub().database.writer();
    let mut row: tenant::ActiveModel = hub.tenant.clone().into_active_model();
    row.status = Set("SUSPENDED".to_owned());
    row.update(db).await.unwrap();
    let refused = me(&hub, &token).await;
    assert_eq!((refused.status.as_u16(), refused.codes()), (403, vec!["TENANT_SUSPENDED".to_owned()]));
    // Who did not show that the token is theirs learns nothing of the tenant.
    let forged = format!("{}AAAA", &token[..token.len() - 4]);
    assert_eq!(me(&hub, &forged).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_issuer_holds_nobody_up_at_the_database() {
    let (hub, issuer, key, _) = known("EdDSA").await;
    let token = key.token(&issuer.claims("portolan"));
    let held = issuer.hold().await;
    let waiting = join_all((0..40).map(|_| me(&hub, &token)));
    let working = async {
        hub.until(async || (issuer.asked(DISCOVERY) == 1).then_some(())).await;
        let write = async |at: usize| hub.user_of(&hub.tenant, &format!("user{at}@example.com"), Role::Viewer).await;
        let all = join_all((0..20).map(write));
        tokio::time::timeout(Duration::from_secs(30), all)
            .await
            .expect("no connection is held while the issuer is asked");
        drop(held);
    };
    let (all, ()) = tokio::join!(waiting, working);
    // The writers may have taken longer than the issuer may; then nobody can say.
    assert!(all.iter().all(|reply| reply.status == 200 || reply.status == 503));
}
