//! Providers: in the API, from a folder, checked and played by the command line.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Stdio},
};

use portolan::kernel::scope::Role;
use serde_json::{Value, json};

use crate::support::{
    TestHub,
    process::{command, run, until},
    wire::Wire,
};

const KEYS: &str = "query($filter: ProviderFilterInput, $first: Int, $after: String, $last: Int, $before: String) {
    providers(filter: $filter, first: $first, after: $after, last: $last, before: $before) {
      totalCount nodes { key name } pageInfo { endCursor startCursor hasNextPage hasPreviousPage } } }";

fn keys(reply: &Value) -> Vec<&str> {
    reply["providers"]["nodes"].as_array().unwrap().iter().map(|node| node["key"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn providers_are_found_by_category_words_and_what_they_can_do() {
    let hub = TestHub::start().await;
    let viewer = hub.token(Role::Viewer).await;
    let find = async |filter: Value| hub.ask(&viewer, KEYS, json!({ "filter": filter })).await.data();
    let shipping = find(json!({ "category": "SHIPPING" })).await;
    assert_eq!(keys(&shipping), ["aramex", "dhl_express", "fedex", "smsa_express"]);
    assert_eq!(keys(&find(json!({ "search": "  pAnCaKe " })).await), ["pancake_pos"]);
    assert_eq!(keys(&find(json!({ "search": "nobody has this" })).await), Vec::<&str>::new());
    let both = find(json!({ "category": "PAYMENT", "capabilities": ["SYNC", "WEBHOOK"] })).await;
    assert_eq!(keys(&both), ["network_international", "paypal", "stripe"]);
    let long = hub.ask(&viewer, KEYS, json!({ "filter": { "search": "x".repeat(200) } })).await;
    assert_eq!(long.codes(), ["BAD_USER_INPUT"]);
}

#[tokio::test]
async fn pages_of_providers_are_turned_both_ways_without_loss() {
    let hub = TestHub::start().await;
    let viewer = hub.token(Role::Viewer).await;
    let whole = hub.ask(&viewer, KEYS, json!({ "first": 100 })).await.data();
    let all: Vec<String> = keys(&whole).into_iter().map(str::to_owned).collect();
    assert_eq!((all.len(), whole["providers"]["totalCount"].as_i64()), (26, Some(26)));
    for (size, at, edge, more) in
        [("first", "after", "endCursor", "hasNextPage"), ("last", "before", "startCursor", "hasPreviousPage")]
    {
        let mut turned: Vec<Vec<String>> = Vec::new();
        let mut cursor = Value::Null;
        loop {
            let page = hub.ask(&viewer, KEYS, json!({ size: 7, at: cursor })).await.data();
            turned.push(keys(&page).into_iter().map(str::to_owned).collect());
            cursor = page["providers"]["pageInfo"][edge].clone();
            if page["providers"]["pageInfo"][more] == false {
                break;
            }
        }
        if size == "last" {
            turned.reverse();
        }
        assert_eq!(turned.concat(), all, "{size}");
    }
    let foreign = hub.ask(&viewer, KEYS, json!({ "after": "bm90IG91cnM" })).await;
    assert_eq!(foreign.codes(), ["BAD_USER_INPUT"]);
}

#[tokio::test]
async fn a_provider_says_what_a_form_needs_and_has_an_id() {
    let hub = TestHub::start().await;
    let viewer = hub.token(Role::Viewer).await;
    let read = "query($key: String!) { provider(key: $key) { id perTenant capabilities
        authMethods { kind fields { name secret pattern hintPrefixes } } version { known { id endsOn daysLeft } } } }";
    let stripe = hub.ask(&viewer, read, json!({ "key": "stripe" })).await.data()["provider"].clone();
    let field = &stripe["authMethods"][0]["fields"][0];
    assert_eq!((&field["name"], &field["secret"]), (&json!("api_key"), &json!(true)));
    assert_eq!(field["hintPrefixes"], json!(["sk_live_", "sk_test_", "rk_live_", "rk_test_"]));
    let meta = hub.ask(&viewer, read, json!({ "key": "meta_ads" })).await.data()["provider"].clone();
    assert_eq!(meta["perTenant"], "ONE");
    let ending = meta["version"]["known"].as_array().unwrap().iter().find(|known| known["id"] == "v21.0").unwrap();
    // The clock of the test stands at 15 January 2027.
    assert_eq!((&ending["endsOn"], &ending["daysLeft"]), (&json!("2027-01-21"), &json!(6)));
    let node = "query($id: ID!) { node(id: $id) { id ... on Provider { key } } }";
    let node = hub.ask(&viewer, node, json!({ "id": stripe["id"] })).await.data();
    assert_eq!(node["node"], json!({ "id": stripe["id"], "key": "stripe" }));
    let nobody = hub.ask(&viewer, read, json!({ "key": "nobody" })).await.data();
    assert_eq!(nobody["provider"], Value::Null);
}

#[tokio::test]
async fn a_folder_brings_providers_and_a_bad_file_does_not_stop_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let own =
        include_str!("../../src/provider/catalogue/eneco.toml").replace("key = \"eneco\"", "key = \"our_partner\"");
    fs::write(folder.path().join("own.toml"), own).unwrap();
    fs::write(folder.path().join("bad.toml"), "key = 1\n").unwrap();
    let hub = TestHub::with(&[("PORTOLAN_PROVIDERS_DIR", folder.path().to_str().unwrap())]).await;
    let viewer = hub.token(Role::Viewer).await;
    let whole = hub.ask(&viewer, KEYS, json!({ "first": 100 })).await.data();
    assert_eq!(whole["providers"]["totalCount"], 27);
    assert!(keys(&whole).contains(&"our_partner"));
}

#[test]
fn lint_names_file_and_line_and_what_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let good = include_str!("../../src/provider/catalogue/stripe.toml");
    fs::write(folder.path().join("good.toml"), good).unwrap();
    fs::write(folder.path().join("bad.toml"), good.replace("category = \"payment\"", "category = \"paymnt\"")).unwrap();
    let lint = |files: &[&str]| run(folder.path(), &[], &[&["provider", "lint"], files].concat());
    let well = lint(&["good.toml"]);
    assert_eq!((well.code, well.stdout.as_str()), (Some(0), ""), "{well:?}");
    let bad = lint(&["good.toml", "bad.toml"]);
    assert_eq!(bad.code, Some(1), "{bad:?}");
    let number = 1 + good.lines().position(|line| line.starts_with("category")).unwrap();
    assert!(
        bad.stdout
            .starts_with(&format!("bad.toml:{number}: `category` cannot be \"paymnt\" (did you mean \"payment\"?)")),
        "{bad:?}"
    );
    assert_eq!(lint(&["missing.toml"]).code, Some(1));
    assert_eq!(lint(&[]).code, Some(2));
}

/// A simulator of its own, which ends with its test.
struct Simulated(Child);

impl Drop for Simulated {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn providers_are_played_on_the_loopback() {
    let folder = tempfile::tempdir().unwrap();
    let unknown = run(folder.path(), &[], &["provider", "simulate", "strip"]);
    assert!(unknown.code == Some(2) && unknown.stderr.contains("did you mean \"stripe\""), "{unknown:?}");
    let mut playing = command(folder.path(), &[], &["provider", "simulate", "stripe", "pancake_pos", "--port", "0"]);
    let mut child = playing.stdout(Stdio::piped()).spawn().map(Simulated).unwrap();
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let line = lines.by_ref().map(Result::unwrap).find(|line| line.starts_with("stripe")).unwrap();
    let address = line.split_once("http://").unwrap().1.split('/').next().unwrap().parse().unwrap();
    let ask = async |head: &str| {
        until("the simulator answers", async || {
            let mut wire = Wire::open(address).await.ok()?;
            wire.send(head).await.ok()?;
            wire.reply().await.ok()
        })
        .await
    };
    // sk_test_ExampleExampleExample01 as the user of Basic.
    let basic = "authorization: Basic c2tfdGVzdF9FeGFtcGxlRXhhbXBsZUV4YW1wbGUwMTo=\r\n";
    let get = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\n{more}connection: close\r\n\r\n");
    let customers = ask(&get("/stripe/api.stripe.com/v1/customers?limit=2", basic)).await;
    assert!(customers.status == 200 && customers.text.contains("\"has_more\":true"), "{}", customers.text);
    let refused = ask(&get("/stripe/api.stripe.com/v1/balance", "")).await;
    assert_eq!(refused.status, 401);
    let taken = ask(&get("/_control/stripe", "")).await.json();
    assert_eq!(taken["credentials"]["secret_key"]["api_key"], "sk_test_ExampleExampleExample01", "{taken}");
    assert_eq!(ask(&get("/_control/paypal", "")).await.status, 404);
    let mood = "{\"mood\": \"throttling\", \"requests\": 1}";
    let control = format!(
        "POST /_control/stripe HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{mood}",
        mood.len()
    );
    assert_eq!(ask(&control).await.status, 200);
    let throttled = ask(&get("/stripe/api.stripe.com/v1/balance", basic)).await;
    assert!(throttled.status == 429 && throttled.headers.contains_key("retry-after"), "{:?}", throttled.headers);
    let well = ask(&get("/stripe/api.stripe.com/v1/balance", basic)).await;
    assert_eq!(well.status, 200);
}

#[tokio::test]
async fn what_hurts_soon_or_was_never_confirmed_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let facebook = include_str!("../../src/provider/catalogue/facebook.toml");
    for (key, version) in [("ending", "v21.0"), ("lasting", "v24.0")] {
        let own = facebook.replace("key = \"facebook\"", &format!("key = \"{key}\""));
        let own = own.replace("current = \"v25.0\"", &format!("current = \"{version}\""));
        fs::write(folder.path().join(format!("{key}.toml")), own).unwrap();
    }
    let hub = TestHub::with(&[("PORTOLAN_PROVIDERS_DIR", folder.path().to_str().unwrap())]).await;
    let viewer = hub.token(Role::Viewer).await;
    let read = "query($key: String!) { provider(key: $key) { unverified
        warnings { kind message version endsOn daysLeft instead } } }";
    let read = async |key: &str| hub.ask(&viewer, read, json!({ "key": key })).await.data()["provider"].clone();
    // The clock of the test stands at 15 January 2027.
    let soon = json!({ "kind": "VERSION_ENDS_SOON", "message": "Version v21.0 is served until 2027-01-21 only.",
        "version": "v21.0", "endsOn": "2027-01-21", "daysLeft": 6, "instead": "v26.0" });
    assert_eq!(read("ending").await["warnings"][0], soon);
    for key in ["lasting", "telr", "paypal", "stripe"] {
        let provider = read(key).await;
        let told: Vec<_> = provider["warnings"].as_array().unwrap().iter().map(|warning| &warning["message"]).collect();
        let facts = provider["unverified"].as_array().unwrap();
        let expected: Vec<_> =
            facts.iter().map(|fact| json!(format!("Not confirmed: {}", fact.as_str().unwrap()))).collect();
        assert_eq!(told, expected.iter().collect::<Vec<_>>(), "{key}");
        assert!(provider["warnings"].as_array().unwrap().iter().all(|warning| warning["kind"] == "UNVERIFIED"));
    }
}
