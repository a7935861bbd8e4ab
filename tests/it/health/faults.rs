//! What is wrong at the provider, and what is said of it.

use chrono::TimeDelta;
use portolan::{entity::secret, provider::simulator::Mood};
use serde_json::json;

use super::{Ward, connect};
use crate::support::{
    TestHub,
    played::{Said, Scripted, settings},
    tamper::set,
};

/// Each fault with the verdict and the side that follow from it.
const FAULTS: &[(Mood, &str, &str)] = &[
    (Mood::Down, "DOWN", "REACHABILITY"),
    (Mood::Garbled, "DOWN", "REACHABILITY"),
    (Mood::WrongCharset, "DOWN", "REACHABILITY"),
    (Mood::Endless, "DOWN", "REACHABILITY"),
    (Mood::Failing, "DOWN", "REACHABILITY"),
    (Mood::Revoked, "DOWN", "CREDENTIAL"),
    (Mood::Throttling, "DEGRADED", "QUOTA"),
];

/// How bad the alerts are that are open.
async fn alerts(ward: &Ward) -> Vec<String> {
    let query = "{ alerts(filter: { open: true, kinds: [UNHEALTHY] }) { nodes { severity } } }";
    let answer = ward.hub.ask(&ward.admin, query, json!(null)).await.data();
    let nodes = answer["alerts"]["nodes"].as_array().unwrap();
    nodes.iter().map(|node| node["severity"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_has_its_verdict_and_its_side_after_three_probes_and_goes_after_two() {
    for (mood, verdict, axis) in FAULTS {
        let mut ward = Ward::open().await;
        let id = ward.connect("stripe").await;
        ward.round().await;
        assert_eq!(ward.verdict(id).await, ("HEALTHY".to_owned(), json!(null)), "{mood:?}");
        ward.played.behave("stripe", *mood, None);
        ward.rounds(2).await;
        assert_eq!(ward.verdict(id).await.0, "HEALTHY", "{mood:?}");
        ward.round().await;
        assert_eq!(ward.verdict(id).await, ((*verdict).to_owned(), json!(axis)), "{mood:?}");
        let broken = ward.of(id).await;
        assert_eq!(broken["errorMessage"], broken["health"]["reason"], "{mood:?}");
        assert!(broken["health"]["reason"].is_string(), "{mood:?}: {broken}");
        assert_eq!(broken["health"]["axes"]["credential"] == "BAD", *axis == "CREDENTIAL", "{mood:?}: {broken}");
        let severity = if *verdict == "DOWN" { "CRITICAL" } else { "WARNING" };
        assert_eq!(alerts(&ward).await, [severity], "{mood:?}");
        ward.played.behave("stripe", Mood::Well, None);
        ward.round().await;
        assert_eq!(ward.verdict(id).await.0, *verdict, "{mood:?}");
        ward.round().await;
        assert_eq!(alerts(&ward).await, [""; 0], "{mood:?}");
        let well = ward.of(id).await;
        assert_eq!(well["health"]["verdict"], "HEALTHY", "{mood:?}");
        assert_eq!(well["errorMessage"], json!(null), "{mood:?}");
        assert_eq!(well["lastSuccessAt"], well["health"]["since"], "{mood:?}");
        let changes = ["UNKNOWN>HEALTHY".to_owned(), format!("HEALTHY>{verdict}"), format!("{verdict}>HEALTHY")];
        assert_eq!(ward.changes().await, changes, "{mood:?}");
    }
}

/// Whatever the provider answers with when it is asked too often, it is no reason to connect anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_403_is_never_a_bad_credential() {
    let mut ward = Ward::open().await;
    let id = ward.connect("mailchimp").await;
    ward.round().await;
    assert_eq!(ward.verdict(id).await.0, "HEALTHY");
    ward.played.behave("mailchimp", Mood::Throttling, None);
    for _ in 0..10 {
        ward.round().await;
        let now = ward.of(id).await;
        assert_eq!(now["health"]["axes"]["credential"], "GOOD", "{now}");
        assert_ne!(now["status"], "NEEDS_REAUTH");
    }
    assert_eq!(ward.verdict(id).await, ("DEGRADED".to_owned(), json!("QUOTA")));
}

/// A client that buys tokens, at a token endpoint that is away or asks to wait.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_cannot_be_bought_is_a_provider_that_cannot_be_reached() {
    let mut ward = Ward::open().await;
    let id = ward.connect("paypal").await;
    ward.played.behave("paypal", Mood::Throttling, None);
    ward.rounds(3).await;
    let now = ward.of(id).await;
    assert_eq!(now["health"]["verdict"], "DOWN", "{now}");
    assert_eq!(now["health"]["axis"], "REACHABILITY", "{now}");
    assert_ne!(now["status"], "NEEDS_REAUTH");
    ward.played.behave("paypal", Mood::Well, None);
    ward.rounds(3).await;
    assert_eq!(ward.verdict(id).await.0, "HEALTHY");
}

/// A client whose credential is refused for good is down at once, and not asked again until it is connected anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_credential_refused_for_good_is_down_at_once() {
    let mut ward = Ward::open().await;
    let id = ward.connect("paypal").await;
    ward.round().await;
    assert_eq!(ward.verdict(id).await.0, "HEALTHY");
    ward.played.behave("paypal", Mood::Revoked, None);
    // Its token is refused, and so is buying another.
    ward.round().await;
    let now = ward.of(id).await;
    assert_eq!(now["status"], "NEEDS_REAUTH", "{now}");
    assert_eq!(now["health"]["verdict"], "DOWN", "{now}");
    assert_eq!(now["health"]["axis"], "CREDENTIAL", "{now}");
    let checks = now["health"]["history"]["totalCount"].clone();
    ward.rounds(3).await;
    assert_eq!(ward.of(id).await["health"]["history"]["totalCount"], checks, "nobody knocks in vain");
}

#[tokio::test(flavor = "multi_thread")]
async fn flapping_gives_one_break_and_one_recovery_in_each_window() {
    let mut ward = Ward::with(&[("PORTOLAN_HEALTH_WINDOW", "30m")]).await;
    let id = ward.connect("stripe").await;
    ward.round().await;
    let began = ward.hub.cx().now();
    for _ in 0..10 {
        ward.played.behave("stripe", Mood::Down, None);
        ward.rounds(3).await;
        assert_eq!(ward.verdict(id).await.0, "DOWN");
        ward.played.behave("stripe", Mood::Well, None);
        ward.rounds(3).await;
    }
    let windows = usize::try_from((ward.hub.cx().now() - began).num_minutes() / 30).unwrap() + 1;
    let changes = ward.changes().await;
    let times = |change: &str| changes.iter().filter(|each| *each == change).count();
    let (breaks, recoveries) = (times("HEALTHY>DOWN"), times("DOWN>HEALTHY"));
    assert!((1..=windows).contains(&recoveries), "{recoveries} recoveries in {windows} windows");
    assert!(breaks <= recoveries + 1, "{breaks} breaks, {recoveries} recoveries");
    // It stays well, and is told so when the window is over.
    ward.hub.clock.advance(TimeDelta::minutes(30));
    ward.rounds(2).await;
    assert_eq!(ward.verdict(id).await.0, "HEALTHY");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_is_degraded_against_its_own_usual() {
    let slow = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let told = slow.clone();
    let server = Scripted::start(move |_| {
        let answer = Said::json(200, &json!({ "object": "balance", "available": [], "livemode": false }));
        let ms = if told.load(std::sync::atomic::Ordering::SeqCst) { 1_200 } else { 0 };
        Said { after: std::time::Duration::from_millis(ms), ..answer }
    })
    .await;
    let of = settings(server.address);
    let of: Vec<_> = of.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut ward = Ward::open().await;
    ward.hub = TestHub::with(&of).await;
    ward.prober = portolan::worker::prober::Prober::new(ward.hub.app.hub().clone());
    ward.admin = ward.hub.token(portolan::kernel::scope::Role::Admin).await;
    let id = connect(&ward.hub, "stripe", "slow").await;
    ward.rounds(12).await;
    assert_eq!(ward.verdict(id).await.0, "HEALTHY");
    slow.store(true, std::sync::atomic::Ordering::SeqCst);
    ward.rounds(3).await;
    let now = ward.of(id).await["health"].clone();
    assert_eq!((now["verdict"].clone(), now["axis"].clone()), (json!("DEGRADED"), json!("REACHABILITY")), "{now}");
    assert!(now["latencyMs"].as_i64().unwrap() >= 1_200 && now["baselineMs"].as_i64().unwrap() < 600, "{now}");
    assert!(now["reason"].as_str().unwrap().contains("usually"), "{now}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_credential_that_was_damaged_is_named_by_code_and_asked_for_anew() {
    let mut ward = Ward::open().await;
    let id = ward.connect("stripe").await;
    ward.round().await;
    assert_eq!(ward.verdict(id).await.0, "HEALTHY");
    let db = ward.hub.app.hub().database.writer();
    let secrets = secret::of(ward.hub.tenant.id).all(db).await.unwrap();
    for row in secrets.iter().filter(|row| row.owner.contains(&id.to_string()) || row.owner.starts_with("crd_")) {
        let mut sealed = row.sealed.clone();
        *sealed.last_mut().unwrap() ^= 1;
        set::<secret::Entity>(db, row, secret::Column::Sealed, sealed.into()).await;
    }
    let test = "mutation($id: ID!) { testIntegration(input: { id: $id }) { userErrors { code } } }";
    let reply = ward.hub.ask(&ward.admin, test, json!({ "id": id.to_string() })).await;
    assert_eq!(reply.codes(), ["SECRET_UNREADABLE"], "{}", reply.text);
    ward.round().await;
    assert_eq!(ward.of(id).await["status"], "NEEDS_REAUTH");
    let query = "{ alerts(filter: { open: true, kinds: [NEEDS_REAUTH] }) { nodes { subject } } }";
    let open = ward.hub.ask(&ward.admin, query, json!(null)).await.data()["alerts"]["nodes"].clone();
    assert_eq!(open, json!([{ "subject": id.to_string() }]));
}
